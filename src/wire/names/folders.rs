//! Names of folders below `SyftBox`.
//!
//! Folders of one's own and those between two accounts carry the version of the client that made
//! them; clients of another major or minor version do not see them. The builders take the version
//! from the dialect that is spoken with that peer.

use std::fmt;

use super::CollectionFolder;
use super::files::two_emails;
use crate::model::Email;
use crate::wire::version::Version;

/// One's own: `{ver}#{me}`. A data owner's holds the event log.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonalFolder {
    /// Of the client that made it.
    pub version: Version,
    /// Whose.
    pub owner: Email,
}

/// Between two accounts: `syft_datasite#{ver}#{datasite}#{inbox|outbox}#{peer}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct P2pFolder {
    /// Of the client that made it.
    pub version: Version,
    /// Whose datasite it is about.
    pub datasite: Email,
    /// Which way its messages go.
    pub direction: Direction,
    /// The other party; the folder should be in this account's Drive.
    pub peer: Email,
}

/// Which way messages go, as the data owner sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Proposals, to the owner.
    Inbox,
    /// Events, from the owner.
    Outbox,
}

/// What an owner has dealt with: `syft_{sender}_to_{me}_archive`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ArchiveFolder {
    /// Who sent the messages.
    pub sender: Email,
    /// Whose folder.
    pub owner: Email,
}

/// An owner's checkpoints: `{me}-{ver}-checkpoints`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckpointsFolder {
    /// Whose.
    pub owner: Email,
    /// Of the client that made it.
    pub version: Version,
}

/// An owner's rolling state: `{me}-{ver}-rolling-state`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RollingStateFolder {
    /// Whose.
    pub owner: Email,
    /// Of the client that made it.
    pub version: Version,
}

/// One's public keys, a file for each peer: `syft_encryption_bundles#{me}`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BundlesFolder {
    /// Whose.
    pub owner: Email,
}

/// A version file for peers of another version than the account's home: `versions-{version}`.
///
/// Ours alone: an account that serves several versions shows each peer its own file. The name has
/// neither `#` nor an address in it, so that no search of a Python client meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VersionsFolder {
    /// The version that the file in it states.
    pub version: Version,
}

/// Any folder that clients make below `SyftBox`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderName {
    /// `{ver}#{me}`
    Personal(PersonalFolder),
    /// `syft_datasite#…`
    P2p(P2pFolder),
    /// `syft_…_archive`
    Archive(ArchiveFolder),
    /// `…-checkpoints`
    Checkpoints(CheckpointsFolder),
    /// `…-rolling-state`
    RollingState(RollingStateFolder),
    /// `syft_datasetcollection_…` or `syft_privatecollection_…`
    Collection(CollectionFolder),
    /// `syft_encryption_bundles#…`
    Bundles(BundlesFolder),
    /// `versions-…`
    Versions(VersionsFolder),
}

impl FolderName {
    /// Reads any canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        P2pFolder::parse(name)
            .map(Self::P2p)
            .or_else(|| BundlesFolder::parse(name).map(Self::Bundles))
            .or_else(|| PersonalFolder::parse(name).map(Self::Personal))
            .or_else(|| CheckpointsFolder::parse(name).map(Self::Checkpoints))
            .or_else(|| RollingStateFolder::parse(name).map(Self::RollingState))
            // Before collections, whose tags may be anything: no hash reads `archive`.
            .or_else(|| ArchiveFolder::parse(name).map(Self::Archive))
            .or_else(|| CollectionFolder::parse(name).map(Self::Collection))
            .or_else(|| VersionsFolder::parse(name).map(Self::Versions))
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Personal(name) => name.fmt(f),
            Self::P2p(name) => name.fmt(f),
            Self::Archive(name) => name.fmt(f),
            Self::Checkpoints(name) => name.fmt(f),
            Self::RollingState(name) => name.fmt(f),
            Self::Collection(name) => name.fmt(f),
            Self::Bundles(name) => name.fmt(f),
            Self::Versions(name) => name.fmt(f),
        }
    }
}

impl Direction {
    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inbox => "inbox",
            Self::Outbox => "outbox",
        }
    }
}

impl PersonalFolder {
    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let (version, owner) = name.split_once('#')?;
        Some(Self { version: Version::parse(version)?, owner: Email::parse(owner).ok()? })
    }
}

impl P2pFolder {
    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let parts: Vec<_> = name.split('#').collect();
        let ["syft_datasite", version, datasite, direction, peer] = parts[..] else { return None };
        Some(Self {
            version: Version::parse(version)?,
            datasite: Email::parse(datasite).ok()?,
            direction: [Direction::Inbox, Direction::Outbox]
                .into_iter()
                .find(|one| one.as_str() == direction)?,
            peer: Email::parse(peer).ok()?,
        })
    }
}

impl ArchiveFolder {
    /// Reads a name. Where `_to_` occurs more than once, the sender's domain ends at the first that
    /// leaves an address on both sides: domains have no `_`.
    pub fn parse(name: &str) -> Option<Self> {
        let pair = name.strip_prefix("syft_")?.strip_suffix("_archive")?;
        let (sender, owner) = two_emails(pair, "_to_")?;
        Some(Self { sender, owner })
    }
}

impl CheckpointsFolder {
    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let (owner, version) = email_and_version(name.strip_suffix("-checkpoints")?)?;
        Some(Self { owner, version })
    }
}

impl RollingStateFolder {
    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let (owner, version) = email_and_version(name.strip_suffix("-rolling-state")?)?;
        Some(Self { owner, version })
    }
}

impl BundlesFolder {
    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let owner = name.strip_prefix("syft_encryption_bundles#")?;
        Some(Self { owner: Email::parse(owner).ok()? })
    }
}

impl VersionsFolder {
    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(Self { version: Version::parse(name.strip_prefix("versions-")?)? })
    }
}

/// The version is what follows the last hyphen: addresses may have hyphens, versions have none.
fn email_and_version(text: &str) -> Option<(Email, Version)> {
    let (email, version) = text.rsplit_once('-')?;
    Some((Email::parse(email).ok()?, Version::parse(version)?))
}

/// Returns the version that a Python client sees in a folder's name: the first field between `#`
/// or `-` that looks like one. In an address with such a field that is not the folder's version;
/// parse the name to know better.
pub fn version_in(name: &str) -> Option<Version> {
    name.split(['#', '-']).find_map(Version::parse)
}

impl fmt::Display for PersonalFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.version, self.owner)
    }
}

impl fmt::Display for P2pFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = self.direction.as_str();
        write!(f, "syft_datasite#{}#{}#{direction}#{}", self.version, self.datasite, self.peer)
    }
}

impl fmt::Display for ArchiveFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syft_{}_to_{}_archive", self.sender, self.owner)
    }
}

impl fmt::Display for CheckpointsFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-checkpoints", self.owner, self.version)
    }
}

impl fmt::Display for RollingStateFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-rolling-state", self.owner, self.version)
    }
}

impl fmt::Display for BundlesFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "syft_encryption_bundles#{}", self.owner)
    }
}

impl fmt::Display for VersionsFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "versions-{}", self.version)
    }
}
