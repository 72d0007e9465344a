//! Which states a job goes through, and who may move it: the rules of `state.yaml`.
//!
//! Pure: no I/O, no clock. `received → pending → approved | rejected`, then
//! `approved → running → done | failed`. A run that was cut short is `failed`, or `approved` again.
//! A job without a state file is `received`. What a job left may be released once it has ended,
//! which is a matter of rules and changes no state. The form of the file is `docs/FORMAT.md`,
//! "Jobs".

use std::time::Duration;

use serde::Serialize;

use super::layout::Layout;
use super::{iso, yaml};
use crate::model::{Email, Timestamp};

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobStatus {
    /// Its files have arrived; nobody has looked at their form yet.
    Received,
    /// It has the right form and waits for the owner's decision.
    Pending,
    /// The owner lets it run.
    Approved,
    /// The owner, or the check of its form, turned it down.
    Rejected,
    /// It runs.
    Running,
    /// It ran and answered 0, or the owner deposited a result.
    Done,
    /// It ran and did not answer 0, or its run was cut short.
    Failed,
}

/// What may be asked of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Files with the right form arrived.
    Accept,
    /// Files with the wrong form arrived; says what is wrong.
    RejectForm(String),
    /// The owner approves, with a reason or none.
    Approve(Option<String>),
    /// A standing approval of the owner lets it run; says which.
    Admit(String),
    /// The owner rejects, with a reason or none.
    Reject(Option<String>),
    /// What was approved has changed since: the owner has to decide again.
    Reopen,
    /// The runner starts it.
    Start,
    /// It ended with this return code; −1 if it was killed.
    Finish(i64),
    /// The owner ended it while it ran, with a reason or none.
    Cancel(Option<String>),
    /// Its run was cut short, and it is to wait for another.
    Requeue,
    /// The owner wants it to run again.
    Rerun,
    /// The owner lets its submitter have what it left.
    Release,
    /// The owner put a result there without running it.
    Deposit,
}

/// What `state.yaml` says of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobState {
    /// `manual` or `auto`.
    pub approval_method: Option<String>,
    /// When it was approved.
    pub approved_at: Option<Timestamp>,
    /// Who approved it, as written: a claim, since files can say anything.
    pub approved_by: Option<String>,
    /// When its run ended.
    pub completed_at: Option<Timestamp>,
    /// When the owner's machine first saw it.
    pub received_at: Option<Timestamp>,
    /// When it was rejected.
    pub rejected_at: Option<Timestamp>,
    /// Who rejected it, as written.
    pub rejected_by: Option<String>,
    /// The return code of its run; −1 if it was killed.
    pub return_code: Option<i64>,
    /// What the owner had to say, what is wrong with its form, or that its run was cancelled.
    pub review_reason: Option<String>,
    /// Where it stands.
    pub status: JobStatus,
}

/// An action that does not fit the state of the job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {status} cannot be {wish}")]
pub struct Refused {
    /// Where the job stands.
    pub status: JobStatus,
    wish: &'static str,
}

/// A `state.yaml` that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`state.yaml` is not a job's state: {0}")]
pub struct InvalidState(String);

/// How the reason begins that the submitter of a cancelled job reads. The files know no state of
/// its own for that.
const CANCELLED: &str = "cancelled by the owner";

/// What the file says it is, in layouts that want that said.
const CANONICAL_NAME: &str = "JobState";

/// What the submitter of a job reads that waits once more.
const REOPENED: &str = "it has changed since it was approved";

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Received,
        Self::Pending,
        Self::Approved,
        Self::Rejected,
        Self::Running,
        Self::Done,
        Self::Failed,
    ];

    /// Returns the word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    /// Returns the state that `text` names; `None` for any other word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl Default for JobState {
    fn default() -> Self {
        Self {
            approval_method: None,
            approved_at: None,
            approved_by: None,
            completed_at: None,
            received_at: None,
            rejected_at: None,
            rejected_by: None,
            return_code: None,
            review_reason: None,
            status: JobStatus::Received,
        }
    }
}

impl Refused {
    /// True if the job was to run.
    pub fn is_run(&self) -> bool {
        self.wish == Action::Start.participle()
    }
}

impl JobState {
    /// True if its owner cancelled its run.
    pub fn is_cancelled(&self) -> bool {
        let reason = self.review_reason.as_deref().unwrap_or_default();
        self.status == JobStatus::Failed && reason.starts_with(CANCELLED)
    }

    /// Returns the state after `action`, taken by `owner` at `now`.
    ///
    /// Approving what is approved already is allowed: it renews an approval that does not bind,
    /// such as one that another machine or an older client wrote.
    ///
    /// # Errors
    /// [`Refused`] if the action does not fit.
    pub fn after(&self, action: &Action, owner: &Email, now: Timestamp) -> Result<Self, Refused> {
        use JobStatus as S;
        let mut next = self.clone();
        let by = Some(owner.to_string());
        match (action, self.status) {
            (Action::Accept, S::Received) => {
                next.status = S::Pending;
                next.received_at = Some(now);
            }
            (Action::RejectForm(reason), S::Received) => {
                next.status = S::Rejected;
                next.received_at = Some(now);
                next.rejected_at = Some(now);
                next.rejected_by = by;
                next.review_reason = Some(reason.clone());
            }
            (Action::Approve(reason), S::Pending | S::Approved) => {
                next.approve("manual", by, now, reason.clone());
            }
            (Action::Admit(reason), S::Pending) => {
                next.approve("auto", by, now, Some(reason.clone()));
            }
            (Action::Reject(reason), S::Pending | S::Approved) => {
                next.status = S::Rejected;
                next.rejected_at = Some(now);
                next.rejected_by = by;
                next.review_reason = reason.clone();
            }
            (Action::Reopen, S::Approved | S::Done | S::Failed | S::Rejected) => {
                next = Self {
                    received_at: Some(now),
                    review_reason: Some(REOPENED.to_owned()),
                    status: S::Pending,
                    ..Self::default()
                };
            }
            (Action::Start, S::Approved) => next.status = S::Running,
            (Action::Finish(code), S::Running) => {
                next.status = if *code == 0 { S::Done } else { S::Failed };
                next.return_code = Some(*code);
                next.completed_at = Some(now);
            }
            (Action::Cancel(reason), S::Running) => {
                next.status = S::Failed;
                next.return_code = Some(-1);
                next.completed_at = Some(now);
                next.review_reason = Some(cancelled(reason.as_deref()));
            }
            (Action::Requeue, S::Running) => next.status = S::Approved,
            (Action::Rerun, S::Done | S::Failed) => {
                next.status = S::Approved;
                next.return_code = None;
                next.completed_at = None;
                next.review_reason.take_if(|reason| reason.starts_with(CANCELLED));
            }
            (Action::Release, S::Done | S::Failed) => {}
            (Action::Deposit, S::Pending | S::Approved) => {
                next.status = S::Done;
                next.approved_by = next.approved_by.or(by);
                next.approved_at = next.approved_at.or(Some(now));
                next.return_code = Some(0);
                next.completed_at = Some(now);
            }
            (action, status) => return Err(Refused { status, wish: action.participle() }),
        }
        Ok(next)
    }

    fn approve(&mut self, how: &str, by: Option<String>, now: Timestamp, reason: Option<String>) {
        self.status = JobStatus::Approved;
        self.approval_method = Some(how.to_owned());
        self.approved_at = Some(now);
        self.approved_by = by;
        self.review_reason = reason;
    }

    /// Reads the `state.yaml` of a job in `layout`. Lenient: keys that are missing, unknown or of an
    /// odd type count as absent; only the status must be there, or the file must be empty of one.
    ///
    /// # Errors
    /// [`InvalidState`] if it is no mapping within bounds, is not one of that layout, or names an
    /// unknown status.
    pub fn parse(layout: Layout, text: &[u8]) -> Result<Self, InvalidState> {
        let value: serde_json::Value = yaml::read(text).map_err(InvalidState)?;
        let map = value.as_object().ok_or_else(|| InvalidState("it is no mapping".to_owned()))?;
        layout.check_identity(map, CANONICAL_NAME).map_err(InvalidState)?;
        let text = |key: &str| map.get(key).and_then(|value| value.as_str()).map(str::to_owned);
        let time = |key: &str| text(key).as_deref().and_then(iso::read);
        let status = match map.get("status") {
            None => JobStatus::Received,
            Some(value) => value
                .as_str()
                .and_then(JobStatus::parse)
                .ok_or_else(|| InvalidState("it names an unknown status".to_owned()))?,
        };
        Ok(Self {
            approval_method: text("approval_method"),
            approved_at: time("approved_at"),
            approved_by: text("approved_by"),
            completed_at: time("completed_at"),
            received_at: time("received_at"),
            rejected_at: time("rejected_at"),
            rejected_by: text("rejected_by"),
            return_code: map.get("return_code").and_then(serde_json::Value::as_i64),
            review_reason: text("review_reason"),
            status,
        })
    }

    /// Returns the `state.yaml` of a job in `layout`: all keys, sorted.
    pub fn to_yaml(&self, layout: Layout) -> String {
        let time = |moment: Option<Timestamp>| moment.map(iso::write);
        let form = Form {
            approval_method: self.approval_method.as_deref(),
            approved_at: time(self.approved_at),
            approved_by: self.approved_by.as_deref(),
            canonical_name: layout.version().map(|_| CANONICAL_NAME),
            completed_at: time(self.completed_at),
            received_at: time(self.received_at),
            rejected_at: time(self.rejected_at),
            rejected_by: self.rejected_by.as_deref(),
            return_code: self.return_code,
            review_reason: self.review_reason.as_deref(),
            status: self.status.as_str(),
            version: layout.version(),
        };
        yaml::write(&form).expect("texts and numbers can be written")
    }
}

/// `state.yaml` as it is written: the order of the fields is the order of the keys.
#[derive(Serialize)]
struct Form<'a> {
    approval_method: Option<&'a str>,
    approved_at: Option<String>,
    approved_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canonical_name: Option<&'a str>,
    completed_at: Option<String>,
    received_at: Option<String>,
    rejected_at: Option<String>,
    rejected_by: Option<&'a str>,
    return_code: Option<i64>,
    review_reason: Option<&'a str>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

/// When a run ended, as its submitter is told: how long it took is the job's to choose, and with
/// microseconds that would be a number of many digits. So it is one of a few lengths, none longer
/// than the truth.
pub(crate) fn coarse_end(began: Timestamp, took: Duration) -> Timestamp {
    const SECONDS: [u64; 6] = [0, 10, 60, 600, 3_600, 14_400];
    let past = |seconds: &&u64| **seconds <= took.as_secs();
    let seconds = SECONDS.iter().rev().find(past).copied().unwrap_or_default();
    let micros = i64::try_from(seconds).unwrap_or_default().saturating_mul(1_000_000);
    Timestamp::from_micros(began.micros().saturating_add(micros))
}

fn cancelled(reason: Option<&str>) -> String {
    reason.map_or_else(|| CANCELLED.to_owned(), |reason| format!("{CANCELLED}: {reason}"))
}

impl Action {
    const fn participle(&self) -> &'static str {
        match self {
            Self::Accept => "accepted for review",
            Self::RejectForm(_) | Self::Reject(_) => "rejected",
            Self::Approve(_) | Self::Admit(_) => "approved",
            Self::Reopen => "opened for review again",
            Self::Start => "run",
            Self::Finish(_) => "finished",
            Self::Cancel(_) => "cancelled",
            Self::Requeue => "put back into the queue",
            Self::Rerun => "run again",
            Self::Release => "released",
            Self::Deposit => "answered with a deposited result",
        }
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
