//! Decides what an owner announces of the changes on its own disk.
//!
//! Pure. The owner's disk is the truth: whatever stands there is announced. The exceptions are
//! what could not be read, and a datasite that is suddenly empty: that is a disk that is not
//! mounted far more often than it is a wish.

use crate::model::{DatasitePath, Digest, Snapshot};

/// A change that the owner made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalChange {
    /// Which file.
    pub path: DatasitePath,
    /// What was announced before; `None`: that there is none.
    pub base: Option<Digest>,
    /// What it holds now; `None`: it is gone.
    pub new: Option<Digest>,
}

/// All files are gone at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuddenlyEmpty {
    /// How many there were.
    pub files: usize,
}

/// A datasite with fewer files than this may be emptied without being asked.
const FILES_WORTH_ASKING: usize = 3;

/// Compares what stands on disk with what was announced.
///
/// # Errors
/// [`SuddenlyEmpty`] if nothing is left of what was announced, unless `force` says that this is
/// meant.
pub fn local_changes(
    agreed: &Snapshot,
    local: &Snapshot,
    is_unknown: impl Fn(&DatasitePath) -> bool,
    force: bool,
) -> Result<Vec<LocalChange>, SuddenlyEmpty> {
    let gone: Vec<&DatasitePath> =
        agreed.keys().filter(|path| !local.contains_key(*path) && !is_unknown(path)).collect();
    if gone.len() == agreed.len() && gone.len() >= FILES_WORTH_ASKING && !force {
        return Err(SuddenlyEmpty { files: gone.len() });
    }
    let held = local.iter().filter(|(path, digest)| agreed.get(*path) != Some(*digest));
    let changes = held.map(|(path, digest)| LocalChange {
        path: path.clone(),
        base: agreed.get(path).copied(),
        new: Some(*digest),
    });
    let deletions = gone.into_iter().map(|path| LocalChange {
        path: path.clone(),
        base: agreed.get(path).copied(),
        new: None,
    });
    // Deletions first: a file may have become a folder, and the reverse.
    Ok(deletions.chain(changes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(list: &[(&str, &str)]) -> Snapshot {
        list.iter()
            .map(|(p, c)| (DatasitePath::parse(p).unwrap(), Digest::of(c.as_bytes())))
            .collect()
    }

    #[test]
    fn what_stands_on_disk_is_announced() {
        let agreed = files(&[("same", "1"), ("edited", "1"), ("gone", "1"), ("locked", "1")]);
        let local = files(&[("same", "1"), ("edited", "2"), ("new", "1")]);
        let unknown = |path: &DatasitePath| path.as_str() == "locked";
        let changes = local_changes(&agreed, &local, unknown, false).unwrap();
        let told: Vec<_> =
            changes.iter().map(|c| (c.path.as_str(), c.base.is_some(), c.new.is_some())).collect();
        assert_eq!(told, [("gone", true, false), ("edited", true, true), ("new", false, true)]);
    }

    #[test]
    fn a_datasite_that_is_suddenly_empty_stops_the_sync() {
        let agreed = files(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let nothing = Snapshot::new();
        let known = |_: &DatasitePath| false;
        let stopped = local_changes(&agreed, &nothing, known, false);
        assert_eq!(stopped, Err(SuddenlyEmpty { files: 3 }));
        assert_eq!(local_changes(&agreed, &nothing, known, true).unwrap().len(), 3);
        assert_eq!(local_changes(&agreed, &nothing, |_| true, false), Ok(vec![]));
        let small = files(&[("a", "1")]);
        assert_eq!(local_changes(&small, &nothing, known, false).unwrap().len(), 1);
    }
}
