//! `syft job allowed` and `syft job disallow`: standing approvals, and the end of one.

use serde_json::{Value, json};

use super::to_json;
use crate::cli::args::PreSync;
use crate::cli::context::{Context, now_seconds};
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Outcome};
use crate::cli::text::{age, count, moment};
use crate::cli::ui::{Tone, Ui};
use crate::client::Allowed;
use crate::jobs::{Shown, Standing};
use crate::model::{Email, Timestamp};

const EXAMPLES: &str = "\
Examples:
  syft job allowed
  syft job allowed 1a2b3c4d                  # one of them, with every use
  syft job allowed --json | jq '.standing[].left'";
const DISALLOW_EXAMPLES: &str = "\
Examples:
  syft job disallow 1a2b3c4d";

/// List standing approvals: how much is left of each, and which jobs wait that fit
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// One of them, by its first digits
    #[arg(value_name = "ID")]
    id: Option<String>,

    #[command(flatten)]
    pre_sync: PreSync,
}

/// End a standing approval
///
/// What it has approved before stays approved, but nothing of it is shared unseen any more;
/// `syft job reject` turns down one that has not run.
#[derive(Debug, clap::Args)]
#[command(after_help = DISALLOW_EXAMPLES)]
pub(crate) struct Disallow {
    /// Which one, by its first digits
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    if let Some(id) = &args.id {
        let found = fresh.client.allowed_one(id)?;
        let exit = fresh.answer(json!({ "standing": full_json(&found) }), ui);
        one(&found, ui);
        return Ok(exit);
    }
    let (all, broken) = fresh.client.allowed()?;
    let unreadable: Vec<_> = broken.iter().map(|path| path.to_string_lossy()).collect();
    let shown: Vec<_> = all.iter().map(full_json).collect();
    let exit = fresh.answer(json!({ "standing": shown, "unreadable": unreadable }), ui);
    for path in &unreadable {
        ui.warn(format_args!(
            "`{path}` should be a standing approval and cannot be read; it approves nothing"
        ));
    }
    if all.is_empty() {
        ui.say("No standing approvals: each job waits for you");
        ui.hint("make one from a job that you have read: `syft job allow --help`");
        return Ok(exit);
    }
    let rows = all.iter().map(|allowed| {
        let standing = &allowed.standing;
        let tone = if allowed.over.is_some() { Tone::Dim } else { Tone::Plain };
        let waiting = match (&allowed.over, allowed.waiting.len()) {
            (Some(over), _) => over.clone(),
            (None, 0) => "nothing that fits".to_owned(),
            (None, number) => count(number, "job fits", "jobs fit"),
        };
        [
            (standing.id.clone(), tone),
            (standing.template.job.name.to_string(), tone),
            (people(standing), tone),
            (format!("{} of {}", standing.left(), standing.times), tone),
            (day(standing.until), tone),
            (waiting, tone),
        ]
    });
    ui.table(["ID", "LIKE", "OF", "LEFT", "UNTIL", "WAITS"], rows.collect());
    Ok(exit)
}

pub(crate) async fn disallow(args: &Disallow, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let standing = client.disallow_jobs(&args.id).await?;
    let over = Some("you ended it".to_owned());
    let ended = Allowed { standing, over, waiting: Vec::new() };
    ui.answer(&json!({ "standing": full_json(&ended) }));
    let uses = ended.standing.uses.len();
    ui.done(format_args!(
        "Ended standing approval {}; it has approved {}",
        ended.standing.id,
        count(uses, "job", "jobs")
    ));
    for job in client.approved_by(&ended.standing.id)? {
        let name = quoted(&job.name);
        ui.warn(format_args!(
            "`{}` of {} was approved by it and has not run",
            job.name, job.submitter
        ));
        ui.hint(format_args!(
            "turn it down with `syft job reject {name} --from {}`",
            job.submitter
        ));
    }
    Ok(Exit::Done)
}

fn one(allowed: &Allowed, ui: &mut Ui) {
    let Allowed { standing, over, waiting } = allowed;
    let (template, now) = (&standing.template, now_seconds());
    ui.heading(format_args!("Standing approval {}", standing.id));
    ui.field("Like", &standing.made_from);
    ui.field("Of", people(standing));
    ui.field("Left", format_args!("{} of {}", standing.left(), standing.times));
    ui.field("Until", day(standing.until));
    ui.field("Holds", over.as_ref().map_or_else(|| "yes".to_owned(), |over| format!("no: {over}")));
    ui.field(
        "Made",
        format_args!("{} by {}", age(standing.made_at.seconds(), now), standing.made_by),
    );
    if let Some(reason) = &standing.reason {
        ui.field("Reason", reason);
    }
    let datasets = standing.datasets.iter().map(|dataset| dataset.name.as_str());
    let datasets = datasets.collect::<Vec<_>>().join(", ");
    ui.field("Datasets", if datasets.is_empty() { "none" } else { &datasets });
    ui.field("Packages", template.config.dependencies.join(", "));
    let shared = match (standing.sharing.outputs, standing.sharing.logs) {
        (false, false) => "nothing until you release it",
        (true, false) => "outputs, unseen",
        (false, true) => "logs, unseen",
        (true, true) => "outputs and logs, unseen",
    };
    ui.field("Shared", shared);
    ui.line("");
    ui.heading(format_args!("Files ({})", template.files.len()));
    for file in &template.files {
        let free = if template.parameters.contains(&file.path) {
            if template.schema.is_some() {
                "  may be another that fits the schema"
            } else {
                "  may be another"
            }
        } else if file.shown == Shown::Whole {
            ""
        } else {
            "  ! was not shown to you as a whole"
        };
        let digest = file.digest.to_hex();
        let digits = digest.get(..8).unwrap_or_default();
        ui.line(format_args!("  {}  {digits}{free}", file.path));
    }
    if !standing.uses.is_empty() {
        ui.line("");
        ui.heading(format_args!("Uses ({})", standing.uses.len()));
    }
    for used in &standing.uses {
        let digest = used.digest.to_hex();
        let digits = digest.get(..8).unwrap_or_default();
        ui.line(format_args!("  {}  {}  {digits}", used.job, age(used.at.seconds(), now)));
    }
    for job in waiting {
        ui.say(format_args!("`{}` of {} waits and fits", job.name, job.submitter));
    }
}

/// A standing approval as `--json` shows it.
pub(super) fn full_json(allowed: &Allowed) -> Value {
    let Allowed { standing, over, waiting } = allowed;
    let template = &standing.template;
    let uses = standing.uses.iter().map(|used| {
        let parameters = used.parameters.iter();
        let parameters = parameters
            .map(|(path, digest)| json!({ "path": path.as_str(), "sha256": digest.to_hex() }));
        json!({
            "job": used.job, "at": moment(used.at), "digest": used.digest.to_hex(),
            "parameters": parameters.collect::<Vec<_>>(),
        })
    });
    let waiting = waiting
        .iter()
        .map(|job| json!({ "job": job.name.as_str(), "submitted_by": job.submitter.as_str() }));
    json!({
        "id": standing.id,
        "from": standing.made_from,
        "people": standing.people.iter().map(Email::as_str).collect::<Vec<_>>(),
        "times": standing.times,
        "left": standing.left(),
        "until": moment(standing.until),
        "holds": over.is_none(),
        "over": over,
        "share_outputs": standing.sharing.outputs,
        "share_logs": standing.sharing.logs,
        "made_at": moment(standing.made_at),
        "made_by": standing.made_by.as_str(),
        "ended_at": standing.ended.and_then(moment),
        "reason": standing.reason,
        "run_script": template.run_script,
        "datasets": standing.datasets.iter().map(|dataset| dataset.name.as_str()).collect::<Vec<_>>(),
        "dependencies": template.config.dependencies,
        "parameters": template.parameters.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "schema": template.schema,
        "digest": template.snapshot().digest.to_hex(),
        "files": template.files.iter().map(to_json::file).collect::<Vec<_>>(),
        "uses": uses.collect::<Vec<_>>(),
        "waiting": waiting.collect::<Vec<_>>(),
    })
}

/// The day of a moment, in UTC.
pub(super) fn day(moment: Timestamp) -> String {
    let moment = chrono::DateTime::from_timestamp_micros(moment.micros()).unwrap_or_default();
    moment.format("%Y-%m-%d").to_string()
}

fn people(standing: &Standing) -> String {
    standing.people.iter().map(Email::as_str).collect::<Vec<_>>().join(", ")
}
