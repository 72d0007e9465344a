//! Looks at every file of a datasite, and reads only those that changed.
//!
//! What cannot be read is reported apart and never taken for deleted; neither is what stands behind
//! a link. A file that was agreed and that no folder lists is looked for once more by its name
//! ([`super::missing`]), since a folder that changes while it is read may leave names out. Decides
//! nothing and changes no file.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, OpenOptions};
use sha2::{Digest as _, Sha256};

use super::missing::{self, Missing};
use super::stats::{self, Known, Stat};
use super::tree::{DatasiteTree, is_temporary_name, set_nonblocking};
use super::{Result, Store};
use crate::model::{
    DatasitePath, Digest, Email, Snapshot, is_ignored_name, is_rule_file, is_syncable,
};
use crate::wire::limits::FILE_BYTES_MAX;

/// What stands on disk.
#[derive(Debug, Default)]
pub struct Scan {
    /// The files that travel, by content.
    pub files: Snapshot,
    /// Files that somebody may be in the middle of writing, by what they hold now. They stand there,
    /// but do not travel before they are at rest.
    pub restless: Snapshot,
    /// What could not be looked at. Nothing at or below such a path may be taken for deleted.
    pub unreadable: Vec<Unreadable>,
    /// Files of ours that a crash left half written. To be removed by whoever holds the lock.
    pub leftovers: Vec<DatasitePath>,
}

/// A file or folder that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path in the datasite, as text: it may be no valid path at all.
    pub path: String,
    /// Why, for a person.
    pub reason: String,
    /// What kind of thing it is.
    pub kind: Kind,
}

/// Why a file or folder could not be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The disk refused, now.
    Refused,
    /// It changed while it was looked at: the next sync takes it.
    Changing,
    /// It was written just now, and is left alone for as long as that may go on
    /// ([`Store::set_rest`]). That is nobody's concern.
    Restless,
    /// It can never travel, by its name or its size.
    CannotTravel,
    /// A link, a pipe or a device. That is nobody's concern, unless it took the place of files
    /// that travel.
    Special,
    /// Another file has the same name to this file system.
    Clash,
}

impl Scan {
    /// True if `path` may exist although it is not among the files.
    pub fn is_unknown(&self, path: &DatasitePath) -> bool {
        self.unreadable.iter().any(|unreadable| unreadable.covers(path))
    }

    /// True if something may stand at `path` that could not be read.
    pub fn is_unread(&self, path: &DatasitePath) -> bool {
        !self.restless.contains_key(path) && self.is_unknown(path)
    }

    /// What stands at `path`, at rest or not, as far as that could be read.
    pub fn standing(&self, path: &DatasitePath) -> Option<Digest> {
        self.files.get(path).or_else(|| self.restless.get(path)).copied()
    }
}

impl Unreadable {
    /// True if `path` is this one or lies below it.
    pub fn covers(&self, path: &DatasitePath) -> bool {
        self.path.is_empty() || path.as_str() == self.path || path.is_below(&self.path)
    }
}

/// How far a file's time may lie ahead of ours and still mean that it was written just now.
const AHEAD_MAX_NS: i64 = 300_000_000_000;

/// What came of looking at a file.
enum Looked {
    Whole(Digest),
    Changed,
    Restless(Digest),
}

struct Walk<'a> {
    agreed: &'a Snapshot,
    store: &'a Store,
    known: HashMap<String, Known>,
    fresh: BTreeMap<String, Known>,
    /// Which file was found under which inode.
    places: HashMap<i64, DatasitePath>,
    scan: Scan,
    now_ns: i64,
    buffer: &'a mut [u8],
    /// Called when a file was read and before it is looked at again.
    after_reading: &'a mut dyn FnMut(&str),
}

/// Looks at every file of `datasite` that travels. `now_ns` is the time in nanoseconds since the
/// epoch.
///
/// # Errors
/// If the database fails. Files that cannot be read are part of the answer.
pub fn scan(store: &Store, tree: &DatasiteTree, datasite: &Email, now_ns: i64) -> Result<Scan> {
    scan_and(store, tree, datasite, now_ns, &mut |_| {})
}

fn scan_and(
    store: &Store,
    tree: &DatasiteTree,
    datasite: &Email,
    now_ns: i64,
    after_reading: &mut dyn FnMut(&str),
) -> Result<Scan> {
    let (known, agreed) = (store.read(|db| stats::load(db, datasite))?, store.agreed(datasite)?);
    let mut walk = Walk {
        agreed: &agreed,
        store,
        known,
        fresh: BTreeMap::new(),
        places: HashMap::new(),
        scan: Scan::default(),
        now_ns,
        buffer: &mut vec![0; 64 * 1024],
        after_reading,
    };
    match tree.dir().try_clone() {
        Ok(root) => walk.folder(&root, ""),
        Err(error) => walk.refused("", &error),
    }
    walk.look_for_missing(tree, &agreed);
    let Walk { known, fresh, scan, .. } = walk;
    let vanished: Vec<&String> =
        known.keys().filter(|path| !scan_has(&scan, path) && !fresh.contains_key(*path)).collect();
    if !scan.restless.is_empty() {
        store.note_restless();
    }
    if !fresh.is_empty() || !vanished.is_empty() {
        store.write(|db| stats::save(db, datasite, &fresh, &vanished))?;
    }
    Ok(scan)
}

fn scan_has(scan: &Scan, path: &str) -> bool {
    DatasitePath::parse(path).is_ok_and(|path| scan.standing(&path).is_some())
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Dir, at: &str) {
        let entries = match folder.entries() {
            Ok(entries) => entries,
            Err(error) => return self.refused(at, &error),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.refused(at, &error),
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let path = join(at, &name.to_string_lossy());
                self.unreadable(&path, "its name is not UTF-8", Kind::CannotTravel);
                continue;
            };
            let path = join(at, name);
            let kind = entry.file_type();
            if is_ignored_name(name) {
                let is_file = kind.is_ok_and(|kind| kind.is_file());
                if is_file && is_temporary_name(name) {
                    self.scan.leftovers.extend(DatasitePath::parse(&path));
                }
                continue;
            }
            match kind {
                Ok(kind) if kind.is_dir() => self.subfolder(folder, name, &path),
                Ok(kind) if kind.is_file() => self.file(folder, name, &path),
                Ok(_) => self.unreadable(&path, SPECIAL, Kind::Special),
                Err(error) => self.refused(&path, &error),
            }
        }
    }

    fn subfolder(&mut self, folder: &Dir, name: &str, path: &str) {
        if travels_otherwise(path) {
            return;
        }
        if DatasitePath::parse(path).is_err() {
            return self.unreadable(path, "its name cannot travel", Kind::CannotTravel);
        }
        match folder.open_dir_nofollow(name) {
            Ok(next) => self.folder(&next, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.refused(path, &error),
        }
    }

    fn file(&mut self, folder: &Dir, name: &str, text: &str) {
        let path = match DatasitePath::parse(text) {
            Ok(path) if is_syncable(&path) => path,
            Ok(_) => return,
            Err(_) => return self.unreadable(text, "its name cannot travel", Kind::CannotTravel),
        };
        match self.digest(folder, name, &path) {
            Ok(Looked::Whole(digest)) => {
                self.scan.files.insert(path, digest);
            }
            Ok(Looked::Changed) => self.unreadable(text, CHANGING, Kind::Changing),
            Ok(Looked::Restless(digest)) => {
                self.scan.restless.insert(path, digest);
                self.unreadable(text, RESTLESS, Kind::Restless);
            }
            // It was there a moment ago: deleted, which is no error.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
                self.unreadable(text, "it is too large to travel", Kind::CannotTravel);
            }
            Err(error) => self.refused(text, &error),
        }
    }

    /// Reads a file, unless it is known.
    fn digest(&mut self, folder: &Dir, name: &str, path: &DatasitePath) -> io::Result<Looked> {
        let before = Stat::of(&folder.symlink_metadata(name)?);
        self.places.insert(before.inode, path.clone());
        if let Some(known) = self.known.get(path.as_str())
            && known.holds(before, self.now_ns)
        {
            return Ok(self.looked(before, path, known.digest));
        }
        let too_large = || Err(io::ErrorKind::FileTooLarge.into());
        if u64::try_from(before.size).is_ok_and(|size| size > FILE_BYTES_MAX) {
            return too_large();
        }
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        set_nonblocking(&mut options);
        let mut file = folder.open_with(name, &options)?;
        let (mut hasher, mut size) = (Sha256::new(), 0);
        loop {
            let count = file.read(self.buffer)?;
            if count == 0 {
                break;
            }
            size += count as u64;
            if size > FILE_BYTES_MAX {
                return too_large();
            }
            hasher.update(self.buffer.get(..count).unwrap_or_default());
        }
        (self.after_reading)(path.as_str());
        let after = Stat::of(&file.metadata()?);
        if after != before {
            return Ok(Looked::Changed);
        }
        let digest = Digest::from_bytes(hasher.finalize().into());
        let known = Known { stat: after, digest, hashed_ns: self.now_ns };
        if known.is_worth_keeping() {
            self.fresh.insert(path.to_string(), known);
        }
        Ok(self.looked(after, path, digest))
    }

    /// What is agreed is whole: we may have written it ourselves. Rules hold from the moment at which
    /// they stand there.
    fn looked(&self, stat: Stat, path: &DatasitePath, digest: Digest) -> Looked {
        let is_taken = is_rule_file(path) || self.agreed.get(path) == Some(&digest);
        if self.is_restless(stat) && !is_taken {
            Looked::Restless(digest)
        } else {
            Looked::Whole(digest)
        }
    }

    /// True if somebody may be in the middle of writing.
    fn is_restless(&self, stat: Stat) -> bool {
        let age_ns = self.now_ns.saturating_sub(stat.mtime_ns);
        let rest_ns = self.store.rest_ns(stat.mtime_ns);
        rest_ns > 0 && age_ns < rest_ns && age_ns > -AHEAD_MAX_NS
    }

    /// Looks for what was agreed and was not come across.
    fn look_for_missing(&mut self, tree: &DatasiteTree, agreed: &Snapshot) {
        for path in agreed.keys() {
            if self.scan.files.contains_key(path) || self.scan.is_unknown(path) {
                continue;
            }
            match missing::look_again(tree, path, &self.places, agreed) {
                Ok(Missing::Gone) => {}
                Ok(Missing::Special) => self.unreadable(path.as_str(), SPECIAL, Kind::Special),
                Ok(Missing::JustCame) => self.unreadable(path.as_str(), CHANGING, Kind::Changing),
                Ok(Missing::Respelled { found }) => {
                    if let Some(digest) = self.scan.files.remove(&found) {
                        self.scan.files.insert(path.clone(), digest);
                    }
                }
                Ok(Missing::Clash { found }) => {
                    let reason = format!("here it has the same name as `{found}`");
                    self.unreadable(path.as_str(), &reason, Kind::Clash);
                }
                Err(error) => self.refused(path.as_str(), &error),
            }
        }
    }

    fn refused(&mut self, path: &str, error: &io::Error) {
        self.unreadable(path, &error.to_string(), Kind::Refused);
    }

    fn unreadable(&mut self, path: &str, reason: &str, kind: Kind) {
        let (path, reason) = (path.to_owned(), reason.to_owned());
        self.scan.unreadable.push(Unreadable { path, reason, kind });
    }
}

/// True for folders whose files do not travel as those of a datasite do.
pub(super) fn travels_otherwise(path: &str) -> bool {
    path == "private" || path == "public/syft_datasets"
}

const SPECIAL: &str = "it is a link or no regular file, and what it leads to does not travel";
const RESTLESS: &str = "it is being written; the next sync takes it";
const CHANGING: &str = "it changed while it was read; the next sync takes it";

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(test)]
mod tests;
