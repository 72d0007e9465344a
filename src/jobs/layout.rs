//! Where the files of a job lie within the owner's datasite.
//!
//! Pure. The layout is a value, since the two generations of the Python client differ in it and a
//! job is answered in the layout that it came in. [`check_received`] decides whether what arrived
//! has the form of a job.

use super::name::JobName;
use crate::model::{DatasitePath, Email};

/// How the folders of a job are nested.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// `inbox/{submitter}/{job}`: layout 0, which both generations understand.
    #[default]
    Flat,
    /// `inbox/{submitter}/v1/{job}`: layout 1.
    V1,
}

/// Which job: who submitted it, and the name of its directory. Two submitters may use one name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobId {
    /// Whose directory it lies in.
    pub submitter: Email,
    /// The name of its directory.
    pub name: JobName,
}

/// What an entry of a received directory is. Links are `Other`: they are never followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// Anything else.
    Other,
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

/// The name of permission files, which may lie in any directory.
pub(crate) const PERMISSION_FILE: &str = "syft.pub.yaml";

impl Layout {
    /// All layouts, the oldest first.
    pub const ALL: [Self; 2] = [Self::Flat, Self::V1];

    /// Returns the folder that holds the submissions of `submitter` in this layout.
    pub fn inbox_of(self, submitter: &Email) -> DatasitePath {
        self.folder("inbox", submitter)
    }

    /// Returns the folder that holds the answers to `submitter` in this layout.
    pub fn review_of(self, submitter: &Email) -> DatasitePath {
        self.folder("review", submitter)
    }

    /// Returns the directory that the submitter writes.
    pub fn inbox(self, job: &JobId) -> DatasitePath {
        below(&self.inbox_of(&job.submitter), job.name.as_str())
    }

    /// Returns the directory that the owner writes.
    pub fn review(self, job: &JobId) -> DatasitePath {
        below(&self.review_of(&job.submitter), job.name.as_str())
    }

    /// Returns the path of `name` (which is ours, not a stranger's) in the owner's directory.
    pub(crate) fn answer(self, job: &JobId, name: &str) -> DatasitePath {
        below(&self.review(job), name)
    }

    /// Returns what permission rules about this job have to name.
    pub fn shared(self, job: &JobId) -> Shared {
        let prefix = match self.segment() {
            None => job.name.to_string(),
            Some(segment) => format!("{segment}/{}", job.name),
        };
        Shared {
            folder: Self::Flat.review_of(&job.submitter),
            outputs: format!("{prefix}/outputs/**"),
            logs: ["stdout.txt", "stderr.txt", "returncode.txt"]
                .map(|name| format!("{prefix}/{name}")),
        }
    }

    const fn segment(self) -> Option<&'static str> {
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

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.submitter, self.name)
    }
}

/// Decides whether a directory has the form of a job: exactly `code/`, `run.sh`, `config.yaml`,
/// permission files aside.
///
/// # Errors
/// What is wrong, in words for the submitter.
pub fn check_received(entries: &[(String, EntryKind)]) -> Result<(), String> {
    let expected = [
        ("code", EntryKind::Directory, "a directory"),
        ("run.sh", EntryKind::File, "a file"),
        ("config.yaml", EntryKind::File, "a file"),
    ];
    for (name, kind, form) in expected {
        match entries.iter().find(|(entry, _)| entry == name) {
            None => return Err(format!("`{name}` is missing")),
            Some((_, found)) if *found != kind => return Err(format!("`{name}` must be {form}")),
            Some(_) => {}
        }
    }
    let known = |name: &str| {
        name == PERMISSION_FILE || expected.iter().any(|(expected, ..)| *expected == name)
    };
    match entries.iter().find(|(name, _)| !known(name)) {
        Some((name, _)) => {
            let shown: String = name.chars().take(80).flat_map(char::escape_debug).collect();
            Err(format!("`{shown}` does not belong there"))
        }
        None => Ok(()),
    }
}

fn below(folder: &DatasitePath, name: &str) -> DatasitePath {
    folder.join(name).expect("addresses and job names are short, harmless path components")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> JobId {
        JobId {
            submitter: Email::parse("ds@example.com").unwrap(),
            name: JobName::parse("bash job").unwrap(),
        }
    }

    #[test]
    fn each_layout_has_its_place() {
        #[rustfmt::skip]
        let cases = [
            (Layout::Flat, "app_data/job/inbox/ds@example.com/bash job",    "bash job/outputs/**"),
            (Layout::V1,   "app_data/job/inbox/ds@example.com/v1/bash job", "v1/bash job/outputs/**"),
        ];
        for (layout, inbox, outputs) in cases {
            assert_eq!(layout.inbox(&job()).as_str(), inbox);
            let shared = layout.shared(&job());
            assert_eq!(shared.outputs, outputs);
            assert_eq!(shared.folder.as_str(), "app_data/job/review/ds@example.com");
        }
        let shared = Layout::Flat.shared(&job());
        assert_eq!(shared.logs[2], "bash job/returncode.txt");
    }

    #[test]
    fn a_received_directory_has_exactly_the_form_of_a_job() {
        use EntryKind::*;
        let form = |entries: &[(&str, EntryKind)]| {
            let entries: Vec<_> =
                entries.iter().map(|(name, kind)| ((*name).into(), *kind)).collect();
            check_received(&entries).map_err(|reason| reason.to_string())
        };
        let good = [("code", Directory), ("run.sh", File), ("config.yaml", File)];
        assert_eq!(form(&good), Ok(()));
        assert_eq!(form(&[&good[..], &[("syft.pub.yaml", File)]].concat()), Ok(()));
        #[rustfmt::skip]
        let cases = [
            ("nothing",        vec![],                                                 "`code` is missing"),
            ("code as a file", vec![("code", File), good[1], good[2]],                 "`code` must be a directory"),
            ("run.sh a link",  vec![good[0], ("run.sh", Other), good[2]],              "`run.sh` must be a file"),
            ("more",           vec![good[0], good[1], good[2], ("x\u{1b}[2J", File)],  "`x\\u{1b}[2J` does not belong there"),
        ];
        for (what, entries, reason) in cases {
            assert_eq!(form(&entries), Err(reason.to_owned()), "{what}");
        }
    }
}
