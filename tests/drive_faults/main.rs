//! What a session over real HTTP makes of requests that fail: the client over `GDrive`, on the
//! embedded server, which fails on cue.
//!
//! `SYFT_FAULTS=all` plays every way to fail at every request; without it, they are played at
//! every second, third or fifth.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod every_request;
mod exhausted;
mod numbers;
mod pace;
mod session;
mod world;
