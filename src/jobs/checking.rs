//! Looks at a submission before it is sent, and finds all that is wrong at once.
//!
//! Pure. What [`build`](super::build) refuses is refused here as well, in company of everything else;
//! what only its submitter can judge is a doubt, and he may insist.

use std::collections::BTreeSet;

use super::advice::{Known, of_code, of_datasets, of_dependency, of_secrets};
use super::config::JobKind;
use super::finding::{Check, Finding};
use super::requirements::{check_written, unfit_python};
use super::script::PYTHON_VERSION;
use super::source::Source;
use super::submission::{SubmissionRequest, start_of};

/// Returns what a look at the files finds; `shown` are the datasets that the owner shows, `None` if
/// nobody looked.
pub fn check(
    source: &Source,
    request: &SubmissionRequest<'_>,
    shown: Option<&BTreeSet<String>>,
) -> Vec<Finding> {
    let mut found = source.findings.clone();
    for dependency in request.dependencies {
        if let Err(reason) = check_written(dependency) {
            found.push(Finding::refused(Check::Dependency, reason));
        }
        found.extend(of_dependency(dependency));
    }
    let project = source.files.iter().find(|(path, _)| path.as_str() == "pyproject.toml");
    if let Some((path, text)) = project.filter(|_| source.is_folder)
        && request.kind == JobKind::Python
        && let Some(wish) = unfit_python(&String::from_utf8_lossy(text), PYTHON_VERSION)
    {
        let text =
            format!("{path} asks for Python {wish}, and owners run jobs with {PYTHON_VERSION}");
        found.push(Finding::doubtful(Check::Dependency, text).at(path));
    }
    if request.kind == JobKind::Bash && !request.dependencies.is_empty() {
        let text = "a bash job cannot have dependencies";
        found.push(Finding::refused(Check::Dependency, text));
    }
    match start_of(source, request) {
        Err(error) => found.push(Finding::refused(Check::Entrypoint, error.to_string())),
        Ok(start) => {
            let content = source.files.get(&start).map(Vec::as_slice).unwrap_or_default();
            if request.kind == JobKind::Bash && std::str::from_utf8(content).is_err() {
                let text = format!("`{start}` is not text");
                found.push(Finding::refused(Check::Entrypoint, text).at(&start));
            }
        }
    }
    let named: Option<Vec<String>> =
        request.datasets.as_ref().map(|owners| owners.values().flatten().cloned().collect());
    found.extend(of_secrets(&source.files));
    found.extend(of_datasets(&source.files, Known { shown, named: named.as_deref() }));
    found.extend(of_code(&source.files, request.module));
    // Ours takes any bytes; with a Python owner they arrive, and then stand in its way.
    if request.module.is_some() {
        for (path, content) in &source.files {
            if std::str::from_utf8(content).is_err() {
                let text = format!(
                    "{path} is not text: the owner's program, the Python client, makes no checkpoint while such a file is there"
                );
                found.push(Finding::doubtful(Check::Binary, text).at(path));
            }
        }
    }
    found
}
