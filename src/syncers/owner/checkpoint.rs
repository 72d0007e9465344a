//! Makes checkpoints of what is announced, so that a machine that joins need not follow the whole
//! log.
//!
//! A checkpoint is complete on the drive before anything that it replaces is deleted; what a crash
//! leaves behind is cleared by the next one. Only the owner's own machines read it.

use std::collections::BTreeMap;

use crate::caches::{agreed, announcing, catalogue, journal, meta};
use crate::checkpoints::{Due, due};
use crate::connections::{self, Content, Entry, FileId, Kind, NewEntry, OCTETS};
use crate::model::{DatasitePath, Digest, Timestamp};
use crate::wire::names::{
    CheckpointName, CheckpointsFolder, EventsName, IncrementalName, RollingStateName,
};
use crate::wire::{self, FullState, IncrementalCheckpoint, Packed as _};

use super::super::placing::{create_folder, note_own, reserve_id};
use super::super::sending::{ROLLING_BASE, ROLLING_DIRTY, ROLLING_FILE, gzip_time, no_home, told};
use super::super::{Account, Directory, Error, Report, Result, sealing};

/// What a checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSummary {
    /// How many files.
    pub files: usize,
}

/// How far things have moved on since the last checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointStatus {
    /// When the last one was made; `None` if there is none.
    pub last: Option<Timestamp>,
    /// How many events came since.
    pub events_since: usize,
}

pub(super) fn status(account: &Account) -> Result<CheckpointStatus> {
    let (base, events_since) = account
        .store
        .read(|db| Ok((meta::get(db, ROLLING_BASE)?, announcing::rolling_count(db)?)))?;
    let last = base.and_then(|text| Timestamp::parse_canonical(&text).ok());
    Ok(CheckpointStatus { last, events_since })
}

/// Makes a checkpoint if the rolling state has `threshold` events: an increment, or after some of
/// those a full one. A failure is told, and tried again by the next sync.
pub(super) async fn create_if_due(
    account: &Account,
    threshold: usize,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let increments: Vec<IncrementalName> =
        parsed(&existing(account, &directory)?, IncrementalName::parse)
            .into_iter()
            .map(|(name, _)| name)
            .collect();
    let made = match due(status(account)?.events_since, threshold, &increments) {
        Due::Nothing => return Ok(()),
        Due::Increment(sequence) => create_increment(account, &directory, sequence, now).await,
        Due::Full => create(account, now).await.map(|_| ()),
    };
    if let Err(error) = made {
        report.problem("checkpoint-not-made", told(&error));
    }
    Ok(())
}

/// Makes a full checkpoint and deletes what it replaces.
pub(super) async fn create(account: &Account, now: Timestamp) -> Result<CheckpointSummary> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let old = existing(account, &directory)?;
    let timestamp = later_than(account, now)?;
    let files = read_files(account)?;
    let count = files.len();
    let state = FullState {
        timestamp,
        email: account.email.clone(),
        last_event: last_in_log(account, &directory)?,
        files,
    };
    let mut checkpoint = state.into_wire();
    checkpoint.log_recent = recent_in_log(account, &directory)?;
    let bytes = checkpoint.to_file_bytes(gzip_time(now));
    let name = CheckpointName { timestamp }.to_string();
    put(account, &directory, &name, bytes).await?;
    let replaced = |entry: &&Entry| {
        CheckpointName::parse(&entry.name).is_some()
            || IncrementalName::parse(&entry.name).is_some()
    };
    let replaced: Vec<FileId> = old.iter().filter(replaced).map(|entry| entry.id.clone()).collect();
    begin_anew(account, &directory, timestamp, replaced).await?;
    Ok(CheckpointSummary { files: count })
}

async fn create_increment(
    account: &Account,
    directory: &Directory,
    sequence: u64,
    now: Timestamp,
) -> Result<()> {
    let timestamp = later_than(account, now)?;
    let events = account.store.read(announcing::rolling)?;
    let mut increment = IncrementalCheckpoint::new(&account.email, timestamp, sequence, events);
    increment.log_recent = recent_in_log(account, directory)?;
    let name = IncrementalName { sequence, timestamp }.to_string();
    put(account, directory, &name, increment.to_file_bytes(gzip_time(now))).await?;
    begin_anew(account, directory, timestamp, Vec::new()).await
}

/// Returns a time for a checkpoint that is later than that of the last one.
fn later_than(account: &Account, now: Timestamp) -> Result<Timestamp> {
    Ok(status(account)?.last.unwrap_or(Timestamp::ZERO).next_for_name(now))
}

async fn put(account: &Account, directory: &Directory, name: &str, bytes: Vec<u8>) -> Result<()> {
    let bytes = sealing::seal_own(account, bytes)?;
    let folder = match (&directory.checkpoints, &directory.syftbox) {
        (Some(folder), _) => folder.clone(),
        (None, Some(root)) => {
            let version = account.dialect.client_version;
            let name = CheckpointsFolder { owner: account.email.clone(), version };
            create_folder(account, root, &name.to_string()).await?
        }
        (None, None) => return Err(no_home()),
    };
    let id = reserve_id(account, &folder, name).await?;
    let new = NewEntry {
        id: Some(id.clone()),
        parent: folder.clone(),
        name: name.to_owned(),
        media_type: OCTETS,
        tags: BTreeMap::new(),
    };
    match account.router.own().create_file(&new, Content::Bytes(bytes.into())).await {
        Ok(_) | Err(connections::Error::AlreadyExists { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    note_own(account, &id, &folder, name, Kind::File)
}

/// Begins the rolling state anew, and deletes what the checkpoint replaces.
async fn begin_anew(
    account: &Account,
    directory: &Directory,
    base: Timestamp,
    mut replaced: Vec<FileId>,
) -> Result<()> {
    account.store.write(|db| {
        announcing::clear_rolling(db)?;
        meta::set(db, ROLLING_BASE, &base.canonical())?;
        meta::remove(db, ROLLING_DIRTY)?;
        meta::remove(db, ROLLING_FILE)
    })?;
    if let Some(folder) = &directory.rolling {
        let entries = account.store.read(|db| catalogue::children(db, folder))?;
        replaced.extend(parsed(&entries, RollingStateName::parse).into_iter().map(|(_, e)| e.id));
    }
    if !replaced.is_empty() {
        for (id, outcome) in replaced.iter().zip(account.router.own().delete(&replaced).await?) {
            outcome?;
            account.store.write(|db| catalogue::remove(db, id))?;
        }
    }
    Ok(())
}

/// Reads every announced file. The disk must hold what was announced; what has changed since is
/// taken from the events, if they still have it.
fn read_files(account: &Account) -> Result<BTreeMap<DatasitePath, wire::Content>> {
    let tree = account.tree(&account.email)?;
    let (agreed, events) = account
        .store
        .read(|db| Ok((agreed::snapshot(db, &account.email)?, announcing::rolling(db)?)))?;
    let mut files = BTreeMap::new();
    for (path, digest) in agreed {
        let on_disk = tree.read(&path)?.filter(|content| Digest::of(content) == digest);
        let content = match on_disk {
            Some(content) => Some(wire::Content::from_bytes(content)),
            None => events
                .iter()
                .filter_map(|event| event.clone().check().ok())
                .find(|event| event.path == path && event.digest() == Some(digest))
                .and_then(|event| event.content),
        };
        let Some(content) = content else { return Err(Error::NotSynced { path }) };
        files.insert(path, content);
    }
    Ok(files)
}

/// Returns the newest message of our event log, by its name, that is not newer than one which this
/// machine has not taken in.
fn last_in_log(account: &Account, directory: &Directory) -> Result<Option<Timestamp>> {
    let Some(personal) = &directory.personal else { return Ok(None) };
    let (entries, unseen, sent) = account.store.read(|db| {
        let sent = meta::get(db, &format!("last name in {personal}"))?;
        Ok((catalogue::children(db, personal)?, catalogue::unseen(db, personal)?, sent))
    })?;
    let sent = sent.and_then(|text| Timestamp::parse_canonical(&text).ok());
    let times = |entries: &[Entry]| -> Vec<Timestamp> {
        parsed(entries, EventsName::parse).into_iter().map(|(name, _)| name.timestamp).collect()
    };
    let missed = times(&unseen).into_iter().min();
    let known = times(&entries).into_iter().chain(sent);
    Ok(known.filter(|at| missed.is_none_or(|missed| *at < missed)).max())
}

/// Returns the time in the newest name in our event log, whichever machine wrote it: names that
/// are made here come after it, though this machine's clock be behind.
pub(super) fn newest_name(account: &Account, directory: &Directory) -> Result<Timestamp> {
    let Some(personal) = &directory.personal else { return Ok(Timestamp::ZERO) };
    let entries = account.store.read(|db| catalogue::children(db, personal))?;
    let times = parsed(&entries, EventsName::parse).into_iter().map(|(name, _)| name.timestamp);
    Ok(times.max().unwrap_or(Timestamp::ZERO))
}

/// How long before a checkpoint a message may have been made that its maker did not know of: the
/// change feed lags by minutes, and a large checkpoint takes as long to send.
pub(super) const OVERLAP_MICROS: i64 = 3600 * 1_000_000;

/// Returns the ids of the messages of the last while that a checkpoint made now includes, so that
/// whoever restores from it knows which it need not read.
fn recent_in_log(account: &Account, directory: &Directory) -> Result<Vec<String>> {
    let Some(personal) = &directory.personal else { return Ok(Vec::new()) };
    let (entries, seen) =
        account.store.read(|db| Ok((catalogue::children(db, personal)?, journal::seen(db)?)))?;
    let newest = entries.iter().map(|entry| entry.created_micros).max().unwrap_or(0);
    let is_recent = |entry: &&Entry| entry.created_micros > newest - 2 * OVERLAP_MICROS;
    let included = entries.iter().filter(is_recent).filter(|entry| seen.contains(&entry.id));
    Ok(included.map(|entry| entry.id.to_string()).collect())
}

fn existing(account: &Account, directory: &Directory) -> Result<Vec<Entry>> {
    match &directory.checkpoints {
        Some(folder) => Ok(account.store.read(|db| catalogue::children(db, folder))?),
        None => Ok(Vec::new()),
    }
}

fn parsed<T>(entries: &[Entry], parse: impl Fn(&str) -> Option<T>) -> Vec<(T, Entry)> {
    entries.iter().filter_map(|entry| Some((parse(&entry.name)?, entry.clone()))).collect()
}
