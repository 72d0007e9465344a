//! A file on its way into its place: content first, then the name, then the folder.
//!
//! Invariant: what stands in the place is the old file or the new one, whole.

use std::io;
use std::path::PathBuf;

use cap_std::fs::Dir;

use super::{Error, Result};

/// The content of a file, beside its place. It goes away again unless it is placed.
#[derive(Debug)]
pub struct Staged {
    pub(super) folder: Dir,
    /// `None` once it is placed.
    pub(super) temporary: Option<String>,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) file: cap_std::fs::File,
}

impl Staged {
    /// Brings the content to the disk. Before that it must not be placed: after a power cut there
    /// could be a file without its content.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(Error::at(&self.path, "written"))
    }

    /// Puts the file into its place; what stood there is gone.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn place(mut self) -> Result<Placed> {
        let temporary = self.temporary.take().unwrap_or_default();
        if let Err(error) = self.folder.rename(&temporary, &self.folder, &self.name) {
            self.temporary = Some(temporary);
            return Err(Error::at(&self.path, "written")(error));
        }
        let folder = self.folder.try_clone().map_err(Error::at(&self.path, "written"))?;
        Ok(Placed { folder, path: self.path.clone() })
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Nothing of ours is to stay; what failed is reported elsewhere.
            let _ = self.folder.remove_file(temporary);
        }
    }
}

/// A file in its place, of which the disk may not know yet.
#[derive(Debug)]
pub struct Placed {
    folder: Dir,
    path: PathBuf,
}

impl Placed {
    /// Brings the file's name to the disk.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync(&self) -> Result<()> {
        let folder = self.folder.open(".").and_then(|folder| folder.sync_all());
        folder.map_err(Error::at(&self.path, "written"))
    }
}

/// Brings to the disk what is on the file system of a folder; false if that cannot be asked for.
#[cfg(target_os = "linux")]
pub(super) fn sync_file_system(folder: &impl std::os::fd::AsFd) -> io::Result<bool> {
    rustix::fs::syncfs(folder)?;
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn sync_file_system(_: &impl std::os::fd::AsFd) -> io::Result<bool> {
    Ok(false)
}
