//! End-to-end encryption from one end to the other: over a drive in memory that reads along, lies,
//! and whose bytes can be looked at. The numbers are those of `docs/SECURITY.md`.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod attacks;
mod changes;
mod edges;
mod machines;
mod own;
mod world;
