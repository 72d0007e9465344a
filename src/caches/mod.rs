//! What an account keeps on its own disk: the datasite trees, and the state database beside them.
//!
//! The database (`state.db` in `SyftBox_{email}-events/` for an owner, `-event-messages/` for a
//! scientist) commits in one transaction what was agreed *and* what is still to be sent and
//! written; what is done is marked afterwards. So a crash at any line loses nothing, and repeats
//! only what may be repeated. Nothing in here decides; the tables are plain functions over a
//! connection of [`Store`].

pub mod admitted;
pub mod agreed;
pub mod announcing;
pub mod carrying;
pub mod catalogue;
mod contents;
mod counting;
pub mod delivered;
mod error;
mod folders;
mod glance;
pub mod held;
pub mod identifiers;
pub mod intents;
pub mod journal;
mod listing;
mod lock;
mod looking;
mod marker;
pub mod meta;
mod missing;
pub mod notices;
pub mod outlines;
pub mod packs;
pub mod proposed;
mod reading;
pub mod references;
mod remembered;
mod scan;
mod shrinking;
pub mod sizes;
mod staged;
mod stats;
mod store;
pub mod submitted;
mod tree;
mod unchanged;
pub mod unstated;
mod upgrading;
mod views;
mod walk;

pub use contents::{Contents, LARGE_BYTES_MIN, Spool};
pub(crate) use contents::{expect_room, is_full, no_room, room};
pub use counting::count as changes;
pub use error::{Error, Result};
pub use folders::Folders;
pub use glance::glance;
pub use listing::{Listing, list};
pub use lock::{FileLock, LOCK_FILE, SyncLock};
pub(crate) use looking::digest_of_file;
pub use marker::{MARKER_FILE, read_marker, write_marker};
pub use scan::{Kind as UnreadableKind, Scan, Unreadable, scan, scan_beyond};
pub use staged::{Placed, Staged};
pub use store::{Commit, Store};
pub use tree::{DatasiteTree, write_new_private_file, write_private_file};
pub use unchanged::{Same, unchanged};
pub use views::{DatasiteOwnerEventCache, DatasiteWatcherCache};
