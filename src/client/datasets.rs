//! Datasets: creating, showing, sharing and deleting them.
//!
//! What is to be on the drive is noted before anything is sent, so that a crash at any point is
//! made good by the next sync.

use uuid::Uuid;

use super::{Client, Error, Result};
use crate::datasets::{self, Audience, Dataset, DatasetName, Half, Listed, NewDataset};
use crate::model::{Email, Role};
use crate::syncers::{Freshness, Report, collections, refresh, sealing};

impl Client {
    /// Creates a dataset on this machine and publishes its mock files; with `upload_private` the
    /// private files go to the own drive as well, for this account alone.
    ///
    /// # Errors
    /// [`Error::WrongRole`]; [`Error::Locked`]; [`Error::Dataset`] if it cannot be one: nothing is
    /// left then, nor if the private files cannot be sealed since the account's keys are not on this
    /// machine. [`Error::NotSent`] if it exists on this machine and the next sync publishes it.
    pub async fn create_dataset(&self, new: &NewDataset, upload_private: bool) -> Result<Dataset> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let (account, syftbox) = (&self.account, &self.account.folders.syftbox);
        if upload_private {
            sealing::may_send(account)?;
        }
        let halves = [Some(Half::Public), upload_private.then_some(Half::Private)];
        let halves: Vec<Half> = halves.into_iter().flatten().collect();
        let is_new = datasets::show(syftbox, &account.email, &account.email, &new.name).is_err();
        if is_new {
            // After a crash between the two, the next sync publishes what was created.
            collections::intend(account, &new.name, &halves, &new.audience)?;
        }
        let created = datasets::create(syftbox, &account.email, new, Uuid::new_v4(), self.now());
        if let Err(error) = created {
            if is_new {
                collections::forget_intents(account, &new.name)?;
            }
            return Err(error.into());
        }
        self.publish(&new.name).await?;
        Ok(datasets::show(syftbox, &account.email, &account.email, &new.name)?)
    }

    /// Returns all datasets on this machine, own and those of peers, by owner and name.
    ///
    /// # Errors
    /// If the SyftBox cannot be read.
    pub fn datasets(&self) -> Result<Vec<Listed>> {
        Ok(datasets::list(&self.account.folders.syftbox, &self.account.email)?)
    }

    /// Shows one dataset. Without `owner`: the own one, else the only one of that name.
    ///
    /// # Errors
    /// [`Error::UnknownDataset`], [`Error::Ambiguous`]; [`Error::Dataset`] if it cannot be read.
    pub fn dataset(&self, name: &str, owner: Option<&Email>) -> Result<Dataset> {
        let wanted = DatasetName::parse(name).map_err(datasets::Error::from)?;
        let mut owners: Vec<Email> = self
            .datasets()?
            .into_iter()
            .filter(|listed| listed.name == wanted.as_str())
            .map(|listed| listed.owner)
            .filter(|found| owner.is_none_or(|owner| owner.is_same_account(found.as_str())))
            .collect();
        if owners.contains(&self.account.email) {
            owners = vec![self.account.email.clone()];
        }
        if owners.len() > 1 {
            return Err(Error::Ambiguous { name: wanted.to_string(), owners });
        }
        let unknown = || Error::UnknownDataset { name: wanted.to_string() };
        let owner = owners.pop().ok_or_else(unknown)?;
        let (me, syftbox) = (&self.account.email, &self.account.folders.syftbox);
        Ok(datasets::show(syftbox, me, &owner, &wanted)?)
    }

    /// Shows a dataset of ours to more people: those listed, or every peer.
    ///
    /// # Errors
    /// As [`Client::create_dataset`], and [`Error::Dataset`] if there is none.
    pub async fn share_dataset(&self, name: &str, users: &Audience) -> Result<Dataset> {
        self.change_audience(name, |audience, _| match (audience, users) {
            (audience, Audience::Nobody) => audience,
            (Audience::Any, _) | (_, Audience::Any) => Audience::Any,
            (Audience::Nobody, listed) => listed.clone(),
            (Audience::Listed(mut readers), Audience::Listed(more)) => {
                readers.extend(without(more, &readers));
                Audience::Listed(readers)
            }
        })
        .await
    }

    /// Shows a dataset of ours to fewer people: not to those listed, or with [`Audience::Any`] to
    /// nobody. What was for every peer is then for the others that are peers now.
    ///
    /// # Errors
    /// As [`Client::share_dataset`].
    pub async fn unshare_dataset(&self, name: &str, users: &Audience) -> Result<Dataset> {
        self.change_audience(name, |audience, approved| {
            let readers = match (audience, users) {
                (audience, Audience::Nobody) => return audience,
                (_, Audience::Any) | (Audience::Nobody, _) => Vec::new(),
                (Audience::Any, Audience::Listed(fewer)) => without(approved, fewer),
                (Audience::Listed(readers), Audience::Listed(fewer)) => without(&readers, fewer),
            };
            if readers.is_empty() { Audience::Nobody } else { Audience::Listed(readers) }
        })
        .await
    }

    /// Deletes a dataset of ours: its collections on the drive, then both halves on this machine.
    ///
    /// # Errors
    /// As [`Client::share_dataset`].
    pub async fn delete_dataset(&self, name: &str) -> Result<()> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let name = DatasetName::parse(name).map_err(datasets::Error::from)?;
        let account = &self.account;
        refresh(account, Freshness::Feed, self.now()).await?;
        let found = collections::delete(account, &name).await?;
        match datasets::delete(&account.folders.syftbox, &account.email, &name) {
            Err(datasets::Error::NotFound { .. }) if found => Ok(()),
            outcome => Ok(outcome?),
        }
    }

    async fn change_audience(
        &self,
        name: &str,
        change: impl FnOnce(Audience, &[Email]) -> Audience + Send,
    ) -> Result<Dataset> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let name = DatasetName::parse(name).map_err(datasets::Error::from)?;
        let (account, me) = (&self.account, &self.account.email);
        let syftbox = &account.folders.syftbox;
        let dataset = datasets::show(syftbox, me, me, &name)?;
        let approved = collections::approved(account)?;
        let audience = change(collections::audience(account, &name)?, &approved);
        datasets::set_audience(syftbox, me, &name, &audience)?;
        collections::set_audience(account, &name, &audience)?;
        self.publish(&name).await?;
        Ok(dataset)
    }

    /// Publishes what is noted for a dataset.
    async fn publish(&self, name: &DatasetName) -> Result<()> {
        let mut report = Report::default();
        let account = &self.account;
        collections::publish_one(account, name, self.now(), &mut report).await?;
        match report.problems.into_iter().next() {
            None => Ok(()),
            Some(problem) => {
                Err(Error::NotSent { what: name.to_string(), reason: problem.message })
            }
        }
    }
}

/// Returns those of `all` that are not in `less`.
fn without(all: &[Email], less: &[Email]) -> Vec<Email> {
    let is_kept = |who: &&Email| !less.iter().any(|other| other.is_same_account(who.as_str()));
    all.iter().filter(is_kept).cloned().collect()
}
