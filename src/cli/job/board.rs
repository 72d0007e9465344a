//! Shows how the queue goes on: one line that changes on a terminal, and what came of each job.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cli::hints::quoted;
use crate::cli::progress::Progress;
use crate::cli::report::Failure;
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::client::{Ran, RunEvent};
use crate::jobs::{Cut, JobId, JobStatus, RunReport};

/// What is shown while jobs run.
pub(crate) struct Board<'a> {
    progress: Progress,
    inner: Mutex<Inner<'a>>,
}

struct Inner<'a> {
    ui: &'a mut Ui,
    queued: usize,
    ended: usize,
    running: Vec<(JobId, Instant)>,
}

impl<'a> Board<'a> {
    /// Shows nothing yet.
    pub(crate) fn new(ui: &'a mut Ui) -> Self {
        let progress = ui.progress("Running");
        let inner = Inner { ui, queued: 0, ended: 0, running: Vec::new() };
        Self { progress, inner: Mutex::new(inner) }
    }

    /// Learns how the queue goes on.
    pub(crate) fn tell(&self, event: &RunEvent<'_>) {
        let mut inner = self.inner();
        match event {
            RunEvent::Queued(jobs) => inner.queued = jobs.len(),
            RunEvent::Began(job) => {
                inner.running.push(((*job).clone(), Instant::now()));
                if !self.progress.is_shown() {
                    let text = format!("Running `{}` of {}", job.name, job.submitter);
                    inner.ui.say(text);
                }
            }
            RunEvent::Ended(ran) => {
                inner.running.retain(|(job, _)| *job != ran.job);
                inner.ended += 1;
                // The only one: whether that is a failure of the command is said at its end.
                let is_last_word = inner.queued == 1 && ran.result.is_err();
                if !is_last_word {
                    self.progress.aside(|| say(ran, inner.ui));
                }
            }
        }
        drop(inner);
        self.draw();
    }

    /// Shows what is so now.
    pub(crate) fn draw(&self) {
        let inner = self.inner();
        let running: Vec<(String, Duration)> = inner
            .running
            .iter()
            .map(|(job, since)| (job.name.to_string(), since.elapsed()))
            .collect();
        let waiting = inner.queued.saturating_sub(inner.ended + running.len());
        self.progress.show(&line(&running, waiting, inner.ended));
    }

    fn inner(&self) -> MutexGuard<'_, Inner<'a>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says which run since when, and how many are left.
fn line(running: &[(String, Duration)], waiting: usize, ended: usize) -> String {
    let running: Vec<String> = running
        .iter()
        .map(|(name, since)| match since.as_secs() {
            seconds @ 0..100 => format!("{name} ({seconds} s)"),
            seconds => format!("{name} ({} min)", seconds / 60),
        })
        .collect();
    let mut text = if running.is_empty() {
        "Running".to_owned()
    } else {
        format!("Running {}", running.join(", "))
    };
    if waiting + ended > 0 {
        text += &format!("; {waiting} left, {ended} ended");
    }
    text
}

/// Says how many jobs ended how.
pub(crate) fn summary(ran: &[Ran]) -> String {
    let number = |is: &dyn Fn(&RunReport) -> bool| {
        ran.iter().filter(|ran| ran.result.as_ref().is_ok_and(is)).count()
    };
    let is_cut = |report: &RunReport| report.cut.is_some();
    let parts = [
        (number(&|report| report.status == JobStatus::Done), "done"),
        (number(&|report| report.status == JobStatus::Failed && !is_cut(report)), "failed"),
        (number(&is_cut), "cut short"),
        (ran.iter().filter(|ran| ran.result.is_err()).count(), "not run"),
    ];
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, word)| format!("{number} {word}")).collect();
    format!("Of {}: {}", count(ran.len(), "job", "jobs"), parts.join(", "))
}

/// Says what came of one job.
pub(crate) fn say(ran: &Ran, ui: &mut Ui) {
    match &ran.result {
        Ok(report) => {
            say_report(report, ui);
            match &ran.unfinished {
                Some(error) => say_unfinished(report, error, ui),
                None => say_next(report, ui),
            }
        }
        Err(error) => {
            let failure = Failure::from(error);
            ui.warn(format_args!("`{}` did not run: {}", ran.job.name, failure.message));
            if let Some(hint) = &failure.hint {
                ui.hint(hint);
            }
        }
    }
}

fn say_report(report: &RunReport, ui: &mut Ui) {
    let (name, who) = (&report.job.name, &report.job.submitter);
    let seconds = report.duration.as_secs_f64();
    match (&report.cut, report.status) {
        (Some(Cut::Cancelled { reason }), _) => {
            let reason = reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
            ui.warn(format_args!("`{name}` of {who} was cancelled after {seconds:.1} s{reason}"));
        }
        (Some(Cut::Interrupted), JobStatus::Approved) => {
            ui.warn(format_args!("`{name}` of {who} was interrupted; it waits for another run"));
        }
        (Some(Cut::Interrupted), _) => {
            ui.warn(format_args!("`{name}` of {who} was interrupted after {seconds:.1} s"));
        }
        (None, JobStatus::Done) => {
            let files = count(report.outputs.len(), "file", "files");
            ui.done(format_args!("Ran `{name}` of {who} in {seconds:.1} s; it left {files}"));
        }
        (None, _) => {
            let code = report.return_code;
            ui.warn(format_args!("`{name}` of {who} failed with code {code} after {seconds:.1} s"));
        }
    }
    for note in &report.notes {
        ui.warn(note);
    }
    if !report.confined {
        ui.danger(format_args!("`{name}` ran without a sandbox"));
    }
    if let Some(told) = &report.told {
        ui.say(format_args!(
            "The next sync tells {who} this of it, and no word of what it printed:"
        ));
        for line in told.lines() {
            ui.say(format_args!("    {line}"));
        }
    }
}

/// Says what was not done with what a job left, and how that is done by hand.
fn say_unfinished(report: &RunReport, error: &crate::client::Error, ui: &mut Ui) {
    let failure = Failure::from(error);
    let (name, who) = (&report.job.name, &report.job.submitter);
    let text = format!(
        "`{name}` has run, but not all of what {who} is to see is in place: {}",
        failure.message
    );
    ui.problem(failure.code, text);
    let name = quoted(name);
    ui.hint(format_args!("see where it stands with `syft job show {name}`, and let go what is to be let go with `syft job release {name}`"));
}

/// Says who sees what of it, and what comes next.
fn say_next(report: &RunReport, ui: &mut Ui) {
    let (name, who) = (quoted(&report.job.name), &report.job.submitter);
    match (&report.cut, report.status) {
        (Some(_), JobStatus::Approved) => {
            return ui.hint(format_args!("it runs again with `syft job run {name}`"));
        }
        (Some(_), _) => {
            return ui.hint(format_args!("let it run again with `syft job rerun {name}`"));
        }
        (None, _) => {}
    }
    let given = &report.given;
    let shared = match (given.sharing.outputs, given.sharing.logs) {
        (true, true) => "outputs and logs",
        (true, false) => "outputs",
        (false, true) => "logs",
        (false, false) => "nothing",
    };
    let by = given.standing.as_ref().map(|id| format!(", unseen, by standing approval {id}"));
    ui.say(format_args!("Shared with {who}: {shared}{}", by.unwrap_or_default()));
    ui.hint(if given.sharing.outputs {
        format!("look at what it left with `syft job show {name}`")
    } else {
        format!("look at what it left with `syft job show {name}`, then `syft job release {name}`")
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_which_run_since_when_and_how_many_are_left() {
        let running = |names: &[(&str, u64)]| -> Vec<(String, Duration)> {
            names.iter().map(|(name, s)| ((*name).to_owned(), Duration::from_secs(*s))).collect()
        };
        #[rustfmt::skip]
        let cases = [
            ("nothing yet",  running(&[]),                     0, 0, "Running"),
            ("the only one", running(&[("a", 3)]),             0, 0, "Running a (3 s)"),
            ("several",      running(&[("a", 3), ("b", 700)]), 4, 1, "Running a (3 s), b (11 min); 4 left, 1 ended"),
        ];
        for (what, running, waiting, ended, expected) in cases {
            assert_eq!(line(&running, waiting, ended), expected, "{what}");
        }
    }
}
