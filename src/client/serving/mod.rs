//! The owner's service: after each sync it approves whom a rule names, and tells what is news.
//!
//! [`Attendant`] looks at what is so after a sync and notes what there is to tell; [`Courier`] sends
//! it, beside the syncs, so that no mail server holds one up. Both work on the state database alone:
//! whenever the process ends, the next one goes on from there.
//!
//! Invariant: what was seen and the news of it are noted in one transaction. A notice that may have
//! been received and is sent again says so.

mod admitting;
mod attendant;
mod courier;
mod facts;
mod file;
mod password;
mod running;
mod sign_in;

use std::path::Path;

use super::{Configuration, Error, Result};
use crate::caches::FileLock;
use crate::model::Email;

pub use admitting::Admitted;
pub use attendant::{Attendant, Attended};
pub use courier::{Courier, Delivery, Looked};
pub use file::{Read, ServeFile};
pub(super) use password::FILE as PASSWORD_FILE;
pub use password::SmtpPassword;
pub use running::Runner;

/// Holds the right to be the one service of an account, until it is dropped.
#[derive(Debug)]
pub struct ServeLock {
    _lock: FileLock,
}

impl ServeLock {
    /// Takes it.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it.
    pub fn take(configuration: &Configuration, account: &Email) -> Result<Self> {
        const FILE: &str = "serve.lock";
        let path = configuration.account_folder(account).join(FILE);
        Ok(Self { _lock: FileLock::take(&path)? })
    }
}

fn unusable(path: &Path, problem: impl Into<String>) -> Error {
    Error::ServeSettings { path: path.to_owned(), problem: problem.into() }
}
