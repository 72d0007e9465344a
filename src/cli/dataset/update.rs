//! `syft dataset update`.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::dataset_json;
use crate::cli::context::{Context, absolute};
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::client::{self, Updated};
use crate::datasets::{DatasetName, Update};
use crate::model::Email;
use crate::syncers::LeftOver;

const EXAMPLES: &str = "\
Examples:
  syft dataset update census --mock newer.csv --private newer-real.csv
  syft dataset update census --summary 'Census 2022' --tag people
  syft dataset update census             # take up what was edited in the SyftBox";

/// Give a dataset new content under its name
///
/// What is named replaces the old; all else stays, and so do those who see it. With nothing named,
/// the files in the SyftBox are taken as they stand there. Every reader has the old content or the
/// new, never a mix.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Name of the dataset
    #[arg(value_name = "NAME", value_parser = name)]
    name: DatasetName,

    /// File or folder with data that may be shown, in place of all mock files
    #[arg(long, value_name = "PATH")]
    mock: Option<PathBuf>,

    /// File or folder with the data that may not, in place of all private files
    #[arg(long, value_name = "PATH")]
    private: Option<PathBuf>,

    /// One line about it
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,

    /// Markdown file that explains it
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,

    /// Word to find it by, in place of all others; can be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Keep the private half on your drive as well, if it is not there yet
    #[arg(long)]
    upload_private: bool,

    /// Accept mock files that equal private ones
    #[arg(long)]
    allow_same: bool,
}

fn name(text: &str) -> Result<DatasetName, String> {
    DatasetName::parse(text).map_err(|error| error.to_string())
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    for path in [&args.mock, &args.private, &args.readme].into_iter().flatten() {
        std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    }
    let whole = |path: &Option<PathBuf>| path.as_deref().map(absolute).transpose();
    let update = Update {
        name: args.name.clone(),
        mock: whole(&args.mock)?,
        private: whole(&args.private)?,
        summary: args.summary.clone(),
        readme: whole(&args.readme)?,
        tags: (!args.tags.is_empty()).then(|| args.tags.clone()),
        allow_same: args.allow_same,
    };
    let client = context.open().await?;
    let mut problems: Vec<Value> = Vec::new();
    let updated = {
        let _progress = ui.carrying("Updating the dataset", client.traffic());
        client.update_dataset(&update, args.upload_private).await
    };
    let updated = match updated {
        Ok(updated) => updated,
        // It is in its place here, and the next sync publishes it: done, but for a problem.
        Err(error @ client::Error::NotSent { .. }) => {
            let failure = Failure::from(error);
            ui.problem(failure.code, &failure.message);
            if let Some(hint) = &failure.hint {
                ui.hint(hint);
            }
            problems.push(json!({ "code": failure.code, "message": failure.message }));
            let dataset = client.dataset(args.name.as_str(), Some(client.email()))?;
            Updated { dataset, left_over: LeftOver::default() }
        }
        Err(error) => return Err(error.into()),
    };
    let LeftOver { files, readers } = &updated.left_over;
    let readers: Vec<&str> = readers.iter().map(Email::as_str).collect();
    ui.answer(&json!({
        "dataset": dataset_json(&updated.dataset),
        "left_over": { "files": files, "readers": readers },
        "problems": problems,
    }));
    ui.done(format_args!("Updated dataset `{}`", updated.dataset.name));
    let mock = count(updated.dataset.mock_files.len(), "mock file", "mock files");
    let private = count(updated.dataset.private_files.len(), "private file", "private files");
    ui.say(format_args!("  {mock}, {private}; readers have it with their next sync"));
    if !readers.is_empty() {
        let (files, readers) = (files.join(", "), readers.join(", "));
        ui.say(format_args!(
            "  {readers} may keep {files}: who uses the Python client does, since it removes none"
        ));
    }
    ui.hint(format_args!("look at it with `syft dataset show {}`", quoted(&updated.dataset.name)));
    Ok(if problems.is_empty() { Exit::Done } else { Exit::Problems })
}
