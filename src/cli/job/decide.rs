//! `syft job approve` and `syft job reject`: the owner's decision.

use serde_json::json;

use super::{Which, job_json, to_json};
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::text::{count, size};
use crate::cli::ui::Ui;
use crate::client::{Client, FoundJob};
use crate::jobs::{ReviewedFile, RunScript, Shown, Snapshot};
use crate::model::{Code, Role};

const APPROVE_EXAMPLES: &str = "\
Examples:
  syft job show analysis
  syft job approve analysis --digest 7f3a91c2 --reason 'counts only'
  syft job approve analysis --from ann@example.org";
const REJECT_EXAMPLES: &str = "\
Examples:
  syft job reject analysis --reason 'please round the counts'
  syft job reject analysis                   # also where it was approved by mistake";

/// How many digits of a digest are enough to name it among the jobs of one owner.
const DIGITS_MIN: usize = 8;

/// How many are, where nothing else says what was looked at.
const DIGITS_UNSEEN: usize = 32;

/// Approve a job, so that it may run on the private data
///
/// The approval holds for exactly the files that lie there now: any change voids it. If they changed
/// since `syft job show`, nothing is approved. It is recorded with when, why and which files you had
/// been shown. Nothing runs and nothing is sent by approving.
#[derive(Debug, clap::Args)]
#[command(after_help = APPROVE_EXAMPLES)]
pub(crate) struct Approve {
    #[command(flatten)]
    which: Which,

    /// Reason to record with the approval; the submitter sees it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,

    /// Approve only if the code is still this, as `syft job show` named it
    #[arg(long, value_name = "DIGITS")]
    digest: Option<String>,

    /// Run the submitted `run.sh` as it is, instead of the one that the request amounts to
    #[arg(long)]
    run_script_as_submitted: bool,

    /// Approve without being asked about files that you were not shown; the record says which
    #[arg(long)]
    unread: bool,
}

/// Turn a job down, also one that you approved and that has not run
///
/// The submitter sees the reason after your next sync.
#[derive(Debug, clap::Args)]
#[command(after_help = REJECT_EXAMPLES)]
pub(crate) struct Reject {
    #[command(flatten)]
    which: Which,

    /// Reason; the submitter sees it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

pub(crate) async fn approve(args: &Approve, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    client.needs(Role::Owner)?;
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    let found = client.job(name, from)?;
    let submission = found.submission()?;
    check_shown(&found, &submission, args.digest.as_deref(), ui)?;
    let reviewed = submission.digest;
    let unread = unread(&found.reviewed(&submission));
    confirm(&unread, name, args.unread, ui)?;
    let script =
        if args.run_script_as_submitted { RunScript::AsSubmitted } else { RunScript::Derived };
    // What is approved is what was compared with what was shown, and nothing that came since.
    let reason = args.reason.as_deref();
    let found = client.approve_job_as_shown(name, from, reason, script, Some(reviewed)).await?;
    let job = &found.job;
    let digest = reviewed.to_hex();
    let mut answer = job_json(job, &found.datasite);
    answer["digest"] = json!(digest);
    answer["unread"] = unread.iter().map(to_json::file).collect();
    ui.answer(&json!({ "job": answer }));
    ui.done(format_args!(
        "Approved `{}` of {}: exactly these {}, code {}",
        job.id.name,
        job.id.submitter,
        count(submission.files.len(), "file", "files"),
        digest.get(..DIGITS_MIN).unwrap_or_default(),
    ));
    if from_script_differs(&found, args.run_script_as_submitted) {
        ui.warn("Its `run.sh` is not the one that the request amounts to; the latter will run");
    }
    ui.say("Nothing has run and nothing was sent");
    ui.hint(format_args!(
        "run it with `syft job run {0}`, look at it with `syft job show {0}`",
        quoted(name)
    ));
    Ok(Exit::Done)
}

/// Returns the files of which something was not shown and could have been.
pub(super) fn unread(reviewed: &[ReviewedFile]) -> Vec<ReviewedFile> {
    reviewed.iter().filter(|file| file.shown.leaves_something()).cloned().collect()
}

/// Names the files that were not shown, and asks about them where somebody can be asked.
pub(super) fn confirm(
    unread: &[ReviewedFile],
    name: &str,
    is_meant: bool,
    ui: &mut Ui,
) -> Result<(), Failure> {
    const NAMED_MAX: usize = 10;
    if unread.is_empty() {
        return Ok(());
    }
    let number = count(unread.len(), "file", "files");
    ui.warn(format_args!("You were not shown {number} of it, which the record will say:"));
    for file in unread.iter().take(NAMED_MAX) {
        let part = if file.shown == Shown::Part { ", only a part of it" } else { "" };
        ui.say(format_args!("  {} ({}{part})", file.path, size(file.size)));
    }
    if let Some(more) = unread.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
        ui.say(format_args!("  and {more} more"));
    }
    if is_meant || !ui.can_ask() {
        return Ok(());
    }
    match ui.ask("Approve what you have not seen? [y/N]").as_deref() {
        Some("y" | "Y" | "yes") => Ok(()),
        _ => Err(Failure::new(Code::NotConfirmed, "nothing was approved")
            .hint(format!("read it with `syft job show {}`", quoted(&name)))),
    }
}

fn from_script_differs(found: &FoundJob, as_submitted: bool) -> bool {
    use crate::jobs::ScriptCheck;
    !as_submitted && !matches!(found.script(), Ok(ScriptCheck::AsDerived))
}

/// Fails if the job is not what was shown last on this machine, or not what `digits` name.
///
/// Who sends a job can make two of the same first digits, and few tries make them: so few digits are
/// enough only for a person's slip, beside the whole digest of what was shown here.
pub(super) fn check_shown(
    found: &FoundJob,
    submission: &Snapshot,
    digits: Option<&str>,
    ui: &Ui,
) -> Result<(), Failure> {
    let name = &found.job.id.name;
    let again = || format!("read it again with `syft job show {}`", quoted(&name));
    let hex = submission.digest.to_hex();
    let now = hex.get(..DIGITS_MIN).unwrap_or_default();
    let last = found.last_shown(ui.is_json());
    if let Some(digits) = digits {
        let digits = digits.to_lowercase().replace('-', "");
        if digits.len() < DIGITS_MIN {
            return Err(Failure::usage(format!("--digest needs at least {DIGITS_MIN} digits")));
        }
        if !hex.starts_with(&digits) {
            let text = format!("job `{name}` is now {now}, not {digits}");
            return Err(Failure::new(Code::JobChanged, text).hint(again()));
        }
        if last.is_none() && digits.len() < DIGITS_UNSEEN {
            let text = format!(
                "--digest needs {DIGITS_UNSEEN} digits for a job that was not shown on this \
                 machine, since fewer can be imitated"
            );
            return Err(Failure::usage(text));
        }
    }
    match last {
        Some(last) if last != submission.digest => {
            let text =
                format!("job `{name}` has changed since it was shown to you: it is now {now}");
            Err(Failure::new(Code::JobChanged, text).hint(again()))
        }
        _ => Ok(()),
    }
}

pub(crate) async fn reject(args: &Reject, context: &Context, ui: &mut Ui) -> Outcome {
    let client: Client = context.open().await?;
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    let found = client.reject_job(name, from, args.reason.as_deref()).await?;
    let job = &found.job;
    ui.answer(&json!({ "job": job_json(job, &found.datasite) }));
    ui.done(format_args!("Turned down `{}` of {}; it will not run", job.id.name, job.id.submitter));
    ui.hint("they see it, and your reason, after your next `syft sync`");
    Ok(Exit::Done)
}
