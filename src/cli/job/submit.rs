//! `syft job submit`.

use serde_json::{Value, json};

use super::code::{self, Code};
use super::job_json;
use super::trying::{self, How};
use crate::cli::context::Context;
use crate::cli::hints::quoted;
use crate::cli::report::{Exit, Outcome};
use crate::cli::ui::Ui;
use crate::client::Submitted;

const EXAMPLES: &str = "\
Examples:
  syft job submit analysis.py --to owner@example.org
  syft job submit analysis.py --to owner@example.org --purpose 'counts by town' --expect counts.csv
  syft job submit analysis.py --to owner@example.org --dataset census --try
  syft job submit project/ --to owner@example.org --entrypoint main.py --dep pandas --dataset census
  syft job submit count.sh --to owner@example.org --bash --name count";

/// Send code to an owner, who reads it and decides whether it runs on the private data
///
/// A file, or a folder with the file to start. Python code finds a dataset with
/// `syft_client.resolve_dataset_file_path(NAME)` and leaves results in `outputs/`; where the owner
/// has the Python client 0.10, the module is called `syft`. A shell script finds a dataset below
/// `$SYFTBOX_FOLDER/$SYFTBOX_EMAIL/private/syft_datasets/` and leaves results in `code/outputs/`.
///
/// The code is looked at before it is sent: its syntax, the datasets that it names, files that look
/// like passwords or keys. On a terminal you are asked for the purpose and the outputs if you do not
/// name them.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    code: Code,

    /// Run it on mock data first, and send it only if that works
    #[arg(long = "try")]
    tries: bool,

    /// With `--try`: end it after this many seconds
    #[arg(long, value_name = "SECS", requires = "tries")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,

    /// With `--try`: run it without a sandbox
    #[arg(long, requires = "tries")]
    no_sandbox: bool,
}

pub(crate) async fn run(args: &Args, context: &Context, ui: &mut Ui) -> Outcome {
    let client = context.open().await?;
    let request = args.code.request(&client, true, ui)?;
    if args.tries {
        let how = How { timeout: args.timeout, no_sandbox: args.no_sandbox };
        let done = match trying::attempt(&client, &request, &how, ui).await {
            Ok(done) => done,
            Err(stopped) => return stopped,
        };
        trying::tell(&done, ui);
        let tried = trying::to_json(&done, None);
        if !done.is_good() {
            return Ok(trying::failed(json!({ "try": tried }), ui));
        }
        let submitted = {
            let _progress = ui.progress("Sending the job");
            client.submit_tried(&done).await?
        };
        return Ok(told(&submitted, Some(tried), ui));
    }
    let submitted = {
        let _progress = ui.progress("Sending the job");
        client.submit_job(&request).await
    };
    match submitted {
        Ok(submitted) => Ok(told(&submitted, None, ui)),
        Err(error) => code::refused(error, ui),
    }
}

fn told(submitted: &Submitted, tried: Option<Value>, ui: &mut Ui) -> Exit {
    let found = &submitted.found;
    let name = &found.job.id.name;
    let mut answer = json!({ "job": job_json(&found.job, &found.datasite) });
    answer["job"]["warnings"] = json!(submitted.warnings());
    answer["job"]["findings"] = code::json(&submitted.findings);
    match tried {
        Some(tried) => answer["try"] = tried, // which told what was found
        None => code::tell(&submitted.findings, ui),
    }
    ui.answer(&answer);
    ui.line(name);
    ui.done(format_args!("Sent job `{name}` to {}, who decides whether it runs", found.datasite));
    ui.hint(format_args!("wait for the answer with `syft job wait {}`", quoted(name)));
    Exit::Done
}
