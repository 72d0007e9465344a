//! Reads checkpoints and lays them over each other: the full one, its increments, the rolling state,
//! oldest first, so that newer content wins.
//!
//! A file that cannot be read ends it: what comes after does not hold what it held, and the event
//! log says the rest. What the files include of the log, as they truly lie upon each other, need not
//! be read again.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::caches::catalogue;
use crate::checkpoints::{self, Known, Layer, LogMessage};
use crate::connections::{self, Entry, FileId};
use crate::model::{Code, Timestamp};
use crate::wire::names::{CheckpointName, IncrementalName, RollingStateName};
use crate::wire::{
    self, Checkpoint, FileChangeEvent, FullState, IncrementalCheckpoint, LogCoverage, Packed,
    RollingState,
};

use super::super::applying;
use super::super::batches::batches;
use super::super::parcels::{self, Parcel};
use super::super::sealing::{OwnFile, OwnFiles};
use super::super::sending::told;
use super::super::{Account, Directory, Report, Result};
use super::told::Told;

/// What checkpoints say.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// What their events and files say.
    pub told: Told,
    /// What they include of the event log.
    pub known: Known,
    /// The file of the rolling state.
    pub rolling_file: Option<FileId>,
    /// When each checkpoint that was laid was made, by its name.
    pub laid: Vec<Timestamp>,
    /// The full one among them.
    pub full: Option<Timestamp>,
    /// What of the log was included before the first event of the rolling state that was laid.
    rolling_since: Option<LogCoverage>,
}

/// Files that were read side by side, before it is their turn.
#[derive(Debug, Default)]
pub(super) struct Ahead(BTreeMap<FileId, connections::Result<Parcel>>);

impl Ahead {
    /// Reads as many of those that [`read`] will need as may be in memory at once.
    pub(super) async fn look(account: &Account, directory: &Directory) -> Result<Self> {
        let files = Files::among(entries(account, directory)?);
        let first = files.fulls.into_iter().take(1).chain(files.increments).chain(files.rolling);
        let first: Vec<Entry> = first.collect();
        let first = batches(&first).next().unwrap_or_default();
        let contents = parcels::fetch_all(account, first).await;
        Ok(Self(first.iter().map(|entry| entry.id.clone()).zip(contents).collect()))
    }

    /// Returns a file that was read, if it was and could be.
    fn peek(&self, entry: &Entry) -> Option<&Parcel> {
        self.0.get(&entry.id)?.as_ref().ok()
    }

    /// Returns the content of a file, which is read now if it was not.
    async fn take(&mut self, account: &Account, entry: &Entry) -> connections::Result<Parcel> {
        match self.0.remove(&entry.id) {
            Some(read) => read,
            None => parcels::fetch(account, entry).await,
        }
    }
}

/// The files of checkpoints that may count.
#[derive(Debug)]
struct Files {
    /// The newest first.
    fulls: Vec<Entry>,
    /// In the order in which they are laid.
    increments: Vec<Entry>,
    rolling: Option<Entry>,
}

impl Files {
    fn among(entries: Vec<Entry>) -> Self {
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let reading = checkpoints::reading(&names);
        let at = |index: usize| entries.get(index).cloned();
        Self {
            fulls: reading.full.into_iter().filter_map(at).collect(),
            increments: reading.increments.into_iter().filter_map(at).collect(),
            rolling: reading.rolling.and_then(at),
        }
    }
}

/// A full checkpoint, and how much of the log it includes.
#[derive(Debug)]
pub(super) struct Full {
    pub name: CheckpointName,
    pub made_micros: i64,
    pub state: FullState,
    pub log: Option<LogCoverage>,
}

/// Reads and lays what the drive has. Where any of it is sealed, nothing else counts.
pub(super) async fn read(
    account: &Account,
    directory: &Directory,
    own: &mut OwnFiles,
    mut ahead: Ahead,
    report: &mut Report,
) -> Result<Layers> {
    let entries = entries(account, directory)?;
    if own.is_lenient() && is_any_sealed(account, own, &entries, &ahead).await? {
        own.join_sealed(account)?;
    }
    let files = Files::among(entries);
    let mut layers = Layers::default();
    for entry in &files.fulls {
        if let Some(full) = read_full(account, own, entry, &mut ahead, report).await? {
            layers.lay_full(full);
            break;
        }
    }
    let increments = &files.increments;
    let are_whole = layers.lay_increments(account, own, increments, &mut ahead, report).await?;
    if let Some(entry) = &files.rolling {
        layers.rolling_file = Some(entry.id.clone());
        if are_whole {
            layers.lay_rolling_state(account, own, entry, &mut ahead, report).await?;
        }
    }
    Ok(layers)
}

/// Returns the full checkpoints that the drive has, newest first.
pub(super) fn full_ones(account: &Account, directory: &Directory) -> Result<Vec<Entry>> {
    Ok(Files::among(entries(account, directory)?).fulls)
}

/// Reads a full checkpoint; `None` if it is gone or damaged.
pub(super) async fn read_full(
    account: &Account,
    own: &mut OwnFiles,
    entry: &Entry,
    ahead: &mut Ahead,
    report: &mut Report,
) -> Result<Option<Full>> {
    let Some(name) = CheckpointName::parse(&entry.name) else { return Ok(None) };
    let Some(file) = read_file::<Checkpoint>(account, own, entry, ahead, report).await? else {
        return Ok(None);
    };
    let log = file.log.clone();
    match file.check() {
        Ok(state) => {
            let made_micros = entry.created_micros;
            Ok(Some(Full { name, made_micros, state, log }))
        }
        Err(error) => {
            let text = format!("a checkpoint of {}: {}", account.email, told(&error));
            report.problem(Code::CheckpointNotUsable, text);
            Ok(None)
        }
    }
}

impl Layers {
    /// Returns which of these messages of the log are included.
    pub(super) fn included(&self, messages: &[LogMessage]) -> BTreeSet<String> {
        let included = self.known.included(messages);
        let both = messages.iter().zip(included);
        both.filter(|(_, is)| *is).map(|(message, _)| message.id.clone()).collect()
    }

    /// Returns what of the log was included before the first of the events that the rolling state of
    /// this machine begins with; `None` if no file says so.
    pub(super) fn since(&self) -> Option<LogCoverage> {
        let last = || self.known.layers.last().map(|layer| layer.log.clone());
        self.rolling_since.clone().or_else(last)
    }

    fn lay_full(&mut self, full: Full) {
        for (path, content) in full.state.files {
            let moment = Timestamp::ZERO; // Whatever the log adds came later.
            self.told.said.insert(path.clone(), (Some(content.digest()), false));
            applying::add(&mut self.told.states, path, Some(content), moment, Uuid::nil());
        }
        self.known = Known {
            layers: vec![Layer::full(full.log)],
            since: full.state.last_event,
            made_micros: Some(full.made_micros),
        };
        self.full = Some(full.name.timestamp);
        self.laid.push(full.name.timestamp);
    }

    /// True if all increments that there are were laid.
    async fn lay_increments(
        &mut self,
        account: &Account,
        own: &mut OwnFiles,
        increments: &[Entry],
        ahead: &mut Ahead,
        report: &mut Report,
    ) -> Result<bool> {
        let parse = |entry: &Entry| IncrementalName::parse(&entry.name);
        let names: Vec<IncrementalName> = increments.iter().filter_map(parse).collect();
        for index in checkpoints::increments_to_lay(&names, self.full) {
            let (Some(entry), Some(name)) = (increments.get(index), names.get(index)) else {
                break;
            };
            let file =
                read_file::<IncrementalCheckpoint>(account, own, entry, ahead, report).await?;
            let Some(file) = file.filter(|file| is_of(account, file.check_head(), report)) else {
                return Ok(false);
            };
            let is_ours = file.log.is_some();
            let newest = file.events.iter().filter_map(moment_of).max();
            self.lay_events(account, file.events, is_ours, report);
            if is_ours || self.known.layers.is_empty() {
                self.known.made_micros = Some(entry.created_micros);
                self.known.since = self.known.since.max(newest);
            }
            self.known.layers.extend(file.log.map(|log| Layer { log, since: file.since }));
            self.told.rolling.clear();
            self.laid.push(name.timestamp);
        }
        let last = names.last().map(|name| name.timestamp);
        Ok(last.is_none_or(|last| self.laid.contains(&last) || self.full >= Some(last)))
    }

    async fn lay_rolling_state(
        &mut self,
        account: &Account,
        own: &mut OwnFiles,
        entry: &Entry,
        ahead: &mut Ahead,
        report: &mut Report,
    ) -> Result<()> {
        let file = read_file::<RollingState>(account, own, entry, ahead, report).await?;
        let Some(file) = file.filter(|file| is_of(account, file.check_head(), report)) else {
            return Ok(());
        };
        match file.log {
            Some(log) if checkpoints::continues(file.base_checkpoint_timestamp, &self.laid) => {
                self.lay_events(account, file.events, true, report);
                self.rolling_since = file.since.clone();
                self.known.layers.push(Layer { log, since: file.since });
            }
            Some(_) => {}
            // Of another client. What it had not seen by then is in the log, which is read.
            None => self.lay_events(account, file.events, false, report),
        }
        Ok(())
    }

    /// Lays events. Those of a file that does not say what of the log it includes may be older than
    /// what was laid before; they count only if they are newer than all of that.
    fn lay_events(
        &mut self,
        account: &Account,
        events: Vec<FileChangeEvent>,
        says_what_it_includes: bool,
        report: &mut Report,
    ) {
        let all = says_what_it_includes || self.known.layers.is_empty();
        let since = self.known.since;
        for event in events {
            let is_newer = all || moment_of(&event) > since;
            let moment = Timestamp::ZERO; // As in a full checkpoint.
            if is_newer {
                self.told.lay_event(account, event, moment, report);
            }
        }
    }
}

fn moment_of(event: &FileChangeEvent) -> Option<Timestamp> {
    Timestamp::from_seconds(event.timestamp).ok()
}

/// True if the head of a file is valid and names this account.
fn is_of(
    account: &Account,
    head: Result<(crate::model::Email, Timestamp), crate::wire::Invalid>,
    report: &mut Report,
) -> bool {
    match head {
        Ok((email, _)) if account.email.is_same_account(email.as_str()) => true,
        Ok((email, _)) => {
            report.problem(Code::CheckpointNotUsable, format!("a checkpoint names {email}"));
            false
        }
        Err(error) => {
            report.problem(Code::CheckpointNotUsable, told(&error));
            false
        }
    }
}

fn entries(account: &Account, directory: &Directory) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for folder in [&directory.checkpoints, &directory.rolling].into_iter().flatten() {
        entries.extend(account.store.read(|db| catalogue::children(db, folder))?);
    }
    Ok(entries)
}

/// True if one of these files was sealed by us.
async fn is_any_sealed(
    account: &Account,
    own: &OwnFiles,
    entries: &[Entry],
    ahead: &Ahead,
) -> Result<bool> {
    let is_layer = |entry: &&Entry| {
        CheckpointName::parse(&entry.name).is_some()
            || IncrementalName::parse(&entry.name).is_some()
            || RollingStateName::parse(&entry.name).is_some()
    };
    for entry in entries.iter().filter(is_layer) {
        if let Some(parcel) = ahead.peek(entry) {
            if own.is_sealed_by_us(account, parcel) {
                return Ok(true);
            }
            continue;
        }
        match parcels::fetch(account, entry).await {
            Ok(parcel) if own.is_sealed_by_us(account, &parcel) => return Ok(true),
            Ok(_)
            | Err(connections::Error::NotFound { .. } | connections::Error::TooLarge { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(false)
}

/// Reads a file of ours; `None` if it is gone, damaged, or does not count.
async fn read_file<T: Packed>(
    account: &Account,
    own: &mut OwnFiles,
    entry: &Entry,
    ahead: &mut Ahead,
    report: &mut Report,
) -> Result<Option<T>> {
    let parcel = match ahead.take(account, entry).await {
        Ok(parcel) => parcel,
        Err(connections::Error::NotFound { .. }) => return Ok(None),
        Err(error @ connections::Error::TooLarge { .. }) => {
            report.problem(Code::CheckpointNotUsable, told(&error));
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let parcel = match own.open(account, entry, parcel, report)? {
        OwnFile::Sealed(parcel) | OwnFile::Plain(parcel) => parcel,
        OwnFile::NotSealed(_) => {
            let text = format!("`{}` on the drive is not sealed, and not used", entry.name);
            report.problem(Code::NotSealed, text);
            return Ok(None);
        }
        OwnFile::Closed => {
            let text = format!("`{}` is sealed with keys that are not on this machine", entry.name);
            report.problem(Code::CheckpointNotOpened, text);
            return Ok(None);
        }
        OwnFile::Lost => {
            let text = format!("`{}` is sealed with keys that were lost", entry.name);
            report.problem(Code::SealedFileNotUsable, text);
            return Ok(None);
        }
        OwnFile::Unusable => return Ok(None),
    };
    match parcel.read(account) {
        Ok(file) => Ok(Some(file)),
        Err(wire::Error::NotKept { source }) => Err(connections::Error::Io(source).into()),
        Err(error) => {
            report.problem(Code::CheckpointNotUsable, told(&error));
            Ok(None)
        }
    }
}
