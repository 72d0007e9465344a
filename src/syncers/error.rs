//! Why a sync could not be done at all. What went wrong with one thing is a [`super::Problem`].

use crate::caches;
use crate::connections;
use crate::model::Email;

/// What a syncer gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a sync could not be done at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service could not do what the sync needs.
    #[error("the drive could not be used")]
    Connection(#[from] connections::Error),

    /// The own disk could not do what the sync needs.
    #[error("the SyftBox could not be used")]
    Cache(#[from] caches::Error),

    /// A file of ours on the drive is not what we write. Nothing was changed.
    #[error("`{name}` on the drive cannot be understood")]
    OwnFile {
        /// Its name.
        name: String,
        /// What is wrong with it.
        source: crate::wire::Error,
    },

    /// All files of the datasite are gone from the disk at once.
    #[error("all {files} files of the datasite are gone from this disk")]
    SuddenlyEmpty {
        /// How many there were.
        files: usize,
    },

    /// A file is not on disk as it was announced.
    #[error("`{path}` has changed since it was last synced")]
    NotSynced {
        /// Which one.
        path: crate::model::DatasitePath,
    },

    /// There is no such peer.
    #[error("{peer} is not among your peers")]
    UnknownPeer {
        /// Who.
        peer: Email,
    },

    /// The peer has made no request.
    #[error("{peer} has made no request that you could answer")]
    NoRequest {
        /// Who.
        peer: Email,
    },

    /// An account cannot work with itself.
    #[error("{peer} is your own account")]
    OwnAccount {
        /// Who.
        peer: Email,
    },
}
