//! Messages of which large content travels as chunks.
//!
//! Such a message is any message of proposals or events, but that some of its changes have no content:
//! what that consists of is said beside it. Once it is put together, the message is one as all others.
//! Only programs of ours write and read them, under names of their own. Format: `docs/FORMAT.md`,
//! "Chunks".

use serde::{Deserialize, Serialize};

use super::chunked::{ChunkedContent, Manifest};
use super::content::Content;
use super::error::Problem;
use super::field::{Fields, path};
use super::large::{Body, Large};
use super::{
    FileChangeEvent, FileChangeEventsMessage, Invalid, Packed, ProposedFileChange,
    ProposedFileChangesMessage, json,
};
use crate::model::{DatasitePath, Digest};

/// A message whose large content may travel as chunks.
pub trait Message: Packed {
    /// True if its changes may be told as differences from their bases.
    const HAS_BASES: bool;

    /// Returns its changes, in order.
    fn changes(&mut self) -> Vec<ChangeMut<'_>>;
}

/// One change of a message, as it is written.
#[derive(Debug)]
pub struct ChangeMut<'a> {
    /// Identifies it.
    pub id: &'a str,
    /// Which file.
    pub path: &'a str,
    /// Digest of what the change was made from.
    pub base: Option<&'a str>,
    /// Digest of what the file is to hold, or holds.
    pub new: Option<&'a str>,
    /// True if the file is to go, or is gone.
    pub is_deleted: bool,
    content: &'a mut Option<Body>,
    kind: &'a mut Option<String>,
}

/// A message, and what consists of chunks in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "M: Packed")]
pub struct Chunked<M> {
    /// The message. What travels as chunks has no content in it.
    pub message: M,
    /// What that consists of.
    #[serde(deserialize_with = "json::bounded")]
    pub syft_chunks: Vec<ChunkedChange>,
}

/// What the content of one change consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkedChange {
    /// Which of the changes, from 0.
    pub at: u32,
    /// What it consists of.
    #[serde(flatten)]
    pub content: ChunkedContent,
}

/// A change whose content is to be put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Brought {
    /// Which of the changes of the message.
    pub at: usize,
    /// Which file.
    pub path: DatasitePath,
    /// What the change was made from.
    pub base: Option<Digest>,
    /// What the file consists of.
    pub manifest: Manifest,
}

impl ChangeMut<'_> {
    /// Returns what it brings, if that is too large to be held.
    pub fn large(&self) -> Option<Large> {
        match self.content.as_ref() {
            Some(Body::Large(large)) => Some(*large),
            Some(Body::Inline(_) | Body::Broken(_)) | None => None,
        }
    }

    /// Puts in what it brings; `None` leaves it out.
    pub fn set(&mut self, large: Option<Large>) {
        *self.kind = large.map(|large| Content::Large(large).kind().to_owned());
        *self.content = large.map(Body::Large);
    }
}

impl Message for FileChangeEventsMessage {
    const HAS_BASES: bool = false;

    fn changes(&mut self) -> Vec<ChangeMut<'_>> {
        self.events.iter_mut().map(FileChangeEvent::change_mut).collect()
    }
}

impl Message for ProposedFileChangesMessage {
    const HAS_BASES: bool = true;

    fn changes(&mut self) -> Vec<ChangeMut<'_>> {
        self.proposed_file_changes.iter_mut().map(ProposedFileChange::change_mut).collect()
    }
}

impl FileChangeEvent {
    fn change_mut(&mut self) -> ChangeMut<'_> {
        ChangeMut {
            id: &self.id,
            path: &self.path_in_datasite,
            base: self.old_hash.as_deref(),
            new: self.new_hash.as_deref(),
            is_deleted: self.is_deleted,
            content: &mut self.content,
            kind: &mut self.content_type,
        }
    }
}

impl ProposedFileChange {
    fn change_mut(&mut self) -> ChangeMut<'_> {
        ChangeMut {
            id: &self.id,
            path: &self.path_in_datasite,
            base: self.old_hash.as_deref(),
            new: self.new_hash.as_deref(),
            is_deleted: self.is_deleted,
            content: &mut self.content,
            kind: &mut self.content_type,
        }
    }
}

impl<M: Message> Packed for Chunked<M> {
    const WHAT: &'static str = "a message with chunks";
    /// Lists of numbers take more memory than text, so there are fewer of them.
    const STREAMED_BYTES_MAX: u64 = 128 * 1024 * 1024;

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        self.message.bodies()
    }
}

impl<M: Message> From<M> for Chunked<M> {
    /// A message of which nothing travels as chunks.
    fn from(message: M) -> Self {
        Self { message, syft_chunks: Vec::new() }
    }
}

impl<M: Message> Chunked<M> {
    /// Reads what is said of chunks.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong.
    pub fn brought(&mut self) -> Result<Vec<Brought>, Invalid> {
        let mut changes = self.message.changes();
        let (mut brought, mut next) = (Vec::new(), 0);
        for ChunkedChange { at, content } in &self.syft_chunks {
            let at = *at as usize;
            let nowhere = || Fields::of("", "").refuse(FIELD, Problem::Chunks("they are nobody's"));
            // In order, so none is named twice.
            let change = changes.get_mut(at).filter(|_| at >= next).ok_or_else(nowhere)?;
            brought.push(one::<M>(at, change, content.clone())?);
            next = at + 1;
        }
        Ok(brought)
    }
}

impl<M: Message> Chunked<M> {
    /// Returns the message with its large content named and not put together, as far as that is said
    /// rightly: for who only asks what it is.
    pub fn named_only(mut self) -> M {
        for Brought { at, manifest, .. } in self.brought().unwrap_or_default() {
            let (digest, size_bytes) = (manifest.digest, manifest.size_bytes);
            if let Some(change) = self.message.changes().get_mut(at) {
                change.set(Some(Large { digest, size_bytes, is_text: false }));
            }
        }
        self.message
    }
}

const FIELD: &str = "syft_chunks";

fn one<M: Message>(
    at: usize,
    change: &ChangeMut<'_>,
    content: ChunkedContent,
) -> Result<Brought, Invalid> {
    let fields = Fields::of(change.id, change.path);
    if change.is_deleted || change.content.is_some() {
        return Err(fields.refuse(FIELD, Problem::Contradicts));
    }
    let new = fields.digest("new_hash", change.new)?;
    let new = new.ok_or_else(|| fields.refuse("new_hash", Problem::Missing))?;
    let base = fields.digest("old_hash", change.base)?;
    let manifest = content.check(new).map_err(|problem| fields.refuse(FIELD, problem))?;
    let has_base = M::HAS_BASES && base.is_some();
    if !(manifest.is_complete() || has_base) {
        let problem = Problem::Chunks("something of it is in a base that there is not");
        return Err(fields.refuse(FIELD, problem));
    }
    let path = path(change.path).map_err(|problem| fields.refuse("path_in_datasite", problem))?;
    Ok(Brought { at, path, base, manifest })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::names::{EventsName, ProposalName};
    use super::super::{Event, Proposal, Run};
    use super::*;
    use crate::model::{Email, Timestamp};

    fn manifest(pack: Option<u32>) -> Manifest {
        Manifest {
            digest: Digest::of(b"whole"),
            size_bytes: 5_000_000,
            sections: vec![Digest::of(b"list")],
            packs: vec!["pack".to_owned()],
            lists: vec![Run { count: 1, pack: Some(0) }],
            chunks: vec![Run { count: 99, pack }, Run { count: 1, pack: Some(0) }],
        }
    }

    const LARGE: fn() -> Large =
        || Large { digest: Digest::of(b"whole"), size_bytes: 5_000_000, is_text: false };

    /// A small change, and a large one.
    fn proposals(base: Option<Digest>) -> ProposedFileChangesMessage {
        let at = Timestamp::from_micros(1_780_000_000_123_456);
        let email = Email::parse("do@example.org").unwrap();
        let proposal = |path: &str, content| Proposal {
            id: Uuid::from_u128(7),
            path: DatasitePath::parse(path).unwrap(),
            base,
            content: Some(content),
            claimed: None,
            datasite: email.clone(),
            submitted: at,
        };
        let name = ProposalName::with_id(at, Uuid::from_u128(1));
        let small = proposal("small", Content::Text("x".to_owned()));
        let large = proposal("data/large.bin", Content::Large(LARGE()));
        ProposedFileChangesMessage::new(Uuid::from_u128(2), &email, &name, vec![small, large])
    }

    fn events(base: Option<Digest>) -> FileChangeEventsMessage {
        let at = Timestamp::from_micros(1_780_000_000_123_456);
        let event = |path: &str, content| Event {
            id: Uuid::from_u128(7),
            path: DatasitePath::parse(path).unwrap(),
            datasite: Email::parse("do@example.org").unwrap(),
            base,
            content,
            submitted: at,
            timestamp: at,
        };
        let name = EventsName { timestamp: at, id: Uuid::from_u128(3) };
        let large = event("data/large.bin", Some(Content::Large(LARGE())));
        FileChangeEventsMessage::new(&name, vec![event("gone", None), large])
    }

    fn chunked<M: Message>(mut message: M, pack: Option<u32>) -> Chunked<M> {
        let mut changes = message.changes();
        assert_eq!(changes[1].large(), Some(LARGE()));
        assert_eq!(changes[0].large(), None);
        changes[1].set(None);
        let content = manifest(pack).to_wire();
        Chunked { message, syft_chunks: vec![ChunkedChange { at: 1, content }] }
    }

    fn round_trip<M: Message + PartialEq + Clone + std::fmt::Debug>(message: M) {
        let chunked = chunked(message.clone(), Some(0));
        let mut read = Chunked::<M>::from_file_bytes(&chunked.to_file_bytes(0)).unwrap();
        let brought = read.brought().unwrap();
        let path = DatasitePath::parse("data/large.bin").unwrap();
        let base = Some(Digest::of(b"base"));
        assert_eq!(brought, [Brought { at: 1, path, base, manifest: manifest(Some(0)) }]);
        read.message.changes()[1].set(Some(LARGE()));
        assert_eq!(read.message, message, "whole, it is the message that it was");
        // Without what it consists of, nobody writes a file without content because of it.
        assert!(M::from_file_bytes(&chunked.to_file_bytes(0)).is_err());
    }

    #[test]
    fn messages_read_back_and_are_no_others() {
        round_trip(proposals(Some(Digest::of(b"base"))));
        round_trip(events(Some(Digest::of(b"base"))));
        let mut nothing = Chunked::from(events(None));
        assert_eq!(nothing.brought(), Ok(Vec::new()));
    }

    #[test]
    fn an_event_is_complete_and_so_is_a_proposal_without_a_base() {
        let base = Some(Digest::of(b"base"));
        let proposed = |base, pack| chunked(proposals(base), pack).brought().is_ok();
        let told = |base, pack| chunked(events(base), pack).brought().is_ok();
        assert_eq!((told(base, Some(0)), told(base, None)), (true, false));
        assert_eq!((proposed(base, Some(0)), proposed(base, None)), (true, true));
        assert_eq!((proposed(None, Some(0)), proposed(None, None)), (true, false));
    }

    #[test]
    fn what_cannot_be_so_is_refused() {
        type Change = fn(&mut Chunked<FileChangeEventsMessage>);
        #[rustfmt::skip]
        let cases: &[(&str, &str, Change)] = &[
            ("of no change",        "syft_chunks",      |m| m.syft_chunks[0].at = 2),
            ("of one that deletes", "syft_chunks",      |m| m.syft_chunks[0].at = 0),
            ("twice",               "syft_chunks",      |m| m.syft_chunks.push(m.syft_chunks[0].clone())),
            ("and content",         "syft_chunks",      |m| m.message.events[1].content = Some(Body::Inline(String::new()))),
            ("no digest",           "new_hash",         |m| m.message.events[1].new_hash = None),
            ("half a digest",       "new_hash",         |m| m.message.events[1].new_hash = Some("ab".to_owned())),
            ("another base",        "old_hash",         |m| m.message.events[1].old_hash = Some(String::new())),
            ("an evil path",        "path_in_datasite", |m| m.message.events[1].path_in_datasite = "../x".to_owned()),
            ("no size",             "syft_chunks",      |m| m.syft_chunks[0].content.size = 0),
        ];
        for (what, field, change) in cases {
            let mut message = chunked(events(None), Some(0));
            change(&mut message);
            assert_eq!(message.brought().map_err(|invalid| invalid.field), Err(*field), "{what}");
        }
    }
}
