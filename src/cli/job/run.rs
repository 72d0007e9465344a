//! `syft job run`: execute what was approved, beside the private data.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::args::{self, PreSync};
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::sync::sync_after;
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::client::{Client, Ran, RunChoices};
use crate::jobs::{Detail, JobStatus, RunReport};
use crate::model::Email;

const EXAMPLES: &str = "\
Examples:
  syft job run                               # everything that is approved; nothing is shared
  syft job run analysis --share-outputs
  syft job run analysis --timeout 600 --share-outputs --share-logs";

/// Run approved jobs in a sandbox on this machine
///
/// A job sees the datasets that it asked for, its own code and an empty folder for results, and no
/// network. What it leaves stays here unless you share it.
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

    /// End a job after this many seconds
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,

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
    let syncs = context.pre_sync(args.pre_sync, ui)?;
    let client = context.open().await?;
    let choices = RunChoices {
        share_outputs: args.share_outputs,
        share_logs: args.share_logs,
        failure_report: match args.failure_report {
            Some(said) => said,
            None => {
                let settings = context.configuration()?.settings()?;
                settings.jobs.failure_report.unwrap_or_default()
            }
        },
        timeout: args.timeout.map(Duration::from_secs),
        sandbox: !args.no_sandbox,
        from: args.from.clone(),
        force: args.force,
    };
    if args.no_sandbox {
        ui.danger("Without a sandbox: the code can read, change and send whatever you can");
    }
    let names: Vec<&str> = args.names.iter().map(String::as_str).collect();
    let mut ran = {
        let _progress = ui.progress("Running");
        client.run_jobs(&names, &choices).await?
    };
    // The only one, and it could not even begin: that is a failure of the command.
    if ran.len() == 1 {
        let Ran { job, result } = ran.remove(0);
        ran.push(Ran { job, result: Ok(result?) });
    }
    finish(&client, ran, &choices, syncs, ui).await
}

async fn finish(
    client: &Client,
    ran: Vec<Ran>,
    choices: &RunChoices,
    syncs: bool,
    ui: &mut Ui,
) -> Outcome {
    let mut exit = Exit::Done;
    let mut jobs = Vec::new();
    for Ran { job, result } in ran {
        let outcome = match result {
            Ok(report) => {
                say_report(&report, choices, ui);
                if report.status != JobStatus::Done {
                    exit = Exit::Problems;
                }
                report_of(&report)
            }
            Err(error) => {
                exit = Exit::Problems;
                let failure = Failure::from(error);
                ui.warn(format_args!("`{}` did not run: {}", job.name, failure.message));
                let mut answer = failure.to_json();
                answer["status"] = Value::Null;
                answer["return_code"] = Value::Null;
                answer
            }
        };
        let mut answer =
            json!({ "name": job.name.as_str(), "submitted_by": job.submitter.as_str() });
        merge(&mut answer, outcome);
        jobs.push(answer);
    }
    let mut answer = json!({ "jobs": jobs });
    if answer["jobs"].as_array().is_some_and(Vec::is_empty) {
        ui.say("No job is approved and has not run yet");
        ui.hint("see what waits for your decision with `syft job list --status pending`");
    } else if syncs {
        if sync_after(client, &mut answer, ui).await != Exit::Done {
            exit = Exit::Problems;
        }
    } else {
        ui.hint("run `syft sync` so that what is shared reaches the submitter");
    }
    ui.answer(&answer);
    Ok(exit)
}

fn say_report(report: &RunReport, choices: &RunChoices, ui: &mut Ui) {
    let (name, who) = (&report.job.name, &report.job.submitter);
    let seconds = report.duration.as_secs_f64();
    let files = count(report.outputs.len(), "file", "files");
    if report.status == JobStatus::Done {
        ui.done(format_args!("Ran `{name}` of {who} in {seconds:.1} s; it left {files}"));
    } else {
        let code = report.return_code;
        ui.warn(format_args!("`{name}` of {who} failed with code {code} after {seconds:.1} s"));
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
    let shared = match (choices.share_outputs, choices.share_logs) {
        (true, true) => "outputs and logs",
        (true, false) => "outputs",
        (false, true) => "logs",
        (false, false) => "nothing",
    };
    ui.say(format_args!("Shared with {who}: {shared}"));
    let name = quoted(name);
    ui.hint(if choices.share_outputs {
        format!("look at what it left with `syft job show {name}`")
    } else {
        format!("look at what it left with `syft job show {name}`, then `syft job release {name}`")
    });
}

fn report_of(report: &RunReport) -> Value {
    json!({
        "status": report.status.as_str(),
        "return_code": report.return_code,
        "outputs": report.outputs.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "duration_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        "confined": report.confined,
        "notes": report.notes,
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
