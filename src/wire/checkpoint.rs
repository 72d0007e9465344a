//! Checkpoints: the whole of a datasite at one moment, from which replay of the event log starts.
//!
//! A Python checkpoint holds text alone, and making one of a datasite that has a binary file
//! raises. Ours keep such files under a key of their own, which Python does not look at: a Python
//! owner who restores from our checkpoint gets the text files, as from its own.
//! Format: `docs/FORMAT.md`, "Checkpoints".

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::content::{self, Content};
use super::error::Problem;
use super::field::Fields;
use super::large::Body;
use super::{Invalid, LogCoverage, Packed, json};
use crate::model::{DatasitePath, Email, Timestamp};

/// The version of the format that we write, and the only one that we read.
pub(super) const VERSION: u64 = 1;

/// The file `checkpoint_…`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Version of the format, 1.
    #[serde(default = "version")]
    pub version: u64,
    /// When the checkpoint was made, in seconds since the epoch.
    pub timestamp: f64,
    /// Whose datasite.
    pub email: String,
    /// The newest event that the checkpoint includes; `None` if it includes none.
    #[serde(default)]
    pub last_event_timestamp: Option<f64>,
    /// Files whose content is text.
    #[serde(default, deserialize_with = "json::bounded")]
    pub files: Vec<CheckpointFile>,
    /// Files whose content is not UTF-8, in base64. Ours: other clients neither write nor read it.
    #[serde(
        rename = "syft_binary_files",
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "json::bounded"
    )]
    pub binary_files: Vec<CheckpointFile>,
    /// How much of the event log the checkpoint includes. Ours, as above.
    #[serde(rename = "syft_log", default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogCoverage>,
}

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointFile {
    /// Where the file is, relative to the datasite.
    pub path: String,
    /// Digest of the content.
    pub hash: String,
    /// The content.
    pub content: Body,
}

/// A checkpoint whose every field is valid, and whose digests are those of the contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullState {
    /// When the checkpoint was made.
    pub timestamp: Timestamp,
    /// Whose datasite.
    pub email: Email,
    /// The newest event that the checkpoint includes; `None` if it includes none.
    pub last_event: Option<Timestamp>,
    /// Every file of the datasite; there are no others.
    pub files: BTreeMap<DatasitePath, Content>,
}

impl Packed for Checkpoint {
    const WHAT: &'static str = "a checkpoint";

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        let text = self.files.iter_mut().map(|file| (&mut file.content, Some(content::TEXT)));
        let binary = self.binary_files.iter_mut();
        text.chain(binary.map(|file| (&mut file.content, Some(content::BINARY)))).collect()
    }
}

impl Checkpoint {
    /// Reads every field of every file.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong. There is no half a checkpoint: whoever
    /// meets a broken one replays the event log.
    pub fn check(self) -> Result<FullState, Invalid> {
        let fields = Fields::of("", "");
        check_version(&fields, self.version)?;
        let mut state = FullState {
            timestamp: fields.timestamp("timestamp", self.timestamp)?,
            email: fields.email("email", &self.email)?,
            last_event: self
                .last_event_timestamp
                .map(|seconds| fields.timestamp("last_event_timestamp", seconds))
                .transpose()?,
            files: BTreeMap::new(),
        };
        let text = self.files.into_iter().map(|file| (file, content::TEXT));
        let binary = self.binary_files.into_iter().map(|file| (file, content::BINARY));
        for (file, kind) in text.chain(binary) {
            let (path, content) = file.check(kind)?;
            if let Some(first) = state.files.insert(path.clone(), content) {
                drop(first);
                return Err(Fields::of("", path.as_str()).refuse("path", Problem::Twice));
            }
        }
        Ok(state)
    }
}

impl CheckpointFile {
    fn check(self, kind: &str) -> Result<(DatasitePath, Content), Invalid> {
        let fields = Fields::of("", &self.path);
        let path = fields.path("path")?;
        let claimed = fields.digest("hash", Some(&self.hash))?;
        let content =
            self.content.check(Some(kind)).map_err(|problem| fields.refuse("content", problem))?;
        if claimed != Some(content.digest()) {
            return Err(fields.refuse("hash", Problem::Mismatch));
        }
        Ok((path, content))
    }
}

impl FullState {
    /// Returns the checkpoint as it is written. What is UTF-8 is written as text, whatever it came
    /// as, because text is all that a Python owner restores.
    pub fn into_wire(self) -> Checkpoint {
        let mut files = Vec::new();
        let mut binary_files = Vec::new();
        for (path, content) in self.files {
            let (path, hash) = (path.to_string(), content.digest().to_hex());
            let content = content.as_text_if_it_is();
            let list = if content.is_text() { &mut files } else { &mut binary_files };
            list.push(CheckpointFile { path, hash, content: content.into_wire() });
        }
        Checkpoint {
            version: VERSION,
            timestamp: self.timestamp.seconds(),
            email: self.email.to_string(),
            last_event_timestamp: self.last_event.map(Timestamp::seconds),
            files,
            binary_files,
            log: None,
        }
    }
}

pub(super) fn check_version(fields: &Fields, version: u64) -> Result<(), Invalid> {
    if version == VERSION {
        Ok(())
    } else {
        Err(fields.refuse("version", Problem::Version(version)))
    }
}

pub(super) const fn version() -> u64 {
    VERSION
}
