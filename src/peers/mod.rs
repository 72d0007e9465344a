//! Who works with whom: requests, approvals, which program a peer runs, and whose keys seal what
//! goes between them. Pure, but for `store`, and for the randomness in new keys and envelopes.
//!
//! There is no request *message*: the request is the existence of folders that name both sides,
//! made by the one who asks. Who made them is what the service says, never what their name says.

mod admission;
pub mod envelopes;
mod keyring;
mod keys;
mod secrecy;
mod speech;
mod state;
pub mod store;

pub use crate::wire::PeerState;
pub use admission::{Admission, InvalidAdmission, admitted};
pub use keyring::{Keyring, Pin, Unusable};
pub use keys::{Fingerprint, InvalidKeys, PrivateKeys, PublicKeys, RecoveryKey};
pub use secrecy::{GRACE_MICROS, Mode, Obstacle, Secrecy, Settled, compared, is_in_grace, secrecy};
pub use speech::{Signs, Speech, Turn, speech, turn};
pub use state::{Claim, Known, Peer, Spoofed, peers};
pub use store::KeyFileError;
