//! The two sides of a sync: look, ask what to do, carry it out.
//!
//! [`DatasiteOwnerSyncer`] announces what its owner changed, judges what peers propose, and sends
//! each peer what it may read. [`DatasiteWatcherSyncer`] takes in what owners sent and proposes
//! what its scientist changed. Neither holds a rule: those are in `inbox`, `outbox`, `peers` and
//! `permissions`. What is here is the order of things, so that a crash at any line loses nothing.

mod account;
mod applying;
mod batches;
mod chunked;
pub(crate) mod collections;
mod deleting;
mod directory;
mod error;
mod guarding;
mod homing;
mod mending;
mod options;
pub mod orphans;
pub(crate) mod own_versions;
mod owner;
mod parcels;
pub mod peering;
mod placing;
mod quarantine;
mod remote;
mod report;
mod rolling;
pub mod sealing;
mod sending;
mod settled;
mod speaking;
mod telling;
mod watcher;
mod writing;

pub use account::Account;
pub use collections::LeftOver;
pub use directory::{Directory, Mailbox};
pub use error::{Error, Result};
pub use guarding::{Ahead, expect_datasite, expect_syftbox, look_ahead};
pub use options::SyncOptions;
pub use owner::{
    AfterTakingIn, CheckpointKind, CheckpointStatus, CheckpointSummary, DatasiteOwnerSyncer,
};
pub use remote::{Freshness, listed_at, own_roots, refresh};
pub use report::{InChunks, Problem, Refused, Report};
pub(crate) use sending::told;
pub use watcher::DatasiteWatcherSyncer;
