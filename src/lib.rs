//! `syft`: work on data that may not leave its owner's machine, over a cloud drive that both
//! sides already trust.
//!
//! Where things are is in `ARCHITECTURE.md`; the formats that others read are in
//! `docs/FORMAT.md`.

pub mod caches;
pub mod channels;
pub mod checkpoints;
pub mod chunks;
pub mod cli;
pub mod client;
pub mod connections;
pub mod datasets;
pub mod inbox;
pub mod jobs;
pub mod model;
pub mod notices;
pub mod outbox;
pub mod peers;
pub mod permissions;
pub mod syncers;
pub mod wire;
