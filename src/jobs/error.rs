//! Why something could not be done with a job.

use std::io;

use super::config::InvalidConfig;
use super::difference::Summary;
use super::layout::JobId;
use super::sandbox::SandboxError;
use super::state::{InvalidState, Refused};
use crate::model::DatasitePath;

/// Why something could not be done with a job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such job here.
    #[error("there is no job `{job}`")]
    UnknownJob {
        /// The job that was asked for.
        job: JobId,
    },

    /// A job of that name exists already.
    #[error("there is a job `{job}` already")]
    AlreadyExists {
        /// The job that is there.
        job: JobId,
    },

    /// What was submitted breaks a rule, so nothing is done with it.
    #[error("job `{job}` is not usable: {reason}")]
    Unusable {
        /// The job.
        job: JobId,
        /// The rule that is broken.
        reason: String,
    },

    /// The action does not fit where the job stands.
    #[error("job `{job}`: {source}")]
    Refused {
        /// The job.
        job: JobId,
        /// What does not fit.
        source: Refused,
    },

    /// Its state file says approved, but no approval on this machine stands behind that.
    #[error("nobody on this machine approved job `{job}` as it is")]
    NotBound {
        /// The job.
        job: JobId,
    },

    /// The submission is not the one that was looked at or approved.
    #[error("job `{job}` changed after it was approved or looked at: {changes}")]
    Changed {
        /// The job.
        job: JobId,
        /// What changed, as far as it is known.
        changes: Summary,
    },

    /// No standing approval is called so, or more than one.
    #[error("there is no one standing approval `{id}`")]
    UnknownStanding {
        /// What was asked for.
        id: String,
    },

    /// There can be no such standing approval.
    #[error("no standing approval can be made: {0}")]
    Standing(#[from] super::standing::InvalidStanding),

    /// Another process runs this very job.
    #[error("job `{job}` is being run by another process")]
    Busy {
        /// The job.
        job: JobId,
    },

    /// The job left nothing of that name.
    #[error("job `{job}` left no `{path}`")]
    NoSuchResult {
        /// The job.
        job: JobId,
        /// What was named, below `outputs/`.
        path: DatasitePath,
    },

    /// What would be released is not what was shown.
    #[error("`{path}` of job `{job}` changed since it was shown, so nothing was released")]
    ResultChanged {
        /// The job.
        job: JobId,
        /// The file, below the folder of answers.
        path: DatasitePath,
    },

    /// Another machine of its owner runs the job, or did when it went down.
    #[error("job `{job}` was not begun on this machine")]
    RunsElsewhere {
        /// The job.
        job: JobId,
    },

    /// It was cancelled, and whoever runs it does not react.
    #[error("the run of job `{job}` did not end")]
    NotStopped {
        /// The job.
        job: JobId,
    },

    /// The job cannot be confined.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),

    /// There is no Python that could run it.
    #[error("no python of at least version 3.{minor} was found")]
    NoPython {
        /// The oldest minor version that would do.
        minor: u32,
    },

    /// A file or folder of ours cannot be read or written.
    #[error("cannot access {what}")]
    Io {
        /// What it is.
        what: String,
        /// Why not.
        source: io::Error,
    },
}

/// Why the files of a job cannot be read: the reasons that a listing shows.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    #[error(transparent)]
    State(#[from] InvalidState),
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Names the thing that an I/O error is about.
pub(crate) fn io_error(what: &dyn std::fmt::Display) -> impl FnOnce(io::Error) -> Error + use<> {
    let what = what.to_string();
    move |source| Error::Io { what, source }
}
