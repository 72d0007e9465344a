//! `syft resolve`: what a `syft://` address means on this machine.

use serde_json::json;

use super::context::{Context, in_job};
use super::report::{Exit, Outcome};
use super::ui::Ui;
use crate::client;
use crate::datasets::{self, SyftUrl};

const EXAMPLES: &str = "\
Examples:
  syft resolve syft://owner@example.org/public/syft_datasets/census/people.csv
  wc -l \"$(syft resolve syft://owner@example.org/public/notes.txt)\"";

/// Print where a `syft://` address leads on this machine
///
/// An address names a file or folder in somebody's datasite, the same on every machine. Nothing is
/// synced first, and an address that leads out of the SyftBox is refused.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Address to look up
    #[arg(value_name = "URL", value_parser = url)]
    url: SyftUrl,
}

fn url(text: &str) -> Result<SyftUrl, String> {
    SyftUrl::parse(text).map_err(|error| error.to_string())
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let path = match in_job() {
        Some((syftbox, _)) => {
            datasets::resolve(&syftbox, &args.url).map_err(client::Error::from)?
        }
        None => context.open().await?.resolve(&args.url)?,
    };
    ui.answer(&json!({ "url": args.url.to_string(), "path": path.to_string_lossy() }));
    ui.line(path.display());
    Ok(Exit::Done)
}
