//! `syft dataset`: a public mock half that readers are shown, a private half that stays.

mod create;
mod list;
mod path;
mod share;
mod show;
mod update;

use serde_json::{Value, json};

use super::args;
use super::context::Context;
use super::report::{Exit, Outcome};
use super::text::moment;
use super::ui::Ui;
use crate::datasets::{Audience, Dataset};
use crate::model::Email;

const EXAMPLES: &str = "\
Examples:
  syft dataset create census --mock invented.csv --private real.csv --users any
  syft dataset list
  syft dataset show census
  syft dataset update census --mock newer.csv --private newer-real.csv
  head -3 \"$(syft dataset path census --mock)\"/*.csv";

const DELETE_EXAMPLES: &str = "Examples:\n  syft dataset delete census";

/// Create, show and share datasets
#[derive(Debug, clap::Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Command {
    Create(create::Args),
    Update(update::Args),
    List(list::Args),
    Show(show::Args),
    Path(path::Args),
    /// Show the mock half of a dataset to more people
    ///
    /// The private half is never shown to anybody.
    #[command(after_help = share::SHARE_EXAMPLES)]
    Share(share::Args),
    /// Show the mock half of a dataset to fewer people
    ///
    /// Copies that they have fetched already are removed by their next sync, if they play fair.
    #[command(after_help = share::UNSHARE_EXAMPLES)]
    Unshare(share::Args),
    Delete(Delete),
}

/// Delete a dataset of yours: both halves here, and what is on the drive
///
/// Readers lose their copies with their next sync; what they have copied elsewhere cannot be called
/// back. Other machines of yours keep what they have, and say so. The files that it was created from
/// are not touched.
#[derive(Debug, clap::Args)]
#[command(after_help = DELETE_EXAMPLES)]
pub(crate) struct Delete {
    /// Name of the dataset
    name: String,
}

pub(crate) async fn run(command: &Command, context: &Context, ui: &mut Ui) -> Outcome {
    match command {
        Command::Create(args) => create::run(args, context, ui).await,
        Command::Update(args) => update::run(args, context, ui).await,
        Command::List(args) => list::run(args, context, ui).await,
        Command::Path(args) => path::run(args, context, ui).await,
        Command::Show(args) => show::run(args, context, ui).await,
        Command::Share(args) => share::share(args, context, ui).await,
        Command::Unshare(args) => share::unshare(args, context, ui).await,
        Command::Delete(args) => delete(args, context, ui).await,
    }
}

async fn delete(args: &Delete, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    client.delete_dataset(&args.name).await?;
    ui.answer(&json!({ "dataset": { "name": args.name, "owner": client.email().as_str() } }));
    ui.done(format_args!("Deleted dataset `{}` here and on the drive", args.name));
    ui.say(
        "Readers lose their copies with their next sync; copies elsewhere cannot be called back",
    );
    ui.say("The files that it was created from were not touched");
    ui.hint("see what is left with `syft dataset list`");
    Ok(Exit::Done)
}

/// Parses `any`, `none`, or addresses with commas between them.
fn audience(text: &str) -> Result<Audience, String> {
    match text {
        "any" => Ok(Audience::Any),
        "none" | "" => Ok(Audience::Nobody),
        list => {
            let emails = list.split(',').map(str::trim).filter(|part| !part.is_empty());
            let emails: Result<Vec<Email>, String> = emails.map(args::email).collect();
            Ok(Audience::Listed(emails?))
        }
    }
}

/// An audience as `--json` shows it: `any`, or the addresses.
fn audience_json(audience: &Audience) -> Value {
    match audience {
        Audience::Any => json!("any"),
        Audience::Nobody => json!([]),
        Audience::Listed(users) => json!(users.iter().map(Email::as_str).collect::<Vec<_>>()),
    }
}

/// A dataset as `--json` shows it.
fn dataset_json(dataset: &Dataset) -> Value {
    let files: Vec<_> = dataset.mock_files.iter().map(|file| file.path.as_str()).collect();
    let metadata = &dataset.metadata;
    json!({
        "name": dataset.name.as_str(),
        "owner": dataset.owner.as_str(),
        "mock_files": files,
        "summary": metadata.summary,
        "tags": metadata.tags,
        "created_at": metadata.created_at.and_then(moment),
        "updated_at": metadata.updated_at.and_then(moment),
        "folder": dataset.folder.to_string_lossy(),
        "private_folder": dataset.private_folder.as_ref().map(|folder| folder.to_string_lossy()),
        "private_files": dataset.private_files.iter().map(|f| f.path.as_str()).collect::<Vec<_>>(),
    })
}
