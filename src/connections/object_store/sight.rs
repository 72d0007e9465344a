//! What a session knows of a bucket: what the commits amount to, and the last of them. Pure.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::commit::Commit;
use super::ledger::Ledger;
use super::store::Logged;
use crate::connections::FileId;

const COMMITS_REMEMBERED: usize = 1_000;
/// Stores keep the order of writes to the second; commits that were cleared away are a day old.
const HOLE_MICROS: i64 = 60 * 60 * 1_000_000;

/// What is known of a bucket.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) ledger: Ledger,
    /// The commit from which on `history` is whole.
    pub(super) base: u64,
    pub(super) history: BTreeMap<u64, Past>,
    pub(super) seen: Instant,
}

/// What is remembered of a commit.
#[derive(Debug)]
pub(super) struct Past {
    pub(super) logged: Logged,
    /// Empty if it is garbage.
    pub(super) nonce: String,
    pub(super) touched: Vec<FileId>,
}

impl Sight {
    /// Does what a commit says. What is garbage changes nothing and keeps its number.
    pub(super) fn take(&mut self, logged: Logged, commit: Option<Commit>) {
        self.ledger.advance(logged.number, logged.stored_micros);
        let mut touched = Vec::new();
        for change in commit.iter().flat_map(|commit| &commit.changes) {
            let author = commit.as_ref().map(|commit| &commit.author);
            let done = author.map(|author| self.ledger.apply(author, change));
            if let Some(Ok(Some(effect))) = done {
                touched.extend(effect.touched);
            }
        }
        let nonce = commit.map(|commit| commit.nonce).unwrap_or_default();
        self.history.insert(logged.number, Past { logged, nonce, touched });
        while self.history.len() > COMMITS_REMEMBERED {
            if let Some((number, _)) = self.history.pop_first() {
                self.base = number;
            }
        }
    }

    /// True if the commit of this number is the given one.
    pub(super) fn has(&self, number: u64, commit: &Commit) -> bool {
        self.history.get(&number).is_some_and(|past| past.nonce == commit.nonce)
    }

    /// True if our own commit lies among some that are long over: before what is known at all, or
    /// before one that is much older.
    pub(super) fn is_in_a_hole(&self, number: u64, commit: &Commit) -> bool {
        if number <= self.base {
            return true;
        }
        let Some(ours) = self.history.get(&number).filter(|past| past.nonce == commit.nonce) else {
            return false;
        };
        let old = ours.logged.stored_micros.saturating_sub(HOLE_MICROS);
        self.history.range(number + 1..).any(|(_, past)| past.logged.stored_micros < old)
    }
}
