//! A Drive server in this process, clients with their own disks, and clocks that never wait.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use drive_api::auth::StaticToken;
use drive_api::{Drive, Endpoint, Settings};
use drive_server::{Options, Server};
use syft::client::{Client, Clock};
use syft::connections::GDrive;
use syft::model::{Email, Role, Timestamp};

pub(crate) const OWNER: &str = "do@example.org";
pub(crate) const SCIENTIST: &str = "ds@example.org";

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// The time of all clients: a second later with each look.
#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000_000, Ordering::Relaxed))
    }
}

/// The clock of the Drive client: a wait is over at once.
#[derive(Debug)]
pub(crate) struct Impatient;

#[async_trait]
impl drive_api::Clock for Impatient {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000, 0).unwrap()
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

pub(crate) struct World {
    pub(crate) server: Server,
    folder: tempfile::TempDir,
    clock: Arc<Ticking>,
}

impl World {
    pub(crate) async fn new() -> Self {
        // In memory where the system has such a place: hundreds of sessions wait for the disk
        // otherwise.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let data = folder.path().join("drive");
        let server = drive_server::serve(Options::new(&data)).await.unwrap();
        let clock = Arc::new(Ticking(AtomicI64::new(1_780_000_000_000_000)));
        let world = Self { server, folder, clock };
        world.add(OWNER);
        world.add(SCIENTIST);
        world
    }

    /// Adds an account to the server.
    pub(crate) fn add(&self, account: &str) {
        let data = self.folder.path().join("drive");
        drive_server::add_account(&data, account, Some(&token(account))).unwrap();
    }

    /// The client of an account on one of its machines; a new one each time, as after a restart.
    pub(crate) fn client(&self, account: &str, role: Role, machine: &str) -> Client {
        let home = self.home(machine);
        Client::over(Arc::new(self.drive(account)), role, &home, self.clock.clone()).unwrap()
    }

    /// A session of an account with the server.
    pub(crate) fn drive(&self, account: &str) -> GDrive {
        let endpoint = Endpoint::at(self.server.url()).unwrap();
        let token = Arc::new(StaticToken::new(token(account)).unwrap());
        let settings = Settings { clock: Arc::new(Impatient), ..Settings::default() };
        GDrive::connect(email(account), Drive::with_settings(endpoint, token, settings))
    }

    /// A home folder for a machine.
    pub(crate) fn home(&self, machine: &str) -> PathBuf {
        self.folder.path().join(machine)
    }

    /// Writes a file outside of any SyftBox, and returns where it is.
    pub(crate) fn file(&self, path: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join("files").join(path);
        write(&path, content);
        path
    }
}

pub(crate) fn token(account: &str) -> String {
    format!("the-token-of-{}", account.replace('@', "-at-"))
}

pub(crate) fn write(path: &Path, content: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

/// All files below a folder with their content, sorted by path.
pub(crate) fn tree(root: &Path) -> Vec<(String, String)> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                let content = std::fs::read(&path).unwrap();
                files.push((name, String::from_utf8_lossy(&content).into_owned()));
            }
        }
    }
    files.sort();
    files
}
