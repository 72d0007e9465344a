//! Two and three parties in one process, over a drive in memory: what a sync does, what it costs,
//! and that nothing is lost whatever fails.

mod cost;
mod crash;
mod hostile;
mod story;
mod world;
