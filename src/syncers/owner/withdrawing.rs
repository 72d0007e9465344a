//! Takes messages back that wait in the journal and hold what their reader may no longer read.
//!
//! A message may wait for days, and permissions change meanwhile. What waits is never mended: it is
//! taken apart, and what the peer is owed is worked out anew. Whether it was sent, and only the
//! answer was lost, nobody knows; so the peer counts as holding what it said, which has it taken
//! back, and the file is deleted if it is there.

use std::collections::BTreeSet;

use crate::caches::{announcing, delivered, held, journal};
use crate::model::{DatasitePath, Email, Snapshot};

use super::super::{Account, Result};

/// Takes all waiting messages to `peer` back, if any of them holds a file that is not `readable` to
/// it. One transaction.
pub(super) fn withdraw_unreadable(
    account: &Account,
    peer: &Email,
    readable: &Snapshot,
) -> Result<()> {
    let waiting = account.store.read(|db| delivered::waiting(db, peer))?;
    if waiting.is_empty() {
        return Ok(());
    }
    account.store.write(|db| {
        // What a waiting message deletes is not held any more: that may go its way.
        let held = held::snapshot(db, peer)?;
        let is_unreadable =
            |path: &DatasitePath| held.contains_key(path) && !readable.contains_key(path);
        let is_any = waiting.iter().any(|message| message.paths.keys().any(is_unreadable));
        if is_any { withdraw(db, peer, &waiting) } else { Ok(()) }
    })?;
    Ok(())
}

/// Takes the waiting messages back to all but `peers`.
pub(super) fn withdraw_from_others(account: &Account, peers: &[&Email]) -> Result<()> {
    let addressees: BTreeSet<Email> = account.store.read(journal::addressees)?;
    for other in addressees.iter().filter(|addressee| !peers.contains(addressee)) {
        let waiting = account.store.read(|db| delivered::waiting(db, other))?;
        if !waiting.is_empty() {
            account.store.write(|db| withdraw(db, other, &waiting))?;
        }
    }
    Ok(())
}

/// Takes messages back. One without a record holds nothing but deletions, and goes its way.
fn withdraw(
    db: &rusqlite::Connection,
    peer: &Email,
    messages: &[delivered::Delivered],
) -> crate::caches::Result<()> {
    // The newest first: of several answers about one path the last counts.
    for message in messages.iter().rev() {
        for (path, event) in &message.paths {
            announcing::answer_unless_due(db, peer, path, event)?;
        }
        journal::withdraw(db, &message.file)?;
        delivered::withdraw(db, &message.file)?;
    }
    Ok(())
}
