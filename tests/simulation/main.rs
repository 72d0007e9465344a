//! An owner with two machines and three scientists do thousands of random things, in any order and
//! at the same time, while calls fail, processes die, listings come late and clocks jump. Once all is
//! quiet, everybody holds exactly what it may read and nothing is lost; and at no moment lay
//! anything on the drive where somebody could read it who may not.
//!
//! Each run follows from its seed. `SYFT_SIM_SEED` chooses the first one, `SYFT_SIM_SEEDS` how many,
//! `SYFT_SIM_OPERATIONS` how many steps each has. A failure names its seed, and the steps that it
//! takes.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod chance;
mod checks;
mod disk;
mod gate;
mod later;
mod model;
mod operations;
mod processes;
mod products;
mod runs;
mod secrets;
mod world;
