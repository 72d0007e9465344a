//! `syft delete`: remove an account's SyftBox from this machine, the drive, or both.

use serde_json::json;

use super::context::{Context, problems_json};
use super::report::{Exit, Failure, Outcome};
use super::text::count;
use super::ui::Ui;
use crate::client::{Client, DeletionPlan, DeletionSummary, What};
use crate::model::Code;

const EXAMPLES: &str = "\
Examples:
  syft delete                            # asks first
  syft delete --yes --local-only         # free this machine; the drive keeps everything
  syft delete --yes --email me@example.org";

/// Delete a SyftBox: its files here, and what it keeps on the drive
///
/// What others have received stays with them. On a terminal the address must be typed to go on;
/// elsewhere --yes is needed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
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
    if !args.yes {
        confirm(&client, what, ui).await?;
    }
    let deleted = {
        let _progress = ui.progress("Deleting");
        client.delete_syftbox(what).await?
    };
    let DeletionSummary { deleted, problems } = deleted;
    let local: Vec<_> = deleted.local.iter().map(|path| path.to_string_lossy()).collect();
    let problems = problems_json(&problems);
    ui.answer(&json!({
        "email": client.email().as_str(),
        "local": local,
        "remote": deleted.remote_names,
        "remote_kept": deleted.remote_kept,
        "problems": problems,
    }));
    ui.done(format_args!("Deleted the SyftBox of {}", client.email()));
    tell(&deleted, &client, ui);
    for problem in &problems {
        ui.warn(problem["message"].as_str().unwrap_or_default());
    }
    ui.say("What others have copied stays with them");
    ui.hint("the sign-in is still here: `syft logout` forgets it, `syft sync` begins anew");
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Problems })
}

async fn confirm(client: &Client, what: What, ui: &mut Ui) -> Result<(), Failure> {
    let email = client.email().clone();
    let needed = Failure::usage("deleting needs a confirmation, and nobody is here to give it")
        .hint("add --yes if you are sure");
    if !ui.can_ask() {
        return Err(needed);
    }
    let would = client.plan_deletion(what).await?;
    ui.say("This deletes, and cannot be undone:");
    tell(&would, client, ui);
    let typed = ui.ask(format_args!("Type {email} to go on, anything else to stop:"));
    match typed {
        Some(typed) if email.is_same_account(&typed) => Ok(()),
        _ => Err(Failure::new(Code::NotConfirmed, "nothing was deleted")),
    }
}

fn tell(plan: &DeletionPlan, client: &Client, ui: &mut Ui) {
    for path in &plan.local {
        ui.say(format_args!("  {}", path.display()));
    }
    if plan.remote.is_some() {
        let inside = count(plan.remote_names.len(), "file or folder", "files and folders");
        ui.say(format_args!(
            "  the folder of {} on the drive, with {inside} in it",
            client.email()
        ));
    }
    if !plan.remote_kept.is_empty() {
        let kept = count(plan.remote_kept.len(), "thing", "things");
        ui.say(format_args!("  the folder itself stays, with {kept} in it that no `syft` made"));
    }
    if plan.local.is_empty() && plan.remote.is_none() {
        ui.say("  nothing: there is none");
    }
}
