//! One account on one machine: all that a sync works with.

use crate::caches::{Contents, DatasiteTree, Folders, Store};
use crate::connections::ConnectionRouter;
use crate::datasets::{self, Carrier};
use crate::model::{Email, Role};
use crate::wire::Dialect;

use super::Result;

/// One account on one machine.
#[derive(Debug)]
pub struct Account {
    /// Who.
    pub email: Email,
    /// On which side.
    pub role: Role,
    /// Where its things lie.
    pub folders: Folders,
    /// What it knows.
    pub store: Store,
    /// How it reaches others.
    pub router: ConnectionRouter,
    /// Its home dialect: names its own folders, and is advertised where nothing is known of who
    /// reads. How it speaks with a peer is decided for each, see [`crate::peers::speech`].
    pub dialect: Dialect,
    /// The dialects that it speaks, in an order on which all clients of ours agree.
    pub spoken: Vec<Dialect>,
}

impl Account {
    /// Opens the tree of `datasite`.
    ///
    /// # Errors
    /// If the folder cannot be made or opened.
    pub fn tree(&self, datasite: &Email) -> Result<DatasiteTree> {
        Ok(DatasiteTree::open(&self.folders.datasite(datasite))?)
    }

    /// Returns where large contents lie on their way.
    pub(super) fn contents(&self) -> Contents {
        Contents::at(self.folders.contents()).from(self.store.large_bytes_min())
    }

    /// Returns how large files are sent.
    pub(super) fn uploads(&self) -> Carrier {
        let traffic = self.router.traffic().clone();
        Carrier { kept: Some(self.folders.uploads()), traffic }
    }

    /// Returns how large files are fetched.
    pub(super) fn downloads(&self) -> Carrier {
        let traffic = self.router.traffic().clone();
        Carrier { kept: Some(datasets::downloads_folder(&self.folders.syftbox)), traffic }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::connections::MemoryDrive;

    /// An account on `drive`, and the folder that it lives in.
    pub(in crate::syncers) fn account(
        drive: &MemoryDrive,
        email: &str,
        role: Role,
    ) -> (Account, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        let email = Email::parse(email).unwrap();
        let account = Account {
            role,
            folders: Folders::new(home.path(), &home.path().join("conf"), &email, role),
            store: Store::in_memory().unwrap(),
            router: ConnectionRouter::new(Arc::new(drive.session(&email))),
            dialect: Dialect::v0_1(),
            spoken: Dialect::all().to_vec(),
            email,
        };
        (account, home)
    }
}
