//! What the catalogue means: which folder is whose, and for what.

use std::collections::BTreeMap;

use crate::caches::{Store, catalogue};
use crate::connections::{Entry, FileId, Kind};
use crate::model::Email;
use crate::peers::Claim;
use crate::wire::names::{
    CollectionFolder, Direction, FolderName, P2pFolder, PEERS_FILE, PersonalFolder, SYFTBOX,
    VERSION_FILE, VersionsFolder,
};
use crate::wire::{Dialect, Version};

use super::Result;

/// A folder for messages between a datasite and a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// What its name says.
    pub name: P2pFolder,
    /// The folder.
    pub entry: Entry,
}

/// The folders and files that concern an account, by what they are for.
///
/// Invariant: whatever a name claims is checked against the owner that the service states. A
/// mailbox belongs to the peer that its name gives; all others are left out.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The root of all that is ours.
    pub syftbox: Option<FileId>,
    /// The event log of an owner.
    pub personal: Option<FileId>,
    /// Folders of the same name that two machines made: what they hold belongs into the log.
    pub stray_logs: Vec<FileId>,
    /// The folder of the rolling state.
    pub rolling: Option<FileId>,
    /// The folder of checkpoints.
    pub checkpoints: Option<FileId>,
    /// Where the messages of each sender go once they are dealt with.
    pub archives: BTreeMap<Email, FileId>,
    /// Our datasets, private halves included.
    pub own_collections: Vec<(CollectionFolder, Entry)>,
    /// Datasets that others share with us.
    pub shared_collections: Vec<(CollectionFolder, Entry)>,
    /// Our peers file.
    pub peers_file: Option<Entry>,
    /// Other peers files of ours, for the same reason.
    pub stray_peers_files: Vec<Entry>,
    /// Our version file for those who speak our home dialect.
    pub version_file: Option<Entry>,
    /// The folders of our other version files, by the version that they state.
    pub versions_folders: BTreeMap<Version, FileId>,
    /// Our other version files, by the version that they state.
    pub other_versions: BTreeMap<Version, FileId>,
    /// Version files that others share with us, newest last.
    pub peer_versions: Vec<Entry>,
    /// All roots that there are, the one that counts first.
    roots: Vec<FileId>,
    /// All folders that may be the event log, oldest first.
    logs: Vec<(PersonalFolder, Entry)>,
    mailboxes: Vec<Mailbox>,
    /// Which mailboxes there are for whom: each is asked about for each peer.
    of_pair: BTreeMap<(String, String), Vec<usize>>,
    of_peer: BTreeMap<String, Vec<usize>>,
    of_datasite: BTreeMap<String, Vec<usize>>,
    claims: Vec<Claim>,
}

/// The same text for all spellings of an account, as [`Email::is_same_account`] compares.
fn account(email: &Email) -> String {
    email.as_str().to_ascii_lowercase()
}

impl Directory {
    /// Reads the catalogue.
    ///
    /// # Errors
    /// If the database fails.
    pub fn read(store: &Store, me: &Email, dialect: &Dialect) -> Result<Self> {
        let (folders, versions, peers) = store.read(|db| {
            let versions = catalogue::named(db, VERSION_FILE)?;
            Ok((catalogue::folders(db)?, versions, catalogue::named(db, PEERS_FILE)?))
        })?;
        let mut directory = Self::default();
        let is_root = |entry: &&Entry| entry.is_mine && entry.name == SYFTBOX;
        directory.roots = folders.iter().filter(is_root).map(|entry| entry.id.clone()).collect();
        directory.syftbox = directory.roots.first().cloned();
        for entry in folders {
            directory.place(entry, me, dialect);
        }
        directory.choose_log();
        let in_root = |entry: &Entry| entry.parents.first() == directory.syftbox.as_ref();
        let (own, strays): (Vec<Entry>, Vec<Entry>) = peers
            .into_iter()
            .filter(|entry| entry.is_mine && directory.is_in_a_root(entry))
            .partition(|entry| in_root(entry));
        let mut own = own.into_iter();
        directory.peers_file = own.next();
        directory.stray_peers_files = own.chain(strays).collect();
        for entry in versions {
            if !entry.is_mine {
                directory.peer_versions.push(entry);
            } else if in_root(&entry) && directory.version_file.is_none() {
                directory.version_file = Some(entry);
            } else if let Some(version) = directory.stated_by(&entry) {
                directory.other_versions.entry(version).or_insert(entry.id);
            }
        }
        Ok(directory)
    }

    /// Returns which version a file of ours states that lies in a folder for such files.
    fn stated_by(&self, entry: &Entry) -> Option<Version> {
        let parent = entry.parents.first()?;
        let mut folders = self.versions_folders.iter();
        folders.find(|(_, folder)| *folder == parent).map(|(version, _)| *version)
    }

    /// True if `file` is one of our version files.
    pub fn is_own_version(&self, file: &FileId) -> bool {
        self.version_file.as_ref().is_some_and(|entry| entry.id == *file)
            || self.other_versions.values().any(|other| other == file)
    }

    fn place(&mut self, entry: Entry, me: &Email, dialect: &Dialect) {
        debug_assert_eq!(entry.kind, Kind::Folder);
        let in_root = entry.is_mine && entry.parents.first() == self.syftbox.as_ref();
        let in_a_root = entry.is_mine && self.is_in_a_root(&entry);
        let ours = |owner: &Email, version: Version| {
            in_root
                && owner.is_same_account(me.as_str())
                && version.is_same_family(dialect.client_version)
        };
        match FolderName::parse(&entry.name) {
            Some(FolderName::Personal(name))
                if in_a_root
                    && name.owner.is_same_account(me.as_str())
                    && name.version.is_same_family(dialect.client_version) =>
            {
                self.logs.push((name, entry));
            }
            Some(FolderName::RollingState(name)) if ours(&name.owner, name.version) => {
                self.rolling.get_or_insert(entry.id);
            }
            Some(FolderName::Checkpoints(name)) if ours(&name.owner, name.version) => {
                self.checkpoints.get_or_insert(entry.id);
            }
            Some(FolderName::Archive(name))
                if entry.is_mine && name.owner.is_same_account(me.as_str()) =>
            {
                self.archives.entry(name.sender).or_insert(entry.id);
            }
            Some(FolderName::Versions(VersionsFolder { version })) if in_root => {
                self.versions_folders.entry(version).or_insert(entry.id);
            }
            Some(FolderName::Collection(name)) if in_a_root => {
                self.own_collections.push((name, entry));
            }
            Some(FolderName::Collection(name)) if !entry.is_mine => {
                self.shared_collections.push((name, entry));
            }
            Some(FolderName::P2p(name)) => self.place_mailbox(name, entry, me),
            _ => {}
        }
    }

    /// The oldest folder in the root that counts is the log. Another one is part of it only if it has
    /// the very same name: one of another version is read by nobody else.
    fn choose_log(&mut self) {
        let in_root = |entry: &Entry| entry.parents.first() == self.syftbox.as_ref();
        let Some((name, log)) = self.logs.iter().find(|(_, entry)| in_root(entry)) else { return };
        let is_stray =
            |(other, entry): &&(PersonalFolder, Entry)| other == name && entry.id != log.id;
        self.stray_logs =
            self.logs.iter().filter(is_stray).map(|(_, entry)| entry.id.clone()).collect();
        self.personal = Some(log.id.clone());
    }

    /// True if an entry lies directly in one of our roots.
    pub fn is_in_a_root(&self, entry: &Entry) -> bool {
        entry.parents.first().is_some_and(|parent| self.is_root(parent))
    }

    /// True if `folder` is one of our roots.
    pub fn is_root(&self, folder: &FileId) -> bool {
        self.roots.contains(folder)
    }

    fn place_mailbox(&mut self, name: P2pFolder, entry: Entry, me: &Email) {
        let (datasite_is_me, peer_is_me) =
            (name.datasite.is_same_account(me.as_str()), name.peer.is_same_account(me.as_str()));
        if datasite_is_me && !entry.is_mine {
            let claim = Claim { claimed: name.peer.to_string(), owner: entry.owner.clone() };
            self.claims.push(claim);
        }
        let owner_is_peer =
            entry.owner.as_ref().is_some_and(|owner| name.peer.is_same_account(owner.as_str()));
        if owner_is_peer && (datasite_is_me || (peer_is_me && entry.is_mine)) {
            let (datasite, peer) = (account(&name.datasite), account(&name.peer));
            let number = self.mailboxes.len();
            self.of_peer.entry(peer.clone()).or_default().push(number);
            self.of_datasite.entry(datasite.clone()).or_default().push(number);
            self.of_pair.entry((datasite, peer)).or_default().push(number);
            self.mailboxes.push(Mailbox { name, entry });
        }
    }

    /// Returns the SyftBox folders that are ours, the oldest first: it is the one that counts.
    pub fn roots(&self) -> &[FileId] {
        &self.roots
    }

    /// Returns the requests and answers that others made by their folders.
    pub fn claims(&self) -> &[Claim] {
        &self.claims
    }

    /// Returns the folder for messages in one direction between `datasite` and `peer`, of the
    /// generation of `dialect`: its very version first, then the oldest.
    pub fn mailbox(
        &self,
        datasite: &Email,
        direction: Direction,
        peer: &Email,
        dialect: &Dialect,
    ) -> Option<&Entry> {
        let fits = |mailbox: &&Mailbox| {
            mailbox.name.direction == direction
                && mailbox.name.version.is_same_family(dialect.client_version)
        };
        let between = self.of_pair.get(&(account(datasite), account(peer)));
        self.numbered(between)
            .filter(fits)
            .min_by_key(|mailbox| {
                let other_version = mailbox.name.version != dialect.client_version;
                (other_version, mailbox.entry.created_micros, mailbox.entry.id.clone())
            })
            .map(|mailbox| &mailbox.entry)
    }

    /// Returns the other folders of the name and owner of `mailbox`.
    pub fn duplicates(&self, mailbox: &Entry) -> Vec<FileId> {
        let is_other = |other: &&Entry| {
            other.id != mailbox.id && other.name == mailbox.name && other.owner == mailbox.owner
        };
        let entries = self.mailboxes.iter().map(|mailbox| &mailbox.entry);
        entries.filter(is_other).map(|other| other.id.clone()).collect()
    }

    /// Returns the folders for messages that `peer` made for us, oldest first.
    pub fn made_by(&self, peer: &Email) -> impl Iterator<Item = &Mailbox> {
        self.numbered(self.of_peer.get(&account(peer))).filter(|mailbox| !mailbox.entry.is_mine)
    }

    /// Returns the folders for messages that we made for `peer`, oldest first.
    pub fn made_for(&self, peer: &Email) -> impl Iterator<Item = &Mailbox> {
        self.numbered(self.of_datasite.get(&account(peer))).filter(|mailbox| mailbox.entry.is_mine)
    }

    fn numbered(&self, numbers: Option<&Vec<usize>>) -> impl Iterator<Item = &Mailbox> {
        let numbers = numbers.map_or(&[][..], Vec::as_slice);
        numbers.iter().filter_map(|number| self.mailboxes.get(*number))
    }

    /// Returns the version file that `peer` shares with us: the newest, if there are several.
    pub fn version_of(&self, peer: &Email) -> Option<&Entry> {
        let of_peer = |entry: &&Entry| {
            entry.owner.as_ref().is_some_and(|owner| peer.is_same_account(owner.as_str()))
        };
        self.peer_versions.iter().rfind(of_peer)
    }
}
