//! Looks whether all files that were agreed are listed in their folders, and reads none of them.
//!
//! It costs a small part of a [`super::scan`], and answers the question that comes before anything
//! else: is anything gone? Where the answer is not a plain no, a scan has to tell.

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::scan::travels_otherwise;
use super::tree::{DatasiteTree, is_temporary_name};
use crate::model::{DatasitePath, Snapshot, is_ignored_name};

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
    let mut listing = Listing::default();
    if let Ok(root) = tree.dir().try_clone() {
        folder(&root, "", agreed, &mut listing);
    }
    listing
}

fn folder(at: &Dir, prefix: &str, agreed: &Snapshot, listing: &mut Listing) {
    let Ok(entries) = at.entries() else { return };
    for entry in entries.flatten() {
        let (name, Ok(kind)) = (entry.file_name(), entry.file_type()) else { continue };
        let Some(name) = name.to_str() else { continue };
        let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
        if is_ignored_name(name) {
            if kind.is_file() && is_temporary_name(name) {
                listing.leftovers.extend(DatasitePath::parse(&path));
            }
        } else if kind.is_file() {
            let is_agreed = DatasitePath::parse(&path).is_ok_and(|path| agreed.contains_key(&path));
            listing.listed += usize::from(is_agreed);
        } else if kind.is_dir()
            && !travels_otherwise(&path)
            && let Ok(next) = at.open_dir_nofollow(name)
        {
            folder(&next, &path, agreed, listing);
        }
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
