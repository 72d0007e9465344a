//! `syft checkpoint`: what lets another machine of the owner's catch up quickly.

use serde_json::json;

use super::context::{Context, now_seconds};
use super::report::{Exit, Outcome};
use super::text::{age, count, size};
use super::ui::Ui;
use crate::checkpoints::Due;
use crate::model::Timestamp;
use crate::syncers::{CheckpointKind, CheckpointStatus, CheckpointSummary};

const EXAMPLES: &str = "Examples:\n  syft checkpoint create\n  syft checkpoint status";

/// Make and see checkpoints, from which another machine of yours starts quickly
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    /// Make a checkpoint of your datasite on the drive now
    ///
    /// `syft sync` does so by itself from time to time. This one is a full one, which holds every
    /// file; with --if-due it is made as `syft sync` would, and only if there is enough for it.
    #[command(
        after_help = "Examples:\n  syft checkpoint create\n  syft checkpoint create --if-due"
    )]
    Create {
        /// Make one only if this many events came since the last one
        #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "50")]
        if_due: Option<usize>,
    },
    /// Tell which checkpoints there are, how much came since, and how large the event log is
    ///
    /// As the last sync left it: nothing is asked of the drive.
    #[command(after_help = "Examples:\n  syft checkpoint status\n  syft checkpoint status --json")]
    Status {
        /// How many events are enough for a checkpoint
        #[arg(long, value_name = "N", default_value_t = 50)]
        checkpoint_threshold: usize,
    },
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    match command {
        Command::Create { if_due } => {
            let made = {
                let _progress = ui.progress("Making a checkpoint");
                match if_due {
                    Some(threshold) => client.try_create_checkpoint(*threshold).await?,
                    None => Some(client.create_checkpoint().await?),
                }
            };
            tell_made(made.as_ref(), ui);
        }
        Command::Status { checkpoint_threshold } => {
            tell_status(&client.checkpoint_status(*checkpoint_threshold)?, ui);
        }
    }
    Ok(Exit::Done)
}

fn tell_made(made: Option<&CheckpointSummary>, ui: &mut Ui) {
    let Some(made) = made else {
        ui.answer(&json!({ "made": null }));
        ui.done("There is not enough for a checkpoint yet");
        return;
    };
    let files = count(made.files, "file", "files");
    match made.kind {
        CheckpointKind::Full => {
            ui.answer(&json!({ "made": "full", "files": made.files }));
            ui.done(format_args!("Made a checkpoint of {files}"));
        }
        CheckpointKind::Increment(number) => {
            let answer = json!({ "made": "increment", "number": number, "files": made.files });
            ui.answer(&answer);
            ui.done(format_args!("Made increment {number}, with what became of {files}"));
        }
    }
}

fn tell_status(status: &CheckpointStatus, ui: &mut Ui) {
    let seconds = |moment: Option<Timestamp>| moment.map(Timestamp::seconds);
    let next = match status.next {
        Due::Nothing => "nothing",
        Due::Increment(_) => "increment",
        Due::Full => "full",
    };
    ui.answer(&json!({
        "last": seconds(status.last),
        "last_full": seconds(status.last_full),
        "increments": status.increments,
        "events_since": status.events_since,
        "next": next,
        "log": {
            "messages": status.log_messages,
            "bytes": status.log_bytes,
            "pruned_through": seconds(status.pruned_through),
            "kept_because": status.kept_because,
        },
    }));
    let when = |moment: Option<Timestamp>| {
        moment.map_or_else(|| "none yet".to_owned(), |at| age(at.seconds(), now_seconds()))
    };
    ui.field("Last", when(status.last));
    ui.field("Last full one", when(status.last_full));
    ui.field("Increments to it", status.increments);
    ui.field("Since then", count(status.events_since, "event", "events"));
    ui.field(
        "Next sync",
        match status.next {
            Due::Nothing => "makes no checkpoint".to_owned(),
            Due::Increment(number) => format!("makes increment {number}"),
            Due::Full => "makes a full checkpoint".to_owned(),
        },
    );
    let messages = count(status.log_messages, "message", "messages");
    ui.field("Event log", format!("{messages}, {}", size(status.log_bytes)));
    if let Some(through) = status.pruned_through {
        ui.field("Shortened", format!("up to {}", age(through.seconds(), now_seconds())));
    }
    if let Some(reason) = &status.kept_because {
        ui.field("Not shortened", reason);
    }
}
