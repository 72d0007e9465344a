//! The file by which a machine knows its SyftBox again.
//!
//! It lies beside the datasites, in none of them, so that it never travels. An empty mount point
//! has none, and another disk has another. Its name stands for itself; what is in it is an id, and
//! a sentence for whoever finds it.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use super::{Error, Result};

/// The name of the file.
pub const MARKER_FILE: &str = ".syft-marker";

/// More than we ever write into it.
const BYTES_MAX: u64 = 4096;

/// Returns the id in the marker of the SyftBox at `syftbox`; `None` if there is none, or none that
/// can be read.
pub fn read_marker(syftbox: &Path) -> Option<String> {
    let mut text = String::new();
    let file = std::fs::File::open(syftbox.join(MARKER_FILE)).ok()?;
    file.take(BYTES_MAX).read_to_string(&mut text).ok()?;
    text.lines().next().filter(|id| !id.is_empty()).map(str::to_owned)
}

/// Writes a marker with this id. The folder must be there.
///
/// # Errors
/// If the disk refuses.
pub fn write_marker(syftbox: &Path, id: &str) -> Result<()> {
    let path = syftbox.join(MARKER_FILE);
    let text = format!(
        "{id}\nBy this file `syft` knows this folder again. Where it is missing and files are, \
         nothing is synced, so that a disk that is not mounted is not taken for deletions.\n"
    );
    let written: io::Result<()> = (|| {
        let mut file = tempfile::NamedTempFile::new_in(syftbox)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        Ok(())
    })();
    written.map_err(Error::at(&path, "written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_read_as_it_was_written_and_garbage_is_none() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read_marker(folder.path()), None);
        write_marker(folder.path(), "one").unwrap();
        assert_eq!(read_marker(folder.path()).as_deref(), Some("one"));
        write_marker(folder.path(), "two").unwrap();
        assert_eq!(read_marker(folder.path()).as_deref(), Some("two"));
        for garbage in [b"".as_slice(), b"\n", b"\xff\xfe"] {
            std::fs::write(folder.path().join(MARKER_FILE), garbage).unwrap();
            assert_eq!(read_marker(folder.path()), None, "{garbage:?}");
        }
        assert!(write_marker(&folder.path().join("nowhere"), "one").is_err());
        assert!(!folder.path().join("nowhere").exists());
    }
}
