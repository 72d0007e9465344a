//! Where the files of a job lie within the owner's datasite, and what says that they lie there.
//!
//! Pure. The two generations of the Python client nest jobs differently, and a job is answered in
//! the layout that it came in, so the layout is part of what a job is: one submitter may use one
//! name in both. Source: `docs/FORMAT.md`, "Jobs".

use serde_json::{Map, Value};

use super::name::{InvalidName, JobName};
use crate::model::{DatasitePath, Email};
use crate::wire::JobLayout;

/// How the folders of a job are nested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// `inbox/{submitter}/{job}`: layout 0, which both generations understand.
    #[default]
    Flat,
    /// `inbox/{submitter}/v1/{job}`: layout 1, which 0.10 writes and 0.1 does not see.
    V1,
}

/// Which job: who submitted it, in which layout, and the name of its directory. That is where it
/// lies; two submitters may use one name, and one submitter in two layouts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId {
    /// Whose directory it lies in.
    pub submitter: Email,
    /// How its folders are nested.
    pub layout: Layout,
    /// The name of its directory.
    pub name: JobName,
}

/// How somebody names a job: `NAME`, or `v0/NAME` and `v1/NAME` where a submitter uses one name in
/// both layouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReference {
    /// The layout, if it is named.
    pub layout: Option<Layout>,
    /// The name of the job's directory.
    pub name: JobName,
}

/// Which paths permission rules have to open so that the submitter sees results, or to close so
/// that nothing is seen before the owner releases it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The folder of the permission file that the patterns below belong to.
    pub folder: DatasitePath,
    /// Pattern of the outputs.
    pub outputs: String,
    /// Patterns of the logs: standard output, standard error, return code.
    pub logs: [String; 3],
}

impl Layout {
    /// All layouts, the oldest first.
    pub const ALL: [Self; 2] = [Self::Flat, Self::V1];

    /// Returns the number of the layout.
    pub const fn number(self) -> u32 {
        match self {
            Self::Flat => 0,
            Self::V1 => 1,
        }
    }

    /// Returns the folder that holds the submissions of `submitter` in this layout.
    pub fn inbox_of(self, submitter: &Email) -> DatasitePath {
        self.folder("inbox", submitter)
    }

    /// Returns the folder that holds the answers to `submitter` in this layout.
    pub fn review_of(self, submitter: &Email) -> DatasitePath {
        self.folder("review", submitter)
    }

    /// Returns what a file of this layout says of its own format, beside `canonical_name`; `None`
    /// if it says neither.
    pub(crate) const fn version(self) -> Option<&'static str> {
        match self {
            Self::Flat => None,
            Self::V1 => Some("1"),
        }
    }

    /// Checks that a file says that it is a `canonical_name` of this layout. A reader of the
    /// Python client takes no other, not even the number 1 for the text.
    ///
    /// # Errors
    /// What is wrong, in words for the submitter.
    pub(crate) fn check_identity(
        self,
        map: &Map<String, Value>,
        canonical_name: &str,
    ) -> Result<(), String> {
        let Some(version) = self.version() else { return Ok(()) };
        for (key, expected) in [("canonical_name", canonical_name), ("version", version)] {
            if map.get(key).and_then(Value::as_str) != Some(expected) {
                return Err(format!("`{key}` is not the text `{expected}`"));
            }
        }
        Ok(())
    }

    pub(crate) const fn segment(self) -> Option<&'static str> {
        match self {
            Self::Flat => None,
            Self::V1 => Some("v1"),
        }
    }

    fn folder(self, side: &str, submitter: &Email) -> DatasitePath {
        let flat = DatasitePath::parse(&format!("app_data/job/{side}/{submitter}"))
            .expect("an address is one harmless path component");
        match self.segment() {
            None => flat,
            Some(segment) => below(&flat, segment),
        }
    }
}

impl From<JobLayout> for Layout {
    fn from(layout: JobLayout) -> Self {
        match layout {
            JobLayout::Flat => Self::Flat,
            JobLayout::V1 => Self::V1,
        }
    }
}

impl JobId {
    /// Returns the directory that the submitter writes.
    pub fn inbox(&self) -> DatasitePath {
        below(&self.layout.inbox_of(&self.submitter), self.name.as_str())
    }

    /// Returns the directory that the owner writes.
    pub fn review(&self) -> DatasitePath {
        below(&self.layout.review_of(&self.submitter), self.name.as_str())
    }

    /// Returns what permission rules about this job have to name.
    pub fn shared(&self) -> Shared {
        let prefix = match self.layout.segment() {
            None => self.name.to_string(),
            Some(segment) => format!("{segment}/{}", self.name),
        };
        Shared {
            folder: Layout::Flat.review_of(&self.submitter),
            outputs: format!("{prefix}/outputs/**"),
            logs: ["stdout.txt", "stderr.txt", "returncode.txt"]
                .map(|name| format!("{prefix}/{name}")),
        }
    }

    /// Returns the path of `name` (which is ours, not a stranger's) in the owner's directory.
    pub(crate) fn answer(&self, name: &str) -> DatasitePath {
        below(&self.review(), name)
    }

    /// Returns the job of the same submitter and name in another layout.
    pub(crate) fn in_layout(&self, layout: Layout) -> Self {
        Self { layout, ..self.clone() }
    }
}

impl JobReference {
    /// Reads what somebody typed.
    ///
    /// # Errors
    /// [`InvalidName`] if it can name no job.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let layout = |prefix| match prefix {
            "v0" => Some(Layout::Flat),
            "v1" => Some(Layout::V1),
            _ => None,
        };
        let split = text.split_once('/').map(|(prefix, name)| (layout(prefix), name));
        let (layout, name) = split.filter(|(layout, _)| layout.is_some()).unwrap_or((None, text));
        Ok(Self { layout, name: JobName::parse(name)? })
    }

    /// Returns how to name exactly this job among those of its submitter.
    pub fn exact(job: &JobId) -> Self {
        Self { layout: Some(job.layout), name: job.name.clone() }
    }

    /// True if `job` is, or may be, the one that is meant.
    pub fn means(&self, job: &JobId) -> bool {
        self.name == job.name && self.layout.is_none_or(|layout| layout == job.layout)
    }
}

impl std::fmt::Display for JobReference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.layout {
            Some(layout) => write!(f, "v{}/{}", layout.number(), self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.layout.segment() {
            None => write!(f, "{}/{}", self.submitter, self.name),
            Some(segment) => write!(f, "{}/{segment}/{}", self.submitter, self.name),
        }
    }
}

fn below(folder: &DatasitePath, name: &str) -> DatasitePath {
    folder.join(name).expect("addresses and job names are short, harmless path components")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(layout: Layout) -> JobId {
        let submitter = Email::parse("ds@example.com").unwrap();
        JobId { submitter, layout, name: JobName::parse("bash job").unwrap() }
    }

    #[test]
    fn each_layout_has_its_place() {
        #[rustfmt::skip]
        let cases = [
            (Layout::Flat, "ds@example.com/bash job",    "bash job/outputs/**",    "bash job/returncode.txt"),
            (Layout::V1,   "ds@example.com/v1/bash job", "v1/bash job/outputs/**", "v1/bash job/returncode.txt"),
        ];
        for (layout, place, outputs, code) in cases {
            let job = job(layout);
            assert_eq!(job.to_string(), place);
            assert_eq!(job.inbox().as_str(), format!("app_data/job/inbox/{place}"));
            assert_eq!(job.review().as_str(), format!("app_data/job/review/{place}"));
            let shared = job.shared();
            assert_eq!((shared.outputs.as_str(), shared.logs[2].as_str()), (outputs, code));
            assert_eq!(shared.folder.as_str(), "app_data/job/review/ds@example.com");
        }
    }

    #[test]
    fn a_job_is_named_with_its_layout_where_that_is_needed() {
        let parse = |text| JobReference::parse(text).ok().map(|found| (found.layout, found.name));
        let name = job(Layout::Flat).name;
        assert_eq!(parse("bash job"), Some((None, name.clone())));
        assert_eq!(parse("v0/bash job"), Some((Some(Layout::Flat), name.clone())));
        assert_eq!(parse("v1/bash job"), Some((Some(Layout::V1), name)));
        for bad in ["v1", "v1/", "v2/x", "v1/v1", "a/b", "v1/a/b", "/x", "V1/x", ""] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        for layout in Layout::ALL {
            let exact = JobReference::exact(&job(layout));
            assert_eq!(JobReference::parse(&exact.to_string()).as_ref(), Ok(&exact));
            assert!(exact.means(&job(layout)));
            assert!(Layout::ALL.into_iter().all(|l| exact.means(&job(l)) == (l == layout)));
        }
    }
}
