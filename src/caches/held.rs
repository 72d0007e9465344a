//! What each peer of an owner has been sent, so that what is owed is a set difference.

use rusqlite::Connection as Database;

use super::Result;
use super::agreed::{parse_digest, parse_path};
use super::stats::text;
use crate::model::{DatasitePath, Digest, Email, Snapshot};

/// Returns what `peer` holds, as far as we sent it.
pub fn snapshot(db: &Database, peer: &Email) -> Result<Snapshot> {
    let mut statement = db.prepare_cached("SELECT path, digest FROM held WHERE peer = ?1")?;
    let mut rows = statement.query([peer.as_str()])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        files.push((parse_path(text(row, 0)?)?, parse_digest(text(row, 1)?)?));
    }
    Ok(files.into_iter().collect())
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
