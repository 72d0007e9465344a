//! Which environments there are, how large they are, and which may go.
//!
//! One that a job uses at this moment stays. What a request came to stays too: the next job that
//! asks for it gets the very same packages.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::kept::{Lock, Record, read};
use super::{EnvironmentCache, Installed, RECORD};
use crate::jobs::tree::remove;
use crate::model::Timestamp;

/// One environment on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEnvironment {
    /// Its name.
    pub name: String,
    /// What is in it; `None` if that cannot be told, so that no job uses it.
    pub installed: Option<Installed>,
    /// When it was made.
    pub made: Option<Timestamp>,
    /// When a job used it last.
    pub used: Option<Timestamp>,
    /// What it takes of the disk, in bytes.
    pub bytes: u64,
    /// Whether a job uses it now.
    pub in_use: bool,
}

impl EnvironmentCache {
    /// Returns all environments, the last used first.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn list(&self) -> io::Result<Vec<KeptEnvironment>> {
        let mut all = Vec::new();
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_key = name.len() == 32 && name.chars().all(|c| c.is_ascii_hexdigit());
            if is_key && entry.file_type()?.is_dir() {
                all.push(self.describe(name)?);
            }
        }
        all.sort_by(|a, b| b.used.cmp(&a.used).then_with(|| a.name.cmp(&b.name)));
        Ok(all)
    }

    /// Removes what no job has used for `unused_for` and none uses now. Returns what was removed.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn prune(&self, unused_for: Duration, now: Timestamp) -> io::Result<Vec<KeptEnvironment>> {
        let mut removed = Vec::new();
        for kept in self.list()? {
            // An environment that cannot be read helps nobody.
            let is_old = kept.installed.is_none()
                || kept.used.is_none_or(|used| {
                    let age = now.micros().saturating_sub(used.micros());
                    u128::try_from(age).is_ok_and(|age| age >= unused_for.as_micros())
                });
            if !is_old {
                continue;
            }
            let Some(_lock) = Lock::alone(&self.lock_of(&kept.name))? else { continue };
            // First it is none any more, then it goes.
            remove(&self.folder.join(&kept.name))?;
            removed.push(kept);
        }
        Ok(removed)
    }

    fn describe(&self, name: String) -> io::Result<KeptEnvironment> {
        let folder = self.folder.join(&name);
        let record: Option<Record> = read(&folder, RECORD);
        let lock = self.lock_of(&name);
        let used = lock.metadata().and_then(|about| about.modified()).ok().and_then(moment);
        Ok(KeptEnvironment {
            made: record.as_ref().map(|record| Timestamp::from_micros(record.made)),
            installed: record.map(|record| record.installed),
            used,
            bytes: size(&folder)?,
            in_use: lock.exists() && Lock::alone(&lock)?.is_none(),
            name,
        })
    }
}

fn moment(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?))
}

/// What lies below takes of the disk. Links are not followed.
fn size(folder: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt as _;

    let (mut bytes, mut folders) = (0_u64, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // being removed
            other => other?,
        };
        for entry in entries {
            let entry = entry?;
            let Ok(about) = entry.metadata() else { continue };
            bytes = bytes.saturating_add(about.blocks().saturating_mul(512)); // POSIX: stat(2)
            if about.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    Ok(bytes)
}
