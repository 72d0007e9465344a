//! Takes in what an owner sent.
//!
//! The cursor is the set of messages that were looked at, not a time: a message that comes late, or
//! whose writer's clock went back, is not missed (W21). The order is that of the service's clock.
//! What a message says of itself is not believed: the owner is who owns the file, and it may only
//! speak of its own datasite (W6).

use std::collections::BTreeSet;

use crate::caches::{Same, catalogue, journal};
use crate::connections::{self, Entry};
use crate::model::{Code, Email, Timestamp, is_syncable};
use crate::peers::Keyring;
use crate::wire::names::{Direction, EventsName, PackName, is_chunked};
use crate::wire::{Content, Dialect, FileChangeEventsMessage};

use super::super::applying::{self, Edits, Ground, States};
use super::super::batches::batches_to_join;
use super::super::chunked::{self, Joined, Joining, Opener, Right};
use super::super::parcels::{self, Parcel, Unread};
use super::super::sealing::{self, Received};
use super::super::sending::told;
use super::super::{
    Account, Directory, Report, Result, SyncOptions, guarding, quarantine, writing,
};

/// How many bytes of what messages hold are in memory at once, beside a single message: little that
/// is sent may be much once it is unpacked.
const UNPACKED_BYTES_AT_ONCE: u64 = 64 * 1024 * 1024;

/// Takes in what lies in the outbox of `owner` and was not looked at. False if we know of more than
/// we could read: then it is too early to propose anything, for the base would be an old one. What is
/// written meanwhile leaves the trees of `held` alone.
pub(super) async fn pull(
    account: &Account,
    directory: &Directory,
    (owner, dialect): (&Email, &Dialect),
    options: &SyncOptions,
    held: &BTreeSet<Email>,
    now: Timestamp,
    report: &mut Report,
) -> Result<bool> {
    let outbox = directory.mailbox(owner, Direction::Outbox, &account.email, dialect);
    let Some(outbox) = outbox else { return Ok(true) };
    let mut unseen = account.store.read(|db| catalogue::unseen(db, &outbox.id))?;
    unseen.retain(|entry| PackName::parse(&entry.name).is_none());
    unseen.sort_by_key(|entry| (entry.created_micros, sent_at(entry)));
    for entries in batches_to_join(&unseen) {
        if !take_in(account, owner, entries, options, now, report).await? {
            return Ok(false);
        }
        if entries.iter().any(|entry| is_chunked(&entry.name)) {
            // Of a file that changed often, no version waits for the next.
            report.pulled += writing::carry_out_but(account, held, report)?;
            parcels::sweep(account)?;
        }
    }
    Ok(true)
}

fn sent_at(entry: &Entry) -> Option<Timestamp> {
    EventsName::of_message(&entry.name).map(|name| name.timestamp)
}

/// Takes in some messages; false if one could not be read: what follows it waits.
async fn take_in(
    account: &Account,
    owner: &Email,
    entries: &[Entry],
    options: &SyncOptions,
    now: Timestamp,
    report: &mut Report,
) -> Result<bool> {
    let contents = parcels::fetch_all(account, entries).await;
    let ring = sealing::keyring(account)?;
    let (mut states, mut read, mut bytes, mut whole) = (States::new(), Vec::new(), 0, true);
    for (entry, content) in entries.iter().zip(contents) {
        match content {
            Ok(message) => {
                let ring = ring.as_ref();
                let received =
                    sealing::incoming(account, ring, owner, entry, message, now, report)?;
                let message = match received {
                    Received::Content(message) => message,
                    Received::SetAside => continue,
                    Received::Later | Received::NoRoom => {
                        whole = false;
                        break;
                    }
                };
                let joined = join(account, ring, owner, entry, &message, now, report).await?;
                match joined.map(|whole| follow(owner, entry, whole, &mut states, report)) {
                    Ok(more) => bytes += more,
                    Err(Unread::NotKept(reason)) => {
                        let text = format!("a message of {owner} waits: {reason}");
                        report.problem_with(owner, Code::MessageNotRead, text);
                        whole = false;
                        break;
                    }
                    Err(Unread::Wrong(reason)) => {
                        if !quarantine::keep(account, owner, entry, &message, &reason, report)? {
                            whole = false;
                            break;
                        }
                    }
                }
                read.push(entry);
                if bytes > UNPACKED_BYTES_AT_ONCE {
                    let states = std::mem::take(&mut states);
                    commit(account, owner, &states, &std::mem::take(&mut read), options, now)?;
                    bytes = 0;
                }
            }
            Err(connections::Error::NotFound { id }) => {
                // Its owner brought it together with others since we listed: what it says is in a
                // message that we do not know yet.
                account.store.write(|db| catalogue::remove(db, &id))?;
                whole = false;
            }
            Err(error @ connections::Error::TooLarge { .. }) => {
                let nothing = Parcel::from(Vec::new());
                if !quarantine::keep(account, owner, entry, &nothing, &told(&error), report)? {
                    whole = false;
                    break;
                }
                read.push(entry);
            }
            Err(error) => {
                let text = format!("a message of {owner} could not be read: {}", told(&error));
                report.problem_with(owner, Code::MessageNotRead, text);
                whole = false;
                break;
            }
        }
    }
    commit(account, owner, &states, &read, options, now)?;
    Ok(whole)
}

/// Reads a message, and puts together what it brings as chunks.
async fn join(
    account: &Account,
    ring: Option<&Keyring>,
    owner: &Email,
    entry: &Entry,
    parcel: &Parcel,
    now: Timestamp,
    report: &mut Report,
) -> Result<Result<FileChangeEventsMessage, Unread>> {
    let owner_wrote_it =
        entry.owner.as_ref().is_some_and(|writer| owner.is_same_account(writer.as_str()));
    if !owner_wrote_it {
        return Ok(Err(Unread::Wrong(format!("it was not put there by {owner}"))));
    }
    let message = match chunked::read(account, &entry.name, parcel) {
        Ok(message) => message,
        Err(error) => return Ok(Err(error.into())),
    };
    let tree = account.tree(owner)?;
    // An event is complete: what it says of its chunks tells its writer nothing of what stands here.
    let joining = Joining {
        datasite: owner,
        tree: &tree,
        sender: owner,
        entry,
        opener: Opener::Peers(ring),
        right: &|_| Right { to_bring: true, to_read: true },
        now,
    };
    Ok(match chunked::join(account, joining, message, report).await? {
        Joined::Whole(message, _) => Ok(message),
        Joined::Later(reason) => Err(Unread::NotKept(reason)),
        Joined::Wrong(reason) => Err(Unread::Wrong(reason)),
    })
}

/// Commits what some messages said, and that they were looked at.
fn commit(
    account: &Account,
    owner: &Email,
    states: &States,
    read: &[&Entry],
    options: &SyncOptions,
    now: Timestamp,
) -> Result<()> {
    let (_, scan) = guarding::ground(account, (owner, &Same::Unknown), options, now)?;
    account.store.write(|db| {
        let ground = Ground { datasite: owner, scan: &scan, edits: Edits::KeepAside, now };
        applying::apply(db, &ground, states)?;
        read.iter().try_for_each(|entry| journal::mark_seen(db, &entry.id))
    })?;
    Ok(())
}

/// Returns how many bytes of content of a message are held.
fn follow(
    owner: &Email,
    entry: &Entry,
    message: FileChangeEventsMessage,
    states: &mut States,
    report: &mut Report,
) -> u64 {
    let moment = Timestamp::from_micros(entry.created_micros);
    let mut bytes = 0;
    for event in message.events {
        // One bad event does not take the others with it.
        match event.check() {
            Ok(event) if !owner.is_same_account(event.datasite.as_str()) => {
                let text = format!(
                    "{owner} sent a file for the datasite of {}; it is ignored",
                    event.datasite
                );
                report.problem_with(owner, Code::EventForOtherDatasite, text);
            }
            Ok(event) if is_syncable(&event.path) => {
                bytes += event.content.as_ref().map_or(0, Content::held_bytes);
                applying::add(states, event.path, event.content, moment, event.id);
            }
            Ok(event) => {
                let text = format!("{owner} sent `{}`, which is not synced", event.path);
                report.problem_with(owner, Code::EventNotUsable, text);
            }
            Err(error) => {
                let text = format!("an event of {owner}: {}", told(&error));
                report.problem_with(owner, Code::EventNotUsable, text);
            }
        }
    }
    bytes
}
