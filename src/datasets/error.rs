//! Why something could not be done with a dataset.

use std::path::{Path, PathBuf};

use super::{DatasetName, InvalidMetadata, InvalidName, InvalidUrl, Refusal, SyftUrl};
use crate::connections;
use crate::model::{DatasitePath, Email, InvalidPath};

/// Why something could not be done with a dataset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such dataset is on this machine.
    #[error("there is no dataset `{name}` of `{owner}`")]
    NotFound {
        /// Whose.
        owner: Email,
        /// Which.
        name: DatasetName,
    },

    /// A private half alone, as a crash may leave it.
    #[error("there is a private half without a public one")]
    NoPublicHalf,

    /// The private half is not on this machine.
    #[error("the private half of dataset `{name}` of `{owner}` is not on this machine")]
    NoPrivateHalf {
        /// Whose.
        owner: Email,
        /// Which.
        name: DatasetName,
    },

    /// An address that leads out of the SyftBox.
    #[error("`{url}` leads to no place in a SyftBox")]
    Outside {
        /// Which.
        url: SyftUrl,
    },

    /// What was asked for does not exist on this machine.
    #[error("there is nothing at `{}`", path.display())]
    NothingThere {
        /// Where.
        path: PathBuf,
    },

    /// Something is there already.
    #[error("there is something at `{}` already", path.display())]
    Exists {
        /// Where.
        path: PathBuf,
    },

    /// The name is none.
    #[error(transparent)]
    Name(#[from] InvalidName),

    /// Files that cannot become a dataset.
    #[error("the {which} files at `{}` cannot be used: {refusal}", path.display())]
    Refused {
        /// `mock` or `private`.
        which: &'static str,
        /// What was named.
        path: PathBuf,
        /// Why; says which file.
        refusal: Refusal,
    },

    /// Private data is about to be published.
    #[error("the mock file `{mock}` has the same content as the private file `{private}`")]
    PrivateAsMock {
        /// In the mock folder.
        mock: DatasitePath,
        /// In the private folder.
        private: DatasitePath,
    },

    /// The readme is something else.
    #[error("the readme `{}` is no Markdown file (`.md`)", path.display())]
    Readme {
        /// Which.
        path: PathBuf,
    },

    /// A link, a device, a pipe.
    #[error("`{}` is neither a regular file nor a folder; links are not followed", path.display())]
    NotRegular {
        /// Which.
        path: PathBuf,
    },

    /// A local name that cannot travel.
    #[error("`{}` has a name that other machines cannot hold", path.display())]
    Path {
        /// Which.
        path: PathBuf,
        /// Why.
        source: InvalidPath,
    },

    /// Python readers could not load what would be written.
    #[error("the dataset would have an address that cannot be read")]
    Url(#[from] InvalidUrl),

    /// The description of the dataset is damaged.
    #[error("`{}` cannot be read", path.display())]
    Metadata {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: InvalidMetadata,
    },

    /// A file is not what it was when its upload was prepared.
    #[error("`{path}` has changed since its upload was prepared")]
    Changed {
        /// Relative to the SyftBox.
        path: DatasitePath,
    },

    /// Private files would lie where others can look.
    #[error(
        "the private half of dataset `{name}` is not on the drive: the folder `SyftBox` there is \
         shared, and whoever it is shared with could read it"
    )]
    Visible {
        /// Of which dataset.
        name: DatasetName,
    },

    /// A collection that we do not take.
    #[error("the files of dataset `{name}` of `{owner}` are not taken: {reason}")]
    Unacceptable {
        /// Whose.
        owner: Email,
        /// Which.
        name: DatasetName,
        /// Why.
        reason: Unacceptable,
    },

    /// What arrived is not what the collection's name promises.
    #[error("the files of dataset `{name}` of `{owner}` are incomplete or damaged")]
    Damaged {
        /// Whose.
        owner: Email,
        /// Which.
        name: DatasetName,
    },

    /// The durable record could not be kept.
    #[error("the progress of an upload could not be recorded")]
    Record(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The service failed.
    #[error(transparent)]
    Connection(#[from] connections::Error),

    /// A local file could not be read or written.
    #[error("`{}` could not be read or written", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
}

/// Why a peer's collection is not downloaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unacceptable {
    /// Too many.
    #[error("there are {found}, more than {limit}")]
    TooManyFiles {
        /// How many.
        found: usize,
        /// How many we take.
        limit: usize,
    },
    /// Too large.
    #[error("they have {found} bytes, more than {limit}")]
    TooManyBytes {
        /// How many.
        found: u64,
        /// How many we take.
        limit: u64,
    },
    /// All of this peer's datasets together would be too large.
    #[error("with them all datasets of this peer would have {found} bytes, more than {limit}")]
    TooManyBytesOfPeer {
        /// How many.
        found: u64,
        /// How many we take.
        limit: u64,
    },
    /// It would lead out of its folder, or cannot be a file's name.
    #[error("`{0}` is no file name")]
    FileName(String),
    /// There is nothing yet.
    #[error("there are none yet")]
    NoFiles,
}

impl Error {
    /// Makes the error for a failure at `path`.
    pub(super) fn at(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
