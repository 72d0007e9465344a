//! Why there is no token, in words that a person can act on.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use super::Misread;
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

    /// The sign-in was given for a time only, and that is over: seven days for an app in Testing.
    #[error("the sign-in ended on {}, as it was given for a time only", day(*ended))]
    Ended {
        /// When.
        ended: DateTime<Utc>,
    },

    /// The server takes what was made now for old or for to come.
    #[error("the clock of this machine is {}", off(*ahead_seconds))]
    ClockOff {
        /// How far it is ahead of the server's, if the server said; behind if negative.
        ahead_seconds: Option<i64>,
    },

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

    /// `policy_enforced`, `disallowed_useragent` and their kin: Google does not let this program in.
    #[error("Google blocks this program for this account: {reason}")]
    Blocked {
        /// The server's word.
        reason: String,
    },

    /// `unauthorized_client` to a service account: nobody let it act for people.
    #[error("the service account {account} may not act for people of this organization")]
    NoDelegation {
        /// Its address.
        account: String,
        /// The number by which an administrator lets it in.
        client_id: String,
    },

    /// There is nobody of this address whom the service account could act for.
    #[error(
        "the service account cannot act for {email}: there is no such person in its organization"
    )]
    NobodyToActFor {
        /// Whom it was to act for.
        email: String,
    },

    /// A service account that would act for itself.
    #[error(
        "a service account has no drive of its own: it has no storage since 2025, and what lies \
             on a Shared Drive has no owner by whom peers could know it"
    )]
    NotForItself,

    /// The key of a service account is not accepted.
    #[error("the key of the service account is not accepted: {reason}")]
    BadKey {
        /// What is wrong with it.
        reason: String,
    },

    /// Access was granted, but not to the files of the drive.
    #[error("access to the drive was left out when signing in")]
    ScopeMissing,

    /// Access was granted, but not to send mail, which was asked for.
    #[error("the right to send mail was left out when signing in")]
    MailMissing,

    /// The answer from the browser belongs to another sign-in.
    #[error("the answer from the browser does not belong to this sign-in")]
    WrongState,

    /// What was pasted does not end the sign-in.
    #[error("{0}")]
    Misread(Misread),

    /// The browser cannot come back: nothing can listen on 127.0.0.1, or Google does not send there.
    #[error("a browser cannot come back to this program: {reason}")]
    NoLoopback {
        /// What stands in the way.
        reason: String,
    },

    /// A token file that others may write has got the sign-in of somebody else.
    #[error("the file {} holds the sign-in of {found} now", path.display())]
    Another {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
    },

    /// The keyring in which it is kept cannot be used.
    #[error("the sign-in is kept in the keyring, which {problem}")]
    Keyring {
        /// What is wrong with it.
        problem: String,
    },

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
            | Self::MailMissing
            | Self::WrongState
            | Self::Misread(_)
            | Self::NoLoopback { .. }
            | Self::Keyring { .. }
            | Self::Another { .. }
            | Self::Ended { .. }
            | Self::ClockOff { .. }
            | Self::Blocked { .. }
            | Self::NoDelegation { .. }
            | Self::NobodyToActFor { .. }
            | Self::NotForItself
            | Self::BadKey { .. }
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
        let about_time = description.is_some_and(|text| {
            text.starts_with("Invalid JWT") && (text.contains("iat") || text.contains("timeframe"))
        });
        match code {
            "invalid_grant" if about_time => Self::ClockOff { ahead_seconds: None },
            "invalid_grant" => Self::Revoked,
            "invalid_client" | "unauthorized_client" | "deleted_client" => {
                Self::BadClient { reason }
            }
            "access_denied" => Self::AccessDenied,
            "admin_policy_enforced" | "org_internal" | "access_not_configured" => {
                Self::Policy { reason }
            }
            "policy_enforced" | "disallowed_useragent" | "disabled_client" | "app_blocked" => {
                Self::Blocked { reason }
            }
            "redirect_uri_mismatch" => Self::NoLoopback { reason },
            "invalid_scope" => Self::ScopeMissing,
            "temporarily_unavailable" | "server_error" => {
                Self::Unavailable { source: reason.into() }
            }
            _ => Self::Refused { reason },
        }
    }
}

fn day(moment: DateTime<Utc>) -> String {
    moment.format("%-d %B %Y").to_string()
}

fn off(ahead_seconds: Option<i64>) -> String {
    match ahead_seconds {
        Some(seconds) if seconds > 0 => format!("{} ahead", span(seconds)),
        Some(seconds) if seconds < 0 => format!("{} behind", span(-seconds)),
        _ => "not that of the sign-in server".to_owned(),
    }
}

/// Returns so many seconds in the unit that a person would take.
fn span(seconds: i64) -> String {
    const STEPS: [(i64, &str); 3] = [(86_400, "days"), (3600, "hours"), (60, "minutes")];
    match STEPS.iter().find(|(length, _)| seconds >= 2 * length) {
        Some((length, unit)) => format!("{} {unit}", seconds / length),
        None => format!("{seconds} seconds"),
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
            ("access_not_configured",   "Policy"),
            ("policy_enforced",         "Blocked"),
            ("redirect_uri_mismatch",   "NoLoopback"),
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

    #[test]
    fn a_clock_that_is_off_is_told_by_how_much() {
        #[rustfmt::skip]
        let cases = [
            (Some(400),       "the clock of this machine is 6 minutes ahead"),
            (Some(-200_000),  "the clock of this machine is 2 days behind"),
            (Some(-90),       "the clock of this machine is 90 seconds behind"),
            (None,            "the clock of this machine is not that of the sign-in server"),
        ];
        for (ahead_seconds, text) in cases {
            assert_eq!(SignInError::ClockOff { ahead_seconds }.to_string(), text);
        }
        let words = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a \
                     reasonable timeframe. Check your iat and exp values in the JWT claim.";
        let error = SignInError::from_code("invalid_grant", Some(words));
        assert!(matches!(error, SignInError::ClockOff { .. }), "{error:?}");
        let error = SignInError::from_code("invalid_grant", Some("Invalid JWT Signature."));
        assert!(matches!(error, SignInError::Revoked), "{error:?}");
    }
}
