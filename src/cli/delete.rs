//! `syft delete`: remove an account's SyftBox from this machine, the drive, or both.

use serde_json::json;

use super::context::Context;
use super::report::{Exit, Failure, Outcome};
use super::text::count;
use super::ui::Ui;
use crate::client::{Client, What};

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
pub struct Args {
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

pub(super) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
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
    ui.answer(&json!({
        "email": client.email().as_str(),
        "local_files": deleted.local_files,
        "remote_files": deleted.remote_files,
    }));
    ui.done(format_args!(
        "Deleted {} here and {} on the drive, of {}",
        count(deleted.local_files, "file", "files"),
        count(deleted.remote_files, "file", "files"),
        client.email()
    ));
    ui.say("What others have received stays with them");
    Ok(Exit::Done)
}

async fn confirm(client: &Client, what: What, ui: &mut Ui) -> Result<(), Failure> {
    let email = client.email().clone();
    let needed = Failure::usage("deleting needs a confirmation, and nobody is here to give it")
        .hint("add --yes if you are sure");
    if !ui.can_ask() {
        return Err(needed);
    }
    let would = client.plan_deletion(what).await?;
    ui.say(format_args!("This deletes, and cannot be undone:"));
    if what != What::Remote {
        let files = count(would.local_files, "file", "files");
        ui.say(format_args!("  {files} in `{}`", client.folders().syftbox.display()));
    }
    if what != What::Local {
        ui.say(format_args!("  {} on the drive", count(would.remote_files, "file", "files")));
    }
    let typed = ui.ask(format_args!("Type {email} to go on, anything else to stop:"));
    match typed {
        Some(typed) if email.is_same_account(&typed) => Ok(()),
        _ => Err(Failure::new("not-confirmed", "nothing was deleted")),
    }
}
