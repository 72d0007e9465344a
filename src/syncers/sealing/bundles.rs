//! The public keys that accounts publish for one another: a small file for each edge.
//!
//! Ours go where the Python client looks for them. Each is shared for itself, with the one peer that
//! it is for; Python shares the folder, and so shows every peer who the others are. A peer's file
//! counts only if the service says that the peer owns it. Whether its keys are used is decided
//! elsewhere: here is only what is offered.
//!
//! One is for ourselves and shared with nobody: by it another machine of the account knows that there
//! are keys, also before there is a peer.

use serde_json::{Map, Value};

use crate::caches::{catalogue, meta};
use crate::connections::{self, Access, Content, Entry, FileId, Grant};
use crate::model::{Code, Email};
use crate::peers::{Fingerprint, InvalidKeys, Keyring, Mode, PublicKeys};
use crate::wire::names::{BundleName, BundlesFolder};
use crate::wire::{BundleFile, limits};

use super::super::peering::Acquaintance;
use super::super::placing::{Place, create_folder, put_file};
use super::super::sending::{no_home, told};
use super::super::{Account, Directory, Error, Report, Result};

/// What a peer publishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    /// The fingerprint of the keys.
    pub fingerprint: Fingerprint,
    /// The keys, as a DID document.
    pub document: Map<String, Value>,
}

/// What the names of these files begin with.
pub(super) const PREFIX: &str = "encryption_bundle_";

fn offer_key(peer: &Email) -> String {
    format!("keys of {peer}")
}

fn published_key(peer: &Email) -> String {
    format!("keys for {peer}")
}

fn revision_of(entry: &Entry) -> String {
    format!("{} {}", entry.id, entry.revision)
}

/// Returns what `peer` publishes, as the last sync saw it. Asks the service nothing.
///
/// # Errors
/// If the database fails.
pub fn offered(account: &Account, peer: &Email) -> Result<Option<Offer>> {
    let Some(text) = account.store.read(|db| meta::get(db, &offer_key(peer)))? else {
        return Ok(None);
    };
    let json = text.split_once('\n').map_or("", |(_, json)| json);
    let offer = understand(json.as_bytes(), peer).ok();
    Ok(offer.map(|(document, keys)| Offer { fingerprint: keys.fingerprint(), document }))
}

fn understand(json: &[u8], owner: &Email) -> Result<(Map<String, Value>, PublicKeys), InvalidKeys> {
    let file = BundleFile::from_json(json).map_err(|_| InvalidKeys::Damaged)?;
    let keys = PublicKeys::from_document(&file.public_encryption_bundle, owner)?;
    Ok((file.public_encryption_bundle, keys))
}

/// Reads what `peer` publishes for us, if it changed. What cannot be fetched is taken as it was;
/// what cannot be used is told, and is as if it were not there.
///
/// # Errors
/// If the database fails.
pub async fn read_offer(account: &Account, peer: &Email, report: &mut Report) -> Result<()> {
    let offers = account.store.read(|db| catalogue::named_from(db, PREFIX))?;
    read_offer_among(account, &offers, peer, report).await
}

/// The same, of the files that are known to be there.
pub(super) async fn read_offer_among(
    account: &Account,
    offers: &[Entry],
    peer: &Email,
    report: &mut Report,
) -> Result<()> {
    let key = offer_key(peer);
    let Some(entry) = newest_of(account, offers, peer) else {
        return Ok(account.store.write(|db| meta::remove(db, &key))?);
    };
    let revision = revision_of(entry);
    let known = account.store.read(|db| meta::get(db, &key))?;
    if known.as_ref().and_then(|text| text.split('\n').next()) == Some(revision.as_str()) {
        return Ok(());
    }
    let limit = limits::PEER_FILE_BYTES_MAX as u64;
    match account.router.connection_for(peer).read(&entry.id, limit).await {
        Ok(bytes) => {
            if let Err(reason) = understand(&bytes, peer) {
                let text = format!("the keys that {peer} publishes cannot be used: {reason}");
                report.problem_with(peer, Code::KeysNotUsable, text);
            }
            let text = String::from_utf8_lossy(&bytes);
            let record = format!("{revision}\n{text}");
            account.store.write(|db| meta::set(db, &key, &record))?;
        }
        // The catalogue lags behind: it was withdrawn.
        Err(connections::Error::NotFound { .. }) => {
            account.store.write(|db| meta::remove(db, &key))?;
        }
        Err(error) => {
            let text = format!("the keys of {peer} could not be read: {}", told(&error));
            report.problem_with(peer, Code::KeysNotRead, text);
        }
    }
    Ok(())
}

/// The file that `peer` made for us, by the service's word; of several the newest.
fn newest_of<'e>(account: &Account, offers: &'e [Entry], peer: &Email) -> Option<&'e Entry> {
    let is_for_us = |entry: &&Entry| {
        let owned = entry.owner.as_ref().is_some_and(|owner| peer.is_same_account(owner.as_str()));
        owned
            && BundleName::parse(&entry.name).is_some_and(|name| {
                peer.is_same_account(name.owner.as_str())
                    && account.email.is_same_account(name.peer.as_str())
            })
    };
    offers.iter().rfind(is_for_us)
}

/// Returns the files in which we publish keys, whichever machine wrote them.
pub(in crate::syncers) fn own_bundles(account: &Account) -> Result<Vec<Entry>> {
    let found = account.store.read(|db| catalogue::named_from(db, PREFIX))?;
    let is_ours = |entry: &Entry| {
        entry.is_mine
            && BundleName::parse(&entry.name)
                .is_some_and(|name| account.email.is_same_account(name.owner.as_str()))
    };
    Ok(found.into_iter().filter(is_ours).collect())
}

/// Returns the fingerprints of the keys that the account has published, whichever machine did.
/// What cannot be understood names none.
///
/// # Errors
/// If the service cannot be asked.
pub async fn published(account: &Account) -> Result<Vec<Fingerprint>> {
    let mut found = Vec::new();
    for entry in own_bundles(account)? {
        match account.router.own().read(&entry.id, limits::PEER_FILE_BYTES_MAX as u64).await {
            Ok(bytes) => {
                let keys = understand(&bytes, &account.email).ok();
                found.extend(keys.map(|(_, keys)| keys.fingerprint()));
            }
            Err(connections::Error::NotFound { .. } | connections::Error::TooLarge { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Brings what we publish up to date: for ourselves and each of `peers`, or for nobody if encryption
/// is off.
pub(super) async fn publish(
    account: &Account,
    directory: &Directory,
    ring: &Keyring,
    peers: impl Iterator<Item = &Acquaintance>,
    report: &mut Report,
) -> Result<()> {
    let own = own_bundles(account)?;
    if ring.mode() == Mode::Off {
        return withdraw(account, &own, report).await;
    }
    let peers = peers.map(|peer| &peer.peer.email);
    for peer in std::iter::once(&account.email).chain(peers) {
        match publish_for(account, directory, ring, &own, peer).await {
            Ok(()) => {}
            Err(Error::Connection(error)) => {
                let text = format!("keys could not be published for {peer}: {}", told(&error));
                report.problem_with(peer, Code::KeysNotPublished, text);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn publish_for(
    account: &Account,
    directory: &Directory,
    ring: &Keyring,
    own: &[Entry],
    peer: &Email,
) -> Result<()> {
    let key = published_key(peer);
    let print = ring.current().fingerprint();
    let name = BundleName { owner: account.email.clone(), peer: peer.clone() }.to_string();
    let entry = own.iter().rfind(|entry| entry.name.eq_ignore_ascii_case(&name));
    let Some(entry) = entry else {
        let id = create(account, directory, ring, &name).await?;
        share(account, &id, peer).await?;
        return Ok(account.store.write(|db| meta::set(db, &key, &format!("{id} shared")))?);
    };
    let done = format!("{} {print}", revision_of(entry));
    let known = account.store.read(|db| meta::get(db, &key))?;
    if known.as_ref() == Some(&done) {
        return Ok(());
    }
    let is_shared = known.is_some_and(|known| known.starts_with(&format!("{} ", entry.id)));
    let limit = limits::PEER_FILE_BYTES_MAX as u64;
    let bytes = account.router.own().read(&entry.id, limit).await?;
    let lies_there = understand(&bytes, &account.email).ok().map(|(_, keys)| keys.fingerprint());
    match lies_there {
        Some(found) if found == print => {
            if !is_shared {
                share(account, &entry.id, peer).await?;
            }
            Ok(account.store.write(|db| meta::set(db, &key, &done))?)
        }
        // Another machine of the account has newer keys: ours must not take their place.
        Some(found) if !ring.has(found) && !ring.has_lost(found) => {
            Err(Error::KeysReplaced { fingerprint: found })
        }
        _ => {
            // What revision that makes is not known: the next sync reads it once.
            account.router.own().replace(&entry.id, content(account, ring)?).await?;
            Ok(())
        }
    }
}

fn content(account: &Account, ring: &Keyring) -> Result<Content> {
    let document = ring.current().public().to_document(&account.email);
    let document = document.map_err(|_| Error::KeysMissing)?;
    Ok(Content::Bytes(BundleFile { public_encryption_bundle: document }.to_json().into()))
}

async fn create(
    account: &Account,
    directory: &Directory,
    ring: &Keyring,
    name: &str,
) -> Result<FileId> {
    let folder = folder(account, directory).await?;
    let place = Place { parent: &folder, name, note: name, media_type: "text/plain" };
    put_file(account, None, place, content(account, ring)?).await
}

async fn folder(account: &Account, directory: &Directory) -> Result<FileId> {
    let name = BundlesFolder { owner: account.email.clone() }.to_string();
    let root = directory.syftbox.as_ref().ok_or_else(no_home)?;
    let found = account.store.read(|db| catalogue::named(db, &name))?;
    let ours = |entry: &Entry| entry.is_mine && entry.parents.first() == Some(root);
    match found.into_iter().find(ours) {
        Some(folder) => Ok(folder.id),
        None => create_folder(account, root, &name).await,
    }
}

async fn share(account: &Account, file: &FileId, peer: &Email) -> Result<()> {
    if account.email.is_same_account(peer.as_str()) {
        return Ok(());
    }
    let grant = Grant { id: file.clone(), to: peer.clone(), access: Access::Read };
    for outcome in account.router.own().share(&[grant], false).await? {
        outcome?;
    }
    Ok(())
}

/// Takes back what we publish.
async fn withdraw(account: &Account, own: &[Entry], report: &mut Report) -> Result<()> {
    if own.is_empty() {
        return Ok(());
    }
    let ids: Vec<FileId> = own.iter().map(|entry| entry.id.clone()).collect();
    match account.router.own().delete(&ids).await {
        Ok(_) => {
            Ok(account.store.write(|db| ids.iter().try_for_each(|id| catalogue::remove(db, id)))?)
        }
        Err(error) => {
            report.problem(Code::KeysNotWithdrawn, told(&error));
            Ok(())
        }
    }
}
