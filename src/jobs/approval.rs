//! What the owner approved: bytes, not a name.
//!
//! ```text
//! {private}/approvals/{owner}/{inbox path}.json    an approval that stands
//! {private}/voided/{owner}/{inbox path}.json       the last one that was voided
//! ```
//! The records lie in the owner's private configuration, outside of the synced tree, because a
//! state file can be written by whoever finds a way to write it. A job runs only if its
//! submission still has the digest that is recorded here. What was voided is kept so that the next
//! review can say what has changed. A record of an older version says less, and is read as an
//! approval of what it says.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, io_error};
use super::iso;
use super::layout::JobId;
use super::readable::DatasetState;
use super::reading::{ReviewedFile, Shown};
use super::snapshot::Snapshot;
use super::tree::{read_trusted, write_atomic};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

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
    /// Who gave it; `None` in the record of an older version.
    pub approved_by: Option<Email>,
    /// The standing approval that it follows from; `None` if a person looked at this very job.
    pub standing: Option<String>,
    /// What the owner had to say.
    pub reason: Option<String>,
    /// The files, and what of each was shown; `None` in the record of an older version.
    pub files: Option<Vec<ReviewedFile>>,
    /// The datasets that it may read, and how they stood; `None` in the record of an older version.
    pub datasets: Option<Vec<DatasetState>>,
}

#[derive(Serialize, Deserialize)]
struct Form {
    digest: String,
    approved_at: String,
    run_script: RunScript,
    #[serde(default)]
    approved_by: Option<String>,
    #[serde(default)]
    standing: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    files: Option<Vec<FileForm>>,
    #[serde(default)]
    datasets: Option<Vec<DatasetState>>,
}

#[derive(Serialize, Deserialize)]
struct FileForm {
    path: String,
    sha256: String,
    size: u64,
    shown: Shown,
}

/// Where the records of one owner lie.
#[derive(Clone, Debug)]
pub(crate) struct Approvals {
    standing: PathBuf,
    voided: PathBuf,
}

const BYTES_MAX: u64 = 16 << 20; // ten thousand files and as many datasets

impl Approval {
    /// Returns the files that were approved, if the record says them.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let files = self.files.as_ref()?.iter();
        let snapshot =
            Snapshot::of(files.map(|file| (file.path.clone(), file.digest, file.size)).collect());
        (snapshot.digest == self.digest).then_some(snapshot)
    }
}

impl Approvals {
    /// The records of `owner` below the private configuration folder.
    pub(crate) fn new(private: &Path, owner: &Email) -> Self {
        let folder = |name: &str| private.join(name).join(owner.as_str());
        Self { standing: folder("approvals"), voided: folder("voided") }
    }

    /// Returns the approval of a job; `None` if there is none that can be read: an approval in
    /// doubt is no approval.
    pub(crate) fn read(&self, job: &JobId) -> Option<Approval> {
        read(&place(&self.standing, job))
    }

    /// Returns the last approval of a job that was voided.
    pub(crate) fn read_voided(&self, job: &JobId) -> Option<Approval> {
        read(&place(&self.voided, job))
    }

    /// Records an approval; the last one counts.
    pub(crate) fn write(&self, job: &JobId, approval: &Approval) -> Result<(), Error> {
        let form = Form::of(approval);
        let text = serde_json::to_vec_pretty(&form).expect("texts can be written");
        write_atomic(&place(&self.standing, job), &text).map_err(problem(job))
    }

    /// Ends the approval of a job, and remembers what it was about; succeeds if there is none.
    pub(crate) fn void(&self, job: &JobId) -> Result<(), Error> {
        let (from, to) = (place(&self.standing, job), place(&self.voided, job));
        let folder = to.parent().map_or(Ok(()), std::fs::create_dir_all);
        match folder.and_then(|()| std::fs::rename(&from, &to)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(problem(job)(error)),
            _ => Ok(()),
        }
    }

    /// Returns the digests of all records, of those that were voided as well.
    pub(crate) fn digests(&self) -> Vec<Digest> {
        let mut folders = vec![self.standing.clone(), self.voided.clone()];
        let mut digests = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(entry.path());
                } else {
                    digests.extend(read(&entry.path()).map(|approval| approval.digest));
                }
            }
        }
        digests
    }
}

impl Form {
    fn of(approval: &Approval) -> Self {
        let file = |file: &ReviewedFile| FileForm {
            path: file.path.to_string(),
            sha256: file.digest.to_hex(),
            size: file.size,
            shown: file.shown,
        };
        Self {
            digest: approval.digest.to_hex(),
            approved_at: iso::write(approval.approved_at),
            run_script: approval.run_script,
            approved_by: approval.approved_by.as_ref().map(Email::to_string),
            standing: approval.standing.clone(),
            reason: approval.reason.clone(),
            files: approval.files.as_ref().map(|files| files.iter().map(file).collect()),
            datasets: approval.datasets.clone(),
        }
    }

    fn approval(self) -> Option<Approval> {
        let file = |form: FileForm| {
            Some(ReviewedFile {
                path: DatasitePath::parse(&form.path).ok()?,
                digest: Digest::parse(&form.sha256).ok()?,
                size: form.size,
                shown: form.shown,
            })
        };
        let files = |files: Vec<FileForm>| files.into_iter().map(file).collect::<Option<Vec<_>>>();
        Some(Approval {
            digest: Digest::parse(&self.digest).ok()?,
            approved_at: iso::read(&self.approved_at)?,
            run_script: self.run_script,
            approved_by: self.approved_by.as_deref().and_then(|by| Email::parse(by).ok()),
            standing: self.standing,
            reason: self.reason,
            files: match self.files {
                None => None,
                Some(forms) => Some(files(forms)?),
            },
            datasets: self.datasets,
        })
    }
}

fn read(path: &Path) -> Option<Approval> {
    let text = read_trusted(path, BYTES_MAX).ok()?;
    serde_json::from_slice::<Form>(&text).ok()?.approval()
}

fn place(folder: &Path, job: &JobId) -> PathBuf {
    job.inbox().below(folder).with_added_extension("json")
}

fn problem(job: &JobId) -> impl FnOnce(std::io::Error) -> Error + use<> {
    io_error(&format_args!("the approval of `{job}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobName, Layout};

    fn approvals() -> (tempfile::TempDir, Approvals, JobId) {
        let home = tempfile::tempdir().unwrap();
        let approvals = Approvals::new(home.path(), &Email::parse("do@example.com").unwrap());
        let submitter = Email::parse("ds@example.com").unwrap();
        let name = JobName::parse("job").unwrap();
        (home, approvals, JobId { submitter, layout: Layout::Flat, name })
    }

    fn approval() -> Approval {
        let path = DatasitePath::parse("run.sh").unwrap();
        let (digest, size) = (Digest::of(b"x"), 1);
        let files = vec![ReviewedFile { path: path.clone(), digest, size, shown: Shown::Part }];
        Approval {
            digest: Snapshot::of(vec![(path, digest, size)]).digest,
            approved_at: Timestamp::from_micros(1_780_000_000_123_456),
            run_script: RunScript::AsSubmitted,
            approved_by: Some(Email::parse("do@example.com").unwrap()),
            standing: None,
            reason: Some("counts only".to_owned()),
            files: Some(files),
            datasets: Some(Vec::new()),
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let (_home, approvals, job) = approvals();
        assert_eq!(approvals.read(&job), None);
        approvals.write(&job, &approval()).unwrap();
        assert_eq!(approvals.read(&job), Some(approval()));
        assert_eq!(approval().snapshot().unwrap().digest, approval().digest);
        assert_eq!(approvals.digests(), [approval().digest]);
    }

    #[test]
    fn a_record_of_the_first_version_is_an_approval_of_what_it_says() {
        let (_home, approvals, job) = approvals();
        let digest = Digest::of(b"all");
        let text = format!(
            r#"{{"digest": "{}", "approved_at": "2026-11-20T12:39:16Z", "run_script": "derived"}}"#,
            digest.to_hex()
        );
        write_atomic(&place(&approvals.standing, &job), text.as_bytes()).unwrap();
        let read = approvals.read(&job).unwrap();
        assert_eq!((read.digest, read.run_script), (digest, RunScript::Derived));
        assert_eq!((read.files, read.datasets, read.approved_by), (None, None, None));
    }

    #[test]
    fn an_approval_in_doubt_is_none() {
        let (_home, approvals, job) = approvals();
        approvals.write(&job, &approval()).unwrap();
        let path = place(&approvals.standing, &job);
        let good = std::fs::read_to_string(&path).unwrap();
        for (from, to) in
            [("run.sh", "../run.sh"), ("as-submitted", "both"), ("\"digest\"", "\"d\"")]
        {
            std::fs::write(&path, good.replace(from, to)).unwrap();
            assert_eq!(approvals.read(&job), None, "{from}");
        }
    }

    #[test]
    fn what_is_voided_is_remembered_and_approves_nothing() {
        let (_home, approvals, job) = approvals();
        approvals.void(&job).unwrap();
        approvals.write(&job, &approval()).unwrap();
        approvals.void(&job).unwrap();
        approvals.void(&job).unwrap();
        assert_eq!(approvals.read(&job), None);
        assert_eq!(approvals.read_voided(&job), Some(approval()));
        assert_eq!(approvals.digests(), [approval().digest]);
    }
}
