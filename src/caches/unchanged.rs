//! Looks whether a datasite's tree is as it was when it was last read, to the last file.
//!
//! That is the question of a sync with nothing to do, and it is answered from what the file system says
//! and what was read before, without what was agreed: no path is held, and nothing is decided. At the
//! first thing that is not as it was the answer is no, and a [`super::scan()`] tells what it is.

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;

use super::scan::travels_otherwise;
use super::stats::{self, Cursor, Stat};
use super::tree::{DatasiteTree, is_temporary_name};
use super::walk::{At, EntryKind, Listed};
use super::{Result, Store};
use crate::model::{DatasitePath, Email, is_ignored_name};

/// How far into a tree, in the order of paths, each file stands as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Same {
    /// It was not looked.
    Unknown,
    /// Up to this path, which is of something else.
    Before(String),
    /// To the last file that is there.
    Everywhere,
}

impl Same {
    /// True if the file at `path` stands as it was read.
    pub(super) fn covers(&self, path: &str) -> bool {
        match self {
            Self::Unknown => false,
            Self::Before(other) => path < other.as_str(),
            Self::Everywhere => true,
        }
    }
}

/// Looks at each file that travels until one is not as it was read, or anything else stands there that a
/// scan would tell of. Returns how far it came, and how many files it came across. `now_ns` as for
/// [`super::scan()`].
///
/// A file that is gone is not come across: whoever asks knows how many there were.
///
/// # Errors
/// If the database fails.
pub fn unchanged(
    store: &Store,
    tree: &DatasiteTree,
    datasite: &Email,
    now_ns: i64,
) -> Result<(Same, usize)> {
    let Ok(root) = tree.dir().try_clone() else { return Ok((Same::Unknown, 0)) };
    store.read(|db| {
        let mut statement = stats::statement(db)?;
        let known = Cursor::new(&mut statement, datasite)?;
        let mut walk = Walk { known, at: At::default(), now_ns, files: 0 };
        let is_same = walk.folder(&root)?;
        let Walk { at, files, .. } = walk;
        Ok((if is_same { Same::Everywhere } else { Same::Before(at.as_str().to_owned()) }, files))
    })
}

/// A walk of the tree beside what was read of it, both in the order of paths. Each step says whether
/// all is as it was so far.
struct Walk<'a> {
    known: Cursor<'a>,
    at: At,
    now_ns: i64,
    files: usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Dir) -> Result<bool> {
        let (listed, error) = Listed::of(folder);
        if error.is_some() {
            return Ok(false);
        }
        for (name, kind) in listed.entries() {
            let Ok(name) = str::from_utf8(name) else { return Ok(false) };
            let length = self.at.enter(name);
            if !self.entry(folder, name, kind)? {
                return Ok(false);
            }
            self.at.leave(length);
        }
        Ok(true)
    }

    fn entry(&mut self, folder: &Dir, name: &str, kind: EntryKind) -> Result<bool> {
        if is_ignored_name(name) {
            // What a crash left half written is to be removed.
            return Ok(kind != EntryKind::File || !is_temporary_name(name));
        }
        match kind {
            EntryKind::File | EntryKind::Folder if travels_otherwise(self.at.as_str()) => Ok(true),
            EntryKind::File => self.file(folder, name),
            EntryKind::Folder if DatasitePath::parse(self.at.as_str()).is_err() => Ok(false),
            EntryKind::Folder => match folder.open_dir_nofollow(name) {
                Ok(next) => self.folder(&next),
                Err(_) => Ok(false),
            },
            EntryKind::Special | EntryKind::Unknown(_) => Ok(false),
        }
    }

    fn file(&mut self, folder: &Dir, name: &str) -> Result<bool> {
        let Some(known) = self.known.next_if(self.at.as_str())? else { return Ok(false) };
        let holds = Stat::at(folder, name)
            .is_ok_and(|stat| stat.is_some_and(|it| known.holds(it, self.now_ns)));
        self.files += usize::from(holds);
        Ok(holds)
    }
}

#[cfg(test)]
mod tests;
