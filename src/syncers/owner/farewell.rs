//! Tells peers that an owner deletes everything: each gets a deletion for every path that it holds.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::caches::held;
use crate::model::{Snapshot, Timestamp};

use super::super::{Account, Directory, Report, Result, peering, sending};
use super::announce::{event, put_message};
use super::{mailboxes, withdrawing};

/// Sends the deletions. Safe to run again: what was told is noted.
pub(super) async fn say_farewell(
    account: &Account,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let peers = peering::load(account, &directory, report).await?;
    for peer in peers.iter().filter(|peer| peer.is_working()) {
        withdrawing::withdraw_unreadable(account, &peer.peer.email, &Snapshot::default())?;
        let (_, Some(outbox)) = mailboxes(account, &directory, peer) else { continue };
        let peer = &peer.peer.email;
        let holds = account.store.read(|db| held::snapshot(db, peer))?;
        if holds.is_empty() {
            continue;
        }
        let file = sending::take_id(account).await?;
        let events: BTreeMap<_, _> = holds
            .into_iter()
            .map(|(path, digest)| {
                let gone = event(account, &path, Some(digest), None, Uuid::new_v4(), now);
                (path, gone.into_wire())
            })
            .collect();
        account.store.write(|db| {
            events.keys().try_for_each(|path| held::put(db, peer, path, None))?;
            let events = events.into_values().collect();
            put_message(db, &file, &outbox.id, Some(peer), events, Timestamp::ZERO, now)
        })?;
    }
    sending::flush(account, &directory, now, report).await
}
