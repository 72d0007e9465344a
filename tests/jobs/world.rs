//! An owner's machine with two datasets, and a scientist who submits jobs to it.

use std::path::{Path, PathBuf};

use syft::jobs::{
    Confinement, InstallSettings, JobId, JobKind, JobName, JobStore, Layout, Limits, Request,
    RunOptions, RunReport, RunScript, Submission, SubmissionRequest, build, read_source, run,
};
use syft::model::{Email, Timestamp};

/// A home of its own; gone at the end.
pub(crate) struct World {
    pub(crate) home: tempfile::TempDir,
    pub(crate) store: JobStore,
}

pub(crate) const SECRET: &str = "a secret of the owner";

/// The time of all tests.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_780_000_000_123_456)
}

/// The job of that name in layout 0.
pub(crate) fn id(name: &str) -> JobId {
    id_in(Layout::Flat, name)
}

pub(crate) fn id_in(layout: Layout, name: &str) -> JobId {
    let submitter = Email::parse("ds@example.com").unwrap();
    JobId { submitter, layout, name: JobName::parse(name).unwrap() }
}

/// The sandbox. Without one these tests fail; `SYFT_TEST_NO_SANDBOX=1` leaves them out, loudly.
#[expect(clippy::print_stderr, reason = "a test that is left out has to say so")]
pub(crate) async fn sandbox() -> Option<Confinement> {
    if std::env::var_os("SYFT_TEST_NO_SANDBOX").is_some_and(|value| value == "1") {
        eprintln!("!!! NOT TESTED: SYFT_TEST_NO_SANDBOX=1, so no job was confined !!!");
        return None;
    }
    Some(Confinement::find(&path()).await.expect("these tests need a working bubblewrap"))
}

pub(crate) fn path() -> String {
    std::env::var("PATH").unwrap()
}

pub(crate) fn options(confinement: Confinement) -> RunOptions {
    RunOptions {
        confinement,
        limits: Limits::default(),
        install: InstallSettings::default(),
        path: path(),
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap())
    }

    /// In memory where the system has such a place: environments have many files, and wait for the disk.
    pub(crate) fn in_memory() -> Self {
        let memory = tempfile::tempdir_in("/dev/shm");
        Self::at(memory.or_else(|_| tempfile::tempdir()).unwrap())
    }

    fn at(home: tempfile::TempDir) -> Self {
        let owner = Email::parse("do@example.com").unwrap();
        let syftbox = home.path().join("SyftBox_do@example.com");
        let world =
            Self { store: JobStore::new(&syftbox, owner, &home.path().join("config")), home };
        for name in ["census", "other"] {
            let data = world.datasite().join("private/syft_datasets").join(name);
            write(&data.join("data.csv"), "a\n1\n2\n3\n");
            write(&data.join("private_metadata.yaml"), "uid: x\n");
            write(&data.join("syft.pub.yaml"), "rules: []\n");
            let mock = world.datasite().join("public/syft_datasets").join(name);
            write(&mock.join("mock.csv"), "a\n0\n");
            write(&mock.join("dataset.yaml"), "name: x\nreadme_url: null\n");
        }
        write(&world.home.path().join("secret"), SECRET);
        world
    }

    pub(crate) fn datasite(&self) -> PathBuf {
        self.store.syftbox().join("do@example.com")
    }

    pub(crate) fn inbox(&self, name: &str) -> PathBuf {
        self.store.local(&id(name).inbox())
    }

    pub(crate) fn review(&self, name: &str) -> PathBuf {
        self.store.local(&id(name).review())
    }

    /// Where the owner finds what a run left.
    pub(crate) fn left(&self, name: &str) -> PathBuf {
        let review = id(name).review();
        review.below(&self.home.path().join("config/results/do@example.com"))
    }

    /// Submits one file; `datasets` are those that the job names.
    pub(crate) fn submit(&self, name: &str, kind: JobKind, code: &str, datasets: Option<&[&str]>) {
        self.store.submit(&self.one_file(&id(name), kind, code, datasets)).unwrap();
    }

    /// A submission of one file that is not sent yet.
    pub(crate) fn one_file(
        &self,
        job: &JobId,
        kind: JobKind,
        code: &str,
        datasets: Option<&[&str]>,
    ) -> Submission {
        let file = match kind {
            JobKind::Python => "main.py",
            JobKind::Bash => "script.sh",
        };
        let path = self.home.path().join("scientist").join(file);
        write(&path, code);
        self.build(job, kind, &path, &[], datasets)
    }

    pub(crate) fn submit_path(
        &self,
        name: &str,
        kind: JobKind,
        path: &Path,
        dependencies: &[String],
        datasets: Option<&[&str]>,
    ) -> Submission {
        let submission = self.build(&id(name), kind, path, dependencies, datasets);
        self.store.submit(&submission).unwrap();
        submission
    }

    /// A submission that is not sent yet.
    pub(crate) fn build(
        &self,
        job: &JobId,
        kind: JobKind,
        path: &Path,
        dependencies: &[String],
        datasets: Option<&[&str]>,
    ) -> Submission {
        let owner = self.store.owner().to_string();
        let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let request = SubmissionRequest {
            job,
            kind,
            entrypoint: None,
            dependencies,
            datasets: datasets.map(|names| [(owner, named(names))].into()),
            request: Request::default(),
            install_source: "syft-client==0.1.117",
            module: None,
            submitted_at: now(),
        };
        build(read_source(path).unwrap(), &request).unwrap()
    }

    /// Puts a submission where it arrives at an owner, whatever else is there.
    pub(crate) fn arrive(&self, submission: &Submission) {
        for (path, content) in &submission.files {
            let file = path.below(&self.store.local(&submission.job.inbox()));
            write(&file, std::str::from_utf8(content).unwrap());
        }
    }

    pub(crate) fn approve(&self, name: &str) {
        self.store.receive(now()).unwrap();
        self.store.approve(&id(name), None, RunScript::Derived, None, now()).unwrap();
    }

    /// Approves and runs a job.
    pub(crate) async fn run(&self, name: &str, options: &RunOptions) -> RunReport {
        self.approve(name);
        run(&self.store, &id(name), options, now()).await.unwrap()
    }

    /// Makes a job that has run look as after a crash: its state says that it runs. `kept`: all was in
    /// place by then; else it had not ended.
    pub(crate) fn crash(&self, job: &JobId, kept: bool) {
        let state = self.store.local(&job.review()).join("state.yaml");
        let text = read(&state).replace("status: done", "status: running");
        write(&state, &text.replace("return_code: 0", "return_code: null"));
        let record = job.inbox().below(&self.home.path().join("config/ran/do@example.com"));
        let record = record.with_added_extension("json");
        let mut run: serde_json::Value = serde_json::from_str(&read(&record)).unwrap();
        assert_eq!(run["kept"], true);
        run["kept"] = kept.into();
        if !kept {
            run["ended"] = serde_json::Value::Null;
        }
        write(&record, &run.to_string());
        let named = format!("do@example.com {}", job.inbox());
        let key = &syft::model::Digest::of(named.as_bytes()).to_hex()[..16];
        let folder = self.home.path().join("config/runs").join(key);
        write(&folder.join("logs/stdout.txt"), "as far as it came\n");
    }

    /// Says in the state of a job that it runs, as another machine of its owner does.
    pub(crate) fn run_elsewhere(&self, name: &str) {
        let state = self.review(name).join("state.yaml");
        write(&state, &read(&state).replace("status: approved", "status: running"));
    }

    /// Submits, approves and runs a Python job, and returns the report and what it printed.
    pub(crate) async fn python(
        &self,
        code: &str,
        datasets: Option<&[&str]>,
        options: &RunOptions,
    ) -> (RunReport, String) {
        self.submit("job", JobKind::Python, code, datasets);
        let report = self.run("job", options).await;
        let log = |name| std::fs::read_to_string(self.left("job").join(name)).unwrap();
        (report, log("stdout.txt") + &log("stderr.txt"))
    }
}

pub(crate) fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
