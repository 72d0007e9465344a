//! The messages that lie in the outboxes of an owner's peers.

use std::collections::BTreeMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::journal::parse_id;
use super::{Error, Result};
use crate::connections::FileId;
use crate::model::{DatasitePath, Email};

/// A message in a peer's outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Its id.
    pub file: FileId,
    /// How often what it holds was brought together: 0 for a message as it was first sent.
    pub level: u32,
    /// The paths that it speaks of, with the ids of the events: an answer to a proposal is known by
    /// its id.
    pub paths: BTreeMap<DatasitePath, String>,
}

/// Notes a message to `peer`.
pub fn add(db: &Database, peer: &Email, message: &Delivered) -> Result<()> {
    let paths: BTreeMap<&str, &String> =
        message.paths.iter().map(|(path, event)| (path.as_str(), event)).collect();
    let paths = serde_json::to_string(&paths).map_err(|e| Error::damaged(e.to_string()))?;
    db.prepare_cached("INSERT INTO delivered (file, peer, level, paths) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![message.file.as_str(), peer.as_str(), message.level, paths])?;
    Ok(())
}

/// Returns the messages to `peer` that nothing is to replace, oldest first.
pub fn to(db: &Database, peer: &Email) -> Result<Vec<Delivered>> {
    select(
        db,
        peer,
        "SELECT file, level, paths FROM delivered WHERE peer = ?1 AND replaced IS NULL
         ORDER BY number",
    )
}

/// Returns the levels of the messages that [`to`] returns, in its order. What they speak of is much,
/// and is not read.
pub fn levels(db: &Database, peer: &Email) -> Result<Vec<u32>> {
    let mut statement = db.prepare_cached(
        "SELECT level FROM delivered WHERE peer = ?1 AND replaced IS NULL ORDER BY number",
    )?;
    let rows = statement.query_map([peer.as_str()], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns the messages to `peer` that still wait to be sent, oldest first; also those that another
/// one is to replace.
pub fn waiting(db: &Database, peer: &Email) -> Result<Vec<Delivered>> {
    select(
        db,
        peer,
        "SELECT file, level, paths FROM delivered
         WHERE peer = ?1 AND file IN (SELECT file FROM outgoing) ORDER BY number",
    )
}

fn select(db: &Database, peer: &Email, sql: &str) -> Result<Vec<Delivered>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([peer.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?, row.get::<_, String>(2)?))
    })?;
    rows.map(|row| {
        let (file, level, paths) = row?;
        let paths: BTreeMap<String, String> =
            serde_json::from_str(&paths).map_err(|error| Error::damaged(error.to_string()))?;
        let paths = paths
            .into_iter()
            .map(|(path, event)| Ok((super::agreed::parse_path(&path)?, event)))
            .collect::<Result<_>>()?;
        Ok(Delivered { file: parse_id(&file)?, level, paths })
    })
    .collect()
}

/// Notes that the message `by` is to take the place of `file`.
pub fn replace(db: &Database, file: &FileId, by: &FileId) -> Result<()> {
    db.prepare_cached("UPDATE delivered SET replaced = ?2 WHERE file = ?1")?
        .execute([file.as_str(), by.as_str()])?;
    Ok(())
}

/// Notes that a message counts as brought together.
pub fn raise(db: &Database, file: &FileId, level: u32) -> Result<()> {
    db.prepare_cached("UPDATE delivered SET level = max(level, ?2) WHERE file = ?1")?
        .execute(params![file.as_str(), level])?;
    Ok(())
}

/// Notes that a message was taken back: what it was to replace stays, and it is to go itself, in case
/// it is there.
pub fn withdraw(db: &Database, file: &FileId) -> Result<()> {
    db.prepare_cached("UPDATE delivered SET replaced = NULL WHERE replaced = ?1")?
        .execute([file.as_str()])?;
    replace(db, file, file)
}

/// Returns the messages whose place another one has taken: it is no longer waiting to be sent.
pub fn replaced(db: &Database) -> Result<Vec<FileId>> {
    let mut statement = db.prepare_cached(
        "SELECT file FROM delivered WHERE replaced IS NOT NULL
         AND replaced NOT IN (SELECT file FROM outgoing) ORDER BY file",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// Returns to whom a message was sent; `None` if it is not among those that lie in an outbox.
pub fn addressee(db: &Database, file: &FileId) -> Result<Option<Email>> {
    let found: Option<String> = db
        .prepare_cached("SELECT peer FROM delivered WHERE file = ?1")?
        .query_row([file.as_str()], |row| row.get(0))
        .optional()?;
    let peer = found.map(|text| Email::parse(&text)).transpose();
    peer.map_err(|error| Error::damaged(error.to_string()))
}

/// Notes that a message is gone.
pub fn gone(db: &Database, file: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM delivered WHERE file = ?1")?.execute([file.as_str()])?;
    Ok(())
}

/// Forgets the messages to `peer`: its outbox is a new one, or gone.
pub fn forget(db: &Database, peer: &Email) -> Result<()> {
    db.prepare_cached("DELETE FROM delivered WHERE peer = ?1")?.execute([peer.as_str()])?;
    Ok(())
}
