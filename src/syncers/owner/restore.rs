//! Brings an owner's machine to what checkpoints say: once when it is new to the account, and again
//! when it was away for so long that the log it would have followed is gone.
//!
//! What they do not include is then followed in the event log, as on any day. A local file that
//! differs is a local edit: it stays and is announced. Only where nothing says any longer what stood
//! here, because the database is lost and the log is pruned, may it be an old copy as well: then it is
//! kept aside.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use uuid::Uuid;

use crate::caches::{DatasiteTree, Scan, intents, journal, meta, scan};
use crate::checkpoints::{self, LogMessage, Standing};
use crate::connections::Entry;
use crate::model::{Code, DatasitePath, Digest, Timestamp};
use crate::wire::{Chunked, FileChangeEventsMessage};

use super::super::applying::{self, Edits, Ground, States};
use super::super::batches::batches;
use super::super::chunked;
use super::super::rolling::{ROLLING_BASE, ROLLING_FILE};
use super::super::sealing::OwnFiles;
use super::super::writing::name_aside;
use super::super::{Account, Directory, Error, Report, Result};
use super::checkpoint::{self, ROLLING_FULL};
use super::follow::{Reader, read_log};
use super::laying::{self, Ahead, Full, Layers};
use super::told::Told;
use super::{Acquaintance, kept_back, log, nanoseconds, take_in};

/// Meta key: this machine has read what the account announced before it joined.
pub(in crate::syncers) const RESTORED: &str = "restored";

/// Meta keys: before the id of a full checkpoint that was read and does not make up for what is
/// missing; the value says until when it includes the log.
const TOO_LITTLE: &str = "full until ";

/// Reads what [`restore_once`] will need: it takes as long as to learn who the peers are. Nothing is read
/// by a machine that did that before.
pub(super) async fn look_ahead(account: &Account, directory: &Directory) -> Result<Ahead> {
    if is_restored(account)? { Ok(Ahead::default()) } else { Ahead::look(account, directory).await }
}

fn is_restored(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, RESTORED))?.is_some())
}

/// Takes in what checkpoints say, unless this machine did that before. In one transaction, with a
/// note of what of the log is included: the rest is followed.
pub(super) async fn restore_once(
    account: &Account,
    (directory, ahead): (&Directory, Ahead),
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    if is_restored(account)? {
        return Ok(());
    }
    let mut own = OwnFiles::load(account, now)?;
    let mut layers = laying::read(account, directory, &mut own, ahead, report).await?;
    let entries = log::entries(account, directory)?;
    let messages = log::messages(account, &entries)?;
    let pruned = log::pruned(account, directory)?;
    let waiting = take_in::oldest_waiting(account, directory, peers)?;
    let covered = layers.known.through_micros();
    let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
    let is_explained = is_explained(account, &scan, &layers.told)?;
    let included = if is_explained {
        let count = checkpoints::first_missing(&messages, &layers.known);
        // Checkpoints do not say which proposals were taken in, the log does.
        let is_told = |entry: &&Entry| waiting.is_none_or(|made| entry.created_micros < made);
        entries.iter().take(count).take_while(is_told).cloned().collect()
    } else {
        // Taken in at once with what checkpoints say: of each path the last state counts, and what
        // it replaced is no edit.
        let mut reader = Reader::with(account, directory, own, now)?;
        let read = read_all(account, &mut reader, &entries, &mut layers, report).await?;
        // What is closed may say that a file here is old. Nothing may be taken for an edit before
        // that is known.
        if reader.own.has_met_closed() {
            return Err(Error::KeysMissing);
        }
        read
    };
    let since = match layers.since() {
        Some(since) => since,
        None => log::beginning_of(account, &with_seen(messages, &included))?,
    };
    // The log that would tell an old copy from an edit is not whole.
    let is_doubtful = !is_explained && pruned.is_some();
    let edits = if is_doubtful { Edits::KeepAside } else { Edits::Stay };
    let old = match pruned.filter(|_| is_doubtful) {
        Some(pruned) => untold_before(pruned, tree, &scan, &layers.told),
        None => Vec::new(),
    };
    account.store.write(|db| {
        let ground = Ground { datasite: &account.email, scan: &scan, edits, now };
        layers.told.commit(db, account, &ground)?;
        old.iter().try_for_each(|path| keep_aside(db, &ground, path))?;
        log::note_since(db, &since)?;
        included.iter().try_for_each(|entry| journal::mark_seen(db, &entry.id))?;
        if let Some(file) = &layers.rolling_file {
            meta::set(db, ROLLING_FILE, file.as_str())?;
        }
        if let Some(base) = layers.laid.iter().max() {
            meta::set(db, ROLLING_BASE, &base.canonical())?;
        }
        if let Some(full) = layers.full {
            meta::set(db, ROLLING_FULL, &full.canonical())?;
        }
        match pruned {
            Some(pruned) if pruned <= covered => log::heed(db, pruned)?,
            Some(pruned) => log::note_gap(db, pruned)?,
            None => {}
        }
        meta::set(db, RESTORED, "1")
    })?;
    report.pulled += layers.told.states.values().filter(|state| state.content.is_some()).count();
    Ok(())
}

/// Reads all of the log, and lays it over what checkpoints say. Returns what need not be read again.
///
/// What is not sealed any longer tells at most what stood here before, and only if checkpoints
/// include it.
async fn read_all(
    account: &Account,
    reader: &mut Reader,
    entries: &[Entry],
    layers: &mut Layers,
    report: &mut Report,
) -> Result<Vec<Entry>> {
    let (mut read, mut earlier) = (Vec::new(), Told::default());
    let included = layers.included(&log::messages(account, entries)?);
    for entries in batches(entries) {
        let found = read_log(account, reader, entries, report).await?;
        for (entry, message) in found.messages {
            layers.told.follow(account, &entry, message.events, report);
            read.push(entry);
        }
        for (entry, parcel) in found.not_sealed {
            if !included.contains(entry.id.as_str()) {
                continue;
            }
            let message = chunked::read::<FileChangeEventsMessage>(account, &entry.name, &parcel);
            // Nothing is put together for it: it only tells what stood here.
            if let Ok(message) = message.map(Chunked::named_only) {
                earlier.follow(account, &entry, message.events, report);
            }
            read.push(entry);
        }
    }
    layers.told.preceded_by(earlier);
    Ok(read)
}

/// Returns messages of the log, of which those of these entries are taken in.
fn with_seen(mut messages: Vec<LogMessage>, entries: &[Entry]) -> Vec<LogMessage> {
    let seen: BTreeSet<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
    for message in &mut messages {
        message.is_seen |= seen.contains(message.id.as_str());
    }
    messages
}

/// Returns files of which nothing says that they should be here, and that were last written before
/// `pruned`: what is gone from the log may have deleted them. Younger ones are new.
fn untold_before(pruned: i64, tree: &DatasiteTree, scan: &Scan, told: &Told) -> Vec<DatasitePath> {
    let pruned = UNIX_EPOCH + Duration::from_micros(pruned.unsigned_abs());
    let is_told = |path: &DatasitePath| told.states.get(path).is_some_and(|s| s.content.is_some());
    let is_new = |path: &DatasitePath| {
        let written = std::fs::symlink_metadata(tree.root().join(path.as_str()));
        written.and_then(|found| found.modified()).is_ok_and(|written| written > pruned)
    };
    scan.files.keys().filter(|path| !is_told(path) && !is_new(path)).cloned().collect()
}

/// Keeps what stands at a path aside, within a transaction.
fn keep_aside(
    db: &rusqlite::Connection,
    ground: &Ground<'_>,
    path: &DatasitePath,
) -> crate::caches::Result<()> {
    let aside = name_aside(path, ground.now);
    intents::add(db, ground.datasite, path, None, None, Some(&aside))
}

/// True if all files that lie here are what checkpoints say, or the machine knows what stood here.
///
/// Else a file may be an edit, or what stood there once, of which checkpoints say nothing: the log
/// tells which.
fn is_explained(account: &Account, scan: &Scan, told: &Told) -> Result<bool> {
    let agreed = account.store.agreed(&account.email)?;
    let is_told = |(path, digest): (&DatasitePath, &Digest)| {
        let content = told.states.get(path).and_then(|state| state.content.as_ref());
        content.is_some_and(|content| content.digest() == *digest)
    };
    Ok(!agreed.is_empty() || scan.files.iter().chain(&scan.restless).all(is_told))
}

/// Takes in a full checkpoint where messages are gone from the log that this machine has not read.
///
/// What it has agreed on later than what the checkpoint includes stays, and so does every local
/// edit, as if the messages had been read.
pub(super) async fn catch_up(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let Standing::Behind { through_micros } = log::standing(account, directory)? else {
        return Ok(());
    };
    let mut own = OwnFiles::load(account, now)?;
    for entry in laying::full_ones(account, directory)? {
        let key = format!("{TOO_LITTLE}{}", entry.id);
        let known = account.store.read(|db| meta::get(db, &key))?;
        let known: Option<i64> = known.and_then(|covered| covered.parse().ok());
        if known.is_some_and(|covered| covered < through_micros) {
            continue;
        }
        let full =
            laying::read_full(account, &mut own, &entry, &mut Ahead::default(), report).await?;
        let Some(full) = full else { continue };
        let covered = full.log.as_ref().map_or(0, |log| log.through_micros());
        if covered < through_micros {
            account.store.write(|db| meta::set(db, &key, &covered.to_string()))?;
        } else {
            let waiting = take_in::oldest_waiting(account, directory, peers)?;
            let place = Place::new(full, covered, waiting);
            return take_place(account, directory, tree, place, now, report);
        }
    }
    if log::pruned(account, directory)?.is_some() || own.has_met_closed() {
        let text = "a part of the event log is gone, and no checkpoint that takes its place can be \
                    read: another machine of yours must sync, or make one";
        report.problem(Code::LogPruned, text);
        return Ok(());
    }
    // Somebody deleted a message by hand. Nobody can say what it said.
    Ok(account.store.write(log::close_gap)?)
}

/// A full checkpoint in the place of messages.
pub(super) struct Place {
    full: Full,
    /// Until when it includes the log.
    covered: i64,
    /// Until when messages that are there still need not be read.
    told: i64,
}

impl Place {
    /// Checkpoints do not say which proposals were taken in, the log does: what may be about one
    /// that was made when `waiting` says, or later, is read all the same.
    pub(super) fn new(full: Full, covered: i64, waiting: Option<i64>) -> Self {
        Self { full, covered, told: covered.min(waiting.map_or(i64::MAX, |made| made - 1)) }
    }
}

/// Takes in a full checkpoint.
pub(super) fn take_place(
    account: &Account,
    directory: &Directory,
    tree: &DatasiteTree,
    Place { full, covered, told }: Place,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let moment = Timestamp::from_micros(covered);
    let mut states = States::new();
    for path in account.store.agreed(&account.email)?.keys() {
        if !full.state.files.contains_key(path) {
            applying::add(&mut states, path.clone(), None, moment, Uuid::nil());
        }
    }
    for (path, content) in full.state.files {
        applying::add(&mut states, path, Some(content), moment, Uuid::nil());
    }
    let entries = log::entries(account, directory)?;
    let kept = kept_back::all(account)?;
    let is_included =
        |entry: &&Entry| entry.created_micros <= told && !kept.contains_key(&entry.id);
    let included: Vec<Entry> = entries.iter().filter(is_included).cloned().collect();
    let messages = with_seen(log::counting(account, directory)?, &included);
    let since = log::beginning_of(account, &messages)?;
    let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
    account.store.write(|db| {
        let ground = Ground { datasite: &account.email, scan: &scan, edits: Edits::Stay, now };
        applying::apply(db, &ground, &states)?;
        included.iter().try_for_each(|entry| journal::mark_seen(db, &entry.id))?;
        checkpoint::begin_anew(db, full.name.timestamp, &since)?;
        meta::set(db, ROLLING_FULL, &full.name.timestamp.canonical())?;
        log::heed(db, covered)?;
        log::close_gap(db)
    })?;
    report.pulled += super::super::writing::carry_out(account, report)?;
    Ok(())
}
