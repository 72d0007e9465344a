//! Single values: the change feed's page token, the newest timestamps, cached files of peers.

use rusqlite::{Connection as Database, OptionalExtension as _};

use super::Result;

/// Returns the value of `key`; `None` if it was never set.
pub fn get(db: &Database, key: &str) -> Result<Option<String>> {
    Ok(db
        .prepare_cached("SELECT value FROM meta WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?)
}

/// Sets `key` to `value`. To set what it is already is no change.
pub fn set(db: &Database, key: &str, value: &str) -> Result<()> {
    db.prepare_cached(
        "INSERT INTO meta (key, value) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value WHERE value <> excluded.value",
    )?
    .execute([key, value])?;
    Ok(())
}

/// Forgets `key`.
pub fn remove(db: &Database, key: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM meta WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Returns all keys that begin with `prefix`, with their values, sorted.
pub fn with_prefix(db: &Database, prefix: &str) -> Result<Vec<(String, String)>> {
    let mut statement = db.prepare_cached(
        "SELECT key, value FROM meta WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key",
    )?;
    let rows = statement.query_map([prefix], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
