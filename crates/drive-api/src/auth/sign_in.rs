//! Signing in through a browser: the flow for installed programs, RFC 8252 with PKCE (RFC 7636).
//!
//! All addresses come from `credentials.json`, so that a server other than Google can take the part
//! of Google. A secret state ties the answer to this sign-in, and PKCE ties the code to this process.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use super::loopback::{Loopback, Page};
use super::oauth::{Granted, TokenEndpoint};
use super::token_file::{NewToken, TOKEN_URI, read_object};
use super::{SignInError, TokenFile};
use crate::clock::{Clock, SystemClock};

/// The right that is asked for: all of the account's drive. A narrower one does not show what peers
/// share.
pub const SCOPE: &str = "https://www.googleapis.com/auth/drive";
const AUTH_URI: &str = "https://accounts.google.com/o/oauth2/auth";
/// Where the browser is sent if nobody listens. The page will not load; its address is what counts.
const PASTED_REDIRECT: &str = "http://127.0.0.1:53682/";

/// Gets a line from a person, later.
pub type Pasted = Pin<Box<dyn Future<Output = io::Result<String>> + Send>>;

/// How the person gets to the sign-in page and the answer gets back.
pub enum Way {
    /// We listen on 127.0.0.1; `show` opens a browser there or shows the address.
    Browser {
        /// Called once with the address to open.
        show: Box<dyn FnOnce(&Url) + Send>,
    },
    /// No browser on this machine: `ask` shows the address, and gives back the address that the
    /// browser ended at.
    Paste {
        /// Called once with the address to open.
        ask: Box<dyn FnOnce(&Url) -> Pasted + Send>,
    },
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Browser { .. } => "Browser",
            Self::Paste { .. } => "Paste",
        })
    }
}

/// How to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// Where the token goes.
    pub token_path: PathBuf,
    /// The e-mail address to suggest on the page.
    pub email: Option<String>,
    /// How long a person may take.
    pub time_limit: Duration,
    /// With a browser here or elsewhere.
    pub way: Way,
    /// The clock, which decides when the token expires.
    pub clock: Arc<dyn Clock>,
}

impl SignIn {
    /// Signs in the given way within five minutes.
    pub fn new(token_path: impl Into<PathBuf>, way: Way) -> Self {
        let (time_limit, clock) = (Duration::from_secs(300), Arc::new(SystemClock));
        Self { token_path: token_path.into(), email: None, time_limit, way, clock }
    }
}

/// Signs in with the program's `credentials.json` and writes `token.json` as google-auth does.
///
/// # Errors
/// Every [`SignInError`]; nothing is written then.
pub async fn sign_in(credentials: &Path, options: SignIn) -> Result<TokenFile, SignInError> {
    let credentials = Credentials::read(credentials)?;
    let endpoint = TokenEndpoint::new(Arc::clone(&options.clock));
    let attempt = Attempt::new(&credentials, options.email.as_deref(), &endpoint);
    let flow = async {
        match options.way {
            Way::Browser { show } => attempt.listen(show).await,
            Way::Paste { ask } => attempt.paste(ask).await,
        }
    };
    let granted = match tokio::time::timeout(options.time_limit, flow).await {
        Ok(granted) => granted?,
        Err(_) => return Err(SignInError::TimedOut { seconds: options.time_limit.as_secs() }),
    };
    let token = NewToken {
        granted,
        token_uri: credentials.token_uri.as_str(),
        client_id: &credentials.client_id,
        client_secret: &credentials.client_secret,
        scopes: &[SCOPE],
        now: options.clock.now(),
    };
    token.write(&options.token_path)?;
    TokenFile::open_with(options.token_path, options.clock)
}

/// A program's OAuth client, as Google's console hands it out.
struct Credentials {
    client_id: String,
    client_secret: String,
    auth_uri: Url,
    token_uri: Url,
}

impl Credentials {
    fn read(path: &Path) -> Result<Self, SignInError> {
        const EXPECTED: &str = "a file of OAuth client credentials";
        let malformed = |problem: &str| SignInError::Malformed {
            path: path.to_owned(),
            expected: EXPECTED,
            problem: problem.to_owned(),
        };
        let document = read_object(path, EXPECTED)?;
        let client = document.get("installed").or_else(|| document.get("web"));
        let client = client.and_then(Value::as_object);
        let client = client.ok_or_else(|| malformed("it has no `installed` part"))?;
        let text = |client: &Map<String, Value>, key: &str| {
            client.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned)
        };
        let web = |key: &str, default: &str| {
            let url = text(client, key).unwrap_or_else(|| default.to_owned());
            let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            url.ok_or_else(|| malformed(&format!("its `{key}` is no web address")))
        };
        Ok(Self {
            client_id: text(client, "client_id")
                .ok_or_else(|| malformed("it has no `client_id`"))?,
            client_secret: text(client, "client_secret").unwrap_or_default(),
            auth_uri: web("auth_uri", AUTH_URI)?,
            token_uri: web("token_uri", TOKEN_URI)?,
        })
    }
}

/// One sign-in and its secrets.
struct Attempt<'a> {
    credentials: &'a Credentials,
    email: Option<&'a str>,
    endpoint: &'a TokenEndpoint,
    state: String,
    verifier: String,
}

impl<'a> Attempt<'a> {
    fn new(
        credentials: &'a Credentials,
        email: Option<&'a str>,
        endpoint: &'a TokenEndpoint,
    ) -> Self {
        Self { credentials, email, endpoint, state: random_text(), verifier: random_text() }
    }

    /// The address that the person opens.
    fn url(&self, redirect: &str) -> Url {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier));
        let mut url = self.credentials.auth_uri.clone();
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.credentials.client_id)
            .append_pair("redirect_uri", redirect)
            .append_pair("scope", SCOPE)
            .append_pair("state", &self.state)
            .append_pair("access_type", "offline")
            .append_pair("prompt", "consent")
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if let Some(email) = self.email {
            query.append_pair("login_hint", email);
        }
        drop(query);
        url
    }

    async fn listen(&self, show: Box<dyn FnOnce(&Url) + Send>) -> Result<Granted, SignInError> {
        let unavailable = |source: io::Error| SignInError::Unavailable { source: source.into() };
        let mut loopback = Loopback::bind().await.map_err(unavailable)?;
        let redirect = loopback.address();
        show(&self.url(&redirect));
        loop {
            let visit = loopback.visit().await.map_err(unavailable)?;
            let granted = match self.code(visit.query()) {
                // Somebody else's request must not end our sign-in: go on listening.
                Err(SignInError::WrongState | SignInError::NoCode) => {
                    visit.answer(Page::NotOurs);
                    continue;
                }
                Err(error) => Err(error),
                Ok(code) => self.exchange(&code, &redirect).await,
            };
            let page = match &granted {
                Ok(_) => Page::Done,
                Err(error) => Page::Failed(error.to_string()),
            };
            loopback.end(visit, page).await;
            return granted;
        }
    }

    async fn paste(
        &self,
        ask: Box<dyn FnOnce(&Url) -> Pasted + Send>,
    ) -> Result<Granted, SignInError> {
        let pasted = ask(&self.url(PASTED_REDIRECT)).await;
        let pasted = pasted.map_err(|source| SignInError::Unavailable { source: source.into() })?;
        let url = Url::parse(pasted.trim()).map_err(|_| SignInError::NoCode)?;
        let code = self.code(url.query().unwrap_or_default())?;
        self.exchange(&code, PASTED_REDIRECT).await
    }

    /// Reads what the browser brought: the code, if it belongs to this sign-in.
    fn code(&self, query: &str) -> Result<String, SignInError> {
        let get = |wanted: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == wanted).map(|(_, value)| value.into_owned())
        };
        let (state, code, error) = (get("state"), get("code"), get("error"));
        if code.is_none() && error.is_none() {
            return Err(SignInError::NoCode);
        }
        if state.as_deref() != Some(self.state.as_str()) {
            return Err(SignInError::WrongState);
        }
        match (error, code) {
            (Some(error), _) => {
                Err(SignInError::from_code(&error, get("error_description").as_deref()))
            }
            (None, Some(code)) => Ok(code),
            (None, None) => Err(SignInError::NoCode),
        }
    }

    async fn exchange(&self, code: &str, redirect: &str) -> Result<Granted, SignInError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", redirect),
            ("client_id", &self.credentials.client_id),
            ("client_secret", &self.credentials.client_secret),
            ("code_verifier", &self.verifier),
        ];
        let granted = self.endpoint.exchange(&self.credentials.token_uri, &form).await?;
        match &granted.scopes {
            // On Google's page one can untick the drive.
            Some(scopes) if !scopes.iter().any(|scope| scope == SCOPE) => {
                Err(SignInError::ScopeMissing)
            }
            _ => Ok(granted),
        }
    }
}

/// 256 random bits as text that needs no escaping.
fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
