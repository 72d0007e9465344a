//! `syft dataset list`.

use serde_json::json;

use crate::cli::args::{self, PreSync};
use crate::cli::context::Context;
use crate::cli::report::{Outcome, chain};
use crate::cli::text::moment;
use crate::cli::ui::{Tone, Ui};
use crate::model::{Email, Role};

const EXAMPLES: &str = "\
Examples:
  syft dataset list
  syft dataset list --owner owner@example.org
  syft dataset list --json";

/// List datasets: yours, and those that peers show you
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only datasets of this owner
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    owner: Option<Email>,

    #[command(flatten)]
    pre_sync: PreSync,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let fresh = context.open_fresh(args.pre_sync, ui).await?;
    let (mut shown, mut rows, mut unusable) = (Vec::new(), Vec::new(), Vec::new());
    for listed in fresh.client.datasets()? {
        let owner = &listed.owner;
        if args.owner.as_ref().is_some_and(|wanted| !wanted.is_same_account(owner.as_str())) {
            continue;
        }
        match &listed.content {
            Ok(metadata) => {
                let files = metadata.mock_files.len();
                shown.push(json!({
                    "name": listed.name,
                    "owner": owner.as_str(),
                    "summary": metadata.summary,
                    "tags": metadata.tags,
                    "created_at": metadata.created_at.and_then(moment),
                    "folder": listed.folder.to_string_lossy(),
                }));
                rows.push([
                    (listed.name.clone(), Tone::Plain),
                    (owner.to_string(), Tone::Plain),
                    (files.to_string(), Tone::Plain),
                    (metadata.summary.clone().unwrap_or_default(), Tone::Dim),
                ]);
            }
            Err(error) => unusable.push(json!({
                "name": listed.name, "owner": owner.as_str(), "reason": chain(error)
            })),
        }
    }
    let exit = fresh.answer(json!({ "datasets": shown, "unusable": unusable }), ui);
    for entry in &unusable {
        let word = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        ui.warn(format_args!("`{}` of {}: {}", word("name"), word("owner"), word("reason")));
    }
    if rows.is_empty() {
        ui.say("No datasets");
        ui.hint(match fresh.client.role() {
            Role::Owner => "make one with `syft dataset create NAME --mock PATH --private PATH`",
            Role::Scientist => "owners show them to who works with them: `syft peer list`",
        });
    } else {
        ui.table(["DATASET", "OWNER", "MOCK FILES", "SUMMARY"], rows);
    }
    Ok(exit)
}
