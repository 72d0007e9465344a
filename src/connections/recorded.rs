//! A connection that remembers its calls, so that a test can say what a sync costs.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{
    Access, Call, Changes, Connection, Content, Entry, Fetching, FileId, Grant, NewEntry,
    PageToken, Query, Relocation, Result, Sending,
};
use crate::model::{Digest, Email};

/// Hands each call on and writes it down.
#[derive(Debug)]
pub struct Recorded {
    inner: Box<dyn Connection>,
    log: CallLog,
}

/// What was called, in order of the calls' beginnings. Clones are handles to the same log.
#[derive(Clone, Debug, Default)]
pub struct CallLog {
    calls: Arc<Mutex<Vec<Call>>>,
}

impl Recorded {
    /// Wraps a connection.
    pub fn new(inner: Box<dyn Connection>) -> Self {
        Self { inner, log: CallLog::default() }
    }

    /// Returns a handle to the log, to keep while the connection is used elsewhere.
    pub fn log(&self) -> CallLog {
        self.log.clone()
    }

    fn note(&self, method: &'static str, subject: &str) {
        self.log.lock().push(Call::new(method, subject));
    }
}

impl CallLog {
    /// Returns all calls so far.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// Returns all calls so far and forgets them.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.lock())
    }

    /// Returns how often `method` was called.
    pub fn count(&self, method: &str) -> usize {
        self.lock().iter().filter(|call| call.method == method).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would bypass `inner`
impl Connection for Recorded {
    fn account(&self) -> &Email {
        self.inner.account()
    }

    async fn verify(&self) -> Result<Email> {
        self.note("verify", "");
        self.inner.verify().await
    }

    fn root(&self) -> FileId {
        self.inner.root()
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        self.note("find", query.parents.first().map_or("", FileId::as_str));
        self.inner.find(query).await
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        self.note("read", id.as_str());
        self.inner.read(id, limit_bytes).await
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        self.note("download", id.as_str());
        self.inner.download(id, to, limit_bytes).await
    }

    fn resumes(&self) -> bool {
        self.inner.resumes()
    }

    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        self.note("send", &new.name);
        self.inner.send(new, from, sending).await
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        self.note("fetch", id.as_str());
        self.inner.fetch(id, to, limit_bytes, fetching).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        self.note("create_folder", &new.name);
        self.inner.create_folder(new).await
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        self.note("create_file", &new.name);
        self.inner.create_file(new, content).await
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        self.note("replace", id.as_str());
        self.inner.replace(id, content).await
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        let subjects = moves.iter().map(|step| step.id.as_str());
        self.log.lock().push(Call::with_items("relocate", subjects));
        self.inner.relocate(moves).await
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        self.log.lock().push(Call::with_items("delete", ids.iter().map(FileId::as_str)));
        self.inner.delete(ids).await
    }

    async fn share(&self, grants: &[Grant], notify: bool) -> Result<Vec<Result<()>>> {
        let subjects = grants.iter().map(|grant| grant.id.as_str());
        self.log.lock().push(Call::with_items("share", subjects));
        self.inner.share(grants, notify).await
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        self.note("shares", id.as_str());
        self.inner.shares(id).await
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        self.note("is_unshared", id.as_str());
        self.inner.is_unshared(id).await
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        self.note("unshare", id.as_str());
        self.inner.unshare(id, from).await
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        self.note("tag", id.as_str());
        self.inner.tag(id, key, value).await
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        self.log.lock().push(Call { method: "new_ids", subject: String::new(), items: count });
        self.inner.new_ids(count).await
    }

    async fn change_start(&self) -> Result<PageToken> {
        self.note("change_start", "");
        self.inner.change_start().await
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        self.note("changes", &since.0);
        self.inner.changes(since).await
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
