//! Files as they lie on a machine, and what people do to them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use syft::model::{DatasitePath, KEPT_ASIDE_MARK, is_syncable};

pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// The tree of one datasite on one machine.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub(crate) const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn read(&self, path: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(path)).ok()
    }

    /// Writes a file, unless something is in its way.
    pub(crate) fn write(&self, path: &str, content: &[u8]) -> bool {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).is_ok() && fs::write(path, content).is_ok()
    }

    /// Has a file last been written at a time, in microseconds since the epoch.
    pub(crate) fn set_time(&self, path: &str, micros: i64) {
        let file = fs::File::options().write(true).open(self.root.join(path)).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_micros(micros.unsigned_abs())).unwrap();
    }

    pub(crate) fn delete(&self, path: &str) -> bool {
        fs::remove_file(self.root.join(path)).is_ok()
    }

    /// Renames a file over whatever is there.
    pub(crate) fn rename(&self, from: &str, to: &str) -> bool {
        let to = self.root.join(to);
        fs::create_dir_all(to.parent().unwrap()).is_ok()
            && fs::rename(self.root.join(from), to).is_ok()
    }

    /// All that travels.
    pub(crate) fn files(&self) -> Files {
        let mut files = self.everything();
        files.retain(|path, _| DatasitePath::parse(path).is_ok_and(|path| is_syncable(&path)));
        files
    }

    /// What was kept aside.
    pub(crate) fn kept(&self) -> Files {
        let mut files = self.everything();
        files.retain(|path, _| path.contains(KEPT_ASIDE_MARK));
        files
    }

    /// Every file, whether it travels or not.
    pub(crate) fn everything(&self) -> Files {
        let mut files = Files::new();
        walk(&self.root, "", &mut files);
        files
    }
}

fn walk(folder: &Path, prefix: &str, files: &mut Files) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read(entry.path()).unwrap());
        }
    }
}
