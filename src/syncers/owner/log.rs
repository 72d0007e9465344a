//! What this machine knows of its account's event log: what lies there, what of it is taken in, and
//! whether anything is gone that was not.
//!
//! Nothing is sent or read here but the database.

use crate::caches::{agreed, announcing, catalogue, journal, meta, outlines, unstated};
use crate::checkpoints::{self, LogMessage, OVERLAP_MICROS, Standing};
use crate::connections::{Entry, FileId};
use crate::model::Timestamp;
use crate::wire::LogCoverage;
use crate::wire::names::{EventsName, PrunedName};

use super::super::rolling::{ROLLING_BASE, ROLLING_DIRTY, ROLLING_SINCE};
use super::super::{Account, Directory, Error, Result};
use super::kept_back::{self, Why};
use super::{follow, prune};

/// Meta keys: when the newest message was made that was taken in; until when the log may be gone
/// without anything being missed here; when a message was made that vanished before it was read.
const FOLLOWED: &str = "log.followed";
const HEEDED: &str = "log.heeded";
const GAP: &str = "log.gap";
/// Meta key: until when files of this machine said that they include all.
const CLAIMED: &str = "log.claimed";

/// Returns the messages of the event log, in the order in which the service made them, with their
/// entries.
pub(super) fn entries(account: &Account, directory: &Directory) -> Result<Vec<Entry>> {
    let Some(personal) = &directory.personal else { return Ok(Vec::new()) };
    let mut entries = account.store.read(|db| catalogue::children(db, personal))?;
    let named = |entry: &Entry| EventsName::of_message(&entry.name).map(|name| name.timestamp);
    entries.retain(|entry| named(entry).is_some());
    entries.sort_by_key(|entry| (entry.created_micros, named(entry)));
    Ok(entries)
}

/// Returns what is known of the messages of the event log, in the same order.
pub(super) fn messages(account: &Account, entries: &[Entry]) -> Result<Vec<LogMessage>> {
    let seen = account.store.read(journal::seen)?;
    let message = |entry: &Entry| LogMessage {
        id: entry.id.to_string(),
        made_micros: entry.created_micros,
        named: EventsName::of_message(&entry.name).map_or(Timestamp::ZERO, |name| name.timestamp),
        is_seen: seen.contains(&entry.id),
    };
    Ok(entries.iter().map(message).collect())
}

/// Returns how much of the log a file includes that is made of what is agreed now, and notes that
/// one may say so.
pub(in crate::syncers) fn coverage(
    account: &Account,
    directory: &Directory,
) -> Result<LogCoverage> {
    let coverage = checkpoints::coverage(&counting(account, directory)?);
    account.store.write(|db| set_at_least(db, CLAIMED, coverage.through_micros()))?;
    Ok(coverage)
}

/// True if a file of this machine may include a message by its date that was not taken in: it came
/// into the log, or was shown, much later than it was made.
pub(super) fn is_late(db: &rusqlite::Connection, entry: &Entry) -> crate::caches::Result<bool> {
    Ok(number(db, CLAIMED)?.is_some_and(|claimed| entry.created_micros <= claimed))
}

/// Returns what a rolling state goes on from that begins empty now.
pub(super) fn beginning(account: &Account, directory: &Directory) -> Result<LogCoverage> {
    beginning_of(account, &counting(account, directory)?)
}

/// The same, where this is known of the log.
pub(super) fn beginning_of(account: &Account, log: &[LogMessage]) -> Result<LogCoverage> {
    // Of these the catalogue may not know yet.
    let (pending, unsettled) =
        account.store.read(|db| Ok((journal::pending_files(db)?, agreed::unsettled(db)?)))?;
    let sent = pending.into_iter().chain(unsettled).map(|file| file.to_string());
    Ok(checkpoints::beginning(log, sent))
}

/// Leaves to the log alone what is too much for any file. What comes from now on files say again.
pub(in crate::syncers) fn leave_to_it(account: &Account, directory: &Directory) -> Result<()> {
    let since = beginning(account, directory)?;
    account.store.write(|db| {
        announcing::clear_rolling(db)?;
        note_since(db, &since)?;
        meta::remove(db, ROLLING_DIRTY)
    })?;
    Ok(())
}

/// Notes what the rolling state goes on from, within a transaction.
pub(super) fn note_since(
    db: &rusqlite::Connection,
    since: &LogCoverage,
) -> crate::caches::Result<()> {
    let text = serde_json::to_string(since)
        .map_err(|error| crate::caches::Error::damaged(error.to_string()))?;
    meta::set(db, ROLLING_SINCE, &text)
}

/// Returns what of the log was included before the first event of the rolling state; `None` if that
/// is not known.
pub(in crate::syncers) fn since(account: &Account) -> Result<Option<LogCoverage>> {
    let (since, base) = account
        .store
        .read(|db| Ok((meta::get(db, ROLLING_SINCE)?, meta::get(db, ROLLING_BASE)?)))?;
    Ok(match since {
        Some(text) => serde_json::from_str(&text).ok(),
        None => base.is_none().then_some(LogCoverage::NOTHING),
    })
}

/// Returns what is known of the messages that count or may do so once keys come: not of those that
/// are planted, or closed for good.
pub(super) fn counting(account: &Account, directory: &Directory) -> Result<Vec<LogMessage>> {
    let kept = kept_back::all(account)?;
    let mut entries = entries(account, directory)?;
    entries.retain(|entry| kept.get(&entry.id).is_none_or(|(why, _)| *why == Why::Closed));
    messages(account, &entries)
}

/// Returns the time in the newest name in our event log, whichever machine wrote it: names that
/// are made here come after it, though this machine's clock be behind.
pub(super) fn newest_name(account: &Account, directory: &Directory) -> Result<Timestamp> {
    let entries = entries(account, directory)?;
    let times = entries.iter().filter_map(|entry| EventsName::of_message(&entry.name));
    Ok(times.map(|name| name.timestamp).max().unwrap_or(Timestamp::ZERO))
}

/// Returns the entries that say until when messages may be gone from the log, with that moment.
pub(super) fn pruned_notes(account: &Account, directory: &Directory) -> Result<Vec<(i64, Entry)>> {
    let Some(folder) = &directory.checkpoints else { return Ok(Vec::new()) };
    let entries = account.store.read(|db| catalogue::children(db, folder))?;
    let note =
        |entry: Entry| PrunedName::parse(&entry.name).map(|name| (name.through.micros(), entry));
    Ok(entries.into_iter().filter_map(note).collect())
}

/// Returns until when messages may be gone from the log; `None` if it is whole.
pub(super) fn pruned(account: &Account, directory: &Directory) -> Result<Option<i64>> {
    Ok(pruned_notes(account, directory)?.into_iter().map(|(through, _)| through).max())
}

/// Returns whether anything is gone from the log that this machine has not taken in.
pub(super) fn standing(account: &Account, directory: &Directory) -> Result<Standing> {
    let pruned = pruned(account, directory)?;
    let (heeded, followed, gap) = account
        .store
        .read(|db| Ok((number(db, HEEDED)?, number(db, FOLLOWED)?, number(db, GAP)?)))?;
    Ok(checkpoints::standing(pruned, heeded, followed, gap))
}

/// True if this machine knows all that was ever announced, or can read it: only then may it say
/// to others what there is, by a checkpoint or by the rolling state.
pub(in crate::syncers) fn is_whole(account: &Account, directory: &Directory) -> Result<bool> {
    match expect_whole(account, directory) {
        Ok(()) => Ok(true),
        Err(Error::LogPruned | Error::KeysMissing) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fails where this machine does not know all that was ever announced.
///
/// # Errors
/// [`Error::LogPruned`], [`Error::KeysMissing`].
pub(super) fn expect_whole(account: &Account, directory: &Directory) -> Result<()> {
    if standing(account, directory)? != Standing::Whole {
        return Err(Error::LogPruned);
    }
    let entries = entries(account, directory)?;
    if !kept_back::incomplete(account, &entries)?.is_empty() {
        return Err(Error::LogPruned);
    }
    let closed = kept_back::closed(account, &entries)?;
    if closed.is_empty() { Ok(()) } else { Err(Error::KeysMissing) }
}

/// Notes that nothing is missed here of what was made until `through`, within a transaction.
pub(super) fn heed(db: &rusqlite::Connection, through: i64) -> crate::caches::Result<()> {
    set_at_least(db, HEEDED, through)?;
    set_at_least(db, FOLLOWED, through)
}

/// Notes that a message made at `made` is gone and was not taken in.
pub(super) fn note_gap(db: &rusqlite::Connection, made: i64) -> crate::caches::Result<()> {
    set_at_least(db, GAP, made)
}

/// Notes that whatever was missed is made up for, or cannot be had.
pub(super) fn close_gap(db: &rusqlite::Connection) -> crate::caches::Result<()> {
    meta::remove(db, GAP)
}

/// Forgets how far the log was followed: it is another one.
pub(in crate::syncers) fn forget(db: &rusqlite::Connection) -> crate::caches::Result<()> {
    [FOLLOWED, HEEDED, GAP, CLAIMED].into_iter().try_for_each(|key| meta::remove(db, key))
}

/// Notes how far the log has been followed. What is pruned until then is heeded by that.
pub(super) fn note_followed(account: &Account, directory: &Directory) -> Result<()> {
    let Some(personal) = &directory.personal else { return Ok(()) };
    let (newest, before) = account
        .store
        .read(|db| Ok((catalogue::newest_seen(db, personal)?, number(db, FOLLOWED)?)))?;
    // What waits for keys is not taken in: should it be gone before they come, it was missed.
    // Nor is what a newer program may understand.
    let entries = entries(account, directory)?;
    let (sealed, given_up) =
        (kept_back::waiting(account, &entries)?, follow::given_up(account, &entries)?);
    let waits = sealed.iter().chain(&given_up).map(|entry| entry.created_micros - OVERLAP_MICROS);
    let waits = waits.min();
    let newest = newest.map(|newest| newest.min(waits.unwrap_or(i64::MAX)));
    if newest > before && standing(account, directory)? == Standing::Whole {
        let pruned = pruned(account, directory)?;
        account.store.write(|db| {
            pruned.map_or(Ok(()), |pruned| set_at_least(db, HEEDED, pruned))?;
            set_at_least(db, FOLLOWED, newest.unwrap_or(0))
        })?;
    }
    Ok(())
}

/// Meta key: set once something went into the log as chunks.
const CHUNKED: &str = "log.chunked";

/// True if messages with chunks may go into `folder`, because it is our log and nobody reads that who does
/// not understand them: no Python client works with the account.
pub(in crate::syncers) async fn takes_chunks(
    account: &Account,
    directory: &Directory,
    folder: &FileId,
) -> Result<bool> {
    let takes = directory.personal.as_ref() == Some(folder)
        && prune::is_without_python(account, directory).await?;
    if takes {
        account.store.write(|db| meta::set(db, CHUNKED, "1"))?;
    }
    Ok(takes)
}

/// True if something in the log may be said in chunks only.
pub(in crate::syncers) fn is_chunked(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, CHUNKED))?.is_some())
}

/// If a Python client works with the account again, has all said in whole that the log may say in chunks
/// only: what was ever cut.
pub(super) fn heed_python(account: &Account, directory: &Directory) -> Result<()> {
    if !is_chunked(account)? || prune::trace_of_python_now(account, directory)?.is_none() {
        return Ok(());
    }
    account.store.write(|db| {
        let cut = outlines::paths(db, &account.email)?;
        cut.iter().try_for_each(|path| unstated::add(db, path))?;
        meta::remove(db, CHUNKED)
    })?;
    Ok(())
}

fn number(db: &rusqlite::Connection, key: &str) -> crate::caches::Result<Option<i64>> {
    Ok(meta::get(db, key)?.and_then(|text| text.parse().ok()))
}

fn set_at_least(db: &rusqlite::Connection, key: &str, value: i64) -> crate::caches::Result<()> {
    let value = number(db, key)?.map_or(value, |before| before.max(value));
    meta::set(db, key, &value.to_string())
}
