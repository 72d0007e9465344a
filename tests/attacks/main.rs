//! Attacks from one end to the other: a peer writes raw messages and folders, and real clients of
//! an owner, a scientist and an honest third party meet them.
//!
//! The numbers are those of `docs/SECURITY.md`. In each: the attack does not succeed, an honest
//! peer is served in the same sync, and whoever is attacked is told.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod approval;
mod collections;
mod deletion;
mod leaks;
mod paths;
mod queries;
mod releases;
mod terminal;
mod world;
