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
use super::collection::{CollectionName, Half};
use super::metadata::Audience;
use super::pull::HeldFile;
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

impl DraftFile {
    /// Returns where it is within the folder of its half.
    fn path_within(&self, half: Half, name: &DatasetName) -> Option<DatasitePath> {
        let (_owner, rest) = self.path.as_str().split_once('/')?;
        let rest = rest.strip_prefix(half.folder())?.strip_prefix('/')?;
        DatasitePath::parse(rest.strip_prefix(name.as_str())?.strip_prefix('/')?).ok()
    }
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
    /// Collections of older content, which are deleted once this one is there for its readers.
    #[serde(default, with = "super::as_text::ids")]
    pub replaces: Vec<FileId>,
    /// True if somebody may be able to read those.
    #[serde(default)]
    pub replaces_shared: bool,
}

/// Who is to read collections that are for all, and how readers are brought to newer content.
#[derive(Clone, Copy, Debug)]
pub struct Readers<'a> {
    /// All approved peers.
    pub approved: &'a [Email],
    /// Those who, shown two collections of one dataset, take the newer. The others would lay both
    /// over each other, so they see the new one only once the old one is gone.
    pub choosing: &'a [Email],
}

impl<'a> From<&'a [Email]> for Readers<'a> {
    fn from(approved: &'a [Email]) -> Self {
        Self { approved, choosing: &[] }
    }
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

    /// True if nothing is left to do but for readers.
    pub fn is_settled(&self) -> bool {
        self.is_uploaded()
            && self.replaces.is_empty()
            && self.labelled_any == (self.audience == Audience::Any)
    }

    /// Returns its files as they were on this machine when they were uploaded or fetched.
    pub fn held_files(&self) -> Vec<HeldFile> {
        let file = |step: &FileStep| {
            let path = step.file.path_within(self.name.half, &self.name.dataset)?;
            let (size_bytes, digest) = (step.file.size_bytes, step.file.digest);
            Some(HeldFile { name: path.as_str().to_owned(), size_bytes, digest })
        };
        self.files.iter().filter_map(file).collect()
    }

    /// Returns the paths of those of its files that lie in folders, within the half's folder.
    pub(super) fn nested(&self) -> Vec<DatasitePath> {
        let files = self.files.iter().map(|step| &step.file);
        let within = files.filter_map(|file| file.path_within(self.name.half, &self.name.dataset));
        within.filter(|path| path.parent().is_some()).collect()
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

/// Returns for whom a collection is that was to be for `wanted` by its record, if `seen` can read it
/// and it is, or is not, for every peer: what another machine of the account changed of that since
/// counts.
pub fn audience_now(
    record: &Publication,
    wanted: &Audience,
    seen: &[Email],
    is_for_any: bool,
) -> Audience {
    let is_in = |all: &[Email], who: &Email| all.iter().any(|it| it.is_same_account(who.as_str()));
    let readers = match wanted {
        _ if is_for_any && !record.labelled_any => return Audience::Any,
        Audience::Any if is_for_any || !record.labelled_any => return Audience::Any,
        Audience::Any => seen.to_vec(),
        Audience::Nobody => Vec::new(),
        Audience::Listed(readers) => readers.clone(),
    };
    let is_let_in = |who: &&Email| !is_in(&record.shared_with, who) && !is_in(&readers, who);
    let let_in: Vec<Email> = seen.iter().filter(is_let_in).cloned().collect();
    let is_left = |who: &Email| !is_in(&record.shared_with, who) || is_in(seen, who);
    let readers: Vec<Email> =
        readers.into_iter().filter(|who| is_left(who)).chain(let_in).collect();
    if readers.is_empty() { Audience::Nobody } else { Audience::Listed(readers) }
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

#[cfg(test)]
mod tests {
    use super::super::collection::Hash12;
    use super::*;

    fn emails(names: &str) -> Vec<Email> {
        let email = |name: char| Email::parse(&format!("{name}@x.org")).unwrap();
        names.chars().map(email).collect()
    }

    fn listed(names: &str) -> Audience {
        Audience::Listed(emails(names))
    }

    #[test]
    fn what_another_machine_changed_of_who_sees_a_dataset_counts() {
        use Audience::{Any, Nobody};
        #[rustfmt::skip]
        let cases = [
            // what                            for all then  had   wanted        sees  for all now  then
            ("nothing happened",               false,        "ab", listed("ab"), "ab", false,       listed("ab")),
            ("one was let in there",           false,        "a",  listed("a"),  "ab", false,       listed("ab")),
            ("one was turned away there",      false,        "ab", listed("ab"), "a",  false,       listed("a")),
            ("all were turned away there",     false,        "ab", listed("ab"), "",   false,       Nobody),
            ("one is to be let in from here",  false,        "a",  listed("ab"), "a",  false,       listed("ab")),
            ("one is to be turned away",       false,        "ab", listed("a"),  "ab", false,       listed("a")),
            ("both at once",                   false,        "ab", listed("ac"), "bd", false,       listed("cd")),
            ("nobody, and one there",          false,        "",   Nobody,       "a",  false,       listed("a")),
            ("nobody from here",               false,        "a",  Nobody,       "a",  false,       Nobody),
            ("for all",                        true,         "ab", Any,          "ab", true,        Any),
            ("for all from now on",            false,        "a",  Any,          "a",  false,       Any),
            ("for all there",                  false,        "a",  listed("a"),  "ab", true,        Any),
            ("no more for all there",          true,         "ab", Any,          "a",  false,       listed("a")),
            ("closed there",                   true,         "ab", Any,          "",   false,       Nobody),
            ("no more for all here",           true,         "ab", listed("a"),  "ab", true,        listed("a")),
        ];
        for (what, labelled_any, had, wanted, seen, is_for_any, then) in cases {
            let id = FileId::parse("folder").unwrap();
            let dataset = DatasetName::parse("ages").unwrap();
            let hash: Hash12 = "0123456789ab".parse().unwrap();
            let record = Publication {
                name: CollectionName { half: Half::Public, dataset, hash },
                folder: id.clone(),
                parent: id,
                folder_done: true,
                labelled_any,
                files: Vec::new(),
                audience: wanted.clone(),
                shared_with: emails(had),
                replaces: Vec::new(),
                replaces_shared: false,
            };
            assert_eq!(audience_now(&record, &wanted, &emails(seen), is_for_any), then, "{what}");
        }
    }
}
