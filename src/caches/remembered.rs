//! What was agreed for a datasite, as it was read last: one sync asks for it again and again, and
//! with many files reading it is most of what a sync with nothing to do costs.
//!
//! Invariant: what is given is what the database says now. A change of any kind, by this connection
//! or by another, has it read anew.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection as Database;

use super::{Result, agreed};
use crate::model::{Email, Snapshot};

/// A state of the database, as far as this connection can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    /// How many rows this connection has changed.
    own: u64,
    /// What SQLite changes when another connection has committed.
    others: i64,
}

impl Stamp {
    fn of(db: &Database) -> Result<Self> {
        let others = db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        Ok(Self { own: db.total_changes(), others })
    }
}

/// The snapshot that was read last.
#[derive(Debug, Default)]
pub(super) struct Remembered(Mutex<Option<(Email, Stamp, Arc<Snapshot>)>>);

impl Remembered {
    /// Returns what is agreed for `datasite`.
    pub(super) fn agreed(&self, db: &Database, datasite: &Email) -> Result<Arc<Snapshot>> {
        let stamp = Stamp::of(db)?;
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((whose, then, snapshot)) = &*last
            && (whose, *then) == (datasite, stamp)
        {
            return Ok(Arc::clone(snapshot));
        }
        // Not two of them at once.
        *last = None;
        let snapshot = Arc::new(agreed::snapshot(db, datasite)?);
        *last = Some((datasite.clone(), stamp, Arc::clone(&snapshot)));
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;
    use crate::model::{DatasitePath, Digest, Timestamp};

    fn put(store: &Store, datasite: &Email, path: &str) {
        let (path, digest) = (DatasitePath::parse(path).unwrap(), Digest::of(path.as_bytes()));
        let moment = Timestamp::from_micros(1);
        store.write(|db| agreed::put(db, datasite, &path, Some(&digest), moment)).unwrap();
    }

    #[test]
    fn what_is_given_is_what_the_database_says_now() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(&folder.path().join("state.db")).unwrap();
        let (store, other) = (open(), open());
        let [one, two] = ["do@example.org", "do2@example.org"].map(|it| Email::parse(it).unwrap());
        let names = |whose: &Email| -> Vec<String> {
            store.agreed(whose).unwrap().keys().map(ToString::to_string).collect()
        };
        assert!(names(&one).is_empty());
        put(&store, &one, "a");
        assert_eq!(names(&one), ["a"]);
        assert!(Arc::ptr_eq(&store.agreed(&one).unwrap(), &store.agreed(&one).unwrap()));
        put(&other, &one, "b");
        assert_eq!(names(&one), ["a", "b"], "another connection");
        put(&store, &two, "c");
        assert_eq!((names(&two), names(&one)), (vec!["c".into()], vec!["a".into(), "b".into()]));
        let path = DatasitePath::parse("d").unwrap();
        let failed: Result<()> = store.write(|db| {
            let digest = Digest::of(b"d");
            agreed::put(db, &one, &path, Some(&digest), Timestamp::from_micros(2))?;
            Err(super::super::Error::damaged("on purpose"))
        });
        assert!(failed.is_err());
        assert_eq!(names(&one), ["a", "b"], "a change that was taken back");
        store.forget_everything().unwrap();
        assert!(names(&one).is_empty());
    }
}
