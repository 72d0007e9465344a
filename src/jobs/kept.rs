//! The approved bytes, kept so that a later version can be compared with them.
//!
//! ```text
//! {private}/kept/{owner}/{digest}/…    the files of a submission, below the digest of all of them
//! ```
//! Outside of the synced tree, in a folder that is closed to others. What lies here is shown and
//! never run: a run copies what lies in the inbox, and compares that with the approval. A copy
//! appears as a whole, and one that has not the digest that it is called by counts as absent.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::snapshot::{self, Snapshot};
use super::tree::{open_root, read_file, remove};
use crate::model::{DatasitePath, Digest, Email, TEMPORARY_PREFIX};

/// Where the approved bytes lie.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    folder: PathBuf,
}

/// A submission that was kept.
#[derive(Debug)]
pub(crate) struct KeptCopy {
    dir: Dir,
    pub(crate) snapshot: Snapshot,
}

/// What is larger is not kept: of its changes, sizes and digests are told.
pub(crate) const KEPT_MAX: u64 = 64 << 20; // as much as our scientists can submit

impl Kept {
    pub(crate) fn new(private: &Path, owner: &Email) -> Self {
        Self { folder: private.join("kept").join(owner.as_str()) }
    }

    /// Keeps the files of `job`, and returns what they are. What was found is what was kept, also
    /// if the files change meanwhile. One that is too large is looked at and not kept.
    pub(crate) fn keep(&self, job: &Dir) -> io::Result<Snapshot> {
        let found = snapshot::look(job)?;
        if found.bytes() > KEPT_MAX || self.open(found.digest).is_some() {
            return Ok(found);
        }
        let mut folder = std::fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(&self.folder)?;
        let scratch = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir_in(&self.folder)?;
        let whole = scratch.path().join("job");
        std::fs::create_dir(&whole)?;
        let copied = snapshot::copy(job, &whole)?;
        let place = self.place(copied.digest);
        remove(&place)?; // one that is damaged
        std::fs::rename(&whole, place)?;
        Ok(copied)
    }

    /// Returns the kept submission of that digest; `None` if it is not there as it was.
    pub(crate) fn open(&self, digest: Digest) -> Option<KeptCopy> {
        let dir = open_root(&self.place(digest)).ok()??;
        let snapshot = snapshot::look(&dir).ok()?;
        (snapshot.digest == digest).then_some(KeptCopy { dir, snapshot })
    }

    /// Removes what `is_needed` does not hold for. What cannot be removed is in nobody's way.
    pub(crate) fn sweep(&self, is_needed: impl Fn(Digest) -> bool) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let digest = name.to_str().and_then(|name| Digest::parse(name).ok());
            if digest.is_some_and(|digest| !is_needed(digest)) {
                remove(&entry.path()).ok();
            }
        }
    }

    fn place(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.to_hex())
    }
}

impl KeptCopy {
    /// Returns one file; `None` if it is not there or longer than `bytes_max`.
    pub(crate) fn read(&self, path: &DatasitePath, bytes_max: usize) -> Option<Vec<u8>> {
        read_file(&self.dir, path.as_str(), bytes_max).ok()?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_was_kept_is_found_by_its_digest_and_is_closed_to_others() {
        let home = tempfile::tempdir().unwrap();
        let job = home.path().join("job");
        std::fs::create_dir_all(job.join("code")).unwrap();
        std::fs::write(job.join("code/main.py"), "print(1)").unwrap();
        let dir = open_root(&job).unwrap().unwrap();
        let owner = Email::parse("do@example.com").unwrap();
        let kept = Kept::new(&home.path().join("private"), &owner);
        let snapshot = kept.keep(&dir).unwrap();
        assert_eq!(kept.keep(&dir).unwrap(), snapshot);
        let mode = std::fs::metadata(&kept.folder).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let path = DatasitePath::parse("code/main.py").unwrap();
        assert_eq!(kept.open(snapshot.digest).unwrap().read(&path, 100).unwrap(), b"print(1)");

        // A copy that is not what it is called by counts as absent, and is made again.
        let file = kept.place(snapshot.digest).join("code/main.py");
        std::fs::write(&file, "other").unwrap();
        assert!(kept.open(snapshot.digest).is_none());
        kept.keep(&dir).unwrap();
        assert!(kept.open(snapshot.digest).is_some());

        kept.sweep(|digest| digest == snapshot.digest);
        assert!(kept.open(snapshot.digest).is_some());
        kept.sweep(|_| false);
        assert!(kept.open(snapshot.digest).is_none());
        assert_eq!(std::fs::read_dir(&kept.folder).unwrap().count(), 0);
    }
}
