//! `token.json` as Python's google-auth writes it: read, renewed shortly before it expires, written
//! back whole.
//!
//! The file may be shared with a Python program or another process of ours, so it is read again
//! before a token is renewed, and every key that we do not know stays as it is. Source of the
//! format: `google.oauth2.credentials.Credentials.to_json`.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::oauth::{Granted, TokenEndpoint};
use super::{AccessToken, SignInError, TokenSource};
use crate::clock::{Clock, SystemClock};
use crate::error::Error;

pub(super) const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// How long before its end a token is renewed: the same as google-auth.
const MARGIN: Duration = Duration::from_secs(225);
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Tokens from a `token.json` of google-auth.
///
/// Renews the token when it is about to expire, and writes it back with mode 0600.
pub struct TokenFile {
    path: PathBuf,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    stored: Mutex<Stored>,
}

/// What the file holds. Unknown keys stay in `document`.
#[derive(Clone)]
struct Stored {
    document: Map<String, Value>,
    /// The refresh token that was refused for good: asking again is useless.
    dead: Option<String>,
}

impl TokenFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SignInError::File`] if it cannot be read, [`SignInError::Malformed`] if it is something else.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SignInError> {
        Self::open_with(path, Arc::new(SystemClock))
    }

    /// Like [`Self::open`], with another clock.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Result<Self, SignInError> {
        let path = path.into();
        let document = read_document(&path)?;
        let stored = Mutex::new(Stored { document, dead: None });
        Ok(Self { path, endpoint: TokenEndpoint::new(Arc::clone(&clock)), clock, stored })
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a good token that is not `refused`, from memory, the file or the server.
    async fn current(&self, refused: Option<&AccessToken>) -> Result<AccessToken, SignInError> {
        // Whoever holds the lock renews; all others wait here and find the new token.
        let mut stored = self.stored.lock().await;
        if let Some(token) = self.usable(&stored, refused) {
            return Ok(token);
        }
        match read_document(&self.path) {
            Ok(document) => stored.document = document,
            Err(error) => tracing::warn!(%error, "going on with the token in memory"),
        }
        if let Some(token) = self.usable(&stored, refused) {
            return Ok(token);
        }
        self.renew(&mut stored).await
    }

    fn usable(&self, stored: &Stored, refused: Option<&AccessToken>) -> Option<AccessToken> {
        let token = AccessToken::new(stored.text("token")?).ok()?;
        let is_fresh = match stored.text("expiry").and_then(parse_expiry) {
            Some(expiry) => self.clock.now() + MARGIN < expiry,
            // Like google-auth: renewed if that is possible, else used for as long as it lasts.
            None => stored.text("refresh_token").is_none(),
        };
        (is_fresh && refused != Some(&token)).then_some(token)
    }

    async fn renew(&self, stored: &mut Stored) -> Result<AccessToken, SignInError> {
        let Some(refresh_token) = stored.text("refresh_token").filter(|token| !token.is_empty())
        else {
            return Err(SignInError::NoRefreshToken);
        };
        if stored.dead.as_deref() == Some(refresh_token) {
            return Err(SignInError::Revoked);
        }
        let url = stored.text("token_uri").unwrap_or(TOKEN_URI);
        let url = Url::parse(url).map_err(|_| self.malformed("its token_uri is no URL"))?;
        let scope = stored.scopes().join(" ");
        let mut form = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token),
            ("client_id", stored.text("client_id").unwrap_or_default()),
            ("client_secret", stored.text("client_secret").unwrap_or_default()),
        ];
        if !scope.is_empty() {
            form.push(("scope", &scope));
        }
        match self.endpoint.renew(&url, &form).await {
            Ok(granted) => {
                let token = granted.access_token.clone();
                stored.take(granted, self.clock.now());
                self.write_back(stored.document.clone()).await;
                Ok(token)
            }
            Err(error) => {
                if matches!(error, SignInError::Revoked) {
                    stored.dead = Some(refresh_token.to_owned());
                }
                Err(error)
            }
        }
    }

    /// A file that cannot be written costs a renewal at the next start, no more.
    async fn write_back(&self, document: Map<String, Value>) {
        let path = self.path.clone();
        let write = move || write_document(&path, &document);
        let written = tokio::task::spawn_blocking(write).await;
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the renewed token is not on disk"),
            Err(error) => tracing::warn!(%error, "the renewed token is not on disk"),
        }
    }

    fn malformed(&self, problem: &str) -> SignInError {
        malformed(&self.path, problem)
    }
}

#[async_trait]
impl TokenSource for TokenFile {
    async fn token(&self) -> Result<AccessToken, Error> {
        Ok(self.current(None).await?)
    }

    async fn refresh(&self, refused: &AccessToken) -> Result<AccessToken, Error> {
        Ok(self.current(Some(refused)).await?)
    }
}

impl fmt::Debug for TokenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Stored {
    fn text(&self, key: &str) -> Option<&str> {
        self.document.get(key)?.as_str()
    }

    fn scopes(&self) -> Vec<&str> {
        let scopes = self.document.get("scopes").and_then(Value::as_array);
        scopes.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    fn take(&mut self, granted: Granted, now: DateTime<Utc>) {
        let expiry = format_expiry(now + granted.expires_in);
        self.document.insert("token".to_owned(), granted.access_token.secret().into());
        self.document.insert("expiry".to_owned(), expiry.into());
        if let Some(refresh_token) = granted.refresh_token {
            self.document.insert("refresh_token".to_owned(), refresh_token.into());
        }
    }
}

/// What a sign-in leads to, as google-auth writes it.
pub(super) struct NewToken<'a> {
    pub(super) granted: Granted,
    pub(super) token_uri: &'a str,
    pub(super) client_id: &'a str,
    pub(super) client_secret: &'a str,
    pub(super) scopes: &'a [&'a str],
    pub(super) now: DateTime<Utc>,
}

impl NewToken<'_> {
    pub(super) fn write(self, path: &Path) -> Result<(), SignInError> {
        let document = json!({
            "token": self.granted.access_token.secret(),
            "refresh_token": self.granted.refresh_token,
            "token_uri": self.token_uri,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "scopes": self.scopes,
            "universe_domain": "googleapis.com",
            "account": "",
            "expiry": format_expiry(self.now + self.granted.expires_in),
        });
        write_document(path, &document)
    }
}

/// Reads a small JSON object. The problem never quotes it: it holds secrets.
pub(super) fn read_object(
    path: &Path,
    expected: &'static str,
) -> Result<Map<String, Value>, SignInError> {
    let file_error = |source| SignInError::File { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(file_error)?.len();
    let problem = if size > FILE_BYTES_MAX {
        "it is too long".to_owned()
    } else {
        let bytes = std::fs::read(path).map_err(file_error)?;
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(Value::Object(object)) => return Ok(object),
            Ok(_) => "it is no JSON object".to_owned(),
            Err(error) => {
                format!("it is no JSON at line {}, column {}", error.line(), error.column())
            }
        }
    };
    Err(SignInError::Malformed { path: path.to_owned(), expected, problem })
}

fn read_document(path: &Path) -> Result<Map<String, Value>, SignInError> {
    let document = read_object(path, "a token file")?;
    match document.get("type").and_then(Value::as_str) {
        Some("service_account") => {
            return Err(malformed(path, "it is the key of a service account"));
        }
        _ if document.contains_key("installed") || document.contains_key("web") => {
            return Err(malformed(path, "it holds the credentials of a program, no token"));
        }
        _ => {}
    }
    let has = |key: &str| document.get(key).is_some_and(Value::is_string);
    if has("token") || has("refresh_token") {
        Ok(document)
    } else {
        Err(malformed(path, "it holds neither `token` nor `refresh_token`"))
    }
}

fn malformed(path: &Path, problem: &str) -> SignInError {
    let problem = problem.to_owned();
    SignInError::Malformed { path: path.to_owned(), expected: "a token file", problem }
}

/// Replaces the file as a whole, readable by its owner only.
fn write_document(path: &Path, document: &impl Serialize) -> Result<(), SignInError> {
    let file_error = |source| SignInError::File { path: path.to_owned(), source };
    // A link stays a link: what it points to is replaced.
    let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let text = serde_json::to_string(document).map_err(|e| file_error(io::Error::other(e)))?;
    write_private(&target, text.as_bytes()).map_err(file_error)
}

fn write_private(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // `tempfile` makes its files with mode 0600, so nobody can read it at any time.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(target).map_err(|error| error.error)?;
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
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
    fn what_is_no_token_file_is_refused_without_quoting_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.json");
        for text in [
            "",
            "[]",
            "{\"token\": \"SECRET",
            r#"{"type":"service_account","private_key":"SECRET"}"#,
            r#"{"installed":{"client_secret":"SECRET"}}"#,
            r#"{"account":"SECRET"}"#,
        ] {
            write_private(&path, text.as_bytes()).unwrap();
            let error = TokenFile::open(&path).unwrap_err();
            assert!(matches!(error, SignInError::Malformed { .. }), "{text}: {error:?}");
            assert!(!format!("{error:?} {error}").contains("SECRET"), "{error:?}");
        }
    }
}
