//! `syft dataset path`.

use serde_json::json;

use crate::cli::args;
use crate::cli::context::{Context, in_job};
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::ui::Ui;
use crate::client;
use crate::datasets::{self, DatasetName, Half};
use crate::model::{DatasitePath, Email};

const EXAMPLES: &str = "\
Examples:
  syft dataset path census                 # yours: the private half; another owner's: the mock half
  syft dataset path census people.csv      # one file in it
  python analyse.py \"$(syft dataset path census --mock)\"";

/// Print where a dataset is on this machine, for scripts
///
/// Without --mock or --private it is the half to work with: the private one of a dataset of yours,
/// and inside a job, where the code meets the data; the mock one of anybody else's. Nothing is
/// synced first, and the path is all that is printed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Name of the dataset
    name: String,

    /// File in it
    #[arg(value_name = "FILE", value_parser = file)]
    file: Option<DatasitePath>,

    /// Whose it is, where two owners use one name
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    owner: Option<Email>,

    /// The mock half
    #[arg(long, conflicts_with = "private")]
    mock: bool,

    /// The private half; its owner only
    #[arg(long)]
    private: bool,
}

fn file(text: &str) -> Result<DatasitePath, String> {
    DatasitePath::parse(text).map_err(|error| error.to_string())
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let half = match (args.mock, args.private) {
        (true, _) => Some(Half::Public),
        (_, true) => Some(Half::Private),
        _ => None,
    };
    let file = args.file.as_ref();
    let path = match in_job() {
        Some((syftbox, owner)) => {
            let unknown = || Failure::usage("whose dataset? Name its owner with --owner");
            let owner = args.owner.clone().or(owner).ok_or_else(unknown)?;
            let name = DatasetName::parse(&args.name).map_err(datasets::Error::from);
            let half = half.unwrap_or(Half::Private);
            let found = name.and_then(|name| datasets::locate(&syftbox, &owner, &name, half, file));
            found.map_err(client::Error::from)?
        }
        None => {
            let client = context.open().await?;
            client.dataset_path(&args.name, args.owner.as_ref(), half, file)?
        }
    };
    ui.answer(&json!({ "path": path.to_string_lossy() }));
    ui.line(path.display());
    Ok(Exit::Done)
}
