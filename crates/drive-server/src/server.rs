//! Binds, accepts, serves, stops.

use std::{
    convert::Infallible, net::SocketAddr, sync::Arc, sync::atomic::AtomicU64, time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
};

use crate::{
    Error, Faults, Options, Stats,
    http::{self, App, Live, Streams},
    log::Log,
    store::Store,
};

/// Connections served at once; more wait in the system's queue.
const CONNECTIONS_MAX: usize = 1024;

/// The largest request head, in bytes; one read more may slip through.
const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long a client may take for a request head.
const HEAD_TIME_MAX: Duration = Duration::from_secs(60);

/// How long requests may go on when the server is to stop.
const FAREWELL: Duration = Duration::from_secs(5);

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    url: String,
    app: Arc<App>,
    accepting: JoinHandle<Infallible>,
    stop: watch::Sender<bool>,
    connections: Arc<tokio::sync::Mutex<JoinSet<()>>>,
}

/// Starts a server; it is bound and accepts requests when this returns.
///
/// # Errors
///
/// [`Error::InUse`] if another process serves the data folder, [`Error::Listen`] if the address
/// cannot be had, and whatever is wrong with the data folder or the log.
pub async fn serve(options: Options) -> Result<Server, Error> {
    let data = options.data.clone();
    let opened = tokio::task::spawn_blocking(move || Store::open(&data)).await;
    let store = opened.map_err(|error| Error::Database(Box::new(error)))??;
    let log = Log::open(options.log.as_deref()).map_err(|source| Error::Folder {
        path: options.log.clone().unwrap_or_default(),
        source,
    })?;
    let address = options.listen;
    let failed = |source| Error::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let url = format!("http://{}", reachable(listener.local_addr().map_err(failed)?));
    let latency_us = u64::try_from(options.latency.as_micros()).unwrap_or(u64::MAX);
    let app = Arc::new(App {
        store,
        faults: Faults::default(),
        log,
        live: Live::default(),
        streams: Streams::default(),
        latency_us: AtomicU64::new(latency_us),
        admin: options.admin,
        token_life: options.token_life,
        sign_in_life: options.sign_in_life,
        service_accounts: options.service_accounts,
        unmetered: options.unmetered,
        url: url.clone(),
    });
    let (stop, stopping) = watch::channel(false);
    let connections = Arc::new(tokio::sync::Mutex::new(JoinSet::new()));
    let accepting =
        tokio::spawn(accept(listener, Arc::clone(&app), stopping, Arc::clone(&connections)));
    Ok(Server { url, app, accepting, stop, connections })
}

impl Server {
    /// Returns the address to give to clients: `http://127.0.0.1:PORT`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the faults to come.
    pub fn faults(&self) -> &Faults {
        &self.app.faults
    }

    /// Returns how many requests came since the start, without `/__admin/…`; a batch is one.
    pub fn requests(&self) -> u64 {
        self.app.log.stats().total
    }

    /// Returns all counters since the start.
    pub fn stats(&self) -> Stats {
        self.app.log.stats()
    }

    /// Serves until the process ends.
    pub async fn stopped(mut self) {
        // Not by value: dropping the rest of `self` would stop it.
        (&mut self.accepting).await.ok();
    }

    /// Takes no more connections, lets open requests end for a few seconds, and frees the data
    /// folder.
    pub async fn shutdown(mut self) {
        self.accepting.abort();
        (&mut self.accepting).await.ok();
        self.stop.send(true).ok();
        let mut connections = self.connections.lock().await;
        let all = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(FAREWELL, all).await.is_err() {
            connections.shutdown().await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Returns an address that a client on this computer can use.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

async fn accept(
    listener: TcpListener,
    app: Arc<App>,
    stopping: watch::Receiver<bool>,
    connections: Arc<tokio::sync::Mutex<JoinSet<()>>>,
) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file handles, most likely: let others end before the next try.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (app, stopping) = (Arc::clone(&app), stopping.clone());
        let mut connections = connections.lock().await;
        while connections.try_join_next().is_some() {}
        connections.spawn(async move {
            connection(stream, app, stopping).await;
            drop(place);
        });
    }
}

async fn connection(stream: TcpStream, app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    stream.set_nodelay(true).ok();
    let service = service_fn(move |request| http::dispatch(Arc::clone(&app), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(served);
    tokio::select! {
        // An error ends this connection only, and is the client's or a fault's doing.
        _ = served.as_mut() => return,
        _ = stopping.wait_for(|stop| *stop) => served.as_mut().graceful_shutdown(),
    }
    served.await.ok();
}
