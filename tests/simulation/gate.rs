//! A connection on which each call waits for its turn, fails on cue, or is the last one of its
//! process.
//!
//! Whoever holds the [`Gate`] decides which call goes next; so several syncs run at the same time in
//! an order that follows from the seed. A process dies by unwinding: nothing of it runs on, not even
//! what it would do after an error.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use syft::caches::Commit;
use syft::connections::faulty::unavailable;
use syft::connections::{
    Access, Changes, Connection, Content, Entry, Fetching, FileId, Grant, Memory, MemoryDrive,
    NewEntry, PageToken, Query, Relocation, Result, Sending,
};
use syft::model::{Digest, Email};

use super::secrets::Secrets;

/// How much of a call was done before it failed. Of one thing, a half is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Nothing,
    Half,
    All,
}

/// Where a process dies: counted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    AtCall(usize, Part),
    AtCommit(usize, Commit),
}

/// What is to happen to a process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    /// Calls that fail, by number.
    pub(crate) failures: Vec<(usize, Part)>,
    pub(crate) death: Option<Death>,
}

/// With this a process unwinds when it dies.
#[derive(Debug)]
pub(crate) struct Died;

fn die() -> ! {
    std::panic::resume_unwind(Box::new(Died))
}

/// Lets calls through, one at a time.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tickets: u64,
    parked: VecDeque<(u64, Waker)>,
    granted: BTreeSet<u64>,
    calls: usize,
    commits: usize,
    fate: Fate,
}

impl Gate {
    /// A process begins.
    pub(crate) fn begin(&self, fate: Fate) {
        *self.lock() = State { fate, ..State::default() };
    }

    /// How many calls wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().parked.len()
    }

    /// Lets one of those calls go on.
    pub(crate) fn grant(&self, place: usize) {
        let mut state = self.lock();
        if let Some((ticket, waker)) = state.parked.remove(place) {
            state.granted.insert(ticket);
            waker.wake();
        }
    }

    /// How many calls and commits there were.
    pub(crate) fn counted(&self) -> (usize, usize) {
        let state = self.lock();
        (state.calls, state.commits)
    }

    /// How many calls failed.
    pub(crate) fn failed(&self) -> usize {
        let state = self.lock();
        state.fate.failures.iter().filter(|(at, _)| *at < state.calls).count()
    }

    /// To be called around each commit.
    pub(crate) fn commit(&self, moment: Commit) {
        let mut state = self.lock();
        let dies = state.fate.death == Some(Death::AtCommit(state.commits, moment));
        state.commits += usize::from(moment == Commit::After);
        drop(state);
        if dies {
            die();
        }
    }

    async fn turn(&self) {
        let mut own = None;
        std::future::poll_fn(|context| {
            let mut state = self.lock();
            let ticket = *own.get_or_insert_with(|| {
                state.tickets += 1;
                state.tickets
            });
            if state.granted.remove(&ticket) {
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            match state.parked.iter_mut().find(|(parked, _)| *parked == ticket) {
                Some(parked) => parked.1 = waker,
                None => state.parked.push_back((ticket, waker)),
            }
            Poll::Pending
        })
        .await;
    }

    fn judge(&self) -> Verdict {
        let mut state = self.lock();
        let number = state.calls;
        state.calls += 1;
        if let Some(Death::AtCall(at, part)) = state.fate.death
            && at == number
        {
            return Verdict { part, end: End::Death };
        }
        let failure = state.fate.failures.iter().find(|(at, _)| *at == number);
        match failure {
            Some((_, part)) => Verdict { part: *part, end: End::Failure },
            None => Verdict { part: Part::All, end: End::Fine },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Fine,
    Failure,
    Death,
}

#[derive(Clone, Copy, Debug)]
struct Verdict {
    part: Part,
    end: End,
}

/// The connection of one machine.
#[derive(Debug)]
pub(crate) struct Gated {
    inner: Memory,
    drive: MemoryDrive,
    gate: Arc<Gate>,
    secrets: Arc<Secrets>,
    machine: usize,
}

/// How long a call takes at the service, so that no two things are made at the same time.
const CALL_MICROS: i64 = 20_000;

impl Gated {
    pub(crate) fn new(
        drive: &MemoryDrive,
        account: &Email,
        gate: &Arc<Gate>,
        secrets: &Arc<Secrets>,
        machine: usize,
    ) -> Self {
        Self {
            inner: drive.session(account),
            drive: drive.clone(),
            gate: Arc::clone(gate),
            secrets: Arc::clone(secrets),
            machine,
        }
    }

    /// Waits for the turn of a call about one thing; what is not to be done at all ends here.
    async fn enter(&self) -> Result<Verdict> {
        let verdict = self.enter_with_items().await;
        match (verdict.part, verdict.end) {
            (Part::All, _) => Ok(verdict),
            (_, End::Death) => die(),
            (_, End::Fine | End::Failure) => Err(unavailable()),
        }
    }

    async fn enter_with_items(&self) -> Verdict {
        self.gate.turn().await;
        self.drive.advance_micros(CALL_MICROS);
        self.gate.judge()
    }

    #[expect(clippy::unused_self, reason = "it is the other end of `enter`")]
    fn leave<T>(&self, verdict: Verdict, answer: Result<T>) -> Result<T> {
        match verdict.end {
            End::Fine => answer,
            End::Failure => answer.and(Err(unavailable())),
            End::Death => die(),
        }
    }

    async fn one<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let verdict = self.enter().await?;
        let answer = work.await;
        self.leave(verdict, answer)
    }

    /// Looks at what others can read now.
    async fn show(&self, ids: impl Iterator<Item = &FileId>) {
        for id in ids {
            self.secrets.look(id, self.machine).await;
        }
    }
}

fn part_of<T>(items: &[T], part: Part) -> &[T] {
    match part {
        Part::Nothing => &[],
        Part::Half => &items[..items.len() / 2],
        Part::All => items,
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would bypass `inner`
impl Connection for Gated {
    fn account(&self) -> &Email {
        self.inner.account()
    }

    async fn verify(&self) -> Result<Email> {
        self.one(self.inner.verify()).await
    }

    fn root(&self) -> FileId {
        self.inner.root()
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        self.one(self.inner.find(query)).await
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        self.one(self.inner.read(id, limit_bytes)).await
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        self.one(self.inner.download(id, to, limit_bytes)).await
    }

    fn resumes(&self) -> bool {
        self.inner.resumes()
    }

    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        let verdict = self.enter().await?;
        let answer = self.inner.send(new, from, sending).await;
        if let Ok(entry) = &answer {
            self.show([&entry.id].into_iter()).await;
        }
        self.leave(verdict, answer)
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        self.one(self.inner.fetch(id, to, limit_bytes, fetching)).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        self.one(self.inner.create_folder(new)).await
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        let verdict = self.enter().await?;
        let answer = self.inner.create_file(new, content).await;
        if let Ok(entry) = &answer {
            self.show([&entry.id].into_iter()).await;
        }
        self.leave(verdict, answer)
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        let verdict = self.enter().await?;
        let answer = self.inner.replace(id, content).await;
        self.show([id].into_iter()).await;
        self.leave(verdict, answer)
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        let verdict = self.enter_with_items().await;
        let answer = self.inner.relocate(part_of(moves, verdict.part)).await;
        self.show(moves.iter().map(|step| &step.id)).await;
        self.leave(verdict, answer)
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        let verdict = self.enter_with_items().await;
        let answer = self.inner.delete(part_of(ids, verdict.part)).await;
        self.leave(verdict, answer)
    }

    async fn share(&self, grants: &[Grant], notify: bool) -> Result<Vec<Result<()>>> {
        let verdict = self.enter_with_items().await;
        let answer = self.inner.share(part_of(grants, verdict.part), notify).await;
        for grant in grants {
            self.show([&grant.id].into_iter()).await;
            let inside = self.inner.find(&Query::in_folder(&grant.id)).await.unwrap_or_default();
            self.show(inside.iter().map(|entry| &entry.id)).await;
        }
        self.leave(verdict, answer)
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        self.one(self.inner.shares(id)).await
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        self.one(self.inner.is_unshared(id)).await
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        self.one(self.inner.unshare(id, from)).await
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        self.one(self.inner.tag(id, key, value)).await
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        self.one(self.inner.new_ids(count)).await
    }

    async fn change_start(&self) -> Result<PageToken> {
        self.one(self.inner.change_start()).await
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        self.one(self.inner.changes(since)).await
    }

    fn requires_sealing(&self) -> bool {
        self.inner.requires_sealing()
    }

    fn max_file_bytes(&self) -> u64 {
        self.inner.max_file_bytes()
    }

    fn requests(&self) -> u64 {
        self.inner.requests()
    }

    fn quota_units(&self) -> u64 {
        self.inner.quota_units()
    }
}
