//! Decides which collections to fetch, which local copies to remove, and which files to accept.
//!
//! A collection belongs to the account that owns its folder on the Drive; only those of approved
//! peers count, whatever strangers share. Of several with one name the newest counts (a Python
//! owner leaves old ones behind). What a peer can make us store is bounded in number and bytes.
//! A name becomes part of a path only after it was parsed.
//!
//! Pure. Source: `docs/FORMAT.md`, "Dataset collections".

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::collection::{ANY_TAG, CollectionName, Half, Hash12};
use super::metadata::{Audience, PERMISSION_FILE};
use super::{DatasetName, Unacceptable};
use crate::connections::{Access, Entry, FileId, Kind};
use crate::model::{DatasitePath, Digest, Email};

/// How much of peers' datasets we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Datasets of one peer.
    pub datasets_per_peer: usize,
    /// Files of one dataset.
    pub files_per_dataset: usize,
    /// Bytes of one dataset.
    pub bytes_per_dataset: u64,
    /// Bytes of all datasets of one peer.
    pub bytes_per_peer: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            datasets_per_peer: 1_000,
            files_per_dataset: 10_000,
            bytes_per_dataset: 20 << 30,
            bytes_per_peer: 100 << 30,
        }
    }
}

/// A dataset that was fetched: the record of what is on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Whose, in the spelling of the local folder.
    #[serde(with = "super::as_text")]
    pub owner: Email,
    /// Which.
    #[serde(with = "super::as_text")]
    pub name: DatasetName,
    /// The digest of its collection.
    #[serde(with = "super::as_text")]
    pub hash: Hash12,
    /// The collection's folder.
    #[serde(with = "super::as_text::id")]
    pub folder: FileId,
    /// Its files as they were installed.
    pub files: Vec<HeldFile>,
}

/// A file that was fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldFile {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The digest of its content.
    #[serde(with = "super::as_text")]
    pub digest: Digest,
}

impl Held {
    /// Returns the length of all files together, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size_bytes))
    }
}

/// A collection that should be on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Whose, in the spelling of the local folder.
    pub owner: Email,
    /// What its name says.
    pub name: CollectionName,
    /// Its folder.
    pub folder: FileId,
    /// True if every peer of its owner may read it.
    pub any: bool,
}

/// What to do about peers' datasets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PullPlan {
    /// To fetch, new or changed; sorted by owner, then name.
    pub fetch: Vec<Wanted>,
    /// To remove: held, but its owner shows it no longer.
    pub remove: Vec<Held>,
    /// Collections of peers that are left alone, and why.
    pub ignored: Vec<Ignored>,
}

/// A collection of a peer that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Whose.
    pub owner: Email,
    /// The folder's name; any text.
    pub name: String,
    /// Why.
    pub reason: IgnoredBecause,
}

/// Why a collection is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgnoredBecause {
    /// Its name begins like that of a collection but is none.
    Name,
    /// The peer has more datasets than we take.
    TooMany,
}

/// Decides what to do. `visible` are all folders that this account sees and that may be
/// collections: a listing that is not complete would have datasets removed.
pub fn plan(visible: &[Entry], peers: &[Email], held: &[Held], limits: &Limits) -> PullPlan {
    let mut plan = PullPlan::default();
    let by_key: BTreeMap<(&Email, &DatasetName), &Held> =
        held.iter().map(|held| ((&held.owner, &held.name), held)).collect();

    let shown = newest(visible, peers, &mut plan.ignored);
    for peer in peers {
        let mut theirs: Vec<&(Wanted, i64)> =
            shown.values().filter(|(wanted, _)| wanted.owner == *peer).collect();
        // What is here already stays; of the others the newest are taken.
        theirs.sort_by_key(|(wanted, created)| {
            let is_held = by_key.contains_key(&(&wanted.owner, &wanted.name.dataset));
            (!is_held, std::cmp::Reverse(*created))
        });
        for (wanted, _) in theirs.iter().skip(limits.datasets_per_peer) {
            let (owner, name) = (wanted.owner.clone(), wanted.name.to_string());
            plan.ignored.push(Ignored { owner, name, reason: IgnoredBecause::TooMany });
        }
        let taken = theirs.into_iter().take(limits.datasets_per_peer).map(|(wanted, _)| wanted);
        plan.fetch.extend(
            taken
                .filter(|wanted| {
                    let held = by_key.get(&(&wanted.owner, &wanted.name.dataset));
                    held.is_none_or(|held| held.hash != wanted.name.hash)
                })
                .cloned(),
        );
    }
    plan.fetch.sort_by(|a, b| (&a.owner, &a.name).cmp(&(&b.owner, &b.name)));

    let is_shown = |held: &Held| shown.contains_key(&(held.owner.clone(), held.name.clone()));
    let gone = held.iter().filter(|held| peers.contains(&held.owner) && !is_shown(held));
    plan.remove = gone.cloned().collect();
    plan
}

/// Returns the newest public collection for each owner and name, with its time.
fn newest(
    visible: &[Entry],
    peers: &[Email],
    ignored: &mut Vec<Ignored>,
) -> BTreeMap<(Email, DatasetName), (Wanted, i64)> {
    let mut shown: BTreeMap<(Email, DatasetName), (Wanted, i64)> = BTreeMap::new();
    for entry in visible.iter().filter(|entry| entry.kind == Kind::Folder && !entry.is_mine) {
        let Some(owner) = entry.owner.as_ref().and_then(|owner| known(owner, peers)) else {
            continue;
        };
        let Some(name) = CollectionName::parse(&entry.name) else {
            if entry.name.starts_with(Half::Public.prefix()) {
                let (owner, name) = (owner.clone(), entry.name.chars().take(200).collect());
                ignored.push(Ignored { owner, name, reason: IgnoredBecause::Name });
            }
            continue;
        };
        if name.half != Half::Public {
            continue;
        }
        let key = (owner.clone(), name.dataset.clone());
        let found = (wanted(owner, name, entry), entry.created_micros);
        let is_newer = shown
            .get(&key)
            .is_none_or(|(other, created)| (found.1, &found.0.folder) > (*created, &other.folder));
        if is_newer {
            shown.insert(key, found);
        }
    }
    shown
}

fn known<'a>(owner: &Email, peers: &'a [Email]) -> Option<&'a Email> {
    peers.iter().find(|peer| peer.is_same_account(owner.as_str()))
}

fn wanted(owner: &Email, name: CollectionName, entry: &Entry) -> Wanted {
    let any = entry.tags.get(ANY_TAG).is_some_and(|value| value == "true");
    Wanted { owner: owner.clone(), name, folder: entry.id.clone(), any }
}

/// A file that may be downloaded under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Which.
    pub id: FileId,
    /// Its name: one harmless path component.
    pub name: String,
    /// How many bytes it may have.
    pub size_bytes: u64,
}

/// Decides whether the files of a collection are taken; all or none, sorted by name. `others_bytes`
/// is what the other datasets of that owner have here already.
///
/// Folders are left out, and so is what somebody else put there. Of several files with one name
/// the newest counts.
///
/// # Errors
/// [`Unacceptable`].
pub fn admit(
    owner: &Email,
    files: &[Entry],
    others_bytes: u64,
    limits: &Limits,
) -> Result<Vec<Admitted>, Unacceptable> {
    let mut newest: BTreeMap<&str, &Entry> = BTreeMap::new();
    let is_owners = |entry: &&Entry| {
        let by_owner = |by: &Email| by.is_same_account(owner.as_str());
        entry.kind == Kind::File && entry.owner.as_ref().is_none_or(by_owner)
    };
    for entry in files.iter().filter(is_owners) {
        if !is_file_name(&entry.name) {
            let shown = entry.name.chars().take(120).flat_map(char::escape_debug).collect();
            return Err(Unacceptable::FileName(shown));
        }
        let rank = |entry: &Entry| (entry.created_micros, entry.id.clone());
        let held = newest.entry(&entry.name).or_insert(entry);
        if rank(entry) > rank(held) {
            *held = entry;
        }
    }
    let (found, limit) = (newest.len(), limits.files_per_dataset);
    if found > limit {
        return Err(Unacceptable::TooManyFiles { found, limit });
    }
    let found = newest.values().fold(0_u64, |sum, entry| sum.saturating_add(entry.size_bytes));
    let limit = limits.bytes_per_dataset;
    if found > limit {
        return Err(Unacceptable::TooManyBytes { found, limit });
    }
    let (found, limit) = (found.saturating_add(others_bytes), limits.bytes_per_peer);
    if found > limit {
        return Err(Unacceptable::TooManyBytesOfPeer { found, limit });
    }
    if newest.is_empty() {
        return Err(Unacceptable::NoFiles);
    }
    let admitted = |(name, entry): (&str, &Entry)| Admitted {
        id: entry.id.clone(),
        name: name.to_owned(),
        size_bytes: entry.size_bytes,
    };
    Ok(newest.into_iter().map(admitted).collect())
}

fn is_file_name(name: &str) -> bool {
    DatasitePath::parse(name).is_ok_and(|path| path.parent().is_none())
}

/// True if a file of a collection is installed. Permission files are so for a private half, which
/// is its owner's own; whoever shows mock files has no say in ours.
pub fn is_installed(half: Half, name: &str) -> bool {
    half == Half::Private || name != PERMISSION_FILE
}

/// Decides which of an account's own collections to bring back to this machine: those whose half
/// is not `present`. A dataset in `deleted` is not brought back: this machine had it, so that its
/// absence means something. Private halves come first.
pub fn restore_plan(
    me: &Email,
    own: &[Entry],
    present: &BTreeSet<(Half, DatasetName)>,
    deleted: &BTreeSet<DatasetName>,
) -> Vec<Wanted> {
    let mut found: BTreeMap<(std::cmp::Reverse<Half>, DatasetName), (Wanted, i64)> =
        BTreeMap::new();
    for entry in own.iter().filter(|entry| entry.kind == Kind::Folder && entry.is_mine) {
        let Some(name) = CollectionName::parse(&entry.name) else { continue };
        let (half, dataset) = (name.half, name.dataset.clone());
        if deleted.contains(&dataset) || present.contains(&(half, dataset.clone())) {
            continue;
        }
        let key = (std::cmp::Reverse(half), dataset);
        let candidate = (wanted(me, name, entry), entry.created_micros);
        let is_newer = found.get(&key).is_none_or(|(other, created)| {
            (candidate.1, &candidate.0.folder) > (*created, &other.folder)
        });
        if is_newer {
            found.insert(key, candidate);
        }
    }
    found.into_values().map(|(wanted, _)| wanted).collect()
}

/// Returns whom a collection on the Drive is for.
pub fn audience_of(any: bool, shares: &[(Email, Access)]) -> Audience {
    match (any, shares) {
        (true, _) => Audience::Any,
        (false, []) => Audience::Nobody,
        (false, shares) => Audience::Listed(shares.iter().map(|(who, _)| who.clone()).collect()),
    }
}

#[cfg(test)]
#[path = "pull_tests.rs"]
mod tests;
