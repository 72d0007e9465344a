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
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::{
    Error, Result, Txn,
    content::{self, Folders, Stored},
    known::Known,
    readers::Readers,
};
use crate::clock;

/// Pieces of work in one transaction: enough to share a wait for the disk, and few enough that
/// nobody waits long for others' work.
const TOGETHER: usize = 64;

/// Pieces of work after which the log is copied into the database: some 5,000 pages.
const LOG_PIECES: usize = 256;

/// What waits to be written.
#[derive(Default)]
pub(super) struct Lane {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Box<dyn Work>>,
    /// Pieces of work that were done since the log was last copied into the database.
    since: usize,
    /// True from the first that enters to the end of the [`Lane::run`] that finds nothing.
    busy: bool,
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
        // Here, not where the answer arrives: nobody may be there any more to receive it. And before
        // the answer: whoever was refused has its space back then.
        match result {
            Ok(_) => self.stored.into_iter().for_each(Stored::keep),
            Err(_) => drop(self.stored),
        }
        self.answer.send(result).ok();
    }
}

impl Lane {
    /// Adds work at the end; its answer comes once somebody has [`Lane::run`] it, which whoever is
    /// told that he is the first has to see to.
    pub(super) fn enter<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
    ) -> (oneshot::Receiver<Result<T>>, bool) {
        let (answer, receiver) = oneshot::channel();
        let piece = Piece { work: Some(work), result: None, stored: Vec::new(), answer };
        let mut state = self.lock();
        state.waiting.push(Box::new(piece));
        (receiver, !mem::replace(&mut state.busy, true))
    }

    /// Does what waits, until nothing does.
    pub(super) fn run(
        &self,
        writer: &mut Connection,
        folders: &Folders,
        known: &Known,
        readers: &Readers,
    ) {
        while let Some(all) = self.next() {
            // Work that panics has told so: its answer, and those of the work beside it, are
            // dropped, and the transaction with it.
            let done = catch_unwind(AssertUnwindSafe(|| commit(writer, folders, known, all)));
            drop(done);
            if self.is_log_long() {
                shorten(writer, readers);
            }
        }
    }

    /// True each time that so much was written that readers would have to look for it in a long log.
    fn is_log_long(&self) -> bool {
        let mut state = self.lock();
        let long = state.since >= LOG_PIECES;
        if long {
            state.since = 0;
        }
        long
    }

    /// Takes what waits, as much as one transaction does; if nothing waits, the lane is free.
    fn next(&self) -> Option<Vec<Box<dyn Work>>> {
        let mut state = self.lock();
        let count = state.waiting.len().min(TOGETHER);
        state.busy = count > 0;
        state.since += count;
        state.busy.then(|| state.waiting.drain(..count).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies the log into the database, so that the next write begins it anew.
///
/// That needs a moment when no snapshot needs the log, which does not come by itself where there is
/// always somebody who reads. Readers wait for one another only, not for the disk: at first until all
/// see the last write, so that all of the log can be copied; then until none sees the log.
fn shorten(writer: &Connection, readers: &Readers) {
    readers.renew();
    // A failure is not worth an error: the log is as good as the database.
    writer.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).ok();
    readers.renew();
}

/// Does some work in one transaction and gives the answers.
fn commit(writer: &mut Connection, folders: &Folders, known: &Known, mut all: Vec<Box<dyn Work>>) {
    all.retain(|work| !work.is_forsaken());
    if all.is_empty() {
        return;
    }
    let (committed, end) = match together(writer, folders, &mut all) {
        Ok(end) => (Ok(()), end),
        Err(error) => (Err(error), End::default()),
    };
    // Before the answers: whoever revoked something may rely on it.
    if end.revoked {
        known.forget();
    }
    // Before the answers: whoever deleted something has its space back then. A leftover is not
    // worth an error: the work is done, and the next start clears it.
    content::release(writer, folders, &end.released).ok();
    for work in all {
        work.settle(committed.as_ref().copied().map_err(again));
    }
}

/// What is to be done after a commit: content that is superfluous now, tokens that hold no more.
#[derive(Debug, Default)]
struct End {
    released: Vec<String>,
    revoked: bool,
}

/// Does all work in one transaction.
fn together(writer: &mut Connection, folders: &Folders, all: &mut [Box<dyn Work>]) -> Result<End> {
    let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now_ms = clock::now_ms();
    let mut txn = Txn { tx, now_ms, released: Vec::new(), stored: Vec::new(), revoked: false };
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
    let Txn { tx, released, revoked, .. } = txn;
    if gives_content {
        // The names of what rows are about to name.
        File::open(&folders.content)?.sync_all()?;
    }
    tx.commit()?;
    Ok(End { released, revoked })
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
    use std::{
        path::Path,
        sync::atomic::{AtomicBool, AtomicU64, Ordering},
        thread,
    };

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

        fn enter<T: Send + 'static>(
            &self,
            work: impl FnOnce(&mut Txn<'_>) -> Result<T> + Send + 'static,
        ) -> oneshot::Receiver<Result<T>> {
            self.lane.enter(work).0
        }

        fn run(&mut self) {
            self.lane.run(&mut self.writer, &self.folders, &Known::default(), &Readers::default());
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
        let mut first = world.enter(|txn| {
            insert(txn, "a");
            Ok(1)
        });
        let mut failing = world.enter::<()>(|txn| {
            insert(txn, "b");
            Err(Refusal::Denied.into())
        });
        let mut last = world.enter(move |txn| {
            insert(txn, "c");
            Ok(World::keys(&folders).len())
        });
        world.run();
        assert_eq!(first.try_recv().unwrap().unwrap(), 1);
        let refused = failing.try_recv().unwrap().unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal::Denied)), "{refused}");
        assert_eq!(last.try_recv().unwrap().unwrap(), 0, "the first was not committed by then");
        assert_eq!(World::keys(&world.folders), ["a", "c"]);
        assert!(!world.lane.lock().busy);
    }

    #[test]
    fn work_that_nobody_waits_for_is_not_begun() {
        let mut world = World::new();
        drop(world.enter(|txn| {
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
                world.enter(move |txn| {
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
    fn one_that_enters_has_to_see_to_it_and_those_behind_do_not() {
        let mut world = World::new();
        let (first, is_first) = world.lane.enter(|_| Ok(()));
        let (_second, is_second_first) = world.lane.enter(|_| Ok(()));
        assert!(is_first && !is_second_first);
        world.run();
        drop(first);
        let (_third, is_third_first) = world.lane.enter(|_| Ok(()));
        assert!(is_third_first);
    }

    /// Reads on and on, and ends a snapshot only when the other reader has begun its next one, or
    /// does not come to it.
    fn read_always(readers: &Readers, database: &Path, begun: [&AtomicU64; 2], stop: &AtomicBool) {
        let connection = super::super::schema::open_reader(database).unwrap();
        while !stop.load(Ordering::SeqCst) {
            let done = readers.with_snapshot(&connection, || {
                connection.query_row("SELECT count(*) FROM setting", [], |_| Ok(())).unwrap();
                begun[0].fetch_add(1, Ordering::SeqCst);
                let other = begun[1].load(Ordering::SeqCst);
                for _ in 0..20 {
                    if begun[1].load(Ordering::SeqCst) != other {
                        break;
                    }
                    thread::yield_now();
                }
            });
            done.unwrap();
        }
    }

    #[test]
    fn the_log_begins_anew_although_somebody_always_reads() {
        let mut world = World::new();
        world.writer.pragma_update(None, "synchronous", "OFF").unwrap();
        let readers = Readers::default();
        let log = world.folders.database.with_extension("sqlite-wal");
        let (first, second) = (AtomicU64::new(0), AtomicU64::new(0));
        let stop = AtomicBool::new(false);
        let (mut longest, mut written) = (0, 0_u64);
        thread::scope(|scope| {
            let database = &world.folders.database;
            scope.spawn(|| read_always(&readers, database, [&first, &second], &stop));
            scope.spawn(|| read_always(&readers, database, [&second, &first], &stop));
            for _ in 0..4 * LOG_PIECES / TOGETHER {
                let answers: Vec<_> = (0..TOGETHER)
                    .map(|_| {
                        written += 8000;
                        let enter = world.lane.enter(move |txn| {
                            let sql = "INSERT INTO setting VALUES (?1, zeroblob(8000))";
                            txn.tx.execute(sql, [written.to_string()])?;
                            Ok(())
                        });
                        enter.0
                    })
                    .collect();
                world.lane.run(&mut world.writer, &world.folders, &Known::default(), &readers);
                answers.into_iter().for_each(|mut answer| answer.try_recv().unwrap().unwrap());
                longest = longest.max(std::fs::metadata(&log).unwrap().len());
            }
            stop.store(true, Ordering::SeqCst);
        });
        assert!(longest < written / 2, "a log of {longest} bytes for {written} and more");
    }

    #[test]
    fn work_that_panics_leaves_the_lane_open() {
        let mut world = World::new();
        let mut beside = world.enter(|txn| {
            insert(txn, "a");
            Ok(())
        });
        let mut broken = world.enter::<()>(|_| panic!("on purpose"));
        world.run();
        assert!(beside.try_recv().is_err() && broken.try_recv().is_err());
        let mut after = world.enter(|txn| {
            insert(txn, "b");
            Ok(())
        });
        world.run();
        after.try_recv().unwrap().unwrap();
        assert_eq!(World::keys(&world.folders), ["b"]);
    }

    #[test]
    fn if_the_commit_fails_all_fail_and_nothing_stays() {
        let mut world = World::new();
        let mut before = world.enter(|txn| {
            insert(txn, "a");
            Ok(())
        });
        let mut refused = world.enter::<()>(|_| Err(Refusal::Denied.into()));
        let mut culprit = world.enter(|txn| {
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
        let mut after = world.enter(|txn| {
            insert(txn, "b");
            Ok(())
        });
        world.run();
        after.try_recv().unwrap().unwrap();
        assert_eq!(World::keys(&world.folders), ["b"]);
    }
}
