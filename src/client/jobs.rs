//! Jobs: finding them, and the owner's decisions.
//!
//! On both sides a job is named by its directory. Where two people use one name, whose job is meant
//! must be said: for an owner that is who submitted it, for a scientist to whom it went. Where one
//! person uses a name in both layouts, the layout must be said: `v0/NAME` or `v1/NAME`.

use std::io::Read as _;
use std::path::PathBuf;

use super::reception::job_store;
use super::{Client, Error, Result};
use crate::jobs::{
    Compared, DatasetState, Job, JobId, JobReference, JobStore, Listed, Output, Read, ReviewedFile,
    RunScript, ScriptCheck, Snapshot,
};
use crate::model::{DatasitePath, Digest, Email, Role};
use crate::peers::PeerState;

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedJob {
    /// In whose datasite it lies.
    pub datasite: Email,
    /// The job, or what should be one and is not.
    pub listed: Listed,
}

/// A job that was found.
#[derive(Clone, Debug)]
pub struct FoundJob {
    /// In whose datasite it lies.
    pub datasite: Email,
    /// The job.
    pub job: Job,
    store: JobStore,
}

impl FoundJob {
    pub(super) const fn new(datasite: Email, job: Job, store: JobStore) -> Self {
        Self { datasite, job, store }
    }

    /// Returns what the job left, as far as it is here.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn outputs(&self) -> Result<Vec<Output>> {
        Ok(self.store.outputs(&self.job)?)
    }

    /// Returns the logs that are here: standard output, standard error, return code.
    pub fn logs(&self) -> [Option<PathBuf>; 3] {
        self.store.logs(&self.job)
    }

    /// Returns what the job returned: as it is where the logs are here, else as little as the state
    /// says: 0, 1 or -1.
    pub fn return_code(&self) -> Option<i64> {
        const DIGITS_MAX: u64 = 32;
        let [_, _, code] = self.logs();
        let logged = code.and_then(|path| {
            let (file, mut text) = (std::fs::File::open(path).ok()?, String::new());
            file.take(DIGITS_MAX).read_to_string(&mut text).ok()?;
            text.trim().parse().ok()
        });
        logged.or(self.job.state.return_code)
    }

    /// Returns the files of the submission, if the job was read from these very files.
    ///
    /// # Errors
    /// [`Error::Job`] if it changes while it is read, holds links or is out of bounds.
    pub fn submission(&self) -> Result<Snapshot> {
        Ok(self.store.submission(&self.job)?)
    }

    /// Returns the digest that an approval binds to.
    ///
    /// # Errors
    /// If the submission holds links or is out of bounds.
    pub fn digest(&self) -> Result<Digest> {
        Ok(self.store.snapshot(&self.job)?.digest)
    }

    /// Compares the submitted `run.sh` with the one that the configuration amounts to.
    ///
    /// # Errors
    /// If the files cannot be read.
    pub fn script(&self) -> Result<ScriptCheck> {
        Ok(self.store.check_script(&self.job)?)
    }

    /// Compares the submission with the last version of it that was approved; `None` if none was.
    pub fn compared(&self, submission: &Snapshot) -> Option<Compared> {
        self.store.compared(&self.job, submission)
    }

    /// Returns the digest of the submission that whoever decides, a person or a program, was shown last
    /// on this machine; `None` if nobody was.
    pub fn last_shown(&self, by_program: bool) -> Option<Digest> {
        self.store.last_shown(&self.job.id, by_program)
    }

    /// Returns how the file at `path` is read if the job starts it; `None` if it does not.
    pub fn starts(&self, path: &DatasitePath) -> Option<Read> {
        self.job.config.starts(path)
    }

    /// Returns the files of the submission with what its owner was shown of each.
    pub fn reviewed(&self, submission: &Snapshot) -> Vec<ReviewedFile> {
        self.store.reviewed(&self.job.id, submission)
    }

    /// Returns the datasets that the job may read, and the names of those that it names and that are
    /// not there.
    ///
    /// # Errors
    /// If one cannot be looked at.
    pub fn datasets(&self) -> Result<(Vec<DatasetState>, Vec<String>)> {
        Ok(self.store.datasets_for(&self.job.config)?)
    }

    /// Returns the store that it lies in, for more.
    pub const fn store(&self) -> &JobStore {
        &self.store
    }
}

impl Client {
    /// Returns all jobs that are here, the newest first: those of the own datasite, and for a
    /// scientist those in the datasites of owners.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub fn jobs(&self) -> Result<Vec<ListedJob>> {
        let mut jobs = Vec::new();
        for datasite in self.job_datasites()? {
            let listed = job_store(&self.account, &datasite).list()?;
            jobs.extend(
                listed.into_iter().map(|listed| ListedJob { datasite: datasite.clone(), listed }),
            );
        }
        jobs.sort_by_key(|job| match &job.listed {
            Listed::Job(job) => (false, std::cmp::Reverse(Some(job.config.submitted_at.micros()))),
            Listed::Unreadable { .. } => (true, std::cmp::Reverse(None)),
        });
        Ok(jobs)
    }

    /// Returns one job; `name` is in the form of [`JobReference`]. `from` says whose, where several
    /// people use one name.
    ///
    /// # Errors
    /// [`Error::UnknownJob`], [`Error::Ambiguous`], [`Error::InTwoLayouts`]; [`Error::Job`] if it
    /// cannot be read.
    pub fn job(&self, name: &str, from: Option<&Email>) -> Result<FoundJob> {
        let unknown = || Error::UnknownJob { name: name.chars().take(200).collect() };
        let wanted = JobReference::parse(name)?;
        let mut found = Vec::new();
        for datasite in self.job_datasites()? {
            let store = job_store(&self.account, &datasite);
            for listed in store.list()? {
                let Listed::Job(job) = listed else { continue };
                let other = self.other_side(&datasite, &job);
                let is_meant = from.is_none_or(|from| from.is_same_account(other.as_str()));
                if wanted.means(&job.id) && is_meant {
                    found.push((
                        other,
                        FoundJob { datasite: datasite.clone(), job: *job, store: store.clone() },
                    ));
                }
            }
        }
        if found.len() > 1 {
            let mut owners: Vec<_> = found.into_iter().map(|(other, _)| other).collect();
            owners.sort();
            owners.dedup();
            let name = wanted.name.to_string();
            return Err(match <[Email; 1]>::try_from(owners) {
                Ok([other]) => Error::InTwoLayouts { name, other },
                Err(owners) => Error::Ambiguous { name, owners },
            });
        }
        found.pop().map(|(_, job)| job).ok_or_else(unknown)
    }

    /// Approves a job as it lies there now. The script that its configuration amounts to will run.
    ///
    /// # Errors
    /// As [`Client::job`]; [`Error::WrongRole`]; [`Error::Locked`]; [`Error::Job`] if it does not
    /// wait for a decision.
    pub async fn approve_job(
        &self,
        name: &str,
        from: Option<&Email>,
        reason: Option<&str>,
    ) -> Result<FoundJob> {
        self.approve_job_as_shown(name, from, reason, RunScript::Derived, None).await
    }

    /// Approves a job as it was shown: `reviewed` is the digest that the owner saw, and
    /// `run_script` says whether the submitted `run.sh` may run.
    ///
    /// # Errors
    /// As [`Client::approve_job`]; [`Error::Job`] if the job has changed since.
    pub async fn approve_job_as_shown(
        &self,
        name: &str,
        from: Option<&Email>,
        reason: Option<&str>,
        run_script: RunScript,
        reviewed: Option<Digest>,
    ) -> Result<FoundJob> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let id = self.job(name, from)?.job.id;
        self.own_jobs().approve(&id, reason, run_script, reviewed, self.now())?;
        self.found(&id)
    }

    /// Turns a job down.
    ///
    /// # Errors
    /// As [`Client::approve_job`].
    pub async fn reject_job(
        &self,
        name: &str,
        from: Option<&Email>,
        reason: Option<&str>,
    ) -> Result<FoundJob> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let id = self.job(name, from)?.job.id;
        self.own_jobs().reject(&id, reason, self.now())?;
        self.found(&id)
    }

    pub(super) fn own_jobs(&self) -> JobStore {
        job_store(&self.account, &self.account.email)
    }

    pub(super) fn found(&self, id: &JobId) -> Result<FoundJob> {
        let store = self.own_jobs();
        let job = store.find(id)?;
        Ok(FoundJob { datasite: self.account.email.clone(), job, store })
    }

    /// Returns whom a job is from, or for a scientist whom it is for.
    fn other_side(&self, datasite: &Email, job: &Job) -> Email {
        match self.role() {
            Role::Owner => job.id.submitter.clone(),
            Role::Scientist => datasite.clone(),
        }
    }

    /// Returns the datasites whose jobs concern this account.
    fn job_datasites(&self) -> Result<Vec<Email>> {
        if self.role() == Role::Owner {
            return Ok(vec![self.account.email.clone()]);
        }
        let known = crate::syncers::peering::remembered(&self.account)?.into_iter();
        let ours = known.filter(|known| known.peer.state != PeerState::Rejected);
        Ok(ours.map(|known| known.peer.email).collect())
    }
}
