//! What each peer is owed: what it may read, and does not hold.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::vec::IntoIter;

use uuid::Uuid;

use crate::caches::{DatasiteTree, Scan, announcing, held, meta};
use crate::connections::FileId;
use crate::model::{Code, DatasitePath, Email, Snapshot, Timestamp};
use crate::outbox::{Owed, owed};
use crate::permissions::{Grid, Level};
use crate::wire::{Content, FileChangeEvent};

use super::super::sending::{begin_again, told};
use super::super::{Account, Directory, Report, Result};
use super::announce::event;
use super::grounds::Grounds;
use super::packing::{Made, Room, To};
use super::withdrawing::{withdraw_from_others, withdraw_unreadable};
use super::{Acquaintance, mailboxes};

/// What is known of all peers, once.
#[derive(Debug)]
pub(super) struct Owing<'a> {
    account: &'a Account,
    directory: &'a Directory,
    peers: Vec<&'a Acquaintance>,
    agreed: Arc<Snapshot>,
    grid: Grid,
    /// The folders of which it is not known who may read.
    unsure: BTreeSet<String>,
}

impl<'a> Owing<'a> {
    /// Works out who may read what. `None` if there is nobody.
    pub(super) fn work_out(
        account: &'a Account,
        directory: &'a Directory,
        peers: &'a [Acquaintance],
        tree: &DatasiteTree,
        scan: &Scan,
        report: &mut Report,
    ) -> Result<Option<Self>> {
        let peers: Vec<&Acquaintance> = peers.iter().filter(|peer| peer.is_working()).collect();
        let emails: Vec<&Email> = peers.iter().map(|peer| &peer.peer.email).collect();
        withdraw_from_others(account, &emails)?;
        if peers.is_empty() {
            return Ok(None);
        }
        let agreed = account.store.agreed(&account.email)?;
        let grounds = Grounds::for_all(account, tree, scan)?;
        let (rules, unsure) = (grounds.rules(report)?, grounds.folders_without_rules());
        let paths: Vec<&DatasitePath> = agreed.keys().collect();
        let grid = rules.evaluate_all(&paths, &emails);
        Ok(Some(Self { account, directory, peers, agreed, grid, unsure }))
    }

    /// Returns the places of the peers, for [`of`](Self::of).
    pub(super) fn columns(&self) -> Range<usize> {
        0..self.peers.len()
    }

    /// Returns what a peer is owed; `None` if that is nothing. What waits for it and it may not read any
    /// more is taken back.
    pub(super) fn of(&self, column: usize) -> Result<Option<Debt>> {
        let (account, peer) = (self.account, self.peers[column]);
        let may_read = |(row, _): &(usize, _)| self.grid.allows(*row, column, Level::Read);
        let entries = self.agreed.iter().enumerate().filter(may_read);
        let readable: Snapshot =
            entries.map(|(_, (path, digest))| (path.clone(), *digest)).collect();
        withdraw_unreadable(account, &peer.peer.email, &readable)?;
        let (_, Some(outbox)) = mailboxes(account, self.directory, peer) else { return Ok(None) };
        let peer = &peer.peer.email;
        heed_new_outbox(account, peer, &outbox.id)?;
        let (held, answers) = account
            .store
            .read(|db| Ok((held::snapshot(db, peer)?, announcing::answers(db, peer)?)))?;
        let asked: BTreeSet<DatasitePath> = answers.keys().cloned().collect();
        let mut due = owed(&readable, &held, &asked);
        // Neither sent nor taken back where it is not known who may read.
        let is_unsure = |path: &DatasitePath| {
            self.unsure.iter().any(|folder| folder.is_empty() || path.is_below(folder))
        };
        due.retain(|owed| !is_unsure(&owed.path));
        if due.is_empty() {
            return Ok(None);
        }
        let due = due.into_iter();
        Ok(Some(Debt { peer: peer.clone(), outbox: outbox.id.clone(), due, answers, ahead: None }))
    }
}

/// A peer that has begun anew has another outbox, and nothing of what it was sent before.
fn heed_new_outbox(account: &Account, peer: &Email, outbox: &FileId) -> Result<()> {
    let key = format!("outbox of {peer}");
    let before = account.store.read(|db| meta::get(db, &key))?;
    if before.as_deref() == Some(outbox.as_str()) {
        return Ok(());
    }
    account.store.write(|db| {
        if before.is_some() {
            begin_again(db, peer)?;
        }
        meta::set(db, &key, outbox.as_str())
    })?;
    Ok(())
}

/// What one peer is owed, message by message.
#[derive(Debug)]
pub(super) struct Debt {
    pub(super) peer: Email,
    outbox: FileId,
    due: IntoIter<Owed>,
    answers: BTreeMap<DatasitePath, String>,
    /// What was too much for the last message.
    ahead: Option<(Owed, FileChangeEvent)>,
}

impl Debt {
    /// Returns the next message. What was agreed may be on its way to the disk, or edited since: then it
    /// is owed still.
    pub(super) fn next_message(
        &mut self,
        account: &Account,
        tree: &DatasiteTree,
        now: Timestamp,
        report: &mut Report,
    ) -> Option<Made> {
        let (mut events, mut holds, mut room) = (Vec::new(), BTreeMap::new(), Room::of(account));
        while let Some((owed, event)) = self.next_event(account, tree, now, report) {
            if !room.takes_event(&event) {
                self.ahead = Some((owed, event));
                break;
            }
            events.push(event);
            holds.insert(owed.path, owed.new);
        }
        let (email, outbox) = (self.peer.clone(), self.outbox.clone());
        (!events.is_empty()).then_some(Made { to: To::Peer { email, outbox, holds }, events })
    }

    fn next_event(
        &mut self,
        account: &Account,
        tree: &DatasiteTree,
        now: Timestamp,
        report: &mut Report,
    ) -> Option<(Owed, FileChangeEvent)> {
        if let Some(ahead) = self.ahead.take() {
            return Some(ahead);
        }
        loop {
            let owed = self.due.next()?;
            let Some(content) = content_of(account, tree, &owed, report) else { continue };
            let id = self.answers.get(&owed.path).and_then(|text| Uuid::parse_str(text).ok());
            let id = id.unwrap_or_else(Uuid::new_v4);
            let event = event(account, &owed.path, owed.base, content, id, now).into_wire();
            return Some((owed, event));
        }
    }
}

/// Returns what stands where something is owed; `None` if that is not it now.
fn content_of(
    account: &Account,
    tree: &DatasiteTree,
    owed: &Owed,
    report: &mut Report,
) -> Option<Option<Content>> {
    let Some(digest) = owed.new else { return Some(None) };
    match account.contents().take(tree, &owed.path, &digest) {
        Ok(content) => content.map(Some),
        Err(error) => {
            let text = told(&error);
            // Once, however many peers it is for.
            if report.problems.iter().all(|known| known.message != text) {
                report.problem(Code::FileNotRead, text);
            }
            None
        }
    }
}
