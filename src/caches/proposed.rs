//! A scientist's changes that an owner has not answered yet.

use std::collections::BTreeMap;

use rusqlite::{Connection as Database, params};

use super::Result;
use super::agreed::{parse_digest, parse_path};
use super::journal::parse_id;
use crate::connections::FileId;
use crate::model::{DatasitePath, Digest, Email};

/// A change that was proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// What the file is to hold; `None`: the file is to go.
    pub digest: Option<Digest>,
    /// The message that carries it.
    pub message: FileId,
}

/// Returns what was proposed to the owner of `datasite` and is not answered.
pub fn all(db: &Database, datasite: &Email) -> Result<BTreeMap<DatasitePath, Proposed>> {
    let mut statement =
        db.prepare_cached("SELECT path, digest, message FROM proposed WHERE datasite = ?1")?;
    let rows = statement.query_map([datasite.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?, row.get::<_, String>(2)?))
    })?;
    rows.map(|row| {
        let (path, digest, message) = row?;
        let digest = digest.map(|text| parse_digest(&text)).transpose()?;
        Ok((parse_path(&path)?, Proposed { digest, message: parse_id(&message)? }))
    })
    .collect()
}

/// Notes that a change was proposed; an older one of the same path is forgotten.
pub fn put(
    db: &Database,
    datasite: &Email,
    path: &DatasitePath,
    proposed: &Proposed,
) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO proposed VALUES (?1, ?2, ?3, ?4)")?.execute(
        params![
            datasite.as_str(),
            path.as_str(),
            proposed.digest.as_ref().map(Digest::to_hex),
            proposed.message.as_str(),
        ],
    )?;
    Ok(())
}

/// Notes that the change of `path` is answered.
pub fn answered(db: &Database, datasite: &Email, path: &DatasitePath) -> Result<()> {
    db.prepare_cached("DELETE FROM proposed WHERE datasite = ?1 AND path = ?2")?
        .execute([datasite.as_str(), path.as_str()])?;
    Ok(())
}

/// Forgets all that was proposed to the owner of `datasite`: it cannot be answered any more.
pub fn forget(db: &Database, datasite: &Email) -> Result<()> {
    db.prepare_cached("DELETE FROM proposed WHERE datasite = ?1")?.execute([datasite.as_str()])?;
    Ok(())
}
