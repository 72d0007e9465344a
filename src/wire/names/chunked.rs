//! Names of files that only programs of ours read: messages about large files, and packs of chunks.
//!
//! They have no `_`: both Python clients split names there, and pass over what has not three parts,
//! in inboxes, outboxes and logs. They list downwards, and these come behind all others. Format:
//! `docs/FORMAT.md`, "Files" and "Chunks".

use std::fmt;

use uuid::Uuid;

use super::EXTENSION;
use super::files::{EventsName, ProposalName};
use crate::model::Timestamp;

const PROPOSALS: &str = "chunkedproposals-";
const EVENTS: &str = "chunkedevents-";
const PACK: &str = "chunks-";

/// A message in an inbox about large files: `chunkedproposals-{ts}-{uid}.tar.gz`. Time and `uid` are
/// those of any message of proposals. Ordered by them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkedProposalsName(pub ProposalName);

/// A message in an outbox or the event log about large files: `chunkedevents-{ts}-{uuid}.tar.gz`. Time
/// and id are those of any message of events. Ordered by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChunkedEventsName(pub EventsName);

/// A pack of chunks, beside the messages that name it: `chunks-{uuid}`. The name tells it from
/// others for people; messages name its id on the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PackName(pub Uuid);

impl ChunkedProposalsName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        let (time, uid) = parts(name, PROPOSALS)?;
        Some(Self(ProposalName::new(time, uid)?))
    }
}

impl ChunkedEventsName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        let (timestamp, id) = parts(name, EVENTS)?;
        Some(Self(EventsName { timestamp, id: canonical_id(id)? }))
    }
}

impl ProposalName {
    /// Reads the name of any message of proposals, also of one with chunks.
    pub fn of_message(name: &str) -> Option<Self> {
        Self::parse(name).or_else(|| ChunkedProposalsName::parse(name).map(|name| name.0))
    }
}

impl EventsName {
    /// Reads the name of any message of events, also of one with chunks.
    pub fn of_message(name: &str) -> Option<Self> {
        Self::parse(name).or_else(|| ChunkedEventsName::parse(name).map(|name| name.0))
    }
}

/// True if a name is that of a message with chunks.
pub fn is_chunked(name: &str) -> bool {
    ChunkedProposalsName::parse(name).is_some() || ChunkedEventsName::parse(name).is_some()
}

/// Returns the name of a message of proposals or events once large content travels as chunks.
pub fn chunked(name: &str) -> Option<String> {
    let proposals = ProposalName::parse(name).map(|name| ChunkedProposalsName(name).to_string());
    proposals.or_else(|| EventsName::parse(name).map(|name| ChunkedEventsName(name).to_string()))
}

impl PackName {
    /// Reads a canonical name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(Self(canonical_id(name.strip_prefix(PACK)?)?))
    }
}

/// Times of messages are not negative, so the first hyphen ends the time.
fn parts<'a>(name: &'a str, prefix: &str) -> Option<(Timestamp, &'a str)> {
    let rest = name.strip_prefix(prefix)?.strip_suffix(EXTENSION)?;
    let (time, id) = rest.split_once('-')?;
    Some((Timestamp::parse_canonical(time).ok()?, id))
}

fn canonical_id(text: &str) -> Option<Uuid> {
    Uuid::parse_str(text).ok().filter(|id| id.to_string() == text)
}

impl fmt::Display for ChunkedProposalsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PROPOSALS}{}-{}{EXTENSION}", self.0.submitted(), self.0.uid())
    }
}

impl fmt::Display for ChunkedEventsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EVENTS}{}-{}{EXTENSION}", self.0.timestamp, self.0.id)
    }
}

impl fmt::Display for PackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PACK}{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::FileName;
    use super::super::files::Reading;
    use super::*;

    const ID: &str = "0191d3a0-5b1e-4c6e-9d5a-9d5e6f708192";

    #[test]
    fn names_are_exact_and_nobody_else_s() {
        let names = [
            format!("chunkedproposals-1780000000.123456-{ID}.tar.gz"),
            format!("chunkedevents-1780000000.123456-{ID}.tar.gz"),
            format!("chunks-{ID}"),
        ];
        for name in &names {
            let read = FileName::parse(name).unwrap();
            assert_eq!(read.to_string(), *name);
            let is_ours = matches!(
                read,
                FileName::ChunkedProposals(_) | FileName::ChunkedEvents(_) | FileName::Pack(_)
            );
            assert!(is_ours, "{name}");
            // What Python makes of it: nothing.
            assert_eq!(ProposalName::read(name), Reading::Foreign);
            assert_eq!(EventsName::read(name), Reading::Foreign);
        }
        #[rustfmt::skip]
        let others = [
            format!("chunkedproposals-1780000000-{ID}.tar.gz"),
            format!("chunkedproposals-1780000000.0-{ID}"),
            "chunkedproposals-1780000000.0-.tar.gz".to_owned(),
            "chunkedproposals-1780000000.0-a_b.tar.gz".to_owned(),
            "chunkedevents-1780000000.0-a.tar.gz".to_owned(),
            format!("chunkedevents--1.0-{ID}.tar.gz"),
            format!("chunks-{}", ID.to_uppercase()),
            format!("chunks-{ID}.tar.gz"),
            "chunks-".to_owned(),
        ];
        for name in others {
            assert_eq!(FileName::parse(&name), None, "{name}");
        }
    }
}
