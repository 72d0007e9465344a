//! What is remembered of the last run of a job, for its owner alone.
//!
//! The record lies in the owner's private configuration, beside the approvals. It appears when a run
//! begins, so it says since when a job runs, and how often in a row its run was cut short.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::environment::Installed;
use super::error::{Error, io_error};
use super::failure::Detail;
use super::layout::JobId;
use super::queue::AfterCut;
use super::tree::write_atomic;
use crate::model::{Digest, Email, Timestamp};

/// The last run of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunRecord {
    /// The digest of the submission that ran.
    pub digest: Digest,
    /// When it began.
    pub began: Timestamp,
    /// When it ended; `None` while it runs, or if nothing was there to say so.
    pub ended: Option<Timestamp>,
    /// What it returned.
    pub return_code: Option<i64>,
    /// True once all that it left is where its owner finds it: only its state may say otherwise.
    pub kept: bool,
    /// Whether it was confined.
    pub confined: bool,
    /// How many runs of these bytes in a row were cut short by the end of the program or the
    /// machine, this one included.
    pub interruptions: u32,
    /// What becomes of the job if this run is cut short.
    pub after_cut: AfterCut,
    /// How much its submitter is told if it fails, whoever finds out; `None` in the record of an older
    /// version.
    pub failure_report: Option<Detail>,
    /// What was installed for it; `None` if it ran on a bare Python, or on none.
    pub environment: Option<Installed>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    digest: String,
    began: i64,
    ended: Option<i64>,
    return_code: Option<i64>,
    #[serde(default)]
    kept: bool,
    confined: bool,
    #[serde(default)]
    interruptions: u32,
    #[serde(default)]
    after_cut: AfterCut,
    #[serde(default)]
    failure_report: Option<Detail>,
    environment: Option<Installed>,
}

/// Where the records of one owner lie.
#[derive(Clone, Debug)]
pub(crate) struct Records {
    folder: PathBuf,
}

impl Records {
    /// The records of `owner` below the private configuration folder.
    pub(crate) fn new(private: &Path, owner: &Email) -> Self {
        Self { folder: private.join("ran").join(owner.as_str()) }
    }

    /// Returns the record of a job; `None` if there is none that can be read.
    pub(crate) fn read(&self, job: &JobId) -> Option<RunRecord> {
        let form: Form = serde_json::from_slice(&std::fs::read(self.path(job)).ok()?).ok()?;
        Some(RunRecord {
            digest: Digest::parse(&form.digest).ok()?,
            began: Timestamp::from_micros(form.began),
            ended: form.ended.map(Timestamp::from_micros),
            return_code: form.return_code,
            kept: form.kept,
            confined: form.confined,
            interruptions: form.interruptions,
            after_cut: form.after_cut,
            failure_report: form.failure_report,
            environment: form.environment,
        })
    }

    pub(crate) fn write(&self, job: &JobId, record: &RunRecord) -> Result<(), Error> {
        let form = Form {
            digest: record.digest.to_hex(),
            began: record.began.micros(),
            ended: record.ended.map(Timestamp::micros),
            return_code: record.return_code,
            kept: record.kept,
            confined: record.confined,
            interruptions: record.interruptions,
            after_cut: record.after_cut,
            failure_report: record.failure_report,
            environment: record.environment.clone(),
        };
        let text = serde_json::to_vec_pretty(&form).expect("texts and numbers can be written");
        write_atomic(&self.path(job), &text)
            .map_err(io_error(&format_args!("the record of the run of `{job}`")))
    }

    fn path(&self, job: &JobId) -> PathBuf {
        job.inbox().below(&self.folder).with_added_extension("json")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::layout::Layout;
    use crate::jobs::name::JobName;

    #[test]
    fn a_record_is_read_as_it_was_written_and_one_in_doubt_is_none() {
        let home = tempfile::tempdir().unwrap();
        let owner = Email::parse("do@example.com").unwrap();
        let name = JobName::parse("v1.2").unwrap();
        let job = JobId { submitter: owner.clone(), layout: Layout::Flat, name };
        let records = Records::new(home.path(), &owner);
        assert_eq!(records.read(&job), None);
        let record = RunRecord {
            digest: Digest::of(b"x"),
            began: Timestamp::from_micros(1),
            ended: None,
            return_code: Some(-1),
            kept: true,
            confined: true,
            interruptions: 2,
            after_cut: AfterCut::Waits,
            failure_report: Some(Detail::Class),
            environment: None,
        };
        records.write(&job, &record).unwrap();
        assert_eq!(records.read(&job), Some(record));
        std::fs::write(records.path(&job), "{}").unwrap();
        assert_eq!(records.read(&job), None);
    }
}
