//! The name of every folder and file on Drive, built and parsed.
//!
//! Names are how clients find things, so each is exact: `parse(x.to_string()) == Some(x)`, and a
//! text that parses is what [`std::fmt::Display`] gives back. Python is laxer in reading; where
//! that matters (a message that an owner trips over) [`Reading`] tells the forms apart. Who owns a
//! folder is not in its name: whatever a name says about people is a claim, to be compared with
//! what Drive says. Format: `docs/FORMAT.md`, "Folders" and "Files".

mod chunked;
mod collection;
mod files;
mod folders;

pub use chunked::{ChunkedEventsName, ChunkedProposalsName, PackName, chunked, is_chunked};
pub use collection::{CollectionFolder, CollectionHash, CollectionKind, InvalidTag, Tag};
pub use files::{
    BundleName, CheckpointName, EventsName, FileName, IncrementalName, ProposalName, PrunedName,
    Reading, RollingStateName,
};
pub use folders::{
    ArchiveFolder, BundlesFolder, CheckpointsFolder, Direction, FolderName, P2pFolder,
    PersonalFolder, RollingStateFolder, VersionsFolder, version_in,
};

/// The folder in My Drive that everything else lies in.
pub const SYFTBOX: &str = "SyftBox";

/// Whom its owner works with; never shared.
pub const PEERS_FILE: &str = "SYFT_peers.json";

/// Which client its owner uses; shared with peers.
pub const VERSION_FILE: &str = "SYFT_version.json";

/// What the name of every packed file ends in.
pub const EXTENSION: &str = ".tar.gz";
