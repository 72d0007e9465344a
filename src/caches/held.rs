//! What each peer of an owner has been sent, so that what is owed is a set difference.

use rusqlite::Connection as Database;

use super::Result;
use super::agreed::{parse_digest, parse_path};
use crate::model::{DatasitePath, Digest, Email, Snapshot};

/// Returns what `peer` holds, as far as we sent it.
pub fn snapshot(db: &Database, peer: &Email) -> Result<Snapshot> {
    let mut statement = db.prepare_cached("SELECT path, digest FROM held WHERE peer = ?1")?;
    let rows = statement.query_map([peer.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    rows.map(|row| {
        let (path, digest) = row?;
        Ok((parse_path(&path)?, parse_digest(&digest)?))
    })
    .collect()
}

/// Notes that `peer` holds `digest` at `path`, or with `None` nothing.
pub fn put(
    db: &Database,
    peer: &Email,
    path: &DatasitePath,
    digest: Option<&Digest>,
) -> Result<()> {
    if let Some(digest) = digest {
        db.prepare_cached("INSERT OR REPLACE INTO held VALUES (?1, ?2, ?3)")?.execute([
            peer.as_str(),
            path.as_str(),
            &digest.to_hex(),
        ])?;
    } else {
        db.prepare_cached("DELETE FROM held WHERE peer = ?1 AND path = ?2")?
            .execute([peer.as_str(), path.as_str()])?;
    }
    Ok(())
}
