//! What lies on disk beside the packages: what an environment holds, and what a request came to.
//!
//! ```text
//! environments/{key}/environment.json    appears when the environment is complete
//! environments/{key}.lock                held by who makes or removes it, and by each who uses it
//! environments/requests/{key}.json       what a request came to, and when
//! environments/requests/{key}.lock       held by who works that out
//! ```
//! Whoever builds a package may have written anything into the folder of its own environment. So it
//! is read without following links, and what it says of itself is for showing only.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Installed, InstalledPackage};
use crate::jobs::cut::Wish;
use crate::jobs::resolved::{Pinned, Source, normal};
use crate::jobs::tree::{entries, open_root, read_file};

/// What is remembered of an environment.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// The Python that it was made with; `None` if that lies within the environment.
    pub(super) python: Option<PathBuf>,
    /// The installation folder of that Python, unless the system's.
    pub(super) prefix: Option<PathBuf>,
    /// When it was made, in microseconds.
    pub(super) made: i64,
    pub(super) installed: Installed,
}

/// What a request came to.
#[derive(Serialize, Deserialize)]
pub(super) struct Memory {
    /// What was asked for, for a person who looks.
    pub(super) asked: Vec<String>,
    /// For which Python it was worked out.
    pub(super) python: String,
    /// When it was worked out, in microseconds.
    pub(super) resolved: i64,
    pub(super) set: Vec<Pinned>,
    /// The environment that holds it.
    pub(super) environment: String,
    /// Whether the job's own lock is followed.
    #[serde(default)]
    pub(super) follows_lock: bool,
}

/// A lock that ends when it is dropped, or with this process.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // A process that is just being started holds a copy of the file for a moment.
        self.0.unlock().ok();
    }
}

impl Lock {
    /// Takes it for one alone; `None` if somebody has it.
    pub(super) fn alone(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        let taken = file.try_lock();
        Self::taken(file, taken)
    }

    /// Takes it together with others; `None` if somebody has it alone.
    pub(super) fn together(path: &Path) -> io::Result<Option<Self>> {
        let file = open(path)?;
        let taken = file.try_lock_shared();
        Self::taken(file, taken)
    }

    fn taken(file: File, taken: Result<(), TryLockError>) -> io::Result<Option<Self>> {
        match taken {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits until it can be had alone; `None` if `wish` is made before.
    pub(super) async fn wait(path: &Path, wish: &Wish) -> io::Result<Option<Self>> {
        Self::wait_for(|| Self::alone(path), wish).await
    }

    /// Waits until it can be had together with others: also who only looks has it alone for a moment.
    pub(super) async fn wait_together(path: &Path, wish: &Wish) -> io::Result<Option<Self>> {
        Self::wait_for(|| Self::together(path), wish).await
    }

    async fn wait_for(
        take: impl Fn() -> io::Result<Option<Self>>,
        wish: &Wish,
    ) -> io::Result<Option<Self>> {
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            if let Some(lock) = take()? {
                return Ok(Some(lock));
            }
            tokio::select! {
                () = tokio::time::sleep(PAUSE) => {}
                () = wish.made() => return Ok(None),
            }
        }
    }

    /// Notes when it was used; not if that cannot be done.
    pub(super) fn note(&self, now: std::time::SystemTime) {
        self.0.set_modified(now).ok();
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).truncate(false).write(true).open(path)
}

/// Reads one of the forms; `None` if it is not there or is none.
pub(super) fn read<T: for<'a> Deserialize<'a>>(folder: &Path, name: &str) -> Option<T> {
    const BYTES_MAX: usize = 64 << 20;
    let text = read_file(&open_root(folder).ok()??, name, BYTES_MAX).ok()??;
    serde_json::from_slice(&text).ok()
}

/// Returns what lies in the environment below `folder`, with the digests of `set`.
pub(super) fn look(folder: &Path, key: &str, set: &[Pinned]) -> io::Result<Installed> {
    const PACKAGES_MAX: usize = 20_000;
    let mut found =
        Installed { environment: key.to_owned(), python: String::new(), packages: Vec::new() };
    let Some(venv) = open_root(&folder.join("venv"))? else { return Ok(found) };
    let settings = read_file(&venv, "pyvenv.cfg", 1 << 16)?.unwrap_or_default();
    for line in String::from_utf8_lossy(&settings).lines() {
        if let Some((key, value)) = line.split_once('=')
            && matches!(key.trim(), "version" | "version_info")
        {
            found.python = value.trim().chars().take(40).collect();
        }
    }
    let Ok(lib) = venv.open_dir("lib") else { return Ok(found) };
    for (python, _) in entries(&lib)? {
        let Ok(packages) = lib.open_dir(Path::new(&python).join("site-packages")) else { continue };
        let infos = entries(&packages)?.into_iter();
        let infos =
            infos.filter_map(|(name, _)| name.strip_suffix(".dist-info").map(str::to_owned));
        for info in infos.take(PACKAGES_MAX) {
            let Some((name, version)) = info.split_once('-') else { continue };
            // A lock may pin a name more than once, for different machines.
            let known: Vec<_> = set.iter().filter(|one| one.name == normal(name)).collect();
            let is_exact = |one: &&&Pinned| one.source == Source::Version(version.to_owned());
            let known = known.iter().find(is_exact).or_else(|| known.first());
            found.packages.push(InstalledPackage {
                name: normal(name),
                version: version.to_owned(),
                sha256: known.map(|known| known.hashes.clone()).unwrap_or_default(),
            });
        }
    }
    found.packages.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Takes the right to change anything away from everybody, ourselves included: a job that runs
/// unconfined has our rights.
pub(super) fn protect(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?; // of the link itself, where it is one
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                close(&entry.path())?;
            }
        }
        close(&folder)?;
    }
    Ok(())
}

fn close(path: &Path) -> io::Result<()> {
    let mode = path.symlink_metadata()?.permissions().mode();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode & !0o222))
}

/// Waits until all that was written is on the disk: after a power cut, a complete environment is
/// complete.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    let folder = File::open(folder)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&folder)?;
    folder.sync_all()
}
