//! What an owner has decided and not yet announced: events for its log, answers to proposals, and
//! the rolling state.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection as Database, OptionalExtension as _, params};
use serde::{Deserialize, Serialize};

use super::agreed::parse_path;
use super::intents::parse_large;
use super::{Error, Result, unstated};
use crate::model::{DatasitePath, Digest, Email};
use crate::wire::{Body, FileChangeEvent};

/// Adds an event that belongs in the event log, and makes it the newest of its path in the rolling
/// state.
pub fn add_event(db: &Database, event: &FileChangeEvent) -> Result<()> {
    let text = to_text(event)?;
    db.prepare_cached("INSERT INTO unlogged (event) VALUES (?1)")?.execute([&text])?;
    if let Ok(path) = parse_path(&event.path_in_datasite) {
        unstated::remove(db, &path)?;
    }
    know(db, &event.id)?;
    roll(db, event)
}

/// Notes that an event of this id stands in the event log, or is about to.
pub fn know(db: &Database, event: &str) -> Result<()> {
    db.prepare_cached("INSERT OR IGNORE INTO logged VALUES (?1)")?.execute([event])?;
    Ok(())
}

/// True if an event of this id is known to stand in the event log, or to be about to.
pub fn is_known(db: &Database, event: &str) -> Result<bool> {
    Ok(db.prepare_cached("SELECT 1 FROM logged WHERE event = ?1")?.exists([event])?)
}

/// Notes that `earlier` events, which were on their way to the event log, must be put into it after
/// all: before those that wait for it already.
pub fn log_again(db: &Database, earlier: &[FileChangeEvent]) -> Result<()> {
    let waiting = unlogged(db)?;
    logged(db)?;
    earlier.iter().chain(&waiting).try_for_each(|event| add_event(db, event))
}

/// Makes an event the newest of its path in the rolling state.
pub fn roll(db: &Database, event: &FileChangeEvent) -> Result<()> {
    let text = to_text(event)?;
    db.prepare_cached("INSERT OR REPLACE INTO rolling (path, moment, event) VALUES (?1, ?2, ?3)")?
        .execute(params![event.path_in_datasite, event.timestamp, text])?;
    Ok(())
}

/// Returns the events that are not in the log yet, oldest first.
pub fn unlogged(db: &Database) -> Result<Vec<FileChangeEvent>> {
    events(db, "SELECT event FROM unlogged ORDER BY number")
}

/// Returns the events that are not in the log yet, oldest first, from behind the number `last`, as long as
/// each `fits`; with the number of the last one. `None` if there is none.
pub fn unlogged_while(
    db: &Database,
    last: i64,
    mut fits: impl FnMut(&FileChangeEvent) -> bool,
) -> Result<Option<(i64, Vec<FileChangeEvent>)>> {
    let sql = "SELECT number, event FROM unlogged WHERE number > ?1 ORDER BY number";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([last])?;
    let (mut through, mut events) = (last, Vec::new());
    while let Some(row) = rows.next()? {
        let event = from_text(&row.get::<_, String>(1)?)?;
        if !fits(&event) {
            break;
        }
        through = row.get(0)?;
        events.push(event);
    }
    Ok((!events.is_empty()).then_some((through, events)))
}

/// Returns the first event behind the number `last` that is not in the log yet.
fn first_unlogged(db: &Database, last: i64) -> Result<Option<(i64, FileChangeEvent)>> {
    let mut is_first = true;
    let found = unlogged_while(db, last, |_| std::mem::take(&mut is_first))?;
    Ok(found.and_then(|(number, events)| Some((number, events.into_iter().next()?))))
}

/// Notes that all events are in the log, or in a message that is on its way there.
pub fn logged(db: &Database) -> Result<()> {
    db.execute("DELETE FROM unlogged", [])?;
    Ok(())
}

/// As [`logged`], of the events up to the number `through`.
pub fn logged_through(db: &Database, through: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM unlogged WHERE number <= ?1")?.execute([through])?;
    Ok(())
}

/// Returns the rolling state's events: one for each path, newest last.
pub fn rolling(db: &Database) -> Result<Vec<FileChangeEvent>> {
    events(db, "SELECT event FROM rolling ORDER BY moment, rowid")
}

/// Returns how many events the rolling state has.
pub fn rolling_count(db: &Database) -> Result<usize> {
    let count: i64 =
        db.prepare_cached("SELECT count(*) FROM rolling")?.query_row([], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// Returns about how many bytes of JSON the rolling state has, without what is large.
pub fn rolling_bytes(db: &Database) -> Result<u64> {
    let sql = "SELECT coalesce(sum(octet_length(event)), 0) FROM rolling";
    let bytes: i64 = db.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
    Ok(u64::try_from(bytes).unwrap_or(0))
}

/// Returns the newest event of `path` in the rolling state.
pub fn rolled(db: &Database, path: &DatasitePath) -> Result<Option<FileChangeEvent>> {
    let text = db
        .prepare_cached("SELECT event FROM rolling WHERE path = ?1")?
        .query_row([path.as_str()], |row| row.get::<_, String>(0))
        .optional()?;
    text.map(|text| from_text(&text)).transpose()
}

/// Begins the rolling state anew: a checkpoint holds what it held. What is not in the log yet stays,
/// for it will come after that.
pub fn clear_rolling(db: &Database) -> Result<()> {
    db.execute("DELETE FROM rolling", [])?;
    let mut last = 0;
    while let Some((number, event)) = first_unlogged(db, last)? {
        roll(db, &event)?;
        last = number;
    }
    Ok(())
}

/// Notes that `peer` is to be told what stands at `path`, in an event of the id `event`.
pub fn answer(db: &Database, peer: &Email, path: &DatasitePath, event: &str) -> Result<()> {
    db.prepare_cached("INSERT OR REPLACE INTO answers VALUES (?1, ?2, ?3)")?.execute([
        peer.as_str(),
        path.as_str(),
        event,
    ])?;
    Ok(())
}

/// As [`answer`], unless something newer is to be told about `path` already.
pub fn answer_unless_due(
    db: &Database,
    peer: &Email,
    path: &DatasitePath,
    event: &str,
) -> Result<()> {
    // Without an id it is no answer, only what was sent before.
    let sql = "INSERT INTO answers VALUES (?1, ?2, ?3)
         ON CONFLICT (peer, path) DO UPDATE SET event = ?3 WHERE event = ''";
    db.prepare_cached(sql)?.execute([peer.as_str(), path.as_str(), event])?;
    Ok(())
}

/// Notes that `peer` is to be told again of all that it was sent: nobody knows what of it arrived.
pub fn answer_all(db: &Database, peer: &Email) -> Result<()> {
    db.prepare_cached(
        "INSERT OR IGNORE INTO answers SELECT peer, path, '' FROM held WHERE peer = ?1",
    )?
    .execute([peer.as_str()])?;
    Ok(())
}

/// Returns what `peer` is to be told, with the ids that the events carry.
pub fn answers(db: &Database, peer: &Email) -> Result<BTreeMap<DatasitePath, String>> {
    let mut statement = db.prepare_cached("SELECT path, event FROM answers WHERE peer = ?1")?;
    let rows = statement.query_map([peer.as_str()], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))
    })?;
    rows.map(|row| {
        let (path, event) = row?;
        Ok((parse_path(&path)?, event))
    })
    .collect()
}

/// Returns the peers with a proposal that is decided and not answered.
pub fn unanswered(db: &Database) -> Result<BTreeSet<Email>> {
    let mut statement = db.prepare_cached("SELECT DISTINCT peer FROM answers WHERE event != ''")?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| Email::parse(&row?).map_err(|error| Error::damaged(error.to_string()))).collect()
}

/// Notes that `peer` was told about `path`.
pub fn answered(db: &Database, peer: &Email, path: &DatasitePath) -> Result<()> {
    db.prepare_cached("DELETE FROM answers WHERE peer = ?1 AND path = ?2")?
        .execute([peer.as_str(), path.as_str()])?;
    Ok(())
}

fn events(db: &Database, sql: &str) -> Result<Vec<FileChangeEvent>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    rows.map(|row| from_text(&row?)).collect()
}

/// How an event is kept whose content is too large to be held: without it, and what it is.
#[derive(Serialize, Deserialize)]
struct Lightened<E> {
    event: E,
    large: String,
}

/// How the text of such an event begins; no other does.
const LIGHTENED: &str = "{\"event\":";

fn to_text(event: &FileChangeEvent) -> Result<String> {
    let text = match &event.content {
        Some(Body::Large(large)) => {
            let event = FileChangeEvent { content: None, ..event.clone() };
            serde_json::to_string(&Lightened { event, large: large.to_line() })
        }
        _ => serde_json::to_string(event),
    };
    text.map_err(|error| Error::damaged(error.to_string()))
}

fn from_text(text: &str) -> Result<FileChangeEvent> {
    let damaged = |error: serde_json::Error| Error::damaged(error.to_string());
    if !text.starts_with(LIGHTENED) {
        return serde_json::from_str(text).map_err(damaged);
    }
    let Lightened { mut event, large } =
        serde_json::from_str::<Lightened<FileChangeEvent>>(text).map_err(damaged)?;
    let large = parse_large(&large)?;
    event.content_type = Some(crate::wire::Content::Large(large).kind().to_owned());
    event.content = Some(Body::Large(large));
    Ok(event)
}

/// Returns what is too large to be held of the events that are not in the log yet.
pub fn larges(db: &Database) -> Result<BTreeSet<Digest>> {
    let mut statement = db.prepare_cached("SELECT event FROM unlogged WHERE event GLOB ?1")?;
    let rows = statement.query_map([format!("{LIGHTENED}*")], |row| row.get::<_, String>(0))?;
    let mut larges = BTreeSet::new();
    for row in rows {
        if let Some(Body::Large(large)) = from_text(&row?)?.content {
            larges.insert(large.digest);
        }
    }
    Ok(larges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Large;

    #[test]
    fn an_event_is_kept_with_what_is_large_left_out() {
        let digest = Digest::of(b"x");
        let large = Large { digest, size_bytes: 1 << 30, is_text: false };
        let mut event = FileChangeEvent {
            id: "e".to_owned(),
            path_in_datasite: "a".to_owned(),
            datasite_email: "do@example.org".to_owned(),
            content: Some(Body::Inline("{\"event\":1}".to_owned())),
            old_hash: None,
            new_hash: Some(digest.to_hex()),
            is_deleted: false,
            submitted_timestamp: 1.5,
            timestamp: 2.5,
            content_type: Some("text".to_owned()),
        };
        assert_eq!(from_text(&to_text(&event).unwrap()).unwrap(), event);
        event.content = Some(Body::Large(large));
        event.content_type = Some("binary".to_owned());
        let text = to_text(&event).unwrap();
        assert!(text.len() < 500 && text.starts_with(LIGHTENED));
        assert_eq!(from_text(&text).unwrap(), event);
        let store = crate::caches::Store::in_memory().unwrap();
        let (larges, events) = store
            .write(|db| {
                add_event(db, &event)?;
                Ok((larges(db)?, unlogged(db)?))
            })
            .unwrap();
        assert_eq!((larges, events), (BTreeSet::from([digest]), vec![event]));
    }
}
