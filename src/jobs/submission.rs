//! Makes a submission out of a file or folder of the scientist.
//!
//! [`read_source`] is all of the disk work; [`build`] is pure. Invariants: what is submitted names
//! neither the local path nor the account; nothing is left out silently; the generated `run.sh`
//! means the same to a Python owner, so nothing in it can be taken for shell syntax.

use std::collections::BTreeMap;
use std::path::Path;

use super::advice::warnings;
use super::config::{Datasets, JobConfig, JobKind, Target, parse_entrypoint};
use super::form::{CONFIG_FILE, EntryKind};
use super::layout::JobId;
use super::request::Request;
use super::requirements::check_written;
use super::script::derive;
use super::tree::{open_file, open_root, read_file, walk};
use crate::model::{DatasitePath, Timestamp};

/// What a scientist wants to submit, read from the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's or folder's own name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The files, below the folder.
    pub files: BTreeMap<DatasitePath, Vec<u8>>,
    /// What was left out, as `path: reason`.
    pub skipped: Vec<String>,
}

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
    /// Files that are not text, which a Python owner cannot receive; ours can.
    pub binary_files: Vec<DatasitePath>,
    /// What the scientist should know before sending.
    pub warnings: Vec<String>,
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
}

const FILES_MAX: usize = 1_000;
const BYTES_MAX: usize = 64 << 20;
const FOLDERS_SKIPPED: [&str; 3] = ["__pycache__", "node_modules", "venv"];

/// Reads the file or folder at `path`. The path itself may be a link; links below it are refused.
///
/// # Errors
/// [`InvalidSubmission`] if something cannot be read, is a link, or if it is too much.
pub fn read_source(path: &Path) -> Result<Source, InvalidSubmission> {
    let problem = |source| InvalidSubmission::Io { path: path.display().to_string(), source };
    let path = path.canonicalize().map_err(problem)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if path.is_dir() {
        return read_folder(&path, name);
    }
    let folder = path.parent().ok_or_else(|| rule("the path is no file"))?;
    let content = open_root(folder)
        .and_then(|dir| match dir {
            Some(dir) => read_file(&dir, &name, BYTES_MAX),
            None => Ok(None),
        })
        .map_err(problem)?
        .ok_or_else(|| rule(format!("there is no file `{}`", path.display())))?;
    let own = DatasitePath::parse(&name).map_err(|error| rule(error.to_string()))?;
    let files = BTreeMap::from([(own, content)]);
    Ok(Source { name, is_folder: false, files, skipped: Vec::new() })
}

fn read_folder(path: &Path, name: String) -> Result<Source, InvalidSubmission> {
    use std::io::Read;

    let problem = |source| InvalidSubmission::Io { path: path.display().to_string(), source };
    let dir = open_root(path).map_err(problem)?.ok_or_else(|| rule("the folder is gone"))?;
    let skip = |name: &str| name.starts_with('.') || FOLDERS_SKIPPED.contains(&name);
    let (entries, complete) = walk(&dir, 20 * FILES_MAX, &skip).map_err(problem)?;
    let mut source = Source { name, is_folder: true, ..Source::default() };
    let mut left = BYTES_MAX;
    for entry in entries {
        if entry.kind != EntryKind::File {
            return Err(rule(format!(
                "`{}` is a link or no file, which cannot be sent",
                entry.shown
            )));
        }
        let path = entry
            .path
            .ok_or_else(|| rule(format!("`{}` is a name that cannot be sent", entry.shown)))?;
        if path.file_name().starts_with('.') {
            let reason = "hidden files do not reach owners with the Python client";
            source.skipped.push(format!("{path}: {reason}"));
            continue;
        }
        if path.is_below("outputs") {
            source.skipped.push(format!("{path}: `outputs` is where the job will write"));
            continue;
        }
        let mut content = Vec::new();
        let file = open_file(&dir, path.as_str()).map_err(problem)?;
        file.take(left as u64 + 1).read_to_end(&mut content).map_err(problem)?;
        if content.len() > left {
            return Err(rule(format!("it has more than {} MiB", BYTES_MAX >> 20)));
        }
        left -= content.len();
        source.files.insert(path, content);
    }
    if !complete || source.files.len() > FILES_MAX {
        return Err(rule(format!("it has more than {FILES_MAX} files")));
    }
    Ok(source)
}

/// Makes a submission. Pure.
///
/// # Errors
/// [`InvalidSubmission::Rule`] with what is missing or not allowed.
pub fn build(
    source: Source,
    request: &SubmissionRequest<'_>,
) -> Result<Submission, InvalidSubmission> {
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
    let warnings = warnings(&files, source.skipped, request.module);

    let mut all = Vec::with_capacity(files.len() + 2);
    for (path, content) in files {
        let path = DatasitePath::parse(&format!("code/{path}"))
            .map_err(|error| rule(error.to_string()))?;
        all.push((path, content));
    }
    all.push((constant("run.sh"), run.into_bytes()));
    all.push((constant(CONFIG_FILE), config.to_yaml(request.job.layout).into_bytes()));
    Ok(Submission { job: request.job.clone(), files: all, config, binary_files, warnings })
}

/// Decides which file starts the job.
fn start_of(
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

fn constant(path: &str) -> DatasitePath {
    DatasitePath::parse(path).expect("checked, or a constant")
}

fn rule(text: impl Into<String>) -> InvalidSubmission {
    InvalidSubmission::Rule(text.into())
}

#[cfg(test)]
mod tests;
