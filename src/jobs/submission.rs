//! Makes a submission out of a file or folder of the scientist.
//!
//! Pure. Invariants: what is submitted names neither the local path nor the account; the generated
//! `run.sh` means the same to a Python owner, so nothing in it can be taken for shell syntax.

use std::collections::BTreeMap;

use super::config::{Datasets, JobConfig, JobKind, Target, parse_entrypoint};
use super::finding::{Finding, Weight};
use super::form::CONFIG_FILE;
use super::layout::JobId;
use super::request::Request;
use super::requirements::check_written;
use super::script::derive;
use super::source::Source;
use crate::model::{DatasitePath, Timestamp};

/// How it is to be submitted.
#[derive(Clone, Debug)]
pub struct SubmissionRequest<'a> {
    /// Which job it becomes. Its layout belongs to the owner's dialect: an owner with the Python
    /// client 0.1 does not see layout 1.
    pub job: &'a JobId,
    /// The language.
    pub kind: JobKind,
    /// The file to start, below the folder; found by the usual names if `None`.
    pub entrypoint: Option<&'a str>,
    /// Requirements besides the client itself.
    pub dependencies: &'a [String],
    /// The datasets that the job wants; `None` for any.
    pub datasets: Option<Datasets>,
    /// What it is for, and what it is to leave.
    pub request: Request,
    /// What a Python owner installs so that the job can import the client; see
    /// [`install_source`](super::install_source).
    pub install_source: &'a str,
    /// The module that the job can import the client as; `None` if any name of it will do, as with
    /// an owner of ours.
    pub module: Option<&'a str>,
    /// The current time.
    pub submitted_at: Timestamp,
}

/// A job that is ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// Which job it becomes.
    pub job: JobId,
    /// Path below the job's directory and content. `config.yaml` is the last: its arrival makes
    /// the directory a job.
    pub files: Vec<(DatasitePath, Vec<u8>)>,
    /// What `config.yaml` says.
    pub config: JobConfig,
    /// Files that are not text.
    pub binary_files: Vec<DatasitePath>,
}

/// Why something cannot be submitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubmission {
    /// The file or folder cannot be read.
    #[error("cannot read `{path}`")]
    Io {
        /// Which one.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// It breaks a rule.
    #[error("{0}")]
    Rule(String),
    /// A look at it found what keeps it from being sent.
    #[error("{}", listed(findings))]
    Unfit {
        /// All of it, the heaviest first.
        findings: Vec<Finding>,
    },
}

/// Makes a submission. Pure.
///
/// # Errors
/// [`InvalidSubmission::Rule`] with what is missing or not allowed.
pub fn build(
    source: Source,
    request: &SubmissionRequest<'_>,
) -> Result<Submission, InvalidSubmission> {
    if let Some(finding) = source.findings.iter().find(|found| found.weight == Weight::Refused) {
        return Err(rule(&*finding.text));
    }
    for dependency in request.dependencies {
        check_written(dependency).map_err(rule)?;
    }
    let start = start_of(&source, request)?;
    let is_bash_file = request.kind == JobKind::Bash && !source.is_folder;
    let mut files = source.files;
    let mut entrypoint = Some(start.clone());
    if is_bash_file {
        // The place where the Python client puts a script; its configuration names no entrypoint.
        let script = files.remove(&start).unwrap_or_default();
        files = BTreeMap::from([(constant("script.sh"), script)]);
        entrypoint = None;
    }
    let mut dependencies = Vec::new();
    if request.kind == JobKind::Python {
        dependencies.push(request.install_source.to_owned());
        dependencies.extend_from_slice(request.dependencies);
    } else if !request.dependencies.is_empty() {
        return Err(rule("a bash job cannot have dependencies"));
    }
    let config = JobConfig {
        code_path: (request.kind == JobKind::Python).then(|| source.name.clone()),
        datasets: request.datasets.clone(),
        dependencies,
        entrypoint,
        files: files.keys().map(ToString::to_string).collect(),
        headers: request.request.to_headers(),
        is_folder_submission: source.is_folder,
        target: Target::Local,
        title: request.job.name.to_string(),
        submitted_at: request.submitted_at,
        kind: request.kind,
    };
    let script = match request.kind {
        JobKind::Python => None,
        JobKind::Bash => Some(script_text(&files, &config)?),
    };
    let has_pyproject = files.contains_key(&constant("pyproject.toml"));
    let run = derive(&config, has_pyproject, script.as_deref()).map_err(rule)?;
    let is_text = |content: &[u8]| std::str::from_utf8(content).is_ok();
    let binary = files.iter().filter(|(_, content)| !is_text(content));
    let binary_files = binary.map(|(path, _)| path.clone()).collect();

    let mut all = Vec::with_capacity(files.len() + 2);
    for (path, content) in files {
        let path = DatasitePath::parse(&format!("code/{path}"))
            .map_err(|error| rule(error.to_string()))?;
        all.push((path, content));
    }
    all.push((constant("run.sh"), run.into_bytes()));
    all.push((constant(CONFIG_FILE), config.to_yaml(request.job.layout).into_bytes()));
    Ok(Submission { job: request.job.clone(), files: all, config, binary_files })
}

/// Decides which file starts the job.
pub(crate) fn start_of(
    source: &Source,
    request: &SubmissionRequest<'_>,
) -> Result<DatasitePath, InvalidSubmission> {
    let (suffix, usual): (&str, &[&str]) = match request.kind {
        JobKind::Python => (".py", &["main.py"]),
        JobKind::Bash => (".sh", &["script.sh", "main.sh"]),
    };
    let has = |path: &DatasitePath| source.files.contains_key(path);
    let at_root = || {
        let mut found = source
            .files
            .keys()
            .filter(|path| path.parts().count() == 1 && path.as_str().ends_with(suffix));
        found.next().filter(|_| found.next().is_none()).cloned()
    };
    let start = if !source.is_folder {
        source.files.keys().next().cloned()
    } else if let Some(named) = request.entrypoint {
        let path = parse_entrypoint(named).map_err(|error| rule(error.to_string()))?;
        if !has(&path) {
            return Err(rule(format!("there is no file `{path}` to start in the folder")));
        }
        Some(path)
    } else {
        usual.iter().map(|name| constant(name)).find(has).or_else(at_root)
    };
    let Some(start) = start else {
        let usual = usual.join("`, `");
        return Err(rule(format!(
            "which file starts the job is unclear: there is no `{usual}`, and not exactly one `{suffix}` file at the root"
        )));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if request.kind == JobKind::Python {
        if !start.as_str().ends_with(suffix) {
            return Err(rule(format!("`{start}` is no Python file")));
        }
        if !start.as_str().chars().all(plain) || start.as_str().starts_with('-') {
            return Err(rule(format!(
                "`{start}` has a character that shells interpret; rename the file"
            )));
        }
    }
    Ok(start)
}

fn script_text(
    files: &BTreeMap<DatasitePath, Vec<u8>>,
    config: &JobConfig,
) -> Result<String, InvalidSubmission> {
    let start = constant(super::script::bash_start(config));
    let content = files.get(&start).map(Vec::as_slice).unwrap_or_default();
    String::from_utf8(content.to_owned()).map_err(|_| rule(format!("`{start}` is not text")))
}

fn listed(findings: &[Finding]) -> String {
    findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn constant(path: &str) -> DatasitePath {
    DatasitePath::parse(path).expect("checked, or a constant")
}

fn rule(text: impl Into<String>) -> InvalidSubmission {
    InvalidSubmission::Rule(text.into())
}

#[cfg(test)]
mod tests;
