//! One look at a server without any sign-in: whether it answers, how fast, and what time it has.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use google_drive3::common;
use hyper::Method;
use hyper::Request;
use hyper::header::USER_AGENT;

use crate::clock::{self, Clock};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::quota::{self, Kind};
use crate::transport::{AGENT, JSON_BYTES_MAX, collect, failed_request, http_client};

/// What a server showed of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// How long the answer took, with the connection.
    pub latency: Duration,
    /// How many seconds our clock is ahead of the server's, if it says what time it has.
    pub ahead_seconds: Option<i64>,
}

/// Looks at a server once, for so long at most. Any answer will do, a refusal too.
///
/// # Errors
/// [`Error::Unavailable`] if none comes.
pub async fn look(
    endpoint: &Endpoint,
    clock: &Arc<dyn Clock>,
    patience: Duration,
) -> Result<Sight, Error> {
    const WHAT: &str = "a look at the drive";
    let mut url = endpoint.api();
    url.set_path(&format!("{}about", url.path()));
    let client = http_client(JSON_BYTES_MAX, &Arc::new(AtomicU64::new(0)));
    let request = Request::builder().method(Method::GET).uri(url.as_str());
    let request =
        request.header(USER_AGENT, AGENT).body(common::to_body(Some(bytes::Bytes::new())));
    let request = request.map_err(|error| Error::invalid("the address", error.to_string()))?;
    quota::count_alone(Kind::Read);
    let started = Instant::now();
    let exchange = async {
        let response = client.request(request).await;
        let response = response.map_err(|error| failed_request(WHAT, error))?;
        collect(WHAT, response, JSON_BYTES_MAX).await
    };
    let late = |late| Error::Unavailable { what: WHAT.to_owned(), source: Box::new(late) };
    let answer = tokio::time::timeout(patience, exchange).await.map_err(late)??;
    let ahead_seconds = clock::ahead_seconds(&answer.headers, clock.now());
    Ok(Sight { latency: started.elapsed(), ahead_seconds })
}
