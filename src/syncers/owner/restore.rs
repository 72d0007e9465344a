//! Brings an owner's machine to what the account has announced: once from checkpoints when the
//! machine is new, and then from the event log whatever other machines of the account did.
//!
//! Oldest first, so that newer content wins. A local file that differs is a local edit: it stays
//! and is announced.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::caches::{DatasiteTree, agreed, announcing, catalogue, journal, meta, scan};
use crate::checkpoints;
use crate::connections::{self, Entry, FileId};
use crate::model::{DatasitePath, Digest, Email, Timestamp, is_syncable};
use crate::wire::names::{CheckpointName, EventsName, IncrementalName};
use crate::wire::{
    Checkpoint, FileChangeEvent, FileChangeEventsMessage, IncrementalCheckpoint, Packed, limits,
};

use super::super::applying::{self, Edits, Ground, States};
use super::super::batches::batches;
use super::super::sending::{ROLLING_BASE, ROLLING_FILE, told};
use super::super::{Account, Directory, Report, Result, sealing};
use super::checkpoint::OVERLAP_MICROS;
use super::nanoseconds;
use super::restating::{self, Said, restates};

/// Meta key: this machine has read what the account announced before it joined.
pub(in crate::syncers) const RESTORED: &str = "restored";

/// Restores what the account has announced, unless this machine did that before.
pub(super) async fn restore_once(
    account: &Account,
    directory: &Directory,
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    if account.store.read(|db| meta::get(db, RESTORED))?.is_some() {
        return Ok(());
    }
    let mut restored = Restored::default();
    restored.read_checkpoints(account, directory, report).await?;
    let log = after(log(account, directory)?, &restored);
    for messages in batches(&log) {
        for (entry, message) in read_log(account, messages, report).await? {
            restored.follow(account, &entry, message.events, report);
        }
    }
    let everything = self::log(account, directory)?;
    let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
    account.store.write(|db| {
        let ground = Ground { datasite: &account.email, scan: &scan, edits: Edits::Stay, now };
        restored.commit(db, account, &ground)?;
        everything.iter().try_for_each(|entry| journal::mark_seen(db, &entry.id))?;
        if let Some(file) = &restored.rolling_file {
            meta::set(db, ROLLING_FILE, file.as_str())?;
        }
        if let Some(base) = restored.base {
            meta::set(db, ROLLING_BASE, &base.canonical())?;
        }
        meta::set(db, RESTORED, "1")
    })?;
    report.pulled += restored.states.values().filter(|state| state.content.is_some()).count();
    Ok(())
}

/// Takes in what other machines of the account announced. Returns how many files that concerns.
pub(super) async fn follow_log(
    account: &Account,
    directory: &Directory,
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<usize> {
    heed_new_checkpoint(account, directory)?;
    settle(account)?;
    let Some(personal) = &directory.personal else { return Ok(0) };
    let mut unseen = account.store.read(|db| catalogue::unseen(db, personal))?;
    unseen.retain(|entry| EventsName::parse(&entry.name).is_some());
    let given_up = account.store.read(|db| meta::with_prefix(db, NOT_UNDERSTOOD))?;
    unseen.retain(|e| !given_up.contains(&(not_understood(e), VERSION.to_owned())));
    let mut count = 0;
    for entries in batches(&unseen) {
        let messages = read_log(account, entries, report).await?;
        let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
        let mut restored = Restored { known: known(account, &messages)?, ..Restored::default() };
        let mut read = Vec::new();
        for (entry, message) in messages {
            restored.follow(account, &entry, message.events, report);
            read.push(entry);
        }
        account.store.write(|db| {
            let ground = Ground { datasite: &account.email, scan: &scan, edits: Edits::Stay, now };
            restored.commit(db, account, &ground)?;
            read.iter().try_for_each(|entry| journal::mark_seen(db, &entry.id))
        })?;
        count += restored.states.len();
        super::writing::carry_out(account, report)?;
    }
    Ok(count)
}

/// The ids in messages of the log of which it is known that they stand there already.
fn known(
    account: &Account,
    messages: &[(Entry, FileChangeEventsMessage)],
) -> Result<BTreeSet<String>> {
    let events = messages.iter().flat_map(|(_, message)| &message.events);
    let mut known = BTreeSet::new();
    account.store.read(|db| {
        for event in events {
            if announcing::is_known(db, &event.id)? {
                known.insert(event.id.clone());
            }
        }
        Ok(())
    })?;
    Ok(known)
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

/// If another machine made a checkpoint, the rolling state goes on from there: what the checkpoint
/// holds must not lie over it again when somebody restores.
fn heed_new_checkpoint(account: &Account, directory: &Directory) -> Result<()> {
    let Some(folder) = &directory.checkpoints else { return Ok(()) };
    let entries = account.store.read(|db| catalogue::children(db, folder))?;
    let newest = entries.iter().filter_map(|entry| CheckpointName::parse(&entry.name)).max();
    let Some(newest) = newest.map(|name| name.timestamp) else { return Ok(()) };
    account.store.write(|db| {
        let base = meta::get(db, ROLLING_BASE)?;
        let base = base.and_then(|text| Timestamp::parse_canonical(&text).ok());
        if base.is_none_or(|base| base < newest) {
            db.execute("DELETE FROM rolling WHERE moment <= ?1", [newest.seconds()])?;
            meta::set(db, ROLLING_BASE, &newest.canonical())?;
            meta::remove(db, ROLLING_FILE)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// What a machine that is new to the account learns.
#[derive(Debug, Default)]
struct Restored {
    states: States,
    said: Said,
    /// The ids of events that stand in the log before.
    known: BTreeSet<String>,
    /// What the log says a second time, and when: two machines took in the same proposal.
    again: Vec<(DatasitePath, Option<Digest>, Timestamp)>,
    /// The newest message of the log that the checkpoints include.
    since: Option<Timestamp>,
    /// When the newest of the checkpoints was made, by the clock of the service.
    made_micros: Option<i64>,
    /// Ids of messages of the log that the checkpoints are known to include.
    included: BTreeSet<String>,
    rolling: Vec<FileChangeEvent>,
    rolling_file: Option<FileId>,
    base: Option<Timestamp>,
}

impl Restored {
    /// Commits what was learnt.
    fn commit(
        &self,
        db: &rusqlite::Connection,
        account: &Account,
        ground: &Ground<'_>,
    ) -> crate::caches::Result<()> {
        // What this machine said again was so from the first time on, and whatever the log says in
        // between came later.
        for (path, digest, moment) in &self.again {
            agreed::since(db, &account.email, path, digest.as_ref(), *moment)?;
        }
        applying::apply(db, ground, &self.states)?;
        restating::heed(db, account, &self.said)?;
        self.known.iter().try_for_each(|event| announcing::know(db, event))?;
        self.rolling.iter().try_for_each(|event| announcing::roll(db, event))
    }

    async fn read_checkpoints(
        &mut self,
        account: &Account,
        directory: &Directory,
        report: &mut Report,
    ) -> Result<()> {
        let children = |folder: &Option<FileId>| match folder {
            Some(folder) => account.store.read(|db| catalogue::children(db, folder)),
            None => Ok(Vec::new()),
        };
        let mut entries = children(&directory.checkpoints)?;
        entries.extend(children(&directory.rolling)?);
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let reading = checkpoints::reading(&names);
        for entry in reading.full.iter().filter_map(|index| entries.get(*index)) {
            let Some(name) = CheckpointName::parse(&entry.name) else { continue };
            // A checkpoint that cannot be read is passed over: the log says it all, only slower.
            if let Some(checkpoint) = read_file::<Checkpoint>(account, entry, report).await?
                && self.lay_checkpoint(account, name.timestamp, checkpoint, report)
            {
                self.made_micros = Some(entry.created_micros);
                break;
            }
        }
        // The clocks of the machines that made the increments need not agree.
        let full = self.base;
        for entry in reading.increments.iter().filter_map(|index| entries.get(*index)) {
            let Some(name) = IncrementalName::parse(&entry.name) else { continue };
            if !checkpoints::Reading::is_after(name.timestamp, full) {
                continue;
            }
            if let Some(file) = read_file::<IncrementalCheckpoint>(account, entry, report).await? {
                self.included.extend(file.log_recent);
                self.lay_events(account, file.events, report);
                self.rolling.clear();
                self.base = self.base.max(Some(name.timestamp));
                self.made_micros = Some(entry.created_micros);
            }
        }
        // The content of the rolling state is not laid: the log has all of it, and a machine that
        // was behind may have written it over that of another.
        let rolling = reading.rolling.and_then(|index| entries.get(index));
        self.rolling_file = rolling.map(|entry| entry.id.clone());
        Ok(())
    }

    fn lay_checkpoint(
        &mut self,
        account: &Account,
        made: Timestamp,
        checkpoint: Checkpoint,
        report: &mut Report,
    ) -> bool {
        self.included.extend(checkpoint.log_recent.iter().cloned());
        match checkpoint.check() {
            Ok(state) => {
                for (path, content) in state.files {
                    self.said.insert(path.clone(), (Some(content.digest()), false));
                    applying::add(
                        &mut self.states,
                        path,
                        Some(content),
                        Timestamp::ZERO,
                        Uuid::nil(),
                    );
                }
                (self.since, self.base) = (state.last_event, Some(made));
                true
            }
            Err(error) => {
                let text = format!("a checkpoint of {}: {}", account.email, told(&error));
                report.problem("checkpoint-not-usable", text);
                false
            }
        }
    }

    fn lay_events(&mut self, account: &Account, events: Vec<FileChangeEvent>, report: &mut Report) {
        for event in events {
            self.since = self.since.max(Timestamp::from_seconds(event.timestamp).ok());
            // When the service learnt of it is not known; all that the log adds came later.
            self.lay_event(account, event, Timestamp::ZERO, report);
        }
    }

    /// Follows one message of the log.
    fn follow(
        &mut self,
        account: &Account,
        entry: &Entry,
        events: Vec<FileChangeEvent>,
        report: &mut Report,
    ) {
        let moment = Timestamp::from_micros(entry.created_micros);
        for event in events {
            if self.known.insert(event.id.clone()) {
                self.lay_event(account, event, moment, report);
            } else if let Ok(event) = event.check() {
                // For who does not look at ids: if it has given way, that is said once more.
                self.said.insert(event.path.clone(), (event.digest(), true));
                let digest = event.digest();
                self.again.push((event.path, digest, moment));
            }
        }
    }

    fn lay_event(
        &mut self,
        account: &Account,
        event: FileChangeEvent,
        moment: Timestamp,
        report: &mut Report,
    ) {
        match event.clone().check() {
            Ok(checked) if is_syncable(&checked.path) => {
                let restates = restates(&checked);
                self.said.insert(checked.path.clone(), (checked.digest(), restates));
                let moment = if restates { moment.min(checked.timestamp) } else { moment };
                if restates && self.states.get(&checked.path).is_some_and(|s| moment < s.moment) {
                    return; // What came before it was agreed on later.
                }
                let (path, base) = (checked.path.clone(), checked.base);
                applying::add(&mut self.states, checked.path, checked.content, moment, checked.id);
                if let Some(state) = self.states.get_mut(&path).filter(|_| !restates) {
                    state.bases.insert(base);
                }
                self.rolling.push(event);
            }
            Ok(_) => {}
            Err(error) => {
                let text = format!("an event in the log of {}: {}", account.email, told(&error));
                report.problem("event-not-usable", text);
            }
        }
    }
}

/// The messages of the log from the first on that a checkpoint may not include.
///
/// Our checkpoints name the messages of the last while that they include. Of others it is said by
/// the clocks of the machines, by the names that are later than `since`, and by that of the
/// service, by what came later or shortly before. All that follow the first are read, in the order
/// of the service: then the last word on each path is the last in the log.
fn after(mut log: Vec<Entry>, restored: &Restored) -> Vec<Entry> {
    let may_be_missing = |entry: &Entry| {
        let named = EventsName::parse(&entry.name).map(|name| name.timestamp);
        let recent =
            restored.made_micros.is_none_or(|at| entry.created_micros > at - OVERLAP_MICROS);
        !restored.included.contains(entry.id.as_str()) && (recent || named > restored.since)
    };
    let first = log.iter().position(may_be_missing).unwrap_or(log.len());
    log.split_off(first)
}

/// The messages of our event log, oldest first.
fn log(account: &Account, directory: &Directory) -> Result<Vec<Entry>> {
    let Some(personal) = &directory.personal else { return Ok(Vec::new()) };
    let mut entries = account.store.read(|db| catalogue::children(db, personal))?;
    let timestamp = |entry: &Entry| EventsName::parse(&entry.name).map(|name| name.timestamp);
    entries.retain(|entry| timestamp(entry).is_some());
    entries.sort_by_key(|entry| (entry.created_micros, timestamp(entry)));
    Ok(entries)
}

async fn read_log(
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
                    report
                        .problem("event-not-usable", format!("`{}`: {}", entry.name, told(&error)));
                    account.store.write(|db| meta::set(db, &not_understood(entry), VERSION))?;
                }
            },
            Err(connections::Error::NotFound { .. }) => {}
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

async fn read_file<T: Packed>(
    account: &Account,
    entry: &Entry,
    report: &mut Report,
) -> Result<Option<T>> {
    let limit = limits::PACKED_BYTES_MAX as u64;
    let bytes = match account.router.own().read(&entry.id, limit).await {
        Ok(bytes) => bytes,
        Err(connections::Error::NotFound { .. }) => return Ok(None),
        Err(error @ connections::Error::TooLarge { .. }) => {
            report.problem("checkpoint-not-usable", told(&error));
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let Some(bytes) = sealing::open_own(account, entry, bytes, report)? else { return Ok(None) };
    match T::from_file_bytes(&bytes) {
        Ok(file) => Ok(Some(file)),
        Err(error) => {
            report.problem("checkpoint-not-usable", told(&error));
            Ok(None)
        }
    }
}
