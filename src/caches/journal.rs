//! What is decided and still to be sent, and which messages are dealt with.
//!
//! A message is committed with its id, name and bytes before it is uploaded, so that after a crash
//! the very same file is created: if it is there already, the service says so. One that speaks of
//! something large is committed as what it is made of ([`Recipe`]).

use std::collections::BTreeSet;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::intents::parse_large;
use super::{Error, Result};
use crate::connections::FileId;
use crate::model::{Digest, Email};
use crate::wire::{self, Large, Packed, Part, Recipe};

/// What a file is, or what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// The file.
    Bytes(Vec<u8>),
    /// What it is made of.
    Recipe {
        /// The pieces.
        recipe: Recipe,
        /// The time in its gzip header, in seconds since the epoch.
        mtime: u32,
    },
}

impl Load {
    /// Returns what goes into the journal for `file`. `secret` is a text that nobody can guess.
    pub fn of<T: Packed>(file: T, mtime: u32, secret: &str) -> Self {
        let recipe = Recipe::of(file, secret);
        match recipe.json() {
            Some(json) => Self::Bytes(wire::archive::pack(json, mtime)),
            None => Self::Recipe { recipe, mtime },
        }
    }

    /// Reads the file. `secret` is a text that nobody can guess.
    ///
    /// # Errors
    /// If it is no such file.
    pub fn read<T: Packed>(&self, secret: &str) -> std::result::Result<T, wire::Error> {
        match self {
            Self::Bytes(bytes) => T::from_file_bytes(bytes),
            Self::Recipe { recipe, .. } => recipe.file(secret),
        }
    }
}

/// A file that is still to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number, in the order in which they were decided.
    pub number: i64,
    /// The id that was made for it beforehand.
    pub file: FileId,
    /// The folder that it belongs in.
    pub folder: FileId,
    /// Its name.
    pub name: String,
    /// The peer that it is for; `None`: for ourselves.
    pub peer: Option<Email>,
    /// Its content.
    pub content: Load,
}

/// A file to be sent, before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOutgoing {
    /// The id that was made for it beforehand.
    pub file: FileId,
    /// The folder that it belongs in.
    pub folder: FileId,
    /// Its name.
    pub name: String,
    /// The peer that it is for; `None`: for ourselves.
    pub peer: Option<Email>,
    /// Its content.
    pub content: Load,
}

/// Notes a file that is to be sent.
pub fn add(db: &Database, new: &NewOutgoing) -> Result<()> {
    let (bytes, mtime) = match &new.content {
        Load::Bytes(bytes) => (bytes.as_slice(), None),
        Load::Recipe { mtime, .. } => (&[][..], Some(*mtime)),
    };
    db.prepare_cached(
        "INSERT INTO outgoing (file, folder, name, peer, content, mtime)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        new.file.as_str(),
        new.folder.as_str(),
        new.name,
        new.peer.as_ref().map(Email::as_str),
        bytes,
        mtime,
    ])?;
    if let Load::Recipe { recipe, .. } = &new.content {
        add_parts(db, db.last_insert_rowid(), recipe)?;
    }
    Ok(())
}

fn add_parts(db: &Database, number: i64, recipe: &Recipe) -> Result<()> {
    let mut add = db.prepare_cached(
        "INSERT INTO outgoing_parts (number, place, json, large) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (place, part) in (0_i64..).zip(&recipe.parts) {
        match part {
            Part::Json(json) => add.execute(params![number, place, json, None::<&str>])?,
            Part::Large(large) => {
                add.execute(params![number, place, None::<&[u8]>, large.to_line()])?
            }
        };
    }
    Ok(())
}

fn parts(db: &Database, number: i64) -> Result<Recipe> {
    let mut statement = db.prepare_cached(
        "SELECT json, large FROM outgoing_parts WHERE number = ?1 ORDER BY place",
    )?;
    let rows = statement.query_map([number], |row| {
        Ok((row.get::<_, Option<Vec<u8>>>(0)?, row.get::<_, Option<String>>(1)?))
    })?;
    let parts = rows.map(|row| match row? {
        (Some(json), None) => Ok(Part::Json(json)),
        (None, Some(line)) => parse_large(&line).map(Part::Large),
        _ => Err(Error::damaged("a piece of a message is missing".to_owned())),
    });
    Ok(Recipe { parts: parts.collect::<Result<_>>()? })
}

/// Returns what is too large to be held of what is still to be sent.
pub fn larges(db: &Database) -> Result<BTreeSet<Digest>> {
    let mut statement =
        db.prepare_cached("SELECT large FROM outgoing_parts WHERE large IS NOT NULL")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_large(&row?).map(|large: Large| large.digest)).collect()
}

/// Returns the numbers and folders of all that is still to be sent, in order.
pub fn pending(db: &Database) -> Result<Vec<(i64, FileId)>> {
    let mut statement = db.prepare_cached("SELECT number, folder FROM outgoing ORDER BY number")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (number, folder) = row?;
        Ok((number, parse_id(&folder)?))
    })
    .collect()
}

/// Returns the ids of all that is still to be sent.
pub fn pending_files(db: &Database) -> Result<BTreeSet<FileId>> {
    let mut statement = db.prepare_cached("SELECT file FROM outgoing")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// Returns one file that is still to be sent; `None` if it was sent meanwhile.
pub fn load(db: &Database, number: i64) -> Result<Option<Outgoing>> {
    let found = db
        .prepare_cached(
            "SELECT file, folder, name, peer, content, mtime FROM outgoing WHERE number = ?1",
        )?
        .query_row([number], |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get::<_, String>(1)?,
                row.get::<_, String>(2)?,
                row.get::<_, Option<String>>(3)?,
                row.get::<_, Vec<u8>>(4)?,
                row.get::<_, Option<u32>>(5)?,
            ))
        })
        .optional()?;
    let Some((file, folder, name, peer, content, mtime)) = found else { return Ok(None) };
    let peer = peer
        .map(|text| Email::parse(&text))
        .transpose()
        .map_err(|error| Error::damaged(error.to_string()))?;
    let (file, folder) = (parse_id(&file)?, parse_id(&folder)?);
    let content = match mtime {
        Some(mtime) => Load::Recipe { recipe: parts(db, number)?, mtime },
        None => Load::Bytes(content),
    };
    Ok(Some(Outgoing { number, file, folder, name, peer, content }))
}

/// Notes that a file is sent, or can never be.
pub fn done(db: &Database, number: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM outgoing WHERE number = ?1")?.execute([number])?;
    Ok(())
}

/// Takes a file out of what is still to be sent.
pub fn withdraw(db: &Database, file: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM outgoing WHERE file = ?1")?.execute([file.as_str()])?;
    Ok(())
}

/// Returns the peers for whom something is still to be sent.
pub fn addressees(db: &Database) -> Result<BTreeSet<Email>> {
    let mut statement =
        db.prepare_cached("SELECT DISTINCT peer FROM outgoing WHERE peer IS NOT NULL")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| Email::parse(&row?).map_err(|error| Error::damaged(error.to_string()))).collect()
}

/// Drops all that is still to be sent to `peer`.
pub fn drop_for(db: &Database, peer: &Email) -> Result<()> {
    db.prepare_cached("DELETE FROM outgoing WHERE peer = ?1")?.execute([peer.as_str()])?;
    Ok(())
}

/// Takes what is still to be sent to ourselves out of the journal, and returns it in order.
pub fn withdraw_own(db: &Database) -> Result<Vec<Outgoing>> {
    let mut own = Vec::new();
    for (number, _) in pending(db)? {
        if let Some(message) = load(db, number)?.filter(|message| message.peer.is_none()) {
            done(db, number)?;
            own.push(message);
        }
    }
    Ok(own)
}

/// Notes that a message was looked at, for good.
pub fn mark_seen(db: &Database, file: &FileId) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO seen VALUES (?1)")?.execute([file.as_str()])?;
    Ok(())
}

/// Notes that a message is to be looked at again.
pub fn unsee(db: &Database, file: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM seen WHERE file = ?1")?.execute([file.as_str()])?;
    Ok(())
}

/// Returns the messages that were looked at.
pub fn seen(db: &Database) -> Result<BTreeSet<FileId>> {
    let mut statement = db.prepare_cached("SELECT file FROM seen")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// True if a message was looked at.
pub fn is_seen(db: &Database, file: &FileId) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM seen WHERE file = ?1")?.exists([file.as_str()])?)
}

/// Notes that the full checkpoint made now includes all of the own event log that was looked at.
pub fn include_seen(db: &Database, log: &FileId) -> Result<()> {
    db.execute("DELETE FROM included", [])?;
    db.prepare_cached(
        "INSERT INTO included SELECT id FROM catalogue WHERE parent = ?1
         AND id IN (SELECT file FROM seen)",
    )?
    .execute([log.as_str()])?;
    Ok(())
}

/// Returns the messages that the full checkpoint includes.
pub fn included(db: &Database) -> Result<BTreeSet<FileId>> {
    let mut statement = db.prepare_cached("SELECT file FROM included")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// Notes that a message of `peer` is dealt with and is to leave the inbox `folder`.
pub fn archive(db: &Database, file: &FileId, folder: &FileId, peer: &Email) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO archiving VALUES (?1, ?2, ?3)")?.execute([
        file.as_str(),
        folder.as_str(),
        peer.as_str(),
    ])?;
    Ok(())
}

/// Returns the messages that are to leave their inbox: message, inbox, sender.
pub fn to_archive(db: &Database) -> Result<Vec<(FileId, FileId, Email)>> {
    let mut statement =
        db.prepare_cached("SELECT file, folder, peer FROM archiving ORDER BY peer, file")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?))
    })?;
    rows.map(|row| {
        let (file, folder, peer) = row?;
        let peer = Email::parse(&peer).map_err(|error| Error::damaged(error.to_string()))?;
        Ok((parse_id(&file)?, parse_id(&folder)?, peer))
    })
    .collect()
}

/// Notes that a message has left its inbox.
pub fn archived(db: &Database, file: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM archiving WHERE file = ?1")?.execute([file.as_str()])?;
    Ok(())
}

pub(super) fn parse_id(text: &str) -> Result<FileId> {
    FileId::parse(text).map_err(|error| Error::damaged(error.to_string()))
}
