//! The jobs of one datasite as they lie on disk.
//!
//! Works on both sides: a scientist submits and lists what an owner answered, an owner looks
//! before deciding (`review`). One broken directory is listed as such, with the reason, and hides
//! no other. State files are written atomically.

use std::path::{Path, PathBuf};

use cap_std::fs::Dir;

use super::approval::{Approval, Approvals};
use super::claim::RunPlace;
use super::config::{JobConfig, JobKind};
use super::difference::Summary;
use super::error::{Error, Unreadable, io_error};
use super::form::{CONFIG_FILE, EntryKind, Place, place};
use super::layout::{JobId, Layout};
use super::legible::{Content, content_of};
use super::name::{JobName, is_layout};
use super::record::{Records, RunRecord};
use super::script::{NO_START, ScriptCheck, bash_start, check_script};
use super::snapshot::{Snapshot, is_left_behind, look};
use super::state::JobState;
use super::submission::Submission;
use super::tree::{entries, open_below, read_file, write_atomic};
use super::yaml;
use crate::datasets::Scratch;
use crate::model::{DatasitePath, Digest, Email};

/// The jobs of one datasite.
#[derive(Clone, Debug)]
pub struct JobStore {
    syftbox: PathBuf,
    owner: Email,
    private: PathBuf,
}

/// A job that can be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Which one it is.
    pub id: JobId,
    /// What its submitter says.
    pub config: JobConfig,
    /// Where it stands.
    pub state: JobState,
}

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq)]
pub enum Listed {
    /// A job.
    Job(Box<Job>),
    /// A directory that should be a job and is not.
    Unreadable {
        /// Where it lies below the inbox, in a form that is fit to show.
        directory: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A directory that should be a job, or why it cannot be one.
pub(crate) type Directory = Result<JobId, Listed>;

const SCRIPT_BYTES_MAX: usize = 16 << 20;

impl JobStore {
    /// The jobs in the datasite of `owner` below `syftbox`; `private` is the folder for what must
    /// not be synced: approvals, copies of running jobs, environments.
    pub fn new(syftbox: &Path, owner: Email, private: &Path) -> Self {
        Self { syftbox: syftbox.to_owned(), owner, private: private.to_owned() }
    }

    /// Returns the owner of the datasite.
    pub const fn owner(&self) -> &Email {
        &self.owner
    }

    /// Returns the `SyftBox` folder.
    pub fn syftbox(&self) -> &Path {
        &self.syftbox
    }

    /// Returns the folder for what must not be synced.
    pub fn private(&self) -> &Path {
        &self.private
    }

    /// Returns where `path` of the datasite lies on this machine.
    pub fn local(&self, path: &DatasitePath) -> PathBuf {
        path.below(&self.datasite())
    }

    /// Returns all jobs, the newest submitted first, and after them what cannot be read.
    ///
    /// # Errors
    /// Only if the inbox itself cannot be listed.
    pub fn list(&self) -> Result<Vec<Listed>, Error> {
        let mut jobs = Vec::new();
        let mut broken = Vec::new();
        for found in self.directories()? {
            match found {
                Err(unreadable) => broken.push(unreadable),
                Ok(id) => match self.read(&id) {
                    Ok(job) => jobs.push(job),
                    Err(error) => broken.push(Listed::Unreadable {
                        directory: id.to_string(),
                        reason: error.to_string(),
                    }),
                },
            }
        }
        jobs.sort_by(|a, b| {
            let newest = b.config.submitted_at.cmp(&a.config.submitted_at);
            newest.then_with(|| a.id.cmp(&b.id))
        });
        let jobs = jobs.into_iter().map(|job| Listed::Job(Box::new(job)));
        Ok(jobs.chain(broken).collect())
    }

    /// Returns the jobs that can be read, in the order of [`JobStore::list`].
    ///
    /// # Errors
    /// As [`JobStore::list`].
    pub fn readable(&self) -> Result<impl Iterator<Item = Job>, Error> {
        Ok(self.list()?.into_iter().filter_map(|listed| match listed {
            Listed::Job(job) => Some(*job),
            Listed::Unreadable { .. } => None,
        }))
    }

    /// Returns one job.
    ///
    /// # Errors
    /// [`Error::UnknownJob`] if there is none, [`Error::Unusable`] if it cannot be read.
    pub fn find(&self, id: &JobId) -> Result<Job, Error> {
        match self.has_directory(id) {
            Ok(true) => self.read(id).map_err(|error| unusable(id, &error)),
            Ok(false) => Err(Error::UnknownJob { job: id.clone() }),
            Err(error) => Err(unusable(id, &error)),
        }
    }

    /// Puts a submission of ours into the owner's tree, from where a sync sends it.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if there is a job of that name, in any layout.
    pub fn submit(&self, submission: &Submission) -> Result<(), Error> {
        let id = &submission.job;
        for other in Layout::ALL.map(|layout| id.in_layout(layout)) {
            if self.local(&other.inbox()).symlink_metadata().is_ok() {
                return Err(Error::AlreadyExists { job: other });
            }
        }
        let folder = self.local(&id.inbox());
        // Half a job is worse than none: it appears as a whole, also if we are killed meanwhile.
        let scratch = Scratch::new(&self.syftbox).map_err(std::io::Error::other);
        let written = scratch.and_then(|scratch| {
            let whole = scratch.path().join("job");
            for (path, content) in &submission.files {
                write_atomic(&path.below(&whole), content)?;
            }
            std::fs::create_dir_all(folder.parent().unwrap_or(&self.syftbox))?;
            std::fs::rename(&whole, &folder)
        });
        written.map_err(io_error(&folder.display()))
    }

    /// Returns the files of the submission and the digest that an approval binds to.
    ///
    /// # Errors
    /// [`Error::Unusable`] if it holds links or is out of bounds.
    pub fn snapshot(&self, job: &Job) -> Result<Snapshot, Error> {
        look(&self.inbox(job)?).map_err(|error| unusable(&job.id, &error))
    }

    /// The same, if `job` was read from these very files: what it asks for is what they say.
    ///
    /// # Errors
    /// As [`JobStore::snapshot`]; [`Error::Changed`] if the job changed since it was read.
    pub fn submission(&self, job: &Job) -> Result<Snapshot, Error> {
        let submission = self.snapshot(job)?;
        let path = DatasitePath::parse(CONFIG_FILE).expect("a constant");
        let config = self.read_submitted(job, &path, yaml::BYTES_MAX)?.unwrap_or_default();
        let digest = Digest::of(&config);
        let is_same = submission.files.iter().any(|(p, known, _)| *p == path && *known == digest)
            && JobConfig::parse(job.id.layout, &config).is_ok_and(|config| config == job.config);
        if is_same {
            Ok(submission)
        } else {
            Err(Error::Changed { job: job.id.clone(), changes: Summary::default() })
        }
    }

    /// Returns one file of the submission, for review; `None` if it is not there.
    ///
    /// # Errors
    /// [`Error::Unusable`] if it is no regular file, or larger than `bytes_max`.
    pub fn read_submitted(
        &self,
        job: &Job,
        path: &DatasitePath,
        bytes_max: usize,
    ) -> Result<Option<Vec<u8>>, Error> {
        read_file(&self.inbox(job)?, path.as_str(), bytes_max)
            .map_err(|error| unusable(&job.id, &error))
    }

    /// Compares the submitted `run.sh` with the one that the configuration amounts to.
    ///
    /// # Errors
    /// [`Error::Unusable`] if the files cannot be read.
    pub fn check_script(&self, job: &Job) -> Result<ScriptCheck, Error> {
        let inbox = self.inbox(job)?;
        check_script_in(&inbox, &job.config).map_err(|error| unusable(&job.id, &error))
    }

    /// Returns the approval that stands behind the job, if any.
    pub fn approval(&self, job: &Job) -> Option<Approval> {
        self.approvals().read(&job.id)
    }

    pub(crate) fn write_state(&self, job: &Job, state: &JobState) -> Result<(), Error> {
        let path = self.local(&job.id.answer("state.yaml"));
        write_atomic(&path, state.to_yaml(job.id.layout).as_bytes())
            .map_err(io_error(&format_args!("the state of `{}`", job.id)))
    }

    pub(crate) fn inbox(&self, job: &Job) -> Result<Dir, Error> {
        match open_below(&self.datasite(), &job.id.inbox()) {
            Ok(Some(dir)) => Ok(dir),
            Ok(None) => Err(Error::UnknownJob { job: job.id.clone() }),
            Err(error) => Err(unusable(&job.id, &error)),
        }
    }

    pub(crate) fn datasite(&self) -> PathBuf {
        self.syftbox.join(self.owner.as_str())
    }

    /// Returns what is remembered of the last run of the job.
    pub fn last_run(&self, job: &JobId) -> Option<RunRecord> {
        self.records().read(job)
    }

    /// True if this machine began the run of a job that is `running`: it is at it, or a crash ended
    /// that. Else another machine of the owner did.
    pub fn has_begun_here(&self, job: &JobId) -> bool {
        let has_not_ended = |record: RunRecord| record.ended.is_none();
        self.last_run(job).is_some_and(has_not_ended)
            || RunPlace::of(&self.private, &self.owner, job).folder().exists()
    }

    /// Returns where a job that is `running` prints to; `None` if nobody runs it, since a crash left
    /// it so.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn live_logs(&self, job: &JobId) -> Result<Option<[PathBuf; 2]>, Error> {
        let place = RunPlace::of(&self.private, &self.owner, job);
        let is_claimed = place.is_claimed();
        let is_claimed = is_claimed.map_err(io_error(&format_args!("the run of `{job}`")))?;
        Ok(is_claimed.then(|| place.log_files()))
    }

    pub(crate) fn records(&self) -> Records {
        Records::new(&self.private, &self.owner)
    }

    pub(crate) fn approvals(&self) -> Approvals {
        Approvals::new(&self.private, &self.owner)
    }

    /// Returns each directory that should be a job, or why it cannot be one.
    pub(crate) fn directories(&self) -> Result<Vec<Directory>, Error> {
        let inbox = DatasitePath::parse("app_data/job/inbox").expect("a constant");
        let problem = || io_error(&format_args!("the jobs of {}", self.owner));
        let mut found = Vec::new();
        let Some(inbox) = open_below(&self.datasite(), &inbox).map_err(problem())? else {
            return Ok(found);
        };
        for submitter in folders(&inbox).map_err(problem())? {
            match Email::parse(&submitter) {
                Ok(email) => {
                    if let Err(error) = self.directories_of(&email, Layout::Flat, &mut found) {
                        found.push(Err(unreadable(&submitter, &error.to_string())));
                    }
                }
                Err(_) => {
                    let reason = "its name is no address of a submitter";
                    found.push(Err(unreadable(&submitter, reason)));
                }
            }
        }
        Ok(found)
    }

    /// Adds the directories of one submitter, those of segments after the others.
    fn directories_of(
        &self,
        submitter: &Email,
        layout: Layout,
        found: &mut Vec<Directory>,
    ) -> std::io::Result<()> {
        let folder = layout.inbox_of(submitter);
        let Some(inbox) = open_below(&self.datasite(), &folder)? else { return Ok(()) };
        let mut segments = Vec::new();
        for name in folders(&inbox)? {
            let shown = match layout.segment() {
                None => format!("{submitter}/{name}"),
                Some(segment) => format!("{submitter}/{segment}/{name}"),
            };
            let held = if is_layout(&name) {
                inbox.open_dir(&name).and_then(|dir| entries(&dir))
            } else {
                Ok(Vec::new())
            };
            let is = match held {
                Ok(held) => place(layout, &name, &held),
                Err(error) => {
                    found.push(Err(unreadable(&shown, &error.to_string())));
                    continue;
                }
            };
            match is {
                Place::Job => found.push(match JobName::parse(&name) {
                    Ok(name) => Ok(JobId { submitter: submitter.clone(), layout, name }),
                    Err(error) => Err(unreadable(&shown, &error.to_string())),
                }),
                Place::Segment(other) => segments.push(other),
                Place::Unsupported(reason) => found.push(Err(unreadable(&shown, reason))),
                Place::Nothing => {}
            }
        }
        segments.into_iter().try_for_each(|other| self.directories_of(submitter, other, found))
    }

    /// True if there is a directory for the job, and nothing says that it lies in another job.
    fn has_directory(&self, id: &JobId) -> std::io::Result<bool> {
        if let Some(segment) = id.layout.segment() {
            let Some(dir) = open_below(&self.datasite(), &id.layout.inbox_of(&id.submitter))?
            else {
                return Ok(false);
            };
            if place(Layout::Flat, segment, &entries(&dir)?) != Place::Segment(id.layout) {
                return Ok(false);
            }
        }
        Ok(open_below(&self.datasite(), &id.inbox())?.is_some())
    }

    fn read(&self, id: &JobId) -> Result<Job, Unreadable> {
        let missing = || Unreadable::Missing(CONFIG_FILE);
        let inbox = open_below(&self.datasite(), &id.inbox())?.ok_or_else(missing)?;
        let config = read_file(&inbox, CONFIG_FILE, yaml::BYTES_MAX)?.ok_or_else(missing)?;
        let config = JobConfig::parse(id.layout, &config)?;
        let state = self.read_state(id)?.unwrap_or_default();
        Ok(Job { id: id.clone(), config, state })
    }

    pub(crate) fn read_state(&self, id: &JobId) -> Result<Option<JobState>, Unreadable> {
        let Some(review) = open_below(&self.datasite(), &id.review())? else {
            return Ok(None);
        };
        let text = read_file(&review, "state.yaml", yaml::BYTES_MAX)?;
        Ok(text.map(|text| JobState::parse(id.layout, &text)).transpose()?)
    }
}

/// Compares `run.sh` in a job's directory with the script that its configuration amounts to.
pub(crate) fn check_script_in(job: &Dir, config: &JobConfig) -> std::io::Result<ScriptCheck> {
    let submitted = read_file(job, "run.sh", SCRIPT_BYTES_MAX)?.unwrap_or_default();
    let start = match config.kind {
        JobKind::Bash if !is_left_behind(bash_start(config)) => {
            read_file(job, &format!("code/{}", bash_start(config)), SCRIPT_BYTES_MAX)?
        }
        _ => None,
    };
    let start = match start.map(String::from_utf8) {
        None => None,
        Some(Ok(text)) => Some(text),
        // No text: then only byte for byte, since another script may look the same.
        Some(Err(error)) if error.as_bytes() == submitted => return Ok(ScriptCheck::AsDerived),
        Some(Err(error)) => {
            let path = DatasitePath::parse("run.sh").map_err(std::io::Error::other)?;
            let Content::Text { text: derived, .. } = content_of(&path, error.as_bytes(), true)
            else {
                return Ok(ScriptCheck::Underivable { reason: NO_START });
            };
            return Ok(ScriptCheck::Differs { derived });
        }
    };
    let has_pyproject = job.symlink_metadata("code/pyproject.toml").is_ok();
    Ok(check_script(&submitted, config, has_pyproject, start.as_deref()))
}

fn folders(dir: &Dir) -> std::io::Result<Vec<String>> {
    let folders = entries(dir)?.into_iter().filter(|(_, kind)| *kind == EntryKind::Directory);
    Ok(folders.map(|(name, _)| name).collect())
}

fn unreadable(directory: &str, reason: &str) -> Listed {
    let directory = super::tree::shown(Path::new(directory));
    Listed::Unreadable { directory, reason: reason.to_owned() }
}

fn unusable(job: &JobId, reason: &impl ToString) -> Error {
    Error::Unusable { job: job.clone(), reason: reason.to_string() }
}
