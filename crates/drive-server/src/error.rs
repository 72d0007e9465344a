//! What can go wrong before a request is served; the errors of requests are in `http::api_error`.

use std::{io, net::SocketAddr, path::PathBuf};

/// Why the server could not be started, or an account not be added.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another server serves the same data folder.
    #[error("the data folder `{data}` is served by another process")]
    InUse {
        /// The folder.
        data: PathBuf,
    },
    /// The address is taken or is not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The account's name is not an e-mail address.
    #[error("`{email}` is not an e-mail address")]
    NotAnEmail {
        /// What was given.
        email: String,
    },
    /// The token belongs to another account, or is too short to be a secret.
    #[error("the token for {email} cannot be used: {reason}")]
    BadToken {
        /// The account.
        email: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A file or folder in the data folder cannot be used.
    #[error("cannot use `{path}`")]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The database refuses to work.
    #[error("the database of the Drive server fails")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}
