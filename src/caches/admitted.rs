//! Whom a rule approved as a peer: noted before it is done, so that no approval is without a record,
//! whenever the process ends.

use rusqlite::{Connection as Database, params};

use super::Result;
use crate::model::{Email, Timestamp};

/// One approval by a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub peer: Email,
    /// The rule, as it was written.
    pub rule: String,
    /// When it was decided.
    pub moment: Timestamp,
    /// False if it may not be done yet.
    pub done: bool,
}

/// Notes that `peer` is to be approved by `rule`.
pub fn decide(db: &Database, peer: &Email, rule: &str, now: Timestamp) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO admitted (peer, rule, moment, done) VALUES (?1, ?2, ?3, 0)",
    )?
    .execute(params![peer.as_str(), rule, now.micros()])?;
    Ok(())
}

/// Notes that it is done.
pub fn done(db: &Database, peer: &Email) -> Result<()> {
    db.prepare_cached("UPDATE admitted SET done = 1 WHERE peer = ?1")?.execute([peer.as_str()])?;
    Ok(())
}

/// Forgets what was decided and came to nothing.
pub fn undecide(db: &Database, peer: &Email) -> Result<()> {
    db.prepare_cached("DELETE FROM admitted WHERE peer = ?1 AND done = 0")?
        .execute([peer.as_str()])?;
    Ok(())
}

/// Returns all, the oldest first.
pub fn all(db: &Database) -> Result<Vec<Admitted>> {
    let mut statement =
        db.prepare_cached("SELECT peer, rule, moment, done FROM admitted ORDER BY moment, peer")?;
    let rows = statement.query_map([], |row| {
        let row: (String, String, i64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(row)
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let read = rows.into_iter().filter_map(|(peer, rule, moment, done)| {
        let (peer, moment) = (Email::parse(&peer).ok()?, Timestamp::from_micros(moment));
        Some(Admitted { peer, rule, moment, done })
    });
    Ok(read.collect())
}
