//! What the owner decides about jobs: take in, approve, reject, run again, answer.
//!
//! Straight-line code around the rules of `state`. Order matters where a crash may come between:
//! an approval is recorded before the state says so, because a state without a record does not
//! run.

use super::approval::{Approval, RunScript};
use super::claim::Claim;
use super::config::JobConfig;
use super::difference::Summary;
use super::error::{Error, Unreadable, io_error};
use super::form::{CONFIG_FILE, check_received};
use super::layout::JobId;
use super::snapshot::{Snapshot, look};
use super::state::{Action, JobState, JobStatus};
use super::store::{Job, JobStore};
use super::tree::{entries, open_below, read_file, write_atomic};
use super::yaml;
use crate::model::{DatasitePath, Digest, Timestamp};

impl JobStore {
    /// Gives a state to each job that has none: `pending` if it has the form of a job, else
    /// `rejected` with the reason. A job whose approved bytes have changed becomes `pending` again,
    /// whether it ran or not: it is another job now. Returns what was decided.
    ///
    /// # Errors
    /// Only if the inbox itself cannot be listed; what goes wrong with one job is left for the
    /// next time.
    pub fn receive(&self, now: Timestamp) -> Result<Vec<(JobId, JobState)>, Error> {
        let mut decided = Vec::new();
        for id in self.directories()?.into_iter().flatten() {
            if let Ok(Some(state)) = self.receive_one(&id, now) {
                decided.push((id, state));
            }
        }
        if !decided.is_empty() {
            let needed = self.digests_needed();
            self.kept().sweep(|digest| needed.contains(&digest));
        }
        Ok(decided)
    }

    /// Approves a job as it lies there now, and binds the approval to its bytes.
    ///
    /// `reviewed` is the digest that the owner was shown; if the job has changed since, nothing is
    /// approved.
    ///
    /// # Errors
    /// [`Error::Changed`], [`Error::Refused`] if the job does not wait for a decision, or
    /// [`Error::Unusable`].
    pub fn approve(
        &self,
        id: &JobId,
        reason: Option<&str>,
        run_script: RunScript,
        reviewed: Option<Digest>,
        now: Timestamp,
    ) -> Result<Approval, Error> {
        let job = self.find(id)?;
        let state = self.decide(&job, &Action::Approve(reason.map(str::to_owned)), now)?;
        let submission = self.keep(&job)?;
        let found = submission.digest;
        if reviewed.is_some_and(|digest| digest != found) {
            let changes = Summary::default();
            return Err(Error::Changed { job: id.clone(), changes });
        }
        let approval = Approval {
            digest: found,
            approved_at: now,
            run_script,
            approved_by: Some(self.owner().clone()),
            standing: None,
            reason: reason.map(str::to_owned),
            files: Some(self.reviewed(id, &submission)),
            datasets: Some(self.datasets_for(&job.config)?.0),
        };
        self.bind(&job, &approval, &state)?;
        Ok(approval)
    }

    /// Writes an approval down and lets the job run. The record comes first: a state without a record
    /// does not run, so a crash in between is safe.
    pub(crate) fn bind(
        &self,
        job: &Job,
        approval: &Approval,
        state: &JobState,
    ) -> Result<(), Error> {
        self.approvals().write(&job.id, approval)?;
        self.write_state(job, state)
    }

    /// Keeps the bytes of a submission, and returns what they are.
    pub(crate) fn keep(&self, job: &Job) -> Result<Snapshot, Error> {
        let unusable = |error: std::io::Error| Error::Unusable {
            job: job.id.clone(),
            reason: error.to_string(),
        };
        self.kept().keep(&self.inbox(job)?).map_err(unusable)
    }

    /// Turns a job down, also one that was approved and has not begun.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not wait for a decision or a run; [`Error::Busy`] if it begins.
    pub fn reject(
        &self,
        id: &JobId,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Result<JobState, Error> {
        let problem = io_error(&format_args!("the run of `{id}`"));
        // Who is about to run it would write over what is decided here.
        let claim = Claim::take(self.private(), self.owner(), id).map_err(problem)?;
        let _claim = claim.ok_or_else(|| Error::Busy { job: id.clone() })?;
        let job = self.find(id)?;
        let state = self.decide(&job, &Action::Reject(reason.map(str::to_owned)), now)?;
        self.approvals().void(id)?;
        self.write_state(&job, &state)?;
        Ok(state)
    }

    /// Checks that a job may run again: it ended, and still is what was approved.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::NotBound`], [`Error::Changed`], [`Error::Unusable`].
    pub fn check_rerun(&self, job: &Job, now: Timestamp) -> Result<JobState, Error> {
        let state = self.decide(job, &Action::Rerun, now)?;
        let id = &job.id;
        let approval = self.approval(job).ok_or_else(|| Error::NotBound { job: id.clone() })?;
        let found = self.snapshot(job)?;
        if found.digest != approval.digest {
            return Err(self.changed(id, &approval, &found));
        }
        Ok(state)
    }

    /// Makes a job that ended run again at the next run, and removes what the last run left.
    ///
    /// # Errors
    /// As [`JobStore::check_rerun`].
    pub fn rerun(&self, id: &JobId, now: Timestamp) -> Result<JobState, Error> {
        let job = self.find(id)?;
        let state = self.check_rerun(&job, now)?;
        self.clear_results(&job)?;
        self.write_state(&job, &state)?;
        Ok(state)
    }

    /// Answers a job with results of the owner's own, without running it. They stay here until they
    /// are released, as those of a run.
    ///
    /// # Errors
    /// [`Error::Refused`] if it does not wait for a decision or a run.
    pub fn deposit(
        &self,
        id: &JobId,
        results: &[(DatasitePath, Vec<u8>)],
        now: Timestamp,
    ) -> Result<JobState, Error> {
        let job = self.find(id)?;
        let state = self.decide(&job, &Action::Deposit, now)?;
        let folder = self.results(id).join("outputs");
        for (path, content) in results {
            write_atomic(&path.below(&folder), content)
                .map_err(io_error(&format_args!("the result `{path}`")))?;
        }
        self.write_state(&job, &state)?;
        Ok(state)
    }

    /// Returns the digests of what was approved, now or before, or stands for what is.
    fn digests_needed(&self) -> Vec<Digest> {
        let mut digests = self.approvals().digests();
        let (standing, _) = self.standing();
        let live = standing.iter().filter(|standing| standing.ended.is_none());
        digests.extend(live.map(|standing| standing.template.snapshot().digest));
        digests
    }

    pub(crate) fn decide(
        &self,
        job: &Job,
        action: &Action,
        now: Timestamp,
    ) -> Result<JobState, Error> {
        job.state
            .after(action, self.owner(), now)
            .map_err(|source| Error::Refused { job: job.id.clone(), source })
    }

    fn receive_one(&self, id: &JobId, now: Timestamp) -> Result<Option<JobState>, Unreadable> {
        let Some(inbox) = open_below(&self.datasite(), &id.inbox())? else { return Ok(None) };
        let Some(config) = read_file(&inbox, CONFIG_FILE, yaml::BYTES_MAX)? else {
            return Ok(None); // still on its way
        };
        let before = self.read_state(id)?.unwrap_or_default();
        let action = if before.status == JobStatus::Received {
            let form = check_received(&entries(&inbox)?).and_then(|()| {
                JobConfig::parse(id.layout, &config).map_err(|error| error.to_string()).map(drop)
            });
            form.map_or_else(Action::RejectForm, |()| Action::Accept)
        } else {
            match self.approvals().read(id) {
                Some(approval) if look(&inbox)?.digest != approval.digest => Action::Reopen,
                _ => return Ok(None),
            }
        };
        let Ok(state) = before.after(&action, self.owner(), now) else { return Ok(None) };
        let other = |error: Error| std::io::Error::other(error.to_string());
        let path = self.local(&id.answer("state.yaml"));
        write_atomic(&path, state.to_yaml(id.layout).as_bytes())?;
        self.approvals().void(id).map_err(other)?;
        Ok(Some(state))
    }
}
