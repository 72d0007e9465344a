//! What a look at a submission finds before it is sent.
//!
//! Pure data: each finding says what kind it is, how much it weighs, and one line for the submitter.

use crate::model::DatasitePath;

/// What kind of thing was found. The words do not change once they are released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Check {
    /// The file to start.
    Entrypoint,
    /// A package that is asked for.
    Dependency,
    /// Something that is no regular file.
    Link,
    /// A name that cannot travel.
    Name,
    /// A permission file.
    PermissionFile,
    /// How much it is.
    Size,
    /// What an interpreter says of the code.
    Syntax,
    /// What looks like a password, a token or a private key.
    Secret,
    /// A dataset that is not there, or that the job will not see.
    Dataset,
    /// How the code finds data.
    Path,
    /// How the code imports the client.
    Module,
    /// A file that is no text.
    Binary,
    /// A file that stays here.
    LeftOut,
}

/// How much a finding weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It cannot be sent like this.
    Refused,
    /// It is sent only if its submitter insists.
    Doubtful,
    /// Its submitter should know.
    Told,
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How much it weighs.
    pub weight: Weight,
    /// What kind it is.
    pub check: Check,
    /// The file that it is about.
    pub path: Option<DatasitePath>,
    /// What was found, in one line.
    pub text: String,
}

impl Check {
    /// Returns the word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entrypoint => "entrypoint",
            Self::Dependency => "dependency",
            Self::Link => "link",
            Self::Name => "name",
            Self::PermissionFile => "permission-file",
            Self::Size => "size",
            Self::Syntax => "syntax",
            Self::Secret => "secret",
            Self::Dataset => "dataset",
            Self::Path => "path",
            Self::Module => "module",
            Self::Binary => "binary",
            Self::LeftOut => "left-out",
        }
    }
}

impl Weight {
    /// Returns the word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Doubtful => "doubtful",
            Self::Told => "told",
        }
    }
}

impl Finding {
    pub(crate) fn refused(check: Check, text: impl Into<String>) -> Self {
        Self { weight: Weight::Refused, check, path: None, text: text.into() }
    }

    pub(crate) fn doubtful(check: Check, text: impl Into<String>) -> Self {
        Self { weight: Weight::Doubtful, ..Self::refused(check, text) }
    }

    pub(crate) fn told(check: Check, text: impl Into<String>) -> Self {
        Self { weight: Weight::Told, ..Self::refused(check, text) }
    }

    /// What the submitter should know of the packages of a job.
    pub(crate) fn of_dependency(text: String) -> Self {
        Self::told(Check::Dependency, text)
    }

    pub(crate) fn at(self, path: &DatasitePath) -> Self {
        Self { path: Some(path.clone()), ..self }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Sorts what was found, the heaviest first. Returns what keeps the submission from being sent:
/// all that weighs so much, or nothing. `insists`: the submitter was told of the doubts.
pub(crate) fn objections(findings: &mut [Finding], insists: bool) -> Vec<Finding> {
    findings.sort_by_key(|finding| finding.weight);
    let stops = |finding: &&Finding| match finding.weight {
        Weight::Refused => true,
        Weight::Doubtful => !insists,
        Weight::Told => false,
    };
    findings.iter().filter(stops).cloned().collect()
}
