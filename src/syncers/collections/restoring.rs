//! A machine that is new to an owner's account gets the account's datasets, and learns whom they
//! are shared with. Once: what its owner deletes here afterwards stays deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use uuid::Uuid;

use crate::caches::meta;
use crate::connections::{self, Access, Connection, Entry, FileId, Query};
use crate::datasets::{
    self, ANY_TAG, Audience, CollectionName, DatasetName, DraftFile, FileStep, Half, Held,
    HeldFile, Limits, Publication, Scratch, Wanted,
};
use crate::model::{Code, DatasitePath, Digest, Email, Timestamp};

use super::super::sending::told;
use super::super::{Account, Directory, Report, Result, sealing};
use super::failing::{Attempt, Standing, Why};
use super::{publications, save, staging_in, word};

/// Set once nothing more is to be brought back: what could not be is followed, as what is new.
pub(super) const RESTORED: &str = "collections restored";
pub(super) const ALL: &str = "1";

/// What [`restore_once`] asks first, asked before it is its turn.
#[derive(Debug, Default)]
pub(in crate::syncers) struct Ahead(Option<(Vec<Entry>, Result<Listing>)>);

/// What lies in our collections, and who may see them, by their folders.
#[derive(Debug)]
struct Listing {
    files: BTreeMap<FileId, Vec<Entry>>,
    shares: BTreeMap<FileId, Shares>,
}

/// Asks what lies in the account's own datasets, unless this machine has brought them back before. What
/// the service refuses is told by [`restore_once`].
///
/// # Errors
/// If the database fails.
pub(in crate::syncers) async fn look_ahead(
    account: &Account,
    directory: &Directory,
) -> Result<Ahead> {
    let own = own_of(directory);
    if own.is_empty() || are_restored(account)? {
        return Ok(Ahead::default());
    }
    let listing = list(account, &own, &plan(account, &own)?).await;
    Ok(Ahead(Some((own, listing))))
}

fn are_restored(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, RESTORED))?.as_deref() == Some(ALL))
}

fn own_of(directory: &Directory) -> Vec<Entry> {
    directory.own_collections.iter().map(|(_, entry)| entry.clone()).collect()
}

/// Brings back the account's own datasets, unless this machine did that before.
///
/// # Errors
/// If the database fails or the service cannot be asked: the next sync tries again.
pub(in crate::syncers) async fn restore_once(
    account: &Account,
    directory: &Directory,
    ahead: Ahead,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    if are_restored(account)? {
        return Ok(());
    }
    let own = own_of(directory);
    if !own.is_empty() && !restore_all(account, &own, ahead, now, report).await? {
        return Ok(());
    }
    Ok(account.store.write(|db| meta::set(db, RESTORED, ALL))?)
}

/// One collection that is to be brought back.
struct Due<'a> {
    /// False if its half is here: then it has a record alone.
    fetches: bool,
    wanted: Wanted,
    files: Vec<Entry>,
    shares: Shares,
    connection: sealing::Sealing<'a>,
    attempt: Attempt,
}

/// Brings back what can be; false if the disk lacks room for something, which the next sync tries again.
async fn restore_all(
    account: &Account,
    own: &[Entry],
    ahead: Ahead,
    now: Timestamp,
    report: &mut Report,
) -> Result<bool> {
    let present = match datasets::local_halves(&account.folders.syftbox, &account.email) {
        Ok(present) => present,
        Err(error) => {
            report.problem(Code::DatasetNotRestored, told(&error));
            return Ok(true);
        }
    };
    let due = all_due(account, own, ahead, &present, now).await?;
    let gathered = due.into_iter().map(|mut due| async move {
        let shares = std::mem::take(&mut due.shares);
        let Due { connection, wanted, files, fetches, .. } = &due;
        let gathered = gather(account, connection, wanted, files, *fetches, shares).await;
        (due, gathered)
    });
    let mut gathered = stream::iter(gathered.collect::<Vec<_>>()).buffered(connections::AT_ONCE);
    let mut has_room = true;
    // One after the other again: what is put in its place is noted before the next.
    while let Some((due, gathered)) = gathered.next().await {
        let never = Timestamp::ZERO; // Nothing is there that could be put aside.
        let place = |gathered| settle(account, own, &due.wanted, &due.files, gathered, None, never);
        match gathered.and_then(place) {
            Ok((publication, _)) => {
                save(account, &publication)?;
                due.attempt.forget(account)?;
            }
            Err(error) => has_room &= tell_unrestored(account, &due, error, now, report)?,
        }
    }
    Ok(has_room)
}

/// Returns the newest collection of each half, but for those of which there is a record.
fn plan(account: &Account, own: &[Entry]) -> Result<Vec<Wanted>> {
    let known = publications(account)?;
    // What was made here, or brought back before, is followed if there is a newer one.
    let is_known = |name: &CollectionName| {
        let mut known = known.iter().map(|publication| &publication.name);
        known.any(|known| (known.half, &known.dataset) == (name.half, &name.dataset))
    };
    // As if nothing were present.
    let mut plan = datasets::restore_plan(&account.email, own, &BTreeSet::new(), &BTreeSet::new());
    plan.retain(|wanted| !is_known(&wanted.name));
    Ok(plan)
}

async fn list(account: &Account, own: &[Entry], plan: &[Wanted]) -> Result<Listing> {
    let (files, shares) = futures::join!(files_of(account, own), shares_of(account, plan));
    Ok(Listing { files: files?, shares: shares? })
}

/// Returns what is to be brought back, and forgets what had come of files that are there no more.
async fn all_due<'a>(
    account: &'a Account,
    own: &[Entry],
    ahead: Ahead,
    present: &BTreeSet<(Half, DatasetName)>,
    now: Timestamp,
) -> Result<Vec<Due<'a>>> {
    let missing = datasets::restore_plan(&account.email, own, present, &BTreeSet::new());
    let plan = plan(account, own)?;
    let Listing { mut files, mut shares } = match ahead.0 {
        Some((asked, listing)) if asked == own => listing?,
        _ => list(account, own, &plan).await?,
    };
    keep_downloads(account, files.values().flatten());
    let mut all = Vec::new();
    for wanted in plan {
        let files = files.remove(&wanted.folder).unwrap_or_default();
        let attempt = Attempt::new(account, &wanted, &files)?;
        if attempt.standing(account, now)? != Standing::Due {
            continue;
        }
        let shares = shares.remove(&wanted.folder).unwrap_or_default();
        let connection = sealing::connection_for(account, wanted.name.half)?;
        let fetches = missing.contains(&wanted);
        all.push(Due { fetches, wanted, files, shares, connection, attempt });
    }
    Ok(all)
}

/// Says why a collection is not here, and notes what it waits for; false if that is room on the disk.
fn tell_unrestored(
    account: &Account,
    Due { wanted, connection, attempt, .. }: &Due<'_>,
    error: datasets::Error,
    now: Timestamp,
    report: &mut Report,
) -> Result<bool> {
    let why = Why::of(&error, connection);
    attempt.note(account, why, now)?;
    let text = why.told(&error, connection);
    let of = format!("the {} half of dataset `{}`", word(wanted.name.half), wanted.name.dataset);
    match (why, error) {
        (Why::Disk, _) => {
            report.problem(Code::Disk, format!("{of} is not restored yet: {text}"));
            return Ok(false);
        }
        (Why::Other, datasets::Error::Connection(error)) => return Err(error.into()),
        _ => {
            let text = format!("{of} could not be restored: {text}");
            report.problem(Code::DatasetNotRestored, text);
        }
    }
    Ok(true)
}

/// Removes what is kept of large downloads, but for those of these files.
pub(super) fn keep_downloads<'a>(account: &Account, wanted: impl Iterator<Item = &'a Entry>) {
    let folder = datasets::downloads_folder(&account.folders.syftbox);
    if folder.is_dir() {
        let wanted: Vec<FileId> = wanted.map(|file| file.id.clone()).collect();
        let kept = datasets::keep_downloads(&folder, &wanted);
        kept.unwrap_or_else(|error| tracing::warn!("{}", told(&error)));
    }
}

/// Returns what lies in our collections, by their folders.
async fn files_of(account: &Account, own: &[Entry]) -> Result<BTreeMap<FileId, Vec<Entry>>> {
    let parents: Vec<FileId> = own.iter().map(|entry| entry.id.clone()).collect();
    let mut files: BTreeMap<FileId, Vec<Entry>> = BTreeMap::new();
    for file in account.router.own().find(&Query { parents, ..Query::default() }).await? {
        if let Some(parent) = file.parents.first() {
            files.entry(parent.clone()).or_default().push(file);
        }
    }
    Ok(files)
}

/// Returns who may see our collections, by their folders.
async fn shares_of(account: &Account, plan: &[Wanted]) -> Result<BTreeMap<FileId, Shares>> {
    let public = plan.iter().filter(|wanted| wanted.name.half == Half::Public);
    let asked = public.map(|wanted| async move {
        let shares = account.router.own().shares(&wanted.folder).await?;
        Ok((wanted.folder.clone(), shares))
    });
    stream::iter(asked.collect::<Vec<_>>()).buffered(connections::AT_ONCE).try_collect().await
}

/// Who has access to a collection.
type Shares = Vec<(Email, Access)>;

/// Makes the record of one of our collections that another machine uploaded, and, if it `fetches`,
/// puts its files in their place. What is there already goes: what it is known to be by the record
/// `mine` is deleted, the rest kept aside, and where is returned.
#[expect(clippy::too_many_arguments, reason = "all of them are what one collection is")]
pub(super) async fn restore(
    account: &Account,
    connection: &dyn Connection,
    own: &[Entry],
    wanted: &Wanted,
    files: &[Entry],
    fetches: bool,
    mine: Option<&Publication>,
    now: Timestamp,
) -> Result<(Publication, Vec<PathBuf>), datasets::Error> {
    let shares = match wanted.name.half {
        Half::Public => connection.shares(&wanted.folder).await?,
        Half::Private => Vec::new(),
    };
    let gathered = gather(account, connection, wanted, files, fetches, shares).await?;
    settle(account, own, wanted, files, gathered, mine, now)
}

/// What came of a collection, not yet in its place.
struct Gathered {
    shares: Shares,
    /// `None` if its files are not wanted.
    files: Option<(Scratch, PathBuf, Held)>,
}

async fn gather(
    account: &Account,
    connection: &dyn Connection,
    wanted: &Wanted,
    files: &[Entry],
    fetches: bool,
    shares: Shares,
) -> Result<Gathered, datasets::Error> {
    if !fetches {
        return Ok(Gathered { shares, files: None });
    }
    let scratch = Scratch::new(&account.folders.syftbox)?;
    let staging = staging_in(&scratch)?;
    // What we have uploaded ourselves has no bounds.
    let limits = Limits {
        datasets_per_peer: usize::MAX,
        files_per_dataset: usize::MAX,
        bytes_per_dataset: u64::MAX,
        bytes_per_peer: u64::MAX,
    };
    let carrier = account.downloads();
    let held =
        datasets::fetch_with(connection, wanted, files, &staging, 0, &limits, &carrier).await?;
    Ok(Gathered { shares, files: Some((scratch, staging, held)) })
}

/// Puts what came in its place, and returns its record.
fn settle(
    account: &Account,
    own: &[Entry],
    wanted: &Wanted,
    files: &[Entry],
    gathered: Gathered,
    mine: Option<&Publication>,
    now: Timestamp,
) -> Result<(Publication, Vec<PathBuf>), datasets::Error> {
    let syftbox = &account.folders.syftbox;
    let audience = datasets::audience_of(wanted.any, &gathered.shares);
    let readers = gathered.shares.into_iter().map(|(who, _)| who).collect();
    let Some((_scratch, staging, held)) = gathered.files else {
        return Ok((record(own, wanted, files, &[], audience, readers), Vec::new()));
    };
    let old = mine.map(Publication::held_files).unwrap_or_default();
    let own_again = datasets::Restored { wanted, audience: &audience, uid: Uuid::new_v4() };
    let kept = datasets::install_own(syftbox, &staging, own_again, &held.files, &old, now)?;
    datasets::forget_kept(&datasets::downloads_folder(syftbox), files.iter().map(|f| &f.id))?;
    Ok((record(own, wanted, files, &held.files, audience, readers), kept))
}

/// Makes the record of a collection that was uploaded by another machine, or another program.
fn record(
    own: &[Entry],
    wanted: &Wanted,
    files: &[Entry],
    here: &[HeldFile],
    audience: Audience,
    shared_with: Vec<Email>,
) -> Publication {
    let entry = own.iter().find(|entry| entry.id == wanted.folder);
    let parent = entry.and_then(|entry| entry.parents.first()).unwrap_or(&wanted.folder).clone();
    let step = |file: &Entry| {
        let half = wanted.name.half.folder();
        let is_it = |held: &&HeldFile| {
            held.name == file.name || held.name.ends_with(&format!("/{}", file.name))
        };
        let held = here.iter().find(is_it);
        let place = held.map_or(&file.name, |held| &held.name);
        let path = format!("{}/{half}/{}/{place}", wanted.owner, wanted.name.dataset);
        Some(FileStep {
            id: file.id.clone(),
            file: DraftFile {
                name: file.name.clone(),
                path: DatasitePath::parse(&path).ok()?,
                size_bytes: file.size_bytes,
                // Of no use once it is uploaded, but to tell whether it was edited here.
                digest: held.map_or_else(|| Digest::of(b""), |held| held.digest),
            },
            done: true,
        })
    };
    Publication {
        name: CollectionName::clone(&wanted.name),
        folder: wanted.folder.clone(),
        parent,
        folder_done: true,
        labelled_any: entry.is_some_and(|entry| entry.tags.contains_key(ANY_TAG)),
        files: files.iter().filter_map(step).collect(),
        audience,
        shared_with,
        replaces: Vec::new(),
        replaces_shared: false,
    }
}
