//! What becomes of a run that did not end by itself: it was cancelled, interrupted, or its program
//! was killed.
//!
//! Its logs as far as they go are the owner's to read; its outputs are dropped, since half of them
//! may be worse than none. A run that had ended, with all in place but its state, gets that.
//!
//! The owner's other machines see the state as well, and hold no claim. So a machine settles what it
//! began itself, and nothing else unless its owner says so. Invariant: all of it happens under the
//! claim of the job, on a state that was read under it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::claim::{Claim, RunPlace};
use super::cut::{Cut, ask, asked};
use super::error::{Error, io_error};
use super::layout::JobId;
use super::leftovers::sweep;
use super::logs::{CANCELLED, INTERRUPTED, append};
use super::queue::{AfterCut, after_cut};
use super::record::RunRecord;
use super::state::{Action, JobState, JobStatus, coarse_end};
use super::store::{Job, JobStore, Listed};
use super::tree::{open_root, read_file, write_atomic};
use crate::model::Timestamp;

/// Settles what was running here when this program, or the machine, went down: it has failed, or
/// waits for another run if whoever began it said so. Returns those jobs. A job that is being run by
/// another process, or by another machine of its owner, is left alone. Also removes what crashes left
/// among our private folders more than a day ago.
///
/// # Errors
/// If jobs cannot be listed or a state cannot be written.
pub fn recover(store: &JobStore, now: Timestamp) -> Result<Vec<JobId>, Error> {
    sweep(store.private(), now);
    let mut settled = Vec::new();
    for listed in store.list()? {
        let Listed::Job(job) = listed else { continue };
        let place = RunPlace::of(store.private(), store.owner(), &job.id);
        // A crash before it ran leaves a folder, which would look like a run of ours later.
        if job.state.status != JobStatus::Running && !place.folder().exists() {
            continue;
        }
        let problem = || io_error(&format_args!("the interrupted run of `{}`", job.id));
        let Some(claim) = Claim::take(store.private(), store.owner(), &job.id).map_err(problem())?
        else {
            continue;
        };
        // It may have ended since it was listed.
        let job = store.find(&job.id)?;
        if job.state.status != JobStatus::Running {
            claim.clear().map_err(problem())?;
            continue;
        }
        if !store.has_begun_here(&job.id) {
            continue;
        }
        let mut record = record_of(store, &job, now);
        match asked(&claim.place().cancel_file(), record.began) {
            None if record.kept => finish(store, &job, &record)?,
            cut => {
                let cut = cut.unwrap_or(Cut::Interrupted);
                settle_run(store, &claim, &job, &mut record, &cut, now)?;
            }
        }
        claim.clear().map_err(problem())?;
        settled.push(job.id);
    }
    Ok(settled)
}

/// How a run is ended before it ends by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cancellation<'a> {
    /// What the owner has to say.
    pub reason: Option<&'a str>,
    /// Settles also a run that another machine began: it is gone, and nobody else will.
    pub elsewhere: bool,
    /// How long whoever runs the job may take to end it.
    pub patience: Duration,
}

/// Ends the run of a job, whichever process of this machine runs it, and returns where the job stands
/// then: it is `done` if it was faster.
///
/// # Errors
/// [`Error::Refused`] if it does not run, [`Error::RunsElsewhere`] if another machine began that,
/// [`Error::NotStopped`] if whoever runs it has not ended it in time; it does so as soon as it can.
pub async fn cancel(
    store: &JobStore,
    id: &JobId,
    how: &Cancellation<'_>,
    now: Timestamp,
) -> Result<JobState, Error> {
    const PAUSE: Duration = Duration::from_millis(50);
    let job = store.find(id)?;
    store.decide(&job, &Action::Cancel(None), now)?;
    let problem = || io_error(&format_args!("the run of `{id}`"));
    let file = RunPlace::of(store.private(), store.owner(), id).cancel_file();
    if let Some(record) = store.last_run(id).filter(|record| record.ended.is_none()) {
        ask(&file, record.began, how.reason).map_err(problem())?;
    }
    let start = Instant::now();
    loop {
        if let Some(claim) = Claim::take(store.private(), store.owner(), id).map_err(problem())? {
            let job = store.find(id)?;
            if job.state.status != JobStatus::Running {
                std::fs::remove_file(&file).ok();
                return Ok(job.state);
            }
            if !how.elsewhere && !store.has_begun_here(id) {
                return Err(Error::RunsElsewhere { job: id.clone() });
            }
            // Nobody runs it here: a crash left it so.
            let mut record = record_of(store, &job, now);
            let cut = Cut::Cancelled { reason: how.reason.map(str::to_owned) };
            let state = settle_run(store, &claim, &job, &mut record, &cut, now)?;
            claim.clear().map_err(problem())?;
            return Ok(state);
        }
        if start.elapsed() > how.patience {
            return Err(Error::NotStopped { job: id.clone() });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Settles the run of a job that is `running`, and whose claim the caller has.
pub(super) fn settle_run(
    store: &JobStore,
    claim: &Claim,
    job: &Job,
    record: &mut RunRecord,
    cut: &Cut,
    now: Timestamp,
) -> Result<JobState, Error> {
    let (action, line) = match cut {
        Cut::Cancelled { reason } => (Action::Cancel(reason.clone()), CANCELLED),
        Cut::Interrupted => {
            record.interruptions = record.interruptions.saturating_add(1);
            (after_cut(record.after_cut, record.interruptions), INTERRUPTED)
        }
    };
    // As with any end: how long it ran is no number for its submitter.
    let took = now.micros().saturating_sub(record.began.micros());
    let end = coarse_end(record.began, Duration::from_micros(u64::try_from(took).unwrap_or(0)));
    let state = store.decide(job, &action, end)?;
    record.ended = Some(now);
    record.return_code = Some(-1);
    store.records().write(&job.id, record)?;
    store.clear_results(job)?;
    if action != Action::Requeue {
        let logs = claim.place().log_files();
        std::fs::create_dir_all(claim.place().logs())
            .and_then(|()| logs.iter().try_for_each(|log| append(log, line)))
            .map_err(io_error(&format_args!("the interrupted run of `{}`", job.id)))?;
        keep_logs(store, job, &logs, -1)?;
    }
    store.write_state(job, &state)?;
    Ok(state)
}

/// Gives a job the state that its run came to, after a crash that came between.
fn finish(store: &JobStore, job: &Job, record: &RunRecord) -> Result<(), Error> {
    let took = record.ended.map_or(0, |end| end.micros().saturating_sub(record.began.micros()));
    let end = coarse_end(record.began, Duration::from_micros(u64::try_from(took).unwrap_or(0)));
    let code = record.return_code.unwrap_or(-1).clamp(-1, 1);
    store.write_state(job, &store.decide(job, &Action::Finish(code), end)?)
}

/// Puts the logs and the return code of a run to where their owner finds them and no sync does.
pub(super) fn keep_logs(
    store: &JobStore,
    job: &Job,
    logs: &[PathBuf; 2],
    code: i64,
) -> Result<(), Error> {
    const BYTES_MAX: usize = 256 << 20; // a log is cut long before
    let problem = || io_error(&format_args!("the run of `{}`", job.id));
    store.make_results(&job.id)?;
    let [out, err, return_code] = store.result_logs(&job.id);
    for (from, to) in logs.iter().zip([out, err]) {
        let folder = from.parent().map(open_root).transpose().map_err(problem())?.flatten();
        let name = from.file_name().and_then(|name| name.to_str());
        let text = match folder.zip(name) {
            Some((folder, name)) => read_file(&folder, name, BYTES_MAX).map_err(problem())?,
            None => None,
        };
        write_atomic(&to, &text.unwrap_or_default()).map_err(problem())?;
    }
    write_atomic(&return_code, code.to_string().as_bytes()).map_err(problem())
}

/// Returns the record of the run that is settled; one that says as little as possible if it is
/// lost.
fn record_of(store: &JobStore, job: &Job, now: Timestamp) -> RunRecord {
    let approved = || store.approval(job).map(|approval| approval.digest);
    store.last_run(&job.id).unwrap_or_else(|| RunRecord {
        digest: approved().unwrap_or_else(|| crate::model::Digest::of(b"")),
        began: now,
        ended: None,
        return_code: None,
        kept: false,
        confined: false,
        interruptions: 0,
        after_cut: AfterCut::Fails,
        failure_report: None,
        environment: None,
    })
}
