//! Datasets in a sync: an owner's are published and shared, a scientist's copies are brought up to
//! date.
//!
//! Everything is decided from the catalogue and from records in the database, so that where nothing
//! is to be done nothing is asked. What goes wrong with one collection is a problem in the report
//! and stops no other. One whose content was found wanting is not fetched again before it changes.

mod failing;
mod following;
mod mirroring;
mod publishing;
mod resealing;
mod restoring;
mod updating;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Serialize, de::DeserializeOwned};

use crate::caches::{self, meta};
use crate::connections::Entry;
use crate::datasets::{
    self, Audience, CollectionName, DatasetName, Half, Held, Publication, Scratch, Wanted,
};
use crate::model::{Digest, Email};
use crate::peers::PeerState;

use super::peering::{self, Acquaintance};
use super::{Account, Directory, Result};

pub(super) use following::follow;
pub(super) use mirroring::mirror;
pub(super) use publishing::publish_due;
pub(crate) use publishing::{finish_deletions, is_deletion_noted, note_deletion, publish_one};
pub(super) use resealing::reseal_due;
pub(super) use restoring::{Ahead, look_ahead, restore_once};
pub use updating::LeftOver;
pub(crate) use updating::{finish_updates, left_over, note_update, published};

const INTENT: &str = "to publish ";

/// What is to be published and has no record of its own yet: whom it is for.
fn intent_key(half: Half, name: &DatasetName) -> String {
    format!("{INTENT}{} {name}", word(half))
}

fn parse_intent(key: &str) -> Option<(Half, DatasetName)> {
    let (half, name) = key.strip_prefix(INTENT)?.split_once(' ')?;
    let half = [Half::Public, Half::Private].into_iter().find(|found| word(*found) == half)?;
    Some((half, DatasetName::parse(name).ok()?))
}

fn publication_key(half: Half, name: &DatasetName) -> String {
    format!("publication {} {name}", word(half))
}

fn mirror_key(owner: &Email, name: &DatasetName) -> String {
    format!("mirror {owner} {name}")
}

fn failure_key(owner: &Email, name: &DatasetName) -> String {
    format!("failed mirror {owner} {name}")
}

const fn word(half: Half) -> &'static str {
    match half {
        Half::Public => "public",
        Half::Private => "private",
    }
}

fn to_json<T: Serialize>(value: &T) -> caches::Result<String> {
    serde_json::to_string(value).map_err(|error| caches::Error::damaged(error.to_string()))
}

fn all<T: DeserializeOwned>(account: &Account, prefix: &str) -> Result<Vec<T>> {
    let found = account.store.read(|db| meta::with_prefix(db, prefix))?;
    let read = |(_, text): (String, String)| {
        serde_json::from_str(&text).map_err(|error| caches::Error::damaged(error.to_string()))
    };
    Ok(found.into_iter().map(read).collect::<caches::Result<_>>()?)
}

/// Returns the records of what was, or is being, published.
pub(crate) fn publications(account: &Account) -> Result<Vec<Publication>> {
    all(account, "publication ")
}

fn save(account: &Account, publication: &Publication) -> caches::Result<()> {
    let key = publication_key(publication.name.half, &publication.name.dataset);
    let text = to_json(publication)?;
    account.store.write(|db| meta::set(db, &key, &text))
}

/// Notes that halves of a dataset are to be published, before they exist.
pub(crate) fn intend(
    account: &Account,
    name: &DatasetName,
    halves: &[Half],
    audience: &Audience,
) -> Result<()> {
    let text = to_json(audience)?;
    Ok(account.store.write(|db| {
        halves.iter().try_for_each(|half| meta::set(db, &intent_key(*half, name), &text))
    })?)
}

/// Forgets what [`intend`] noted.
pub(crate) fn forget_intents(account: &Account, name: &DatasetName) -> Result<()> {
    Ok(account.store.write(|db| {
        [Half::Public, Half::Private]
            .iter()
            .try_for_each(|h| meta::remove(db, &intent_key(*h, name)))
    })?)
}

/// Returns the peers that every dataset "for any" is for, as the last sync left them.
pub(crate) fn approved(account: &Account) -> Result<Vec<Email>> {
    Ok(accepted(&peering::remembered(account)?))
}

fn accepted(peers: &[Acquaintance]) -> Vec<Email> {
    let accepted = peers.iter().filter(|known| known.peer.state == PeerState::Accepted);
    accepted.map(|known| known.peer.email.clone()).collect()
}

/// Returns those whose program takes the newer of two collections of one dataset: ours does.
fn choosing(peers: &[Acquaintance]) -> Vec<Email> {
    let is_ours = |known: &&Acquaintance| {
        known.version.as_ref().is_some_and(|version| version.syft_rs.is_some())
    };
    peers.iter().filter(is_ours).map(|known| known.peer.email.clone()).collect()
}

/// Returns those with whom nothing is exchanged until a person decides about their keys.
fn stopped(peers: &[Acquaintance]) -> Vec<Email> {
    let stopped = peers.iter().filter(|known| known.secrecy.is_stopped());
    stopped.map(|known| known.peer.email.clone()).collect()
}

/// Returns whom the mock files of a dataset are for, or are to be for once it is published.
pub(crate) fn audience(account: &Account, name: &DatasetName) -> Result<Audience> {
    let found = publications(account)?.into_iter().find(|publication| {
        publication.name.half == Half::Public && publication.name.dataset == *name
    });
    if let Some(publication) = found {
        return Ok(publication.audience);
    }
    let intended = account.store.read(|db| meta::get(db, &intent_key(Half::Public, name)))?;
    Ok(intended.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Notes whom the mock files of a dataset are for; the next publishing carries it out.
pub(crate) fn set_audience(
    account: &Account,
    name: &DatasetName,
    audience: &Audience,
) -> Result<()> {
    let mut found = publications(account)?.into_iter();
    let public = found.find(|publication| {
        publication.name.half == Half::Public && publication.name.dataset == *name
    });
    match public {
        Some(mut publication) => {
            publication.audience = audience.clone();
            Ok(save(account, &publication)?)
        }
        None => intend(account, name, &[Half::Public], audience),
    }
}

/// A collection of ours that is not on the drive any more.
#[derive(Debug)]
pub(super) struct Lost {
    publication: Publication,
    /// True if another machine has published the same half anew.
    is_replaced: bool,
}

/// Returns the records of collections that are not where they were made.
pub(super) fn lost(account: &Account, directory: &Directory) -> Result<Vec<Lost>> {
    let mut lost = publications(account)?;
    lost.retain(|publication| {
        let is_there = directory.own_collections.iter().any(|(_, e)| e.id == publication.folder);
        !is_there && (publication.folder_done || !directory.is_root(&publication.parent))
    });
    let found: Vec<CollectionName> = directory
        .own_collections
        .iter()
        .filter_map(|(_, entry)| CollectionName::parse(&entry.name))
        .collect();
    let is_replaced = |name: &CollectionName| {
        found.iter().any(|other| (&other.dataset, other.half) == (&name.dataset, name.half))
    };
    Ok(lost
        .into_iter()
        .map(|publication| Lost { is_replaced: is_replaced(&publication.name), publication })
        .collect())
}

/// Notes that lost collections are to be published anew, and that what other machines published
/// instead is to be looked at.
pub(super) fn publish_again(db: &rusqlite::Connection, lost: &[Lost]) -> caches::Result<()> {
    for Lost { publication, is_replaced } in lost {
        let (half, name) = (publication.name.half, &publication.name.dataset);
        meta::remove(db, &publication_key(half, name))?;
        if !is_replaced {
            meta::set(db, &intent_key(half, name), &to_json(&publication.audience)?)?;
        }
    }
    meta::remove(db, restoring::RESTORED)
}

/// Returns the collections of ours of which there is a newer one of the same half, each with the
/// newest, which is what readers and other machines of the account take.
pub(super) fn replaced(own: &[Entry]) -> Vec<(Entry, Entry)> {
    let mut halves: BTreeMap<(DatasetName, Half), Vec<&Entry>> = BTreeMap::new();
    for entry in own {
        if let Some(name) = CollectionName::parse(&entry.name) {
            halves.entry((name.dataset, name.half)).or_default().push(entry);
        }
    }
    let mut replaced = Vec::new();
    for mut copies in halves.into_values() {
        copies.sort_by_key(|entry| (entry.created_micros, &entry.id));
        let Some(newest) = copies.pop() else { continue };
        replaced.extend(copies.into_iter().map(|older| (older.clone(), newest.clone())));
    }
    replaced
}

fn held(account: &Account) -> Result<Vec<Held>> {
    all(account, "mirror ")
}

/// A text that differs once anything in a collection does.
fn state_of(wanted: &Wanted, files: &[Entry]) -> String {
    let mut text = format!("{} {}", wanted.folder, wanted.name);
    for file in files {
        text += &format!("\n{} {} {}", file.id, file.revision, file.size_bytes);
    }
    Digest::of(text.as_bytes()).to_hex()
}

/// Makes the folder that is downloaded to. Not the scratch folder itself, which is closed to
/// others: what is in it will be a folder of the SyftBox.
fn staging_in(scratch: &Scratch) -> Result<PathBuf, datasets::Error> {
    let path = scratch.path().join("staging");
    match std::fs::create_dir(&path) {
        Ok(()) => Ok(path),
        Err(source) => Err(datasets::Error::Io { path, source }),
    }
}
