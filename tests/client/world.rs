//! A drive in memory, clients with their own disks, and a clock that goes on by a second with each
//! look.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use syft::client::{Client, Clock, FoundJob, JobRequest};
use syft::connections::{Connection, Faulty, MemoryDrive, faulty::Script};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::{Email, Role, Timestamp};
use syft::syncers::{Report, SyncOptions};

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

#[derive(Debug)]
pub(crate) struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000_000, Ordering::Relaxed))
    }
}

pub(crate) struct World {
    pub(crate) drive: MemoryDrive,
    pub(crate) folder: tempfile::TempDir,
    clock: Arc<Ticking>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            drive: MemoryDrive::new(),
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(Ticking(AtomicI64::new(1_780_000_000_000_000))),
        }
    }

    pub(crate) fn owner(&self, name: &str) -> Client {
        self.machine(name, Role::Owner, "home")
    }

    pub(crate) fn scientist(&self, name: &str) -> Client {
        self.machine(name, Role::Scientist, "home")
    }

    /// A machine of an account; the same one each time, as after a restart.
    pub(crate) fn machine(&self, name: &str, role: Role, machine: &str) -> Client {
        self.scripted(name, role, machine).0
    }

    /// The same, with the script of its connection.
    pub(crate) fn scripted(&self, name: &str, role: Role, machine: &str) -> (Client, Script) {
        let script = Script::default();
        let session: Box<dyn Connection> = Box::new(self.drive.session(&email(name)));
        let connection = Arc::new(Faulty::with_script(session, script.clone()));
        let home = self.folder.path().join(machine);
        (Client::over(connection, role, &home, self.clock.clone()).unwrap(), script)
    }

    /// Writes a file outside of any SyftBox, and returns where it is.
    pub(crate) fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join("files").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn dataset(&self, name: &str, audience: Audience) -> NewDataset {
        NewDataset {
            name: DatasetName::parse_new(name).unwrap(),
            mock: self.file(&format!("{name}/mock.csv"), "age\n1\n"),
            private: self.file(&format!("{name}/private.csv"), "age\n41\n43\n"),
            summary: Some("ages".to_owned()),
            readme: None,
            tags: Vec::new(),
            location: None,
            audience,
            allow_same: false,
        }
    }

    pub(crate) fn bash(&self, to: &Client, name: &str, script: &str) -> JobRequest {
        let path = self.file(&format!("{name}.sh"), script);
        JobRequest { bash: true, ..request(to, name, path) }
    }

    pub(crate) fn python(&self, to: &Client, name: &str, code: &str) -> JobRequest {
        request(to, name, self.file(&format!("{name}.py"), code))
    }
}

fn request(to: &Client, name: &str, path: PathBuf) -> JobRequest {
    JobRequest {
        to: to.email().clone(),
        path,
        name: Some(name.to_owned()),
        entrypoint: None,
        dependencies: Vec::new(),
        datasets: Vec::new(),
        request: syft::jobs::Request::default(),
        bash: false,
        force: false,
    }
}

/// Syncs, and allows refusals but no problems.
pub(crate) async fn sync(client: &Client) -> Report {
    let report = client.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(report.problems, [], "{}", client.email());
    report
}

/// Makes an owner and a scientist peers, as the command line does.
pub(crate) async fn acquaint(owner: &Client, scientist: &Client) {
    sync(owner).await;
    scientist.add_peer(owner.email()).await.unwrap();
    sync(owner).await;
    let report = owner.approve_peer(scientist.email()).await.unwrap();
    assert_eq!(report.problems, []);
    sync(scientist).await;
}

/// The place of a path of `datasite` on the machine of `client`.
pub(crate) fn place(client: &Client, datasite: &Email, path: &str) -> PathBuf {
    client.folders().datasite(datasite).join(path)
}

pub(crate) fn read(client: &Client, datasite: &Email, path: &str) -> Option<String> {
    std::fs::read_to_string(place(client, datasite, path)).ok()
}

pub(crate) fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub(crate) fn status(client: &Client, name: &str) -> String {
    client.job(name, None).unwrap().job.state.status.to_string()
}

/// The names of the logs that are here, and the outputs.
pub(crate) fn results(found: &FoundJob) -> (usize, Vec<String>) {
    let outputs = found.outputs().unwrap().into_iter().map(|output| output.path.to_string());
    (found.logs().iter().flatten().count(), outputs.collect())
}
