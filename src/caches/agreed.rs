//! What was agreed: the hash table of each datasite.

use std::collections::BTreeMap;

use rusqlite::{Connection as Database, OptionalExtension as _, params};

use super::stats::{digest_of, text};
use super::{Error, Result};
use crate::connections::FileId;
use crate::model::{DatasitePath, Digest, Email, Snapshot, Timestamp};

/// Returns what is agreed for `datasite`.
pub fn snapshot(db: &Database, datasite: &Email) -> Result<Snapshot> {
    let mut statement =
        db.prepare_cached("SELECT path, digest FROM agreed WHERE datasite = ?1 ORDER BY path")?;
    let mut rows = statement.query([datasite.as_str()])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        files.push((parse_path(text(row, 0)?)?, digest_of(row, 1)?));
    }
    Ok(files.into_iter().collect())
}

/// Returns what is agreed for one path; `None` if it does not exist.
pub fn digest(db: &Database, datasite: &Email, path: &DatasitePath) -> Result<Option<Digest>> {
    let text: Option<String> = db
        .prepare_cached("SELECT digest FROM agreed WHERE datasite = ?1 AND path = ?2")?
        .query_row([datasite.as_str(), path.as_str()], |row| row.get(0))
        .optional()?;
    text.map(|text| parse_digest(&text)).transpose()
}

/// Returns what is agreed for some paths.
pub fn of<'p>(
    db: &Database,
    datasite: &Email,
    paths: impl IntoIterator<Item = &'p DatasitePath>,
) -> Result<Snapshot> {
    let mut files = Vec::new();
    for path in paths {
        if let Some(digest) = digest(db, datasite, path)? {
            files.push((path.clone(), digest));
        }
    }
    Ok(files.into_iter().collect())
}

/// True if anything is agreed below `folder`.
pub fn any_below(db: &Database, datasite: &Email, folder: &DatasitePath) -> Result<bool> {
    // `0` is what follows `/`.
    let mut statement = db.prepare_cached(
        "SELECT 1 FROM agreed WHERE datasite = ?1 AND path > ?2 || '/' AND path < ?2 || '0'",
    )?;
    Ok(statement.exists([datasite.as_str(), folder.as_str()])?)
}

/// Returns when each path was last agreed on, deletions included.
pub fn moments(db: &Database, datasite: &Email) -> Result<BTreeMap<DatasitePath, Timestamp>> {
    let mut statement = db.prepare_cached(
        "SELECT path, moment FROM agreed WHERE datasite = ?1
         UNION ALL SELECT path, moment FROM tombstones WHERE datasite = ?1",
    )?;
    let rows = statement.query_map([datasite.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, f64>(1)?))
    })?;
    rows.map(|row| {
        let (path, seconds) = row?;
        let moment =
            Timestamp::from_seconds(seconds).map_err(|error| Error::damaged(error.to_string()))?;
        Ok((parse_path(&path)?, moment))
    })
    .collect()
}

/// True if what is agreed for `path` was announced by this machine, and nothing was heard of it from
/// another one.
pub fn is_own(db: &Database, datasite: &Email, path: &DatasitePath) -> Result<bool> {
    let sql = "SELECT 1 FROM agreed WHERE datasite = ?1 AND path = ?2 AND own";
    Ok(db.prepare_cached(sql)?.exists([datasite.as_str(), path.as_str()])?)
}

/// Agrees on the content of `path`, or with `None` on its deletion. What is announced here has the
/// [`unsettled_moment`].
pub fn put(
    db: &Database,
    datasite: &Email,
    path: &DatasitePath,
    digest: Option<&Digest>,
    moment: Timestamp,
) -> Result<()> {
    let (datasite, path) = (datasite.as_str(), path.as_str());
    if let Some(digest) = digest {
        let is_own = moment == unsettled_moment();
        db.prepare_cached("INSERT OR REPLACE INTO agreed VALUES (?1, ?2, ?3, ?4, ?5)")?
            .execute(params![datasite, path, digest.to_hex(), moment.seconds(), is_own])?;
        db.prepare_cached("DELETE FROM tombstones WHERE datasite = ?1 AND path = ?2")?
            .execute([datasite, path])?;
    } else {
        db.prepare_cached("DELETE FROM agreed WHERE datasite = ?1 AND path = ?2")?
            .execute([datasite, path])?;
        db.prepare_cached("INSERT OR REPLACE INTO tombstones VALUES (?1, ?2, ?3)")?
            .execute(params![datasite, path, moment.seconds()])?;
    }
    Ok(())
}

/// The moment of what is announced and not yet sent: whatever others sent was sent before.
pub fn unsettled_moment() -> Timestamp {
    Timestamp::from_micros(i64::MAX)
}

/// Notes that `file` of the own event log announces `path`.
pub fn announce(db: &Database, file: &FileId, path: &DatasitePath) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO unsettled VALUES (?1, ?2)")?
        .execute([file.as_str(), path.as_str()])?;
    Ok(())
}

/// Notes that what is agreed for `path` was agreed by `moment` already, if it is `digest`.
pub fn since(
    db: &Database,
    datasite: &Email,
    path: &DatasitePath,
    digest: Option<&Digest>,
    moment: Timestamp,
) -> Result<()> {
    let (datasite, path, moment) = (datasite.as_str(), path.as_str(), moment.seconds());
    let Some(digest) = digest else {
        let sql = "UPDATE tombstones SET moment = ?3
             WHERE datasite = ?1 AND path = ?2 AND moment > ?3";
        db.prepare_cached(sql)?.execute(params![datasite, path, moment])?;
        return Ok(());
    };
    let sql = "UPDATE agreed SET moment = ?3
         WHERE datasite = ?1 AND path = ?2 AND digest = ?4 AND moment > ?3";
    db.prepare_cached(sql)?.execute(params![datasite, path, moment, digest.to_hex()])?;
    Ok(())
}

/// Notes when `file` of the own event log was made, and with it when its paths were agreed on.
pub fn settle(db: &Database, datasite: &Email, file: &FileId, moment: Timestamp) -> Result<()> {
    for table in ["agreed", "tombstones"] {
        let sql = format!(
            "UPDATE {table} SET moment = ?1 WHERE datasite = ?2 AND moment = ?3
             AND path IN (SELECT path FROM unsettled WHERE file = ?4)"
        );
        db.prepare_cached(&sql)?.execute(params![
            moment.seconds(),
            datasite.as_str(),
            unsettled_moment().seconds(),
            file.as_str(),
        ])?;
    }
    db.prepare_cached("DELETE FROM unsettled WHERE file = ?1")?.execute([file.as_str()])?;
    Ok(())
}

/// Returns the messages of the own event log of which it is not known when they were made.
pub fn unsettled(db: &Database) -> Result<Vec<FileId>> {
    let mut statement = db.prepare_cached("SELECT DISTINCT file FROM unsettled")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| super::journal::parse_id(&row?)).collect()
}

/// Returns the datasites of which anything is agreed.
pub fn datasites(db: &Database) -> Result<Vec<Email>> {
    // From one to the next: `DISTINCT` would look at each file.
    let mut statement = db.prepare_cached(
        "WITH RECURSIVE found(datasite) AS (
             SELECT min(datasite) FROM agreed
             UNION ALL
             SELECT (SELECT min(datasite) FROM agreed WHERE datasite > found.datasite) FROM found
             WHERE found.datasite IS NOT NULL
         )
         SELECT datasite FROM found WHERE datasite IS NOT NULL",
    )?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| Email::parse(&row?).map_err(|error| Error::damaged(error.to_string()))).collect()
}

pub(super) fn parse_path(text: &str) -> Result<DatasitePath> {
    DatasitePath::parse(text).map_err(|error| Error::damaged(error.to_string()))
}

pub(super) fn parse_digest(text: &str) -> Result<Digest> {
    Digest::parse(text).map_err(|error| Error::damaged(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    #[test]
    fn each_datasite_of_which_anything_is_agreed_is_named_once() {
        let store = Store::in_memory().unwrap();
        assert_eq!(store.read(datasites).unwrap(), []);
        let path = |text: &str| DatasitePath::parse(text).unwrap();
        let emails = ["b@x.org", "a@x.org", "c@x.org"].map(|text| Email::parse(text).unwrap());
        let (digest, moment) = (Digest::of(b"1"), Timestamp::from_micros(1));
        for email in &emails {
            for name in ["one", "two", "three"] {
                let put = |db: &_| put(db, email, &path(name), Some(&digest), moment);
                store.write(put).unwrap();
            }
        }
        let [b, a, c] = emails;
        assert_eq!(store.read(datasites).unwrap(), [a, b.clone(), c]);
        for name in ["one", "two", "three"] {
            store.write(|db| put(db, &b, &path(name), None, moment)).unwrap();
        }
        assert_eq!(store.read(datasites).unwrap().len(), 2);
    }
}
