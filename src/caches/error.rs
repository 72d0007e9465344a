//! Why something on the own disk could not be read or kept.

use std::path::PathBuf;

/// What a function of the caches gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something on the own disk could not be read or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state database could not be read or written.
    #[error("the state database could not be used")]
    Database(#[source] rusqlite::Error),

    /// The state database was written by a later release.
    #[error("the state database has version {found}, and this release knows up to {known}")]
    NewerDatabase {
        /// Its version.
        found: i64,
        /// The latest version that this release understands.
        known: i64,
    },

    /// The state database holds something that we never write, or lacks what it held. It is left
    /// as it is: what was not sent yet may be in it.
    #[error("the state database is damaged: {what}")]
    Damaged {
        /// What is wrong.
        what: String,
    },

    /// Another state database lies where the one that is open lay: that was set aside.
    #[error("the state database `{}` was set aside by another command", path.display())]
    Displaced {
        /// Where it lay.
        path: PathBuf,
    },

    /// A file or folder could not be read or written.
    #[error("`{}` could not be {what}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Read, written, …
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },

    /// Another process works on the same SyftBox.
    #[error("another `syft` works on `{}`", path.display())]
    Locked {
        /// The SyftBox.
        path: PathBuf,
    },
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::damaged(error.to_string()),
            _ => Self::Database(error),
        }
    }
}

impl Error {
    /// Returns what turns an I/O error on `path` into one of ours.
    pub(crate) fn at(
        path: impl Into<PathBuf>,
        what: &'static str,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, what, source }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}
