//! The program as people and other programs use it: exit codes, stdout, stderr.
//!
//! Every test has a home of its own and its own drive, served by the same program; what a test
//! starts it ends, by its id.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod accident;
mod answers;
mod asking;
mod consent;
mod cost;
mod database;
mod jobs;
mod keys;
mod live;
mod processes;
mod questions;
mod quiet;
mod refusals;
mod releasing;
mod service;
mod shown;
mod story;
mod terminal;
mod trouble;
mod world;
