//! Follows the event log: takes in whatever other machines of the account announced, and on a new
//! machine all that no checkpoint includes.
//!
//! Oldest first by the clock of the service, so that newer content wins, and a bounded number of
//! bytes at a time, each taken in before the next are read.

use crate::caches::{DatasiteTree, agreed, announcing, catalogue, journal, meta, scan};
use crate::checkpoints::OVERLAP_MICROS;
use crate::connections::{self, Entry};
use crate::model::{Code, Email, Timestamp};
use crate::wire::names::{CheckpointName, EventsName};
use crate::wire::{FileChangeEventsMessage, Packed as _, limits};

use super::super::applying::{Edits, Ground};
use super::super::batches::batches;
use super::super::sending::{self, ROLLING_BASE, ROLLING_FILE};
use super::super::{Account, Directory, Report, Result, sealing, writing};
use super::checkpoint::ROLLING_FULL;
use super::told::Told;
use super::{log, nanoseconds, restore};

/// Takes in what this machine has not read. Returns how many files that concerns.
pub(super) async fn follow_log(
    account: &Account,
    directory: &Directory,
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<usize> {
    heed_new_checkpoint(account, directory)?;
    settle(account)?;
    restore::catch_up(account, directory, tree, now, report).await?;
    let Some(personal) = &directory.personal else { return Ok(0) };
    let mut unseen = account.store.read(|db| catalogue::unseen(db, personal))?;
    unseen.retain(|entry| EventsName::parse(&entry.name).is_some());
    let given_up = account.store.read(|db| meta::with_prefix(db, NOT_UNDERSTOOD))?;
    unseen.retain(|entry| !given_up.contains(&(not_understood(entry), VERSION.to_owned())));
    let mut count = 0;
    for entries in batches(&unseen) {
        count += take_in(account, tree, entries, now, report).await?;
    }
    log::note_followed(account, directory)?;
    Ok(count)
}

async fn take_in(
    account: &Account,
    tree: &DatasiteTree,
    entries: &[Entry],
    now: Timestamp,
    report: &mut Report,
) -> Result<usize> {
    let messages = read_log(account, entries, report).await?;
    let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
    let mut told = Told::before(account, &messages)?;
    let mut read = Vec::new();
    for (entry, message) in messages {
        told.follow(account, &entry, message.events, report);
        read.push(entry);
    }
    account.store.write(|db| {
        let ground = Ground { datasite: &account.email, scan: &scan, edits: Edits::Stay, now };
        told.commit(db, account, &ground)?;
        read.iter().try_for_each(|entry| journal::mark_seen(db, &entry.id))
    })?;
    writing::carry_out(account, report)?;
    Ok(told.states.len())
}

/// Learns from the catalogue when our own messages were made, where the answer to their upload was
/// lost.
fn settle(account: &Account) -> Result<()> {
    account.store.write(|db| {
        for file in agreed::unsettled(db)? {
            if let Some(entry) = catalogue::get(db, &file)? {
                let moment = Timestamp::from_micros(entry.created_micros);
                agreed::settle(db, &account.email, &file, moment)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// If another machine made a full checkpoint, the rolling state goes on from there, without what is
/// so old that the checkpoint must hold it. That a checkpoint holds more than this machine had seen
/// does no harm: each file says what it includes.
fn heed_new_checkpoint(account: &Account, directory: &Directory) -> Result<()> {
    let Some(folder) = &directory.checkpoints else { return Ok(()) };
    let entries = account.store.read(|db| catalogue::children(db, folder))?;
    let newest = entries
        .iter()
        .filter_map(|entry| Some((CheckpointName::parse(&entry.name)?.timestamp, entry)))
        .max_by_key(|(made, _)| *made);
    let Some((made, entry)) = newest else { return Ok(()) };
    account.store.write(|db| {
        if meta::get(db, ROLLING_FULL)?.as_deref() == Some(&made.canonical()) {
            return Ok(());
        }
        if entry.created_micros < i64::MAX {
            let until = Timestamp::from_micros(entry.created_micros - OVERLAP_MICROS);
            announcing::drop_rolling(db, &account.email, 0.0, until.seconds())?;
        }
        meta::set(db, ROLLING_BASE, &made.canonical())?;
        meta::set(db, ROLLING_FULL, &made.canonical())?;
        meta::remove(db, ROLLING_FILE)
    })?;
    Ok(())
}

/// Reads messages of the log, without those that nobody can use.
pub(super) async fn read_log(
    account: &Account,
    entries: &[Entry],
    report: &mut Report,
) -> Result<Vec<(Entry, FileChangeEventsMessage)>> {
    let limit = limits::PACKED_BYTES_MAX as u64;
    let contents = account.router.pull_from_outbox(entries, limit).await;
    let mut messages = Vec::new();
    for (entry, content) in entries.iter().zip(contents) {
        if !is_own(account, entry) {
            continue;
        }
        match content {
            Ok(bytes) => match sealing::open_own(account, entry, bytes, report)?
                .map_or(Ok(None), |b| FileChangeEventsMessage::from_file_bytes(&b).map(Some))
            {
                Ok(Some(message)) => messages.push((entry.clone(), message)),
                Ok(None) => {}
                Err(error) => {
                    let text = format!("`{}`: {}", entry.name, sending::told(&error));
                    report.problem(Code::EventNotUsable, text);
                    account.store.write(|db| meta::set(db, &not_understood(entry), VERSION))?;
                }
            },
            // Another machine pruned the log meanwhile: its checkpoint says what this one said.
            Err(connections::Error::NotFound { id }) => account.store.write(|db| {
                log::note_gap(db, entry.created_micros)?;
                catalogue::remove(db, &id)
            })?,
            // The log must be followed without gaps.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(messages)
}

/// Meta keys: messages of the log that this program does not understand, with its version. They are
/// told once, and read again by another version.
const NOT_UNDERSTOOD: &str = "not understood ";
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn not_understood(entry: &Entry) -> String {
    format!("{NOT_UNDERSTOOD}{}", entry.id)
}

fn is_own(account: &Account, entry: &Entry) -> bool {
    let owner: Option<&Email> = entry.owner.as_ref();
    entry.is_mine || owner.is_some_and(|owner| account.email.is_same_account(owner.as_str()))
}
