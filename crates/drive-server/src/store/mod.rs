//! What is true: accounts, files, permissions, changes and sessions in SQLite, content in files.
//!
//! Reads run on a pool of connections and see one snapshot each; writes run one after the other in
//! an immediate transaction. Both run on blocking threads, never while bytes are streamed.
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
pub(crate) mod permissions;
mod schema;
pub(crate) mod search;
pub(crate) mod sessions;
#[cfg(test)]
mod tests;
pub(crate) mod tokens;

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

/// Reads at once, each on a connection of its own; more wait.
const READERS: usize = 4;

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
    readers: Mutex<Vec<Connection>>,
    /// Who waits does so here, not on a blocking thread: streams need those too.
    reading: Semaphore,
    writing: Semaphore,
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
            readers: Mutex::new(Vec::new()),
            reading: Semaphore::new(READERS),
            writing: Semaphore::new(1),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) fn folders(&self) -> &Folders {
        &self.inner.folders
    }

    /// Runs `work` on one consistent snapshot.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let _turn = self.inner.reading.acquire().await.map_err(|_| Error::GivenUp)?;
        let done = tokio::task::spawn_blocking(move || {
            let kept = inner.readers.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let connection = match kept {
                Some(connection) => connection,
                None => schema::open(&inner.folders.database)?,
            };
            let snapshot = connection.unchecked_transaction()?;
            let result = work(&connection);
            snapshot.finish()?;
            inner.readers.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            result
        });
        done.await.map_err(|_| Error::GivenUp)?
    }

    /// Runs `work` in one transaction: all of it happens, or, if it fails, nothing.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let inner = Arc::clone(&self.inner);
        let _turn = self.inner.writing.acquire().await.map_err(|_| Error::GivenUp)?;
        let done = tokio::task::spawn_blocking(move || {
            let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let now_ms = clock::now_ms();
            let (mut released, mut stored) = (Vec::new(), Vec::new());
            let result = in_transaction(&mut writer, now_ms, |txn| {
                let result = work(txn);
                released = std::mem::take(&mut txn.released);
                stored = std::mem::take(&mut txn.stored);
                result
            })?;
            // Here, not where the result arrives: nobody may be there any more to receive it.
            stored.into_iter().for_each(Stored::keep);
            // Under the same lock as the commit: nobody can copy the content in between.
            // A leftover is not worth an error: the work is done, and the next start clears it.
            content::release(&writer, &inner.folders, &released).ok();
            Ok(result)
        });
        done.await.map_err(|_| Error::GivenUp)?
    }
}

/// Opens the database of a data folder, making both if need be.
pub(crate) fn connect(data: &Path) -> std::result::Result<Connection, crate::Error> {
    let folders = Folders::new(data);
    for path in [data, folders.content.as_path(), folders.partial.as_path()] {
        std::fs::create_dir_all(path)
            .map_err(|source| crate::Error::Folder { path: path.to_owned(), source })?;
    }
    let mut connection = schema::open(&folders.database).map_err(database)?;
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
    let mut txn = Txn { tx, now_ms, released: Vec::new(), stored: Vec::new() };
    let result = work(&mut txn)?;
    txn.tx.commit()?;
    Ok(result)
}

fn database(error: impl Into<Error>) -> crate::Error {
    crate::Error::Database(Box::new(error.into()))
}

/// How long a write waits for another process's write.
const BUSY: Duration = Duration::from_secs(10);
