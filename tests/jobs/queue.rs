//! Runs that do not end by themselves: cancelled, interrupted, cut short by a crash.

use std::time::Duration;

use syft::jobs::{
    AfterCut, CUTS_MAX, Cancellation, Confinement, Cut, Error, JobKind, JobState, JobStatus,
    RunControl, RunReport, cancel, recover, run, run_until, waiting,
};
use syft::model::Timestamp;

use crate::running::runs;
use crate::world::{World, id, now, options, read, sandbox, write};

/// For as long as a machine may need, and without a word.
const PATIENTLY: Cancellation<'_> =
    Cancellation { reason: None, elsewhere: false, patience: Duration::from_secs(60) };

/// A job that never ends, and a word that its processes carry. One of them is begun by `with`:
/// who leaves the group of the job outlives it unless it is confined.
fn endless(world: &World, number: u32, with: &str) -> String {
    let marker = format!("{number}.{}", std::process::id());
    let script = format!("echo begun\n{with} sleep {marker} & exec sleep {marker}\n");
    world.submit("job", JobKind::Bash, &script, None);
    world.approve("job");
    marker
}

/// Runs the job, and does `what` once its processes are there.
async fn run_and<T>(
    world: &World,
    marker: &str,
    confinement: Confinement,
    control: &RunControl,
    what: impl AsyncFnOnce() -> T,
) -> (RunReport, T) {
    let (options, job) = (options(confinement), id("job"));
    let running = async { run_until(&world.store, &job, &options, control, now()).await.unwrap() };
    let what = async {
        while !runs(marker) {
            tokio::task::yield_now().await;
        }
        what().await
    };
    tokio::join!(running, what)
}

fn state(world: &World) -> JobState {
    world.store.find(&id("job")).unwrap().state
}

#[tokio::test]
async fn a_cancelled_job_has_failed_with_a_reason_and_nothing_of_it_runs_on() {
    let Some(sandbox) = sandbox().await else { return };
    let world = World::new();
    let marker = endless(&world, 27182, "setsid");
    let control = RunControl::default();
    let (report, state) = run_and(&world, &marker, sandbox, &control, async || {
        let how = Cancellation { reason: Some("too slow"), ..PATIENTLY };
        cancel(&world.store, &id("job"), &how, now()).await.unwrap()
    })
    .await;
    assert!(!runs(&marker), "a process of the job is still there");
    let reason = Some("too slow".to_owned());
    assert_eq!(report.cut, Some(Cut::Cancelled { reason }));
    assert_eq!((report.status, report.return_code), (JobStatus::Failed, -1));
    assert!(state.is_cancelled() && state.return_code == Some(-1));
    let left = world.left("job");
    let yaml = read(&world.review("job").join("state.yaml"));
    assert!(yaml.contains("review_reason: 'cancelled by the owner: too slow'\n"), "{yaml}");
    assert_eq!(read(&left.join("stdout.txt")), "begun\n\n--- RUN CANCELLED ---\n");
    assert_eq!(read(&left.join("returncode.txt")), "-1");
    assert!(!left.join("outputs").exists(), "half of the outputs may be worse than none");
    let runs = std::fs::read_dir(world.home.path().join("config/runs")).unwrap().count();
    assert_eq!(runs, 1, "the lock");

    let again = cancel(&world.store, &id("job"), &PATIENTLY, now()).await;
    assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
    let state = world.store.rerun(&id("job"), now()).unwrap();
    assert_eq!((state.status, state.review_reason), (JobStatus::Approved, None));
}

#[tokio::test]
async fn who_cancels_a_job_that_nobody_runs_settles_it() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "true\n", None);
    world.run("job", &options(Confinement::None)).await;
    world.crash(&id("job"), false);
    let how = Cancellation::default();
    let state = cancel(&world.store, &id("job"), &how, now()).await.unwrap();
    assert!(state.is_cancelled());
    assert!(recover(&world.store, now()).unwrap().is_empty(), "nothing is left to settle");
}

/// The state of a job reaches all machines of its owner, its claim does not.
#[tokio::test]
async fn what_another_machine_of_the_owner_runs_is_left_alone_unless_that_is_said_to_be_gone() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "true\n", None);
    world.run("job", &options(Confinement::None)).await;
    world.store.rerun(&id("job"), now()).unwrap();
    world.run_elsewhere("job");
    assert!(recover(&world.store, now()).unwrap().is_empty());
    let how = Cancellation { reason: Some("gone"), ..Cancellation::default() };
    let here = cancel(&world.store, &id("job"), &how, now()).await;
    assert!(matches!(here, Err(Error::RunsElsewhere { .. })), "{here:?}");
    assert_eq!(state(&world).status, JobStatus::Running);
    let how = Cancellation { elsewhere: true, ..how };
    assert!(cancel(&world.store, &id("job"), &how, now()).await.unwrap().is_cancelled());
    assert_eq!(world.store.rerun(&id("job"), now()).unwrap().status, JobStatus::Approved);
}

/// Else it would look like a run of ours once another machine runs the job.
#[tokio::test]
async fn what_a_crash_left_before_a_job_ran_is_removed() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "true\n", None);
    world.run("job", &options(Confinement::None)).await;
    world.crash(&id("job"), true);
    let state = world.review("job").join("state.yaml");
    write(&state, &read(&state).replace("status: running", "status: approved"));
    assert!(recover(&world.store, now()).unwrap().is_empty());
    world.run_elsewhere("job");
    assert!(recover(&world.store, now()).unwrap().is_empty());
}

#[tokio::test]
async fn a_cancellation_that_came_too_late_does_not_end_the_next_run() {
    let world = World::new();
    let marker = endless(&world, 14142, "");
    let control = RunControl::default();
    let late = || {
        let file = std::fs::read_dir(world.home.path().join("config/runs")).unwrap().flatten();
        file.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "lock"))
    };
    run_and(&world, &marker, Confinement::None, &control, async || {
        cancel(&world.store, &id("job"), &PATIENTLY, now()).await.unwrap();
    })
    .await;
    let file = late().unwrap().with_extension("cancel");
    world.store.rerun(&id("job"), now()).unwrap();
    // It names the first run, and is written while the second one runs.
    let before = format!("{{\"run\":{},\"reason\":null}}", now().micros());
    let second = Timestamp::from_micros(now().micros() + 1);
    let (options, job) = (options(Confinement::None), id("job"));
    let mut running = Box::pin(run(&world.store, &job, &options, second));
    while !runs(&marker) {
        tokio::time::timeout(Duration::from_millis(20), &mut running).await.unwrap_err();
    }
    write(&file, &before);
    let half_a_second = tokio::time::timeout(Duration::from_millis(500), &mut running).await;
    assert!(half_a_second.is_err(), "another run was meant");
}

#[tokio::test]
async fn an_interrupted_job_has_failed_or_waits_as_was_wished_but_not_for_ever() {
    let world = World::new();
    let marker = endless(&world, 17320, "");
    let interrupt = async |after_cut| {
        let control = RunControl { after_cut, ..RunControl::default() };
        let stop = control.stop.clone();
        let ended = run_and(&world, &marker, Confinement::None, &control, async || stop.wish());
        let (report, ()) = ended.await;
        assert_eq!((report.cut, report.return_code), (Some(Cut::Interrupted), -1));
        assert_eq!(report.status, state(&world).status);
        report.status
    };
    for _ in 1..CUTS_MAX {
        assert_eq!(interrupt(AfterCut::Waits).await, JobStatus::Approved);
        assert!(!world.left("job").join("stdout.txt").exists(), "it has not ended");
        assert_eq!(state(&world).return_code, None);
    }
    assert_eq!(interrupt(AfterCut::Waits).await, JobStatus::Failed, "it may be its own doing");
    let log = read(&world.left("job").join("stdout.txt"));
    assert_eq!(log, "begun\n\n--- RUN INTERRUPTED ---\n");
    world.store.rerun(&id("job"), now()).unwrap();
    assert_eq!(interrupt(AfterCut::Fails).await, JobStatus::Failed);
    assert_eq!(world.store.last_run(&id("job")).unwrap().interruptions, CUTS_MAX + 1);
}

/// As after `kill -9`: nothing could be written any more.
#[tokio::test]
async fn what_a_crash_cut_short_waits_again_if_its_run_was_begun_so() {
    let world = World::new();
    let marker = endless(&world, 22360, "");
    let control = RunControl { after_cut: AfterCut::Waits, ..RunControl::default() };
    let (options, job) = (options(Confinement::None), id("job"));
    for times in 1..=CUTS_MAX {
        let mut running = Box::pin(run_until(&world.store, &job, &options, &control, now()));
        while !runs(&marker) {
            tokio::time::timeout(Duration::from_millis(20), &mut running).await.unwrap_err();
        }
        drop(running);
        while runs(&marker) {
            tokio::task::yield_now().await; // the kernel takes a moment
        }
        assert_eq!(recover(&world.store, now()).unwrap(), std::slice::from_ref(&job));
        let expected = if times < CUTS_MAX { JobStatus::Approved } else { JobStatus::Failed };
        assert_eq!(state(&world).status, expected, "{times}");
    }
    assert!(read(&world.left("job").join("stdout.txt")).contains("RUN INTERRUPTED"));
}

#[tokio::test]
async fn a_job_runs_once_however_many_want_to_run_it() {
    let world = World::new();
    let trace = world.home.path().join("trace");
    let script = format!("echo run >> '{}'\n", trace.display());
    world.submit("job", JobKind::Bash, &script, None);
    world.approve("job");
    let (options, job) = (options(Confinement::None), id("job"));
    let all = (0..8).map(|_| run(&world.store, &job, &options, now()));
    let ended = futures::future::join_all(all).await;
    assert_eq!(ended.iter().filter(|result| result.is_ok()).count(), 1);
    for error in ended.into_iter().filter_map(Result::err) {
        assert!(matches!(error, Error::Busy { .. } | Error::Refused { .. }), "{error}");
    }
    assert_eq!(read(&trace), "run\n");
}

#[tokio::test]
async fn a_rerun_is_bound_to_what_was_approved() {
    let world = World::new();
    world.submit("job", JobKind::Bash, "true\n", None);
    world.run("job", &options(Confinement::None)).await;
    write(&world.inbox("job").join("code/script.sh"), "false\n");
    let changed = world.store.rerun(&id("job"), now());
    assert!(matches!(changed, Err(Error::Changed { .. })), "{changed:?}");
    assert_eq!(state(&world).status, JobStatus::Done);
}

#[test]
fn jobs_wait_in_the_order_in_which_they_arrived() {
    let world = World::new();
    for (place, name) in ["c", "a", "b"].into_iter().enumerate() {
        world.submit(name, JobKind::Python, "", None);
        let later = i64::try_from(place).unwrap();
        world.store.receive(Timestamp::from_micros(now().micros() + later)).unwrap();
        world.approve(name);
    }
    let waiting = waiting(world.store.readable().unwrap());
    let names: Vec<_> = waiting.iter().map(|id| id.name.as_str()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}
