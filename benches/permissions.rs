//! What a sync asks of the rules: 10,000 paths for 20 users under 200 permission files.

use divan::{Bencher, black_box};
use syft::model::{DatasitePath, Email};
use syft::permissions::{Level, SyftPerm};

const PATHS: usize = 10_000;
const USERS: usize = 20;
const FILES: usize = 200;

fn main() {
    divan::main();
}

fn owner() -> Email {
    Email::parse("owner@example.org").expect("an address")
}

fn users() -> Vec<Email> {
    let address =
        |n: usize| format!("user{n}@{}.org", if n.is_multiple_of(2) { "even" } else { "odd" });
    (0..USERS).map(|n| Email::parse(&address(n)).expect("an address")).collect()
}

/// Six rules in each file, one of them for the requester's own folder.
fn files() -> Vec<(String, Vec<u8>)> {
    let content = |n: usize| {
        format!(
            "rules:\n\
             - {{pattern: '{{{{.UserEmail}}}}/**', access: {{write: [USER]}}}}\n\
             - {{pattern: '**', access: {{read: ['*@even.org']}}}}\n\
             - {{pattern: '**/*.csv', access: {{read: [user{}@odd.org]}}}}\n\
             - {{pattern: 'reports/**', access: {{read: ['*'], write: [user{}@even.org]}}}}\n\
             - {{pattern: 'reports/q?.csv', access: {{read: ['?ser*@odd.org']}}}}\n\
             - {{pattern: 'private.txt', access: {{}}}}\n",
            n % USERS,
            n % USERS
        )
    };
    (0..FILES).map(|n| (format!("team{}/project{n}", n % 14), content(n).into_bytes())).collect()
}

fn paths() -> Vec<DatasitePath> {
    let names = ["a.txt", "data/b.csv", "reports/q1.csv", "reports/2026/q1.csv", "private.txt"];
    let path = |n: usize| {
        let file = n % FILES;
        let name = names[n / FILES % names.len()];
        let folder = format!("team{}/project{file}", file % 14);
        DatasitePath::parse(&format!(
            "{folder}/{}{name}",
            if n.is_multiple_of(3) { "run/" } else { "" }
        ))
        .expect("a path")
    };
    (0..PATHS).map(path).collect()
}

#[divan::bench]
fn compile(bencher: Bencher<'_, '_>) {
    let owner = owner();
    bencher.with_inputs(files).bench_values(|files| SyftPerm::compile(&owner, files));
}

#[divan::bench]
fn evaluate_all(bencher: Bencher<'_, '_>) {
    let (perm, problems) = SyftPerm::compile(&owner(), files());
    assert!(problems.is_empty());
    let (paths, users) = (paths(), users());
    bencher.bench_local(|| perm.evaluate_all(black_box(&paths), black_box(&users)));
}

#[divan::bench]
fn one_by_one(bencher: Bencher<'_, '_>) {
    let (perm, _) = SyftPerm::compile(&owner(), files());
    let (paths, users) = (paths(), users());
    bencher.bench_local(|| {
        let allowed =
            |path| users.iter().filter(|user| perm.allows(user, path, Level::Read)).count();
        paths.iter().map(allowed).sum::<usize>()
    });
}
