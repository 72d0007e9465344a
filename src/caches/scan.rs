//! Looks at every file of a datasite, and reads only those that changed.
//!
//! What stands there is compared with what was agreed and with what was read before as it is walked
//! through, in the order of paths; what is as it was costs one call of the system and no memory.
//! What cannot be read is reported apart and never taken for deleted; neither is what stands behind
//! a link. A file that was agreed and that no folder lists is looked for once more by its name
//! ([`super::missing`]), since a folder that changes while it is read may leave names out. Decides
//! nothing and changes no file.

use std::borrow::Cow;
use std::io;
use std::iter::Peekable;

use cap_fs_ext::DirExt as _;
use cap_std::fs::Dir;
use rusqlite::Connection as Database;

use super::missing::{self, Missing, Places};
use super::reading::{self, AfterReading, Outcome, Unread};
use super::stats::{self, Cursor, Known, Stat};
use super::tree::{DatasiteTree, is_temporary_name};
use super::unchanged::Same;
use super::walk::{At, EntryKind, Listed};
use super::{Result, Store};
use crate::model::{
    DatasitePath, Digest, Email, Snapshot, is_ignored_name, is_rule_file, snapshot,
};
use crate::wire::limits::FILE_BYTES_MAX;

/// What stands on disk.
#[derive(Clone, Debug, Default)]
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

/// Looks at every file of `datasite` that travels. `now_ns` is the time in nanoseconds since the
/// epoch.
///
/// # Errors
/// If the database fails. Files that cannot be read are part of the answer.
pub fn scan(store: &Store, tree: &DatasiteTree, datasite: &Email, now_ns: i64) -> Result<Scan> {
    scan_and(store, tree, (datasite, &Same::Unknown), now_ns, &|_| {})
}

/// As [`scan`], right after a look that found files to be the `same` as they were read: they are not
/// looked at again.
///
/// # Errors
/// As [`scan`].
pub fn scan_beyond(
    same: &Same,
    store: &Store,
    tree: &DatasiteTree,
    datasite: &Email,
    now_ns: i64,
) -> Result<Scan> {
    scan_and(store, tree, (datasite, same), now_ns, &|_| {})
}

fn scan_and(
    store: &Store,
    tree: &DatasiteTree,
    (datasite, same): (&Email, &Same),
    now_ns: i64,
    after_reading: AfterReading<'_>,
) -> Result<Scan> {
    let agreed = store.agreed(datasite)?;
    let mut seen = Seen::new(store, &agreed, now_ns);
    let (unread, vanished) = store.read(|db| walk(db, tree, (datasite, same), &mut seen))?;
    // Reading may take long: the database is free for others.
    seen.read(tree, &unread, after_reading);
    seen.look_for_missing(tree);
    seen.finish(datasite, &vanished)
}

/// Goes through the tree, and returns the files that are to be read, and the paths that were known and
/// not come across.
fn walk(
    db: &Database,
    tree: &DatasiteTree,
    (datasite, same): (&Email, &Same),
    seen: &mut Seen<'_>,
) -> Result<(Vec<Unread>, Vec<String>)> {
    let mut statement = stats::statement(db)?;
    let mut walk = Walk {
        agreed: seen.agreed.iter().peekable(),
        known: Cursor::new(&mut statement, datasite)?,
        same,
        seen,
        at: At::default(),
        unread: Vec::new(),
    };
    match tree.dir().try_clone() {
        Ok(root) => walk.folder(&root)?,
        Err(error) => walk.refused(&error),
    }
    let Walk { agreed, known, seen, unread, .. } = walk;
    seen.absent.extend(agreed.map(|(path, _)| path.clone()));
    Ok((unread, known.finish()?))
}

/// A walk of the tree, beside what was agreed and what was read of it. All three stand in the order of
/// paths: nothing is looked up, and of a file that is as it was nothing is held.
struct Walk<'a, 's> {
    /// What was agreed and is not come to yet.
    agreed: Peekable<snapshot::Iter<'s>>,
    known: Cursor<'a>,
    same: &'a Same,
    seen: &'a mut Seen<'s>,
    at: At,
    unread: Vec<Unread>,
}

impl<'s> Walk<'_, 's> {
    fn folder(&mut self, folder: &Dir) -> Result<()> {
        let (listed, error) = Listed::of(folder);
        if let Some(error) = error {
            self.refused(&error);
        }
        for (name, kind) in listed.entries() {
            let length = match str::from_utf8(name) {
                Ok(name) => {
                    let length = self.at.enter(name);
                    self.entry(folder, name, kind)?;
                    length
                }
                Err(_) => {
                    let length = self.at.enter(&String::from_utf8_lossy(name));
                    self.unreadable("its name is not UTF-8", Kind::CannotTravel);
                    length
                }
            };
            self.at.leave(length);
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Dir, name: &str, kind: EntryKind) -> Result<()> {
        match kind {
            _ if is_ignored_name(name) => {
                if kind == EntryKind::File && is_temporary_name(name) {
                    self.seen.scan.leftovers.extend(DatasitePath::parse(self.at.as_str()));
                }
            }
            EntryKind::Folder => return self.subfolder(folder, name),
            EntryKind::File => return self.file(folder, name),
            EntryKind::Special => self.unreadable(SPECIAL, Kind::Special),
            EntryKind::Unknown(kind) => self.refused(&kind.into()),
        }
        Ok(())
    }

    fn subfolder(&mut self, folder: &Dir, name: &str) -> Result<()> {
        if travels_otherwise(self.at.as_str()) {
            return Ok(());
        }
        if DatasitePath::parse(self.at.as_str()).is_err() {
            self.unreadable("its name cannot travel", Kind::CannotTravel);
            return Ok(());
        }
        match folder.open_dir_nofollow(name) {
            Ok(next) => return self.folder(&next),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.refused(&error),
        }
        Ok(())
    }

    fn file(&mut self, folder: &Dir, name: &str) -> Result<()> {
        if travels_otherwise(self.at.as_str()) {
            return Ok(());
        }
        let agreed = self.agreed_here();
        let known = self.known.find(self.at.as_str())?;
        // A path that was agreed is one that travels.
        let path = match agreed {
            Some((path, _)) => Cow::Borrowed(path),
            None => match DatasitePath::parse(self.at.as_str()) {
                Ok(path) => Cow::Owned(path),
                Err(_) => {
                    self.unreadable("its name cannot travel", Kind::CannotTravel);
                    return Ok(());
                }
            },
        };
        let stat = match known {
            Some(known) if self.same.covers(self.at.as_str()) => Ok(Some(known.stat)),
            _ => Stat::at(folder, name),
        };
        match stat {
            Ok(Some(stat)) => match known.filter(|known| known.holds(stat, self.seen.now_ns)) {
                Some(known) => {
                    self.seen.whole(&path, agreed.map(|(_, digest)| digest), stat, known.digest);
                }
                None if u64::try_from(stat.size).is_ok_and(|size| size > FILE_BYTES_MAX) => {
                    self.seen.failed(&path, &io::ErrorKind::FileTooLarge.into());
                }
                None => {
                    self.unread.push(Unread { path: path.into_owned(), size: stat.size });
                }
            },
            // It was a file when its folder was read.
            Ok(None) => self.seen.changed(&path),
            Err(error) => self.seen.failed(&path, &error),
        }
        Ok(())
    }

    /// Returns what was agreed of the file that stands here.
    fn agreed_here(&mut self) -> Option<(&'s DatasitePath, &'s Digest)> {
        let at = self.at.as_str();
        while let Some((path, _)) = self.agreed.next_if(|(path, _)| path.as_str() < at) {
            self.seen.absent.push(path.clone());
        }
        self.agreed.next_if(|(path, _)| path.as_str() == at)
    }

    fn refused(&mut self, error: &io::Error) {
        self.unreadable(&error.to_string(), Kind::Refused);
    }

    fn unreadable(&mut self, reason: &str, kind: Kind) {
        self.seen.unreadable(self.at.as_str(), reason, kind);
    }
}

/// What was seen so far. As long as nothing else is known, a file that was agreed counts as it was.
pub(super) struct Seen<'s> {
    store: &'s Store,
    pub(super) agreed: &'s Snapshot,
    pub(super) now_ns: i64,
    /// What was agreed and not come across.
    pub(super) absent: Vec<DatasitePath>,
    fresh: Vec<(DatasitePath, Known)>,
    scan: Scan,
}

impl<'s> Seen<'s> {
    pub(super) fn new(store: &'s Store, agreed: &'s Snapshot, now_ns: i64) -> Self {
        let scan = Scan { files: Snapshot::clone(agreed), ..Scan::default() };
        Self { store, agreed, now_ns, absent: Vec::new(), fresh: Vec::new(), scan }
    }

    /// Reads what is not known.
    pub(super) fn read(
        &mut self,
        tree: &DatasiteTree,
        unread: &[Unread],
        after_reading: AfterReading<'_>,
    ) {
        let outcomes = reading::read(tree, unread, after_reading);
        for (file, outcome) in unread.iter().zip(outcomes) {
            self.take(&file.path, outcome);
        }
    }

    /// Remembers what was read, and that what has `vanished` is not there any more.
    pub(super) fn finish(self, datasite: &Email, vanished: &[String]) -> Result<Scan> {
        let Self { store, mut scan, fresh, .. } = self;
        scan.unreadable.sort_by(|one, other| one.path.cmp(&other.path));
        if !scan.restless.is_empty() {
            store.note_restless();
        }
        if !fresh.is_empty() || !vanished.is_empty() {
            store.write(|db| stats::save(db, datasite, &fresh, vanished))?;
        }
        Ok(scan)
    }

    /// Takes what came of reading a file.
    fn take(&mut self, path: &DatasitePath, outcome: io::Result<Outcome>) {
        match outcome {
            Ok(Outcome::Whole { stat, digest }) => {
                let known = Known { stat, digest, hashed_ns: self.now_ns };
                if known.is_worth_keeping() {
                    self.fresh.push((path.clone(), known));
                }
                self.whole(path, self.agreed.get(path), stat, digest);
            }
            Ok(Outcome::Changed) => self.changed(path),
            Err(error) => self.failed(path, &error),
        }
    }

    /// What is agreed is whole: we may have written it ourselves. Rules hold from the moment at which
    /// they stand there.
    pub(super) fn whole(
        &mut self,
        path: &DatasitePath,
        agreed: Option<&Digest>,
        stat: Stat,
        digest: Digest,
    ) {
        if agreed == Some(&digest) {
            return;
        }
        if self.is_restless(stat) && !is_rule_file(path) {
            self.scan.files.remove(path);
            self.scan.restless.insert(path.clone(), digest);
            self.unreadable(path.as_str(), RESTLESS, Kind::Restless);
        } else {
            self.scan.files.insert(path.clone(), digest);
        }
    }

    fn changed(&mut self, path: &DatasitePath) {
        self.scan.files.remove(path);
        self.unreadable(path.as_str(), CHANGING, Kind::Changing);
    }

    pub(super) fn failed(&mut self, path: &DatasitePath, error: &io::Error) {
        self.scan.files.remove(path);
        match error.kind() {
            // It was there a moment ago: deleted, which is no error.
            io::ErrorKind::NotFound if self.agreed.contains_key(path) => {
                self.absent.push(path.clone());
            }
            io::ErrorKind::NotFound => {}
            io::ErrorKind::FileTooLarge => {
                self.unreadable(path.as_str(), "it is too large to travel", Kind::CannotTravel);
            }
            _ => self.unreadable(path.as_str(), &error.to_string(), Kind::Refused),
        }
    }

    /// True if somebody may be in the middle of writing.
    fn is_restless(&self, stat: Stat) -> bool {
        let age_ns = self.now_ns.saturating_sub(stat.mtime_ns);
        let rest_ns = self.store.rest_ns(stat.mtime_ns);
        rest_ns > 0 && age_ns < rest_ns && age_ns > -AHEAD_MAX_NS
    }

    /// Looks for what was agreed and was not come across.
    pub(super) fn look_for_missing(&mut self, tree: &DatasiteTree) {
        let mut places = Places::of(tree);
        for path in std::mem::take(&mut self.absent) {
            self.scan.files.remove(&path);
            if self.scan.is_unknown(&path) {
                continue;
            }
            match missing::look_again(tree, &path, &mut places, self.agreed) {
                Ok(Missing::Gone) => {}
                Ok(Missing::Special) => self.unreadable(path.as_str(), SPECIAL, Kind::Special),
                Ok(Missing::JustCame) => self.unreadable(path.as_str(), CHANGING, Kind::Changing),
                Ok(Missing::Respelled { found }) => {
                    if let Some(digest) = self.scan.files.remove(&found) {
                        self.scan.files.insert(path, digest);
                    }
                }
                Ok(Missing::Clash { found }) => {
                    let reason = format!("here it has the same name as `{found}`");
                    self.unreadable(path.as_str(), &reason, Kind::Clash);
                }
                Err(error) => self.unreadable(path.as_str(), &error.to_string(), Kind::Refused),
            }
        }
    }

    pub(super) fn unreadable(&mut self, path: &str, reason: &str, kind: Kind) {
        let (path, reason) = (path.to_owned(), reason.to_owned());
        self.scan.unreadable.push(Unreadable { path, reason, kind });
    }
}

/// True for folders whose files do not travel as those of a datasite do.
pub(super) fn travels_otherwise(path: &str) -> bool {
    path == "private" || path == "public/syft_datasets"
}

pub(super) const SPECIAL: &str =
    "it is a link or no regular file, and what it leads to does not travel";
const RESTLESS: &str = "it is being written; the next sync takes it";
const CHANGING: &str = "it changed while it was read; the next sync takes it";

#[cfg(test)]
mod tests;
