//! How much of the event log a checkpoint includes, as its maker knew it.
//!
//! Ours: other clients neither write nor read it. Whoever restores from the file reads the rest of
//! the log and no message twice. Format: `docs/FORMAT.md`, "Checkpoints".

use serde::{Deserialize, Serialize};

use super::json;
use crate::model::Timestamp;

/// Which messages of the event log are included in a file, or in what it continues.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogCoverage {
    /// All that the service had made by this moment, in seconds since the epoch by its clock.
    pub through: f64,
    /// And of the later ones those with these ids.
    #[serde(default, deserialize_with = "json::bounded")]
    pub recent: Vec<String>,
}

impl LogCoverage {
    /// What a file includes of the log that was made before there was any.
    pub const NOTHING: Self = Self { through: 0.0, recent: Vec::new() };

    /// True if it names no message at all.
    pub fn is_nothing(&self) -> bool {
        self.through_micros() <= 0 && self.recent.is_empty()
    }

    /// Returns [`LogCoverage::through`] in microseconds; 0 if it is no moment.
    pub fn through_micros(&self) -> i64 {
        Timestamp::from_seconds(self.through).map_or(0, Timestamp::micros)
    }
}
