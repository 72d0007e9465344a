//! Reads what a scientist wants to submit from the disk: a file, or a folder.
//!
//! Everything that cannot travel is found in one go, so that nobody mends one thing only to be told of
//! the next. Invariant: nothing is left out silently; no link is followed below the path itself.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::finding::{Check, Finding};
use super::form::{EntryKind, PERMISSION_FILE};
use super::submission::InvalidSubmission;
use super::tree::{Entry, open_file, open_root, read_file, walk};
use crate::model::DatasitePath;

/// What a scientist wants to submit, read from the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The file's or folder's own name.
    pub name: String,
    /// Whether it is a folder.
    pub is_folder: bool,
    /// The files, below the folder.
    pub files: BTreeMap<DatasitePath, Vec<u8>>,
    /// What is wrong with it, and what was left out.
    pub findings: Vec<Finding>,
}

const FILES_MAX: usize = 1_000;
const BYTES_MAX: usize = 64 << 20;
const FOLDERS_SKIPPED: [&str; 3] = ["__pycache__", "node_modules", "venv"];

/// The most links and names that are told one by one.
const NAMED_MAX: usize = 20;

/// Reads the file or folder at `path`. The path itself may be a link; links below it are refused.
///
/// # Errors
/// [`InvalidSubmission::Io`] if something cannot be read. What is there and cannot be sent is among
/// the findings.
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
    Ok(Source { name, is_folder: false, files, findings: Vec::new() })
}

fn read_folder(path: &Path, name: String) -> Result<Source, InvalidSubmission> {
    let problem = |source| InvalidSubmission::Io { path: path.display().to_string(), source };
    let dir = open_root(path).map_err(problem)?.ok_or_else(|| rule("the folder is gone"))?;
    let skipped = RefCell::new(BTreeSet::new());
    let skip = |name: &str| {
        let skips = name.starts_with('.') || FOLDERS_SKIPPED.contains(&name);
        if skips {
            skipped.borrow_mut().insert(format!("`{name}`"));
        }
        skips
    };
    let (entries, complete) = walk(&dir, 20 * FILES_MAX, &skip).map_err(problem)?;
    let mut source = Source { name, is_folder: true, ..Source::default() };
    let mut left = BYTES_MAX as u64;
    for entry in entries {
        let path = match fit(entry) {
            Ok(path) => path,
            Err(finding) => {
                source.findings.push(finding);
                continue;
            }
        };
        let mut content = Vec::new();
        let file = open_file(&dir, path.as_str()).map_err(problem)?;
        std::io::Read::read_to_end(&mut std::io::Read::take(file, left + 1), &mut content)
            .map_err(problem)?;
        if content.len() as u64 > left {
            let text = format!("it has more than {} MiB", BYTES_MAX >> 20);
            source.findings.push(Finding::refused(Check::Size, text));
            break;
        }
        left -= content.len() as u64;
        source.files.insert(path, content);
    }
    if !complete || source.files.len() > FILES_MAX {
        let text = format!("it has more than {FILES_MAX} files");
        source.findings.push(Finding::refused(Check::Size, text));
    }
    let skipped: Vec<String> = skipped.into_inner().into_iter().take(NAMED_MAX).collect();
    if !skipped.is_empty() {
        let text = format!("left out the folders {}", skipped.join(", "));
        source.findings.push(Finding::told(Check::LeftOut, text));
    }
    source.findings = shortened(source.findings);
    Ok(source)
}

/// Returns the path of what can travel, or why it does not.
fn fit(entry: Entry) -> Result<DatasitePath, Finding> {
    let shown = entry.shown;
    if entry.kind != EntryKind::File {
        let text = format!("`{shown}` is a link or no file, which cannot be sent");
        return Err(Finding::refused(Check::Link, text));
    }
    let Some(path) = entry.path else {
        let text = format!("`{shown}` is a name that cannot be sent");
        return Err(Finding::refused(Check::Name, text));
    };
    if path.file_name().eq_ignore_ascii_case(PERMISSION_FILE) {
        let text = format!("`{path}` is a permission file, which only the owner may write");
        return Err(Finding::refused(Check::PermissionFile, text).at(&path));
    }
    let reason = if path.file_name().starts_with('.') {
        "hidden files do not reach owners with the Python client"
    } else if path.is_below("outputs") {
        "`outputs` is where the job will write"
    } else {
        return Ok(path);
    };
    Err(Finding::told(Check::LeftOut, format!("left out {path}: {reason}")).at(&path))
}

/// A folder of links is one problem, not a thousand.
fn shortened(findings: Vec<Finding>) -> Vec<Finding> {
    let mut counts: BTreeMap<Check, usize> = BTreeMap::new();
    let mut kept = Vec::new();
    let mut last = BTreeMap::new();
    for finding in findings {
        let count = counts.entry(finding.check).or_default();
        *count += 1;
        if *count <= NAMED_MAX {
            kept.push(finding);
        } else {
            last.insert(finding.check, finding);
        }
    }
    for (check, finding) in last {
        let more = counts.get(&check).copied().unwrap_or_default() - NAMED_MAX;
        let text = format!("and {more} more of this kind");
        kept.push(Finding { text, path: None, ..finding });
    }
    kept
}

fn rule(text: impl Into<String>) -> InvalidSubmission {
    InvalidSubmission::Rule(text.into())
}
