//! Opens connections: TLS with Mozilla's roots, or plain TCP for `http` URLs, and bounds what may
//! come back over them.
//!
//! `google-drive3` collects an answer whole, however long it is. So the bound lies below it: a
//! connection reads at most so many bytes after the last byte that was written to it, which is one
//! answer, since HTTP/1.1 without pipelining takes turns. Who asked for content lifts the bound for
//! that answer, by [`Lift`].
//!
//! No more than [`CONNECTIONS_MAX`] lead to one server: as many as requests may be open at once. A
//! request for which there is no place waits until one of the others is free.

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_service::Service;

use crate::error::Source;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How many connections one client has to one server at most.
pub(crate) const CONNECTIONS_MAX: usize = crate::gate::OPEN_MAX;

/// Makes bounded connections.
#[derive(Debug, Clone)]
pub(crate) struct Bounded {
    inner: HttpsConnector<HttpConnector>,
    answer_bytes_max: u64,
    overflows: Arc<AtomicU64>,
    places: Places,
}

/// The places for connections to each server.
type Places = Arc<Mutex<HashMap<String, Arc<Semaphore>>>>;

impl Bounded {
    /// `overflows` counts the answers that were cut off.
    pub(crate) fn new(answer_bytes_max: u64, overflows: Arc<AtomicU64>) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        // The provider is named: with two of them in one program, rustls cannot choose, and panics.
        let inner = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::ring::default_provider())
            .expect("ring supports the default TLS versions")
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Self { inner, answer_bytes_max, overflows, places: Places::default() }
    }

    fn places_at(&self, uri: &Uri) -> Arc<Semaphore> {
        let server = uri.authority().map(ToString::to_string).unwrap_or_default();
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Arc::clone(places.entry(server).or_insert_with(new))
    }
}

impl Service<Uri> for Bounded {
    type Response = TokioIo<Metered>;
    type Error = Source;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Source>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Source>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (answer_bytes_max, overflows) = (self.answer_bytes_max, Arc::clone(&self.overflows));
        let places = self.places_at(&uri);
        let mut inner = self.inner.clone();
        Box::pin(async move {
            // Never closed. Whoever waits here also waits for a connection that is there, and takes
            // that if it is free sooner.
            let place = places.acquire_owned().await?;
            std::future::poll_fn(|context| inner.poll_ready(context)).await?;
            let io = TokioIo::new(inner.call(uri).await?);
            let lift = Lift::default();
            let metered =
                Metered { io, since_write: 0, answer_bytes_max, lift, overflows, _place: place };
            Ok(TokioIo::new(metered))
        })
    }
}

/// Takes the bound off the answer that a connection is to read next, or is reading.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lift(Arc<AtomicBool>);

impl Lift {
    /// Lifts the bound until something else is written.
    pub(crate) fn lift(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A connection that stops reading when an answer gets too long.
#[derive(Debug)]
pub(crate) struct Metered {
    io: TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>,
    since_write: u64,
    answer_bytes_max: u64,
    lift: Lift,
    overflows: Arc<AtomicU64>,
    _place: OwnedSemaphorePermit,
}

impl Metered {
    /// Something was asked: the next answer is bounded, until who asked says otherwise.
    fn asked(&mut self) {
        self.since_write = 0;
        self.lift.0.store(false, Ordering::SeqCst);
    }
}

impl Connection for Metered {
    fn connected(&self) -> Connected {
        self.io.inner().connected().extra(self.lift.clone())
    }
}

impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        self.since_write += (buf.filled().len() - before) as u64;
        let is_bounded = !self.lift.0.load(Ordering::SeqCst);
        if is_bounded && self.since_write > self.answer_bytes_max {
            self.overflows.fetch_add(1, Ordering::SeqCst);
            return Poll::Ready(Err(io::Error::other("the answer is too long")));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write(cx, buf))?;
        self.asked();
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.asked();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
