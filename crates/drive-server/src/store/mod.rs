//! What is true: accounts, files, permissions, changes and sessions in SQLite, content in files.
//!
//! Reads run on a pool of connections and see one snapshot each; writes run one after the other,
//! those that wait together in one transaction (`lane`). Both run on blocking threads, never while
//! bytes are streamed.
//!
//! Invariants: a row names content only after the content is on disk under its final name; content
//! that no row names is removed, at the latest at the next start. `access` always equals what
//! owners, permissions and parents say (`access::settle`).

pub(crate) mod access;
pub(crate) mod changes;
pub(crate) mod content;
pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod files;
pub(crate) mod ids;
pub(crate) mod known;
mod lane;
pub(crate) mod permissions;
mod readers;
mod schema;
pub(crate) mod search;
pub(crate) mod sessions;
pub(crate) mod sums;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;
mod ways;
mod words;

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Semaphore;

use crate::clock;
pub(crate) use content::Folders;
use content::Stored;
use known::Known;
use lane::Lane;
use readers::Readers;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("the database fails")]
    Database(#[from] rusqlite::Error),
    #[error("the data folder fails")]
    Folder(#[from] io::Error),
    #[error("the work was given up")]
    GivenUp,
    /// What is to be learnt before the same can be asked again.
    #[error("the MD5 of some content is not known yet")]
    Lacks(Vec<sums::Lacking>),
}

/// A request that makes sense but may not or cannot be granted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is no file {0} that this account sees")]
    NoFile(String),
    #[error("there is no permission {0}")]
    NoPermission(String),
    #[error("this account may not do that to this file")]
    Denied,
    #[error("this account may not write to the parent folder")]
    DeniedParent,
    #[error("the id is in use")]
    IdInUse,
    #[error("the id was not made here")]
    IdNotUsable,
    #[error("the parent is not a folder")]
    ParentNotFolder,
    #[error("a file has one parent only")]
    ManyParents,
    #[error("a folder cannot lie in itself")]
    Cycle,
    #[error("folders are nested too deeply")]
    TooDeep,
    #[error("the root folder stays as it is")]
    Root,
    #[error("a folder has no content")]
    FolderContent,
    #[error("an owner must be named with transferOwnership")]
    TransferNotAsked,
    #[error("the permission comes from a parent folder")]
    Inherited,
    #[error("the owner's permission stays")]
    OwnerStays,
    #[error("the page token is unknown")]
    BadPageToken,
    #[error("another account has this secret")]
    SecretTaken,
    #[error("the account has too many open uploads")]
    ManySessions,
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

/// The store of one data folder; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folders: Folders,
    writer: Mutex<Connection>,
    lane: Lane,
    readers: Arc<Readers>,
    known: Known,
    /// The turn of whoever works out MD5s.
    sums: Arc<Semaphore>,
    /// Held as long as the store lives, so that no second server serves the same folder.
    _lock: File,
}

/// A write transaction: the connection, its time, the content that it makes superfluous, and the
/// content that it gives to files.
pub(crate) struct Txn<'a> {
    pub(crate) tx: Transaction<'a>,
    pub(crate) now_ms: i64,
    pub(crate) released: Vec<String>,
    pub(crate) stored: Vec<Stored>,
    /// True if a token does not hold any more.
    pub(crate) revoked: bool,
}

impl Store {
    /// Opens the data folder for serving and clears what a crash left behind.
    pub(crate) fn open(data: &Path) -> std::result::Result<Self, crate::Error> {
        let writer = connect(data)?;
        let folders = Folders::new(data);
        let lock_path = data.join("lock");
        let failed = |source| crate::Error::Folder { path: lock_path.clone(), source };
        let lock = File::create(&lock_path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(crate::Error::InUse { data: data.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        content::clean(&writer, &folders, clock::now_ms()).map_err(database)?;
        let inner = Inner {
            folders,
            writer: Mutex::new(writer),
            lane: Lane::default(),
            readers: Arc::default(),
            known: Known::default(),
            sums: Arc::new(Semaphore::new(1)),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn folders(&self) -> &Folders {
        &self.inner.folders
    }

    /// Whose tokens are.
    pub(crate) fn known(&self) -> &Known {
        &self.inner.known
    }

    /// Runs `work` on one consistent snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let answer = self.inner.readers.enter(&self.inner.folders.database, work);
        answer.await.map_err(|_| Error::GivenUp)?
    }

    /// Runs `work` so that all of it happens and is on disk, or, if it fails, nothing.
    ///
    /// Work that has not begun when nobody waits for it any more is not done.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, is_first) = self.inner.lane.enter(work);
        if is_first {
            // On its own, since whoever asked may leave while others' work is in the same
            // transaction.
            let inner = Arc::clone(&self.inner);
            tokio::task::spawn_blocking(move || {
                let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
                inner.lane.run(&mut writer, &inner.folders, &inner.known, &inner.readers);
            });
        }
        answer.await.map_err(|_| Error::GivenUp)?
    }
}

/// Opens the database of a data folder, making both if need be.
pub(crate) fn connect(data: &Path) -> std::result::Result<Connection, crate::Error> {
    let folders = Folders::new(data);
    for path in [data, folders.content.as_path(), folders.partial.as_path()] {
        std::fs::create_dir_all(path)
            .map_err(|source| crate::Error::Folder { path: path.to_owned(), source })?;
    }
    let mut connection = schema::open_writer(&folders.database).map_err(database)?;
    schema::migrate(&mut connection).map_err(database)?;
    Ok(connection)
}

/// Runs `work` in an immediate transaction and commits it if it succeeds.
pub(crate) fn in_transaction<T>(
    connection: &mut Connection,
    now_ms: i64,
    work: impl FnOnce(&mut Txn<'_>) -> Result<T>,
) -> Result<T> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut txn = Txn { tx, now_ms, released: Vec::new(), stored: Vec::new(), revoked: false };
    let result = work(&mut txn)?;
    txn.tx.commit()?;
    Ok(result)
}

fn database(error: impl Into<Error>) -> crate::Error {
    crate::Error::Database(Box::new(error.into()))
}

/// How long a write waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);
