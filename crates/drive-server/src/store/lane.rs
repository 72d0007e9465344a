//! The lane of writes: what waits at the same time is done in one transaction, and waits for the
//! disk once.
//!
//! Each piece of work is done whole or not at all, in a savepoint of its own; one that fails does
//! not touch the others. Answers are given after the commit, so that whoever has one may rely on
//! the disk. If the commit fails, all of them fail, those too that failed before: they may have
//! seen what then was not kept.

use std::{
    fs::File,
    mem,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    Error, Result, Txn,
    content::{self, Folders, Stored},
};
use crate::clock;

/// Pieces of work in one transaction: enough to share a wait for the disk, and few enough that
/// nobody waits long for others' work.
const TOGETHER: usize = 64;

/// What waits to be written.
#[derive(Default)]
pub(super) struct Lane {
    waiting: Mutex<Vec<Box<dyn Work>>>,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lane").finish_non_exhaustive()
    }
}

trait Work: Send {
    /// True if nobody waits for the answer any more.
    fn is_forsaken(&self) -> bool;
    /// Does it; true if its changes are to stay.
    fn run(&mut self, txn: &mut Txn<'_>) -> bool;
    /// True if it gave content to a file.
    fn gave_content(&self) -> bool;
    /// Gives the answer, now that its changes are on disk, or are not.
    fn settle(self: Box<Self>, committed: Result<()>);
}

struct Piece<T, W> {
    work: Option<W>,
    result: Option<Result<T>>,
    stored: Vec<Stored>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, W: FnOnce(&mut Txn<'_>) -> Result<T> + Send> Work for Piece<T, W> {
    fn is_forsaken(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(&mut self, txn: &mut Txn<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let released = txn.released.len();
        let result = work(txn);
        self.stored = mem::take(&mut txn.stored);
        let stays = result.is_ok();
        if !stays {
            txn.released.truncate(released);
        }
        self.result = Some(result);
        stays
    }

    fn gave_content(&self) -> bool {
        !self.stored.is_empty()
    }

    fn settle(self: Box<Self>, committed: Result<()>) {
        let result = self.result.unwrap_or(Err(Error::GivenUp));
        let result = committed.and(result);
        if result.is_ok() {
            // Here, not where the answer arrives: nobody may be there any more to receive it.
            self.stored.into_iter().for_each(Stored::keep);
        }
        self.answer.send(result).ok();
    }
}

impl Lane {
    /// Adds work at the end; its answer comes once somebody has [`Lane::run`] it.
    pub(super) fn enter<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T>> {
        let (answer, receiver) = oneshot::channel();
        let piece = Piece { work: Some(work), result: None, stored: Vec::new(), answer };
        self.waiting().push(Box::new(piece));
        receiver
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// Does what waits, at least all that waited when this was called.
    pub(super) fn run(&self, writer: &mut Connection, folders: &Folders) {
        let mut all = mem::take(&mut *self.waiting());
        while !all.is_empty() {
            let rest = all.split_off(all.len().min(TOGETHER));
            all.retain(|work| !work.is_forsaken());
            let (committed, released) = match together(writer, folders, &mut all) {
                Ok(released) => (Ok(()), released),
                Err(error) => (Err(error), Vec::new()),
            };
            // Before the answers: whoever deleted something has its space back then. A leftover is not
            // worth an error: the work is done, and the next start clears it.
            content::release(writer, folders, &released).ok();
            for work in all {
                work.settle(committed.as_ref().copied().map_err(again));
            }
            all = rest;
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Box<dyn Work>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does all work in one transaction; returns the content that it makes superfluous.
fn together(
    writer: &mut Connection,
    folders: &Folders,
    all: &mut [Box<dyn Work>],
) -> Result<Vec<String>> {
    let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now_ms = clock::now_ms();
    let mut txn = Txn { tx, now_ms, released: Vec::new(), stored: Vec::new() };
    let mut gives_content = false;
    for work in all {
        mark(&txn.tx, "SAVEPOINT piece")?;
        let stays = work.run(&mut txn);
        gives_content |= stays && work.gave_content();
        if !stays {
            mark(&txn.tx, "ROLLBACK TO piece")?;
        }
        mark(&txn.tx, "RELEASE piece")?;
    }
    let Txn { tx, released, .. } = txn;
    if gives_content {
        // The names of what rows are about to name.
        File::open(&folders.content)?.sync_all()?;
    }
    tx.commit()?;
    Ok(released)
}

/// Fails where an error of a piece of work has ended the whole transaction, as a full disk does.
fn mark(tx: &Transaction<'_>, statement: &'static str) -> Result<()> {
    tx.prepare_cached(statement)?.execute([])?;
    Ok(())
}

/// The same failure for one more who waits.
fn again(error: &Error) -> Error {
    let failure = match error {
        Error::Database(error) => error.sqlite_error().copied(),
        _ => None,
    };
    match (failure, error) {
        (Some(failure), _) => rusqlite::Error::SqliteFailure(failure, None).into(),
        (None, Error::Folder(error)) => std::io::Error::from(error.kind()).into(),
        _ => Error::GivenUp,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Refusal;
    use super::*;

    const INSERT: &str = "INSERT INTO setting VALUES (?1, X'78')";

    struct World {
        _data: tempfile::TempDir,
        folders: Folders,
        writer: Connection,
        lane: Lane,
    }

    impl World {
        fn new() -> Self {
            let data = tempfile::tempdir().unwrap();
            let writer = super::super::connect(data.path()).unwrap();
            let folders = Folders::new(data.path());
            Self { _data: data, folders, writer, lane: Lane::default() }
        }

        fn run(&mut self) {
            self.lane.run(&mut self.writer, &self.folders);
        }

        fn keys(folders: &Folders) -> Vec<String> {
            let reader = super::super::schema::open(&folders.database).unwrap();
            let mut keys =
                reader.prepare("SELECT key FROM setting WHERE value = X'78' ORDER BY key").unwrap();
            let keys = keys.query_map([], |row| row.get(0)).unwrap();
            keys.collect::<rusqlite::Result<_>>().unwrap()
        }
    }

    fn insert(txn: &Txn<'_>, key: &str) {
        txn.tx.execute(INSERT, [key]).unwrap();
    }

    #[test]
    fn what_waits_together_is_committed_together_and_fails_alone() {
        let mut world = World::new();
        let folders = world.folders.clone();
        let mut first = world.lane.enter(|txn| {
            insert(txn, "a");
            Ok(1)
        });
        let mut failing = world.lane.enter::<()>(|txn| {
            insert(txn, "b");
            Err(Refusal::Denied.into())
        });
        let mut last = world.lane.enter(move |txn| {
            insert(txn, "c");
            Ok(World::keys(&folders).len())
        });
        world.run();
        assert_eq!(first.try_recv().unwrap().unwrap(), 1);
        let refused = failing.try_recv().unwrap().unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal::Denied)), "{refused}");
        assert_eq!(last.try_recv().unwrap().unwrap(), 0, "the first was not committed by then");
        assert_eq!(World::keys(&world.folders), ["a", "c"]);
        assert!(world.lane.is_empty());
    }

    #[test]
    fn work_that_nobody_waits_for_is_not_begun() {
        let mut world = World::new();
        drop(world.lane.enter(|txn| {
            insert(txn, "a");
            Ok(())
        }));
        world.run();
        assert!(World::keys(&world.folders).is_empty());
    }

    #[test]
    fn more_than_fits_one_transaction_is_done_in_several() {
        let mut world = World::new();
        let answers: Vec<_> = (0..TOGETHER + 1)
            .map(|number| {
                let folders = world.folders.clone();
                world.lane.enter(move |txn| {
                    insert(txn, &format!("{number:04}"));
                    Ok(World::keys(&folders).len())
                })
            })
            .collect();
        world.run();
        let seen = answers.into_iter().map(|mut answer| answer.try_recv().unwrap().unwrap());
        assert_eq!(seen.collect::<Vec<_>>(), [vec![0; TOGETHER], vec![TOGETHER]].concat());
    }

    #[test]
    fn if_the_commit_fails_all_fail_and_nothing_stays() {
        let mut world = World::new();
        let mut before = world.lane.enter(|txn| {
            insert(txn, "a");
            Ok(())
        });
        let mut refused = world.lane.enter::<()>(|_| Err(Refusal::Denied.into()));
        let mut culprit = world.lane.enter(|txn| {
            // Broken in a way that only the commit notices.
            txn.tx.execute_batch("PRAGMA defer_foreign_keys = ON")?;
            txn.tx.execute("INSERT INTO permission VALUES (99, 99, 1)", [])?;
            Ok(())
        });
        world.run();
        for answer in [&mut before, &mut refused, &mut culprit] {
            let error = answer.try_recv().unwrap().unwrap_err();
            assert!(matches!(error, Error::Database(_)), "{error}");
        }
        assert!(World::keys(&world.folders).is_empty());
        let mut after = world.lane.enter(|txn| {
            insert(txn, "b");
            Ok(())
        });
        world.run();
        after.try_recv().unwrap().unwrap();
        assert_eq!(World::keys(&world.folders), ["b"]);
    }
}
