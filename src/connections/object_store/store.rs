//! How a bucket is laid out, and the requests that it takes.
//!
//! ```text
//! syft-store.json              {"format": 1}
//! log/<number>                 a commit: JSON, made with If-None-Match and never changed
//! snapshot/<number>            all entries as of that commit, from which a session starts
//! content/<id>/<random>        content, named by a commit; never changed once it is named
//! ```
//! `<number>` has 16 digits, so that the order of keys is the order of commits. Of several writers
//! that make a commit of one number exactly one succeeds, and the others look again: that is the only
//! lock. What a process that dies leaves is content that no commit names; it is swept after a day.
//!
//! Relied on, beyond what any store does: a write with `If-None-Match: *` fails if the key is there,
//! listings come in order of keys, and both show at once what was written. Amazon S3 (not its
//! directory buckets), MinIO, Ceph, Cloudflare R2 say so of themselves; [`Store::check`] tries the first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{
    MultipartUpload, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions, PutPayload,
};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncReadExt as _;

use super::commit::{Commit, Piece, is_hex, random};
use super::ledger::Ledger;
use super::refusal::{Refusal, translate};
use super::{MAX_FILE_BYTES, SERVICE};
use crate::connections::{Content, Error, FileId, Result};

const MARKER: &str = "syft-store.json";
const MARKER_TEXT: &str = "{\"format\": 1}\n";
const NUMBER_DIGITS: usize = 16;
const COMMIT_BYTES_MAX: u64 = 4 << 20;
const SNAPSHOT_BYTES_MAX: u64 = 256 << 20;
/// The size of the parts that a large file is sent in; S3 takes 10,000 of at least 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// How long content may come in without a sign of life.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many commits are kept behind the newest snapshot: a feed can be followed from there on.
const COMMITS_KEPT: u64 = 500;
/// What may be in use by a call that is under way is younger than this.
const LEFTOVER_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// A bucket, or a part of one.
#[derive(Debug)]
pub(super) struct Store {
    inner: Arc<dyn ObjectStore>,
    prefix: String,
    requests: Arc<AtomicU64>,
    /// False if whoever carries the requests counts them.
    counts: bool,
}

/// A commit, as the listing tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) number: u64,
    /// When it was stored, by the service's clock.
    pub(super) stored_micros: i64,
    /// Tells it from another of its number.
    pub(super) seal: String,
    size_bytes: u64,
}

/// The pieces of a file's content.
pub(super) type Pieces = BoxStream<'static, Result<Bytes>>;

impl Store {
    pub(super) fn new(
        inner: Arc<dyn ObjectStore>,
        prefix: &str,
        requests: Option<Arc<AtomicU64>>,
    ) -> Self {
        let counts = requests.is_none();
        Self { inner, prefix: prefix.to_owned(), requests: requests.unwrap_or_default(), counts }
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn key(&self, rest: &str) -> Path {
        self.note();
        Path::from(format!("{}/{rest}", self.prefix))
    }

    fn note(&self) {
        if self.counts {
            self.requests.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes the marker if there is none. Fails if this is a store of a later format, or one that
    /// does not refuse to make what is there.
    pub(super) async fn check(&self) -> Result<()> {
        if self.make(MARKER, MARKER_TEXT.into()).await?
            && self.make(MARKER, MARKER_TEXT.into()).await?
        {
            let (what, source) = ("use it".to_owned(), Refusal::NoConditions.into());
            return Err(Error::Denied { service: SERVICE, what, source });
        }
        let text = self.read_bounded(MARKER, COMMIT_BYTES_MAX).await?;
        let marker = text.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
        match marker.and_then(|marker| marker.get("format")?.as_u64()) {
            Some(1) => Ok(()),
            _ => Err(Error::Invalid {
                service: SERVICE,
                what: "not of a format that we know".to_owned(),
            }),
        }
    }

    /// Stores something unless there is something already: then false.
    async fn make(&self, rest: &str, bytes: Bytes) -> Result<bool> {
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        match self.inner.put_opts(&self.key(rest), PutPayload::from(bytes), options).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(translate(&error)),
        }
    }

    /// Makes commit `number`; false if there is one.
    pub(super) async fn commit(&self, number: u64, commit: &Commit) -> Result<bool> {
        let text = commit.to_json();
        if text.len() as u64 > COMMIT_BYTES_MAX {
            return Err(Error::TooLarge { limit_bytes: COMMIT_BYTES_MAX });
        }
        self.make(&format!("log/{}", digits(number)), text.into()).await
    }

    /// Returns the commits after `number`, in order. Keys that are none of ours are passed over.
    pub(super) async fn commits_after(&self, number: u64) -> Result<Vec<Logged>> {
        let from = self.key(&format!("log/{}", digits(number)));
        let listed = self.inner.list_with_offset(Some(&self.bare("log")), &from);
        let found: Vec<_> = listed.try_collect().await.map_err(|error| translate(&error))?;
        let mut commits: Vec<Logged> = found
            .into_iter()
            .filter_map(|meta| {
                let seal = Sha256::digest(meta.e_tag.unwrap_or_default());
                Some(Logged {
                    number: parse_digits(meta.location.filename()?)?,
                    stored_micros: meta.last_modified.timestamp_micros(),
                    seal: hex::encode(&seal[..8]),
                    size_bytes: meta.size,
                })
            })
            .filter(|logged| logged.number > number)
            .collect();
        commits.sort_unstable_by_key(|logged| logged.number);
        Ok(commits)
    }

    /// Reads a commit; `None` if it is garbage or gone.
    pub(super) async fn load(&self, logged: &Logged) -> Result<Option<Commit>> {
        if logged.size_bytes > COMMIT_BYTES_MAX {
            return Ok(None);
        }
        let key = format!("log/{}", digits(logged.number));
        let text = self.read_bounded(&key, COMMIT_BYTES_MAX).await?;
        Ok(text.and_then(|text| Commit::parse(&text)))
    }

    /// Removes a commit that counts for nothing.
    pub(super) async fn remove_commit(&self, number: u64) {
        // What stays there is passed over all the same.
        drop(self.inner.delete(&self.key(&format!("log/{}", digits(number)))).await);
    }

    /// Returns the numbers of the commits of which there is a snapshot, the newest first.
    pub(super) async fn snapshots(&self) -> Result<Vec<u64>> {
        self.note();
        let listed = self.inner.list(Some(&self.bare("snapshot")));
        let found: Vec<_> = listed.try_collect().await.map_err(|error| translate(&error))?;
        let names = found.iter().filter_map(|meta| parse_digits(meta.location.filename()?));
        let mut numbers: Vec<u64> = names.collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    /// Reads a snapshot; `None` if it is garbage or gone.
    pub(super) async fn load_snapshot(&self, number: u64) -> Result<Option<Ledger>> {
        let key = format!("snapshot/{}", digits(number));
        let text = self.read_bounded(&key, SNAPSHOT_BYTES_MAX).await?;
        Ok(text.and_then(|text| Ledger::parse(&text, number)))
    }

    /// Keeps a snapshot, and removes what nobody needs any more by the service's clock.
    pub(super) async fn tidy(&self, ledger: &Ledger) -> Result<()> {
        let name = format!("snapshot/{}", digits(ledger.number));
        let (key, text) = (self.key(&name), PutPayload::from(ledger.to_json()));
        let put = self.inner.put(&key, text).await;
        put.map_err(|error| translate(&error))?;
        let made = self.inner.head(&self.key(&name)).await.map_err(|error| translate(&error))?;
        let old = made.last_modified.timestamp_micros().saturating_sub(LEFTOVER_MICROS);
        let last = ledger.number.saturating_sub(COMMITS_KEPT);
        self.sweep("log", old, |path| number_in(path).is_some_and(|n| n <= last)).await?;
        self.sweep("snapshot", old, |path| number_in(path).is_some_and(|n| n < last)).await?;
        self.sweep("content", old, |path| {
            let mut parts = path.as_ref().rsplit('/');
            match (parts.next(), parts.next().map(FileId::parse)) {
                (Some(name), Some(Ok(id))) => is_hex(name) && !ledger.names(&id, name),
                _ => false,
            }
        })
        .await
    }

    async fn sweep(&self, top: &str, old: i64, is_done: impl Fn(&Path) -> bool) -> Result<()> {
        self.note();
        let listed = self.inner.list(Some(&self.bare(top)));
        let found: Vec<_> = listed.try_collect().await.map_err(|error| translate(&error))?;
        let is_old = |at: chrono::DateTime<chrono::Utc>| at.timestamp_micros() < old;
        let gone = found.into_iter().filter(|meta| is_old(meta.last_modified));
        let gone = gone.map(|meta| meta.location).filter(is_done);
        self.remove(gone.collect()).await;
        Ok(())
    }

    /// Stores content under a new name.
    pub(super) async fn store_content(&self, id: &FileId, content: Content) -> Result<Piece> {
        let name = random();
        let key = self.key(&content_key(id, &name));
        let too_large = Error::TooLarge { limit_bytes: MAX_FILE_BYTES };
        let size_bytes = match content {
            Content::Bytes(bytes) => self.put(&key, bytes).await?,
            Content::File(path) => {
                let mut file = tokio::fs::File::open(path).await?;
                if file.metadata().await?.len() > MAX_FILE_BYTES {
                    return Err(too_large);
                }
                let first = next_part(&mut file).await?;
                if first.len() < PART_BYTES {
                    self.put(&key, first).await?
                } else {
                    self.put_parts(&key, first, &mut file).await?
                }
            }
        };
        Ok(Piece { name, size_bytes })
    }

    async fn put(&self, key: &Path, bytes: Bytes) -> Result<u64> {
        let size_bytes = bytes.len() as u64;
        let put = self.inner.put(key, PutPayload::from(bytes)).await;
        put.map_err(|error| translate(&error))?;
        Ok(size_bytes)
    }

    /// Sends a large file in parts. It is there once the last call has succeeded, or not at all.
    async fn put_parts(&self, key: &Path, first: Bytes, file: &mut tokio::fs::File) -> Result<u64> {
        let mut upload = self.inner.put_multipart(key).await.map_err(|error| translate(&error))?;
        match self.send_parts(&mut *upload, first, file).await {
            Ok(size_bytes) => Ok(size_bytes),
            Err(error) => {
                // Parts that stay are the business of the bucket's own rules.
                drop(upload.abort().await);
                Err(error)
            }
        }
    }

    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        first: Bytes,
        file: &mut tokio::fs::File,
    ) -> Result<u64> {
        let (mut size_bytes, mut part) = (0, first);
        while !part.is_empty() {
            self.note();
            size_bytes += part.len() as u64;
            if size_bytes > MAX_FILE_BYTES {
                return Err(Error::TooLarge { limit_bytes: MAX_FILE_BYTES });
            }
            let sent = upload.put_part(PutPayload::from(part)).await;
            sent.map_err(|error| translate(&error))?;
            part = next_part(file).await?;
        }
        upload.complete().await.map_err(|error| translate(&error))?;
        Ok(size_bytes)
    }

    /// Opens content: its length and its pieces. `None` if it is gone.
    pub(super) async fn open_content(
        &self,
        id: &FileId,
        name: &str,
    ) -> Result<Option<(u64, Pieces)>> {
        let found = match self.inner.get(&self.key(&content_key(id, name))).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(translate(&error)),
        };
        let size_bytes = found.meta.size;
        let pieces = found.into_stream().map_err(|error| translate(&error));
        Ok(Some((size_bytes, pieces.boxed())))
    }

    /// True if content is there.
    pub(super) async fn has_content(&self, id: &FileId, name: &str) -> Result<bool> {
        match self.inner.head(&self.key(&content_key(id, name))).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(translate(&error)),
        }
    }

    /// Removes content that no commit names (any more).
    pub(super) async fn remove_content(&self, freed: Vec<(FileId, String)>) {
        let keys = freed.iter().map(|(id, name)| self.bare(&content_key(id, name)));
        self.remove(keys.collect()).await;
    }

    /// Removes objects, one request for each: not all stores take several.
    async fn remove(&self, keys: Vec<Path>) {
        const AT_ONCE: usize = 8;
        let removals = keys.into_iter().map(|key| {
            self.note();
            let inner = Arc::clone(&self.inner);
            async move { inner.delete(&key).await }
        });
        // What cannot be removed costs space and nothing else; it is swept later.
        let _: Vec<_> = futures::stream::iter(removals).buffered(AT_ONCE).collect().await;
    }

    async fn read_bounded(&self, rest: &str, limit_bytes: u64) -> Result<Option<Bytes>> {
        let found = match self.inner.get(&self.key(rest)).await {
            Ok(found) if found.meta.size <= limit_bytes => found,
            Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(translate(&error)),
        };
        found.bytes().await.map(Some).map_err(|error| translate(&error))
    }

    fn bare(&self, rest: &str) -> Path {
        Path::from(format!("{}/{rest}", self.prefix))
    }
}

/// Returns the next piece of content; `None` at its end.
pub(super) async fn next_piece(pieces: &mut Pieces) -> Result<Option<Bytes>> {
    let next = tokio::time::timeout(PATIENCE, pieces.try_next()).await;
    next.map_err(|late| Error::Unavailable { service: SERVICE, source: late.into() })?
}

async fn next_part(file: &mut tokio::fs::File) -> Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(part.into())
}

fn content_key(id: &FileId, name: &str) -> String {
    format!("content/{id}/{name}")
}

fn digits(number: u64) -> String {
    format!("{number:0NUMBER_DIGITS$}")
}

fn number_in(path: &Path) -> Option<u64> {
    parse_digits(path.filename()?)
}

fn parse_digits(text: &str) -> Option<u64> {
    let is_number = text.len() == NUMBER_DIGITS && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}
