//! What the sandbox costs a job that does nothing: from the approved job to its results.
//!
//! Both rows are taken in one run, so their ratio means something on any machine. The look for the
//! sandbox, which each `syft job run` does once, has a row of its own.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has to stop")]

use divan::Bencher;
use syft::jobs::{
    Confinement, InstallSettings, JobId, JobKind, JobName, JobStatus, JobStore, Layout, Limits,
    RunOptions, RunScript, SubmissionRequest, build, read_source, run,
};
use syft::model::{Email, Timestamp};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

fn now() -> Timestamp {
    Timestamp::from_micros(1_780_000_000_123_456)
}

fn path() -> String {
    std::env::var("PATH").unwrap()
}

#[divan::bench]
fn look_for_the_sandbox(bencher: Bencher<'_, '_>) {
    let runtime = Runtime::new().unwrap();
    bencher.bench(|| runtime.block_on(Confinement::find(&path())).unwrap());
}

#[divan::bench(args = ["no sandbox", "sandbox"])]
fn run_a_job_that_does_nothing(bencher: Bencher<'_, '_>, how: &str) {
    let runtime = Runtime::new().unwrap();
    let confinement = match how {
        "sandbox" => runtime.block_on(Confinement::find(&path())).unwrap(),
        _ => Confinement::None,
    };
    let home = tempfile::tempdir().unwrap();
    let (store, id) = approved(home.path());
    let options = RunOptions {
        confinement,
        limits: Limits::default(),
        install: InstallSettings::default(),
        path: path(),
    };
    bencher
        .with_inputs(|| {
            if store.find(&id).unwrap().state.status != JobStatus::Approved {
                store.rerun(&id, now()).unwrap();
            }
        })
        .bench_values(|()| {
            let report = runtime.block_on(run(&store, &id, &options, now())).unwrap();
            assert_eq!(report.status, JobStatus::Done);
        });
}

/// An owner's machine with one approved job.
fn approved(home: &std::path::Path) -> (JobStore, JobId) {
    let owner = Email::parse("do@example.com").unwrap();
    let store = JobStore::new(&home.join("SyftBox"), owner, &home.join("config"));
    let script = home.join("script.sh");
    std::fs::write(&script, "true\n").unwrap();
    let submitter = Email::parse("ds@example.com").unwrap();
    let id = JobId { submitter, layout: Layout::Flat, name: JobName::parse("job").unwrap() };
    let request = SubmissionRequest {
        job: &id,
        kind: JobKind::Bash,
        entrypoint: None,
        dependencies: &[],
        datasets: None,
        install_source: "syft-client==0.1.117",
        module: None,
        request: syft::jobs::Request::default(),
        submitted_at: now(),
    };
    store.submit(&build(read_source(&script).unwrap(), &request).unwrap()).unwrap();
    store.receive(now()).unwrap();
    store.approve(&id, None, RunScript::Derived, None, now()).unwrap();
    (store, id)
}
