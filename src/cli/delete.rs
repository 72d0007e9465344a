//! `syft delete`: remove an account's SyftBox from this machine, the drive, or both.

use serde_json::{Value, json};

use super::context::{Context, problems_json};
use super::report::{Exit, Failure, Outcome};
use super::text::{count, size};
use super::ui::Ui;
use crate::client::{Client, DeletionPlan, DeletionSummary, What};
use crate::model::Code;

const EXAMPLES: &str = "\
Examples:
  syft delete --dry-run                  # what would go, here and on the drive
  syft delete                            # asks first
  syft delete --yes --local-only         # free this machine; the drive keeps its part
  syft delete --yes --email me@example.org";

/// Delete a SyftBox: its files here, and what it keeps on the drive
///
/// Only what this program made goes, by folder and exact name; what you keep in a folder called
/// SyftBox stays. An owner tells its peers first, and their copies go with their next sync; what
/// others have copied elsewhere stays with them. On a terminal the address must be typed to go on;
/// elsewhere --yes is needed.
///
/// What was deleted on the drive is not put there again by a sync: `syft sync --anew` does that, or
/// another login. Another machine of yours that still syncs does it too: delete there as well.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// List what would go, with counts and bytes, and delete nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Delete the files on this machine only
    #[arg(long, conflicts_with = "remote_only")]
    local_only: bool,

    /// Delete what is on the drive only
    #[arg(long)]
    remote_only: bool,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let what = match (args.local_only, args.remote_only) {
        (true, _) => What::Local,
        (_, true) => What::Remote,
        _ => What::Both,
    };
    let client = context.open().await?;
    if args.dry_run {
        return preview(&client, what, ui).await;
    }
    if !args.yes {
        confirm(&client, what, ui).await?;
    }
    let deleted = {
        let _progress = ui.progress("Deleting");
        client.delete_syftbox(what).await?
    };
    let DeletionSummary { deleted, problems } = deleted;
    let problems = problems_json(&problems);
    let mut answer = plan_json(&deleted, &client);
    answer["problems"] = json!(problems);
    ui.answer(&answer);
    ui.done(format_args!("Deleted the SyftBox of {}", client.email()));
    for line in lines(&deleted) {
        ui.say(line);
    }
    for problem in &problems {
        ui.warn(problem["message"].as_str().unwrap_or_default());
    }
    ui.say("What others have copied stays with them");
    ui.hint(match what {
        What::Local => {
            "`syft sync` brings back what is on the drive; `syft logout` forgets the sign-in"
        }
        What::Remote => {
            "`syft logout` forgets the sign-in; `syft sync --anew` begins anew with what is here"
        }
        What::Both => {
            "`syft logout` forgets the sign-in; `syft sync --anew` begins anew, with nothing"
        }
    });
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Problems })
}

async fn preview(client: &Client, what: What, ui: &mut Ui) -> Outcome {
    let plan = {
        let _progress = ui.progress("Looking");
        client.plan_deletion(what).await?
    };
    let mut answer = plan_json(&plan, client);
    answer["dry_run"] = json!(true);
    ui.answer(&answer);
    for line in lines(&plan) {
        ui.line(line);
    }
    warn_of_loss(&plan, ui);
    ui.say("Nothing was deleted");
    Ok(Exit::Done)
}

async fn confirm(client: &Client, what: What, ui: &mut Ui) -> Result<(), Failure> {
    let email = client.email().clone();
    let needed = Failure::usage("deleting needs a confirmation, and nobody is here to give it")
        .hint("look at what would go with --dry-run, and add --yes if you are sure");
    if !ui.can_ask() {
        return Err(needed);
    }
    let would = client.plan_deletion(what).await?;
    ui.say("This deletes, and cannot be undone:");
    for line in lines(&would) {
        ui.say(line);
    }
    warn_of_loss(&would, ui);
    let typed = ui.ask(format_args!("Type {email} to go on, anything else to stop:"));
    match typed {
        Some(typed) if email.is_same_account(&typed) => Ok(()),
        Some(typed) if !typed.is_empty() => {
            Err(not_confirmed(&format!("that is not {email}: nothing was deleted")))
        }
        _ => Err(not_confirmed("nothing was deleted")),
    }
}

fn not_confirmed(text: &str) -> Failure {
    Failure::new(Code::NotConfirmed, text)
        .hint("`syft delete --dry-run` shows what would go, and asks nothing")
}

fn plan_json(plan: &DeletionPlan, client: &Client) -> Value {
    let local: Vec<_> = plan.local.iter().map(|path| path.to_string_lossy()).collect();
    json!({
        "email": client.email().as_str(),
        "local": local,
        "local_files": plan.local_files,
        "local_bytes": plan.local_bytes,
        "only_here": plan.only_here,
        "only_there": plan.only_there,
        "remote": plan.remote_names,
        "remote_files": plan.remote_files,
        "remote_bytes": plan.remote_bytes,
        "remote_kept": plan.remote_kept,
    })
}

/// What goes, place by place.
fn lines(plan: &DeletionPlan) -> Vec<String> {
    let amount =
        |files: usize, bytes: u64| format!("{}, {}", count(files, "file", "files"), size(bytes));
    let mut lines = Vec::new();
    if !plan.local.is_empty() {
        lines.push(format!("here: {}", amount(plan.local_files, plan.local_bytes)));
        lines.extend(plan.local.iter().map(|path| format!("  {}", path.display())));
    }
    if plan.remote.is_some() {
        let all = amount(plan.remote_files, plan.remote_bytes);
        let stays = if plan.remote_kept.is_empty() { "" } else { ", which itself stays" };
        lines.push(format!("on the drive: {all}, in the folder SyftBox{stays}"));
        lines.extend(plan.remote_names.iter().map(|name| format!("  {name}")));
    }
    if !plan.remote_kept.is_empty() {
        lines.push("left on the drive, since no `syft` made it:".to_owned());
        lines.extend(plan.remote_kept.iter().map(|path| format!("  {path}")));
    }
    if lines.is_empty() {
        lines.push("nothing: there is none".to_owned());
    }
    lines
}

fn warn_of_loss(plan: &DeletionPlan, ui: &mut Ui) {
    for what in &plan.only_here {
        ui.warn(format_args!("on this machine and nowhere else: {what}"));
    }
    for what in &plan.only_there {
        ui.warn(format_args!("on the drive and not on this machine: {what}"));
    }
}
