//! An owner lets results of a job go, or takes them back.
//!
//! Two gates, and both have to be open: the files lie in the datasite only once they are released
//! (`jobs::JobStore::release`), and the rules let nobody but the owner read them before. Nothing is
//! synced; that is the caller's next step.

use std::time::Duration;

use super::reception::{Start, close, is_open, job_store, open_report, release};
use super::{Client, FoundJob, Result};
use crate::jobs::{
    self, Authority, Detail, Ending, FailureReport, Job, JobId, JobStatus, Offer, Offered,
    ReleaseRecord, RunEnd, Wish,
};
use crate::model::{DatasitePath, Email, Role, Timestamp};
use crate::peers::PeerState;
use crate::syncers::{Account, peering};

/// What was released.
#[derive(Clone, Debug)]
pub struct ReleasedJob {
    /// The job.
    pub found: FoundJob,
    /// What went.
    pub offer: Offer,
    /// The record of it; `None` if there was nothing to release.
    pub record: Option<ReleaseRecord>,
}

impl FoundJob {
    /// Returns the report of a failure that the submitter is, or was, told.
    pub fn told_failure(&self) -> Option<serde_json::Value> {
        self.store().told_failure(&self.job)
    }

    /// Returns what was decided about the results of this job, the oldest first.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn releases(&self) -> Result<Vec<ReleaseRecord>> {
        Ok(self.store().releases(&self.job)?)
    }
}

impl Client {
    /// Says what a release would let go. Changes nothing.
    ///
    /// # Errors
    /// [`super::Error::WrongRole`]; [`super::Error::Job`] if the job has not ended, or left no file
    /// that is named; as [`Client::job`] for the name.
    pub fn offer_release(
        &self,
        name: &str,
        from: Option<&Email>,
        wish: &Wish,
    ) -> Result<(FoundJob, Offer)> {
        self.needs(Role::Owner)?;
        let found = self.job(name, from)?;
        let offer = found.store().offer(&found.job, wish, self.now())?;
        Ok((found, offer))
    }

    /// Returns who will be able to read files of an offer once it is released: its submitter, and the
    /// peers whom the permission rules let in as they are.
    ///
    /// # Errors
    /// [`super::Error::WrongRole`]; if rules or peers cannot be read.
    pub fn readers_of(&self, found: &FoundJob, offer: &Offer) -> Result<Vec<Email>> {
        let (rules, mut readers) = (self.rules()?, vec![found.job.id.submitter.clone()]);
        let peers = peering::remembered(&self.account)?.into_iter().map(|known| known.peer);
        let peers = peers.filter(|peer| peer.state == PeerState::Accepted);
        let peers: Vec<Email> = peers.map(|peer| peer.email).collect();
        for file in &offer.files {
            let Ok(path) = found.job.id.review().join(file.path.as_str()) else { continue };
            for reader in rules.readers(path.as_str(), &peers) {
                if !readers.iter().any(|known| known.is_same_account(reader.as_str())) {
                    readers.push(reader.clone());
                }
            }
        }
        Ok(readers)
    }

    /// Lets the submitter of a job that has ended read what it left.
    ///
    /// # Errors
    /// As [`Client::release_job_as_shown`].
    pub async fn release_job(
        &self,
        name: &str,
        from: Option<&Email>,
        outputs: bool,
        logs: bool,
    ) -> Result<FoundJob> {
        let wish = Wish { outputs, logs, only: Vec::new() };
        let authority = Authority::Command("release".to_owned());
        Ok(self.release_job_as_shown(name, from, &wish, None, &authority).await?.found)
    }

    /// Lets the submitter of a job that has ended read what it left, if that is what was shown:
    /// `shown` is the digest of an [`Offer`].
    ///
    /// # Errors
    /// As [`Client::offer_release`]; [`super::Error::Locked`]; [`super::Error::Job`] if a file is
    /// another by now, and then nothing was released.
    pub async fn release_job_as_shown(
        &self,
        name: &str,
        from: Option<&Email>,
        wish: &Wish,
        shown: Option<&Offer>,
        authority: &Authority,
    ) -> Result<ReleasedJob> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let (found, offer) = self.offer_release(name, from, wish)?;
        if let Some(path) = shown.and_then(|shown| difference(shown, &offer)) {
            let job = found.job.id;
            return Err(jobs::Error::ResultChanged { job, path }.into());
        }
        let record = self.let_go(&found.job, wish, &offer, authority)?;
        Ok(ReleasedJob { found, offer, record })
    }

    /// Takes released results out of the datasite again. The next sync has the programs of readers
    /// delete their copies; what a person kept of them stays with that person.
    ///
    /// # Errors
    /// As [`Client::release_job`].
    pub async fn withdraw_job(
        &self,
        name: &str,
        from: Option<&Email>,
    ) -> Result<(FoundJob, ReleaseRecord)> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let found = self.job(name, from)?;
        let authority = Authority::Command("withdraw".to_owned());
        // Closed first: after a crash in between nobody is sent anything more.
        close(&self.account, &found.job, Start::Anew)?;
        let record = found.store().withdraw(&found.job, &authority, self.now())?;
        Ok((found, record))
    }

    /// Releases what a run left that was asked to share it.
    pub(super) fn release_run(
        &self,
        id: &JobId,
        outputs: bool,
        logs: bool,
    ) -> Result<Option<ReleaseRecord>> {
        let store = self.own_jobs();
        let job = store.find(id)?;
        let wish = Wish { outputs, logs, only: Vec::new() };
        let offer = store.offer(&job, &wish, self.now())?;
        let flags = [(outputs, " --share-outputs"), (logs, " --share-logs")];
        let flags: String = flags.iter().filter(|(is, _)| *is).map(|(_, flag)| *flag).collect();
        self.let_go(&job, &wish, &offer, &Authority::Command(format!("run{flags}")))
    }

    /// Tells the submitter of a job that failed how it did, without data, and returns what it is told.
    pub(super) fn report_failure(
        &self,
        id: &JobId,
        end: &RunEnd,
        detail: Detail,
    ) -> Result<Option<FailureReport>> {
        tell(&self.account, &self.own_jobs().find(id)?, end, detail, self.now())
    }

    pub(super) fn let_go(
        &self,
        job: &Job,
        wish: &Wish,
        offer: &Offer,
        authority: &Authority,
    ) -> Result<Option<ReleaseRecord>> {
        let was_open = is_open(&self.account, job)?;
        close(&self.account, job, Start::AsItIs)?;
        if offer.files.is_empty() {
            return Ok(None);
        }
        if wish.outputs && !was_open {
            // The rule that opens outputs is about all that lies there.
            self.own_jobs().set_aside(job, offer)?;
        }
        let record = self.own_jobs().release(job, offer, authority, self.now())?;
        release(&self.account, job, wish.outputs, wish.logs)?;
        Ok(Some(record))
    }
}

/// Tells the submitters of jobs whose run a crash has ended that it was interrupted: what they would
/// have been told if somebody had been there to say so. What the run printed is not looked at.
pub(super) fn report_cut(account: &Account, cut: &[JobId], now: Timestamp) -> Result<()> {
    let store = job_store(account, &account.email);
    for id in cut {
        let job = store.find(id)?;
        let Some(run) = store.last_run(id).filter(|_| job.state.status == JobStatus::Failed) else {
            continue;
        };
        let took = run.ended.unwrap_or(now).micros().saturating_sub(run.began.micros());
        let duration = Duration::from_micros(u64::try_from(took).unwrap_or_default());
        let end = RunEnd { ending: Ending::Interrupted, duration, memory: None };
        if let Some(detail) = run.failure_report {
            tell(account, &job, &end, detail, now)?;
        }
    }
    Ok(())
}

/// Tells the submitter of a job that failed how it did, without data, and returns what it is told.
fn tell(
    account: &Account,
    job: &Job,
    end: &RunEnd,
    detail: Detail,
    now: Timestamp,
) -> Result<Option<FailureReport>> {
    let store = job_store(account, &account.email);
    let Some(report) = store.failure_report(job, end, detail)? else { return Ok(None) };
    let authority = Authority::Command(format!("run --failure-report {}", detail.as_str()));
    store.tell_failure(job, &report, &authority, now)?;
    open_report(account, job)?;
    Ok(Some(report))
}

/// Returns a file that was shown and is another now, or one that was not shown.
fn difference(shown: &Offer, now: &Offer) -> Option<DatasitePath> {
    let is_among = |file: &Offered, all: &[Offered]| {
        all.iter().any(|other| other.path == file.path && other.digest == file.digest)
    };
    let gone = shown.files.iter().find(|file| !is_among(file, &now.files));
    let new = || now.files.iter().find(|file| !is_among(file, &shown.files));
    gone.or_else(new).map(|file| file.path.clone())
}
