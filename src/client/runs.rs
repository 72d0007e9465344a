//! An owner runs approved jobs.
//!
//! The lock is held while rules change, not while a job runs: a job may take long, and syncs go on
//! meanwhile. What a job leaves stays here until its owner's choice is written (`releasing`).

use std::time::Duration;

use futures::StreamExt as _;

use super::reception::{Start, close};
use super::releasing::report_cut;
use super::{Client, Error, JobSettings, Result};
use crate::jobs::{
    self, AfterCut, Confinement, Detail, InstallSettings, Job, JobId, JobStatus, Limits,
    RunControl, RunOptions, RunReport, Stop,
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
    /// How many run side by side, at least one.
    pub parallel: usize,
    /// What becomes of a job whose run is cut short by the end of this program or of the machine.
    pub after_cut: AfterCut,
    /// Work out anew which packages jobs get, instead of those that the same wish came to before.
    pub refresh_packages: bool,
    /// Where packages are taken from, where the environment of this program names no index.
    pub index: Option<String>,
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
            parallel: 1,
            after_cut: AfterCut::Fails,
            refresh_packages: false,
            index: None,
        }
    }
}

impl RunChoices {
    /// What a person has set for all runs.
    pub fn of(settings: &JobSettings) -> Self {
        let parallel = settings.parallel.map_or(1, std::num::NonZeroU32::get);
        Self {
            timeout: settings.time(),
            parallel: usize::try_from(parallel).unwrap_or(usize::MAX),
            after_cut: match settings.requeue {
                Some(true) => AfterCut::Waits,
                _ => AfterCut::Fails,
            },
            index: settings.index.clone(),
            failure_report: settings.failure_report.unwrap_or_default(),
            ..Self::default()
        }
    }
}

/// How the queue goes on.
#[derive(Debug)]
pub enum RunEvent<'a> {
    /// These are to run, in this order.
    Queued(&'a [JobId]),
    /// This one begins.
    Began(&'a JobId),
    /// This one is through, or could not begin.
    Ended(&'a Ran),
}

/// Who is told how the queue goes on.
pub type Tell<'a> = &'a (dyn Fn(RunEvent<'_>) + Sync);

/// What came of one job.
#[derive(Debug)]
pub struct Ran {
    /// The job.
    pub job: JobId,
    /// How its run ended, or why there was none.
    pub result: Result<RunReport>,
    /// Why what follows a run was not done as a whole: its submitter may not be told that it failed,
    /// or not be shown what it left.
    pub unfinished: Option<Error>,
}

impl Client {
    /// Runs approved jobs, those that are named or all, in the order of [`jobs::in_order`]. One
    /// that cannot run, or whose submitter's program does not fit, keeps no other from running.
    /// Nothing is synced; that is the caller's next step.
    ///
    /// # Errors
    /// [`Error::WrongRole`]; [`Error::Locked`]; [`Error::Job`] if there is no sandbox; as
    /// [`Client::job`] for a name.
    pub async fn run_jobs(&self, names: &[&str], choices: &RunChoices) -> Result<Vec<Ran>> {
        self.run_jobs_until(names, choices, &Stop::default(), &|_| ()).await
    }

    /// The same, until `stop` is wished: what runs then is ended and settled, and what has not begun
    /// does not. `tell` learns how it goes on.
    ///
    /// # Errors
    /// As [`Client::run_jobs`].
    pub async fn run_jobs_until(
        &self,
        names: &[&str],
        choices: &RunChoices,
        stop: &Stop,
        tell: Tell<'_>,
    ) -> Result<Vec<Ran>> {
        self.needs(Role::Owner)?;
        let cut = jobs::recover(&self.own_jobs(), self.now())?;
        if !cut.is_empty() {
            let _lock = self.take_lock(true).await?;
            report_cut(&self.account, &cut, self.now())?;
        }
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
        let control = RunControl {
            stop: stop.clone(),
            after_cut: choices.after_cut,
            failure_report: choices.failure_report,
        };
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
        tell(RunEvent::Queued(&ids));
        let queue = Queue { choices, options, control, tell, is_named: !names.is_empty() };
        let mut runs = futures::stream::FuturesUnordered::new();
        let mut waiting = jobs.iter().zip(closed).enumerate();
        let mut ran: Vec<(usize, Ran)> = Vec::new();
        loop {
            while runs.len() < choices.parallel.max(1)
                && let Some((place, (job, closed))) = waiting.next()
            {
                let queue = &queue;
                runs.push(async move { (place, self.run_next(job, closed, queue).await) });
            }
            let Some((place, ended)) = runs.next().await else { break };
            if let Some(ended) = ended {
                tell(RunEvent::Ended(&ended));
                ran.push((place, ended));
            }
        }
        ran.sort_by_key(|(place, _)| *place);
        Ok(ran.into_iter().map(|(_, ran)| ran).collect())
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
        let from = choices.from.as_ref();
        let mut jobs: Vec<Job> = if names.is_empty() {
            let is_meant = |job: &Job| {
                job.state.status == JobStatus::Approved
                    && from.is_none_or(|from| from.is_same_account(job.id.submitter.as_str()))
            };
            self.own_jobs().readable()?.filter(is_meant).collect()
        } else {
            names.iter().map(|name| Ok(self.job(name, from)?.job)).collect::<Result<_>>()?
        };
        jobs::in_order(&mut jobs);
        jobs.dedup_by(|a, b| a.id == b.id); // one that was named twice
        Ok(jobs)
    }

    /// Runs the job whose turn it is. `None` if it is none of ours any more: everything is to end,
    /// or another process has taken it meanwhile.
    async fn run_next(&self, job: &Job, closed: Result<()>, queue: &Queue<'_>) -> Option<Ran> {
        if queue.control.stop.is_wished() {
            return None;
        }
        let mut result = match closed {
            Ok(()) => {
                (queue.tell)(RunEvent::Began(&job.id));
                let Queue { options, control, .. } = queue;
                let store = self.own_jobs();
                let run = jobs::run_until(&store, &job.id, options, control, self.now()).await;
                run.map_err(Error::from)
            }
            Err(error) => Err(error),
        };
        let unfinished = match &mut result {
            Ok(report) => self.follow_up(job, report, queue.choices).await.err(),
            Err(_) => None,
        };
        let is_taken = match &result {
            Err(Error::Job(jobs::Error::Busy { .. })) => true,
            Err(Error::Job(jobs::Error::Refused { source, .. })) => {
                matches!(source.status, JobStatus::Running | JobStatus::Done | JobStatus::Failed)
            }
            _ => false,
        };
        (queue.is_named || !is_taken).then(|| Ran { job: job.id.clone(), result, unfinished })
    }

    /// Tells the submitter of a failure, and lets go what is to be let go. Whatever comes of that, the
    /// job has run.
    async fn follow_up(
        &self,
        job: &Job,
        report: &mut RunReport,
        choices: &RunChoices,
    ) -> Result<()> {
        if let Some(end) = &report.failed {
            let _lock = self.take_lock(true).await?;
            report.told = self.report_failure(&job.id, end, choices.failure_report)?;
        }
        if report.cut.is_some() {
            return Ok(());
        }
        if choices.share_outputs || choices.share_logs {
            // The job has run: its results must not stay closed because a sync is at work.
            let _lock = self.take_lock(true).await?;
            let (outputs, logs) = (choices.share_outputs, choices.share_logs);
            let record = self.release_run(&job.id, outputs, logs)?;
            report.given.add(record.as_ref());
        }
        self.release_as_allowed(job, &mut report.given).await
    }
}

/// What the runs of one command share.
struct Queue<'a> {
    choices: &'a RunChoices,
    options: RunOptions,
    control: RunControl,
    tell: Tell<'a>,
    /// Whether somebody named the jobs, and so wants to hear of each.
    is_named: bool,
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
    let mut install = InstallSettings::from_environment();
    install.refresh = choices.refresh_packages;
    if let Some(index) = &choices.index {
        install.set_index(index);
    }
    Ok(RunOptions { confinement, limits, install, path })
}
