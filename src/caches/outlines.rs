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

/// Returns the paths of files in `datasite` of which it is known what they consist of.
pub fn paths(db: &Database, datasite: &Email) -> Result<Vec<DatasitePath>> {
    let mut statement = db.prepare_cached("SELECT path FROM outlines WHERE datasite = ?1")?;
    let rows = statement.query_map([datasite.as_str()], |row| row.get::<_, String>(0))?;
    rows.map(|row| super::agreed::parse_path(&row?)).collect()
}

/// What is not agreed on any longer: nothing will be made of it.
const LEFT_OVER: &str = "NOT EXISTS (SELECT 1 FROM agreed
     WHERE agreed.datasite = outlines.datasite AND agreed.path = outlines.path)";

/// True if anything is known of a file that is gone.
pub fn is_any_left_over(db: &Database) -> Result<bool> {
    let sql = format!("SELECT 1 FROM outlines WHERE {LEFT_OVER} LIMIT 1");
    Ok(db.prepare_cached(&sql)?.exists([])?)
}

/// Forgets what files consisted of that are gone.
pub fn sweep(db: &Database) -> Result<()> {
    db.execute(&format!("DELETE FROM outlines WHERE {LEFT_OVER}"), [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caches::{Store, agreed};
    use crate::model::Timestamp;

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
        let agree = |digest: Option<&Digest>| {
            let moment = Timestamp::ZERO;
            store.write(|db| agreed::put(db, &owner, &path, digest, moment)).unwrap();
            let left_over = store.read(is_any_left_over).unwrap();
            store.write(sweep).unwrap();
            left_over
        };
        assert!(!agree(Some(&new)));
        assert!(known(&new).is_some());
        assert!(agree(None));
        assert_eq!(known(&new), None);
    }
}
