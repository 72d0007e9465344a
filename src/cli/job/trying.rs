//! `syft job try`: run code on mock data, the way it will run at the owner's.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::code::{self, Code};
use crate::cli::context::{Context, absolute};
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::text::{count, size};
use crate::cli::ui::{Tone, Ui};
use crate::client::{self, Client, JobRequest, Tried, TryChoices};
use crate::jobs::{self, JobStatus};
use crate::model;

const EXAMPLES: &str = "\
Examples:
  syft job try analysis.py --to owner@example.org --dataset census
  syft job try analysis.py --to owner@example.org --expect counts.csv --keep results/
  syft job try project/ --to owner@example.org --dep pandas --timeout 60";

/// Run code on mock data first, in the sandbox that it will meet at the owner's
///
/// Nothing is sent. The job sees the mock halves of its datasets where it will see the private ones,
/// no network, and nothing else of this machine; its packages are installed as at an owner with this
/// program, and what it leaves passes the same rules.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    code: Code,

    /// Copy what it leaves to this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// End it after this many seconds
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,

    /// Run it without a sandbox: the code may do all that you may
    #[arg(long)]
    no_sandbox: bool,
}

/// How it is tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) timeout: Option<u64>,
    pub(crate) no_sandbox: bool,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let request = args.code.request(&client, false, ui)?;
    let how = How { timeout: args.timeout, no_sandbox: args.no_sandbox };
    let tried = match attempt(&client, &request, &how, ui).await {
        Ok(tried) => tried,
        Err(stopped) => return stopped,
    };
    tell(&tried, ui);
    let mut kept = None;
    if let Some(folder) = &args.keep {
        let folder = absolute(folder)?;
        let export = jobs::export(&tried.to_copy(), &folder, false);
        let export = export.map_err(client::Error::Export)?;
        let files = count(export.files.len(), "file", "files");
        ui.done(format_args!("Copied {files} to `{}`", folder.display()));
        for left_out in &export.left_out {
            ui.warn(format_args!("left out {left_out}"));
        }
        kept = Some(folder);
    }
    let answer = json!({ "try": to_json(&tried, kept) });
    if !tried.is_good() {
        return Ok(failed(answer, ui));
    }
    ui.answer(&answer);
    ui.hint("nothing was sent; `syft job submit` with the same arguments sends it");
    Ok(Exit::Done)
}

/// Tries a job. The error is how the command ends.
pub(crate) async fn attempt(
    client: &Client,
    request: &JobRequest,
    how: &How,
    ui: &mut Ui,
) -> Result<Tried, Outcome> {
    if how.no_sandbox {
        ui.warn("Without a sandbox: the code can read, change and send whatever you can");
    }
    let timeout = how.timeout.map(Duration::from_secs);
    let choices = TryChoices { timeout, sandbox: !how.no_sandbox };
    let tried = {
        let _progress = ui.progress("Running on mock data");
        client.try_job(request, &choices).await
    };
    tried.map_err(|error| match error {
        client::Error::Job(jobs::Error::Sandbox(sandbox)) => {
            let hint =
                format!("{}; `--no-sandbox` tries your own code without one", sandbox.hint());
            Err(Failure::from(client::Error::Job(sandbox.into())).hint(hint))
        }
        error => code::refused(error, ui),
    })
}

/// Ends a command with a try that did not do what is expected of it.
pub(crate) fn failed(mut answer: Value, ui: &mut Ui) -> Exit {
    let failure = Failure::new(
        model::Code::TryFailed,
        "the job did not do on mock data what is expected of it; nothing was sent",
    );
    ui.error(failure.code, &failure.message);
    answer["error"] = failure.to_json()["error"].clone();
    if let Some(hint) = answer["error"]["hint"].as_str() {
        ui.hint(hint);
    }
    ui.answer(&answer);
    Exit::Failed
}

/// Tells how a try ended.
pub(crate) fn tell(tried: &Tried, ui: &mut Ui) {
    code::tell(tried.findings(), ui);
    let rehearsal = &tried.rehearsal;
    let [out, err] = &rehearsal.logs;
    for (name, text) in [("it printed", out), ("on standard error", err)] {
        if !text.is_empty() {
            ui.heading(format_args!("── {name}"));
            ui.line(String::from_utf8_lossy(text).trim_end());
        }
    }
    if !rehearsal.outputs.is_empty() {
        ui.heading("── it left");
        for output in &rehearsal.outputs {
            ui.line(format_args!("  {}  {}", output.path, size(output.size)));
        }
    }
    let report = &rehearsal.report;
    let data = match tried.datasets.as_slice() {
        [] => "without any dataset".to_owned(),
        names => format!("on the mock data of {}", names.join(", ")),
    };
    let seconds = report.duration.as_secs_f64();
    if report.status == JobStatus::Done {
        let files = count(rehearsal.outputs.len(), "file", "files");
        ui.done(format_args!("It ran {data} in {seconds:.1} s and left {files}"));
    } else {
        let code = report.return_code;
        ui.warn(format_args!("It failed {data} with code {code} after {seconds:.1} s"));
    }
    for note in &report.notes {
        ui.warn(note);
    }
    if !report.confined {
        ui.toned(Tone::Bad, "It ran without a sandbox; at the owner's it will meet one");
    }
}

/// How a try ended, for programs; `kept`: where its outputs were copied to.
pub(crate) fn to_json(tried: &Tried, kept: Option<PathBuf>) -> Value {
    let rehearsal = &tried.rehearsal;
    let report = &rehearsal.report;
    let [stdout, stderr] = rehearsal.logs.each_ref().map(|text| String::from_utf8_lossy(text));
    let outputs = rehearsal.outputs.iter().map(|output| {
        json!({
            "path": output.path.as_str(), "size": output.size, "sha256": output.digest.to_hex()
        })
    });
    let comparison = &rehearsal.comparison;
    json!({
        "ok": tried.is_good(),
        "status": report.status.as_str(),
        "return_code": report.return_code,
        "duration_ms": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
        "confined": report.confined,
        "datasets": tried.datasets,
        "outputs": outputs.collect::<Vec<_>>(),
        "missing": comparison.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "unexpected": comparison.unexpected.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "stdout": stdout,
        "stderr": stderr,
        "notes": report.notes,
        "kept": kept.map(|folder| folder.to_string_lossy().into_owned()),
        "findings": code::json(tried.findings()),
    })
}
