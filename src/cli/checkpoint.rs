//! `syft checkpoint`: what lets another machine of the owner's catch up quickly.

use serde_json::json;

use super::context::{Context, now_seconds};
use super::report::{Exit, Outcome};
use super::text::{age, count};
use super::ui::Ui;

const EXAMPLES: &str = "Examples:\n  syft checkpoint create\n  syft checkpoint status";

/// Make and see checkpoints, from which another machine of yours starts quickly
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Make a checkpoint of your datasite on the drive now
    ///
    /// `syft sync` does so by itself from time to time.
    #[command(after_help = "Examples:\n  syft checkpoint create")]
    Create,
    /// Tell when the last checkpoint was made, and how much came since
    #[command(after_help = "Examples:\n  syft checkpoint status\n  syft checkpoint status --json")]
    Status,
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    match command {
        Command::Create => {
            let made = {
                let _progress = ui.progress("Making a checkpoint");
                client.create_checkpoint().await?
            };
            ui.answer(&json!({ "files": made.files }));
            ui.done(format_args!("Made a checkpoint of {}", count(made.files, "file", "files")));
        }
        Command::Status => {
            let status = client.checkpoint_status()?;
            let last = status.last.map(|last| last.seconds());
            ui.answer(&json!({ "last": last, "events_since": status.events_since }));
            let when = last.map_or_else(|| "none yet".to_owned(), |last| age(last, now_seconds()));
            ui.field("Last", when);
            ui.field("Since then", count(status.events_since, "event", "events"));
        }
    }
    Ok(Exit::Done)
}
