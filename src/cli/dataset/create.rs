//! `syft dataset create`.

use std::path::PathBuf;

use serde_json::json;

use super::{audience, dataset_json};
use crate::cli::context::{Context, absolute};
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::text::count;
use crate::cli::ui::Ui;
use crate::client;
use crate::datasets::{Audience, DatasetName, NewDataset};

const EXAMPLES: &str = "\
Examples:
  syft dataset create census --mock invented.csv --private real.csv
  syft dataset create census --mock mock/ --private real/ --summary 'Census 2021' --users any
  syft dataset create census --mock mock/ --private real/ --users ann@example.org,bob@example.org";

/// Create a dataset from invented data that may be shown and real data that may not
///
/// The mock half has the form of the private one and none of its content; scientists write their
/// code with it. The private half stays in your SyftBox on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// What to call it
    #[arg(value_name = "NAME", value_parser = name)]
    name: DatasetName,

    /// File or folder with data that may be shown
    #[arg(long, value_name = "PATH")]
    mock: PathBuf,

    /// File or folder with the data that may not
    #[arg(long, value_name = "PATH")]
    private: PathBuf,

    /// One line about it
    #[arg(long, value_name = "TEXT")]
    summary: Option<String>,

    /// Markdown file that explains it
    #[arg(long, value_name = "FILE")]
    readme: Option<PathBuf>,

    /// Word to find it by; can be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Who sees the mock half: `any` peer, `none`, or addresses with commas between them
    #[arg(long, value_name = "WHO", default_value = "none", value_parser = audience)]
    users: Audience,

    /// Keep the private half on your drive as well, shared with nobody: for your other machines
    #[arg(long)]
    upload_private: bool,

    /// Accept mock files that equal private ones
    #[arg(long)]
    allow_same: bool,
}

fn name(text: &str) -> Result<DatasetName, String> {
    DatasetName::parse_new(text).map_err(|error| error.to_string())
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    for path in [Some(&args.mock), Some(&args.private), args.readme.as_ref()].into_iter().flatten()
    {
        std::fs::metadata(path).map_err(|error| Failure::file(path, &error))?;
    }
    let new = NewDataset {
        name: args.name.clone(),
        mock: absolute(&args.mock)?,
        private: absolute(&args.private)?,
        summary: args.summary.clone(),
        readme: args.readme.as_deref().map(absolute).transpose()?,
        tags: args.tags.clone(),
        location: None,
        audience: args.users.clone(),
        allow_same: args.allow_same,
    };
    let client = context.open().await?;
    let mut exit = Exit::Done;
    let created = {
        let _progress = ui.carrying("Creating the dataset", client.traffic());
        client.create_dataset(&new, args.upload_private).await
    };
    let mut problems = Vec::new();
    let dataset = match created {
        Ok(dataset) => dataset,
        // It is here, and the next sync publishes it: done, but for a problem.
        Err(error @ client::Error::NotSent { .. }) => {
            let failure = Failure::from(error);
            ui.problem(failure.code, &failure.message);
            if let Some(hint) = &failure.hint {
                ui.hint(hint);
            }
            problems.push(json!({ "code": failure.code, "message": failure.message }));
            exit = Exit::Problems;
            client.dataset(args.name.as_str(), Some(client.email()))?
        }
        Err(error) => return Err(error.into()),
    };
    ui.answer(&json!({ "dataset": dataset_json(&dataset), "problems": problems }));
    ui.done(format_args!("Created dataset `{}`", dataset.name));
    let mock = count(dataset.mock_files.len(), "file", "files");
    ui.say(match &args.users {
        Audience::Any => format!("  mock     {mock}, for everybody who works with you"),
        Audience::Nobody => format!("  mock     {mock}, shown to nobody yet"),
        Audience::Listed(users) => {
            format!("  mock     {mock}, for {}", count(users.len(), "person", "people"))
        }
    });
    let private = count(dataset.private_files.len(), "file", "files");
    ui.say(if args.upload_private {
        format!("  private  {private}, here and on your own drive, shared with nobody")
    } else {
        format!("  private  {private}, on this machine only")
    });
    let name = quoted(&dataset.name);
    if args.users == Audience::Nobody {
        ui.hint(format_args!("show the mock half with `syft dataset share {name} --users any`"));
    } else {
        ui.hint(format_args!("look at it with `syft dataset show {name}`"));
    }
    Ok(exit)
}
