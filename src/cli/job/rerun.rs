//! `syft job rerun`: put a job that ended back into the queue.

use serde_json::json;

use super::{Which, job_json};
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Outcome};
use crate::cli::ui::Ui;

const EXAMPLES: &str = "\
Examples:
  syft job rerun analysis
  syft job run analysis";

/// Put a job that ended back into the queue
///
/// Your approval stands, for exactly the files that you approved. What the job left is removed, here
/// and with the next sync at its submitter; what its next run leaves stays here until you release it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let found = client.rerun_job(&args.which.name, args.which.from.as_ref()).await?;
    let job = &found.job;
    ui.answer(&json!({ "job": job_json(job, &found.datasite) }));
    ui.done(format_args!("`{}` of {} waits for another run", job.id.name, job.id.submitter));
    ui.hint(format_args!("run it with `syft job run {}`", quoted(&job.id.name)));
    Ok(Exit::Done)
}
