//! How a shared folder lies on disk, and how many write to it at once without a lock.
//!
//! ```text
//! syft-folder.json               {"format": 1}
//! entries/<d>/<id>+<n>/record    version n of what is known of an entry; the highest counts
//! content/<d>/<id>+<random>      content, named by the record; never changed once it is named
//! deleted/<d>/<id>/              an id that was used
//! tmp/<random>/                  a version that is being written
//! ```
//! `<d>` is the first digit of the id's random part. A version is a directory, since renaming a
//! directory to one that exists and is not empty fails, atomically, on every file system and file
//! server: of several writers that make version n+1, exactly one succeeds and the others look
//! again. No lock is left behind by a process that dies, and what it leaves (in `tmp`, or content
//! that no record names) is not seen. Files are reached through a directory handle: no link in
//! the folder leads out of it.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::record::{Record, is_hex};
use crate::connections::FileId;
use crate::model::Email;

const MARKER: &str = "syft-folder.json";
const RECORD_BYTES_MAX: u64 = 1 << 20;
const SHARDS: &str = "0123456789abcdef";
const VERSIONS_KEPT: u64 = 8; // a listing under way misses an entry if so many come meanwhile
const LEFTOVER_AGE: Duration = Duration::from_secs(24 * 60 * 60); // no call takes a day

/// The versions of each entry, ascending.
pub(super) type Versions = BTreeMap<FileId, Vec<u64>>;

/// A shared folder on disk.
#[derive(Debug)]
pub(super) struct Store {
    dir: Dir,
}

impl Store {
    /// Opens a shared folder, and makes one of an empty or missing directory.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let store = Self { dir: Dir::open_ambient_dir(path, ambient_authority())? };
        match store.read_bounded(Path::new(MARKER)) {
            Ok(text) => check_format(&text)?,
            Err(error) if error.kind() == ErrorKind::NotFound => store.lay_out()?,
            Err(error) => return Err(error),
        }
        store.sweep();
        Ok(store)
    }

    /// Makes the directories, then the marker that says that they are complete.
    fn lay_out(&self) -> io::Result<()> {
        for top in ["entries", "content", "deleted"] {
            for shard in SHARDS.chars() {
                self.dir.create_dir_all(format!("{top}/{shard}"))?;
            }
        }
        self.dir.create_dir_all("tmp")?;
        let temporary = format!("tmp/{}", random());
        let mut file = self.create(Path::new(&temporary))?;
        file.write_all(b"{\"format\": 1}\n")?;
        file.sync_all()?;
        self.dir.rename(&temporary, &self.dir, MARKER)
    }

    /// Fails if the folder is not there any more, or is none.
    pub(super) fn check(&self) -> io::Result<()> {
        check_format(&self.read_bounded(Path::new(MARKER))?)
    }

    /// Returns all entries' versions. Names that are none of ours are passed over.
    pub(super) fn versions(&self) -> io::Result<Versions> {
        let mut all = Versions::new();
        for shard in SHARDS.chars() {
            self.versions_in(shard, &mut all)?;
        }
        all.values_mut().for_each(|numbers| numbers.sort_unstable());
        Ok(all)
    }

    fn versions_in(&self, shard: char, all: &mut Versions) -> io::Result<()> {
        for item in self.dir.read_dir(format!("entries/{shard}"))? {
            let name = item?.file_name();
            let Some((id, number)) = name.to_str().and_then(parse_version) else { continue };
            all.entry(id).or_default().push(number);
        }
        Ok(())
    }

    /// Returns the versions of one entry, ascending.
    pub(super) fn versions_of(&self, id: &FileId) -> io::Result<Vec<u64>> {
        let mut all = Versions::new();
        self.versions_in(shard(id), &mut all)?;
        let mut numbers = all.remove(id).unwrap_or_default();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Reads one version; `None` if it is garbage, half arrived, or gone meanwhile.
    pub(super) fn load(&self, id: &FileId, number: u64) -> io::Result<Option<Record>> {
        match self.read_bounded(&version_path(id, number).join("record")) {
            Ok(text) => Ok(Record::parse(&text, id)),
            Err(error) if is_garbage(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes version `number` of an entry; false if somebody else was first.
    pub(super) fn commit(&self, number: u64, record: &Record) -> io::Result<bool> {
        let id = &record.node.id;
        let temporary = PathBuf::from(format!("tmp/{}", random()));
        self.dir.create_dir(&temporary)?;
        let mut file = self.create(&temporary.join("record"))?;
        file.write_all(&record.to_json())?;
        file.sync_all()?;
        let target = version_path(id, number);
        if let Err(error) = self.dir.rename(&temporary, &self.dir, &target) {
            self.discard(&temporary);
            // A file server may lose the answer and then fail on the repeated request.
            let is_ours = self.load(id, number)?.is_some_and(|other| other.nonce == record.nonce);
            let was_taken = matches!(
                error.kind(),
                ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty | ErrorKind::NotADirectory
            );
            match (is_ours, was_taken) {
                (true, _) => {}
                (false, true) => return Ok(false),
                (false, false) => return Err(error),
            }
        }
        // Whoever looked long ago may have made an old version anew: only the highest counts.
        let is_outdated = self.versions_of(id)?.last().is_some_and(|&highest| highest > number);
        if is_outdated || self.was_deleted(id)? {
            self.discard(&target);
            return Ok(false);
        }
        self.sync_dir(target.parent().unwrap_or(Path::new(".")));
        if let Some(old) = number.checked_sub(VERSIONS_KEPT) {
            self.discard(&version_path(id, old));
        }
        Ok(true)
    }

    /// Notes that an id was used, then removes all that is known of it. A last version that says
    /// so is there already, so nobody sees any of this.
    pub(super) fn remove(&self, id: &FileId) -> io::Result<()> {
        match self.dir.create_dir(deleted_path(id)) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        // Ascending: without its last version the entry would be back for a moment.
        for number in self.versions_of(id)? {
            self.discard(&version_path(id, number));
        }
        let prefix = format!("{id}+");
        for item in self.dir.read_dir(format!("content/{}", shard(id)))? {
            let name = item?.file_name();
            if let Some(name) = name.to_str().filter(|name| name.starts_with(&prefix)) {
                drop(self.dir.remove_file(format!("content/{}/{name}", shard(id))));
            }
        }
        Ok(())
    }

    /// True if the id was used by an entry that is deleted.
    pub(super) fn was_deleted(&self, id: &FileId) -> io::Result<bool> {
        self.dir.try_exists(deleted_path(id))
    }

    /// Stores content under a new name and returns that name and the length.
    pub(super) fn store_content(
        &self,
        id: &FileId,
        from: &mut dyn Read,
        limit_bytes: u64,
    ) -> io::Result<(String, u64)> {
        let name = random();
        let path = content_path(id, &name);
        let mut file = self.create(&path)?;
        let mut store = || -> io::Result<u64> {
            let size = io::copy(&mut from.take(limit_bytes.saturating_add(1)), &mut file)?;
            file.sync_all()?;
            Ok(size)
        };
        let size = store().inspect_err(|_| drop(self.dir.remove_file(&path)))?;
        Ok((name, size))
    }

    /// Removes content that no record names (any more).
    pub(super) fn remove_content(&self, id: &FileId, name: &str) {
        // What cannot be removed costs space and nothing else; it goes with its entry.
        drop(self.dir.remove_file(content_path(id, name)));
    }

    /// Opens content; it is a file, and no link.
    pub(super) fn open_content(&self, id: &FileId, name: &str) -> io::Result<File> {
        self.open_file(&content_path(id, name))
    }

    /// Returns the file server's clock, in microseconds: the only one that all sessions share.
    pub(super) fn now_micros(&self) -> io::Result<i64> {
        let path = PathBuf::from(format!("tmp/{}", random()));
        self.dir.create_dir(&path)?;
        let made = self.dir.metadata(&path)?.modified()?.into_std();
        self.dir.remove_dir(&path)?;
        let micros = made.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        Ok(i64::try_from(micros).unwrap_or(i64::MAX))
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        self.dir.open_with(path, OpenOptions::new().write(true).create_new(true))
    }

    /// Opens a regular file; a pipe would let us wait for ever.
    fn open_file(&self, path: &Path) -> io::Result<File> {
        if self.dir.symlink_metadata(path)?.is_file() {
            self.dir.open(path)
        } else {
            Err(io::Error::new(ErrorKind::InvalidData, "not a regular file"))
        }
    }

    fn read_bounded(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        self.open_file(path)?.take(RECORD_BYTES_MAX + 1).read_to_end(&mut text)?;
        if text.len() as u64 > RECORD_BYTES_MAX {
            return Err(io::Error::new(ErrorKind::InvalidData, "too large"));
        }
        Ok(text)
    }

    /// Takes something out of sight at once, then removes it.
    fn discard(&self, path: &Path) {
        let away = PathBuf::from(format!("tmp/{}", random()));
        // Gone already, or not ours to remove: either way there is nothing left to do.
        if self.dir.rename(path, &self.dir, &away).is_ok() {
            drop(self.dir.remove_dir_all(&away).or_else(|_| self.dir.remove_file(&away)));
        }
    }

    /// Lets a rename outlast a power failure, where the file system can.
    fn sync_dir(&self, path: &Path) {
        drop(self.dir.open_dir(path).and_then(|dir| dir.into_std_file().sync_all()));
    }

    /// Removes what processes that died left in `tmp`, by the file server's own clock.
    fn sweep(&self) {
        let old = |now: SystemTime, path: &Path| -> io::Result<bool> {
            let made = self.dir.symlink_metadata(path)?.modified()?.into_std();
            Ok(now.duration_since(made).is_ok_and(|age| age > LEFTOVER_AGE))
        };
        let sweep = || -> io::Result<()> {
            let micros = u64::try_from(self.now_micros()?).unwrap_or(0);
            let now = UNIX_EPOCH + Duration::from_micros(micros);
            for item in self.dir.read_dir("tmp")? {
                let path = Path::new("tmp").join(item?.file_name());
                if old(now, &path)? {
                    drop(self.dir.remove_dir_all(&path).or_else(|_| self.dir.remove_file(&path)));
                }
            }
            Ok(())
        };
        drop(sweep()); // housekeeping; the next session tries again
    }
}

/// True if this is the fault of what lies there, not of the file server.
fn is_garbage(error: &io::Error) -> bool {
    let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    let is_kind = matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::InvalidData
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied // also: a link that leads out
    );
    is_loop || is_kind
}

fn check_format(text: &[u8]) -> io::Result<()> {
    let marker: Option<serde_json::Value> = serde_json::from_slice(text).ok();
    match marker.and_then(|marker| marker.get("format")?.as_u64()) {
        Some(1) => Ok(()),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "not a folder of a format that we know")),
    }
}

fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Returns the id with this random part: 32 hexadecimal digits.
pub(super) fn id_of(random: &str) -> FileId {
    FileId::parse(&format!("f{random}")).expect("hexadecimal digits are an id")
}

/// Makes an id.
pub(super) fn new_id() -> FileId {
    id_of(&random())
}

/// Returns the id of an account's root, which has no record.
pub(super) fn root_id(account: &Email) -> FileId {
    let digest = Sha256::digest(account.as_str().to_ascii_lowercase());
    FileId::parse(&format!("r{}", hex::encode(&digest[..16])))
        .expect("hexadecimal digits are an id")
}

/// True if an id has the form that ours have, so that it may be part of a file name.
pub(super) fn is_ours(id: &FileId) -> bool {
    id.as_str().strip_prefix('f').is_some_and(is_hex)
}

/// Only for ids that [`is_ours`].
fn shard(id: &FileId) -> char {
    id.as_str().chars().nth(1).unwrap_or('0')
}

fn version_path(id: &FileId, number: u64) -> PathBuf {
    PathBuf::from(format!("entries/{}/{id}+{number}", shard(id)))
}

fn content_path(id: &FileId, name: &str) -> PathBuf {
    PathBuf::from(format!("content/{}/{id}+{name}", shard(id)))
}

fn deleted_path(id: &FileId) -> PathBuf {
    PathBuf::from(format!("deleted/{}/{id}", shard(id)))
}

fn parse_version(name: &str) -> Option<(FileId, u64)> {
    let (id, number) = name.split_once('+')?;
    let id = FileId::parse(id).ok().filter(is_ours)?;
    let number: u64 = number.parse().ok()?;
    // `+01` and `++1` would be second names for one version.
    (version_path(&id, number).file_name()? == name).then_some((id, number))
}
