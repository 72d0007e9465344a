//! The durable record of a collection's upload, and who is to be given or kept from access.
//!
//! A [`Publication`] says what is wanted and what is done already; [`publish`](super::publish)
//! works off the difference. To share or unshare, change [`Publication::audience`], save, and
//! publish again. Access is a difference of sets as well, so that a peer who is approved later is
//! found without any special case.
//!
//! Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::DatasetName;
use super::collection::CollectionName;
use super::metadata::Audience;
use crate::connections::{Access, Entry, FileId, Grant};
use crate::model::{DatasitePath, Digest, Email};

/// What is to go into a collection, as it is on this machine at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The collection's name, digest included.
    pub name: CollectionName,
    /// Its files.
    pub files: Vec<DraftFile>,
}

/// A file that is to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftFile {
    /// Its name in the collection.
    pub name: String,
    /// Where it is, relative to the SyftBox.
    #[serde(with = "super::as_text")]
    pub path: DatasitePath,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The digest of its content.
    #[serde(with = "super::as_text")]
    pub digest: Digest,
}

/// A collection's upload: what is wanted, and what is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publication {
    /// The collection's name, digest included.
    #[serde(with = "super::as_text")]
    pub name: CollectionName,
    /// The collection's folder.
    #[serde(with = "super::as_text::id")]
    pub folder: FileId,
    /// The folder that it lies in.
    #[serde(with = "super::as_text::id")]
    pub parent: FileId,
    /// True once the folder exists.
    pub folder_done: bool,
    /// True if the folder carries, or is to be created with, the label for every peer.
    pub labelled_any: bool,
    /// Its files.
    pub files: Vec<FileStep>,
    /// Who should be able to read it.
    pub audience: Audience,
    /// Who can.
    #[serde(with = "super::as_text::list")]
    pub shared_with: Vec<Email>,
}

/// A file's upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStep {
    /// The id that it gets.
    #[serde(with = "super::as_text::id")]
    pub id: FileId,
    /// What is uploaded.
    pub file: DraftFile,
    /// True once it is there.
    pub done: bool,
}

impl Publication {
    /// True once the folder and all of its files exist.
    pub fn is_uploaded(&self) -> bool {
        self.folder_done && self.files.iter().all(|step| step.done)
    }

    /// Notes that `who` can read the collection now.
    pub fn note_shared(&mut self, who: &Email) {
        if !self.is_shared_with(who) {
            self.shared_with.push(who.clone());
        }
    }

    /// Notes that `who` cannot read the collection any more.
    pub fn note_unshared(&mut self, who: &Email) {
        self.shared_with.retain(|held| !held.is_same_account(who.as_str()));
    }

    fn is_shared_with(&self, who: &Email) -> bool {
        self.shared_with.iter().any(|held| held.is_same_account(who.as_str()))
    }

    fn is_for(&self, who: &Email, approved: &[Email]) -> bool {
        self.wanted(approved).iter().any(|wanted| wanted.is_same_account(who.as_str()))
    }

    fn wanted<'a>(&'a self, approved: &'a [Email]) -> &'a [Email] {
        match &self.audience {
            Audience::Nobody => &[],
            Audience::Any => approved,
            Audience::Listed(readers) => readers,
        }
    }
}

/// Returns who should be given access to what: readers that have none yet, also peers approved
/// after the upload where a collection is for all. `approved` must be complete.
pub fn shares_due(publications: &[Publication], approved: &[Email]) -> Vec<Grant> {
    let mut due: BTreeMap<(FileId, String), Grant> = BTreeMap::new();
    for publication in publications.iter().filter(|publication| publication.is_uploaded()) {
        for to in publication.wanted(approved) {
            if !publication.is_shared_with(to) {
                let (id, to) = (publication.folder.clone(), to.clone());
                let key = (id.clone(), to.as_str().to_ascii_lowercase());
                due.insert(key, Grant { id, to, access: Access::Read });
            }
        }
    }
    due.into_values().collect()
}

/// Returns from whom access should be taken: those who have it and are not, or no longer, meant.
/// `approved` must be complete: where a collection is for all, who is missing there loses it.
pub fn unshares_due(publications: &[Publication], approved: &[Email]) -> Vec<(FileId, Email)> {
    let superfluous = |publication: &Publication| {
        let gone = publication.shared_with.iter().filter(|who| !publication.is_for(who, approved));
        gone.map(|who| (publication.folder.clone(), who.clone())).collect::<Vec<_>>()
    };
    publications.iter().flat_map(superfluous).collect()
}

/// Returns which of an account's own `entries` are collections of `dataset`, except those in
/// `keep`: what deleting it, or uploading it anew, leaves to be deleted.
pub fn collections_of(entries: &[Entry], dataset: &DatasetName, keep: &[&FileId]) -> Vec<FileId> {
    let of_dataset = |entry: &&Entry| {
        entry.is_mine
            && CollectionName::parse(&entry.name).is_some_and(|name| name.dataset == *dataset)
            && !keep.contains(&&entry.id)
    };
    entries.iter().filter(of_dataset).map(|entry| entry.id.clone()).collect()
}
