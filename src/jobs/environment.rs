//! The Python environments of jobs, made once for each set of requirements.
//!
//! An environment is made before any data is in reach, see `installer`. Its key is a digest of
//! all that was asked for. Environments share nothing, not even a download cache: the build script
//! of one job's dependency must not be able to change what another job runs.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::installer::{Installer, Steps};
use super::leftovers::PARTIAL_PREFIX;
use super::sandbox::{Access, Bind, Confinement};
use super::script::PYTHON_VERSION;
use super::tree::{remove, write_atomic};
use crate::model::Digest;

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
}

/// What an environment is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted<'a> {
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
}

/// An environment that is ready.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// Its Python, as a process sees it.
    pub(crate) program: PathBuf,
    /// What a process has to see for that.
    pub(crate) binds: Vec<Bind>,
}

/// What is remembered of an environment, in a file that appears when it is complete.
#[derive(Serialize, Deserialize)]
struct Record {
    /// The Python that it was made with; `None` if that lies within the environment.
    python: Option<PathBuf>,
    /// The installation folder of that Python, unless the system's.
    prefix: Option<PathBuf>,
    packages: Vec<String>,
}

/// Where a confined process sees its environment: the same place when it is made and when it is
/// used, since environments hold absolute paths.
pub(crate) const INSIDE: &str = "/syft/environment";

const RECORD: &str = "environment.json";

/// What of our own environment installers get to see. It may hold the password of an index: that
/// is the owner's choice, and the reason why this is a list.
const VARIABLES: [&str; 26] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_NO_INDEX",
    "PIP_FIND_LINKS",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
    "PIP_DEFAULT_TIMEOUT",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_NO_INDEX",
    "UV_FIND_LINKS",
    "UV_OFFLINE",
    "UV_NATIVE_TLS",
    "UV_HTTP_TIMEOUT",
    "UV_PYTHON_INSTALL_MIRROR",
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
        Self { variables: Vec::new(), time: Duration::from_secs(1800) }
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
}

impl EnvironmentCache {
    /// The environments below the private configuration folder.
    pub fn new(private: &Path) -> Self {
        Self { folder: private.join("environments") }
    }

    /// Returns the environment that holds what is wanted, and makes it if need be; what the
    /// installer says goes to `logs`. If it fails, returns its return code.
    pub(crate) async fn get(
        &self,
        wanted: &Wanted<'_>,
        confinement: &Confinement,
        settings: &InstallSettings,
        path: &str,
        logs: [&Path; 2],
    ) -> io::Result<Result<Environment, i64>> {
        let folder = self.folder.join(&key(wanted, confinement.confines()).to_hex()[..32]);
        if let Some(found) = opened(&folder, confinement) {
            return Ok(Ok(found));
        }
        std::fs::create_dir_all(&self.folder)?;
        let partial = tempfile::Builder::new().prefix(PARTIAL_PREFIX).tempdir_in(&self.folder)?;
        let installer = Installer::find(path).await;
        let Some(installer) = installer else {
            return Err(io::Error::other("no python of at least version 3.10 was found"));
        };
        let steps = Steps { folder: partial.path(), wanted, confinement, settings, logs };
        if let Err(code) = installer.install(&steps).await? {
            return Ok(Err(code));
        }
        let (python, prefix) =
            installer.python.map(|python| (python.program, python.prefix)).unzip();
        let record =
            Record { python, prefix: prefix.flatten(), packages: wanted.packages.to_owned() };
        let text = serde_json::to_vec_pretty(&record)?;
        write_atomic(&partial.path().join(RECORD), &text)?;
        if let Some(found) = opened(&folder, confinement) {
            return Ok(Ok(found)); // another run was faster, and uses it already
        }
        remove(&folder)?; // a crash left it, or its Python is gone
        std::fs::rename(partial.keep(), &folder)?;
        opened(&folder, confinement)
            .map(Ok)
            .ok_or_else(|| io::Error::other("the new environment cannot be read"))
    }
}

/// Returns the digest of all that decides what an environment holds.
fn key(wanted: &Wanted<'_>, confined: bool) -> Digest {
    let locked = wanted
        .locked
        .as_ref()
        .map(|Locked { project, lock }| [Digest::of(project).to_hex(), Digest::of(lock).to_hex()]);
    let all = serde_json::json!([1, PYTHON_VERSION, wanted.packages, locked, confined]);
    Digest::of(all.to_string().as_bytes())
}

fn opened(folder: &Path, confinement: &Confinement) -> Option<Environment> {
    let record: Record = serde_json::from_slice(&std::fs::read(folder.join(RECORD)).ok()?).ok()?;
    if record.python.is_some_and(|python| !python.exists()) {
        return None; // it was upgraded or removed
    }
    let place = if confinement.confines() { Path::new(INSIDE) } else { folder };
    let own = Bind { source: folder.to_owned(), target: place.to_owned(), access: Access::Read };
    let python = record.prefix.map(|prefix| Bind {
        source: prefix.clone(),
        target: prefix,
        access: Access::Read,
    });
    let binds = python.into_iter().chain([own]).collect();
    Some(Environment { program: place.join("venv/bin/python"), binds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_depends_on_all_that_was_asked_for() {
        let [a, b] = [["numpy".to_owned()], ["numpy==2".to_owned()]];
        let bare = |packages| Wanted { packages, locked: None };
        let locked = |lock: &[u8]| Wanted {
            packages: &a,
            locked: Some(Locked { project: b"p".into(), lock: lock.into() }),
        };
        let keys = [
            key(&bare(&a), true),
            key(&bare(&a), false),
            key(&bare(&b), true),
            key(&bare(&[]), true),
            key(&locked(b"1"), true),
            key(&locked(b"2"), true),
        ];
        let distinct: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len());
        assert_eq!(key(&bare(&a), true), keys[0]);
    }
}
