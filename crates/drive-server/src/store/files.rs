//! Finds one file and reads what is known about it. Changes nothing.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::{Refusal, Result, access, tokens::Me};

/// MIME type of folders.
pub(crate) const FOLDER: &str = "application/vnd.google-apps.folder";

/// One file as one account sees it.
#[derive(Debug, Clone)]
pub(crate) struct FileRow {
    pub(crate) seq: i64,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) mime: String,
    /// Id of the parent folder; none if there is none or this account does not see it.
    pub(crate) parent: Option<String>,
    pub(crate) owner: String,
    pub(crate) modifier: String,
    pub(crate) created_ms: i64,
    pub(crate) modified_ms: i64,
    pub(crate) discarded: bool,
    pub(crate) trashed: bool,
    pub(crate) description: Option<String>,
    pub(crate) version: i64,
    pub(crate) content: Option<String>,
    pub(crate) size: u64,
    /// None if nobody has asked for it yet (`sums`).
    pub(crate) md5: Option<String>,
    pub(crate) sha256: String,
    /// What this account may do with it.
    pub(crate) rank: i64,
    /// True if anybody but the owner reaches it.
    pub(crate) shared: bool,
}

impl FileRow {
    pub(crate) fn is_folder(&self) -> bool {
        self.mime == FOLDER
    }

    /// True if the file is Google's own kind of thing, which has no bytes: a folder, a document.
    pub(crate) fn is_native(&self) -> bool {
        self.mime.starts_with("application/vnd.google-apps.")
    }
}

/// What of a [`FileRow`] takes a look at other files; what is not wanted is empty or false.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) parent: bool,
    pub(crate) shared: bool,
}

impl Wanted {
    pub(crate) const ALL: Self = Self { parent: true, shared: true };
}

/// Writes the statement that reads a [`FileRow`]; its second parameter is the account.
fn select(wanted: Wanted, condition: &str) -> String {
    let parent = match wanted.parent {
        true => {
            "(SELECT p.id FROM file p JOIN access a ON a.file = p.seq AND a.principal IN (?2, 0)
              WHERE p.seq = f.parent)"
        }
        false => "NULL",
    };
    let shared = match wanted.shared {
        true => "EXISTS (SELECT 1 FROM access WHERE file = f.seq AND principal <> f.owner)",
        false => "0",
    };
    format!(
        "SELECT f.seq, f.id, f.name, f.mime, {parent}, o.email, m.email, f.created_ms,
                f.modified_ms, f.discarded, f.trashed, f.description, f.version, f.content, f.size,
                f.md5, f.sha256, (SELECT coalesce(max(rank), 0) FROM access
                                  WHERE file = f.seq AND principal IN (?2, 0)), {shared}
         FROM file f JOIN principal o ON o.id = f.owner JOIN principal m ON m.id = f.modifier
         WHERE {condition}"
    )
}

fn read(row: &Row<'_>) -> rusqlite::Result<FileRow> {
    Ok(FileRow {
        seq: row.get(0)?,
        id: row.get(1)?,
        name: row.get(2)?,
        mime: row.get(3)?,
        parent: row.get(4)?,
        owner: row.get(5)?,
        modifier: row.get(6)?,
        created_ms: row.get(7)?,
        modified_ms: row.get(8)?,
        discarded: row.get(9)?,
        trashed: row.get(10)?,
        description: row.get(11)?,
        version: row.get(12)?,
        content: row.get(13)?,
        size: row.get(14)?,
        md5: Some(row.get(15)?).filter(|md5: &String| !md5.is_empty()),
        sha256: row.get(16)?,
        rank: row.get(17)?,
        shared: row.get(18)?,
    })
}

/// Returns a file by id, or the account's root folder for `root`.
///
/// Refuses with [`Refusal::NoFile`] what this account does not see, whether or not it is there, and
/// with [`Refusal::Denied`] what it sees but may not use as `rank`.
pub(crate) fn get(connection: &Connection, me: &Me, id: &str, rank: i64) -> Result<FileRow> {
    let id = if id == "root" { me.root.as_str() } else { id };
    let sql = select(Wanted::ALL, "f.id = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    let row = statement.query_row(rusqlite::params![id, me.principal], read).optional()?;
    match row {
        Some(row) if row.rank >= rank.max(access::READER) => Ok(row),
        Some(row) if row.rank >= access::READER => Err(Refusal::Denied.into()),
        _ => Err(Refusal::NoFile(id.chars().take(200).collect()).into()),
    }
}

/// Returns a file by number, which the caller knows to be visible.
pub(crate) fn by_seq(connection: &Connection, me: &Me, seq: i64) -> Result<FileRow> {
    let mut statement = connection.prepare_cached(&select(Wanted::ALL, "f.seq = ?1"))?;
    Ok(statement.query_row([seq, me.principal], read)?)
}

/// Returns files by number, in that order, which the caller knows to be visible.
pub(crate) fn by_seqs(
    connection: &Connection,
    me: &Me,
    seqs: impl Iterator<Item = i64>,
    wanted: Wanted,
) -> Result<Vec<FileRow>> {
    let mut statement = connection.prepare_cached(&select(wanted, "f.seq = ?1"))?;
    let rows = seqs.map(|seq| statement.query_row([seq, me.principal], read));
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A file as a place for others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) seq: i64,
    pub(crate) is_folder: bool,
    pub(crate) trashed: bool,
    /// What the account may do there, which sees it.
    pub(crate) rank: i64,
}

/// Returns a file that the account sees as a place for others; `root` is its own root folder.
pub(crate) fn place(connection: &Connection, me: &Me, id: &str) -> Result<Place> {
    let id = if id == "root" { me.root.as_str() } else { id };
    let mut statement = connection.prepare_cached(
        "SELECT f.seq, f.mime = 'application/vnd.google-apps.folder', f.trashed,
                (SELECT max(rank) FROM access WHERE file = f.seq AND principal IN (?2, 0)) AS rank
         FROM file f WHERE f.id = ?1 AND rank > 0",
    )?;
    let place = statement.query_row(rusqlite::params![id, me.principal], |row| {
        Ok(Place {
            seq: row.get(0)?,
            is_folder: row.get(1)?,
            trashed: row.get(2)?,
            rank: row.get(3)?,
        })
    });
    place.optional()?.ok_or_else(|| Refusal::NoFile(id.chars().take(200).collect()).into())
}

/// Returns the properties of a file, sorted by key. `kind` is `appProperties` or `properties`.
pub(crate) fn properties(
    connection: &Connection,
    file: i64,
    kind: &str,
) -> Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT key, value FROM property WHERE file = ?1 AND kind = ?2 ORDER BY key",
    )?;
    let rows =
        statement.query_map(rusqlite::params![file, kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns how many bytes an account's files have: all of them, and those in the trash.
pub(crate) fn usage(connection: &Connection, me: &Me) -> Result<(u64, u64)> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(sum(size), 0), coalesce(sum(size) FILTER (WHERE trashed), 0)
         FROM file WHERE owner = ?1",
    )?;
    Ok(statement.query_row([me.principal], |row| Ok((row.get(0)?, row.get(1)?)))?)
}

/// Returns the key that marks file ids of this Drive.
pub(crate) fn id_key(connection: &Connection) -> Result<Vec<u8>> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM setting WHERE key = 'id_key'")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}
