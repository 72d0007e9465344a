//! What lies in the inboxes and was not looked at, in the order in which it was sent.
//!
//! How much lies there is for others to say. So no more of it is held than a part, found in one pass
//! over what the catalogue knows; the next part is found in the next pass.

use std::collections::{BTreeSet, BinaryHeap, VecDeque};

use crate::caches::catalogue;
use crate::connections::{Entry, FileId};
use crate::model::{Email, Timestamp};
use crate::wire::names::ProposalName;

use super::super::batches::{MESSAGES_AT_ONCE, count_of};
use super::super::{Account, Result};
use super::take_in::is_pack;

/// How many messages are held in their order: some megabytes, and many enough for a pass to be no great
/// part of what they cost.
const PART: usize = 50_000;

/// The folder in which the messages of a peer arrive.
#[derive(Clone, Debug)]
pub(super) struct Inbox {
    pub(super) sender: Email,
    pub(super) folder: FileId,
}

/// Messages that wait.
#[derive(Debug)]
pub(super) struct Queue {
    inboxes: Vec<Inbox>,
    /// The next, and the number of the inbox of each.
    part: VecDeque<(Order, usize)>,
    /// The last that was ever in the part: all up to it were.
    last: Option<Order>,
    /// True if nothing comes after the part.
    is_end: bool,
    part_max: usize,
}

impl Queue {
    /// Returns what waits in some inboxes. Nothing comes to it within a sync.
    pub(super) const fn of(inboxes: Vec<Inbox>) -> Self {
        Self::with(inboxes, PART)
    }

    const fn with(inboxes: Vec<Inbox>, part_max: usize) -> Self {
        Self { inboxes, part: VecDeque::new(), last: None, is_end: false, part_max }
    }

    /// Returns the next messages, with their senders: as many as are fetched at once, none of those who
    /// are `held_up`. There are none only at the end.
    pub(super) fn next(
        &mut self,
        account: &Account,
        held_up: &BTreeSet<Email>,
    ) -> Result<Vec<(Email, Entry)>> {
        loop {
            let is_held_up = |inbox: &Inbox| held_up.contains(&inbox.sender);
            self.part.retain(|(_, at)| !self.inboxes.get(*at).is_none_or(is_held_up));
            if self.part.is_empty() {
                if self.is_end {
                    return Ok(Vec::new());
                }
                self.find(account)?;
                continue;
            }
            let mut found = Vec::new();
            for ((_, _, _, id), at) in self.part.iter().take(MESSAGES_AT_ONCE) {
                let entry = account.store.read(|db| catalogue::get(db, id))?;
                let sender = self.inboxes.get(*at).map(|inbox| inbox.sender.clone());
                found.push(sender.zip(entry));
            }
            // What is gone meanwhile has no size.
            let size = |one: &Option<(Email, Entry)>| one.as_ref().map_or(0, |it| it.1.size_bytes);
            found.truncate(count_of(found.iter().map(size)));
            self.part.drain(..found.len());
            if found.iter().any(Option::is_some) {
                return Ok(found.into_iter().flatten().collect());
            }
        }
    }

    /// Finds the next part.
    fn find(&mut self, account: &Account) -> Result<()> {
        let mut first = BinaryHeap::new();
        self.is_end = true;
        for (at, inbox) in self.inboxes.iter().enumerate() {
            let each = |entry: catalogue::Unseen<'_>| {
                if is_pack(entry.name) {
                    return Ok(());
                }
                let order = order_of(&entry)?;
                if self.last.as_ref().is_none_or(|last| order > *last) {
                    first.push((order, at));
                }
                if first.len() > self.part_max {
                    first.pop();
                    self.is_end = false;
                }
                Ok(())
            };
            account.store.read(|db| catalogue::each_unseen(db, &inbox.folder, each))?;
        }
        self.part = first.into_sorted_vec().into();
        self.last = self.part.back().map(|(order, _)| order.clone());
        Ok(())
    }
}

/// The order in which messages were sent: by the time in their names, as Python does it; names
/// that carry none come last.
type Order = (bool, Option<Timestamp>, i64, FileId);

fn order_of(entry: &catalogue::Unseen<'_>) -> crate::caches::Result<Order> {
    let sent = ProposalName::of_message(entry.name).map(|name| name.submitted());
    Ok((sent.is_none(), sent, entry.created_micros, entry.id()?))
}

#[cfg(test)]
mod tests;
