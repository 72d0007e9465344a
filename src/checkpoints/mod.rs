//! Checkpoints: when one is made, and what a machine that joins reads of them, in which order. Pure.
//!
//! A full checkpoint holds every file; an increment the events since the one before; the rolling
//! state the newest event of each path since then. The event log says it all again, only slower.
//! Their formats are in `wire`, reading and writing them is the owner's syncer's.

mod plan;

pub use plan::{Due, INCREMENTS_MAX, Reading, due, reading};
