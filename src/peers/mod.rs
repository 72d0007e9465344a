//! Who works with whom: requests, approvals, and which program a peer runs. Pure.
//!
//! There is no request *message*: the request is the existence of folders that name both sides,
//! made by the one who asks. Who made them is what the service says, never what their name says.

mod speech;
mod state;

pub use crate::wire::PeerState;
pub use speech::{Signs, Speech, Turn, speech, turn};
pub use state::{Claim, Known, Peer, Spoofed, peers};
