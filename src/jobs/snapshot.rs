//! The bytes of a submission: their digest, and a private copy of them.
//!
//! What is approved and what runs is compared by one digest over all files. The copy is made and
//! hashed in one reading, so what runs is what was hashed, even if the synced tree changes in the
//! meantime. A link, or anything else that is no regular file, makes the submission unusable.

use std::io::{self, Read, Write};
use std::path::Path;

use cap_std::fs::Dir;
use sha2::Digest as _;

use super::form::{EntryKind, PERMISSION_FILE};
use super::tree::{open_file, walk};
use crate::model::{DatasitePath, Digest};

/// The files of a submission at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Path below the job's directory, digest and size in bytes of each file, sorted by path.
    pub files: Vec<(DatasitePath, Digest, u64)>,
    /// The digest over all of them.
    pub digest: Digest,
}

impl Snapshot {
    /// The snapshot of `files`, in any order.
    pub(crate) fn of(mut files: Vec<(DatasitePath, Digest, u64)>) -> Self {
        files.sort();
        let digest = digest_of(files.iter().map(|(path, digest, _)| (path, *digest)));
        Self { files, digest }
    }

    /// Returns how many bytes all files have together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(.., bytes)| bytes).sum()
    }
}

const FILES_MAX: usize = 10_000;
const BYTES_MAX: u64 = 1 << 30;

/// Folders that owners' tools leave behind in a submission (the Python runner its `.venv`). They
/// are neither part of the digest nor of the copy, so nothing in them ever runs.
const LEFT_BEHIND: [&str; 2] = [".venv", "__pycache__"];

/// True if a path leads into one of those folders.
pub(crate) fn is_left_behind(path: &str) -> bool {
    path.rsplit_once('/')
        .is_some_and(|(folders, _)| folders.split('/').any(|folder| LEFT_BEHIND.contains(&folder)))
}

/// Returns the digest of a submission: the SHA-256 of one line `{digest}  {path}` for each file,
/// sorted by path, after a line that names the format. `sha256sum` makes the same lines.
pub fn digest_of<'a>(files: impl IntoIterator<Item = (&'a DatasitePath, Digest)>) -> Digest {
    let mut lines: Vec<_> = files.into_iter().collect();
    lines.sort();
    let mut text = "syft job submission 1\n".to_owned();
    for (path, digest) in lines {
        // A path has no control characters, so lines cannot be forged.
        text += &format!("{digest}  {path}\n");
    }
    Digest::of(text.as_bytes())
}

/// Reads a submission without copying it.
///
/// # Errors
/// A link, an odd name, too many files or bytes; or it cannot be read.
pub(crate) fn look(job: &Dir) -> io::Result<Snapshot> {
    take(job, |_| Ok(io::sink()))
}

/// Copies a submission to `target`, which must be empty or absent.
///
/// # Errors
/// As [`look`]; also if the copy cannot be written.
pub(crate) fn copy(job: &Dir, target: &Path) -> io::Result<Snapshot> {
    take(job, |path| {
        let path = path.below(target);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::File::create_new(path)
    })
}

/// Returns path and size of each file of a submission, without reading any.
///
/// # Errors
/// As [`look`], but for the bounds of bytes.
pub(crate) fn outline(job: &Dir) -> io::Result<Vec<(DatasitePath, u64)>> {
    let (entries, complete) = walk(job, FILES_MAX, &|name| LEFT_BEHIND.contains(&name))?;
    if !complete {
        return Err(io::Error::other(format!("it has more than {FILES_MAX} entries")));
    }
    let mut files = Vec::new();
    for entry in entries {
        if entry.kind != EntryKind::File {
            return Err(io::Error::other(format!("`{}` is no regular file", entry.shown)));
        }
        let Some(path) = entry.path else {
            return Err(io::Error::other(format!("`{}` is no usable path", entry.shown)));
        };
        // The owner's permission file is not the submitter's content.
        if path.as_str() != PERMISSION_FILE {
            files.push((path, entry.bytes));
        }
    }
    Ok(files)
}

fn take<W: Write>(
    job: &Dir,
    mut create: impl FnMut(&DatasitePath) -> io::Result<W>,
) -> io::Result<Snapshot> {
    let mut files = Vec::new();
    let mut left = BYTES_MAX;
    for (path, _) in outline(job)? {
        let source = open_file(job, path.as_str())?;
        let (digest, bytes) = pour(source, create(&path)?, left)?;
        left -= bytes;
        files.push((path, digest, bytes));
    }
    Ok(Snapshot::of(files))
}

/// Copies at most `bytes_max` bytes and returns their digest and number; more is an error.
pub(crate) fn pour(
    source: impl Read,
    mut target: impl Write,
    bytes_max: u64,
) -> io::Result<(Digest, u64)> {
    let mut source = source.take(bytes_max.saturating_add(1));
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut total = 0_u64;
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        total += read as u64;
        if total > bytes_max {
            return Err(io::Error::other("it is too large"));
        }
        hasher.update(&buffer[..read]);
        target.write_all(&buffer[..read])?;
    }
    target.flush()?;
    Ok((Digest::from_bytes(hasher.finalize().into()), total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::tree::open_root;

    fn path(text: &str) -> DatasitePath {
        DatasitePath::parse(text).unwrap()
    }

    #[test]
    fn the_digest_depends_on_each_path_and_content_but_on_no_order() {
        let [a, b] = [path("a"), path("b")];
        let [x, y] = [Digest::of(b"x"), Digest::of(b"y")];
        let digest = digest_of([(&a, x), (&b, y)]);
        assert_eq!(digest, digest_of([(&b, y), (&a, x)]));
        for other in [vec![(&a, y), (&b, x)], vec![(&a, x)], vec![], vec![(&a, x), (&b, x)]] {
            assert_ne!(digest, digest_of(other));
        }
    }

    #[test]
    fn a_copy_has_the_digest_of_what_was_looked_at() {
        let home = tempfile::tempdir().unwrap();
        let job = home.path().join("job");
        for (name, content) in [
            ("code/main.py", "print(1)"),
            ("run.sh", "#!"),
            ("syft.pub.yaml", "rules: []"),
            ("code/.venv/lib/x.py", "evil"),
        ] {
            std::fs::create_dir_all(job.join(name).parent().unwrap()).unwrap();
            std::fs::write(job.join(name), content).unwrap();
        }
        let dir = open_root(&job).unwrap().unwrap();
        let seen = look(&dir).unwrap();
        let target = home.path().join("copy");
        assert_eq!(copy(&dir, &target).unwrap(), seen);
        let paths: Vec<_> = seen.files.iter().map(|(path, ..)| path.as_str()).collect();
        assert_eq!(paths, ["code/main.py", "run.sh"]);
        assert!(!target.join("code/.venv").exists());
        assert_eq!(look(&open_root(&target).unwrap().unwrap()).unwrap(), seen);

        std::fs::write(job.join("run.sh"), "#!x").unwrap();
        assert_ne!(look(&dir).unwrap().digest, seen.digest);
    }

    #[test]
    fn w8_a_link_makes_a_submission_unusable() {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc/passwd", home.path().join("run.sh")).unwrap();
        let dir = open_root(home.path()).unwrap().unwrap();
        assert_eq!(look(&dir).unwrap_err().to_string(), "`run.sh` is no regular file");
    }
}
