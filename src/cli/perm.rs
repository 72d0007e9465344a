//! `syft perm`: who may read, write and administer which path of your datasite.

use std::io::{IsTerminal as _, Read as _};

use clap::ValueEnum;
use serde_json::json;

use super::args;
use super::context::Context;
use super::report::{Exit, Failure, Outcome};
use super::ui::{Tone, Ui};
use crate::model::{Code, Email};
use crate::permissions::{CheckRequest, Level, answer};

const EXAMPLES: &str = "\
Examples:
  syft perm grant shared/ --user ann@example.org --level write
  syft perm grant 'results/*.csv' --user '*@example.org' --level read
  syft perm explain results/table.csv --user ann@example.org";
const GRANT_EXAMPLES: &str = "\
Examples:
  syft perm grant shared/ --user ann@example.org --level write
  syft perm grant results/table.csv --user ann@example.org --level read";
const REVOKE_EXAMPLES: &str = "\
Examples:
  syft perm revoke shared/ --user ann@example.org --level write
  syft perm revoke shared/ --user ann@example.org --level read     # takes everything";
const CHECK_EXAMPLES: &str = "\
Examples:
  syft perm check shared/notes.txt --user ann@example.org --level write
  syft perm check --stdin-json < questions.json

The form of the questions:
  {\"owner\":E,\"rulesets\":[{\"path\":\"\",\"terminal\":false,\"rules\":[…]}],
   \"requests\":[{\"path\":P,\"user\":U,\"level\":\"read\"}]}";
const EXPLAIN_EXAMPLES: &str = "\
Examples:
  syft perm explain results/table.csv --user ann@example.org
  syft perm explain shared/ --user ann@example.org --level write";

/// The most that is read from stdin, in bytes.
const QUESTIONS_MAX: u64 = 64 << 20;

/// See and change who may use which path of your datasite
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    Grant(Grant),
    Revoke(Revoke),
    Check(Check),
    Explain(Explain),
}

/// What somebody may do with a path; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wanted {
    /// See the content
    Read,
    /// Propose changes, which are then taken in
    Write,
    /// Change who may do what
    Admin,
}

impl From<Wanted> for Level {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Read => Self::Read,
            Wanted::Write => Self::Write,
            Wanted::Admin => Self::Admin,
        }
    }
}

/// Let somebody use a path
///
/// Takes effect at the next sync: what they may read is sent to them then.
#[derive(Debug, clap::Args)]
#[command(after_help = GRANT_EXAMPLES)]
pub(crate) struct Grant {
    /// Path or pattern relative to your datasite; a slash at the end means the folder
    path: String,

    /// Who: an address, `*@domain` for everybody there, or `*` for everybody
    #[arg(long, value_name = "USER")]
    user: String,

    /// What they may do
    #[arg(long)]
    level: Wanted,
}

/// Take a right from somebody
///
/// What they have received already stays with them; they get no later version. Revoking `read`
/// takes `write` and `admin` as well.
#[derive(Debug, clap::Args)]
#[command(after_help = REVOKE_EXAMPLES)]
pub(crate) struct Revoke {
    /// Path or pattern relative to your datasite; a slash at the end means the folder
    path: String,

    /// Who, as written in the grant
    #[arg(long, value_name = "USER")]
    user: String,

    /// What to take, with all that includes it
    #[arg(long)]
    level: Wanted,
}

/// Tell whether somebody may use a path
///
/// With `--stdin-json` rules and questions come from stdin and no datasite is touched: the rules
/// engine as a filter, for other programs.
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub(crate) struct Check {
    /// Path relative to your datasite; a slash at the end means the folder
    #[arg(required_unless_present = "stdin_json")]
    path: Option<String>,

    /// Who wants to know; an address
    #[arg(long, value_name = "USER", required_unless_present = "stdin_json", value_parser = args::email)]
    user: Option<Email>,

    /// What they want to do
    #[arg(long, default_value = "read")]
    level: Wanted,

    /// Read rules and questions as JSON from stdin, answer with JSON
    #[arg(long, conflicts_with_all = ["path", "user", "level"])]
    stdin_json: bool,
}

/// Tell why somebody may, or may not, use a path
#[derive(Debug, clap::Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct Explain {
    /// Path relative to your datasite; a slash at the end means the folder
    path: String,

    /// Who; an address
    #[arg(long, value_name = "USER", value_parser = args::email)]
    user: Email,

    /// What they want to do
    #[arg(long, default_value = "read")]
    level: Wanted,
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    match command {
        Command::Grant(args) => grant(args, context, ui).await,
        Command::Revoke(args) => revoke(args, context, ui).await,
        Command::Check(args) if args.stdin_json => filter(ui),
        Command::Check(args) => check(args, context, ui).await,
        Command::Explain(args) => explain(args, context, ui).await,
    }
}

async fn grant(args: &Grant, context: &Context, ui: &mut Ui) -> Outcome {
    let level = Level::from(args.level);
    let client = context.open().await?;
    let notes = client.grant(&args.path, &args.user, level).await?;
    changed(&args.path, &args.user, level, true, &notes, ui);
    Ok(Exit::Done)
}

async fn revoke(args: &Revoke, context: &Context, ui: &mut Ui) -> Outcome {
    let level = Level::from(args.level);
    let client = context.open().await?;
    let notes = client.revoke(&args.path, &args.user, level).await?;
    changed(&args.path, &args.user, level, false, &notes, ui);
    Ok(Exit::Done)
}

fn changed(path: &str, user: &str, level: Level, granted: bool, notes: &[String], ui: &mut Ui) {
    ui.answer(&json!({
        "path": path, "user": user, "level": level.to_string(), "granted": granted, "notes": notes
    }));
    let now = if granted { "may now" } else { "may no longer" };
    ui.done(format_args!(
        "{user} {now} {level} `{path}`; this takes effect at the next `syft sync`"
    ));
    for note in notes {
        ui.warn(note);
    }
    if user.contains('@') && !user.contains('*') {
        ui.hint(format_args!("see it with `syft perm explain {path} --user {user}`"));
    }
}

async fn check(args: &Check, context: &Context, ui: &mut Ui) -> Outcome {
    let (Some(path), Some(user)) = (&args.path, &args.user) else {
        return Err(Failure::usage("a path and a user are needed"));
    };
    let client = context.open().await?;
    let allowed = client.allows(path, user.as_str(), args.level.into())?;
    ui.answer(&json!({ "allowed": allowed }));
    let (tone, word) = if allowed { (Tone::Good, "allowed") } else { (Tone::Look, "denied") };
    ui.toned(tone, word);
    Ok(Exit::Done)
}

async fn explain(args: &Explain, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let told = client.explain_level(&args.path, args.user.as_str(), args.level.into())?;
    ui.answer(&json!({
        "path": told.path,
        "user": told.user,
        "allowed": told.allowed,
        "level": told.level.map(|level| level.to_string()),
        "considered": told.considered,
        "governing": told.governing,
        "rule": told.rule.as_ref().map(|rule| json!({ "index": rule.index, "pattern": rule.pattern })),
        "text": told.to_string(),
    }));
    ui.line(&told);
    Ok(Exit::Done)
}

fn filter(ui: &mut Ui) -> Outcome {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage(
            "rules and questions are expected on stdin, which is a terminal",
        )
        .hint("run `syft perm check --stdin-json < questions.json`"));
    }
    let mut text = Vec::new();
    let read = stdin.lock().take(QUESTIONS_MAX).read_to_end(&mut text);
    read.map_err(|error| Failure::new(Code::Stdin, format!("cannot read stdin: {error}")))?;
    let request: CheckRequest = serde_json::from_slice(&text).map_err(|error| {
        Failure::usage(format!("stdin holds no rules and questions: {error}"))
            .hint("run `syft perm check --help` to see their form")
    })?;
    let answer = serde_json::to_value(answer(request))
        .map_err(|error| Failure::new(Code::Json, error.to_string()))?;
    // An answer in JSON was asked for in any case.
    if ui.is_json() {
        ui.answer(&answer);
    } else {
        ui.line(&answer);
    }
    Ok(Exit::Done)
}
