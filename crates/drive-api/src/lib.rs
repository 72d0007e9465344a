//! A Google Drive v3 client: metadata, media, batches, the change feed, and sign-in.
//!
//! It speaks to Google or to any server with the same protocol ([`Endpoint`]), and knows nothing of
//! what its files mean. Start at [`Drive`]. Metadata calls go through the `google-drive3` crate behind
//! this crate's own types; uploads, downloads and batches are written here, on the same HTTP client.
//!
//! Four rules hold for every call:
//!
//! - What is not safe to repeat is never sent twice (`retry.rs` decides: one table, one test).
//! - It passes the gate of its account, which keeps to the quota and to what the server asks for.
//! - Whatever a server answers is bounded, then parsed, then believed; ids are checked both ways.
//! - Secrets are in no error, no `Debug` output and no log line.

mod batch;
mod clock;
mod connector;
mod content;
mod create;
mod download;
mod drive;
mod endpoint;
mod error;
mod file;
mod gate;
mod gmail;
mod google;
mod id;
mod kept;
mod post;
mod probe;
mod query;
mod quota;
mod resumable;
mod retry;
mod transport;

pub mod auth;

pub use batch::Call;
pub use clock::{Clock, SystemClock};
pub use content::{Content, Progress};
pub use create::{NewFile, Patch};
pub use download::Downloaded;
pub use drive::{Drive, Order};
pub use endpoint::Endpoint;
pub use error::{Error, Source};
pub use file::{Change, Changes, FOLDER, File, Permission, Role};
pub use gate::calls_held_back;
pub use gmail::{Gmail, MAIL_SCOPES};
pub use kept::{Begun, KeepSession, md5_of};
pub use post::{Post, post_json};
pub use probe::{Sight, look};
pub use query::Query;
pub use quota::{Kind, UNITS_A_MINUTE, Usage, usage_of_process};
pub use retry::calls_waiting;
pub use transport::Settings;
