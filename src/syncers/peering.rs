//! Requests, approvals and versions: what peers say of themselves, and what we say of us.
//!
//! The peers file and each peer's version file are read when the catalogue shows that they
//! changed. One that cannot be read is taken as it was: a hiccup must not cut a peer off (W20,
//! W28).

use futures::{StreamExt as _, stream};

use crate::caches::{catalogue, meta};
use crate::connections::{self, Content, Entry};
use crate::model::{Code, Email, Timestamp};
use crate::peers::{self, Peer, PeerState, Secrecy, Speech};
use crate::wire::names::{FolderName, PEERS_FILE, PersonalFolder, SYFTBOX};
use crate::wire::{Dialect, PeersFile, VersionInfo, limits};

use super::placing::{Place, create_folder, put_file};
use super::sending::{begin_again, no_home, told};
use super::{
    Account, Directory, Error, Freshness, Report, Result, mending, refresh, remote, sealing,
    speaking,
};

const PEERS: &str = "peers.file";
const PEERS_REVISION: &str = "peers.revision";

/// One peer, and how it speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acquaintance {
    /// Who, and how far it has come.
    pub peer: Peer,
    /// What its version file says; `None` if none was ever read, or it could not be understood.
    pub version: Option<VersionInfo>,
    /// How to speak with it.
    pub speech: Speech,
    /// How messages go to and from it.
    pub secrecy: Secrecy,
    /// True if all that it had shown us is gone from the drive: it has deleted its SyftBox.
    pub has_departed: bool,
}

impl Acquaintance {
    /// True if messages go to and fro: both sides agreed, it is known how to speak with it, and
    /// nobody has to decide about its keys first.
    pub const fn is_working(&self) -> bool {
        matches!(self.peer.state, PeerState::Accepted)
            && self.speech.dialect.is_some()
            && !self.secrecy.is_stopped()
    }

    /// Returns the version to show to a person: what its version file says, shortened, else what it
    /// was found to speak.
    pub fn version_shown(&self) -> Option<String> {
        const CHARACTERS_MAX: usize = 40;
        let spoken = || Some(self.speech.dialect.as_ref()?.client_version.to_string());
        let stated = self.version.as_ref().map(|version| &version.syft_client_version);
        stated.map(|text| text.chars().take(CHARACTERS_MAX).collect()).or_else(spoken)
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
    // Whoever has made a folder for us is a peer, or asks to be one, whatever the file says: what
    // they say of themselves is read beside it.
    let claimants = peers::peers(&peers::Known::default(), directory.claims()).0;
    let mut told_of_versions = Report::default();
    let (file, versions) = futures::join!(
        current_peers_file(account, directory),
        read_versions(account, directory, &claimants, &mut told_of_versions),
    );
    versions?;
    let (mut file, is_current) = match file {
        Ok(file) => (file, true),
        Err(Error::Connection(error)) if error.is_retryable() => {
            report.problem(Code::PeersNotRead, format!("{PEERS_FILE}: {}", told(&error)));
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
        report.problem(Code::ForgedRequest, text);
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
    let is_unread = |peer: &&Peer| claimants.iter().all(|one| one.email != peer.email);
    let unread: Vec<Peer> = found.iter().filter(is_unread).cloned().collect();
    read_versions(account, directory, &unread, &mut told_of_versions).await?;
    report.problems.extend(told_of_versions.problems);
    let mut acquaintances = Vec::new();
    for peer in found {
        acquaintances.push(acquaintance(account, directory, peer)?);
    }
    sealing::remember(account, &mut acquaintances)?;
    tell_departures(account, &acquaintances, report)?;
    Ok(acquaintances)
}

/// Says of each peer that has deleted its SyftBox that it has, once.
fn tell_departures(account: &Account, peers: &[Acquaintance], report: &mut Report) -> Result<()> {
    for known in peers {
        let peer = &known.peer.email;
        let key = format!("departed {peer}");
        let was_told = account.store.read(|db| meta::get(db, &key))?.is_some();
        if known.has_departed && !was_told {
            account.store.write(|db| meta::set(db, &key, ""))?;
            let text = format!("{peer} has deleted its SyftBox");
            report.problem_with(peer, Code::PeerDeparted, text);
        } else if was_told && !known.has_departed {
            account.store.write(|db| meta::remove(db, &key))?;
        }
    }
    Ok(())
}

/// Returns the peers as the last sync left them, without asking the service.
///
/// # Errors
/// If the database fails.
pub fn remembered(account: &Account) -> Result<Vec<Acquaintance>> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let file = remembered_file(account)?;
    let (found, _) = peers::peers(&file.peers().collect(), directory.claims());
    let remembered = found.into_iter().map(|peer| acquaintance(account, &directory, peer));
    let mut remembered = remembered.collect::<Result<Vec<_>>>()?;
    sealing::remember(account, &mut remembered)?;
    Ok(remembered)
}

fn acquaintance(account: &Account, directory: &Directory, peer: Peer) -> Result<Acquaintance> {
    let cached = account.store.read(|db| meta::get(db, &version_key(&peer.email)))?;
    let read = cached.as_deref().map(|text| parse_cached_version(text).1);
    let stated = read.as_ref().map(Option::as_ref);
    let speech = speaking::speech_with(account, directory, &peer.email, stated)?;
    let has_departed = peer.state == PeerState::Accepted
        && cached.is_some()
        && directory.version_of(&peer.email).is_none()
        && directory.made_by(&peer.email).next().is_none();
    let (version, secrecy) = (read.flatten(), Secrecy::default());
    Ok(Acquaintance { peer, version, speech, secrecy, has_departed })
}

/// True if it is known who the peers are: the peers file is there, and was read or written here.
///
/// # Errors
/// If the database fails.
pub fn is_peers_file_known(account: &Account) -> Result<bool> {
    Ok(account.store.read(|db| meta::get(db, PEERS))?.is_some())
}

/// True if the peers file that is known here is the one that lies on the drive, as it is now, and
/// the only one that counts.
///
/// # Errors
/// If the database fails.
pub(super) fn is_peers_file_current(account: &Account, directory: &Directory) -> Result<bool> {
    let Some(entry) = &directory.peers_file else { return Ok(false) };
    let (revision, file) =
        account.store.read(|db| Ok((meta::get(db, PEERS_REVISION)?, meta::get(db, PEERS)?)))?;
    let mut strays = directory.stray_peers_files.iter();
    let are_strays_read = strays.try_fold(true, |all, stray| {
        Ok::<_, Error>(all && mending::is_gathered(account, stray)?)
    })?;
    Ok(file.is_some() && revision == Some(revision_of(entry)) && are_strays_read)
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
    let Some(bytes) = sealing::open_peers_file(account, bytes)? else {
        // Somebody else wrote it: what is known here is written over it.
        account.store.write(keep_known_peers)?;
        return Ok(PeersFile::default());
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
    let root = directory.syftbox.as_ref().ok_or_else(no_home)?;
    // One that was made since the directory was read is known to the catalogue.
    let named = account.store.read(|db| catalogue::named(db, PEERS_FILE))?;
    let is_here = |entry: &&Entry| entry.is_mine && entry.parents.first() == Some(root);
    let known = directory.peers_file.as_ref().or_else(|| named.iter().find(is_here));
    let known = known.map(|entry| &entry.id);
    let (name, note) = (PEERS_FILE, PEERS_FILE);
    let place = Place { parent: root, name, note, media_type: "text/plain" };
    let bytes = sealing::seal_peers_file(account, bytes)?;
    put_file(account, known, place, Content::Bytes(bytes.into())).await?;
    account.store.write(|db| {
        meta::set(db, PEERS, &text)?;
        // The revision that our own write made is not known: the next sync reads it once.
        meta::remove(db, PEERS_REVISION)
    })?;
    Ok(())
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

/// Reads the version files of peers, those that changed, side by side.
async fn read_versions(
    account: &Account,
    directory: &Directory,
    peers: &[Peer],
    report: &mut Report,
) -> Result<()> {
    let read = peers.iter().map(|peer| async move {
        let mut report = Report::default();
        (read_version_of(account, directory, &peer.email, &mut report).await, report)
    });
    let mut read = stream::iter(read.collect::<Vec<_>>()).buffered(connections::AT_ONCE);
    while let Some((outcome, told)) = read.next().await {
        report.problems.extend(told.problems);
        outcome?;
    }
    Ok(())
}

/// Reads the version file of a peer if it changed. One that could not be read stays as it was known.
async fn read_version_of(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    report: &mut Report,
) -> Result<()> {
    let key = version_key(peer);
    let Some(entry) = directory.version_of(peer) else { return Ok(()) };
    let cached = account.store.read(|db| meta::get(db, &key))?;
    let revision = revision_of(entry);
    if cached.as_deref().is_some_and(|text| parse_cached_version(text).0 == revision) {
        return Ok(());
    }
    let limit = limits::PEER_FILE_BYTES_MAX as u64;
    let text = match account.router.connection_for(peer).read(&entry.id, limit).await {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        // Nothing that a version file says takes so much room.
        Err(connections::Error::TooLarge { .. }) => String::new(),
        Err(error) => {
            let text = format!("the version of {peer} could not be read: {}", told(&error));
            report.problem_with(peer, Code::VersionNotRead, text);
            return Ok(());
        }
    };
    account.store.write(|db| meta::set(db, &key, &format!("{revision}\n{text}")))?;
    Ok(())
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

/// Returns the home dialect of the other machines of the account, if this one is new to it and
/// they have another than is set here.
///
/// # Errors
/// If the service cannot be asked.
pub async fn home_on_drive(account: &Account, now: Timestamp) -> Result<Option<Dialect>> {
    if remote::has_listed(account)? {
        return Ok(None);
    }
    refresh(account, Freshness::Listing, now).await?;
    let homes: Vec<&Dialect> = {
        let folders = account.store.read(catalogue::folders)?;
        let is_home = |dialect: &&Dialect| {
            folders.iter().any(|entry| match FolderName::parse(&entry.name) {
                Some(FolderName::Personal(name)) => {
                    entry.is_mine
                        && name.owner.is_same_account(account.email.as_str())
                        && name.version.is_same_family(dialect.client_version)
                }
                _ => false,
            })
        };
        account.spoken.iter().filter(is_home).collect()
    };
    Ok(match homes.as_slice() {
        [only] if **only != account.dialect => Some((*only).clone()),
        // In several there is no telling which is used.
        _ => None,
    })
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
    let known = match known.into_iter().find(|other| is_peer(&other.peer, peer)) {
        Some(known) => known,
        None => {
            let (email, state) = (peer.clone(), PeerState::RequestedByMe);
            acquaintance(account, &directory, Peer { email, state })?
        }
    };
    let has_asked = matches!(known.peer.state, PeerState::RequestedByPeer | PeerState::Accepted);
    let state = if has_asked { PeerState::Accepted } else { PeerState::RequestedByMe };
    open(account, &directory, &known, state, now).await
}

/// Agrees to work with a peer that has asked.
///
/// # Errors
/// [`Error::NoRequest`] if it has not.
pub async fn approve(account: &Account, peer: &Email, now: Timestamp) -> Result<()> {
    let (directory, known) = answerable(account, peer, now).await?;
    open(account, &directory, &known, PeerState::Accepted, now).await
}

/// Agrees to work with a peer that asks and has no answer from anybody, on any machine: for who
/// decides by a rule, which never goes before the word of a person.
///
/// # Errors
/// [`Error::NoRequest`] if it does not ask, or has its answer.
pub async fn admit(account: &Account, peer: &Email, now: Timestamp) -> Result<()> {
    let (directory, known) = answerable(account, peer, now).await?;
    // Looking goes on with what is remembered where the file cannot be read; this does not.
    let file = peers_file_to_change(account).await?;
    let is_answered = file
        .peers()
        .any(|(email, state)| is_same(&email, peer) && state != PeerState::RequestedByPeer);
    if is_answered || known.peer.state != PeerState::RequestedByPeer {
        return Err(Error::NoRequest { peer: peer.clone() });
    }
    open(account, &directory, &known, PeerState::Accepted, now).await
}

/// Declines to work with a peer that has asked. It is not told.
///
/// # Errors
/// [`Error::NoRequest`] if it has not.
pub async fn reject(account: &Account, peer: &Email, now: Timestamp) -> Result<()> {
    let (directory, known) = answerable(account, peer, now).await?;
    let peer = known.peer.email;
    let mut file = peers_file_to_change(account).await?;
    file.set_state(&peer, PeerState::Rejected);
    // Nothing that is on its way may reach it any more.
    account.store.write(|db| begin_again(db, &peer))?;
    write_peers_file(account, &directory, &file).await
}

fn is_peer(known: &Peer, typed: &Email) -> bool {
    is_same(&known.email, typed)
}

fn is_same(known: &Email, typed: &Email) -> bool {
    known.is_same_account(typed.as_str())
}

/// Returns the peer as it spells itself: people type an address in any case.
async fn answerable(
    account: &Account,
    peer: &Email,
    now: Timestamp,
) -> Result<(Directory, Acquaintance)> {
    refresh(account, Freshness::Feed, now).await?;
    let directory = ensure_home(account).await?;
    let known = load(account, &directory, &mut Report::default()).await?;
    match known.into_iter().find(|other| is_peer(&other.peer, peer)) {
        Some(other) if other.peer.state != PeerState::RequestedByMe => Ok((directory, other)),
        _ => Err(Error::NoRequest { peer: peer.clone() }),
    }
}

/// Opens to a peer what it needs of ours, and notes the state.
pub(super) async fn open(
    account: &Account,
    directory: &Directory,
    known: &Acquaintance,
    state: PeerState,
    now: Timestamp,
) -> Result<()> {
    let peer = &known.peer.email;
    speaking::open(account, directory, peer, &known.speech, now).await?;
    speaking::tell_all_again(account, peer)?;
    let mut file = peers_file_to_change(account).await?;
    file.set_state(peer, state);
    write_peers_file(account, directory, &file).await
}
