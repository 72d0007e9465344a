//! Compares a submission as it lies there with what was approved of it before.
//!
//! The approved bytes come from the private copy (`kept`); where there is none, as for an approval
//! of an older version, the lists of files are compared, and where there are none, the digests.

use super::approval::Approval;
use super::difference::{COMPARED_MAX, Change, Summary, changes, of_texts};
use super::error::Error;
use super::kept::{Kept, KeptCopy};
use super::layout::JobId;
use super::snapshot::Snapshot;
use super::store::{Job, JobStore};
use crate::model::{DatasitePath, Digest};

/// What was approved before of a job, and what is different now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compared {
    /// The approval: the one that stands, or the last one that was voided.
    pub approval: Approval,
    /// True if it stands and is about what lies there.
    pub holds: bool,
    /// What is different; `None` if the record says digests only. Empty if nothing is.
    pub changes: Option<Vec<Change>>,
}

/// How many bytes of texts are compared line by line, all together.
const ALL_COMPARED_MAX: usize = 4 << 20;

impl JobStore {
    /// Compares a submission with the last version of it that was approved; `None` if none was.
    pub fn compared(&self, job: &Job, submission: &Snapshot) -> Option<Compared> {
        let standing = self.approvals().read(&job.id);
        let holds = standing.as_ref().is_some_and(|found| found.digest == submission.digest);
        let approval = standing.or_else(|| self.approvals().read_voided(&job.id))?;
        let changes = self.changes_since(job, &approval, submission);
        Some(Compared { approval, holds, changes })
    }

    /// Returns what differs from what was approved, with the texts where they were kept; `None` if
    /// that is not known.
    pub(crate) fn changes_since(
        &self,
        job: &Job,
        approval: &Approval,
        submission: &Snapshot,
    ) -> Option<Vec<Change>> {
        if approval.digest == submission.digest {
            return Some(Vec::new());
        }
        let kept = self.kept().open(approval.digest);
        let before = kept.as_ref().map(|kept| kept.snapshot.clone());
        let found = changes(&before.or_else(|| approval.snapshot())?, submission);
        Some(self.with_texts(job, kept.as_ref(), found))
    }

    /// Adds to changes how the texts differ, as far as both are there.
    pub(crate) fn with_texts(
        &self,
        job: &Job,
        kept: Option<&KeptCopy>,
        mut changes: Vec<Change>,
    ) -> Vec<Change> {
        let Some(kept) = kept else { return changes };
        let mut left = ALL_COMPARED_MAX;
        for change in &mut changes {
            let old = change.before.map(|_| kept.read(&change.path, COMPARED_MAX));
            let new = change.after.map(|after| self.read_as(job, &change.path, after.digest));
            let (Some(old), Some(new)) =
                (old.unwrap_or_else(|| Some(Vec::new())), new.unwrap_or_else(|| Some(Vec::new())))
            else {
                continue;
            };
            let Some(rest) = left.checked_sub(old.len() + new.len()) else { continue };
            left = rest;
            change.diff = of_texts(&change.path, &old, &new);
        }
        changes
    }

    /// Reads a file of the submission if it is short and still has that digest.
    fn read_as(&self, job: &Job, path: &DatasitePath, digest: Digest) -> Option<Vec<u8>> {
        let content = self.read_submitted(job, path, COMPARED_MAX).ok()??;
        (Digest::of(&content) == digest).then_some(content)
    }

    /// Returns the refusal of a job that is not what was approved, which says what changed.
    pub(crate) fn changed(&self, id: &JobId, approval: &Approval, found: &Snapshot) -> Error {
        let known = self.find(id).ok();
        let changes = known.and_then(|job| self.changes_since(&job, approval, found));
        let changes = Summary::of(&changes.unwrap_or_default());
        Error::Changed { job: id.clone(), changes }
    }

    pub(crate) fn kept(&self) -> Kept {
        Kept::new(self.private(), self.owner())
    }
}
