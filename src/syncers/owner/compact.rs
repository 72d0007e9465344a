//! Keeps the outboxes of peers small: brings what many messages say together into one.
//!
//! The one message holds, for each path that the many speak of, what the peer holds now, or that it
//! is gone; so a reader that has seen any number of them ends at the same. It is on the drive before
//! the first of the many is deleted.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::caches::delivered::{self, Delivered};
use crate::caches::{DatasiteTree, announcing, catalogue, held};
use crate::connections;
use crate::model::{Code, DatasitePath, Digest, Email, Timestamp};
use crate::outbox::to_compact;
use crate::wire::FileChangeEvent;

use super::super::peering::Acquaintance;
use super::super::sending::{self, told};
use super::super::{Account, Directory, Report, Result};
use super::announce::{MESSAGE_BYTES, event, put_message};
use super::mailboxes;

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
        let messages = account.store.read(|db| delivered::to(db, peer))?;
        let levels: Vec<u32> = messages.iter().map(|message| message.level).collect();
        let Some((places, level)) = to_compact(&levels, threshold) else { continue };
        if !account.store.read(|db| delivered::waiting(db, peer))?.is_empty() {
            continue; // What waits may be taken back.
        }
        let old: Vec<&Delivered> = places.iter().filter_map(|place| messages.get(*place)).collect();
        // Oldest first, so that the last event of each path lends its id.
        let paths: BTreeMap<DatasitePath, String> = old
            .iter()
            .flat_map(|message| message.paths.iter())
            .map(|(path, event)| (path.clone(), event.clone()))
            .collect();
        let Some(events) = state_of(account, tree, peer, &paths, now)? else { continue };
        let file = sending::take_id(account).await?;
        account.store.write(|db| {
            put_message(db, &file, &outbox.id, Some(peer), events, Timestamp::ZERO, now)?;
            let new = Delivered { file: file.clone(), level, paths: paths.clone() };
            delivered::add(db, peer, &new)?;
            old.iter().try_for_each(|message| delivered::replace(db, &message.file, &file))
        })?;
        is_any = true;
    }
    if is_any {
        // What was sent before may have made folders.
        let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
        sending::flush(account, &directory, now, report).await?;
    }
    delete_replaced(account, report).await
}

/// Returns what `peer` holds of `paths`; `None` if that cannot be said in one message now: a file
/// is being edited, or there is too much.
fn state_of(
    account: &Account,
    tree: &DatasiteTree,
    peer: &Email,
    paths: &BTreeMap<DatasitePath, String>,
    now: Timestamp,
) -> Result<Option<Vec<FileChangeEvent>>> {
    let (held, due) =
        account.store.read(|db| Ok((held::snapshot(db, peer)?, announcing::answers(db, peer)?)))?;
    if paths.keys().any(|path| due.contains_key(path)) {
        return Ok(None); // What it holds of these was not sent, or is held back.
    }
    let (mut events, mut bytes) = (Vec::new(), 0);
    for (path, id) in paths {
        let digest = held.get(path).copied();
        let content = match digest {
            None => None,
            Some(digest) => match tree.read(path) {
                Ok(Some(content)) if Digest::of(&content) == digest => Some(content),
                _ => return Ok(None),
            },
        };
        bytes += content.as_ref().map_or(0, Vec::len);
        if bytes > MESSAGE_BYTES {
            return Ok(None);
        }
        let id = Uuid::parse_str(id).unwrap_or_else(|_| Uuid::new_v4());
        events.push(event(account, path, digest, content, id, now).into_wire());
    }
    // Deletions first: a file may have become a folder, and the reverse.
    events.sort_by_key(|event| !event.is_deleted);
    Ok(Some(events))
}

async fn delete_replaced(account: &Account, report: &mut Report) -> Result<()> {
    let old = account.store.read(delivered::replaced)?;
    if old.is_empty() {
        return Ok(());
    }
    let outcomes = match account.router.own().delete(&old).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            report.problem(Code::OutboxNotCompacted, told(&error));
            return Ok(());
        }
    };
    for (file, outcome) in old.iter().zip(outcomes) {
        match outcome {
            Ok(()) | Err(connections::Error::NotFound { .. }) => account.store.write(|db| {
                catalogue::remove(db, file)?;
                delivered::gone(db, file)
            })?,
            Err(error) => report.problem(Code::OutboxNotCompacted, told(&error)),
        }
    }
    Ok(())
}
