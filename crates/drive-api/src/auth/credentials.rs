//! `credentials.json`: the OAuth client of a program, as Google's console hands it out.

use std::path::Path;

use serde_json::{Map, Value};
use url::Url;

use super::SignInError;
use super::saved_token::TOKEN_URI;
use super::token_file::{malformed, read_object};

const AUTH_URI: &str = "https://accounts.google.com/o/oauth2/auth";
const EXPECTED: &str = "a file of OAuth client credentials";

/// A program's OAuth client.
#[derive(Clone)]
pub struct Credentials {
    pub(super) client_id: String,
    pub(super) client_secret: String,
    pub(super) auth_uri: Url,
    pub(super) token_uri: Url,
    project_id: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SignInError::File`], or [`SignInError::Malformed`] with what it is instead.
    pub fn read(path: &Path) -> Result<Self, SignInError> {
        let document = read_object(path, EXPECTED)?;
        let bad = |problem: &str| malformed(path, EXPECTED, problem);
        if document.get("type").and_then(Value::as_str) == Some("service_account") {
            return Err(bad("it is the key of a service account"));
        }
        let client = match (document.get("installed"), document.get("web")) {
            (Some(client), _) => client.as_object(),
            (None, Some(client)) if !returns_here(client) => {
                return Err(bad(
                    "its client is of the type `Web application`, to which no browser \
                                on a person's machine comes back; make one of the type `Desktop \
                                app`",
                ));
            }
            (None, client) => client.and_then(Value::as_object),
        };
        let client = client.ok_or_else(|| bad("it has no `installed` part"))?;
        let web = |key: &str, default: &str| {
            let url = text(client, key).unwrap_or_else(|| default.to_owned());
            let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            url.ok_or_else(|| bad(&format!("its `{key}` is no web address")))
        };
        Ok(Self {
            client_id: text(client, "client_id").ok_or_else(|| bad("it has no `client_id`"))?,
            client_secret: text(client, "client_secret").unwrap_or_default(),
            auth_uri: web("auth_uri", AUTH_URI)?,
            token_uri: web("token_uri", TOKEN_URI)?,
            project_id: text(client, "project_id"),
        })
    }

    /// The id by which Google knows the program; no secret.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Returns the key of the address that is not one of Google's own; `None` if both are.
    ///
    /// Google's page asks for any client, whoever's page led there: with another `token_uri` the code
    /// that comes of the consent, and so the whole drive, would be somebody else's.
    pub fn strange_address(&self) -> Option<&'static str> {
        const HOSTS: [&str; 3] =
            ["accounts.google.com", "oauth2.googleapis.com", "www.googleapis.com"];
        let is_google = |url: &Url| {
            url.scheme() == "https"
                && url.port().is_none()
                && url.host_str().is_some_and(|host| HOSTS.contains(&host))
        };
        let addresses = [("auth_uri", &self.auth_uri), ("token_uri", &self.token_uri)];
        addresses.into_iter().find(|(_, url)| !is_google(url)).map(|(key, _)| key)
    }

    /// The Cloud project that it belongs to.
    pub fn project_id(&self) -> Option<&str> {
        self.project_id.as_deref()
    }
}

fn text(client: &Map<String, Value>, key: &str) -> Option<String> {
    client.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// True if a client for web servers was told of an address on this machine.
fn returns_here(client: &Value) -> bool {
    let redirects = client["redirect_uris"].as_array().into_iter().flatten();
    let mut redirects = redirects.filter_map(|uri| Url::parse(uri.as_str()?).ok());
    redirects.any(|uri| matches!(uri.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_google_s_own_addresses_are_google_s() {
        let (auth, token) = ("https://accounts.google.com/o/oauth2/auth", TOKEN_URI);
        #[rustfmt::skip]
        let cases = [
            (auth,                                                  token,                                     None),
            ("https://accounts.google.com/o/oauth2/v2/auth",        "https://accounts.google.com/o/oauth2/token", None),
            (auth,                                                  "https://www.googleapis.com/oauth2/v4/token", None),
            (auth,                                                  "https://evil.example/token",              Some("token_uri")),
            (auth,                                                  "http://oauth2.googleapis.com/token",      Some("token_uri")),
            (auth,                                                  "https://oauth2.googleapis.com.evil.org/", Some("token_uri")),
            (auth,                                                  "https://oauth2.googleapis.com@evil.org/", Some("token_uri")),
            (auth,                                                  "https://oauth2.googleapis.com:8443/",     Some("token_uri")),
            ("https://evil.example/leads-to-google",                token,                                     Some("auth_uri")),
        ];
        for (auth, token, expected) in cases {
            let credentials = Credentials {
                client_id: "id".to_owned(),
                client_secret: String::new(),
                auth_uri: Url::parse(auth).unwrap(),
                token_uri: Url::parse(token).unwrap(),
                project_id: None,
            };
            assert_eq!(credentials.strange_address(), expected, "{auth} {token}");
        }
    }
}
