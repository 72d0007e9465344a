//! Deletes everything: from the drive, from this machine, or both.
//!
//! Only what is ours by folder and exact name: the SyftBox folder that we own, never what merely
//! has a similar name elsewhere on the drive (W16). Where that folder holds something that no
//! client makes, it stays with that in it, and only our entries go: any folder of the user that is
//! called `SyftBox` became ours. An owner tells its peers first, so that their copies go too.
//!
//! What is to be deleted is noted beside the sign-in before anything goes (`deleted`), and what was
//! deleted on the drive stays noted: a sync that found half a SyftBox, or none where there was one,
//! would do what it does after an accident, and put everything back.

use std::fs::{DirEntry, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use futures::future::try_join_all;

use super::deleted::{self, Note};
use super::inventory::{self, Remote};
use super::{Client, Error, Result};
use crate::connections::{FileId, IN_A_BATCH};
use crate::model::{Code, Role};
use crate::syncers::{DatasiteOwnerSyncer, Freshness, Problem, Report, own_roots, refresh, told};

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

impl What {
    fn and(self, other: Self) -> Self {
        if self == other { self } else { Self::Both }
    }
}

/// What a deletion would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionPlan {
    /// The folder on the drive that would go; it stays if anything in it does.
    pub remote: Option<FileId>,
    /// The names of what lies directly in it and would go.
    pub remote_names: Vec<String>,
    /// What lies in it, is none of our making, and stays: paths within it.
    pub remote_kept: Vec<String>,
    /// How many files on the drive would go.
    pub remote_files: usize,
    /// How many bytes they have.
    pub remote_bytes: u64,
    /// Folders and files of this machine that would go.
    pub local: Vec<PathBuf>,
    /// How many files that is.
    pub local_files: usize,
    /// How many bytes they have.
    pub local_bytes: u64,
    /// What is on this machine and not on the drive, in words. Empty if nothing here would go.
    pub only_here: Vec<String>,
    /// What is on the drive and not on this machine, in words. Empty if nothing there would go.
    pub only_there: Vec<String>,
}

/// What is to be deleted on the drive.
#[derive(Debug, Default)]
struct Doomed {
    entries: Vec<FileId>,
    roots: Vec<FileId>,
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
        if what != What::Local {
            refresh(&self.account, Freshness::Listing, self.now()).await?;
        }
        Ok(self.look(what).await?.0)
    }

    /// Returns what a deletion would do, and what is to be deleted on the drive: asked now, whatever
    /// the catalogue knows.
    async fn look(&self, what: What) -> Result<(DeletionPlan, Doomed)> {
        let account = &self.account;
        let mut plan = DeletionPlan::default();
        let mut doomed = Doomed::default();
        if what != What::Local {
            // Usually one: two machines that began at once have made two (W29).
            let roots = own_roots(account).await?;
            let found = inventory::remote(account.router.own(), &roots).await?;
            let Remote { root, names, kept, entries, roots, files, bytes } = found;
            (plan.remote, plan.remote_names, plan.remote_kept) = (root, names, kept);
            (plan.remote_files, plan.remote_bytes) = (files, bytes);
            doomed = Doomed { entries, roots };
            plan.only_there = inventory::only_there(account, &plan.remote_names)?;
        }
        if what != What::Remote {
            plan.local = self.local_places();
            plan.local.retain(|path| path.symlink_metadata().is_ok());
            (plan.local_files, plan.local_bytes) = inventory::count_local(&plan.local);
            plan.only_here = inventory::only_here(account, self.now())?;
        }
        Ok((plan, doomed))
    }

    /// Deletes the SyftBox. The login stays; see [`Client::logout`].
    ///
    /// After [`What::Remote`] the files on this machine stay, and after that and [`What::Both`] a
    /// sync is [`Error::Deleted`] until [`Client::begin_anew`], or a login. After [`What::Local`] the
    /// next sync brings back what is on the drive. One that was cut short is to be done again: until
    /// then a sync is [`Error::DeletionBegun`].
    ///
    /// # Errors
    /// [`Error::Locked`]; if the service or the disk refuses. Doing it again goes on.
    pub async fn delete_syftbox(&self, what: What) -> Result<DeletionSummary> {
        let _lock = self.lock_anywhere().await?;
        let private = &self.account.folders.private;
        let before = deleted::read(private)?;
        let mut report = Report::default();
        let tells = what != What::Local && self.role() == Role::Owner;
        let farewell = async {
            if tells {
                self.say_farewell(&mut report).await;
            }
        };
        // What peers are told lies in folders of theirs, and is not among what goes.
        let ((), found) = futures::join!(farewell, self.look(what));
        let (plan, doomed) = found?;
        // Before that nothing has happened that a sync would not make good.
        deleted::write(private, Some(begin(before, what)))?;
        let farewell = async {
            if tells {
                self.delete_what_peers_were_told(&mut report).await;
            }
        };
        let ((), gone) = futures::join!(farewell, self.delete_remote(&doomed));
        gone?;
        let summary = DeletionSummary { deleted: plan, problems: report.problems };
        // What is known of the drive, or of files that are gone, is not true any more.
        self.account.store.forget_everything()?;
        for path in &summary.deleted.local {
            remove(path)?;
        }
        deleted::write(private, end(before, what))?;
        Ok(summary)
    }

    /// Lets an account go on whose SyftBox was deleted on the drive, or half deleted: with what is
    /// left on this machine and there. Nothing happens if it was not.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn begin_anew(&self) -> Result<()> {
        deleted::write(&self.account.folders.private, None)
    }

    /// Makes sure that nothing is to be, or was, deleted that the next step would put back.
    pub(super) fn expect_not_deleted(&self) -> Result<()> {
        match deleted::read(&self.account.folders.private)? {
            Some(Note::Begun(_)) => Err(Error::DeletionBegun),
            Some(Note::Done(_)) => Err(Error::Deleted),
            None => Ok(()),
        }
    }

    /// Deletes what lies in the roots, many at a time and side by side, and the roots last: as long as
    /// one is there, what was cut short is found again.
    async fn delete_remote(&self, Doomed { entries, roots }: &Doomed) -> Result<()> {
        let own = self.account.router.own();
        let beside_roots = match entries.chunks(IN_A_BATCH).last() {
            Some(some) if some.len() + roots.len() <= IN_A_BATCH => some.len(),
            _ => 0,
        };
        let (first, last) = entries.split_at(entries.len() - beside_roots);
        let batches = first.chunks(IN_A_BATCH).map(|some| own.delete(some));
        for outcome in try_join_all(batches).await?.into_iter().flatten() {
            outcome?;
        }
        let last = [last, roots].concat();
        if !last.is_empty() {
            own.delete(&last).await?.into_iter().try_for_each(|outcome| outcome)?;
        }
        Ok(())
    }

    /// Tells approved peers that all is deleted. What cannot be told must not keep an owner from
    /// deleting.
    async fn say_farewell(&self, report: &mut Report) {
        let now = self.now();
        let goodbye = async {
            refresh(&self.account, Freshness::Feed, now).await?;
            DatasiteOwnerSyncer::new(&self.account).say_farewell(now, report).await
        };
        if let Err(error) = goodbye.await {
            report.problem(Code::PeersNotTold, told(&error));
        }
    }

    /// Deletes the messages in which peers were told of what is gone now, with what files held.
    async fn delete_what_peers_were_told(&self, report: &mut Report) {
        let owner = DatasiteOwnerSyncer::new(&self.account);
        if let Err(error) = owner.delete_what_was_replaced(report).await {
            report.problem(Code::PeersNotTold, told(&error));
        }
    }

    /// Returns what this account has on this machine, its login aside.
    fn local_places(&self) -> Vec<PathBuf> {
        let folders = &self.account.folders;
        let beside = |suffix: &str| {
            let name = format!("SyftBox_{}-{suffix}", self.account.email);
            folders.syftbox.with_file_name(name)
        };
        let private = ["approvals", "runs", "results", "releases", "environments"];
        let private = private.map(|name| folders.private.join(name));
        let mut places = vec![beside("events"), beside("event-messages")];
        // One that was moved to another disk, and left a link behind, goes there.
        places.extend(folders.syftbox.canonicalize().ok().filter(|_| folders.syftbox.is_symlink()));
        places.insert(0, folders.syftbox.clone());
        places.extend(private);
        places
    }
}

fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() && !path.is_symlink() {
        std::fs::remove_dir_all(path).or_else(|error| match error.kind() {
            // As a job may leave folders behind, and some tools theirs.
            ErrorKind::PermissionDenied => {
                open_up(path);
                std::fs::remove_dir_all(path)
            }
            _ => Err(error),
        })
    } else {
        std::fs::remove_file(path)
    };
    match removed {
        Err(source) if source.kind() != ErrorKind::NotFound => {
            let (path, what) = (path.to_owned(), "deleted");
            Err(Error::Cache(crate::caches::Error::File { path, what, source }))
        }
        _ => Ok(()),
    }
}

/// Lets us list and change all folders below `path`, as far as they are ours.
fn open_up(path: &Path) {
    let mut pending = vec![path.to_owned()];
    while let Some(folder) = pending.pop() {
        // What cannot be opened is what the deletion then fails at, and says.
        let _ = std::fs::set_permissions(&folder, Permissions::from_mode(0o700));
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let is_folder = |entry: &DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        pending.extend(entries.filter(is_folder).map(|entry| entry.path()));
    }
}

/// What is noted before anything goes.
fn begin(before: Option<Note>, what: What) -> Note {
    match before {
        Some(Note::Begun(begun)) => Note::Begun(begun.and(what)),
        _ => Note::Begun(what),
    }
}

/// What is noted once `what` is gone. No call deletes more than it was asked for: of what was begun
/// and not asked for now, it stays noted that it was begun.
fn end(before: Option<Note>, what: What) -> Option<Note> {
    match (before, what) {
        (Some(Note::Begun(begun)), _) if begun.and(what) != what => Some(Note::Begun(begun)),
        (Some(Note::Done(done)), _) => Some(Note::Done(done.and(what))),
        (_, What::Local) => None,
        _ => Some(Note::Done(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_is_still_to_go_and_what_is_gone_on_purpose() {
        use Note::{Begun, Done};
        use What::{Both, Local, Remote};
        #[rustfmt::skip]
        let cases = [
            // before               asked   begun           in the end
            (None,                  Local,  Begun(Local),   None),
            (None,                  Remote, Begun(Remote),  Some(Done(Remote))),
            (None,                  Both,   Begun(Both),    Some(Done(Both))),
            (Some(Begun(Both)),     Both,   Begun(Both),    Some(Done(Both))),
            (Some(Begun(Both)),     Local,  Begun(Both),    Some(Begun(Both))),
            (Some(Begun(Local)),    Local,  Begun(Local),   None),
            (Some(Begun(Local)),    Remote, Begun(Both),    Some(Begun(Local))),
            (Some(Done(Remote)),    Local,  Begun(Local),   Some(Done(Both))),
            (Some(Done(Both)),      Remote, Begun(Remote),  Some(Done(Both))),
        ];
        for (before, what, begun, after) in cases {
            assert_eq!(begin(before, what), begun, "{before:?} {what:?}");
            assert_eq!(end(before, what), after, "{before:?} {what:?}");
        }
    }

    #[test]
    fn folders_that_a_job_has_closed_go_as_well() {
        let home = tempfile::tempdir().unwrap();
        let runs = home.path().join("runs");
        let closed = runs.join("1/closed");
        std::fs::create_dir_all(&closed).unwrap();
        std::fs::write(closed.join("file"), "left").unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let become_user = |uid| {
            use rustix::process::Uid;
            let (root, uid) = (Uid::ROOT, Uid::from_raw(uid));
            rustix::thread::set_thread_res_uid(root, uid, root).unwrap();
        };
        if is_root {
            // Whom no mode of a folder holds back: this thread is nobody for a while.
            for path in closed.ancestors().take(4).chain([&*closed.join("file")]) {
                std::os::unix::fs::chown(path, Some(65_534), None).unwrap();
            }
            become_user(65_534);
        }
        for path in [&closed, &runs.join("1")] {
            std::fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
        }
        let removed = remove(&runs);
        if is_root {
            become_user(0);
        }
        removed.unwrap();
        assert!(!runs.exists());
    }
}
