//! A Drive server in this process, and machines of accounts whose requests it counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use drive_api::auth::StaticToken;
use drive_api::{Drive, Endpoint};
use drive_server::{Options, Server, Stats};
use syft::client::{Client, Clock};
use syft::connections::{Connection, GDrive};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::{Email, Role, Timestamp};
use syft::permissions::Level;
use syft::syncers::{Report, SyncOptions};

use super::waves::{Line, Waves};

pub(crate) const OWNER: &str = "do@example.org";

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) fn scientist(number: usize) -> String {
    format!("ds{number}@example.org")
}

/// A second later with each look.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000_000, Ordering::Relaxed))
    }
}

pub(crate) struct World {
    server: Server,
    folder: tempfile::TempDir,
    clock: Arc<Ticking>,
}

/// What something cost.
#[derive(Debug)]
pub(crate) struct Cost {
    /// All requests.
    pub(crate) requests: u64,
    /// Requests by what they ask for, for whoever reads of a failure.
    by: BTreeMap<String, u64>,
}

impl Cost {
    /// Fails if it is not so much.
    #[track_caller]
    pub(crate) fn is(&self, requests: usize, what: &str) {
        assert_eq!(self.requests, requests as u64, "{what}: {:#?}", self.by);
    }

    /// Fails if not so many were of one kind.
    #[track_caller]
    pub(crate) fn is_all(&self, kind: &str, count: u64) {
        assert_eq!(self.by.get(kind), Some(&count), "{:#?}", self.by);
    }

    /// Fails if it is more than that.
    #[track_caller]
    pub(crate) fn is_at_most(&self, requests: usize, what: &str) {
        assert!(self.requests <= requests as u64, "{what}: more than {requests}: {self:#?}");
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let server = drive_server::serve(Options::new(folder.path().join("drive"))).await.unwrap();
        let clock = Arc::new(Ticking(AtomicI64::new(1_780_000_000_000_000)));
        let world = Self { server, folder, clock };
        world.add(OWNER);
        world
    }

    /// An owner, and so many scientists who are its peers; nobody has anything to do.
    pub(crate) async fn with_peers(count: usize) -> Self {
        let world = Self::new().await;
        sync(&world.owner()).await;
        for number in 0..count {
            world.add(&scientist(number));
            world.scientist(number).add_peer(&email(OWNER)).await.unwrap();
        }
        sync(&world.owner()).await;
        for number in 0..count {
            let report = world.owner().approve_peer(&email(&scientist(number))).await.unwrap();
            assert_eq!(report.problems, []);
        }
        // Of very many only the first and the last do anything.
        if count > 20 {
            world.settle_those(&[0, count - 1]).await
        } else {
            world.settle(count).await
        }
        world
    }

    /// Syncs the owner and the first `count` scientists until nobody has anything to do.
    pub(crate) async fn settle(&self, count: usize) {
        self.settle_those(&(0..count).collect::<Vec<_>>()).await;
    }

    async fn settle_those(&self, scientists: &[usize]) {
        for _ in 0..2 {
            for number in scientists {
                sync(&self.scientist(*number)).await;
            }
            sync(&self.owner()).await;
        }
    }

    /// Lets this time pass.
    pub(crate) fn wait(&self, time: Duration) {
        let micros = i64::try_from(time.as_micros()).unwrap();
        self.clock.0.fetch_add(micros, Ordering::Relaxed);
    }

    /// Adds an account to the server.
    pub(crate) fn add(&self, account: &str) {
        let data = self.folder.path().join("drive");
        drive_server::add_account(&data, account, Some(&token(account))).unwrap();
    }

    /// A process of the owner that has just begun.
    pub(crate) fn owner(&self) -> Client {
        self.machine(OWNER, Role::Owner, "first")
    }

    /// A process of one more owner, whose account is added.
    pub(crate) fn another_owner(&self, account: &str) -> Client {
        self.add(account);
        self.machine(account, Role::Owner, "first")
    }

    /// A process of a scientist that has just begun.
    pub(crate) fn scientist(&self, number: usize) -> Client {
        self.machine(&scientist(number), Role::Scientist, "first")
    }

    /// A process of an account on one of its machines.
    pub(crate) fn machine(&self, account: &str, role: Role, machine: &str) -> Client {
        self.client(Arc::new(session(self.server.url(), account)), role, machine)
    }

    /// The same, where each answer takes its time, and a handle to what was asked when.
    pub(crate) fn slow_machine(&self, account: &str, role: Role, machine: &str) -> (Client, Line) {
        let (url, name) = (self.server.url().to_owned(), account.to_owned());
        let waves = Waves::over(move || session(&url, &name));
        let line = waves.line();
        (self.client(Arc::new(waves), role, machine), line)
    }

    fn client(&self, drive: Arc<dyn Connection>, role: Role, machine: &str) -> Client {
        let home = self.folder.path().join(machine);
        Client::over(drive, role, &home, self.clock.clone()).unwrap()
    }

    /// Does something, and says what it cost.
    pub(crate) async fn cost<T>(&self, work: impl Future<Output = T>) -> (Cost, T) {
        let before = self.server.stats();
        let done = work.await;
        (since(&before, &self.server.stats()), done)
    }

    /// What one sync of a process costs that has just begun.
    pub(crate) async fn cost_of_sync(&self, client: Client) -> Cost {
        self.cost(sync(&client)).await.0
    }

    /// The same, where no checkpoint is made of a log that is full.
    pub(crate) async fn cost_without_checkpoint(&self, client: Client) -> Cost {
        let options = SyncOptions { auto_checkpoint: false, ..SyncOptions::default() };
        let (cost, report) = self.cost(client.sync(&options)).await;
        assert_eq!(report.unwrap().problems, []);
        cost
    }

    /// Writes a file outside of any SyftBox, and returns where it is.
    pub(crate) fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join("files").join(path);
        write(&path, content);
        path
    }

    /// A dataset whose mock half has so many files.
    pub(crate) fn dataset(&self, name: &str, files: usize, audience: Audience) -> NewDataset {
        for number in 0..files {
            self.file(&format!("{name}/mock/{number}.csv"), "age\n1\n");
            self.file(&format!("{name}/private/{number}.csv"), "age\n41\n");
        }
        let folder = self.folder.path().join("files").join(name);
        NewDataset {
            name: DatasetName::parse_new(name).unwrap(),
            mock: folder.join("mock"),
            private: folder.join("private"),
            summary: Some("ages".to_owned()),
            readme: None,
            tags: Vec::new(),
            location: None,
            audience,
            allow_same: false,
        }
    }

    /// Lets the first `count` scientists read and write below `w/`.
    pub(crate) async fn open_folder(&self, count: usize) {
        for number in 0..count {
            self.owner().grant("w/", &scientist(number), Level::Write).await.unwrap();
        }
        self.put("w/first", "x");
        self.settle(count).await;
    }

    /// Writes a file into the owner's datasite.
    pub(crate) fn put(&self, path: &str, content: &str) {
        write(&self.owner().folders().datasite(&email(OWNER)).join(path), content);
    }

    /// Writes a file into a scientist's copy of it.
    pub(crate) fn propose(&self, number: usize, path: &str, content: &str) {
        write(&self.scientist(number).folders().datasite(&email(OWNER)).join(path), content);
    }
}

fn since(before: &Stats, after: &Stats) -> Cost {
    let by = after.by.iter().filter_map(|(kind, count)| {
        let more = count - before.by.get(kind).copied().unwrap_or_default();
        (more > 0).then(|| (kind.clone(), more))
    });
    Cost { requests: after.total - before.total, by: by.collect() }
}

/// A session of an account that has sent nothing yet.
fn session(url: &str, account: &str) -> GDrive {
    let token = Arc::new(StaticToken::new(token(account)).unwrap());
    GDrive::connect(email(account), Drive::new(Endpoint::at(url).unwrap(), token))
}

fn token(account: &str) -> String {
    format!("the-token-of-{}", account.replace('@', "-at-"))
}

fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// Syncs, and allows no problem.
pub(crate) async fn sync(client: &Client) -> Report {
    let report = client.sync(&SyncOptions::default()).await.unwrap();
    assert_eq!(report.problems, [], "{}", client.email());
    report
}
