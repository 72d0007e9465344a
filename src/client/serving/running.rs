//! Runs what is approved, beside the syncs, where the owner said so.
//!
//! The settings are read before each round. Nothing is shared by running; what a job leaves waits
//! for its owner.

use super::super::{Client, Configuration, Ran, Result, RunChoices, Tell};
use crate::jobs::Stop;
use crate::model::{Email, Role};

/// Runs the approved jobs of one owner.
#[derive(Debug)]
pub struct Runner {
    configuration: Configuration,
    client: Client,
}

impl Runner {
    /// Opens the account; `None` for a scientist, who runs nothing.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub async fn open(configuration: &Configuration, account: &Email) -> Result<Option<Self>> {
        let client = Client::open(configuration, Some(account)).await?;
        let is_owner = client.role() == Role::Owner;
        Ok(is_owner.then(|| Self { configuration: configuration.clone(), client }))
    }

    /// Runs what is approved now, if the owner wants that; nothing otherwise.
    ///
    /// # Errors
    /// [`Error::Settings`](crate::client::Error::Settings) if the settings cannot be used; as
    /// [`Client::run_jobs`].
    pub async fn round(&self, stop: &Stop, tell: Tell<'_>) -> Result<Vec<Ran>> {
        match self.choices()? {
            Some(choices) => self.client.run_jobs_until(&[], &choices, stop, tell).await,
            None => Ok(Vec::new()),
        }
    }

    /// Returns how jobs are run; `None` if the owner runs them by hand.
    ///
    /// # Errors
    /// [`Error::Settings`](crate::client::Error::Settings) if the settings cannot be used.
    pub fn choices(&self) -> Result<Option<RunChoices>> {
        let settings = self.configuration.settings()?.jobs;
        Ok((settings.serve == Some(true)).then(|| RunChoices::of(&settings)))
    }
}
