//! `syft job show`: where a job stands, what it asks for, what it left.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Which, asked, job_json, release, review, room, status_words};
use crate::cli::args::PreSync;
use crate::cli::context::{Context, now_seconds};
use crate::cli::hints::quoted;
use crate::cli::report::{Failure, Outcome};
use crate::cli::text::{age, size};
use crate::cli::ui::{Tone, Ui};
use crate::client::FoundJob;
use crate::jobs::{JobStatus, Output, Snapshot};
use crate::model::Role;

const EXAMPLES: &str = "\
Examples:
  syft job show analysis
  syft job show analysis --no-code
  syft job show analysis --from ann@example.org --json";

/// Show a job: what it asks for, its code, where it stands, what it left
///
/// To an owner all of the code is shown, escaped: nothing in it can steer the terminal.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// Leave the code out
    #[arg(long)]
    no_code: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let client = &fresh.client;
    let found = client.job(&args.which.name, args.which.from.as_ref())?;
    let outputs = found.outputs()?;
    let submission = found.store().snapshot(&found.job);
    let mut answer = full_json(&found, &outputs, submission.as_ref().ok());
    asked::add_to(&mut answer, &found);
    if client.role() == Role::Owner {
        answer["touches"] = room::to_json(&found);
    }
    let exit = fresh.answer(json!({ "job": answer }), ui);
    if ui.is_json() {
        return Ok(exit);
    }
    head(&found, ui);
    match &submission {
        Ok(submission) => review::files(&found, submission, ui),
        Err(error) => ui.warn(format_args!("its files cannot be shown: {error}")),
    }
    let owner = client.role() == Role::Owner;
    if owner {
        room::print(&found, ui);
    }
    if let (true, false, Ok(submission)) = (owner, args.no_code, &submission) {
        review::code(&found, submission, ui);
    }
    results(&found, &outputs, ui);
    asked::compare(&found, &outputs, ui);
    if owner {
        advise_owner(&found, &args.which.name, submission.ok().as_ref(), ui);
    } else if found.job.state.status == JobStatus::Done && outputs.is_empty() {
        ui.hint("results show up after `syft sync`, if the owner shares them");
    }
    Ok(exit)
}

fn full_json(found: &FoundJob, outputs: &[Output], submission: Option<&Snapshot>) -> Value {
    let job = &found.job;
    let [stdout, stderr, _] = found.logs();
    let path = |path: Option<PathBuf>| path.map(|path| path.to_string_lossy().into_owned());
    let mut answer = job_json(job, &found.datasite);
    answer["return_code"] = json!(found.return_code());
    answer["entrypoint"] = json!(job.config.entrypoint.as_ref().map(ToString::to_string));
    answer["dependencies"] = json!(job.config.dependencies);
    answer["datasets"] = json!(job.config.datasets);
    answer["digest"] = json!(submission.map(|submission| submission.digest.to_hex()));
    answer["script"] = json!(review::script_word(found));
    answer["files"] = submission
        .map(|submission| {
            let files = submission.files.iter();
            files
                .map(|(path, digest, size)| {
                    json!({ "path": path.as_str(), "size": size, "sha256": digest.to_hex() })
                })
                .collect()
        })
        .unwrap_or(Value::Null);
    answer["outputs"] = outputs
        .iter()
        .map(|output| {
            json!({
                "path": output.path.as_str(),
                "local_path": output.local_path.to_string_lossy(),
                "size": output.size,
                "sha256": output.digest.to_hex(),
                "released": output.released,
            })
        })
        .collect();
    answer["failure"] = json!(found.told_failure());
    answer["releases"] = release::records_json(found);
    answer["stdout_path"] = json!(path(stdout));
    answer["stderr_path"] = json!(path(stderr));
    answer
}

fn head(found: &FoundJob, ui: &mut Ui) {
    let (job, now) = (&found.job, now_seconds());
    let (word, _) = status_words(job.state.status);
    ui.heading(format_args!("{} ({word})", job.id.name));
    ui.field("From", &job.id.submitter);
    ui.field("To", &found.datasite);
    ui.field("Submitted", age(job.config.submitted_at.seconds(), now));
    if !job.config.title.is_empty() && job.config.title != job.id.name.as_str() {
        ui.field("Calls itself", &job.config.title);
    }
    asked::tell(found, ui);
    if let Some(reason) = &job.state.review_reason {
        ui.field("Decision", format_args!("{word}: {reason}"));
    }
    if let Some(code) = found.return_code() {
        ui.field("Return code", code);
    }
    if let Some(failure) = found.told_failure() {
        ui.field("Failure", failure_words(&failure));
    }
}

/// The report of a failure on one line; an owner's program wrote it, so it may hold anything.
fn failure_words(report: &Value) -> String {
    let text = |key: &str| report[key].as_str().map(|text| text.chars().take(200).collect());
    let place = text("file").map(|file: String| match report["line"].as_u64() {
        Some(line) => format!("{file} line {line}"),
        None => file,
    });
    let parts = [text("ending"), text("exception"), place, text("time"), text("memory")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn results(found: &FoundJob, outputs: &[Output], ui: &mut Ui) {
    let [stdout, stderr, _] = found.logs();
    if outputs.is_empty() && stdout.is_none() && stderr.is_none() {
        return;
    }
    ui.line("");
    ui.heading("Results");
    for output in outputs {
        let path = output.local_path.display();
        let stays = if output.released { "" } else { "  (not released)" };
        ui.line(format_args!("  {}  {}  {path}{stays}", output.path, size(output.size)));
    }
    for (name, path) in [("stdout", stdout), ("stderr", stderr)] {
        if let Some(path) = path {
            ui.line(format_args!("  {name}  {}", path.display()));
        }
    }
    release::records(found, ui);
}

fn advise_owner(found: &FoundJob, name: &str, submission: Option<&Snapshot>, ui: &mut Ui) {
    let name = quoted(&name);
    match found.job.state.status {
        JobStatus::Pending => {
            let digest = submission.map(|submission| submission.digest.to_hex());
            let digits = digest.as_deref().and_then(|hex| hex.get(..8)).unwrap_or_default();
            ui.toned(Tone::Plain, "");
            ui.hint(format_args!(
                "allow exactly this with `syft job approve {name} --digest {digits}`"
            ));
            ui.hint(format_args!("or turn it down with `syft job reject {name} --reason TEXT`"));
        }
        JobStatus::Approved => {
            ui.hint(format_args!(
                "run it with `syft job run {name}`; nothing is shared by running, but if it fails a \
                 report without data"
            ));
        }
        _ => {}
    }
}

impl From<crate::jobs::Error> for Failure {
    fn from(error: crate::jobs::Error) -> Self {
        crate::client::Error::from(error).into()
    }
}
