//! `syft job show`: where a job stands, what it asks for, what it left.

use serde_json::{Value, json};

use super::{
    Which, asked, difference, one_file, ran, release, review, room, status_words, to_json,
};
use crate::cli::args::PreSync;
use crate::cli::context::{Context, now_seconds};
use crate::cli::hints::quoted;
use crate::cli::report::{Failure, Outcome};
use crate::cli::text::{age, size};
use crate::cli::ui::{Tone, Ui};
use crate::client::{Client, FoundJob};
use crate::jobs::{JobStatus, Output, Shown, ShownTo, Snapshot};
use crate::model::{DatasitePath, Role};

const EXAMPLES: &str = "\
Examples:
  syft job show analysis
  syft job show analysis --no-code
  syft job show analysis --file code/main.py
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

    /// Show one file and nothing else, whole, also if it is long
    #[arg(long, value_name = "PATH", conflicts_with = "no_code")]
    file: Option<String>,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let client = &fresh.client;
    let found = client.job(&args.which.name, args.which.from.as_ref())?;
    let submission = found.submission();
    if let Some(path) = &args.file {
        return one_file::run(&fresh, &found, submission?, path, ui);
    }
    let outputs = found.outputs()?;
    let is_owner = client.role() == Role::Owner;
    let mut shown = Vec::new();
    let mut answer = to_json::job(&found, &outputs, submission.as_ref().ok());
    if let (true, Ok(submission)) = (is_owner, &submission) {
        let texts = ui.is_json() && !args.no_code;
        shown = to_json::review(&found, submission, texts, &mut answer);
        let judged = client.judged(&found).filter(|_| found.job.state.status == JobStatus::Pending);
        answer["standing"] = to_json::judged(judged.as_ref());
        answer["look"] = json!(review::names(&found, submission));
    }
    asked::add_to(&mut answer, &found);
    if is_owner {
        answer["touches"] = room::to_json(&found);
    }
    let exit = fresh.answer(json!({ "job": answer }), ui);
    if ui.is_json() {
        if let (true, Ok(submission)) = (is_owner, &submission) {
            note_shown(&found, submission, &shown, ShownTo::Program, ui);
        }
        return Ok(exit);
    }
    head(&found, ui);
    match &submission {
        Ok(submission) => {
            let now = now_seconds();
            review::request(&found, submission, is_owner, now, ui);
            if is_owner {
                review::changes(&found, submission, now, ui);
                standing(client, &found, ui);
            }
            review::files(&found, submission, ui);
            if is_owner {
                room::print(&found, ui);
            }
            if is_owner {
                let code = |ui: &mut Ui| review::code(&found, submission, ui);
                let shown = if args.no_code { Vec::new() } else { code(ui) };
                note_shown(&found, submission, &shown, ShownTo::Person, ui);
            }
        }
        Err(error) => ui.warn(format_args!("its files cannot be shown: {error}")),
    }
    results(&found, &outputs, ui);
    asked::compare(&found, &outputs, ui);
    ran::show(&found, ui);
    if is_owner {
        advise_owner(&found, &args.which.name, submission.ok().as_ref(), ui);
    } else if found.job.state.status == JobStatus::Done && outputs.is_empty() {
        ui.hint("results show up after `syft sync`, if the owner shares them");
    }
    Ok(exit)
}

/// Tells how a job that waits compares with a standing approval.
fn standing(client: &Client, found: &FoundJob, ui: &mut Ui) {
    if found.job.state.status != JobStatus::Pending {
        return;
    }
    let Some(judged) = client.judged(found) else { return };
    let id = &judged.standing.id;
    ui.line("");
    if judged.obstacles.is_empty() {
        ui.heading(format_args!("It fits standing approval {id}: the next sync approves it"));
        return;
    }
    ui.heading(format_args!("It does not fit standing approval {id}"));
    for obstacle in &judged.obstacles {
        ui.toned(Tone::Look, format_args!("  {obstacle}"));
    }
    difference::print(&judged.changes, ui);
}

/// Notes what was shown, which an approval will say.
pub(super) fn note_shown(
    found: &FoundJob,
    submission: &Snapshot,
    shown: &[(&DatasitePath, Shown)],
    listed: ShownTo,
    ui: &mut Ui,
) {
    if let Err(error) = found.store().note_shown(&found.job.id, submission, shown, listed) {
        ui.warn(format_args!("what you were shown could not be noted: {error}"));
    }
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
            ui.hint(format_args!("take the approval back with `syft job reject {name}`"));
        }
        _ => {}
    }
}

impl From<crate::jobs::Error> for Failure {
    fn from(error: crate::jobs::Error) -> Self {
        crate::client::Error::from(error).into()
    }
}
