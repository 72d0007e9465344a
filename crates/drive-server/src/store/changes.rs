//! The change feed of one account: the last change of each file that concerns it, oldest first.
//!
//! A page token is the number of the next change to tell. A file that changes again moves to the
//! end, so that one who reads from an old token hears of each file once.

use rusqlite::Connection;

use super::{
    Refusal, Result, access,
    files::{self, FileRow},
    tokens::Me,
};

/// One change; no file means that it is deleted or out of this account's reach.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) id: String,
    pub(crate) time_ms: i64,
    pub(crate) file: Option<FileRow>,
}

/// A stretch of the feed.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) changes: Vec<Change>,
    /// Where the next page starts; none at the end.
    pub(crate) next: Option<i64>,
    /// Where to start next time, for a reader who has reached the end.
    pub(crate) start: i64,
}

/// Returns the token of whatever changes from now on.
pub(crate) fn start(connection: &Connection) -> Result<i64> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'change'), 0) + 1",
    )?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Returns the changes from `token` on, `size` at most.
pub(crate) fn page(connection: &Connection, me: &Me, token: i64, size: usize) -> Result<Page> {
    let start = start(connection)?;
    if token < 1 || token > start {
        return Err(Refusal::BadPageToken.into());
    }
    let mut statement = connection.prepare_cached(
        "SELECT c.seq, c.file, c.time_ms, f.seq FROM change c
         LEFT JOIN file f ON f.id = c.file
         WHERE c.principal = ?1 AND c.seq >= ?2 ORDER BY c.seq LIMIT ?3",
    )?;
    let limit = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
    let rows = statement
        .query_map([me.principal, token, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, String, i64, Option<i64>)>>>()?;
    let next = rows.get(size).map(|row| row.0);
    let mut changes = Vec::with_capacity(rows.len().min(size));
    for (_, id, time_ms, file) in rows.into_iter().take(size) {
        let file = match file {
            Some(file) if listable(connection, me, file)? => {
                Some(files::by_seq(connection, me, file)?)
            }
            _ => None,
        };
        changes.push(Change { id, time_ms, file });
    }
    Ok(Page { changes, next, start })
}

/// True if the account reaches the file by more than a link.
fn listable(connection: &Connection, me: &Me, file: i64) -> Result<bool> {
    let mut statement = connection
        .prepare_cached("SELECT 1 FROM access WHERE file = ?1 AND principal = ?2 AND rank >= ?3")?;
    Ok(statement.exists([file, me.principal, access::READER])?)
}
