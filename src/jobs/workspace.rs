//! The private folder in which one job runs, and what the job sees of it.
//!
//! ```text
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
use std::io;
use std::path::{Path, PathBuf};

use super::claim::{Claim, RunPlace};
use super::layout::JobId;
use super::limits::Limits;
use super::sandbox::{Access, Bind, Confinement, PATH, Room, SystemDirs};
use super::tree::write_atomic;
use crate::model::{DatasitePath, Email};

/// The folder of one run. Removed when dropped; the claim ends after that.
#[derive(Debug)]
pub(crate) struct Workspace {
    folder: PathBuf,
    claim: Claim,
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
    /// Makes the folder, and our module in it.
    pub(crate) fn create(claim: Claim) -> io::Result<Self> {
        claim.clear()?; // what a crash left
        let workspace = Self { folder: claim.place().folder(), claim };
        for (name, text) in MODULES {
            write_atomic(&workspace.python().join(name), text.as_bytes())?;
        }
        std::fs::create_dir_all(workspace.logs())?;
        std::fs::create_dir_all(workspace.home())?;
        Ok(workspace)
    }

    /// Returns the right to run the job.
    pub(crate) const fn claim(&self) -> &Claim {
        &self.claim
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
        self.claim.place().log_files()
    }

    fn logs(&self) -> PathBuf {
        self.claim.place().logs()
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
        self.claim.clear().ok();
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

/// Returns what a confined job would see, without preparing anything.
pub(crate) fn planned_room(private: &Path, plan: &Plan<'_>) -> Room {
    let folder = RunPlace::of(private, plan.owner, plan.job).folder();
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
