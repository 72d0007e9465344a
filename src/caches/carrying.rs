//! What another state database takes over from the one that it replaces: what cannot be learnt again
//! from the drive and the disk. Whom a person turned down, whom a rule approved, what was told, and what
//! waits to be told.
//!
//! Invariant: whatever the old one is like, the new one is whole; what cannot be read there is left out.

use std::path::Path;

use rusqlite::Connection as Database;

use super::Result;

/// The tables and columns that are taken over.
const TABLES: [(&str, &str); 4] = [
    ("noticed", "key, first, last, told"),
    ("news", "number, way, news"),
    ("notices", "id, number, way, news, more, made, due, attempts, maybe, sent, problem"),
    ("admitted", "peer, rule, moment, done"),
];

/// How the meta keys begin that are taken over.
pub(super) const KEYS: [&str; 2] = ["notices.", TURNED_DOWN];

/// How the meta keys begin under which it is noted whom a person turned down.
pub const TURNED_DOWN: &str = "turned down ";

/// Takes over what is known in the database at `old`. What cannot be read is left out.
pub(super) fn carry(old: &Path, new: &Database) -> Result<()> {
    let Some(old) = old.to_str() else { return Ok(()) };
    // Read only: what is damaged is kept as it is, and its log is not brought into it.
    let old = old.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    if new.execute("ATTACH DATABASE ?1 AS old", [format!("file:{old}?mode=ro")]).is_err() {
        return Ok(());
    }
    for (table, columns) in TABLES {
        let sql = format!(
            "INSERT OR IGNORE INTO main.{table} ({columns}) SELECT {columns} FROM old.{table}"
        );
        note(table, new.execute(&sql, []));
    }
    for key in KEYS {
        let sql = "INSERT OR IGNORE INTO main.meta (key, value) \
                   SELECT key, value FROM old.meta WHERE substr(key, 1, length(?1)) = ?1";
        note("meta", new.execute(sql, [key]));
    }
    note("all", new.execute("DETACH DATABASE old", []));
    Ok(())
}

fn note(table: &str, outcome: rusqlite::Result<usize>) {
    if let Err(error) = outcome {
        tracing::debug!(table, %error, "not taken over from the database that is set aside");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Store, admitted, meta, notices};
    use super::*;
    use crate::model::{Email, Timestamp};

    const NOW: Timestamp = Timestamp::ZERO;

    fn filled(path: &Path) {
        let told =
            |key: &str| notices::Noticed { key: key.to_owned(), first: NOW, last: NOW, told: true };
        let write = |db: &Database| {
            notices::begin(db)?;
            notices::remember(db, &told("job-waits/x"))?;
            notices::add_news(db, "email", "1", false)?;
            notices::gather(db, "email", "id", NOW)?;
            notices::sending(db, "id")?;
            notices::add_news(db, "email", "2", false)?;
            admitted::decide(db, &Email::parse("ann@x.org").unwrap(), "@x.org", NOW)?;
            meta::set(db, "turned down eve@x.org", "")?;
            meta::set(db, "peers.version", "of the drive")
        };
        Store::open(path).unwrap().write(write).unwrap();
    }

    #[test]
    fn what_was_told_and_decided_outlives_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        filled(&path);
        assert!(Store::set_aside(&path, NOW).unwrap().is_some());
        let store = Store::open(&path).unwrap();
        let look = |db: &Database| {
            assert!(notices::has_begun(db)? && notices::noticed(db)?[0].told);
            let unsent = notices::unsent(db, "email")?.unwrap();
            assert!(unsent.maybe && unsent.news == "[1]", "it may have been received: {unsent:?}");
            assert_eq!(notices::count_news(db, "email")?, 1);
            assert_eq!(admitted::all(db)?.len(), 1);
            assert!(meta::get(db, "turned down eve@x.org")?.is_some());
            assert_eq!(meta::get(db, "peers.version")?, None, "that is learnt again");
            Ok(())
        };
        store.read(look).unwrap();
    }

    #[test]
    fn a_database_that_is_no_database_leaves_a_new_one_that_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        for content in [&b""[..], b"nonsense", &[0; 8192]] {
            std::fs::write(&path, content).unwrap();
            assert!(Store::set_aside(&path, Timestamp::from_micros(content.len() as i64)).is_ok());
            let store = Store::open(&path).unwrap();
            assert!(store.read(notices::noticed).unwrap().is_empty(), "{content:?}");
            drop(store);
        }
    }

    /// It stopped between the two: the old one is aside, and the new one is not in its place.
    #[test]
    fn cut_short_the_new_one_is_put_in_its_place_by_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        filled(&path);
        Store::set_aside(&path, NOW).unwrap();
        std::fs::rename(&path, folder.path().join("state.db.next")).unwrap();
        let store = Store::open(&path).unwrap();
        assert!(store.read(|db| meta::get(db, "turned down eve@x.org")).unwrap().is_some());
        assert!(!folder.path().join("state.db.next").exists());
    }
}
