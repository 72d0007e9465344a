//! Remembers which messages of our own log were read and do not count as they are, so that nothing
//! is read twice for nothing, and nothing is forgotten: what may help is noted beside each, and when
//! that changes the message is read again.
//!
//! None of them is seen: what is seen is included in checkpoints, and may go.

use std::collections::BTreeMap;

use crate::caches::{self, meta};
use crate::connections::{Entry, FileId};

use super::super::sealing::{self, OwnFiles};
use super::super::{Account, Directory, Result};
use super::laying;

/// Meta keys: before the id of such a message; the value says why, and what it was judged by.
const KEPT_BACK: &str = "kept back ";

/// Why a message does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not sealed, and no sealed checkpoint includes it. Another checkpoint may.
    NotSealed,
    /// It is sealed with keys that are not here. They may come.
    Closed,
    /// It is sealed with keys that were lost. They may be found.
    Lost,
    /// Something of what it brings is not here. It may come.
    Incomplete,
}

impl Why {
    const ALL: [Self; 4] = [Self::NotSealed, Self::Closed, Self::Lost, Self::Incomplete];

    const fn word(self) -> &'static str {
        match self {
            Self::NotSealed => "plain",
            Self::Closed => "closed",
            Self::Lost => "lost",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What messages that are kept back are judged by.
#[derive(Debug)]
pub(super) struct Ground {
    keys: String,
    checkpoint: String,
    takes_plain: bool,
}

impl Ground {
    /// Reads what is known now.
    pub(super) fn now(account: &Account, directory: &Directory, own: &OwnFiles) -> Result<Self> {
        let newest = laying::full_ones(account, directory)?.into_iter().next();
        Ok(Self {
            keys: sealing::keys_here(account)?,
            checkpoint: newest.map_or_else(|| "none".to_owned(), |entry| entry.id.to_string()),
            takes_plain: own.takes_plain(),
        })
    }

    fn value(&self, why: Why) -> String {
        match why {
            Why::NotSealed => format!("{} {} {}", why.word(), self.checkpoint, self.keys),
            Why::Closed | Why::Lost | Why::Incomplete => format!("{} {}", why.word(), self.keys),
        }
    }

    /// True if nothing has changed for a message that was kept back.
    pub(super) fn still_holds(&self, why: Why, value: &str) -> bool {
        let may_count = match why {
            Why::NotSealed => self.takes_plain,
            Why::Incomplete => true,
            Why::Closed | Why::Lost => false,
        };
        *value == self.value(why) && !may_count
    }
}

/// Notes that a message is kept back.
pub(super) fn note(account: &Account, ground: &Ground, entry: &Entry, why: Why) -> Result<()> {
    let key = format!("{KEPT_BACK}{}", entry.id);
    Ok(account.store.write(|db| meta::set(db, &key, &ground.value(why)))?)
}

/// Notes that a message counts after all, within a transaction.
pub(super) fn release(db: &rusqlite::Connection, entry: &Entry) -> caches::Result<()> {
    meta::remove(db, &format!("{KEPT_BACK}{}", entry.id))
}

/// Returns what is kept back, and why.
pub(super) fn all(account: &Account) -> Result<BTreeMap<FileId, (Why, String)>> {
    let found = account.store.read(|db| meta::with_prefix(db, KEPT_BACK))?;
    let read = |(key, value): (String, String)| {
        let id = FileId::parse(key.strip_prefix(KEPT_BACK)?).ok()?;
        let why = Why::ALL.into_iter().find(|why| value.split(' ').next() == Some(why.word()))?;
        Some((id, (why, value)))
    };
    Ok(found.into_iter().filter_map(read).collect())
}

/// Returns which of these messages are sealed with keys that are not here, and may come.
pub(super) fn closed(account: &Account, entries: &[Entry]) -> Result<Vec<Entry>> {
    those(account, entries, &[Why::Closed])
}

/// Returns of which of these messages something is missing that may come.
pub(super) fn incomplete(account: &Account, entries: &[Entry]) -> Result<Vec<Entry>> {
    those(account, entries, &[Why::Incomplete])
}

/// Returns which of these messages may be taken in later: those that are sealed with keys that are not
/// here, lost ones included, and those of which something is missing.
pub(super) fn waiting(account: &Account, entries: &[Entry]) -> Result<Vec<Entry>> {
    those(account, entries, &[Why::Closed, Why::Lost, Why::Incomplete])
}

fn those(account: &Account, entries: &[Entry], whys: &[Why]) -> Result<Vec<Entry>> {
    let kept = all(account)?;
    let is_one = |entry: &&Entry| kept.get(&entry.id).is_some_and(|(why, _)| whys.contains(why));
    Ok(entries.iter().filter(is_one).cloned().collect())
}
