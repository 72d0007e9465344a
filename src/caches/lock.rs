//! One sync at a time: the lock that the Python client takes too.

use std::fs::{File, TryLockError};
use std::path::Path;

use super::{Error, Result};

/// The name of the file that is locked.
pub const LOCK_FILE: &str = ".sync.lock";

/// The exclusive lock of one SyftBox, held until it is dropped.
#[derive(Debug)]
pub struct SyncLock {
    file: File,
}

impl SyncLock {
    /// Takes `flock` on `.sync.lock` in `syftbox`, which is created if need be. With `wait` it
    /// blocks until the lock is free.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it and `wait` is false.
    pub fn take(syftbox: &Path, wait: bool) -> Result<Self> {
        std::fs::create_dir_all(syftbox).map_err(Error::at(syftbox, "created"))?;
        let path = syftbox.join(LOCK_FILE);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(Error::at(&path, "opened"))?;
        if wait {
            file.lock().map_err(Error::at(&path, "locked"))?;
        } else {
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked { path: syftbox.to_owned() });
                }
                Err(TryLockError::Error(source)) => return Err(Error::at(&path, "locked")(source)),
            }
        }
        Ok(Self { file })
    }
}

impl Drop for SyncLock {
    fn drop(&mut self) {
        // Closing alone is not enough: a process that is just being started by another thread holds
        // a copy of the file until it runs its own program, and with it the lock.
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_turned_away() {
        let folder = tempfile::tempdir().unwrap();
        let first = SyncLock::take(folder.path(), false).unwrap();
        assert!(matches!(SyncLock::take(folder.path(), false), Err(Error::Locked { .. })));
        drop(first);
        SyncLock::take(folder.path(), false).unwrap();
    }
}
