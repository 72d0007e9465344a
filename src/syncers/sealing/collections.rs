//! A drive on which private halves of datasets lie sealed: a connection around the account's own.
//!
//! What is created is sealed for ourselves on its way, what is downloaded is opened before anybody
//! looks at it; all else passes through. What lies there as it is, because it was uploaded before
//! there were keys or by the Python client, passes as well: the digest in the collection's name says
//! whether it is what it should be.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;

use crate::connections::{
    Access, Changes, Connection, Content, Entry, Error, FileId, Grant, NewEntry, PageToken, Query,
    Relocation, Result,
};
use crate::model::{Digest, Email};
use crate::peers::envelopes::{self, OVERHEAD_BYTES};
use crate::peers::{Keyring, Mode};

/// The account's own connection, with what it creates sealed for the account.
#[derive(Debug)]
pub(in crate::syncers) struct Sealing<'c> {
    inner: &'c dyn Connection,
    ring: Option<Keyring>,
    met_closed: AtomicBool,
}

impl<'c> Sealing<'c> {
    /// Seals with the keys in `ring`; without any, or where encryption is off, all passes as it is.
    pub(in crate::syncers) const fn new(inner: &'c dyn Connection, ring: Option<Keyring>) -> Self {
        Self { inner, ring, met_closed: AtomicBool::new(false) }
    }

    /// True if something was downloaded that looks sealed and could not be opened.
    pub(in crate::syncers) fn has_met_closed(&self) -> bool {
        self.met_closed.load(Ordering::Relaxed)
    }

    fn seals(&self) -> Option<&Keyring> {
        self.ring.as_ref().filter(|ring| ring.mode() != Mode::Off)
    }

    /// Puts the content of an envelope in the place of the envelope, if it is one of ours.
    fn open_in_place(&self, path: &Path) -> std::io::Result<()> {
        let mut start = [0; 4];
        let is_whole = File::open(path)?.read_exact(&mut start).is_ok();
        if !is_whole || !envelopes::is_sealed(&start) {
            return Ok(());
        }
        let Some(ring) = &self.ring else {
            self.met_closed.store(true, Ordering::Relaxed);
            return Ok(());
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut opened = tempfile::NamedTempFile::new_in(folder)?;
        let is_ours = envelopes::open_own_file(
            ring,
            || File::open(path).map(BufReader::new),
            &mut BufWriter::new(opened.as_file_mut()),
        )?;
        if is_ours {
            opened.as_file().sync_all()?;
            opened.persist(path).map_err(|error| error.error)?;
        } else {
            self.met_closed.store(true, Ordering::Relaxed);
        }
        Ok(())
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
                let mut sealed = tempfile::NamedTempFile::new().map_err(Error::Io)?;
                let from = File::open(&path).map_err(Error::Io)?;
                let length = from.metadata().map_err(Error::Io)?.len();
                let mut to = BufWriter::new(sealed.as_file_mut());
                envelopes::seal_own_file(ring, length, &mut BufReader::new(from), &mut to)
                    .map_err(Error::Io)?;
                to.flush().map_err(Error::Io)?;
                drop(to);
                self.inner.create_file(new, Content::File(sealed.path().to_owned())).await
            }
        }
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let limit = limit_bytes.saturating_add(OVERHEAD_BYTES as u64);
        let digest = self.inner.download(id, to, limit).await?;
        self.open_in_place(to)?;
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

    fn max_file_bytes(&self) -> u64 {
        self.inner.max_file_bytes()
    }

    fn requests(&self) -> u64 {
        self.inner.requests()
    }
}
