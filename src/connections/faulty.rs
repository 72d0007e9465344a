//! A connection that fails on cue, for tests of everything above it.
//!
//! Faults are scripted, never random: a test says which call fails and whether the service had
//! already done the work, which is the case that breaks naive retries. A [`Script`] is a handle
//! that the test keeps when the connection is boxed and gone.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Access, Call, Changes, Connection, Content, Entry, Error, Fetching, FileId, Grant, NewEntry,
    PageToken, Query, Relocation, Result, Sending,
};
use crate::model::{Digest, Email};

const SERVICE: &str = "the test's service";

/// Fails as its [`Script`] says, and otherwise hands each call on.
#[derive(Debug)]
pub struct Faulty {
    inner: Box<dyn Connection>,
    script: Script,
}

type MakeError = Arc<dyn Fn() -> Error + Send + Sync>;

/// What happens to one call.
#[derive(Clone)]
pub enum Fault {
    /// Nothing: the call is handed on.
    None,
    /// It fails and nothing was done.
    Before(MakeError),
    /// It was done, but the answer is lost: it fails.
    After(MakeError),
    /// Of several items the first half (rounded down) was done, then the whole call fails.
    Half(MakeError),
    /// Of several items the first half (rounded down) succeeds and each of the others fails.
    Rest(MakeError),
}

impl Fault {
    /// [`Fault::Before`] with this error.
    pub fn before(error: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(error))
    }

    /// [`Fault::After`] with this error.
    pub fn after(error: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        Self::After(Arc::new(error))
    }

    /// [`Fault::Half`] with this error.
    pub fn half(error: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        Self::Half(Arc::new(error))
    }

    /// [`Fault::Rest`] with this error.
    pub fn rest(error: impl Fn() -> Error + Send + Sync + 'static) -> Self {
        Self::Rest(Arc::new(error))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Before(_) => "Before",
            Self::After(_) => "After",
            Self::Half(_) => "Half",
            Self::Rest(_) => "Rest",
        })
    }
}

/// The error that a service out of reach gives: the usual one in scripts.
pub fn unavailable() -> Error {
    Error::Unavailable { service: SERVICE, source: "the script says so".into() }
}

/// Whether the call at which the process dies was still carried out by the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// It never arrived.
    Before,
    /// It was done; nobody was there to read the answer.
    After,
    /// Of several items the first half (rounded down) was done.
    Half,
}

/// What is to happen, and what has. Clones are handles to the same script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    dead: bool,
    crash: Option<(usize, Crash)>,
    by_number: BTreeMap<usize, Fault>,
    rules: Vec<Rule>,
}

struct Rule {
    applies: Box<dyn Fn(&Call) -> bool + Send>,
    fault: Fault,
    times: usize,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("fault", &self.fault)
            .field("times", &self.times)
            .finish_non_exhaustive()
    }
}

impl Script {
    /// Lets call number `number` fail; the first call is number 0.
    pub fn at(&self, number: usize, fault: Fault) {
        self.lock().by_number.insert(number, fault);
    }

    /// Lets the next call fail.
    pub fn next(&self, fault: Fault) {
        let mut state = self.lock();
        let number = state.calls;
        state.by_number.insert(number, fault);
    }

    /// Lets the next `times` calls fail for which `applies` is true; `usize::MAX` for all.
    pub fn when(
        &self,
        times: usize,
        fault: Fault,
        applies: impl Fn(&Call) -> bool + Send + 'static,
    ) {
        self.lock().rules.push(Rule { applies: Box::new(applies), fault, times });
    }

    /// Lets the process die at call number `number`: that call and all later ones fail.
    pub fn crash_at(&self, number: usize, crash: Crash) {
        self.lock().crash = Some((number, crash));
    }

    /// True if the process has died.
    pub fn has_crashed(&self) -> bool {
        self.lock().dead
    }

    /// Forgets all faults, also a crash: as after a restart. The count of calls goes on.
    pub fn clear(&self) {
        let mut state = self.lock();
        *state = State { calls: state.calls, ..State::default() };
    }

    /// Returns how many calls there were, those that failed included.
    pub fn calls(&self) -> usize {
        self.lock().calls
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides on the call that begins now.
    fn judge(&self, call: &Call) -> Fault {
        let mut state = self.lock();
        let number = state.calls;
        state.calls += 1;
        if state.dead {
            return Fault::before(dead);
        }
        if let Some((at, crash)) = state.crash
            && at == number
        {
            state.dead = true;
            return match crash {
                Crash::Before => Fault::before(dead),
                Crash::After => Fault::after(dead),
                Crash::Half => Fault::half(dead),
            };
        }
        if let Some(fault) = state.by_number.remove(&number) {
            return fault;
        }
        match state.rules.iter_mut().find(|rule| rule.times > 0 && (rule.applies)(call)) {
            Some(rule) => {
                rule.times -= 1;
                rule.fault.clone()
            }
            None => Fault::None,
        }
    }
}

fn dead() -> Error {
    Error::Unavailable { service: SERVICE, source: "the process has died".into() }
}

impl Faulty {
    /// Wraps a connection; without faults in its script it changes nothing.
    pub fn new(inner: Box<dyn Connection>) -> Self {
        Self::with_script(inner, Script::default())
    }

    /// Wraps a connection that shares a script with others, so that their calls count together.
    pub fn with_script(inner: Box<dyn Connection>, script: Script) -> Self {
        Self { inner, script }
    }

    /// Returns a handle to the script, to keep while the connection is used elsewhere.
    pub fn script(&self) -> Script {
        self.script.clone()
    }

    /// Lets the script decide on a call. A future that is not awaited does nothing.
    async fn run<T>(&self, call: Call, work: impl Future<Output = Result<T>>) -> Result<T> {
        match self.script.judge(&call) {
            Fault::None => work.await,
            Fault::After(error) => work.await.and(Err(error())),
            Fault::Before(error) | Fault::Half(error) | Fault::Rest(error) => Err(error()),
        }
    }

    /// As [`run`](Self::run), for calls with several items.
    async fn run_items<T: Sync>(
        &self,
        call: Call,
        items: &[T],
        work: impl AsyncItems<T>,
    ) -> Result<Vec<Result<()>>> {
        let half = items.len() / 2;
        match self.script.judge(&call) {
            Fault::None => work.on(&*self.inner, items).await,
            Fault::Before(error) => Err(error()),
            Fault::After(error) => work.on(&*self.inner, items).await.and(Err(error())),
            Fault::Half(error) => work.on(&*self.inner, &items[..half]).await.and(Err(error())),
            Fault::Rest(error) => {
                let mut answers = work.on(&*self.inner, &items[..half]).await?;
                answers.extend(items[half..].iter().map(|_| Err(error())));
                Ok(answers)
            }
        }
    }
}

/// A method that takes several items. (An `async` closure cannot promise `Send` yet.)
trait AsyncItems<T>: Send {
    fn on(
        self,
        inner: &dyn Connection,
        items: &[T],
    ) -> impl Future<Output = Result<Vec<Result<()>>>> + Send;
}

struct Relocate;
struct Delete;
struct Share {
    notify: bool,
}

impl AsyncItems<Relocation> for Relocate {
    async fn on(self, inner: &dyn Connection, items: &[Relocation]) -> Result<Vec<Result<()>>> {
        inner.relocate(items).await
    }
}

impl AsyncItems<FileId> for Delete {
    async fn on(self, inner: &dyn Connection, items: &[FileId]) -> Result<Vec<Result<()>>> {
        inner.delete(items).await
    }
}

impl AsyncItems<Grant> for Share {
    async fn on(self, inner: &dyn Connection, items: &[Grant]) -> Result<Vec<Result<()>>> {
        inner.share(items, self.notify).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would bypass `inner`
impl Connection for Faulty {
    fn account(&self) -> &Email {
        self.inner.account()
    }

    async fn verify(&self) -> Result<Email> {
        self.run(Call::new("verify", ""), self.inner.verify()).await
    }

    fn root(&self) -> FileId {
        self.inner.root()
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        let subject = query.parents.first().map_or("", FileId::as_str);
        self.run(Call::new("find", subject), self.inner.find(query)).await
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        self.run(Call::new("read", id.as_str()), self.inner.read(id, limit_bytes)).await
    }

    /// [`Fault::After`] breaks the contract on purpose: the file is there, as after a crash.
    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let work = self.inner.download(id, to, limit_bytes);
        self.run(Call::new("download", id.as_str()), work).await
    }

    fn resumes(&self) -> bool {
        self.inner.resumes()
    }

    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        self.run(Call::new("send", &new.name), self.inner.send(new, from, sending)).await
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        let work = self.inner.fetch(id, to, limit_bytes, fetching);
        self.run(Call::new("fetch", id.as_str()), work).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        self.run(Call::new("create_folder", &new.name), self.inner.create_folder(new)).await
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        self.run(Call::new("create_file", &new.name), self.inner.create_file(new, content)).await
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        self.run(Call::new("replace", id.as_str()), self.inner.replace(id, content)).await
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        let call = Call::with_items("relocate", moves.iter().map(|step| step.id.as_str()));
        self.run_items(call, moves, Relocate).await
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        let call = Call::with_items("delete", ids.iter().map(FileId::as_str));
        self.run_items(call, ids, Delete).await
    }

    async fn share(&self, grants: &[Grant], notify: bool) -> Result<Vec<Result<()>>> {
        let call = Call::with_items("share", grants.iter().map(|grant| grant.id.as_str()));
        self.run_items(call, grants, Share { notify }).await
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        self.run(Call::new("shares", id.as_str()), self.inner.shares(id)).await
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        self.run(Call::new("is_unshared", id.as_str()), self.inner.is_unshared(id)).await
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        self.run(Call::new("unshare", id.as_str()), self.inner.unshare(id, from)).await
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        self.run(Call::new("tag", id.as_str()), self.inner.tag(id, key, value)).await
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        let call = Call { method: "new_ids", subject: String::new(), items: count };
        self.run(call, self.inner.new_ids(count)).await
    }

    async fn change_start(&self) -> Result<PageToken> {
        self.run(Call::new("change_start", ""), self.inner.change_start()).await
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        self.run(Call::new("changes", &since.0), self.inner.changes(since)).await
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
