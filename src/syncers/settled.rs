//! Remembers about which trees nothing is to be done, so that a sync with nothing to do need not work
//! it out again: what each peer is owed, what is to be proposed, whether files are gone.
//!
//! Invariant: it is remembered only of a tree of which everything could be read, and where nothing waits
//! to be written. It is believed only as long as the tree is as it was and nothing in the database has
//! changed since, which counts its changes. Rules, peers, what each holds and what lies on the drive are
//! all in there.

use std::collections::BTreeMap;

use rusqlite::Connection as Database;

use crate::caches::{self, Scan, changes, intents, meta};
use crate::model::Email;

use super::{Account, Result};

/// The program that works it out: another one may come to another result.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where it is noted: the state of the database of which it is so, and a line for each tree.
const KEY: &str = "nothing is to be done";

/// A tree about which nothing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quiet {
    /// How many files travel.
    pub(super) files: usize,
    /// How often the database had changed when that was so.
    changes: u64,
}

impl Quiet {
    /// Returns that nothing is to be done about a tree in which a scan found nothing that changed; `None`
    /// if something is, all the same.
    pub(super) fn of(account: &Account, datasite: &Email, found: &Scan) -> Result<Option<Self>> {
        let (changes, waits) = account
            .store
            .read(|db| Ok((changes(db)?, !intents::waiting(db, datasite)?.is_empty())))?;
        let is_read = found.unreadable.is_empty() && found.leftovers.is_empty();
        Ok((is_read && !waits).then_some(Self { files: found.files.len(), changes }))
    }
}

/// What the database is, as far as a note depends on it.
fn state(account: &Account, changes: u64) -> String {
    format!("{changes} {VERSION} {}", account.dialect.client_version)
}

/// Returns what is noted of the tree of `datasite`, if that holds for the database as it is now.
pub(super) fn noted(account: &Account, datasite: &Email) -> Result<Option<Quiet>> {
    let (note, changes) = account.store.read(|db| Ok((meta::get(db, KEY)?, changes(db)?)))?;
    let files = note.and_then(|note| read(&note, &state(account, changes), datasite));
    Ok(files.map(|files| Quiet { files, changes }))
}

fn read(note: &str, state: &str, datasite: &Email) -> Option<usize> {
    let lines = note.strip_prefix(state)?.strip_prefix('\n')?.lines();
    let mut lines = lines.filter_map(|line| line.rsplit_once(' '));
    lines.find(|(whose, _)| *whose == datasite.as_str())?.1.parse().ok()
}

/// Notes about which trees nothing is to be done; of what was seen of one before the database changed
/// nothing is.
pub(super) fn note(account: &Account, trees: &BTreeMap<Email, Quiet>) -> Result<()> {
    if account.store.read(|db| news(db, account, trees))?.is_none() {
        return Ok(());
    }
    Ok(account.store.write(|db| match news(db, account, trees)? {
        // The note is a change itself.
        Some((lines, now)) => meta::set(db, KEY, &(state(account, now + 1) + &lines)),
        None => Ok(()),
    })?)
}

/// Returns the lines for the trees, and for which state of the database; `None` if that is noted.
fn news(
    db: &Database,
    account: &Account,
    trees: &BTreeMap<Email, Quiet>,
) -> caches::Result<Option<(String, u64)>> {
    let now = changes(db)?;
    let seen = trees.iter().filter(|(_, quiet)| quiet.changes == now);
    let lines: String = seen.map(|(whose, quiet)| format!("\n{whose} {}", quiet.files)).collect();
    let is_noted = meta::get(db, KEY)? == Some(state(account, now) + &lines);
    Ok((!lines.is_empty() && !is_noted).then_some((lines, now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_holds_for_its_state_and_its_trees_only() {
        let email = |text: &str| Email::parse(text).unwrap();
        let note = "17 0.1.0 0.1.117\na@x.org 3\nba@x.org 12";
        #[rustfmt::skip]
        let cases = [
            // state             whose        files
            ("17 0.1.0 0.1.117", "a@x.org",   Some(3)),
            ("17 0.1.0 0.1.117", "ba@x.org",  Some(12)),
            ("17 0.1.0 0.1.117", "c@x.org",   None),
            ("18 0.1.0 0.1.117", "a@x.org",   None),
            ("17 0.1.0 0.1.11",  "a@x.org",   None),
            ("7 0.1.0 0.1.117",  "a@x.org",   None),
            ("17 0.1.1 0.1.117", "a@x.org",   None),
        ];
        for (state, whose, files) in cases {
            assert_eq!(read(note, state, &email(whose)), files, "{state} {whose}");
        }
        for wrong in ["", "17 0.1.0 0.1.117", "17 0.1.0 0.1.117\na@x.org many"] {
            assert_eq!(read(wrong, "17 0.1.0 0.1.117", &email("a@x.org")), None, "{wrong}");
        }
    }
}
