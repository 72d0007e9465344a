//! Makes anew what is ours on the drive and was deleted there: folders for messages, our version
//! file, the list of our peers.
//!
//! Only what this machine has seen there before is made anew, never what a program of another kind
//! left out. That it is gone is asked of the service, by its id; what merely is not listed (it is in
//! the trash, or the listing lags) counts as gone once a full listing does not show it either.

use crate::caches::{catalogue, meta};
use crate::connections::{self, Entry, FileId};
use crate::model::{Code, Timestamp};
use crate::peers::PeerState;
use crate::wire::names::{Direction, PEERS_FILE};
use crate::wire::{PeersFile, limits};

use super::peering::Acquaintance;
use super::sending::told;
use super::{Account, Directory, Report, Result, peering, remote, sealing, speaking};

/// Meta key: peers that a file listed which is gone, until they are in the one that there is.
const PEERS_LOST: &str = "peers.lost";

/// Keeps what the peers file said, for the next one that there is.
pub(super) fn keep_known_peers(
    db: &rusqlite::Connection,
    key: &str,
    revision_key: &str,
) -> crate::caches::Result<()> {
    if let Some(text) = meta::get(db, key)? {
        meta::set(db, PEERS_LOST, &text)?;
    }
    meta::remove(db, key)?;
    meta::remove(db, revision_key)
}

/// Peers files that were read, to be noted once what they say is in ours.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// True if ours has to be written.
    pub is_new: bool,
    is_lost_read: bool,
    strays_read: Vec<(String, String)>,
}

/// Adds the peers to `file` that a lost peers file, or one that another machine made beside ours,
/// lists and this one does not.
pub(super) async fn gather_peers(
    account: &Account,
    directory: &Directory,
    file: &mut PeersFile,
    report: &mut Report,
) -> Result<Gathered> {
    let mut gathered = Gathered::default();
    if let Some(text) = account.store.read(|db| meta::get(db, PEERS_LOST))? {
        gathered.is_new |= adopt(file, text.as_bytes(), report);
        gathered.is_lost_read = true;
    }
    for stray in &directory.stray_peers_files {
        let (key, revision) = (stray_key(&stray.id), stray.revision.to_string());
        if account.store.read(|db| meta::get(db, &key))?.as_ref() == Some(&revision) {
            continue;
        }
        let limit = limits::OWN_FILE_BYTES_MAX as u64;
        match account.router.own().read(&stray.id, limit).await {
            Ok(bytes) => {
                if let Some(bytes) = sealing::open_peers_file(account, bytes)? {
                    gathered.is_new |= adopt(file, &bytes, report);
                }
                gathered.strays_read.push((key, revision));
            }
            Err(connections::Error::NotFound { id }) => {
                account.store.write(|db| catalogue::remove(db, &id))?;
            }
            Err(error) => {
                report.problem(Code::PeersNotRead, format!("{PEERS_FILE}: {}", told(&error)));
            }
        }
    }
    Ok(gathered)
}

/// True if all that a stray peers file says, as it is now, is in ours.
///
/// # Errors
/// If the database fails.
pub(super) fn is_gathered(account: &Account, stray: &Entry) -> Result<bool> {
    let key = stray_key(&stray.id);
    let read = account.store.read(|db| meta::get(db, &key))?;
    Ok(read == Some(stray.revision.to_string()))
}

fn stray_key(stray: &FileId) -> String {
    format!("peers.stray {stray}")
}

/// Notes that all peers that were found are in our peers file.
pub(super) fn peers_gathered(account: &Account, gathered: &Gathered) -> Result<()> {
    if !gathered.is_lost_read && gathered.strays_read.is_empty() {
        return Ok(());
    }
    Ok(account.store.write(|db| {
        meta::remove(db, PEERS_LOST)?;
        gathered.strays_read.iter().try_for_each(|(key, revision)| meta::set(db, key, revision))
    })?)
}

fn adopt(file: &mut PeersFile, bytes: &[u8], report: &mut Report) -> bool {
    match PeersFile::from_json(bytes) {
        Ok(other) => file.adopt(other),
        Err(error) => {
            report.problem(Code::PeersNotRead, format!("{PEERS_FILE}: {}", told(&error)));
            false
        }
    }
}

/// Makes anew what our peers need of us and is gone. Returns what there is then.
///
/// # Errors
/// If the database fails. What the service refuses is a problem in the report.
pub(super) async fn mend(
    account: &Account,
    mut directory: Directory,
    peers: &[Acquaintance],
    now: Timestamp,
    report: &mut Report,
) -> Result<Directory> {
    for known in peers {
        let (peer, state) = (&known.peer.email, known.peer.state);
        if !matches!(state, PeerState::Accepted | PeerState::RequestedByMe) {
            continue;
        }
        let is_without_version = match speaking::shown_file(account, peer)? {
            Some(file) if !directory.is_own_version(&file) => is_lost(account, &file).await?,
            _ => false,
        };
        let is_without_mailbox = is_mailbox_lost(account, &directory, known, now).await?;
        if !is_without_mailbox && !is_without_version {
            continue;
        }
        let mended = peering::open(account, &directory, known, state, now).await;
        if let Err(super::Error::Connection(error)) = mended {
            let text = format!("what {peer} needs of us could not be made anew: {}", told(&error));
            report.problem_with(peer, Code::PeerNotMended, text);
            continue;
        }
        mended?;
        let text = format!("what {peer} needs of us was gone from the drive and is made anew");
        report.problem_with(peer, Code::PeerMended, text);
        directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    }
    Ok(directory)
}

/// True if one of our folders for messages with a peer was there and is gone.
async fn is_mailbox_lost(
    account: &Account,
    directory: &Directory,
    known: &Acquaintance,
    now: Timestamp,
) -> Result<bool> {
    let peer = &known.peer.email;
    let mut is_any_lost = false;
    // Where it is not known how to speak with it, it was asked in all dialects.
    let spoken = known.speech.dialect.as_ref().map(std::slice::from_ref);
    for dialect in spoken.unwrap_or(&account.spoken) {
        for direction in [Direction::Inbox, Direction::Outbox] {
            let (way, generation) = (direction.as_str(), dialect.generation());
            let key = format!("own {way} of {generation} with {peer}");
            let before = account.store.read(|db| meta::get(db, &key))?;
            let found = directory.mailbox(peer, direction, &account.email, dialect);
            match (found, before.and_then(|text| FileId::parse(&text).ok())) {
                (Some(entry), before) if before.as_ref() != Some(&entry.id) => {
                    // One that came out of the trash comes into the peer's sight without a word.
                    let is_told = before.is_none() || point_at(account, &entry.id, now).await?;
                    if is_told {
                        account.store.write(|db| meta::set(db, &key, entry.id.as_str()))?;
                    }
                }
                (None, Some(id)) => is_any_lost |= is_lost(account, &id).await?,
                _ => {}
            }
        }
    }
    Ok(is_any_lost)
}

/// Changes a label of a folder, so that the change feed tells everybody who sees it that it is there.
/// False if that is to be tried again.
async fn point_at(account: &Account, folder: &FileId, now: Timestamp) -> Result<bool> {
    match account.router.own().tag(folder, FOUND_TAG, Some(&now.micros().to_string())).await {
        Ok(()) => Ok(true),
        Err(connections::Error::NotFound { id }) => {
            account.store.write(|db| catalogue::remove(db, &id))?;
            Ok(false)
        }
        Err(_) => Ok(false),
    }
}

/// The label of a folder that took the place of another one.
const FOUND_TAG: &str = "syft_found";

/// True if what the catalogue does not show is gone indeed. If that is not certain, the next sync
/// lists everything, and then it is.
async fn is_lost(account: &Account, id: &FileId) -> Result<bool> {
    match account.router.own().shares(id).await {
        Err(connections::Error::NotFound { .. }) => return Ok(true),
        Ok(_) => {}
        Err(_) => return Ok(false), // The next sync asks again.
    }
    let key = format!("missed {id}");
    let was_missed = account.store.read(|db| meta::get(db, &key))?.is_some();
    if !was_missed {
        account.store.write(|db| meta::set(db, &key, "1"))?;
        remote::distrust(account)?;
    }
    Ok(was_missed)
}
