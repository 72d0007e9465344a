//! Local files of datasets: looking at a tree, copying it, digests, and folders that appear whole.
//!
//! Links are never followed below the folder that was named, and nothing but regular files is
//! accepted: a link in somebody's mock folder must not publish what it points to. New folders are
//! built in [`Scratch`] below the SyftBox (same file system), written through to the disk and then
//! renamed into place, so that a crash leaves all or nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::Error;
use super::collection::{CollectionHasher, Hash12};
use crate::model::{DatasitePath, Digest};

/// The folder, below the SyftBox, in which new folders are built. Never synced.
pub const SCRATCH_FOLDER: &str = ".syft-tmp";

const SCRATCH_PREFIX: &str = "dataset-";
const PIECE: usize = 128 * 1024;

/// A file of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInfo {
    /// Where it is, relative to the half's folder.
    pub path: DatasitePath,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// What a tree of files holds: regular files only, by path.
pub(super) type Tree = BTreeMap<DatasitePath, u64>;

/// Lists the regular files below `folder`, with their lengths.
///
/// Fails at a link or a special file unless `lenient`, which leaves those out, and names that
/// cannot be a [`DatasitePath`] as well.
pub(super) fn tree(folder: &Path, lenient: bool) -> Result<Tree, Error> {
    let mut files = Tree::new();
    let mut pending = vec![PathBuf::new()];
    while let Some(relative) = pending.pop() {
        let here = folder.join(&relative);
        for entry in fs::read_dir(&here).map_err(Error::at(&here))? {
            let entry = entry.map_err(Error::at(&here))?;
            let path = entry.path();
            let meta = fs::symlink_metadata(&path).map_err(Error::at(&path))?;
            let relative = relative.join(entry.file_name());
            let parsed = DatasitePath::from_local(&relative);
            match parsed {
                Err(_) if lenient => {}
                Err(error) => return Err(Error::Path { path, source: error }),
                Ok(_) if meta.is_dir() => pending.push(relative),
                Ok(parsed) if meta.is_file() => {
                    files.insert(parsed, meta.len());
                }
                Ok(_) if lenient => {}
                Ok(_) => return Err(Error::NotRegular { path }),
            }
        }
    }
    Ok(files)
}

/// Streams `path` and returns its digest and length.
pub(super) fn digest(path: &Path) -> Result<(Digest, u64), Error> {
    let mut hasher = Sha256::new();
    let mut size = 0;
    stream(path, |piece| {
        hasher.update(piece);
        size += piece.len() as u64;
        Ok(())
    })?;
    Ok((Digest::from_bytes(hasher.finalize().into()), size))
}

/// Digest and length of each file of a collection, by its name there.
pub(super) type Digests = BTreeMap<String, (Digest, u64)>;

/// Streams the files of a collection, `name` to path below `folder`; of the one named in `instead`
/// it takes the content there. Returns the collection's digest, and each file's digest and length.
pub(super) fn collection_digests(
    folder: &Path,
    members: &BTreeMap<String, DatasitePath>,
    instead: Option<(&str, &[u8])>,
) -> Result<(Hash12, Digests), Error> {
    let mut whole = CollectionHasher::default();
    let mut digests = Digests::new();
    for (name, path) in members {
        let mut hasher = Sha256::new();
        let mut size = 0;
        whole.file(name);
        let mut take = |piece: &[u8]| {
            whole.content(piece);
            hasher.update(piece);
            size += piece.len() as u64;
            Ok(())
        };
        match instead.filter(|(other, _)| other == name) {
            Some((_, content)) => take(content)?,
            None => stream(&path.below(folder), take)?,
        }
        digests.insert(name.clone(), (Digest::from_bytes(hasher.finalize().into()), size));
    }
    Ok((whole.finish(), digests))
}

/// Returns the digest of all regular files below `folder`, with their paths.
pub(super) fn tree_digest(folder: &Path) -> Result<Digest, Error> {
    let mut whole = Sha256::new();
    for path in tree(folder, true)?.into_keys() {
        let (digest, size) = digest(&path.below(folder))?;
        whole.update(format!("{} {size} {path}\n", digest.to_hex()));
    }
    Ok(Digest::from_bytes(whole.finalize().into()))
}

/// Moves files of the flat `folder` to their places in it. What one of them is called may be the
/// folder of another: so all of them leave first.
pub(super) fn put_in_places(
    folder: &Path,
    places: &BTreeMap<String, DatasitePath>,
) -> Result<(), Error> {
    let parent = folder.parent().unwrap_or(folder);
    let waiting = tempfile::tempdir_in(parent).map_err(Error::at(parent))?;
    let rename = |from: &Path, to: &Path| -> Result<(), Error> {
        fs::rename(from, to).map_err(Error::at(to))
    };
    for name in places.keys() {
        rename(&folder.join(name), &waiting.path().join(name))?;
    }
    for (name, place) in places {
        let target = place.below(folder);
        if let Some(above) = target.parent() {
            fs::create_dir_all(above).map_err(Error::at(above))?;
        }
        rename(&waiting.path().join(name), &target)?;
    }
    Ok(())
}

/// Copies a regular file to a new one, through to the disk, and returns the digest of its content.
pub(super) fn copy(from: &Path, to: &Path) -> Result<Digest, Error> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(Error::at(folder))?;
    }
    let mut out = File::create_new(to).map_err(Error::at(to))?;
    let mut hasher = Sha256::new();
    stream(from, |piece| {
        hasher.update(piece);
        out.write_all(piece).map_err(Error::at(to))
    })?;
    out.sync_all().map_err(Error::at(to))?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// Writes a new file, through to the disk.
pub(super) fn write_new(to: &Path, content: impl AsRef<[u8]>) -> Result<(), Error> {
    let write = || {
        let mut out = File::create_new(to)?;
        out.write_all(content.as_ref())?;
        out.sync_all()
    };
    write().map_err(Error::at(to))
}

/// Reads a small file; `None` if it has more than `limit_bytes`.
pub(super) fn read_small(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut content = Vec::new();
    let file = open_regular(path)?;
    file.take(limit_bytes + 1).read_to_end(&mut content).map_err(Error::at(path))?;
    Ok((content.len() as u64 <= limit_bytes).then_some(content))
}

fn stream(path: &Path, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
    let mut file = open_regular(path)?;
    let mut buffer = vec![0; PIECE];
    loop {
        match file.read(&mut buffer).map_err(Error::at(path))? {
            0 => return Ok(()),
            n => take(&buffer[..n])?,
        }
    }
}

/// Opens a file for reading, but neither a link nor anything that is no regular file (opening a
/// pipe would wait for its writer).
fn open_regular(path: &Path) -> Result<File, Error> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::LOOP) => return Err(Error::NotRegular { path: path.to_owned() }),
        Err(error) => return Err(Error::at(path)(error.into())),
    };
    if file.metadata().map_err(Error::at(path))?.is_file() {
        Ok(file)
    } else {
        Err(Error::NotRegular { path: path.to_owned() })
    }
}

/// A folder to build something in; it vanishes with this value.
#[derive(Debug)]
pub struct Scratch(tempfile::TempDir);

impl Scratch {
    /// Makes one below `syftbox`, readable by this user alone.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(syftbox: &Path) -> Result<Self, Error> {
        let folder = syftbox.join(SCRATCH_FOLDER);
        fs::create_dir_all(&folder).map_err(Error::at(&folder))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(SCRATCH_PREFIX);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let made = builder.tempdir_in(&folder);
        Ok(Self(made.map_err(Error::at(&folder))?))
    }

    /// Deletes what crashed runs have left below `syftbox`. Call it only while no other process
    /// works on the same SyftBox. Nothing there is ever the only copy of a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sweep(syftbox: &Path) -> Result<(), Error> {
        let folder = syftbox.join(SCRATCH_FOLDER);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::at(&folder)(error)),
        };
        for entry in entries {
            let entry = entry.map_err(Error::at(&folder))?;
            if entry.file_name().to_string_lossy().starts_with(SCRATCH_PREFIX) {
                fs::remove_dir_all(entry.path()).map_err(Error::at(&entry.path()))?;
            }
        }
        Ok(())
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Makes a folder in it and returns where that is.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path().join(name);
        fs::create_dir_all(&path).map_err(Error::at(&path))?;
        Ok(path)
    }
}

/// Writes all folders below `folder`, and itself, through to the disk. The files are already.
pub(super) fn sync_folders(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::at(folder))? {
        let entry = entry.map_err(Error::at(folder))?;
        if entry.file_type().map_err(Error::at(folder))?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(folder)
}

/// Writes all files below `folder` through to the disk.
pub(super) fn sync_files(folder: &Path) -> Result<(), Error> {
    for path in tree(folder, false)?.into_keys() {
        let path = path.below(folder);
        open_regular(&path)?.sync_all().map_err(Error::at(&path))?;
    }
    Ok(())
}

/// Removes the folders below `folder` that hold nothing, and itself if it holds nothing then.
pub(super) fn remove_empty_folders(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::at(folder))? {
        let entry = entry.map_err(Error::at(folder))?;
        if entry.file_type().map_err(Error::at(folder))?.is_dir() {
            remove_empty_folders(&entry.path())?;
        }
    }
    match fs::remove_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => {
            Err(Error::at(folder)(error))
        }
        _ => Ok(()),
    }
}

/// Renames the folder `from` to `to`, where nothing or an empty folder may be, and writes that
/// through to the disk.
pub(super) fn rename_new(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::at(parent))?;
    }
    match fs::rename(from, to) {
        Ok(()) => to.parent().map_or(Ok(()), sync_folder),
        Err(error) if is_occupied(&error) => Err(Error::Exists { path: to.to_owned() }),
        Err(error) => Err(Error::at(to)(error)),
    }
}

/// Puts the folder `new` at `target`, where an old one is, and the old one at `aside`, where
/// nothing is. There is no moment without a folder at `target`, where the file system can do that.
pub(super) fn swap(new: &Path, target: &Path, aside: &Path) -> Result<(), Error> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    // The new folder goes to `aside` first, so that a crash after the exchange leaves the old one
    // there, where a person looks, and not in a folder that is swept.
    rename_new(new, aside)?;
    match renameat_with(CWD, aside, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rename_new(aside, new)?;
            rename_new(target, aside)?;
            rename_new(new, target)?;
        }
        Err(error) => return Err(Error::at(target)(error.into())),
    }
    [target, aside].into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// Puts the folder `new` at `target` and what is there at `new`; or, where the file system cannot do
/// that in one step, at `old`, where nothing is. If nothing is at `target`, it is renamed.
pub(super) fn exchange(new: &Path, target: &Path, old: &Path) -> Result<(), Error> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    if !is_occupied_path(target)? {
        return rename_new(new, target);
    }
    match renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE) {
        Ok(()) => {}
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            rename_new(target, old)?;
            rename_new(new, target)?;
        }
        Err(error) => return Err(Error::at(target)(error.into())),
    }
    [target, new].into_iter().filter_map(Path::parent).try_for_each(sync_folder)
}

/// True if there is something at `path` other than an empty folder.
pub(super) fn is_occupied_path(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => {
            Ok(fs::read_dir(path).map_err(Error::at(path))?.next().is_some())
        }
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::at(path)(error)),
    }
}

fn sync_folder(folder: &Path) -> Result<(), Error> {
    File::open(folder).and_then(|handle| handle.sync_all()).map_err(Error::at(folder))
}

fn is_occupied(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, DirectoryNotEmpty, NotADirectory};
    matches!(error.kind(), AlreadyExists | DirectoryNotEmpty | NotADirectory)
}
