//! What has happened since a checkpoint: increments to it, and the rolling state.
//!
//! Both carry events as messages do; an owner reads them instead of many event files. Their events
//! are checked one by one, like those of a message. Format: `docs/FORMAT.md`, "Checkpoints".

use serde::{Deserialize, Serialize};

use super::checkpoint::{check_version, version};
use super::event::{FileChangeEvent, bodies};
use super::field::Fields;
use super::large::Body;
use super::{Invalid, LogCoverage, Packed, json};
use crate::model::{Email, Timestamp};

/// The file `incremental_checkpoint_…`: a run of events, at most one for each path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncrementalCheckpoint {
    /// Version of the format, 1.
    #[serde(default = "version")]
    pub version: u64,
    /// When the increment was made, in seconds since the epoch.
    pub timestamp: f64,
    /// Whose datasite.
    pub email: String,
    /// Its place among the increments to one checkpoint, from 1.
    pub sequence_number: u64,
    /// The events, oldest first.
    #[serde(default, deserialize_with = "json::bounded")]
    pub events: Vec<FileChangeEvent>,
    /// How much of the event log is included here, or in what came before. Ours: other clients
    /// neither write nor read it.
    #[serde(rename = "syft_log", default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogCoverage>,
    /// How much of it was included before the first of these events: the events say all that is in
    /// `log` and not in this. Ours.
    #[serde(rename = "syft_since", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<LogCoverage>,
}

/// The file `rolling_state_…`, and an owner's `.cache/rolling_state.json`: the latest event of
/// each path since the newest checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RollingState {
    /// Version of the format, 1.
    #[serde(default = "version")]
    pub version: u64,
    /// When the state was begun, in seconds since the epoch.
    pub timestamp: f64,
    /// Whose datasite.
    pub email: String,
    /// The checkpoint that it continues.
    pub base_checkpoint_timestamp: f64,
    /// The newest event that it includes; `None` if it includes none.
    #[serde(default)]
    pub last_event_timestamp: Option<f64>,
    /// The events, newest last.
    #[serde(default, deserialize_with = "json::bounded")]
    pub events: Vec<FileChangeEvent>,
    /// How much of the event log is included here, or in the checkpoints that it continues. Ours,
    /// as in an increment.
    #[serde(rename = "syft_log", default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogCoverage>,
    /// How much of it was included before the first of these events, as in an increment.
    #[serde(rename = "syft_since", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<LogCoverage>,
}

impl Packed for IncrementalCheckpoint {
    const WHAT: &'static str = "an incremental checkpoint";

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        bodies(&mut self.events)
    }
}

impl Packed for RollingState {
    const WHAT: &'static str = "a rolling state";

    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)> {
        bodies(&mut self.events)
    }
}

impl IncrementalCheckpoint {
    /// Begins an increment.
    pub fn new(
        email: &Email,
        timestamp: Timestamp,
        sequence_number: u64,
        events: Vec<FileChangeEvent>,
    ) -> Self {
        let (email, timestamp) = (email.to_string(), timestamp.seconds());
        let (log, since) = (None, None);
        Self { version: version(), timestamp, email, sequence_number, events, log, since }
    }

    /// Reads all fields but the events.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong.
    pub fn check_head(&self) -> Result<(Email, Timestamp), Invalid> {
        check_head(self.version, &self.email, self.timestamp)
    }
}

impl RollingState {
    /// Begins a state that continues the checkpoint made at `base`, or the empty datasite.
    pub fn new(email: &Email, timestamp: Timestamp, base: Option<Timestamp>) -> Self {
        Self {
            version: version(),
            timestamp: timestamp.seconds(),
            email: email.to_string(),
            base_checkpoint_timestamp: base.unwrap_or(Timestamp::ZERO).seconds(),
            last_event_timestamp: None,
            events: Vec::new(),
            log: None,
            since: None,
        }
    }

    /// Reads all fields but the events.
    ///
    /// # Errors
    /// [`Invalid`], with the first field that is wrong.
    pub fn check_head(&self) -> Result<(Email, Timestamp), Invalid> {
        check_head(self.version, &self.email, self.timestamp)
    }
}

fn check_head(version: u64, email: &str, timestamp: f64) -> Result<(Email, Timestamp), Invalid> {
    let fields = Fields::of("", "");
    check_version(&fields, version)?;
    Ok((fields.email("email", email)?, fields.timestamp("timestamp", timestamp)?))
}
