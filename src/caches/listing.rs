//! Looks whether all files that were agreed are listed in their folders, and reads none of them.
//!
//! It costs a small part of a [`super::scan`], and answers the question that comes before anything
//! else: is anything gone? Where the answer is not a plain no, a scan has to tell.

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
    /// Files of ours that a crash left half written. To be removed by whoever holds the lock.
    pub leftovers: Vec<DatasitePath>,
}

/// Lists the folders of a datasite. What cannot be looked at is not listed.
pub fn list(tree: &DatasiteTree, agreed: &Snapshot) -> Listing {
    let mut walk =
        Walk { agreed: agreed.iter().peekable(), at: At::default(), listing: Listing::default() };
    if let Ok(root) = tree.dir().try_clone() {
        walk.folder(&root);
    }
    walk.listing
}

struct Walk<'a> {
    /// What was agreed and is not come to yet.
    agreed: Peekable<snapshot::Iter<'a>>,
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
        assert_eq!(list(&tree, &agreed), Listing { listed: 3, leftovers: Vec::new() });
        let leftover = format!("d/{}", temporary_name());
        std::fs::write(folder.path().join(&leftover), b"half").unwrap();
        assert_eq!(list(&tree, &agreed).leftovers, [path(&leftover)]);
        #[cfg(unix)]
        {
            std::fs::remove_file(folder.path().join("a")).unwrap();
            std::os::unix::fs::symlink("new", folder.path().join("a")).unwrap();
            std::os::unix::fs::symlink("d", folder.path().join("was")).unwrap();
            assert_eq!(list(&tree, &agreed).listed, 2, "links are not followed");
        }
    }
}
