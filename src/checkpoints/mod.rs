//! Checkpoints: when one is made, what a machine that joins reads, and what of the event log may
//! go. Pure.
//!
//! A full checkpoint holds every file; an increment the events since the one before; the rolling
//! state the newest event of each path since then. The event log says it all again, only slower,
//! unless it was shortened: then a full checkpoint is all that remains of its beginning.
//!
//! Each of our files says how much of the log it includes, by the clock of the service and by ids
//! ([`coverage`]). The clocks of machines decide nothing but the order of names. Formats are in
//! `wire`, reading and writing is the owner's syncer's.

mod coverage;
mod plan;
mod prune;

pub use coverage::{
    Known, Layer, LogMessage, OVERLAP_MICROS, Standing, beginning, coverage, first_missing,
    includes, reach, standing,
};
pub use plan::{Due, INCREMENTS_MAX, Reading, continues, due, increments_to_lay, reading};
pub use prune::{
    AGE_MICROS, AT_LEAST, Full, Kept, Prune, PruneFacts, behind, is_form_of_ours, is_recent_trace,
    prune,
};
