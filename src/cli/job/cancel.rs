//! `syft job cancel`: end a job that runs.

use serde_json::json;

use super::{Which, job_json, status_words};
use crate::cli::args::PreSync;
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Outcome};
use crate::cli::sync::sync_after;
use crate::cli::ui::Ui;

const EXAMPLES: &str = "\
Examples:
  syft job cancel analysis
  syft job cancel analysis --reason 'it takes all of the memory'
  syft job cancel analysis --elsewhere       # another machine ran it, and is gone";

/// End a job that runs, in this terminal or another, or in `syft serve`
///
/// All its processes are killed. It has failed then, with return code -1; what it left is dropped,
/// what it printed stays here. Its submitter reads the reason. A job that another machine of yours
/// runs is cancelled there.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// Reason; the submitter sees it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Give up a job that another machine of yours ran, which is gone: where it still runs, it runs on
    #[arg(long)]
    elsewhere: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let syncs = context.pre_sync(args.pre_sync, ui)?;
    let client = context.open().await?;
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    let found = {
        let _progress = ui.progress("Ending it");
        client.cancel_job(name, from, args.reason.as_deref(), args.elsewhere).await?
    };
    let job = &found.job;
    let mut answer = json!({ "job": job_json(job, &found.datasite) });
    if job.state.is_cancelled() {
        ui.done(format_args!("Cancelled `{}` of {}", job.id.name, job.id.submitter));
        ui.hint(format_args!("let it run again with `syft job rerun {}`", quoted(&job.id.name)));
    } else {
        let (word, _) = status_words(job.state.status);
        ui.say(format_args!("`{}` was faster: it is {word}", job.id.name));
    }
    let mut exit = Exit::Done;
    if syncs {
        exit = sync_after(&client, &mut answer, ui).await;
    } else {
        ui.hint("run `syft sync` so that the submitter learns it");
    }
    ui.answer(&answer);
    Ok(exit)
}
