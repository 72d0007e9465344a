//! Messages of a bearable size, which are committed while the next ones are made: of a datasite of any
//! size, no more than a few are held at once.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::caches::delivered::{self, Delivered};
use crate::caches::{agreed, announcing, held, identifiers, journal, meta};
use crate::connections::FileId;
use crate::model::{DatasitePath, Digest, Email, Timestamp};
use crate::wire::names::EventsName;
use crate::wire::{Body, FileChangeEvent, FileChangeEventsMessage};

use super::super::rolling::ROLLING_DIRTY;
use super::super::sending::{gzip_time, have_ids, no_home, secret};
use super::super::{Account, Directory, Result};
use super::log::newest_name;

/// About how many bytes of content go into one message, so that no reader needs much memory.
pub(super) const MESSAGE_BYTES: usize = if cfg!(test) { 32 * 1024 } else { 32 * 1024 * 1024 };

/// How many of them are held in memory, as those of small files are, counted in the size from which on a
/// file is not held; also of all messages that are not committed yet.
const HELD_LARGES: u64 = 2;

/// How many changes go into one message, far below what a reader takes; and into one transaction of several.
const MESSAGE_ENTRIES: usize = 20_000;

/// What a message has taken in already.
#[derive(Debug)]
pub(in super::super) struct Room {
    entries: usize,
    bytes: u64,
    held: u64,
    held_max: u64,
}

impl Room {
    /// Returns that of an empty message.
    pub(super) fn of(account: &Account) -> Self {
        Self::with(held_max(account))
    }

    /// Returns that of an empty message whose changes are to stay together, as the files of a job: all of
    /// it may be held.
    pub(in super::super) const fn of_whole() -> Self {
        Self::with(u64::MAX)
    }

    const fn with(held_max: u64) -> Self {
        Self { entries: 0, bytes: 0, held: 0, held_max }
    }

    /// Takes a change in, whose content has `bytes`, of which so many are `held` in memory. False if
    /// that is too much for the message; one that is empty takes anything.
    pub(in super::super) fn takes(&mut self, bytes: u64, held: u64) -> bool {
        self.takes_all(1, bytes, held)
    }

    fn takes_all(&mut self, entries: usize, bytes: u64, held: u64) -> bool {
        let entries = self.entries.saturating_add(entries);
        let (bytes, held) = (self.bytes.saturating_add(bytes), self.held.saturating_add(held));
        let fits =
            entries <= MESSAGE_ENTRIES && bytes <= MESSAGE_BYTES as u64 && held <= self.held_max;
        if fits || self.entries == 0 {
            (self.entries, self.bytes, self.held) = (entries, bytes, held);
            return true;
        }
        false
    }

    /// Takes in all that these changes hold in memory, whatever their contents are; the rest is as with
    /// [`takes`](Self::takes).
    fn takes_held(&mut self, events: &[FileChangeEvent]) -> bool {
        self.takes_all(events.len(), 0, events.iter().map(held_bytes).sum())
    }

    /// As [`takes`](Self::takes).
    pub(super) fn takes_event(&mut self, event: &FileChangeEvent) -> bool {
        self.takes(event.content.as_ref().map_or(0, Body::size_bytes), held_bytes(event))
    }
}

/// Returns how many bytes of content are held in memory at once.
fn held_max(account: &Account) -> u64 {
    account.contents().large_bytes_min().saturating_mul(HELD_LARGES)
}

/// Returns how many bytes of content an event holds in memory.
fn held_bytes(event: &FileChangeEvent) -> u64 {
    match &event.content {
        Some(Body::Inline(text)) => text.len() as u64,
        _ => 0,
    }
}

/// A message that is made, and not committed.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) to: To,
    pub(super) events: Vec<FileChangeEvent>,
}

/// Whom a message is for.
#[derive(Debug)]
pub(super) enum To {
    /// The event log, which says then all that waits for it up to this number.
    Log { through: i64 },
    /// A peer.
    Peer {
        email: Email,
        outbox: FileId,
        /// What the peer will hold of the paths in the message.
        holds: BTreeMap<DatasitePath, Option<Digest>>,
    },
}

/// Commits messages, several in one transaction where they are small.
#[derive(Debug)]
pub(super) struct Committing<'a> {
    account: &'a Account,
    directory: &'a Directory,
    now: Timestamp,
    waiting: Vec<Made>,
    room: Room,
    count: usize,
}

impl<'a> Committing<'a> {
    pub(super) fn new(account: &'a Account, directory: &'a Directory, now: Timestamp) -> Self {
        let room = Room::of(account);
        Self { account, directory, now, waiting: Vec::new(), room, count: 0 }
    }

    /// Takes a message; it is committed by [`finish`](Self::finish) at the latest.
    pub(super) async fn add(&mut self, message: Made) -> Result<()> {
        if !self.room.takes_held(&message.events) {
            self.commit().await?;
            self.room.takes_held(&message.events);
        }
        self.waiting.push(message);
        Ok(())
    }

    /// Commits what is left; returns how many messages there were.
    pub(super) async fn finish(mut self) -> Result<usize> {
        self.commit().await?;
        Ok(self.count)
    }

    /// Commits what waits, in one transaction: what is agreed to be said, and the very messages.
    async fn commit(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        self.room = Room::of(self.account);
        if waiting.is_empty() {
            return Ok(());
        }
        have_ids(self.account, waiting.len()).await?;
        let log = self.directory.personal.clone().ok_or_else(no_home)?;
        let floor = newest_name(self.account, self.directory)?;
        self.count += waiting.len();
        self.account.store.write(|db| {
            let mut ids = identifiers::take(db, waiting.len())?.into_iter();
            for Made { to, events } in waiting {
                let file = ids.next().ok_or_else(too_few)?;
                match to {
                    To::Log { through } => {
                        note_log(db, &file, &events, through)?;
                        put_message(db, &file, &log, None, events, floor, self.now)?;
                    }
                    To::Peer { email, outbox, holds } => {
                        note_peer(db, &file, &email, &events, &holds)?;
                        put_message(db, &file, &outbox, Some(&email), events, floor, self.now)?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(())
    }
}

/// Nothing is noted as sent that has no message.
fn too_few() -> crate::caches::Error {
    crate::caches::Error::Damaged { what: "it gave fewer ids than it has".to_owned() }
}

/// Notes what the message `file` says to the log, all that waits for it up to the number `through`.
fn note_log(
    db: &rusqlite::Connection,
    file: &FileId,
    events: &[FileChangeEvent],
    through: i64,
) -> crate::caches::Result<()> {
    for event in events {
        if let Ok(path) = DatasitePath::parse(&event.path_in_datasite) {
            agreed::announce(db, file, &path)?;
        }
    }
    journal::mark_seen(db, file)?;
    meta::set(db, ROLLING_DIRTY, "1")?;
    announcing::logged_through(db, through)
}

/// Notes what the message `file` says to a peer, and what that will hold.
fn note_peer(
    db: &rusqlite::Connection,
    file: &FileId,
    peer: &Email,
    events: &[FileChangeEvent],
    holds: &BTreeMap<DatasitePath, Option<Digest>>,
) -> crate::caches::Result<()> {
    let path = |event: &FileChangeEvent| {
        let path = DatasitePath::parse(&event.path_in_datasite).ok()?;
        Some((path, event.id.clone()))
    };
    let paths = events.iter().filter_map(path).collect();
    delivered::add(db, peer, &Delivered { file: file.clone(), level: 0, paths })?;
    for (path, digest) in holds {
        held::put(db, peer, path, digest.as_ref())?;
        announcing::answered(db, peer, path)?;
    }
    Ok(())
}

/// Puts a message into the journal, under a name that sorts behind all before it in its folder,
/// and behind `floor`.
pub(super) fn put_message(
    db: &rusqlite::Connection,
    file: &FileId,
    folder: &FileId,
    peer: Option<&Email>,
    events: Vec<FileChangeEvent>,
    floor: Timestamp,
    now: Timestamp,
) -> crate::caches::Result<()> {
    let key = format!("last name in {folder}");
    let last = meta::get(db, &key)?.and_then(|text| Timestamp::parse_canonical(&text).ok());
    let timestamp = last.unwrap_or(Timestamp::ZERO).max(floor).next_for_name(now);
    meta::set(db, &key, &timestamp.canonical())?;
    let name = EventsName { timestamp, id: Uuid::new_v4() };
    let message = FileChangeEventsMessage { events, message_filepath: (&name).into() };
    journal::add(
        db,
        &journal::NewOutgoing {
            file: file.clone(),
            folder: folder.clone(),
            name: name.to_string(),
            peer: peer.cloned(),
            content: journal::Load::of(message, gzip_time(now), &secret()),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_so_many_bytes_and_changes() {
        let most = MESSAGE_BYTES as u64;
        let half = most / 2;
        for (sizes, taken) in [
            (vec![half, half, 1], 2),
            (vec![1, half, 2 * most], 2),
            (vec![2 * most, 1], 1),
            (vec![0; MESSAGE_ENTRIES + 1], MESSAGE_ENTRIES),
        ] {
            let mut room = Room::of_whole();
            assert_eq!(sizes.iter().take_while(|size| room.takes(**size, **size)).count(), taken);
        }
    }

    #[test]
    fn what_is_committed_at_once_is_bounded_by_count_as_well() {
        let deletion = FileChangeEvent {
            id: String::new(),
            path_in_datasite: String::new(),
            datasite_email: String::new(),
            content: None,
            old_hash: None,
            new_hash: None,
            is_deleted: true,
            submitted_timestamp: 0.0,
            timestamp: 0.0,
            content_type: None,
        };
        let half = vec![deletion; MESSAGE_ENTRIES / 2];
        let mut room = Room::of_whole();
        assert!(room.takes_held(&half) && room.takes_held(&half));
        assert!(!room.takes_held(&half[..1]));
        // A single message is taken as it is.
        assert!(Room::with(0).takes_held(&half));
    }

    #[test]
    fn a_message_takes_less_of_what_is_held_and_anything_alone() {
        let mut room = Room::with(1000);
        assert!(room.takes(1 << 40, 1 << 40));
        assert!(!room.takes(1, 0));
        let mut room = Room::with(1000);
        assert!(room.takes(1000, 1000));
        assert!(!room.takes(1, 1));
        assert!(room.takes(1, 0));
    }
}
