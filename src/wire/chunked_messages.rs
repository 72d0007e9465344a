//! Messages of which large content travels as chunks.
//!
//! Such a message is any message of proposals or events, but that some of its changes have no content:
//! what that consists of is said beside it. Once it is put together, the message is one as all others.
//! Only programs of ours write and read them, under names of their own. Format: `docs/FORMAT.md`,
//! "Chunks".

use std::fmt;

use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::chunked::{ChunkedContent, Manifest, Run};
use super::content::Content;
use super::error::Problem;
use super::field::{Fields, path};
use super::large::{Body, Large};
use super::limits::{CHANGES_MAX, STREAMED_BYTES_MAX};
use super::{
    FileChangeEvent, FileChangeEventsMessage, Invalid, Packed, ProposedFileChange,
    ProposedFileChangesMessage, archive, json,
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
    #[serde(deserialize_with = "changes")]
    pub syft_chunks: Vec<ChunkedChange>,
}

/// What the content of one change consists of. Written as one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenChange")]
pub struct ChunkedChange {
    /// Which of the changes, from 0.
    pub at: u32,
    /// What it consists of.
    #[serde(flatten)]
    pub content: ChunkedContent,
}

/// [`ChunkedChange`] as it is read. To be read with `flatten`, all that anybody wrote would be held as a tree
/// first, what nobody knows as well.
#[derive(Deserialize)]
struct WrittenChange {
    at: u32,
    format: u64,
    size: u64,
    #[serde(deserialize_with = "json::bounded")]
    sections: Vec<String>,
    #[serde(deserialize_with = "json::bounded")]
    packs: Vec<String>,
    #[serde(deserialize_with = "json::bounded")]
    lists: Vec<Run>,
    #[serde(deserialize_with = "json::bounded")]
    chunks: Vec<Run>,
}

impl From<WrittenChange> for ChunkedChange {
    fn from(written: WrittenChange) -> Self {
        let WrittenChange { at, format, size, sections, packs, lists, chunks } = written;
        Self { at, content: ChunkedContent { format, size, sections, packs, lists, chunks } }
    }
}

/// Most names and places that a message has in all that it says of chunks. A file of the largest size has some
/// thousand; each may take ten times the memory that it takes in JSON.
const PARTS_MAX: usize = 1_000_000;

/// Reads changes until they have [`PARTS_MAX`] parts.
fn changes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ChunkedChange>, D::Error> {
    struct Bounded;

    impl<'de> Visitor<'de> for Bounded {
        type Value = Vec<ChunkedChange>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of files with at most {PARTS_MAX} parts")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
            let (mut changes, mut parts) = (Vec::new(), 0);
            while let Some(change) = sequence.next_element::<ChunkedChange>()? {
                parts += change.content.parts();
                if parts > PARTS_MAX || changes.len() == CHANGES_MAX {
                    return Err(A::Error::invalid_length(parts, &self));
                }
                changes.push(change);
            }
            Ok(changes)
        }
    }

    deserializer.deserialize_seq(Bounded)
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
        let all_bytes = self.syft_chunks.iter().map(|chunked| chunked.content.size);
        // One chunk may be named any number of times: else a few kilobytes would fill every disk.
        if all_bytes.fold(0, u64::saturating_add) > STREAMED_BYTES_MAX {
            return Err(Fields::of("", "").refuse(FIELD, Problem::Chunks("they are too much")));
        }
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
    /// Returns the file, if who reads it would take it: there is content that has more or shorter chunks than
    /// any that was not made for that.
    pub fn file_if_taken(&mut self, mtime: u32) -> Option<Vec<u8>> {
        let parts: usize = self.syft_chunks.iter().map(|chunked| chunked.content.parts()).sum();
        let is_bounded = |chunked: &ChunkedChange| chunked.content.is_bounded();
        if parts > PARTS_MAX || !self.syft_chunks.iter().all(is_bounded) || self.brought().is_err()
        {
            return None;
        }
        let json = self.to_json();
        (json.len() as u64 <= Self::STREAMED_BYTES_MAX).then(|| archive::pack(&json, mtime))
    }

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
#[path = "chunked_messages_tests.rs"]
mod tests;
