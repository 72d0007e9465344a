//! Takes in what peers propose: reads the inboxes, has each change judged, and commits the outcome.
//!
//! A message that is not what it should be stops nobody: its bytes and the reason go into the
//! quarantine, it leaves the inbox, and the next is read. Who sent a message is what the service
//! says of the file and of the inbox; what the message says of itself must agree.

use std::collections::BTreeSet;
use std::iter::repeat;

use crate::caches::intents::Waiting;
use crate::caches::{DatasiteTree, Scan, agreed, announcing, catalogue, intents, journal};
use crate::connections::{Entry, FileId};
use crate::inbox::{Proposed, Refusal, Verdict, plan};
use crate::model::{DatasitePath, Digest, Email, Timestamp};
use crate::peers::{Keyring, PeerState};
use crate::permissions::Level;
use crate::wire::names::{PackName, ProposalName};
use crate::wire::{Chunked, Content, Event, Proposal, ProposedFileChangesMessage, limits};

use super::super::chunked::{self, Joined, Joining, Opener, Right};
use super::super::parcels::{Parcel, Unread};
use super::super::sending::told;
use super::super::{Account, Directory, Refused, Report, Result, quarantine};
use super::grounds::Grounds;
use super::{Acquaintance, mailboxes};

/// A message whose sender is certain.
#[derive(Debug)]
pub(super) struct Message {
    file: FileId,
    folder: FileId,
    sender: Email,
    proposals: Vec<Proposal>,
    /// What of it was not worth fetching when it was read.
    not_fetched: BTreeSet<Digest>,
}

impl Message {
    /// True if what a proposal brings came with it.
    fn has_at_hand(&self, proposal: &Proposal) -> bool {
        proposal.digest().is_none_or(|digest| !self.not_fetched.contains(&digest))
    }

    /// How many bytes of it are held in memory.
    pub(super) fn held_bytes(&self) -> u64 {
        let contents = self.proposals.iter().filter_map(|proposal| proposal.content.as_ref());
        contents.map(Content::held_bytes).sum()
    }

    /// How many bytes of it lie on the disk until it is judged.
    pub(super) fn kept_bytes(&self) -> u64 {
        let contents = self.proposals.iter().filter_map(|proposal| proposal.content.as_ref());
        contents.filter_map(Content::large).map(|large| large.size_bytes).sum()
    }
}

/// Returns when the oldest message was made that lies in an inbox, by the clock of the service: what
/// it proposes another machine may have taken in, but not earlier.
pub(super) fn oldest_waiting(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
) -> Result<Option<i64>> {
    let mut made = Vec::new();
    for peer in peers.iter().filter(|other| other.peer.state == PeerState::Accepted) {
        let (Some(inbox), _) = mailboxes(account, directory, peer) else { continue };
        let entries = account.store.read(|db| catalogue::children(db, &inbox.id))?;
        let messages = entries.into_iter().filter(|entry| !is_pack(&entry.name));
        made.extend(messages.map(|entry| entry.created_micros));
    }
    Ok(made.into_iter().min())
}

pub(super) fn is_pack(name: &str) -> bool {
    PackName::parse(name).is_some()
}

/// Where a message comes from, and the keys that it may be sealed for.
#[derive(Clone, Copy, Debug)]
pub(super) struct From<'a> {
    pub(super) sender: &'a Email,
    pub(super) entry: &'a Entry,
    pub(super) ring: Option<&'a Keyring>,
}

/// Reads a message. What of it came as chunks is put together, as far as the sender may propose it by the
/// rules of now: nothing is judged by them.
pub(super) async fn open(
    account: &Account,
    tree: &DatasiteTree,
    from: From<'_>,
    parcel: &Parcel,
    now: Timestamp,
    report: &mut Report,
) -> Result<Result<Message, Unread>> {
    let From { sender, entry, ring } = from;
    let mut message = match read_claimed(account, from, parcel) {
        Ok(message) => message,
        Err(unread) => return Ok(Err(unread)),
    };
    // That they are wrong is found where they are put together.
    let brought = message.brought().unwrap_or_default();
    let rules = if brought.is_empty() {
        None
    } else {
        let paths = brought.iter().map(|one| &one.path);
        Some(Grounds::for_rights(account, tree, paths, now)?.rules(report)?)
    };
    let may = |path: &DatasitePath, level| {
        rules.as_ref().is_some_and(|rules| rules.allows(sender, path, level))
    };
    let joining = Joining {
        datasite: &account.email,
        tree,
        sender,
        entry,
        opener: Opener::Peers(ring),
        right: &|path| Right { to_bring: may(path, Level::Write), to_read: may(path, Level::Read) },
        now,
    };
    Ok(match chunked::join(account, joining, message, report).await? {
        Joined::Whole(message, not_fetched) => check(account, from, message, not_fetched),
        Joined::Later(reason) => Err(Unread::NotKept(reason)),
        Joined::Wrong(reason) => Err(Unread::Wrong(reason)),
    })
}

/// Reads a message that is what its file says.
fn read_claimed(
    account: &Account,
    from: From<'_>,
    parcel: &Parcel,
) -> Result<Chunked<ProposedFileChangesMessage>, Unread> {
    let From { sender, entry, .. } = from;
    let owner_is_sender =
        entry.owner.as_ref().is_some_and(|owner| sender.is_same_account(owner.as_str()));
    if !owner_is_sender {
        return Err(format!("it was not put there by {sender}").into());
    }
    let name = ProposalName::of_message(&entry.name)
        .ok_or_else(|| "its name is not that of a message".to_owned())?;
    let chunked = chunked::read::<ProposedFileChangesMessage>(account, &entry.name, parcel)?;
    let message = &chunked.message;
    if !sender.is_same_account(&message.sender_email) {
        return Err(format!(
            "it says that {} sent it, but {sender} did",
            message.sender_email.escape_debug()
        )
        .into());
    }
    if message.message_filename.name().as_ref() != Some(&name) {
        return Err("it carries the name of another message".to_owned().into());
    }
    Ok(chunked)
}

fn check(
    account: &Account,
    from: From<'_>,
    message: ProposedFileChangesMessage,
    not_fetched: BTreeSet<Digest>,
) -> Result<Message, Unread> {
    let From { sender, entry, .. } = from;
    let mut proposals = Vec::new();
    for change in message.proposed_file_changes {
        let proposal = change.check().map_err(|error| told(&error))?;
        if !account.email.is_same_account(proposal.datasite.as_str()) {
            return Err(format!("it is for the datasite of {}", proposal.datasite).into());
        }
        let size = proposal.content.as_ref().map_or(0, Content::size_bytes);
        if size > limits::FILE_BYTES_MAX {
            let most = limits::FILE_BYTES_MAX;
            return Err(format!("`{}` has more than {most} bytes", proposal.path).into());
        }
        if !proposal.claim_holds() {
            let path = &proposal.path;
            return Err(format!("the digest of `{path}` is not that of its content").into());
        }
        proposals.push(proposal);
    }
    let folder = entry.parents.first().cloned().ok_or_else(|| "it lies in no inbox".to_owned())?;
    let (file, sender) = (entry.id.clone(), sender.clone());
    Ok(Message { file, folder, sender, proposals, not_fetched })
}

/// Keeps the bytes of a message that cannot be taken in, and has it leave the inbox. False if the disk has
/// no room for them: it stays, which is told.
pub(super) fn set_aside(
    account: &Account,
    sender: &Email,
    entry: &Entry,
    parcel: &Parcel,
    reason: &str,
    report: &mut Report,
) -> Result<bool> {
    if !quarantine::keep(account, sender, entry, parcel, reason, report)? {
        return Ok(false);
    }
    if let Some(inbox) = entry.parents.first() {
        account.store.write(|db| {
            journal::mark_seen(db, &entry.id)?;
            journal::archive(db, &entry.id, inbox, sender)
        })?;
    }
    Ok(true)
}

/// Has the changes judged, commits what follows, and returns the messages that wait for rules
/// which were accepted before them. One of which something counts now that was not worth fetching when
/// it was read goes to `failed`: the next sync reads it again.
pub(super) fn judge(
    account: &Account,
    tree: &DatasiteTree,
    messages: Vec<Message>,
    failed: &mut BTreeSet<FileId>,
    now: Timestamp,
    report: &mut Report,
) -> Result<Vec<Message>> {
    let proposals = messages.iter().flat_map(|message| &message.proposals);
    let touched = proposals.map(|proposal| proposal.path.clone()).collect();
    let grounds = Grounds::for_changes(account, tree, touched, now)?;
    let (found, files, rules) = (grounds.found(), grounds.files(), grounds.rules(report)?);
    let all = || messages.iter().flat_map(|message| message.proposals.iter().zip(repeat(message)));
    let is_known: Vec<bool> = account.store.read(|db| {
        all().map(|(proposal, _)| announcing::is_known(db, &proposal.id.to_string())).collect()
    })?;
    let proposed: Vec<Proposed<'_>> = all()
        .zip(is_known)
        .map(|((proposal, message), is_known)| Proposed {
            sender: &message.sender,
            path: &proposal.path,
            base: proposal.base,
            new: proposal.digest(),
            is_known,
        })
        .collect();
    let may_write = |sender: &Email, path: &DatasitePath| {
        rules.allows(sender, path, Level::Write) && !found.is_unread(path)
    };
    let mut verdicts = plan(&files, may_write, &proposed).into_iter();
    let mut later = Vec::new();
    let mut is_as_planned = true;
    for mut message in messages {
        let own: Vec<Verdict> = verdicts.by_ref().take(message.proposals.len()).collect();
        if !is_as_planned {
            later.push(message);
            continue;
        }
        let stop = |(verdict, proposal): (&Verdict, &Proposal)| match verdict {
            Verdict::Later => Some(Verdict::Later),
            Verdict::Accept | Verdict::Confirm if !message.has_at_hand(proposal) => {
                Some(verdict.clone())
            }
            _ => None,
        };
        let stops: Vec<_> = own.iter().zip(&message.proposals).map(stop).collect();
        let keep = stops.iter().position(Option::is_some);
        let rest = message.proposals.split_off(keep.unwrap_or(message.proposals.len()));
        commit(account, found, &message, &own, rest.is_empty(), now)?;
        for (proposal, verdict) in message.proposals.iter().zip(&own) {
            match verdict {
                Verdict::Accept => report.accepted += 1,
                Verdict::Refuse(refusal) => report.refused.push(Refused {
                    path: proposal.path.to_string(),
                    peer: message.sender.clone(),
                    reason: refusal.to_string(),
                }),
                Verdict::Confirm | Verdict::AlreadySo | Verdict::Later => {}
            }
        }
        match stops.into_iter().flatten().next() {
            None => {}
            Some(Verdict::Later) => later.push(Message { proposals: rest, ..message }),
            Some(_) => {
                failed.insert(message.file);
                is_as_planned = false;
            }
        }
    }
    Ok(later)
}

/// Commits the verdicts on one message in one transaction: what is agreed, what is to be written,
/// what the sender is to be told, and, once all of it is judged, that the message is dealt with.
fn commit(
    account: &Account,
    found: &Scan,
    message: &Message,
    verdicts: &[Verdict],
    is_whole: bool,
    now: Timestamp,
) -> Result<()> {
    account.store.write(|db| {
        for (proposal, verdict) in message.proposals.iter().zip(verdicts) {
            if matches!(verdict, Verdict::Accept | Verdict::Confirm) {
                let event = Event {
                    id: proposal.id,
                    path: proposal.path.clone(),
                    datasite: account.email.clone(),
                    base: proposal.base,
                    content: proposal.content.clone(),
                    submitted: proposal.submitted,
                    timestamp: now,
                };
                let (path, digest) = (&proposal.path, proposal.digest());
                let moment = agreed::unsettled_moment();
                agreed::put(db, &account.email, path, digest.as_ref(), moment)?;
                write_later(db, account, found, proposal)?;
                announcing::add_event(db, &event.into_wire())?;
            }
            // No event ever speaks of what is not synced: a reader would take it for an attack.
            if *verdict != Verdict::Refuse(Refusal::NotSynced) {
                let id = proposal.id.to_string();
                announcing::answer(db, &message.sender, &proposal.path, &id)?;
            }
        }
        if is_whole {
            journal::mark_seen(db, &message.file)?;
            journal::archive(db, &message.file, &message.folder, &message.sender)?;
        }
        Ok(())
    })?;
    Ok(())
}

/// Notes the write that follows from a proposal. If one before it is not done, what that is to
/// replace still stands there.
fn write_later(
    db: &rusqlite::Connection,
    account: &Account,
    found: &Scan,
    proposal: &Proposal,
) -> crate::caches::Result<()> {
    let (datasite, path) = (&account.email, &proposal.path);
    let before = intents::at(db, datasite, path)?;
    let before = before.map(|write| Waiting { base: write.base, aside: write.aside });
    let stands = found.standing(path);
    let is_open = |write: &Waiting| found.is_unread(path) || write.may_replace(stands);
    let Waiting { base, aside } =
        before.filter(is_open).unwrap_or(Waiting { base: proposal.base, aside: None });
    let content = proposal.content.as_ref();
    intents::add(db, datasite, path, base.as_ref(), content, aside.as_deref())
}
