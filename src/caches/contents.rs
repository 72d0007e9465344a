//! Large contents on their way: each in a file of its own, which its digest names.
//!
//! What a message brings, and what is to go into one, lies here from before it is decided until nothing
//! speaks of it any more. A file is complete and on the disk before it has its name, so whatever has one
//! is what the name says. Who reads it compares nevertheless, as a message is made of it.
//!
//! Invariant: nothing in here is held in memory. The disk is not filled to the brim: what does not fit
//! is refused before, as a fault of the disk, and can come later.
//! Invariant: these files are private to the user; none is ever linked into a tree, where it could change.

mod spool;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

pub use spool::Spool;

use super::looking::{look, look_on};
use super::tree::DatasiteTree;
use super::{Error, Result};
use crate::model::{DatasitePath, Digest};
use crate::wire::{Content, Larder, Large};

/// From this size on a file is not held in memory.
pub const LARGE_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// What stays free on the disk, whatever arrives.
const FREE_BYTES_MIN: u64 = 256 * 1024 * 1024;

/// After how many bytes it is asked again what is free.
const LOOK_EVERY_BYTES: u64 = 64 * 1024 * 1024;

const CHUNK_BYTES: usize = 128 * 1024;

/// The endings of files that are not complete.
const UNFINISHED: &str = ".part";

/// Where the large contents of an account lie.
#[derive(Clone, Debug)]
pub struct Contents {
    folder: PathBuf,
    large_bytes_min: u64,
}

impl Contents {
    /// Contents that lie in `folder`, which is made when it is needed.
    pub fn at(folder: PathBuf) -> Self {
        Self { folder, large_bytes_min: LARGE_BYTES_MIN }
    }

    /// The same, which take in what has at least `bytes`.
    #[must_use]
    pub const fn from(mut self, bytes: u64) -> Self {
        self.large_bytes_min = bytes;
        self
    }

    /// Returns the size from which on a file is not held in memory.
    pub const fn large_bytes_min(&self) -> u64 {
        self.large_bytes_min
    }

    fn place(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.to_hex())
    }

    /// True if the content is here.
    pub fn has(&self, digest: &Digest) -> bool {
        self.place(digest).is_file()
    }

    /// Keeps what somebody sent. It is on the disk when this returns.
    ///
    /// # Errors
    /// If `from` fails or the disk refuses; [`io::ErrorKind::StorageFull`] if it would be all but full.
    pub fn keep(&self, from: &mut dyn Read) -> io::Result<Large> {
        let (large, part) = self.receive(from)?;
        self.place_part(large, part)
    }

    /// Writes what somebody sent into a file that has no name yet, and may not be on the disk.
    fn receive(&self, from: &mut dyn Read) -> io::Result<(Large, NamedTempFile)> {
        let mut look_at = 0;
        self.write(from, |before| {
            if before >= look_at {
                expect_room(&self.folder, LOOK_EVERY_BYTES)?;
                look_at = before + LOOK_EVERY_BYTES;
            }
            Ok(())
        })
    }

    /// Writes what `from` gives into such a file; `may_go_on` is asked before each piece.
    fn write(
        &self,
        from: &mut dyn Read,
        mut may_go_on: impl FnMut(u64) -> io::Result<()>,
    ) -> io::Result<(Large, NamedTempFile)> {
        let mut part = self.part()?;
        let large = look_on(from, |piece, before| {
            may_go_on(before)?;
            part.write_all(piece)
        })?;
        Ok((large, part))
    }

    fn place_part(&self, large: Large, part: NamedTempFile) -> io::Result<Large> {
        let place = self.place(&large.digest);
        if !place.is_file() {
            part.as_file().sync_all()?;
            part.persist(&place).map_err(|error| error.error)?;
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(large)
    }

    /// Takes in a file that lies on the same disk, and is nobody else's. It is on the disk when this
    /// returns.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn adopt(&self, path: &Path) -> io::Result<Large> {
        let mut file = File::open(path)?;
        let large = look(&mut file)?;
        let place = self.place(&large.digest);
        if !place.is_file() {
            crate::connections::make_private(&self.folder)?;
            file.sync_all()?;
            fs::rename(path, &place)?;
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(large)
    }

    fn part(&self) -> io::Result<NamedTempFile> {
        crate::connections::make_private(&self.folder)?;
        tempfile::Builder::new().suffix(UNFINISHED).tempfile_in(&self.folder)
    }

    /// Opens a content that was kept; `None` if it is not here.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn open(&self, digest: &Digest) -> io::Result<Option<File>> {
        match File::open(self.place(digest)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the content of a file of `tree` to be sent, if it is `wanted`: held in memory if it is
    /// small, else kept here. `None` if something else stands there.
    ///
    /// # Errors
    /// If the file cannot be read, or the disk refuses.
    pub fn take(
        &self,
        tree: &DatasiteTree,
        path: &DatasitePath,
        wanted: &Digest,
    ) -> Result<Option<Content>> {
        let failed = Error::at(path.below(tree.root()), "read");
        let Some((mut file, size_bytes)) = tree.open_file(path)? else { return Ok(None) };
        if size_bytes < self.large_bytes_min {
            let mut content = Vec::new();
            let read = file.take(self.large_bytes_min.saturating_add(1)).read_to_end(&mut content);
            read.map_err(failed)?;
            let is_it = Digest::of(&content) == *wanted;
            return Ok(is_it.then(|| Content::from_bytes(content)));
        }
        let kept = match self.known(wanted).map_err(Error::at(&self.folder, "read"))? {
            Some(known) => known,
            // A person's own file: the disk says itself when it is full.
            None => {
                let written = self.write(&mut file, |_| Ok(()));
                written.and_then(|(large, part)| self.place_part(large, part)).map_err(failed)?
            }
        };
        Ok((kept.digest == *wanted).then_some(Content::Large(kept)))
    }

    /// Returns what stands at `path` to be sent, if it is `wanted`; `None` wants nothing there. The answer
    /// is `None` if something else stands there.
    ///
    /// # Errors
    /// As [`take`](Self::take).
    pub fn take_state(
        &self,
        tree: &DatasiteTree,
        path: &DatasitePath,
        wanted: Option<&Digest>,
    ) -> Result<Option<Option<Content>>> {
        match wanted {
            Some(wanted) => Ok(self.take(tree, path, wanted)?.map(Some)),
            None => Ok(tree.open_file(path)?.is_none().then_some(None)),
        }
    }

    /// As [`take`](Self::take), but what is large stays where it is: for what is made of it at once.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn refer(
        &self,
        tree: &DatasiteTree,
        path: &DatasitePath,
        wanted: &Digest,
        large_bytes_min: u64,
    ) -> Result<Option<Content>> {
        let failed = Error::at(path.below(tree.root()), "read");
        let Some((mut file, size_bytes)) = tree.open_file(path)? else { return Ok(None) };
        if size_bytes < large_bytes_min {
            return self.clone().from(large_bytes_min).take(tree, path, wanted);
        }
        let large = look(&mut file).map_err(failed)?;
        Ok((large.digest == *wanted).then_some(Content::Large(large)))
    }

    /// Returns what is known of a content that is here.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn known(&self, digest: &Digest) -> io::Result<Option<Large>> {
        let Some(mut file) = self.open(digest)? else { return Ok(None) };
        let large = look(&mut file)?;
        Ok((large.digest == *digest).then_some(large))
    }

    /// Begins a shelf for one file that is read.
    #[must_use]
    pub fn shelf(&self) -> Spool<'_> {
        Spool::new(self)
    }

    /// Removes all that is not `wanted`, and what a crash has left half written. For who holds the lock.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sweep(&self, wanted: &BTreeSet<Digest>) -> Result<()> {
        let failed = |error| Error::at(&self.folder, "read")(error);
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed(error)),
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            // No folder is one of ours, and one that somebody made stops nobody.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let digest = path.file_name().and_then(|name| Digest::parse(name.to_str()?).ok());
            if digest.is_none_or(|digest| !wanted.contains(&digest)) {
                fs::remove_file(&path).map_err(Error::at(&path, "removed"))?;
            }
        }
        // If something is left in it, it stays.
        drop(fs::remove_dir(&self.folder));
        Ok(())
    }

    /// True if there is nothing at all.
    pub fn is_empty(&self) -> bool {
        !self.folder.is_dir()
    }
}

impl Larder for Contents {
    fn open(&self, large: &Large) -> io::Result<Box<dyn Read + '_>> {
        let file = Self::open(self, &large.digest)?.ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(file))
    }
}

/// Fails if the disk of `folder` would not keep enough free with `more` bytes on it.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`], or if the disk cannot be asked.
pub(crate) fn expect_room(folder: &Path, more: u64) -> io::Result<()> {
    if room(folder)? < more { Err(no_room()) } else { Ok(()) }
}

/// Returns how many bytes may come to the disk of `folder` so that enough stays free.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`] if none may, or if the disk cannot be asked.
pub(crate) fn room(folder: &Path) -> io::Result<u64> {
    let about = rustix::fs::statvfs(folder)?;
    let free = about.f_bavail.saturating_mul(about.f_frsize);
    free.checked_sub(FREE_BYTES_MIN).ok_or_else(no_room)
}

/// Says that too little is free.
pub(crate) fn no_room() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "too little is free on the disk")
}

/// True if the disk takes no more.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> (Contents, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        (Contents::at(home.path().join("contents")).from(10), home)
    }

    #[test]
    fn what_is_kept_is_found_by_its_digest_and_goes_when_nobody_wants_it() {
        let (contents, _home) = contents();
        let one = contents.keep(&mut &b"one"[..]).unwrap();
        let two = contents.keep(&mut &b"\xfftwo"[..]).unwrap();
        assert_eq!(contents.keep(&mut &b"one"[..]).unwrap(), one);
        assert_eq!((one.is_text, two.is_text), (true, false));
        assert_eq!((one.digest, one.size_bytes), (Digest::of(b"one"), 3));
        drop(contents.part().unwrap().keep().unwrap());
        contents.sweep(&BTreeSet::from([two.digest])).unwrap();
        assert_eq!(fs::read_dir(&contents.folder).unwrap().count(), 1);
        assert!(contents.has(&two.digest) && !contents.has(&one.digest));
        contents.sweep(&BTreeSet::new()).unwrap();
        assert!(contents.is_empty());
        contents.sweep(&BTreeSet::new()).unwrap();
    }

    #[test]
    fn of_a_file_only_what_is_wanted_is_taken() {
        let (contents, home) = contents();
        let tree = DatasiteTree::open(&home.path().join("tree")).unwrap();
        let path = DatasitePath::parse("a/b").unwrap();
        for content in [&b"small"[..], b"more than ten bytes", b"\xffmore than ten bytes"] {
            tree.write(&path, content).unwrap();
            let digest = Digest::of(content);
            let is_large = content.len() > 10;
            let referred = contents.refer(&tree, &path, &digest, 10).unwrap().unwrap();
            assert!(contents.is_empty(), "what is referred to stays where it is");
            let taken = contents.take(&tree, &path, &digest).unwrap().unwrap();
            assert_eq!(taken, referred);
            assert_eq!((taken.digest(), taken.large().is_some()), (digest, is_large));
            assert_eq!(contents.has(&digest), is_large);
            // What was taken before is had although something else stands there by now.
            assert_eq!(contents.take(&tree, &path, &Digest::of(b"x")).unwrap(), None);
            contents.sweep(&BTreeSet::new()).unwrap();
        }
        let gone = DatasitePath::parse("a/c").unwrap();
        assert_eq!(contents.take(&tree, &gone, &Digest::of(b"x")).unwrap(), None);
    }
}
