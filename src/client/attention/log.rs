//! A log file that never grows beyond a bound: what does not fit goes into the one before it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// How large a log may be before a new one is begun.
const BYTES_MAX: u64 = 256 * 1024;

/// The longest text that is kept of one sync.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Adds text, ended by a line feed, to the log at `path`.
pub(super) fn append(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.len() >= BYTES_MAX) {
        std::fs::rename(path, previous(path))?;
    }
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let kept = text.get(..end).unwrap_or_default();
    // One write, so that lines of two processes do not mix.
    open(path)?.write_all(format!("{}\n", kept.trim_end()).as_bytes())
}

/// Returns where the log lies that was there before.
pub(super) fn previous(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_added_to_and_never_grows_beyond_its_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("account").join("sync.log");
        append(&path, "first").unwrap();
        append(&path, "second\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
        let long = "ü".repeat(TEXT_BYTES_MAX);
        for _ in 0..100 {
            append(&path, &long).unwrap();
        }
        let size = |path: &Path| std::fs::metadata(path).unwrap().len();
        let bound = BYTES_MAX + TEXT_BYTES_MAX as u64;
        assert!(size(&path) <= bound && size(&previous(&path)) <= bound);
        assert_eq!(std::fs::read_dir(folder.path().join("account")).unwrap().count(), 2);
    }
}
