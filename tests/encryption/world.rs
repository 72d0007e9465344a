//! A drive in memory that can be looked through, and clients with their own disks.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use syft::client::{Client, Clock, Trust};
use syft::connections::{Connection, Content, Entry, Kind, Memory, MemoryDrive, NewEntry, Query};
use syft::model::{Email, Role, Timestamp};
use syft::peers::{Fingerprint, Secrecy};
use syft::permissions::Level;
use syft::syncers::{Report, SyncOptions};

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

#[derive(Debug)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.fetch_add(1_000_000, Ordering::Relaxed))
    }
}

pub(crate) struct World {
    pub(crate) drive: MemoryDrive,
    folder: tempfile::TempDir,
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

    pub(crate) fn owner(&self) -> Party<'_> {
        self.machine("do@example.org", Role::Owner, "home")
    }

    pub(crate) fn scientist(&self, name: &str) -> Party<'_> {
        self.machine(name, Role::Scientist, "home")
    }

    pub(crate) fn machine(&self, name: &str, role: Role, machine: &str) -> Party<'_> {
        self.machine_over(Arc::new(self.drive.session(&email(name))), role, machine)
    }

    /// A machine that reaches the drive by `session`.
    pub(crate) fn machine_over(
        &self,
        session: Arc<dyn Connection>,
        role: Role,
        machine: &str,
    ) -> Party<'_> {
        let name = session.account().as_str().to_owned();
        let home = self.folder.path().join(machine);
        let client = Client::over(session, role, &home, self.clock.clone()).unwrap();
        Party { world: self, client, email: email(&name) }
    }

    /// Lets time go by, for all machines and the service.
    pub(crate) fn wait_hours(&self, hours: i64) {
        let micros = hours * 3600 * 1_000_000;
        self.clock.0.fetch_add(micros, Ordering::Relaxed);
        self.drive.advance_micros(micros);
    }

    /// Lets time go by for all machines while the service's clock stands still: what is put there
    /// now says that it was made before.
    pub(crate) fn wait_hours_here(&self, hours: i64) {
        self.clock.0.fetch_add(hours * 3600 * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// All files that `who` sees on the drive whose names begin so, oldest first, with content.
    pub(crate) async fn files(&self, who: &Email, beginning: &str) -> Vec<(Entry, Vec<u8>)> {
        let session = self.drive.session(who);
        let mut files = Vec::new();
        let mut found = session.find(&Query::default().of_kind(Kind::File)).await.unwrap();
        found.sort_by_key(|entry| entry.created_micros);
        for entry in found.into_iter().filter(|entry| entry.name.starts_with(beginning)) {
            let content = session.read(&entry.id, u64::MAX).await.unwrap();
            files.push((entry, content.to_vec()));
        }
        files
    }
}

/// One account on one machine.
pub(crate) struct Party<'w> {
    pub(crate) world: &'w World,
    pub(crate) client: Client,
    pub(crate) email: Email,
}

impl Party<'_> {
    pub(crate) async fn try_sync(&self) -> Report {
        self.world.drive.advance_micros(1_000_000);
        self.client.sync(&SyncOptions::default()).await.unwrap()
    }

    /// Syncs, and allows no problems.
    pub(crate) async fn sync(&self) -> Report {
        let report = self.try_sync().await;
        assert_eq!(report.problems, [], "{}", self.email);
        report
    }

    /// Syncs, and returns the kinds of problems.
    pub(crate) async fn problems(&self) -> Vec<&'static str> {
        self.try_sync().await.problems.iter().map(|problem| problem.code.as_str()).collect()
    }

    pub(crate) async fn create_keys(&self) -> Fingerprint {
        self.client.create_keys(false).await.unwrap().fingerprint
    }

    pub(crate) fn session(&self) -> Memory {
        self.world.drive.session(&self.email)
    }

    fn path(&self, datasite: &Email, path: &str) -> PathBuf {
        self.client.folders().datasite(datasite).join(path)
    }

    pub(crate) fn write(&self, datasite: &Email, path: &str, content: &str) {
        let path = self.path(datasite, path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, datasite: &Email, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(datasite, path)).ok()
    }

    pub(crate) async fn secrecy(&self, peer: &Email) -> Secrecy {
        let peers = self.client.peers().await.unwrap();
        peers.into_iter().find(|known| known.peer.email == *peer).unwrap().secrecy
    }

    pub(crate) async fn trust(&self, peer: &Email, fingerprint: Fingerprint) {
        self.client.trust_keys(peer, Trust::Fingerprint(fingerprint)).await.unwrap();
    }

    /// Puts a raw file into a folder, as this account.
    pub(crate) async fn put_raw(&self, beside: &Entry, name: &str, content: Vec<u8>) {
        let session = self.session();
        let new = NewEntry {
            id: session.new_ids(1).await.unwrap().pop(),
            parent: beside.parents[0].clone(),
            name: name.to_owned(),
            media_type: "application/octet-stream",
            tags: std::collections::BTreeMap::new(),
        };
        session.create_file(&new, Content::Bytes(content.into())).await.unwrap();
    }
}

/// Makes an owner and a scientist peers; the scientist may write below `shared/`.
pub(crate) async fn acquaint(owner: &Party<'_>, scientist: &Party<'_>) {
    owner.sync().await;
    scientist.client.add_peer(&owner.email).await.unwrap();
    owner.client.approve_peer(&scientist.email).await.unwrap();
    owner.write(&owner.email, "shared/hello.txt", "hello");
    let user = scientist.email.as_str();
    owner.client.grant("shared/", user, Level::Write).await.unwrap();
    in_step(owner, scientist).await;
}

/// Lets both sides sync until each knows what the other did.
pub(crate) async fn in_step(owner: &Party<'_>, scientist: &Party<'_>) {
    for _ in 0..2 {
        scientist.try_sync().await;
        owner.try_sync().await;
    }
    scientist.try_sync().await;
}
