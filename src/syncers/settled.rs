//! Remembers about which trees nothing is to be done, so that a sync with nothing to do need not work
//! it out again: what each peer is owed, what is to be proposed, whether files are gone.
//!
//! Invariant: it is remembered only of a tree of which everything could be read, where nothing waits to be
//! written, and of which nothing had to be told. It is believed only as long as the tree is as it was, and
//! upon the same [`Basis`]: rules lie in the tree, and peers, what each holds and what lies on the drive in
//! the database, which counts its changes.

use std::collections::BTreeMap;

use crate::caches::{Scan, changes, intents, meta};
use crate::model::{Digest, Email};
use crate::peers::store;

use super::{Account, Result};

/// The program that works it out: another one may come to another result.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where it is noted: the state of the database of which it is so, and a line for each tree.
const KEY: &str = "nothing is to be done";

/// All that it depends on what is to be done, but for the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Basis {
    /// How often the database has changed.
    changes: u64,
    /// The keys, and what was settled about those of peers, are in a file of their own.
    keys: Option<Digest>,
}

impl Basis {
    /// Returns what is so now.
    ///
    /// # Errors
    /// If the database or the key file cannot be read.
    pub(super) fn of(account: &Account) -> Result<Self> {
        let keys = store::digest(&account.folders.private)?;
        Ok(Self { changes: account.store.read(changes)?, keys })
    }

    fn to_line(self, account: &Account) -> String {
        let Self { changes, keys } = self;
        let keys = keys.map(|keys| keys.to_hex()).unwrap_or_default();
        format!("{changes} {VERSION} {} {keys}", account.dialect.client_version)
    }
}

/// A tree about which nothing is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quiet {
    /// How many files travel.
    pub(super) files: usize,
    /// What that was found by.
    basis: Basis,
}

impl Quiet {
    /// Returns that nothing is to be done about a tree in which a scan, begun upon that `basis`, found
    /// nothing to do; `None` if something is, all the same.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) fn of(
        account: &Account,
        datasite: &Email,
        found: &Scan,
        basis: Basis,
    ) -> Result<Option<Self>> {
        let waits = account.store.read(|db| intents::waiting(db, datasite))?;
        let is_quiet = found.unreadable.is_empty() && waits.is_empty();
        Ok(is_quiet.then_some(Self { files: found.files.len(), basis }))
    }
}

/// Returns what is noted of the tree of `datasite`, if that holds still.
///
/// # Errors
/// If the database or the key file cannot be read.
pub(super) fn noted(account: &Account, datasite: &Email) -> Result<Option<Quiet>> {
    let basis = Basis::of(account)?;
    let note = account.store.read(|db| meta::get(db, KEY))?;
    let files = note.and_then(|note| read(&note, &basis.to_line(account), datasite));
    Ok(files.map(|files| Quiet { files, basis }))
}

fn read(note: &str, state: &str, datasite: &Email) -> Option<usize> {
    let lines = note.strip_prefix(state)?.strip_prefix('\n')?.lines();
    let mut lines = lines.filter_map(|line| line.rsplit_once(' '));
    lines.find(|(whose, _)| *whose == datasite.as_str())?.1.parse().ok()
}

/// Notes about which trees nothing is to be done; of what was found by something else than what is so now
/// nothing is.
///
/// # Errors
/// If the database or the key file cannot be read, or the note cannot be kept.
pub(super) fn note(account: &Account, trees: &BTreeMap<Email, Quiet>) -> Result<()> {
    let basis = Basis::of(account)?;
    let seen = trees.iter().filter(|(_, quiet)| quiet.basis == basis);
    let lines: String = seen.map(|(whose, quiet)| format!("\n{whose} {}", quiet.files)).collect();
    let known = account.store.read(|db| meta::get(db, KEY))?;
    if lines.is_empty() || known == Some(basis.to_line(account) + &lines) {
        return Ok(());
    }
    // The note is a change itself.
    let noted = Basis { changes: basis.changes + 1, ..basis };
    Ok(account.store.write(|db| match changes(db)? == basis.changes {
        true => meta::set(db, KEY, &(noted.to_line(account) + &lines)),
        false => Ok(()),
    })?)
}

#[cfg(test)]
mod tests {
    use super::super::account::tests::account;
    use super::*;
    use crate::connections::MemoryDrive;
    use crate::model::Role;

    #[test]
    fn a_note_is_believed_as_long_as_all_that_it_depends_on_is_the_same() {
        let drive = MemoryDrive::new();
        let (account, _home) = account(&drive, "do@example.org", Role::Owner);
        let email = account.email.clone();
        let seen = || {
            let basis = Basis::of(&account).unwrap();
            Quiet::of(&account, &email, &Scan::default(), basis).unwrap().unwrap()
        };
        let note_it = |quiet| note(&account, &BTreeMap::from([(email.clone(), quiet)])).unwrap();
        let is_noted = || noted(&account, &email).unwrap().is_some();
        assert!(!is_noted());
        note_it(seen());
        assert_eq!(noted(&account, &email).unwrap(), Some(seen()));
        let changes_before = account.store.read(changes).unwrap();
        note_it(seen());
        assert_eq!(
            account.store.read(changes).unwrap(),
            changes_before,
            "what is noted is not noted again"
        );
        let before = seen();
        account.store.write(|db| meta::set(db, "anything", "else")).unwrap();
        assert!(!is_noted(), "the database changed");
        note_it(before);
        assert!(!is_noted(), "it was seen before");
        note_it(seen());
        assert!(is_noted());
        let before = seen();
        std::fs::create_dir_all(&account.folders.private).unwrap();
        std::fs::write(account.folders.private.join(store::KEY_FILE), "keys").unwrap();
        assert!(!is_noted(), "there are other keys");
        note_it(before);
        assert!(!is_noted(), "it was seen with other keys");
    }

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
