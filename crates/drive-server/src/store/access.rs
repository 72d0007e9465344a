//! Who reaches which file, and how: permissions, inherited from folder to content.
//!
//! The table `access` holds the outcome for every file and everybody who reaches it, so that a
//! search needs one look-up for a file instead of a walk to the root. [`settle`] keeps it true
//! after anything that matters to it, and records a change for everybody concerned. Which of them are
//! folders is there as well: no file becomes one or ceases to be one.
//!
//! A folder's owner may write to what others put into it, but does not own it.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Refusal, Result, Txn};

/// Everybody who has the link; such files open by id but are not found by search.
pub(crate) const ANYONE: i64 = 0;

pub(crate) const READER: i64 = 1;
pub(crate) const COMMENTER: i64 = 2;
pub(crate) const WRITER: i64 = 3;
pub(crate) const OWNER: i64 = 5;

/// The most folders above a file, as on Drive.
pub(crate) const DEPTH_MAX: usize = 100;

/// Returns Drive's word for a rank.
pub(crate) fn role(rank: i64) -> &'static str {
    match rank {
        OWNER => "owner",
        WRITER => "writer",
        COMMENTER => "commenter",
        _ => "reader",
    }
}

/// Returns the rank of Drive's word; none for roles that only shared drives know.
pub(crate) fn rank_of(role: &str) -> Option<i64> {
    match role {
        "reader" => Some(READER),
        "commenter" => Some(COMMENTER),
        "writer" => Some(WRITER),
        "owner" => Some(OWNER),
        _ => None,
    }
}

/// Returns what `me` may do with a file; 0 is nothing.
pub(crate) fn rank(connection: &Connection, file: i64, me: i64) -> Result<i64> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(max(rank), 0) FROM access WHERE file = ?1 AND principal IN (?2, 0)",
    )?;
    Ok(statement.query_row([file, me], |row| row.get(0))?)
}

/// Gives a new file, which nobody has a permission on yet, the access that its place brings, and
/// tells of it whoever reaches it.
pub(crate) fn enter(txn: &Txn<'_>, file: i64, id: &str, parent: i64, owner: i64) -> Result<()> {
    txn.tx
        .prepare_cached(
            "WITH kind (folder) AS MATERIALIZED (
                 SELECT mime = 'application/vnd.google-apps.folder' FROM file WHERE seq = ?1)
             INSERT INTO access SELECT ?1, principal, min(rank, 3), kind.folder FROM access, kind
             WHERE file = ?2 AND principal <> ?3
             UNION ALL SELECT ?1, ?3, 5, folder FROM kind",
        )?
        .execute([file, parent, owner])?;
    txn.tx
        .prepare_cached(
            "INSERT INTO change (file, principal, time_ms)
             SELECT ?2, principal, ?3 FROM access WHERE file = ?1 AND principal <> 0",
        )?
        .execute(params![file, id, txn.now_ms])?;
    Ok(())
}

/// Makes `access` and `trashed` true for a file and all below it.
///
/// Goes down only where something differs: what a folder does not change for itself, it cannot
/// change for its content. Everybody whose access changes gets a change record for that file.
pub(crate) fn settle(txn: &Txn<'_>, file: i64) -> Result<()> {
    let mut open = vec![file];
    while let Some(file) = open.pop() {
        let moved = settle_access(txn, file)?;
        if settle_trash(txn, file)? || moved {
            let mut children = txn.tx.prepare_cached("SELECT seq FROM file WHERE parent = ?1")?;
            for child in children.query_map([file], |row| row.get(0))? {
                open.push(child?);
            }
        }
    }
    Ok(())
}

fn settle_access(txn: &Txn<'_>, file: i64) -> Result<bool> {
    let wanted = wanted(&txn.tx, file)?;
    let mut current = BTreeMap::new();
    let mut statement =
        txn.tx.prepare_cached("SELECT principal, rank FROM access WHERE file = ?1")?;
    for row in statement.query_map([file], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (principal, rank): (i64, i64) = row?;
        current.insert(principal, rank);
    }
    if wanted == current {
        return Ok(false);
    }
    let id: String = txn
        .tx
        .prepare_cached("SELECT id FROM file WHERE seq = ?1")?
        .query_row([file], |row| row.get(0))?;
    for principal in current.keys().filter(|one| !wanted.contains_key(one)) {
        txn.tx
            .prepare_cached("DELETE FROM access WHERE file = ?1 AND principal = ?2")?
            .execute([file, *principal])?;
        record(txn, &id, *principal)?;
    }
    for (principal, rank) in &wanted {
        if current.get(principal) != Some(rank) {
            txn.tx
                .prepare_cached(
                    "INSERT OR REPLACE INTO access
                     SELECT seq, ?2, ?3, mime = 'application/vnd.google-apps.folder'
                     FROM file WHERE seq = ?1",
                )?
                .execute([file, *principal, *rank])?;
            record(txn, &id, *principal)?;
        }
    }
    Ok(true)
}

/// Returns who should reach a file, from its owner, its permissions and its parent's access.
fn wanted(connection: &Connection, file: i64) -> Result<BTreeMap<i64, i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT a.principal, min(a.rank, 3) FROM file f JOIN access a ON a.file = f.parent
         WHERE f.seq = ?1
         UNION ALL SELECT principal, rank FROM permission WHERE file = ?1
         UNION ALL SELECT owner, 5 FROM file WHERE seq = ?1",
    )?;
    let mut wanted = BTreeMap::new();
    for row in statement.query_map([file], |row| Ok((row.get(0)?, row.get(1)?)))? {
        let (principal, rank): (i64, i64) = row?;
        let best = wanted.entry(principal).or_insert(rank);
        *best = rank.max(*best);
    }
    Ok(wanted)
}

fn settle_trash(txn: &Txn<'_>, file: i64) -> Result<bool> {
    let changed = txn
        .tx
        .prepare_cached(
            "UPDATE file SET trashed = NOT trashed WHERE seq = ?1 AND trashed <> (discarded OR
             coalesce((SELECT p.trashed FROM file p WHERE p.seq = file.parent), 0))",
        )?
        .execute([file])?;
    if changed > 0 {
        touch(txn, file)?;
    }
    Ok(changed > 0)
}

/// Records a change of a file for everybody who reaches it.
pub(crate) fn touch(txn: &Txn<'_>, file: i64) -> Result<()> {
    txn.tx
        .prepare_cached(
            "INSERT OR REPLACE INTO change (file, principal, time_ms)
             SELECT f.id, a.principal, ?2 FROM file f JOIN access a ON a.file = f.seq
             WHERE f.seq = ?1 AND a.principal <> 0",
        )?
        .execute([file, txn.now_ms])?;
    Ok(())
}

fn record(txn: &Txn<'_>, id: &str, principal: i64) -> Result<()> {
    if principal != ANYONE {
        txn.tx
            .prepare_cached(
                "INSERT OR REPLACE INTO change (file, principal, time_ms) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![id, principal, txn.now_ms])?;
    }
    Ok(())
}

/// Refuses a place for a file below `parent` that would be too deep, or inside of the file itself.
pub(crate) fn check_place(connection: &Connection, parent: i64, file: Option<i64>) -> Result<()> {
    let height = file.map_or(Ok(0), |file| height(connection, file))?;
    let mut up = connection.prepare_cached("SELECT parent FROM file WHERE seq = ?1")?;
    let mut above = Some(parent);
    let mut depth = 0;
    while let Some(folder) = above {
        if file == Some(folder) {
            return Err(Refusal::Cycle.into());
        }
        depth += 1;
        if depth + height > DEPTH_MAX {
            return Err(Refusal::TooDeep.into());
        }
        above = up.query_row([folder], |row| row.get(0)).optional()?.flatten();
    }
    Ok(())
}

/// Returns how many levels lie below a file.
fn height(connection: &Connection, file: i64) -> Result<usize> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE below (seq, depth) AS (
             VALUES (?1, 0)
             UNION ALL SELECT f.seq, depth + 1 FROM below JOIN file f ON f.parent = below.seq)
         SELECT max(depth) FROM below",
    )?;
    Ok(statement.query_row([file], |row| row.get(0))?)
}
