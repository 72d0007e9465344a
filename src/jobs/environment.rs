//! The Python environments of jobs: each exact set of packages is installed once, and shared.
//!
//! What a job asks for is first worked out: the exact packages with their digests (`resolved`). That
//! is remembered, so the next job with the same wish gets the same packages, also without a network,
//! until the owner asks for newer ones. An environment is named by its Python and that set.
//!
//! Both steps run without data (`installer`), and each in a folder of its own: what a package does
//! while it is built can reach the environments that hold it, and no other. They share nothing, not
//! even a download cache. An environment appears when it is complete, is locked by who makes it and
//! by who uses it, and is never changed after that.

mod kept;
mod pruning;
mod tools;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::cut::Wish;
use super::installer::{Installer, Steps};
use super::leftovers::PARTIAL_PREFIX;
use super::outputs::OutputLimits;
use super::resolved::{self, Pinned};
use super::sandbox::{Access, Bind, Confinement};
use super::script::PYTHON_VERSION;
use super::tree::{remove, write_atomic};
use crate::model::{Digest, Timestamp};
use kept::{Memory, Record, look, protect, read, sync};

pub(crate) use kept::Lock;
pub use pruning::KeptEnvironment;

/// The environments that were made on this machine.
#[derive(Clone, Debug)]
pub struct EnvironmentCache {
    folder: PathBuf,
}

/// How packages are obtained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallSettings {
    /// Variables that installers read: where packages are, which proxy leads there.
    pub variables: Vec<(OsString, OsString)>,
    /// How long an installation may take.
    pub time: Duration,
    /// How large an environment may become; as much again is for what installers need meanwhile.
    pub size: OutputLimits,
    /// Whether it is worked out anew what a request comes to.
    pub refresh: bool,
}

/// What an environment is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
    /// All that the job asks for, its project included.
    pub(crate) packages: &'a [String],
    /// The job's pinned project, if it has one.
    pub(crate) locked: Option<Locked>,
}

/// A project whose packages are pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locked {
    /// The bytes of `pyproject.toml`.
    pub(crate) project: Vec<u8>,
    /// The bytes of `uv.lock`.
    pub(crate) lock: Vec<u8>,
    /// What the job asks for besides.
    pub(crate) besides: Vec<String>,
}

/// Who wants it, and how it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Making<'a> {
    pub(crate) confinement: &'a Confinement,
    pub(crate) settings: &'a InstallSettings,
    /// Where programs are looked for.
    pub(crate) path: &'a str,
    /// Where installers print to.
    pub(crate) logs: [&'a Path; 2],
    /// Ends it.
    pub(crate) wish: &'a Wish,
    pub(crate) now: Timestamp,
}

/// What was installed for a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The name of the environment on this machine.
    pub environment: String,
    /// The Python of it, as its version is written.
    pub python: String,
    /// What is in it, sorted by name.
    pub packages: Vec<InstalledPackage>,
}

/// One package of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPackage {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The digests of archives that the installer was held to: it took one of them. None where
    /// none are known, as with a repository.
    pub sha256: Vec<String>,
}

/// An environment that is ready, and stays as long as this is held.
#[derive(Debug)]
pub(crate) struct Environment {
    /// Its Python, as a process sees it.
    pub(crate) program: PathBuf,
    /// What a process has to see for that.
    pub(crate) binds: Vec<Bind>,
    /// What is in it.
    pub(crate) installed: Installed,
    /// Whether the job's own lock was followed, where it has one.
    pub(crate) follows_lock: bool,
    /// Keeps it from being removed.
    pub(crate) lock: Lock,
}

/// Where a confined process sees its environment: the same place when it is made and when it is
/// used, since environments hold absolute paths.
pub(crate) const INSIDE: &str = "/syft/environment";

const RECORD: &str = "environment.json";

/// What of our own environment installers get to see. It may hold the password of an index: that
/// is the owner's choice, and the reason why this is a list.
const VARIABLES: [&str; 29] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_FIND_LINKS",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_ONLY_BINARY",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_NO_BUILD",
    "UV_NO_INDEX",
    "UV_FIND_LINKS",
    "UV_OFFLINE",
    "UV_NATIVE_TLS",
    "UV_HTTP_TIMEOUT",
    "UV_PYTHON_INSTALL_MIRROR",
    "UV_PYTHON_DOWNLOADS_JSON_URL",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
];

impl Default for InstallSettings {
    fn default() -> Self {
        let size = OutputLimits { files: 1_000_000, bytes: 32 << 30 };
        Self { variables: Vec::new(), time: Duration::from_secs(1800), size, refresh: false }
    }
}

impl InstallSettings {
    /// Takes over from our own environment what installers need to know: indexes, proxies,
    /// certificates.
    pub fn from_environment() -> Self {
        let found =
            VARIABLES.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        Self { variables: found.collect(), ..Self::default() }
    }

    /// Takes packages from this index, unless the variables name one.
    pub fn set_index(&mut self, index: &str) {
        for names in [["PIP_INDEX_URL", "PIP_NO_INDEX"], ["UV_DEFAULT_INDEX", "UV_INDEX_URL"]] {
            if !self.variables.iter().any(|(known, _)| names.iter().any(|name| known == name)) {
                self.variables.push((names[0].into(), index.into()));
            }
        }
    }
}

impl EnvironmentCache {
    /// The environments below the private configuration folder.
    pub fn new(private: &Path) -> Self {
        Self { folder: private.join("environments") }
    }

    /// Returns the environment that holds what is wanted, and makes it if need be; what the
    /// installer says goes to the logs. If it fails, returns its return code.
    pub(crate) async fn get(
        &self,
        wanted: &Wanted<'_>,
        by: &Making<'_>,
    ) -> io::Result<Result<Environment, i64>> {
        std::fs::create_dir_all(&self.folder)?;
        // Where jobs are tried on mock data, it is reached through a folder that goes away.
        let place = Self { folder: self.folder.canonicalize()? };
        place.get_with(Installer::find(by.path), wanted, by).await
    }

    /// The same, with the installer that `find` comes to.
    async fn get_with(
        &self,
        find: impl Future<Output = Option<Installer>>,
        wanted: &Wanted<'_>,
        by: &Making<'_>,
    ) -> io::Result<Result<Environment, i64>> {
        let request = request(wanted, by.confinement.confines());
        if let Some(found) = self.remembered(&request, by).await? {
            return Ok(Ok(found));
        }
        std::fs::create_dir_all(self.requests())?;
        let turn = self.requests().join(format!("{request}.lock"));
        let Some(_turn) = Lock::wait(&turn, by.wish).await? else { return Ok(Err(-1)) };
        if let Some(found) = self.remembered(&request, by).await? {
            return Ok(Ok(found)); // somebody else wanted it too, and was first
        }
        let Some(mut installer) = find.await else {
            return Err(io::Error::other("no python of at least version 3.10 was found"));
        };
        installer.pip = self.pip(&installer, wanted, by).await?;
        let python = installer.python_name();
        let memory: Option<Memory> = read(&self.requests(), &format!("{request}.json"));
        let known = memory.filter(|known| known.python == python && !by.settings.refresh);
        let (set, resolved) = match known {
            Some(known) => (known.set, known.resolved),
            None => match self.resolve(&installer, wanted, by).await? {
                Ok(set) => (set, by.now.micros()),
                Err(code) => return Ok(Err(code)),
            },
        };
        let locked = wanted.locked.as_ref().filter(|_| installer.reads_locks());
        let key = key(&python, by.confinement.confines(), locked, &set);
        let asked = wanted.packages.to_vec();
        let follows_lock = locked.is_some();
        let memory = Memory { asked, python, resolved, set, environment: key, follows_lock };
        let text = serde_json::to_vec_pretty(&memory)?;
        write_atomic(&self.requests().join(format!("{request}.json")), &text)?;
        self.make(&installer, wanted, &memory, by).await
    }

    /// Works out what is wanted, in a folder that is thrown away.
    async fn resolve(
        &self,
        installer: &Installer,
        wanted: &Wanted<'_>,
        by: &Making<'_>,
    ) -> io::Result<Result<Vec<Pinned>, i64>> {
        let folder = self.partial("resolve")?;
        let steps = Steps { folder: folder.path(), wanted, by };
        installer.resolve(&steps).await
    }

    /// Makes the environment, unless another request that comes to the same was first.
    async fn make(
        &self,
        installer: &Installer,
        wanted: &Wanted<'_>,
        memory: &Memory,
        by: &Making<'_>,
    ) -> io::Result<Result<Environment, i64>> {
        let (key, folder) = (&memory.environment, self.folder.join(&memory.environment));
        {
            let Some(_lock) = Lock::wait(&self.lock_of(key), by.wish).await? else {
                return Ok(Err(-1));
            };
            if record_of(&folder).is_none() {
                self.clear(key)?;
                let partial = self.place_for(key, by)?;
                let steps = Steps { folder: partial.path(), wanted, by };
                if let Err(code) = installer.install(&steps, &memory.set).await? {
                    return Ok(Err(code));
                }
                let python = installer.python.clone();
                let (python, prefix) = python.map(|python| (python.program, python.prefix)).unzip();
                let lock = wanted.locked.as_ref().filter(|_| memory.follows_lock);
                let pinned = lock.map(|locked| resolved::of_lock(&locked.lock)).unwrap_or_default();
                let installed = look(partial.path(), key, &[&*memory.set, &pinned].concat())?;
                let made = by.now.micros();
                let record = Record { python, prefix: prefix.flatten(), made, installed };
                let text = serde_json::to_vec_pretty(&record)?;
                sync(partial.path())?;
                write_atomic(&partial.path().join(RECORD), &text)?;
                protect(partial.path())?;
                let made = partial.keep();
                if made != folder {
                    remove(&folder)?; // its Python is gone
                    std::fs::rename(made, &folder)?;
                }
            }
        }
        match self.open(memory, by).await? {
            Some(environment) => Ok(Ok(environment)),
            None if by.wish.found().is_some() => Ok(Err(-1)),
            None => Err(io::Error::other("the new environment cannot be read")),
        }
    }

    /// Returns the environment that the same request has come to before.
    async fn remembered(&self, request: &str, by: &Making<'_>) -> io::Result<Option<Environment>> {
        let memory: Option<Memory> = read(&self.requests(), &format!("{request}.json"));
        // Newer packages were asked for, unless that has just been done for somebody else.
        let is_old = |memory: &Memory| by.settings.refresh && memory.resolved < by.now.micros();
        match memory.filter(|memory| !is_old(memory)) {
            Some(memory) => self.open(&memory, by).await,
            None => Ok(None),
        }
    }

    /// Opens an environment that is complete.
    async fn open(&self, memory: &Memory, by: &Making<'_>) -> io::Result<Option<Environment>> {
        let key = &memory.environment;
        let folder = self.folder.join(key);
        if !folder.is_dir() {
            return Ok(None);
        }
        let lock = Lock::wait_together(&self.lock_of(key), by.wish).await?;
        let Some(lock) = lock else { return Ok(None) };
        let Some(record) = record_of(&folder) else { return Ok(None) };
        lock.note(UNIX_EPOCH + Duration::from_micros(u64::try_from(by.now.micros()).unwrap_or(0)));
        let place = if by.confinement.confines() { Path::new(INSIDE) } else { &folder };
        let own = Bind { source: folder.clone(), target: place.to_owned(), access: Access::Read };
        let python = record.prefix.map(|prefix| Bind {
            source: prefix.clone(),
            target: prefix,
            access: Access::Read,
        });
        let binds = python.into_iter().chain([own]).collect();
        let program = place.join("venv/bin/python");
        let (installed, follows_lock) = (record.installed, memory.follows_lock);
        Ok(Some(Environment { program, binds, installed, follows_lock, lock }))
    }

    /// Removes what a killed process left of an environment that it was making. The caller holds
    /// the lock.
    fn clear(&self, key: &str) -> io::Result<()> {
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(&format!("{PARTIAL_PREFIX}{key}-")) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Returns where an environment is made. It holds the path at which it was made: that is the same
    /// for all that are confined, and for others it has to be where it stays.
    fn place_for(&self, key: &str, by: &Making<'_>) -> io::Result<tempfile::TempDir> {
        if by.confinement.confines() {
            return self.partial(key);
        }
        remove(&self.folder.join(key))?;
        tempfile::Builder::new().prefix(key).rand_bytes(0).tempdir_in(&self.folder)
    }

    fn partial(&self, name: &str) -> io::Result<tempfile::TempDir> {
        tempfile::Builder::new()
            .prefix(&format!("{PARTIAL_PREFIX}{name}-"))
            .tempdir_in(&self.folder)
    }

    fn requests(&self) -> PathBuf {
        self.folder.join("requests")
    }

    fn lock_of(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.lock"))
    }
}

/// Returns what is remembered of an environment that can be used.
fn record_of(folder: &Path) -> Option<Record> {
    let record: Record = read(folder, RECORD)?;
    // Its Python may have been upgraded or removed.
    record.python.as_ref().is_none_or(|python| python.exists()).then_some(record)
}

/// Returns the name of a request: all that decides what it may come to.
fn request(wanted: &Wanted<'_>, confined: bool) -> String {
    let locked = wanted.locked.as_ref().map(digests);
    short(&serde_json::json!([2, PYTHON_VERSION, wanted.packages, locked, confined]))
}

/// Returns the name of an environment: all that decides what it holds.
fn key(python: &str, confined: bool, locked: Option<&Locked>, set: &[Pinned]) -> String {
    let locked = locked.map(digests);
    short(&serde_json::json!([2, python, confined, locked, resolved::write(set)]))
}

fn digests(locked: &Locked) -> [String; 2] {
    [&locked.project, &locked.lock].map(|bytes| Digest::of(bytes).to_hex())
}

fn short(all: &serde_json::Value) -> String {
    let mut digits = Digest::of(all.to_string().as_bytes()).to_hex();
    digits.truncate(32);
    digits
}

#[cfg(test)]
mod tests;
