//! Resumable uploads: what a session is to become, kept in the database so that it survives a
//! restart. Its bytes lie in `partial/`; how many there are is the file's length, nothing else.

use std::fs;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Folders, Refusal, Result, Txn, ids, tokens::Me};

/// A session lives for a week, as on Drive.
const LIFE_MS: i64 = 7 * 24 * 3600 * 1000;

/// Open sessions of one account.
const OPEN_MAX: i64 = 1000;

/// One resumable upload.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) me: Me,
    /// File that gets the content; none creates one.
    pub(crate) target: Option<String>,
    /// What the first request asked for, as the HTTP side wrote it.
    pub(crate) request: String,
    /// Name of the content in `partial/`.
    pub(crate) content: String,
    /// Id of the file, once the upload is done.
    pub(crate) result: Option<String>,
}

/// Opens a session under a secret upload id.
pub(crate) fn open(
    txn: &Txn<'_>,
    folders: &Folders,
    upload_id: &str,
    me: &Me,
    target: Option<&str>,
    request: &str,
) -> Result<()> {
    forget_old(&txn.tx, folders, txn.now_ms)?;
    let open: i64 = txn.tx.query_row(
        "SELECT count(*) FROM session WHERE principal = ?1 AND result IS NULL",
        [me.principal],
        |row| row.get(0),
    )?;
    if open >= OPEN_MAX {
        return Err(Refusal::ManySessions.into());
    }
    txn.tx.prepare_cached("INSERT INTO session VALUES (?1, ?2, ?3, ?4, ?5, ?6, NULL)")?.execute(
        params![ids::hash(upload_id), me.principal, target, request, ids::secret(), txn.now_ms],
    )?;
    Ok(())
}

/// Returns a session; none if it is unknown or too old.
pub(crate) fn get(
    connection: &Connection,
    upload_id: &str,
    now_ms: i64,
) -> Result<Option<Session>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.id, p.email, r.id, s.target, s.request, s.content, s.result
         FROM session s JOIN principal p ON p.id = s.principal JOIN file r ON r.seq = p.root
         WHERE s.hash = ?1 AND s.created_ms > ?2",
    )?;
    let session = statement.query_row(params![ids::hash(upload_id), now_ms - LIFE_MS], |row| {
        Ok(Session {
            me: Me { principal: row.get(0)?, email: row.get(1)?, root: row.get(2)? },
            target: row.get(3)?,
            request: row.get(4)?,
            content: row.get(5)?,
            result: row.get(6)?,
        })
    });
    Ok(session.optional()?)
}

/// Remembers what became of a session, so that a client who lost the answer gets it again.
pub(crate) fn finish(txn: &Txn<'_>, upload_id: &str, file: &str) -> Result<()> {
    txn.tx
        .prepare_cached("UPDATE session SET result = ?2 WHERE hash = ?1")?
        .execute(params![ids::hash(upload_id), file])?;
    Ok(())
}

/// Forgets a session.
pub(crate) fn remove(txn: &Txn<'_>, upload_id: &str) -> Result<()> {
    txn.tx.execute("DELETE FROM session WHERE hash = ?1", [ids::hash(upload_id)])?;
    Ok(())
}

/// Forgets sessions that nobody ended in a week, with their bytes.
pub(super) fn forget_old(connection: &Connection, folders: &Folders, now_ms: i64) -> Result<()> {
    let mut statement = connection
        .prepare_cached("DELETE FROM session WHERE created_ms <= ?1 RETURNING content")?;
    let contents = statement.query_map([now_ms - LIFE_MS], |row| row.get::<_, String>(0))?;
    for content in contents {
        fs::remove_file(folders.partial.join(content?)).ok();
    }
    Ok(())
}
