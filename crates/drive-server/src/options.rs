//! How a server is started.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

/// How a server is started; [`Options::new`] gives what a laptop wants.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// Folder with everything that the server keeps; made if it is not there.
    pub data: PathBuf,
    /// Address to listen on; port 0 takes a free one. Default `127.0.0.1:0`.
    pub listen: SocketAddr,
    /// Added to every request before it is looked at, to play a distant service. Default zero.
    pub latency: Duration,
    /// File that gets one JSON line for each request, appended. Default none.
    pub log: Option<PathBuf>,
    /// Serves `/__admin/…`, which steers faults, latency and counters without any password: for
    /// tests and benchmarks only. Default off.
    pub admin: bool,
    /// Life of an access token that the sign-in hands out. Default one hour, as Google has it.
    pub token_life: Duration,
}

impl Options {
    /// Returns the defaults for one data folder.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            latency: Duration::ZERO,
            log: None,
            admin: false,
            token_life: Duration::from_secs(3600),
        }
    }
}
