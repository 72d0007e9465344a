//! One account on one machine: all that a sync works with.

use crate::caches::{DatasiteTree, Folders, Store};
use crate::connections::ConnectionRouter;
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
}
