//! Speaks with each peer as it does: opens the folders and the version file that fit it, and
//! changes them when it changes.
//!
//! What is to be done is decided by `peers`. Each step may be done again after a crash, and the
//! last one, a single transaction, notes what we settled on and drops what was on its way into
//! folders that count no more. The old permission on a version file goes before the new one is
//! given: who sees two of them may read either. Source: DIALECT_0_10 E.1, E.3, E.6.

use futures::{StreamExt as _, TryStreamExt as _, stream};

use crate::caches::{announcing, catalogue, meta, proposed};
use crate::connections::{self, Access, FileId, Grant};
use crate::model::{Code, Email, Timestamp};
use crate::peers::{self, PeerState, Signs, Speech, Turn};
use crate::wire::names::{Direction, P2pFolder};
use crate::wire::{Capability, Compatibility, Dialect, Version, VersionInfo};

use super::peering::Acquaintance;
use super::placing::create_folder;
use super::sending::{begin_again, have_ids, no_home, told};
use super::{Account, Directory, Report, Result, own_versions};

/// What we settled on with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Edge {
    /// The version that we speak with it.
    version: Version,
    /// Our version file that it may read.
    file: FileId,
}

/// How many ids a version file takes, with its folder.
const AND_FOR_THE_VERSION: usize = 2;

fn edge_key(peer: &Email) -> String {
    format!("edge {peer}")
}

fn edge(account: &Account, peer: &Email) -> Result<Option<Edge>> {
    let text = account.store.read(|db| meta::get(db, &edge_key(peer)))?;
    Ok(text.as_deref().and_then(|text| {
        let (version, file) = text.split_once(' ')?;
        Some(Edge { version: Version::parse(version)?, file: FileId::parse(file).ok()? })
    }))
}

/// Returns our version file that `peer` may read, if it was given one.
pub(super) fn shown_file(account: &Account, peer: &Email) -> Result<Option<FileId>> {
    Ok(edge(account, peer)?.map(|edge| edge.file))
}

/// Returns how to speak with `peer`. `read` is its version file: `None` if it has never shown us
/// one, `Some(None)` if it cannot be understood.
pub(super) fn speech_with(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    read: Option<Option<&VersionInfo>>,
) -> Result<Speech> {
    let stated = |version: &VersionInfo| version.syft_client_version.clone();
    let signs = Signs {
        advertised: read.map(|read| read.map(stated).unwrap_or_default()),
        is_echo: read.flatten().is_some_and(|version| version.has(Capability::AnyGeneration)),
        theirs: directory.made_by(peer).map(|mailbox| mailbox.name.version).collect(),
        ours: directory.made_for(peer).map(|mailbox| mailbox.name.version).collect(),
        settled: edge(account, peer)?.map(|edge| edge.version),
    };
    Ok(peers::speech(&signs, &account.spoken, &account.dialect))
}

/// Opens what is needed to ask `peer`, or to agree with it: our folders, and our version file where
/// it is known which one the peer is to read. Safe to run again.
///
/// # Errors
/// If the service refuses.
pub(super) async fn open(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    speech: &Speech,
    now: Timestamp,
) -> Result<()> {
    if let Some(dialect) = &speech.dialect {
        return settle(account, directory, peer, dialect, now).await;
    }
    // It may turn out to speak any of ours. Which file it is to read will be known then.
    let asks_in_all = speech.compatibility == Compatibility::Unknown && account.spoken.len() > 1;
    let home = std::slice::from_ref(&account.dialect);
    let dialects = if asks_in_all { account.spoken.as_slice() } else { home };
    if asks_in_all {
        let grants = open_folders(account, directory, peer, dialects).await?;
        return share(account, &grants).await;
    }
    let (grants, _) = open_all(account, directory, peer, &account.dialect, now).await?;
    share(account, &grants).await
}

/// Sees to it that we speak with each peer as it does. Returns the directory as it is then.
///
/// # Errors
/// If the database fails. What the service refuses is a problem in the report.
pub(super) async fn keep_up(
    account: &Account,
    mut directory: Directory,
    peers: &[Acquaintance],
    now: Timestamp,
    report: &mut Report,
) -> Result<Directory> {
    for known in peers {
        if !matches!(known.peer.state, PeerState::Accepted | PeerState::RequestedByMe) {
            continue;
        }
        let peer = &known.peer.email;
        let Some(dialect) = &known.speech.dialect else {
            if known.speech.compatibility == Compatibility::Incompatible {
                let text = format!(
                    "{peer} uses version {}, which this program does not speak; nothing is \
                     exchanged with it",
                    known.version_shown().unwrap_or_else(|| "of another generation".to_owned())
                );
                report.problem_with(peer, Code::VersionIncompatible, text);
            }
            continue;
        };
        if is_settled(account, &directory, peer, dialect)? {
            continue;
        }
        match settle(account, &directory, peer, dialect, now).await {
            Err(super::Error::Connection(error)) => {
                let text = format!("what {peer} needs could not be opened: {}", told(&error));
                report.problem_with(peer, Code::PeerNotOpened, text);
            }
            done => done?,
        }
        directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    }
    Ok(directory)
}

/// True if nothing is to be done for a peer that speaks `dialect`. Notes it where another machine
/// of ours has done it.
fn is_settled(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    dialect: &Dialect,
) -> Result<bool> {
    let version = dialect.client_version;
    if let Some(edge) = edge(account, peer)? {
        let is_right = own_versions::may_state(account, directory, dialect, &edge.file);
        return Ok(peers::turn(Some(edge.version), version, is_right) == Turn::Stay);
    }
    // The unneeded folders go last, and only once all else is done.
    let mut made = directory.made_for(peer).peekable();
    let is_done = made.peek().is_some()
        && made.all(|mailbox| mailbox.name.version.is_same_family(version))
        && [Direction::Inbox, Direction::Outbox]
            .into_iter()
            .all(|direction| directory.mailbox(peer, direction, &account.email, dialect).is_some());
    match own_versions::version_file(account, directory, dialect) {
        Some(file) if is_done => {
            let edge = Edge { version, file: file.clone() };
            account.store.write(|db| note(db, peer, &edge))?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// Opens what a peer needs that speaks `dialect`, and closes what it needs no more.
async fn settle(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    dialect: &Dialect,
    now: Timestamp,
) -> Result<()> {
    let before = edge(account, peer)?;
    let is_new = directory.made_for(peer).next().is_none();
    let (grants, file) = open_all(account, directory, peer, dialect, now).await?;
    let seen_before = match &before {
        _ if is_new => Vec::new(),
        Some(edge) if edge.file == file => Vec::new(),
        // One that is gone is shared with nobody.
        Some(_) | None => own_versions::other_version_files(directory, &file),
    };
    for other in seen_before {
        account.router.own().unshare(&other, peer).await?;
    }
    share(account, &grants).await?;

    let settled = before.as_ref().map(|edge| edge.version);
    let version = dialect.client_version;
    let turn = peers::turn(settled, version, false);
    // What was proposed to a peer of whom nothing was known is in the folder of our home dialect.
    let was_guessed_wrong =
        turn == Turn::Begin && !version.is_same_family(account.dialect.client_version);
    if turn == Turn::Begin {
        delete_unused(account, directory, peer, dialect).await?;
    }
    account.store.write(|db| {
        if turn == Turn::Anew || was_guessed_wrong {
            begin_again(db, peer)?;
            proposed::forget(db, peer)?;
        }
        note(db, peer, &Edge { version, file: file.clone() })
    })?;
    Ok(())
}

fn note(db: &rusqlite::Connection, peer: &Email, edge: &Edge) -> crate::caches::Result<()> {
    meta::set(db, &edge_key(peer), &format!("{} {}", edge.version, edge.file))
}

/// Makes sure that there is all that a peer needs of us that speaks `dialect`: both folders beside our
/// version file, which is returned with what the peer is to be granted.
async fn open_all(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    dialect: &Dialect,
    now: Timestamp,
) -> Result<(Vec<Grant>, FileId)> {
    let (grants, file) = futures::join!(
        open_folders(account, directory, peer, std::slice::from_ref(dialect)),
        own_versions::write_version(account, directory, dialect, now),
    );
    let (mut grants, file) = (grants?, file?);
    grants.push(Grant { id: file.clone(), to: peer.clone(), access: Access::Read });
    Ok((grants, file))
}

/// Makes sure that there are both folders for a peer in each of `dialects`, and returns what it is
/// to be granted.
async fn open_folders(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    dialects: &[Dialect],
) -> Result<Vec<Grant>> {
    let root = directory.syftbox.clone().ok_or_else(no_home)?;
    let both = [Direction::Inbox, Direction::Outbox];
    let wanted = dialects.iter().flat_map(|dialect| both.map(|direction| (dialect, direction)));
    let found: Vec<_> = wanted
        .map(|(dialect, direction)| {
            let found = directory.mailbox(peer, direction, &account.email, dialect);
            (dialect.client_version, direction, found.map(|entry| entry.id.clone()))
        })
        .collect();
    let missing = found.iter().filter(|(_, _, id)| id.is_none()).count();
    if missing > 0 {
        have_ids(account, missing + AND_FOR_THE_VERSION).await?;
    }
    let opened = found.into_iter().map(|(version, direction, id)| {
        let root = &root;
        async move {
            let id = if let Some(id) = id {
                id
            } else {
                let (datasite, peer) = (peer.clone(), account.email.clone());
                let name = P2pFolder { version, datasite, direction, peer };
                create_folder(account, root, &name.to_string()).await?
            };
            Ok(Grant { id, to: peer.clone(), access: Access::Write })
        }
    });
    stream::iter(opened.collect::<Vec<_>>()).buffered(connections::AT_ONCE).try_collect().await
}

async fn share(account: &Account, grants: &[Grant]) -> Result<()> {
    for outcome in account.router.own().share(grants, false).await? {
        outcome?;
    }
    Ok(())
}

/// Deletes the folders that we made for `peer` in dialects that it turned out not to speak. One in
/// which others have put something stays.
async fn delete_unused(
    account: &Account,
    directory: &Directory,
    peer: &Email,
    dialect: &Dialect,
) -> Result<()> {
    let version = dialect.client_version;
    let mut ids = Vec::new();
    for mailbox in directory.made_for(peer) {
        let inside = account.store.read(|db| catalogue::children(db, &mailbox.entry.id))?;
        let is_ours = inside.iter().all(|entry| entry.is_mine);
        if !mailbox.name.version.is_same_family(version) && is_ours {
            ids.push(mailbox.entry.id.clone());
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    for (id, outcome) in ids.iter().zip(account.router.own().delete(&ids).await?) {
        outcome?;
        account.store.write(|db| catalogue::remove(db, id))?;
    }
    Ok(())
}

/// Notes that a peer that was asked or answered is to be told again of all that it was ever sent:
/// it may lie in folders that are gone by now.
pub(super) fn tell_all_again(account: &Account, peer: &Email) -> Result<()> {
    Ok(account.store.write(|db| announcing::answer_all(db, peer))?)
}
