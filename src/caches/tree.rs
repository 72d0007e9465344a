//! One datasite's files on disk, reached through a directory handle that no link leads out of.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};

use tempfile::{NamedTempFile, PersistError};

use super::looking::digest_of;
use super::staged::{Staged, sync_file_system};
use super::{Error, Result};
use crate::model::{DatasitePath, Digest, TEMPORARY_PREFIX};

/// The largest file that is read into memory, in bytes: rules, what a job is made of.
const READ_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The files of one datasite below `SyftBox_{email}/{datasite}`.
///
/// Links are not followed, neither for the last part of a path nor for a folder on the way, so
/// nothing outside of the tree is read or written whatever the tree holds.
#[derive(Debug)]
pub struct DatasiteTree {
    root: PathBuf,
    dir: Dir,
}

impl DatasiteTree {
    /// Opens the tree at `root`; creates the folder if need be.
    ///
    /// # Errors
    /// If the folder cannot be made or opened.
    pub fn open(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root).map_err(Error::at(root, "created"))?;
        let dir =
            Dir::open_ambient_dir(root, ambient_authority()).map_err(Error::at(root, "opened"))?;
        Ok(Self { root: root.to_owned(), dir })
    }

    /// Opens the tree at `root`; `None` if there is no such folder. Creates nothing.
    ///
    /// # Errors
    /// If the folder is there and cannot be opened.
    pub fn open_existing(root: &Path) -> Result<Option<Self>> {
        match Dir::open_ambient_dir(root, ambient_authority()) {
            Ok(dir) => Ok(Some(Self { root: root.to_owned(), dir })),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(Error::at(root, "opened")(error)),
        }
    }

    /// Returns the folder of the tree.
    pub fn root(&self) -> &Path {
        &self.root
    }

    pub(super) const fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Returns the content of a file; `None` if there is no such file, or a folder of that name.
    ///
    /// # Errors
    /// If it is no regular file, has more than 64 MiB, or cannot be read.
    pub fn read(&self, path: &DatasitePath) -> Result<Option<Vec<u8>>> {
        self.if_there(path, self.try_read(path))
    }

    /// Returns the first bytes of a file, `most` at most; `None` as with [`Self::read`].
    ///
    /// # Errors
    /// If it is no regular file, or cannot be read.
    pub fn read_first(&self, path: &DatasitePath, most: usize) -> Result<Option<Vec<u8>>> {
        self.if_there(path, self.try_read_first(path, most as u64))
    }

    /// Returns the digest of a file; `None` if there is no such file.
    ///
    /// # Errors
    /// If it is no regular file, or cannot be read.
    pub fn digest(&self, path: &DatasitePath) -> Result<Option<Digest>> {
        let Some((mut file, _)) = self.open_file(path)? else { return Ok(None) };
        let digest = digest_of(&mut file).map_err(Error::at(path.below(&self.root), "read"))?;
        Ok(Some(digest))
    }

    /// Opens a file to be read, and returns its size, in bytes; `None` if there is no such file.
    ///
    /// # Errors
    /// If it is no regular file, or cannot be opened.
    pub fn open_file(&self, path: &DatasitePath) -> Result<Option<(std::fs::File, u64)>> {
        let opened = self.try_open(path).map(|(file, size_bytes)| (file.into_std(), size_bytes));
        self.if_there(path, opened)
    }

    fn if_there<T>(&self, path: &DatasitePath, read: io::Result<T>) -> Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if is_absent(&error) => Ok(None),
            Err(source) => Err(Error::at(path.below(&self.root), "read")(source)),
        }
    }

    fn try_open(&self, path: &DatasitePath) -> io::Result<(cap_std::fs::File, u64)> {
        let (folder, name) = self.folder_of(path, Missing::Fail)?;
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        set_nonblocking(&mut options);
        let file = folder.open_with(name, &options)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::NotFound.into()); // The file has become a folder.
        }
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
        }
        Ok((file, metadata.len()))
    }

    fn try_read_first(&self, path: &DatasitePath, most: u64) -> io::Result<Vec<u8>> {
        let (file, size_bytes) = self.try_open(path)?;
        let mut content = Vec::with_capacity(usize::try_from(size_bytes.min(most)).unwrap_or(0));
        file.take(most).read_to_end(&mut content)?;
        Ok(content)
    }

    fn try_read(&self, path: &DatasitePath) -> io::Result<Vec<u8>> {
        let content = self.try_read_first(path, READ_BYTES_MAX + 1)?;
        if content.len() as u64 > READ_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large for this"));
        }
        Ok(content)
    }

    /// Writes a file whole or not at all, and makes the folders on the way. It is on disk when
    /// this returns.
    ///
    /// # Errors
    /// If a part of the path is a file or a link, or the disk refuses.
    pub fn write(&self, path: &DatasitePath, content: &[u8]) -> Result<()> {
        let staged = self.stage(path, content)?;
        staged.sync()?;
        let placed = staged.place()?;
        placed.sync()
    }

    /// Writes the content of a file beside its place, and makes the folders on the way.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn stage(&self, path: &DatasitePath, content: &[u8]) -> Result<Staged> {
        self.stage_from(path, &mut &*content)
    }

    /// As [`Self::stage`], with what `content` gives.
    ///
    /// # Errors
    /// As [`Self::write`], or if `content` cannot be read.
    pub fn stage_from(&self, path: &DatasitePath, content: &mut dyn io::Read) -> Result<Staged> {
        self.try_stage(path, content).map_err(Error::at(path.below(&self.root), "written"))
    }

    fn try_stage(&self, path: &DatasitePath, content: &mut dyn io::Read) -> io::Result<Staged> {
        let (folder, name) = self.folder_of(path, Missing::Create)?;
        if folder.symlink_metadata(name).is_ok_and(|metadata| metadata.is_dir()) {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "a folder stands there"));
        }
        let temporary = temporary_name();
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        let file = folder.open_with(&temporary, &options)?;
        let name = name.to_owned();
        let path = path.below(&self.root);
        let mut staged = Staged { folder, temporary: Some(temporary), name, path, file };
        io::copy(content, &mut staged.file)?; // On an error the drop removes it.
        Ok(staged)
    }

    /// Brings all that was written to the disk at once: cheaper than one file after the other if
    /// there are many. False if this system cannot; then each must be synced for itself.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn sync_all(&self) -> Result<bool> {
        // A directory handle may be one that only names a place; this opens it for real.
        let synced = self.dir.open(".").and_then(|dir| sync_file_system(&dir));
        synced.map_err(Error::at(&self.root, "written"))
    }

    /// Removes a file, and the folders on the way that are empty then. A file that is gone already
    /// is a success.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn remove(&self, path: &DatasitePath) -> Result<()> {
        match self.try_remove(path) {
            Ok(()) => Ok(()),
            Err(error) if is_absent(&error) => Ok(()),
            Err(source) => Err(Error::at(path.below(&self.root), "removed")(source)),
        }
    }

    fn try_remove(&self, path: &DatasitePath) -> io::Result<()> {
        let (folder, name) = self.folder_of(path, Missing::Fail)?;
        folder.remove_file(name)?;
        for folder in path.folders() {
            let (above, name) = self.folder_of(&folder, Missing::Fail)?;
            if above.remove_dir(name).is_err() {
                break; // It still holds something.
            }
        }
        Ok(())
    }

    /// Removes a file that a crash left half written. Only for whoever holds the lock: a file that
    /// is being written looks the same. The folder stays.
    ///
    /// # Errors
    /// If the name is none of ours, or the disk refuses.
    pub fn sweep(&self, leftover: &DatasitePath) -> Result<()> {
        let swept = (|| {
            if !is_temporary_name(leftover.file_name()) {
                return Err(io::Error::from(io::ErrorKind::InvalidInput));
            }
            let (folder, name) = self.folder_of(leftover, Missing::Fail)?;
            folder.remove_file(name)
        })();
        match swept {
            Err(error) if !is_absent(&error) => {
                Err(Error::at(leftover.below(&self.root), "removed")(error))
            }
            _ => Ok(()),
        }
    }

    /// Renames a file within its folder. Nothing is overwritten.
    ///
    /// # Errors
    /// If `name` is taken or the disk refuses.
    pub fn rename(&self, path: &DatasitePath, name: &str) -> Result<()> {
        let renamed = (|| {
            let (folder, old) = self.folder_of(path, Missing::Fail)?;
            if folder.symlink_metadata(name).is_ok() {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists));
            }
            folder.rename(old, &folder, name)
        })();
        renamed.map_err(Error::at(path.below(&self.root), "renamed"))
    }

    /// Returns what stands at `path`; `None` if nothing does.
    pub(super) fn stands(&self, path: &DatasitePath) -> io::Result<Option<Stands>> {
        let mut folder = self.dir.try_clone()?;
        let mut parts = path.parts().peekable();
        while let Some(part) = parts.next() {
            let metadata = match folder.symlink_metadata(part) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            };
            let is_last = parts.peek().is_none();
            if metadata.is_dir() && is_last {
                return Ok(Some(Stands::Folder));
            } else if metadata.is_dir() {
                folder = folder.open_dir_nofollow(part)?;
            } else if metadata.is_file() {
                return Ok(is_last.then_some(Stands::File(metadata)));
            } else {
                return Ok(Some(Stands::Special));
            }
        }
        Ok(None)
    }

    /// True if each part of `path` is listed by its folder exactly as it is spelled: some file
    /// systems open a file under several spellings.
    ///
    /// # Errors
    /// If a folder on the way cannot be read.
    pub fn is_listed(&self, path: &DatasitePath) -> Result<bool> {
        self.try_is_listed(path).map_err(Error::at(path.below(&self.root), "read"))
    }

    pub(super) fn try_is_listed(&self, path: &DatasitePath) -> io::Result<bool> {
        let mut folder = self.dir.try_clone()?;
        let mut parts = path.parts().peekable();
        while let Some(part) = parts.next() {
            let names = folder.entries()?.map(|entry| Ok(entry?.file_name()));
            let names: io::Result<Vec<_>> = names.collect();
            if !names?.iter().any(|name| name == part) {
                return Ok(false);
            }
            if parts.peek().is_some() {
                folder = folder.open_dir_nofollow(part)?;
            }
        }
        Ok(true)
    }

    /// True if a folder stands at `path` that holds anything. One that holds nothing but empty
    /// folders is removed: folders do not travel.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn is_occupied_folder(&self, path: &DatasitePath) -> Result<bool> {
        let looked = (|| {
            if !matches!(self.stands(path)?, Some(Stands::Folder)) {
                return Ok(false);
            }
            let (above, name) = self.folder_of(path, Missing::Fail)?;
            Ok(!remove_empty(&above, name)?)
        })();
        looked.map_err(Error::at(path.below(&self.root), "written"))
    }

    /// Opens the folder that `path` lies in. No link is followed.
    pub(super) fn parent_of(&self, path: &DatasitePath) -> io::Result<Dir> {
        self.folder_of(path, Missing::Fail).map(|(folder, _)| folder)
    }

    /// Opens the folder that `path` lies in, part by part, so that no link is followed.
    fn folder_of<'p>(
        &self,
        path: &'p DatasitePath,
        missing: Missing,
    ) -> io::Result<(Dir, &'p str)> {
        let mut parts: Vec<&str> = path.parts().collect();
        let name = parts.pop().ok_or(io::ErrorKind::InvalidInput)?;
        let mut folder = self.dir.try_clone()?;
        for part in parts {
            folder = match folder.open_dir_nofollow(part) {
                Ok(next) => next,
                Err(error)
                    if missing == Missing::Create && error.kind() == io::ErrorKind::NotFound =>
                {
                    match folder.create_dir(part) {
                        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                            return Err(error);
                        }
                        _ => folder.open_dir_nofollow(part)?,
                    }
                }
                Err(error) => return Err(error),
            };
        }
        Ok((folder, name))
    }
}

/// What stands at a path, or on the way to it.
#[derive(Debug)]
pub(super) enum Stands {
    /// A regular file.
    File(cap_std::fs::Metadata),
    /// A folder.
    Folder,
    /// A link, a pipe or a device.
    Special,
}

pub(super) fn temporary_name() -> String {
    format!("{TEMPORARY_PREFIX}{}", uuid::Uuid::new_v4().simple())
}

/// True for the names that files have here before they are in their place.
pub(super) fn is_temporary_name(name: &str) -> bool {
    name.strip_prefix(TEMPORARY_PREFIX).is_some_and(|rest| {
        rest.len() == uuid::fmt::Simple::LENGTH
            && rest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// Removes the folder `name` if it holds nothing but empty folders; true if it did.
fn remove_empty(above: &Dir, name: &str) -> io::Result<bool> {
    let folder = above.open_dir_nofollow(name)?;
    for entry in folder.entries()? {
        let entry = entry?;
        let name = entry.file_name();
        let is_empty = match name.to_str() {
            Some(name) if entry.file_type()?.is_dir() => remove_empty(&folder, name)?,
            _ => false,
        };
        if !is_empty {
            return Ok(false);
        }
    }
    above.remove_dir(name)?;
    Ok(true)
}

/// What to do with a folder on the way that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Fail,
    Create,
}

/// A file is absent too if a folder on its way is none.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Without this, opening a named pipe would wait for somebody to write to it.
#[cfg(unix)]
pub(super) fn set_nonblocking(options: &mut OpenOptions) {
    use cap_std::fs::OpenOptionsExt as _;
    options.custom_flags(i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0));
}

#[cfg(not(unix))]
pub(super) fn set_nonblocking(_: &mut OpenOptions) {}

/// Writes a file that only this user may read (mode 0600), whole or not at all.
///
/// # Errors
/// If the folder cannot be made or the disk refuses.
pub fn write_private_file(path: &Path, content: &[u8]) -> Result<()> {
    write_private(path, content, |file| file.persist(path))
}

/// Writes a new file that only its user can read, whole or not at all.
///
/// # Errors
/// If it cannot be written, or if there is something of this name, which stays as it is.
pub fn write_new_private_file(path: &Path, content: &[u8]) -> Result<()> {
    write_private(path, content, |file| file.persist_noclobber(path))
}

fn write_private(
    path: &Path,
    content: &[u8],
    persist: impl FnOnce(NamedTempFile) -> std::result::Result<std::fs::File, PersistError>,
) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = (|| {
        std::fs::create_dir_all(folder)?;
        // A new file of `tempfile` has mode 0600.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        persist(file).map_err(|error| error.error)?;
        std::fs::File::open(folder)?.sync_all()
    })();
    written.map_err(Error::at(path, "written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> DatasitePath {
        DatasitePath::parse(text).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_removed_with_its_empty_folders() {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(&folder.path().join("box")).unwrap();
        assert_eq!(tree.read(&path("a/b/c.txt")).unwrap(), None);
        tree.write(&path("a/b/c.txt"), b"one").unwrap();
        tree.write(&path("a/b/c.txt"), b"two").unwrap();
        assert_eq!(tree.read(&path("a/b/c.txt")).unwrap(), Some(b"two".to_vec()));
        tree.write(&path("a/d"), b"").unwrap();
        tree.remove(&path("a/b/c.txt")).unwrap();
        tree.remove(&path("a/b/c.txt")).unwrap();
        assert!(!tree.root().join("a/b").exists());
        assert!(tree.root().join("a/d").exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "secret").unwrap();
        std::fs::create_dir(folder.path().join("outside")).unwrap();
        let tree = DatasiteTree::open(&folder.path().join("box")).unwrap();
        std::os::unix::fs::symlink("../secret", tree.root().join("link")).unwrap();
        std::os::unix::fs::symlink("../outside", tree.root().join("way")).unwrap();
        assert!(tree.read(&path("link")).is_err());
        assert!(tree.write(&path("way/x"), b"x").is_err());
        assert!(!folder.path().join("outside/x").exists());
        // Writing replaces the link itself, never what it points at.
        tree.write(&path("link"), b"mine").unwrap();
        assert_eq!(std::fs::read(folder.path().join("secret")).unwrap(), b"secret");
    }

    #[test]
    fn a_file_and_a_folder_do_not_replace_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(folder.path()).unwrap();
        tree.write(&path("a"), b"file").unwrap();
        assert!(tree.write(&path("a/b"), b"x").is_err());
        tree.write(&path("d/e"), b"x").unwrap();
        assert!(tree.write(&path("d"), b"x").is_err());
        assert_eq!(tree.read(&path("a/b")).unwrap(), None);
        assert_eq!(tree.read(&path("d")).unwrap(), None);
    }
}
