//! What a person was told by syncs that nobody watches, and the log of those, on disk.
//!
//! What is to be told is decided in [`plan`]. Both files lie in the folder of the account's
//! configuration, readable by its user alone. Neither is needed for a sync: one that cannot be read
//! is as one that is not there.

mod log;
mod plan;

use std::path::PathBuf;

use super::{Configuration, Error, Result};
use crate::caches::write_private_file;
use crate::model::Email;

pub use plan::{LastSync, Memory, News};

/// The name of the file with what was told.
const FILE: &str = "told.json";

/// The name of the log.
const LOG: &str = "sync.log";

impl Configuration {
    /// Returns what was told of the syncs of `email`; `None` where it is not known whose they are.
    pub fn told(&self, email: Option<&Email>) -> Memory {
        let text = std::fs::read_to_string(self.beside(email, FILE)).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keeps what was told.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_told(&self, email: Option<&Email>, memory: &Memory) -> Result<()> {
        let path = self.beside(email, FILE);
        let text = serde_json::to_string(memory).map_err(|error| Error::Configuration {
            path: path.clone(),
            problem: format!("cannot be written: {error}"),
        })?;
        Ok(write_private_file(&path, text.as_bytes())?)
    }

    /// Returns where the log of syncs lies that nobody watches.
    pub fn sync_log(&self, email: Option<&Email>) -> PathBuf {
        self.beside(email, LOG)
    }

    /// Adds lines to that log. It and the one before it have a bounded size.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn log_sync(&self, email: Option<&Email>, text: &str) -> Result<()> {
        let path = self.sync_log(email);
        log::append(&path, text).map_err(|error| Error::Configuration {
            path,
            problem: format!("cannot be written: {error}"),
        })
    }

    /// Removes what was told, and the log.
    ///
    /// # Errors
    /// If something of it is there and cannot be removed.
    pub fn forget_told(&self, email: Option<&Email>) -> Result<()> {
        let log = self.sync_log(email);
        for path in [self.beside(email, FILE), log::previous(&log), log] {
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    let problem = format!("cannot be removed: {error}");
                    return Err(Error::Configuration { path, problem });
                }
            }
        }
        Ok(())
    }

    fn beside(&self, email: Option<&Email>, name: &str) -> PathBuf {
        email
            .map_or_else(|| self.folder().to_owned(), |email| self.account_folder(email))
            .join(name)
    }
}
