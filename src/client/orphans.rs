//! What of ours lies on the drive and nothing needs any more.

use std::collections::BTreeSet;

use super::{Client, Result};
use crate::connections::FileId;
use crate::syncers::orphans::{self, Deleted, Orphans};

impl Client {
    /// Returns what of ours lies on the drive and nothing needs any more. Deletes nothing.
    ///
    /// # Errors
    /// [`super::Error::Locked`]; if the service cannot be asked.
    pub async fn orphans(&self) -> Result<Orphans> {
        let _lock = self.lock().await?;
        Ok(orphans::find(&self.account, self.now()).await?)
    }

    /// Deletes of `shown`, which [`Client::orphans`] returned, what nothing needs still.
    ///
    /// # Errors
    /// [`super::Error::Locked`]; if the service cannot be asked. What it refuses is in the answer.
    pub async fn delete_orphans(&self, shown: &BTreeSet<FileId>) -> Result<Deleted> {
        let _lock = self.lock().await?;
        Ok(orphans::delete(&self.account, shown, self.now()).await?)
    }
}
