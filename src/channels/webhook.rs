//! A webhook: one JSON object to one address.
//!
//! The address may be a secret (chat services make them so), so it is never shown whole.

use std::time::Duration;

use drive_api::{Post, post_json};
use url::{Host, Url};

use super::{AGENT, Error, Message, Result};

const PATIENCE: Duration = Duration::from_secs(30);

/// Where a webhook listens.
///
/// Invariant: `https`, or `http` on this machine; a host; no user and no password in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    url: Url,
}

impl Webhook {
    /// Reads an address.
    ///
    /// # Errors
    /// [`Error::Setting`] if the invariant does not hold.
    pub fn parse(text: &str) -> Result<Self> {
        let refused = |problem| Error::Setting { what: "the address of the webhook", problem };
        let url = Url::parse(text).map_err(|_| refused("it is no URL"))?;
        let is_safe = match url.scheme() {
            "https" => url.host().is_some(),
            "http" => is_loopback(&url),
            _ => false,
        };
        if !is_safe {
            return Err(refused("it is neither https:// nor http:// on this machine"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("it carries a user name or a password"));
        }
        Ok(Self { url })
    }

    /// Returns the whole address, for the settings.
    pub fn secret(&self) -> &str {
        self.url.as_str()
    }

    /// Returns where it is, without what may be a secret.
    pub fn host(&self) -> String {
        self.url.origin().ascii_serialization()
    }

    /// Sends `message` once. The answer counts as taken if its status is 2xx.
    ///
    /// # Errors
    /// [`Error::Webhook`]; it may have been taken.
    pub async fn send(&self, message: &Message) -> Result<()> {
        let body = message.json.to_string().into_bytes();
        let post =
            Post { url: &self.url, agent: AGENT, key: &message.id, body, patience: PATIENCE };
        let host = || self.host();
        post_json(post).await.map_err(|source| Error::Webhook { host: host(), source })
    }
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({}/…)", self.host())
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_https_or_on_this_machine() {
        #[rustfmt::skip]
        let cases = [
            ("https://hooks.example.org/T0/SECRET",  true),
            ("http://127.0.0.1:8080/x",              true),
            ("http://[::1]/x",                       true),
            ("http://localhost/x",                   true),
            ("http://hooks.example.org/x",           false),
            ("http://localhost.evil.org/x",          false),
            ("http://10.0.0.1/x",                    false),
            ("https://user:pw@example.org/",         false),
            ("file:///etc/passwd",                   false),
            ("ftp://example.org/",                   false),
            ("example.org",                          false),
            ("",                                     false),
        ];
        for (text, good) in cases {
            assert_eq!(Webhook::parse(text).is_ok(), good, "{text}");
        }
        let webhook = Webhook::parse("https://hooks.example.org/T0/SECRET").unwrap();
        assert!(!format!("{webhook:?} {}", webhook.host()).contains("SECRET"));
    }
}
