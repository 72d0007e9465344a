//! A scientist's changes that an owner has not answered yet.

use std::collections::BTreeMap;

use rusqlite::{Connection as Database, params};
use uuid::Uuid;

use super::agreed::{parse_digest, parse_path};
use super::journal::parse_id;
use super::{Error, Result};
use crate::connections::FileId;
use crate::model::{DatasitePath, Digest, Email};

/// A change that was proposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// What the file is to hold; `None`: the file is to go.
    pub digest: Option<Digest>,
    /// The message that carries it.
    pub message: FileId,
    /// The id of the change, which the answer carries.
    pub event: Uuid,
}

/// Returns what was proposed to the owner of `datasite` and is not answered.
pub fn all(db: &Database, datasite: &Email) -> Result<BTreeMap<DatasitePath, Proposed>> {
    let mut statement =
        db.prepare_cached("SELECT path, digest, message, event FROM proposed WHERE datasite = ?1")?;
    let rows = statement.query_map([datasite.as_str()], |row| {
        let (path, digest) = (row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?);
        Ok((path, digest, row.get::<_, String>(2)?, row.get::<_, String>(3)?))
    })?;
    rows.map(|row| {
        let (path, digest, message, event) = row?;
        let digest = digest.map(|text| parse_digest(&text)).transpose()?;
        let event = Uuid::parse_str(&event).map_err(|error| Error::damaged(error.to_string()))?;
        Ok((parse_path(&path)?, Proposed { digest, message: parse_id(&message)?, event }))
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
    db.prepare_cached("INSERT OR REPLACE INTO proposed VALUES (?1, ?2, ?3, ?4, ?5)")?.execute(
        params![
            datasite.as_str(),
            path.as_str(),
            proposed.digest.as_ref().map(Digest::to_hex),
            proposed.message.as_str(),
            proposed.event.to_string(),
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
