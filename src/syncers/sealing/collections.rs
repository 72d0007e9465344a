//! A drive on which private halves of datasets lie sealed: a connection around the account's own.
//!
//! What is created is sealed for ourselves on its way, what is downloaded is opened before anybody
//! looks at it; all else passes through. What lies there as it is, because it was uploaded before
//! there were keys or by the Python client, passes as well: the digest in the collection's name says
//! whether it is what it should be.
//!
//! What is sealed on the way, or opened, lies meanwhile in a folder beside the state database that
//! nobody else may look into, never in one that machines share for temporary files.

use std::fs::{DirEntry, File};
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::caches::digest_of_file;
use crate::connections::{
    Access, Changes, Connection, Content, Entry, Error, Fetching, FileId, Grant, NewEntry,
    PageToken, Query, Relocation, Result, Sending, make_private, with_ending,
};
use crate::model::{Digest, Email};
use crate::peers::envelopes::{self, OVERHEAD_BYTES};
use crate::peers::{Keyring, Mode};

use super::super::parcels::private_file;

/// The account's own connection, with what it creates sealed for the account.
#[derive(Debug)]
pub(in crate::syncers) struct Sealing<'c> {
    inner: &'c dyn Connection,
    ring: Option<Keyring>,
    state: &'c Path,
    met_closed: AtomicBool,
    takes_plain: bool,
}

/// What the names of folders begin with in which something is sealed or opened.
const SCRATCH: &str = "sealing-";

/// Makes a folder for what is sealed or opened; it goes with the value.
fn scratch_in(state: &Path) -> std::io::Result<TempDir> {
    let mut folder = tempfile::Builder::new();
    folder.prefix(SCRATCH);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        folder.permissions(std::fs::Permissions::from_mode(0o700));
    }
    folder.tempdir_in(state)
}

/// Removes what a crash left of such folders. Only while no other `syft` works with the account.
pub(super) fn clear_scratch(state: &Path) {
    let found = std::fs::read_dir(state).into_iter().flatten().flatten();
    let is_one = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(SCRATCH);
    for entry in found.filter(is_one) {
        // What cannot be removed now is tried again by the next sync.
        let _left = std::fs::remove_dir_all(entry.path());
    }
}

/// Seals a file into another one in `scratch`.
fn sealed_copy(ring: &Keyring, path: &Path, scratch: &Path) -> std::io::Result<PathBuf> {
    let from = File::open(path)?;
    let length = from.metadata()?.len();
    let (file, sealed) = tempfile::NamedTempFile::new_in(scratch)?.keep()?;
    let mut to = BufWriter::new(file);
    envelopes::seal_own_file(ring, length, &mut BufReader::new(from), &mut to)?;
    to.flush()?;
    Ok(sealed)
}

/// Returns the sealed copy of a large file, which an earlier process may have made: of the same content,
/// with the keys that are in use. It is whole or not there.
fn sealed_kept(ring: &Keyring, from: &Path, sending: &Sending) -> Result<PathBuf> {
    let keys = ring.current().fingerprint().to_string();
    let of = Digest::of(format!("{} {keys}", sending.digest.to_hex()).as_bytes()).to_hex();
    let sealed = with_ending(&sending.kept, &format!("{}.sealed", &of[..40]));
    if sealed.is_file() {
        return Ok(sealed);
    }
    let begun = with_ending(&sending.kept, "sealing");
    make_private(sealed.parent().unwrap_or(Path::new(".")))?;
    let file = private_file(&begun)?;
    let from = File::open(from)?;
    let length = from.metadata()?.len();
    let mut from = Digesting { inner: BufReader::new(from), digest: Sha256::new() };
    let mut to = BufWriter::new(file);
    let done = envelopes::seal_own_file(ring, length, &mut from, &mut to).and_then(|()| to.flush());
    // After a power cut whatever has its name is whole: it would be sent without another look.
    let done = done.and_then(|()| to.get_ref().sync_all());
    done.inspect_err(|_| drop(std::fs::remove_file(&begun)))?;
    if Digest::from_bytes(from.digest.finalize().into()) != sending.digest {
        // It changed since its caller looked.
        std::fs::remove_file(&begun)?;
        return Err(std::io::Error::other("the file changed while it was sealed").into());
    }
    std::fs::rename(&begun, &sealed)?;
    Ok(sealed)
}

/// Digests what is read through it.
struct Digesting<R> {
    inner: R,
    digest: Sha256,
}

impl<R: std::io::Read> std::io::Read for Digesting<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(into)?;
        self.digest.update(&into[..count]);
        Ok(count)
    }
}

impl<'c> Sealing<'c> {
    /// Seals with the keys in `ring`; without any, or where encryption is off, all passes as it is.
    /// `state` is where the state database lies.
    pub(in crate::syncers) const fn new(
        inner: &'c dyn Connection,
        ring: Option<Keyring>,
        state: &'c Path,
    ) -> Self {
        Self { inner, ring, state, met_closed: AtomicBool::new(false), takes_plain: true }
    }

    /// The same, refusing what lies there as it is: anybody may have put it there.
    #[must_use]
    pub(in crate::syncers) const fn sealed_only(mut self) -> Self {
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
        let is_current = || {
            let mut from = BufReader::new(File::open(&path)?);
            std::io::Result::Ok(envelopes::names_current_keys(ring, &mut from))
        };
        if is_current().map_err(Error::Io)? || !self.open_in_place(&path).map_err(Error::Io)? {
            return Ok(());
        }
        let sealed = sealed_copy(ring, &path, scratch.path()).map_err(Error::Io)?;
        self.inner.replace(id, Content::File(sealed)).await
    }

    /// True if something was downloaded that looks sealed and could not be opened.
    pub(in crate::syncers) fn has_met_closed(&self) -> bool {
        self.met_closed.load(Ordering::Relaxed)
    }

    fn seals(&self) -> Option<&Keyring> {
        self.ring.as_ref().filter(|ring| ring.mode() != Mode::Off)
    }

    /// Puts the content of an envelope in the place of the envelope; true if it is one of ours.
    fn open_in_place(&self, path: &Path) -> std::io::Result<bool> {
        let mut start = [0; 4];
        let is_whole = File::open(path)?.read_exact(&mut start).is_ok();
        if !is_whole || !envelopes::is_sealed(&start) {
            if self.takes_plain {
                return Ok(false);
            }
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not sealed"));
        }
        let Some(ring) = &self.ring else {
            self.met_closed.store(true, Ordering::Relaxed);
            return Ok(false);
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
        Ok(is_ours)
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
                let sealed = sealed_copy(ring, &path, scratch.path()).map_err(Error::Io)?;
                self.inner.create_file(new, Content::File(sealed)).await
            }
        }
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let limit = limit_bytes.saturating_add(OVERHEAD_BYTES as u64);
        let digest = self.inner.download(id, to, limit).await?;
        self.open_in_place(to).inspect_err(|_| drop(std::fs::remove_file(to)))?;
        Ok(digest)
    }

    fn resumes(&self) -> bool {
        self.inner.resumes()
    }

    /// The sealed copy outlives the process as well: another one would be other bytes.
    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        let Some(ring) = self.seals() else { return self.inner.send(new, from, sending).await };
        let sealed = sealed_kept(ring, from, sending)?;
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
        self.open_in_place(to).inspect_err(|_| drop(std::fs::remove_file(to)))?;
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

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::peers::RecoveryKey;

    #[test]
    fn w14_what_is_sealed_on_its_way_lies_where_nobody_else_looks() {
        let state = tempfile::tempdir().unwrap();
        let me = Email::parse("me@example.org").unwrap();
        let ring = Keyring::new(&me, &RecoveryKey::generate()).unwrap();
        let path = state.path().join("private.csv");
        std::fs::write(&path, b"age\n41\n").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let scratch = scratch_in(state.path()).unwrap();
        let sealed = sealed_copy(&ring, &path, scratch.path()).unwrap();
        assert!(sealed.starts_with(state.path()) && scratch.path().starts_with(state.path()));
        assert_eq!((mode(scratch.path()), mode(&sealed)), (0o700, 0o600));
        // What a crash leaves is removed, and nothing else.
        let left = scratch.keep();
        clear_scratch(state.path());
        assert!(!left.exists() && path.exists());
        clear_scratch(&left);
    }
}
