//! Why there is no token, in words that a person can act on.

use std::path::PathBuf;

use crate::error::{Source, clean};

/// Why signing in, or renewing a token, did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// A token with blanks, line breaks or nothing in it.
    #[error("the access token is empty or holds characters that no token has")]
    BadToken,

    /// A file could not be read or written.
    #[error("the file {} cannot be used", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the machine said.
        source: std::io::Error,
    },

    /// A file is not what it should be. The problem never quotes the file.
    #[error("the file {} is not {expected}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
        /// What is wrong with it.
        problem: String,
    },

    /// The token has expired and there is nothing to renew it with.
    #[error("the access token has expired, and there is no refresh token to renew it")]
    NoRefreshToken,

    /// `invalid_grant`: the refresh token or the code is not good any more.
    #[error("the sign-in has expired or was withdrawn")]
    Revoked,

    /// `invalid_client` and its kin: Google does not know the program's credentials.
    #[error("the OAuth client in the credentials is not accepted: {reason}")]
    BadClient {
        /// The server's word.
        reason: String,
    },

    /// `access_denied`: somebody said no.
    #[error("access was not granted")]
    AccessDenied,

    /// `admin_policy_enforced`, `org_internal`: the organization does not allow it.
    #[error("the organization of this account does not allow it: {reason}")]
    Policy {
        /// The server's word.
        reason: String,
    },

    /// Access was granted, but not to the files of the drive.
    #[error("access to the drive was left out when signing in")]
    ScopeMissing,

    /// The answer from the browser belongs to another sign-in.
    #[error("the answer from the browser does not belong to this sign-in")]
    WrongState,

    /// What was pasted is no address with a code in it.
    #[error("that is not the address that the browser was sent to")]
    NoCode,

    /// Nobody finished signing in.
    #[error("nobody finished signing in within {seconds} seconds")]
    TimedOut {
        /// How long we waited.
        seconds: u64,
    },

    /// Any other refusal.
    #[error("the sign-in server refused: {reason}")]
    Refused {
        /// The server's word.
        reason: String,
    },

    /// The sign-in server gave no usable answer.
    #[error("the sign-in server gave no usable answer")]
    Unavailable {
        /// What broke.
        source: Source,
    },
}

impl SignInError {
    /// True if the same may work later, without anybody doing something.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } => true,
            Self::BadToken
            | Self::File { .. }
            | Self::Malformed { .. }
            | Self::NoRefreshToken
            | Self::Revoked
            | Self::BadClient { .. }
            | Self::AccessDenied
            | Self::Policy { .. }
            | Self::ScopeMissing
            | Self::WrongState
            | Self::NoCode
            | Self::TimedOut { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// The error for an OAuth error code (RFC 6749 4.1.2.1 and 5.2, and Google's own).
    pub(crate) fn from_code(code: &str, description: Option<&str>) -> Self {
        let reason = match description {
            Some(description) => format!("{}: {}", clean(code), clean(description)),
            None => clean(code),
        };
        match code {
            "invalid_grant" => Self::Revoked,
            "invalid_client" | "unauthorized_client" | "deleted_client" | "disabled_client" => {
                Self::BadClient { reason }
            }
            "access_denied" => Self::AccessDenied,
            "admin_policy_enforced" | "org_internal" => Self::Policy { reason },
            "invalid_scope" => Self::ScopeMissing,
            "temporarily_unavailable" | "server_error" => {
                Self::Unavailable { source: reason.into() }
            }
            _ => Self::Refused { reason },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_own_explanation() {
        #[rustfmt::skip]
        let cases = [
            ("invalid_grant",           "Revoked"),
            ("invalid_client",          "BadClient"),
            ("unauthorized_client",     "BadClient"),
            ("access_denied",           "AccessDenied"),
            ("admin_policy_enforced",   "Policy"),
            ("invalid_scope",           "ScopeMissing"),
            ("temporarily_unavailable", "Unavailable"),
            ("something_else",          "Refused"),
        ];
        for (code, expected) in cases {
            let error = SignInError::from_code(code, Some("in words"));
            assert!(format!("{error:?}").starts_with(expected), "{code}: {error:?}");
        }
    }
}
