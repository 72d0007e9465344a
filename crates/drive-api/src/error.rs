//! Why Drive could not do what it was asked, and how its error answers are read.
//!
//! Text that a server sent is data: it is cut and stripped of control characters before it enters
//! an error. Source of the reasons: <https://developers.google.com/workspace/drive/api/guides/handle-errors>.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::auth::SignInError;

/// The cause below an error, of whatever type.
pub type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a call could not be done. `what` names the thing that the call was about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It does not exist, or this account may not know that it does.
    #[error("there is no {what}")]
    NotFound {
        /// The thing asked for.
        what: String,
    },

    /// Something with the same id exists, and it is not what this call would have made.
    #[error("{what} exists already")]
    AlreadyExists {
        /// The thing to be made.
        what: String,
    },

    /// This account may not do it. Trying again does not help.
    #[error("this account may not use {what} in that way: {reason}")]
    Denied {
        /// The thing asked for.
        what: String,
        /// Drive's own word, such as `insufficientFilePermissions`.
        reason: String,
    },

    /// The Drive API is switched off in the Cloud project that the program's client belongs to.
    #[error("the Drive API is off in the Google Cloud project {}", project.as_deref().unwrap_or("of this program"))]
    ApiOff {
        /// The project's number or name.
        project: Option<String>,
    },

    /// The sign-in does not include the files of the drive.
    #[error("the sign-in does not include the files of the drive")]
    ScopeMissing,

    /// The organization of the account does not let programs use its drive.
    #[error("the organization of this account lets no program like this use its drive: {reason}")]
    Policy {
        /// Drive's own word.
        reason: String,
    },

    /// Too many requests, even after all tries.
    #[error("too many requests, the last one for {what}")]
    RateLimited {
        /// The thing asked for.
        what: String,
        /// How long the server asked us to wait; `None` if it did not say.
        retry_after: Option<Duration>,
    },

    /// The server does not accept the token, nor a fresh one.
    #[error("the access token was refused for {what}")]
    Unauthorized {
        /// The thing asked for.
        what: String,
    },

    /// There is no usable token any more: somebody has to sign in.
    #[error("this account is signed out")]
    SignedOut {
        /// Why there is no token.
        #[from]
        source: SignInError,
    },

    /// Storage or a daily limit is used up; trying again soon does not help.
    #[error("a quota is used up, so {what} is refused: {reason}")]
    QuotaExceeded {
        /// The thing asked for.
        what: String,
        /// Drive's own word, such as `storageQuotaExceeded`.
        reason: String,
    },

    /// No usable answer came, even after all tries that were safe. It may have been done or not.
    #[error("the drive gave no usable answer about {what}")]
    Unavailable {
        /// The thing asked for.
        what: String,
        /// What broke, or what the server said.
        source: Source,
    },

    /// The answer, or an id that was about to be sent, is not what it should be.
    #[error("{what} makes no sense: {problem}")]
    Invalid {
        /// The answer or the value.
        what: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The server turned the request down as wrong.
    #[error("the drive refused the request for {what} with status {status}: {reason}")]
    Rejected {
        /// The thing asked for.
        what: String,
        /// The HTTP status.
        status: u16,
        /// Drive's own word and message.
        reason: String,
    },

    /// The answer is larger than the caller, or this crate, allows.
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The thing asked for.
        what: String,
        /// The limit that it breaks.
        limit_bytes: u64,
    },

    /// Reading or writing on this machine failed.
    #[error("the local side of {what} failed")]
    Io {
        /// The transfer.
        what: String,
        /// What the machine said.
        source: io::Error,
    },
}

/// Which server gave no usable answer, why, and how often it was asked. Its text says all; there is
/// no cause beside it, since the causes of a connection repeat one another.
#[derive(Debug)]
pub(crate) struct Tried {
    pub(crate) server: String,
    pub(crate) tries: u32,
    pub(crate) seconds: u64,
    pub(crate) source: Source,
}

impl Tried {
    /// What broke, without the story around it.
    fn within(source: &Source) -> &(dyn std::error::Error + 'static) {
        match source.downcast_ref::<Self>() {
            Some(tried) => tried.source.as_ref(),
            None => source.as_ref(),
        }
    }
}

impl std::error::Error for Tried {}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last: &(dyn std::error::Error + 'static) = self.source.as_ref();
        while let Some(cause) = last.source() {
            last = cause;
        }
        let reason = if last.is::<tokio::time::error::Elapsed>() {
            "no answer came in time".to_owned()
        } else {
            let text = clean(&last.to_string());
            let (text, _) = text.split_once(" (os error").unwrap_or((&text, ""));
            text.to_owned()
        };
        write!(f, "{}: {reason}", self.server)?;
        match self.tries {
            1 => Ok(()),
            tries => write!(f, ", tried {tries} times in {} seconds", self.seconds),
        }
    }
}

impl Error {
    /// True if it is certain that nothing was done: there was no connection, or the server said no.
    pub fn is_certain(&self) -> bool {
        match self {
            Self::Unavailable { source, .. } => Tried::within(source)
                .downcast_ref::<hyper_util::client::legacy::Error>()
                .is_some_and(hyper_util::client::legacy::Error::is_connect),
            Self::TooLarge { .. } | Self::Io { .. } => false,
            _ => true,
        }
    }

    /// True if the same call may work later. No `_` arm: a new variant must decide.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. } | Self::Unavailable { .. } => true,
            Self::SignedOut { source } => source.is_retryable(),
            Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::Denied { .. }
            | Self::ApiOff { .. }
            | Self::ScopeMissing
            | Self::Policy { .. }
            | Self::Unauthorized { .. }
            | Self::QuotaExceeded { .. }
            | Self::Invalid { .. }
            | Self::Rejected { .. }
            | Self::TooLarge { .. }
            | Self::Io { .. } => false,
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), problem: clean(&problem.into()) }
    }
}

/// What an error answer says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) reason: Option<String>,
    pub(crate) message: Option<String>,
    /// The Cloud project that a refusal is about.
    project: Option<String>,
}

impl Complaint {
    /// Reads `{"error": {"errors": [{"reason"}], "message"}}`; anything else says nothing.
    pub(crate) fn parse(body: &serde_json::Value) -> Self {
        let error = &body["error"];
        let text = |value: &serde_json::Value| value.as_str().map(clean);
        let reason = text(&error["errors"][0]["reason"])
            .or_else(|| text(&error["details"][0]["reason"]))
            .or_else(|| text(&error["status"]));
        let project = project(error);
        Self { reason, message: text(&error["message"]), project }
    }

    /// The error for an answer with this status; `retry_after` is what the server asked for.
    pub(crate) fn into_error(
        self,
        what: &str,
        status: u16,
        retry_after: Option<Duration>,
    ) -> Error {
        let what = what.to_owned();
        let reason = self.reason.clone().unwrap_or_default();
        match status {
            401 => Error::Unauthorized { what },
            404 | 410 => Error::NotFound { what },
            409 => Error::AlreadyExists { what },
            429 => Error::RateLimited { what, retry_after },
            403 if matches!(reason.as_str(), "accessNotConfigured" | "SERVICE_DISABLED") => {
                Error::ApiOff { project: self.project }
            }
            403 if matches!(
                reason.as_str(),
                "insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
            ) =>
            {
                Error::ScopeMissing
            }
            403 if reason == "domainPolicy" => Error::Policy { reason },
            403 if is_rate_limit(&reason) => Error::RateLimited { what, retry_after },
            403 if is_quota(&reason) => Error::QuotaExceeded { what, reason },
            403 if !is_hiccup(&reason) => Error::Denied { what, reason: self.text() },
            400 | 403 if is_hiccup(&reason) => {
                Error::Unavailable { what, source: self.text().into() }
            }
            408 | 500.. => {
                let text = format!("status {status}: {}", self.text());
                Error::Unavailable { what, source: text.into() }
            }
            _ => Error::Rejected { what, status, reason: self.text() },
        }
    }

    fn text(self) -> String {
        match (self.reason, self.message) {
            (Some(reason), Some(message)) => format!("{reason}: {message}"),
            (Some(text), None) | (None, Some(text)) => text,
            (None, None) => "no reason given".to_owned(),
        }
    }
}

/// Finds the project in what Google says of an API that is off: in the details, else in the text
/// (`… has not been used in project 123 before …`).
fn project(error: &serde_json::Value) -> Option<String> {
    const CHARS_MAX: usize = 64; // a project's name has 30 at most
    let details = error["details"].as_array().into_iter().flatten();
    let mut consumers = details.filter_map(|detail| detail["metadata"]["consumer"].as_str());
    let in_details = consumers.find_map(|consumer| consumer.strip_prefix("projects/"));
    let in_text = || {
        let (_, rest) = error["message"].as_str()?.split_once("in project ")?;
        rest.split_whitespace().next()
    };
    let name = in_details.or_else(in_text)?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (name.len() <= CHARS_MAX && !name.is_empty() && name.chars().all(is_name))
        .then(|| name.to_owned())
}

/// True for Drive's words for "slow down", which come with status 403 as well as 429.
pub(crate) fn is_rate_limit(reason: &str) -> bool {
    matches!(reason, "rateLimitExceeded" | "userRateLimitExceeded")
}

/// True for Drive's words for a passing fault of its own, which may come with a 4xx status.
pub(crate) fn is_hiccup(reason: &str) -> bool {
    matches!(reason, "backendError" | "internalError")
}

fn is_quota(reason: &str) -> bool {
    reason.ends_with("QuotaExceeded")
        || reason.ends_with("LimitExceeded")
        || reason == "quotaExceeded"
}

/// Makes text from outside fit for a message: one line, no control characters, at most 300 chars.
pub(crate) fn clean(text: &str) -> String {
    const CHARS_MAX: usize = 300; // a line or three on a terminal
    let shown = |c: char| if c.is_control() || is_bidi(c) { ' ' } else { c };
    text.chars().take(CHARS_MAX).map(shown).collect::<String>().trim().to_owned()
}

/// True for characters that turn the reading direction, with which text can pretend to be other text.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_becomes_the_error_that_its_reason_names() {
        #[rustfmt::skip]
        let cases = [
            // what                status  reason                          error
            ("gone",               404,    "notFound",                     "NotFound"),
            ("id taken",           409,    "fileIdInUse",                  "AlreadyExists"),
            ("no right",           403,    "insufficientFilePermissions",  "Denied"),
            ("API is off",         403,    "accessNotConfigured",          "ApiOff"),
            ("right left out",     403,    "insufficientPermissions",      "ScopeMissing"),
            ("no apps here",       403,    "domainPolicy",                 "Policy"),
            ("slow down",          403,    "userRateLimitExceeded",        "RateLimited"),
            ("slow down, newer",   429,    "",                             "RateLimited"),
            ("drive is full",      403,    "storageQuotaExceeded",         "QuotaExceeded"),
            ("too much sharing",   403,    "sharingRateLimitExceeded",     "QuotaExceeded"),
            ("enough for today",   403,    "dailyLimitExceeded",           "QuotaExceeded"),
            ("token is old",       401,    "authError",                    "Unauthorized"),
            ("server down",        503,    "backendError",                 "Unavailable"),
            ("hiccup as a 403",    403,    "backendError",                 "Unavailable"),
            ("hiccup as a 400",    400,    "internalError",                "Unavailable"),
            ("bad query",          400,    "invalid",                      "Rejected"),
        ];
        for (what, status, reason, expected) in cases {
            let body = serde_json::json!({"error": {"errors": [{"reason": reason}]}});
            let error = Complaint::parse(&body).into_error("it", status, None);
            assert!(format!("{error:?}").starts_with(expected), "{what}: {error:?}");
        }
    }

    #[test]
    fn an_api_that_is_off_names_its_project() {
        let words = "Google Drive API has not been used in project 274881616448 before or it is \
                     disabled.";
        #[rustfmt::skip]
        let cases = [
            (serde_json::json!({"message": words}),                                  Some("274881616448")),
            (serde_json::json!({"details": [{"metadata": {"consumer": "projects/my-p-1"}}]}), Some("my-p-1")),
            (serde_json::json!({"message": "in project \u{1b}[31m before"}),         None),
            (serde_json::json!({"message": "no"}),                                   None),
        ];
        for (error, expected) in cases {
            assert_eq!(project(&error).as_deref(), expected, "{error}");
        }
    }

    #[test]
    fn text_from_outside_cannot_play_with_the_terminal() {
        assert_eq!(clean("a\u{1b}[31mred\r\nb\u{202e}c"), "a [31mred  b c");
        assert_eq!(clean(&"x".repeat(5000)).len(), 300);
    }
}
