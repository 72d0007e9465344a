//! What a store's answer means to a caller. Pure.
//!
//! Stores answer with XML whose `<Code>` says what is wrong; the crate between us hands it on as
//! text. Codes: the S3 API reference, "Error responses"; those with other names are MinIO's.

use super::SERVICE;
use crate::connections::Error;

/// What a store refuses, where a person has to do something about it: the source of
/// [`Error::Denied`] and [`Error::SignedOut`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The bucket does not exist.
    #[error("there is no such bucket")]
    NoBucket,

    /// The access key is unknown, or the secret is not its own.
    #[error("the store does not know this access key, or its secret is another one")]
    WrongKey,

    /// The session of the access key is over.
    #[error("the access key has expired")]
    Expired,

    /// The clock of this machine is wrong.
    #[error("the clocks of this machine and of the store differ too much")]
    ClockSkew,

    /// The bucket is in another region than was said.
    #[error("the bucket is in another region")]
    OtherRegion,

    /// The access key may not do this.
    #[error("the access key is not allowed to do it")]
    Forbidden,

    /// The store knows no conditions on a write.
    #[error("the store does not keep to the condition `If-None-Match` of a write")]
    NoConditions,
}

impl Refusal {
    /// Returns what a store has refused, if that is why something could not be done.
    pub fn in_error(error: &Error) -> Option<Self> {
        match error {
            Error::Denied { source, .. } | Error::SignedOut { source, .. } => {
                source.downcast_ref().copied()
            }
            _ => None,
        }
    }
}

/// What a store says of itself.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Said(String);

/// Returns what an error of the store means. Its own text is shortened to what a person can use.
pub(super) fn translate(error: &object_store::Error) -> Error {
    let text = error.to_string();
    let code = code_in(&text);
    let denied = |refusal: Refusal| {
        let what = "use the bucket".to_owned();
        Error::Denied { service: SERVICE, what, source: refusal.into() }
    };
    let signed_out =
        |refusal: Refusal| Error::SignedOut { service: SERVICE, source: refusal.into() };
    match code {
        Some("NoSuchBucket" | "InvalidBucketName") => return denied(Refusal::NoBucket),
        Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity") => {
            return signed_out(Refusal::WrongKey);
        }
        Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => {
            return signed_out(Refusal::Expired);
        }
        Some("RequestTimeTooSkewed" | "RequestExpired") => return denied(Refusal::ClockSkew),
        Some(
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        ) => {
            return denied(Refusal::OtherRegion);
        }
        Some("AccessDenied" | "AllAccessDisabled" | "AccountProblem") => {
            return denied(Refusal::Forbidden);
        }
        Some("NotImplemented") => return denied(Refusal::NoConditions),
        Some("SlowDown" | "TooManyRequests" | "RequestLimitExceeded") => {
            return Error::RateLimited { service: SERVICE, retry_after: None };
        }
        Some("QuotaExceeded" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded") => {
            return Error::Full { service: SERVICE };
        }
        _ => {}
    }
    match error {
        object_store::Error::PermissionDenied { .. } => denied(Refusal::Forbidden),
        object_store::Error::Unauthenticated { .. } => signed_out(Refusal::WrongKey),
        _ if text.contains("redirect without LOCATION") => denied(Refusal::OtherRegion),
        _ => Error::Unavailable { service: SERVICE, source: Said(shown(&text, code)).into() },
    }
}

/// Returns the code in an error document.
fn code_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    let is_code = !code.is_empty() && code.bytes().all(|b| b.is_ascii_alphanumeric());
    is_code.then_some(code)
}

fn shown(text: &str, code: Option<&str>) -> String {
    const CHARACTERS_MAX: usize = 300;
    match code {
        Some(code) => format!("it answers {code}"),
        None => text.chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: &str) -> object_store::Error {
        let body = format!(
            "Server returned non-2xx status code: 403 Forbidden: <?xml version=\"1.0\"?>\n<Error>\
             <Code>{code}</Code><Message>m</Message></Error>"
        );
        object_store::Error::Generic { store: "S3", source: body.into() }
    }

    #[test]
    fn what_a_person_can_mend_is_told_apart() {
        #[rustfmt::skip]
        let cases = [
            ("NoSuchBucket",                 Refusal::NoBucket),
            ("InvalidAccessKeyId",           Refusal::WrongKey),
            ("SignatureDoesNotMatch",        Refusal::WrongKey),
            ("ExpiredToken",                 Refusal::Expired),
            ("RequestTimeTooSkewed",         Refusal::ClockSkew),
            ("AuthorizationHeaderMalformed", Refusal::OtherRegion),
            ("AccessDenied",                 Refusal::Forbidden),
            ("NotImplemented",               Refusal::NoConditions),
        ];
        for (code, wanted) in cases {
            assert_eq!(Refusal::in_error(&translate(&answer(code))), Some(wanted), "{code}");
        }
        assert!(matches!(translate(&answer("SlowDown")), Error::RateLimited { .. }));
        assert!(matches!(translate(&answer("QuotaExceeded")), Error::Full { .. }));
        assert!(translate(&answer("InternalError")).is_retryable());
    }

    #[test]
    fn an_answer_steers_no_terminal() {
        let source = "\u{1b}[2J<Code>\u{1b}[2J</Code>".repeat(100).into();
        let error = translate(&object_store::Error::Generic { store: "S3", source });
        let Error::Unavailable { source, .. } = error else { panic!("{error:?}") };
        let text = source.to_string();
        assert!(!text.contains('\u{1b}') && text.len() < 4000, "{text}");
    }
}
