//! `syft job outputs`: take what a job left to a folder.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Which, job_json};
use crate::cli::args::PreSync;
use crate::cli::context::{Context, absolute};
use crate::cli::report::Outcome;
use crate::cli::text::{count, size};
use crate::cli::ui::{Tone, Ui};
use crate::client::FoundJob;
use crate::jobs::{Comparison, Export, JobStatus};

const EXAMPLES: &str = "\
Examples:
  syft job outputs analysis --to results/
  syft job outputs analysis --to results/ --logs --force
  syft job outputs analysis --to results/ --json | jq -r '.files[].sha256'";

/// Copy what a job left, as far as it was released, to a folder
///
/// Each file is there whole or not at all. Files that are there already are replaced only with
/// `--force`; without, nothing is written then. What the job printed goes to `logs/`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// Folder to copy to; made if it is not there
    #[arg(long, value_name = "DIR")]
    to: PathBuf,

    /// Also what the job printed, and its return code
    #[arg(long)]
    logs: bool,

    /// Replace files that are there
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let folder = absolute(&args.to)?;
    let Which { name, from } = &args.which;
    let (found, export) =
        fresh.client.export_job(name, from.as_ref(), &folder, args.logs, args.force)?;
    let outputs = found.outputs()?;
    let comparison = found.job.config.request().compare(outputs.iter().map(|file| &file.path));
    let has_logs = found.logs().iter().any(Option::is_some);
    let answer = to_json(&found, &export, &comparison, (!outputs.is_empty(), has_logs));
    let exit = fresh.answer(answer, ui);
    let rows = export.files.iter().map(|file| {
        [
            (file.path.to_string(), Tone::Plain),
            (size(file.size), Tone::Dim),
            (file.digest.to_hex(), Tone::Dim),
        ]
    });
    if !export.files.is_empty() {
        ui.table(["FILE", "SIZE", "SHA256"], rows.collect());
    }
    let files = count(export.files.len(), "file", "files");
    ui.done(format_args!("Copied {files} to `{}`", folder.display()));
    for left_out in &export.left_out {
        ui.warn(format_args!("left out {left_out}"));
    }
    for note in missing(&found, &comparison, outputs.is_empty(), args.logs && !has_logs) {
        ui.say(note);
    }
    Ok(exit)
}

/// Says what is not here, and why as far as that is known.
fn missing(found: &FoundJob, comparison: &Comparison, none: bool, no_logs: bool) -> Vec<String> {
    let status = found.job.state.status;
    if !matches!(status, JobStatus::Done | JobStatus::Failed) {
        return vec![format!("The job is {status}: it has left nothing yet")];
    }
    let mut notes = Vec::new();
    if none {
        notes.push("No outputs are here: they were not released yet, or there are none".to_owned());
    } else {
        notes.extend(comparison.notes());
    }
    if no_logs {
        notes.push("What it printed was not released".to_owned());
    }
    notes
}

fn to_json(
    found: &FoundJob,
    export: &Export,
    comparison: &Comparison,
    (has_outputs, has_logs): (bool, bool),
) -> Value {
    let files = export.files.iter().map(|file| {
        json!({
            "path": file.path.as_str(),
            "local_path": file.local_path.to_string_lossy(),
            "size": file.size,
            "sha256": file.digest.to_hex(),
        })
    });
    json!({
        "job": job_json(&found.job, &found.datasite),
        "files": files.collect::<Vec<_>>(),
        "left_out": export.left_out,
        "missing": comparison.missing.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "unexpected": comparison.unexpected.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "outputs_here": has_outputs,
        "logs_here": has_logs,
    })
}
