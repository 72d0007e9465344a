//! Remembers that nobody is owed anything, so that a sync with nothing to do need not work it out for
//! each peer and each file again.
//!
//! Invariant: it is remembered only of a disk that holds what is agreed, and believed only as long as
//! that is so and nothing in the database has changed since, which counts its changes. Rules, peers,
//! what each holds and what lies on the drive are all in there.

use crate::caches::{changes, meta};

use super::super::{Account, Result};
use super::announce::Found;

/// The program that works it out: another one may come to another result.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where it is noted, with the state of which it is so.
const KEY: &str = "nobody is owed anything";

/// What it depends on.
fn state(account: &Account, changes: u64) -> String {
    format!("{changes} {VERSION} {}", account.dialect.client_version)
}

/// True if all that stands on disk is agreed, as far as can be told.
fn is_quiet(found: &Found) -> bool {
    found.changes.is_empty() && found.scan.unreadable.is_empty()
}

/// True if nobody is owed anything.
pub(super) fn is_so(account: &Account, found: &Found) -> Result<bool> {
    let (noted, now) = account.store.read(|db| Ok((meta::get(db, KEY)?, changes(db)?)))?;
    Ok(is_quiet(found) && noted == Some(state(account, now)))
}

/// Notes that it was worked out that nobody is.
pub(super) fn note(account: &Account, found: &Found) -> Result<()> {
    if !is_quiet(found) {
        return Ok(());
    }
    // The note is a change itself.
    account.store.write(|db| meta::set(db, KEY, &state(account, changes(db)? + 1)))?;
    Ok(())
}
