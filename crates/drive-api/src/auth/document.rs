//! What a sign-in leaves, in the form of google-auth's `token.json`, and where it is kept.
//!
//! Keys that we do not know stay as they are: a Python program may use the same document. Source of
//! the format: `google.oauth2.credentials.Credentials.to_json`. One key is ours,
//! `refresh_token_expiry`: when the sign-in as a whole ends, where the server said so.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value, json};

use super::SignInError;
use super::oauth::Granted;
use crate::gmail::MAIL_SCOPES;

const ENDS: &str = "refresh_token_expiry";

/// A document that holds secrets: `Debug` shows none of it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenDocument(Map<String, Value>);

impl fmt::Debug for TokenDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDocument(secret)")
    }
}

/// Keeps a [`TokenDocument`]: in a file, in a keyring.
///
/// # Contract
///
/// - A document is replaced as a whole, or not at all.
/// - Nobody but this user can read it.
#[async_trait]
pub trait Keeper: fmt::Debug + Send + Sync {
    /// Returns what is kept.
    async fn read(&self) -> Result<TokenDocument, SignInError>;

    /// Replaces it.
    async fn write(&self, document: &TokenDocument) -> Result<(), SignInError>;
}

/// Keeps nothing: for a sign-in whose owner is not known yet.
#[derive(Debug, Clone)]
pub struct Unkept(pub TokenDocument);

#[async_trait]
impl Keeper for Unkept {
    async fn read(&self) -> Result<TokenDocument, SignInError> {
        Ok(self.0.clone())
    }

    async fn write(&self, _document: &TokenDocument) -> Result<(), SignInError> {
        Ok(())
    }
}

/// What a sign-in leads to.
pub(super) struct NewToken<'a> {
    pub(super) granted: Granted,
    pub(super) token_uri: &'a str,
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a str,
    pub(super) scopes: &'a [&'a str],
    pub(super) now: DateTime<Utc>,
}

impl TokenDocument {
    /// Reads a document; the problem never quotes it.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        match serde_json::from_slice::<Value>(text) {
            Ok(Value::Object(object)) => Self::check(object),
            Ok(_) => Err("it is no JSON object".to_owned()),
            Err(error) => {
                Err(format!("it is no JSON at line {}, column {}", error.line(), error.column()))
            }
        }
    }

    /// Returns the document as text. It holds secrets.
    pub fn to_text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Returns when the sign-in as a whole ends, as far as the server said so.
    pub fn ends(&self) -> Option<DateTime<Utc>> {
        self.text(ENDS)?.parse().ok()
    }

    /// Records when the sign-in as a whole ends, where a person knows better than the server says.
    pub fn set_ends(&mut self, ends: DateTime<Utc>) {
        self.0.insert(ENDS.to_owned(), ends.to_rfc3339().into());
    }

    /// Returns the id of the program that it was made with; that is no secret.
    pub fn client_id(&self) -> Option<&str> {
        self.text("client_id").filter(|id| !id.is_empty())
    }

    /// Returns the token by which the sign-in is known.
    pub fn refresh_token(&self) -> Option<&str> {
        self.text("refresh_token").filter(|token| !token.is_empty())
    }

    /// Returns the token that was given out last.
    pub fn access_token(&self) -> Option<&str> {
        self.text("token").filter(|token| !token.is_empty())
    }

    pub(super) fn new(new: NewToken<'_>) -> Self {
        let document = json!({
            "token": new.granted.access_token.secret(),
            "refresh_token": new.granted.refresh_token,
            "token_uri": new.token_uri,
            "client_id": new.client_id,
            "client_secret": new.client_secret,
            "scopes": new.scopes,
            "universe_domain": "googleapis.com",
            "account": "",
            "expiry": format_expiry(new.now + new.granted.expires_in),
        });
        let Value::Object(object) = document else { unreachable!("written above as an object") };
        let mut document = Self(object);
        document.note_end(new.granted.refresh_expires_in, new.now);
        document
    }

    pub(super) fn check(object: Map<String, Value>) -> Result<Self, String> {
        if object.get("type").and_then(Value::as_str) == Some("service_account") {
            return Err("it is the key of a service account".to_owned());
        }
        if object.contains_key("installed") || object.contains_key("web") {
            return Err("it holds the credentials of a program, no token".to_owned());
        }
        let has = |key: &str| object.get(key).is_some_and(Value::is_string);
        if has("token") || has("refresh_token") {
            Ok(Self(object))
        } else {
            Err("it holds neither `token` nor `refresh_token`".to_owned())
        }
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    pub(super) fn expiry(&self) -> Option<DateTime<Utc>> {
        self.text("expiry").and_then(parse_expiry)
    }

    /// Returns the rights that it gives; none if it does not say.
    pub fn scopes(&self) -> Vec<&str> {
        let scopes = self.0.get("scopes").and_then(Value::as_array);
        scopes.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// True if one of the rights that it gives is to send mail.
    pub fn sends_mail(&self) -> bool {
        self.scopes().iter().any(|scope| MAIL_SCOPES.contains(scope))
    }

    /// Takes in a renewal.
    pub(super) fn renew(&mut self, granted: Granted, now: DateTime<Utc>) {
        let expiry = format_expiry(now + granted.expires_in);
        self.0.insert("token".to_owned(), granted.access_token.secret().into());
        self.0.insert("expiry".to_owned(), expiry.into());
        if let Some(refresh_token) = granted.refresh_token {
            self.0.insert("refresh_token".to_owned(), refresh_token.into());
        }
        self.note_end(granted.refresh_expires_in, now);
    }

    fn note_end(&mut self, expires_in: Option<Duration>, now: DateTime<Utc>) {
        /// Two answers about one end differ by the seconds in which they were made.
        const JITTER: chrono::TimeDelta = chrono::TimeDelta::minutes(5);
        let Some(ends) = expires_in.map(|after| now + after) else { return };
        let is_known = self.ends().is_some_and(|known| (known - ends).abs() < JITTER);
        if !is_known {
            self.set_ends(ends);
        }
    }
}

/// Reads an expiry as google-auth writes it: UTC, with or without a fraction, `Z` or nothing.
fn parse_expiry(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim_end_matches('Z');
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
    naive.ok().map(|naive| naive.and_utc())
}

fn format_expiry(expiry: DateTime<Utc>) -> String {
    expiry.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_read_in_every_form_that_google_auth_writes() {
        let expected: DateTime<Utc> = "2026-06-11T10:20:30.123456Z".parse().unwrap();
        assert_eq!(parse_expiry("2026-06-11T10:20:30.123456Z"), Some(expected));
        assert_eq!(parse_expiry("2026-06-11T10:20:30.123456"), Some(expected));
        assert!(parse_expiry("2026-06-11T10:20:30Z").is_some());
        assert_eq!(parse_expiry("tomorrow"), None);
        assert_eq!(format_expiry(expected), "2026-06-11T10:20:30.123456Z");
    }

    #[test]
    fn an_end_that_is_told_twice_does_not_wander() {
        let mut document = TokenDocument::parse(br#"{"refresh_token":"SECRET"}"#).unwrap();
        let now: DateTime<Utc> = "2026-11-21T10:00:00Z".parse().unwrap();
        assert_eq!(document.ends(), None);
        document.note_end(Some(Duration::from_secs(604_799)), now);
        let first = document.ends().unwrap();
        assert_eq!(first, now + Duration::from_secs(604_799));
        document
            .note_end(Some(Duration::from_secs(604_799 - 3600)), now + Duration::from_secs(3598));
        assert_eq!(document.ends(), Some(first), "the same end, told an hour later");
        document.note_end(Some(Duration::from_secs(604_799)), now + Duration::from_secs(86_400));
        assert_eq!(document.ends(), Some(first + Duration::from_secs(86_400)));
        assert!(!format!("{document:?}").contains("SECRET"));
    }
}
