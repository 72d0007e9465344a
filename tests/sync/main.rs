//! Two and three parties in one process, over a drive in memory: what a sync does, what it costs,
//! and that nothing is lost whatever fails.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod behind;
mod bounds;
mod checkpoints;
mod chunks;
mod chunks_hostile;
mod collections;
mod cost;
mod crash;
mod crossing;
mod edits;
mod feed;
mod found;
#[cfg(unix)]
mod held_up;
mod home;
mod hostile;
mod large;
mod losses;
mod lots;
mod measures;
mod orphans;
mod pruning;
mod quota;
mod rebuilt;
mod revoked;
mod story;
mod trouble;
mod upgrades;
mod versions;
mod world;
