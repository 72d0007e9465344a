//! `kill -9` of the real program at any moment: run again, all is as it should be.
//!
//! The moments are random and differ from run to run, also for one seed; the seed decides what
//! people do and roughly when a process dies. `SYFT_KILL_SEED` and `SYFT_KILL_ROUNDS` choose others;
//! every failure names the seed.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod chance;
mod consent;
mod datasets;
mod drive;
mod jobs;
mod model;
mod syncs;
mod world;
