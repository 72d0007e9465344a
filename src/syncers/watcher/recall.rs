//! Learns from the drive what this account has proposed and the owner has not looked at, where the
//! state database does not know it: it was set aside.
//!
//! A proposal says what it was made of, so that the file on disk is known for what it is: a change
//! that is under way, and no edit that nobody can explain. Only what stands on disk as it was proposed
//! is learnt. The rest may have been proposed by another machine of the account, which has it.

use crate::caches::proposed::Proposed;
use crate::caches::{Same, Scan, agreed, catalogue, journal, meta, proposed, submitted};
use crate::connections::{self, Entry};
use crate::model::{Code, Email, Timestamp};
use crate::wire::names::{Direction, PackName, ProposalName};
use crate::wire::{Dialect, Proposal, ProposedFileChangesMessage};

use super::super::batches::batches;
use super::super::chunked;
use super::super::parcels::{self, Parcel};
use super::super::sending::told;
use super::super::{Account, Directory, Report, Result, SyncOptions, guarding};

/// Learns what lies in the inbox of `owner`, once. False if it could not be read: what the owner sent
/// must wait, for against it nothing could be explained.
pub(super) async fn recall(
    account: &Account,
    directory: &Directory,
    owner: &Email,
    dialect: &Dialect,
    options: &SyncOptions,
    now: Timestamp,
    report: &mut Report,
) -> Result<bool> {
    let key = format!("recalled {owner}");
    let inbox = directory.mailbox(owner, Direction::Inbox, &account.email, dialect);
    let Some(inbox) = inbox else { return Ok(true) };
    if account.store.read(|db| meta::get(db, &key))?.is_some() {
        return Ok(true);
    }
    let mut unknown = account.store.read(|db| {
        let (sent, waiting) = (proposed::all(db, owner)?, journal::pending_files(db)?);
        let mut entries = catalogue::children(db, &inbox.id)?;
        entries.retain(|entry| {
            let is_known = sent.values().any(|sent| sent.message == entry.id);
            let is_pack = PackName::parse(&entry.name).is_some();
            entry.is_mine && !is_known && !is_pack && !waiting.contains(&entry.id)
        });
        Ok(entries)
    })?;
    unknown.sort_by_key(|entry| ProposalName::of_message(&entry.name).map(|name| name.submitted()));
    for entries in batches(&unknown) {
        let contents = parcels::fetch_all(account, entries).await;
        let (_, scan) = guarding::ground(account, (owner, &Same::Unknown), options, now)?;
        for (entry, content) in entries.iter().zip(contents) {
            match content {
                Ok(parcel) => {
                    let proposals = proposals(account, entry, &parcel);
                    learn(account, owner, entry, proposals, &scan, now)?;
                }
                // The owner has looked at it meanwhile; what it made of it lies in the outbox.
                Err(connections::Error::NotFound { .. } | connections::Error::TooLarge { .. }) => {}
                Err(error) => {
                    let text = format!("a proposal to {owner} could not be read: {}", told(&error));
                    report.problem_with(owner, Code::MessageNotRead, text);
                    return Ok(false);
                }
            }
        }
    }
    account.store.write(|db| meta::set(db, &key, "1"))?;
    Ok(true)
}

/// Returns what a message of ours proposes; nothing if it is sealed, or not understood.
fn proposals(account: &Account, entry: &Entry, parcel: &Parcel) -> Vec<Proposal> {
    let message = chunked::read::<ProposedFileChangesMessage>(account, &entry.name, parcel);
    let changes = message.map(|message| message.named_only().proposed_file_changes);
    changes.unwrap_or_default().into_iter().filter_map(|change| change.check().ok()).collect()
}

fn learn(
    account: &Account,
    owner: &Email,
    entry: &Entry,
    proposals: Vec<Proposal>,
    scan: &Scan,
    now: Timestamp,
) -> Result<()> {
    account.store.write(|db| {
        let known = agreed::moments(db, owner)?;
        for proposal in proposals {
            let (path, digest) = (&proposal.path, proposal.digest());
            let stands = digest.is_some() && scan.standing(path) == digest;
            if !stands || !owner.is_same_account(proposal.datasite.as_str()) {
                continue;
            }
            // Whatever the owner sends came later than what the proposal was made of.
            if !known.contains_key(path) {
                agreed::put(db, owner, path, proposal.base.as_ref(), Timestamp::ZERO)?;
            }
            let (message, event) = (entry.id.clone(), proposal.id);
            proposed::put(db, owner, path, &Proposed { digest, message, event })?;
        }
        submitted::add(db, &entry.id, now)
    })?;
    Ok(())
}
