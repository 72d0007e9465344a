//! What each operation may cost, in requests: the budget of `docs/BENCHMARKS.md`, counted by our
//! own server over HTTP. Counts are exact, so a request more or less is a change to be looked at.
//!
//! Each operation is that of a process that has just begun ("cold") unless a test says otherwise:
//! nothing is known but what lies on the machine's disk.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod daily;
mod datasets;
mod idle;
mod joining;
mod latency;
mod waves;
mod world;
