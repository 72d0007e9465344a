//! [`Client`]: what a program uses, and what the command line calls.
//!
//! One client is one account on one machine. It holds no rule of its own: it takes the lock, asks
//! the syncers, datasets, jobs and permissions to do their part in the right order, and returns
//! what came of it. Whatever changes something holds the lock of the SyftBox while it does; a
//! running job does not.

mod again;
mod attention;
mod buckets;
mod bug_report;
mod clock;
mod configuration;
mod datasets;
mod deleted;
mod deletion;
pub mod doctor;
mod entering;
mod error;
mod inventory;
mod jobs;
mod keys;
pub mod lifetime;
mod login;
mod moving;
mod named_file;
mod orphans;
mod outcome;
mod peers;
mod queueing;
mod rebuilding;
mod reception;
mod releasing;
mod rules;
mod runs;
mod secrets;
pub mod service;
mod serving;
mod settings;
mod standing;
mod submitting;
mod trying;
mod versions;
mod watching;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::caches::{Folders, Store, SyncLock};
use crate::checkpoints::Due;
use crate::connections::{Connection, ConnectionRouter, Traffic, Usage};
use crate::datasets::{Scratch, downloads_folder, sweep_downloads};
use crate::model::{Code, Email, Role, Timestamp};
use crate::syncers::{
    Account, CheckpointStatus, CheckpointSummary, DatasiteOwnerSyncer, DatasiteWatcherSyncer,
    Report, SyncOptions, collections, expect_syftbox, told,
};
use crate::wire::Dialect;

pub use crate::syncers::orphans::{Deleted, Orphan, Orphans, Why as WhyOrphan};
pub use again::Again;
pub use attention::{LastSync, Memory, News};
pub use buckets::AccessKey;
pub use bug_report::{BugReport, Fact, Line, Numbers, Section, UNKNOWN, bug_report};
pub use clock::{Clock, SystemClock};
pub use configuration::{AccountInfo, Configuration, SecretAt};
pub use datasets::Updated;
pub use deletion::{DeletionPlan, DeletionSummary, What};
pub use entering::{Asker, Browser, Pasted, SignIn};
pub use error::{Error, Result};
pub use jobs::{FoundJob, ListedJob};
pub use keys::{KeysError, KeysInfo, Trust};
pub use queueing::{JobLogs, Waiting};
pub use releasing::ReleasedJob;
pub use runs::{Ran, RunChoices, RunEvent, Tell};
pub use secrets::{Place, SecretsIn, Unusable};
pub use serving::{
    Admitted, Attendant, Attended, Courier, Delivery, Looked, Read, Runner, ServeFile, ServeLock,
    SmtpPassword,
};
pub use settings::{JobSettings, Settings};
pub use standing::{Allowance, Allowed};
pub use submitting::{JobRequest, Submitted};
pub use trying::{Tried, TryChoices};
pub use versions::VersionManager;
pub use watching::{
    Heard, Listening, Machine, Moment, Pace, Senses, Watch, WatchEvent, WatchOptions,
};

/// How often a lock is tried that another process holds.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// One account on one machine.
#[derive(Debug)]
pub struct Client {
    account: Account,
    clock: Arc<dyn Clock>,
    /// For how many milliseconds another process is waited for.
    patience_ms: AtomicU64,
    /// `None` where a program brought the connection itself.
    session: Option<lifetime::Session>,
    unused_keyring: Option<Unusable>,
}

impl Client {
    /// Makes a client over any connection, with its SyftBox and configuration below `home`.
    ///
    /// # Errors
    /// If the state on this machine cannot be opened.
    ///
    /// # Examples
    /// A scientist asks an owner to work together, over a drive in memory:
    /// ```
    /// use std::sync::Arc;
    /// use syft::client::{Client, SystemClock};
    /// use syft::connections::MemoryDrive;
    /// use syft::model::{Email, Role};
    /// use syft::syncers::SyncOptions;
    /// use syft::wire::PeerState;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (drive, home) = (MemoryDrive::new(), tempfile::tempdir()?);
    /// let client = |name, role| -> Result<Client, Box<dyn std::error::Error>> {
    ///     let session = Arc::new(drive.session(&Email::parse(name)?));
    ///     Ok(Client::over(session, role, home.path(), Arc::new(SystemClock))?)
    /// };
    /// let owner = client("owner@example.org", Role::Owner)?;
    /// let scientist = client("scientist@example.org", Role::Scientist)?;
    ///
    /// scientist.add_peer(owner.email()).await?;
    /// owner.sync(&SyncOptions::default()).await?;
    /// let peers = owner.peers().await?;
    /// assert_eq!(peers[0].peer.state, PeerState::RequestedByPeer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn over(
        connection: Arc<dyn Connection>,
        role: Role,
        home: &Path,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let email = connection.account().clone();
        let folders = Folders::new(home, &home.join(".syft"), &email, role);
        Self::build(folders, &email, connection, role, clock)
    }

    fn build(
        folders: Folders,
        email: &Email,
        connection: Arc<dyn Connection>,
        role: Role,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let store = Store::open(&folders.database())?;
        let account = Account {
            email: email.clone(),
            role,
            folders,
            store,
            router: ConnectionRouter::new(connection),
            dialect: Dialect::v0_1(),
            spoken: Dialect::all().to_vec(),
        };
        let patience_ms = AtomicU64::new(0);
        Ok(Self { account, clock, patience_ms, session: None, unused_keyring: None })
    }

    /// The same client with another home dialect: that of the Python client that may use the
    /// account as well. It names the account's own folders, and is advertised where nothing is
    /// known of who reads; it must be the same on all machines of the account.
    #[must_use]
    pub fn with_home(mut self, home: Dialect) -> Self {
        self.account.dialect = home;
        self
    }

    /// The same client, speaking its home dialect and no other, as the Python clients do.
    #[must_use]
    pub fn with_home_only(mut self, home: Dialect) -> Self {
        self.account.spoken = vec![home.clone()];
        self.with_home(home)
    }

    /// Returns whose account it is.
    pub const fn email(&self) -> &Email {
        &self.account.email
    }

    /// Returns the side on which the account stands.
    pub const fn role(&self) -> Role {
        self.account.role
    }

    /// Returns where its things lie on this machine.
    pub const fn folders(&self) -> &Folders {
        &self.account.folders
    }

    /// Returns the account itself, for a program that wants to look deeper.
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Returns how many requests were sent to the service so far.
    pub fn requests(&self) -> u64 {
        self.account.router.own().requests()
    }

    /// Returns the same with what the requests cost of the service's quota.
    pub fn usage(&self) -> Usage {
        let own = self.account.router.own();
        Usage { requests: own.requests(), quota_units: own.quota_units() }
    }

    /// Returns how much of large files is on its way, for who tells a person.
    pub fn traffic(&self) -> &Traffic {
        self.account.router.traffic()
    }

    /// Chooses what happens while another process holds the lock: wait, or at once
    /// [`Error::Locked`], which is how a client begins.
    pub fn set_wait_for_lock(&self, waits: bool) {
        self.patience_ms.store(if waits { u64::MAX } else { 0 }, Ordering::Relaxed);
    }

    /// Waits for this long while another process holds the lock, before [`Error::Locked`]: for acts
    /// of a person beside a watch, which holds it for a moment every now and then.
    pub fn set_lock_patience(&self, patience: Duration) {
        let millis = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.patience_ms.store(millis, Ordering::Relaxed);
    }

    /// Leaves files alone that are being written: those that were written less than `rest` before a
    /// sync begins, or during it. Zero, which is how a client begins, takes files as they are.
    pub fn set_rest(&self, rest: Duration) {
        self.account.store.set_rest(rest);
    }

    /// Has files of `bytes` and more lie on the disk while they are on their way, instead of in memory.
    /// For tests, which have no large ones.
    pub fn set_large_bytes_min(&self, bytes: u64) {
        self.account.store.set_large_bytes_min(bytes);
    }

    /// Has large content sent whole, as to a Python client, also where it might go as chunks.
    pub fn set_sends_chunks(&self, sends: bool) {
        self.account.store.set_sends_chunks(sends);
    }

    /// Asks the drive for as little as can be, without the lock of the SyftBox.
    pub(super) async fn knock(&self) -> Result<()> {
        self.account.router.own().change_start().await?;
        Ok(())
    }

    /// Syncs once.
    ///
    /// # Errors
    /// [`Error::Locked`]; else if nothing could be done at all. What went wrong with one peer, file
    /// or dataset is in the report.
    pub async fn sync(&self, options: &SyncOptions) -> Result<Report> {
        self.expect_not_deleted()?;
        let _lock = if options.force { self.lock_anywhere().await? } else { self.lock().await? };
        let mut outcome = self.sync_locked(options).await;
        if let Ok(report) = &mut outcome {
            self.watch_sign_in(report).await;
        }
        outcome::note(&self.account, &outcome);
        outcome
    }

    async fn sync_locked(&self, options: &SyncOptions) -> Result<Report> {
        self.sync_as_of(options, self.now()).await
    }

    async fn sync_as_of(&self, options: &SyncOptions, now: Timestamp) -> Result<Report> {
        let account = &self.account;
        Scratch::sweep(&account.folders.syftbox)?;
        sweep_downloads(&downloads_folder(&account.folders.syftbox), now)?;
        let unfinished = collections::finish_updates(account).err();
        let mut report = match account.role {
            Role::Owner => {
                // A job that was sent before we agreed is judged by what it may do now. What goes
                // wrong is told below, where the sync has learnt of those who agreed since.
                peers::welcome_all(account, &mut Report::default());
                let receive = |report: &mut Report| {
                    let welcomed = peers::welcome_all(account, report);
                    reception::receive(account, now, report) || welcomed
                };
                DatasiteOwnerSyncer::new(account).sync(options, now, &receive).await?
            }
            Role::Scientist => DatasiteWatcherSyncer::new(account).sync(options, now).await?,
        };
        if let Some(error) = unfinished {
            let text = format!("a dataset is not updated yet: {}", told(&error));
            report.problem(Code::DatasetNotUpdated, text);
        }
        account.store.shrink();
        Ok(report)
    }

    /// Makes a checkpoint of the datasite, after a sync, so that everything is in it.
    ///
    /// # Errors
    /// [`Error::WrongRole`] for a scientist; [`Error::Locked`]; else if the service refuses.
    pub async fn create_checkpoint(&self) -> Result<CheckpointSummary> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let options = SyncOptions { auto_checkpoint: false, ..SyncOptions::default() };
        self.sync_locked(&options).await?;
        Ok(DatasiteOwnerSyncer::new(&self.account).create_checkpoint(self.now()).await?)
    }

    /// Makes the checkpoint that is due if at least `threshold` events came since the last one, as
    /// [`Client::sync`] does: an increment, or after some of those a full one. `None` if none is due.
    ///
    /// # Errors
    /// As [`Client::create_checkpoint`].
    pub async fn try_create_checkpoint(
        &self,
        threshold: usize,
    ) -> Result<Option<CheckpointSummary>> {
        if !self.should_create_checkpoint(threshold)? {
            return Ok(None);
        }
        let _lock = self.lock().await?;
        let options = SyncOptions { auto_checkpoint: false, ..SyncOptions::default() };
        self.sync_locked(&options).await?;
        let syncer = DatasiteOwnerSyncer::new(&self.account);
        Ok(syncer.try_create_checkpoint(threshold, self.now()).await?)
    }

    /// True if at least `threshold` events came since the last checkpoint: then the next sync makes
    /// one.
    ///
    /// # Errors
    /// As [`Client::checkpoint_status`].
    pub fn should_create_checkpoint(&self, threshold: usize) -> Result<bool> {
        Ok(self.checkpoint_status(threshold)?.next != Due::Nothing)
    }

    /// Returns how things stand with checkpoints and the event log, as the last sync left them.
    /// `threshold`: how many events are enough for a checkpoint.
    ///
    /// # Errors
    /// [`Error::WrongRole`] for a scientist.
    pub fn checkpoint_status(&self, threshold: usize) -> Result<CheckpointStatus> {
        self.needs(Role::Owner)?;
        Ok(DatasiteOwnerSyncer::new(&self.account).checkpoint_status(threshold)?)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Refuses what only an account of the other role can do.
    ///
    /// # Errors
    /// [`Error::WrongRole`] if the account has another role.
    pub fn needs(&self, role: Role) -> Result<()> {
        if self.role() == role { Ok(()) } else { Err(Error::WrongRole { needed: role }) }
    }

    /// Takes the lock, unless there is nothing where the SyftBox was: not even a lock is put into
    /// an empty mount point.
    async fn lock(&self) -> Result<SyncLock> {
        self.expect_not_deleted()?;
        expect_syftbox(&self.account)?;
        self.lock_anywhere().await
    }

    async fn lock_anywhere(&self) -> Result<SyncLock> {
        let patience = self.patience_ms.load(Ordering::Relaxed);
        if patience == u64::MAX {
            return self.in_place(self.take_lock(true).await?);
        }
        let patience = Duration::from_millis(patience);
        let began = tokio::time::Instant::now();
        loop {
            match self.take_lock(false).await {
                Err(Error::Locked { .. }) if began.elapsed() < patience => {
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                taken => return self.in_place(taken?),
            }
        }
    }

    /// Whoever holds the lock works with the database that everybody opens now, or not at all.
    fn in_place(&self, lock: SyncLock) -> Result<SyncLock> {
        self.account.store.expect_in_place()?;
        Ok(lock)
    }

    /// Takes the lock where waiting for it holds nobody else up.
    async fn take_lock(&self, waits: bool) -> Result<SyncLock> {
        let syftbox = self.account.folders.syftbox.clone();
        if !waits {
            return Ok(SyncLock::take(&syftbox, false)?);
        }
        let taken = tokio::task::spawn_blocking(move || SyncLock::take(&syftbox, true)).await;
        taken
            .unwrap_or_else(|stopped| {
                let (path, what) = (self.account.folders.syftbox.clone(), "locked");
                Err(crate::caches::Error::File { path, what, source: stopped.into() })
            })
            .map_err(Error::from)
    }
}
