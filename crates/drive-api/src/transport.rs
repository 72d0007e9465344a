//! Sends requests: lets them through the [`Gate`], counts them, bounds their answers in bytes and
//! time, and repeats them as [`crate::retry`] decides.
//!
//! Knows HTTP, not Drive's methods. Everything that a `Drive` and its clones share lives here.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use google_drive3::common;
use http_body_util::{BodyExt, Limited};
use hyper::header::{AUTHORIZATION, HeaderMap, RETRY_AFTER, USER_AGENT};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use url::Url;

use crate::auth::{AccessToken, TokenSource};
use crate::clock::{Clock, SystemClock};
use crate::connector::{Bounded, CONNECTIONS_MAX, Lift};
use crate::endpoint::Endpoint;
use crate::error::{Error, clean};
use crate::gate::{Gate, Held, Slot, Ticket};
use crate::quota::{self, Meter};
use crate::retry::{self, Failed, Repeat, Tries, Verdict, Waits};

/// The longest JSON answer that is read: a page of 1,000 files is under 1 MiB.
pub(crate) const JSON_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// How a server says what of a quota it counts.
const QUOTA: &str = "x-drive-quota";
pub(crate) const AGENT: &str = concat!("drive-api/", env!("CARGO_PKG_VERSION"));

/// The HTTP client that all requests go through.
pub(crate) type HttpClient = Client<Bounded, common::Body>;

/// What tests and special places change; everybody else takes the default.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The clock; tests wind their own.
    pub clock: Arc<dyn Clock>,
    /// How long one call tries to reach a server to which there is no connection.
    pub unreachable_max: Duration,
    /// How long a connection may show no sign of life before the attempt counts as lost.
    pub patience: Duration,
    /// The longest JSON answer in bytes.
    pub json_bytes_max: u64,
    /// The most items that one listing may have.
    pub items_max: usize,
    /// How many changes are read at once, or up to a page more: the rest is for the next call.
    pub changes_at_once: usize,
    /// The largest content in bytes that is sent in one multipart request; above, uploads resume.
    pub multipart_bytes_max: u64,
    /// Whose account it is, if that is known: all sessions of this process with one account share
    /// its quota and its limits. Without it a session keeps to them alone.
    pub account: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            unreachable_max: Duration::from_secs(120), // that is, with all tries
            patience: Duration::from_secs(60), // half of what Google's own clients wait, six times
            json_bytes_max: JSON_BYTES_MAX,
            items_max: 500_000, // the most that a folder of Drive can hold
            changes_at_once: 10_000,
            multipart_bytes_max: 5 * 1024 * 1024, // Drive's limit for multipart uploads
            account: None,
        }
    }
}

/// What a `Drive` and its clones share.
pub(crate) struct Transport {
    pub(crate) endpoint: Endpoint,
    pub(crate) tokens: Arc<dyn TokenSource>,
    pub(crate) settings: Settings,
    /// For everything. Answers are bounded, but for downloads.
    pub(crate) client: HttpClient,
    pub(crate) meter: Meter,
    gate: Arc<Gate>,
    pub(crate) overflows: Arc<AtomicU64>,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive")
            .field("endpoint", &self.endpoint.root().as_str())
            .field("tokens", &self.tokens)
            .field("usage", &self.meter.usage())
            .finish_non_exhaustive()
    }
}

/// A whole answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// When its request left, if that passed the gate.
    pub(crate) ticket: Option<Ticket>,
}

impl Transport {
    pub(crate) fn new(
        endpoint: Endpoint,
        tokens: Arc<dyn TokenSource>,
        settings: Settings,
    ) -> Self {
        let overflows = Arc::new(AtomicU64::new(0));
        let client = http_client(settings.json_bytes_max, &overflows);
        let gate = Gate::of(endpoint.root(), settings.account.as_deref());
        let meter = Meter::default();
        Self { endpoint, tokens, settings, client, meter, gate, overflows }
    }

    /// Makes attempts until one works or [`retry::judge`] says that no more should be made.
    pub(crate) async fn persist<T, F, Fut>(
        &self,
        repeat: Repeat,
        mut attempt: F,
    ) -> Result<T, Failed>
    where
        F: FnMut(AccessToken) -> Fut,
        Fut: Future<Output = Result<T, Failed>>,
    {
        let mut delays = retry::delays();
        let mut tries = Tries::begin();
        let limit = self.settings.unreachable_max;
        let mut token = self.tokens.token().await?;
        let mut is_fresh = false;
        let mut maybe_done = false;
        loop {
            let mut failed = match attempt(token.clone()).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            maybe_done |= retry::is_ambiguous(&failed.symptom);
            failed.maybe_done |= maybe_done;
            match retry::judge(&failed.symptom, repeat) {
                Verdict::FreshToken if !is_fresh => {
                    token = self.tokens.refresh(&token).await?;
                    is_fresh = true;
                }
                Verdict::GiveUp | Verdict::FreshToken => {
                    return Err(tries.told(failed, self.endpoint.root()));
                }
                Verdict::Again => match delays.next() {
                    Some(delay)
                        if retry::goes_on(&failed.symptom, tries.lasted() + delay, limit) =>
                    {
                        tries.waited(self.pause(delay, failed.retry_after).await);
                    }
                    _ => return Err(tries.told(failed, self.endpoint.root())),
                },
            }
        }
    }

    /// Waits before the next try: as long as the server asked for, if that is longer. Returns how long.
    pub(crate) async fn pause(&self, delay: Duration, retry_after: Option<Duration>) -> Duration {
        // A server that asks for time has answered.
        let (_held, _waits) = match retry_after {
            Some(_) => (Some(Held::begin()), None),
            None => (None, Some(Waits::begin())),
        };
        let delay = retry_after.map_or(delay, |asked| asked.max(delay));
        tracing::debug!(?delay, "waiting before the next try");
        self.settings.clock.sleep(delay).await;
        delay
    }

    /// Starts a request to `url` in the name of the account.
    pub(crate) fn request(&self, method: Method, url: &Url, token: &AccessToken) -> Builder {
        Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(USER_AGENT, AGENT)
            .header(AUTHORIZATION, token.header())
    }

    /// Waits until a request of this price may leave, and counts it.
    pub(crate) async fn enter(&self, units: u64) -> Slot {
        let slot = self.gate.enter(units, &*self.settings.clock).await;
        self.meter.count(units);
        slot
    }

    /// Sends a request whose answer is JSON or nothing, and reads it whole.
    pub(crate) async fn answer(
        &self,
        what: &str,
        request: Request<common::Body>,
    ) -> Result<Answer, Failed> {
        let slot = self.enter(quota::price(&request)).await;
        self.answer_in(slot, what, request).await
    }

    /// The same for a request that was let through the gate.
    pub(crate) async fn answer_in(
        &self,
        slot: Slot,
        what: &str,
        request: Request<common::Body>,
    ) -> Result<Answer, Failed> {
        let exchange = self.exchange(slot, what, request);
        match tokio::time::timeout(self.settings.patience, exchange).await {
            Ok(answer) => answer,
            Err(late) => Err(Failed::lost(what, late)),
        }
    }

    /// Like [`Self::answer_in`], without a limit in time: for bodies that take long to send.
    pub(crate) async fn exchange(
        &self,
        slot: Slot,
        what: &str,
        request: Request<common::Body>,
    ) -> Result<Answer, Failed> {
        let response = self.client.request(request).await;
        let mut response = response.map_err(|error| failed_request(what, error))?;
        self.heed_quota(response.headers());
        response.extensions_mut().insert(slot.ticket());
        let answer = collect(what, response, self.settings.json_bytes_max).await?;
        if answer.status.is_client_error() || answer.status.is_server_error() {
            self.refusal(what, &answer); // is heeded before the slot is free for another
        } else {
            slot.worked();
        }
        Ok(answer)
    }

    /// Sends a request whose answer is content; its body is not read yet. The request is open for as
    /// long as the slot is kept.
    pub(crate) async fn open(
        &self,
        what: &str,
        mut request: Request<common::Body>,
    ) -> Result<(Response<hyper::body::Incoming>, Slot), Failed> {
        let slot = self.enter(quota::price(&request)).await;
        let taken = capture_connection(&mut request);
        let sent = self.client.request(request);
        match tokio::time::timeout(self.settings.patience, sent).await {
            Ok(Ok(mut response)) => {
                lift_bound(&taken);
                self.heed_quota(response.headers());
                response.extensions_mut().insert(slot.ticket());
                if response.status().is_success() {
                    slot.worked();
                }
                Ok((response, slot))
            }
            Ok(Err(error)) => Err(failed_request(what, error)),
            Err(late) => Err(Failed::lost(what, late)),
        }
    }

    /// Makes the gate heed what a failure says about all requests of the session.
    pub(crate) fn heed(&self, ticket: Option<Ticket>, failed: &Failed) {
        if let (Some(ticket), Error::RateLimited { .. }) = (ticket, &failed.error) {
            self.gate.refused(ticket);
        }
        let comes_back = retry::judge(&failed.symptom, Repeat::Safe) == Verdict::Again;
        if let Some(pause) = failed.retry_after.filter(|_| comes_back) {
            self.gate.hold(self.settings.clock.now(), pause);
        }
    }

    /// A server that is not Google's may say that it counts no quota units.
    fn heed_quota(&self, headers: &HeaderMap) {
        if headers.get(QUOTA).is_some_and(|value| value == "none") {
            self.gate.is_unmetered();
        }
    }

    /// Turns any answer but a success into a failure.
    pub(crate) fn success(&self, what: &str, answer: Answer) -> Result<Answer, Failed> {
        if answer.status.is_success() { Ok(answer) } else { Err(self.refusal(what, &answer)) }
    }

    /// Reads an answer that is no success.
    pub(crate) fn refusal(&self, what: &str, answer: &Answer) -> Failed {
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        let wait = self.retry_after(&answer.headers);
        let failed = Failed::answer(what, answer.status.as_u16(), &body, wait);
        self.heed(answer.ticket, &failed);
        failed
    }

    pub(crate) fn retry_after(&self, headers: &HeaderMap) -> Option<Duration> {
        let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
        retry::retry_after(value, self.settings.clock.now())
    }
}

impl Answer {
    /// Reads the body as JSON. The request was carried out, so nonsense here is final.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, what: &str) -> Result<T, Error> {
        let parsed = serde_json::from_slice(&self.body);
        parsed
            .map_err(|error| Error::invalid(format!("the answer about {what}"), error.to_string()))
    }
}

/// Lets the answer that comes over a connection be of any length. Its head was read, and of its body
/// no more than fits a buffer.
fn lift_bound(taken: &CaptureConnection) {
    let mut extras = hyper::http::Extensions::new();
    if let Some(connected) = taken.connection_metadata().as_ref() {
        connected.get_extras(&mut extras);
    }
    if let Some(lift) = extras.get::<Lift>() {
        lift.lift();
    }
}

/// Makes a client whose connections take answers of at most so many bytes (and their headers).
pub(crate) fn http_client(answer_bytes_max: u64, overflows: &Arc<AtomicU64>) -> HttpClient {
    const HEADER_BYTES_MAX: u64 = 1024 * 1024; // beyond what hyper accepts
    let limit = answer_bytes_max.saturating_add(HEADER_BYTES_MAX);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(Duration::from_secs(60))
        .pool_max_idle_per_host(CONNECTIONS_MAX)
        .build(Bounded::new(limit, Arc::clone(overflows)))
}

/// Reads an answer whole, if it is not too long.
pub(crate) async fn collect(
    what: &str,
    response: Response<hyper::body::Incoming>,
    bytes_max: u64,
) -> Result<Answer, Failed> {
    let (parts, body) = response.into_parts();
    let limit = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    match Limited::new(body, limit).collect().await {
        Ok(body) => {
            let ticket = parts.extensions.get().copied();
            let (status, headers, body) = (parts.status, parts.headers, body.to_bytes());
            Ok(Answer { status, headers, body, ticket })
        }
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Error::TooLarge { what: what.to_owned(), limit_bytes: bytes_max }.into())
        }
        Err(error) => Err(Failed::lost(what, error)),
    }
}

/// Says what became of a request that has no answer.
pub(crate) fn failed_request(what: &str, error: hyper_util::client::legacy::Error) -> Failed {
    if is_bad_certificate(&error) {
        let source = Box::new(error);
        Error::Unavailable { what: what.to_owned(), source }.into() // no better at the next try
    } else if error.is_connect() {
        Failed::not_sent(what, error)
    } else {
        Failed::lost(what, error)
    }
}

fn is_bad_certificate(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
            return true;
        }
        // `source` of an I/O error skips the error that it holds.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    false
}

/// Finishes a request; a header that cannot be sent is an error, not a panic.
pub(crate) fn finish(
    what: &str,
    builder: Builder,
    body: common::Body,
) -> Result<Request<common::Body>, Failed> {
    let unsendable = |error: hyper::http::Error| {
        Failed::from(Error::invalid(format!("the request for {what}"), clean(&error.to_string())))
    };
    builder.body(body).map_err(unsendable)
}
