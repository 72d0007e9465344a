//! `syft dataset show`.

use serde_json::json;

use super::share::words;
use super::{audience_json, dataset_json};
use crate::cli::args::{self, PreSync};
use crate::cli::context::{Context, now_seconds};
use crate::cli::report::Outcome;
use crate::cli::text::{age, count, size};
use crate::cli::ui::Ui;
use crate::model::Email;

const EXAMPLES: &str = "\
Examples:
  syft dataset show census
  syft dataset show census --owner owner@example.org --json";

/// Show a dataset: what it is about, its files, and where they are
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Name of the dataset
    name: String,

    /// Whose it is, where two owners use one name
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    owner: Option<Email>,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let client = &fresh.client;
    let dataset = client.dataset(&args.name, args.owner.as_ref())?;
    let audience = match dataset.owner == *client.email() {
        true => Some(client.dataset_audience(&args.name)?),
        false => None,
    };
    let mut answer = dataset_json(&dataset);
    answer["readme"] = json!(dataset.readme);
    answer["users"] = audience.as_ref().map_or(json!(null), audience_json);
    let exit = fresh.answer(json!({ "dataset": answer }), ui);
    ui.heading(&dataset.name);
    ui.field("Owner", &dataset.owner);
    if let Some(summary) = &dataset.metadata.summary {
        ui.field("Summary", summary);
    }
    if !dataset.metadata.tags.is_empty() {
        ui.field("Tags", dataset.metadata.tags.join(", "));
    }
    if let Some(audience) = &audience {
        ui.field("Shown to", words(audience));
    }
    if let Some(updated) = dataset.metadata.updated_at {
        ui.field("Updated", age(updated.seconds(), now_seconds()));
    }
    ui.field("Folder", dataset.folder.display());
    if let Some(folder) = &dataset.private_folder {
        let files = count(dataset.private_files.len(), "file", "files");
        ui.field("Private", format_args!("{files} in {}", folder.display()));
    }
    ui.line("");
    ui.heading(format_args!("Mock files ({})", dataset.mock_files.len()));
    for file in &dataset.mock_files {
        ui.line(format_args!("  {}  {}", file.path, size(file.size_bytes)));
    }
    if let Some(readme) = &dataset.readme {
        ui.line("");
        ui.heading("Readme");
        // Set in, so that nothing in it can be taken for what we say.
        for line in readme.trim_end().lines() {
            ui.line(format_args!("  {line}"));
        }
    }
    Ok(exit)
}
