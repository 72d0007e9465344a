//! What the owner approved: bytes, not a name.
//!
//! The record lies in the owner's private configuration, outside of the synced tree, because a
//! state file can be written by whoever finds a way to write it. A job runs only if its
//! submission still has the digest that is recorded here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, io_error};
use super::iso;
use super::layout::JobId;
use super::tree::write_atomic;
use crate::model::{Digest, Email, Timestamp};

/// Which script a run executes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunScript {
    /// What `config.yaml` amounts to; the submitted `run.sh` is not executed.
    #[default]
    Derived,
    /// The submitted `run.sh`, since the owner has read it and said so.
    AsSubmitted,
}

/// An approval and the bytes that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// The digest of the whole submission, see [`super::digest_of`].
    pub digest: Digest,
    /// When it was given.
    pub approved_at: Timestamp,
    /// Which script may run.
    pub run_script: RunScript,
}

#[derive(Serialize, Deserialize)]
struct Form {
    digest: String,
    approved_at: String,
    run_script: RunScript,
}

/// Where the records of one owner lie.
#[derive(Clone, Debug)]
pub(crate) struct Approvals {
    folder: PathBuf,
}

impl Approvals {
    /// The records of `owner` below the private configuration folder.
    pub(crate) fn new(private: &Path, owner: &Email) -> Self {
        Self { folder: private.join("approvals").join(owner.as_str()) }
    }

    /// Returns the approval of a job; `None` if there is none that can be read: an approval in
    /// doubt is no approval.
    pub(crate) fn read(&self, job: &JobId) -> Option<Approval> {
        let text = std::fs::read(self.path(job)).ok()?;
        let form: Form = serde_json::from_slice(&text).ok()?;
        Some(Approval {
            digest: Digest::parse(&form.digest).ok()?,
            approved_at: iso::read(&form.approved_at)?,
            run_script: form.run_script,
        })
    }

    /// Records an approval; the last one counts.
    pub(crate) fn write(&self, job: &JobId, approval: &Approval) -> Result<(), Error> {
        let form = Form {
            digest: approval.digest.to_hex(),
            approved_at: iso::write(approval.approved_at),
            run_script: approval.run_script,
        };
        let text = serde_json::to_vec_pretty(&form).expect("texts can be written");
        write_atomic(&self.path(job), &text)
            .map_err(io_error(&format_args!("the approval of `{job}`")))
    }

    /// Forgets the approval of a job; succeeds if there is none.
    pub(crate) fn forget(&self, job: &JobId) -> Result<(), Error> {
        match std::fs::remove_file(self.path(job)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(io_error(&format_args!("the approval of `{job}`"))(error))
            }
            _ => Ok(()),
        }
    }

    fn path(&self, job: &JobId) -> PathBuf {
        job.inbox().below(&self.folder).with_added_extension("json")
    }
}
