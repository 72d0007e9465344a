//! Large content between two of ours: what leaves is told in chunks, what arrives is put together.
//!
//! A message is decided on, kept and taken in as any other. Only on its way it is another one: when it is
//! sent, what the other side lacks of its large content goes ahead in packs, and the message says what
//! consists of which chunks ([`ship`]); when it is read, its content is put together before anything is
//! decided ([`join`]). So a crash needs no more care than with any message: packs that are there are not
//! sent again. What, and from where, is decided in `crate::chunks`; why so: ADR 10.
//!
//! Invariant: who does not say that it takes such messages gets none.

mod fetching;
mod joining;
mod shipping;
mod sweeping;

use crate::caches::{announcing, delivered, meta, packs, proposed};
use crate::model::{Email, Role};
use crate::wire::Capability;

pub(super) use fetching::Opener;
pub(super) use joining::{Joined, Joining, Right, join, read};
pub(super) use shipping::{Shipped, ship};
pub(super) use sweeping::sweep;

use super::peering::Acquaintance;
use super::{Account, Result};

/// Meta keys: before the address of who takes messages with chunks.
const TAKES: &str = "takes chunks ";

/// Notes who takes messages with chunks. To who did and does not any longer, all is owed again that only
/// such messages say.
///
/// # Errors
/// If the database fails.
pub(super) fn heed(account: &Account, peers: &[Acquaintance]) -> Result<()> {
    for peer in peers {
        let Some(version) = &peer.version else { continue };
        let (email, takes) = (&peer.peer.email, version.has(Capability::Chunks));
        if takes_chunks(account, email)? == takes {
            continue;
        }
        let key = format!("{TAKES}{email}");
        account.store.write(|db| match (takes, account.role) {
            (true, _) => meta::set(db, &key, "1"),
            (false, Role::Owner) => {
                tell_again(db, email)?;
                meta::remove(db, &key)
            }
            (false, Role::Scientist) => {
                ask_again(db, email)?;
                meta::remove(db, &key)
            }
        })?;
    }
    Ok(())
}

/// True if `peer` takes messages with chunks, as far as is known.
fn takes_chunks(account: &Account, peer: &Email) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, &format!("{TAKES}{peer}")))?.is_some())
}

fn tell_again(db: &rusqlite::Connection, peer: &Email) -> crate::caches::Result<()> {
    // The newest first: of several answers about one path the last counts.
    for message in delivered::to(db, peer)?.iter().rev() {
        if packs::needs_any(db, &message.file)? {
            for (path, event) in &message.paths {
                announcing::answer_unless_due(db, peer, path, event)?;
            }
        }
    }
    Ok(())
}

fn ask_again(db: &rusqlite::Connection, owner: &Email) -> crate::caches::Result<()> {
    for (path, asked) in proposed::all(db, owner)? {
        if packs::needs_any(db, &asked.message)? {
            proposed::answered(db, owner, &path)?;
        }
    }
    Ok(())
}
