//! Announces what changed: to the event log, and to each peer what it may read and lacks.
//!
//! What is decided here is committed before anything is sent: first what is agreed, with the events that
//! say so; then the very messages, together with what they take for said and for held. Little is one
//! transaction; of what is much, no more is held than a few messages, and a crash between two leaves the
//! rest to the next sync, which finds it owed still.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::caches::{DatasiteTree, Same, Scan, agreed, announcing, intents, journal, scan_beyond};
use crate::model::{Code, DatasitePath, Digest, Timestamp};
use crate::outbox::{LocalChange, local_changes};
use crate::wire::{Content, Event, FileChangeEvent};

use super::super::sending::told;
use super::super::settled::{self, Basis, Quiet};
use super::super::telling::tell_unreadable;
use super::super::{Account, Directory, Error, Report, Result, SyncOptions, guarding};
use super::owing::Owing;
use super::packing::{Committing, Made, Room, To};
use super::{Acquaintance, nanoseconds};

/// What stands on disk, and what of it is not announced yet.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) scan: Scan,
    pub(super) changes: Vec<LocalChange>,
    /// What it was found upon.
    basis: Basis,
}

/// Looks for changes on the disk, but for those files that were just seen to be the `same` as they were.
///
/// # Errors
/// [`super::Error::SuddenlyEmpty`] if files are gone as by an accident.
pub(super) fn find_changes(
    account: &Account,
    (tree, same): (&DatasiteTree, &Same),
    options: &SyncOptions,
    now: Timestamp,
    report: &mut Report,
) -> Result<Found> {
    let basis = Basis::of(account)?;
    let scan = scan_beyond(same, &account.store, tree, &account.email, nanoseconds(now))?;
    guarding::check(account, &account.email, &scan, options)?;
    let agreed = account.store.agreed(&account.email)?;
    let waiting = account.store.read(|db| intents::waiting(db, &account.email))?;
    let is_unknown = |path: &DatasitePath| waiting.contains_key(path) || scan.is_unknown(path);
    tell_unreadable(account, &account.email, &scan, &agreed, report)?;
    let mut changes = local_changes(&agreed, &scan.files, is_unknown);
    changes.retain(|change| !waiting.contains_key(&change.path));
    Ok(Found { scan, changes, basis })
}

/// Commits all that is to be announced.
pub(super) async fn commit(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    found: &Found,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    if let Some(quiet) = quiet(account, found)?
        && settled::noted(account, &account.email)? == Some(quiet)
    {
        return Ok(());
    }
    let told = report.problems.len();
    agree(account, tree, &found.changes, now, report)?;
    let mut committing = Committing::new(account, directory, now);
    let mut last = 0;
    while let Some((through, events)) = unlogged(account, last)? {
        committing.add(Made { to: To::Log { through }, events }).await?;
        last = through;
    }
    if let Some(owing) = Owing::work_out(account, directory, peers, tree, &found.scan, report)? {
        for column in owing.columns() {
            let Some(mut debt) = owing.of(column)? else { continue };
            while let Some(message) = debt.next_message(account, tree, now, report) {
                committing.add(message).await?;
            }
        }
    }
    // What is told here is to be told again.
    if committing.finish().await? == 0
        && report.problems.len() == told
        && let Some(quiet) = quiet(account, found)?
    {
        settled::note(account, &BTreeMap::from([(account.email.clone(), quiet)]))?;
    }
    Ok(())
}

/// Returns that all that stands on disk is agreed, as far as can be told.
fn quiet(account: &Account, found: &Found) -> Result<Option<Quiet>> {
    if found.changes.is_empty() {
        Quiet::of(account, &account.email, &found.scan, found.basis)
    } else {
        Ok(None)
    }
}

/// Takes what changed on the disk for agreed, from now on to be said. A file that changes again meanwhile
/// is left to the next sync.
fn agree(
    account: &Account,
    tree: &DatasiteTree,
    changes: &[LocalChange],
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let (mut events, mut room) = (Vec::new(), Room::of(account));
    for change in changes {
        let contents = account.contents();
        let content = match contents.take_state(tree, &change.path, change.new.as_ref()) {
            Ok(Some(content)) => content,
            Ok(None) => continue,
            Err(error) => {
                report.problem(Code::FileNotRead, told(&error));
                continue;
            }
        };
        let event = event(account, &change.path, change.base, content, Uuid::new_v4(), now);
        let event = event.into_wire();
        if !room.takes_event(&event) {
            commit_agreed(account, std::mem::take(&mut events), report)?;
            room = Room::of(account);
            room.takes_event(&event);
        }
        // What was taken is what was found.
        events.push((&change.path, change.new, event));
    }
    commit_agreed(account, events, report)
}

/// Notes what is agreed, and the events that say so.
fn commit_agreed(
    account: &Account,
    events: Vec<(&DatasitePath, Option<Digest>, FileChangeEvent)>,
    report: &mut Report,
) -> Result<()> {
    report.pushed += events.len();
    account.store.write(|db| {
        for (path, digest, event) in &events {
            agreed::put(db, &account.email, path, digest.as_ref(), agreed::unsettled_moment())?;
            announcing::add_event(db, event)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Returns what the next message to the log says, after the number `last`, and its last number.
fn unlogged(account: &Account, last: i64) -> Result<Option<(i64, Vec<FileChangeEvent>)>> {
    let mut room = Room::of(account);
    Ok(account
        .store
        .read(|db| announcing::unlogged_while(db, last, |event| room.takes_event(event)))?)
}

pub(super) fn event(
    account: &Account,
    path: &DatasitePath,
    base: Option<Digest>,
    content: Option<Content>,
    id: Uuid,
    now: Timestamp,
) -> Event {
    Event {
        id,
        path: path.clone(),
        datasite: account.email.clone(),
        base,
        content,
        submitted: now,
        timestamp: now,
    }
}

/// Returns a peer that is owed something; `None` if each has what it may read.
pub(super) fn first_owed(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    scan: &Scan,
    now: Timestamp,
    report: &mut Report,
) -> Result<Option<String>> {
    if let Some(owing) = Owing::work_out(account, directory, peers, tree, scan, report)? {
        for column in owing.columns() {
            let Some(mut debt) = owing.of(column)? else { continue };
            if debt.next_message(account, tree, now, report).is_some() {
                return Ok(Some(debt.peer.to_string()));
            }
        }
    }
    account
        .store
        .read(|db| {
            for (number, _) in journal::pending(db)? {
                if let Some(message) = journal::load(db, number)? {
                    let whose = message.peer.map(|peer| peer.to_string());
                    return Ok(Some(whose.unwrap_or_else(|| account.email.to_string())));
                }
            }
            Ok(None)
        })
        .map_err(Error::from)
}
