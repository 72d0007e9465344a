//! Tells how things stand with checkpoints and the event log, without asking the service.

use crate::caches::{announcing, meta};
use crate::checkpoints::Due;
use crate::model::Timestamp;
use crate::wire::names::CheckpointName;

use super::super::rolling::ROLLING_BASE;
use super::super::{Account, Directory, Result};
use super::{checkpoint, log, prune};

/// How things stand with checkpoints and the event log, as the last sync left them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointStatus {
    /// When the last checkpoint was made, full or not; `None` if there is none.
    pub last: Option<Timestamp>,
    /// When the newest full one was made.
    pub last_full: Option<Timestamp>,
    /// How many increments go on from it.
    pub increments: usize,
    /// How many events came since the last one: of each path the newest counts.
    pub events_since: usize,
    /// What the next sync makes, with the threshold that was asked for.
    pub next: Due,
    /// How many messages the event log has.
    pub log_messages: usize,
    /// How many bytes they take on the drive.
    pub log_bytes: u64,
    /// Until when the log is gone; `None` if it is whole.
    pub pruned_through: Option<Timestamp>,
    /// Why the last sync that was asked to prune the log left it as it was.
    pub kept_because: Option<String>,
}

/// Returns how things stand, if `threshold` events are enough for a checkpoint.
pub(super) fn status(account: &Account, threshold: usize) -> Result<CheckpointStatus> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let (base, events_since, kept_because) = account.store.read(|db| {
        let count = announcing::rolling_count(db)?;
        Ok((meta::get(db, ROLLING_BASE)?, count, meta::get(db, prune::KEPT)?))
    })?;
    let existing = checkpoint::existing(account, &directory)?;
    let full = checkpoint::parsed(&existing, CheckpointName::parse);
    let last_full = full.into_iter().map(|(name, _)| name.timestamp).max();
    let is_after = |made: Timestamp| last_full.is_none_or(|full| made > full);
    let increments = checkpoint::increments(&existing);
    let messages = log::entries(account, &directory)?;
    Ok(CheckpointStatus {
        last: base.and_then(|text| Timestamp::parse_canonical(&text).ok()),
        last_full,
        increments: increments.iter().filter(|name| is_after(name.timestamp)).count(),
        events_since,
        next: checkpoint::next(account, &directory, threshold)?,
        log_messages: messages.len(),
        log_bytes: messages.iter().map(|entry| entry.size_bytes).sum(),
        pruned_through: log::pruned(account, &directory)?.map(Timestamp::from_micros),
        kept_because,
    })
}
