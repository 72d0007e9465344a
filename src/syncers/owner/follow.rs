//! Follows the event log: takes in whatever other machines of the account announced, and on a new
//! machine all that no checkpoint includes.
//!
//! Oldest first by the clock of the service, so that newer content wins, and a bounded number of
//! bytes at a time, each taken in before the next are read.

use std::collections::BTreeSet;

use crate::caches::{DatasiteTree, agreed, catalogue, journal, meta, scan, unstated};
use crate::connections::{self, Entry};
use crate::model::{Code, DatasitePath, Email, Timestamp};
use crate::wire::names::{CheckpointName, EventsName, is_chunked};
use crate::wire::{self, FileChangeEventsMessage};

use super::super::applying::{Edits, Ground};
use super::super::batches::batches_to_join;
use super::super::chunked::{self, Joined, Joining, Opener, Right};
use super::super::parcels::{self, Parcel};
use super::super::sealing::{OwnFile, OwnFiles};
use super::super::sending;
use super::super::{Account, Directory, Report, Result, writing};
use super::checkpoint::{self, ROLLING_FULL};
use super::kept_back::{self, Why};
use super::told::Told;
use super::{Acquaintance, log, nanoseconds, restore, take_in as inbox, unsealed};

/// Takes in what this machine has not read. Returns how many files that concerns.
pub(super) async fn follow_log(
    account: &Account,
    directory: &Directory,
    peers: &[Acquaintance],
    tree: &DatasiteTree,
    now: Timestamp,
    report: &mut Report,
) -> Result<usize> {
    heed_new_checkpoint(account, directory)?;
    settle(account)?;
    restore::catch_up(account, directory, peers, tree, now, report).await?;
    let Some(personal) = &directory.personal else { return Ok(0) };
    let mut unseen = account.store.read(|db| catalogue::unseen(db, personal))?;
    unseen.retain(|entry| EventsName::of_message(&entry.name).is_some());
    let given_up = account.store.read(|db| meta::with_prefix(db, NOT_UNDERSTOOD))?;
    unseen.retain(|entry| !given_up.contains(&(not_understood(entry), VERSION.to_owned())));
    let waiting = inbox::oldest_waiting(account, directory, peers)?;
    let mut reader = Reader { waiting, ..Reader::new(account, directory, now)? };
    let kept = kept_back::all(account)?;
    let waits = |entry: &Entry| {
        kept.get(&entry.id).is_some_and(|(why, value)| reader.ground.still_holds(*why, value))
    };
    let to_read: Vec<Entry> = unseen.iter().filter(|entry| !waits(entry)).cloned().collect();
    let mut count = 0;
    for entries in batches_to_join(&to_read) {
        let read = read_log(account, &mut reader, entries, report).await?;
        count += take_in(account, tree, read.messages, now, report)?;
        unsealed::settle(account, directory, tree, &mut reader, read.not_sealed, now, report)
            .await?;
        if entries.iter().any(|entry| is_chunked(&entry.name)) {
            parcels::sweep(account)?; // Of a file that changed often, no version waits for the next.
        }
    }
    tell_closed(&kept_back::closed(account, &unseen)?, report);
    log::note_followed(account, directory)?;
    Ok(count)
}

/// One line in every sync, for who has the keys, or removes a file that somebody put there.
fn tell_closed(closed: &[Entry], report: &mut Report) {
    let Some(first) = closed.first() else { return };
    let text = format!(
        "{} of your own event log sealed with keys that are not on this machine, `{}` the first; \
         what they say is taken in once the keys are here, and until then this machine makes no \
         checkpoint",
        if closed.len() == 1 {
            "1 message is".to_owned()
        } else {
            format!("{} messages are", closed.len())
        },
        first.name,
    );
    report.problem(Code::LogNotOpened, text);
}

fn take_in(
    account: &Account,
    tree: &DatasiteTree,
    messages: Vec<(Entry, FileChangeEventsMessage)>,
    now: Timestamp,
    report: &mut Report,
) -> Result<usize> {
    let scan = scan(&account.store, tree, &account.email, nanoseconds(now))?;
    let mut told = Told::before(account, &messages)?;
    let (mut read, mut late) = (Vec::new(), BTreeSet::new());
    for (entry, message) in messages {
        if account.store.read(|db| log::is_late(db, &entry))? {
            let paths = message.events.iter().map(|event| event.path_in_datasite.as_str());
            late.extend(paths.filter_map(|path| DatasitePath::parse(path).ok()));
        }
        told.follow(account, &entry, message.events, report);
        read.push(entry);
    }
    late.retain(|path| told.states.contains_key(path));
    account.store.write(|db| {
        let ground = Ground { datasite: &account.email, scan: &scan, edits: Edits::Stay, now };
        told.commit(db, account, &ground)?;
        // Who joins by a file of ours takes it for read: it is said once more.
        late.iter().try_for_each(|path| unstated::add(db, path))?;
        read.iter().try_for_each(|entry| {
            kept_back::release(db, entry)?;
            journal::mark_seen(db, &entry.id)
        })
    })?;
    writing::carry_out(account, report)?;
    Ok(told.states.len())
}

/// Learns from the catalogue when our own messages were made, where the answer to their upload was
/// lost.
fn settle(account: &Account) -> Result<()> {
    account.store.write(|db| {
        for file in agreed::unsettled(db)? {
            if let Some(entry) = catalogue::get(db, &file)? {
                let moment = Timestamp::from_micros(entry.created_micros);
                agreed::settle(db, &account.email, &file, moment)?;
            }
        }
        Ok(())
    })?;
    Ok(())
}

/// If another machine made a full checkpoint, the rolling state begins anew upon it. Whether that one
/// includes what was taken in here nobody need know: the rolling state says that it does not say it.
fn heed_new_checkpoint(account: &Account, directory: &Directory) -> Result<()> {
    let Some(folder) = &directory.checkpoints else { return Ok(()) };
    let entries = account.store.read(|db| catalogue::children(db, folder))?;
    let names = entries.iter().filter_map(|entry| CheckpointName::parse(&entry.name));
    let Some(made) = names.map(|name| name.timestamp).max() else { return Ok(()) };
    if account.store.read(|db| meta::get(db, ROLLING_FULL))? == Some(made.canonical()) {
        return Ok(());
    }
    let since = log::beginning(account, directory)?;
    account.store.write(|db| {
        checkpoint::begin_anew(db, made, &since)?;
        meta::set(db, ROLLING_FULL, &made.canonical())
    })?;
    Ok(())
}

/// What reading the log needs.
#[derive(Debug)]
pub(super) struct Reader {
    /// Opens it.
    pub own: OwnFiles,
    /// What the messages are judged by that do not count.
    pub ground: kept_back::Ground,
    /// When the oldest proposal was made that waits for an answer.
    pub waiting: Option<i64>,
    /// The time.
    now: Timestamp,
}

impl Reader {
    /// Reads what is known now.
    pub(super) fn new(account: &Account, directory: &Directory, now: Timestamp) -> Result<Self> {
        Self::with(account, directory, OwnFiles::load(account, now)?, now)
    }

    /// The same, with what was settled of our own files before.
    pub(super) fn with(
        account: &Account,
        directory: &Directory,
        own: OwnFiles,
        now: Timestamp,
    ) -> Result<Self> {
        let ground = kept_back::Ground::now(account, directory, &own)?;
        Ok(Self { own, ground, waiting: None, now })
    }
}

/// Messages of the log.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Those that count.
    pub messages: Vec<(Entry, FileChangeEventsMessage)>,
    /// Those that are not sealed, and count for nothing by themselves.
    pub not_sealed: Vec<(Entry, Parcel)>,
}

/// Reads messages of the log, without those that nobody can use. Those that cannot be opened yet are
/// kept back.
pub(super) async fn read_log(
    account: &Account,
    reader: &mut Reader,
    entries: &[Entry],
    report: &mut Report,
) -> Result<Log> {
    let contents = parcels::fetch_all(account, entries).await;
    let mut log = Log::default();
    for (entry, content) in entries.iter().zip(contents) {
        if !is_own(account, entry) {
            continue;
        }
        match content {
            Ok(parcel) => match reader.own.open(account, entry, parcel, report)? {
                OwnFile::Sealed(parcel) | OwnFile::Plain(parcel) => {
                    let read = read_message(account, reader, entry, &parcel, report).await?;
                    log.messages.extend(read.map(|message| (entry.clone(), message)));
                }
                OwnFile::NotSealed(parcel) => log.not_sealed.push((entry.clone(), parcel)),
                OwnFile::Closed => kept_back::note(account, &reader.ground, entry, Why::Closed)?,
                OwnFile::Lost => {
                    let text = format!("`{}` is sealed with keys that were lost", entry.name);
                    report.problem(Code::SealedFileNotUsable, text);
                    kept_back::note(account, &reader.ground, entry, Why::Lost)?;
                }
                OwnFile::Unusable => give_up(account, entry)?,
            },
            // Another machine pruned the log meanwhile: its checkpoint says what this one said.
            Err(connections::Error::NotFound { id }) => account.store.write(|db| {
                super::log::note_gap(db, entry.created_micros)?;
                catalogue::remove(db, &id)
            })?,
            // Nobody can read it, and the rest need not wait for it.
            Err(error @ connections::Error::TooLarge { .. }) => {
                let text = format!("`{}`: {}", entry.name, sending::told(&error));
                report.problem(Code::EventNotUsable, text);
                give_up(account, entry)?;
            }
            // The log must be followed without gaps.
            Err(error) => return Err(error.into()),
        }
    }
    Ok(log)
}

/// Reads one message, and puts together what it brings as chunks. `None` if that cannot be: why is told.
async fn read_message(
    account: &Account,
    reader: &mut Reader,
    entry: &Entry,
    parcel: &Parcel,
    report: &mut Report,
) -> Result<Option<FileChangeEventsMessage>> {
    let wrong = |reason: String, report: &mut Report| {
        report.problem(Code::EventNotUsable, format!("`{}`: {reason}", entry.name));
        give_up(account, entry).map(|()| None)
    };
    let message = match chunked::read(account, &entry.name, parcel) {
        Ok(message) => message,
        // The log must be followed without gaps.
        Err(wire::Error::NotKept { source }) => return Err(connections::Error::Io(source).into()),
        Err(error) => return wrong(sending::told(&error), report),
    };
    let tree = account.tree(&account.email)?;
    let joining = Joining {
        datasite: &account.email,
        tree: &tree,
        sender: &account.email,
        entry,
        opener: Opener::Own(&mut reader.own),
        right: &|_| Right { to_bring: true, to_read: true },
        now: reader.now,
    };
    match chunked::join(account, joining, message, report).await? {
        Joined::Whole(message, _) => Ok(Some(message)),
        Joined::Later(reason) => {
            let text = format!("`{}` of your own event log waits: {reason}", entry.name);
            report.problem(Code::MessageNotRead, text);
            kept_back::note(account, &reader.ground, entry, Why::Incomplete)?;
            Ok(None)
        }
        Joined::Wrong(reason) => wrong(reason, report),
    }
}

fn give_up(account: &Account, entry: &Entry) -> Result<()> {
    Ok(account.store.write(|db| meta::set(db, &not_understood(entry), VERSION))?)
}

/// Meta keys: messages of the log that this program does not understand, with its version. They are
/// told once, and read again by another version.
const NOT_UNDERSTOOD: &str = "not understood ";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns which of these messages of the log this program does not understand.
pub(super) fn given_up(account: &Account, entries: &[Entry]) -> Result<Vec<Entry>> {
    let noted = account.store.read(|db| meta::with_prefix(db, NOT_UNDERSTOOD))?;
    let is_one = |entry: &&Entry| noted.iter().any(|(key, _)| *key == not_understood(entry));
    Ok(entries.iter().filter(is_one).cloned().collect())
}

fn not_understood(entry: &Entry) -> String {
    format!("{NOT_UNDERSTOOD}{}", entry.id)
}

fn is_own(account: &Account, entry: &Entry) -> bool {
    let owner: Option<&Email> = entry.owner.as_ref();
    entry.is_mine || owner.is_some_and(|owner| account.email.is_same_account(owner.as_str()))
}
