//! The messages that a scientist made. They lie in an owner's folders, but count against the quota
//! of the scientist, and only the scientist can delete them (W36).

use rusqlite::{Connection as Database, params};

use super::Result;
use super::journal::parse_id;
use crate::connections::FileId;
use crate::model::Timestamp;

/// Notes that `message` was made: a file of ours, under an id that was made for it.
pub fn add(db: &Database, message: &FileId, now: Timestamp) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO submitted VALUES (?1, ?2)")?
        .execute(params![message.as_str(), now.micros()])?;
    Ok(())
}

/// Returns up to `count` messages, the oldest first, that were made before `before` and that nobody
/// needs any more: each change that they carry is answered, and they have left the inbox.
pub fn settled(db: &Database, before: Timestamp, count: usize) -> Result<Vec<FileId>> {
    let mut statement = db.prepare_cached(
        "SELECT message FROM submitted WHERE sent < ?1
         AND message NOT IN (SELECT message FROM proposed)
         AND message NOT IN (SELECT file FROM outgoing)
         AND message NOT IN (SELECT id FROM catalogue)
         ORDER BY sent, message LIMIT ?2",
    )?;
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let rows =
        statement.query_map(params![before.micros(), count], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// Notes that a message is gone, or is not ours to delete.
pub fn remove(db: &Database, message: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM submitted WHERE message = ?1")?.execute([message.as_str()])?;
    Ok(())
}
