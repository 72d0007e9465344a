//! A run of a job is killed: nothing of it lives on, and the job does not stay `running`.

use std::collections::BTreeSet;
use std::time::Duration;

use super::chance::{Chance, rounds};
use super::drive;
use super::world::{Account, OWNER, SCIENTIST, World};

/// How long the system may take to end what it was told to end.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_run_is_killed_ends_and_is_not_left_running() {
    let mut chance = Chance::of_this_run();
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let usual = Duration::from_millis(400);
    let count = rounds(12);
    for number in 0..count {
        let name = format!("job-{number}");
        let script = world.file(
            &format!("{name}.sh"),
            "echo secret-line | tee code/outputs/begun.txt\nsleep 600\n",
        );
        scientist.done(&["job", "submit", &script, "--to", OWNER, "--name", &name, "--bash"]);
        owner.done(&["sync"]);
        owner.done(&["job", "approve", &name]);
        let running = owner.start(&["job", "run", &name]);
        if chance.is(1, 2) {
            // As early as can be: the sandbox is there, but has not yet asked to die with us, or the
            // job asks whether it may begin.
            while children(running.pid()).is_empty() && is_alive(running.pid()) {
                std::hint::spin_loop();
            }
            let most = 3_000 << chance.below(4);
            let moment = running.age() + Duration::from_micros(chance.below(most));
            running.kill(moment);
        } else {
            running.kill(chance.moment(usual));
        }
        ended(&owner).await;
        let before = status(&owner, &name);
        assert!(["approved", "running"].contains(&before.as_str()), "`{name}` is {before}");
        owner.done(&["sync"]);
        let after = status(&owner, &name);
        let wanted = if before == "running" { "failed" } else { "approved" };
        assert_eq!(after, wanted, "`{name}` was {before}");
        // Who sent it is told so, and no word of what it printed.
        let told = owner.done(&["job", "show", &name])["job"]["failure"].clone();
        assert_eq!(told["ending"] == "interrupted", before == "running", "`{name}`: {told}");
        run_again(&world, &owner, &scientist, &name);
    }
    owner.done(&["sync"]);
    scientist.done(&["sync"]);
    drive::check(&world).await;
    drive::databases(&owner);
    // Nothing was released, so nothing but the states may have reached the scientist.
    for (path, content) in scientist.tree() {
        let is_output = path.contains("/outputs/") || path.ends_with("/stdout.txt");
        let is_own = path.contains("/inbox/");
        assert!(is_own || !is_output && !content.contains("secret-line"), "{path} was shown");
    }
    assert_eq!(status(&scientist, "job-0"), status(&owner, "job-0"));
}

/// A run that is cut short by its own limit leaves a job that has ended.
fn run_again(world: &World, owner: &Account, scientist: &Account, name: &str) {
    if status(owner, name) == "approved" {
        let ran = owner.run(&["job", "run", name, "--timeout", "1"]);
        assert_eq!(status(owner, name), "failed", "{ran:?}");
    }
    let quick = format!("{name}-quick");
    let script = world.file(&format!("{quick}.sh"), "echo quick > code/outputs/quick.txt\n");
    scientist.done(&["job", "submit", &script, "--to", OWNER, "--name", &quick, "--bash"]);
    owner.done(&["sync"]);
    owner.done(&["job", "approve", &quick]);
    owner.done(&["job", "run", &quick]);
    assert_eq!(status(owner, &quick), "done");
    owner.done(&["sync"]);
}

/// A submission is killed: run again, the owner has one whole job.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_whose_submission_is_killed_arrives_once_and_whole() {
    let mut chance = Chance::of_this_run();
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let mut usual = Duration::from_millis(200);
    let count = rounds(20);
    for number in 0..count {
        let name = format!("job-{number}");
        let script = world.file(&format!("{name}.sh"), "echo hello\n");
        let submit = ["job", "submit", &script, "--to", OWNER, "--name", &name, "--bash"];
        let answer = scientist.start(&submit).kill(chance.moment(usual));
        if answer.exit.is_some() {
            usual = answer.took;
        }
        if chance.is(1, 2) {
            scientist.done(&["sync"]);
            owner.done(&["sync"]);
        }
        let again = scientist.run(&submit);
        let code = again.json["error"]["code"].as_str().unwrap_or_default();
        assert!(again.exit == Some(0) || code.contains("exists"), "{again:?}");
        scientist.done(&["sync"]);
        owner.done(&["sync"]);
        let folder = format!("app_data/job/inbox/{SCIENTIST}/{name}");
        for file in ["config.yaml", "run.sh", "code/script.sh"] {
            let path = format!("{folder}/{file}");
            assert!(owner.read(&path).is_some(), "`{path}` is missing: half a job arrived");
        }
        assert_eq!(status(&owner, &name), "pending");
    }
    assert_eq!(jobs(&owner).len() as u64, count, "{:?}", jobs(&owner));
    assert_eq!(jobs(&scientist).len() as u64, count, "{:?}", jobs(&scientist));
    drive::check(&world).await;
}

fn jobs(account: &Account) -> BTreeSet<String> {
    let listed = account.done(&["job", "list"]);
    assert_eq!(listed["problems"].as_array().map_or(0, Vec::len), 0, "{listed}");
    let jobs = listed["jobs"].as_array().unwrap();
    jobs.iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect()
}

fn status(account: &Account, name: &str) -> String {
    account.done(&["job", "show", name])["job"]["status"].as_str().unwrap().to_owned()
}

/// Waits until no process of a sandbox of this account is left.
async fn ended(account: &Account) {
    let all = async {
        // The system tells nobody but a parent that a process has ended, so we look again.
        let mut looks = tokio::time::interval(Duration::from_millis(5));
        while processes().any(|process| is_of(&process, account)) {
            looks.tick().await;
        }
    };
    if tokio::time::timeout(PATIENCE, all).await.is_err() {
        let left: Vec<(u32, String)> =
            processes().filter(|process| is_of(process, account)).collect();
        panic!("these outlive the program that started them: {left:#?}");
    }
}

/// True for the program of this account, and for what sees its folders, as a job in its room does.
fn is_of((pid, line): &(u32, String), account: &Account) -> bool {
    let home = account.home.to_str().unwrap();
    let mounts = std::fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    line.contains(home) || mounts.contains(home.trim_start_matches("/tmp"))
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// The processes that a process started and that are sandboxes.
fn children(parent: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    let pids: Vec<u32> = lists
        .flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    pids.into_iter()
        .filter(|pid| line(*pid).is_some_and(|line| line.contains("--info-fd")))
        .collect()
}

/// All processes with their command lines; those that have ended have none.
fn processes() -> impl Iterator<Item = (u32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, line(pid)?))
    })
}

fn line(pid: u32) -> Option<String> {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&line).replace('\0', " "))
}
