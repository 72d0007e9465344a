//! The Drive server over real HTTP: each point of the surface that clients use, what accounts may
//! do to each other's files, hostile input, and what is left after `kill -9`.
#![expect(clippy::unwrap_used, reason = "a test may panic; clippy knows test functions only")]

mod batch;
mod changes;
mod crash;
mod downloads;
mod faults;
mod files;
mod hostile;
mod load;
mod memory;
mod oauth;
mod queries;
mod resumable;
mod scale;
mod sharing;
mod uploads;
mod world;
