//! Carries the requests of the `object_store` crate over the HTTP client and the TLS that this
//! program has anyway, and counts them.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper::header::{HeaderValue, USER_AGENT};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as Tcp;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// For a request and the head of its answer: 8 MiB at 30 kB a second.
const PATIENCE: Duration = Duration::from_secs(300);
const IDLE_CONNECTIONS_MAX: usize = 8;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("syft/", env!("CARGO_PKG_VERSION")));

/// Makes clients that count into `requests`.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) requests: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Carrier {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
    requests: Arc<AtomicU64>,
}

impl HttpConnector for Counting {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        let mut tcp = Tcp::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // The provider is named: with two of them in one program, rustls cannot choose, and panics.
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .map_err(|error| object_store::Error::Generic { store: "S3", source: error.into() })?
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Ok(HttpClient::new(Carrier { client, requests: Arc::clone(&self.requests) }))
    }
}

#[async_trait]
impl HttpService for Carrier {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        request.headers_mut().insert(USER_AGENT, AGENT);
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request))
            .await
            .map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?
            .map_err(failed)?;
        let (head, body) = answer.into_parts();
        let body = body.map_err(|error| HttpError::new(HttpErrorKind::Interrupted, error));
        Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
    }
}

/// Says whether a request can have arrived: only what cannot have is repeated without a thought.
fn failed(error: hyper_util::client::legacy::Error) -> HttpError {
    let was_cut_off = error
        .source()
        .and_then(|source| source.downcast_ref::<hyper::Error>())
        .is_some_and(|error| error.is_closed() || error.is_incomplete_message());
    let kind = match error.is_connect() {
        true => HttpErrorKind::Connect,
        false if was_cut_off => HttpErrorKind::Interrupted,
        false => HttpErrorKind::Unknown,
    };
    HttpError::new(kind, error)
}
