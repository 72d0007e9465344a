//! An owner looks after the queue: what waits in which order, what runs since when, what it has
//! printed so far; ends what runs, and lets what ended run again.
//!
//! Another process may run the jobs. Nothing here waits for a sync: a job that must end now does.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reception::{Start, close};
use super::{Client, FoundJob, Result};
use crate::jobs::{self, Cancellation, EnvironmentCache, JobId, JobStatus, KeptEnvironment};
use crate::model::{Email, Role, Timestamp};

/// How long whoever runs a job may take to end it.
const PATIENCE: Duration = Duration::from_secs(30);

/// The owner's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// The place of each job that is approved, counted from 1.
    pub places: BTreeMap<JobId, usize>,
    /// Since when each job runs that is running, as far as that is known.
    pub running: BTreeMap<JobId, Option<Timestamp>>,
}

impl Client {
    /// Returns what waits and what runs; nothing for a scientist, whose jobs others run.
    ///
    /// # Errors
    /// If the jobs cannot be listed.
    pub fn queue(&self) -> Result<Waiting> {
        if self.role() == Role::Scientist {
            return Ok(Waiting::default());
        }
        let store = self.own_jobs();
        let all: Vec<_> = store.readable()?.collect();
        let is_running = |job: &&jobs::Job| job.state.status == JobStatus::Running;
        let running = all.iter().filter(is_running).map(|job| {
            let began = store.last_run(&job.id).map(|record| record.began);
            (job.id.clone(), began)
        });
        let running = running.collect();
        let places = jobs::waiting(all).into_iter().zip(1..).collect();
        Ok(Waiting { places, running })
    }

    /// Ends the run of a job, whichever process of this machine runs it. It has failed then, with
    /// return code −1 and the reason, unless it was faster. `elsewhere`: settles also the run of
    /// another machine, which is gone.
    ///
    /// # Errors
    /// [`Error::WrongRole`](super::Error::WrongRole); [`Error::Job`](super::Error::Job) if it does
    /// not run, or not here, or whoever runs it does not end it; as [`Client::job`] for the name.
    pub async fn cancel_job(
        &self,
        name: &str,
        from: Option<&Email>,
        reason: Option<&str>,
        elsewhere: bool,
    ) -> Result<FoundJob> {
        self.needs(Role::Owner)?;
        let id = self.job(name, from)?.job.id;
        let how = Cancellation { reason, elsewhere, patience: PATIENCE };
        jobs::cancel(&self.own_jobs(), &id, &how, self.now()).await?;
        self.found(&id)
    }

    /// Puts a job that ended back into the queue. What it left is removed here, and at its submitter
    /// with the next sync; nobody sees what the next run leaves until that is released anew.
    ///
    /// # Errors
    /// [`Error::WrongRole`](super::Error::WrongRole); [`Error::Locked`](super::Error::Locked);
    /// [`Error::Job`](super::Error::Job) if it has not ended, or is not what was approved; as
    /// [`Client::job`] for the name.
    pub async fn rerun_job(&self, name: &str, from: Option<&Email>) -> Result<FoundJob> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        // One whose run was cut short has ended, and need not wait for a sync to be told so.
        jobs::recover(&self.own_jobs(), self.now())?;
        let found = self.job(name, from)?;
        let (store, job) = (self.own_jobs(), &found.job);
        // The first: once it waits, another process may run it.
        store.check_rerun(job, self.now())?;
        close(&self.account, job, Start::Anew)?;
        store.rerun(&job.id, self.now())?;
        self.found(&job.id)
    }

    /// Returns the environments of jobs that were made on this machine, the last used first.
    ///
    /// # Errors
    /// [`Error::WrongRole`](super::Error::WrongRole); [`Error::Job`](super::Error::Job) if they
    /// cannot be read.
    pub fn environments(&self) -> Result<Vec<KeptEnvironment>> {
        self.needs(Role::Owner)?;
        let found = self.environment_cache().list().map_err(environments_error)?;
        Ok(found)
    }

    /// Removes the environments that no job has used for this long and none uses now. Which packages
    /// a wish came to is still remembered: the next such job gets the same ones.
    ///
    /// # Errors
    /// As [`Client::environments`].
    pub fn prune_environments(&self, unused_for: Duration) -> Result<Vec<KeptEnvironment>> {
        self.needs(Role::Owner)?;
        let removed = self.environment_cache().prune(unused_for, self.now());
        Ok(removed.map_err(environments_error)?)
    }

    fn environment_cache(&self) -> EnvironmentCache {
        EnvironmentCache::new(self.own_jobs().private())
    }

    /// Returns what a job prints: what it has printed so far if it runs here, else its logs as far as
    /// they are here.
    ///
    /// # Errors
    /// As [`Client::job`].
    pub fn job_logs(&self, name: &str, from: Option<&Email>) -> Result<JobLogs> {
        let found = self.job(name, from)?;
        let is_running = found.job.state.status == JobStatus::Running;
        let live = match self.role() {
            Role::Owner if is_running => self.own_jobs().live_logs(&found.job.id)?,
            _ => None,
        };
        let is_live = live.is_some();
        let [out, err, _] = found.logs();
        let paths = live.map_or([out, err], |live| live.map(Some));
        Ok(JobLogs {
            found,
            is_live,
            stdout: Tail::of(paths[0].clone()),
            stderr: Tail::of(paths[1].clone()),
        })
    }
}

fn environments_error(source: std::io::Error) -> jobs::Error {
    jobs::Error::Io { what: "the environments of jobs".to_owned(), source }
}

/// What a job prints, read as far as it goes, and on from there.
#[derive(Debug)]
pub struct JobLogs {
    found: FoundJob,
    is_live: bool,
    stdout: Tail,
    stderr: Tail,
}

impl JobLogs {
    /// Returns the job as it was found.
    pub const fn found(&self) -> &FoundJob {
        &self.found
    }

    /// True if the job was running, so that more may come.
    pub const fn is_live(&self) -> bool {
        self.is_live
    }

    /// True if the job runs at another machine of its owner, or was cut short there.
    pub fn are_elsewhere(&self) -> bool {
        let FoundJob { job, .. } = &self.found;
        let is_running = job.state.status == JobStatus::Running;
        is_running && !self.found.store().has_begun_here(&job.id)
    }

    /// Returns which logs there are: of standard output, of standard error.
    pub const fn are_there(&self) -> [bool; 2] {
        [self.stdout.path.is_some(), self.stderr.path.is_some()]
    }

    /// Returns what was printed since the last call: on standard output, on standard error.
    ///
    /// # Errors
    /// If a log cannot be read.
    pub fn read_on(&mut self) -> std::io::Result<[Vec<u8>; 2]> {
        Ok([self.stdout.read_on()?, self.stderr.read_on()?])
    }

    /// Takes over what `later` has of logs that were gone before they were opened here.
    pub fn catch_up(&mut self, later: Self) {
        let both = [(&mut self.stdout, later.stdout), (&mut self.stderr, later.stderr)];
        for (tail, later) in both {
            if tail.file.is_none() {
                *tail = later;
            }
        }
    }

    /// True if nothing more comes, once [`JobLogs::read_on`] was called after this.
    pub fn has_ended(&self) -> bool {
        let job = &self.found.job;
        !self.is_live || !matches!(self.found.store().live_logs(&job.id), Ok(Some(_)))
    }
}

/// A file that grows. It stays open, so what was written before it was removed is still read.
#[derive(Debug)]
struct Tail {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Tail {
    fn of(path: Option<PathBuf>) -> Self {
        let file = path.as_deref().and_then(open);
        Self { path, file }
    }

    fn read_on(&mut self) -> std::io::Result<Vec<u8>> {
        const BYTES_MAX: u64 = 64 << 20; // a log is cut long before
        if self.file.is_none() {
            self.file = self.path.as_deref().and_then(open); // it may appear later
        }
        let mut text = Vec::new();
        if let Some(file) = &self.file {
            file.take(BYTES_MAX).read_to_end(&mut text)?;
        }
        Ok(text)
    }
}

/// Opens a log if it is a regular file.
fn open(path: &Path) -> Option<File> {
    let is_file = path.symlink_metadata().is_ok_and(|about| about.is_file());
    is_file.then(|| File::open(path).ok()).flatten()
}
