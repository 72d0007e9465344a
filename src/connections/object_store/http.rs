//! Carries the requests of the `object_store` crate over the HTTP client and the TLS that this
//! program has anyway, and counts them.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{Stream, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
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

use crate::connections::usage;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// For a request and the head of its answer: 8 MiB at 30 kB a second.
const PATIENCE: Duration = Duration::from_secs(300);
const IDLE_CONNECTIONS_MAX: usize = 8;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("syft/", env!("CARGO_PKG_VERSION")));

/// How long the rest of an answer may go on without a sign of life: a network that went away while a
/// machine slept says nothing.
const SILENCE: Duration = Duration::from_secs(60);

/// Makes clients that count into `requests`.
#[derive(Debug)]
pub(super) struct Counting {
    requests: Arc<AtomicU64>,
    silence: Duration,
}

impl Counting {
    pub(super) const fn new(requests: Arc<AtomicU64>) -> Self {
        Self { requests, silence: SILENCE }
    }
}

#[derive(Debug)]
struct Carrier {
    client: Client<HttpsConnector<Tcp>, HttpRequestBody>,
    requests: Arc<AtomicU64>,
    silence: Duration,
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
        Ok(HttpClient::new(Carrier {
            client,
            requests: Arc::clone(&self.requests),
            silence: self.silence,
        }))
    }
}

#[async_trait]
impl HttpService for Carrier {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        usage::note_request();
        request.headers_mut().insert(USER_AGENT, AGENT);
        let answer = tokio::time::timeout(PATIENCE, self.client.request(request))
            .await
            .map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?
            .map_err(failed)?;
        let (head, body) = answer.into_parts();
        let body = HttpResponseBody::new(StreamBody::new(alive(body, self.silence)));
        Ok(HttpResponse::from_parts(head, body))
    }
}

/// The pieces of an answer; an error once nothing came for so long.
fn alive(
    body: Incoming,
    silence: Duration,
) -> impl Stream<Item = Result<Frame<Bytes>, HttpError>> + Send + Sync {
    stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout(silence, body.frame()).await {
            Ok(None) => None,
            Ok(Some(Ok(frame))) => Some((Ok(frame), Some(body))),
            Ok(Some(Err(error))) => {
                Some((Err(HttpError::new(HttpErrorKind::Interrupted, error)), None))
            }
            Err(late) => Some((Err(HttpError::new(HttpErrorKind::Timeout, late)), None)),
        }
    })
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

#[cfg(test)]
mod tests {
    use object_store::aws::AmazonS3Builder;
    use object_store::path::Path;
    use object_store::{ObjectStoreExt as _, RetryConfig};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A store that begins to answer, and then says nothing more.
    async fn falling_silent(listener: TcpListener) {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let head = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\netag: \"1\"\r\nlast-modified: \
                        Fri, 20 Nov 2026 10:00:00 GMT\r\n\r\nhalf";
            let _ = stream.write_all(head.as_bytes()).await;
            open.push(stream);
        }
    }

    #[tokio::test]
    async fn an_answer_that_stops_in_its_middle_is_not_waited_for_forever() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(falling_silent(listener));
        let silence = Duration::from_millis(50);
        let store = AmazonS3Builder::new()
            .with_bucket_name("team")
            .with_endpoint(address)
            .with_access_key_id("id")
            .with_secret_access_key("secret")
            .with_allow_http(true)
            .with_retry(RetryConfig { max_retries: 0, ..RetryConfig::default() })
            .with_http_connector(Counting { requests: Arc::default(), silence })
            .build()
            .unwrap();
        let found = store.get(&Path::from("key")).await.unwrap();
        let error = found.bytes().await.unwrap_err();
        server.abort();
        let mut causes = vec![error.to_string()];
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            causes.push(next.to_string());
            cause = next.source();
        }
        assert!(causes.iter().any(|text| text.contains("elapsed")), "{causes:?}");
    }
}
