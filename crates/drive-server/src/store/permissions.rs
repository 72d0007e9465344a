//! Gives, changes and takes away permissions.
//!
//! A writer may share, an owner may hand the file over, and anybody may give up his own permission.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Refusal, Result, Txn,
    access::{self, OWNER, READER, WRITER},
    files::{self, FileRow},
    tokens::{self, Me},
};

/// Somebody's permission on a file, inherited or not.
#[derive(Debug, Clone)]
pub(crate) struct Permission {
    pub(crate) principal: i64,
    pub(crate) id: String,
    /// `user`, `group` or `anyone`.
    pub(crate) kind: String,
    pub(crate) email: String,
    pub(crate) rank: i64,
    /// True if the file itself says nothing about this person.
    pub(crate) inherited: bool,
}

/// Returns everybody's permission, the owner's first.
pub(crate) fn list(connection: &Connection, file: i64) -> Result<Vec<Permission>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.id, p.permission_id, p.kind, p.email, a.rank,
                a.rank < 5 AND NOT EXISTS (SELECT 1 FROM permission d
                                           WHERE d.file = a.file AND d.principal = a.principal)
         FROM access a JOIN principal p ON p.id = a.principal
         WHERE a.file = ?1 ORDER BY a.rank = 5 DESC, p.id",
    )?;
    let rows = statement.query_map([file], |row| {
        Ok(Permission {
            principal: row.get(0)?,
            id: row.get(1)?,
            kind: row.get(2)?,
            email: row.get(3)?,
            rank: row.get(4)?,
            inherited: row.get(5)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns one permission of a file that the account may write to, or its own.
pub(crate) fn get(connection: &Connection, me: &Me, file: &str, id: &str) -> Result<Permission> {
    let file = files::get(connection, me, file, READER)?;
    let found = find(connection, file.seq, id)?;
    if file.rank < WRITER && found.principal != me.principal {
        return Err(Refusal::Denied.into());
    }
    Ok(found)
}

fn find(connection: &Connection, file: i64, id: &str) -> Result<Permission> {
    let all = list(connection, file)?;
    let found = all.into_iter().find(|one| one.id == id);
    found.ok_or_else(|| Refusal::NoPermission(id.chars().take(100).collect()).into())
}

/// Gives somebody a permission; one who has a better one keeps it.
pub(crate) fn create(
    txn: &Txn<'_>,
    me: &Me,
    file: &str,
    kind: &str,
    email: &str,
    rank: i64,
    transfer: bool,
) -> Result<Permission> {
    let file = files::get(&txn.tx, me, file, WRITER)?;
    let principal = match kind {
        "anyone" => access::ANYONE,
        kind => tokens::ensure_principal(txn, kind, email)?,
    };
    if rank == OWNER {
        hand_over(txn, &file, principal, transfer)?;
    } else if principal != owner_of(txn, file.seq)? {
        if file.parent.is_none() && is_root(txn, file.seq)? {
            return Err(Refusal::Root.into());
        }
        txn.tx.execute(
            "INSERT INTO permission VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET rank = max(rank, excluded.rank)",
            [file.seq, principal, rank],
        )?;
    }
    settle(txn, file.seq)?;
    by_principal(txn, file.seq, principal)
}

/// Sets a permission that is there.
pub(crate) fn update(
    txn: &Txn<'_>,
    me: &Me,
    file: &str,
    id: &str,
    rank: i64,
    transfer: bool,
) -> Result<Permission> {
    let file = files::get(&txn.tx, me, file, WRITER)?;
    let found = find(&txn.tx, file.seq, id)?;
    if rank == OWNER {
        hand_over(txn, &file, found.principal, transfer)?;
    } else if found.rank == OWNER {
        return Err(Refusal::OwnerStays.into());
    } else if found.inherited {
        return Err(Refusal::Inherited.into());
    } else {
        txn.tx.execute(
            "UPDATE permission SET rank = ?3 WHERE file = ?1 AND principal = ?2",
            [file.seq, found.principal, rank],
        )?;
    }
    settle(txn, file.seq)?;
    by_principal(txn, file.seq, found.principal)
}

/// Takes a permission away.
pub(crate) fn delete(txn: &Txn<'_>, me: &Me, file: &str, id: &str) -> Result<()> {
    let file = files::get(&txn.tx, me, file, READER)?;
    let found = find(&txn.tx, file.seq, id)?;
    if file.rank < WRITER && found.principal != me.principal {
        return Err(Refusal::Denied.into());
    }
    if found.rank == OWNER {
        return Err(Refusal::OwnerStays.into());
    }
    if found.inherited {
        return Err(Refusal::Inherited.into());
    }
    txn.tx.execute(
        "DELETE FROM permission WHERE file = ?1 AND principal = ?2",
        [file.seq, found.principal],
    )?;
    settle(txn, file.seq)
}

/// Makes somebody else the owner; the one before stays a writer.
fn hand_over(txn: &Txn<'_>, file: &FileRow, heir: i64, transfer: bool) -> Result<()> {
    let owner = owner_of(txn, file.seq)?;
    if heir == owner {
        return Ok(());
    }
    if !transfer {
        return Err(Refusal::TransferNotAsked.into());
    }
    let heir_is_account = txn
        .tx
        .prepare_cached("SELECT 1 FROM principal WHERE id = ?1 AND root IS NOT NULL")?
        .exists([heir])?;
    if file.rank < OWNER || !heir_is_account || is_root(txn, file.seq)? {
        return Err(Refusal::Denied.into());
    }
    txn.tx
        .execute("DELETE FROM permission WHERE file = ?1 AND principal = ?2", [file.seq, heir])?;
    txn.tx.execute("UPDATE file SET owner = ?2 WHERE seq = ?1", [file.seq, heir])?;
    txn.tx.execute(
        "INSERT OR REPLACE INTO permission VALUES (?1, ?2, ?3)",
        [file.seq, owner, WRITER],
    )?;
    Ok(())
}

fn settle(txn: &Txn<'_>, file: i64) -> Result<()> {
    txn.tx.execute("UPDATE file SET version = version + 1 WHERE seq = ?1", [file])?;
    access::settle(txn, file)?;
    access::touch(txn, file)
}

fn by_principal(txn: &Txn<'_>, file: i64, principal: i64) -> Result<Permission> {
    let all = list(&txn.tx, file)?;
    let found = all.into_iter().find(|one| one.principal == principal);
    found.ok_or_else(|| Refusal::NoPermission(String::new()).into())
}

fn owner_of(txn: &Txn<'_>, file: i64) -> Result<i64> {
    Ok(txn.tx.query_row("SELECT owner FROM file WHERE seq = ?1", [file], |row| row.get(0))?)
}

fn is_root(txn: &Txn<'_>, file: i64) -> Result<bool> {
    let root: Option<i64> = txn
        .tx
        .query_row("SELECT root FROM principal WHERE root = ?1", params![file], |row| row.get(0))
        .optional()?;
    Ok(root.is_some())
}
