//! Says in the event log again what is agreed and not said in it.
//!
//! An event that restates has its result as its base: it changes nothing, and its time is that at
//! which the state was agreed on, by the clock of the service. So a machine that was behind when
//! the log was made anew does not undo what another one knows: of two states the one that was
//! agreed on later counts, whichever is said last, and whoever finds something older in the log
//! says its own again.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::caches::{DatasiteTree, agreed, announcing, journal, meta, unstated};
use crate::model::{DatasitePath, Digest, Timestamp};
use crate::wire::{Event, FileChangeEvent};

use super::super::rolling::ROLLING_DIRTY;
use super::super::sending::{no_home, take_id};
use super::super::{Account, Directory, Result};
use super::announce::event;
use super::log::newest_name;
use super::packing::{Room, put_message};

/// How many paths are looked up at once.
const PATHS_AT_ONCE: usize = 1000;

/// The last word of the log on a path, and whether it restates.
pub(super) type Said = BTreeMap<DatasitePath, (Option<Digest>, bool)>;

/// True if an event changes nothing, and only says what is so.
pub(super) fn restates(event: &Event) -> bool {
    event.base == event.digest()
}

/// Notes which of the last words of the log are what is agreed. It must be applied already.
pub(super) fn heed(
    db: &rusqlite::Connection,
    account: &Account,
    said: &Said,
) -> crate::caches::Result<()> {
    for (path, (digest, restates)) in said {
        if agreed::digest(db, &account.email, path)? == *digest {
            unstated::remove(db, path)?;
        } else if *restates {
            unstated::add(db, path)?;
        }
    }
    Ok(())
}

/// Commits messages to the log that say what is agreed and was not said. A file that is being
/// edited waits: its change is announced, which says it as well.
pub(super) async fn restate(
    account: &Account,
    directory: &Directory,
    tree: &DatasiteTree,
    now: Timestamp,
) -> Result<()> {
    let mut last: Option<DatasitePath> = None;
    loop {
        let paths = account.store.read(|db| unstated::after(db, last.as_ref(), PATHS_AT_ONCE))?;
        let Some(newest) = paths.last().cloned() else { return Ok(()) };
        let moments = account.store.read(|db| agreed::moments(db, &account.email))?;
        let (mut events, mut room) = (Vec::new(), Room::of(account));
        for path in paths {
            let moment = moments.get(&path).copied().filter(|m| *m < agreed::unsettled_moment());
            let Some(event) = state_of(account, tree, &path, moment, now)? else { continue };
            if !room.takes_event(&event) {
                commit(account, directory, std::mem::take(&mut events), now).await?;
                room = Room::of(account);
                room.takes_event(&event);
            }
            events.push((path, event));
        }
        commit(account, directory, events, now).await?;
        last = Some(newest);
    }
}

/// Returns an event that says what is agreed for a path; `None` if its content is not at hand.
fn state_of(
    account: &Account,
    tree: &DatasiteTree,
    path: &DatasitePath,
    moment: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<FileChangeEvent>> {
    let digest = account.store.read(|db| agreed::digest(db, &account.email, path))?;
    let content = match digest {
        None => None,
        Some(digest) => match account.contents().take(tree, path, &digest) {
            Ok(Some(content)) => Some(content),
            _ => return Ok(None),
        },
    };
    let at = moment.unwrap_or(now);
    Ok(Some(event(account, path, digest, content, Uuid::new_v4(), at).into_wire()))
}

/// Puts one message into the journal, and in the same transaction notes that its paths are said.
async fn commit(
    account: &Account,
    directory: &Directory,
    events: Vec<(DatasitePath, FileChangeEvent)>,
    now: Timestamp,
) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let file = take_id(account).await?;
    let log = directory.personal.clone().ok_or_else(no_home)?;
    let floor = newest_name(account, directory)?;
    account.store.write(|db| {
        let mut said = Vec::new();
        for (path, event) in events {
            agreed::announce(db, &file, &path)?;
            unstated::remove(db, &path)?;
            // A checkpoint that another machine makes meanwhile need not hold it.
            announcing::roll(db, &FileChangeEvent { timestamp: now.seconds(), ..event.clone() })?;
            said.push(event);
        }
        put_message(db, &file, &log, None, said, floor, now)?;
        journal::mark_seen(db, &file)?;
        meta::set(db, ROLLING_DIRTY, "1")
    })?;
    Ok(())
}
