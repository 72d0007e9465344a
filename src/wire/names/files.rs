//! Names of files: `{prefix}_{time}_{id}.tar.gz`, and of encryption bundles.
//!
//! A Python reader parses a name, formats it again and looks for the result; a name that does not
//! come out the same is passed over in an outbox and stops all of the owner's syncing in an inbox.
//! So the strict parsers take canonical names alone, and [`Reading`] says which others Python
//! would trip over.

use std::fmt;

use uuid::Uuid;

use super::EXTENSION;
use super::chunked::{ChunkedEventsName, ChunkedProposalsName, PackName};
use crate::model::{Email, Timestamp};

const PROPOSAL: &str = "msgv2";
const EVENTS: &str = "syfteventsmessagev3";

/// What a name is to Python 0.1.117, which looks at neither the prefix nor the form of the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The very name that a writer gives; the only form that is safe to act on.
    Canonical(T),
    /// Python reads it as this, then looks for the canonical name and does not find it. To be
    /// moved out of an inbox, where it stops a Python owner.
    NotCanonical(T),
    /// No such name at all, or one whose time is no moment: negative, infinite.
    Foreign,
}

/// A message in an inbox: `msgv2_{ts}_{uid}.tar.gz`.
///
/// Invariant: `uid` is 1 to 64 ASCII letters, digits or hyphens. Ordered by time, then `uid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProposalName {
    submitted: Timestamp,
    uid: String,
}

/// A message in an outbox or in the event log: `syfteventsmessagev3_{ts}_{uuid}.tar.gz`. Ordered
/// by time, then id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventsName {
    /// When the message was made; what readers keep as their cursor.
    pub timestamp: Timestamp,
    /// Identifies the message.
    pub id: Uuid,
}

/// A full checkpoint: `checkpoint_{ts}.tar.gz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckpointName {
    /// When it was made.
    pub timestamp: Timestamp,
}

/// An increment to a checkpoint: `incremental_checkpoint_{seq}_{ts}.tar.gz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IncrementalName {
    /// Its place among the increments, from 1.
    pub sequence: u64,
    /// When it was made.
    pub timestamp: Timestamp,
}

/// The rolling state: `rolling_state_{ts}.tar.gz`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RollingStateName {
    /// When the file was first uploaded. Python replaces its content and keeps its name, so this
    /// says nothing about the content.
    pub timestamp: Timestamp,
}

/// Says, beside the checkpoints, that the event log was shortened: `log_pruned_{ts}`. Ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PrunedName {
    /// When the newest message was made that is gone, by the clock of the service.
    pub through: Timestamp,
}

/// The keys of `owner`, for `peer`: `encryption_bundle_{owner}_for_{peer}.json`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BundleName {
    /// Whose keys.
    pub owner: Email,
    /// For whom.
    pub peer: Email,
}

/// Any file that clients write below `SyftBox`, but for the raw files of datasets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileName {
    /// `SYFT_peers.json`
    Peers,
    /// `SYFT_version.json`
    Version,
    /// `msgv2_…`
    Proposal(ProposalName),
    /// `syfteventsmessagev3_…`
    Events(EventsName),
    /// `checkpoint_…`
    Checkpoint(CheckpointName),
    /// `incremental_checkpoint_…`
    Incremental(IncrementalName),
    /// `rolling_state_…`
    RollingState(RollingStateName),
    /// `log_pruned_…`
    Pruned(PrunedName),
    /// `chunkedproposals-…`
    ChunkedProposals(ChunkedProposalsName),
    /// `chunkedevents-…`
    ChunkedEvents(ChunkedEventsName),
    /// `chunks-…`
    Pack(PackName),
    /// `encryption_bundle_…`
    Bundle(BundleName),
}

impl FileName {
    /// Reads any canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            super::PEERS_FILE => return Some(Self::Peers),
            super::VERSION_FILE => return Some(Self::Version),
            _ => {}
        }
        ProposalName::parse(name)
            .map(Self::Proposal)
            .or_else(|| EventsName::parse(name).map(Self::Events))
            .or_else(|| CheckpointName::parse(name).map(Self::Checkpoint))
            .or_else(|| IncrementalName::parse(name).map(Self::Incremental))
            .or_else(|| RollingStateName::parse(name).map(Self::RollingState))
            .or_else(|| PrunedName::parse(name).map(Self::Pruned))
            .or_else(|| ChunkedProposalsName::parse(name).map(Self::ChunkedProposals))
            .or_else(|| ChunkedEventsName::parse(name).map(Self::ChunkedEvents))
            .or_else(|| PackName::parse(name).map(Self::Pack))
            .or_else(|| BundleName::parse(name).map(Self::Bundle))
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peers => f.write_str(super::PEERS_FILE),
            Self::Version => f.write_str(super::VERSION_FILE),
            Self::Proposal(name) => name.fmt(f),
            Self::Events(name) => name.fmt(f),
            Self::Checkpoint(name) => name.fmt(f),
            Self::Incremental(name) => name.fmt(f),
            Self::RollingState(name) => name.fmt(f),
            Self::Pruned(name) => name.fmt(f),
            Self::ChunkedProposals(name) => name.fmt(f),
            Self::ChunkedEvents(name) => name.fmt(f),
            Self::Pack(name) => name.fmt(f),
            Self::Bundle(name) => name.fmt(f),
        }
    }
}

impl ProposalName {
    /// Makes a name; `None` if `uid` is not what the invariant says.
    pub fn new(submitted: Timestamp, uid: &str) -> Option<Self> {
        let harmless = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        ((1..=64).contains(&uid.len()) && uid.bytes().all(harmless))
            .then(|| Self { submitted, uid: uid.to_owned() })
    }

    /// Makes the name of a new message.
    pub fn with_id(submitted: Timestamp, id: Uuid) -> Self {
        Self { submitted, uid: id.to_string() }
    }

    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        match Self::read(name) {
            Reading::Canonical(name) => Some(name),
            Reading::NotCanonical(_) | Reading::Foreign => None,
        }
    }

    /// Says what Python takes the name for: anything of three parts whose second is a number.
    pub fn read(name: &str) -> Reading<Self> {
        let parts: Vec<_> = name.split('_').collect();
        let [_, time, rest] = parts[..] else { return Reading::Foreign };
        let uid = rest.replace(EXTENSION, "");
        let Some(read) = lenient(time).map(|time| Self { submitted: time, uid }) else {
            return Reading::Foreign;
        };
        // Python takes any `uid`; ours must also be harmless in a report or a file name.
        if Self::new(read.submitted, &read.uid).is_some() && read.to_string() == name {
            Reading::Canonical(read)
        } else {
            Reading::NotCanonical(read)
        }
    }

    /// Returns when the message was made.
    pub const fn submitted(&self) -> Timestamp {
        self.submitted
    }

    /// Returns what tells apart messages of one moment.
    pub fn uid(&self) -> &str {
        &self.uid
    }
}

impl EventsName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        match Self::read(name) {
            Reading::Canonical(name) => Some(name),
            Reading::NotCanonical(_) | Reading::Foreign => None,
        }
    }

    /// Says what Python takes the name for: anything of three parts with a number and a UUID.
    pub fn read(name: &str) -> Reading<Self> {
        let mut parts = name.splitn(3, '_').skip(1);
        let read = (|| {
            let timestamp = lenient(parts.next()?)?;
            let rest = parts.next()?;
            let id = Uuid::parse_str(rest.strip_suffix(EXTENSION).unwrap_or(rest)).ok()?;
            Some(Self { timestamp, id })
        })();
        match read {
            Some(read) if read.to_string() == name => Reading::Canonical(read),
            Some(read) => Reading::NotCanonical(read),
            None => Reading::Foreign,
        }
    }
}

impl CheckpointName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        let time = name.strip_prefix("checkpoint_")?.strip_suffix(EXTENSION)?;
        Some(Self { timestamp: Timestamp::parse_canonical(time).ok()? })
    }
}

impl IncrementalName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("incremental_checkpoint_")?.strip_suffix(EXTENSION)?;
        let (sequence, time) = rest.split_once('_')?;
        let digits = sequence.bytes().all(|byte| byte.is_ascii_digit());
        if !digits || sequence.starts_with('0') {
            return None;
        }
        let timestamp = Timestamp::parse_canonical(time).ok()?;
        Some(Self { sequence: sequence.parse().ok()?, timestamp })
    }
}

impl RollingStateName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        let time = name.strip_prefix("rolling_state_")?.strip_suffix(EXTENSION)?;
        Some(Self { timestamp: Timestamp::parse_canonical(time).ok()? })
    }
}

impl PrunedName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        let time = name.strip_prefix("log_pruned_")?;
        Some(Self { through: Timestamp::parse_canonical(time).ok()? })
    }
}

impl BundleName {
    /// Reads a name. Where `_for_` occurs more than once, the owner's domain ends at the first that
    /// leaves an address on both sides: domains have no `_`.
    pub fn parse(name: &str) -> Option<Self> {
        let pair = name.strip_prefix("encryption_bundle_")?.strip_suffix(".json")?;
        let (owner, peer) = two_emails(pair, "_for_")?;
        Some(Self { owner, peer })
    }
}

/// Splits at the first `between` that leaves an address on both sides.
pub(super) fn two_emails(text: &str, between: &str) -> Option<(Email, Email)> {
    text.char_indices().find_map(|(index, _)| {
        let right = text[index..].strip_prefix(between)?;
        Some((Email::parse(&text[..index]).ok()?, Email::parse(right).ok()?))
    })
}

/// A number in any form that both Python's `float` and ours take.
fn lenient(text: &str) -> Option<Timestamp> {
    Timestamp::from_seconds(text.parse().ok()?).ok()
}

impl fmt::Display for ProposalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PROPOSAL}_{}_{}{EXTENSION}", self.submitted, self.uid)
    }
}

impl fmt::Display for EventsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EVENTS}_{}_{}{EXTENSION}", self.timestamp, self.id)
    }
}

impl fmt::Display for CheckpointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "checkpoint_{}{EXTENSION}", self.timestamp)
    }
}

impl fmt::Display for IncrementalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "incremental_checkpoint_{}_{}{EXTENSION}", self.sequence, self.timestamp)
    }
}

impl fmt::Display for RollingStateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rolling_state_{}{EXTENSION}", self.timestamp)
    }
}

impl fmt::Display for PrunedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log_pruned_{}", self.through)
    }
}

impl fmt::Display for BundleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "encryption_bundle_{}_for_{}.json", self.owner, self.peer)
    }
}
