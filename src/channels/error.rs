//! Why a message did not reach anybody.

use std::path::PathBuf;

/// What a channel gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a message did not reach anybody. None of them quotes a password or the address of a webhook,
/// which may be a secret as well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The mail server could not be reached, or did not take it.
    #[error("the mail server {server} did not take it")]
    Mail {
        /// Its name.
        server: String,
        /// What happened.
        source: Box<lettre::transport::smtp::Error>,
    },

    /// It took too long.
    #[error("{place} took longer than {seconds} s")]
    TimedOut {
        /// Who.
        place: String,
        /// The limit.
        seconds: u64,
    },

    /// A password would have travelled in clear.
    #[error("a password is not sent to {server} in clear")]
    InClear {
        /// The mail server.
        server: String,
    },

    /// The settings name a user and there is no password.
    #[error("there is no password for {user} at {server}")]
    NoPassword {
        /// The mail server.
        server: String,
        /// Who.
        user: String,
    },

    /// The password cannot be read.
    #[error("{problem}")]
    Secret {
        /// Why.
        problem: String,
    },

    /// An address cannot be written to.
    #[error("`{address}` is no address that mail can be sent to")]
    Address {
        /// Which.
        address: String,
    },

    /// The message cannot be written as mail.
    #[error("the message cannot be written as mail")]
    Unwritable(#[from] lettre::error::Error),

    /// The sign-in does not let us send mail.
    #[error("the sign-in of this account does not include sending mail")]
    NoMailRight,

    /// The Gmail API is switched off in the Cloud project that the program's client belongs to.
    #[error("the Gmail API is off in the Google Cloud project {}", project.as_deref().unwrap_or("of this program"))]
    MailOff {
        /// The project's number or name.
        project: Option<String>,
    },

    /// This account is not signed in to Google.
    #[error("this account is not signed in to Google, so it cannot send mail there")]
    NotGoogle,

    /// Google's mail did not take it.
    #[error("Google's mail did not take it")]
    Gmail(#[source] drive_api::Error),

    /// The webhook did not take it.
    #[error("the webhook at {host} did not take it")]
    Webhook {
        /// Where.
        host: String,
        /// What happened.
        source: drive_api::Error,
    },

    /// The command could not be started.
    #[error("`{}` could not be started", program.display())]
    NotStarted {
        /// Which.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// The command ended with a failure.
    #[error("`{}` {ended}", program.display())]
    Command {
        /// Which.
        program: PathBuf,
        /// How, with the first line of what it said.
        ended: String,
    },

    /// A value of the settings cannot be used.
    #[error("{what}: {problem}")]
    Setting {
        /// Which.
        what: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl Error {
    /// True if it is certain that nobody got the message.
    pub fn is_certain(&self) -> bool {
        match self {
            // An answer is a no. What is no answer may come after the server has taken it, unless
            // there was no connection at all.
            Self::Mail { source, .. } => {
                let is_answer = source.is_response() || source.status().is_some();
                is_answer || source.is_client() || source.is_tls() || was_refused(source.as_ref())
            }
            Self::TimedOut { .. } => false,
            Self::Gmail(error) | Self::Webhook { source: error, .. } => error.is_certain(),
            _ => true,
        }
    }
}

/// True if a connection was turned away before anything was sent.
fn was_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        next = error.source();
    }
    false
}
