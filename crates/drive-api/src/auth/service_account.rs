//! A service account that acts for a person of its organisation: RFC 7523, with `sub`.
//!
//! An administrator lets it do so (domain-wide delegation). What it makes belongs to the person, so
//! peers know it by the person's address. Acting for itself is refused before anything is sent: it
//! has no storage, and no owner on a Shared Drive. Each token is asked for with a statement signed
//! by the account's key, good for an hour. Source:
//! <https://developers.google.com/identity/protocols/oauth2/service-account>.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::oauth::{Refused, TokenEndpoint};
use super::saved_token::{MARGIN, TOKEN_URI};
use super::sign_in::SCOPE;
use super::token_file::{malformed, read_object};
use super::{AccessToken, SignInError, TokenSource};
use crate::clock::{Clock, SystemClock};
use crate::error::Error;

const EXPECTED: &str = "the key file of a service account";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const LIFE_SECONDS: i64 = 3600; // the most that Google takes

/// The key file of a service account.
pub struct ServiceAccountKey {
    email: String,
    client_id: String,
    key_id: Option<String>,
    token_uri: Url,
    key: RsaKeyPair,
}

impl fmt::Debug for ServiceAccountKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceAccountKey").field("email", &self.email).finish_non_exhaustive()
    }
}

impl ServiceAccountKey {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SignInError::File`], [`SignInError::Malformed`]; neither quotes the file.
    pub fn read(path: &Path) -> Result<Self, SignInError> {
        let document = read_object(path, EXPECTED)?;
        let bad = |problem: &str| malformed(path, EXPECTED, problem);
        if document.get("type").and_then(Value::as_str) != Some("service_account") {
            return Err(bad("its `type` is not `service_account`"));
        }
        let text = |key: &str| document.get(key).and_then(Value::as_str).filter(|t| !t.is_empty());
        let needed = |key: &str| text(key).ok_or_else(|| bad(&format!("it has no `{key}`")));
        let pem = needed("private_key")?;
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes());
        let key = key.map_err(|_| bad("its `private_key` is no PKCS #8 key in PEM"))?;
        let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der());
        let token_uri = Url::parse(text("token_uri").unwrap_or(TOKEN_URI));
        Ok(Self {
            email: needed("client_email")?.to_owned(),
            client_id: text("client_id").unwrap_or_default().to_owned(),
            key_id: text("private_key_id").map(str::to_owned),
            token_uri: token_uri.map_err(|_| bad("its `token_uri` is no web address"))?,
            key: key.map_err(|_| bad("its `private_key` is no RSA key that can be used"))?,
        })
    }

    /// The account's own address.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// The number by which an administrator lets it act for people.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The statement that asks for a token for `person`, signed.
    fn assertion(&self, person: &str, now: DateTime<Utc>) -> Result<String, SignInError> {
        let mut header = json!({ "alg": "RS256", "typ": "JWT" });
        if let Some(id) = &self.key_id {
            header["kid"] = id.as_str().into();
        }
        let issued = now.timestamp();
        let claims = json!({
            "iss": self.email, "sub": person, "scope": SCOPE, "aud": self.token_uri.as_str(),
            "iat": issued, "exp": issued + LIFE_SECONDS,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let statement = format!("{}.{}", part(&header), part(&claims));
        let mut signature = vec![0; self.key.public().modulus_len()];
        let signed = self.key.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            statement.as_bytes(),
            &mut signature,
        );
        signed.map_err(|_| SignInError::BadKey { reason: "it cannot sign".to_owned() })?;
        Ok(format!("{statement}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Tokens for a person, by a service account.
pub struct Delegate {
    key: ServiceAccountKey,
    person: String,
    endpoint: TokenEndpoint,
    clock: Arc<dyn Clock>,
    held: Mutex<Option<(AccessToken, DateTime<Utc>)>>,
}

impl Delegate {
    /// Acts for `person`.
    ///
    /// # Errors
    /// [`SignInError::NotForItself`].
    pub fn new(key: ServiceAccountKey, person: &str) -> Result<Self, SignInError> {
        Self::with_clock(key, person, Arc::new(SystemClock))
    }

    /// Like [`Self::new`], with another clock.
    ///
    /// # Errors
    /// [`SignInError::NotForItself`].
    pub fn with_clock(
        key: ServiceAccountKey,
        person: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SignInError> {
        if key.email.eq_ignore_ascii_case(person) {
            return Err(SignInError::NotForItself);
        }
        let endpoint = TokenEndpoint::new(Arc::clone(&clock));
        Ok(Self { key, person: person.to_owned(), endpoint, clock, held: Mutex::new(None) })
    }

    async fn current(&self, refused: Option<&AccessToken>) -> Result<AccessToken, SignInError> {
        // Whoever holds the lock asks; all others wait here and find the new token.
        let mut held = self.held.lock().await;
        if let Some((token, ends)) = &*held
            && self.clock.now() + MARGIN < *ends
            && refused != Some(token)
        {
            return Ok(token.clone());
        }
        let assertion = self.key.assertion(&self.person, self.clock.now())?;
        let form = [("grant_type", GRANT), ("assertion", &assertion)];
        let granted = self.endpoint.assert(&self.key.token_uri, &form).await;
        let granted = granted.map_err(|error| self.explained(error))?;
        let ends = self.clock.now() + granted.expires_in;
        *held = Some((granted.access_token.clone(), ends));
        Ok(granted.access_token)
    }

    /// What a refusal means where no person signed in.
    fn explained(&self, error: Refused) -> SignInError {
        match error.code.as_str() {
            "unauthorized_client" | "access_denied" => SignInError::NoDelegation {
                account: self.key.email.clone(),
                client_id: self.key.client_id.clone(),
            },
            "invalid_grant" if error.says("email or User ID") => {
                SignInError::NobodyToActFor { email: self.person.clone() }
            }
            "invalid_grant" if !matches!(error.error, SignInError::ClockOff { .. }) => {
                SignInError::BadKey { reason: "it was deleted, or is another account's".to_owned() }
            }
            _ => error.error,
        }
    }
}

#[async_trait]
impl TokenSource for Delegate {
    async fn token(&self) -> Result<AccessToken, Error> {
        Ok(self.current(None).await?)
    }

    async fn refresh(&self, refused: &AccessToken) -> Result<AccessToken, Error> {
        Ok(self.current(Some(refused)).await?)
    }
}

impl fmt::Debug for Delegate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delegate")
            .field("key", &self.key)
            .field("person", &self.person)
            .finish_non_exhaustive()
    }
}
