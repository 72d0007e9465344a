//! The state database: how it is opened, and written in transactions.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::{Connection as Database, params};

use super::contents::LARGE_BYTES_MIN;
use super::counting::{self, Counter};
use super::remembered::Remembered;
use super::upgrading::{self, STEPS, Step};
use super::{Error, Result, shrinking};
use crate::model::{Email, Snapshot, Timestamp};

/// The state database of one account.
///
/// Several processes may have it open; each [`Store::write`] is one transaction, on disk when it
/// returns.
#[derive(Debug)]
pub struct Store {
    database: Mutex<Database>,
    /// `None` for one in memory.
    counter: Option<Counter>,
    place: Option<Place>,
    witness: OnceLock<Witness>,
    /// How long a file must be at rest to be looked at, in nanoseconds.
    rest_ns: AtomicI64,
    /// From which size on a file is not held in memory.
    large_bytes_min: AtomicU64,
    /// True if large content goes as chunks to who takes that.
    sends_chunks: AtomicBool,
    /// The same for what was last written before `unheard_until_ns`.
    unheard_rest_ns: AtomicI64,
    unheard_until_ns: AtomicI64,
    /// True if a scan left a file alone that was not at rest.
    left_restless: AtomicBool,
    remembered: Remembered,
}

/// Where a database lies, and what tells it from another one in its place.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

/// A moment around the commit of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// All is written, and nothing of it is kept yet.
    Before,
    /// It is on disk; its caller does not know yet.
    After,
}

struct Witness(Box<dyn Fn(Commit) + Send + Sync>);

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Witness")
    }
}

impl Store {
    /// Opens the database at `path`; creates it, and its folder, if need be.
    ///
    /// # Errors
    /// [`Error::NewerDatabase`] if a later release wrote it, and changed more than this one can
    /// pass over; [`Error::Damaged`] if it is no database, or lacks what it held. Nothing is touched
    /// then: see [`Store::set_aside`].
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_with(path, STEPS)
    }

    pub(super) fn open_with(path: &Path, steps: &[Step]) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::at(folder, "created"))?;
        }
        let database = upgrading::open(path, steps)?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit is on disk when it returns, also after a power cut.
        database.pragma_update(None, "synchronous", "FULL")?;
        let counter = Some(Counter::open(path, &database)?);
        let place = Place { path: path.to_owned(), identity: identity(path) };
        Ok(Self { place: Some(place), ..Self::of(database, counter) })
    }

    /// Checks that the database is the one of its account still: while it was open, another process
    /// may have set it aside ([`Store::set_aside`]), and what is known in it is of the past. To be
    /// asked by who holds the lock of the SyftBox.
    ///
    /// # Errors
    /// [`Error::Displaced`].
    pub fn expect_in_place(&self) -> Result<()> {
        let Some(Place { path, identity: Some(ours) }) = &self.place else { return Ok(()) };
        // One that was deleted has no other in its place.
        if identity(path).is_none_or(|found| found == *ours) {
            return Ok(());
        }
        Err(Error::Displaced { path: path.clone() })
    }

    /// Opens a database that lives as long as the value (`use_in_memory_cache`).
    ///
    /// # Errors
    /// If SQLite has no memory.
    pub fn in_memory() -> Result<Self> {
        let mut database = Database::open_in_memory()?;
        upgrading::apply(&mut database, STEPS)?;
        Ok(Self::of(database, None))
    }

    fn of(database: Database, counter: Option<Counter>) -> Self {
        Self {
            database: Mutex::new(database),
            counter,
            place: None,
            witness: OnceLock::new(),
            rest_ns: AtomicI64::new(0),
            large_bytes_min: AtomicU64::new(LARGE_BYTES_MIN),
            sends_chunks: AtomicBool::new(true),
            unheard_rest_ns: AtomicI64::new(0),
            unheard_until_ns: AtomicI64::new(0),
            left_restless: AtomicBool::new(false),
            remembered: Remembered::default(),
        }
    }

    /// Moves the database at `path` aside, so that the next opening makes a new one, and returns the
    /// folder in which it is kept; `None` if there is none. Nobody may have it open.
    ///
    /// # Errors
    /// If a file cannot be moved; doing it again goes on.
    pub fn set_aside(path: &Path, now: Timestamp) -> Result<Option<PathBuf>> {
        upgrading::set_aside(path, &now.micros().to_string())
    }

    /// Has `witness` called right before and right after each commit, for tests: it may unwind, as
    /// a process that dies there. There is one for each store; a second one is ignored.
    pub fn set_witness(&self, witness: impl Fn(Commit) + Send + Sync + 'static) {
        let _ = self.witness.set(Witness(Box::new(witness)));
    }

    /// Has files of `bytes` and more not held in memory: for tests, which have no large ones.
    pub fn set_large_bytes_min(&self, bytes: u64) {
        self.large_bytes_min.store(bytes, Ordering::Relaxed);
    }

    /// From which size on a file is not held in memory, in bytes.
    pub fn large_bytes_min(&self) -> u64 {
        self.large_bytes_min.load(Ordering::Relaxed)
    }

    /// Has large content sent whole, as to a Python client, also where it might go as chunks.
    pub fn set_sends_chunks(&self, sends: bool) {
        self.sends_chunks.store(sends, Ordering::Relaxed);
    }

    /// True if large content goes as chunks to who takes that.
    pub fn sends_chunks(&self) -> bool {
        self.sends_chunks.load(Ordering::Relaxed)
    }

    /// Leaves files alone that were written less than `rest` before a scan begins, or during it: in
    /// a watch they may be halves, and what ends the writing starts another sync. Zero, which is how
    /// a store begins, takes files as they are.
    pub fn set_rest(&self, rest: Duration) {
        self.rest_ns.store(i64::try_from(rest.as_nanos()).unwrap_or(i64::MAX), Ordering::Relaxed);
    }

    /// Leaves files alone for `rest` that were last written before `until`: nobody listened then, so it
    /// is not known whether somebody has them open still. Zero, which is how a store begins, is for
    /// none.
    pub fn set_unheard(&self, until: Timestamp, rest: Duration) {
        let rest_ns = i64::try_from(rest.as_nanos()).unwrap_or(i64::MAX);
        self.unheard_until_ns.store(until.micros().saturating_mul(1000), Ordering::Relaxed);
        self.unheard_rest_ns.store(rest_ns, Ordering::Relaxed);
    }

    /// True if a scan has left a file alone since this was last asked: it wants another look.
    pub fn take_restless(&self) -> bool {
        self.left_restless.swap(false, Ordering::Relaxed)
    }

    pub(super) fn note_restless(&self) {
        self.left_restless.store(true, Ordering::Relaxed);
    }

    /// For how many nanoseconds a file is left alone that was last written at this time.
    pub(super) fn rest_ns(&self, written_ns: i64) -> i64 {
        let rest_ns = self.rest_ns.load(Ordering::Relaxed);
        if written_ns < self.unheard_until_ns.load(Ordering::Relaxed) {
            return rest_ns.max(self.unheard_rest_ns.load(Ordering::Relaxed));
        }
        rest_ns
    }

    fn tell(&self, moment: Commit) {
        if let Some(Witness(told)) = self.witness.get() {
            told(moment);
        }
    }

    /// Runs `look` on the database.
    ///
    /// # Errors
    /// What `look` gives.
    pub fn read<T>(&self, look: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        look(&self.lock())
    }

    /// Returns what is agreed for `datasite`: as [`agreed::snapshot`](super::agreed::snapshot), read only
    /// where something has changed since this was last asked.
    ///
    /// # Errors
    /// If the database fails.
    pub fn agreed(&self, datasite: &Email) -> Result<Arc<Snapshot>> {
        self.remembered.agreed(&self.lock(), datasite)
    }

    /// Gives the disk back what is not needed any more, if that is much. What hinders it, as another
    /// process that is writing, leaves it for another time.
    pub fn shrink(&self) {
        if let Err(error) = shrinking::shrink(&self.lock()) {
            tracing::debug!(%error, "the database stays as large as it is");
        }
    }

    /// Runs `change` in one transaction: all of it is kept, or on an error nothing.
    ///
    /// # Errors
    /// What `change` gives, or that the transaction could not be committed.
    pub fn write<T>(&self, change: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        let mut database = self.lock();
        let transaction =
            database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let before = transaction.total_changes();
        let value = change(&transaction)?;
        let is_changed = transaction.total_changes() != before;
        let count = if is_changed { Some(counting::add_one(&transaction)?) } else { None };
        self.tell(Commit::Before);
        transaction.commit()?;
        self.tell(Commit::After);
        if let (Some(counter), Some(count)) = (&self.counter, count) {
            counter.note(count);
        }
        Ok(value)
    }

    /// Empties all tables, as if the database were new; what it says of itself stays.
    ///
    /// # Errors
    /// If the transaction could not be committed; nothing is changed then.
    pub fn forget_everything(&self) -> Result<()> {
        self.write(|db| {
            let mut tables = db.prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            )?;
            let names = tables.query_map([], |row| row.get::<_, String>(0))?;
            let names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
            for name in names.iter().filter(|name| *name != "meta") {
                db.execute_batch(&format!("DELETE FROM \"{name}\""))?;
            }
            db.execute(
                "DELETE FROM meta WHERE key NOT IN (?1, ?2)",
                params![counting::CHANGES, upgrading::READABLE_BY],
            )?;
            Ok(())
        })
    }

    fn lock(&self) -> MutexGuard<'_, Database> {
        // A panic while the lock was held has rolled its transaction back.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says which file lies at `path`; `None` if there is none, or no way to tell.
#[cfg(unix)]
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

#[cfg(not(unix))]
fn identity(_path: &Path) -> Option<(u64, u64)> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::meta;
    use super::*;

    #[test]
    fn a_failed_change_leaves_nothing_behind() {
        let store = Store::in_memory().unwrap();
        let failed: Result<()> = store.write(|db| {
            meta::set(db, "a", "1")?;
            Err(Error::damaged("on purpose"))
        });
        assert!(failed.is_err());
        assert_eq!(store.read(|db| meta::get(db, "a")).unwrap(), None);
    }

    #[test]
    fn who_dies_before_a_commit_leaves_nothing_and_who_dies_after_it_all() {
        for (moment, kept) in [(Commit::Before, None), (Commit::After, Some("1".to_owned()))] {
            let store = Store::in_memory().unwrap();
            store.set_witness(move |now| {
                if now == moment {
                    std::panic::resume_unwind(Box::new("dead"));
                }
            });
            let write = || store.write(|db| meta::set(db, "a", "1"));
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(write)).is_err());
            assert_eq!(store.read(|db| meta::get(db, "a")).unwrap(), kept, "{moment:?}");
        }
    }

    #[test]
    fn forgetting_everything_is_no_step_back_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        let store = Store::open(&path).unwrap();
        store.write(|db| meta::set(db, "a", "1")).unwrap();
        store.forget_everything().unwrap();
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.read(|db| meta::get(db, "a")).unwrap(), None);
    }

    #[test]
    fn opening_twice_keeps_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/state.db");
        Store::open(&path).unwrap().write(|db| meta::set(db, "a", "1")).unwrap();
        assert_eq!(
            Store::open(&path).unwrap().read(|db| meta::get(db, "a")).unwrap(),
            Some("1".to_owned())
        );
    }
}
