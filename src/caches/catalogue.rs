//! What we know of the Drive: the folders and files that concern us, kept up to date by the change
//! feed, so that a sync that has nothing to do costs one request.
//!
//! It is a cache. It may lag behind, and whoever acts on it must cope with an entry that is gone.

use std::collections::BTreeMap;

use std::collections::BTreeSet;

use rusqlite::{Connection as Database, Row, params};

use super::journal::parse_id;
use super::stats::text;
use super::{Error, Result};
use crate::connections::{Entry, FileId, Kind};
use crate::model::Email;

const COLUMNS: &str = "id, name, folder, size, owner, mine, parent, created, revision, tags";

/// Adds an entry, or brings it up to date. Whether its content is listed stays as it was.
pub fn put(db: &Database, entry: &Entry) -> Result<()> {
    let tags = serde_json::to_string(&entry.tags).map_err(|e| Error::damaged(e.to_string()))?;
    db.prepare_cached(
        "INSERT INTO catalogue (id, name, folder, size, owner, mine, parent, created, revision, tags)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (id) DO UPDATE SET name = ?2, folder = ?3, size = ?4, owner = ?5, mine = ?6,
             parent = ?7, created = ?8, revision = ?9, tags = ?10",
    )?
    .execute(params![
        entry.id.as_str(),
        entry.name,
        entry.kind == Kind::Folder,
        i64::try_from(entry.size_bytes).unwrap_or(i64::MAX),
        entry.owner.as_ref().map(Email::as_str),
        entry.is_mine,
        entry.parents.first().map(FileId::as_str),
        entry.created_micros,
        entry.revision,
        tags,
    ])?;
    Ok(())
}

/// Removes an entry and what lies in it.
pub fn remove(db: &Database, id: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM catalogue WHERE id = ?1 OR parent = ?1")?
        .execute([id.as_str()])?;
    Ok(())
}

/// Forgets everything.
pub fn clear(db: &Database) -> Result<()> {
    db.execute("DELETE FROM catalogue", [])?;
    Ok(())
}

/// Notes whether the content of a folder is in the catalogue.
pub fn set_listed(db: &Database, folder: &FileId, listed: bool) -> Result<()> {
    db.prepare_cached("UPDATE catalogue SET listed = ?2 WHERE id = ?1")?
        .execute(params![folder.as_str(), listed])?;
    Ok(())
}

/// Forgets what lies in a folder, so that it is listed again.
pub fn forget_content(db: &Database, folder: &FileId) -> Result<()> {
    db.prepare_cached("DELETE FROM catalogue WHERE parent = ?1")?.execute([folder.as_str()])?;
    set_listed(db, folder, false)
}

/// Returns the folders whose content is not in the catalogue.
pub fn unlisted(db: &Database) -> Result<Vec<Entry>> {
    let sql =
        format!("SELECT {COLUMNS} FROM catalogue WHERE folder = 1 AND listed = 0 ORDER BY id");
    query(db, &sql, &[])
}

/// Returns one entry.
pub fn get(db: &Database, id: &FileId) -> Result<Option<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM catalogue WHERE id = ?1");
    Ok(query(db, &sql, &[id.as_str()])?.pop())
}

/// Returns what lies in `folder`, by name.
pub fn children(db: &Database, folder: &FileId) -> Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM catalogue WHERE parent = ?1 ORDER BY name, id");
    query(db, &sql, &[folder.as_str()])
}

/// Returns all folders, and the files that lie outside of the folders we know.
pub fn folders(db: &Database) -> Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM catalogue WHERE folder = 1 ORDER BY created, id");
    query(db, &sql, &[])
}

/// Returns the entries of this name, oldest first.
pub fn named(db: &Database, name: &str) -> Result<Vec<Entry>> {
    let sql = format!("SELECT {COLUMNS} FROM catalogue WHERE name = ?1 ORDER BY created, id");
    query(db, &sql, &[name])
}

/// Returns the files whose names begin so, oldest first.
pub fn named_from(db: &Database, beginning: &str) -> Result<Vec<Entry>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM catalogue WHERE folder = 0 AND substr(name, 1, length(?1)) = ?1
         ORDER BY created, id"
    );
    query(db, &sql, &[beginning])
}

/// Returns what lies in `folder` and was not looked at yet, in the order in which the service made
/// it.
pub fn unseen(db: &Database, folder: &FileId) -> Result<Vec<Entry>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM catalogue WHERE parent = ?1 AND folder = 0
         AND id NOT IN (SELECT file FROM seen) ORDER BY created, name, id"
    );
    query(db, &sql, &[folder.as_str()])
}

/// What is known of a file that was not looked at.
#[derive(Clone, Copy, Debug)]
pub struct Unseen<'r> {
    id: &'r str,
    /// As in [`Entry`].
    pub name: &'r str,
    /// As in [`Entry`].
    pub created_micros: i64,
}

impl Unseen<'_> {
    /// Returns which file it is.
    pub fn id(&self) -> Result<FileId> {
        parse_id(self.id)
    }
}

/// Gives what lies in `folder` and was not looked at yet to `each`, in no order: none of it is held.
pub fn each_unseen(
    db: &Database,
    folder: &FileId,
    mut each: impl FnMut(Unseen<'_>) -> Result<()>,
) -> Result<()> {
    let mut statement = db.prepare_cached(
        "SELECT id, name, created FROM catalogue WHERE parent = ?1 AND folder = 0
         AND id NOT IN (SELECT file FROM seen)",
    )?;
    let mut rows = statement.query([folder.as_str()])?;
    while let Some(row) = rows.next()? {
        each(Unseen { id: text(row, 0)?, name: text(row, 1)?, created_micros: row.get(2)? })?;
    }
    Ok(())
}

/// Returns the ids of all files that were not looked at.
pub fn unseen_files(db: &Database) -> Result<BTreeSet<FileId>> {
    let mut statement = db.prepare_cached(
        "SELECT id FROM catalogue WHERE folder = 0 AND id NOT IN (SELECT file FROM seen)",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| super::journal::parse_id(&row?)).collect()
}

/// Returns when the newest was made of all that this account owns; `None` if it owns nothing.
pub fn newest_of_ours(db: &Database) -> Result<Option<i64>> {
    let sql = "SELECT max(created) FROM catalogue WHERE mine = 1 AND created < ?1";
    Ok(db.prepare_cached(sql)?.query_row([i64::MAX], |row| row.get(0))?)
}

/// Returns when the newest file in `folder` was made that was looked at; `None` if none was.
pub fn newest_seen(db: &Database, folder: &FileId) -> Result<Option<i64>> {
    Ok(db
        .prepare_cached(
            "SELECT max(created) FROM catalogue WHERE parent = ?1 AND folder = 0
             AND created < ?2 AND id IN (SELECT file FROM seen)",
        )?
        .query_row(params![folder.as_str(), i64::MAX], |row| row.get(0))?)
}

fn query(db: &Database, sql: &str, parameters: &[&str]) -> Result<Vec<Entry>> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(rusqlite::params_from_iter(parameters))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry(row)?);
    }
    Ok(entries)
}

fn entry(row: &Row<'_>) -> Result<Entry> {
    let tags: BTreeMap<String, String> = serde_json::from_str(&row.get::<_, String>(9)?)
        .map_err(|error| Error::damaged(error.to_string()))?;
    let parent: Option<String> = row.get(6)?;
    let owner: Option<String> = row.get(4)?;
    Ok(Entry {
        id: parse_id(&row.get::<_, String>(0)?)?,
        name: row.get(1)?,
        kind: if row.get(2)? { Kind::Folder } else { Kind::File },
        size_bytes: u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
        owner: owner.and_then(|text| Email::parse(&text).ok()),
        is_mine: row.get(5)?,
        parents: parent.map(|text| parse_id(&text)).transpose()?.into_iter().collect(),
        created_micros: row.get(7)?,
        revision: row.get(8)?,
        tags,
    })
}
