//! Speaks to a token endpoint: RFC 6749, sections 4.1.3, 5 and 6.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use google_drive3::common;
use hyper::Request;
use hyper::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use serde_json::Value;
use url::Url;

use super::{AccessToken, SignInError};
use crate::clock::{self, Clock};
use crate::error::Error;
use crate::retry::{self, Failed, Repeat, Symptom, Tries, Verdict, Waits};
use crate::transport::{AGENT, Answer, HttpClient, collect, failed_request, http_client};

const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);
const TRIES_MAX: usize = 4;
/// Whoever watches asks again by itself, and all others wait for it.
const UNREACHABLE_MAX: Duration = Duration::from_secs(5);

/// What a token endpoint gave.
pub(super) struct Granted {
    pub(super) access_token: AccessToken,
    pub(super) expires_in: Duration,
    pub(super) refresh_token: Option<String>,
    /// When the refresh token ends, where the server says so: that of an app in Testing does.
    pub(super) refresh_expires_in: Option<Duration>,
    /// `None`: just what was asked for.
    pub(super) scopes: Option<Vec<String>>,
}

/// Why a token endpoint gave nothing.
pub(super) struct Refused {
    pub(super) error: SignInError,
    /// The server's code; empty if it did not answer.
    pub(super) code: String,
    words: String,
}

impl Refused {
    /// True if the server's words hold these.
    pub(super) fn says(&self, words: &str) -> bool {
        self.words.contains(words)
    }
}

impl From<SignInError> for Refused {
    fn from(error: SignInError) -> Self {
        Self { error, code: String::new(), words: String::new() }
    }
}

impl From<Refused> for SignInError {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

/// One token endpoint.
pub(super) struct TokenEndpoint {
    client: HttpClient,
    clock: Arc<dyn Clock>,
}

impl TokenEndpoint {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { client: http_client(ANSWER_BYTES_MAX, &Arc::new(AtomicU64::new(0))), clock }
    }

    /// Renews a token. Safe to repeat.
    pub(super) async fn renew(
        &self,
        url: &Url,
        form: &[(&str, impl AsRef<str> + Sync)],
    ) -> Result<Granted, SignInError> {
        Ok(self.ask(url, form, Repeat::Safe).await?)
    }

    /// Asks for a token with a signed statement. Safe to repeat; what was refused is told as it is,
    /// since the words mean something else where no person signed in.
    pub(super) async fn assert(
        &self,
        url: &Url,
        form: &[(&str, impl AsRef<str> + Sync)],
    ) -> Result<Granted, Refused> {
        self.ask(url, form, Repeat::Safe).await
    }

    /// Exchanges a code, which is good for one use: a repeat after a lost answer would be refused.
    pub(super) async fn exchange(
        &self,
        url: &Url,
        form: &[(&str, impl AsRef<str> + Sync)],
    ) -> Result<Granted, SignInError> {
        Ok(self.ask(url, form, Repeat::OnlyIfNotDone).await?)
    }

    async fn ask(
        &self,
        url: &Url,
        form: &[(&str, impl AsRef<str> + Sync)],
        repeat: Repeat,
    ) -> Result<Granted, Refused> {
        let form = encoded(form);
        let mut delays = retry::delays().take(TRIES_MAX - 1);
        let mut tries = Tries::begin();
        loop {
            let failed = match self.post(url, form.clone()).await {
                Ok(answer) if is_final(&answer) => return read(&answer, self.clock.now()),
                Ok(answer) => {
                    let symptom = Symptom::Answer { status: answer.status.as_u16(), reason: None };
                    let text = format!("status {}", answer.status);
                    Failed { symptom, ..Failed::lost("a token", text) }
                }
                Err(failed) => failed,
            };
            let verdict = retry::judge(&failed.symptom, repeat);
            let goes_on = |delay: &Duration| {
                verdict == Verdict::Again
                    && retry::goes_on(&failed.symptom, tries.lasted() + *delay, UNREACHABLE_MAX)
            };
            match delays.next().filter(goes_on) {
                Some(delay) => {
                    let _waits = Waits::begin();
                    self.clock.sleep(delay).await;
                    tries.waited(delay);
                }
                None => return Err(unavailable(tries.told(failed, url).error).into()),
            }
        }
    }

    async fn post(&self, url: &Url, form: Bytes) -> Result<Answer, Failed> {
        const WHAT: &str = "a token";
        let request = Request::post(url.as_str())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, AGENT)
            .body(common::to_body(Some(form)))
            .map_err(|error| Failed::from(Error::invalid("the token URL", error.to_string())))?;
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| failed_request(WHAT, error))?;
            collect(WHAT, response, ANSWER_BYTES_MAX).await
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer,
            Err(late) => Err(Failed::lost(WHAT, late)),
        }
    }
}

fn encoded(form: &[(&str, impl AsRef<str>)]) -> Bytes {
    let mut encoder = url::form_urlencoded::Serializer::new(String::new());
    encoder.extend_pairs(form).finish().into()
}

/// True if asking again would not give another answer.
fn is_final(answer: &Answer) -> bool {
    let status = answer.status.as_u16();
    status < 500 && status != 429 && status != 408
}

fn read(answer: &Answer, now: DateTime<Utc>) -> Result<Granted, Refused> {
    const EXPIRES_IN_DEFAULT: u64 = 3600; // what Google gives
    const EXPIRES_IN_MAX: u64 = 30 * 24 * 3600; // beyond this it is no promise
    const REFRESH_EXPIRES_IN_MAX: u64 = 400 * 24 * 3600; // so that no date overflows
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |key: &str| body[key].as_str();
    if !answer.status.is_success() {
        let code = text("error").map_or_else(|| format!("status {}", answer.status), str::to_owned);
        // Google names the policy in a field of its own: `"error_subtype"`.
        let code = match text("error_subtype") {
            Some(subtype @ ("admin_policy_enforced" | "org_internal")) => subtype.to_owned(),
            _ => code,
        };
        let description = text("error_description");
        let error = match SignInError::from_code(&code, description) {
            SignInError::ClockOff { .. } => {
                SignInError::ClockOff { ahead_seconds: clock::ahead_seconds(&answer.headers, now) }
            }
            error => error,
        };
        return Err(Refused { error, code, words: description.unwrap_or_default().to_owned() });
    }
    let Some(token) = text("access_token") else {
        return Err(SignInError::Refused { reason: "the answer holds no token".to_owned() }.into());
    };
    let expires_in = body["expires_in"].as_u64().unwrap_or(EXPIRES_IN_DEFAULT).min(EXPIRES_IN_MAX);
    let scopes = text("scope").map(|scope| scope.split_whitespace().map(str::to_owned).collect());
    Ok(Granted {
        access_token: AccessToken::new(token)?,
        expires_in: Duration::from_secs(expires_in),
        refresh_token: text("refresh_token").map(str::to_owned),
        refresh_expires_in: body["refresh_token_expires_in"]
            .as_u64()
            .filter(|seconds| (1..=REFRESH_EXPIRES_IN_MAX).contains(seconds))
            .map(Duration::from_secs),
        scopes,
    })
}

fn unavailable(error: Error) -> SignInError {
    match error {
        Error::Unavailable { source, .. } => SignInError::Unavailable { source },
        other => SignInError::Unavailable { source: Box::new(other) },
    }
}
