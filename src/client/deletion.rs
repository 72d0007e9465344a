//! Deletes everything: from the drive, from this machine, or both.
//!
//! Only what is ours by folder and exact name: the SyftBox folder that we own, never what merely
//! has a similar name elsewhere on the drive (W16). Where that folder holds something that no
//! client makes, it stays with that in it, and only our entries go: any folder of the user that is
//! called `SyftBox` became ours. An owner tells its peers first, so that their copies go too.

use std::path::PathBuf;

use super::{Client, Error, Result};
use crate::caches::catalogue;
use crate::connections::{Entry, FileId, Kind};
use crate::model::{Code, Role};
use crate::syncers::{DatasiteOwnerSyncer, Directory, Freshness, Problem, Report, refresh, told};
use crate::wire::names::{FolderName, PEERS_FILE, VERSION_FILE};

/// What to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// What is on this machine.
    Local,
    /// What is on the drive.
    Remote,
    /// Both.
    Both,
}

/// What a deletion would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionPlan {
    /// The folder on the drive that would go; it stays if anything in it does.
    pub remote: Option<FileId>,
    /// The names of what lies directly in it and would go.
    pub remote_names: Vec<String>,
    /// The names of what lies directly in it, is none of our making, and stays.
    pub remote_kept: Vec<String>,
    /// Folders and files of this machine that would go.
    pub local: Vec<PathBuf>,
}

/// What a deletion did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionSummary {
    /// What went.
    pub deleted: DeletionPlan,
    /// What could not be done.
    pub problems: Vec<Problem>,
}

impl Client {
    /// Says what [`Client::delete_syftbox`] would delete. Changes nothing.
    ///
    /// # Errors
    /// If the service cannot be asked.
    pub async fn plan_deletion(&self, what: What) -> Result<DeletionPlan> {
        Ok(self.look(what).await?.0)
    }

    /// Returns what a deletion would do, and the entries on the drive that are to be deleted.
    async fn look(&self, what: What) -> Result<(DeletionPlan, Vec<FileId>)> {
        let (mut plan, mut entries) = (DeletionPlan::default(), Vec::new());
        let roots = if what == What::Local { Vec::new() } else { self.own_roots().await? };
        for root in roots {
            let inside = self.account.store.read(|db| catalogue::children(db, &root))?;
            let (ours, others): (Vec<Entry>, Vec<Entry>) = inside.into_iter().partition(is_ours);
            // What lies in the folder goes first, so that those who see only a part hear of it.
            entries.extend(ours.iter().map(|entry| entry.id.clone()));
            // Another folder of that name, in which nothing is ours, is somebody's own.
            let is_ours = plan.remote.is_none() || !ours.is_empty();
            if others.is_empty() && is_ours {
                entries.push(root.clone());
            }
            plan.remote_names.extend(ours.into_iter().map(|entry| entry.name));
            plan.remote_kept.extend(others.into_iter().map(|entry| entry.name));
            plan.remote.get_or_insert(root);
        }
        if what != What::Remote {
            plan.local = self.local_places();
            plan.local.retain(|path| path.symlink_metadata().is_ok());
        }
        Ok((plan, entries))
    }

    /// Deletes the SyftBox. The login stays; see [`Client::logout`].
    ///
    /// After [`What::Remote`] the files on this machine stay, and a sync would publish them anew.
    ///
    /// # Errors
    /// [`Error::Locked`]; if the service or the disk refuses.
    pub async fn delete_syftbox(&self, what: What) -> Result<DeletionSummary> {
        let _lock = self.lock_anywhere().await?;
        let mut summary = DeletionSummary::default();
        if what != What::Local && self.role() == Role::Owner {
            summary.problems = self.say_farewell().await;
        }
        let (plan, entries) = self.look(what).await?;
        summary.deleted = plan;
        if !entries.is_empty() {
            let outcomes = self.account.router.own().delete(&entries).await?;
            outcomes.into_iter().try_for_each(|outcome| outcome)?;
        }
        // What is known of the drive, or of files that are gone, is not true any more.
        self.account.store.forget_everything()?;
        for path in &summary.deleted.local {
            let removed = if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            match removed {
                Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                    let (path, what) = (path.clone(), "deleted");
                    return Err(Error::Cache(crate::caches::Error::File { path, what, source }));
                }
                _ => {}
            }
        }
        Ok(summary)
    }

    /// Tells approved peers that all is deleted. What cannot be told must not keep an owner from
    /// deleting.
    async fn say_farewell(&self) -> Vec<Problem> {
        let mut report = Report::default();
        let now = self.now();
        let goodbye = async {
            refresh(&self.account, Freshness::Feed, now).await?;
            DatasiteOwnerSyncer::new(&self.account).say_farewell(now, &mut report).await
        };
        if let Err(error) = goodbye.await {
            report.problem(Code::PeersNotTold, told(&error));
        }
        report.problems
    }

    /// Returns the SyftBox folders that we own, after a full listing. Usually one: two machines that
    /// began at once have made two (W29).
    async fn own_roots(&self) -> Result<Vec<FileId>> {
        let account = &self.account;
        refresh(account, Freshness::Listing, self.now()).await?;
        Ok(Directory::read(&account.store, &account.email, &account.dialect)?.roots().to_vec())
    }

    /// Returns what this account has on this machine, its login aside.
    fn local_places(&self) -> Vec<PathBuf> {
        let folders = &self.account.folders;
        let beside = |suffix: &str| {
            let name = format!("SyftBox_{}-{suffix}", self.account.email);
            folders.syftbox.with_file_name(name)
        };
        let private = ["approvals", "runs", "environments"].map(|name| folders.private.join(name));
        let mut places = vec![folders.syftbox.clone(), beside("events"), beside("event-messages")];
        places.extend(private);
        places
    }
}

/// True for what clients make in a SyftBox folder.
fn is_ours(entry: &Entry) -> bool {
    let is_named = match entry.kind {
        Kind::Folder => FolderName::parse(&entry.name).is_some(),
        Kind::File => [PEERS_FILE, VERSION_FILE].contains(&entry.name.as_str()),
    };
    entry.is_mine && is_named
}
