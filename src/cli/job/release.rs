//! `syft job release`: let the submitter have what a job left, after looking at it.

use serde_json::json;

use super::{Which, job_json};
use crate::cli::args::PreSync;
use crate::cli::context::Context;
use crate::cli::report::{Exit, Outcome};
use crate::cli::sync::sync_after;
use crate::cli::text::{count, size};
use crate::cli::ui::Ui;

const EXAMPLES: &str = "\
Examples:
  syft job show analysis                     # look at what it left
  syft job release analysis                  # the files in `outputs/`
  syft job release analysis --outputs --logs";

/// Let the submitter read what a job left
///
/// Until you say so, nothing that a job left leaves this machine. Once the submitter has fetched it,
/// it cannot be taken back.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// The files in `outputs/`; this is meant if nothing is named
    #[arg(long)]
    outputs: bool,

    /// What the job printed
    #[arg(long)]
    logs: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let syncs = context.pre_sync(args.pre_sync, ui)?;
    let client = context.open().await?;
    let outputs = args.outputs || !args.logs;
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    let found = client.release_job(name, from, outputs, args.logs).await?;
    let (job, who) = (&found.job, &found.job.id.submitter);
    let files = if outputs { found.outputs()? } else { Vec::new() };
    let mut answer = json!({ "job": job_json(job, &found.datasite) });
    answer["released"] = json!({
        "outputs": outputs,
        "logs": args.logs,
        "files": files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
    });
    for file in &files {
        ui.line(format_args!("  {}  {}", file.path, size(file.size)));
    }
    let what = match (outputs, args.logs) {
        (true, true) => format!("{} and the logs", count(files.len(), "file", "files")),
        (true, false) => count(files.len(), "file", "files"),
        (false, _) => "the logs".to_owned(),
    };
    ui.done(format_args!("{who} may read {what} of `{}`", job.id.name));
    let mut exit = Exit::Done;
    if syncs {
        exit = sync_after(&client, &mut answer, ui).await;
    } else {
        ui.hint("run `syft sync` so that it reaches the submitter");
    }
    ui.answer(&answer);
    Ok(exit)
}
