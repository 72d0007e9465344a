//! Reads: a few at once, each on a connection of its own, on blocking threads that go from one
//! waiting read to the next without asking anybody.
//!
//! SQLite drops what a connection remembers of the database when somebody has written to it since
//! its last snapshot. So reads that wait together share a snapshot: the more there is to do, the less
//! of it is done twice. Each still sees everything that was answered before it was asked.
//!
//! A read whose asker has gone is not begun. One that panics takes nothing with it but its answer.

use std::{
    collections::VecDeque,
    io,
    num::NonZero,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    thread,
};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{Error, Result, schema};

/// The most reads at once; more wait here, not on threads: streams of content need those too.
const AT_ONCE_MAX: usize = 8;

/// Reads that share a snapshot at most, so that none of them is long.
const TOGETHER: usize = 16;

/// The reads of one store.
pub(super) struct Readers {
    state: Mutex<State>,
    /// Held for reading as long as a snapshot is.
    snapshots: RwLock<()>,
    /// As many as there are processors: they wait for nothing else.
    at_once: usize,
}

impl Default for Readers {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        let (state, snapshots) = (Mutex::default(), RwLock::default());
        Self { state, snapshots, at_once: processors.clamp(2, AT_ONCE_MAX) }
    }
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Box<dyn Read>>,
    /// Threads that read.
    busy: usize,
    /// Connections of those that do not.
    idle: Vec<Connection>,
}

impl std::fmt::Debug for Readers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

trait Read: Send {
    fn is_forsaken(&self) -> bool;
    fn run(self: Box<Self>, connection: &Connection);
    fn fail(self: Box<Self>, error: Error);
}

struct Piece<T, W> {
    work: W,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, W: FnOnce(&Connection) -> Result<T> + Send> Read for Piece<T, W> {
    fn is_forsaken(&self) -> bool {
        self.answer.is_closed()
    }

    fn run(self: Box<Self>, connection: &Connection) {
        let Self { work, answer } = *self;
        answer.send(work(connection)).ok();
    }

    fn fail(self: Box<Self>, error: Error) {
        self.answer.send(Err(error)).ok();
    }
}

/// The same failure for one more who waits.
fn again(error: &Error) -> Error {
    io::Error::other(error.to_string()).into()
}

fn execute(connection: &Connection, statement: &'static str) -> Result<()> {
    connection.prepare_cached(statement)?.execute([])?;
    Ok(())
}

impl Readers {
    /// Does `work` on one consistent snapshot when its turn comes.
    pub(super) fn enter<T: Send + 'static>(
        self: &Arc<Self>,
        database: &Path,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T>> {
        let (answer, receiver) = oneshot::channel();
        let mut state = self.lock();
        state.waiting.push_back(Box::new(Piece { work, answer }));
        if state.busy < self.at_once {
            state.busy += 1;
            drop(state);
            let (readers, database) = (Arc::clone(self), database.to_owned());
            tokio::task::spawn_blocking(move || readers.run(&database));
        }
        receiver
    }

    /// Waits until every snapshot that is held now has ended; those to come wait as long as that.
    pub(super) fn renew(&self) {
        drop(self.snapshots.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Reads until nothing waits.
    fn run(&self, database: &Path) {
        let mut connection = self.lock().idle.pop();
        while let Some(mut pieces) = self.next(&mut connection) {
            let opened = connection.take().map_or_else(|| schema::open_reader(database), Ok);
            match opened {
                Ok(opened) => {
                    if self.read(&opened, &mut pieces) {
                        connection = Some(opened);
                    } else {
                        // What is left goes to the front, for another connection.
                        let mut state = self.lock();
                        pieces.into_iter().rev().for_each(|left| state.waiting.push_front(left));
                    }
                }
                Err(error) => {
                    let error = Error::from(error);
                    pieces.into_iter().for_each(|piece| piece.fail(again(&error)));
                }
            }
        }
    }

    /// Reads on one snapshot; false if the connection is of no use any more, maybe before all is done.
    fn read(&self, connection: &Connection, pieces: &mut VecDeque<Box<dyn Read>>) -> bool {
        let done = self.with_snapshot(connection, || {
            while let Some(piece) = pieces.pop_front() {
                if piece.is_forsaken() {
                    continue;
                }
                // What panics has told so: its answer was dropped. Its connection may be anywhere.
                if catch_unwind(AssertUnwindSafe(|| piece.run(connection))).is_err() {
                    return false;
                }
            }
            true
        });
        match done {
            Ok(fine) => fine,
            Err(error) => {
                // One piece fails each time, so that this does not go on for ever.
                pieces.pop_front().into_iter().for_each(|piece| piece.fail(again(&error)));
                false
            }
        }
    }

    /// Does something on one snapshot, which [`Readers::renew`] knows of.
    pub(super) fn with_snapshot<T>(
        &self,
        connection: &Connection,
        work: impl FnOnce() -> T,
    ) -> Result<T> {
        let _held = self.snapshots.read().unwrap_or_else(PoisonError::into_inner);
        execute(connection, "BEGIN DEFERRED")?;
        let done = work();
        execute(connection, "ROLLBACK")?;
        Ok(done)
    }

    /// Takes what waits longest, a fair share of it; if nothing does, this thread is not busy any more.
    fn next(&self, connection: &mut Option<Connection>) -> Option<VecDeque<Box<dyn Read>>> {
        let mut state = self.lock();
        let count = state.waiting.len().div_ceil(self.at_once).min(TOGETHER);
        if count == 0 {
            state.busy -= 1;
            state.idle.extend(connection.take());
            return None;
        }
        Some(state.waiting.drain(..count).collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world() -> (tempfile::TempDir, Arc<Readers>, std::path::PathBuf) {
        let data = tempfile::tempdir().unwrap();
        super::super::connect(data.path()).unwrap();
        let path = super::super::Folders::new(data.path()).database;
        (data, Arc::new(Readers::default()), path)
    }

    fn count(connection: &Connection) -> Result<i64> {
        Ok(connection.query_row("SELECT count(*) FROM setting", [], |row| row.get(0))?)
    }

    #[tokio::test]
    async fn more_reads_than_threads_are_all_done_on_a_few_connections() {
        let (_data, readers, path) = world();
        let answers: Vec<_> = (0..100).map(|_| readers.enter(&path, count)).collect();
        for answer in answers {
            assert_eq!(answer.await.unwrap().unwrap(), 1);
        }
        // Whoever was last may still be about to say so.
        while readers.lock().busy > 0 {
            tokio::task::yield_now().await;
        }
        let idle = readers.lock().idle.len();
        assert!((1..=readers.at_once).contains(&idle), "{idle} connections");
    }

    #[tokio::test]
    async fn what_panics_takes_only_its_own_answer_with_it() {
        let (_data, readers, path) = world();
        let broken: Vec<_> = (0..2 * AT_ONCE_MAX)
            .map(|_| readers.enter::<()>(&path, |_| panic!("on purpose")))
            .collect();
        let fine = readers.enter(&path, count);
        for answer in broken {
            assert!(answer.await.is_err());
        }
        assert_eq!(fine.await.unwrap().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_read_that_nobody_waits_for_is_not_begun() {
        let (_data, readers, path) = world();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let may_go_on = Arc::new(Mutex::new(may_go_on));
        let held: Vec<_> = (0..readers.at_once)
            .map(|_| {
                let may_go_on = Arc::clone(&may_go_on);
                readers.enter(&path, move |_| {
                    may_go_on.lock().unwrap().recv().ok();
                    Ok(())
                })
            })
            .collect();
        let (begun, is_begun) = std::sync::mpsc::channel();
        drop(readers.enter(&path, move |_| {
            begun.send(()).unwrap();
            Ok(())
        }));
        drop(go_on);
        for answer in held {
            answer.await.unwrap().unwrap();
        }
        assert_eq!(readers.enter(&path, count).await.unwrap().unwrap(), 1);
        assert!(is_begun.recv().is_err(), "it was dropped without being called");
    }

    #[tokio::test]
    async fn to_renew_snapshots_waits_for_those_that_are_held() {
        let (_data, readers, path) = world();
        let (go_on, may_go_on) = std::sync::mpsc::channel::<()>();
        let (begun, is_begun) = std::sync::mpsc::channel();
        let held = readers.enter(&path, move |_| {
            begun.send(()).unwrap();
            may_go_on.recv().ok();
            Ok(())
        });
        is_begun.recv().unwrap();
        let renewing = thread::spawn({
            let readers = Arc::clone(&readers);
            move || readers.renew()
        });
        assert!(readers.snapshots.try_write().is_err(), "a snapshot is held");
        drop(go_on);
        renewing.join().unwrap();
        held.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_snapshot_is_one_moment() {
        let (data, readers, path) = world();
        let writer = super::super::connect(data.path()).unwrap();
        let counts = readers.enter(&path, move |connection| {
            let before = count(connection)?;
            writer.execute("INSERT INTO setting VALUES ('k', X'00')", [])?;
            Ok((before, count(connection)?))
        });
        assert_eq!(counts.await.unwrap().unwrap(), (1, 1));
        assert_eq!(readers.enter(&path, count).await.unwrap().unwrap(), 2);
    }
}
