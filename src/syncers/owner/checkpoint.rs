//! Makes checkpoints of what is announced, so that a machine that joins need not follow the whole
//! log.
//!
//! A checkpoint is complete on the drive before anything that it replaces is deleted; what a crash
//! leaves behind is cleared by the next sync. Only the owner's own machines read it. A machine that
//! misses something makes none: others would take it for everything.

use std::collections::BTreeMap;

use crate::caches::{announcing, catalogue, intents, journal, meta};
use crate::checkpoints::{Due, due};
use crate::connections::{self, Content, Entry, FileId, OCTETS};
use crate::model::{Code, DatasitePath, Email, Timestamp};
use crate::wire::names::{CheckpointName, CheckpointsFolder, IncrementalName, RollingStateName};
use crate::wire::{self, FullState, IncrementalCheckpoint, LogCoverage, Packed, Recipe};

use super::super::parcels::{Lying, Parcel};
use super::super::placing::{Place, create_folder, put_file};
use super::super::rolling::{ROLLING_BASE, ROLLING_DIRTY, ROLLING_FILE, ROLLING_NOTE};
use super::super::sending::{gzip_time, no_home, secret, told};
use super::super::{Account, Directory, Error, Report, Result, sealing};
use super::log;

/// Meta key: the full checkpoint that the rolling state goes on from, by the time in its name.
pub(super) const ROLLING_FULL: &str = "rolling.full";

/// Meta key: the full checkpoint that this machine made: its file, its size on the drive, and until
/// when it includes the log.
const OWN_FULL: &str = "checkpoint.full";

/// How many files a checkpoint that anybody could read has at most.
const ENTRIES_MAX: usize = if cfg!(test) { 20 } else { wire::limits::CHANGES_MAX };

/// About how many bytes of content a checkpoint is made of in memory. Beyond it, all files but those of
/// less than [`SMALL_BYTES`] are read as it is written.
const HELD_BYTES_MAX: u64 = 24 * 1024 * 1024;
const SMALL_BYTES: u64 = 512;

/// Which checkpoint was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// Every file.
    Full,
    /// What came since the last one, with this number.
    Increment(u64),
}

/// What a checkpoint holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointSummary {
    /// Which one it is.
    pub kind: CheckpointKind,
    /// Of how many files it speaks.
    pub files: usize,
}

/// Returns what a sync would make if `threshold` events are enough.
pub(super) fn next(account: &Account, directory: &Directory, threshold: usize) -> Result<Due> {
    let names = increments(&existing(account, directory)?);
    Ok(due(account.store.read(announcing::rolling_count)?, threshold, &names))
}

/// Makes a checkpoint if one is due. A failure is told, and tried again by the next sync.
pub(super) async fn create_if_due(
    account: &Account,
    threshold: usize,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    match try_create(account, threshold, now).await {
        // That something is missing was told.
        Ok(_) | Err(Error::LogPruned | Error::KeysMissing) => {}
        Err(error) => report.problem(Code::CheckpointNotMade, told(&error)),
    }
    Ok(())
}

/// Makes a checkpoint if the rolling state has `threshold` events: an increment, or after some of
/// those a full one.
pub(super) async fn try_create(
    account: &Account,
    threshold: usize,
    now: Timestamp,
) -> Result<Option<CheckpointSummary>> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    log::expect_whole(account, &directory)?;
    match next(account, &directory, threshold)? {
        Due::Nothing => {
            let existing = existing(account, &directory)?;
            let own = own_name(account, &existing)?;
            let left = own.map_or_else(Vec::new, |own| replaced(&existing, own));
            delete(account, &left).await.map(|()| None)
        }
        Due::Increment(sequence) => {
            match create_increment(account, &directory, sequence, now).await {
                Err(Error::CheckpointTooLarge { .. }) => {}
                made => return made.map(Some),
            }
            match create(account, now).await {
                Err(Error::CheckpointTooLarge { .. } | Error::NotSynced { .. }) => {}
                made => return made.map(Some),
            }
            log::leave_to_it(account, &directory).map(|()| None)
        }
        Due::Full => {
            match create(account, now).await {
                // It can still be told what came since the last one.
                Err(Error::CheckpointTooLarge { .. } | Error::NotSynced { .. }) => {}
                made => return made.map(Some),
            }
            let names = increments(&existing(account, &directory)?);
            let last = names.iter().map(|name| name.sequence).max().unwrap_or(0);
            match create_increment(account, &directory, last + 1, now).await {
                Err(Error::CheckpointTooLarge { .. }) => {
                    log::leave_to_it(account, &directory).map(|()| None)
                }
                made => made.map(Some),
            }
        }
    }
}

/// Makes a full checkpoint and deletes what it replaces.
pub(super) async fn create(account: &Account, now: Timestamp) -> Result<CheckpointSummary> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    log::expect_whole(account, &directory)?;
    let timestamp = later_than(account, now)?;
    let (files, lying) = read_files(account)?;
    let count = files.len();
    let state = FullState {
        timestamp,
        email: account.email.clone(),
        last_event: last_in_log(account, &directory)?,
        files,
    };
    let mut checkpoint = state.into_wire();
    let coverage = log::coverage(account, &directory)?;
    let through = coverage.through_micros();
    checkpoint.log = Some(coverage);
    let parcel = packed(account, checkpoint, (count, lying), now)?;
    let name = CheckpointName { timestamp };
    let size = parcel.size_bytes().map_err(connections::Error::Io)?;
    let file = put(account, &directory, &name.to_string(), parcel.content()).await?;
    let since = log::beginning(account, &directory)?;
    account.store.write(|db| {
        begin_anew(db, timestamp, &since)?;
        meta::remove(db, ROLLING_DIRTY)?;
        meta::set(db, ROLLING_FULL, &timestamp.canonical())?;
        meta::set(db, OWN_FULL, &format!("{file} {size} {through}"))?;
        directory.personal.as_ref().map_or(Ok(()), |log| journal::include_seen(db, log))
    })?;
    let mut old = rolling_states(account, &directory)?;
    old.extend(replaced(&existing(account, &directory)?, name));
    delete(account, &old).await?;
    Ok(CheckpointSummary { kind: CheckpointKind::Full, files: count })
}

async fn create_increment(
    account: &Account,
    directory: &Directory,
    sequence: u64,
    now: Timestamp,
) -> Result<CheckpointSummary> {
    let timestamp = later_than(account, now)?;
    let events = account.store.read(announcing::rolling)?;
    let files = events.len();
    let lying = Lying::of(account, &events)?;
    let mut increment = IncrementalCheckpoint::new(&account.email, timestamp, sequence, events);
    increment.log = Some(log::coverage(account, directory)?);
    increment.since = log::since(account)?;
    let name = IncrementalName { sequence, timestamp }.to_string();
    let parcel = packed(account, increment, (files, lying), now)?;
    put(account, directory, &name, parcel.content()).await?;
    let since = log::beginning(account, directory)?;
    account.store.write(|db| {
        begin_anew(db, timestamp, &since)?;
        meta::remove(db, ROLLING_DIRTY)
    })?;
    delete(account, &rolling_states(account, directory)?).await?;
    Ok(CheckpointSummary { kind: CheckpointKind::Increment(sequence), files })
}

/// Returns the file as it goes to the drive, unless nobody could read it: then the log must go on
/// saying it all.
fn packed<T: Packed>(
    account: &Account,
    file: T,
    (entries, lying): (usize, Lying),
    now: Timestamp,
) -> Result<Parcel> {
    let recipe = Recipe::of(file, &secret());
    let limit = wire::limits::STREAMED_BYTES_MAX;
    if recipe.size_bytes() > limit || entries > ENTRIES_MAX {
        let bytes = usize::try_from(recipe.size_bytes()).unwrap_or(usize::MAX);
        return Err(Error::CheckpointTooLarge { files: entries, bytes });
    }
    sealing::make_own(account, "checkpoint", (&recipe, gzip_time(now)), &lying)
}

/// Returns a time for a checkpoint that is later than that of the last one.
fn later_than(account: &Account, now: Timestamp) -> Result<Timestamp> {
    let base = account.store.read(|db| meta::get(db, ROLLING_BASE))?;
    let last = base.and_then(|text| Timestamp::parse_canonical(&text).ok());
    Ok(last.unwrap_or(Timestamp::ZERO).next_for_name(now))
}

async fn put(
    account: &Account,
    directory: &Directory,
    name: &str,
    content: Content,
) -> Result<FileId> {
    let folder = match (&directory.checkpoints, &directory.syftbox) {
        (Some(folder), _) => folder.clone(),
        (None, Some(root)) => {
            let version = account.dialect.client_version;
            let name = CheckpointsFolder { owner: account.email.clone(), version };
            create_folder(account, root, &name.to_string()).await?
        }
        (None, None) => return Err(no_home()),
    };
    put_into(account, &folder, name, content).await
}

/// Creates a file of ours in `folder`, under an id that a repetition meets again.
pub(super) async fn put_into(
    account: &Account,
    folder: &FileId,
    name: &str,
    content: Content,
) -> Result<FileId> {
    let place = Place { parent: folder, name, note: name, media_type: OCTETS };
    put_file(account, None, place, content).await
}

/// Begins the rolling state anew upon the checkpoint made at `base`, whoever made it. What was
/// included `since` before its first event it does not say: whoever lays it asks whether what lies
/// below says so.
pub(super) fn begin_anew(
    db: &rusqlite::Connection,
    base: Timestamp,
    since: &LogCoverage,
) -> crate::caches::Result<()> {
    announcing::clear_rolling(db)?;
    meta::set(db, ROLLING_BASE, &base.canonical())?;
    log::note_since(db, since)?;
    meta::remove(db, ROLLING_FILE)
}

fn rolling_states(account: &Account, directory: &Directory) -> Result<Vec<FileId>> {
    let Some(folder) = &directory.rolling else { return Ok(Vec::new()) };
    let entries = account.store.read(|db| catalogue::children(db, folder))?;
    let is_one = |entry: &&Entry| {
        entry.name == ROLLING_NOTE || RollingStateName::parse(&entry.name).is_some()
    };
    Ok(entries.iter().filter(is_one).map(|entry| entry.id.clone()).collect())
}

/// Returns what the full checkpoint `newest` replaces, also what a crash left of that. It is one that
/// this machine made: a mere name takes the place of nothing.
fn replaced(entries: &[Entry], newest: CheckpointName) -> Vec<FileId> {
    let full = parsed(entries, CheckpointName::parse);
    let older = full.iter().filter(|(name, _)| *name < newest).map(|(_, entry)| entry.id.clone());
    let increments = parsed(entries, IncrementalName::parse)
        .into_iter()
        .filter(|(name, _)| name.timestamp <= newest.timestamp)
        .map(|(_, entry)| entry.id);
    older.chain(increments).collect()
}

/// Deletes files of ours. The first refusal is the answer; the rest is done.
pub(super) async fn delete(account: &Account, files: &[FileId]) -> Result<()> {
    if files.is_empty() {
        return Ok(());
    }
    let outcomes = account.router.own().delete(files).await?;
    let mut refused = Ok(());
    for (id, outcome) in files.iter().zip(outcomes) {
        match outcome {
            Ok(()) | Err(connections::Error::NotFound { .. }) => {
                account.store.write(|db| catalogue::remove(db, id))?;
            }
            Err(error) => refused = refused.and(Err(error.into())),
        }
    }
    refused
}

/// Reads every announced file. The disk must hold what was announced; what has changed since, or
/// cannot be read or written now, is taken from the writes that wait, or from the events.
fn read_files(account: &Account) -> Result<(BTreeMap<DatasitePath, wire::Content>, Lying)> {
    let tree = account.tree(&account.email)?;
    let agreed = account.store.agreed(&account.email)?;
    let (mut files, mut places, mut held) = (BTreeMap::new(), BTreeMap::new(), 0);
    let contents = account.contents();
    for (path, digest) in agreed.iter() {
        let (path, digest) = (path.clone(), *digest);
        let is_it = |content: &wire::Content| content.digest() == digest;
        let large = if held < HELD_BYTES_MAX { contents.large_bytes_min() } else { SMALL_BYTES };
        let found = contents.refer(&tree, &path, &digest, large.min(contents.large_bytes_min()));
        let content = match found.ok().flatten() {
            Some(content) => Some(content),
            None => account.store.read(|db| noted(db, &account.email, &path))?.find(is_it),
        };
        let Some(content) = content else { return Err(Error::NotSynced { path }) };
        held += content.held_bytes();
        if content.large().is_some() {
            places.insert(digest, path.clone());
        }
        files.insert(path, content);
    }
    Ok((files, Lying::at(account, places)?))
}

/// Returns what the database knows to belong at `path`: what is to be written there, and what was said.
fn noted(
    db: &rusqlite::Connection,
    email: &Email,
    path: &DatasitePath,
) -> crate::caches::Result<impl Iterator<Item = wire::Content> + use<>> {
    let written = intents::at(db, email, path)?.and_then(|write| write.content);
    let said = announcing::rolled(db, path)?.and_then(|event| event.check().ok()?.content);
    Ok(written.into_iter().chain(said))
}

/// Returns the newest message of our event log, by its name, that is not newer than one which this
/// machine has not taken in: what a Python client goes by.
fn last_in_log(account: &Account, directory: &Directory) -> Result<Option<Timestamp>> {
    let Some(personal) = &directory.personal else { return Ok(None) };
    let sent = account.store.read(|db| meta::get(db, &format!("last name in {personal}")))?;
    let sent = sent.and_then(|text| Timestamp::parse_canonical(&text).ok());
    let messages = log::counting(account, directory)?;
    let missed = messages.iter().filter(|message| !message.is_seen).map(|message| message.named);
    let missed = missed.min();
    let known = messages.iter().map(|message| message.named).chain(sent);
    Ok(known.filter(|at| missed.is_none_or(|missed| *at < missed)).max())
}

/// The full checkpoint that this machine made last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnFull {
    pub file: FileId,
    pub size_bytes: u64,
    pub through_micros: i64,
}

/// Returns the full checkpoint that this machine made last, wherever it is.
fn last_own_full(account: &Account) -> Result<Option<OwnFull>> {
    let Some(text) = account.store.read(|db| meta::get(db, OWN_FULL))? else { return Ok(None) };
    let mut words = text.split(' ');
    Ok((|| {
        Some(OwnFull {
            file: FileId::parse(words.next()?).ok()?,
            size_bytes: words.next()?.parse().ok()?,
            through_micros: words.next()?.parse().ok()?,
        })
    })())
}

/// Returns the name of the full checkpoint that this machine made last, if it lies there.
fn own_name(account: &Account, entries: &[Entry]) -> Result<Option<CheckpointName>> {
    let Some(own) = last_own_full(account)? else { return Ok(None) };
    let found = entries.iter().find(|entry| entry.id == own.file);
    Ok(found.and_then(|entry| CheckpointName::parse(&entry.name)))
}

/// Returns the full checkpoint that this machine made, if it is the newest there is.
pub(super) fn own_full(account: &Account, directory: &Directory) -> Result<Option<OwnFull>> {
    let own = last_own_full(account)?;
    let newest = parsed(&existing(account, directory)?, CheckpointName::parse)
        .into_iter()
        .max_by_key(|(name, _)| *name);
    let newest = newest.map(|(_, entry)| entry.id);
    Ok(own.filter(|own| newest.as_ref() == Some(&own.file)))
}

/// Returns what lies in the folder of checkpoints.
pub(super) fn existing(account: &Account, directory: &Directory) -> Result<Vec<Entry>> {
    match &directory.checkpoints {
        Some(folder) => Ok(account.store.read(|db| catalogue::children(db, folder))?),
        None => Ok(Vec::new()),
    }
}

pub(super) fn increments(entries: &[Entry]) -> Vec<IncrementalName> {
    parsed(entries, IncrementalName::parse).into_iter().map(|(name, _)| name).collect()
}

pub(super) fn parsed<T>(entries: &[Entry], parse: impl Fn(&str) -> Option<T>) -> Vec<(T, Entry)> {
    entries.iter().filter_map(|entry| Some((parse(&entry.name)?, entry.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::account::tests::account;
    use super::super::super::{SyncOptions, owner};
    use super::*;
    use crate::caches::agreed;
    use crate::connections::MemoryDrive;
    use crate::model::Digest;
    use crate::model::Role;

    #[tokio::test]
    async fn what_is_too_much_for_any_file_is_left_to_the_log() {
        let drive = MemoryDrive::new();
        let (account, _home) = account(&drive, "do@example.org", Role::Owner);
        let tree = account.tree(&account.email).unwrap();
        let syncer = owner::DatasiteOwnerSyncer::new(&account);
        let options = SyncOptions { checkpoint_threshold: 1, ..SyncOptions::default() };
        let mut now = Timestamp::from_micros(1_780_000_000_000_000);
        for (number, content) in [(2 * ENTRIES_MAX, "one"), (2 * ENTRIES_MAX, "two"), (1, "three")]
        {
            for number in 0..number {
                let path = DatasitePath::parse(&format!("{number}")).unwrap();
                tree.write(&path, content.as_bytes()).unwrap();
            }
            now = Timestamp::from_micros(now.micros() + 60_000_000);
            drive.advance_micros(60_000_000);
            let report = syncer.sync(&options, now, &|_| false).await.unwrap();
            assert_eq!(report.problems, [], "{content}");
            assert_eq!(account.store.read(announcing::rolling_count).unwrap(), 0, "{content}");
        }
        let (other, _home) =
            super::super::super::account::tests::account(&drive, "do@example.org", Role::Owner);
        let joined = owner::DatasiteOwnerSyncer::new(&other);
        joined.sync(&SyncOptions::default(), now, &|_| false).await.unwrap();
        let read = |account: &Account, number: usize| {
            let path = DatasitePath::parse(&format!("{number}")).unwrap();
            account.tree(&account.email).unwrap().read(&path).unwrap().unwrap()
        };
        for number in 0..2 * ENTRIES_MAX {
            assert_eq!(read(&other, number), read(&account, number), "{number}");
        }
    }

    #[tokio::test]
    async fn a_file_that_is_not_at_hand_leaves_an_increment_in_the_place_of_a_full_one() {
        let drive = MemoryDrive::new();
        let (account, _home) = account(&drive, "do@example.org", Role::Owner);
        let tree = account.tree(&account.email).unwrap();
        let syncer = owner::DatasiteOwnerSyncer::new(&account);
        let options = SyncOptions { checkpoint_threshold: 1, ..SyncOptions::default() };
        let mut now = Timestamp::from_micros(1_780_000_000_000_000);
        for round in 1..=4 {
            let path = DatasitePath::parse("a.txt").unwrap();
            tree.write(&path, format!("round {round}").as_bytes()).unwrap();
            now = Timestamp::from_micros(now.micros() + 60_000_000);
            let auto_checkpoint = round < 4;
            let options = SyncOptions { auto_checkpoint, ..options };
            syncer.sync(&options, now, &|_| false).await.unwrap();
        }
        let lost = DatasitePath::parse("lost.txt").unwrap();
        let digest = Digest::of(b"in the way of it stands a folder");
        let put = |content: Option<&wire::Content>| {
            account.store.write(|db| {
                agreed::put(db, &account.email, &lost, Some(&digest), now)?;
                intents::add(db, &account.email, &lost, None, content, None)
            })
        };
        put(None).unwrap();
        let made = try_create(&account, 1, now).await.unwrap().unwrap();
        assert_eq!(made.kind, CheckpointKind::Increment(4));
        let content = wire::Content::Text("in the way of it stands a folder".to_owned());
        put(Some(&content)).unwrap();
        assert_eq!(create(&account, now).await.unwrap().files, 2);
    }

    #[tokio::test]
    async fn where_everything_is_too_much_for_one_file_increments_go_on() {
        let drive = MemoryDrive::new();
        let (account, _home) = account(&drive, "do@example.org", Role::Owner);
        let tree = account.tree(&account.email).unwrap();
        let syncer = owner::DatasiteOwnerSyncer::new(&account);
        let options = SyncOptions { checkpoint_threshold: 1, ..SyncOptions::default() };
        let mut now = Timestamp::from_micros(1_780_000_000_000_000);
        let mut number = 0;
        for _ in 0..=2 * crate::checkpoints::INCREMENTS_MAX {
            for _ in 0..ENTRIES_MAX / 4 {
                number += 1;
                let path = DatasitePath::parse(&format!("{number}")).unwrap();
                tree.write(&path, b"x").unwrap();
            }
            now = Timestamp::from_micros(now.micros() + 60_000_000);
            drive.advance_micros(60_000_000);
            let report = syncer.sync(&options, now, &|_| false).await.unwrap();
            assert_eq!(report.problems, [], "{number} files");
        }
        let directory = Directory::read(&account.store, &account.email, &account.dialect).unwrap();
        let entries = existing(&account, &directory).unwrap();
        assert_eq!(parsed(&entries, CheckpointName::parse).len(), 1, "of the first {ENTRIES_MAX}");
        let sequences: Vec<u64> = increments(&entries).iter().map(|name| name.sequence).collect();
        assert_eq!(sequences, [1, 2, 3, 4, 5], "what came since");
        let made = create(&account, now).await;
        assert!(matches!(made, Err(Error::CheckpointTooLarge { files, .. }) if files == number));
    }
}
