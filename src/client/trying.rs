//! A scientist tries a job on the mock half, and takes what a job left to a folder.
//!
//! A try sends nothing, changes nothing and needs no lock; what runs is what would be sent.

use std::path::Path;
use std::time::Duration;

use super::runs::{RunChoices, run_options};
use super::submitting::Prepared;
use super::{Client, Error, FoundJob, JobRequest, Result, Submitted};
use crate::jobs::{Export, Finding, JobStatus, Mock, Rehearsal, ToCopy, export, rehearse};
use crate::model::{DatasitePath, Email, Role};

/// How a job is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TryChoices {
    /// How long it may take; `None`: as long as at an owner of ours.
    pub timeout: Option<Duration>,
    /// Confine it, as it will be at the owner's. Without, it may do all that this user may.
    pub sandbox: bool,
}

/// A job that was tried.
#[derive(Debug)]
pub struct Tried {
    /// What came of it.
    pub rehearsal: Rehearsal,
    /// The datasets whose mock halves it could read.
    pub datasets: Vec<String>,
    prepared: Prepared,
}

impl Tried {
    /// True if it did what is expected of it: it ended well and left what it should.
    pub fn is_good(&self) -> bool {
        self.rehearsal.report.status == JobStatus::Done
            && self.rehearsal.comparison.missing.is_empty()
    }

    /// Returns what a look at it found.
    pub fn findings(&self) -> &[Finding] {
        &self.prepared.findings
    }

    /// Returns what it left, to be copied.
    pub fn to_copy(&self) -> Vec<ToCopy> {
        let outputs = self.rehearsal.outputs.iter();
        outputs
            .map(|output| ToCopy { from: output.local_path.clone(), to: output.path.clone() })
            .collect()
    }
}

impl Client {
    /// Runs a job on the mock halves of the datasets that it names, or of all that its owner shows,
    /// the way it would run at an owner of ours. Nothing is sent.
    ///
    /// # Errors
    /// As [`Client::submit_job`] where it could not be submitted; [`Error::Job`] if there is no
    /// sandbox. A job that fails is no error.
    pub async fn try_job(&self, request: &JobRequest, choices: &TryChoices) -> Result<Tried> {
        self.needs(Role::Scientist)?;
        let timeout = choices.timeout;
        let run = RunChoices { timeout, sandbox: choices.sandbox, ..RunChoices::default() };
        let options = run_options(&run).await?;
        let prepared = self.prepare(request).await?;
        let mocks = self.mocks(&prepared, &request.datasets)?;
        let Prepared { owner, submission, .. } = &prepared;
        let private = &self.account.folders.private;
        let rehearsal = rehearse(submission, owner, &mocks, private, &options, self.now()).await?;
        let datasets = mocks.into_iter().map(|mock| mock.name).collect();
        Ok(Tried { rehearsal, datasets, prepared })
    }

    /// Sends a job that was tried: the bytes that ran, also if the files have changed since.
    ///
    /// # Errors
    /// As [`Client::submit_job`].
    pub async fn submit_tried(&self, tried: &Tried) -> Result<Submitted> {
        self.send(&tried.prepared).await
    }

    fn mocks(&self, prepared: &Prepared, named: &[String]) -> Result<Vec<Mock>> {
        let mut mocks = Vec::new();
        for listed in self.datasets()? {
            let is_meant = named.is_empty() || named.contains(&listed.name);
            if !is_meant || !listed.owner.is_same_account(prepared.owner.as_str()) {
                continue;
            }
            match self.dataset(&listed.name, Some(&listed.owner)) {
                Ok(dataset) => mocks.push(Mock {
                    name: listed.name,
                    folder: dataset.folder,
                    files: dataset.mock_files.into_iter().map(|file| file.path).collect(),
                }),
                // One that cannot be read is in nobody's way unless it is wanted.
                Err(error) if !named.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(mocks)
    }

    /// Copies the outputs of a job that are on this machine to `folder`, and with `logs` what it
    /// printed. `replaces`: files that are there may be replaced.
    ///
    /// # Errors
    /// As [`Client::job`]; [`Error::Export`] if something stands in the way.
    pub fn export_job(
        &self,
        name: &str,
        from: Option<&Email>,
        folder: &Path,
        logs: bool,
        replaces: bool,
    ) -> Result<(FoundJob, Export)> {
        let found = self.job(name, from)?;
        let outputs = found.outputs()?;
        let mut files: Vec<ToCopy> = outputs
            .into_iter()
            .map(|output| ToCopy { from: output.local_path, to: output.path })
            .collect();
        if logs {
            let place = free_folder(&files);
            for (name, from) in
                ["stdout.txt", "stderr.txt", "returncode.txt"].iter().zip(found.logs())
            {
                let to = DatasitePath::parse(&format!("{place}/{name}"));
                if let (Some(from), Ok(to)) = (from, to) {
                    files.push(ToCopy { from, to });
                }
            }
        }
        let done = export(&files, folder, replaces).map_err(Error::Export)?;
        Ok((found, done))
    }
}

/// A name for the folder of logs that no output uses.
fn free_folder(files: &[ToCopy]) -> String {
    let is_free = |name: &String| {
        files.iter().all(|file| file.to.as_str() != name && !file.to.is_below(name))
    };
    let mut names = (2..).map(|number| format!("logs-{number}"));
    Some("logs".to_owned()).filter(is_free).or_else(|| names.find(is_free)).unwrap_or_default()
}
