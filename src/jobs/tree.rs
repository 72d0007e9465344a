//! Reading trees that strangers filled, and writing files that others watch.
//!
//! Invariant: no symbolic link is followed below the root that is asked for, whatever changes in
//! the meantime: everything goes through a handle of the root (`cap-std`), which cannot be left.
//! Only regular files are opened, and never so that opening could block, as on a pipe.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, File, FileType, FileTypeExt, MetadataExt, OpenOptions, OpenOptionsExt};
use rustix::fs::OFlags;

use super::form::EntryKind;
use crate::model::{DatasitePath, TEMPORARY_PREFIX};

/// Something in a tree that is no directory, or a directory that was not entered.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its path below the root, if it has one that we can handle.
    pub(crate) path: Option<DatasitePath>,
    /// Its path in a form that is fit to show.
    pub(crate) shown: String,
    /// What it is.
    pub(crate) kind: EntryKind,
    /// The same in words.
    pub(crate) what: &'static str,
    /// Its size, for a file.
    pub(crate) bytes: u64,
    /// How many names the file has; more than one is a hard link.
    pub(crate) names: u64,
    /// When it was written, in nanoseconds.
    pub(crate) modified: i128,
}

impl Entry {
    /// A directory that cannot be entered.
    fn odd(path: &Path) -> Self {
        Self {
            path: None,
            shown: shown(path),
            kind: EntryKind::Other,
            what: "a folder that is closed or too deep",
            bytes: 0,
            names: 1,
            modified: 0,
        }
    }
}

const DEPTH_MAX: usize = 60; // a little less than a `DatasitePath` takes

/// Opens the directory at `path` below `root`, no part of which may be a link. `None` if it is
/// not there.
pub(crate) fn open_below(root: &Path, path: &DatasitePath) -> io::Result<Option<Dir>> {
    let Some(mut dir) = open_root(root)? else { return Ok(None) };
    for part in path.parts() {
        match dir.symlink_metadata(part) {
            Ok(found) if found.is_dir() => dir = dir.open_dir(part)?,
            Ok(_) => return Err(io::Error::other(format!("`{part}` is no directory"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    Ok(Some(dir))
}

/// Opens a directory that we trust the path of. `None` if it is not there.
pub(crate) fn open_root(root: &Path) -> io::Result<Option<Dir>> {
    match Dir::open_ambient_dir(root, cap_std::ambient_authority()) {
        Ok(dir) => Ok(Some(dir)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the entries directly in `dir`, sorted by name. Names that are not UTF-8 are shown with
/// replacement characters, and so match nothing.
pub(crate) fn entries(dir: &Dir) -> io::Result<Vec<(String, EntryKind)>> {
    let mut found = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), kind_of(entry.file_type()?)));
    }
    found.sort();
    Ok(found)
}

/// Returns all that lies below `root` at any depth, sorted by path, and whether that is all:
/// it stops after `entries_max` entries. Directories for which `skip` (path, name) holds are left
/// out; the others are entered and not listed.
pub(crate) fn walk(
    root: &Dir,
    entries_max: usize,
    skip: &dyn Fn(&str) -> bool,
) -> io::Result<(Vec<Entry>, bool)> {
    let mut found = Vec::new();
    let mut folders = vec![(PathBuf::new(), 0_usize)];
    let mut seen = 0_usize;
    while let Some((folder, depth)) = folders.pop() {
        let opened = if depth == 0 { root.try_clone() } else { root.open_dir(&folder) };
        let listing = match opened.and_then(|dir| dir.entries()) {
            Ok(listing) => listing,
            Err(error) if depth == 0 => return Err(error),
            Err(_) => {
                found.push(Entry::odd(&folder)); // its maker closed it, or it is gone
                continue;
            }
        };
        for entry in listing {
            let entry = entry?;
            seen += 1;
            if seen > entries_max {
                found.sort_by(|a: &Entry, b: &Entry| a.shown.cmp(&b.shown));
                return Ok((found, false));
            }
            let path = folder.join(entry.file_name());
            let kind = kind_of(entry.file_type()?);
            if kind == EntryKind::Directory {
                if entry.file_name().to_str().is_some_and(skip) {
                    continue;
                }
                if depth < DEPTH_MAX && path.as_os_str().len() < 1024 {
                    folders.push((path, depth + 1));
                } else {
                    found.push(Entry::odd(&path));
                }
                continue;
            }
            let about = entry.metadata()?;
            found.push(Entry {
                path: DatasitePath::from_local(&path).ok(),
                shown: shown(&path),
                kind,
                what: words_for(entry.file_type()?),
                bytes: about.len(),
                names: about.nlink(),
                modified: i128::from(about.mtime()) * 1_000_000_000
                    + i128::from(about.mtime_nsec()),
            });
        }
    }
    found.sort_by(|a, b| a.shown.cmp(&b.shown));
    Ok((found, true))
}

/// Opens the regular file at `path`; anything else is an error.
pub(crate) fn open_file(root: &Dir, path: &str) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).custom_flags(flags.bits().cast_signed());
    let file = root.open_with(path, &options)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::other("it is no regular file"))
    }
}

/// Reads the regular file at `path`; `None` if it is not there.
pub(crate) fn read_file(root: &Dir, path: &str, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let file = match open_file(root, path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut content = Vec::new();
    file.take(bytes_max as u64 + 1).read_to_end(&mut content)?;
    if content.len() > bytes_max {
        return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    Ok(Some(content))
}

/// Reads a file of ours, at a path that no stranger has a say in.
pub(crate) fn read_trusted(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    std::fs::File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(io::Error::other(format!("it is larger than {bytes_max} bytes")));
    }
    Ok(content)
}

/// Writes a file as a whole or not at all, and makes the folders above it.
pub(crate) fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempfile_in(folder)?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Removes a tree, or nothing if it is not there.
///
/// A job made the tree, so it may be closed to its owner, and deeper than a path can be long or a
/// recursion deep. So each folder is opened first and then emptied by moving its folders aside:
/// no path is longer than a few parts, and nothing recurses.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return std::fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let parent = path.parent().ok_or_else(|| io::Error::other("the path has no folder"))?;
    let aside = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir_in(parent)?;
    let place = |number: usize| aside.path().join(number.to_string());
    let open =
        |folder: &Path| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    open(path)?;
    std::fs::rename(path, place(0))?;
    let (mut done, mut moved) = (0, 1);
    while done < moved {
        let folder = place(done);
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                open(&entry.path())?;
                std::fs::rename(entry.path(), place(moved))?;
                moved += 1;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        std::fs::remove_dir(&folder)?;
        done += 1;
    }
    aside.close()
}

fn kind_of(found: FileType) -> EntryKind {
    if found.is_file() {
        EntryKind::File
    } else if found.is_dir() {
        EntryKind::Directory
    } else {
        EntryKind::Other
    }
}

fn words_for(found: FileType) -> &'static str {
    if found.is_file() {
        "a file"
    } else if found.is_symlink() {
        "a link"
    } else if found.is_fifo() {
        "a pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// A path in a form that is fit for a report: short, without control characters.
pub(crate) fn shown(path: &Path) -> String {
    path.to_string_lossy().chars().take(200).flat_map(char::escape_debug).collect()
}
