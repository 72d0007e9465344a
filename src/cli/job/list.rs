//! `syft job list`.

use serde_json::{Value, json};

use super::{job_json, status_words};
use crate::cli::args::PreSync;
use crate::cli::context::{Context, now_seconds};
use crate::cli::hints::quoted;
use crate::cli::report::Outcome;
use crate::cli::text::{age, moment};
use crate::cli::ui::{Tone, Ui};
use crate::client::{ListedJob, Waiting};
use crate::jobs::{Job, JobReference, JobStatus, Listed};
use crate::model::{Email, Role};

const EXAMPLES: &str = "\
Examples:
  syft job list
  syft job list --status pending
  syft job list --json | jq -r '.jobs[].name'";

/// List jobs, the newest first
///
/// To an owner, what is approved is shown with its place in the queue.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only jobs that stand so: received, pending, approved, rejected, running, done, failed
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<JobStatus>,

    #[command(flatten)]
    pre_sync: PreSync,
}

fn status(text: &str) -> Result<JobStatus, String> {
    JobStatus::parse(text).ok_or_else(|| {
        "it is received, pending, approved, rejected, running, done or failed".to_owned()
    })
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let role = fresh.client.role();
    let listed = fresh.client.jobs()?;
    let (mut jobs, mut unreadable) = (Vec::new(), Vec::new());
    for entry in &listed {
        match &entry.listed {
            Listed::Job(job) if args.status.is_none_or(|status| status == job.state.status) => {
                jobs.push((job.as_ref(), &entry.datasite));
            }
            Listed::Job(_) => {}
            Listed::Unreadable { directory, reason } => {
                unreadable.push(json!({
                    "path": directory, "owner": entry.datasite.as_str(), "reason": reason.to_string()
                }));
            }
        }
    }
    let queue = fresh.client.queue()?;
    let shown: Vec<_> = jobs.iter().map(|(job, owner)| shown(job, owner, &queue)).collect();
    let exit = fresh.answer(json!({ "jobs": shown, "unreadable": unreadable }), ui);
    for entry in &unreadable {
        let (path, reason) = (entry["path"].as_str(), entry["reason"].as_str());
        let (path, reason) = (path.unwrap_or_default(), reason.unwrap_or_default());
        ui.warn(format_args!("`{path}` should be a job and is none: {reason}"));
    }
    if jobs.is_empty() {
        ui.say("No jobs");
        if role == Role::Scientist {
            ui.hint("send one with `syft job submit FILE --to OWNER`");
        }
        return Ok(exit);
    }
    let now = now_seconds();
    let names: Vec<_> = jobs.iter().map(|job| reference(job, &listed)).collect();
    let rows = jobs.iter().zip(&names).map(|((job, owner), name)| {
        let (word, tone) = status_words(job.state.status);
        let other = if role == Role::Owner { &job.id.submitter } else { *owner };
        let word = standing(word, job, &queue, now);
        [
            (name.clone(), Tone::Plain),
            (word, tone),
            (other.to_string(), Tone::Plain),
            (age(job.config.submitted_at.seconds(), now), Tone::Dim),
        ]
    });
    let other = if role == Role::Owner { "FROM" } else { "TO" };
    ui.table(["JOB", "STATUS", other, "SUBMITTED"], rows.collect());
    let waiting = jobs.iter().position(|(job, _)| job.state.status == JobStatus::Pending);
    if let (Role::Owner, Some(name)) = (role, waiting.and_then(|at| names.get(at))) {
        ui.hint(format_args!("read what waits for you with `syft job show {}`", quoted(name)));
    }
    Ok(exit)
}

/// A job as `--json` lists it: with its place in the queue, or since when it runs.
fn shown(job: &Job, owner: &Email, queue: &Waiting) -> Value {
    let mut shown = job_json(job, owner);
    shown["queue_place"] = json!(queue.places.get(&job.id));
    let began = queue.running.get(&job.id).copied().flatten();
    shown["running_since"] = json!(began.and_then(moment));
    shown
}

/// Returns where a job stands, with its place in the queue, or since when it runs.
fn standing(word: &str, job: &Job, queue: &Waiting, now: f64) -> String {
    match (queue.places.get(&job.id), queue.running.get(&job.id)) {
        (Some(1), _) => format!("{word}, next"),
        (Some(place), _) => format!("{word}, number {place}"),
        (None, Some(Some(began))) => {
            let since = age(began.seconds(), now);
            format!("{word}, {}", since.replace("just now", "just begun").replace(" ago", ""))
        }
        (None, _) => word.to_owned(),
    }
}

/// Returns how to name one of the jobs: with its layout if its name alone does not say which.
fn reference((job, owner): &(&Job, &Email), all: &[ListedJob]) -> String {
    let shares_name = |other: &ListedJob| match &other.listed {
        Listed::Job(other_job) => {
            let [ours, theirs] = [&job.id, &other_job.id];
            other.datasite == **owner
                && (&ours.submitter, &ours.name) == (&theirs.submitter, &theirs.name)
                && ours.layout != theirs.layout
        }
        Listed::Unreadable { .. } => false,
    };
    if all.iter().any(shares_name) {
        JobReference::exact(&job.id).to_string()
    } else {
        job.id.name.to_string()
    }
}
