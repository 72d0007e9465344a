//! Shortens the event log behind a full checkpoint, if that was asked for.
//!
//! In an order in which a crash loses nothing: the checkpoint is listed by the service; a note says
//! until when messages may be gone, so that a machine that was away knows that it must restore; then
//! the messages go. A note without the deletions does no harm, and the next sync goes on.

use crate::caches::{DatasiteTree, catalogue, journal, meta, packs, scan};
use crate::checkpoints::{self, Full, Kept, Prune, PruneFacts};
use crate::connections::{Content, FileId};
use crate::model::{Code, Timestamp};
use crate::peers::PeerState;
use crate::wire::names::{CheckpointName, IncrementalName, PrunedName, RollingStateName};
use crate::wire::{VersionInfo, limits};

use super::super::peering::Acquaintance;
use super::super::sending::told;
use super::super::{Account, Directory, Report, Result};
use super::checkpoint::{self, OwnFull, parsed};
use super::{announce, log, mailboxes, nanoseconds};

/// Meta key: why the log was left as it was.
pub(super) const KEPT: &str = "log.kept";

/// Deletes what a full checkpoint of this machine replaces of the event log, if all that
/// [`checkpoints::prune`] asks for holds. Why not is noted for the status; a refusal of the service
/// is told.
pub(super) async fn prune(
    account: &Account,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let directory = Directory::read(&account.store, &account.email, &account.dialect)?;
    let decided = match decide(account, &directory, peers, tree, now, report).await {
        Ok(decided) => decided,
        Err(super::super::Error::Connection(error)) => {
            report.problem(Code::LogNotPruned, told(&error));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let kept = match decided {
        Ok(pruned) => {
            if let Err(error) = carry_out(account, &directory, &pruned).await {
                report.problem(Code::LogNotPruned, told(&error));
            }
            None
        }
        Err(kept) => Some(kept.to_string()),
    };
    if account.store.read(|db| meta::get(db, KEPT))? != kept {
        account.store.write(|db| match &kept {
            Some(reason) => meta::set(db, KEPT, reason),
            None => meta::remove(db, KEPT),
        })?;
    }
    Ok(())
}

/// Gathers what the decision looks at, the dear things last and only if they matter.
async fn decide(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<Result<Prune, Kept>> {
    let entries = log::entries(account, directory)?;
    let mut messages = log::messages(account, &entries)?;
    let included = account.store.read(journal::included)?;
    // One that came into the log later, from a folder that was merged, is in no checkpoint yet.
    for (message, entry) in messages.iter_mut().zip(&entries) {
        message.is_seen &= included.contains(&entry.id);
    }
    let own = checkpoint::own_full(account, directory)?;
    let mut facts = PruneFacts {
        log: &messages,
        full: own.as_ref().map(|own| Full { through_micros: own.through_micros, is_listed: true }),
        pruned_micros: log::pruned(account, directory)?,
        waiting_peer: None,
        python_micros: trace_of_python(account, directory, &messages)?,
        python_version_file: false,
    };
    if !log::is_whole(account, directory)? {
        facts.full = None;
    }
    let decided = checkpoints::prune(&facts);
    let (Some(own), Ok(_)) = (own, &decided) else { return Ok(decided) };
    facts.waiting_peer = waiting_peer(account, directory, peers, tree, now, report)?;
    facts.python_version_file = version_file_is_of_python(account, directory).await?;
    let is_listed = is_listed(account, directory, &own).await?;
    facts.full = Some(Full { through_micros: own.through_micros, is_listed });
    Ok(checkpoints::prune(&facts))
}

/// True if no Python client works with the account: none has left a trace for some time, and the version
/// file is of ours.
pub(super) async fn is_without_python(account: &Account, directory: &Directory) -> Result<bool> {
    Ok(trace_of_python_now(account, directory)?.is_none()
        && !version_file_is_of_python(account, directory).await?)
}

/// Returns when the newest trace of a Python client was made that still counts.
pub(super) fn trace_of_python_now(account: &Account, directory: &Directory) -> Result<Option<i64>> {
    let messages = log::messages(account, &log::entries(account, directory)?)?;
    let trace = trace_of_python(account, directory, &messages)?;
    Ok(trace.filter(|trace| checkpoints::is_recent_trace(&messages, *trace)))
}

/// Returns when the newest file was made whose name has not the form that we give.
fn trace_of_python(
    account: &Account,
    directory: &Directory,
    messages: &[checkpoints::LogMessage],
) -> Result<Option<i64>> {
    let of_log = messages.iter().map(|message| (message.named, message.made_micros));
    let mut files: Vec<(Timestamp, i64)> = of_log.collect();
    for folder in [&directory.checkpoints, &directory.rolling].into_iter().flatten() {
        for entry in account.store.read(|db| catalogue::children(db, folder))? {
            let named = CheckpointName::parse(&entry.name)
                .map(|name| name.timestamp)
                .or_else(|| IncrementalName::parse(&entry.name).map(|name| name.timestamp))
                .or_else(|| RollingStateName::parse(&entry.name).map(|name| name.timestamp));
            files.extend(named.map(|named| (named, entry.created_micros)));
        }
    }
    let foreign = files.into_iter().filter(|(named, _)| !checkpoints::is_form_of_ours(*named));
    Ok(foreign.map(|(_, made)| made).max())
}

/// Returns an approved peer that is owed something, or that we cannot work with now.
fn waiting_peer(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<Option<String>> {
    let approved = peers.iter().filter(|other| other.peer.state == PeerState::Accepted);
    for other in approved {
        let peer = &other.peer.email;
        let (_, outbox) = mailboxes(account, directory, other);
        if outbox.is_none() || !other.is_working() {
            return Ok(Some(peer.to_string()));
        }
    }
    let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
    announce::first_owed(account, directory, peers, tree, &scan, now, report)
}

async fn version_file_is_of_python(account: &Account, directory: &Directory) -> Result<bool> {
    let Some(file) = &directory.version_file else { return Ok(false) };
    let limit = limits::PEER_FILE_BYTES_MAX as u64;
    let bytes = account.router.own().read(&file.id, limit).await?;
    Ok(VersionInfo::from_json(&bytes).map_or(true, |version| version.syft_rs.is_none()))
}

/// Asks the service itself whether the checkpoint is there as it was sent.
async fn is_listed(account: &Account, directory: &Directory, own: &OwnFull) -> Result<bool> {
    let Some(folder) = &directory.checkpoints else { return Ok(false) };
    let listed = account.router.list(folder).await?;
    let found = listed.iter().find(|entry| entry.id == own.file);
    Ok(found.is_some_and(|entry| entry.size_bytes == own.size_bytes))
}

async fn carry_out(account: &Account, directory: &Directory, pruned: &Prune) -> Result<()> {
    let Some(folder) = &directory.checkpoints else { return Ok(()) };
    let notes = log::pruned_notes(account, directory)?;
    if notes.iter().all(|(through, _)| *through < pruned.through_micros) {
        let through = Timestamp::from_micros(pruned.through_micros);
        let name = PrunedName { through }.to_string();
        let nothing = Content::Bytes(bytes::Bytes::new());
        checkpoint::put_into(account, folder, &name, nothing).await?;
    }
    account.store.write(|db| log::heed(db, pruned.through_micros))?;
    let messages = pruned.ids.iter().filter_map(|id| FileId::parse(id).ok());
    let messages: Vec<FileId> = messages.collect();
    checkpoint::delete(account, &messages).await?;
    account.store.write(|db| messages.iter().try_for_each(|message| packs::free(db, message)))?;
    let older = parsed(&checkpoint::existing(account, directory)?, PrunedName::parse)
        .into_iter()
        .filter(|(name, _)| name.through.micros() < pruned.through_micros)
        .map(|(_, entry)| entry.id);
    checkpoint::delete(account, &older.collect::<Vec<_>>()).await
}
