//! Sends mail in the name of the account: `users.messages.send` of Gmail's API.
//!
//! Source: <https://developers.google.com/workspace/gmail/api/reference/rest/v1/users.messages/send>.
//! A sign-in for the drive alone does not allow it; [`MAIL_SCOPES`] do.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use url::Url;

use crate::auth::{AccessToken, TokenSource};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::post::{Post, attempt};
use crate::retry::Failed;

const PATIENCE: Duration = Duration::from_secs(60);

/// The rights that let a program send mail, the narrowest first.
pub const MAIL_SCOPES: [&str; 4] = [
    "https://www.googleapis.com/auth/gmail.send",
    "https://www.googleapis.com/auth/gmail.compose",
    "https://www.googleapis.com/auth/gmail.modify",
    "https://mail.google.com/",
];

/// The mail of one account.
#[derive(Clone, Debug)]
pub struct Gmail {
    send: Url,
    tokens: Arc<dyn TokenSource>,
}

impl Gmail {
    /// Google's own; or below the root of a server that takes its part.
    pub fn new(endpoint: Option<&Endpoint>, tokens: Arc<dyn TokenSource>) -> Self {
        const PATH: &str = "gmail/v1/users/me/messages/send";
        let google = || Url::parse("https://gmail.googleapis.com/").expect("a constant");
        let mut send = endpoint.map_or_else(google, |endpoint| endpoint.root().clone());
        send.set_path(&format!("{}{PATH}", send.path()));
        Self { send, tokens }
    }

    /// Sends a whole message (RFC 5322), to whom its headers say. `key` names it in the request.
    ///
    /// # Errors
    /// [`Error::Denied`] if the sign-in does not include mail; [`Error::Unavailable`] if no answer
    /// came: it may have been sent.
    pub async fn send(&self, message: &[u8], key: &str, agent: &str) -> Result<(), Error> {
        let token = self.tokens.token().await?;
        match self.attempt(message, key, agent, &token).await {
            Err(failed) if failed.status() == Some(401) => {
                let fresh = self.tokens.refresh(&token).await?;
                self.attempt(message, key, agent, &fresh).await.map_err(|failed| failed.error)
            }
            outcome => outcome.map_err(|failed| failed.error),
        }
    }

    async fn attempt(
        &self,
        message: &[u8],
        key: &str,
        agent: &str,
        token: &AccessToken,
    ) -> Result<(), Failed> {
        let body = json!({ "raw": URL_SAFE_NO_PAD.encode(message) }).to_string().into_bytes();
        let post = Post { url: &self.send, agent, key, body, patience: PATIENCE };
        attempt(post, Some(token)).await
    }
}
