//! A drive on which private halves of datasets lie sealed: a connection around the account's own.
//!
//! What is created is sealed for ourselves on its way, what is downloaded is opened before anybody
//! looks at it; all else passes through. What lies there as it is, because it was uploaded before
//! there were keys or by the Python client, passes as well: the digest in the collection's name says
//! whether it is what it should be.
//!
//! What is sealed on the way, or opened, lies meanwhile in a folder that nobody else may look into, never
//! in one that machines share for temporary files (`files`). Both take long where files are large, and
//! hold nobody up: neither what else is on its way nor who says how far it is.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::Semaphore;

use crate::caches::digest_of_file;
use crate::connections::{
    Access, Changes, Connection, Content, Entry, Error, Fetching, FileId, Grant, NewEntry,
    PageToken, Query, Relocation, Result, Sending,
};
use crate::model::{Digest, Email};
use crate::peers::envelopes::{self, OVERHEAD_BYTES};
use crate::peers::{Keyring, Mode};

use super::files::{Opened, Waiting, beside, open_file, scratch_in, sealed_copy, sealed_kept};

/// The account's own connection, with what it creates sealed for the account.
#[derive(Debug)]
pub(in crate::syncers) struct Sealing<'c> {
    inner: &'c dyn Connection,
    ring: Option<Arc<Keyring>>,
    state: &'c Path,
    met_closed: AtomicBool,
    met_broken: AtomicBool,
    takes_plain: bool,
    /// Who may seal or open now: each holds some pieces in memory.
    turns: Semaphore,
}

/// So many files are sealed or opened at once.
const AT_ONCE: usize = 2;

impl<'c> Sealing<'c> {
    /// Seals with the keys in `ring`; without any, or where encryption is off, all passes as it is.
    /// `state` is where the state database lies.
    pub(in crate::syncers) fn new(
        inner: &'c dyn Connection,
        ring: Option<Keyring>,
        state: &'c Path,
    ) -> Self {
        let (ring, turns) = (ring.map(Arc::new), Semaphore::new(AT_ONCE));
        let (met_closed, met_broken) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { inner, ring, state, met_closed, met_broken, takes_plain: true, turns }
    }

    /// The same, refusing what lies there as it is: anybody may have put it there.
    #[must_use]
    pub(in crate::syncers) fn sealed_only(mut self) -> Self {
        self.takes_plain = false;
        self
    }

    /// Seals a file with the keys in use that is sealed with keys of ours that were replaced. Any
    /// other one stays as it is. The file is replaced as a whole, or not at all.
    ///
    /// # Errors
    /// As the connection's.
    pub(in crate::syncers) async fn reseal(&self, id: &FileId, size_bytes: u64) -> Result<()> {
        let Some(ring) = self.seals() else { return Ok(()) };
        let scratch = scratch_in(self.state).map_err(Error::Io)?;
        let path = scratch.path().join("file");
        self.inner.download(id, &path, size_bytes).await?;
        let (keys, place) = (Arc::clone(ring), path.clone());
        let names_current = move |_: &Waiting| {
            let mut from = BufReader::new(File::open(&place)?);
            Ok(envelopes::names_current_keys(&keys, &mut from))
        };
        if beside(names_current).await? || self.open_in_place(&path).await? != Opened::Ours {
            return Ok(());
        }
        let sealed = self.sealed_copy(ring, path, &scratch).await?;
        self.inner.replace(id, Content::File(sealed)).await
    }

    /// True if something was downloaded that looks sealed and could not be opened.
    pub(in crate::syncers) fn has_met_closed(&self) -> bool {
        self.met_closed.load(Ordering::Relaxed)
    }

    /// True if something was downloaded that looks sealed and is not as we sealed anything.
    pub(in crate::syncers) fn has_met_broken(&self) -> bool {
        self.met_broken.load(Ordering::Relaxed)
    }

    fn seals(&self) -> Option<&Arc<Keyring>> {
        self.ring.as_ref().filter(|ring| ring.mode() != Mode::Off)
    }

    async fn sealed_copy(
        &self,
        ring: &Arc<Keyring>,
        from: PathBuf,
        scratch: &TempDir,
    ) -> std::io::Result<PathBuf> {
        let _turn = self.turns.acquire().await.map_err(std::io::Error::other)?;
        let (ring, scratch) = (Arc::clone(ring), scratch.path().to_owned());
        beside(move |waiting| sealed_copy(&ring, &from, &scratch, waiting)).await
    }

    /// Puts the content of an envelope in the place of the envelope, if it is one of ours.
    async fn open_in_place(&self, path: &Path) -> std::io::Result<Opened> {
        let _turn = self.turns.acquire().await.map_err(std::io::Error::other)?;
        let (ring, takes_plain) = (self.ring.clone(), self.takes_plain);
        let place = path.to_owned();
        let opened =
            beside(move |waiting| open_file(ring.as_deref(), takes_plain, &place, waiting)).await;
        match opened {
            Ok(Opened::Closed) => self.met_closed.store(true, Ordering::Relaxed),
            Ok(Opened::Broken) => self.met_broken.store(true, Ordering::Relaxed),
            Ok(Opened::Ours | Opened::Plain) | Err(_) => {}
        }
        opened.inspect_err(|_| drop(std::fs::remove_file(path)))
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // A default method would bypass `inner`.
impl Connection for Sealing<'_> {
    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        let Some(ring) = self.seals() else { return self.inner.create_file(new, content).await };
        match content {
            Content::Bytes(bytes) => {
                let sealed = envelopes::seal_own(ring, &bytes).map_err(|error| Error::Invalid {
                    service: "the key file",
                    what: error.to_string(),
                })?;
                self.inner.create_file(new, Content::Bytes(sealed.into())).await
            }
            Content::File(path) => {
                // As large as the file itself, and gone once it is sent.
                let scratch = scratch_in(self.state).map_err(Error::Io)?;
                let sealed = self.sealed_copy(ring, path, &scratch).await?;
                self.inner.create_file(new, Content::File(sealed)).await
            }
        }
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let limit = limit_bytes.saturating_add(OVERHEAD_BYTES as u64);
        let digest = self.inner.download(id, to, limit).await?;
        self.open_in_place(to).await?;
        Ok(digest)
    }

    fn resumes(&self) -> bool {
        self.inner.resumes()
    }

    /// The sealed copy outlives the process as well: another one would be other bytes.
    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        let Some(ring) = self.seals() else { return self.inner.send(new, from, sending).await };
        let turn = self.turns.acquire().await.map_err(std::io::Error::other)?;
        let (ring, from, of) = (Arc::clone(ring), from.to_owned(), sending.clone());
        let sealed = beside(move |waiting| sealed_kept(&ring, &from, &of, waiting)).await?;
        drop(turn);
        let path = sealed.clone();
        let digest = tokio::task::spawn_blocking(move || digest_of_file(&path));
        let (digest, _) = digest.await.map_err(std::io::Error::other)??;
        self.inner.send(new, &sealed, &Sending { digest, ..sending.clone() }).await
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        let limit = limit_bytes.saturating_add(OVERHEAD_BYTES as u64);
        let digest = self.inner.fetch(id, to, limit, fetching).await?;
        self.open_in_place(to).await?;
        Ok(digest)
    }

    fn account(&self) -> &Email {
        self.inner.account()
    }

    async fn verify(&self) -> Result<Email> {
        self.inner.verify().await
    }

    fn root(&self) -> FileId {
        self.inner.root()
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        self.inner.find(query).await
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        self.inner.read(id, limit_bytes).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        self.inner.create_folder(new).await
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        self.inner.replace(id, content).await
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        self.inner.relocate(moves).await
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        self.inner.delete(ids).await
    }

    async fn share(&self, grants: &[Grant], notify: bool) -> Result<Vec<Result<()>>> {
        self.inner.share(grants, notify).await
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        self.inner.shares(id).await
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        self.inner.is_unshared(id).await
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        self.inner.unshare(id, from).await
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        self.inner.tag(id, key, value).await
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        self.inner.new_ids(count).await
    }

    async fn change_start(&self) -> Result<PageToken> {
        self.inner.change_start().await
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
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
