//! Deletes a scientist's own messages once they are of no use.
//!
//! An owner who has dealt with a message moves it into an archive that nobody reads. There it counts
//! against the quota of its sender for ever, and only the sender can delete it. What is deleted is
//! never searched for: these are files that this machine made, under ids that it remembers.

use crate::caches::{packs, submitted};
use crate::connections::Error;
use crate::model::Timestamp;

use super::super::{Account, Result, remote};

/// How long a message stays: whoever wonders what was asked, or which program wrote what, may look.
const KEPT_MICROS: i64 = 7 * 24 * 3600 * 1_000_000;

/// How many messages are deleted at once: as many as a batch of the drive takes.
const MESSAGES_AT_ONCE: usize = 100;

/// Deletes messages that were answered long ago. Only right after everything was listed: then it is
/// certain that they are in no inbox, and a sync that finds nothing new stays one request.
pub(super) async fn clear(account: &Account, now: Timestamp) -> Result<()> {
    if !remote::was_listed_at(account, now)? {
        return Ok(());
    }
    let before = Timestamp::from_micros(now.micros() - KEPT_MICROS);
    let settled = account.store.read(|db| submitted::settled(db, before, MESSAGES_AT_ONCE))?;
    if settled.is_empty() {
        return Ok(());
    }
    // What fails is tried again after the next listing: it is no problem of today.
    let Ok(outcomes) = account.router.own().delete(&settled).await else { return Ok(()) };
    for (message, outcome) in settled.iter().zip(outcomes) {
        if matches!(outcome, Ok(()) | Err(Error::NotFound { .. } | Error::Denied { .. })) {
            account.store.write(|db| {
                packs::free(db, message)?;
                submitted::remove(db, message)
            })?;
        }
    }
    Ok(())
}
