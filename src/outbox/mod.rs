//! Changes on their way from an owner to its peers: what the owner finds on its own disk, what it
//! owes each peer, and what a scientist does with what arrives. Pure.

mod compact;
mod local;
mod owed;
mod receive;

pub use compact::to_compact;
pub use local::{LocalChange, SuddenlyEmpty, local_changes};
pub use owed::{Owed, owed};
pub use receive::{Known, Local, Received, Step, receive};
