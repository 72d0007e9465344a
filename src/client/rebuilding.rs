//! The way out of a state database that cannot be used: another one.

use std::path::PathBuf;

use super::clock::{Clock as _, SystemClock};
use super::login::chosen;
use super::{Client, Configuration, Result};
use crate::caches::{Folders, Store, SyncLock};
use crate::model::Email;

impl Client {
    /// Moves the state database of an account aside, whatever it is like, and returns the folder in
    /// which it is kept; `None` if there is none. The next sync makes a new one.
    ///
    /// What was agreed is read from the drive again. A change that was not sent yet is found on the
    /// disk, as a difference, and sent; what is lost is the memory of which peer was sent what, so
    /// that a file whose permission was revoked and not yet taken back stays with its reader.
    ///
    /// # Errors
    /// [`super::Error::NotLoggedIn`], [`super::Error::SeveralAccounts`], [`super::Error::Locked`]; if
    /// a file cannot be moved.
    pub fn set_database_aside(
        configuration: &Configuration,
        email: Option<&Email>,
    ) -> Result<Option<PathBuf>> {
        let (email, role, _) = chosen(configuration, email)?;
        let folders = Folders::new(configuration.home(), configuration.folder(), &email, role);
        let _lock = SyncLock::take(&folders.syftbox, false)?;
        Ok(Store::set_aside(&folders.database(), SystemClock.now())?)
    }
}
