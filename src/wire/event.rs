//! Events: changes that a data owner has accepted or made, as the event log and the outboxes carry
//! them and as we think of them.
//!
//! The structs with wire names hold what is literally there; [`FileChangeEvent::check`] turns one
//! into an [`Event`] or says which field is wrong. An event whose digest is not that of its
//! content is refused: old clients store and forward what a proposer claimed.
//! Format: `docs/FORMAT.md`, "Events".

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::content::Content;
use super::error::Problem;
use super::field::Fields;
use super::large::Body;
use super::names::EventsName;
use super::proposal::content_type;
use super::{Invalid, Packed, json};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// The file `syfteventsmessagev3_…` in an outbox or in the event log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileChangeEventsMessage {
    /// The events, oldest first.
    #[serde(deserialize_with = "json::bounded")]
    pub events: Vec<FileChangeEvent>,
    /// The name that the file has on Drive.
    pub message_filepath: EventsFilename,
}

/// The parts of the name that a message of events has on Drive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventsFilename {
    /// Identifies the message.
    pub id: Uuid,
    /// When the message was made, in seconds since the epoch: what readers keep as their cursor.
    pub timestamp: f64,
    /// Always `.tar.gz`; not a part of the name, whatever it says.
    #[serde(default = "extension")]
    pub extension: String,
}

/// One event, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "RawEvent")]
pub struct FileChangeEvent {
    /// Identifies the event; that of the proposal that it answers, if it does.
    pub id: String,
    /// Where the file is, relative to the datasite.
    pub path_in_datasite: String,
    /// Whose datasite.
    pub datasite_email: String,
    /// The content, in base64 if `content_type` is `binary`; `None` for deletions.
    pub content: Option<Body>,
    /// Digest of what was there before; `None` if there was nothing, or the event re-sends.
    pub old_hash: Option<String>,
    /// Digest of the content; `None` for deletions.
    pub new_hash: Option<String>,
    /// True if the file is gone.
    pub is_deleted: bool,
    /// When the change was proposed, in seconds since the epoch.
    pub submitted_timestamp: f64,
    /// When the owner made or accepted it, in seconds since the epoch.
    pub timestamp: f64,
    /// `text` or `binary`; `None` if there is no content.
    pub content_type: Option<String>,
}

/// An event whose every field is valid, and whose digest was that of its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Identifies the event.
    pub id: Uuid,
    /// Which file.
    pub path: DatasitePath,
    /// Whose datasite, as the event says. The folder that it came in must say the same.
    pub datasite: Email,
    /// What was there before; `None` if there was nothing, or the event re-sends.
    pub base: Option<Digest>,
    /// What the file holds now; `None` is a tombstone.
    pub content: Option<Content>,
    /// When the change was proposed.
    pub submitted: Timestamp,
    /// When the owner made or accepted it.
    pub timestamp: Timestamp,
}

impl Packed for FileChangeEventsMessage {
    const WHAT: &'static str = "a message of events";

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        bodies(&mut self.events)
    }
}

impl FileChangeEventsMessage {
    /// Packs events into a message under the name that it will have on Drive.
    pub fn new(name: &EventsName, events: Vec<Event>) -> Self {
        Self {
            events: events.into_iter().map(Event::into_wire).collect(),
            message_filepath: name.into(),
        }
    }
}

impl EventsFilename {
    /// Returns the name as a value; `None` if it is not one that a reader finds again.
    pub fn name(&self) -> Option<EventsName> {
        let timestamp = Timestamp::from_seconds(self.timestamp).ok()?;
        Some(EventsName { timestamp, id: self.id })
    }
}

impl From<&EventsName> for EventsFilename {
    fn from(name: &EventsName) -> Self {
        Self { id: name.id, timestamp: name.timestamp.seconds(), extension: extension() }
    }
}

impl FileChangeEvent {
    /// Reads every field.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong; a claimed digest that is not that of the
    /// content is [`Problem::Mismatch`] of `new_hash`.
    pub fn check(self) -> Result<Event, Invalid> {
        let fields = Fields::of(&self.id, &self.path_in_datasite);
        let claimed = fields.digest("new_hash", self.new_hash.as_deref())?;
        let event = Event {
            id: fields.id()?,
            path: fields.path("path_in_datasite")?,
            datasite: fields.email("datasite_email", &self.datasite_email)?,
            base: fields.digest("old_hash", self.old_hash.as_deref())?,
            submitted: fields.timestamp("submitted_timestamp", self.submitted_timestamp)?,
            timestamp: fields.timestamp("timestamp", self.timestamp)?,
            content: fields.content(self.content, self.content_type.as_deref(), self.is_deleted)?,
        };
        match (claimed, event.digest()) {
            (Some(_), None) => Err(fields.refuse("new_hash", Problem::Contradicts)),
            (Some(claimed), Some(actual)) if claimed != actual => {
                Err(fields.refuse("new_hash", Problem::Mismatch))
            }
            _ => Ok(event),
        }
    }
}

impl Event {
    /// Returns the digest of what the file holds now; `None` if it is gone.
    pub fn digest(&self) -> Option<Digest> {
        self.content.as_ref().map(Content::digest)
    }

    /// Returns the event as it is written.
    pub fn into_wire(self) -> FileChangeEvent {
        FileChangeEvent {
            id: self.id.to_string(),
            path_in_datasite: self.path.to_string(),
            datasite_email: self.datasite.to_string(),
            old_hash: self.base.map(|base| base.to_hex()),
            new_hash: self.digest().map(|digest| digest.to_hex()),
            is_deleted: self.content.is_none(),
            submitted_timestamp: self.submitted.seconds(),
            timestamp: self.timestamp.seconds(),
            content_type: self.content.as_ref().map(|content| content.kind().to_owned()),
            content: self.content.map(Content::into_wire),
        }
    }
}

/// Returns the contents of events, with the type that each says it has.
pub(super) fn bodies(events: &mut [FileChangeEvent]) -> Vec<(&mut Body, Option<&str>)> {
    let bodies =
        events.iter_mut().map(|event| (event.content.as_mut(), event.content_type.as_deref()));
    bodies.filter_map(|(body, kind)| Some((body?, kind))).collect()
}

fn extension() -> String {
    super::names::EXTENSION.to_owned()
}

/// An event as it may be written: with keys missing that have a default.
#[derive(Deserialize)]
struct RawEvent {
    id: String,
    path_in_datasite: String,
    datasite_email: String,
    content: Option<String>,
    old_hash: Option<String>,
    new_hash: Option<String>,
    #[serde(default)]
    is_deleted: bool,
    submitted_timestamp: f64,
    timestamp: f64,
    content_type: Option<String>,
}

impl From<RawEvent> for FileChangeEvent {
    fn from(raw: RawEvent) -> Self {
        Self {
            id: raw.id,
            path_in_datasite: raw.path_in_datasite,
            datasite_email: raw.datasite_email,
            old_hash: raw.old_hash,
            new_hash: raw.new_hash,
            is_deleted: raw.is_deleted,
            submitted_timestamp: raw.submitted_timestamp,
            timestamp: raw.timestamp,
            content_type: content_type(raw.content.as_deref(), raw.content_type),
            content: raw.content.map(Body::Inline),
        }
    }
}
