//! What large files consist of, as they were agreed on, so that a change of one can be told as what is
//! new in it. Lost rows cost bytes: the next change of the file is sent whole.

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::Result;
use crate::model::{DatasitePath, Digest, Email};

/// Returns what the file at `path` consisted of when it had `digest`, as it was noted; `None` if that
/// is not known.
pub fn get(
    db: &Database,
    datasite: &Email,
    path: &DatasitePath,
    digest: &Digest,
) -> Result<Option<Vec<u8>>> {
    let sql = "SELECT chunks FROM outlines WHERE datasite = ?1 AND path = ?2 AND digest = ?3";
    let mut statement = db.prepare_cached(sql)?;
    let place = [datasite.as_str(), path.as_str(), &digest.to_hex()];
    Ok(statement.query_row(place, |row| row.get(0)).optional()?)
}

/// Notes what the file at `path` consists of now that it has `digest`.
pub fn put(
    db: &Database,
    datasite: &Email,
    path: &DatasitePath,
    digest: &Digest,
    chunks: &[u8],
) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO outlines VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![datasite.as_str(), path.as_str(), digest.to_hex(), chunks])?;
    Ok(())
}

/// Forgets what the file at `path` consisted of.
pub fn forget(db: &Database, datasite: &Email, path: &DatasitePath) -> Result<()> {
    db.prepare_cached("DELETE FROM outlines WHERE datasite = ?1 AND path = ?2")?
        .execute([datasite.as_str(), path.as_str()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::Store;

    #[test]
    fn an_outline_is_that_of_one_content() {
        let store = Store::in_memory().unwrap();
        let owner = Email::parse("do@example.org").unwrap();
        let path = DatasitePath::parse("data/large.bin").unwrap();
        let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
        let known = |digest: &Digest| store.read(|db| get(db, &owner, &path, digest)).unwrap();
        store.write(|db| put(db, &owner, &path, &old, b"chunks")).unwrap();
        assert_eq!((known(&old), known(&new)), (Some(b"chunks".to_vec()), None));
        store.write(|db| put(db, &owner, &path, &new, b"others")).unwrap();
        assert_eq!((known(&old), known(&new)), (None, Some(b"others".to_vec())));
        store.write(|db| forget(db, &owner, &path)).unwrap();
        assert_eq!(known(&new), None);
    }
}
