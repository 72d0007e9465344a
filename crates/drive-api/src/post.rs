//! Sends one JSON object to an address that is no drive: a webhook, or Google's mail.
//!
//! One attempt: who asks decides whether to repeat it, since what it does at the other end is not
//! known here. No redirect is followed, so nothing goes to another host than the one that was named.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use bytes::Bytes;
use google_drive3::common;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use url::Url;

use crate::auth::AccessToken;
use crate::error::Error;
use crate::retry::{Failed, Symptom};
use crate::transport::{collect, failed_request, finish, http_client};

const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// A JSON object on its way.
#[derive(Clone, Debug)]
pub struct Post<'a> {
    /// Where it goes.
    pub url: &'a Url,
    /// The name of the program.
    pub agent: &'a str,
    /// The same for each repetition, so that the other end can tell: `Idempotency-Key`.
    pub key: &'a str,
    /// The object.
    pub body: Vec<u8>,
    /// How long the whole exchange may take.
    pub patience: Duration,
}

/// Sends `post`; success is any status of 2xx.
///
/// # Errors
/// [`Error::Unavailable`] if no answer came: it may have been done or not. [`Error::Rejected`],
/// [`Error::Denied`] and the like for other answers, redirects included.
pub async fn post_json(post: Post<'_>) -> Result<(), Error> {
    attempt(post, None).await.map_err(|failed| failed.error)
}

/// The same, in the name of an account if a token is given.
pub(crate) async fn attempt(post: Post<'_>, token: Option<&AccessToken>) -> Result<(), Failed> {
    const WHAT: &str = "what was sent";
    let mut request = Request::post(post.url.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, post.agent)
        .header("Idempotency-Key", post.key);
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token.header());
    }
    let request = finish(WHAT, request, common::to_body(Some(Bytes::from(post.body))))?;
    let client = http_client(ANSWER_BYTES_MAX, &Arc::new(AtomicU64::new(0)));
    let exchange = async {
        let response = client.request(request).await;
        let response = response.map_err(|error| failed_request(WHAT, error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(()); // whatever else it says is nothing to us
        }
        if status.is_redirection() {
            let reason = "it leads elsewhere, which is not followed".to_owned();
            let (what, status) = (WHAT.to_owned(), status.as_u16());
            let symptom = Symptom::Answer { status, reason: None };
            return Err(Failed { symptom, ..Error::Rejected { what, status, reason }.into() });
        }
        let answer = collect(WHAT, response, ANSWER_BYTES_MAX).await?;
        let body = serde_json::from_slice(&answer.body).unwrap_or_default();
        Err(Failed::answer(WHAT, status.as_u16(), &body, None))
    };
    match tokio::time::timeout(post.patience, exchange).await {
        Ok(outcome) => outcome,
        Err(late) => Err(Failed::lost(WHAT, late)),
    }
}
