//! Listens on 127.0.0.1 for the browser that comes back from a sign-in page, and thanks it.
//!
//! Any page in the browser can send requests here. What they carry is judged by the caller; a
//! request that is not ours is turned away and the listening goes on. Other programs may connect and
//! say nothing, as many as they like: the oldest of them makes room for who comes next.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

const CONNECTIONS_MAX: usize = 32;

/// A listener on a free port, and the connections that it has.
pub(super) struct Loopback {
    listener: TcpListener,
    address: String,
    connections: JoinSet<bool>,
    /// The same, the oldest first.
    ages: VecDeque<AbortHandle>,
    visits: (mpsc::Sender<Visit>, mpsc::Receiver<Visit>),
}

/// A request to the redirect address that waits for its page.
pub(super) struct Visit {
    query: String,
    page: oneshot::Sender<Page>,
}

/// What the browser is told.
#[derive(Clone)]
pub(super) enum Page {
    /// It worked.
    Done,
    /// It did not, for this reason.
    Failed(String),
    /// This is not the request that we wait for.
    NotOurs,
}

impl Loopback {
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}/", listener.local_addr()?);
        let (connections, ages, visits) = (JoinSet::new(), VecDeque::new(), mpsc::channel(1));
        Ok(Self { listener, address, connections, ages, visits })
    }

    /// The redirect address.
    pub(super) fn address(&self) -> String {
        self.address.clone()
    }

    /// Waits for the next request that carries a query. Connections that say nothing hold up nobody.
    pub(super) async fn visit(&mut self) -> Visit {
        /// So that a machine that is short of something is not asked all the time.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            tokio::select! {
                Some(visit) = self.visits.1.recv() => return visit,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => self.take(stream),
                    // A visitor who is gone already, or too many open files: the next one counts.
                    Err(error) => {
                        tracing::debug!(%error, "a connection was not taken");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
                Some(_) = self.connections.join_next(), if !self.connections.is_empty() => {}
            }
        }
    }

    fn take(&mut self, stream: TcpStream) {
        self.ages.retain(|connection| !connection.is_finished());
        if self.ages.len() >= CONNECTIONS_MAX
            && let Some(oldest) = self.ages.pop_front()
        {
            oldest.abort();
        }
        self.ages.push_back(self.connections.spawn(serve_one(stream, self.visits.0.clone())));
    }

    /// Answers the visit that ends it all, and sees that the page reaches the browser.
    pub(super) async fn end(mut self, visit: Visit, page: Page) {
        const PATIENCE: Duration = Duration::from_secs(2);
        visit.answer(page);
        let told = async {
            while let Some(ended) = self.connections.join_next().await {
                if matches!(ended, Ok(true)) {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }
}

impl Visit {
    /// What came behind the `?`.
    pub(super) fn query(&self) -> &str {
        &self.query
    }

    pub(super) fn answer(self, page: Page) {
        let _ = self.page.send(page); // a browser that has gone needs no page
    }
}

/// Serves one request; returns true if it was the browser coming back.
async fn serve_one(stream: TcpStream, visits: mpsc::Sender<Visit>) -> bool {
    let is_visit = AtomicBool::new(false);
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let visits = visits.clone();
        let is_visit = &is_visit;
        async move {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let is_root = request.method() == Method::GET && request.uri().path() == "/";
            if !is_root || query.is_empty() {
                return Ok::<_, Infallible>(respond(&Page::NotOurs));
            }
            let (page, told) = oneshot::channel();
            let page = match visits.send(Visit { query, page }).await {
                Ok(()) => told.await.unwrap_or(Page::NotOurs),
                Err(_) => Page::NotOurs,
            };
            is_visit.store(!matches!(page, Page::NotOurs), Ordering::SeqCst);
            Ok(respond(&page))
        }
    });
    let served = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(64 * 1024)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a browser's connection ended early");
    }
    is_visit.into_inner()
}

fn respond(page: &Page) -> Response<Full<Bytes>> {
    let (status, title, text) = match page {
        Page::Done => (
            StatusCode::OK,
            "You are signed in",
            "You can close this window and go back to the terminal.".to_owned(),
        ),
        Page::Failed(problem) => {
            (StatusCode::OK, "Signing in did not work", format!("{}.", escaped(problem)))
        }
        Page::NotOurs => (
            StatusCode::NOT_FOUND,
            "Nothing to see here",
            "This address only waits for the end of a sign-in.".to_owned(),
        ),
    };
    let mark = if matches!(page, Page::Done) { "&#10003;" } else { "&#33;" };
    let html = include_str!("page.html")
        .replace("{title}", title)
        .replace("{mark}", mark)
        .replace("{text}", &text);
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer")); // the URL holds a code
    headers.insert(
        hyper::header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    response
}

/// A problem may quote what a server said.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
