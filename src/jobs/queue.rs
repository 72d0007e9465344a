//! Which job runs next, and what becomes of one whose run was cut short.
//!
//! Pure. Jobs run in the order in which they arrived here, and of those that arrived together the
//! first submitted comes first. When something was submitted is what its submitter says: nobody
//! gets ahead of who was there before by a date of the own choosing.

use serde::{Deserialize, Serialize};

use super::layout::JobId;
use super::state::{Action, JobStatus};
use super::store::Job;

/// What becomes of a job whose run was cut short by the end of the program or of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterCut {
    /// It has failed, and runs again if its owner says so.
    #[default]
    Fails,
    /// It waits for another run, unless that happened too often: it may be what ends the machine.
    Waits,
}

/// How often in a row the run of a job may be cut short before that counts as its own doing.
pub const CUTS_MAX: u32 = 3;

/// Puts jobs into the order in which they run.
pub fn in_order(jobs: &mut [Job]) {
    jobs.sort_by(|a, b| {
        let key = |job: &Job| (job.state.received_at, job.config.submitted_at);
        key(a).cmp(&key(b)).then_with(|| a.id.cmp(&b.id))
    });
}

/// Returns the jobs that wait to be run, the next one first.
pub fn waiting(jobs: impl IntoIterator<Item = Job>) -> Vec<JobId> {
    let is_waiting = |job: &Job| job.state.status == JobStatus::Approved;
    let mut jobs: Vec<Job> = jobs.into_iter().filter(is_waiting).collect();
    in_order(&mut jobs);
    jobs.into_iter().map(|job| job.id).collect()
}

/// Returns what is done with a job whose run was cut short for the `times`-th time in a row.
pub(crate) const fn after_cut(wish: AfterCut, times: u32) -> Action {
    match wish {
        AfterCut::Waits if times < CUTS_MAX => Action::Requeue,
        AfterCut::Waits | AfterCut::Fails => Action::Finish(-1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::config::JobConfig;
    use crate::jobs::layout::Layout;
    use crate::jobs::name::JobName;
    use crate::jobs::state::JobState;
    use crate::model::{Email, Timestamp};

    fn job(name: &str, received: i64, submitted: i64, status: JobStatus) -> Job {
        let text = include_str!("../../fixtures/jobs/census-count/config.yaml");
        let mut config = JobConfig::parse(Layout::Flat, text.as_bytes()).unwrap();
        config.submitted_at = Timestamp::from_micros(submitted);
        let received_at = (received > 0).then(|| Timestamp::from_micros(received));
        let state = JobState { received_at, status, ..JobState::default() };
        let submitter = Email::parse("ds@example.com").unwrap();
        let name = JobName::parse(name).unwrap();
        Job { id: JobId { submitter, layout: Layout::Flat, name }, config, state }
    }

    #[test]
    fn who_came_first_runs_first_whatever_a_job_says_of_itself() {
        use JobStatus::{Approved, Done, Pending, Running};
        #[rustfmt::skip]
        let jobs = [
            //   name                    received submitted
            job("second-in-its-sync",    10,      6,        Approved),
            job("first-in-its-sync",     10,      5,        Approved),
            job("claims-to-be-old",      20,      1,        Approved),
            job("no-moment-of-arrival",   0,      9,        Approved),
            job("b-at-the-same-moment",  30,      7,        Approved),
            job("a-at-the-same-moment",  30,      7,        Approved),
            job("not-decided",            1,      1,        Pending),
            job("runs",                   1,      1,        Running),
            job("ended",                  1,      1,        Done),
        ];
        let names: Vec<_> = waiting(jobs).into_iter().map(|id| id.name.to_string()).collect();
        let expected = [
            "no-moment-of-arrival",
            "first-in-its-sync",
            "second-in-its-sync",
            "claims-to-be-old",
            "a-at-the-same-moment",
            "b-at-the-same-moment",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn a_run_that_was_cut_short_waits_again_only_if_that_is_wanted_and_not_for_ever() {
        #[rustfmt::skip]
        let cases = [
            (AfterCut::Fails, 1,            Action::Finish(-1)),
            (AfterCut::Waits, 1,            Action::Requeue),
            (AfterCut::Waits, CUTS_MAX - 1, Action::Requeue),
            (AfterCut::Waits, CUTS_MAX,     Action::Finish(-1)),
            (AfterCut::Waits, u32::MAX,     Action::Finish(-1)),
        ];
        for (wish, times, expected) in cases {
            assert_eq!(after_cut(wish, times), expected, "{wish:?} {times}");
        }
    }
}
