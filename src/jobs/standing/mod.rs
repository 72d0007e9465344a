//! Standing approvals: an owner lets like jobs run without looking at each.
//!
//! One is made from a job that its owner has read. It holds for jobs of named people whose every file
//! is, byte for byte, that of the template, but for named parameter files; until a day, for a number
//! of runs. What fits is approved when a sync brings it, with a record that says by which standing
//! approval; what does not fit waits for a decision, with what is different.
//!
//! `plan` decides (pure), `parameters` checks what may be free (pure), `store` keeps them,
//! `admitting` looks at what waits and acts.
//!
//! Invariants: a use is recorded before the job is approved, so a crash can waste a use and never
//! give one away. Who submitted a job is where it lies. Time does not run backwards: where the clock
//! was set back, nothing is approved.

mod admitting;
mod parameters;
mod plan;
mod store;

pub use admitting::{Admitted, Judged};
pub use parameters::{PARAMETER_BYTES_MAX, Schema, parameter_file, strict_json};
pub use plan::{Candidate, Obstacle, judge, over};
pub use store::{InvalidStanding, NewStanding};

use serde_json::Value;

use super::approval::RunScript;
use super::config::JobConfig;
use super::layout::JobId;
use super::readable::DatasetState;
use super::reading::ReviewedFile;
use super::snapshot::Snapshot;
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// A standing approval.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// How it is named: 8 hexadecimal digits.
    pub id: String,
    /// What a job has to be like.
    pub template: Template,
    /// Whose jobs.
    pub people: Vec<Email>,
    /// Until when, that moment included.
    pub until: Timestamp,
    /// How many jobs.
    pub times: u32,
    /// What becomes of results.
    pub sharing: Sharing,
    /// The datasets that a job may read, as they stood; those that are made later are not among them.
    pub datasets: Vec<DatasetState>,
    /// When it was made.
    pub made_at: Timestamp,
    /// By whom.
    pub made_by: Email,
    /// The job that it was made from, for a person.
    pub made_from: String,
    /// What its owner had to say.
    pub reason: Option<String>,
    /// What it has approved, the oldest first.
    pub uses: Vec<Use>,
    /// The latest moment at which it was looked at.
    pub seen: Timestamp,
    /// When its owner ended it.
    pub ended: Option<Timestamp>,
}

/// What a job has to be like.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Where it lay, and the layout that it was in.
    pub job: JobId,
    /// Its files, with what of each was shown when it was allowed.
    pub files: Vec<ReviewedFile>,
    /// Its settings.
    pub config: JobConfig,
    /// Which script runs.
    pub run_script: RunScript,
    /// The files that may be others, as paths below the job's directory.
    pub parameters: Vec<DatasitePath>,
    /// What the parameter files have to fit; `None`: anything.
    pub schema: Option<Value>,
}

/// What becomes of the results of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// The submitter gets the outputs unseen.
    pub outputs: bool,
    /// The submitter gets the logs unseen.
    pub logs: bool,
}

/// One job that was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Which job, for a person: where it lies.
    pub job: String,
    /// When it was approved, or was about to be.
    pub at: Timestamp,
    /// The digest of the whole submission.
    pub digest: Digest,
    /// The digests of its parameter files.
    pub parameters: Vec<(DatasitePath, Digest)>,
}

impl Standing {
    /// Returns how many more jobs it lets run.
    pub fn left(&self) -> u32 {
        self.times.saturating_sub(u32::try_from(self.uses.len()).unwrap_or(u32::MAX))
    }
}

impl Template {
    /// Returns its files.
    pub fn snapshot(&self) -> Snapshot {
        let files = self.files.iter();
        Snapshot::of(files.map(|file| (file.path.clone(), file.digest, file.size)).collect())
    }
}
