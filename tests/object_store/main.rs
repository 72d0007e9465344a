//! A bucket of an object store as the place where two parties meet.
//!
//! The tests of `moto` need the S3 server of that name: `SYFT_MOTO` names its program, which
//! `tests/object_store/setup.sh` installs. Without it they say so and pass. All others run on a store in
//! memory.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod attacks;
mod conforming;
mod moto;
mod refusals;
mod shelf;
mod store;
mod story;
mod sync;
