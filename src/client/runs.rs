//! An owner runs approved jobs.
//!
//! The lock is held while rules change, not while a job runs: a job may take long, and syncs go on
//! meanwhile. What a job leaves stays here until its owner's choice is written (`releasing`).

use std::time::Duration;

use super::reception::{Start, close};
use super::{Client, Error, Result};
use crate::jobs::{
    self, Confinement, Detail, InstallSettings, Job, JobId, JobStatus, Limits, Listed, RunOptions,
    RunReport,
};
use crate::model::{Email, Role};
use crate::syncers::peering::{self, Acquaintance};

/// How jobs are run, and what becomes of their results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunChoices {
    /// The submitter may see the outputs.
    pub share_outputs: bool,
    /// The submitter may see what the job printed, and its return code.
    pub share_logs: bool,
    /// How much the submitter of a job that failed is told of that, without data.
    pub failure_report: Detail,
    /// How long each job may take; `None`: as long as with the Python client.
    pub timeout: Option<Duration>,
    /// Confine jobs. Without, they may do all that this user may.
    pub sandbox: bool,
    /// Only jobs of this submitter.
    pub from: Option<Email>,
    /// Run also jobs of peers whose program is unknown or does not fit.
    pub force: bool,
}

impl Default for RunChoices {
    fn default() -> Self {
        Self {
            share_outputs: false,
            share_logs: false,
            failure_report: Detail::Full,
            timeout: None,
            sandbox: true,
            from: None,
            force: false,
        }
    }
}

/// What came of one job.
#[derive(Debug)]
pub struct Ran {
    /// The job.
    pub job: JobId,
    /// How its run ended, or why there was none.
    pub result: Result<RunReport>,
}

impl Client {
    /// Runs approved jobs, the oldest first: those that are named, or all. One that cannot run, or
    /// whose submitter's program does not fit, keeps no other from running. Nothing is synced; that is the caller's next step.
    ///
    /// # Errors
    /// [`Error::WrongRole`]; [`Error::Locked`]; [`Error::Job`] if there is no sandbox; as
    /// [`Client::job`] for a name.
    pub async fn run_jobs(&self, names: &[&str], choices: &RunChoices) -> Result<Vec<Ran>> {
        self.needs(Role::Owner)?;
        let jobs = self.jobs_to_run(names, choices)?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let peers = peering::remembered(&self.account)?;
        let options = run_options(choices).await?;
        let closed: Vec<Result<()>> = {
            let _lock = self.lock().await?;
            let close = |job: &Job| {
                if !choices.force {
                    self.check_submitter(job, &peers)?;
                }
                close(&self.account, job, Start::AsItIs)
            };
            jobs.iter().map(close).collect()
        };
        let mut ran = Vec::new();
        for (job, closed) in jobs.into_iter().zip(closed) {
            let result = match closed {
                Ok(()) => self.run_one(&job, choices, &options).await,
                Err(error) => Err(error),
            };
            ran.push(Ran { job: job.id, result });
        }
        Ok(ran)
    }

    /// Runs all approved jobs and syncs, as the Python client's method of this name.
    ///
    /// # Errors
    /// As [`Client::run_jobs`] and [`Client::sync`].
    pub async fn process_approved_jobs(&self, choices: &RunChoices) -> Result<Vec<Ran>> {
        let ran = self.run_jobs(&[], choices).await?;
        self.sync(&crate::syncers::SyncOptions::default()).await?;
        Ok(ran)
    }

    /// Fails if a job is of a peer that may not understand what is sent back. A job of somebody who
    /// is no peer, or of the owner, was put there and approved by hand.
    fn check_submitter(&self, job: &Job, peers: &[Acquaintance]) -> Result<()> {
        let submitter = job.id.submitter.as_str();
        let peer = peers.iter().find(|peer| peer.peer.email.is_same_account(submitter));
        peer.map_or(Ok(()), |peer| self.check_version(peer))
    }

    fn jobs_to_run(&self, names: &[&str], choices: &RunChoices) -> Result<Vec<Job>> {
        if !names.is_empty() {
            let from = choices.from.as_ref();
            return names.iter().map(|name| Ok(self.job(name, from)?.job)).collect();
        }
        let is_meant = |job: &Job| {
            let from = choices.from.as_ref();
            job.state.status == JobStatus::Approved
                && from.is_none_or(|from| from.is_same_account(job.id.submitter.as_str()))
        };
        let listed = self.own_jobs().list()?.into_iter().rev();
        let jobs = listed.filter_map(|listed| match listed {
            Listed::Job(job) => Some(*job),
            Listed::Unreadable { .. } => None,
        });
        Ok(jobs.filter(is_meant).collect())
    }

    async fn run_one(
        &self,
        job: &Job,
        choices: &RunChoices,
        options: &RunOptions,
    ) -> Result<RunReport> {
        let mut report = jobs::run(&self.own_jobs(), &job.id, options, self.now()).await?;
        if let Some(end) = &report.failed {
            let _lock = self.take_lock(true).await?;
            report.told = self.report_failure(&job.id, end, choices.failure_report)?;
        }
        if choices.share_outputs || choices.share_logs {
            // The job has run: its results must not stay closed because a sync is at work.
            let _lock = self.take_lock(true).await?;
            self.release_run(&job.id, choices.share_outputs, choices.share_logs)?;
        }
        report.notes.extend(self.release_as_allowed(job, choices).await?);
        Ok(report)
    }
}

pub(super) async fn run_options(choices: &RunChoices) -> Result<RunOptions> {
    let path = std::env::var("PATH").unwrap_or_default();
    let confinement = if choices.sandbox {
        Confinement::find(&path).await.map_err(|error| Error::Job(error.into()))?
    } else {
        Confinement::None
    };
    let mut limits = Limits::default();
    if let Some(time) = choices.timeout {
        limits.time = time;
    }
    Ok(RunOptions { confinement, limits, install: InstallSettings::from_environment(), path })
}
