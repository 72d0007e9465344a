//! A sign-in that renews itself: the token that is kept, renewed shortly before it expires.
//!
//! What is kept may be shared with a Python program or another process of ours, so it is read again
//! before a token is renewed, and before it is replaced. Invariant: a renewal takes the place of the
//! sign-in that it renews and of no other: who signed in anew meanwhile, or logged out, is not undone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Mutex;
use url::Url;

use super::document::Keeper;
use super::oauth::TokenEndpoint;
use super::{AccessToken, SignInError, TokenDocument, TokenSource};
use crate::clock::{Clock, SystemClock};
use crate::error::Error;

pub(super) const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";
/// How long before its end a token is renewed: the same as google-auth.
pub(super) const MARGIN: Duration = Duration::from_secs(225);

/// Tokens from a [`TokenDocument`] that somebody keeps.
pub struct SavedToken {
    keeper: Arc<dyn Keeper>,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    stored: Mutex<Stored>,
}

#[derive(Default)]
struct Stored {
    /// `None`: not read yet.
    document: Option<TokenDocument>,
    /// The refresh token that was refused for good: asking again is useless.
    dead: Option<String>,
}

impl SavedToken {
    /// Takes tokens from what `keeper` keeps. Nothing is read before a token is needed.
    pub fn kept_by(keeper: Arc<dyn Keeper>) -> Self {
        Self::with_clock(keeper, Arc::new(SystemClock))
    }

    /// Like [`Self::kept_by`], with another clock.
    pub fn with_clock(keeper: Arc<dyn Keeper>, clock: Arc<dyn Clock>) -> Self {
        let endpoint = TokenEndpoint::new(Arc::clone(&clock));
        Self { keeper, endpoint, clock, stored: Mutex::new(Stored::default()) }
    }

    /// Returns what is kept, as last seen.
    ///
    /// # Errors
    /// If it is not known yet and cannot be read.
    pub async fn document(&self) -> Result<TokenDocument, SignInError> {
        let mut stored = self.stored.lock().await;
        self.look(&mut stored).await
    }

    async fn look(&self, stored: &mut Stored) -> Result<TokenDocument, SignInError> {
        if stored.document.is_none() {
            stored.document = Some(self.keeper.read().await?);
        }
        stored.document.clone().ok_or(SignInError::NoRefreshToken)
    }

    /// Returns a good token that is not `refused`, from memory, from where it is kept or from the
    /// server.
    async fn current(&self, refused: Option<&AccessToken>) -> Result<AccessToken, SignInError> {
        // Whoever holds the lock renews; all others wait here and find the new token.
        let mut stored = self.stored.lock().await;
        let was_read = stored.document.is_some();
        let mut document = self.look(&mut stored).await?;
        if let Some(token) = self.usable(&document, refused) {
            return Ok(token);
        }
        if was_read {
            match self.keeper.read().await {
                Ok(read) => document = read,
                Err(error) => tracing::warn!(%error, "going on with the token in memory"),
            }
            stored.document = Some(document.clone());
            if let Some(token) = self.usable(&document, refused) {
                return Ok(token);
            }
        }
        self.renew(&mut stored, document).await
    }

    fn usable(
        &self,
        document: &TokenDocument,
        refused: Option<&AccessToken>,
    ) -> Option<AccessToken> {
        let token = AccessToken::new(document.text("token")?).ok()?;
        let is_fresh = match document.expiry() {
            Some(expiry) => self.clock.now() + MARGIN < expiry,
            // Like google-auth: renewed if that is possible, else used for as long as it lasts.
            None => document.text("refresh_token").is_none(),
        };
        (is_fresh && refused != Some(&token)).then_some(token)
    }

    async fn renew(
        &self,
        stored: &mut Stored,
        mut document: TokenDocument,
    ) -> Result<AccessToken, SignInError> {
        let Some(refresh_token) = document.refresh_token().map(str::to_owned) else {
            return Err(SignInError::NoRefreshToken);
        };
        if stored.dead.as_ref() == Some(&refresh_token) {
            return Err(self.over(&document));
        }
        let url = document.text("token_uri").unwrap_or(TOKEN_URI);
        let url = Url::parse(url).map_err(|_| SignInError::Refused {
            reason: "the `token_uri` of what is kept is no URL".to_owned(),
        })?;
        let granted = self.endpoint.renew(&url, &form(&document, &refresh_token)).await;
        match granted {
            Ok(granted) => {
                let token = granted.access_token.clone();
                document.renew(granted, self.clock.now());
                stored.document = Some(self.keep(document, &refresh_token).await);
                Ok(token)
            }
            Err(SignInError::Revoked) => {
                stored.dead = Some(refresh_token);
                Err(self.over(&document))
            }
            Err(error) => Err(error),
        }
    }

    /// Keeps a renewed document if what lies there is still the sign-in that was renewed, and returns
    /// what to go on with. What cannot be kept costs a renewal at the next start, no more.
    async fn keep(&self, document: TokenDocument, renewed: &str) -> TokenDocument {
        match self.keeper.read().await {
            Ok(kept) if kept.refresh_token() != Some(renewed) => return kept,
            Ok(_) => {
                if let Err(error) = self.keeper.write(&document).await {
                    tracing::warn!(%error, "the renewed token is not kept");
                }
            }
            Err(error) => tracing::warn!(%error, "the renewed token is not kept"),
        }
        document
    }

    /// Why a sign-in is not good any more: its end had come, or somebody withdrew it.
    fn over(&self, document: &TokenDocument) -> SignInError {
        match document.ends() {
            Some(ended) if ended <= self.clock.now() => SignInError::Ended { ended },
            _ => SignInError::Revoked,
        }
    }
}

fn form<'a>(document: &'a TokenDocument, refresh_token: &'a str) -> Vec<(&'a str, String)> {
    let text = |key: &str| document.text(key).unwrap_or_default().to_owned();
    let mut form = vec![
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", refresh_token.to_owned()),
        ("client_id", text("client_id")),
        ("client_secret", text("client_secret")),
    ];
    let scope = document.scopes().join(" ");
    if !scope.is_empty() {
        form.push(("scope", scope));
    }
    form
}

#[async_trait]
impl TokenSource for SavedToken {
    async fn token(&self) -> Result<AccessToken, Error> {
        Ok(self.current(None).await?)
    }

    async fn refresh(&self, refused: &AccessToken) -> Result<AccessToken, Error> {
        Ok(self.current(Some(refused)).await?)
    }

    async fn ends(&self) -> Option<DateTime<Utc>> {
        self.stored.lock().await.document.as_ref()?.ends()
    }
}

impl fmt::Debug for SavedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SavedToken").field("keeper", &self.keeper).finish_non_exhaustive()
    }
}
