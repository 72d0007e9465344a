//! Jobs on a real disk, in a real sandbox.
//!
//! Attacks carry the number of the weakness that they try. Each is shown to work without the
//! sandbox where that is possible, so that a test which passes means something.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

#[path = "jobs/attacks.rs"]
mod attacks;
#[path = "jobs/consent.rs"]
mod consent;
#[path = "jobs/environments.rs"]
mod environments;
#[path = "jobs/failing.rs"]
mod failing;
#[path = "jobs/layouts.rs"]
mod layouts;
#[path = "jobs/lifecycle.rs"]
mod lifecycle;
#[path = "jobs/locked.rs"]
mod locked;
#[path = "jobs/module.rs"]
mod module;
#[path = "jobs/queue.rs"]
mod queue;
#[path = "jobs/rehearsal.rs"]
mod rehearsal;
#[path = "jobs/running.rs"]
mod running;
#[path = "jobs/shop.rs"]
mod shop;
#[path = "jobs/standing.rs"]
mod standing;
#[path = "jobs/world.rs"]
mod world;
