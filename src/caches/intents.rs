//! Local writes that are decided and not yet done.
//!
//! They are committed together with what was agreed. Without them, a crash between the commit and
//! the write would make the old file on disk look like a local edit that undoes what was agreed.
//!
//! Invariant: one for each path. As long as there is one, what stands at that path is no edit.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection as Database, Row, params};

use super::agreed::{parse_digest, parse_path};
use super::{Error, Result};
use crate::model::{DatasitePath, Digest, Email};
use crate::wire::{Content, Large};

/// A local write that is still to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// Its number, in the order in which they were decided.
    pub number: i64,
    /// In which tree.
    pub datasite: Email,
    /// Which file.
    pub path: DatasitePath,
    /// What is to be on disk before; anything else is a local edit.
    pub base: Option<Digest>,
    /// What is to be on disk afterwards; `None`: nothing.
    pub content: Option<Content>,
    /// The file name under which a local edit is kept before the write; `None`: the edit stays where
    /// it is, and nothing is written.
    pub aside: Option<String>,
}

/// What is known of a write that waits, without its content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// As in [`Intent`].
    pub base: Option<Digest>,
    /// As in [`Intent`].
    pub aside: Option<String>,
}

impl Waiting {
    /// True if the write, once it can be done, takes the place of what was `found` in a tree where
    /// edits stay: that is what it expects, or is moved aside. Else an edit stands there.
    pub fn may_replace(&self, found: Option<Digest>) -> bool {
        self.aside.is_some() || self.base == found
    }
}

/// Notes a write that is to be done. It takes the place of an earlier one of the same path.
pub fn add(
    db: &Database,
    datasite: &Email,
    path: &DatasitePath,
    base: Option<&Digest>,
    content: Option<&Content>,
    aside: Option<&str>,
) -> Result<()> {
    forget(db, datasite, path)?;
    let base = base.map(Digest::to_hex);
    db.prepare_cached(
        "INSERT INTO intents (datasite, path, base, content, aside, large)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        datasite.as_str(),
        path.as_str(),
        base,
        content.and_then(Content::inline),
        aside,
        content.and_then(Content::large).map(Large::to_line),
    ])?;
    Ok(())
}

/// Notes that nothing is to be written at `path` any more: something newer was agreed.
pub fn forget(db: &Database, datasite: &Email, path: &DatasitePath) -> Result<()> {
    db.prepare_cached("DELETE FROM intents WHERE datasite = ?1 AND path = ?2")?
        .execute([datasite.as_str(), path.as_str()])?;
    Ok(())
}

/// Returns the paths that wait for a write, with what is to be on disk before.
pub fn waiting(db: &Database, datasite: &Email) -> Result<BTreeMap<DatasitePath, Waiting>> {
    let mut statement =
        db.prepare_cached("SELECT path, base, aside FROM intents WHERE datasite = ?1")?;
    let rows = statement.query_map([datasite.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get(2)?))
    })?;
    rows.map(|row| {
        let (path, base, aside) = row?;
        let base = base.map(|text| parse_digest(&text)).transpose()?;
        Ok((parse_path(&path)?, Waiting { base, aside }))
    })
    .collect()
}

/// Returns the write that waits at `path`; `None` if there is none.
pub fn at(db: &Database, datasite: &Email, path: &DatasitePath) -> Result<Option<Intent>> {
    let sql = "SELECT number, datasite, path, base, content, aside, large FROM intents
         WHERE datasite = ?1 AND path = ?2";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([datasite.as_str(), path.as_str()])?;
    rows.next()?.map(intent).transpose()
}

/// Returns the first write after number `after` that is still to be done.
pub fn next(db: &Database, after: i64) -> Result<Option<Intent>> {
    let mut statement = db.prepare_cached(
        "SELECT number, datasite, path, base, content, aside, large FROM intents
         WHERE number > ?1 ORDER BY number LIMIT 1",
    )?;
    let mut rows = statement.query([after])?;
    rows.next()?.map(intent).transpose()
}

fn intent(row: &Row<'_>) -> Result<Intent> {
    let base: Option<String> = row.get(3)?;
    let held: Option<Vec<u8>> = row.get(4)?;
    let large: Option<String> = row.get(6)?;
    let content = match large {
        Some(line) => Some(Content::Large(parse_large(&line)?)),
        None => held.map(Content::from_bytes),
    };
    Ok(Intent {
        number: row.get(0)?,
        datasite: Email::parse(&row.get::<_, String>(1)?)
            .map_err(|error| Error::damaged(error.to_string()))?,
        path: parse_path(&row.get::<_, String>(2)?)?,
        base: base.map(|text| parse_digest(&text)).transpose()?,
        content,
        aside: row.get(5)?,
    })
}

/// Returns what is still to be written of what is too large to be held.
pub fn larges(db: &Database) -> Result<BTreeSet<Digest>> {
    let mut statement = db.prepare_cached("SELECT large FROM intents WHERE large IS NOT NULL")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| Ok(parse_large(&row?)?.digest)).collect()
}

pub(super) fn parse_large(line: &str) -> Result<Large> {
    Large::from_line(line).ok_or_else(|| Error::damaged(format!("`{line}` names no content")))
}

/// Notes that a write is done, or no longer wanted.
pub fn done(db: &Database, number: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM intents WHERE number = ?1")?.execute([number])?;
    Ok(())
}
