//! What a submitter says about a job: `config.yaml`.
//!
//! Pure. Everything in it is a claim of the submitter, so it is bounded and checked here: an
//! entrypoint is a path below `code/`, a dependency is a requirement and no option of an
//! installer. Who submitted the job, to whom, and what it is called come from where it lies, and
//! are neither read nor written here. Unknown keys are ignored. The form is `docs/FORMAT.md`,
//! "Jobs".

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::layout::Layout;
use super::name::is_deceptive;
use super::request::Request;
use super::script::bash_start;
use super::wary::Read;
use super::{iso, yaml};
use crate::model::{DatasitePath, Timestamp};

/// Owner's address to the names of datasets that the job wants to read.
pub type Datasets = BTreeMap<String, Vec<String>>;

/// In which language a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// A Python file, or a folder with one to start.
    Python,
    /// A shell script, or a folder with one to start.
    Bash,
}

/// Where a job is meant to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// On the owner's machine.
    #[default]
    Local,
    /// In an enclave that several owners trust.
    Enclave,
}

/// What `config.yaml` says.
///
/// Invariant once parsed: `entrypoint` is a valid path that starts with no dash; no dependency is
/// an option or has a control character; lists are bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct JobConfig {
    /// Where the code came from on the submitter's machine; informational. Ours holds no path.
    pub code_path: Option<String>,
    /// The datasets it wants; `None` means any, which is what Python clients write.
    pub datasets: Option<Datasets>,
    /// What is to be installed; the first is the client itself where a client wrote it.
    pub dependencies: Vec<String>,
    /// The file to start, below `code/`.
    pub entrypoint: Option<DatasitePath>,
    /// The submitted files, below `code/`; informational.
    pub files: Vec<String>,
    /// Anything else a client wants to tell.
    pub headers: Map<String, Value>,
    /// True if a folder was submitted, false for a single file.
    pub is_folder_submission: bool,
    /// Where it is meant to run.
    pub target: Target,
    /// What the submitter calls it. Never used as a path or as an identity.
    pub title: String,
    /// When it was submitted, by the submitter's clock.
    pub submitted_at: Timestamp,
    /// Its language.
    pub kind: JobKind,
}

/// A `config.yaml` that is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`config.yaml` is not usable: {0}")]
pub struct InvalidConfig(String);

impl InvalidConfig {
    /// Returns what is wrong, without the name of the file.
    pub(crate) fn reason(&self) -> &str {
        &self.0
    }
}

/// What the file says it is, in layouts that want that said.
const CANONICAL_NAME: &str = "JobSubmissionMetadata";

const DEPENDENCIES_MAX: usize = 256;
const FILES_MAX: usize = 10_000;
const TEXT_MAX: usize = 1024;

impl JobConfig {
    /// Reads the `config.yaml` of a job in `layout`.
    ///
    /// # Errors
    /// [`InvalidConfig`] if it is no mapping within bounds, is not one of that layout, or breaks
    /// the invariant.
    pub fn parse(layout: Layout, text: &[u8]) -> Result<Self, InvalidConfig> {
        let value: Value = yaml::read(text).map_err(InvalidConfig)?;
        let map = value.as_object().ok_or_else(|| invalid("it is no mapping"))?;
        layout.check_identity(map, CANONICAL_NAME).map_err(InvalidConfig)?;
        let dependencies = all_texts(map, "dependencies", DEPENDENCIES_MAX)?;
        for dependency in &dependencies {
            check_dependency(dependency)?;
        }
        Ok(Self {
            code_path: one_text(map, "code_path")?,
            datasets: datasets(map)?,
            dependencies,
            entrypoint: one_text(map, "entrypoint")?
                .as_deref()
                .map(parse_entrypoint)
                .transpose()?,
            files: all_texts(map, "files", FILES_MAX)?,
            headers: map.get("headers").and_then(Value::as_object).cloned().unwrap_or_default(),
            is_folder_submission: map
                .get("is_folder_submission")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            target: match one_text(map, "job_type")?.as_deref() {
                None | Some("local") => Target::Local,
                Some("enclave") => Target::Enclave,
                Some(_) => return Err(invalid("`job_type` is neither `local` nor `enclave`")),
            },
            title: one_text(map, "name")?.ok_or_else(|| invalid("`name` is missing"))?,
            submitted_at: one_text(map, "submitted_at")?
                .as_deref()
                .and_then(iso::read)
                .ok_or_else(|| invalid("`submitted_at` is no moment"))?,
            kind: match one_text(map, "type")?.as_deref() {
                None | Some("python") => JobKind::Python,
                Some("bash") => JobKind::Bash,
                Some(_) => return Err(invalid("`type` is neither `python` nor `bash`")),
            },
        })
    }

    /// Returns the `config.yaml` of a job in `layout`: all keys, sorted. It says neither who submits
    /// nor to whom.
    pub fn to_yaml(&self, layout: Layout) -> String {
        let form = Form {
            canonical_name: layout.version().map(|_| CANONICAL_NAME),
            code_path: self.code_path.as_deref(),
            datasets: self.datasets.as_ref(),
            dependencies: &self.dependencies,
            entrypoint: self.entrypoint.as_ref().map(DatasitePath::as_str),
            files: &self.files,
            headers: &self.headers,
            is_folder_submission: self.is_folder_submission,
            job_type: match self.target {
                Target::Local => "local",
                Target::Enclave => "enclave",
            },
            name: &self.title,
            submitted_at: iso::write(self.submitted_at),
            kind: self.kind.as_str(),
            version: layout.version(),
        };
        yaml::write(&form).expect("texts and maps with text keys can be written")
    }

    /// Returns how the file at `path` below the job's directory is read if the job starts it.
    pub fn starts(&self, path: &DatasitePath) -> Option<Read> {
        let (start, read) = match self.kind {
            JobKind::Python => (self.entrypoint.as_ref().map(DatasitePath::as_str), Read::AsPython),
            JobKind::Bash => (Some(bash_start(self)), Read::AsShell),
        };
        let path = path.as_str();
        match path.strip_prefix("code/") {
            Some(below) => (start == Some(below)).then_some(read),
            None => (path == "run.sh").then_some(Read::AsShell),
        }
    }

    /// Returns what the submitter says that the job is for, and what it is to leave.
    pub fn request(&self) -> Request {
        Request::read(&self.headers)
    }

    /// Returns the datasets of `owner` that the job names; `None` if it names none at all, which
    /// means any.
    pub fn datasets_of(&self, owner: &crate::model::Email) -> Option<Vec<&str>> {
        let datasets = self.datasets.as_ref()?;
        let ours = datasets.iter().filter(|(email, _)| owner.is_same_account(email));
        Some(ours.flat_map(|(_, names)| names).map(String::as_str).collect())
    }
}

impl JobKind {
    /// Returns the word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::Bash => "bash",
        }
    }
}

/// Checks that `dependency` is a requirement, not an option of an installer.
///
/// # Errors
/// [`InvalidConfig`] with the rule that is broken.
pub(crate) fn check_dependency(dependency: &str) -> Result<(), InvalidConfig> {
    if dependency.trim().is_empty() {
        Err(invalid("a dependency is empty"))
    } else if dependency.trim_start().starts_with('-') {
        Err(invalid("a dependency starts with a dash, as options do"))
    } else if dependency.trim_start().starts_with('#') {
        Err(invalid("a dependency starts as comments do"))
    } else if dependency.chars().any(is_deceptive) {
        Err(invalid("a dependency contains a control character"))
    } else {
        Ok(())
    }
}

/// Reads the path of the file to start, below `code/`.
///
/// # Errors
/// [`InvalidConfig`] if it leaves `code/` or looks like an option.
pub(crate) fn parse_entrypoint(text: &str) -> Result<DatasitePath, InvalidConfig> {
    if text.starts_with('-') {
        return Err(invalid("`entrypoint` starts with a dash, as options do"));
    }
    DatasitePath::parse(text).map_err(|_| invalid("`entrypoint` is no path below `code/`"))
}

/// `config.yaml` as it is written: the order of the fields is the order of the keys.
#[derive(Serialize)]
struct Form<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    canonical_name: Option<&'a str>,
    code_path: Option<&'a str>,
    datasets: Option<&'a Datasets>,
    dependencies: &'a [String],
    entrypoint: Option<&'a str>,
    files: &'a [String],
    headers: &'a Map<String, Value>,
    is_folder_submission: bool,
    job_type: &'a str,
    name: &'a str,
    submitted_at: String,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

fn invalid(reason: &str) -> InvalidConfig {
    InvalidConfig(reason.to_owned())
}

fn one_text(map: &Map<String, Value>, key: &str) -> Result<Option<String>, InvalidConfig> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.len() <= TEXT_MAX => Ok(Some(text.clone())),
        Some(_) => Err(InvalidConfig(format!("`{key}` is no text of at most {TEXT_MAX} bytes"))),
    }
}

fn all_texts(
    map: &Map<String, Value>,
    key: &str,
    max: usize,
) -> Result<Vec<String>, InvalidConfig> {
    match map.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => list(value, max)
            .ok_or_else(|| InvalidConfig(format!("`{key}` is no list of at most {max} texts"))),
    }
}

fn datasets(map: &Map<String, Value>) -> Result<Option<Datasets>, InvalidConfig> {
    match map.get("datasets") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(owners)) => owners
            .iter()
            .map(|(owner, names)| Some((owner.clone(), list(names, FILES_MAX)?)))
            .collect::<Option<Datasets>>()
            .map(Some)
            .ok_or_else(|| invalid("`datasets` does not name lists of datasets")),
        Some(_) => Err(invalid("`datasets` is no mapping")),
    }
}

fn list(value: &Value, max: usize) -> Option<Vec<String>> {
    let items = value.as_array().filter(|items| items.len() <= max)?;
    let short =
        |item: &Value| item.as_str().filter(|text| text.len() <= TEXT_MAX).map(str::to_owned);
    items.iter().map(short).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Email;

    const MINIMAL: &str = "name: x\nsubmitted_at: '2026-11-20T12:39:16Z'\n";

    fn with(lines: &str) -> Result<JobConfig, InvalidConfig> {
        JobConfig::parse(Layout::Flat, format!("{MINIMAL}{lines}\n").as_bytes())
    }

    #[test]
    fn the_files_of_the_python_client_are_read_and_written_byte_for_byte() {
        let flat = include_str!(
            "../../fixtures/jobs010/job_layout_0/do@example.com/app_data/job/inbox/ds@example.com/job1/config.yaml"
        );
        let v1 = include_str!(
            "../../fixtures/jobs010/job_layout_1/do@example.com/app_data/job/inbox/ds@example.com/v1/job1/config.yaml"
        );
        for (layout, text) in [
            (Layout::Flat, include_str!("../../fixtures/jobs/census-count/config.yaml")),
            (Layout::Flat, include_str!("../../fixtures/jobs/bash job/config.yaml")),
            (Layout::Flat, flat),
            (Layout::V1, v1),
        ] {
            assert_eq!(JobConfig::parse(layout, text.as_bytes()).unwrap().to_yaml(layout), text);
        }
        let read = |layout, text: &str| JobConfig::parse(layout, text.as_bytes()).unwrap();
        assert_eq!(read(Layout::V1, v1), read(Layout::Flat, flat), "they differ in nothing else");
    }

    #[test]
    fn what_a_python_owner_would_list_is_what_we_take() {
        let cases: Value =
            serde_json::from_str(include_str!("../../fixtures/jobs010/job_config_cases.json"))
                .unwrap();
        for case in cases["reading"].as_array().unwrap() {
            let layout = if case["path"].as_str().unwrap().contains("/v1/") {
                Layout::V1
            } else {
                Layout::Flat
            };
            // JSON is YAML, and tells the text '1' from the number as well.
            let taken = JobConfig::parse(layout, case["config"].to_string().as_bytes());
            assert_eq!(taken.is_ok(), case["visible"].as_bool().unwrap(), "{}", case["case"]);
        }
    }

    #[test]
    fn what_is_missing_or_unknown_does_no_harm() {
        let config = with("submitted_by: mallory@evil.org\nheaders: {a: [1, {b: c}]}").unwrap();
        assert_eq!((config.kind, config.target), (JobKind::Python, Target::Local));
        assert_eq!(config.headers["a"][1]["b"], "c");
        assert!(!config.to_yaml(Layout::Flat).contains("mallory"));
    }

    #[test]
    fn w7_a_hostile_config_is_an_error() {
        #[rustfmt::skip]
        let cases = [
            ("an entrypoint above code", "entrypoint: ../../../x.py"),
            ("an absolute entrypoint",   "entrypoint: /etc/passwd"),
            ("an option as entrypoint",  "entrypoint: -mhttp.server"),
            ("an option as dependency",  "dependencies: ['-r/etc/passwd']"),
            ("a newline in one",         "dependencies: [\"a\\n--index-url=x\"]"),
            ("an empty dependency",      "dependencies: ['']"),
            ("a number as dependency",   "dependencies: [1]"),
            ("a text as dependencies",   "dependencies: numpy"),
            ("an unknown language",      "type: perl"),
            ("an unknown target",        "job_type: moon"),
            ("datasets as a list",       "datasets: [census]"),
            ("a key twice",              "name: y"),
        ];
        for (what, lines) in cases {
            assert!(with(lines).is_err(), "{what}");
        }
        for bad in [&b""[..], b"- a", b"name: x", b"\xff", b"name: x\nsubmitted_at: soon"] {
            assert!(JobConfig::parse(Layout::Flat, bad).is_err(), "{bad:?}");
        }
        let long = format!("entrypoint: {}", "x".repeat(2000));
        assert!(with(&long).is_err());
    }

    #[test]
    fn a_name_that_steers_paths_is_a_title_and_nothing_else() {
        let text = MINIMAL.replace("name: x", "name: ../../x");
        assert_eq!(JobConfig::parse(Layout::Flat, text.as_bytes()).unwrap().title, "../../x");
    }

    #[test]
    fn datasets_of_others_are_not_ours() {
        let owner = Email::parse("do@example.com").unwrap();
        let config = with("datasets: {DO@example.com: [census], x@y.org: [other]}").unwrap();
        assert_eq!(config.datasets_of(&owner), Some(vec!["census"]));
        assert_eq!(with("datasets: {}").unwrap().datasets_of(&owner), Some(vec![]));
        assert_eq!(with("datasets: null").unwrap().datasets_of(&owner), None);
    }
}
