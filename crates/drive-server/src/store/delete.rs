//! Deletes for good: a file, a folder with what its owner has below it, the whole trash.
//!
//! What others keep inside of a deleted folder stays theirs, without a parent.

use rusqlite::OptionalExtension as _;

use super::{
    Refusal, Result, Txn,
    access::{self, OWNER},
    files,
    tokens::Me,
    words,
};

/// Deletes a file of this account and all its descendants that are its own.
pub(crate) fn delete(txn: &mut Txn<'_>, me: &Me, id: &str) -> Result<()> {
    let file = files::get(&txn.tx, me, id, OWNER)?;
    if file.id == me.root {
        return Err(Refusal::Root.into());
    }
    delete_tree(txn, me, file.seq)
}

/// Deletes everything that this account put into its trash.
pub(crate) fn empty_trash(txn: &mut Txn<'_>, me: &Me) -> Result<()> {
    loop {
        let next = txn
            .tx
            .prepare_cached("SELECT seq FROM file WHERE owner = ?1 AND discarded LIMIT 1")?
            .query_row([me.principal], |row| row.get(0))
            .optional()?;
        match next {
            Some(seq) => delete_tree(txn, me, seq)?,
            None => return Ok(()),
        }
    }
}

fn delete_tree(txn: &mut Txn<'_>, me: &Me, top: i64) -> Result<()> {
    let tree: Vec<(i64, i64)> = txn
        .tx
        .prepare_cached(
            "WITH RECURSIVE below (seq) AS (
                 VALUES (?1) UNION ALL SELECT f.seq FROM below JOIN file f ON f.parent = below.seq)
             SELECT f.seq, f.owner FROM below JOIN file f USING (seq)",
        )?
        .query_map([top], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let mut orphans = Vec::new();
    for (seq, owner) in &tree {
        if *owner == me.principal {
            delete_one(txn, *seq, &mut orphans)?;
        }
    }
    for orphan in orphans {
        let left = txn.tx.prepare_cached("SELECT 1 FROM file WHERE seq = ?1")?.exists([orphan])?;
        if left {
            access::settle(txn, orphan)?;
            access::touch(txn, orphan)?;
        }
    }
    Ok(())
}

fn delete_one(txn: &mut Txn<'_>, file: i64, orphans: &mut Vec<i64>) -> Result<()> {
    access::touch(txn, file)?;
    let mut children =
        txn.tx.prepare_cached("UPDATE file SET parent = NULL WHERE parent = ?1 RETURNING seq")?;
    for child in children.query_map([file], |row| row.get(0))? {
        orphans.push(child?);
    }
    drop(children);
    let (content, name): (Option<String>, String) = txn
        .tx
        .prepare_cached("SELECT content, name FROM file WHERE seq = ?1")?
        .query_row([file], |row| Ok((row.get(0)?, row.get(1)?)))?;
    words::remove(txn, file, &name)?;
    for table in ["access", "permission", "property"] {
        txn.tx.prepare_cached(&format!("DELETE FROM {table} WHERE file = ?1"))?.execute([file])?;
    }
    txn.tx.prepare_cached("DELETE FROM file WHERE seq = ?1")?.execute([file])?;
    txn.released.extend(content);
    Ok(())
}
