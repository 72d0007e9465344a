//! The right to run one job, or to settle a run of it: one process has it at a time.
//!
//! ```text
//! {private}/runs/{key}.lock        the claim: a lock, which ends with the process that holds it
//! {private}/runs/{key}.cancel      what the owner wants of the run, see `cut`
//! {private}/runs/{key}/            the folder of the run, see `workspace`
//! ```
//! Invariant: whoever changes the state of a job because of a run holds its claim, and has read the
//! state since it does.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::layout::JobId;
use super::tree::remove;
use crate::model::{Digest, Email};

/// The right to run one job; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Claim {
    place: RunPlace,
    lock: File,
}

/// Who only looks whether a job runs has its lock for a moment, which must not pass for a run.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS: u32 = 3;

/// Where the run of one job lies, whoever runs it.
#[derive(Clone, Debug)]
pub(crate) struct RunPlace {
    runs: PathBuf,
    key: String,
}

impl RunPlace {
    /// Returns where it is; nothing needs to be there.
    pub(crate) fn of(private: &Path, owner: &Email, job: &JobId) -> Self {
        let mut key = Digest::of(format!("{owner} {}", job.inbox()).as_bytes()).to_hex();
        key.truncate(16);
        Self { runs: private.join("runs"), key }
    }

    /// Returns the folder of the run.
    pub(crate) fn folder(&self) -> PathBuf {
        self.runs.join(&self.key)
    }

    /// Returns the folder of what the job prints.
    pub(crate) fn logs(&self) -> PathBuf {
        self.folder().join("logs")
    }

    /// Returns where the job prints to: standard output, standard error.
    pub(crate) fn log_files(&self) -> [PathBuf; 2] {
        ["stdout.txt", "stderr.txt"].map(|name| self.logs().join(name))
    }

    /// Returns the file that ends the run.
    pub(crate) fn cancel_file(&self) -> PathBuf {
        self.runs.join(format!("{}.cancel", self.key))
    }

    /// True if somebody runs the job, or settles a run of it, at this moment.
    pub(crate) fn is_claimed(&self) -> io::Result<bool> {
        let lock = match File::open(self.lock_file()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            lock => lock?,
        };
        // Together with others who look; who takes it for a run tries again.
        match lock.try_lock_shared() {
            Ok(()) => lock.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock_file(&self) -> PathBuf {
        self.runs.join(format!("{}.lock", self.key))
    }

    fn lock(&self) -> io::Result<Option<File>> {
        let lock =
            File::options().create(true).write(true).truncate(false).open(self.lock_file())?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Claim {
    /// Takes it; `None` if somebody has it. What is left of an earlier run stays.
    pub(crate) fn take(private: &Path, owner: &Email, job: &JobId) -> io::Result<Option<Self>> {
        let place = RunPlace::of(private, owner, job);
        std::fs::create_dir_all(private)?;
        // Results lie there before anybody decided who may see them.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&place.runs)?;
        for _ in 0..LOOKS {
            if let Some(lock) = place.lock()? {
                return Ok(Some(Self { place, lock }));
            }
            std::thread::sleep(LOOK);
        }
        Ok(None)
    }

    /// Returns where the run lies.
    pub(crate) const fn place(&self) -> &RunPlace {
        &self.place
    }

    /// Removes what an earlier run left.
    pub(crate) fn clear(&self) -> io::Result<()> {
        remove(&self.place.folder())?;
        remove(&self.place.cancel_file())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Closing alone is not enough: a process that is just being started by another thread holds
        // a copy of the file until it runs its own program, and with it the claim.
        self.lock.unlock().ok();
    }
}
