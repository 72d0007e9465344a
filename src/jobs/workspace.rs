//! The private folder in which one job runs, and what the job sees of it.
//!
//! ```text
//! {private}/runs/{key}.lock        held while the job runs
//! {private}/runs/{key}/syftbox/    the job's copy, at the path that it has in the owner's SyftBox;
//!                                  read-only to it but for `code/outputs/`
//! {private}/runs/{key}/python/     our module for `import syft_client`
//! {private}/runs/{key}/logs/       what it prints
//! ```
//! Inside, paths are the same for everybody: a job learns neither the owner's user name nor where
//! the data lies. [`room`] is pure.
//!
//! A Python owner's jobs may write beside their code. Here that fails at once and the run says what
//! to do: what a reader of results looks for is in one place, and a job that ran is byte for byte
//! the one that was approved, also after it ran. Without confinement nothing prevents it.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::layout::JobId;
use super::limits::Limits;
use super::sandbox::{Access, Bind, Confinement, PATH, Room, SystemDirs};
use super::tree::{remove, write_atomic};
use crate::model::{DatasitePath, Digest, Email};

/// The folder of one run. Removed when dropped; the lock ends with it.
#[derive(Debug)]
pub(crate) struct Workspace {
    folder: PathBuf,
    _lock: File,
}

/// What a job may see and do, before it is put into paths.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) owner: &'a Email,
    pub(crate) job: &'a JobId,
    /// The datasets' folders on this machine and their paths in the owner's datasite.
    pub(crate) datasets: &'a [(PathBuf, DatasitePath)],
    /// Folders that the command needs, shown read-only at their own path or another.
    pub(crate) tools: Vec<Bind>,
    /// The command, and the folder below the job's directory that it starts in.
    pub(crate) command: Vec<OsString>,
    pub(crate) directory: &'a str,
    /// Whether the job finds our module for `import syft_client`.
    pub(crate) our_module: bool,
    pub(crate) limits: &'a Limits,
}

/// Our module, which stands for the whole client inside a job.
const MODULES: [(&str, &str); 2] = [
    ("syft_client/__init__.py", include_str!("../../python/syft_client/__init__.py")),
    ("syft/__init__.py", include_str!("../../python/syft/__init__.py")),
];

/// What of a job's directory it may write to.
pub(crate) const OUTPUTS: &str = "code/outputs";

impl Workspace {
    /// Makes the folder, and our module in it. `None` if another process runs this job.
    pub(crate) fn create(private: &Path, owner: &Email, job: &JobId) -> io::Result<Option<Self>> {
        let Some((folder, lock)) = Self::claim(private, owner, job)? else {
            return Ok(None);
        };
        remove(&folder)?; // what a crash left
        let workspace = Self { folder, _lock: lock };
        for (name, text) in MODULES {
            write_atomic(&workspace.python().join(name), text.as_bytes())?;
        }
        std::fs::create_dir_all(workspace.logs())?;
        std::fs::create_dir_all(workspace.home())?;
        Ok(Some(workspace))
    }

    /// Removes what a crash left of a run. False if the job is being run.
    pub(crate) fn clear(private: &Path, owner: &Email, job: &JobId) -> io::Result<bool> {
        match Self::claim(private, owner, job)? {
            None => Ok(false),
            Some((folder, _lock)) => remove(&folder).map(|()| true),
        }
    }

    fn claim(private: &Path, owner: &Email, job: &JobId) -> io::Result<Option<(PathBuf, File)>> {
        let folder = folder_of(private, owner, job);
        let runs = private.join("runs");
        std::fs::create_dir_all(private)?;
        // Results lie there before anybody decided who may see them.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&runs)?;
        let lock = folder.with_extension("lock");
        let lock = File::options().create(true).write(true).truncate(false).open(lock)?;
        match lock.try_lock() {
            Ok(()) => Ok(Some((folder, lock))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// The job's own copy.
    pub(crate) fn job(&self, owner: &Email, job: &JobId) -> PathBuf {
        job.inbox().below(&self.folder.join("syftbox").join(owner.as_str()))
    }

    /// What the job may write to.
    pub(crate) fn outputs(&self, owner: &Email, job: &JobId) -> PathBuf {
        self.job(owner, job).join(OUTPUTS)
    }

    /// The log of standard output and of standard error.
    pub(crate) fn log_files(&self) -> [PathBuf; 2] {
        ["stdout.txt", "stderr.txt"].map(|name| self.logs().join(name))
    }

    fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    fn python(&self) -> PathBuf {
        self.folder.join("python")
    }

    fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// Returns what the job sees. Without confinement the datasets have to be put into place, see
    /// [`Workspace::link_datasets`].
    pub(crate) fn room(&self, plan: &Plan<'_>, confinement: &Confinement) -> Room {
        let places = if confinement.confines() {
            Places::inside()
        } else {
            Places {
                syftbox: self.folder.join("syftbox"),
                python: self.python(),
                home: self.home(),
            }
        };
        room(plan, &places, self.job(plan.owner, plan.job), self.python())
    }

    /// Puts the datasets to where an unconfined job looks for them.
    pub(crate) fn link_datasets(&self, plan: &Plan<'_>) -> io::Result<()> {
        let datasite = self.folder.join("syftbox").join(plan.owner.as_str());
        for (source, path) in plan.datasets {
            let place = path.below(&datasite);
            if let Some(folder) = place.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::os::unix::fs::symlink(source, place)?;
        }
        Ok(())
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        // What cannot be removed now is removed before the next run.
        remove(&self.folder).ok();
    }
}

/// Where a process sees things.
#[derive(Debug)]
struct Places {
    syftbox: PathBuf,
    python: PathBuf,
    home: PathBuf,
}

impl Places {
    /// The same for everybody.
    fn inside() -> Self {
        Self { syftbox: "/syftbox".into(), python: "/syft/python".into(), home: "/home/job".into() }
    }
}

/// Where the run of a job has its folder.
fn folder_of(private: &Path, owner: &Email, job: &JobId) -> PathBuf {
    let name = Digest::of(format!("{owner} {}", job.inbox()).as_bytes()).to_hex();
    private.join("runs").join(&name[..16])
}

/// Returns what a confined job would see, without preparing anything.
pub(crate) fn planned_room(private: &Path, plan: &Plan<'_>) -> Room {
    let folder = folder_of(private, plan.owner, plan.job);
    let copy = plan.job.inbox().below(&folder.join("syftbox").join(plan.owner.as_str()));
    room(plan, &Places::inside(), copy, folder.join("python"))
}

fn room(plan: &Plan<'_>, places: &Places, copy: PathBuf, modules: PathBuf) -> Room {
    let datasite = places.syftbox.join(plan.owner.as_str());
    let job = plan.job.inbox().below(&datasite);
    let directory = job.join(plan.directory);
    let mut binds = plan.tools.clone();
    binds.extend(plan.datasets.iter().map(|(source, path)| Bind {
        source: source.clone(),
        target: path.below(&datasite),
        access: Access::Read,
    }));
    binds.push(Bind {
        source: copy.join(OUTPUTS),
        target: job.join(OUTPUTS),
        access: Access::Write,
    });
    binds.push(Bind { source: copy, target: job, access: Access::Read });
    let mut search = OsString::from(".");
    if plan.our_module {
        search.push(":");
        search.push(&places.python);
        binds.push(Bind { source: modules, target: places.python.clone(), access: Access::Read });
    }
    let environment = [
        ("PATH", PATH.into()),
        ("HOME", places.home.clone().into_os_string()),
        ("LANG", "C.UTF-8".into()),
        ("SYFTBOX_FOLDER", places.syftbox.clone().into_os_string()),
        ("SYFTBOX_EMAIL", plan.owner.as_str().into()),
        ("SYFT_IS_IN_JOB", "true".into()),
        ("PYTHONUNBUFFERED", "1".into()),
        ("PYTHONDONTWRITEBYTECODE", "1".into()),
        ("PYTHONPATH", search),
    ];
    Room {
        system: SystemDirs::look(false),
        network: false,
        binds,
        home: places.home.clone(),
        environment: environment.map(|(name, value)| (name.into(), value)).into(),
        directory,
        command: plan.command.clone(),
        scratch_bytes: plan.limits.scratch_bytes,
    }
}
