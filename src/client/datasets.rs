//! Datasets: creating, showing, sharing and deleting them.
//!
//! What is to be on the drive is noted before anything is sent, so that a crash at any point is
//! made good by the next sync.

use std::path::PathBuf;

use uuid::Uuid;

use super::{Client, Error, Result};
use crate::datasets::{
    self, Audience, Dataset, DatasetName, Half, Listed, NewDataset, SyftUrl, Update,
};
use crate::model::{Code, DatasitePath, Email, Role};
use crate::syncers::{Freshness, LeftOver, Report, collections, refresh, sealing, told};

/// What came of an update.
#[derive(Clone, Debug)]
pub struct Updated {
    /// The dataset as it is now.
    pub dataset: Dataset,
    /// Files that are gone from it, and readers whose program does not remove them.
    pub left_over: LeftOver,
}

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
        self.finish_datasets(&new.name).await?;
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

    /// Gives a dataset of ours new content under its name, and publishes it: every reader has the old
    /// content or the new, whole. With nothing but a name it takes up what was edited in the SyftBox.
    /// A private half is sent to the own drive if it was before, or with `upload_private`.
    ///
    /// # Errors
    /// As [`Client::create_dataset`]; [`Error::Dataset`] if there is none. Once it is in its place on
    /// this machine, what fails is [`Error::NotSent`], and the next sync goes on.
    pub async fn update_dataset(&self, update: &Update, upload_private: bool) -> Result<Updated> {
        self.needs(Role::Owner)?;
        let _lock = self.lock().await?;
        let (account, name, now) = (&self.account, &update.name, self.now());
        let (me, syftbox) = (&account.email, &account.folders.syftbox);
        self.finish_datasets(name).await?;
        let before = collections::published(account, name)?;
        let sends = |half: Half| before.iter().any(|old| old.name.half == half);
        let mut halves = vec![Half::Public];
        if upload_private || sends(Half::Private) {
            sealing::may_send(account)?;
            halves.push(Half::Private);
        }
        let audience = collections::audience(account, name)?;
        let staged = datasets::stage(syftbox, me, update, now)?;
        collections::note_update(account, name, staged, halves, audience)?;
        collections::finish_updates(account)?;
        self.publish(name).await?;
        let dataset = datasets::show(syftbox, me, me, name)?;
        let after = collections::published(account, name)?;
        Ok(Updated { dataset, left_over: collections::left_over(account, &before, &after)? })
    }

    /// Finishes what was cut short of updates, and of a deletion of `name`.
    async fn finish_datasets(&self, name: &DatasetName) -> Result<()> {
        collections::finish_updates(&self.account)?;
        if collections::is_deletion_noted(&self.account, name)? {
            refresh(&self.account, Freshness::Feed, self.now()).await?;
            collections::finish_deletions(&self.account).await?;
        }
        Ok(())
    }

    /// Returns whom the mock files of a dataset of ours are for.
    ///
    /// # Errors
    /// If the database fails, or `name` is none.
    pub fn dataset_audience(&self, name: &str) -> Result<Audience> {
        let name = DatasetName::parse(name).map_err(datasets::Error::from)?;
        Ok(collections::audience(&self.account, &name)?)
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
        let owner = self.owner_of(&wanted, owner)?;
        let (me, syftbox) = (&self.account.email, &self.account.folders.syftbox);
        Ok(datasets::show(syftbox, me, &owner, &wanted)?)
    }

    /// Returns whose dataset of a name is meant: the own one, else the only one.
    fn owner_of(&self, wanted: &DatasetName, owner: Option<&Email>) -> Result<Email> {
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
        owners.pop().ok_or_else(unknown)
    }

    /// Returns where a dataset is on this machine, or `file` in it: the private half of an own one and
    /// the mock half of any other, unless `half` says which. `owner` as in [`Client::dataset`].
    ///
    /// # Errors
    /// As [`Client::dataset`]; [`Error::Dataset`] if that half, or the file, is not here.
    pub fn dataset_path(
        &self,
        name: &str,
        owner: Option<&Email>,
        half: Option<Half>,
        file: Option<&DatasitePath>,
    ) -> Result<PathBuf> {
        let wanted = DatasetName::parse(name).map_err(datasets::Error::from)?;
        let (me, syftbox) = (&self.account.email, &self.account.folders.syftbox);
        let owner = self.owner_of(&wanted, owner)?;
        let usual = if owner == *me { Half::Private } else { Half::Public };
        Ok(datasets::locate(syftbox, &owner, &wanted, half.unwrap_or(usual), file)?)
    }

    /// Returns what a `syft://` address means on this machine.
    ///
    /// # Errors
    /// [`Error::Dataset`] if it leads out of the SyftBox, or nothing is there.
    pub fn resolve(&self, url: &SyftUrl) -> Result<PathBuf> {
        Ok(datasets::resolve(&self.account.folders.syftbox, url)?)
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
        collections::finish_updates(account)?;
        // From here on it is deleted: whatever is cut short is gone on with by the next sync.
        collections::note_deletion(account, &name)?;
        let done = async {
            refresh(account, Freshness::Feed, self.now()).await?;
            Ok::<_, Error>(collections::finish_deletions(account).await?)
        };
        match done.await {
            Ok(deleted) if deleted.contains(&name) => Ok(()),
            Ok(_) => Err(datasets::Error::NotFound { owner: self.email().clone(), name }.into()),
            Err(error) => {
                let reason = told(&error);
                let (what, code) = (format!("the deletion of {name}"), Code::NotSent);
                Err(Error::NotSent { what, reason, code })
            }
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
        collections::finish_updates(&self.account)?;
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
            Some(problem) => Err(Error::not_sent(name.to_string(), problem)),
        }
    }
}

/// Returns those of `all` that are not in `less`.
fn without(all: &[Email], less: &[Email]) -> Vec<Email> {
    let is_kept = |who: &&Email| !less.iter().any(|other| other.is_same_account(who.as_str()));
    all.iter().filter(is_kept).cloned().collect()
}
