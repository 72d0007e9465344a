//! Why a sync could not be done at all. What went wrong with one thing is a [`super::Problem`].

use std::path::{Path, PathBuf};

use crate::caches;
use crate::connections;
use crate::model::Email;
use crate::outbox::Alarm;
use crate::peers::{Fingerprint, KeyFileError, Obstacle};

/// What a syncer gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a sync could not be done at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service could not do what the sync needs.
    #[error("{}", connections::headline(.0))]
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

    /// Files are gone from the disk in a way that looks like an accident. Nothing was written or
    /// sent.
    #[error("{}", accident(*alarm, folder, *gone, *agreed))]
    SuddenlyEmpty {
        /// What looks like one.
        alarm: Alarm,
        /// Where.
        folder: PathBuf,
        /// How many files are gone.
        gone: usize,
        /// How many there were.
        agreed: usize,
    },

    /// A file is not on disk as it was announced.
    #[error("`{path}` has changed since it was last synced")]
    NotSynced {
        /// Which one.
        path: crate::model::DatasitePath,
    },

    /// A checkpoint would be larger than any machine reads. The event log goes on saying it all.
    #[error("a checkpoint of {files} files would have {bytes} bytes, more than can be read again")]
    CheckpointTooLarge {
        /// Of how many files.
        files: usize,
        /// How large it would be, unpacked.
        bytes: usize,
    },

    /// Messages are gone from the event log that this machine has not read.
    #[error("a part of the event log is gone that this machine has not read")]
    LogPruned,

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

    /// The account is encrypted, and this machine has none of its keys, or not all.
    #[error("this account is encrypted, and the keys that are needed are not on this machine")]
    KeysMissing,

    /// Another machine of the account has put other keys in use.
    #[error("another machine of this account uses other keys, with the fingerprint {fingerprint}")]
    KeysReplaced {
        /// Of the keys that are published.
        fingerprint: Fingerprint,
    },

    /// Nothing goes to or comes from this peer until a person decides.
    #[error("{}", super::sealing::stopped(peer, *obstacle))]
    PeerStopped {
        /// Who.
        peer: Email,
        /// Why.
        obstacle: Obstacle,
    },

    /// The key file cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyFileError),
}

fn accident(alarm: Alarm, folder: &Path, gone: usize, agreed: usize) -> String {
    let folder = folder.display();
    let files = if agreed == 1 { "file" } else { "files" };
    let what = match alarm {
        Alarm::NoMarker => {
            format!("`{folder}` is not the SyftBox that was synced before: its marker is missing")
        }
        Alarm::OtherBox => format!(
            "`{folder}` is not the SyftBox that was synced before: it has the marker of another"
        ),
        Alarm::NoFolder => format!("`{folder}` is not there"),
        Alarm::Empty => return format!("all {agreed} {files} are gone from `{folder}` at once"),
        Alarm::MostGone => {
            return format!("{gone} of {agreed} {files} are gone from `{folder}` at once");
        }
    };
    format!("{what}, and {gone} of {agreed} {files} are gone")
}
