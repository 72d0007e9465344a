//! The state database as a program that uses the library sees it: the digests of files.

use super::{Result, Store, agreed};
use crate::model::{DatasitePath, Digest, Email, Snapshot};

/// What an owner has announced of its datasite.
#[derive(Clone, Copy, Debug)]
pub struct DatasiteOwnerEventCache<'a> {
    store: &'a Store,
    owner: &'a Email,
}

impl<'a> DatasiteOwnerEventCache<'a> {
    /// Looks at the database of `owner`.
    pub const fn new(store: &'a Store, owner: &'a Email) -> Self {
        Self { store, owner }
    }

    /// Returns the digest of a file as announced; `None` if there is no such file.
    ///
    /// # Errors
    /// If the database fails.
    pub fn current_hash(&self, path: &DatasitePath) -> Result<Option<Digest>> {
        self.store.read(|db| agreed::digest(db, self.owner, path))
    }

    /// Returns the digests of all files that are announced.
    ///
    /// # Errors
    /// If the database fails.
    pub fn file_hashes(&self) -> Result<Snapshot> {
        self.store.read(|db| agreed::snapshot(db, self.owner))
    }
}

/// What a scientist was sent by owners.
#[derive(Clone, Copy, Debug)]
pub struct DatasiteWatcherCache<'a> {
    store: &'a Store,
}

impl<'a> DatasiteWatcherCache<'a> {
    /// Looks at the database of a scientist.
    pub const fn new(store: &'a Store) -> Self {
        Self { store }
    }

    /// Returns the digest of a file as its owner sent it; `None` if there is no such file.
    ///
    /// # Errors
    /// If the database fails.
    pub fn current_hash_for_file(
        &self,
        datasite: &Email,
        path: &DatasitePath,
    ) -> Result<Option<Digest>> {
        self.store.read(|db| agreed::digest(db, datasite, path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn both_sides_see_what_was_agreed() {
        let store = Store::in_memory().unwrap();
        let owner = Email::parse("do@example.org").unwrap();
        let path = DatasitePath::parse("a/b.txt").unwrap();
        let digest = Digest::of(b"x");
        let at = Timestamp::from_micros(1);
        store.write(|db| agreed::put(db, &owner, &path, Some(&digest), at)).unwrap();
        let cache = DatasiteOwnerEventCache::new(&store, &owner);
        assert_eq!(cache.current_hash(&path).unwrap(), Some(digest));
        assert_eq!(cache.file_hashes().unwrap().len(), 1);
        let watcher = DatasiteWatcherCache::new(&store);
        assert_eq!(watcher.current_hash_for_file(&owner, &path).unwrap(), Some(digest));
        let other = Email::parse("other@example.org").unwrap();
        assert_eq!(watcher.current_hash_for_file(&other, &path).unwrap(), None);
    }
}
