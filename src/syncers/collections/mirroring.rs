//! A scientist's copies of the datasets that owners show.
//!
//! What to fetch and to remove is decided from the catalogue. Because that may lag, a copy is
//! removed only after the service was asked whether the collection is really gone, and one of which
//! the files are not what its name says is listed again by a later sync (`datasets::Doubt`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures::{StreamExt as _, stream};

use crate::caches::{catalogue, meta};
use crate::connections::{self, Entry, Query};
use crate::datasets::{self, DatasetName, Doubt, Half, Held, Limits, Scratch, Wanted};
use crate::model::{Code, Email, Timestamp};
use crate::peers::PeerState;

use super::super::peering::Acquaintance;
use super::super::sending::told;
use super::super::{Account, Directory, Refused, Report, Result, remote};
use super::{failure_key, held, mirror_key, staging_in, state_of, stopped, to_json};

/// Brings the copies of owners' datasets up to date, but for those of `held_owners`, whose trees are
/// to be left alone, as are those of owners who are stopped. The catalogue must be fresh.
pub(in crate::syncers) async fn mirror(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    held_owners: &BTreeSet<Email>,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let is_owner = |state| matches!(state, PeerState::Accepted | PeerState::RequestedByMe);
    let owners: Vec<Email> = peers
        .iter()
        .filter(|known| is_owner(known.peer.state))
        .map(|known| known.peer.email.clone())
        .collect();
    let visible: Vec<Entry> = directory.shared_collections.iter().map(|(_, e)| e.clone()).collect();
    let stopped = stopped(peers);
    let is_left = |owner: &Email| held_owners.contains(owner) || stopped.contains(owner);
    let limits = Limits::default();
    let mut here = held(account)?;
    let whole: Vec<Held> = here.iter().filter(|held| is_whole(account, held)).cloned().collect();
    let mut plan = datasets::plan(&visible, &owners, &whole, &limits);
    // Of what is not whole, nothing is known but that it was here.
    plan.remove = datasets::plan(&visible, &owners, &here, &limits).remove;
    for ignored in plan.ignored {
        let text = format!(
            "a dataset of {} is not taken: `{}`",
            ignored.owner,
            ignored.name.escape_debug()
        );
        report.problem_with(&ignored.owner, Code::DatasetIgnored, text);
    }
    for gone in plan.remove {
        if is_left(&gone.owner) {
            continue;
        }
        if remove(account, &gone, now, report).await? {
            here.retain(|held| *held != gone);
        }
    }
    keep_wanted(account, &plan.fetch)?;
    plan.fetch.retain(|wanted| !is_left(&wanted.owner));
    let mut asked = Vec::new();
    for wanted in plan.fetch {
        asked.extend(look(account, wanted, now, report)?);
    }
    let mut room = Room::new(&here);
    let asked = asked.into_iter().map(|asked| (room.beside(&asked), asked)).collect::<Vec<_>>();
    let limits = &limits;
    let fetched = asked.into_iter().map(|(others_bytes, asked)| async move {
        let fetched = fetch(account, &asked, others_bytes, limits).await;
        (asked, fetched)
    });
    let mut fetched = stream::iter(fetched.collect::<Vec<_>>()).buffered(connections::AT_ONCE);
    // One after the other again: what is put in its place is noted before the next.
    while let Some((asked, fetched)) = fetched.next().await {
        install(account, &asked, fetched, &here, now, report)?;
    }
    Ok(())
}

/// A collection that is wanted, and what lies in it.
struct Asked {
    wanted: Wanted,
    files: Vec<Entry>,
    /// See [`state_of`].
    state: String,
}

/// How many bytes an owner's datasets have here, those that are on their way included.
struct Room(BTreeMap<(Email, DatasetName), u64>);

impl Room {
    fn new(here: &[Held]) -> Self {
        let held = |held: &Held| ((held.owner.clone(), held.name.clone()), held.size_bytes());
        Self(here.iter().map(held).collect())
    }

    /// Takes note of a collection, and returns what the others of its owner have.
    fn beside(&mut self, Asked { wanted, files, .. }: &Asked) -> u64 {
        let bytes = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.size_bytes));
        let (owner, name) = (&wanted.owner, &wanted.name.dataset);
        self.0.insert((owner.clone(), name.clone()), bytes);
        let others = self.0.iter().filter(|((whose, other), _)| whose == owner && other != name);
        others.fold(0, |sum, (_, bytes)| sum.saturating_add(*bytes))
    }
}

/// Removes what is kept of large downloads that nobody wants any more.
fn keep_wanted(account: &Account, fetch: &[Wanted]) -> Result<()> {
    let folder = datasets::downloads_folder(&account.folders.syftbox);
    if !folder.is_dir() {
        return Ok(());
    }
    let mut wanted = Vec::new();
    for collection in fetch {
        let files = account.store.read(|db| catalogue::children(db, &collection.folder))?;
        wanted.extend(files.into_iter().map(|file| file.id));
    }
    let kept = datasets::keep_downloads(&folder, &wanted);
    kept.unwrap_or_else(|error| tracing::warn!("{}", told(&error)));
    Ok(())
}

/// True if all files of a copy are there, or the datasite itself is not: a copy of which somebody
/// deleted a file is fetched again, and nothing is written where a disk is missing.
fn is_whole(account: &Account, held: &Held) -> bool {
    let folder =
        datasets::half_folder(&account.folders.syftbox, &held.owner, &held.name, Half::Public);
    !account.folders.datasite(&held.owner).is_dir()
        || held.files.iter().all(|file| folder.join(&file.name).symlink_metadata().is_ok())
}

/// Removes a copy, unless the collection is there after all.
async fn remove(
    account: &Account,
    gone: &Held,
    now: Timestamp,
    report: &mut Report,
) -> Result<bool> {
    let connection = account.router.connection_for(&gone.owner);
    if !connection.find(&Query::in_folder(&gone.folder)).await?.is_empty() {
        remote::distrust(account)?;
        return Ok(false);
    }
    match datasets::remove(&account.folders.syftbox, gone, now) {
        Ok(kept) => {
            account.store.write(|db| meta::remove(db, &mirror_key(&gone.owner, &gone.name)))?;
            report.pulled += gone.files.len();
            tell_kept(&gone.owner, &kept, report);
            Ok(true)
        }
        Err(error) => {
            report.problem_with(&gone.owner, Code::DatasetNotRemoved, told(&error));
            Ok(false)
        }
    }
}

/// Returns what lies in a collection that is wanted; `None` if it cannot be taken now.
fn look(
    account: &Account,
    wanted: Wanted,
    now: Timestamp,
    report: &mut Report,
) -> Result<Option<Asked>> {
    let (owner, name) = (&wanted.owner, &wanted.name.dataset);
    let key = failure_key(owner, name);
    let (files, doubt) = account
        .store
        .read(|db| Ok((catalogue::children(db, &wanted.folder)?, meta::get(db, &key)?)))?;
    let state = state_of(&wanted, &files);
    let doubt = doubt.and_then(|text| serde_json::from_str::<Doubt>(&text).ok());
    if let Some(doubt) = doubt.filter(|doubt| doubt.state == state) {
        if let Some(text) = &doubt.problem {
            report.problem_with(owner, Code::DatasetNotFetched, text);
        }
        if let Some(doubt) = doubt.ask_again(now) {
            note(account, &wanted, &doubt)?;
        }
        return Ok(None);
    }
    if files.is_empty() {
        // Its owner is at work, or what the service shows of it is to come.
        note(account, &wanted, &Doubt::new(state, None, now))?;
        return Ok(None);
    }
    Ok(Some(Asked { wanted, files, state }))
}

/// Puts what was fetched in its place, and notes that.
fn install(
    account: &Account,
    Asked { wanted, files, state }: &Asked,
    fetched: Result<(Scratch, PathBuf, Held), datasets::Error>,
    here: &[Held],
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let (owner, name) = (&wanted.owner, &wanted.name.dataset);
    let old = here.iter().find(|held| (&held.owner, &held.name) == (owner, name));
    let syftbox = &account.folders.syftbox;
    let installed = fetched.and_then(|(_scratch, staging, new)| {
        let kept = datasets::install(syftbox, &staging, &new, old, now)?;
        datasets::forget_kept(&datasets::downloads_folder(syftbox), files.iter().map(|f| &f.id))?;
        Ok((new, kept))
    });
    match installed {
        Ok((new, kept)) => {
            let record = to_json(&new)?;
            account.store.write(|db| {
                meta::remove(db, &failure_key(owner, name))?;
                meta::set(db, &mirror_key(owner, name), &record)
            })?;
            report.pulled += new.files.len();
            tell_kept(owner, &kept, report);
        }
        Err(error) => {
            let text = format!("dataset `{name}` of {owner}: {}", told(&error));
            let is_about_content = matches!(
                error,
                datasets::Error::Damaged { .. } | datasets::Error::Unacceptable { .. }
            );
            if is_about_content {
                // What came is of no use.
                let ids = files.iter().map(|file| &file.id);
                let forgotten = datasets::forget_kept(&datasets::downloads_folder(syftbox), ids);
                forgotten.unwrap_or_else(|error| tracing::warn!("{}", told(&error)));
                note(account, wanted, &Doubt::new(state.clone(), Some(text.clone()), now))?;
            }
            report.problem_with(owner, unfetched(&error), text);
        }
    }
    Ok(())
}

/// The code of why a dataset is not here.
const fn unfetched(error: &datasets::Error) -> Code {
    match error {
        datasets::Error::Connection(connections::Error::Io(_)) | datasets::Error::Io { .. } => {
            Code::Disk
        }
        _ => Code::DatasetNotFetched,
    }
}

/// Notes that a collection is not what its name says; the next sync lists what lies in it.
fn note(account: &Account, wanted: &Wanted, doubt: &Doubt) -> Result<()> {
    let key = failure_key(&wanted.owner, &wanted.name.dataset);
    let text = to_json(doubt)?;
    Ok(account.store.write(|db| {
        catalogue::forget_content(db, &wanted.folder)?;
        meta::set(db, &key, &text)
    })?)
}

/// Fetches what lies in a collection to a place beside the tree.
async fn fetch(
    account: &Account,
    Asked { wanted, files, .. }: &Asked,
    others_bytes: u64,
    limits: &Limits,
) -> Result<(Scratch, PathBuf, Held), datasets::Error> {
    let scratch = Scratch::new(&account.folders.syftbox)?;
    let staging = staging_in(&scratch)?;
    let connection = account.router.connection_for(&wanted.owner);
    let carrier = account.downloads();
    let fetched =
        datasets::fetch_with(connection, wanted, files, &staging, others_bytes, limits, &carrier);
    let new = fetched.await?;
    Ok((scratch, staging, new))
}

fn tell_kept(owner: &Email, kept: &[PathBuf], report: &mut Report) {
    report.refused.extend(kept.iter().map(|path| Refused {
        path: path.display().to_string(),
        peer: owner.clone(),
        reason: "the owner's dataset counts; your version is kept there".to_owned(),
    }));
}
