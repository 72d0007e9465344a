//! When a file in a folder was written last: what is done where the system does not tell of changes.

use std::path::Path;
use std::time::UNIX_EPOCH;

/// How deep is looked; what travels lies less deep.
const DEPTH_MAX: usize = 64;

/// Returns when a file below `folder` was written last, in microseconds since the epoch; `None` if
/// there is none. Hidden files and links are left out, and so is what cannot be read.
pub(super) fn newest_micros(folder: &Path) -> Option<i64> {
    newest(folder, DEPTH_MAX)
}

fn newest(folder: &Path, depth: usize) -> Option<i64> {
    let entries = std::fs::read_dir(folder).ok()?.flatten();
    let shown = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    shown
        .filter_map(|entry| {
            let kind = entry.file_type().ok()?;
            if kind.is_dir() {
                return newest(&entry.path(), depth.checked_sub(1)?);
            }
            let written = entry.metadata().ok().filter(|_| kind.is_file())?.modified().ok()?;
            let since = written.duration_since(UNIX_EPOCH).ok()?;
            i64::try_from(since.as_micros()).ok()
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_all_files_counts() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(newest_micros(folder.path()), None);
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        for (name, seconds) in [("a", 100), ("deep/b", 300), (".hidden", 900)] {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + std::time::Duration::from_secs(seconds)).unwrap();
        }
        assert_eq!(newest_micros(folder.path()), Some(300_000_000));
    }
}
