//! `syft job wait`: wait until a job is decided, or has run.
//!
//! It is a watch that looks at one job after each sync, so it asks the drive as rarely as that, and
//! leaves everything as any sync does when it is interrupted.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{Which, job_json, status_words};
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::ui::Ui;
use crate::client::{FoundJob, Pace, Watch, WatchEvent, WatchOptions};
use crate::jobs::JobStatus;
use crate::model::{Code, Role};

const EXAMPLES: &str = "\
Examples:
  syft job wait analysis
  syft job wait analysis --until decided --timeout 3600
  syft job wait analysis --json | jq -r .result

Exit codes: 0 done (with `--until decided`: approved), 5 failed, 6 rejected, 7 not yet when the time
was over, 1 something else went wrong, 130 interrupted";

/// Wait until a job has run, or was turned down
///
/// Syncs meanwhile, the more rarely the longer nothing happens. Ctrl-C ends the waiting and nothing
/// else.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// Give up after this many seconds
    #[arg(long, value_name = "SECS")]
    timeout: Option<u64>,

    /// What to wait for
    #[arg(long, value_name = "WHAT", default_value = "done")]
    until: Until,

    /// Seconds between two looks at the drive while things happen
    #[arg(long, value_name = "SECS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    interval: u64,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Until {
    /// The job has run, or was rejected
    Done,
    /// The owner has decided
    Decided,
}

/// How the waiting ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Good(&'static str),
    Failed,
    Rejected,
}

impl Ended {
    /// Returns how the waiting ends with a job that stands so; `None` if it goes on.
    const fn of(status: JobStatus, until: Until) -> Option<Self> {
        use JobStatus as S;
        match (until, status) {
            (_, S::Rejected) => Some(Self::Rejected),
            (Until::Decided, S::Approved | S::Running | S::Done | S::Failed) => {
                Some(Self::Good("approved"))
            }
            (Until::Done, S::Done) => Some(Self::Good("done")),
            (Until::Done, S::Failed) => Some(Self::Failed),
            (_, S::Received | S::Pending) | (Until::Done, S::Approved | S::Running) => None,
        }
    }

    const fn exit(self) -> (Exit, &'static str) {
        match self {
            Self::Good(word) => (Exit::Done, word),
            Self::Failed => (Exit::JobFailed, "failed"),
            Self::Rejected => (Exit::JobRejected, "rejected"),
        }
    }
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let start = Instant::now();
    // A name that means no job, or several, is told before anything is waited for.
    let mut client = Some(context.open().await?);
    let mut last = None;
    if let Some(client) = &client
        && let Some(outcome) = look(client, args, &mut last, start, ui)?
    {
        return Ok(outcome);
    }
    client.take();
    let pace = Pace::of_interval(Duration::from_secs(args.interval));
    let options = WatchOptions { pace, ..WatchOptions::default() };
    let mut watch = Watch::open(context.configuration()?, context.email()?, options).await?;
    let limit = args.timeout.map(Duration::from_secs);
    loop {
        let event = {
            let _progress = ui.progress("Waiting");
            let left = limit.map(|limit| limit.saturating_sub(start.elapsed()));
            tokio::select! {
                event = watch.next() => event,
                () = over(left) => return Ok(timed_out(&watch, args, start, ui)),
            }
        };
        if let WatchEvent::Failed { error, is_news: true, .. } = event {
            let Failure { code, message, .. } = Failure::from(error);
            ui.problem(code, format_args!("{message}; it goes on trying"));
        }
        if let Some(exit) = look(watch.client(), args, &mut last, start, ui)? {
            return Ok(exit);
        }
    }
}

async fn over(left: Option<Duration>) {
    match left {
        Some(left) => tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

/// Looks where the job stands, tells it if that is news, and returns how the command ends if it does.
fn look(
    client: &crate::client::Client,
    args: &Args,
    last: &mut Option<JobStatus>,
    start: Instant,
    ui: &mut Ui,
) -> Result<Option<Exit>, Failure> {
    let found = client.job(&args.which.name, args.which.from.as_ref())?;
    let status = found.job.state.status;
    if *last != Some(status) {
        let (word, _) = status_words(status);
        ui.say(format_args!("`{}` is {word}", found.job.id.name));
        *last = Some(status);
    }
    let Some(ended) = Ended::of(status, args.until) else { return Ok(None) };
    let (exit, word) = ended.exit();
    answer(&found, word, start, ui);
    let name = quoted(&found.job.id.name);
    match ended {
        Ended::Good("done") if client.role() == Role::Scientist => {
            ui.hint(format_args!("take what was released with `syft job outputs {name} --to DIR`"));
        }
        Ended::Good(_) => {}
        Ended::Failed | Ended::Rejected => {
            if let Some(reason) = &found.job.state.review_reason {
                ui.say(format_args!("The owner says: {reason}"));
            }
            ui.hint(format_args!("see what is known with `syft job show {name}`"));
        }
    }
    Ok(Some(exit))
}

fn timed_out(watch: &Watch, args: &Args, start: Instant, ui: &mut Ui) -> Exit {
    let seconds = args.timeout.unwrap_or_default();
    let failure = Failure::new(Code::TimedOut, format!("not yet after {seconds} s"));
    match watch.client().job(&args.which.name, args.which.from.as_ref()) {
        Ok(found) => answer(&found, "timeout", start, ui),
        Err(_) => ui.answer(&failure.to_json()),
    }
    ui.error(failure.code, &failure.message);
    Exit::TimedOut
}

fn answer(found: &FoundJob, result: &str, start: Instant, ui: &mut Ui) {
    let waited = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let job = job_json(&found.job, &found.datasite);
    ui.answer(&json!({ "job": job, "result": result, "waited_ms": waited }));
    ui.line(found.job.state.status);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_where_what_is_waited_for_can_no_longer_change() {
        use JobStatus::{Approved, Done, Failed, Pending, Received, Rejected, Running};
        #[rustfmt::skip]
        let cases = [
            // status     until done              until decided
            (Received,    None,                   None),
            (Pending,     None,                   None),
            (Approved,    None,                   Some((0, "approved"))),
            (Running,     None,                   Some((0, "approved"))),
            (Done,        Some((0, "done")),      Some((0, "approved"))),
            (Failed,      Some((5, "failed")),    Some((0, "approved"))),
            (Rejected,    Some((6, "rejected")),  Some((6, "rejected"))),
        ];
        for (status, done, decided) in cases {
            let ended = |until| {
                Ended::of(status, until).map(|ended| {
                    let (exit, word) = ended.exit();
                    (exit as i32, word)
                })
            };
            assert_eq!((ended(Until::Done), ended(Until::Decided)), (done, decided), "{status}");
        }
    }
}
