//! A stock of ids made beforehand, so that most creations need no request for one.

use rusqlite::Connection as Database;

use super::{Error, Result};
use crate::connections::FileId;

/// Takes up to `count` ids out of the stock; it may give fewer.
pub fn take(db: &Database, count: usize) -> Result<Vec<FileId>> {
    let limit = i64::try_from(count).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(
        "DELETE FROM identifiers WHERE id IN (SELECT id FROM identifiers LIMIT ?1) RETURNING id",
    )?;
    let rows = statement.query_map([limit], |row| row.get::<_, String>(0))?;
    rows.map(|row| FileId::parse(&row?).map_err(|error| Error::damaged(error.to_string())))
        .collect()
}

/// Returns how many ids are left.
pub fn count(db: &Database) -> Result<usize> {
    let count: i64 =
        db.prepare_cached("SELECT count(*) FROM identifiers")?.query_row([], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Adds new ids to the stock.
pub fn add(db: &Database, ids: &[FileId]) -> Result<()> {
    let mut statement = db.prepare_cached("INSERT OR IGNORE INTO identifiers VALUES (?1)")?;
    for id in ids {
        statement.execute([id.as_str()])?;
    }
    Ok(())
}
