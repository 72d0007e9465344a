//! The words of the product: values that are valid once they exist.
//!
//! Everything that comes from outside (a peer's message, Drive's answer, a file name) is parsed
//! into one of these at the edge, so that no code further in has to ask again. Pure: no I/O, no
//! clock, no randomness.

mod code;
mod digest;
mod email;
mod path;
mod role;
pub(crate) mod shown;
pub mod snapshot;
mod syncable;
mod timestamp;

pub use code::Code;
pub use digest::{Digest, InvalidDigest};
pub use email::{Email, InvalidEmail};
pub use path::{DatasitePath, InvalidPath};
pub use role::Role;
pub use snapshot::{Difference, Snapshot};
pub use syncable::{
    KEPT_ASIDE_MARK, RULE_FILE, TEMPORARY_PREFIX, is_ignored_name, is_rule_file, is_syncable,
};
pub use timestamp::{InvalidTimestamp, Timestamp};
