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
    /// How it speaks to peers that have said nothing of themselves, and names its own folders.
    pub dialect: Dialect,
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
