//! Why a connection could not do what it was asked.

use std::time::Duration;

use super::{Barrier, FileId};

/// What a call of a connection gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a connection could not do what it was asked.
///
/// One variant for each thing that a caller does differently. What the service itself said stays
/// in `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is deleted, or out of this account's sight.
    #[error("there is no file `{id}`")]
    NotFound {
        /// What was asked for.
        id: FileId,
    },

    /// The id is in use. Whoever made the id beforehand knows that the creation was done.
    #[error("the id `{id}` is in use")]
    AlreadyExists {
        /// The id.
        id: FileId,
    },

    /// The account may see it, but not do this with it.
    #[error("{service} does not let this account {what}")]
    Denied {
        /// The service.
        service: &'static str,
        /// What was tried.
        what: String,
        /// What the service said.
        source: Source,
    },

    /// The session is not valid (any more): sign in again.
    #[error("{service} does not accept the sign-in of this account")]
    SignedOut {
        /// The service.
        service: &'static str,
        /// What the service said.
        source: Source,
    },

    /// Something keeps the account from the service until a person does something about it.
    #[error("{}", innermost(why.as_ref()))]
    Barred {
        /// What.
        barrier: Barrier,
        /// What the service said. Not a cause beside the text: it is the text.
        why: Source,
    },

    /// Too many requests; it was tried again already.
    #[error("{service} asks for fewer requests")]
    RateLimited {
        /// The service.
        service: &'static str,
        /// How long to wait, if it said so.
        retry_after: Option<Duration>,
    },

    /// The service could not be reached, or failed; it was tried again already.
    #[error("{service} could not be reached")]
    Unavailable {
        /// The service.
        service: &'static str,
        /// What happened.
        source: Source,
    },

    /// The account's space is used up.
    #[error("the account has no space left at {service}")]
    Full {
        /// The service.
        service: &'static str,
    },

    /// The content is larger than the caller or the service takes.
    #[error("the file has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit that was passed, in bytes.
        limit_bytes: u64,
    },

    /// The place in the change feed is too old: list everything and start anew.
    #[error("the place in the change feed is too old")]
    TokenExpired,

    /// The service answered with something that is no answer.
    #[error("{service} sent an answer that cannot be understood: {what}")]
    Invalid {
        /// The service.
        service: &'static str,
        /// What is wrong with it.
        what: String,
    },

    /// What arrived is not what was sent: its checksum is another one.
    #[error("a file did not arrive whole: its checksum at {service} and here differ")]
    Damaged {
        /// The service.
        service: &'static str,
    },

    /// A local file could not be read or written.
    #[error("a local file could not be read or written")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// True if the same call may work later. No `_` arm: a new variant must decide.
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } => true,
            Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Denied { .. }
            | Self::SignedOut { .. }
            | Self::Barred { .. }
            | Self::Full { .. }
            | Self::TooLarge { .. }
            | Self::TokenExpired
            | Self::Invalid { .. }
            | Self::Damaged { .. }
            | Self::Io(_) => false,
        }
    }
}

/// What can be said above an error of a connection. Most say by themselves whose failure it is, and
/// then that is all there is to say; it stands in a text once.
pub(crate) fn headline(error: &Error) -> String {
    match error {
        Error::Denied { .. }
        | Error::SignedOut { .. }
        | Error::Barred { .. }
        | Error::RateLimited { .. }
        | Error::Unavailable { .. }
        | Error::Full { .. }
        | Error::Damaged { .. }
        | Error::Invalid { .. } => error.to_string(),
        Error::NotFound { .. }
        | Error::AlreadyExists { .. }
        | Error::TooLarge { .. }
        | Error::TokenExpired
        | Error::Io(_) => "the drive could not be used".to_owned(),
    }
}

/// The last cause is what a person can do something about; those before it only repeat that the
/// account is signed out.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
