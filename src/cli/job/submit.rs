//! `syft job submit`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::job_json;
use crate::cli::args;
use crate::cli::context::{Context, absolute};
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Outcome};
use crate::cli::ui::Ui;
use crate::client::{Client, Error, JobRequest};
use crate::jobs::JobName;
use crate::model::Email;

const EXAMPLES: &str = "\
Examples:
  syft job submit analysis.py --to owner@example.org
  syft job submit project/ --to owner@example.org --entrypoint main.py --dep pandas --dataset census
  syft job submit count.sh --to owner@example.org --bash --name count";

/// Send code to an owner, who reads it and decides whether it runs on the private data
///
/// A file, or a folder with the file to start. Python code finds a dataset with
/// `syft_client.resolve_dataset_file_path(NAME)` and leaves results in `outputs/`; where the owner
/// has the Python client 0.10, the module is called `syft`. A shell script finds a dataset below
/// `$SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/` and leaves results in `code/outputs/`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// File or folder with the code
    path: PathBuf,

    /// Owner whose data it is for
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    to: Email,

    /// Name for the job; that of the file or folder if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// File of the folder that is started
    #[arg(long, value_name = "FILE")]
    entrypoint: Option<String>,

    /// Python package that it needs; can be repeated
    #[arg(long = "dep", value_name = "PACKAGE")]
    dependencies: Vec<String>,

    /// Dataset of the owner that it reads; can be repeated
    #[arg(long = "dataset", value_name = "NAME")]
    datasets: Vec<String>,

    /// Take it for a shell script instead of Python
    #[arg(long)]
    bash: bool,

    /// Send it even where the owner's program may not understand it
    #[arg(long)]
    force: bool,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let name = args.name.clone().or_else(|| own_name(&args.path, &args.to, &client));
    let request = JobRequest {
        to: args.to.clone(),
        path: absolute(&args.path)?,
        name,
        entrypoint: args.entrypoint.clone(),
        dependencies: args.dependencies.clone(),
        datasets: args.datasets.clone(),
        request: crate::jobs::Request::default(),
        bash: args.bash,
        force: args.force,
    };
    let submitted = {
        let _progress = ui.progress("Sending the job");
        client.submit_job(&request).await?
    };
    let found = &submitted.found;
    let name = &found.job.id.name;
    let mut answer = job_json(&found.job, &found.datasite);
    answer["warnings"] = json!(submitted.warnings);
    ui.answer(&json!({ "job": answer }));
    for warning in &submitted.warnings {
        ui.warn(warning);
    }
    ui.line(name);
    ui.done(format_args!("Sent job `{name}` to {}, who decides whether it runs", found.datasite));
    ui.hint(format_args!("see where it stands with `syft job show {}`", quoted(name)));
    Ok(Exit::Done)
}

/// Names a job after its code: `count`, or `count-2` where there is one of that name. `None` if no
/// name can be made of it.
fn own_name(path: &Path, to: &Email, client: &Client) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let stem = path.file_stem()?.to_str()?;
    let is_free =
        |name: &String| matches!(client.job(name, Some(to)), Err(Error::UnknownJob { .. }));
    let mut names = (2..100).map(|number| format!("{stem}-{number}"));
    JobName::parse(stem).ok()?;
    Some(stem.to_owned()).filter(is_free).or_else(|| names.find(is_free))
}
