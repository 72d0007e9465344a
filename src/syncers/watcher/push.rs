//! Proposes what a scientist changed in an owner's tree.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::caches::proposed::Proposed;
use crate::caches::{catalogue, intents, journal, meta, proposed, submitted};
use crate::connections::FileId;
use crate::inbox::{Asked, Change, propose};
use crate::model::{Code, DatasitePath, Email, Timestamp};
use crate::wire::names::{Direction, ProposalName};
use crate::wire::{Capability, Content, Dialect, Proposal, ProposedFileChangesMessage};

use super::super::guarding::{self, Looked, Since};
use super::super::owner::Room;
use super::super::peering::Acquaintance;
use super::super::sending::{gzip_time, secret, take_id, told};
use super::super::settled::{Basis, Quiet};
use super::super::telling::tell_unreadable;
use super::super::{Account, Directory, Report, Result, SyncOptions, homing};

/// Brings together what lies in several inboxes for one owner, who reads only one.
pub(super) async fn gather(
    account: &Account,
    directory: &Directory,
    owner: &Email,
    dialect: &Dialect,
    report: &mut Report,
) -> Result<()> {
    let inbox = directory.mailbox(owner, Direction::Inbox, &account.email, dialect);
    let Some(inbox) = inbox else { return Ok(()) };
    homing::merge(account, &inbox.id, &directory.duplicates(inbox), report).await
}

/// To whom something is proposed, and in which dialect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recipient<'a> {
    pub(super) peer: &'a Acquaintance,
    pub(super) dialect: &'a Dialect,
    /// True if all that it has sent is taken in. Else the answer to a proposal that has left the inbox
    /// may lie there unread, and what is made of that proposal waits.
    pub(super) is_heard: bool,
}

/// Commits what is to be proposed to an owner; it is sent with the journal. Returns what was seen of its
/// tree if nothing was to be done.
pub(super) async fn prepare(
    account: &Account,
    directory: &Directory,
    Recipient { peer, dialect, is_heard }: Recipient<'_>,
    (looked, options): (&Looked, &SyncOptions),
    now: Timestamp,
    report: &mut Report,
) -> Result<Option<Quiet>> {
    let owner = &peer.peer.email;
    let inbox = directory.mailbox(owner, Direction::Inbox, &account.email, dialect);
    let Some(inbox) = inbox else { return Ok(None) };
    heed_new_inbox(account, owner, &inbox.id)?;
    let same = match looked.since(account, owner, false)? {
        Since::Quiet(quiet) => return Ok(Some(quiet)),
        Since::Open(same) => same,
    };
    let basis = Basis::of(account)?;
    let (tree, found) = guarding::ground(account, (owner, &same), options, now)?;
    let agreed = account.store.agreed(owner)?;
    let (asked, waiting) = account.store.read(|db| {
        let asked = outstanding(db, owner, &inbox.id, is_heard)?;
        Ok((asked, intents::waiting(db, owner)?))
    })?;
    tell_unreadable(account, owner, &found, &agreed, report)?;
    let may_delete =
        peer.version.as_ref().is_some_and(|version| version.has(Capability::ProposedDeletions));
    let is_unknown = |path: &DatasitePath| waiting.contains_key(path) || found.is_unknown(path);
    let outlook = propose(&agreed, &found.files, &asked, is_unknown, may_delete);
    if outlook.changes.is_empty() && outlook.undeletable.is_empty() {
        return Quiet::of(account, owner, &found, basis);
    }
    for path in outlook.undeletable {
        let text = format!(
            "`{path}` is deleted here only: the program of {owner} takes no deletions from others"
        );
        report.problem_with(owner, Code::DeletionNotSent, text);
    }
    let (mut proposals, contents) = (Vec::new(), account.contents());
    let mut room = Room::of_whole();
    let is_edit = |change: &Change| !waiting.contains_key(&change.path);
    for change in outlook.changes.into_iter().filter(is_edit) {
        let content = match contents.take_state(&tree, &change.path, change.new.as_ref()) {
            Ok(Some(content)) => content,
            Ok(None) => continue, // It changes while we look: the next sync takes it.
            Err(error) => {
                report.problem(Code::FileNotRead, told(&error));
                continue;
            }
        };
        let bytes = content.as_ref().map_or(0, Content::size_bytes);
        if !room.takes(bytes, 0) {
            let proposals = std::mem::take(&mut proposals);
            propose_all(account, owner, &inbox.id, proposals, now, report).await?;
            room = Room::of_whole();
            room.takes(bytes, 0);
        }
        proposals.push(proposal(owner, change, content, now));
    }
    propose_all(account, owner, &inbox.id, proposals, now, report).await?;
    Ok(None)
}

/// Puts one message into the journal.
async fn propose_all(
    account: &Account,
    owner: &Email,
    inbox: &FileId,
    proposals: Vec<Proposal>,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    if proposals.is_empty() {
        return Ok(());
    }
    report.pushed += proposals.len();
    let file = take_id(account).await?;
    commit(account, owner, inbox, &file, proposals, now)
}

/// What was proposed lies in the old inbox, if that is still there, and the owner reads only the
/// new one: it is proposed again. What the owner has looked at nevertheless, it holds already, or
/// refuses again.
fn heed_new_inbox(account: &Account, owner: &Email, inbox: &FileId) -> Result<()> {
    let key = format!("inbox of {owner}");
    let before = account.store.read(|db| meta::get(db, &key))?;
    if before.as_deref() == Some(inbox.as_str()) {
        return Ok(());
    }
    account.store.write(|db| {
        if before.is_some() {
            journal::drop_for(db, owner)?;
            proposed::forget(db, owner)?;
        }
        meta::set(db, &key, inbox.as_str())
    })?;
    Ok(())
}

fn proposal(owner: &Email, change: Change, content: Option<Content>, now: Timestamp) -> Proposal {
    Proposal {
        id: Uuid::new_v4(),
        path: change.path,
        base: change.base,
        content,
        claimed: change.new,
        datasite: owner.clone(),
        submitted: now,
    }
}

/// What was proposed before, and whether the owner has looked at it: then it has left the inbox.
fn outstanding(
    db: &rusqlite::Connection,
    owner: &Email,
    inbox: &FileId,
    is_heard: bool,
) -> crate::caches::Result<BTreeMap<DatasitePath, Asked>> {
    let waiting = journal::pending_files(db)?;
    let all = proposed::all(db, owner)?;
    all.into_iter()
        .map(|(path, Proposed { digest, message, .. })| {
            let lies_in_inbox = catalogue::get(db, &message)?
                .is_some_and(|entry| entry.parents.first() == Some(inbox));
            let is_under_way = !is_heard || lies_in_inbox || waiting.contains(&message);
            Ok((path, Asked { digest, is_under_way }))
        })
        .collect()
}

fn commit(
    account: &Account,
    owner: &Email,
    inbox: &FileId,
    file: &FileId,
    proposals: Vec<Proposal>,
    now: Timestamp,
) -> Result<()> {
    account.store.write(|db| {
        let key = format!("last name in {inbox}");
        let last = meta::get(db, &key)?.and_then(|text| Timestamp::parse_canonical(&text).ok());
        let named = last.unwrap_or(Timestamp::ZERO).next_for_name(now);
        meta::set(db, &key, &named.canonical())?;
        for change in &proposals {
            let (digest, event) = (change.digest(), change.id);
            let asked = Proposed { digest, message: file.clone(), event };
            proposed::put(db, owner, &change.path, &asked)?;
        }
        let name = ProposalName::with_id(named, Uuid::new_v4());
        let message =
            ProposedFileChangesMessage::new(Uuid::new_v4(), &account.email, &name, proposals);
        journal::add(
            db,
            &journal::NewOutgoing {
                file: file.clone(),
                folder: inbox.clone(),
                name: name.to_string(),
                peer: Some(owner.clone()),
                content: journal::Load::of(message, gzip_time(now), &secret()),
            },
        )?;
        submitted::add(db, file, now)
    })?;
    Ok(())
}
