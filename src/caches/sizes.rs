//! How much there is in the database, for a person who looks for a fault.

use rusqlite::Connection as Database;

use super::Result;

/// The tables of the schema, but for what is of no interest.
const TABLES: &[&str] = &[
    "agreed",
    "tombstones",
    "unsettled",
    "known",
    "held",
    "intents",
    "outgoing",
    "outgoing_parts",
    "unlogged",
    "unstated",
    "answers",
    "delivered",
    "archiving",
    "seen",
    "included",
    "proposed",
    "submitted",
    "rolling",
    "catalogue",
    "identifiers",
    "noticed",
    "news",
    "notices",
    "admitted",
    "packs",
    "needed",
    "outlines",
];

/// Returns each table with the number of its rows.
pub fn tables(db: &Database) -> Result<Vec<(&'static str, u64)>> {
    let rows = |table: &&'static str| {
        let sql = format!("SELECT count(*) FROM {table}");
        let count: i64 = db.query_row(&sql, [], |row| row.get(0))?;
        Ok((*table, u64::try_from(count).unwrap_or(0)))
    };
    TABLES.iter().map(rows).collect()
}

/// Returns the version of the schema.
pub fn schema(db: &Database) -> Result<u64> {
    let version: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(u64::try_from(version).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::Store;

    #[test]
    fn every_table_of_the_schema_is_counted() {
        let store = Store::in_memory().unwrap();
        let counted = store.read(tables).unwrap();
        assert!(counted.iter().all(|(_, rows)| *rows == 0), "{counted:?}");
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table'";
        let named = store.read(|db| {
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
            Ok(rows.collect::<rusqlite::Result<Vec<_>>>()?)
        });
        let mut named = named.unwrap();
        named.retain(|name| !["meta", "logged"].contains(&name.as_str()));
        named.sort_unstable();
        let mut known: Vec<&str> = TABLES.to_vec();
        known.sort_unstable();
        assert_eq!(named, known);
        assert_eq!(store.read(schema).unwrap(), 4);
    }
}
