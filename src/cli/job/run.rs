//! `syft job run`: execute what was approved, beside the private data.

use std::time::Duration;

use serde_json::{Value, json};

use super::board::{self, Board};
use crate::cli::args::{self, PreSync};
use crate::cli::context::{Context, variable};
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::signals;
use crate::cli::sync::sync_after;
use crate::cli::ui::Ui;
use crate::client::{Client, JobSettings, Ran, RunChoices, RunEvent};
use crate::jobs::{AfterCut, Cut, Detail, JobStatus, RunReport, Stop};
use crate::model::{Code, Email};

const EXAMPLES: &str = "\
Examples:
  syft job run                               # everything that is approved; nothing is shared
  syft job run analysis --share-outputs
  syft job run analysis --timeout 600 --share-outputs --share-logs
  syft job run --parallel 2 --requeue        # what a crash cuts short runs again with the next run";

/// Run approved jobs in a sandbox on this machine
///
/// A job sees the datasets that it asked for, its own code and an empty folder for results, and no
/// network. What it leaves stays here unless you share it. Jobs run in the order in which they
/// arrived; one that cannot run keeps no other from running. `syft job cancel` ends one from another
/// terminal, Ctrl-C ends all.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Jobs to run; all that are approved if none is named
    #[arg(value_name = "NAME")]
    names: Vec<String>,

    /// Only jobs of this person
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    from: Option<Email>,

    /// Let the submitter read the files in `outputs/`
    #[arg(long)]
    share_outputs: bool,

    /// Let the submitter read what the job printed
    #[arg(long)]
    share_logs: bool,

    /// How much the submitter of a job that fails is told of that: `full` is the kind of the exception
    /// and the line of its own code, `class` how it ended; never what it printed
    #[arg(long, value_name = "HOW MUCH", value_parser = detail)]
    failure_report: Option<Detail>,

    /// End a job after this many seconds; else after as many as `settings.toml` says, or 300
    /// [env: SYFT_DEFAULT_JOB_TIMEOUT_SECONDS]
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,

    /// Run this many jobs side by side
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    parallel: Option<u16>,

    /// Let a job wait for another run if this one is cut short; else it has failed
    #[arg(long)]
    requeue: bool,

    /// Work out anew which packages jobs get, instead of those that they got before
    #[arg(long)]
    refresh_packages: bool,

    /// Run without a sandbox: the code may do all that you may
    #[arg(long)]
    no_sandbox: bool,

    /// Run also jobs of people whose version is unknown or does not fit
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let mut signalled = std::pin::pin!(signals::stop());
    let opened = async {
        let syncs = context.pre_sync(args.pre_sync, ui)?;
        let choices = choices(args, &context.configuration()?.settings()?.jobs, ui);
        Ok::<_, Failure>((syncs, choices, context.open().await?))
    };
    let (syncs, choices, client) = tokio::select! {
        opened = opened => opened?,
        () = &mut signalled => return Err(failure_of_interrupt(&[])),
    };
    if args.no_sandbox {
        ui.danger("Without a sandbox: the code can read, change and send whatever you can");
    }
    let names: Vec<&str> = args.names.iter().map(String::as_str).collect();
    let stop = Stop::default();
    let (mut ran, was_interrupted) = {
        let board = Board::new(ui);
        let tell = |event: RunEvent<'_>| board.tell(&event);
        let mut work = std::pin::pin!(client.run_jobs_until(&names, &choices, &stop, &tell));
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                ran = &mut work => break (ran?, stop.is_wished()),
                _ = ticks.tick() => board.draw(),
                () = &mut signalled, if !stop.is_wished() => stop.wish(),
                // Whoever presses it twice does not want to wait: the jobs end with this process.
                () = signals::stop(), if stop.is_wished() => break (Vec::new(), true),
            }
        }
    };
    if was_interrupted {
        return Ok(interrupted(&ran, ui));
    }
    // The only one, and it could not even begin: that is a failure of the command.
    if ran.len() == 1 {
        let Ran { job, result, unfinished } = ran.remove(0);
        ran.push(Ran { job, result: Ok(result?), unfinished });
    }
    tokio::select! {
        outcome = finish(&client, ran, syncs, ui) => outcome,
        () = &mut signalled => Err(failure_of_interrupt(&[])),
    }
}

/// Returns what was said, or else what was set.
fn choices(args: &Args, settings: &JobSettings, ui: &mut Ui) -> RunChoices {
    let of_settings = RunChoices::of(settings);
    let timeout = args.timeout.or_else(|| timeout_of_variable(ui)).map(Duration::from_secs);
    RunChoices {
        share_outputs: args.share_outputs,
        share_logs: args.share_logs,
        failure_report: args.failure_report.unwrap_or(of_settings.failure_report),
        timeout: timeout.or(of_settings.timeout),
        sandbox: !args.no_sandbox,
        from: args.from.clone(),
        force: args.force,
        parallel: args.parallel.map_or(of_settings.parallel, usize::from),
        after_cut: if args.requeue { AfterCut::Waits } else { of_settings.after_cut },
        refresh_packages: args.refresh_packages,
        ..of_settings
    }
}

/// The variable of the Python client.
fn timeout_of_variable(ui: &mut Ui) -> Option<u64> {
    const NAME: &str = "SYFT_DEFAULT_JOB_TIMEOUT_SECONDS";
    let text = variable(NAME)?;
    let seconds = text.trim().parse::<f64>().ok().filter(|seconds| (1.0..1e9).contains(seconds));
    if seconds.is_none() {
        ui.warn(format_args!("{NAME} is no number of seconds but `{text}`; it is left out"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in bounds")]
    seconds.map(|seconds| seconds.ceil() as u64)
}

/// Ends an interrupted command: what came of each job that had begun is told as well.
fn interrupted(ran: &[Ran], ui: &mut Ui) -> Exit {
    let failure = failure_of_interrupt(ran);
    ui.error(failure.code, &failure.message);
    let mut answer = failure.to_json();
    if let Some(hint) = answer["error"]["hint"].as_str() {
        ui.hint(hint);
    }
    answer["jobs"] = json!(ran_json(ran));
    ui.answer(&answer);
    failure.exit
}

fn failure_of_interrupt(ran: &[Ran]) -> Failure {
    let cut = |ran: &&Ran| ran.result.as_ref().is_ok_and(|report| report.cut.is_some());
    let names: Vec<String> = ran.iter().filter(cut).map(|ran| quoted(&ran.job.name)).collect();
    let waits =
        |ran: &Ran| ran.result.as_ref().is_ok_and(|report| report.status == JobStatus::Approved);
    let failure =
        Failure { exit: Exit::Interrupted, ..Failure::new(Code::Interrupted, "interrupted") };
    match names.first() {
        None => failure.hint("run the command again; it goes on where it stopped"),
        Some(_) if ran.iter().any(waits) => {
            failure.hint("what was running waits again; go on with `syft job run`")
        }
        Some(name) => failure.hint(format!(
            "what was running has failed; let it run again with `syft job rerun {name}`"
        )),
    }
}

async fn finish(client: &Client, ran: Vec<Ran>, syncs: bool, ui: &mut Ui) -> Outcome {
    let is_done = |ran: &Ran| {
        let has_run = matches!(&ran.result, Ok(report) if report.status == JobStatus::Done);
        has_run && ran.unfinished.is_none()
    };
    let mut exit = if ran.iter().all(is_done) { Exit::Done } else { Exit::Problems };
    let mut answer = json!({ "jobs": ran_json(&ran) });
    if ran.is_empty() {
        ui.say("No job is approved and has not run yet");
        ui.hint("see what waits for your decision with `syft job list --status pending`");
    } else {
        if ran.len() > 1 {
            ui.say(board::summary(&ran));
        }
        if !syncs {
            ui.hint("run `syft sync` so that what is shared reaches the submitter");
        } else if sync_after(client, &mut answer, ui).await != Exit::Done {
            exit = Exit::Problems;
        }
    }
    ui.answer(&answer);
    Ok(exit)
}

/// Returns what came of each job.
pub(crate) fn ran_json(ran: &[Ran]) -> Vec<Value> {
    let one = |Ran { job, result, unfinished }: &Ran| {
        let outcome = match result {
            Ok(report) => {
                let mut answer = report_of(report);
                if let Some(error) = unfinished {
                    merge(&mut answer, Failure::from(error).to_json());
                }
                answer
            }
            Err(error) => {
                let mut answer = Failure::from(error).to_json();
                answer["status"] = Value::Null;
                answer["return_code"] = Value::Null;
                answer
            }
        };
        let mut answer =
            json!({ "name": job.name.as_str(), "submitted_by": job.submitter.as_str() });
        merge(&mut answer, outcome);
        answer
    };
    ran.iter().map(one).collect()
}

fn report_of(report: &RunReport) -> Value {
    json!({
        "status": report.status.as_str(),
        "return_code": report.return_code,
        "outputs": report.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "duration_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        "confined": report.confined,
        "cut": report.cut.as_ref().map(|cut| match cut {
            Cut::Cancelled { .. } => "cancelled",
            Cut::Interrupted => "interrupted",
        }),
        "notes": report.notes,
        "shared": {
            "outputs": report.given.sharing.outputs,
            "logs": report.given.sharing.logs,
            "standing_approval": report.given.standing,
        },
        "failure_report": report.told.as_ref().map(crate::jobs::FailureReport::json),
    })
}

fn detail(text: &str) -> Result<Detail, String> {
    let all = [Detail::Full, Detail::Class, Detail::Off];
    let found = all.into_iter().find(|detail| detail.as_str() == text);
    found.ok_or_else(|| "it is `full`, `class` or `off`".to_owned())
}

fn merge(answer: &mut Value, more: Value) {
    if let (Value::Object(answer), Value::Object(more)) = (answer, more) {
        answer.extend(more);
    }
}
