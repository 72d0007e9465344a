//! The rolling state: what the log says since the last checkpoint, in one file that is replaced with each
//! change. Only the owner's own machines read it.
//!
//! It says how far it goes, so one that lags behind does no harm: who joins reads the rest in the log.

use crate::caches::{announcing, catalogue, meta};
use crate::connections::{self, Content, Entry, FileId, Kind, OCTETS};
use crate::model::{Code, Timestamp};
use crate::wire::names::{RollingStateFolder, RollingStateName};
use crate::wire::{Recipe, RollingState};

use super::owner::log;
use super::parcels::Lying;
use super::placing::{Place, create_folder, note_own, put_file};
use super::sending::{code_of, gzip_time, no_home, secret, told};
use super::{Account, Directory, Report, Result, sealing};

/// Meta keys of the rolling state: whether it must be sent, its file, and the checkpoint that it is
/// laid on.
pub(super) const ROLLING_DIRTY: &str = "rolling.dirty";
pub(super) const ROLLING_FILE: &str = "rolling.file";
pub(super) const ROLLING_BASE: &str = "rolling.base";
/// What of the event log was included before its first event.
pub(super) const ROLLING_SINCE: &str = "rolling.since";
/// What our own catalogue calls a rolling state until the service has told its name.
pub(super) const ROLLING_NOTE: &str = "rolling state";

/// How large a rolling state grows, in bytes of JSON: it is sent whole each time. What is more is left to
/// the log.
const ROLLING_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Sends it, if it has changed. What the service refuses is told, and tried again by the next sync.
///
/// # Errors
/// If the database fails.
pub(super) async fn send(
    account: &Account,
    directory: &Directory,
    now: Timestamp,
    report: &mut Report,
) -> Result<()> {
    let dirty = account.store.read(|db| meta::get(db, ROLLING_DIRTY))?;
    if dirty.is_none() || !log::is_whole(account, directory)? {
        return Ok(());
    }
    if account.store.read(announcing::rolling_bytes)? > ROLLING_BYTES_MAX {
        return log::leave_to_it(account, directory);
    }
    let (file, base, events) = account.store.read(|db| {
        let (file, base) = (meta::get(db, ROLLING_FILE)?, meta::get(db, ROLLING_BASE)?);
        Ok((file, base, announcing::rolling(db)?))
    })?;
    let base = base.and_then(|text| Timestamp::parse_canonical(&text).ok());
    let mut state = RollingState::new(&account.email, now, base);
    state.last_event_timestamp = events.iter().map(|event| event.timestamp).reduce(f64::max);
    state.events = events;
    state.log = Some(log::coverage(account, directory)?);
    state.since = log::since(account)?;
    let lying = Lying::of(account, &state.events)?;
    let recipe = Recipe::of(state, &secret());
    if recipe.size_bytes() > ROLLING_BYTES_MAX {
        return log::leave_to_it(account, directory);
    }
    // What the log says in chunks is too much to be said whole with each change. What lies there says how
    // far it goes.
    if recipe.json().is_none() && log::is_chunked(account)? {
        return Ok(account.store.write(|db| meta::remove(db, ROLLING_DIRTY))?);
    }
    // A file may have changed since: then the next sync announces that, and says this with it.
    let made = sealing::make_own(account, "rolling", (&recipe, gzip_time(now)), &lying);
    let parcel = match made {
        Err(super::Error::Connection(connections::Error::Io(_))) => return Ok(()),
        made => made?,
    };
    let content = parcel.content();
    let file = file.and_then(|text| FileId::parse(&text).ok());
    match put_rolling_state(account, directory, file, content, now).await {
        Ok(file) => account.store.write(|db| {
            meta::set(db, ROLLING_FILE, file.as_str())?;
            meta::remove(db, ROLLING_DIRTY)
        })?,
        Err(super::Error::Connection(error)) => {
            report.problem(code_of(&error, Code::RollingStateNotSent), told(&error));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

async fn put_rolling_state(
    account: &Account,
    directory: &Directory,
    file: Option<FileId>,
    content: Content,
    now: Timestamp,
) -> Result<FileId> {
    let left_behind = if file.is_none() { left_behind(account, directory)? } else { None };
    if let (Some(file), Some(folder)) = (&left_behind, &directory.rolling) {
        // Also takes back the id that an attempt may have reserved for it.
        note_own(account, file, folder, ROLLING_NOTE, Kind::File)?;
    }
    let file = file.or(left_behind);
    let folder = match (&directory.rolling, &directory.syftbox) {
        (Some(folder), _) => folder.clone(),
        (None, Some(root)) => {
            let version = account.dialect.client_version;
            let name = RollingStateFolder { owner: account.email.clone(), version };
            create_folder(account, root, &name.to_string()).await?
        }
        (None, None) => return Err(no_home()),
    };
    let name = RollingStateName { timestamp: Timestamp::ZERO.next_for_name(now) }.to_string();
    let place = Place { parent: &folder, name: &name, note: ROLLING_NOTE, media_type: OCTETS };
    put_file(account, file.as_ref(), place, content).await
}

/// Returns a rolling state that lies on the drive although nobody noted it here: a crash came
/// between, or before it was deleted. It is used again, so that there are never two.
fn left_behind(account: &Account, directory: &Directory) -> Result<Option<FileId>> {
    let Some(folder) = &directory.rolling else { return Ok(None) };
    let entries = account.store.read(|db| catalogue::children(db, folder))?;
    let is_one = |entry: &Entry| {
        entry.is_mine
            && (entry.name == ROLLING_NOTE || RollingStateName::parse(&entry.name).is_some())
    };
    Ok(entries.into_iter().find(is_one).map(|entry| entry.id))
}
