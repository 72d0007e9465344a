//! Access tokens and the trait that gives them out.

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use hyper::header::HeaderValue;

use super::SignInError;
use crate::error::Error;

/// A bearer token. Invariant: printable ASCII without blanks, so it fits into a header.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(String);

impl AccessToken {
    /// Takes a token as a server gave it.
    ///
    /// # Errors
    /// [`SignInError::BadToken`] if it is empty or cannot stand in a header.
    pub fn new(token: impl Into<String>) -> Result<Self, SignInError> {
        let token = token.into();
        if !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(token))
        } else {
            Err(SignInError::BadToken)
        }
    }

    /// The token itself, for whoever has to send or store it.
    pub fn secret(&self) -> &str {
        &self.0
    }

    /// The value of an `Authorization` header.
    pub(crate) fn header(&self) -> HeaderValue {
        let value = HeaderValue::from_str(&format!("Bearer {}", self.0));
        let mut value = value.expect("a token is printable ASCII");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(secret)")
    }
}

/// Gives out access tokens.
///
/// # Contract
///
/// - [`Self::token`] is cheap while the token is good.
/// - Many callers may ask at once; at most one of them makes a request, the others wait for it.
/// - `Debug` shows no secret.
#[async_trait]
pub trait TokenSource: fmt::Debug + Send + Sync {
    /// Returns a token that should be good.
    async fn token(&self) -> Result<AccessToken, Error>;

    /// Returns another token, since the server turned down `refused`. If a newer one is there
    /// already, because somebody else was faster, that one.
    async fn refresh(&self, refused: &AccessToken) -> Result<AccessToken, Error>;

    /// Returns when the sign-in as a whole ends, as far as is known by now without asking.
    async fn ends(&self) -> Option<DateTime<Utc>> {
        None
    }
}

/// One token that never changes, as our own server gives them.
#[derive(Debug, Clone)]
pub struct StaticToken(AccessToken);

impl StaticToken {
    /// Uses this token for everything.
    ///
    /// # Errors
    /// [`SignInError::BadToken`].
    pub fn new(token: impl Into<String>) -> Result<Self, SignInError> {
        Ok(Self(AccessToken::new(token)?))
    }
}

#[async_trait]
impl TokenSource for StaticToken {
    async fn token(&self) -> Result<AccessToken, Error> {
        Ok(self.0.clone())
    }

    async fn refresh(&self, _refused: &AccessToken) -> Result<AccessToken, Error> {
        Err(Error::Unauthorized { what: "the account".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_fit_for_a_header_and_never_shown() {
        for bad in ["", "a b", "a\r\nX: y", "é"] {
            assert!(AccessToken::new(bad).is_err(), "{bad:?}");
        }
        let token = StaticToken::new("ya29.SECRET").unwrap();
        assert!(!format!("{token:?}").contains("SECRET"));
    }
}
