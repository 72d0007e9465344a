//! Requests, approvals and versions: what peers say of themselves, and what we say of us.
//!
//! The peers file and each peer's version file are read when the catalogue shows that they
//! changed. One that cannot be read is taken as it was: a hiccup must not cut a peer off (W20,
//! W28).

use crate::caches::{announcing, catalogue, meta};
use crate::connections::{self, Access, Content, Entry, FileId, Grant};
use crate::model::{Email, Timestamp};
use crate::peers::{self, Peer, PeerState};
use crate::wire::names::{Direction, P2pFolder, PEERS_FILE, PersonalFolder, SYFTBOX, VERSION_FILE};
use crate::wire::{
    Compatibility, Dialect, Implementation, PeersFile, VersionInfo, compare, limits,
};

use super::placing::{Place, create_folder, put_file};
use super::sending::{begin_again, no_home, told};
use super::{Account, Directory, Error, Freshness, Report, Result, mending, refresh};

const PEERS: &str = "peers.file";
const PEERS_REVISION: &str = "peers.revision";
const OWN_VERSION: &str = "version.own";

/// One peer, and how it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// Who, and how far it has come.
    pub peer: Peer,
    /// What its version file says; `None` if none was ever read.
    pub version: Option<VersionInfo>,
}

impl Acquaintance {
    /// Compares its version with ours.
    pub fn compatibility(&self, dialect: &Dialect) -> Compatibility {
        self.version.as_ref().map_or(Compatibility::Unknown, |version| {
            compare(&dialect.client_version.to_string(), &version.syft_client_version)
        })
    }

    /// True if messages go to and fro: both sides agreed, and it is not known to speak otherwise.
    pub fn is_working(&self, dialect: &Dialect) -> bool {
        self.peer.state == PeerState::Accepted
            && self.compatibility(dialect) != Compatibility::Incompatible
    }
}

/// Reads what changed of the peers file and of the version files, and returns all peers.
///
/// A peer that we asked and that has answered is accepted, for good.
///
/// # Errors
/// [`Error::OwnFile`] if our own peers file is not understood: nothing is written over it.
pub async fn load(
    account: &Account,
    directory: &Directory,
    report: &mut Report,
) -> Result<Vec<Acquaintance>> {
    let (mut file, is_current) = match current_peers_file(account, directory).await {
        Ok(file) => (file, true),
        Err(Error::Connection(error)) if error.is_retryable() => {
            report.problem("peers-not-read", format!("{PEERS_FILE}: {}", told(&error)));
            (remembered_file(account)?, false)
        }
        Err(error) => return Err(error),
    };
    // What is known of old may lack what another machine wrote: it is never written back.
    if is_current {
        let gathered = mending::gather_peers(account, directory, &mut file, report).await?;
        if gathered.is_new {
            write_peers_file(account, directory, &file).await?;
        }
        mending::peers_gathered(account, &gathered)?;
    }
    let known: peers::Known = file.peers().collect();
    let (found, spoofed) = peers::peers(&known, directory.claims());
    for forgery in spoofed {
        let owner = forgery.owner.map_or_else(|| "somebody".to_owned(), |owner| owner.to_string());
        let text = format!(
            "{owner} made a folder in the name of {}; it is ignored",
            forgery.claimed.escape_debug()
        );
        report.problem("forged-request", text);
    }
    let is_answer = |peer: &&Peer| {
        peer.state == PeerState::Accepted
            && known.get(&peer.email) == Some(&PeerState::RequestedByMe)
    };
    let answered: Vec<&Peer> = found.iter().filter(is_answer).collect();
    if is_current && !answered.is_empty() {
        for peer in answered {
            file.set_state(&peer.email, PeerState::Accepted);
        }
        write_peers_file(account, directory, &file).await?;
    }
    let mut acquaintances = Vec::new();
    for peer in found {
        let version = read_version_of(account, directory, &peer.email, report).await?;
        acquaintances.push(Acquaintance { peer, version });
    }
    Ok(acquaintances)
}

/// Returns the peers as the last sync left them, without asking the service.
///
/// # Errors
/// If the database fails.
pub fn remembered(account: &Account) -> Result<Vec<Acquaintance>> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let file = remembered_file(account)?;
    let (found, _) = peers::peers(&file.peers().collect(), directory.claims());
    found
        .into_iter()
        .map(|peer| {
            let cached = account.store.read(|db| meta::get(db, &version_key(&peer.email)))?;
            let version = cached.and_then(|text| parse_cached_version(&text).1);
            Ok(Acquaintance { peer, version })
        })
        .collect()
}

/// True if it is known who the peers are: the peers file is there, and was read or written here.
///
/// # Errors
/// If the database fails.
pub fn is_peers_file_known(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, PEERS))?.is_some())
}

pub(super) fn remembered_file(account: &Account) -> Result<PeersFile> {
    match account.store.read(|db| meta::get(db, PEERS))? {
        Some(text) => parse_peers_file(text.as_bytes()),
        None => Ok(PeersFile::default()),
    }
}

fn parse_peers_file(bytes: &[u8]) -> Result<PeersFile> {
    PeersFile::from_json(bytes)
        .map_err(|source| Error::OwnFile { name: PEERS_FILE.to_owned(), source })
}

/// Reads the peers file as it is now: only this may be changed and written back.
/// What was made since `directory` was read is not in it: see [`peers_file_to_change`].
async fn current_peers_file(account: &Account, directory: &Directory) -> Result<PeersFile> {
    let Some(entry) = &directory.peers_file else {
        account.store.write(keep_known_peers)?;
        return Ok(PeersFile::default());
    };
    let revision = revision_of(entry);
    if account.store.read(|db| meta::get(db, PEERS_REVISION))?.as_ref() == Some(&revision) {
        return remembered_file(account);
    }
    let limit = limits::OWN_FILE_BYTES_MAX as u64;
    let bytes = match account.router.own().read(&entry.id, limit).await {
        Err(connections::Error::NotFound { id }) => {
            account.store.write(|db| {
                catalogue::remove(db, &id)?;
                keep_known_peers(db)
            })?;
            return Ok(PeersFile::default());
        }
        read => read?,
    };
    let file = parse_peers_file(&bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    account.store.write(|db| {
        meta::set(db, PEERS, &text)?;
        meta::set(db, PEERS_REVISION, &revision)
    })?;
    Ok(file)
}

async fn peers_file_to_change(account: &Account) -> Result<PeersFile> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    current_peers_file(account, &directory).await
}

/// Notes that the peers file is gone, or another one: what it said is said again in the next.
pub(super) fn keep_known_peers(db: &rusqlite::Connection) -> crate::caches::Result<()> {
    mending::keep_known_peers(db, PEERS, PEERS_REVISION)
}

async fn write_peers_file(
    account: &Account,
    directory: &Directory,
    file: &PeersFile,
) -> Result<()> {
    let bytes = file.to_json();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let entry = directory.peers_file.as_ref().map(|entry| &entry.id);
    put_small_file(account, directory, entry, PEERS_FILE, bytes).await?;
    account.store.write(|db| {
        meta::set(db, PEERS, &text)?;
        // The revision that our own write made is not known: the next sync reads it once.
        meta::remove(db, PEERS_REVISION)
    })?;
    Ok(())
}

/// Creates or replaces a file of ours directly in the SyftBox folder, and returns its id.
async fn put_small_file(
    account: &Account,
    directory: &Directory,
    known: Option<&FileId>,
    name: &str,
    bytes: Vec<u8>,
) -> Result<FileId> {
    let root = directory.syftbox.as_ref().ok_or_else(no_home)?;
    // One that was made since the directory was read is known to the catalogue.
    let named = account.store.read(|db| catalogue::named(db, name))?;
    let is_here = |entry: &&Entry| entry.is_mine && entry.parents.first() == Some(root);
    let known = known.or_else(|| named.iter().find(is_here).map(|entry| &entry.id));
    let place = Place { parent: root, name, note: name, media_type: "text/plain" };
    put_file(account, known, place, Content::Bytes(bytes.into())).await
}

fn revision_of(entry: &Entry) -> String {
    format!("{} {}", entry.id, entry.revision)
}

fn version_key(peer: &Email) -> String {
    format!("version.of {peer}")
}

/// The first line is the revision, the rest is the file.
fn parse_cached_version(text: &str) -> (&str, Option<VersionInfo>) {
    let (revision, json) = text.split_once('\n').unwrap_or((text, ""));
    (revision, VersionInfo::from_json(json.as_bytes()).ok())
}

async fn read_version_of(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    report: &mut Report,
) -> Result<Option<VersionInfo>> {
    let key = version_key(peer);
    let cached = account.store.read(|db| meta::get(db, &key))?;
    let cached = cached.as_deref().map(parse_cached_version);
    let Some(entry) = directory.version_of(peer) else {
        return Ok(cached.and_then(|(_, version)| version));
    };
    let revision = revision_of(entry);
    if let Some((known, version)) = &cached
        && *known == revision
    {
        return Ok(version.clone());
    }
    let limit = limits::PEER_FILE_BYTES_MAX as u64;
    match account.router.connection_for(peer).read(&entry.id, limit).await {
        Ok(bytes) => {
            let text = format!("{revision}\n{}", String::from_utf8_lossy(&bytes));
            account.store.write(|db| meta::set(db, &key, &text))?;
            Ok(parse_cached_version(&text).1)
        }
        Err(error) => {
            let text = format!("the version of {peer} could not be read: {}", told(&error));
            report.problem_with(peer, "version-not-read", text);
            Ok(cached.and_then(|(_, version)| version))
        }
    }
}

/// Makes sure that our own folders exist: the root, and the folder of the event log.
///
/// # Errors
/// If the service refuses.
pub async fn ensure_home(account: &Account) -> Result<Directory> {
    let read = || Directory::read(&account.store, &account.email, &account.dialect);
    let directory = read()?;
    if directory.syftbox.is_some() && directory.personal.is_some() {
        return Ok(directory);
    }
    let root = match directory.syftbox {
        Some(root) => root,
        None => create_folder(account, &account.router.own().root(), SYFTBOX).await?,
    };
    if directory.personal.is_none() {
        let version = account.dialect.client_version;
        let name = PersonalFolder { version, owner: account.email.clone() };
        create_folder(account, &root, &name.to_string()).await?;
    }
    read()
}

/// Asks `peer` to work with us, or agrees if it has asked us. Safe to run again: what an earlier
/// attempt did is found.
///
/// # Errors
/// [`Error::OwnAccount`] if `peer` is ourselves; else if the service refuses.
pub async fn request(account: &Account, peer: &Email, now: Timestamp) -> Result<()> {
    if peer.is_same_account(account.email.as_str()) {
        return Err(Error::OwnAccount { peer: peer.clone() });
    }
    refresh(account, Freshness::Feed, now).await?;
    let directory = ensure_home(account).await?;
    let known = load(account, &directory, &mut Report::default()).await?;
    let known = known.into_iter().map(|other| other.peer).find(|other| is_peer(other, peer));
    let has_asked = known.as_ref().is_some_and(|other| {
        matches!(other.state, PeerState::RequestedByPeer | PeerState::Accepted)
    });
    let state = if has_asked { PeerState::Accepted } else { PeerState::RequestedByMe };
    let peer = known.map_or_else(|| peer.clone(), |other| other.email);
    open_mailboxes(account, &directory, &peer, state, now).await
}

/// Agrees to work with a peer that has asked.
///
/// # Errors
/// [`Error::NoRequest`] if it has not.
pub async fn approve(account: &Account, peer: &Email, now: Timestamp) -> Result<()> {
    let (directory, peer) = answerable(account, peer, now).await?;
    open_mailboxes(account, &directory, &peer, PeerState::Accepted, now).await
}

/// Declines to work with a peer that has asked. It is not told.
///
/// # Errors
/// [`Error::NoRequest`] if it has not.
pub async fn reject(account: &Account, peer: &Email, now: Timestamp) -> Result<()> {
    let (directory, peer) = answerable(account, peer, now).await?;
    let mut file = peers_file_to_change(account).await?;
    file.set_state(&peer, PeerState::Rejected);
    // Nothing that is on its way may reach it any more.
    account.store.write(|db| begin_again(db, &peer))?;
    write_peers_file(account, &directory, &file).await
}

fn is_peer(known: &Peer, typed: &Email) -> bool {
    known.email.is_same_account(typed.as_str())
}

/// Returns the peer as it spells itself: people type an address in any case.
async fn answerable(account: &Account, peer: &Email, now: Timestamp) -> Result<(Directory, Email)> {
    refresh(account, Freshness::Feed, now).await?;
    let directory = ensure_home(account).await?;
    let known = load(account, &directory, &mut Report::default()).await?;
    let found = known.into_iter().map(|other| other.peer).find(|other| is_peer(other, peer));
    match found {
        Some(other) if other.state != PeerState::RequestedByMe => Ok((directory, other.email)),
        _ => Err(Error::NoRequest { peer: peer.clone() }),
    }
}

/// Makes our two folders for a peer, opens them and our version file to it, and notes the state.
pub(super) async fn open_mailboxes(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    state: PeerState,
    now: Timestamp,
) -> Result<()> {
    let root = directory.syftbox.clone().ok_or_else(no_home)?;
    let mut grants = Vec::new();
    for direction in [Direction::Inbox, Direction::Outbox] {
        let found = directory.mailbox(peer, direction, &account.email, &account.dialect);
        let id = if let Some(entry) = found {
            entry.id.clone()
        } else {
            let name = P2pFolder {
                version: account.dialect.client_version,
                datasite: peer.clone(),
                direction,
                peer: account.email.clone(),
            };
            create_folder(account, &root, &name.to_string()).await?
        };
        grants.push(Grant { id, to: peer.clone(), access: Access::Write });
    }
    let version = write_own_version(account, directory, now).await?;
    grants.push(Grant { id: version, to: peer.clone(), access: Access::Read });
    for outcome in account.router.own().share(&grants, false).await? {
        outcome?;
    }
    // Whatever it was sent before lies in folders that may be gone by now.
    account.store.write(|db| announcing::answer_all(db, peer))?;
    let mut file = peers_file_to_change(account).await?;
    file.set_state(peer, state);
    write_peers_file(account, directory, &file).await
}

/// Returns our version file as this machine last wrote it; `None` if it never did.
pub(super) fn written_version(account: &Account) -> Result<Option<FileId>> {
    let written = account.store.read(|db| meta::get(db, OWN_VERSION))?;
    Ok(written.and_then(|text| FileId::parse(text.lines().next()?).ok()))
}

/// Makes sure that our version file says what this program speaks, and returns its id.
///
/// # Errors
/// If the service refuses.
pub async fn write_own_version(
    account: &Account,
    directory: &Directory,
    now: Timestamp,
) -> Result<FileId> {
    let info = account.dialect.version_info(now, None, Some(Implementation::this()));
    let mut timeless = info.clone();
    timeless.updated_at = String::new();
    let content = String::from_utf8_lossy(&timeless.to_json()).into_owned();
    let written = account.store.read(|db| meta::get(db, OWN_VERSION))?;
    let known = directory.version_file.as_ref();
    if let Some(entry) = known
        && written.as_deref() == Some(&format!("{}\n{content}", entry.id))
    {
        return Ok(entry.id.clone());
    }
    let known = known.map(|entry| &entry.id);
    let id = put_small_file(account, directory, known, VERSION_FILE, info.to_json()).await?;
    let local = account.folders.syftbox.join(VERSION_FILE);
    std::fs::create_dir_all(&account.folders.syftbox)
        .and_then(|()| std::fs::write(&local, info.to_json()))
        .map_err(|source| crate::caches::Error::File { path: local, what: "written", source })?;
    account.store.write(|db| meta::set(db, OWN_VERSION, &format!("{id}\n{content}")))?;
    Ok(id)
}
