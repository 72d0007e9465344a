//! Collections of our own that could not be taken: why, and what is remembered of them, so that nothing is
//! fetched in each sync only to fail as before.
//!
//! What is sealed with keys that are not here is told once, stays where it is, and is opened once other
//! keys are here or other files there. What is not what its name says may have been a drive that gave
//! something else, or another machine at work: it is told for as long as it lasts and fetched again now and
//! then, which `datasets::Doubt` decides. None of it holds up another collection.

use crate::caches::{is_full, meta};
use crate::connections::{self, Entry, FileId};
use crate::datasets::{self, Doubt, Wanted};
use crate::model::Timestamp;

use super::super::sending::told;
use super::super::{Account, Result, sealing};
use super::{state_of, to_json, word};

/// A collection of ours on the drive, as it is with the keys that are here.
#[derive(Debug)]
pub(super) struct Attempt {
    files: Vec<FileId>,
    damaged_key: String,
    closed_key: String,
    state: String,
}

/// Whether a collection is fetched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is.
    Due,
    /// Not yet, which is to be told.
    Waits,
    /// Not yet, and that was told.
    WaitsSilently,
}

/// Why a collection was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Something in it is sealed with keys that are not here.
    Closed,
    /// It is not what its name says: another machine is at work, as it seems.
    Incomplete,
    /// The drive does not give it as it says it does, or not as we sealed it.
    Unsound,
    /// The disk of this machine refuses.
    Disk,
    /// Something that the next sync may not meet.
    Other,
}

impl Why {
    pub(super) fn of(error: &datasets::Error, connection: &sealing::Sealing<'_>) -> Self {
        use connections::Error as Connection;
        let is_of_content = match error {
            datasets::Error::Damaged { .. } | datasets::Error::Unacceptable { .. } => {
                Some(Self::Incomplete)
            }
            datasets::Error::Connection(error) => match error {
                Connection::NotFound { .. } => Some(Self::Incomplete),
                Connection::Damaged { .. }
                | Connection::Invalid { .. }
                | Connection::TooLarge { .. } => Some(Self::Unsound),
                // It lies there in plain where all must be sealed: somebody else put it there.
                Connection::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    Some(Self::Unsound)
                }
                _ => None,
            },
            _ => None,
        };
        match is_of_content {
            Some(_) if connection.has_met_closed() => Self::Closed,
            Some(_) if connection.has_met_broken() => Self::Unsound,
            Some(why) => why,
            None if is_of_the_disk(error) => Self::Disk,
            None => Self::Other,
        }
    }

    /// Says it.
    pub(super) fn told(self, error: &datasets::Error, connection: &sealing::Sealing<'_>) -> String {
        match self {
            Self::Closed => "it is sealed with keys that are not on this machine, and tried again \
                             once they are"
                .to_owned(),
            Self::Unsound if connection.has_met_broken() => {
                "a sealed file on the drive is damaged: its seal does not hold".to_owned()
            }
            _ => told(error),
        }
    }
}

impl Attempt {
    pub(super) fn new(account: &Account, wanted: &Wanted, files: &[Entry]) -> Result<Self> {
        let of = format!("own {} {}", word(wanted.name.half), wanted.name.dataset);
        let state = state_of(wanted, files) + &sealing::keys_here(account)?;
        let (damaged_key, closed_key) = (format!("failed {of}"), format!("closed {of}"));
        let files = files.iter().map(|file| file.id.clone()).collect();
        Ok(Self { files, damaged_key, closed_key, state })
    }

    /// Says whether it is fetched now.
    pub(super) fn standing(&self, account: &Account, now: Timestamp) -> Result<Standing> {
        let closed = account.store.read(|db| meta::get(db, &self.closed_key))?;
        if closed.as_ref() == Some(&self.state) {
            return Ok(Standing::WaitsSilently);
        }
        let Some(doubt) = self.doubt(account)? else { return Ok(Standing::Due) };
        let is_told = doubt.was_asked_at(now);
        Ok(match doubt.fetch_again(now) {
            Some(_) => Standing::Due,
            None if is_told => Standing::WaitsSilently,
            None => Standing::Waits,
        })
    }

    /// Notes that it was not taken; true if it was so before. Only what came to its end counts: one that
    /// was killed is gone on with at once.
    pub(super) fn note(&self, account: &Account, why: Why, now: Timestamp) -> Result<bool> {
        match why {
            Why::Closed => account.store.write(|db| {
                meta::remove(db, &self.damaged_key)?;
                meta::set(db, &self.closed_key, &self.state)
            })?,
            Why::Incomplete | Why::Unsound => {
                self.forget_kept(account);
                let before = self.doubt(account)?;
                let is_new = before.is_none();
                let doubt = before.and_then(|doubt| doubt.fetch_again(now));
                let doubt = doubt.unwrap_or_else(|| Doubt::new(self.state.clone(), None, now));
                let text = to_json(&doubt)?;
                account.store.write(|db| meta::set(db, &self.damaged_key, &text))?;
                return Ok(!is_new);
            }
            Why::Disk | Why::Other => {}
        }
        Ok(false)
    }

    /// Forgets what was noted: it is here.
    pub(super) fn forget(&self, account: &Account) -> Result<()> {
        Ok(account.store.write(|db| {
            meta::remove(db, &self.damaged_key)?;
            meta::remove(db, &self.closed_key)
        })?)
    }

    /// Removes what came of its files, which is of no use.
    fn forget_kept(&self, account: &Account) {
        let folder = datasets::downloads_folder(&account.folders.syftbox);
        let forgotten = datasets::forget_kept(&folder, &self.files);
        forgotten.unwrap_or_else(|error| tracing::warn!("{}", told(&error)));
    }

    fn doubt(&self, account: &Account) -> Result<Option<Doubt>> {
        let text = account.store.read(|db| meta::get(db, &self.damaged_key))?;
        // What an older release noted there is no doubt: then it is fetched once more.
        let doubt = text.and_then(|text| serde_json::from_str::<Doubt>(&text).ok());
        Ok(doubt.filter(|doubt| doubt.state == self.state))
    }
}

fn is_of_the_disk(error: &datasets::Error) -> bool {
    match error {
        datasets::Error::Connection(connections::Error::Io(source))
        | datasets::Error::Io { source, .. } => is_full(source),
        _ => false,
    }
}
