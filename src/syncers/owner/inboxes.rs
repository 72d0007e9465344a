//! Reads the inboxes in the order in which messages were sent, a bearable part at a time.
//!
//! What a message means is decided elsewhere; here it is fetched, opened, and held or kept until it is
//! judged. One that cannot be read stays for the next sync. One for which there is no room stays as well,
//! and with it all that its sender sent later, which may be made on it.
//!
//! Invariant: no peer's message takes from the others, by its size or by what it unpacks to, more than
//! the time until it is judged or left.

use std::collections::{BTreeSet, VecDeque};

use crate::caches::{DatasiteTree, catalogue, is_full};
use crate::connections::{self, Entry, FileId};
use crate::model::{Code, Email, Timestamp};

use super::super::batches::BYTES_AT_ONCE;
use super::super::parcels::{self, Parcel, Unread};
use super::super::sealing::{self, Received};
use super::super::sending::told;
use super::super::{Account, Directory, Report, Result};
use super::queue::{Inbox, Queue};
use super::take_in::{From, Message, open, set_aside};
use super::{Acquaintance, mailboxes};

/// About how many bytes of large contents lie on the disk before they are judged; those of a single
/// message may be more.
const KEPT_BYTES_AT_ONCE: u64 = 512 * 1024 * 1024;

/// How far the inboxes are read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// What waits and was not fetched yet; `None` before anybody looked.
    waiting: Option<Queue>,
    /// What is fetched and was not opened yet, in order: little that is sent may be much once it is
    /// unpacked, and nothing is fetched twice for that.
    fetched: VecDeque<(Email, Entry, connections::Result<Parcel>)>,
    /// What could not be read, and is left to the next sync.
    pub(super) failed: BTreeSet<FileId>,
    /// Whose messages wait, all of them, since one does: what follows it may be made on it.
    held_up: BTreeSet<Email>,
}

/// Reads what lies in the inboxes of the peers we work with, oldest first, as much as is held in
/// memory and lies on the disk at once; `None` if there is nothing more.
pub(super) async fn read(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    reading: &mut Reading,
    now: Timestamp,
    report: &mut Report,
) -> Result<Option<Vec<Message>>> {
    if reading.fetched.is_empty() {
        fetch(account, directory, peers, reading).await?;
    }
    if reading.fetched.is_empty() {
        return Ok(None);
    }
    let ring = sealing::keyring(account)?;
    let (mut messages, mut held, mut kept) = (Vec::new(), 0, 0);
    while let Some((sender, entry, content)) = reading.fetched.pop_front() {
        if reading.held_up.contains(&sender) {
            continue;
        }
        let from = From { sender: &sender, entry: &entry, ring: ring.as_ref() };
        match take_up(account, tree, from, content, now, report).await? {
            Taken::Message(message) => {
                held += message.held_bytes();
                kept += message.kept_bytes();
                messages.push(message);
            }
            Taken::DealtWith => {}
            Taken::Later => drop(reading.failed.insert(entry.id)),
            Taken::HoldsUp => {
                reading.held_up.insert(sender);
                break; // What there is of it goes before the next is read.
            }
        }
        if held > BYTES_AT_ONCE || kept > KEPT_BYTES_AT_ONCE {
            break;
        }
    }
    Ok(Some(messages))
}

/// Fetches the next of what waits.
async fn fetch(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    reading: &mut Reading,
) -> Result<()> {
    let queue = match &mut reading.waiting {
        Some(queue) => queue,
        none => none.insert(Queue::of(inboxes(account, directory, peers))),
    };
    let waiting = queue.next(account, &reading.held_up)?;
    let (senders, entries): (Vec<Email>, Vec<Entry>) = waiting.into_iter().unzip();
    let contents = parcels::fetch_all(account, &entries).await;
    let fetched = senders.into_iter().zip(entries).zip(contents);
    reading.fetched = fetched.map(|((sender, entry), content)| (sender, entry, content)).collect();
    Ok(())
}

/// Returns the inboxes of the peers we work with.
fn inboxes(account: &Account, directory: &Directory, peers: &[Acquaintance]) -> Vec<Inbox> {
    let inbox = |peer: &Acquaintance| {
        let (inbox, _) = mailboxes(account, directory, peer);
        Some(Inbox { sender: peer.peer.email.clone(), folder: inbox?.id.clone() })
    };
    peers.iter().filter(|peer| peer.is_working()).filter_map(inbox).collect()
}

/// What became of a message that was fetched.
#[derive(Debug)]
enum Taken {
    /// It can be judged.
    Message(Message),
    /// It is not looked at again.
    DealtWith,
    /// It could not be read.
    Later,
    /// It waits for room on the disk or for what it is made of, and what its sender sent later with it.
    HoldsUp,
}

impl Taken {
    /// After it was set aside, or could not be.
    const fn after(is_set_aside: bool) -> Self {
        if is_set_aside { Self::DealtWith } else { Self::HoldsUp }
    }
}

/// Opens a message that was fetched.
async fn take_up(
    account: &Account,
    tree: &DatasiteTree,
    from: From<'_>,
    content: connections::Result<Parcel>,
    now: Timestamp,
    report: &mut Report,
) -> Result<Taken> {
    let From { sender, entry, ring } = from;
    let parcel = match content {
        Ok(parcel) => parcel,
        Err(connections::Error::TooLarge { limit_bytes }) => {
            let reason = format!("it has more than {limit_bytes} bytes");
            let nothing = Parcel::from(Vec::new());
            return Ok(Taken::after(set_aside(account, sender, entry, &nothing, &reason, report)?));
        }
        Err(connections::Error::NotFound { id }) => {
            account.store.write(|db| catalogue::remove(db, &id))?;
            return Ok(Taken::DealtWith);
        }
        Err(error) => {
            let text = format!("a message of {sender} could not be read: {}", told(&error));
            report.problem_with(sender, Code::MessageNotRead, text);
            let is_full = matches!(&error, connections::Error::Io(error) if is_full(error));
            return Ok(if is_full { Taken::HoldsUp } else { Taken::Later });
        }
    };
    let parcel = match sealing::incoming(account, ring, sender, entry, parcel, now, report)? {
        Received::Content(parcel) => parcel,
        Received::SetAside => return Ok(Taken::DealtWith),
        Received::Later => return Ok(Taken::Later),
        Received::NoRoom => return Ok(Taken::HoldsUp),
    };
    match open(account, tree, from, &parcel, now, report).await? {
        Ok(message) => Ok(Taken::Message(message)),
        Err(Unread::Wrong(reason)) => {
            Ok(Taken::after(set_aside(account, sender, entry, &parcel, &reason, report)?))
        }
        Err(Unread::NotKept(reason)) => {
            let text = format!("a message of {sender} waits: {reason}");
            report.problem_with(sender, Code::MessageNotRead, text);
            Ok(Taken::HoldsUp)
        }
    }
}
