//! How long a sync waits for the drive, in round trips instead of seconds: exact, and the same on a
//! slow machine.
//!
//! A call is carried out at once, by our own server over HTTP, and its answer is then held back for
//! as many ticks as it had requests. The clock goes on only when everything that could be asked has
//! been asked. So what is asked side by side costs one tick together, what waits for an answer costs
//! one more, and the time in the end is the longest chain of requests of which each was sent after
//! the answer to the one before. No more than eight calls are open at once, as with the real gate.
//! Requests within one call count as a chain, also where they are not.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Poll;

use async_trait::async_trait;
use bytes::Bytes;
use syft::connections::{
    AT_ONCE, Access, Changes, Connection, Content, Entry, Fetching, FileId, GDrive, Grant,
    NewEntry, PageToken, Query, Relocation, Result, Sending,
};
use syft::model::{Digest, Email};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};

/// Makes a session of the account that has sent nothing yet.
type Fresh = Box<dyn Fn() -> GDrive + Send + Sync>;

/// A connection whose answers take their time.
pub(crate) struct Waves {
    fresh: Fresh,
    first: GDrive,
    requests: AtomicU64,
    line: Line,
}

/// What was asked when. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    state: Arc<Mutex<State>>,
    places: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct State {
    /// The tick that it is.
    now: u64,
    /// Calls whose answer has not come.
    running: usize,
    /// Calls whose answer has come and is held back, by when it is handed out.
    held: BTreeMap<u64, Vec<oneshot::Sender<()>>>,
    calls: Vec<String>,
}

/// How long something waited for the drive.
#[derive(Debug)]
pub(crate) struct Chain {
    /// Round trips, one after the other.
    pub(crate) length: u64,
    /// From when to when each call was open, for whoever reads of a failure.
    calls: Vec<String>,
}

impl Chain {
    /// Fails if it is longer than `unavoidable` and two more.
    #[track_caller]
    pub(crate) fn is_within_two_of(&self, unavoidable: usize, what: &str) {
        let (length, most) = (self.length, unavoidable as u64 + 2);
        assert!(length <= most, "{what}: {length} is over {unavoidable} + 2: {:#?}", self.calls);
    }

    /// Fails if it is not so long.
    #[track_caller]
    pub(crate) fn is(&self, length: usize, what: &str) {
        assert_eq!(self.length, length as u64, "{what}: {:#?}", self.calls);
    }
}

impl Waves {
    /// Returns a connection over sessions that `fresh` makes: one for each call, which tells how
    /// many requests that had.
    pub(crate) fn over(fresh: impl Fn() -> GDrive + Send + Sync + 'static) -> Self {
        let (state, places) = (Arc::default(), Arc::new(Semaphore::new(AT_ONCE)));
        let (first, line) = (fresh(), Line { state, places });
        Self { fresh: Box::new(fresh), first, requests: AtomicU64::new(0), line }
    }

    /// Returns a handle to what was asked.
    pub(crate) fn line(&self) -> Line {
        self.line.clone()
    }

    async fn turn(&self, what: &str) -> Turn<'_> {
        let place = self.line.places.acquire().await.unwrap();
        let mut state = self.line.lock();
        state.running += 1;
        let since = state.now;
        Turn { of: self, drive: (self.fresh)(), what: what.to_owned(), since, _place: place }
    }
}

/// A call that is open.
struct Turn<'a> {
    of: &'a Waves,
    drive: GDrive,
    what: String,
    since: u64,
    _place: SemaphorePermit<'a>,
}

impl Turn<'_> {
    /// Carries the call out, and holds its answer back.
    async fn pass<T>(&self, call: impl Future<Output = T>) -> T {
        let answer = call.await;
        let requests = self.drive.requests();
        self.of.requests.fetch_add(requests, Ordering::Relaxed);
        let held = {
            let mut state = self.of.line.lock();
            state.running -= 1;
            let until = self.since + requests;
            state.calls.push(format!("{} to {until}: {}", self.since, self.what));
            let (free, held) = oneshot::channel();
            state.held.entry(until).or_default().push(free);
            held
        };
        held.await.unwrap();
        answer
    }
}

impl Line {
    /// Does something, and says how long it waited for the drive.
    pub(crate) async fn chain<T>(&self, work: impl Future<Output = T>) -> (Chain, T) {
        let began = {
            let mut state = self.lock();
            state.calls.clear();
            state.now
        };
        let mut work = pin!(work);
        let done = poll_fn(|context| {
            loop {
                if let Poll::Ready(done) = work.as_mut().poll(context) {
                    return Poll::Ready(done);
                }
                if !self.go_on() {
                    return Poll::Pending;
                }
            }
        })
        .await;
        let mut state = self.lock();
        (Chain { length: state.now - began, calls: std::mem::take(&mut state.calls) }, done)
    }

    /// Hands out the answers that are next, unless a call is running or there are none.
    fn go_on(&self) -> bool {
        let mut state = self.lock();
        if state.running > 0 {
            return false;
        }
        let Some((now, answers)) = state.held.pop_first() else { return false };
        state.now = now;
        // Who gave up waiting is not told.
        for free in answers {
            free.send(()).ok();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl std::fmt::Debug for Waves {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Waves").field("line", &self.line).finish_non_exhaustive()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would not take its time
impl Connection for Waves {
    fn account(&self) -> &Email {
        self.first.account()
    }

    async fn verify(&self) -> Result<Email> {
        let turn = self.turn("verify").await;
        turn.pass(turn.drive.verify()).await
    }

    fn root(&self) -> FileId {
        self.first.root()
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        let turn = self.turn(&format!("find {query:?}")).await;
        turn.pass(turn.drive.find(query)).await
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        let turn = self.turn(&format!("read {id}")).await;
        turn.pass(turn.drive.read(id, limit_bytes)).await
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let turn = self.turn(&format!("download {id}")).await;
        turn.pass(turn.drive.download(id, to, limit_bytes)).await
    }

    fn resumes(&self) -> bool {
        self.first.resumes()
    }

    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        let turn = self.turn(&format!("send {}", new.name)).await;
        turn.pass(turn.drive.send(new, from, sending)).await
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        let turn = self.turn(&format!("fetch {id}")).await;
        turn.pass(turn.drive.fetch(id, to, limit_bytes, fetching)).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        let turn = self.turn(&format!("create_folder {}", new.name)).await;
        turn.pass(turn.drive.create_folder(new)).await
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        let turn = self.turn(&format!("create_file {}", new.name)).await;
        turn.pass(turn.drive.create_file(new, content)).await
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        let turn = self.turn(&format!("replace {id}")).await;
        turn.pass(turn.drive.replace(id, content)).await
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        let turn = self.turn(&format!("relocate {}", moves.len())).await;
        turn.pass(turn.drive.relocate(moves)).await
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        let turn = self.turn(&format!("delete {}", ids.len())).await;
        turn.pass(turn.drive.delete(ids)).await
    }

    async fn share(&self, grants: &[Grant], notify: bool) -> Result<Vec<Result<()>>> {
        let turn = self.turn(&format!("share {}", grants.len())).await;
        turn.pass(turn.drive.share(grants, notify)).await
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        let turn = self.turn(&format!("shares {id}")).await;
        turn.pass(turn.drive.shares(id)).await
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        let turn = self.turn(&format!("is_unshared {id}")).await;
        turn.pass(turn.drive.is_unshared(id)).await
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        let turn = self.turn(&format!("unshare {id}")).await;
        turn.pass(turn.drive.unshare(id, from)).await
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        let turn = self.turn(&format!("tag {id}")).await;
        turn.pass(turn.drive.tag(id, key, value)).await
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        let turn = self.turn("new_ids").await;
        turn.pass(turn.drive.new_ids(count)).await
    }

    async fn change_start(&self) -> Result<PageToken> {
        let turn = self.turn("change_start").await;
        turn.pass(turn.drive.change_start()).await
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        let turn = self.turn("changes").await;
        turn.pass(turn.drive.changes(since)).await
    }

    fn requires_sealing(&self) -> bool {
        self.first.requires_sealing()
    }

    fn max_file_bytes(&self) -> u64 {
        self.first.max_file_bytes()
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn quota_units(&self) -> u64 {
        0
    }
}
