//! One sync at a time: the lock that the Python client takes too. And one service at a time.

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
        let path = syftbox.join(LOCK_FILE);
        let file = open(&path)?;
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

/// The exclusive lock of any file, held until it is dropped or the process ends.
#[derive(Debug)]
pub struct FileLock {
    _file: File,
}

impl FileLock {
    /// Takes `flock` on `path`, which is created if need be, and stays.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it.
    pub fn take(path: &Path) -> Result<Self> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(Error::at(path, "locked")(source)),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::at(folder, "created"))?;
    let options = File::options().create(true).truncate(false).write(true).open(path);
    options.map_err(Error::at(path, "opened"))
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
