//! Looks at what waits, and approves what a standing approval lets run.
//!
//! In this order: the use is recorded, then the approval, then the state. A crash in between wastes
//! the use. What is compared is what is kept, and the approval is bound to that: a job that changes
//! meanwhile does not run.
//!
//! A submitter can make many jobs that nearly fit. So names and sizes are compared before anything is
//! read, and only some jobs of each submitter are read in one go.

use std::collections::BTreeMap;

use super::parameters::PARAMETER_BYTES_MAX;
use super::plan::{Candidate, Obstacle, judge, over};
use super::store::read_by_content;
use super::{Sharing, Standing, Use};
use crate::jobs::approval::Approval;
use crate::jobs::difference::Change;
use crate::jobs::error::{Error, io_error};
use crate::jobs::form::CONFIG_FILE;
use crate::jobs::layout::JobId;
use crate::jobs::readable::readable;
use crate::jobs::reading::{ReviewedFile, Shown};
use crate::jobs::snapshot::{Snapshot, outline};
use crate::jobs::state::{Action, JobStatus};
use crate::jobs::store::{Job, JobStore, Listed};
use crate::jobs::yaml;
use crate::model::{DatasitePath, Email, Timestamp};

/// A job that was approved without a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The job.
    pub job: JobId,
    /// The standing approval.
    pub standing: String,
    /// How many more it lets run.
    pub left: u32,
}

/// How a job compares with a standing approval.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The standing approval.
    pub standing: Standing,
    /// What stands in the way; nothing if it fits.
    pub obstacles: Vec<Obstacle>,
    /// What differs from the template, apart from parameters that fit.
    pub changes: Vec<Change>,
}

/// How many jobs of one submitter are read in one go; the others have their turn once these are decided.
const READ_AT_ONCE_MAX: usize = 20;

/// How many jobs are read for a listing.
const LOOKED_AT_MAX: usize = 100;

/// How far time goes on before it is noted.
const NOTED_EVERY_MICROS: i64 = 60 * 1_000_000;

impl JobStore {
    /// Approves the jobs that wait and that a standing approval lets run, in order of submission.
    ///
    /// # Errors
    /// If jobs cannot be listed, or a use cannot be recorded; nothing is approved then. What goes
    /// wrong with one job leaves it waiting.
    pub fn admit(&self, now: Timestamp) -> Result<Vec<Admitted>, Error> {
        self.admit_of(&|_| true, now)
    }

    /// The same for jobs of those for whom `is_peer` holds: whom their owner has turned down since
    /// gets nothing approved unseen.
    ///
    /// # Errors
    /// As [`JobStore::admit`].
    pub fn admit_of(
        &self,
        is_peer: &dyn Fn(&Email) -> bool,
        now: Timestamp,
    ) -> Result<Vec<Admitted>, Error> {
        let (mut all, _) = self.standing();
        for standing in &mut all {
            let is_over =
                standing.ended.is_some() || standing.seen.micros() > standing.until.micros();
            if !is_over && now.micros() >= standing.seen.micros().saturating_add(NOTED_EVERY_MICROS)
            {
                standing.seen = now;
                self.write_standing(standing)?;
            }
        }
        all.retain(|standing| over(standing, now).is_none());
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let (mut admitted, mut read) = (Vec::new(), BTreeMap::<Email, usize>::new());
        for job in self.waiting()?.into_iter().filter(|job| is_peer(&job.id.submitter)) {
            for standing in &mut all {
                if !self.is_alike(standing, &job) {
                    continue;
                }
                let read = read.entry(job.id.submitter.clone()).or_default();
                *read += 1;
                if *read > READ_AT_ONCE_MAX {
                    break;
                }
                if self.admit_one(standing, &job, now)? {
                    let (id, left) = (standing.id.clone(), standing.left());
                    admitted.push(Admitted { job: job.id.clone(), standing: id, left });
                    break;
                }
            }
        }
        Ok(admitted)
    }

    /// Returns how a job that waits compares with the standing approvals that are about its
    /// submitter: one that it fits, or the nearest.
    pub fn judged(&self, job: &Job, now: Timestamp) -> Option<Judged> {
        let submission = self.snapshot(job).ok()?;
        let (all, _) = self.standing();
        let about = all.into_iter().filter(|standing| {
            standing.ended.is_none()
                && is_about(standing, job)
                && has_like_files(standing, &submission)
        });
        let judged = about.map(|standing| {
            let contents = self.contents(job, &submission, &standing.template.parameters);
            let candidate = Candidate { job: &job.id, files: &submission, contents: &contents };
            let obstacles = judge(&standing, &candidate, now).err().unwrap_or_default();
            (standing, obstacles)
        });
        let (standing, obstacles) = judged.min_by_key(|(_, obstacles)| obstacles.len())?;
        let changes = self.changes_to(&standing, job, &submission);
        Some(Judged { standing, obstacles, changes })
    }

    /// Returns the jobs that wait and that `standing` would let run now.
    ///
    /// # Errors
    /// If jobs cannot be listed.
    pub fn would_admit(&self, standing: &Standing, now: Timestamp) -> Result<Vec<JobId>, Error> {
        let fits = |job: &Job| {
            self.snapshot(job).is_ok_and(|submission| {
                let contents = self.contents(job, &submission, &standing.template.parameters);
                let candidate = Candidate { job: &job.id, files: &submission, contents: &contents };
                judge(standing, &candidate, now).is_ok()
            })
        };
        let alike = self.waiting()?.into_iter().filter(|job| self.is_alike(standing, job));
        let fit = alike.take(LOOKED_AT_MAX).filter(fits).map(|job| job.id);
        Ok(fit.take(usize::try_from(standing.left()).unwrap_or(usize::MAX)).collect())
    }

    /// Returns the standing approval by which a job ran, and what it says of results. `None` if it
    /// ran by another approval than the one that stands now, or if its owner has ended it since:
    /// then nothing goes unseen any more.
    pub fn sharing_of(&self, job: &Job) -> Option<(String, Sharing)> {
        let approval = self.approval(job)?;
        if self.last_run(&job.id)?.digest != approval.digest {
            return None;
        }
        let id = approval.standing?;
        let standing = self.standing_named(&id).ok().filter(|standing| standing.id == id)?;
        if standing.ended.is_some() {
            return None;
        }
        Some((id, standing.sharing))
    }

    fn admit_one(&self, standing: &mut Standing, job: &Job, now: Timestamp) -> Result<bool, Error> {
        let action = Action::Admit(format!("standing approval {}", standing.id));
        let Ok(state) = self.decide(job, &action, now) else { return Ok(false) };
        let Ok(submission) = self.keep(job) else { return Ok(false) };
        let contents = self.contents(job, &submission, &standing.template.parameters);
        let candidate = Candidate { job: &job.id, files: &submission, contents: &contents };
        let Ok(parameters) = judge(standing, &candidate, now) else { return Ok(false) };
        let datasets = readable(self, &standing.template.config, Some(&standing.datasets)).stand();
        let Ok(datasets) = datasets else { return Ok(false) };
        let digest = submission.digest;
        let used = Use { job: job.id.to_string(), at: now, digest, parameters };
        standing.uses.push(used);
        if let Err(error) = self.write_standing(standing) {
            standing.uses.pop();
            return Err(error);
        }
        let approval = Approval {
            digest,
            approved_at: now,
            run_script: standing.template.run_script,
            approved_by: Some(standing.made_by.clone()),
            standing: Some(standing.id.clone()),
            reason: standing.reason.clone(),
            files: Some(shown_before(standing, &submission)),
            datasets: Some(datasets),
        };
        self.bind(job, &approval, &state)?;
        Ok(true)
    }

    /// Returns the jobs that wait, in order of submission.
    fn waiting(&self) -> Result<Vec<Job>, Error> {
        let listed = self.list()?.into_iter().rev().filter_map(|listed| match listed {
            Listed::Job(job) if job.state.status == JobStatus::Pending => Some(*job),
            _ => None,
        });
        Ok(listed.collect())
    }

    /// True if names and sizes of the files are those of the template, without reading them.
    fn is_alike(&self, standing: &Standing, job: &Job) -> bool {
        let template = &standing.template;
        if !is_about(standing, job) || template.job.layout != job.id.layout {
            return false;
        }
        let Ok(found) = self.inbox(job).and_then(|dir| outline(&dir).map_err(io_error(&"a job")))
        else {
            return false;
        };
        let fits = |(path, size): &(DatasitePath, u64)| {
            let known = template.files.iter().find(|file| file.path == *path);
            known.is_some_and(|known| {
                if path.as_str() == CONFIG_FILE {
                    *size <= yaml::BYTES_MAX as u64
                } else if template.parameters.contains(path) {
                    *size <= PARAMETER_BYTES_MAX
                } else {
                    *size == known.size
                }
            })
        };
        found.len() == template.files.len() && found.iter().all(fits)
    }

    /// Reads the files that are compared by content.
    pub(super) fn contents(
        &self,
        job: &Job,
        submission: &Snapshot,
        parameters: &[DatasitePath],
    ) -> BTreeMap<DatasitePath, Vec<u8>> {
        let max = usize::try_from(PARAMETER_BYTES_MAX).unwrap_or(usize::MAX).max(yaml::BYTES_MAX);
        let is_there = |path: &DatasitePath| submission.files.iter().any(|(p, ..)| p == path);
        let wanted = read_by_content(parameters).into_iter().filter(is_there);
        let read = wanted.filter_map(|path| {
            let content = self.read_submitted(job, &path, max).ok()??;
            Some((path, content))
        });
        read.collect()
    }

    /// Returns what differs from the template, apart from parameter files and what the settings
    /// always differ in.
    fn changes_to(&self, standing: &Standing, job: &Job, submission: &Snapshot) -> Vec<Change> {
        let template = &standing.template;
        let files = template.snapshot();
        let kept = self.kept().open(files.digest);
        let found = crate::jobs::changes(&files, submission).into_iter();
        let matters = |change: &Change| !template.parameters.contains(&change.path);
        self.with_texts(job, kept.as_ref(), found.filter(matters).collect())
    }
}

/// Whose job it is: by where it lies.
fn is_about(standing: &Standing, job: &Job) -> bool {
    let submitter = job.id.submitter.as_str();
    standing.people.iter().any(|person| person.is_same_account(submitter))
}

/// True if at least half of the template's files are there: else a comparison says nothing.
fn has_like_files(standing: &Standing, submission: &Snapshot) -> bool {
    let files = &standing.template.files;
    let like = files.iter().filter(|file| submission.files.iter().any(|(p, ..)| *p == file.path));
    like.count() * 2 >= files.len()
}

/// Returns the files with what was shown of that very content when it was allowed.
fn shown_before(standing: &Standing, submission: &Snapshot) -> Vec<ReviewedFile> {
    let files = submission.files.iter().map(|(path, digest, size)| {
        let known = standing.template.files.iter();
        let same = known.filter(|file| file.path == *path && file.digest == *digest);
        let shown = same.map(|file| file.shown).next().unwrap_or(Shown::No);
        ReviewedFile { path: path.clone(), digest: *digest, size: *size, shown }
    });
    files.collect()
}
