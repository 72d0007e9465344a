//! Looks whether files that were agreed are listed in their folders, and reads none of them.
//!
//! It costs a small part of a [`super::scan`], and answers the question that comes before anything
//! else: are enough of them there? Where the answer is not a plain yes, a scan has to tell.

use std::iter::Peekable;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::scan::travels_otherwise;
use super::tree::{DatasiteTree, is_temporary_name};
use super::walk::{At, EntryKind, Listed};
use crate::model::{DatasitePath, Snapshot, is_ignored_name, snapshot};

/// What the folders of a datasite list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// How many of the files that were agreed are there, as files and under their own names.
    pub listed: usize,
    /// Files of ours that a crash left half written, where it looked. To be removed by whoever holds
    /// the lock.
    pub leftovers: Vec<DatasitePath>,
}

/// Lists the folders of a datasite until `enough` files were come across that were agreed. What cannot
/// be looked at is not listed.
pub fn list(tree: &DatasiteTree, agreed: &Snapshot, enough: usize) -> Listing {
    let (at, listing) = (At::default(), Listing::default());
    let mut walk = Walk { agreed: agreed.iter().peekable(), enough, at, listing };
    if enough > 0
        && let Ok(root) = tree.dir().try_clone()
    {
        walk.folder(&root);
    }
    walk.listing
}

struct Walk<'a> {
    /// What was agreed and is not come to yet.
    agreed: Peekable<snapshot::Iter<'a>>,
    enough: usize,
    at: At,
    listing: Listing,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Dir) {
        let (listed, _) = Listed::of(folder);
        for (name, kind) in listed.entries() {
            let Ok(name) = str::from_utf8(name) else { continue };
            let length = self.at.enter(name);
            if is_ignored_name(name) {
                if kind == EntryKind::File && is_temporary_name(name) {
                    self.listing.leftovers.extend(DatasitePath::parse(self.at.as_str()));
                }
            } else if kind == EntryKind::File {
                self.listing.listed += usize::from(self.is_agreed());
            } else if kind == EntryKind::Folder
                && self.listing.listed < self.enough
                && !travels_otherwise(self.at.as_str())
                && let Ok(next) = folder.open_dir_nofollow(name)
            {
                self.folder(&next);
            }
            self.at.leave(length);
        }
    }

    /// True if a file was agreed here. Both stand in the order of paths.
    fn is_agreed(&mut self) -> bool {
        let at = self.at.as_str();
        while self.agreed.next_if(|(path, _)| path.as_str() < at).is_some() {}
        self.agreed.next_if(|(path, _)| path.as_str() == at).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::temporary_name;
    use super::*;
    use crate::model::Digest;

    #[test]
    fn only_files_that_are_there_under_their_own_name_are_listed() {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(folder.path()).unwrap();
        let path = |text: &str| DatasitePath::parse(text).unwrap();
        for file in ["a", "d/b", "d/e/c", "new", "was-a-file/x"] {
            tree.write(&path(file), b"x").unwrap();
        }
        let names = ["a", "d/b", "d/e/c", "gone", "was-a-file"];
        let agreed: Snapshot = names.map(|name| (path(name), Digest::of(b"x"))).into();
        let list = |enough| list(&tree, &agreed, enough);
        assert_eq!(list(5), Listing { listed: 3, leftovers: Vec::new() });
        let leftover = format!("d/{}", temporary_name());
        std::fs::write(folder.path().join(&leftover), b"half").unwrap();
        assert_eq!(list(5).leftovers, [path(&leftover)]);
        // `d/e` is not opened once `a` and `d/b` are there, and no folder for nothing.
        assert_eq!(list(2), Listing { listed: 2, leftovers: vec![path(&leftover)] });
        assert_eq!(list(1), Listing { listed: 1, leftovers: Vec::new() });
        assert_eq!(list(0), Listing::default());
        #[cfg(unix)]
        {
            std::fs::remove_file(folder.path().join("a")).unwrap();
            std::os::unix::fs::symlink("new", folder.path().join("a")).unwrap();
            std::os::unix::fs::symlink("d", folder.path().join("was")).unwrap();
            assert_eq!(list(5).listed, 2, "links are not followed");
        }
    }
}
