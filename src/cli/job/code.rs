//! What a scientist says of code that is to be tried or sent, and what a look at it finds.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cli::args;
use crate::cli::context::absolute;
use crate::cli::report::{Exit, Failure, Outcome};
use crate::cli::ui::Ui;
use crate::client::{self, Client, Error, JobRequest};
use crate::jobs::{Finding, InvalidSubmission, JobName, Request, Weight};
use crate::model::Email;

/// The code, for whom it is, and what it needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Code {
    /// File or folder with the code
    pub(crate) path: PathBuf,

    /// Owner whose data it is for
    #[arg(long, value_name = "EMAIL", value_parser = args::email)]
    pub(crate) to: Email,

    /// Name for the job; that of the file or folder if not given
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// What it is for, in a sentence that the owner reads before deciding
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,

    /// File that it will leave in `outputs/`, or a folder ending in `/`; can be repeated
    #[arg(long = "expect", value_name = "PATH")]
    expected: Vec<String>,

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

    /// Go on where there are doubts about the code, and where the owner's program may not understand
    /// it
    #[arg(long)]
    force: bool,
}

impl Code {
    /// Returns what is to be tried or sent; with `asks` a person is asked for what is missing.
    pub(crate) fn request(
        &self,
        client: &Client,
        asks: bool,
        ui: &mut Ui,
    ) -> Result<JobRequest, Failure> {
        let (mut purpose, mut expected) = (self.purpose.clone(), self.expected.clone());
        if asks && purpose.is_none() {
            purpose = ui
                .ask("What is it for? The owner reads this before deciding (Enter: say nothing):");
        }
        if asks && expected.is_empty() {
            let question = "Which files will it leave in `outputs/`? Names, with blanks between (Enter: say nothing):";
            let answer = ui.ask(question).unwrap_or_default();
            expected = answer.split_whitespace().map(str::to_owned).collect();
        }
        let request = Request::new(purpose.as_deref(), &expected).map_err(Failure::usage)?;
        let name = self.name.clone().or_else(|| own_name(&self.path, &self.to, client));
        Ok(JobRequest {
            to: self.to.clone(),
            path: absolute(&self.path)?,
            name,
            entrypoint: self.entrypoint.clone(),
            dependencies: self.dependencies.clone(),
            datasets: self.datasets.clone(),
            request,
            bash: self.bash,
            force: self.force,
        })
    }
}

/// Names a job after its code: `count`, or `count-2` where there is one of that name. `None` if no
/// name can be made of it.
fn own_name(path: &Path, to: &Email, client: &Client) -> Option<String> {
    let path = std::path::absolute(path).ok()?;
    let stem = path.file_stem()?.to_str()?;
    let is_free =
        |name: &String| matches!(client.job(name, Some(to)), Err(Error::UnknownJob { .. }));
    let mut names = (2..100).map(|number| format!("{stem}-{number}"));
    JobName::choose(stem).ok()?;
    Some(stem.to_owned()).filter(is_free).or_else(|| names.find(is_free))
}

/// Tells all that a look found; nothing if the code can be sent without a word.
pub(crate) fn tell(findings: &[Finding], ui: &mut Ui) {
    for finding in findings {
        match finding.weight {
            Weight::Told => ui.warn(&finding.text),
            Weight::Refused | Weight::Doubtful => ui.problem(finding.check.as_str(), &finding.text),
        }
    }
}

/// Ends a command that did not get as far as a job: tells what stands in the way, one by one.
pub(crate) fn refused(error: client::Error, ui: &mut Ui) -> Outcome {
    let findings = match &error {
        Error::Submission(InvalidSubmission::Unfit { findings }) => findings.clone(),
        _ => return Err(error.into()),
    };
    let mut failure = Failure::from(error);
    failure.message = match findings.len() {
        1 => "one thing keeps the job from being sent".to_owned(),
        number => format!("{number} things keep the job from being sent"),
    };
    tell(&findings, ui);
    ui.error(failure.code, &failure.message);
    let mut answer = failure.to_json();
    if let Some(hint) = answer["error"]["hint"].as_str() {
        ui.hint(hint);
    }
    answer["findings"] = json(&findings);
    ui.answer(&answer);
    Ok(Exit::Failed)
}

/// What a look found, for programs.
pub(crate) fn json(findings: &[Finding]) -> Value {
    let findings = findings.iter();
    findings
        .map(|finding| {
            json!({
                "check": finding.check.as_str(),
                "weight": finding.weight.as_str(),
                "path": finding.path.as_ref().map(ToString::to_string),
                "text": finding.text,
            })
        })
        .collect()
}
