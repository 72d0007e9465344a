//! Looks at every file of a datasite, and reads only those that changed.
//!
//! A digest is taken from the database if size, both times and inode are as they were *and* the
//! file was already at rest when it was read: a file written within the grain of the file system's
//! clock after it was read would otherwise look unchanged for ever (git's "racy" entries). What
//! cannot be read is reported apart and never taken for deleted.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read as _};

use cap_fs_ext::{DirExt as _, FollowSymlinks, OpenOptionsFollowExt as _};
use cap_std::fs::{Dir, Metadata, OpenOptions};
use rusqlite::{Connection as Database, params};
use sha2::{Digest as _, Sha256};

use super::tree::{DatasiteTree, FILE_BYTES_MAX, set_nonblocking};
use super::{Result, Store};
use crate::model::{DatasitePath, Digest, Email, Snapshot, is_ignored_name, is_syncable};

/// What stands on disk.
#[derive(Debug, Default)]
pub struct Scan {
    /// The files that travel, by content.
    pub files: Snapshot,
    /// What could not be looked at. Nothing at or below such a path may be taken for deleted.
    pub unreadable: Vec<Unreadable>,
}

/// A file or folder that could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path in the datasite, as text: it may be no valid path at all.
    pub path: String,
    /// Why, for a person.
    pub reason: String,
}

impl Scan {
    /// True if `path` may exist although it is not among the files.
    pub fn is_unknown(&self, path: &DatasitePath) -> bool {
        self.unreadable.iter().any(|unreadable| {
            unreadable.path.is_empty()
                || path.as_str() == unreadable.path
                || path.is_below(&unreadable.path)
        })
    }
}

/// How long a file must have been at rest for its digest to be kept: the coarsest clock of a
/// common file system (FAT counts in 2 s).
const REST_NS: i64 = 2_000_000_000;

/// What the file system says of a file, in its own units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    size: i64,
    mtime_ns: i64,
    ctime_ns: i64,
    inode: i64,
}

struct Known {
    stat: Stat,
    digest: Digest,
    hashed_ns: i64,
}

struct Walk<'a> {
    known: HashMap<String, Known>,
    fresh: BTreeMap<String, Known>,
    scan: Scan,
    now_ns: i64,
    buffer: &'a mut [u8],
}

/// Looks at every file of `datasite` that travels. `now_ns` is the time in nanoseconds since the
/// epoch.
///
/// # Errors
/// If the database fails. Files that cannot be read are part of the answer.
pub fn scan(store: &Store, tree: &DatasiteTree, datasite: &Email, now_ns: i64) -> Result<Scan> {
    let known = store.read(|db| load(db, datasite))?;
    let mut buffer = vec![0; 64 * 1024];
    let mut walk =
        Walk { known, fresh: BTreeMap::new(), scan: Scan::default(), now_ns, buffer: &mut buffer };
    match tree.dir().try_clone() {
        Ok(root) => walk.folder(&root, ""),
        Err(error) => walk.unreadable("", &error),
    }
    let Walk { known, fresh, scan, .. } = walk;
    let vanished: Vec<&String> =
        known.keys().filter(|path| !scan_has(&scan, path) && !fresh.contains_key(*path)).collect();
    if !fresh.is_empty() || !vanished.is_empty() {
        store.write(|db| save(db, datasite, &fresh, &vanished))?;
    }
    Ok(scan)
}

fn scan_has(scan: &Scan, path: &str) -> bool {
    DatasitePath::parse(path).is_ok_and(|path| scan.files.contains_key(&path))
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Dir, at: &str) {
        let entries = match folder.entries() {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(at, &error),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.unreadable(at, &error),
            };
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                self.refused(&join(at, &name.to_string_lossy()), "its name is not UTF-8");
                continue;
            };
            if is_ignored_name(name) {
                continue;
            }
            let path = join(at, name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.subfolder(folder, name, &path),
                Ok(kind) if kind.is_file() => self.file(folder, name, &path),
                // Links, pipes and devices never travel.
                Ok(_) => {}
                Err(error) => self.unreadable(&path, &error),
            }
        }
    }

    fn subfolder(&mut self, folder: &Dir, name: &str, path: &str) {
        if path == "private" || path == "public/syft_datasets" {
            return;
        }
        match folder.open_dir_nofollow(name) {
            Ok(next) => self.folder(&next, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.unreadable(path, &error),
        }
    }

    fn file(&mut self, folder: &Dir, name: &str, text: &str) {
        let path = match DatasitePath::parse(text) {
            Ok(path) if is_syncable(&path) => path,
            Ok(_) => return,
            Err(_) => return self.refused(text, "its name cannot travel"),
        };
        match self.digest(folder, name, text) {
            Ok(Some(digest)) => {
                self.scan.files.insert(path, digest);
            }
            Ok(None) => self.refused(text, "it changed while it was read"),
            // It was there a moment ago: deleted, which is no error.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.unreadable(text, &error),
        }
    }

    /// Returns the digest of a file; `None` if it changed meanwhile.
    fn digest(&mut self, folder: &Dir, name: &str, path: &str) -> io::Result<Option<Digest>> {
        let before = stat(&folder.symlink_metadata(name)?);
        if let Some(known) = self.known.get(path)
            && known.stat == before
            && before.ctime_ns.max(before.mtime_ns) < known.hashed_ns - REST_NS
        {
            return Ok(Some(known.digest));
        }
        let mut options = OpenOptions::new();
        options.read(true).follow(FollowSymlinks::No);
        set_nonblocking(&mut options);
        let mut file = folder.open_with(name, &options)?;
        if file.metadata()?.len() > FILE_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is too large to travel"));
        }
        let mut hasher = Sha256::new();
        loop {
            let count = file.read(self.buffer)?;
            if count == 0 {
                break;
            }
            hasher.update(self.buffer.get(..count).unwrap_or_default());
        }
        let after = stat(&file.metadata()?);
        if after != before {
            return Ok(None);
        }
        let digest = Digest::from_bytes(hasher.finalize().into());
        let known = Known { stat: after, digest, hashed_ns: self.now_ns };
        self.fresh.insert(path.to_owned(), known);
        Ok(Some(digest))
    }

    fn unreadable(&mut self, path: &str, error: &io::Error) {
        self.refused(path, &error.to_string());
    }

    fn refused(&mut self, path: &str, reason: &str) {
        self.scan.unreadable.push(Unreadable { path: path.to_owned(), reason: reason.to_owned() });
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

#[cfg(unix)]
fn stat(metadata: &Metadata) -> Stat {
    use cap_std::fs::MetadataExt as _;
    Stat {
        size: i64::try_from(metadata.size()).unwrap_or(i64::MAX),
        mtime_ns: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        ctime_ns: metadata
            .ctime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.ctime_nsec()),
        inode: i64::from_ne_bytes(metadata.ino().to_ne_bytes()),
    }
}

#[cfg(not(unix))]
fn stat(metadata: &Metadata) -> Stat {
    let mtime_ns = metadata
        .modified()
        .ok()
        .and_then(|time| time.into_std().duration_since(std::time::UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_nanos()).ok())
        .unwrap_or(i64::MAX);
    let size = i64::try_from(metadata.len()).unwrap_or(i64::MAX);
    Stat { size, mtime_ns, ctime_ns: mtime_ns, inode: 0 }
}

fn load(db: &Database, datasite: &Email) -> Result<HashMap<String, Known>> {
    let mut statement = db.prepare_cached(
        "SELECT path, size, mtime_ns, ctime_ns, inode, digest, hashed_ns FROM stats
         WHERE datasite = ?1",
    )?;
    let rows = statement.query_map([datasite.as_str()], |row| {
        let stat = Stat {
            size: row.get(1)?,
            mtime_ns: row.get(2)?,
            ctime_ns: row.get(3)?,
            inode: row.get(4)?,
        };
        Ok((row.get::<_, String>(0)?, stat, row.get::<_, String>(5)?, row.get::<_, i64>(6)?))
    })?;
    rows.map(|row| {
        let (path, stat, digest, hashed_ns) = row?;
        let digest = super::agreed::parse_digest(&digest)?;
        Ok((path, Known { stat, digest, hashed_ns }))
    })
    .collect()
}

fn save(
    db: &Database,
    datasite: &Email,
    fresh: &BTreeMap<String, Known>,
    vanished: &[&String],
) -> Result<()> {
    let mut insert =
        db.prepare_cached("INSERT OR REPLACE INTO stats VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    for (path, known) in fresh {
        let Stat { size, mtime_ns, ctime_ns, inode } = known.stat;
        insert.execute(params![
            datasite.as_str(),
            path,
            size,
            mtime_ns,
            ctime_ns,
            inode,
            known.digest.to_hex(),
            known.hashed_ns,
        ])?;
    }
    let mut delete = db.prepare_cached("DELETE FROM stats WHERE datasite = ?1 AND path = ?2")?;
    for path in vanished {
        delete.execute([datasite.as_str(), path])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        _folder: tempfile::TempDir,
        tree: DatasiteTree,
        store: Store,
    }

    impl World {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let tree = DatasiteTree::open(&folder.path().join("box")).unwrap();
            for (path, content) in files {
                let path = tree.root().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, content).unwrap();
            }
            Self { _folder: folder, tree, store: Store::in_memory().unwrap() }
        }

        /// Scans as if it were `seconds` after now, so that the files are at rest or not.
        fn scan_after(&self, seconds: i64) -> Scan {
            let owner = Email::parse("do@example.org").unwrap();
            let now = std::fs::metadata(self.tree.root()).unwrap().modified().unwrap();
            let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
            let now = i64::try_from(now).unwrap() + seconds * 1_000_000_000;
            scan(&self.store, &self.tree, &owner, now).unwrap()
        }
    }

    fn paths(scan: &Scan) -> Vec<&str> {
        scan.files.keys().map(DatasitePath::as_str).collect()
    }

    #[test]
    fn only_what_travels_is_found() {
        let world = World::new(&[
            ("a.txt", "a"),
            ("d/b.txt", "b"),
            ("d/.venv/x", "x"),
            ("private/p.txt", "p"),
            ("public/syft_datasets/n/d.csv", "d"),
            ("public/c.txt", "c"),
            ("back\\slash", "x"),
        ]);
        let scan = world.scan_after(0);
        assert_eq!(paths(&scan), ["a.txt", "d/b.txt", "public/c.txt"]);
        assert_eq!(scan.unreadable.len(), 1, "{:?}", scan.unreadable);
        assert_eq!(scan.files.values().next(), Some(&Digest::of(b"a")));
    }

    #[test]
    fn a_change_of_the_same_size_at_the_same_time_is_seen_while_a_file_is_fresh() {
        let world = World::new(&[("a.txt", "one")]);
        let file = world.tree.root().join("a.txt");
        let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
        world.scan_after(0);
        std::fs::write(&file, "two").unwrap();
        std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
        let scan = world.scan_after(1);
        assert_eq!(scan.files.values().next(), Some(&Digest::of(b"two")));
    }

    #[test]
    fn a_file_at_rest_is_not_read_again() {
        let world = World::new(&[("a.txt", "one"), ("b.txt", "one")]);
        world.scan_after(60);
        // A digest that the file does not have shows where the answer comes from.
        let other = Digest::of(b"from the database");
        let change = "UPDATE stats SET digest = ?1 WHERE path = 'a.txt'";
        world.store.write(|db| Ok(db.execute(change, [other.to_hex()])?)).unwrap();
        let scan = world.scan_after(120);
        let found: Vec<&Digest> = scan.files.values().collect();
        assert_eq!(found, [&other, &Digest::of(b"one")]);
    }

    #[cfg(unix)]
    #[test]
    fn links_and_pipes_do_not_travel_and_do_not_hang() {
        let world = World::new(&[("a.txt", "a")]);
        std::os::unix::fs::symlink("/etc/passwd", world.tree.root().join("link")).unwrap();
        std::os::unix::fs::symlink("/etc", world.tree.root().join("folder")).unwrap();
        let pipe = world.tree.root().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(paths(&world.scan_after(0)), ["a.txt"]);
    }

    #[test]
    fn what_is_below_something_unreadable_is_unknown() {
        let scan = Scan {
            files: Snapshot::new(),
            unreadable: vec![Unreadable { path: "d/e".to_owned(), reason: "no".to_owned() }],
        };
        let unknown = |text: &str| scan.is_unknown(&DatasitePath::parse(text).unwrap());
        assert!(unknown("d/e") && unknown("d/e/f/g") && !unknown("d/ef") && !unknown("d"));
    }
}
