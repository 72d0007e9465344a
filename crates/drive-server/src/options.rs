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
    /// Life of a sign-in as a whole, which the answer then tells, as Google does for an app in
    /// Testing. Default none: for ever.
    pub sign_in_life: Option<Duration>,
    /// Service accounts that may act for people. Default none.
    pub service_accounts: Vec<ServiceAccount>,
    /// Says in each answer that nobody counts quota units here, so that clients need not wait as they do
    /// with Google: `x-drive-quota: none`. Default on.
    pub unmetered: bool,
}

/// A service account with domain-wide delegation.
#[derive(Debug, Clone)]
pub struct ServiceAccount {
    /// Its address, the issuer of what it signs.
    pub email: String,
    /// Its RSA key: `RSAPublicKey` of PKCS #1, in DER.
    pub public_key: Vec<u8>,
    /// For whom it may act; nobody: delegation is off.
    pub may_act_for: Vec<String>,
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
            sign_in_life: None,
            service_accounts: Vec::new(),
            unmetered: true,
        }
    }
}
