//! The state database: how it is opened, brought up to date, and written in transactions.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::Connection as Database;

use super::{Error, Result};

/// The state database of one account.
///
/// Several processes may have it open; each [`Store::write`] is one transaction, on disk when it
/// returns.
#[derive(Debug)]
pub struct Store {
    database: Mutex<Database>,
}

/// One entry for each version of the schema; the place in the list is the version it leads to.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql")];

impl Store {
    /// Opens the database at `path`; creates it, and its folder, if need be.
    ///
    /// # Errors
    /// [`Error::NewerDatabase`] if a later release wrote it: nothing is touched then.
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::at(folder, "created"))?;
        }
        Self::prepare(Database::open(path)?)
    }

    /// Opens a database that lives as long as the value (`use_in_memory_cache`).
    ///
    /// # Errors
    /// If SQLite has no memory.
    pub fn in_memory() -> Result<Self> {
        Self::prepare(Database::open_in_memory()?)
    }

    fn prepare(mut database: Database) -> Result<Self> {
        database.busy_timeout(std::time::Duration::from_secs(30))?;
        database.pragma_update(None, "journal_mode", "WAL")?;
        // FULL: a commit is on disk when it returns, also after a power cut.
        database.pragma_update(None, "synchronous", "FULL")?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let transaction =
            database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if found > known {
            return Err(Error::NewerDatabase { found, known });
        }
        for migration in MIGRATIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
            transaction.execute_batch(migration)?;
        }
        transaction.pragma_update(None, "user_version", known)?;
        transaction.commit()?;
        Ok(Self { database: Mutex::new(database) })
    }

    /// Runs `look` on the database.
    ///
    /// # Errors
    /// What `look` gives.
    pub fn read<T>(&self, look: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        look(&self.lock())
    }

    /// Runs `change` in one transaction: all of it is kept, or on an error nothing.
    ///
    /// # Errors
    /// What `change` gives, or that the transaction could not be committed.
    pub fn write<T>(&self, change: impl FnOnce(&Database) -> Result<T>) -> Result<T> {
        let mut database = self.lock();
        let transaction =
            database.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Empties all tables, as if the database were new.
    ///
    /// # Errors
    /// If the transaction could not be committed; nothing is changed then.
    pub fn forget_everything(&self) -> Result<()> {
        self.write(|db| {
            let mut tables = db.prepare(
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
            )?;
            let names = tables.query_map([], |row| row.get::<_, String>(0))?;
            let names: Vec<String> = names.collect::<rusqlite::Result<_>>()?;
            names
                .iter()
                .try_for_each(|name| Ok(db.execute_batch(&format!("DELETE FROM \"{name}\""))?))
        })
    }

    fn lock(&self) -> MutexGuard<'_, Database> {
        // A panic while the lock was held has rolled its transaction back.
        self.database.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::meta;
    use super::*;

    #[test]
    fn a_failed_change_leaves_nothing_behind() {
        let store = Store::in_memory().unwrap();
        let failed: Result<()> = store.write(|db| {
            meta::set(db, "a", "1")?;
            Err(Error::damaged("on purpose"))
        });
        assert!(failed.is_err());
        assert_eq!(store.read(|db| meta::get(db, "a")).unwrap(), None);
    }

    #[test]
    fn a_database_of_a_later_release_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.db");
        Store::open(&path)
            .unwrap()
            .write(|db| Ok(db.pragma_update(None, "user_version", 99)?))
            .unwrap();
        assert!(matches!(Store::open(&path), Err(Error::NewerDatabase { found: 99, .. })));
    }

    #[test]
    fn opening_twice_keeps_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/state.db");
        Store::open(&path).unwrap().write(|db| meta::set(db, "a", "1")).unwrap();
        assert_eq!(
            Store::open(&path).unwrap().read(|db| meta::get(db, "a")).unwrap(),
            Some("1".to_owned())
        );
    }
}
