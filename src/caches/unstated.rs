//! Paths of which the event log does not say what is agreed, so that it must be said again.

use rusqlite::{Connection as Database, params};

use super::Result;
use super::agreed::parse_path;
use crate::model::{DatasitePath, Email};

/// Adds every path of `datasite` of which anything is agreed, deletions included: the log is
/// another one.
pub fn add_all(db: &Database, datasite: &Email) -> Result<()> {
    for table in ["agreed", "tombstones"] {
        let sql =
            format!("INSERT OR IGNORE INTO unstated SELECT path FROM {table} WHERE datasite = ?1");
        db.prepare_cached(&sql)?.execute([datasite.as_str()])?;
    }
    Ok(())
}

/// Adds one path.
pub fn add(db: &Database, path: &DatasitePath) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO unstated VALUES (?1)")?.execute([path.as_str()])?;
    Ok(())
}

/// Notes that the log says what is agreed for `path`, or will once the journal is sent.
pub fn remove(db: &Database, path: &DatasitePath) -> Result<()> {
    db.prepare_cached("DELETE FROM unstated WHERE path = ?1")?.execute([path.as_str()])?;
    Ok(())
}

/// Returns up to `count` paths that come after `after`, sorted.
pub fn after(
    db: &Database,
    after: Option<&DatasitePath>,
    count: usize,
) -> Result<Vec<DatasitePath>> {
    let mut statement =
        db.prepare_cached("SELECT path FROM unstated WHERE path > ?1 ORDER BY path LIMIT ?2")?;
    let after = after.map_or("", DatasitePath::as_str);
    let limit = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = statement.query_map(params![after, limit], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_path(&row?)).collect()
}
