//! Looks at some paths of a datasite as a scan looks at all: that costs what these paths are, not what
//! the datasite holds.
//!
//! It says of each path, and of each folder that it lies in, what a scan says; of all others nothing.
//! What only a look around can tell is left to a scan: what lies in a folder that stands where a
//! file is asked for, and whether this file system takes a name for that of another file.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::iter::once;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;
use rusqlite::Connection as Database;

use super::reading::Unread;
use super::scan::{Kind, SPECIAL, Scan, Seen};
use super::stats::{self, Stat};
use super::tree::DatasiteTree;
use super::walk::Listed;
use super::{Result, Store, agreed};
use crate::model::{DatasitePath, Email, is_syncable};
use crate::wire::limits::FILE_BYTES_MAX;

/// Looks at `paths` of `datasite`, as far as they travel; `None` if only a scan can tell. `now_ns` is the
/// time in nanoseconds since the epoch.
///
/// # Errors
/// If the database fails. Files that cannot be read are part of the answer.
pub fn glance(
    store: &Store,
    tree: &DatasiteTree,
    datasite: &Email,
    paths: &BTreeSet<DatasitePath>,
    now_ns: i64,
) -> Result<Option<Scan>> {
    let asked = Asked::of(paths);
    let agreed = store.read(|db| agreed::of(db, datasite, asked.all()))?;
    let mut seen = Seen::new(store, &agreed, now_ns);
    let unread = store.read(|db| {
        let Ok(root) = tree.dir().try_clone() else { return Ok(None) };
        let root = Place { dir: root, above: None, listed: OnceCell::new() };
        let mut look = Look { db, datasite, asked: &asked, seen: &mut seen, unread: Vec::new() };
        Ok(look.folder(&root, None)?.map(|()| look.unread))
    })?;
    let Some(unread) = unread else { return Ok(None) };
    seen.read(tree, &unread, &|_| {});
    seen.look_for_missing(tree);
    seen.finish(datasite, &[]).map(Some)
}

/// What is looked at: what is asked for, and the folders that it lies in.
struct Asked<'p> {
    paths: &'p BTreeSet<DatasitePath>,
    /// By folder; `None` is the root.
    below: BTreeMap<Option<DatasitePath>, BTreeSet<DatasitePath>>,
}

impl<'p> Asked<'p> {
    fn of(paths: &'p BTreeSet<DatasitePath>) -> Self {
        let mut below: BTreeMap<_, BTreeSet<DatasitePath>> = BTreeMap::new();
        for path in paths.iter().filter(|path| is_syncable(path)) {
            for path in once(path.clone()).chain(path.folders()) {
                let is_new = below.entry(path.parent()).or_default().insert(path);
                if !is_new {
                    break;
                }
            }
        }
        Self { paths, below }
    }

    fn all(&self) -> impl Iterator<Item = &DatasitePath> {
        self.below.values().flatten()
    }
}

/// A folder that is looked into.
struct Place<'a> {
    dir: Dir,
    /// The one that it lies in, and its name there.
    above: Option<(&'a Self, &'a str)>,
    /// All names in it, once somebody asks; `None` if they cannot be listed.
    listed: OnceCell<Option<HashSet<Vec<u8>>>>,
}

impl Place<'_> {
    /// True if `name` is listed here, and the folder where it lies, exactly as they are spelled: some file
    /// systems open a file under several spellings.
    fn lists(&self, name: &str) -> bool {
        let listed = self.listed.get_or_init(|| {
            let (listed, error) = Listed::of(&self.dir);
            error.is_none().then(|| listed.entries().map(|(name, _)| name.to_owned()).collect())
        });
        listed.as_ref().is_some_and(|listed| listed.contains(name.as_bytes()))
            && self.above.is_none_or(|(above, name)| above.lists(name))
    }
}

/// A look at what is asked for. Where it has no answer, only a scan has.
struct Look<'a, 's> {
    db: &'a Database,
    datasite: &'a Email,
    asked: &'a Asked<'a>,
    seen: &'a mut Seen<'s>,
    unread: Vec<Unread>,
}

impl Look<'_, '_> {
    fn folder(&mut self, place: &Place<'_>, folder: Option<DatasitePath>) -> Result<Option<()>> {
        for path in self.asked.below.get(&folder).into_iter().flatten() {
            if self.entry(place, path)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    fn entry(&mut self, place: &Place<'_>, path: &DatasitePath) -> Result<Option<()>> {
        let mut refused = None;
        if self.asked.below.contains_key(&Some(path.clone())) {
            let above = Some((place, path.file_name()));
            match place.dir.open_dir_nofollow(path.file_name()) {
                Ok(_) if self.asked.paths.contains(path) => return Ok(None),
                Ok(dir) => {
                    self.absent(path);
                    let next = Place { dir, above, listed: OnceCell::new() };
                    return self.folder(&next, Some(path.clone()));
                }
                Err(error) => refused = Some(error),
            }
            self.nothing_below(path);
        }
        match Stat::at(&place.dir, path.file_name()) {
            Ok(Some(stat)) => return self.file(place, path, stat),
            Ok(None) => match (place.dir.symlink_metadata(path.file_name()), refused) {
                (Ok(found), None) if found.is_dir() => return Ok(None),
                (Ok(found), Some(error)) if found.is_dir() => self.refused(path, &error),
                (Ok(_), _) => {
                    self.absent(path);
                    self.seen.unreadable(path.as_str(), SPECIAL, Kind::Special);
                }
                (Err(error), _) => self.refused(path, &error),
            },
            Err(error) => self.refused(path, &error),
        }
        Ok(Some(()))
    }

    fn file(&mut self, place: &Place<'_>, path: &DatasitePath, stat: Stat) -> Result<Option<()>> {
        let known = stats::at(self.db, self.datasite, path)?;
        // What was known was listed so.
        if let Some(known) = known.filter(|known| known.holds(stat, self.seen.now_ns)) {
            self.seen.whole(path, self.seen.agreed.get(path), stat, known.digest);
        } else if !place.lists(path.file_name()) {
            return Ok(None);
        } else if u64::try_from(stat.size).is_ok_and(|size| size > FILE_BYTES_MAX) {
            self.seen.failed(path, &io::ErrorKind::FileTooLarge.into());
        } else {
            self.unread.push(Unread { path: path.clone(), size: stat.size });
        }
        Ok(Some(()))
    }

    fn refused(&mut self, path: &DatasitePath, error: &io::Error) {
        self.seen.failed(path, error);
    }

    fn absent(&mut self, path: &DatasitePath) {
        if self.seen.agreed.contains_key(path) {
            self.seen.absent.push(path.clone());
        }
    }

    fn nothing_below(&mut self, folder: &DatasitePath) {
        for path in self.asked.below.get(&Some(folder.clone())).into_iter().flatten() {
            self.absent(path);
            self.nothing_below(path);
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
