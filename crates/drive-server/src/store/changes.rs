//! The change feed of one account: the last change of each file that concerns it, oldest first.
//!
//! A page token is the number of the next change to tell. A file that changes again moves to the
//! end, so that one who reads from an old token hears of each file once.

use rusqlite::Connection;

use super::{
    Refusal, Result,
    files::{self, FileRow, Wanted},
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
pub(crate) fn page(
    connection: &Connection,
    me: &Me,
    token: i64,
    size: usize,
    wanted: Wanted,
) -> Result<Page> {
    let start = start(connection)?;
    if token < 1 || token > start {
        return Err(Refusal::BadPageToken.into());
    }
    // A link alone does not make a file somebody's: no access of its own, no news of it.
    let mut statement = connection.prepare_cached(
        "SELECT c.seq, c.file, c.time_ms, a.file FROM change c
         LEFT JOIN file f ON f.id = c.file
         LEFT JOIN access a ON a.file = f.seq AND a.principal = c.principal AND a.rank >= 1
         WHERE c.principal = ?1 AND c.seq >= ?2 ORDER BY c.seq LIMIT ?3",
    )?;
    let limit = i64::try_from(size).unwrap_or(i64::MAX).saturating_add(1);
    let rows = statement
        .query_map([me.principal, token, limit], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, String, i64, Option<i64>)>>>()?;
    let next = rows.get(size).map(|row| row.0);
    let told = || rows.iter().take(size);
    let seqs = told().filter_map(|(_, _, _, file)| *file);
    let mut files = files::by_seqs(connection, me, seqs, wanted)?.into_iter();
    let changes = told().map(|(_, id, time_ms, file)| Change {
        id: id.clone(),
        time_ms: *time_ms,
        file: file.and_then(|_| files.next()),
    });
    let changes = changes.collect();
    Ok(Page { changes, next, start })
}
