//! Files that are sealed for ourselves, or opened: into other files, beside all else that goes on.
//!
//! What is written meanwhile lies in a folder that nobody else may look into, and is whole before it has
//! its name. Whether what was opened is wanted at all, its caller knows.

use std::fs::{DirEntry, File};
use std::io::{BufReader, BufWriter, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use crate::connections::{Sending, make_private, with_ending};
use crate::model::Digest;
use crate::peers::Keyring;
use crate::peers::envelopes::{self, Unopened};

use super::super::parcels::private_file;

/// What became of a file that may be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Its content lies there now.
    Ours,
    /// It is as it was: not sealed.
    Plain,
    /// It is as it was: an envelope that we did not make so. Whether that is its content, its digest says.
    Broken,
    /// It is as it was: sealed with keys that are not here.
    Closed,
}

/// What the names of folders begin with in which something is sealed or opened.
const SCRATCH: &str = "sealing-";

/// Makes a folder for what is sealed or opened; it goes with the value.
pub(super) fn scratch_in(state: &Path) -> std::io::Result<TempDir> {
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
pub(super) fn sealed_copy(
    ring: &Keyring,
    path: &Path,
    scratch: &Path,
    waiting: &Waiting,
) -> std::io::Result<PathBuf> {
    let from = File::open(path)?;
    let length = from.metadata()?.len();
    let (file, sealed) = tempfile::NamedTempFile::new_in(scratch)?.keep()?;
    let mut to = BufWriter::new(file);
    envelopes::seal_own_file(ring, length, &mut BufReader::new(waiting.read(from)), &mut to)?;
    to.flush()?;
    Ok(sealed)
}

/// Returns the sealed copy of a large file, which an earlier process may have made: of the same content,
/// with the keys that are in use. It is whole or not there.
pub(super) fn sealed_kept(
    ring: &Keyring,
    from: &Path,
    sending: &Sending,
    waiting: &Waiting,
) -> std::io::Result<PathBuf> {
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
    let from = BufReader::new(waiting.read(from));
    let mut from = Digesting { inner: from, digest: Sha256::new() };
    let mut to = BufWriter::new(file);
    let done = envelopes::seal_own_file(ring, length, &mut from, &mut to).and_then(|()| to.flush());
    // After a power cut whatever has its name is whole: it would be sent without another look.
    let done = done.and_then(|()| to.get_ref().sync_all());
    done.inspect_err(|_| drop(std::fs::remove_file(&begun)))?;
    if Digest::from_bytes(from.digest.finalize().into()) != sending.digest {
        // It changed since its caller looked.
        std::fs::remove_file(&begun)?;
        return Err(std::io::Error::other("the file changed while it was sealed"));
    }
    std::fs::rename(&begun, &sealed)?;
    Ok(sealed)
}

/// Digests what is read through it.
struct Digesting<R> {
    inner: R,
    digest: Sha256,
}

impl<R: Read> Read for Digesting<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(into)?;
        self.digest.update(&into[..count]);
        Ok(count)
    }
}

/// Somebody who waits for a work that takes long.
pub(super) struct Waiting(Weak<()>);

impl Waiting {
    /// Reads for as long as somebody waits.
    const fn read<R>(&self, inner: R) -> WhileAwaited<'_, R> {
        WhileAwaited { inner, waiting: self }
    }
}

/// Ends once nobody waits for what is read.
struct WhileAwaited<'w, R> {
    inner: R,
    waiting: &'w Waiting,
}

impl<R: Read> Read for WhileAwaited<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.waiting.0.strong_count() == 0 {
            return Err(std::io::Error::other("nobody waits for it any more"));
        }
        self.inner.read(into)
    }
}

/// Does what takes long beside all else. It ends early once this is dropped.
pub(super) async fn beside<T: Send + 'static>(
    work: impl FnOnce(&Waiting) -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    let awaited = Arc::new(());
    let waiting = Waiting(Arc::downgrade(&awaited));
    let done = tokio::task::spawn_blocking(move || work(&waiting)).await;
    drop(awaited);
    done.map_err(std::io::Error::other)?
}

/// Puts the content of an envelope in the place of the envelope.
pub(super) fn open_file(
    ring: Option<&Keyring>,
    takes_plain: bool,
    path: &Path,
    waiting: &Waiting,
) -> std::io::Result<Opened> {
    let mut start = [0; 4];
    let mut file = File::open(path)?;
    let is_whole = file.read_exact(&mut start).is_ok();
    if !is_whole || !envelopes::is_sealed(&start) {
        if takes_plain {
            return Ok(Opened::Plain);
        }
        return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not sealed"));
    }
    let Some(ring) = ring else { return Ok(Opened::Closed) };
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut opened = tempfile::NamedTempFile::new_in(folder)?;
    let done = envelopes::open_own_file(
        ring,
        file.metadata()?.len(),
        || Ok(BufReader::new(waiting.read(File::open(path)?))),
        &mut BufWriter::new(opened.as_file_mut()),
    )?;
    match done {
        Ok(()) => {
            opened.as_file().sync_all()?;
            opened.persist(path).map_err(|error| error.error)?;
            Ok(Opened::Ours)
        }
        Err(Unopened::UnknownSender { .. } | Unopened::NotForUs) => Ok(Opened::Closed),
        Err(_) => Ok(Opened::Broken),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::model::Email;
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
        let awaited = Arc::new(());
        let waiting = Waiting(Arc::downgrade(&awaited));
        let sealed = sealed_copy(&ring, &path, scratch.path(), &waiting).unwrap();
        assert!(sealed.starts_with(state.path()) && scratch.path().starts_with(state.path()));
        assert_eq!((mode(scratch.path()), mode(&sealed)), (0o700, 0o600));
        // What a crash leaves is removed, and nothing else.
        let left = scratch.keep();
        clear_scratch(state.path());
        assert!(!left.exists() && path.exists());
        clear_scratch(&left);
        // What nobody waits for ends.
        drop(awaited);
        assert!(sealed_copy(&ring, &path, state.path(), &waiting).is_err());
    }

    #[test]
    fn what_is_broken_is_told_apart_from_what_lacks_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let me = Email::parse("me@example.org").unwrap();
        let keys = || Keyring::new(&me, &RecoveryKey::generate()).unwrap();
        let (ring, other) = (keys(), keys());
        let awaited = Arc::new(());
        let waiting = Waiting(Arc::downgrade(&awaited));
        let path = folder.path().join("private.csv");
        let content = b"age\n41\n".repeat(1000);
        std::fs::write(&path, &content).unwrap();
        let place = sealed_copy(&ring, &path, folder.path(), &waiting).unwrap();
        let sealed = std::fs::read(&place).unwrap();
        let mut broken = sealed.clone();
        *broken.last_mut().unwrap() ^= 1;
        let open = |ring: Option<&Keyring>, takes_plain, bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            let opened = open_file(ring, takes_plain, &path, &waiting);
            (opened.ok(), std::fs::read(&path).unwrap())
        };
        let [ours, lacks, plain, bad] =
            [Opened::Ours, Opened::Closed, Opened::Plain, Opened::Broken].map(Some);
        let cut = sealed[..5000].to_vec();
        #[rustfmt::skip]
        let cases = [
            ("sealed by us",      Some(&ring),  true,  &sealed,  (ours,  &content)),
            ("one byte is other", Some(&ring),  true,  &broken,  (bad,   &broken)),
            ("cut off",           Some(&ring),  true,  &cut,     (bad,   &cut)),
            ("other keys",        Some(&other), true,  &sealed,  (lacks, &sealed)),
            ("no keys",           None,         true,  &sealed,  (lacks, &sealed)),
            ("not sealed",        Some(&ring),  true,  &content, (plain, &content)),
            ("and it must be",    Some(&ring),  false, &content, (None,  &content)),
        ];
        for (what, ring, takes_plain, bytes, (opened, left)) in cases {
            assert_eq!(open(ring, takes_plain, bytes), (opened, left.clone()), "{what}");
        }
        // Nothing of a plain text that does not count is left beside it.
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
