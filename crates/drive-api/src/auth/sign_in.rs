//! Signing in through a browser: the flow for installed programs, RFC 8252 with PKCE (RFC 7636).
//!
//! All addresses come from `credentials.json`, so that a server other than Google can take the part
//! of Google. A secret state ties the answer to this sign-in, and PKCE ties the code to this process,
//! whichever way the answer comes: to a listener on 127.0.0.1, or pasted by a person whose browser
//! is on another machine. Both may be open at once; the first good answer counts.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::document::NewToken;
use super::loopback::{Loopback, Page};
use super::oauth::{Granted, TokenEndpoint};
use super::{Credentials, Misread, SignInError, TokenDocument, pasted};
use crate::clock::{Clock, SystemClock};
use crate::gmail::MAIL_SCOPES;

/// The right that is asked for: all of the account's drive. A narrower one does not show what peers
/// share.
pub const SCOPE: &str = "https://www.googleapis.com/auth/drive";
/// Where the browser is sent if nobody listens. The page will not load; its address is what counts.
const PASTED_REDIRECT: &str = "http://127.0.0.1:53682/";

/// Gets a line from a person, later.
pub type Pasted = Pin<Box<dyn Future<Output = io::Result<String>> + Send>>;

/// Asks a person for the address that the browser ended at; told what was wrong with the last one.
pub type Asker = Box<dyn FnMut(Option<&SignInError>) -> Pasted + Send>;

/// How the person gets to the sign-in page and the answer gets back.
pub struct Way {
    /// Called once with the address to open: opens a browser there, or shows the address.
    pub show: Box<dyn FnOnce(&Url) + Send>,
    /// Listens on 127.0.0.1 for the browser to come back.
    pub listen: bool,
    /// A person who can paste the address, again if it is wrong. `None`: nobody is there.
    pub ask: Option<Asker>,
}

impl Way {
    /// With a browser on this machine.
    pub fn browser(show: impl FnOnce(&Url) + Send + 'static) -> Self {
        Self { show: Box::new(show), listen: true, ask: None }
    }
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
            .field("listen", &self.listen)
            .field("asks", &self.ask.is_some())
            .finish_non_exhaustive()
    }
}

/// How to sign in.
#[derive(Debug)]
pub struct SignIn {
    /// The e-mail address to suggest on the page.
    pub email: Option<String>,
    /// Whether to ask for the right to send mail in the account's name as well.
    pub mail: bool,
    /// How long a person may take.
    pub time_limit: Duration,
    /// With a browser here or elsewhere.
    pub way: Way,
    /// The clock, which decides when the token expires.
    pub clock: Arc<dyn Clock>,
}

impl SignIn {
    /// Signs in the given way within ten minutes: who is warned of an unverified app reads first.
    pub fn new(way: Way) -> Self {
        let (time_limit, clock) = (Duration::from_secs(600), Arc::new(SystemClock));
        Self { email: None, mail: false, time_limit, way, clock }
    }
}

/// Signs in with the program's credentials, and returns what is to be kept.
///
/// # Errors
/// Every [`SignInError`].
pub async fn sign_in(
    credentials: &Credentials,
    options: SignIn,
) -> Result<TokenDocument, SignInError> {
    let endpoint = TokenEndpoint::new(Arc::clone(&options.clock));
    let attempt = Attempt {
        credentials,
        email: options.email.as_deref(),
        scopes: if options.mail { &[SCOPE, MAIL_SCOPES[0]] } else { &[SCOPE] },
        endpoint: &endpoint,
        state: random_text(),
        verifier: random_text(),
    };
    let Way { show, listen, ask } = options.way;
    let flow = attempt.run(show, listen, ask);
    let granted = match tokio::time::timeout(options.time_limit, flow).await {
        Ok(granted) => granted?,
        Err(_) => return Err(SignInError::TimedOut { seconds: options.time_limit.as_secs() }),
    };
    Ok(TokenDocument::new(NewToken {
        granted,
        token_uri: credentials.token_uri.as_str(),
        client_id: &credentials.client_id,
        client_secret: &credentials.client_secret,
        scopes: attempt.scopes,
        now: options.clock.now(),
    }))
}

/// One sign-in and its secrets.
struct Attempt<'a> {
    credentials: &'a Credentials,
    email: Option<&'a str>,
    /// The rights that are asked for. What is granted must be all of them: a renewal asks for the same.
    scopes: &'static [&'static str],
    endpoint: &'a TokenEndpoint,
    state: String,
    verifier: String,
}

impl Attempt<'_> {
    async fn run(
        &self,
        show: Box<dyn FnOnce(&Url) + Send>,
        listen: bool,
        ask: Option<Asker>,
    ) -> Result<Granted, SignInError> {
        let loopback = if listen { Some(Loopback::bind().await) } else { None };
        let loopback = match (loopback, &ask) {
            (Some(Ok(loopback)), _) => Some(loopback),
            (Some(Err(error)), None) => {
                let reason = format!("nothing can listen on 127.0.0.1 here ({error})");
                return Err(SignInError::NoLoopback { reason });
            }
            // A person can still paste.
            (Some(Err(_)) | None, _) => None,
        };
        let redirect = loopback.as_ref().map_or(PASTED_REDIRECT.to_owned(), Loopback::address);
        show(&self.url(&redirect));
        let listens = loopback.is_some();
        let listening = async {
            match loopback {
                Some(loopback) => self.listen(loopback, &redirect).await,
                None => std::future::pending().await,
            }
        };
        match ask {
            None => listening.await,
            Some(ask) => tokio::select! {
                granted = listening => granted,
                code = self.pasted(ask, listens) => self.exchange(&code?, &redirect).await,
            },
        }
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
            .append_pair("scope", &self.scopes.join(" "))
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

    async fn listen(&self, mut loopback: Loopback, redirect: &str) -> Result<Granted, SignInError> {
        loop {
            let visit = loopback.visit().await;
            let granted = match pasted::answer(visit.query(), &self.state) {
                // Somebody else's request must not end our sign-in: go on listening.
                Err(SignInError::Misread(_)) => {
                    visit.answer(Page::NotOurs);
                    continue;
                }
                Err(error) => Err(error),
                Ok(code) => self.exchange(&code, redirect).await,
            };
            let page = match &granted {
                Ok(_) => Page::Done,
                Err(error) => Page::Failed(error.to_string()),
            };
            loopback.end(visit, page).await;
            return granted;
        }
    }

    /// Asks until a paste is right, or says no for good. Who is gone pastes nothing: then there may
    /// still be a browser that comes back.
    async fn pasted(&self, mut ask: Asker, listens: bool) -> Result<String, SignInError> {
        let mut problem = None;
        loop {
            let Ok(line) = ask(problem.as_ref()).await else {
                if listens {
                    return std::future::pending().await;
                }
                return Err(problem.unwrap_or(SignInError::Misread(Misread::Nothing)));
            };
            match pasted::read(&line, &self.state) {
                Err(error @ SignInError::Misread(_)) => problem = Some(error),
                ended => return ended,
            }
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
        let Some(scopes) = &granted.scopes else { return Ok(granted) };
        // On Google's page each right has a box that one can untick.
        let missing = self.scopes.iter().find(|asked| !scopes.iter().any(|scope| scope == *asked));
        match missing {
            None => Ok(granted),
            Some(&SCOPE) => Err(SignInError::ScopeMissing),
            Some(_) => Err(SignInError::MailMissing),
        }
    }
}

/// 256 random bits as text that needs no escaping.
fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}
