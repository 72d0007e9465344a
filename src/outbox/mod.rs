//! Changes on their way from an owner to its peers: what the owner finds on its own disk, what it
//! owes each peer, and what a scientist does with what arrives. Pure.

mod compact;
mod in_the_way;
mod local;
mod owed;
mod receive;
mod safety;

pub use compact::to_compact;
pub use in_the_way::edits_in_the_way;
pub use local::{LocalChange, local_changes};
pub use owed::{Owed, owed};
pub use receive::{Known, Local, Received, Step, receive};
pub use safety::{Alarm, Marker, Sight, alarm, enough, gone};
