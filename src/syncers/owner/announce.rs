//! Announces what changed: to the event log, and to each peer what it may read and lacks.
//!
//! Everything that is decided here is committed in one transaction before anything is sent: what
//! is agreed, what each peer will hold, and the very messages.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::caches::delivered::{self, Delivered};
use crate::caches::{DatasiteTree, Scan, agreed, announcing, held, intents, journal, meta, scan};
use crate::connections::FileId;
use crate::model::{Code, DatasitePath, Digest, Email, Snapshot, Timestamp};
use crate::outbox::{LocalChange, Owed, local_changes, owed};
use crate::permissions::Level;
use crate::wire::names::EventsName;
use crate::wire::{Body, Content, Event, FileChangeEvent, FileChangeEventsMessage};

use super::super::rolling::ROLLING_DIRTY;
use super::super::sending::{begin_again, gzip_time, no_home, secret, take_ids, told};
use super::super::telling::tell_unreadable;
use super::super::{Account, Directory, Error, Report, Result, SyncOptions, guarding};
use super::log::newest_name;
use super::withdrawing::{withdraw_from_others, withdraw_unreadable};
use super::{Acquaintance, mailboxes, nanoseconds, settled, take_in};

/// What stands on disk, and what of it is not announced yet.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) scan: Scan,
    pub(super) changes: Vec<LocalChange>,
}

/// About how many bytes of content go into one message, so that no reader needs much memory.
pub(super) const MESSAGE_BYTES: usize = if cfg!(test) { 32 * 1024 } else { 32 * 1024 * 1024 };

/// Looks for changes on the disk.
///
/// # Errors
/// [`super::Error::SuddenlyEmpty`] if files are gone as by an accident.
pub(super) fn find_changes(
    account: &Account,
    tree: &DatasiteTree,
    options: &SyncOptions,
    now: Timestamp,
    report: &mut Report,
) -> Result<Found> {
    let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
    guarding::check(account, &account.email, &scan, options)?;
    let agreed = account.store.agreed(&account.email)?;
    let waiting = account.store.read(|db| intents::waiting(db, &account.email))?;
    let is_unknown = |path: &DatasitePath| waiting.contains_key(path) || scan.is_unknown(path);
    tell_unreadable(account, &account.email, &scan, &agreed, report)?;
    let mut changes = local_changes(&agreed, &scan.files, is_unknown);
    changes.retain(|change| !waiting.contains_key(&change.path));
    Ok(Found { scan, changes })
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
    if settled::is_so(account, found)? {
        return Ok(());
    }
    let announced = read_changes(account, tree, &found.changes, now, report)?;
    account.store.write(|db| {
        for event in &announced {
            let (digest, moment) = (event.digest(), agreed::unsettled_moment());
            agreed::put(db, &account.email, &event.path, digest.as_ref(), moment)?;
            announcing::add_event(db, &event.clone().into_wire())?;
        }
        Ok(())
    })?;
    report.pushed += announced.len();

    let deliveries = work_out(account, directory, peers, tree, &found.scan, now, report)?;
    let log = account.store.read(announcing::unlogged)?;
    let log = split(log, |event| event.content.as_ref().map_or(0, Body::size_bytes));
    let count =
        log.len() + deliveries.iter().map(|delivery| delivery.messages.len()).sum::<usize>();
    if count == 0 {
        return settled::note(account, found);
    }
    let mut ids = take_ids(account, count).await?.into_iter();
    let personal = directory.personal.clone().ok_or_else(no_home)?;
    let floor = newest_name(account, directory)?;
    account.store.write(|db| {
        for events in log {
            let file = ids.next().ok_or_else(too_few)?;
            for event in &events {
                if let Ok(path) = DatasitePath::parse(&event.path_in_datasite) {
                    agreed::announce(db, &file, &path)?;
                }
            }
            put_message(db, &file, &personal, None, events, floor, now)?;
            journal::mark_seen(db, &file)?;
            meta::set(db, ROLLING_DIRTY, "1")?;
        }
        announcing::logged(db)?;
        for delivery in deliveries {
            for events in delivery.messages {
                let file = ids.next().ok_or_else(too_few)?;
                let path = |event: &FileChangeEvent| {
                    let path = DatasitePath::parse(&event.path_in_datasite).ok()?;
                    Some((path, event.id.clone()))
                };
                let paths = events.iter().filter_map(path).collect();
                let message = Delivered { file: file.clone(), level: 0, paths };
                delivered::add(db, &delivery.peer, &message)?;
                put_message(db, &file, &delivery.folder, Some(&delivery.peer), events, floor, now)?;
            }
            for (path, digest) in &delivery.holds {
                held::put(db, &delivery.peer, path, digest.as_ref())?;
                announcing::answered(db, &delivery.peer, path)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// Nothing is noted as sent that has no message.
fn too_few() -> crate::caches::Error {
    crate::caches::Error::Damaged { what: "it gave fewer ids than it has".to_owned() }
}

/// Reads the changed files. One that changes again meanwhile is left to the next sync.
fn read_changes(
    account: &Account,
    tree: &DatasiteTree,
    changes: &[LocalChange],
    now: Timestamp,
    report: &mut Report,
) -> Result<Vec<Event>> {
    let (mut events, contents) = (Vec::new(), account.contents());
    for change in changes {
        let content = match contents.take_state(tree, &change.path, change.new.as_ref()) {
            Ok(Some(content)) => content,
            Ok(None) => continue,
            Err(error) => {
                report.problem(Code::FileNotRead, told(&error));
                continue;
            }
        };
        events.push(event(account, &change.path, change.base, content, Uuid::new_v4(), now));
    }
    Ok(events)
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

/// What goes to one peer.
#[derive(Debug)]
struct Delivery {
    peer: Email,
    folder: FileId,
    messages: Vec<Vec<FileChangeEvent>>,
    /// What the peer will hold of the paths in the messages.
    holds: BTreeMap<DatasitePath, Option<Digest>>,
}

/// Works out what each peer is owed.
fn work_out(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    scan: &Scan,
    now: Timestamp,
    report: &mut Report,
) -> Result<Vec<Delivery>> {
    let working: Vec<&Acquaintance> = peers.iter().filter(|peer| peer.is_working()).collect();
    let emails: Vec<&Email> = working.iter().map(|peer| &peer.peer.email).collect();
    withdraw_from_others(account, &emails)?;
    if working.is_empty() {
        return Ok(Vec::new());
    }
    let agreed = account.store.agreed(&account.email)?;
    let rules = take_in::read_rules(account, tree, scan, report)?;
    let unsure = take_in::folders_without_rules(account, scan)?;
    let paths: Vec<&DatasitePath> = agreed.keys().collect();
    let grid = rules.evaluate_all(&paths, &emails);
    let mut deliveries = Vec::new();
    for (column, peer) in working.into_iter().enumerate() {
        let readable: Snapshot = agreed
            .iter()
            .enumerate()
            .filter(|(row, _)| grid.allows(*row, column, Level::Read))
            .map(|(_, (path, digest))| (path.clone(), *digest))
            .collect();
        withdraw_unreadable(account, &peer.peer.email, &readable)?;
        let (_, Some(outbox)) = mailboxes(account, directory, peer) else { continue };
        let peer = &peer.peer.email;
        heed_new_outbox(account, peer, &outbox.id)?;
        let (held, answers) = account
            .store
            .read(|db| Ok((held::snapshot(db, peer)?, announcing::answers(db, peer)?)))?;
        let asked: BTreeSet<DatasitePath> = answers.keys().cloned().collect();
        let mut due = owed(&readable, &held, &asked);
        // Neither sent nor taken back where it is not known who may read.
        let is_unsure = |path: &DatasitePath| {
            unsure.iter().any(|folder| folder.is_empty() || path.is_below(folder))
        };
        due.retain(|owed| !is_unsure(&owed.path));
        if !due.is_empty() {
            let folder = outbox.id.clone();
            deliveries.push(pack(account, tree, (peer, folder), due, &answers, now, report)?);
        }
    }
    Ok(deliveries)
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
    let owed = work_out(account, directory, peers, tree, scan, now, report)?.into_iter().next();
    if let Some(delivery) = owed {
        return Ok(Some(delivery.peer.to_string()));
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

/// A peer that has begun anew has another outbox, and nothing of what it was sent before.
fn heed_new_outbox(account: &Account, peer: &Email, outbox: &FileId) -> Result<()> {
    let key = format!("outbox of {peer}");
    let before = account.store.read(|db| meta::get(db, &key))?;
    if before.as_deref() == Some(outbox.as_str()) {
        return Ok(());
    }
    account.store.write(|db| {
        if before.is_some() {
            begin_again(db, peer)?;
        }
        meta::set(db, &key, outbox.as_str())
    })?;
    Ok(())
}

fn pack(
    account: &Account,
    tree: &DatasiteTree,
    (peer, folder): (&Email, FileId),
    due: Vec<Owed>,
    answers: &BTreeMap<DatasitePath, String>,
    now: Timestamp,
    report: &mut Report,
) -> Result<Delivery> {
    let (mut events, mut holds) = (Vec::new(), BTreeMap::new());
    let contents = account.contents();
    for Owed { path, base, new } in due {
        // What was agreed may be on its way to the disk, or edited since: then it is owed still.
        let content = match new {
            Some(digest) => match contents.take(tree, &path, &digest) {
                Ok(Some(content)) => Some(content),
                Ok(None) => continue,
                Err(error) => {
                    let text = told(&error);
                    // Once, however many peers it is for.
                    if report.problems.iter().all(|known| known.message != text) {
                        report.problem(Code::FileNotRead, text);
                    }
                    continue;
                }
            },
            None => None,
        };
        let id = answers.get(&path).and_then(|text| Uuid::parse_str(text).ok());
        let id = id.unwrap_or_else(Uuid::new_v4);
        events.push(event(account, &path, base, content, id, now).into_wire());
        holds.insert(path, new);
    }
    let messages = split(events, |event| event.content.as_ref().map_or(0, Body::size_bytes));
    Ok(Delivery { peer: peer.clone(), folder, messages, holds })
}

/// How many changes go into one message: far below what a reader takes.
const MESSAGE_ENTRIES: usize = 20_000;

/// Splits changes into messages of a bearable size, in order.
pub(in super::super) fn split<T>(items: Vec<T>, size: impl Fn(&T) -> u64) -> Vec<Vec<T>> {
    let (mut messages, mut bytes) = (Vec::<Vec<T>>::new(), u64::MAX);
    for item in items {
        let more = size(&item);
        let is_full = messages.last().is_some_and(|message| message.len() >= MESSAGE_ENTRIES);
        if is_full || bytes.saturating_add(more) > MESSAGE_BYTES as u64 {
            messages.push(Vec::new());
            bytes = 0;
        }
        bytes = bytes.saturating_add(more);
        if let Some(last) = messages.last_mut() {
            last.push(item);
        }
    }
    messages
}

/// Puts a message into the journal, under a name that sorts behind all before it in its folder,
/// and behind `floor`.
pub(super) fn put_message(
    db: &rusqlite::Connection,
    file: &FileId,
    folder: &FileId,
    peer: Option<&Email>,
    events: Vec<FileChangeEvent>,
    floor: Timestamp,
    now: Timestamp,
) -> crate::caches::Result<()> {
    let key = format!("last name in {folder}");
    let last = meta::get(db, &key)?.and_then(|text| Timestamp::parse_canonical(&text).ok());
    let timestamp = last.unwrap_or(Timestamp::ZERO).max(floor).next_for_name(now);
    meta::set(db, &key, &timestamp.canonical())?;
    let name = EventsName { timestamp, id: Uuid::new_v4() };
    let message = FileChangeEventsMessage { events, message_filepath: (&name).into() };
    journal::add(
        db,
        &journal::NewOutgoing {
            file: file.clone(),
            folder: folder.clone(),
            name: name.to_string(),
            peer: peer.cloned(),
            content: journal::Load::of(message, gzip_time(now), &secret()),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_by_size_and_keep_their_order() {
        let most = MESSAGE_BYTES as u64;
        let half = most / 2;
        let messages = split(vec![half, half, 1, half, 2 * most, 3], |size| *size);
        assert_eq!(messages, [vec![half, half], vec![1, half], vec![2 * most], vec![3]]);
        assert!(split(Vec::<u64>::new(), |size| *size).is_empty());
        let many = split(vec![0; MESSAGE_ENTRIES + 1], |size| *size);
        assert_eq!(many.iter().map(Vec::len).collect::<Vec<_>>(), [MESSAGE_ENTRIES, 1]);
    }
}
