//! The wire: every name and every message that accounts exchange over a drive, byte for byte as
//! the Python clients 0.1.117 and 0.10.0 write them.
//!
//! Pure: no I/O, no clock, no randomness; times and ids are arguments. There are two levels. The
//! structs with the names of the wire hold what is literally there, as text and numbers, and can
//! be written back. Their `check` turns one entry into values that are valid once they exist
//! ([`Proposal`], [`Event`], [`FullState`]), or names the field that is wrong, so that one bad
//! entry of a peer can be set aside while everything else goes on.
//!
//! Invariant: what a Python client wrote, read and written again, keeps its bytes. Nothing that a
//! peer can send panics, or takes more memory than [`limits`] allows.
//!
//! The contract with other clients, with the reasons, is `docs/FORMAT.md`.

pub mod archive;
mod checkpoint;
mod chunked;
mod chunked_messages;
mod content;
mod coverage;
mod dialect;
mod error;
mod event;
mod field;
mod file;
mod json;
mod keys;
mod large;
pub mod limits;
pub mod names;
pub mod outline;
mod peers;
mod proposal;
mod recent;
mod recipe;
mod version;
mod version_file;

pub use checkpoint::{Checkpoint, CheckpointFile, FullState};
pub use chunked::{ChunkedContent, Manifest, Run};
pub use chunked_messages::{Brought, ChangeMut, Chunked, ChunkedChange, Message};
pub use content::Content;
pub use coverage::LogCoverage;
pub use dialect::{Dialect, JobLayout};
use error::shown;
pub use error::{Error, Invalid, Problem};
pub use event::{Event, EventsFilename, FileChangeEvent, FileChangeEventsMessage};
pub use file::Packed;
pub use keys::{BundleFile, CryptoKeys, KeyRecords, PeerRecord, RetiredBundle};
pub use large::{Body, Encoding, Large};
pub use outline::{Bounds, Shelf};
pub use peers::{PeerState, PeersFile};
pub use proposal::{MessageFilename, Proposal, ProposedFileChange, ProposedFileChangesMessage};
pub use recent::{IncrementalCheckpoint, RollingState};
pub use recipe::{Larder, Part, Proven, Recipe};
pub use version::{Compatibility, Version, compare};
pub use version_file::{Capability, Implementation, VersionInfo};
