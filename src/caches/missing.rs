//! Looks again for a file that was agreed and that no folder lists.
//!
//! Only what the file system says is not there is gone. A folder that changes while it is listed
//! may leave a name out, and some file systems give a file under another spelling than the one it
//! was asked for: macOS may take an accent apart, and neither it nor Windows tells `A` from `a`.
//! The file system itself is asked: if it opens a name that it does not list, it takes that name
//! for the one that it lists.

use std::collections::HashMap;
use std::io;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::scan::travels_otherwise;
use super::stats::Stat;
use super::tree::{DatasiteTree, Stands};
use super::walk::{At, EntryKind, Listed};
use crate::model::{DatasitePath, Snapshot, is_ignored_name};

/// What became of a file that no folder lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// There is none, or a folder took its place.
    Gone,
    /// A link or a device took its place.
    Special,
    /// It is there, and was not when its folder was read.
    JustCame,
    /// It is there under another spelling, which this file system chose.
    Respelled {
        /// The spelling.
        found: DatasitePath,
    },
    /// This file system takes its name for that of another file, which was agreed as well.
    Clash {
        /// The other.
        found: DatasitePath,
    },
}

/// Which file stands under which inode. Looked at once somebody asks, which is seldom.
pub(super) struct Places<'a> {
    tree: &'a DatasiteTree,
    found: Option<HashMap<i64, DatasitePath>>,
}

impl<'a> Places<'a> {
    /// Prepares to look at a tree.
    pub(super) const fn of(tree: &'a DatasiteTree) -> Self {
        Self { tree, found: None }
    }

    fn find(&mut self, inode: i64) -> Option<&DatasitePath> {
        let found = self.found.get_or_insert_with(|| {
            let mut found = HashMap::new();
            if let Ok(root) = self.tree.dir().try_clone() {
                collect(&root, &mut At::default(), &mut found);
            }
            found
        });
        found.get(&inode)
    }
}

fn collect(folder: &Dir, at: &mut At, found: &mut HashMap<i64, DatasitePath>) {
    for (name, kind) in Listed::of(folder).0.entries() {
        let Ok(name) = str::from_utf8(name) else { continue };
        let length = at.enter(name);
        if !is_ignored_name(name) && !travels_otherwise(at.as_str()) {
            if kind == EntryKind::Folder
                && let Ok(next) = folder.open_dir_nofollow(name)
            {
                collect(&next, at, found);
            } else if kind == EntryKind::File
                && let Ok(path) = DatasitePath::parse(at.as_str())
                && let Ok(Some(stat)) = Stat::at(folder, name)
            {
                found.insert(stat.inode, path);
            }
        }
        at.leave(length);
    }
}

/// Looks for `path`, which was agreed and not come across.
pub(super) fn look_again(
    tree: &DatasiteTree,
    path: &DatasitePath,
    places: &mut Places<'_>,
    agreed: &Snapshot,
) -> io::Result<Missing> {
    let inode = match tree.stands(path)? {
        None | Some(Stands::Folder) => return Ok(Missing::Gone),
        Some(Stands::Special) => return Ok(Missing::Special),
        Some(Stands::File(metadata)) => Stat::of(&metadata).inode,
    };
    if tree.try_is_listed(path)? {
        return Ok(Missing::JustCame);
    }
    let Some(found) = places.find(inode) else { return Ok(Missing::JustCame) };
    Ok(decide(path, found, agreed.contains_key(found)))
}

/// Decides what it means that the file system opens `found` for `asked`.
fn decide(asked: &DatasitePath, found: &DatasitePath, found_is_agreed: bool) -> Missing {
    if found_is_agreed {
        Missing::Clash { found: found.clone() }
    } else if asked.as_str().to_lowercase() == found.as_str().to_lowercase() {
        // Whoever renames `a` to `A` means it: then `a` is gone, and `A` is new.
        Missing::Gone
    } else {
        Missing::Respelled { found: found.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> DatasitePath {
        DatasitePath::parse(text).unwrap()
    }

    #[test]
    fn a_spelling_of_the_file_system_is_no_rename_and_a_rename_of_the_case_is_one() {
        let (composed, apart) = ("d/\u{e9}.txt", "d/e\u{301}.txt");
        #[rustfmt::skip]
        let cases = [
            // what                                        agreed      listed     listed is agreed  verdict
            ("an accent taken apart",                      composed,   apart,     false,            Missing::Respelled { found: path(apart) }),
            ("an accent put together",                     apart,      composed,  false,            Missing::Respelled { found: path(composed) }),
            ("renamed in its case",                        "d/a.txt",  "d/A.txt", false,            Missing::Gone),
            ("a folder renamed in its case",               "d/a.txt",  "D/a.txt", false,            Missing::Gone),
            ("the owner has both, this machine cannot",    "d/a.txt",  "d/A.txt", true,             Missing::Clash { found: path("d/A.txt") }),
            ("the owner has both spellings of an accent",  composed,   apart,     true,             Missing::Clash { found: path(apart) }),
        ];
        for (what, agreed, listed, is_agreed, verdict) in cases {
            assert_eq!(decide(&path(agreed), &path(listed), is_agreed), verdict, "{what}");
        }
    }

    #[test]
    fn only_what_is_not_there_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(folder.path()).unwrap();
        tree.write(&path("came"), b"1").unwrap();
        tree.write(&path("folder/x"), b"1").unwrap();
        let look = |text: &str| {
            look_again(&tree, &path(text), &mut Places::of(&tree), &Snapshot::new()).unwrap()
        };
        assert_eq!(look("never"), Missing::Gone);
        assert_eq!(look("no/such/folder"), Missing::Gone);
        assert_eq!(look("folder"), Missing::Gone);
        assert_eq!(look("came/x"), Missing::Gone);
        assert_eq!(look("came"), Missing::JustCame);
    }

    #[cfg(unix)]
    #[test]
    fn what_a_link_leads_to_is_not_gone() {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(&folder.path().join("box")).unwrap();
        std::fs::create_dir(folder.path().join("big disk")).unwrap();
        std::os::unix::fs::symlink("../big disk", tree.root().join("moved")).unwrap();
        std::os::unix::fs::symlink("nowhere", tree.root().join("link")).unwrap();
        let look = |text: &str| {
            look_again(&tree, &path(text), &mut Places::of(&tree), &Snapshot::new()).unwrap()
        };
        assert_eq!(look("link"), Missing::Special);
        assert_eq!(look("moved/x/y"), Missing::Special);
    }
}
