//! Messages about large files: proposals and events as others are, but that each names chunks where
//! others have content. They delete nothing, and hold nothing else.
//!
//! Only programs of ours write and read them, under names of their own. The structs with wire names
//! hold what is literally there; their `check` turns one entry into a value, or says which field is
//! wrong. Format: `docs/FORMAT.md`, "Chunks".

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::chunked::{ChunkedContent, Manifest};
use super::error::Problem;
use super::field::Fields;
use super::names::{ChunkedEventsName, ChunkedProposalsName};
use super::{Body, EventsFilename, Invalid, MessageFilename, Packed, json};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// The file `chunkedproposals-…` in an inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkedProposalsMessage {
    /// Identifies the message.
    pub id: Uuid,
    /// Who claims to have sent it.
    pub sender_email: String,
    /// The parts of the name that the file has on Drive.
    pub message_filename: MessageFilename,
    /// The changes, in the order in which they are to be made.
    #[serde(deserialize_with = "json::bounded")]
    pub proposed_file_changes: Vec<ChunkedChange>,
}

/// One proposed change of a large file, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkedChange {
    /// Identifies the change; the event that answers it has the same.
    pub id: String,
    /// Digest of what the change was made from; `None` if the file is not to exist yet.
    pub old_hash: Option<String>,
    /// Digest of what the file is to hold.
    pub new_hash: String,
    /// When the change was made, in seconds since the epoch.
    pub submitted_timestamp: f64,
    /// Where the file is, relative to the datasite.
    pub path_in_datasite: String,
    /// Whose datasite.
    pub datasite_email: String,
    /// What the file is to consist of.
    pub syft_chunks: ChunkedContent,
}

/// A proposed change of a large file whose every field is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkedProposal {
    /// Identifies the proposal.
    pub id: Uuid,
    /// Which file.
    pub path: DatasitePath,
    /// What the change was made from; `None` if the file is not to exist yet. Then the manifest is
    /// complete.
    pub base: Option<Digest>,
    /// What the file is to consist of.
    pub manifest: Manifest,
    /// Whose datasite.
    pub datasite: Email,
    /// When the change was made.
    pub submitted: Timestamp,
}

/// The file `chunkedevents-…` in an outbox or in the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkedEventsMessage {
    /// The events, oldest first.
    #[serde(deserialize_with = "json::bounded")]
    pub events: Vec<ChunkedFileEvent>,
    /// The parts of the name that the file has on Drive.
    pub message_filepath: EventsFilename,
}

/// One event of a large file, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChunkedFileEvent {
    /// Identifies the event; that of the proposal that it answers, if it does.
    pub id: String,
    /// Where the file is, relative to the datasite.
    pub path_in_datasite: String,
    /// Whose datasite.
    pub datasite_email: String,
    /// Digest of what was there before; `None` if there was nothing, or the event re-sends.
    pub old_hash: Option<String>,
    /// Digest of what the file holds now.
    pub new_hash: String,
    /// When the change was proposed, in seconds since the epoch.
    pub submitted_timestamp: f64,
    /// When the owner made or accepted it, in seconds since the epoch.
    pub timestamp: f64,
    /// What the file consists of now.
    pub syft_chunks: ChunkedContent,
}

/// An event of a large file whose every field is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChunkedEvent {
    /// Identifies the event.
    pub id: Uuid,
    /// Which file.
    pub path: DatasitePath,
    /// Whose datasite, as the event says. The folder that it came in must say the same.
    pub datasite: Email,
    /// What was there before; `None` if there was nothing, or the event re-sends.
    pub base: Option<Digest>,
    /// What the file consists of now. Complete: nothing of it is in the base.
    pub manifest: Manifest,
    /// When the change was proposed.
    pub submitted: Timestamp,
    /// When the owner made or accepted it.
    pub timestamp: Timestamp,
}

impl Packed for ChunkedProposalsMessage {
    const WHAT: &'static str = "a message of proposed changes of large files";

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        Vec::new()
    }
}

impl Packed for ChunkedEventsMessage {
    const WHAT: &'static str = "a message of events of large files";

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        Vec::new()
    }
}

impl ChunkedProposalsMessage {
    /// Packs proposals into a message under the name that it will have on Drive.
    pub fn new(
        id: Uuid,
        sender: &Email,
        name: &ChunkedProposalsName,
        changes: &[ChunkedProposal],
    ) -> Self {
        Self {
            id,
            sender_email: sender.to_string(),
            message_filename: (&name.0).into(),
            proposed_file_changes: changes.iter().map(ChunkedProposal::to_wire).collect(),
        }
    }

    /// Returns who claims to have sent the message, to be compared with the folder that it lies in.
    ///
    /// # Errors
    /// [`Invalid`] if that is no address.
    pub fn claimed_sender(&self) -> Result<Email, Invalid> {
        Fields::of(&self.id.to_string(), "").email("sender_email", &self.sender_email)
    }
}

impl ChunkedEventsMessage {
    /// Packs events into a message under the name that it will have on Drive.
    pub fn new(name: &ChunkedEventsName, events: &[ChunkedEvent]) -> Self {
        Self {
            events: events.iter().map(ChunkedEvent::to_wire).collect(),
            message_filepath: (&name.0).into(),
        }
    }
}

impl ChunkedChange {
    /// Reads every field.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong.
    pub fn check(self) -> Result<ChunkedProposal, Invalid> {
        let fields = Fields::of(&self.id, &self.path_in_datasite);
        let base = fields.digest("old_hash", self.old_hash.as_deref())?;
        let manifest = manifest(&fields, &self.new_hash, self.syft_chunks, base.is_some())?;
        Ok(ChunkedProposal {
            id: fields.id()?,
            path: fields.path("path_in_datasite")?,
            base,
            manifest,
            datasite: fields.email("datasite_email", &self.datasite_email)?,
            submitted: fields.timestamp("submitted_timestamp", self.submitted_timestamp)?,
        })
    }
}

impl ChunkedFileEvent {
    /// Reads every field.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong.
    pub fn check(self) -> Result<ChunkedEvent, Invalid> {
        let fields = Fields::of(&self.id, &self.path_in_datasite);
        Ok(ChunkedEvent {
            id: fields.id()?,
            path: fields.path("path_in_datasite")?,
            datasite: fields.email("datasite_email", &self.datasite_email)?,
            base: fields.digest("old_hash", self.old_hash.as_deref())?,
            manifest: manifest(&fields, &self.new_hash, self.syft_chunks, false)?,
            submitted: fields.timestamp("submitted_timestamp", self.submitted_timestamp)?,
            timestamp: fields.timestamp("timestamp", self.timestamp)?,
        })
    }
}

fn manifest(
    fields: &Fields,
    digest: &str,
    written: ChunkedContent,
    has_base: bool,
) -> Result<Manifest, Invalid> {
    let digest = Digest::parse(digest).map_err(|problem| fields.refuse("new_hash", problem))?;
    let refuse = |problem| fields.refuse("syft_chunks", problem);
    let manifest = written.check(digest).map_err(refuse)?;
    if has_base || manifest.is_complete() {
        Ok(manifest)
    } else {
        Err(refuse(Problem::Chunks("something of it is in a base that there is not")))
    }
}

impl ChunkedProposal {
    /// Returns the change as it is written.
    pub fn to_wire(&self) -> ChunkedChange {
        ChunkedChange {
            id: self.id.to_string(),
            old_hash: self.base.map(|base| base.to_hex()),
            new_hash: self.manifest.digest.to_hex(),
            submitted_timestamp: self.submitted.seconds(),
            path_in_datasite: self.path.to_string(),
            datasite_email: self.datasite.to_string(),
            syft_chunks: self.manifest.to_wire(),
        }
    }
}

impl ChunkedEvent {
    /// Returns the event as it is written.
    pub fn to_wire(&self) -> ChunkedFileEvent {
        ChunkedFileEvent {
            id: self.id.to_string(),
            path_in_datasite: self.path.to_string(),
            datasite_email: self.datasite.to_string(),
            old_hash: self.base.map(|base| base.to_hex()),
            new_hash: self.manifest.digest.to_hex(),
            submitted_timestamp: self.submitted.seconds(),
            timestamp: self.timestamp.seconds(),
            syft_chunks: self.manifest.to_wire(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::{EventsName, ProposalName};
    use super::super::{FileChangeEventsMessage, ProposedFileChangesMessage, Run};
    use super::*;

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

    fn proposal(base: Option<Digest>, pack: Option<u32>) -> ChunkedProposal {
        ChunkedProposal {
            id: Uuid::from_u128(7),
            path: DatasitePath::parse("data/large.bin").unwrap(),
            base,
            manifest: manifest(pack),
            datasite: Email::parse("do@example.org").unwrap(),
            submitted: Timestamp::from_micros(1_780_000_000_123_456),
        }
    }

    fn event(pack: Option<u32>) -> ChunkedEvent {
        let ChunkedProposal { id, path, base, manifest, datasite, submitted } =
            proposal(Some(Digest::of(b"base")), pack);
        ChunkedEvent { id, path, datasite, base, manifest, submitted, timestamp: submitted }
    }

    #[test]
    fn messages_read_back_and_are_no_others() {
        let sender = Email::parse("ds@example.org").unwrap();
        let submitted = Timestamp::from_micros(1_780_000_000_123_456);
        let name = ChunkedProposalsName(ProposalName::with_id(submitted, Uuid::from_u128(1)));
        let proposals = [proposal(Some(Digest::of(b"base")), None), proposal(None, Some(0))];
        let message = ChunkedProposalsMessage::new(Uuid::from_u128(2), &sender, &name, &proposals);
        let bytes = message.to_file_bytes(0);
        let read = ChunkedProposalsMessage::from_file_bytes(&bytes).unwrap();
        assert_eq!(read, message);
        assert_eq!(read.claimed_sender(), Ok(sender));
        assert_eq!(read.message_filename.name(), Some(name.0));
        let checked: Vec<_> =
            read.proposed_file_changes.into_iter().map(|change| change.check().unwrap()).collect();
        assert_eq!(checked, proposals);

        let name = ChunkedEventsName(EventsName { timestamp: submitted, id: Uuid::from_u128(3) });
        let message = ChunkedEventsMessage::new(&name, &[event(Some(0))]);
        let bytes = message.to_file_bytes(0);
        let read = ChunkedEventsMessage::from_file_bytes(&bytes).unwrap();
        assert_eq!(read.message_filepath.name(), Some(name.0));
        assert_eq!(read.events[0].clone().check(), Ok(event(Some(0))));
        // Under another name nobody writes a file without content because of one.
        let as_other = FileChangeEventsMessage::from_file_bytes(&bytes).unwrap();
        assert!(as_other.events.into_iter().all(|event| event.check().is_err()));
        let bytes = ChunkedProposalsMessage::new(
            Uuid::from_u128(2),
            &Email::parse("ds@example.org").unwrap(),
            &ChunkedProposalsName(ProposalName::with_id(submitted, Uuid::from_u128(1))),
            &proposals,
        )
        .to_file_bytes(0);
        let as_other = ProposedFileChangesMessage::from_file_bytes(&bytes).unwrap();
        assert!(as_other.proposed_file_changes.into_iter().all(|change| change.check().is_err()));
    }

    #[test]
    fn an_event_is_complete_and_so_is_a_proposal_without_a_base() {
        let refused = |result: Result<(), Invalid>| result.map_err(|invalid| invalid.field);
        let event = |pack| refused(event(pack).to_wire().check().map(drop));
        let proposed = |base, pack| refused(proposal(base, pack).to_wire().check().map(drop));
        let base = Some(Digest::of(b"base"));
        assert_eq!((event(Some(0)), event(None)), (Ok(()), Err("syft_chunks")));
        assert_eq!((proposed(base, None), proposed(base, Some(0))), (Ok(()), Ok(())));
        assert_eq!((proposed(None, Some(0)), proposed(None, None)), (Ok(()), Err("syft_chunks")));
    }

    #[test]
    fn each_field_that_is_wrong_is_named() {
        type Change = fn(&mut ChunkedFileEvent);
        #[rustfmt::skip]
        let cases: &[(&str, Change)] = &[
            ("id",                  |event| event.id = "7".to_owned()),
            ("path_in_datasite",    |event| event.path_in_datasite = "../x".to_owned()),
            ("datasite_email",      |event| event.datasite_email = "nobody".to_owned()),
            ("old_hash",            |event| event.old_hash = Some(String::new())),
            ("new_hash",            |event| event.new_hash = "?".to_owned()),
            ("syft_chunks",         |event| event.syft_chunks.size = 0),
            ("submitted_timestamp", |event| event.submitted_timestamp = f64::NAN),
            ("timestamp",           |event| event.timestamp = -1.0),
        ];
        for (field, change) in cases {
            let mut written = event(Some(0)).to_wire();
            change(&mut written);
            assert_eq!(written.check().map_err(|invalid| invalid.field), Err(*field));
        }
    }
}
