//! Keeps the outboxes of peers small: brings what many messages say together into one.
//!
//! The one message holds, for each path that the many speak of, what the peer holds now, or that it
//! is gone; so a reader that has seen any number of them ends at the same. It is on the drive before
//! the first of the many is deleted. What is too much for one message becomes several.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::caches::delivered::{self, Delivered};
use crate::caches::{DatasiteTree, announcing, held, packs};
use crate::connections::FileId;
use crate::model::{DatasitePath, Email, Snapshot, Timestamp};
use crate::outbox::to_compact;
use crate::wire::FileChangeEvent;

use super::super::peering::Acquaintance;
use super::super::sending;
use super::super::{Account, Directory, Report, Result, deleting};
use super::announce::event;
use super::mailboxes;
use super::packing::{Room, put_message};

/// Brings messages together where there are `threshold` of them, and deletes those whose place is
/// taken. What fails is told, and done by the next sync.
pub(super) async fn compact(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    threshold: usize,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let mut is_any = false;
    for peer in peers.iter().filter(|peer| peer.is_working()) {
        let (_, Some(outbox)) = mailboxes(account, directory, peer) else { continue };
        let peer = &peer.peer.email;
        let levels = account.store.read(|db| delivered::levels(db, peer))?;
        let Some((places, level)) = to_compact(&levels, threshold) else { continue };
        if !account.store.read(|db| delivered::waiting(db, peer))?.is_empty() {
            continue; // What waits may be taken back.
        }
        let messages = account.store.read(|db| delivered::to(db, peer))?;
        let old: Vec<&Delivered> = places.iter().filter_map(|place| messages.get(*place)).collect();
        is_any |= bring_together(account, tree, peer, &outbox.id, &old, level, now).await?;
    }
    if is_any {
        // What was sent before may have made folders.
        let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
        sending::flush(account, &directory, now, report).await?;
    }
    delete_replaced(account, report).await
}

/// What becomes one message.
#[derive(Debug, Default)]
struct Group {
    messages: Vec<FileId>,
    paths: BTreeMap<DatasitePath, String>,
    events: Vec<FileChangeEvent>,
}

/// Brings messages together, oldest first, as many at a time as one message may hold. One that speaks
/// of what cannot be said now is left as it is. True if there is something to send.
async fn bring_together(
    account: &Account,
    tree: &DatasiteTree,
    peer: &Email,
    outbox: &FileId,
    old: &[&Delivered],
    level: u32,
    now: Timestamp,
) -> Result<bool> {
    let (held, due) =
        account.store.read(|db| Ok((held::snapshot(db, peer)?, announcing::answers(db, peer)?)))?;
    let (mut is_any, mut group, mut room) = (false, Group::default(), Room::of(account));
    for (message, paths) in old.iter().zip(last_words(old)) {
        // What it holds of these was not sent, or is held back.
        let is_due = paths.keys().any(|path| due.contains_key(path));
        let state = if is_due { None } else { state_of(account, tree, &held, &paths, now)? };
        let Some(events) = state else { continue };
        if !events.iter().all(|event| room.takes_event(event)) {
            is_any |= put(account, peer, outbox, std::mem::take(&mut group), level, now).await?;
            room = Room::of(account);
            // What was one message may be one again.
            for event in &events {
                room.takes_event(event);
            }
        }
        group.messages.push(message.file.clone());
        group.paths.extend(paths);
        group.events.extend(events);
    }
    Ok(put(account, peer, outbox, group, level, now).await? || is_any)
}

/// Returns, for each message, the paths of which no later one speaks. So the last event of each path
/// lends its id.
fn last_words(messages: &[&Delivered]) -> Vec<BTreeMap<DatasitePath, String>> {
    let mut later = BTreeSet::new();
    let mut words: Vec<BTreeMap<DatasitePath, String>> = messages
        .iter()
        .rev()
        .map(|message| {
            let last = message.paths.iter().filter(|(path, _)| later.insert((*path).clone()));
            last.map(|(path, event)| (path.clone(), event.clone())).collect()
        })
        .collect();
    words.reverse();
    words
}

/// Puts what a group says into the journal, as one message. One that stays alone, because it is large,
/// counts as brought together, or it would be looked at in each sync.
async fn put(
    account: &Account,
    peer: &Email,
    outbox: &FileId,
    group: Group,
    level: u32,
    now: Timestamp,
) -> Result<bool> {
    let Group { messages, paths, mut events, .. } = group;
    if let [] | [_] = messages.as_slice() {
        account.store.write(|db| {
            messages.iter().try_for_each(|message| delivered::raise(db, message, level))
        })?;
        return Ok(false);
    }
    // Deletions first: a file may have become a folder, and the reverse.
    events.sort_by_key(|event| !event.is_deleted);
    let file = sending::take_id(account).await?;
    account.store.write(|db| {
        put_message(db, &file, outbox, Some(peer), events, Timestamp::ZERO, now)?;
        delivered::add(db, peer, &Delivered { file: file.clone(), level, paths })?;
        messages.iter().try_for_each(|message| delivered::replace(db, message, &file))
    })?;
    Ok(true)
}

/// Returns what a peer that holds `held` holds of `paths`; `None` if that cannot be said now, because a
/// file is being edited.
fn state_of(
    account: &Account,
    tree: &DatasiteTree,
    held: &Snapshot,
    paths: &BTreeMap<DatasitePath, String>,
    now: Timestamp,
) -> Result<Option<Vec<FileChangeEvent>>> {
    let mut events = Vec::new();
    for (path, id) in paths {
        let digest = held.get(path).copied();
        let content = match digest {
            None => None,
            Some(digest) => match account.contents().take(tree, path, &digest) {
                Ok(Some(content)) => Some(content),
                _ => return Ok(None),
            },
        };
        let id = Uuid::parse_str(id).unwrap_or_else(|_| Uuid::new_v4());
        events.push(event(account, path, digest, content, id, now).into_wire());
    }
    Ok(Some(events))
}

/// Deletes the messages whose place another one has taken. What fails is told.
pub(super) async fn delete_replaced(account: &Account, report: &mut Report) -> Result<()> {
    let old = account.store.read(delivered::replaced)?;
    let note = |db: &_, file: &FileId| {
        packs::free(db, file)?;
        delivered::gone(db, file)
    };
    deleting::delete(account, &old, note, report).await
}

#[cfg(test)]
mod tests {
    use super::super::super::account::tests::account;
    use super::super::super::{DatasiteWatcherSyncer, SyncOptions, peering};
    use super::super::DatasiteOwnerSyncer;
    use super::super::packing::MESSAGE_BYTES;
    use super::*;
    use crate::connections::MemoryDrive;
    use crate::model::Role;

    #[tokio::test]
    async fn an_outbox_of_many_bytes_is_brought_together_as_far_as_it_fits() {
        let drive = MemoryDrive::new();
        let (owner, _owner_home) = account(&drive, "do@example.org", Role::Owner);
        let (reader, _reader_home) = account(&drive, "ds@example.org", Role::Scientist);
        let clock = std::cell::Cell::new(1_780_000_000_000_000);
        let now = || {
            drive.advance_micros(1_000_000);
            clock.set(clock.get() + 1_000_000);
            Timestamp::from_micros(clock.get())
        };
        let options = SyncOptions { compact_threshold: 7, ..SyncOptions::default() };
        let sync = async || {
            DatasiteOwnerSyncer::new(&owner).sync(&options, now(), &|_| false).await.unwrap()
        };
        let read =
            async || DatasiteWatcherSyncer::new(&reader).sync(&options, now()).await.unwrap();
        sync().await;
        peering::request(&reader, &owner.email, now()).await.unwrap();
        peering::approve(&owner, &reader.email, now()).await.unwrap();
        let tree = owner.tree(&owner.email).unwrap();
        let path = |name: &str| DatasitePath::parse(name).unwrap();
        let rules = "rules:\n- pattern: '**'\n  access:\n    read: ['*']\n";
        tree.write(&path("r/syft.pub.yaml"), rules.as_bytes()).unwrap();
        // Two and a half of the large ones fit into one message.
        let large = MESSAGE_BYTES * 2 / 5;
        for number in 0..7 {
            let size = if number % 2 == 0 { large } else { 5 };
            tree.write(&path(&format!("r/{number}")), "x".repeat(size).as_bytes()).unwrap();
            assert_eq!(sync().await.problems, []);
        }
        let levels = || -> Vec<u32> {
            let sent = owner.store.read(|db| delivered::to(db, &reader.email)).unwrap();
            sent.into_iter().map(|message| message.level).collect()
        };
        assert_eq!(levels(), [1, 1]);
        let outbox = owner.store.read(delivered::replaced).unwrap();
        assert_eq!(outbox, [], "the old ones are gone");
        read().await;
        let there = reader.tree(&owner.email).unwrap();
        for number in 0..7 {
            let content = there.read(&path(&format!("r/{number}"))).unwrap().unwrap();
            assert_eq!(content.len(), if number % 2 == 0 { large } else { 5 }, "{number}");
        }
        // What alone is too much to be brought together is not looked at in each sync.
        for number in 7..14 {
            tree.write(&path(&format!("r/{number}")), "x".repeat(large * 2).as_bytes()).unwrap();
            sync().await;
        }
        assert_eq!(levels(), [1; 9]);
        assert!(sync().await.is_idle());
    }

    #[test]
    fn of_each_path_the_last_message_that_speaks_of_it_says_what_is_held() {
        let path = |text: &str| DatasitePath::parse(text).unwrap();
        let message = |paths: &[(&str, &str)]| Delivered {
            file: FileId::parse("m").unwrap(),
            level: 0,
            paths: paths.iter().map(|(p, id)| (path(p), (*id).to_owned())).collect(),
        };
        let messages = [
            message(&[("a", "1"), ("b", "2")]),
            message(&[("b", "3")]),
            message(&[("b", "4"), ("c", "5")]),
        ];
        let words = last_words(&messages.each_ref());
        let words: Vec<Vec<&str>> =
            words.iter().map(|paths| paths.values().map(String::as_str).collect()).collect();
        assert_eq!(words, [vec!["1"], vec![], vec!["4", "5"]]);
    }
}
