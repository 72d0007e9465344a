//! An approval is of bytes: what it records, what voids it, and what is said of that.

use std::os::unix::fs::PermissionsExt;

use syft::jobs::{
    ChangeKind, Compared, Confinement, Error, Job, JobKind, JobStatus, RunScript, Shown, ShownTo,
    run,
};
use syft::model::DatasitePath;

use crate::world::{World, id, now, options, read, write};

fn job(world: &World) -> Job {
    world.store.find(&id("job")).unwrap()
}

fn compared(world: &World) -> Compared {
    let job = job(world);
    world.store.compared(&job, &world.store.snapshot(&job).unwrap()).unwrap()
}

/// What changed: path, what became of it, whether there is a diff.
fn changes(world: &World) -> Vec<(String, ChangeKind, bool)> {
    let changes = compared(world).changes.unwrap();
    changes.iter().map(|c| (c.path.to_string(), c.kind(), c.diff.is_some())).collect()
}

fn approved(code: &str) -> World {
    let world = World::new();
    world.submit("job", JobKind::Python, code, None);
    world.approve("job");
    world
}

#[test]
fn w2_each_change_after_an_approval_voids_it_and_is_told_with_a_diff() {
    use ChangeKind::{Added, Changed, Removed};
    type Change = fn(&World);
    type Found = Vec<(&'static str, ChangeKind, bool)>;
    #[rustfmt::skip]
    let cases: [(&str, Change, Found); 6] = [
        ("the script",     |w| write(&w.inbox("job").join("run.sh"), "curl evil.example\n"), vec![("run.sh", Changed, true)]),
        ("the code",       |w| write(&w.inbox("job").join("code/main.py"), "evil()\n"),      vec![("code/main.py", Changed, true)]),
        ("the settings",   |w| { let path = w.inbox("job").join("config.yaml");
                                 write(&path, &read(&path).replace("dependencies:", "dependencies:\n- evil")); },
                                                                                             vec![("config.yaml", Changed, true)]),
        ("one more file",  |w| write(&w.inbox("job").join("code/json.py"), "evil()\n"),      vec![("code/json.py", Added, true)]),
        ("one less",       |w| std::fs::remove_file(w.inbox("job").join("code/main.py")).unwrap(), vec![("code/main.py", Removed, true)]),
        ("a binary file",  |w| std::fs::write(w.inbox("job").join("code/x.so"), b"\x7fELF\xff").unwrap(), vec![("code/x.so", Added, false)]),
    ];
    for (what, change, expected) in cases {
        let world = approved("print('honest')\n");
        assert!(compared(&world).holds, "{what}");
        change(&world);
        // Before a sync has noticed, and after.
        for voided in [false, true] {
            if voided {
                let decided = world.store.receive(now()).unwrap();
                assert_eq!(decided[0].1.status, JobStatus::Pending, "{what}");
                assert!(world.store.approval(&job(&world)).is_none(), "{what}");
            }
            let found = changes(&world);
            let found: Vec<_> = found.iter().map(|(p, k, d)| (p.as_str(), *k, *d)).collect();
            assert_eq!(found, expected, "{what}");
            assert!(!compared(&world).holds, "{what}");
        }
    }
}

#[tokio::test]
async fn w2_a_run_that_is_refused_says_what_changed() {
    let world = approved("print('honest')\n");
    write(&world.inbox("job").join("code/main.py"), "evil()\n");
    write(&world.inbox("job").join("code/more.py"), "");
    let refused = run(&world.store, &id("job"), &options(Confinement::None), now()).await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, Error::Changed { .. }));
    let text = refused.to_string();
    assert!(text.ends_with("`code/main.py` changed, `code/more.py` added"), "{text}");
}

#[test]
fn w2_a_change_that_is_taken_back_does_not_bring_an_approval_back() {
    let world = approved("print('honest')\n");
    let script = world.inbox("job").join("run.sh");
    let honest = read(&script);
    write(&script, "evil\n");
    world.store.receive(now()).unwrap();
    write(&script, &honest);
    assert!(world.store.receive(now()).unwrap().is_empty());
    assert_eq!(job(&world).state.status, JobStatus::Pending);
    assert!(compared(&world).changes.unwrap().is_empty());
    assert!(!compared(&world).holds, "it is what was approved, and has to be approved");
}

#[test]
fn the_approved_bytes_are_kept_where_nobody_else_reads_them() {
    let world = approved("print('honest')\n");
    let kept = world.store.private().join("kept/do@example.com");
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(!kept.starts_with(world.store.syftbox()));
    let digest = world.store.approval(&job(&world)).unwrap().digest.to_hex();
    assert_eq!(read(&kept.join(&digest).join("code/main.py")), "print('honest')\n");
    // What nothing refers to is removed.
    for code in ["evil()\n", "worse()\n"] {
        write(&world.inbox("job").join("code/main.py"), code);
        world.store.receive(now()).unwrap();
        world.store.approve(&id("job"), None, RunScript::Derived, None, now()).unwrap();
    }
    world.submit("other", JobKind::Python, "", None);
    world.store.receive(now()).unwrap();
    assert!(!kept.join(&digest).exists());
    assert_eq!(std::fs::read_dir(&kept).unwrap().count(), 2, "the one that stands and the last");
}

#[test]
fn a_record_says_who_when_why_and_what_was_shown() {
    let world = World::new();
    world.submit("job", JobKind::Python, "print(1)\n", Some(&["census"]));
    world.store.receive(now()).unwrap();
    let found = job(&world);
    let submission = world.store.snapshot(&found).unwrap();
    let main = DatasitePath::parse("code/main.py").unwrap();
    world
        .store
        .note_shown(&id("job"), &submission, &[(&main, Shown::Whole)], ShownTo::Nobody)
        .unwrap();
    let reason = Some("counts only");
    world.store.approve(&id("job"), reason, RunScript::Derived, None, now()).unwrap();
    let record = world.store.approval(&found).unwrap();
    assert_eq!(record.approved_by.as_ref().map(ToString::to_string).unwrap(), "do@example.com");
    assert_eq!((record.approved_at, record.reason.as_deref()), (now(), reason));
    assert_eq!(record.snapshot(), Some(submission));
    let shown = record.files.unwrap().into_iter().map(|file| (file.path.to_string(), file.shown));
    let expected =
        [("code/main.py", Shown::Whole), ("config.yaml", Shown::No), ("run.sh", Shown::No)];
    assert!(shown.eq(expected.map(|(path, shown)| (path.to_owned(), shown))));
    let datasets = record.datasets.unwrap();
    assert_eq!(datasets.len(), 1);
    assert_eq!(
        (datasets[0].name.as_str(), datasets[0].private.as_ref().unwrap().files),
        ("census", 3)
    );
}

#[tokio::test]
async fn a_dataset_that_changes_after_the_approval_voids_nothing_and_is_told() {
    let world = World::new();
    world.submit(
        "job",
        JobKind::Bash,
        "ls $SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets\n",
        None,
    );
    world.approve("job");
    let private = world.datasite().join("private/syft_datasets");
    write(&private.join("census/data.csv"), "a\n1\n2\n3\n4\n");
    write(&private.join("born later/data.csv"), "a\n");
    assert!(world.store.receive(now()).unwrap().is_empty());
    let report = run(&world.store, &id("job"), &options(Confinement::None), now()).await.unwrap();
    assert_eq!(report.status, JobStatus::Done);
    let notes = report.notes.join("\n");
    assert!(notes.contains("the private half of dataset `census` was changed since"), "{notes}");
    assert!(notes.contains("`born later` came after the approval, and the job does not see it"));
    assert!(!notes.contains("`other`"), "{notes}");
}

#[tokio::test]
async fn a_dataset_that_was_not_there_is_not_read_by_its_name() {
    let world = World::new();
    let list = "ls $SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets\n";
    world.submit("job", JobKind::Bash, list, Some(&["census", "other", "guessed"]));
    let private = world.datasite().join("private/syft_datasets");
    let metadata = |uid: u32| format!("uid: 00000000-0000-4000-8000-00000000000{uid}\n");
    write(&private.join("other/private_metadata.yaml"), &metadata(1));
    world.approve("job");
    // One is made of a name that was guessed, one is made anew under the name of another.
    write(&private.join("guessed/data.csv"), "a\n");
    write(&private.join("other/private_metadata.yaml"), &metadata(2));
    let report = run(&world.store, &id("job"), &options(Confinement::None), now()).await.unwrap();
    let notes = report.notes.join("\n");
    assert_eq!(read(&world.left("job").join("stdout.txt")), "census\n", "{notes}");
    assert!(notes.contains("`guessed` came after the approval, and the job does not see it"));
    assert!(notes.contains("`other` is another one than at the approval"), "{notes}");
}

#[tokio::test]
async fn an_approval_of_the_first_version_still_lets_its_job_run() {
    let world = approved("print('honest')\n");
    let digest = world.store.approval(&job(&world)).unwrap().digest.to_hex();
    let approvals = world.store.private().join("approvals/do@example.com");
    let record = id("job").inbox().below(&approvals).with_added_extension("json");
    let text = format!(
        r#"{{"digest": "{digest}", "approved_at": "2026-11-20T12:39:16Z", "run_script": "derived"}}"#
    );
    write(&record, &text);
    assert!(world.store.receive(now()).unwrap().is_empty());
    let old = world.store.approval(&job(&world)).unwrap();
    assert_eq!((old.files, old.datasets), (None, None));
    let report = run(&world.store, &id("job"), &options(Confinement::None), now()).await.unwrap();
    assert_eq!(report.status, JobStatus::Done, "{:?}", report.notes);
    // Without a copy and a list only the digests are compared.
    std::fs::remove_dir_all(world.store.private().join("kept")).unwrap();
    write(&world.inbox("job").join("run.sh"), "evil\n");
    assert_eq!(compared(&world).changes, None);
    assert_eq!(world.store.receive(now()).unwrap()[0].1.status, JobStatus::Pending);
}

#[test]
fn w7_two_submitters_with_one_name_have_two_approvals() {
    let world = World::new();
    world.submit("job", JobKind::Python, "print('honest')\n", None);
    let mut other = id("job");
    other.submitter = syft::model::Email::parse("mallory@example.com").unwrap();
    world.arrive(&world.one_file(&other, JobKind::Python, "evil()\n", None));
    world.approve("job");
    assert!(world.store.approval(&job(&world)).is_some());
    let theirs = world.store.find(&other).unwrap();
    assert_eq!(theirs.state.status, JobStatus::Pending);
    assert!(world.store.approval(&theirs).is_none());
    let submission = world.store.snapshot(&theirs).unwrap();
    assert!(world.store.compared(&theirs, &submission).is_none(), "nothing of theirs was approved");
}
