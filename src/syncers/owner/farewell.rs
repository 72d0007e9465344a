//! Tells peers that an owner deletes everything: each gets a deletion for every path that it was ever
//! told of, in one message, and the messages before it, with what the files held, are deleted. The one
//! stays, in a folder that is the peer's: it is how the peer learns.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::caches::delivered::{self, Delivered};
use crate::caches::held;
use crate::model::{DatasitePath, Snapshot, Timestamp};

use super::super::{Account, Directory, Report, Result, peering, sending};
use super::announce::{event, put_message};
use super::{compact, mailboxes, withdrawing};

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
    let peers = peering::load(account, &directory, report).await?;
    for peer in peers.iter().filter(|peer| peer.is_working()) {
        withdrawing::withdraw_unreadable(account, &peer.peer.email, &Snapshot::default())?;
        let (_, Some(outbox)) = mailboxes(account, &directory, peer) else { continue };
        let peer = &peer.peer.email;
        let (holds, old) =
            account.store.read(|db| Ok((held::snapshot(db, peer)?, delivered::to(db, peer)?)))?;
        if holds.is_empty() && old.len() < 2 {
            continue; // If there is one, it says of all that it speaks of that it is gone.
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
    sending::flush(account, &directory, now, report).await?;
    compact::delete_replaced(account, report).await
}
