//! The facade as a program uses it: two and three accounts, each with a disk of its own, over a
//! drive in memory and over our own Drive server.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod bug_report;
mod cost;
mod datasets;
mod defects;
mod deletion;
mod erasing;
mod full;
mod generations;
mod hostile;
mod jobs;
mod layouts;
mod leaks;
mod login;
mod peers;
mod updates;
mod watching;
mod world;
