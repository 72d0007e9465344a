//! Tells peers that an owner deletes everything: each gets a deletion for every path that it was ever
//! told of, in one message, and the messages before it, with what the files held, are to be deleted
//! then. The one stays, in a folder that is the peer's: it is how the peer learns.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::caches::delivered::{self, Delivered};
use crate::caches::{held, meta};
use crate::connections::{self, Entry, Query};
use crate::model::{Code, DatasitePath, Email, Snapshot, Timestamp};
use crate::wire::names::EventsName;
use crate::wire::{Chunked, FileChangeEventsMessage};

use super::super::{Account, Directory, Report, Result, chunked, parcels, peering, sending};
use super::announce::event;
use super::packing::put_message;
use super::restore::RESTORED;
use super::{mailboxes, withdrawing};

/// Sends the deletions. Safe to run again: what was told is noted.
pub(super) async fn say_farewell(
    account: &Account,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    if directory.syftbox.is_none() {
        return Ok(()); // It is deleted already, and whoever did it has told before.
    }
    let is_new_here = account.store.read(|db| meta::get(db, RESTORED))?.is_none();
    let peers = peering::load(account, &directory, report).await?;
    for peer in peers.iter().filter(|peer| peer.is_working()) {
        withdrawing::withdraw_unreadable(account, &peer.peer.email, &Snapshot::default())?;
        let (_, Some(outbox)) = mailboxes(account, &directory, peer) else { continue };
        let peer = &peer.peer.email;
        if is_new_here {
            learn(account, outbox, peer, report).await?;
        }
        let (holds, old) =
            account.store.read(|db| Ok((held::snapshot(db, peer)?, delivered::to(db, peer)?)))?;
        // If there is one, and we sent it, it says of all that it speaks of that it is gone.
        let told_least = if is_new_here { 1 } else { 2 };
        if holds.is_empty() && old.len() < told_least {
            continue;
        }
        let file = sending::take_id(account).await?;
        let told = old.iter().flat_map(|message| message.paths.keys()).cloned();
        let paths: BTreeSet<DatasitePath> = told.chain(holds.keys().cloned()).collect();
        let (mut events, mut ids) = (Vec::new(), BTreeMap::new());
        for path in paths {
            let gone = event(account, &path, holds.get(&path).copied(), None, Uuid::new_v4(), now);
            ids.insert(path, gone.id.to_string());
            events.push(gone.into_wire());
        }
        account.store.write(|db| {
            holds.keys().try_for_each(|path| held::put(db, peer, path, None))?;
            put_message(db, &file, &outbox.id, Some(peer), events, Timestamp::ZERO, now)?;
            let level = old.iter().map(|message| message.level).max().unwrap_or_default();
            delivered::add(db, peer, &Delivered { file: file.clone(), level, paths: ids })?;
            old.iter().try_for_each(|message| delivered::replace(db, &message.file, &file))
        })?;
    }
    sending::flush(account, &directory, now, report).await
}

/// Learns what a peer was told from what lies in its outbox: a machine that never synced, or has
/// forgotten all, knows nothing of it.
async fn learn(account: &Account, outbox: &Entry, peer: &Email, report: &mut Report) -> Result<()> {
    let known = account.store.read(|db| delivered::to(db, peer))?;
    let lying = account.router.own().find(&Query::in_folder(&outbox.id)).await?;
    let is_known = |entry: &Entry| known.iter().any(|message| message.file == entry.id);
    let is_message = |entry: &Entry| EventsName::of_message(&entry.name).is_some();
    for entry in lying.into_iter().filter(|it| it.is_mine && is_message(it) && !is_known(it)) {
        let parcel = match parcels::fetch(account, &entry).await {
            Err(connections::Error::NotFound { .. }) => continue,
            parcel => parcel?,
        };
        let message = chunked::read::<FileChangeEventsMessage>(account, &entry.name, &parcel);
        let Ok(message) = message.map(Chunked::named_only) else {
            let text = format!(
                "{peer} was not told of everything: what it was sent is sealed for it alone, and this \
                 machine has never synced"
            );
            report.problem_with(peer, Code::PeersNotTold, text);
            return Ok(());
        };
        let events = message.events.into_iter().filter_map(|event| event.check().ok());
        let paths = events.map(|event| (event.path, event.id.to_string())).collect();
        let message = Delivered { file: entry.id, level: 0, paths };
        account.store.write(|db| delivered::add(db, peer, &message))?;
    }
    Ok(())
}
