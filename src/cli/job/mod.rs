//! `syft job`: code that travels to the data.

mod allow;
mod allowed;
mod asked;
mod board;
mod cancel;
mod code;
mod decide;
mod difference;
mod environments;
mod list;
mod logs;
mod one_file;
mod outputs;
mod ran;
mod release;
mod rerun;
mod review;
mod room;
mod run;
pub(super) mod serving;
mod show;
mod submit;
mod to_json;
mod trying;
mod wait;

use serde_json::{Value, json};

use super::args;
use super::context::Context;
use super::report::Outcome;
use super::text::moment;
use super::ui::{Tone, Ui};
use crate::jobs::{Job, JobStatus};
use crate::model::Email;

const EXAMPLES: &str = "\
Examples:
  syft job try analysis.py --to owner@example.org        # a scientist tries it on mock data
  syft job submit analysis.py --to owner@example.org     # and asks
  syft job show analysis                                 # the owner reads all of it
  syft job approve analysis --reason 'counts only'
  syft job run analysis
  syft job release analysis                              # once you have looked at the results
  syft job wait analysis                                 # the scientist waits for that
  syft job outputs analysis --to results/";

/// Send code to data, review it, run it, read the results
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    Try(trying::Args),
    Submit(submit::Args),
    List(list::Args),
    Show(show::Args),
    Approve(decide::Approve),
    Reject(decide::Reject),
    Run(run::Args),
    Cancel(cancel::Args),
    Rerun(rerun::Args),
    Logs(logs::Args),
    Environments(environments::Args),
    Allow(allow::Args),
    Allowed(allowed::Args),
    Disallow(allowed::Disallow),
    Release(release::Args),
    Wait(wait::Args),
    Outputs(outputs::Args),
}

/// Which job.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// Name of the job, as shown by `syft job list`; `v0/NAME` or `v1/NAME` where two share one name
    #[arg(value_name = "NAME")]
    name: String,

    /// Whose it is, where two people use one name: who submitted it, or for a scientist, to whom
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    from: Option<Email>,
}

impl Command {
    /// True if it looks after Ctrl-C itself, since what it began has to be ended well.
    pub(crate) const fn ends_itself(&self) -> bool {
        matches!(self, Self::Run(_))
    }
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    match command {
        Command::Try(args) => trying::run(args, context, ui).await,
        Command::Submit(args) => submit::run(args, context, ui).await,
        Command::List(args) => list::run(args, context, ui).await,
        Command::Show(args) => show::run(args, context, ui).await,
        Command::Approve(args) => decide::approve(args, context, ui).await,
        Command::Reject(args) => decide::reject(args, context, ui).await,
        Command::Allow(args) => allow::run(args, context, ui).await,
        Command::Allowed(args) => allowed::run(args, context, ui).await,
        Command::Disallow(args) => allowed::disallow(args, context, ui).await,
        Command::Run(args) => run::run(args, context, ui).await,
        Command::Cancel(args) => cancel::run(args, context, ui).await,
        Command::Rerun(args) => rerun::run(args, context, ui).await,
        Command::Logs(args) => logs::run(args, context, ui).await,
        Command::Environments(args) => environments::run(args, context, ui).await,
        Command::Release(args) => release::run(args, context, ui).await,
        Command::Wait(args) => wait::run(args, context, ui).await,
        Command::Outputs(args) => outputs::run(args, context, ui).await,
    }
}

/// What came of runs as `--json` shows it.
pub(super) use run::ran_json;

/// A job as `--json` shows it, short form.
pub(crate) fn job_json(job: &Job, owner: &Email) -> Value {
    json!({
        "name": job.id.name.as_str(),
        "layout": job.id.layout.number(),
        "status": job.state.status.as_str(),
        "submitted_by": job.id.submitter.as_str(),
        "owner": owner.as_str(),
        "submitted_at": moment(job.config.submitted_at),
        "kind": job.config.kind.as_str(),
        "return_code": job.state.return_code,
        "reason": job.state.review_reason,
    })
}

/// A status with what it means for who reads it.
pub(crate) const fn status_words(status: JobStatus) -> (&'static str, Tone) {
    match status {
        JobStatus::Received => ("received", Tone::Dim),
        JobStatus::Pending => ("pending", Tone::Look),
        JobStatus::Approved => ("approved", Tone::Good),
        JobStatus::Rejected => ("rejected", Tone::Bad),
        JobStatus::Running => ("running", Tone::Look),
        JobStatus::Done => ("done", Tone::Good),
        JobStatus::Failed => ("failed", Tone::Bad),
    }
}
