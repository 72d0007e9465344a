//! Where the things of one account lie on this machine.

use std::path::{Path, PathBuf};

use crate::model::{Email, Role};

/// Where the things of one account lie: the same places as with the Python client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// `SyftBox_{email}`: what a user looks at, one tree for each datasite.
    pub syftbox: PathBuf,
    /// Beside it: the state database and what is in quarantine. Never synced.
    pub state: PathBuf,
    /// Runs of jobs and what was approved. Never synced, never inside the SyftBox.
    pub private: PathBuf,
}

impl Folders {
    /// Returns the places of `email` below `home`.
    pub fn new(home: &Path, configuration: &Path, email: &Email, role: Role) -> Self {
        let suffix = match role {
            Role::Owner => "events",
            Role::Scientist => "event-messages",
        };
        Self {
            syftbox: home.join(format!("SyftBox_{email}")),
            state: home.join(format!("SyftBox_{email}-{suffix}")),
            private: configuration.join("accounts").join(email.as_str()),
        }
    }

    /// Returns the tree of `datasite` in the SyftBox.
    pub fn datasite(&self, datasite: &Email) -> PathBuf {
        self.syftbox.join(datasite.as_str())
    }

    /// Returns the file of the state database.
    pub fn database(&self) -> PathBuf {
        self.state.join("state.db")
    }

    /// Returns the folder of what is kept of large uploads until they are done: addresses of sessions,
    /// which are secrets, and sealed copies.
    pub fn uploads(&self) -> PathBuf {
        self.state.join("uploads")
    }

    /// Returns the folder of large contents on their way into messages or out of them.
    pub fn contents(&self) -> PathBuf {
        self.state.join("contents")
    }

    /// Returns the folder of large messages on their way from the drive or to it.
    pub fn parcels(&self) -> PathBuf {
        self.state.join("parcels")
    }

    /// Returns the folder for messages that could not be taken in.
    pub fn quarantine(&self) -> PathBuf {
        self.state.join("quarantine")
    }
}
