//! Looks for private values in every byte below a folder, packed ones too.

use std::io::{self, Read as _};
use std::path::Path;

/// The most that is unpacked of one file; the story's files are far smaller.
const UNPACKED_MAX: u64 = 64 << 20;

/// How many files were searched, and in how many of them a value was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) files: usize,
    pub(super) hits: usize,
}

/// Searches all files below `folder`, hidden ones and databases included.
pub(super) fn search(folder: &Path, values: &[&str]) -> io::Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let content = std::fs::read(entry.path())?;
                found.files += 1;
                found.hits += usize::from(holds(&content, values));
            }
        }
    }
    Ok(found)
}

fn holds(content: &[u8], values: &[&str]) -> bool {
    let is_in = |content: &[u8]| {
        values.iter().any(|value| content.windows(value.len()).any(|part| part == value.as_bytes()))
    };
    if is_in(content) {
        return true;
    }
    let mut unpacked = Vec::new();
    let mut reader = flate2::read::MultiGzDecoder::new(content).take(UNPACKED_MAX);
    content.starts_with(&[0x1f, 0x8b])
        && reader.read_to_end(&mut unpacked).is_ok()
        && is_in(&unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_value_is_found_however_deep_and_packed() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/.b");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(deep.join("clean"), "nothing here").unwrap();
        assert_eq!(search(folder.path(), &["secret"]).unwrap(), Found { files: 1, hits: 0 });
        let file = std::fs::File::create(deep.join("packed.gz")).unwrap();
        let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::default());
        packed.write_all(b"a secret in a message").unwrap();
        packed.finish().unwrap();
        std::fs::write(folder.path().join("plain"), b"\0secret\0").unwrap();
        assert_eq!(search(folder.path(), &["secret"]).unwrap(), Found { files: 3, hits: 2 });
    }
}
