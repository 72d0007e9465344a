//! Proposals: what a data scientist asks a data owner to change, as a message carries it and as
//! we think of it.
//!
//! The structs with wire names hold what is literally there; [`ProposedFileChange::check`] turns
//! one into a [`Proposal`] or says which field is wrong. Who the sender is cannot be learnt here:
//! `sender_email` is a claim, the folder that the message lies in says the truth.
//! Format: `docs/FORMAT.md`, "Proposals".

use serde::{Deserialize, Serialize};
use sha2::Digest as _;
use uuid::Uuid;

use super::content::{Content, TEXT};
use super::field::Fields;
use super::large::Body;
use super::names::ProposalName;
use super::{Invalid, Packed, json, outline};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// The file `msgv2_…` in an inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "RawMessage")]
pub struct ProposedFileChangesMessage {
    /// Identifies the message.
    pub id: Uuid,
    /// Who claims to have sent it.
    pub sender_email: String,
    /// The name that the file has on Drive.
    pub message_filename: MessageFilename,
    /// The changes, in the order in which they are to be made.
    pub proposed_file_changes: Vec<ProposedFileChange>,
}

/// The parts of the name that a message of proposals has on Drive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageFilename {
    /// When the message was made, in seconds since the epoch.
    pub submitted_timestamp: f64,
    /// Tells apart messages of one moment; a UUID as text.
    pub uid: String,
}

/// One proposed change, as it is written.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProposedFileChange {
    /// Identifies the change; the event that answers it has the same.
    pub id: String,
    /// Digest of what the change was made from; `None` if the file is not to exist yet.
    pub old_hash: Option<String>,
    /// Claimed digest of the content; `None` for deletions.
    pub new_hash: Option<String>,
    /// When the change was made, in seconds since the epoch.
    pub submitted_timestamp: f64,
    /// Where the file is, relative to the datasite.
    pub path_in_datasite: String,
    /// The content, in base64 if `content_type` is `binary`; `None` for deletions.
    pub content: Option<Body>,
    /// Whose datasite.
    pub datasite_email: String,
    /// True if the file is to go.
    pub is_deleted: bool,
    /// `text` or `binary`; `None` if there is no content.
    pub content_type: Option<String>,
}

/// A proposal whose every field is valid. Whether it is permitted, and whether its base still
/// holds, is not decided here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Identifies the proposal.
    pub id: Uuid,
    /// Which file.
    pub path: DatasitePath,
    /// What the change was made from; `None` if the file is not to exist yet.
    pub base: Option<Digest>,
    /// What the file is to hold; `None` asks for its deletion.
    pub content: Option<Content>,
    /// The digest that the sender states. Not verified: see [`Proposal::claim_holds`].
    pub claimed: Option<Digest>,
    /// Whose datasite.
    pub datasite: Email,
    /// When the change was made.
    pub submitted: Timestamp,
}

impl Packed for ProposedFileChangesMessage {
    const WHAT: &'static str = "a message of proposed changes";
    const INDENTED: bool = true;

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        let changes = self.proposed_file_changes.iter_mut();
        changes
            .filter_map(|change| Some((change.content.as_mut()?, change.content_type.as_deref())))
            .collect()
    }
}

impl ProposedFileChangesMessage {
    /// Packs proposals into a message under the name that it will have on Drive.
    pub fn new(id: Uuid, sender: &Email, name: &ProposalName, changes: Vec<Proposal>) -> Self {
        Self {
            id,
            sender_email: sender.to_string(),
            message_filename: name.into(),
            proposed_file_changes: changes.into_iter().map(Proposal::into_wire).collect(),
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

impl MessageFilename {
    /// Returns the name as a value; `None` if it is not one that a reader finds again.
    pub fn name(&self) -> Option<ProposalName> {
        let submitted = Timestamp::from_seconds(self.submitted_timestamp).ok()?;
        ProposalName::new(submitted, &self.uid)
    }
}

impl From<&ProposalName> for MessageFilename {
    fn from(name: &ProposalName) -> Self {
        Self { submitted_timestamp: name.submitted().seconds(), uid: name.uid().to_owned() }
    }
}

impl ProposedFileChange {
    /// Reads every field.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong.
    pub fn check(self) -> Result<Proposal, Invalid> {
        let fields = Fields::of(&self.id, &self.path_in_datasite);
        let claimed = fields.digest("new_hash", self.new_hash.as_deref())?;
        Ok(Proposal {
            id: fields.id()?,
            path: fields.path("path_in_datasite")?,
            base: fields.digest("old_hash", self.old_hash.as_deref())?,
            datasite: fields.email("datasite_email", &self.datasite_email)?,
            submitted: fields.timestamp("submitted_timestamp", self.submitted_timestamp)?,
            content: fields.content(self.content, self.content_type.as_deref(), self.is_deleted)?,
            claimed,
        })
    }
}

impl Proposal {
    /// Returns the digest of what the file is to hold; `None` for a deletion.
    pub fn digest(&self) -> Option<Digest> {
        self.content.as_ref().map(Content::digest)
    }

    /// True if the sender stated no digest, or that of the content.
    pub fn claim_holds(&self) -> bool {
        self.claimed.is_none() || self.claimed == self.digest()
    }

    /// Returns the change as it is written, with the digest that the content really has.
    pub fn into_wire(self) -> ProposedFileChange {
        ProposedFileChange {
            id: self.id.to_string(),
            old_hash: self.base.map(|base| base.to_hex()),
            new_hash: self.digest().map(|digest| digest.to_hex()),
            submitted_timestamp: self.submitted.seconds(),
            path_in_datasite: self.path.to_string(),
            is_deleted: self.content.is_none(),
            content_type: self.content.as_ref().map(|content| content.kind().to_owned()),
            content: self.content.map(Content::into_wire),
            datasite_email: self.datasite.to_string(),
        }
    }
}

/// A message as it may be written: with keys missing that Python fills in.
#[derive(Deserialize)]
struct RawMessage {
    id: Option<Uuid>,
    sender_email: String,
    message_filename: MessageFilename,
    #[serde(deserialize_with = "json::bounded")]
    proposed_file_changes: Vec<RawChange>,
}

#[derive(Deserialize)]
struct RawChange {
    id: Option<String>,
    old_hash: Option<String>,
    #[serde(default, deserialize_with = "json::present")]
    new_hash: Option<Option<String>>,
    submitted_timestamp: Option<f64>,
    path_in_datasite: String,
    content: Option<String>,
    datasite_email: String,
    #[serde(default)]
    is_deleted: bool,
    content_type: Option<String>,
}

impl From<RawMessage> for ProposedFileChangesMessage {
    fn from(raw: RawMessage) -> Self {
        let filename = raw.message_filename;
        let id = raw.id.unwrap_or_else(|| derived_id(&filename.uid, 0));
        let change = |(index, change): (usize, RawChange)| {
            change.fill_in(&id, index, filename.submitted_timestamp)
        };
        let changes = raw.proposed_file_changes.into_iter().enumerate().map(change).collect();
        Self {
            id,
            sender_email: raw.sender_email,
            message_filename: filename,
            proposed_file_changes: changes,
        }
    }
}

impl RawChange {
    /// Fills in what is missing. Python makes up ids and times; here they follow from the message,
    /// so that reading it again gives the same.
    fn fill_in(self, message: &Uuid, index: usize, submitted: f64) -> ProposedFileChange {
        let new_hash = self.new_hash.unwrap_or_else(|| {
            // What was taken out is not known yet; then there is no claim, and none is wanted.
            let is_here = |content: &String| !self.is_deleted && !outline::looks_named(content);
            let content = self.content.clone().filter(is_here)?;
            let content = Content::from_wire(content, self.content_type.as_deref()).ok()?;
            Some(content.digest().to_hex())
        });
        ProposedFileChange {
            id: self.id.unwrap_or_else(|| derived_id(&message.to_string(), index + 1).to_string()),
            old_hash: self.old_hash,
            new_hash,
            submitted_timestamp: self.submitted_timestamp.unwrap_or(submitted),
            path_in_datasite: self.path_in_datasite,
            content_type: content_type(self.content.as_deref(), self.content_type),
            content: self.content.map(Body::Inline),
            datasite_email: self.datasite_email,
            is_deleted: self.is_deleted,
        }
    }
}

/// What `content_type` says once it is written again: nothing without content, `text` if missing.
pub(super) fn content_type(content: Option<&str>, kind: Option<String>) -> Option<String> {
    content.map(|_| kind.unwrap_or_else(|| TEXT.to_owned()))
}

fn derived_id(seed: &str, index: usize) -> Uuid {
    let digest = sha2::Sha256::digest(format!("{seed}/{index}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
