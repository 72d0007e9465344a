//! Opens connections: TLS with Mozilla's roots, or plain TCP for `http` URLs, and bounds what may
//! come back over them.
//!
//! `google-drive3` collects an answer whole, however long it is. So the bound lies below it: a
//! connection reads at most so many bytes after the last byte that was written to it, which is one
//! answer, since HTTP/1.1 without pipelining takes turns.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::error::Source;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// Makes bounded connections.
#[derive(Debug, Clone)]
pub(crate) struct Bounded {
    inner: HttpsConnector<HttpConnector>,
    answer_bytes_max: u64,
    overflows: Arc<AtomicU64>,
}

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
        Self { inner, answer_bytes_max, overflows }
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
        let connecting = self.inner.call(uri);
        Box::pin(async move {
            let io = TokioIo::new(connecting.await?);
            Ok(TokioIo::new(Metered { io, since_write: 0, answer_bytes_max, overflows }))
        })
    }
}

/// A connection that stops reading when an answer gets too long.
#[derive(Debug)]
pub(crate) struct Metered {
    io: TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>,
    since_write: u64,
    answer_bytes_max: u64,
    overflows: Arc<AtomicU64>,
}

impl Connection for Metered {
    fn connected(&self) -> Connected {
        self.io.inner().connected()
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
        if self.since_write > self.answer_bytes_max {
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
        self.since_write = 0;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, bufs))?;
        self.since_write = 0;
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
