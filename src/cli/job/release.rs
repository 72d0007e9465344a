//! `syft job release`: let the submitter have what a job left, after looking at it.

use std::io::Read as _;

use serde_json::{Value, json};

use super::{Which, job_json};
use crate::cli::args::PreSync;
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::sync::sync_after;
use crate::cli::text::{count, moment, size};
use crate::cli::ui::{Tone, Ui};
use crate::client::{Client, FoundJob};
use crate::jobs::{Authority, HEAD_BYTES, Offer, Offered, ReleaseRecord, Wish, content_kind};
use crate::model::{Code, DatasitePath, Email};

const EXAMPLES: &str = "\
Examples:
  syft job release analysis --dry-run        # what would leave: files, sizes, the first lines
  syft job release analysis                  # the files in `outputs/`
  syft job release analysis --only table.csv
  syft job release analysis --outputs --logs
  syft job release analysis --withdraw       # take it back, as far as that is possible";

/// Let the submitter read what a job left
///
/// Until you say so, nothing that a job left leaves this machine. What would leave is shown first, and
/// exactly that leaves. Once the submitter has fetched it, it cannot be taken back.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    which: Which,

    /// The files in `outputs/`; this is meant if nothing is named
    #[arg(long)]
    outputs: bool,

    /// What the job printed, and its return code
    #[arg(long)]
    logs: bool,

    /// Of the outputs only this file or folder; can be repeated
    #[arg(long, value_name = "PATH")]
    only: Vec<String>,

    /// Show what would leave, and release nothing
    #[arg(long)]
    dry_run: bool,

    /// Release only if it is still this, as --dry-run named it
    #[arg(long, value_name = "DIGITS")]
    digest: Option<String>,

    /// Do not ask
    #[arg(long, short)]
    yes: bool,

    /// Take back what was released: readers' programs delete their copies, people may have kept some
    #[arg(long, conflicts_with_all = ["outputs", "logs", "only", "dry_run", "digest"])]
    withdraw: bool,

    #[command(flatten)]
    pre_sync: PreSync,
}

/// How many digits of a digest are enough to name an offer.
const DIGITS: usize = 8;

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let syncs = context.pre_sync(args.pre_sync, ui)? && !args.dry_run;
    let client = context.open().await?;
    if args.withdraw {
        return withdraw(args, &client, syncs, ui).await;
    }
    let wish = wish(args)?;
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    let (found, offer) = client.offer_release(name, from, &wish)?;
    let who = &found.job.id.submitter;
    let digest = offer.digest.to_hex();
    check_digest(args, &digest, name)?;
    let mut answer = json!({ "job": job_json(&found.job, &found.datasite) });
    answer["offer"] = offer_json(&offer);
    answer["dry_run"] = json!(args.dry_run);
    show(&offer, ui);
    let readers = client.readers_of(&found, &offer)?;
    answer["readers"] = readers.iter().map(Email::as_str).collect();
    for other in readers.iter().filter(|reader| !reader.is_same_account(who.as_str())) {
        ui.warn(format_args!("{other} may read some of it as well, by your permission rules"));
        let folder = format!("{}/", found.job.id.review());
        let folder = quoted(&folder);
        ui.hint(format_args!("see why with `syft perm explain {folder} --user {other}`"));
    }
    let what = what(&offer);
    if args.dry_run || offer.files.is_empty() {
        answer["released"] = Value::Null;
        ui.answer(&answer);
        if offer.files.is_empty() {
            ui.say(format_args!("`{}` left nothing of that kind", found.job.id.name));
        } else {
            let digits = digest.get(..DIGITS).unwrap_or_default();
            ui.say("Nothing was released");
            ui.hint(format_args!(
                "let {who} have exactly this with `syft job release {}{} --digest {digits}`",
                quoted(name),
                flags(args)
            ));
        }
        return Ok(Exit::Done);
    }
    if ui.can_ask() && !args.yes {
        let typed = ui.ask(format_args!("Let {who} read {what}? It cannot be unread. Type yes:"));
        if typed.is_none_or(|typed| !typed.eq_ignore_ascii_case("yes")) {
            return Err(Failure::new(Code::NotConfirmed, "nothing was released"));
        }
    }
    let authority = Authority::Command(format!("release{}", flags(args)));
    client.release_job_as_shown(name, from, &wish, Some(&offer), &authority).await?;
    answer["released"] = released_json(&wish, &offer);
    ui.done(format_args!("{who} may read {what} of `{}`", found.job.id.name));
    finish(&client, answer, syncs, ui).await
}

async fn finish(client: &Client, mut answer: Value, syncs: bool, ui: &mut Ui) -> Outcome {
    let mut exit = Exit::Done;
    if syncs {
        exit = sync_after(client, &mut answer, ui).await;
    } else {
        ui.hint("run `syft sync` so that it reaches the submitter");
    }
    ui.answer(&answer);
    Ok(exit)
}

async fn withdraw(args: &Args, client: &Client, syncs: bool, ui: &mut Ui) -> Outcome {
    let (name, from) = (&args.which.name, args.which.from.as_ref());
    let (found, record) = client.withdraw_job(name, from).await?;
    let who = &found.job.id.submitter;
    let files = count(record.files.len(), "file", "files");
    let mut answer = json!({ "job": job_json(&found.job, &found.datasite) });
    answer["withdrawn"] = json!({ "files": paths(&record) });
    if record.files.is_empty() {
        ui.done(format_args!(
            "Nothing of `{}` was released; its rules are closed all the same",
            found.job.id.name
        ));
        return finish(client, answer, syncs, ui).await;
    }
    ui.done(format_args!("Took {files} of `{}` back", found.job.id.name));
    ui.warn(format_args!(
        "the next sync has the program of {who} delete its copies. What {who} has read or copied \
         stays with them, and your event log on the drive holds it until it is pruned"
    ));
    finish(client, std::mem::take(&mut answer), syncs, ui).await
}

fn wish(args: &Args) -> Result<Wish, Failure> {
    let mut only = Vec::new();
    for text in &args.only {
        let inner = text.strip_prefix("outputs/").unwrap_or(text).trim_end_matches('/');
        only.push(
            DatasitePath::parse(inner)
                .map_err(|error| Failure::usage(format!("--only {text}: {error}")))?,
        );
    }
    Ok(Wish { outputs: args.outputs || !only.is_empty() || !args.logs, logs: args.logs, only })
}

fn check_digest(args: &Args, digest: &str, name: &str) -> Result<(), Failure> {
    let Some(digits) = &args.digest else { return Ok(()) };
    let digits = digits.to_lowercase().replace('-', "");
    if digits.len() < DIGITS {
        return Err(Failure::usage(format!("--digest needs at least {DIGITS} digits")));
    }
    if digest.starts_with(&digits) {
        return Ok(());
    }
    let now = digest.get(..DIGITS).unwrap_or_default();
    let text = format!("what `{name}` left is now {now}, not {digits}: nothing was released");
    Err(Failure::new(Code::ResultChanged, text)
        .hint(format!("look again with `syft job release {} --dry-run`", quoted(&name))))
}

/// The flags that say what is meant, as they are typed.
fn flags(args: &Args) -> String {
    let mut flags = String::new();
    for (is, flag) in [(args.outputs, " --outputs"), (args.logs, " --logs")] {
        flags += if is { flag } else { "" };
    }
    for path in &args.only {
        flags += &format!(" --only {}", quoted(path));
    }
    flags
}

fn what(offer: &Offer) -> String {
    let bytes: u64 = offer.files.iter().map(|file| file.size).sum();
    format!("{} ({})", count(offer.files.len(), "file", "files"), size(bytes))
}

/// Shows every file, and of texts the first lines.
fn show(offer: &Offer, ui: &mut Ui) {
    const LINES: usize = 8;
    const CHARS: usize = 100;
    if ui.is_json() {
        return;
    }
    for file in &offer.files {
        let (kind, head) = look(file);
        let digest = file.digest.to_hex();
        let digits = digest.get(..DIGITS).unwrap_or_default();
        let again = if file.released { "  (released before)" } else { "" };
        ui.line(format_args!("  {}  {}  {kind}  {digits}{again}", file.path, size(file.size)));
        if kind != "text" {
            continue;
        }
        let text = String::from_utf8_lossy(&head);
        for line in text.lines().take(LINES) {
            let shown: String = line.chars().take(CHARS).collect();
            let more = if line.chars().nth(CHARS).is_some() { " …" } else { "" };
            ui.toned(Tone::Dim, format_args!("      {shown}{more}"));
        }
        if text.lines().nth(LINES).is_some() || file.size > head.len() as u64 {
            ui.toned(
                Tone::Dim,
                format_args!("      … the rest is in {}", file.local_path.display()),
            );
        }
    }
}

/// Returns what the file seems to be, and how it begins.
fn look(file: &Offered) -> (&'static str, Vec<u8>) {
    let mut head = Vec::new();
    let opened = std::fs::File::open(&file.local_path);
    let read = opened.and_then(|it| it.take(HEAD_BYTES as u64).read_to_end(&mut head));
    if read.is_err() { ("unreadable", Vec::new()) } else { (content_kind(&head), head) }
}

fn offer_json(offer: &Offer) -> Value {
    let files: Vec<Value> = offer
        .files
        .iter()
        .map(|file| {
            json!({
                "path": file.path.as_str(),
                "local_path": file.local_path.to_string_lossy(),
                "size": file.size,
                "sha256": file.digest.to_hex(),
                "kind": look(file).0,
                "released": file.released,
            })
        })
        .collect();
    json!({ "digest": offer.digest.to_hex(), "files": files })
}

fn released_json(wish: &Wish, offer: &Offer) -> Value {
    let outputs = offer.files.iter().filter_map(|file| file.path.as_str().strip_prefix("outputs/"));
    json!({
        "outputs": wish.outputs,
        "logs": wish.logs,
        "files": outputs.collect::<Vec<_>>(),
    })
}

fn paths(record: &ReleaseRecord) -> Vec<&str> {
    record.files.iter().map(|file| file.path.as_str()).collect()
}

/// The decisions about what a job left, as `--json` shows them.
pub(super) fn records_json(found: &FoundJob) -> Value {
    let records = found.releases().unwrap_or_default();
    records
        .iter()
        .map(|record| {
            let (command, standing) = match &record.authority {
                Authority::Command(command) => (Some(command), None),
                Authority::StandingApproval(name) => (None, Some(name)),
            };
            json!({
                "at": moment(record.at),
                "by": record.by.as_str(),
                "to": record.to.as_str(),
                "deed": record.deed,
                "command": command,
                "standing_approval": standing,
                "files": record.files.iter().map(|file| json!({
                    "path": file.path.as_str(),
                    "size": file.size,
                    "sha256": file.digest.to_hex(),
                })).collect::<Vec<_>>(),
            })
        })
        .collect()
}

/// Prints the decisions about what a job left.
pub(super) fn records(found: &FoundJob, ui: &mut Ui) {
    for record in found.releases().unwrap_or_default() {
        let files = paths(&record).join(", ");
        let by = match &record.authority {
            Authority::Command(command) => format!("command: job {command}"),
            Authority::StandingApproval(name) => format!("standing approval: {name}"),
        };
        let at = moment(record.at).unwrap_or_default();
        ui.line(format_args!("  {at}  {}: {files}  ({by})", record.deed.words()));
    }
}
