//! A store in memory that fails on cue and whose clock is wound by hand.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use syft::connections::Bucket;
use syft::model::Email;
use tokio::sync::Notify;

const PREFIX: &str = "team";

/// Clones are handles to the same objects.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shelf {
    objects: Arc<Mutex<Arc<InMemory>>>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    calls: usize,
    /// At which call the process dies, and whether that is still carried out.
    fault: Option<(usize, Crash)>,
    is_dead: bool,
    /// The next answer is lost, and nothing else.
    loses_put: bool,
    /// Who makes the next commit falls asleep before it is sent.
    sleep: Option<Arc<Sleep>>,
    days: i64,
    made: HashMap<Path, i64>,
}

/// A process that sleeps.
#[derive(Debug, Default)]
pub(crate) struct Sleep {
    pub(crate) begun: Notify,
    pub(crate) over: Notify,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    Before,
    After,
}

impl Shelf {
    pub(crate) fn session(&self, account: &str) -> Bucket {
        Bucket::over(Arc::new(self.clone()), PREFIX, Email::parse(account).unwrap())
    }

    /// From now on the objects of another shelf, dates included, are here.
    pub(crate) fn become_like(&self, other: &Self) {
        *self.objects.lock().unwrap() = other.objects();
        let mut state = self.lock();
        let theirs = other.lock();
        (state.days, state.made) = (theirs.days, theirs.made.clone());
    }

    fn objects(&self) -> Arc<InMemory> {
        Arc::clone(&self.objects.lock().unwrap())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The process dies at this call, counted from now and from 0.
    pub(crate) fn crash_at(&self, call: usize, crash: Crash) {
        let mut state = self.lock();
        state.fault = Some((state.calls + call, crash));
    }

    /// Whoever looks from now on is another process. False if nobody died.
    pub(crate) fn restart(&self) -> bool {
        let mut state = self.lock();
        state.fault = None;
        std::mem::take(&mut state.is_dead)
    }

    /// The next object is stored, but nobody is told.
    pub(crate) fn lose_next_put(&self) {
        self.lock().loses_put = true;
    }

    /// Whoever makes the next commit falls asleep right before.
    pub(crate) fn sleep_before_commit(&self) -> Arc<Sleep> {
        Arc::clone(self.lock().sleep.insert(Arc::default()))
    }

    pub(crate) fn wait_days(&self, days: i64) {
        self.lock().days += days;
    }

    /// Puts an object there past the program.
    pub(crate) async fn plant(&self, key: &str, content: impl Into<Vec<u8>>) {
        let payload = PutPayload::from(content.into());
        self.objects().put(&Path::from(format!("{PREFIX}/{key}")), payload).await.unwrap();
    }

    pub(crate) async fn take_away(&self, key: &str) {
        self.objects().delete(&Path::from(format!("{PREFIX}/{key}"))).await.unwrap();
    }

    /// The keys below a part of the store, sorted.
    pub(crate) async fn keys(&self, top: &str) -> Vec<String> {
        let prefix = Path::from(format!("{PREFIX}/{top}"));
        let found: Vec<_> = self.objects().list(Some(&prefix)).try_collect().await.unwrap();
        let start = PREFIX.len() + 1;
        let mut keys: Vec<String> =
            found.into_iter().map(|meta| meta.location.as_ref()[start..].to_owned()).collect();
        keys.sort();
        keys
    }

    pub(crate) async fn content(&self, key: &str) -> Vec<u8> {
        let found = self.objects().get(&Path::from(format!("{PREFIX}/{key}"))).await.unwrap();
        found.bytes().await.unwrap().to_vec()
    }

    /// Counts a call; the error says that it never arrived, the answer whether it gets lost.
    fn enter(&self) -> Result<bool> {
        let mut state = self.lock();
        if state.is_dead {
            return Err(dead());
        }
        let number = state.calls;
        state.calls += 1;
        match state.fault {
            Some((at, crash)) if at == number => {
                state.is_dead = true;
                if crash == Crash::Before { Err(dead()) } else { Ok(true) }
            }
            _ => Ok(false),
        }
    }

    fn dated(&self, mut meta: ObjectMeta) -> ObjectMeta {
        let days = self.lock().made.get(&meta.location).copied().unwrap_or_default();
        meta.last_modified += chrono::Duration::days(days);
        meta
    }
}

fn dead() -> Error {
    Error::Generic { store: "shelf", source: "the process is dead".into() }
}

impl fmt::Display for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a shelf")
    }
}

#[async_trait]
impl ObjectStore for Shelf {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        let mut is_lost = self.enter()?;
        if location.as_ref().contains("/log/") {
            let sleep = self.lock().sleep.take();
            if let Some(sleep) = sleep {
                sleep.begun.notify_one();
                sleep.over.notified().await;
            }
        }
        let done = self.objects().put_opts(location, payload, options).await?;
        let mut state = self.lock();
        let days = state.days;
        state.made.insert(location.clone(), days);
        is_lost |= std::mem::take(&mut state.loses_put);
        if is_lost { Err(dead()) } else { Ok(done) }
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects().put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_lost = self.enter()?;
        let mut found = self.objects().get_opts(location, options).await?;
        found.meta = self.dated(found.meta);
        if is_lost { Err(dead()) } else { Ok(found) }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.enter() {
            Ok(_) => self.objects().delete_stream(locations),
            Err(error) => futures::stream::iter([Err(error)]).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.enter() {
            Ok(false) => {
                let shelf = self.clone();
                self.objects().list(prefix).map_ok(move |meta| shelf.dated(meta)).boxed()
            }
            Ok(true) | Err(_) => futures::stream::iter([Err(dead())]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects().list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects().copy_opts(from, to, options).await
    }
}
