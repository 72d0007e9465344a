//! A drive in memory, accounts with their own disks, and a clock that is wound by hand.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use syft::caches::{Folders, LARGE_BYTES_MIN, Store};
use syft::connections::faulty::Script;
use syft::connections::{Connection, ConnectionRouter, Faulty, MemoryDrive};
use syft::model::{Email, Role, Timestamp};
use syft::permissions::{self, Level, SyftPerm, Target};
use syft::syncers::{
    Account, DatasiteOwnerSyncer, DatasiteWatcherSyncer, Report, Result, SyncOptions, peering,
};
use syft::wire::Dialect;

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) struct World {
    pub(crate) drive: MemoryDrive,
    folder: tempfile::TempDir,
    clock: AtomicI64,
    machines: AtomicI64,
    large_bytes_min: AtomicU64,
    sends_chunks: AtomicBool,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            drive: MemoryDrive::new(),
            folder: folder(),
            clock: AtomicI64::new(1_780_000_000_000_000),
            machines: AtomicI64::new(0),
            large_bytes_min: AtomicU64::new(LARGE_BYTES_MIN),
            sends_chunks: AtomicBool::new(true),
        }
    }

    /// Each look at the clock is a second after the one before, for the service as well.
    pub(crate) fn now(&self) -> Timestamp {
        self.drive.advance_micros(1_000_000);
        Timestamp::from_micros(self.clock.fetch_add(1_000_000, Ordering::Relaxed))
    }

    /// Has processes that begin from now on hold no file of `bytes` and more in memory.
    pub(crate) fn holds_less_than(&self, bytes: u64) {
        self.large_bytes_min.store(bytes, Ordering::Relaxed);
    }

    /// Has processes that begin from now on send large content as chunks, or whole.
    pub(crate) fn sends_chunks(&self, sends: bool) {
        self.sends_chunks.store(sends, Ordering::Relaxed);
    }

    /// Winds the clock of the machines, and not that of the service.
    pub(crate) fn wind(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::Relaxed);
    }

    pub(crate) fn owner(&self, name: &str) -> Party<'_> {
        self.party(name, Role::Owner)
    }

    pub(crate) fn scientist(&self, name: &str) -> Party<'_> {
        self.party(name, Role::Scientist)
    }

    /// A new machine of the account `name`, which speaks one dialect only, as a Python client does.
    pub(crate) fn speaking(&self, name: &str, role: Role, only: Dialect) -> Party<'_> {
        let mut party = self.party(name, role);
        party.becomes(only);
        party
    }

    /// A new machine of the account `name`.
    fn party(&self, name: &str, role: Role) -> Party<'_> {
        let number = self.machines.fetch_add(1, Ordering::Relaxed);
        let home = self.folder.path().join(format!("{number}"));
        let script = Script::default();
        let (dialect, spoken) = (Dialect::v0_1(), Dialect::all().to_vec());
        let email = email(name);
        let mut party =
            Party { world: self, email, role, home, script, dialect, spoken, account: None };
        party.restart();
        party
    }

    /// An owner and a scientist who know each other, with everything in step.
    pub(crate) async fn pair(&self) -> (Party<'_>, Party<'_>) {
        let (owner, scientist) = (self.owner("do@example.org"), self.scientist("ds@example.org"));
        acquaint(&owner, &scientist).await;
        (owner, scientist)
    }
}

/// A temporary folder, in memory where the system has such a place: thousands of sessions wait for
/// the disk otherwise.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Makes an owner and a scientist peers.
pub(crate) async fn acquaint(owner: &Party<'_>, scientist: &Party<'_>) {
    owner.sync().await;
    scientist.sync().await;
    scientist.request(&owner.email).await.unwrap();
    owner.approve(&scientist.email).await.unwrap();
    owner.sync().await;
    scientist.sync().await;
    // Now the scientist has said which version it speaks.
    owner.sync().await;
}

pub(crate) struct Party<'w> {
    pub(crate) world: &'w World,
    pub(crate) email: Email,
    pub(crate) role: Role,
    home: PathBuf,
    pub(crate) script: Script,
    dialect: Dialect,
    spoken: Vec<Dialect>,
    account: Option<Account>,
}

impl Party<'_> {
    /// Drops everything in memory and opens what is on disk, as a new process would.
    pub(crate) fn restart(&mut self) {
        self.account = None;
        self.script.clear();
        let session: Box<dyn Connection> = Box::new(self.world.drive.session(&self.email));
        let connection = Faulty::with_script(session, self.script.clone());
        let folders = Folders::new(&self.home, &self.home.join("conf"), &self.email, self.role);
        let store = Store::open(&folders.database()).unwrap();
        store.set_large_bytes_min(self.world.large_bytes_min.load(Ordering::Relaxed));
        store.set_sends_chunks(self.world.sends_chunks.load(Ordering::Relaxed));
        self.account = Some(Account {
            email: self.email.clone(),
            role: self.role,
            store,
            folders,
            router: ConnectionRouter::new(Arc::new(connection)),
            dialect: self.dialect.clone(),
            spoken: self.spoken.clone(),
        });
    }

    /// Loses all that the machine remembers, as `syft sync --rebuild` does; the files stay.
    pub(crate) fn forget(&mut self) {
        let database = self.account().folders.database();
        self.account = None;
        Store::set_aside(&database, self.world.now()).unwrap();
        self.restart();
    }

    /// Another program is installed on the machine, which speaks one dialect only.
    pub(crate) fn becomes(&mut self, only: Dialect) {
        self.spoken = vec![only.clone()];
        self.dialect = only;
        self.restart();
    }

    /// The same program with another home dialect.
    pub(crate) fn moves_home(&mut self, home: Dialect) {
        self.dialect = home;
        self.restart();
    }

    pub(crate) fn account(&self) -> &Account {
        self.account.as_ref().unwrap()
    }

    pub(crate) fn session(&self) -> &dyn Connection {
        self.account().router.own()
    }

    pub(crate) async fn try_sync_with(&self, options: &SyncOptions) -> Result<Report> {
        let now = self.world.now();
        match self.role {
            Role::Owner => {
                DatasiteOwnerSyncer::new(self.account()).sync(options, now, &|_| false).await
            }
            Role::Scientist => DatasiteWatcherSyncer::new(self.account()).sync(options, now).await,
        }
    }

    pub(crate) async fn try_sync(&self) -> Result<Report> {
        self.try_sync_with(&SyncOptions::default()).await
    }

    /// Syncs, and allows refusals but no problems.
    pub(crate) async fn sync(&self) -> Report {
        let report = self.try_sync().await.unwrap();
        assert_eq!(report.problems, [], "{}", self.email);
        report
    }

    pub(crate) async fn request(&self, peer: &Email) -> Result<()> {
        peering::request(self.account(), peer, self.world.now()).await
    }

    pub(crate) async fn approve(&self, peer: &Email) -> Result<()> {
        peering::approve(self.account(), peer, self.world.now()).await
    }

    fn path(&self, datasite: &Email, path: &str) -> PathBuf {
        self.account().folders.datasite(datasite).join(path)
    }

    /// Writes a file into a datasite's tree, as a user would.
    pub(crate) fn write(&self, datasite: &Email, path: &str, content: &[u8]) {
        let path = self.path(datasite, path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    pub(crate) fn put(&self, path: &str, content: &str) {
        self.write(&self.email, path, content.as_bytes());
    }

    pub(crate) fn delete(&self, datasite: &Email, path: &str) {
        std::fs::remove_file(self.path(datasite, path)).unwrap();
    }

    pub(crate) fn read(&self, datasite: &Email, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.path(datasite, path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// All files of a datasite's tree with their content, sorted by path.
    pub(crate) fn tree(&self, datasite: &Email) -> Vec<(String, String)> {
        let root = self.account().folders.datasite(datasite);
        let (mut files, mut folders) = (Vec::new(), vec![root.clone()]);
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                    let content = std::fs::read(&path).unwrap();
                    files.push((name, String::from_utf8_lossy(&content).into_owned()));
                }
            }
        }
        files.sort();
        files
    }

    /// Grants access in the own datasite, as `syft perm grant` does.
    pub(crate) fn grant(&self, path: &str, user: &Email, level: Level) {
        let rules = self.rules();
        let target = Target::parse(path).unwrap();
        if let Some(edit) = permissions::grant(&rules, &target, user.as_str(), level).unwrap() {
            self.put(&join(&edit.folder, "syft.pub.yaml"), &edit.content);
        }
    }

    pub(crate) fn revoke(&self, path: &str, user: &Email) {
        let target = Target::parse(path).unwrap();
        let revoked =
            permissions::revoke(&self.rules(), &target, user.as_str(), Level::Read).unwrap();
        for edit in revoked.edits {
            self.put(&join(&edit.folder, "syft.pub.yaml"), &edit.content);
        }
    }

    fn rules(&self) -> SyftPerm {
        let files = self.tree(&self.email).into_iter().filter_map(|(path, content)| {
            let folder = path.strip_suffix("syft.pub.yaml")?.trim_end_matches('/').to_owned();
            Some((folder, content.into_bytes()))
        });
        SyftPerm::compile(&self.email, files).0
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
