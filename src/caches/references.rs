//! Which files on the Drive the database speaks of, so that nothing of it is taken for left over.

use std::collections::BTreeSet;

use rusqlite::Connection as Database;

use super::Result;
use super::journal::parse_id;
use crate::connections::FileId;

/// Every place in which a table names a file that is still of use. Left out is what was merely seen,
/// and what was delivered: where that lies is for the service to say.
const NAMED: &str = "
    SELECT file FROM outgoing UNION SELECT folder FROM outgoing
    UNION SELECT file FROM archiving UNION SELECT folder FROM archiving
    UNION SELECT message FROM proposed UNION SELECT message FROM submitted
    UNION SELECT file FROM unsettled UNION SELECT id FROM identifiers";

/// Returns the files and folders that the journal, and all that waits, names.
pub fn named(db: &Database) -> Result<BTreeSet<FileId>> {
    let mut statement = db.prepare(NAMED)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// True if a single value, or the name of one, mentions `file`.
pub fn is_mentioned(db: &Database, file: &FileId) -> Result<bool> {
    let sql = "SELECT 1 FROM meta WHERE instr(value, ?1) > 0 OR instr(key, ?1) > 0";
    Ok(db.prepare_cached(sql)?.exists([file.as_str()])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::journal::{Load, NewOutgoing};
    use crate::caches::{Store, journal, meta, submitted};
    use crate::model::Timestamp;

    #[test]
    fn what_waits_is_named_and_what_a_value_holds_is_mentioned() {
        let store = Store::in_memory().unwrap();
        let id = |text: &str| FileId::parse(text).unwrap();
        store
            .write(|db| {
                submitted::add(db, &id("sent"), Timestamp::from_micros(1))?;
                journal::mark_seen(db, &id("seen"))?;
                meta::set(db, "publication", "{\"folder\":\"held\"}")?;
                meta::set(db, "reserved parent name", "taken")?;
                let new = NewOutgoing {
                    file: id("waits"),
                    folder: id("box"),
                    name: "x".to_owned(),
                    peer: None,
                    content: Load::Bytes(Vec::new()),
                };
                journal::add(db, &new)
            })
            .unwrap();
        let named = store.read(named).unwrap();
        assert_eq!(named, ["box", "sent", "waits"].map(id).into());
        for (file, expected) in [("held", true), ("taken", true), ("parent", true), ("no", false)] {
            let found = store.read(|db| is_mentioned(db, &id(file))).unwrap();
            assert_eq!(found, expected, "{file}");
        }
    }
}
