//! Remembers the digest of each file by what the file system says of it, so that only what changed
//! is read again.
//!
//! A digest is believed if size, both times and inode are as they were *and* the file was already
//! at rest when it was read: a file written within the grain of the file system's clock after it
//! was read would otherwise look unchanged for ever (git's "racy" entries). A copy that keeps its
//! time of change (`cp -p`, `rsync`, `tar`) is seen by the inode and by the time that nobody can
//! set. After a clock went back nothing is believed that was read in what is now the future: the
//! same times may come again.

use std::collections::{BTreeMap, HashMap};

use cap_std::fs::Metadata;
use rusqlite::{Connection as Database, params};

use super::Result;
use crate::model::{Digest, Email};

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

/// Returns what was read of the files of `datasite`, by path.
pub(super) fn load(db: &Database, datasite: &Email) -> Result<HashMap<String, Known>> {
    let mut statement = db.prepare_cached(
        "SELECT path, size, mtime_ns, ctime_ns, inode, digest, hashed_ns FROM stats
         WHERE datasite = ?1",
    )?;
    let rows = statement.query_map([datasite.as_str()], |row| {
        let stat = Stat {
            size: row.get(1)?,
            mtime_ns: row.get(2)?,
            ctime_ns: row.get(3)?,
            inode: row.get(4)?,
        };
        Ok((row.get::<_, String>(0)?, stat, row.get::<_, String>(5)?, row.get::<_, i64>(6)?))
    })?;
    rows.map(|row| {
        let (path, stat, digest, hashed_ns) = row?;
        let digest = super::agreed::parse_digest(&digest)?;
        Ok((path, Known { stat, digest, hashed_ns }))
    })
    .collect()
}

/// Remembers what was read, and forgets files that are not there any more.
pub(super) fn save(
    db: &Database,
    datasite: &Email,
    fresh: &BTreeMap<String, Known>,
    vanished: &[&String],
) -> Result<()> {
    let mut insert =
        db.prepare_cached("INSERT OR REPLACE INTO stats VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (path, known) in fresh {
        let Stat { size, mtime_ns, ctime_ns, inode } = known.stat;
        insert.execute(params![
            datasite.as_str(),
            path,
            size,
            mtime_ns,
            ctime_ns,
            inode,
            known.digest.to_hex(),
            known.hashed_ns,
        ])?;
    }
    let mut delete = db.prepare_cached("DELETE FROM stats WHERE datasite = ?1 AND path = ?2")?;
    for path in vanished {
        delete.execute([datasite.as_str(), path])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
