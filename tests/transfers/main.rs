//! Large files of datasets, over a real wire, with the real program: killed in the middle, cut off,
//! forgotten by the drive, changed meanwhile. What counts is what is there in the end, and how many
//! bytes it took: what was confirmed is not sent again.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod connection;
mod downloads;
mod full;
mod many;
mod messages;
mod proxy;
mod sealed;
mod uploads;
mod world;
