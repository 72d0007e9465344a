//! An owner's standing approvals: making them, looking at them, ending them.

use super::{Client, Error, FoundJob, Result};
use crate::jobs::{
    Authority, Given, Job, JobId, JobStatus, Judged, NewStanding, RunScript, Sharing, Standing,
    Wish,
};
use crate::model::{DatasitePath, Digest, Email, Role, Timestamp};

/// What an owner wants to allow, beside the job that it is like.
#[derive(Clone, Debug)]
pub struct Allowance {
    /// Which script runs.
    pub run_script: RunScript,
    /// The files that may be others.
    pub parameters: Vec<DatasitePath>,
    /// What they have to fit: a JSON schema.
    pub schema: Option<serde_json::Value>,
    /// Whose jobs, beside those of the submitter of that job.
    pub also: Vec<Email>,
    /// Until when.
    pub until: Timestamp,
    /// How many jobs.
    pub times: u32,
    /// What becomes of results.
    pub sharing: Sharing,
    /// What the owner has to say.
    pub reason: Option<String>,
}

/// A standing approval, and what waits that it would let run now.
#[derive(Clone, Debug, PartialEq)]
pub struct Allowed {
    /// It.
    pub standing: Standing,
    /// Why it lets nothing run, if so, in words.
    pub over: Option<String>,
    /// The jobs that the next sync would approve.
    pub waiting: Vec<JobId>,
}

impl Client {
    /// Lets jobs that are like `found` run without a look at each; see [`Standing`]. `reviewed` is the
    /// digest that the owner was shown.
    ///
    /// # Errors
    /// [`Error::WrongRole`]; [`Error::Locked`]; [`Error::Job`] if the job has changed since, or there
    /// can be no such standing approval.
    pub async fn allow_jobs(
        &self,
        found: &FoundJob,
        reviewed: Digest,
        allowance: Allowance,
    ) -> Result<Allowed> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let new = NewStanding {
            job: &found.job,
            reviewed,
            run_script: allowance.run_script,
            parameters: allowance.parameters,
            schema: allowance.schema,
            also: allowance.also,
            until: allowance.until,
            times: allowance.times,
            sharing: allowance.sharing,
            reason: allowance.reason,
        };
        self.looked_at(self.own_jobs().allow(new, self.now())?)
    }

    /// Returns all standing approvals, the oldest first, and the files that cannot be read as one.
    ///
    /// # Errors
    /// [`Error::WrongRole`]; [`Error::Job`] if jobs cannot be listed.
    pub fn allowed(&self) -> Result<(Vec<Allowed>, Vec<std::path::PathBuf>)> {
        self.needs(Role::Owner)?;
        let (all, broken) = self.own_jobs().standing();
        let all = all.into_iter().map(|standing| self.looked_at(standing));
        Ok((all.collect::<Result<_>>()?, broken))
    }

    /// Returns one standing approval; `id` may be its first digits.
    ///
    /// # Errors
    /// As [`Client::allowed`]; [`Error::Job`] if there is none.
    pub fn allowed_one(&self, id: &str) -> Result<Allowed> {
        self.needs(Role::Owner)?;
        self.looked_at(self.own_jobs().standing_named(id)?)
    }

    /// Ends a standing approval. What it has approved stays approved.
    ///
    /// # Errors
    /// [`Error::WrongRole`]; [`Error::Locked`]; [`Error::Job`] if there is none.
    pub async fn disallow_jobs(&self, id: &str) -> Result<Standing> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        Ok(self.own_jobs().disallow(id, self.now())?)
    }

    /// Returns the jobs that a standing approval has approved and that have not run.
    ///
    /// # Errors
    /// [`Error::WrongRole`]; [`Error::Job`] if jobs cannot be listed.
    pub fn approved_by(&self, id: &str) -> Result<Vec<JobId>> {
        self.needs(Role::Owner)?;
        let store = self.own_jobs();
        let by = |job: &Job| store.approval(job).and_then(|approval| approval.standing);
        let waits = store.readable()?.filter(|job| job.state.status == JobStatus::Approved);
        Ok(waits.filter(|job| by(job).as_deref() == Some(id)).map(|job| job.id).collect())
    }

    /// Returns how a job compares with the standing approvals about its submitter.
    pub fn judged(&self, found: &FoundJob) -> Option<Judged> {
        (self.role() == Role::Owner).then(|| self.own_jobs().judged(&found.job, self.now()))?
    }

    /// Lets go of what a run left as the standing approval of the job says, beside what is given.
    pub(super) async fn release_as_allowed(&self, job: &Job, given: &mut Given) -> Result<()> {
        let store = self.own_jobs();
        if store.sharing_of(job).is_none() {
            return Ok(());
        }
        // The job has run: its results must not stay closed because a sync is at work.
        let _lock = self.take_lock(true).await?;
        // Its owner may have ended the standing approval meanwhile.
        let Some((standing, sharing)) = store.sharing_of(job) else { return Ok(()) };
        let wish = Wish {
            outputs: sharing.outputs && !given.sharing.outputs,
            logs: sharing.logs && !given.sharing.logs,
            only: Vec::new(),
        };
        if !wish.outputs && !wish.logs {
            return Ok(());
        }
        let job = store.find(&job.id)?;
        let offer = store.offer(&job, &wish, self.now())?;
        let authority = Authority::StandingApproval(standing.clone());
        let record = self.let_go(&job, &wish, &offer, &authority)?;
        given.add(record.as_ref());
        given.standing = record.map(|_| standing);
        Ok(())
    }

    fn looked_at(&self, standing: Standing) -> Result<Allowed> {
        let now = self.now();
        let over = crate::jobs::over(&standing, now).map(|over| over.to_string());
        let waiting = if over.is_none() {
            self.own_jobs().would_admit(&standing, now).map_err(Error::from)?
        } else {
            Vec::new()
        };
        Ok(Allowed { standing, over, waiting })
    }
}
