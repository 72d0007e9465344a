//! Notices a database that has gone back in time.
//!
//! Each change counts one up, in the database and afterwards in a small file beside it. If the file
//! has counted further, changes are missing that were on the disk: the log beside the main file
//! (`state.db-wal`) was deleted, or an old copy was put in its place. Going on would send again
//! under new ids what was sent, and forget what was not.
//!
//! The file is not brought to the disk for itself: after a power cut it may be behind, or garbage,
//! and then it says nothing.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rusqlite::Connection as Database;

use super::upgrading::beside;
use super::{Error, Result, meta};

/// What the file's name ends with.
pub(super) const SUFFIX: &str = ".count";

/// Meta key: how many changes there were.
pub(super) const CHANGES: &str = "changes";

/// As many digits as the largest count has: each is written over the one before.
const DIGITS: usize = 20;

/// The file beside a database.
#[derive(Debug)]
pub(super) struct Counter {
    file: File,
}

impl Counter {
    /// Opens the file beside the database at `path`, and compares.
    ///
    /// # Errors
    /// [`Error::Damaged`] if the database lacks changes.
    pub(super) fn open(path: &Path, database: &Database) -> Result<Self> {
        let beside = beside(path, SUFFIX);
        let mut file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&beside)
            .map_err(Error::at(&beside, "opened"))?;
        let mut text = String::new();
        // The file first: what another process changes meanwhile counts for the database.
        let noted = match file.read_to_string(&mut text) {
            Ok(_) => text.trim().parse::<u64>().unwrap_or(0),
            Err(_) => 0,
        };
        let counted = count(database)?;
        if noted > counted {
            let missing = noted - counted;
            return Err(Error::damaged(format!(
                "it lacks the last {missing} changes: a file beside it is gone, or it is an old copy"
            )));
        }
        Ok(Self { file })
    }

    /// Notes a change that is committed. That it cannot be noted harms nobody.
    pub(super) fn note(&self, count: u64) {
        let mut file = &self.file;
        let text = format!("{count:0DIGITS$}");
        let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(text.as_bytes()));
    }
}

/// Returns how many changes there were.
///
/// # Errors
/// If the database fails.
pub fn count(database: &Database) -> Result<u64> {
    Ok(meta::get(database, CHANGES)?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Counts a change, within its transaction.
pub(super) fn add_one(database: &Database) -> Result<u64> {
    let count = count(database)?.saturating_add(1);
    meta::set(database, CHANGES, &count.to_string())?;
    Ok(count)
}
