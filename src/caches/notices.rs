//! What `syft serve` has seen, and what it has to tell: news, and the notices made of them.
//!
//! What was seen and the news of it are noted in one transaction. A notice is marked before it is
//! sent and after: one that is marked before and not after may have been received, and says so when
//! it is sent again.

use rusqlite::{Connection as Database, OptionalExtension as _, Row, params};

use super::{Result, meta};
use crate::model::Timestamp;

/// How many news may wait for one way; of what comes after, only the number is kept.
pub const NEWS_MAX: usize = 500;

/// How many notices that were sent are kept, to be shown.
const SENT_KEPT: usize = 100;

/// Meta key: that somebody has looked before.
const BEGUN: &str = "notices.begun";

/// What is remembered of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noticed {
    /// Which fact.
    pub key: String,
    /// When it was seen first.
    pub first: Timestamp,
    /// When it was seen last.
    pub last: Timestamp,
    /// True if it needs no telling any more.
    pub told: bool,
}

/// A notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// Which way it takes.
    pub way: String,
    /// Its news, as a JSON list.
    pub news: String,
    /// How many more there are.
    pub more: usize,
    /// When it was made.
    pub made: Timestamp,
    /// Before when it is not to be tried.
    pub due: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// True if it may have been received.
    pub maybe: bool,
    /// When it was sent.
    pub sent: Option<Timestamp>,
    /// Why it was not, the last time.
    pub problem: Option<String>,
}

/// True if somebody has looked before.
pub fn has_begun(db: &Database) -> Result<bool> {
    Ok(meta::get(db, BEGUN)?.is_some())
}

/// Notes that somebody has looked.
pub fn begin(db: &Database) -> Result<()> {
    meta::set(db, BEGUN, "")
}

/// Returns all that is remembered.
pub fn noticed(db: &Database) -> Result<Vec<Noticed>> {
    let mut statement = db.prepare_cached("SELECT key, first, last, told FROM noticed")?;
    let rows = statement.query_map([], |row| {
        let (first, last): (i64, i64) = (row.get(1)?, row.get(2)?);
        let (first, last) = (Timestamp::from_micros(first), Timestamp::from_micros(last));
        Ok(Noticed { key: row.get(0)?, first, last, told: row.get(3)? })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Remembers a fact.
pub fn remember(db: &Database, fact: &Noticed) -> Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO noticed (key, first, last, told) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![fact.key, fact.first.micros(), fact.last.micros(), fact.told])?;
    Ok(())
}

/// Forgets a fact.
pub fn forget(db: &Database, key: &str) -> Result<()> {
    db.prepare_cached("DELETE FROM noticed WHERE key = ?1")?.execute([key])?;
    Ok(())
}

/// Adds news that go `way`. Beyond [`NEWS_MAX`], and twice that for urgent ones, they are counted
/// only.
pub fn add_news(db: &Database, way: &str, news: &str, is_urgent: bool) -> Result<()> {
    let most = if is_urgent { 2 * NEWS_MAX } else { NEWS_MAX };
    if count_news(db, way)? < most {
        db.prepare_cached("INSERT INTO news (way, news) VALUES (?1, ?2)")?.execute([way, news])?;
    } else {
        let more = uncounted(db, way)? + 1;
        meta::set(db, &more_key(way), &more.to_string())?;
    }
    Ok(())
}

/// Returns how many news wait to go `way`.
pub fn count_news(db: &Database, way: &str) -> Result<usize> {
    let count: i64 = db
        .prepare_cached("SELECT count(*) FROM news WHERE way = ?1")?
        .query_row([way], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

fn uncounted(db: &Database, way: &str) -> Result<usize> {
    Ok(meta::get(db, &more_key(way))?.and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn more_key(way: &str) -> String {
    format!("notices.more {way}")
}

/// Makes a notice of all news that wait to go `way`; false if there are none.
pub fn gather(db: &Database, way: &str, id: &str, now: Timestamp) -> Result<bool> {
    let news: Vec<String> = {
        let mut statement =
            db.prepare_cached("SELECT news FROM news WHERE way = ?1 ORDER BY number")?;
        let rows = statement.query_map([way], |row| row.get(0))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    if news.is_empty() {
        return Ok(false);
    }
    let list = format!("[{}]", news.join(","));
    let more = i64::try_from(uncounted(db, way)?).unwrap_or(i64::MAX);
    db.prepare_cached(
        "INSERT INTO notices (id, number, way, news, more, made, due) \
         VALUES (?1, (SELECT coalesce(max(number), 0) + 1 FROM notices), ?2, ?3, ?4, ?5, ?5)",
    )?
    .execute(params![id, way, list, more, now.micros()])?;
    db.execute("DELETE FROM news WHERE way = ?1", [way])?;
    meta::remove(db, &more_key(way))?;
    Ok(true)
}

/// Returns the oldest notice that is to go `way`.
pub fn unsent(db: &Database, way: &str) -> Result<Option<Kept>> {
    let sql = format!("{SELECT} WHERE way = ?1 AND sent IS NULL ORDER BY number LIMIT 1");
    Ok(db.prepare_cached(&sql)?.query_row([way], kept).optional()?)
}

/// Returns the newest notices, the newest first.
pub fn newest(db: &Database, count: usize) -> Result<Vec<Kept>> {
    let sql = format!("{SELECT} ORDER BY number DESC LIMIT ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement.query_map([i64::try_from(count).unwrap_or(i64::MAX)], kept)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns when notices went `way`, since `since`.
pub fn sent_since(db: &Database, way: &str, since: Timestamp) -> Result<Vec<Timestamp>> {
    let mut statement =
        db.prepare_cached("SELECT sent FROM notices WHERE way = ?1 AND sent >= ?2")?;
    let rows = statement.query_map(params![way, since.micros()], |row| row.get::<_, i64>(0))?;
    Ok(rows.map(|row| row.map(Timestamp::from_micros)).collect::<rusqlite::Result<_>>()?)
}

/// Notes that a notice is about to be sent: from now on it may have been received.
pub fn sending(db: &Database, id: &str) -> Result<()> {
    db.prepare_cached("UPDATE notices SET attempts = attempts + 1, maybe = 1 WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Notes that a notice was sent, and forgets those of long ago.
pub fn sent(db: &Database, id: &str, now: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE notices SET sent = ?2, problem = NULL WHERE id = ?1")?
        .execute(params![id, now.micros()])?;
    db.prepare_cached(
        "DELETE FROM notices WHERE sent IS NOT NULL AND number <= \
         (SELECT number FROM notices WHERE sent IS NOT NULL ORDER BY number DESC LIMIT 1 OFFSET ?1)",
    )?
    .execute([i64::try_from(SENT_KEPT).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// Notes that a notice was not sent, and before when not to try again. `maybe`: it is not certain.
pub fn failed(db: &Database, id: &str, problem: &str, maybe: bool, due: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE notices SET problem = ?2, maybe = ?3, due = ?4 WHERE id = ?1")?
        .execute(params![id, problem, maybe, due.micros()])?;
    Ok(())
}

/// Lets everything that was put off be tried at once.
pub fn hurry(db: &Database, now: Timestamp) -> Result<()> {
    db.prepare_cached("UPDATE notices SET due = ?1 WHERE sent IS NULL AND due > ?1")?
        .execute([now.micros()])?;
    Ok(())
}

/// Drops what is still to go `way`, and returns how many notices and news that were.
pub fn drop_way(db: &Database, way: &str) -> Result<usize> {
    let notices = db.execute("DELETE FROM notices WHERE way = ?1 AND sent IS NULL", [way])?;
    let news = db.execute("DELETE FROM news WHERE way = ?1", [way])?;
    meta::remove(db, &more_key(way))?;
    Ok(notices + news)
}

const SELECT: &str =
    "SELECT id, way, news, more, made, due, attempts, maybe, sent, problem FROM notices";

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    let moment = |place: usize| row.get::<_, i64>(place).map(Timestamp::from_micros);
    Ok(Kept {
        id: row.get(0)?,
        way: row.get(1)?,
        news: row.get(2)?,
        more: usize::try_from(row.get::<_, i64>(3)?).unwrap_or(0),
        made: moment(4)?,
        due: moment(5)?,
        attempts: row.get(6)?,
        maybe: row.get(7)?,
        sent: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_micros),
        problem: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Store;
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_780_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn news_become_one_notice_which_is_sent_once() {
        let store = Store::in_memory().unwrap();
        store
            .write(|db| {
                assert!(!has_begun(db)?);
                begin(db)?;
                assert!(has_begun(db)?);
                assert!(!gather(db, "email", "a", at(0))?);
                add_news(db, "email", "1", false)?;
                add_news(db, "email", "2", false)?;
                add_news(db, "webhook", "3", false)?;
                assert!(gather(db, "email", "a", at(0))?);
                add_news(db, "email", "4", false)?;
                assert!(gather(db, "email", "b", at(1))?);
                let first = unsent(db, "email")?.unwrap();
                assert_eq!((first.id.as_str(), first.news.as_str()), ("a", "[1,2]"));
                assert!(!first.maybe);
                sending(db, "a")?;
                assert!(unsent(db, "email")?.unwrap().maybe, "killed here, it may have gone");
                failed(db, "a", "no route", false, at(30))?;
                let again = unsent(db, "email")?.unwrap();
                assert_eq!((again.attempts, again.maybe, again.due), (1, false, at(30)));
                hurry(db, at(5))?;
                assert_eq!(unsent(db, "email")?.unwrap().due, at(5));
                sent(db, "a", at(6))?;
                assert_eq!(unsent(db, "email")?.unwrap().id, "b");
                assert_eq!(sent_since(db, "email", at(6))?, [at(6)]);
                assert_eq!(drop_way(db, "email")?, 1);
                assert_eq!(newest(db, 9)?.len(), 1);
                assert_eq!(count_news(db, "webhook")?, 1);
                Ok(())
            })
            .unwrap();
    }

    #[test]
    fn a_flood_is_counted_and_the_past_is_short() {
        let store = Store::in_memory().unwrap();
        store
            .write(|db| {
                for number in 0..NEWS_MAX + 7 {
                    add_news(db, "email", &number.to_string(), false)?;
                }
                add_news(db, "email", "\"urgent\"", true)?;
                assert!(gather(db, "email", "a", at(0))?);
                let first = unsent(db, "email")?.unwrap();
                assert_eq!(first.more, 7);
                assert!(first.news.ends_with("\"urgent\"]"), "there is room for that");
                for number in 0..SENT_KEPT + 20 {
                    add_news(db, "email", "1", false)?;
                    gather(db, "email", &format!("n{number}"), at(0))?;
                    sent(db, &format!("n{number}"), at(1))?;
                }
                assert_eq!(newest(db, 1000)?.len(), SENT_KEPT + 1, "and the one that was not sent");
                Ok(())
            })
            .unwrap();
    }
}
