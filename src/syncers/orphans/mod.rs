//! Finds what of ours lies on the drive and nothing needs any more, and deletes what a person chose.
//!
//! Looks at a full listing, at all files of ours that are named as clients name theirs, wherever
//! they lie, and asks about what a listing does not tell: whether a folder is gone, who may see a
//! copy. What that means is decided in [`plan`]. A deletion looks again, and deletes of what it was
//! told only what is left over still; so it may be cut off anywhere, and done again.
//!
//! How old something is, is said by one clock, that of the service: the clock of this machine may be
//! a year ahead, and then everything would be old.

mod beside;
pub mod plan;

use std::collections::{BTreeMap, BTreeSet};

use crate::caches::{catalogue, delivered, packs, references};
use crate::connections::{self, Entry, FileId, Kind, NewEntry, Ownership, Query};
use crate::model::{Code, Email, Timestamp};
use crate::wire::names::{Direction, FileName, FolderName, P2pFolder, PackName, VERSION_FILE};

use super::sending::{begin_again, told};
use super::{
    Account, Directory, Freshness, Problem, Report, Result, collections, mending, peering, placing,
    refresh, sealing,
};

pub use plan::Why;
use plan::{About, Candidate, Place};

/// Something of ours that nothing needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// What it is on the drive.
    pub id: FileId,
    /// Its name there.
    pub name: String,
    /// True for a folder, which goes with what is ours in it.
    pub is_folder: bool,
    /// How large it is; 0 for a folder.
    pub size_bytes: u64,
    /// When it was made, by the clock of the service.
    pub made: Timestamp,
    /// Why nothing needs it.
    pub why: Why,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphans {
    /// The oldest first.
    pub found: Vec<Orphan>,
    /// What time it was then, by the clock of the service.
    pub now: Timestamp,
    /// False if there was more to ask than is asked at once: look again after a deletion.
    pub is_whole: bool,
}

/// What was deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    /// What is gone.
    pub gone: Vec<Orphan>,
    /// What the service refused.
    pub problems: Vec<Problem>,
}

/// How the names of files begin that may lie anywhere.
const BEGINNINGS: [&str; 9] = [
    "msgv2_",
    "syfteventsmessagev3_",
    "checkpoint_",
    "incremental_checkpoint_",
    "rolling_state_",
    "log_pruned_",
    "chunkedproposals-",
    "chunkedevents-",
    "chunks-",
];

/// How many questions are asked about single folders and files in one look.
const QUESTIONS_MAX: usize = 100;

/// Returns what nothing needs. Changes nothing on the drive, but that it asks the service for the time.
///
/// # Errors
/// If the service cannot be asked or the database fails.
pub async fn find(account: &Account, now: Timestamp) -> Result<Orphans> {
    refresh(account, Freshness::Listing, now).await?;
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let named = account.store.read(references::named)?;
    let now = service_now(account, &directory).await?;
    let mut look = Look { account, directory, named, now, questions: 0, orphans: Vec::new() };
    look.files().await?;
    look.bundles().await?;
    look.reserved_files().await?;
    look.collections().await?;
    look.mailboxes()?;
    look.orphans.sort_by(|a, b| (a.made, &a.id).cmp(&(b.made, &b.id)));
    let now = Timestamp::from_micros(now);
    Ok(Orphans { is_whole: look.questions < QUESTIONS_MAX, found: look.orphans, now })
}

/// The name of a folder that is there for a moment only.
pub(crate) const CLOCK: &str = "syft-clock";

/// Returns what time it is at the service: when it makes something. Where it makes nothing, since the
/// drive is full, say, it is at least as late as it was when the newest of ours was made.
async fn service_now(account: &Account, directory: &Directory) -> Result<i64> {
    let own = account.router.own();
    let new = NewEntry {
        id: None,
        parent: directory.syftbox.clone().unwrap_or_else(|| own.root()),
        name: CLOCK.to_owned(),
        media_type: "application/vnd.google-apps.folder",
        tags: BTreeMap::new(),
    };
    // One that a crash has left goes with it.
    let left = account.store.read(|db| catalogue::named(db, CLOCK))?;
    let left = left.into_iter().filter(|it| it.is_mine && it.kind == Kind::Folder);
    let mut clocks: Vec<FileId> = left.map(|entry| entry.id).collect();
    let made = match own.create_folder(&new).await {
        Ok(made) => {
            clocks.push(made.id);
            Some(made.created_micros)
        }
        Err(connections::Error::Full { .. } | connections::Error::Denied { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    if !clocks.is_empty() {
        own.delete(&clocks).await?.into_iter().collect::<connections::Result<()>>()?;
    }
    match made {
        Some(made) => Ok(made),
        None => Ok(account.store.read(catalogue::newest_of_ours)?.unwrap_or(0)),
    }
}

/// Deletes of `shown` what nothing needs still.
///
/// # Errors
/// If the service cannot be asked or the database fails: doing it again goes on.
pub async fn delete(
    account: &Account,
    shown: &BTreeSet<FileId>,
    now: Timestamp,
) -> Result<Deleted> {
    let mut deleted = Deleted::default();
    let mut chosen = find(account, now).await?.found;
    chosen.retain(|orphan| shown.contains(&orphan.id));
    let ids: Vec<FileId> = chosen.iter().map(|orphan| orphan.id.clone()).collect();
    if ids.is_empty() {
        return Ok(deleted);
    }
    tell_again(account, &ids)?;
    let outcomes = account.router.own().delete(&ids).await?;
    let mut report = Report::default();
    for (orphan, outcome) in chosen.into_iter().zip(outcomes) {
        match outcome {
            Ok(()) | Err(connections::Error::NotFound { .. }) => {
                account.store.write(|db| {
                    packs::gone(db, &orphan.id)?;
                    catalogue::remove(db, &orphan.id)
                })?;
                deleted.gone.push(orphan);
            }
            Err(error) => {
                let text = format!("`{}` was not deleted: {}", orphan.name, told(&error));
                report.problem(Code::OrphanNotDeleted, text);
            }
        }
    }
    deleted.problems = report.problems;
    Ok(deleted)
}

/// Notes that those to whom these messages were sent are to be told again of all that they were
/// sent: if the folder was only hidden from us, and shows itself again, they may not have read them.
fn tell_again(account: &Account, messages: &[FileId]) -> Result<()> {
    Ok(account.store.write(|db| {
        for message in messages {
            // Once for each peer: that forgets all that was delivered to it.
            if let Some(peer) = delivered::addressee(db, message)? {
                begin_again(db, &peer)?;
            }
        }
        Ok(())
    })?)
}

/// One look at the drive.
struct Look<'a> {
    account: &'a Account,
    directory: Directory,
    named: BTreeSet<FileId>,
    now: i64,
    questions: usize,
    orphans: Vec<Orphan>,
}

impl Look<'_> {
    fn age(&self, entry: &Entry) -> i64 {
        self.now.saturating_sub(entry.created_micros)
    }

    /// True if more may be asked.
    const fn may_ask(&mut self) -> bool {
        self.questions += 1;
        self.questions < QUESTIONS_MAX
    }

    /// Judges one thing. `is_free`: what merely mentions it does not need it.
    fn judge(&mut self, entry: Entry, place: Place, about: About, is_free: bool) -> Result<()> {
        let store = &self.account.store;
        let is_named_here = self.named.contains(&entry.id)
            || (!is_free && store.read(|db| references::is_mentioned(db, &entry.id))?);
        let candidate = Candidate {
            name: &entry.name,
            is_folder: entry.kind == Kind::Folder,
            is_mine: entry.is_mine,
            is_named_here,
            age_micros: self.age(&entry),
            place,
            about,
        };
        if let Some(why) = plan::why(&self.account.email, &candidate) {
            self.orphans.push(Orphan {
                is_folder: candidate.is_folder,
                made: Timestamp::from_micros(entry.created_micros),
                size_bytes: entry.size_bytes,
                id: entry.id,
                name: entry.name,
                why,
            });
        }
        Ok(())
    }

    /// Files that lie in no folder any more.
    async fn files(&mut self) -> Result<()> {
        let query = BEGINNINGS.iter().fold(Query::default(), |query, name| query.named_like(name));
        let query = query.of_kind(Kind::File).owned(Ownership::Mine);
        let found = self.account.router.own().find(&query).await?;
        let (mut gone, mut beside) = (BTreeMap::new(), BTreeMap::<FileId, Vec<Entry>>::new());
        for entry in found {
            let place = self.place_of(&entry, &mut gone).await?;
            match entry.parents.first() {
                Some(folder) if place == Place::Elsewhere && self.is_unknown_pack(&entry)? => {
                    beside.entry(folder.clone()).or_default().push(entry);
                }
                _ => self.judge(entry, place, About::Nothing, false)?,
            }
        }
        for (folder, packs) in beside {
            self.packs(&folder, packs).await?;
        }
        Ok(())
    }

    /// True nowhere is only what the service says: no folder, or one that it answers is gone.
    async fn place_of(
        &mut self,
        entry: &Entry,
        gone: &mut BTreeMap<FileId, bool>,
    ) -> Result<Place> {
        let Some(parent) = entry.parents.first() else { return Ok(Place::Nowhere) };
        if self.account.store.read(|db| catalogue::get(db, parent))?.is_some() {
            return Ok(Place::Elsewhere);
        }
        if !gone.contains_key(parent) {
            let is_gone = self.may_ask() && placing::is_gone(self.account, parent).await?;
            gone.insert(parent.clone(), is_gone);
        }
        let is_gone = gone.get(parent).copied().unwrap_or(false);
        Ok(if is_gone { Place::Nowhere } else { Place::Elsewhere })
    }

    /// Older copies of what we publish for one peer: all readers take the newest.
    async fn bundles(&mut self) -> Result<()> {
        let mut names: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        for entry in sealing::own_bundles(self.account)? {
            names.entry(entry.name.to_ascii_lowercase()).or_default().push(entry);
        }
        for mut copies in names.into_values() {
            let Some(newest) = copies.pop() else { continue };
            for entry in copies {
                let about = self.double(&entry, &newest, true).await?;
                self.judge(entry, Place::Bundles, about, false)?;
            }
        }
        Ok(())
    }

    /// Second copies of the list of peers and of the version file.
    async fn reserved_files(&mut self) -> Result<()> {
        if let Some(kept) = self.directory.peers_file.clone() {
            for stray in self.directory.stray_peers_files.clone() {
                let is_taken_over = mending::is_gathered(self.account, &stray)?;
                let about = self.double(&stray, &kept, is_taken_over).await?;
                self.judge(stray, Place::Root, about, true)?;
            }
        }
        let Some(kept) = self.directory.version_file.clone() else { return Ok(()) };
        let copies = self.account.store.read(|db| catalogue::named(db, VERSION_FILE))?;
        for copy in copies {
            let is_in_root = self.directory.is_in_a_root(&copy);
            if copy.is_mine && is_in_root && !self.directory.is_own_version(&copy.id) {
                let about = self.double(&copy, &kept, true).await?;
                self.judge(copy, Place::Root, about, false)?;
            }
        }
        Ok(())
    }

    /// Collections of which there is a newer one of the same half: all readers take that.
    async fn collections(&mut self) -> Result<()> {
        let own = self.directory.own_collections.iter().map(|(_, entry)| entry.clone());
        for (older, newest) in collections::replaced(&own.collect::<Vec<_>>()) {
            let about = self.double(&older, &newest, true).await?;
            if about != About::Nothing {
                // A folder in it is somebody's own.
                let inside = Query::in_folder(&older.id).of_kind(Kind::Folder);
                if !self.account.router.own().find(&inside).await?.is_empty() {
                    continue;
                }
            }
            self.judge(older, Place::Root, about, false)?;
        }
        Ok(())
    }

    /// What there is to know of something of which there is another one that counts.
    async fn double(&mut self, copy: &Entry, kept: &Entry, is_taken_over: bool) -> Result<About> {
        // Not worth a question where the answer changes nothing.
        let is_old = |age: i64| age >= plan::AGE_MIN_MICROS;
        if !is_taken_over || !is_old(self.age(copy)) || !is_old(self.age(kept)) || !self.may_ask() {
            return Ok(About::Nothing);
        }
        let own = self.account.router.own();
        let (seen, seen_too) = match (own.shares(&copy.id).await, own.shares(&kept.id).await) {
            (Ok(copy), Ok(kept)) => (copy, kept),
            // One of them went meanwhile: the next look tells.
            (Err(connections::Error::NotFound { .. }), _)
            | (_, Err(connections::Error::NotFound { .. })) => return Ok(About::Nothing),
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        };
        let sees_both = |who: &Email| seen_too.iter().any(|(o, _)| o.is_same_account(who.as_str()));
        let other_age_micros = self.age(kept);
        let is_shown_alone = !seen.iter().all(|(who, _)| sees_both(who));
        Ok(About::Double { other_age_micros, is_shown_alone, is_taken_over })
    }

    /// Folders for messages that we made for somebody who is no peer.
    fn mailboxes(&mut self) -> Result<()> {
        let account = self.account;
        let is_certain = peering::is_peers_file_current(account, &self.directory)?;
        let peers = peering::remembered(account)?;
        for folder in account.store.read(catalogue::folders)? {
            let Some(FolderName::P2p(name)) = FolderName::parse(&folder.name) else { continue };
            if !self.directory.is_in_a_root(&folder) {
                continue;
            }
            let is_same = |known: &Email| known.is_same_account(name.datasite.as_str());
            let is_peer = peers.iter().any(|known| is_same(&known.peer.email));
            let about =
                About::Mailbox { is_certain, is_peer, waiting: self.waiting(&folder, &name)? };
            self.judge(folder, Place::Root, about, true)?;
        }
        Ok(())
    }

    /// How much the folder holds that somebody has to look at: in an inbox all, since its owner takes
    /// out what it has dealt with; in an outbox what was not read, and what no client has put there.
    fn waiting(&self, folder: &Entry, name: &P2pFolder) -> Result<usize> {
        let (inside, unseen) = self.account.store.read(|db| {
            Ok((catalogue::children(db, &folder.id)?, catalogue::unseen(db, &folder.id)?))
        })?;
        let is_pack = |entry: &&Entry| PackName::parse(&entry.name).is_some();
        let is_message =
            |entry: &Entry| entry.kind == Kind::File && FileName::parse(&entry.name).is_some();
        Ok(match name.direction {
            Direction::Inbox => inside.len(),
            Direction::Outbox => {
                let messages = unseen.iter().filter(|entry| is_message(entry) && !is_pack(entry));
                let unread = messages.count();
                unread + inside.iter().filter(|entry| !is_message(entry)).count()
            }
        })
    }
}
