//! The way of a job through its states, crashes included.

use std::time::Duration;

use syft::jobs::{
    Confinement, Error, JobKind, JobStatus, Layout, RunScript, ScriptCheck, digest_of, recover, run,
};

use crate::world::{World, id, id_in, now, options, read, sandbox, write};

#[test]
fn a_job_waits_for_a_decision_and_is_decided_once() {
    let world = World::new();
    world.submit("job", JobKind::Python, "", None);
    let job = world.store.find(&id("job")).unwrap();
    assert_eq!(job.state.status, JobStatus::Received);
    assert!(matches!(world.store.reject(&id("job"), None, now()), Err(Error::Refused { .. })));
    assert_eq!(world.store.receive(now()).unwrap().len(), 1);
    assert!(world.store.receive(now()).unwrap().is_empty());
    let state = world.store.reject(&id("job"), Some("not now"), now()).unwrap();
    assert_eq!(state.status, JobStatus::Rejected);
    let file = read(&world.review("job").join("state.yaml"));
    assert!(
        file.contains("rejected_by: do@example.com\n") && file.contains("review_reason: not now\n")
    );
    assert!(world.store.approve(&id("job"), None, RunScript::Derived, None, now()).is_err());
    assert!(matches!(world.store.find(&id("nothing")), Err(Error::UnknownJob { .. })));
}

#[tokio::test]
async fn what_was_approved_can_be_turned_down_as_long_as_it_has_not_begun() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "true\n", None);
    world.approve("job");
    let state = world.store.reject(&id("job"), Some("on second thoughts"), now()).unwrap();
    assert_eq!((state.status, state.approved_by), (JobStatus::Rejected, None));
    let job = world.store.find(&id("job")).unwrap();
    assert!(world.store.approval(&job).is_none(), "no approval stays behind");
    let options = options(Confinement::None);
    let run_it = || run(&world.store, &job.id, &options, now());
    assert!(matches!(run_it().await, Err(Error::Refused { .. })));
    // Whoever edits the state gets nothing to run.
    let path = world.review("job").join("state.yaml");
    write(&path, &read(&path).replace("status: rejected", "status: approved"));
    assert!(matches!(run_it().await, Err(Error::NotBound { .. })));

    world.submit("other", JobKind::Bash, "true\n", None);
    world.run("other", &options).await;
    assert!(matches!(world.store.reject(&id("other"), None, now()), Err(Error::Refused { .. })));
}

#[test]
fn a_directory_without_the_form_of_a_job_is_rejected_with_a_reason() {
    let world = World::new();
    world.submit("job", JobKind::Python, "", None);
    write(&world.inbox("job").join("extra.txt"), "");
    let decided = world.store.receive(now()).unwrap();
    assert_eq!(decided[0].1.status, JobStatus::Rejected);
    assert_eq!(decided[0].1.review_reason.as_deref(), Some("`extra.txt` does not belong there"));
}

#[test]
fn a_permission_file_of_the_owner_is_no_part_of_a_job() {
    let world = World::new();
    world.submit("job", JobKind::Python, "", None);
    world.approve("job");
    write(&world.inbox("job").join("syft.pub.yaml"), "rules: []\n");
    assert!(world.store.receive(now()).unwrap().is_empty(), "still approved");
}

#[test]
fn w2_only_what_was_reviewed_is_approved() {
    let world = World::new();
    world.submit("job", JobKind::Python, "print(1)", None);
    world.store.receive(now()).unwrap();
    let job = world.store.find(&id("job")).unwrap();
    let reviewed = world.store.snapshot(&job).unwrap();
    let files = reviewed.files.iter().map(|(path, digest, _)| (path, *digest));
    assert_eq!(digest_of(files), reviewed.digest);
    assert_eq!(world.store.check_script(&job).unwrap(), ScriptCheck::AsDerived);
    write(&world.inbox("job").join("code/main.py"), "print(2)");
    let result =
        world.store.approve(&id("job"), None, RunScript::Derived, Some(reviewed.digest), now());
    assert!(matches!(result, Err(Error::Changed { .. })));
    assert_eq!(world.store.find(&id("job")).unwrap().state.status, JobStatus::Pending);
}

#[test]
fn an_owner_may_answer_without_running() {
    let world = World::new();
    world.submit("job", JobKind::Python, "", None);
    world.store.receive(now()).unwrap();
    let path = syft::model::DatasitePath::parse("by hand/table.csv").unwrap();
    let state = world.store.deposit(&id("job"), &[(path, b"1".to_vec())], now()).unwrap();
    assert_eq!((state.status, state.return_code), (JobStatus::Done, Some(0)));
    assert_eq!(state.approved_by.as_deref(), Some("do@example.com"));
    assert_eq!(read(&world.left("job").join("outputs/by hand/table.csv")), "1");
}

#[test]
fn a_name_is_used_once() {
    let world = World::new();
    world.submit("job", JobKind::Python, "", None);
    for layout in Layout::ALL {
        let other = world.one_file(&id_in(layout, "job"), JobKind::Python, "", None);
        let again = world.store.submit(&other);
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{layout:?}");
    }
}

#[tokio::test]
async fn a_job_that_ended_runs_again_only_on_request() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "echo $RANDOM > code/outputs/x\n", None);
    let options = options(Confinement::None);
    let report = world.run("job", &options).await;
    assert_eq!((report.status, report.confined), (JobStatus::Done, false));
    let again = run(&world.store, &id("job"), &options, now()).await;
    assert!(matches!(again, Err(Error::Refused { .. })));
    world.store.rerun(&id("job"), now()).unwrap();
    assert!(!world.left("job").join("outputs").exists());
    assert!(!world.left("job").join("stdout.txt").exists());
    let report = run(&world.store, &id("job"), &options, now()).await.unwrap();
    let job = world.store.find(&id("job")).unwrap();
    let outputs = world.store.outputs(&job).unwrap();
    assert_eq!(outputs.len(), report.outputs.len());
    assert_eq!(outputs[0].size, std::fs::metadata(&outputs[0].local_path).unwrap().len());
}

/// Its outputs were being collected: which of them are whole, nobody knows.
#[tokio::test]
async fn w33_a_run_that_a_crash_cut_short_is_failed_and_can_be_run_again() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "echo x > code/outputs/x\n", None);
    world.run("job", &options(Confinement::None)).await;
    world.crash(&id("job"), false);
    assert!(world.left("job").join("outputs/x").exists());
    assert_eq!(recover(&world.store, now()).unwrap(), [id("job")]);
    let job = world.store.find(&id("job")).unwrap();
    assert_eq!((job.state.status, job.state.return_code), (JobStatus::Failed, Some(-1)));
    assert!(read(&world.left("job").join("stderr.txt")).contains("RUN INTERRUPTED"));
    assert!(read(&world.left("job").join("stdout.txt")).starts_with("as far as it came\n"));
    assert!(!world.left("job").join("outputs").exists(), "half of the outputs may be worse");
    assert_eq!(world.store.outputs(&job).unwrap(), []);
    assert!(recover(&world.store, now()).unwrap().is_empty());
    assert_eq!(world.store.rerun(&id("job"), now()).unwrap().status, JobStatus::Approved);
}

#[tokio::test]
async fn w33_a_run_that_had_ended_gets_the_state_that_a_crash_kept_from_it() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "echo x > code/outputs/x\n", None);
    world.run("job", &options(Confinement::None)).await;
    let before = read(&world.review("job").join("state.yaml"));
    world.crash(&id("job"), true);
    assert_eq!(recover(&world.store, now()).unwrap(), [id("job")]);
    assert_eq!(read(&world.review("job").join("state.yaml")), before);
    assert_eq!(read(&world.left("job").join("outputs/x")), "x\n");
    assert_eq!(world.store.last_run(&id("job")).unwrap().interruptions, 0);
    let runs = std::fs::read_dir(world.home.path().join("config/runs")).unwrap().count();
    assert_eq!(runs, 1, "the lock");
}

#[tokio::test]
async fn w33_an_interrupted_run_leaves_no_process_and_is_recovered() {
    let Some(sandbox) = sandbox().await else { return };
    for confinement in [sandbox, Confinement::None] {
        let world = World::new();
        let marker = format!("16180.{}", std::process::id());
        let script = format!("sleep {marker} & sleep {marker}\n");
        world.submit("job", JobKind::Bash, &script, None);
        world.approve("job");
        let options = options(confinement);
        let job = id("job");
        let mut running = Box::pin(run(&world.store, &job, &options, now()));
        while !crate::running::runs(&marker) {
            let moment = tokio::time::timeout(Duration::from_millis(20), &mut running);
            assert!(moment.await.is_err(), "it does not end by itself");
        }
        assert!(recover(&world.store, now()).unwrap().is_empty(), "a live run is left alone");
        let busy = run(&world.store, &job, &options, now()).await;
        assert!(matches!(busy, Err(Error::Busy { .. })));
        drop(running);
        while crate::running::runs(&marker) {
            tokio::task::yield_now().await; // the kernel takes a moment
        }
        assert_eq!(recover(&world.store, now()).unwrap(), [job]);
    }
}

#[tokio::test]
async fn w33_a_job_that_is_submitted_again_under_its_name_waits_for_a_new_decision() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "echo one\n", None);
    world.run("job", &options(Confinement::None)).await;
    std::fs::remove_dir_all(world.inbox("job")).unwrap();
    world.submit("job", JobKind::Bash, "echo two\n", None);
    let decided = world.store.receive(now()).unwrap();
    assert_eq!(decided[0].1.status, JobStatus::Pending);
    world.run("job", &options(Confinement::None)).await;
    assert_eq!(read(&world.left("job").join("stdout.txt")), "two\n");
}

#[tokio::test]
async fn a_job_of_the_python_client_is_received_and_runs() {
    let world = World::new();
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/jobs");
    for (name, files) in [
        ("bash job", ["code/script.sh", "run.sh", "config.yaml"]),
        ("census-count", ["code/main.py", "run.sh", "config.yaml"]),
    ] {
        for file in files {
            write(&world.inbox(name).join(file), &read(&fixtures.join(name).join(file)));
        }
        world.approve(name);
        let job = world.store.find(&id(name)).unwrap();
        assert_eq!(world.store.check_script(&job).unwrap(), ScriptCheck::AsDerived);
    }
    let report = run(&world.store, &id("bash job"), &options(Confinement::None), now()).await;
    assert_eq!(report.unwrap().return_code, 3);
    let returned = read(&world.review("bash job").join("state.yaml"));
    let python = read(&fixtures.join("bash job/state.yaml"));
    let keys = |text: &str| -> Vec<_> {
        text.lines().map(|line| line.split(':').next().unwrap().to_owned()).collect()
    };
    assert_eq!(keys(&returned), keys(&python));
}

#[tokio::test]
async fn a_run_script_that_the_owner_approved_as_such_is_executed() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    world.submit("job", JobKind::Python, "print('derived')\n", None);
    write(&world.inbox("job").join("run.sh"), "cd code\npython3 main.py\necho as submitted\n");
    world.store.receive(now()).unwrap();
    let job = world.store.find(&id("job")).unwrap();
    let check = world.store.check_script(&job).unwrap();
    assert!(
        matches!(check, ScriptCheck::Differs { derived } if derived.contains("python main.py"))
    );
    world.store.approve(&id("job"), None, RunScript::AsSubmitted, None, now()).unwrap();
    run(&world.store, &id("job"), &options(sandbox), now()).await.unwrap();
    assert_eq!(read(&world.left("job").join("stdout.txt")), "derived\nas submitted\n");
}
