//! An embedded server that speaks Google Drive v3 over HTTP: accounts, folders shared between
//! them, permissions that are enforced, uploads that resume, and a change feed.
//!
//! It serves a laptop demo, a closed network and tests, from one data folder. It knows nothing of
//! the programs that talk to it, and shares no code with any client: they meet at the wire format
//! of <https://developers.google.com/workspace/drive/api/reference/rest/v3>.
//!
//! **Invariants.** An answered write is on disk. A file is seen whole or not at all, also after
//! `kill -9` at any moment. No account sees what nobody shared with it. Secrets are kept as hashes.
//!
//! Where to start reading: `http::dispatch` routes one request; `store` holds what is true;
//! `query` turns Drive's search language into SQL.

mod accounts;
mod clock;
mod error;
mod faults;
mod http;
mod log;
mod options;
mod query;
mod server;
mod store;

pub use accounts::{Account, accounts, add_account};
pub use error::Error;
pub use faults::{Fault, Faults, Outcome, When};
pub use log::Stats;
pub use options::{Options, ServiceAccount};
pub use server::{Server, serve};
