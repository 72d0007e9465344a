//! Remembers the digest of each file by what the file system says of it, so that only what changed
//! is read again.
//!
//! A digest is believed if size, both times and inode are as they were *and* the file was already
//! at rest when it was read: a file written within the grain of the file system's clock after it
//! was read would otherwise look unchanged for ever (git's "racy" entries). A copy that keeps its
//! time of change (`cp -p`, `rsync`, `tar`) is seen by the inode and by the time that nobody can
//! set. After a clock went back nothing is believed that was read in what is now the future: the
//! same times may come again.

use std::cmp::Ordering;
use std::io;

use cap_std::fs::{Dir, Metadata};
use rusqlite::{CachedStatement, Connection as Database, Row, Rows, params};

use super::{Error, Result};
use crate::model::{DatasitePath, Digest, Email};

/// How long a file must have been at rest for its digest to be kept: the coarsest clock of a
/// common file system (FAT counts in 2 s).
const REST_NS: i64 = 2_000_000_000;

/// What the file system says of a file, in its own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) size: i64,
    pub(super) mtime_ns: i64,
    pub(super) ctime_ns: i64,
    pub(super) inode: i64,
}

/// What was read of a file, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) stat: Stat,
    pub(super) digest: Digest,
    pub(super) hashed_ns: i64,
}

impl Known {
    /// True if a file that looks like `stat` at `now_ns` still has this digest.
    pub(super) fn holds(&self, stat: Stat, now_ns: i64) -> bool {
        self.stat == stat && self.is_worth_keeping() && self.hashed_ns <= now_ns
    }

    /// True if the file was at rest when it was read: else its digest is never believed.
    pub(super) fn is_worth_keeping(&self) -> bool {
        let Stat { ctime_ns, mtime_ns, .. } = self.stat;
        ctime_ns.max(mtime_ns) < self.hashed_ns.saturating_sub(REST_NS)
    }
}

impl Stat {
    /// Looks at `name` in a folder; `None` if it is no regular file. Links are not followed.
    #[cfg(target_os = "linux")]
    pub(super) fn at(folder: &Dir, name: &str) -> io::Result<Option<Self>> {
        use rustix::fs::{AtFlags, FileType, statat};

        fn whole(number: impl TryInto<i64>) -> i64 {
            number.try_into().unwrap_or(i64::MAX)
        }
        // One call of the system, and no more than what is compared.
        let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Ok(Some(Self {
            size: whole(found.st_size),
            mtime_ns: nanoseconds(whole(found.st_mtime), whole(found.st_mtime_nsec)),
            ctime_ns: nanoseconds(whole(found.st_ctime), whole(found.st_ctime_nsec)),
            inode: i64::from_ne_bytes(found.st_ino.to_ne_bytes()),
        }))
    }

    /// Looks at `name` in a folder; `None` if it is no regular file. Links are not followed.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn at(folder: &Dir, name: &str) -> io::Result<Option<Self>> {
        let found = folder.symlink_metadata(name)?;
        Ok(found.is_file().then(|| Self::of(&found)))
    }

    #[cfg(unix)]
    pub(super) fn of(metadata: &Metadata) -> Self {
        use cap_std::fs::MetadataExt as _;
        let nanoseconds =
            |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
        Self {
            size: i64::try_from(metadata.size()).unwrap_or(i64::MAX),
            mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: i64::from_ne_bytes(metadata.ino().to_ne_bytes()),
        }
    }

    #[cfg(not(unix))]
    pub(super) fn of(metadata: &Metadata) -> Self {
        let mtime_ns = metadata
            .modified()
            .ok()
            .and_then(|time| time.into_std().duration_since(std::time::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_nanos()).ok())
            .unwrap_or(i64::MAX);
        let size = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
        Self { size, mtime_ns, ctime_ns: mtime_ns, inode: 0 }
    }
}

/// How many bytes a row has for each number.
const NUMBER_BYTES: usize = size_of::<i64>();

/// How many bytes a row has.
const ROW_BYTES: usize = 5 * NUMBER_BYTES + 32;

impl Known {
    /// Returns it as a row has it.
    fn to_bytes(self) -> [u8; ROW_BYTES] {
        let Stat { size, mtime_ns, ctime_ns, inode } = self.stat;
        let mut bytes = [0; ROW_BYTES];
        let (numbers, digest) = bytes.split_at_mut(5 * NUMBER_BYTES);
        let all = [size, mtime_ns, ctime_ns, inode, self.hashed_ns];
        for (place, number) in numbers.chunks_exact_mut(NUMBER_BYTES).zip(all) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        digest.copy_from_slice(self.digest.as_bytes());
        bytes
    }

    /// Reads what a row has; `None` if that is something else.
    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (numbers, digest) = bytes.split_at_checked(5 * NUMBER_BYTES)?;
        let (numbers, _) = numbers.as_chunks::<NUMBER_BYTES>();
        let [size, mtime_ns, ctime_ns, inode, hashed_ns] =
            <[[u8; NUMBER_BYTES]; 5]>::try_from(numbers).ok()?.map(i64::from_be_bytes);
        let digest = Digest::from_bytes(digest.try_into().ok()?);
        Some(Self { stat: Stat { size, mtime_ns, ctime_ns, inode }, digest, hashed_ns })
    }
}

/// What was read of the files of a datasite, met in the order of their paths.
///
/// Whoever walks a tree in that order asks for each file, and holds one row at a time.
pub(super) struct Cursor<'a> {
    rows: Rows<'a>,
    /// The path that the next row is of; `None` behind the last.
    path: Option<Vec<u8>>,
    known: Option<Known>,
    /// Paths that nobody asked for.
    pub(super) vanished: Vec<String>,
}

/// Prepares to read what was read of the files of a datasite.
pub(super) fn statement(db: &Database) -> Result<CachedStatement<'_>> {
    Ok(db.prepare_cached("SELECT path, stat FROM known WHERE datasite = ?1 ORDER BY path")?)
}

impl<'a> Cursor<'a> {
    /// Begins at the first path.
    pub(super) fn new(statement: &'a mut CachedStatement<'_>, datasite: &Email) -> Result<Self> {
        let rows = statement.query([datasite.as_str()])?;
        let path = Some(Vec::new());
        let mut cursor = Self { rows, path, known: None, vanished: Vec::new() };
        cursor.step()?;
        Ok(cursor)
    }

    /// Returns what was read of the file at `path`. What is asked for later lies behind it.
    pub(super) fn find(&mut self, path: &str) -> Result<Option<Known>> {
        while let Some(next) = &self.path {
            match next.as_slice().cmp(path.as_bytes()) {
                Ordering::Less => {
                    self.vanished.push(whole(next)?);
                    self.step()?;
                }
                Ordering::Equal => {
                    let known = self.known;
                    self.step()?;
                    return Ok(known);
                }
                Ordering::Greater => break,
            }
        }
        Ok(None)
    }

    /// Returns what was read of the file at `path`, if that is the next one of which anything was.
    pub(super) fn next_if(&mut self, path: &str) -> Result<Option<Known>> {
        if self.path.as_deref() != Some(path.as_bytes()) {
            return Ok(None);
        }
        let known = self.known;
        self.step()?;
        Ok(known)
    }

    /// Returns the paths that nobody asked for, to the last.
    pub(super) fn finish(mut self) -> Result<Vec<String>> {
        while let Some(path) = &self.path {
            self.vanished.push(whole(path)?);
            self.step()?;
        }
        Ok(self.vanished)
    }

    fn step(&mut self) -> Result<()> {
        let Some(row) = self.rows.next()? else {
            self.path = None;
            return Ok(());
        };
        if let Some(path) = &mut self.path {
            path.clear();
            path.extend_from_slice(bytes(row, 0)?);
        }
        self.known = Known::from_bytes(bytes(row, 1)?);
        Ok(())
    }
}

/// Returns what was read of the file at `path`.
pub(super) fn at(db: &Database, datasite: &Email, path: &DatasitePath) -> Result<Option<Known>> {
    let mut statement =
        db.prepare_cached("SELECT stat FROM known WHERE datasite = ?1 AND path = ?2")?;
    let mut rows = statement.query([datasite.as_str(), path.as_str()])?;
    Ok(rows.next()?.map(|row| bytes(row, 0)).transpose()?.and_then(Known::from_bytes))
}

/// Returns a path as the text that it is.
fn whole(path: &[u8]) -> Result<String> {
    String::from_utf8(path.to_owned()).map_err(|error| Error::damaged(error.to_string()))
}

/// Returns the bytes of a text or of a blob of a row where they lie.
fn bytes<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r [u8]> {
    row.get_ref(column)?.as_bytes().map_err(|error| Error::damaged(error.to_string()))
}

/// Returns a text of a row where it lies.
pub(super) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(|error| Error::damaged(error.to_string()))
}

/// Returns a digest of a row, which is looked at once: what is no text is no digest either.
pub(super) fn digest_of(row: &Row<'_>, column: usize) -> Result<Digest> {
    Digest::from_hex(bytes(row, column)?).map_err(|error| Error::damaged(error.to_string()))
}

/// Remembers what was read, and forgets files that are not there any more.
pub(super) fn save(
    db: &Database,
    datasite: &Email,
    fresh: &[(DatasitePath, Known)],
    vanished: &[String],
) -> Result<()> {
    let mut insert = db.prepare_cached("INSERT OR REPLACE INTO known VALUES (?1, ?2, ?3)")?;
    for (path, known) in fresh {
        insert.execute(params![datasite.as_str(), path.as_str(), known.to_bytes()])?;
    }
    let mut delete = db.prepare_cached("DELETE FROM known WHERE datasite = ?1 AND path = ?2")?;
    for path in vanished {
        delete.execute([datasite.as_str(), path])?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Store, upgrading};
    use super::*;

    /// Has a digest that a file does not have stand for it: it shows where an answer comes from.
    pub(in super::super) fn pretend(store: &Store, datasite: &Email, path: &str, digest: Digest) {
        let path = DatasitePath::parse(path).unwrap();
        let known = store.read(|db| at(db, datasite, &path)).unwrap().unwrap();
        let fresh = [(path, Known { digest, ..known })];
        store.write(|db| save(db, datasite, &fresh, &[])).unwrap();
    }

    #[test]
    fn what_was_read_is_what_a_row_has_and_nothing_else_is() {
        let stat = Stat { size: 1, mtime_ns: -2, ctime_ns: i64::MAX, inode: i64::MIN };
        let known = Known { stat, digest: Digest::of(b"x"), hashed_ns: 5 };
        let bytes = known.to_bytes();
        let read = Known::from_bytes(&bytes).unwrap();
        assert_eq!((read.stat, read.digest, read.hashed_ns), (stat, known.digest, 5));
        for wrong in [&bytes[..0], &bytes[1..], &[&bytes[..], b"x"].concat()] {
            assert!(Known::from_bytes(wrong).is_none());
        }
    }

    #[test]
    fn what_was_read_by_an_older_release_is_known_still() {
        let mut db = Database::open_in_memory().unwrap();
        upgrading::apply(&mut db, &upgrading::STEPS[..3]).unwrap();
        let (owner, digest) = (Email::parse("do@example.org").unwrap(), Digest::of(b"x"));
        let insert = "INSERT INTO stats VALUES (?1, ?2, 1, -2, 3, ?3, ?4, 5)";
        db.execute(insert, params![owner.as_str(), "d/x", i64::MIN, digest.to_hex()]).unwrap();
        db.execute(insert, params![owner.as_str(), "short", 4, "0a"]).unwrap();
        db.execute(insert, params![owner.as_str(), "long", 4, "x".repeat(64)]).unwrap();
        upgrading::apply(&mut db, upgrading::STEPS).unwrap();
        let known = |path| at(&db, &owner, &DatasitePath::parse(path).unwrap()).unwrap();
        let found = known("d/x").unwrap();
        let stat = Stat { size: 1, mtime_ns: -2, ctime_ns: 3, inode: i64::MIN };
        assert_eq!((found.stat, found.digest, found.hashed_ns), (stat, digest, 5));
        assert!(known("short").is_none() && known("long").is_none());
    }

    #[test]
    fn a_digest_is_believed_only_of_a_file_that_cannot_have_changed() {
        const S: i64 = 1_000_000_000;
        let stat = Stat { size: 3, mtime_ns: 10 * S, ctime_ns: 20 * S, inode: 7 };
        let read_at = |hashed_ns| Known { stat, digest: Digest::of(b"one"), hashed_ns };
        #[rustfmt::skip]
        let cases = [
            // what                                   read     looks like                              now      believed
            ("at rest",                               30 * S,  stat,                                   40 * S,  true),
            ("at rest, looked at in the same sync",   30 * S,  stat,                                   30 * S,  true),
            ("read within the grain of the clock",    21 * S,  stat,                                   40 * S,  false),
            ("its time lies ahead of the clock",      15 * S,  stat,                                   40 * S,  false),
            ("the clock went back behind the reading", 30 * S, stat,                                   29 * S,  false),
            ("another size",                          30 * S,  Stat { size: 4, ..stat },               40 * S,  false),
            ("an older file put back",                30 * S,  Stat { mtime_ns: 9 * S, ..stat },       40 * S,  false),
            ("`cp -p` of the same size over it",      30 * S,  Stat { ctime_ns: 35 * S, ..stat },      40 * S,  false),
            ("another file under its name",           30 * S,  Stat { inode: 8, ..stat },              40 * S,  false),
            ("its inode used again for a new file",   30 * S,  Stat { mtime_ns: 36 * S, ctime_ns: 36 * S, ..stat }, 40 * S, false),
        ];
        for (what, read, looks, now, believed) in cases {
            assert_eq!(read_at(read).holds(looks, now), believed, "{what}");
        }
    }
}
