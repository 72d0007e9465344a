//! Standing approvals on disk.
//!
//! ```text
//! {private}/standing/{owner}/{id}.json    one standing approval with its uses, mode 0600
//! ```
//! In the owner's private configuration, beside the approvals, and not in the database: that may be
//! set aside and made anew, and what was used up must stay used up. Each is written as a whole and
//! is on the disk when a write returns. One that cannot be read approves nothing, and is listed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::parameters::{Schema, strict_json};
use super::plan::{Candidate, differences};
use super::{Sharing, Standing, Template, Use};
use crate::jobs::approval::RunScript;
use crate::jobs::config::JobConfig;
use crate::jobs::error::{Error, io_error};
use crate::jobs::form::CONFIG_FILE;
use crate::jobs::iso;
use crate::jobs::layout::{JobId, Layout};
use crate::jobs::name::JobName;
use crate::jobs::readable::DatasetState;
use crate::jobs::reading::{ReviewedFile, Shown};
use crate::jobs::store::{Job, JobStore};
use crate::jobs::tree::{read_trusted, write_atomic};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// What an owner wants to allow.
#[derive(Clone, Debug)]
pub struct NewStanding<'a> {
    /// The job that it is made from.
    pub job: &'a Job,
    /// The digest of that job as its owner was shown it.
    pub reviewed: Digest,
    /// Which script runs.
    pub run_script: RunScript,
    /// The files that may be others.
    pub parameters: Vec<DatasitePath>,
    /// What they have to fit.
    pub schema: Option<Value>,
    /// Whose jobs, beside those of the submitter of that job.
    pub also: Vec<Email>,
    /// Until when.
    pub until: Timestamp,
    /// How many jobs.
    pub times: u32,
    /// What becomes of results.
    pub sharing: Sharing,
    /// What its owner has to say.
    pub reason: Option<String>,
}

/// Why there can be no such standing approval.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidStanding(pub(super) String);

/// The longest code that is compared for each job that waits.
const TEMPLATE_BYTES_MAX: u64 = 16 << 20;
const TIMES_MAX: u32 = 1000;
const PARAMETERS_MAX: usize = 16;
const PEOPLE_MAX: usize = 100;
const SCHEMA_BYTES_MAX: usize = 256 << 10;
const YEAR_MICROS: i64 = 366 * 24 * 3600 * 1_000_000;
const RECORD_BYTES_MAX: u64 = 16 << 20;

impl JobStore {
    /// Makes a standing approval.
    ///
    /// # Errors
    /// [`Error::Changed`] if the job is not what was reviewed; [`Error::Standing`] if it is out of
    /// bounds, or would not let the very job run that it is made from.
    pub fn allow(&self, new: NewStanding<'_>, now: Timestamp) -> Result<Standing, Error> {
        let job = new.job;
        let submission = self.keep(job)?;
        if submission.digest != new.reviewed {
            let changes = crate::jobs::Summary::default();
            return Err(Error::Changed { job: job.id.clone(), changes });
        }
        check(&new, submission.bytes(), now)?;
        let template = Template {
            job: job.id.clone(),
            files: self.reviewed(&job.id, &submission),
            config: job.config.clone(),
            run_script: new.run_script,
            parameters: new.parameters,
            schema: new.schema,
        };
        let contents = self.contents(job, &submission, &template.parameters);
        let candidate = Candidate { job: &job.id, files: &submission, contents: &contents };
        if let Some(obstacle) = differences(&template, &candidate).first() {
            let text =
                format!("not even `{}` itself would be let through: {obstacle}", job.id.name);
            return Err(InvalidStanding(text).into());
        }
        let mut people = vec![job.id.submitter.clone()];
        for person in new.also {
            if !people.iter().any(|known| known.is_same_account(person.as_str())) {
                people.push(person);
            }
        }
        let seed = format!("{} {} {}", submission.digest.to_hex(), now.micros(), job.id);
        let standing = Standing {
            id: Digest::of(seed.as_bytes()).to_hex().chars().take(8).collect(),
            template,
            people,
            until: new.until,
            times: new.times,
            sharing: new.sharing,
            datasets: self.datasets_for(&job.config)?.0,
            made_at: now,
            made_by: self.owner().clone(),
            made_from: job.id.to_string(),
            reason: new.reason,
            uses: Vec::new(),
            seen: now,
            ended: None,
        };
        self.write_standing(&standing)?;
        Ok(standing)
    }

    /// Returns all standing approvals, the oldest first, those that have ended included; and the
    /// files that should be one and cannot be read.
    pub fn standing(&self) -> (Vec<Standing>, Vec<PathBuf>) {
        let (mut all, mut broken) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(self.standing_folder()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Some(standing) => all.push(standing),
                None => broken.push(path),
            }
        }
        all.sort_by_key(|standing| (standing.made_at.micros(), standing.id.clone()));
        broken.sort();
        (all, broken)
    }

    /// Ends the standing approval that `id` names, by its first digits. What it has approved stays
    /// approved.
    ///
    /// # Errors
    /// [`Error::UnknownStanding`] if none, or more than one, is called so.
    pub fn disallow(&self, id: &str, now: Timestamp) -> Result<Standing, Error> {
        let mut standing = self.standing_named(id)?;
        standing.ended.get_or_insert(now);
        self.write_standing(&standing)?;
        Ok(standing)
    }

    /// Returns the standing approval that `id` names, by its first digits.
    ///
    /// # Errors
    /// [`Error::UnknownStanding`] if none, or more than one, is called so.
    pub fn standing_named(&self, id: &str) -> Result<Standing, Error> {
        let unknown = || Error::UnknownStanding { id: id.chars().take(40).collect() };
        let id = id.to_lowercase();
        if id.is_empty() {
            return Err(unknown());
        }
        let (all, _) = self.standing();
        let mut found = all.into_iter().filter(|standing| standing.id.starts_with(&id));
        found.next().filter(|_| found.next().is_none()).ok_or_else(unknown)
    }

    /// Writes one down, on the disk when this returns.
    pub(super) fn write_standing(&self, standing: &Standing) -> Result<(), Error> {
        let path = self.standing_folder().join(format!("{}.json", standing.id));
        let text = serde_json::to_vec_pretty(&Form::of(standing)).expect("texts can be written");
        let folder = self.standing_folder();
        let written = write_atomic(&path, &text)
            // The rename too: a use that is forgotten would be one more.
            .and_then(|()| std::fs::File::open(folder)?.sync_all());
        written.map_err(io_error(&format_args!("the standing approval `{}`", standing.id)))
    }

    fn standing_folder(&self) -> PathBuf {
        self.private().join("standing").join(self.owner().as_str())
    }
}

fn check(new: &NewStanding<'_>, bytes: u64, now: Timestamp) -> Result<(), InvalidStanding> {
    let refuse = |text: String| Err(InvalidStanding(text));
    if bytes > TEMPLATE_BYTES_MAX {
        return refuse(format!("its files have more than {} MiB", TEMPLATE_BYTES_MAX >> 20));
    }
    if new.until.micros() <= now.micros() || new.until.micros() - now.micros() > YEAR_MICROS {
        return refuse("its last day has to be to come, and within a year".to_owned());
    }
    if new.times == 0 || new.times > TIMES_MAX {
        return refuse(format!("it is for 1 to {TIMES_MAX} jobs"));
    }
    if new.parameters.len() > PARAMETERS_MAX || new.also.len() > PEOPLE_MAX {
        return refuse(format!("it names at most {PARAMETERS_MAX} files and {PEOPLE_MAX} people"));
    }
    let config = &new.job.config;
    let start = config.entrypoint.as_ref().map(|path| format!("code/{path}"));
    if let Some(path) = new.parameters.iter().find(|path| start.as_deref() == Some(path.as_str())) {
        return refuse(format!("`{path}` is what is started"));
    }
    let Some(schema) = &new.schema else { return Ok(()) };
    if new.parameters.is_empty() {
        return refuse("there is a schema and no file that it is about".to_owned());
    }
    if let Some(path) =
        new.parameters.iter().find(|path| !path.as_str().to_lowercase().ends_with(".json"))
    {
        return refuse(format!("a schema is about JSON, and `{path}` is none"));
    }
    if schema.to_string().len() > SCHEMA_BYTES_MAX {
        return refuse(format!("the schema has more than {SCHEMA_BYTES_MAX} bytes"));
    }
    Schema::new(schema).map(drop).map_err(|error| InvalidStanding(format!("the schema: {error}")))
}

/// A record as it is stored.
#[derive(Serialize, Deserialize)]
struct Form {
    format: u32,
    id: String,
    made_at: String,
    made_by: String,
    made_from: String,
    reason: Option<String>,
    people: Vec<String>,
    until: String,
    times: u32,
    share_outputs: bool,
    share_logs: bool,
    job: JobForm,
    files: Vec<FileForm>,
    config: String,
    run_script: RunScript,
    parameters: Vec<String>,
    schema: Option<Value>,
    datasets: Vec<DatasetState>,
    uses: Vec<UseForm>,
    seen: String,
    ended: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct JobForm {
    submitter: String,
    layout: u32,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct FileForm {
    path: String,
    sha256: String,
    size: u64,
    shown: Shown,
}

#[derive(Serialize, Deserialize)]
struct UseForm {
    job: String,
    at: String,
    digest: String,
    parameters: Vec<(String, String)>,
}

/// A record of a later form may say what we would not heed.
const FORMAT: u32 = 1;

impl Form {
    fn of(standing: &Standing) -> Self {
        let template = &standing.template;
        let texts = |paths: &[DatasitePath]| paths.iter().map(ToString::to_string).collect();
        let file = |file: &ReviewedFile| FileForm {
            path: file.path.to_string(),
            sha256: file.digest.to_hex(),
            size: file.size,
            shown: file.shown,
        };
        let parameter =
            |(path, digest): &(DatasitePath, Digest)| (path.to_string(), digest.to_hex());
        let one_use = |one: &Use| UseForm {
            job: one.job.clone(),
            at: iso::write(one.at),
            digest: one.digest.to_hex(),
            parameters: one.parameters.iter().map(parameter).collect(),
        };
        Self {
            format: FORMAT,
            id: standing.id.clone(),
            made_at: iso::write(standing.made_at),
            made_by: standing.made_by.to_string(),
            made_from: standing.made_from.clone(),
            reason: standing.reason.clone(),
            people: standing.people.iter().map(Email::to_string).collect(),
            until: iso::write(standing.until),
            times: standing.times,
            share_outputs: standing.sharing.outputs,
            share_logs: standing.sharing.logs,
            job: JobForm {
                submitter: template.job.submitter.to_string(),
                layout: template.job.layout.number(),
                name: template.job.name.to_string(),
            },
            files: template.files.iter().map(file).collect(),
            config: template.config.to_yaml(template.job.layout),
            run_script: template.run_script,
            parameters: texts(&template.parameters),
            schema: template.schema.clone(),
            datasets: standing.datasets.clone(),
            uses: standing.uses.iter().map(one_use).collect(),
            seen: iso::write(standing.seen),
            ended: standing.ended.map(iso::write),
        }
    }

    fn standing(self) -> Option<Standing> {
        let path = |text: &str| DatasitePath::parse(text).ok();
        let layout = Layout::ALL.into_iter().find(|l| l.number() == self.job.layout)?;
        let job = JobId {
            submitter: Email::parse(&self.job.submitter).ok()?,
            layout,
            name: JobName::parse(&self.job.name).ok()?,
        };
        let template = Template {
            config: JobConfig::parse(layout, self.config.as_bytes()).ok()?,
            job,
            files: self.files.into_iter().map(FileForm::file).collect::<Option<_>>()?,
            run_script: self.run_script,
            parameters: self.parameters.iter().map(|text| path(text)).collect::<Option<_>>()?,
            schema: self.schema,
        };
        let people = self.people.iter().map(|text| Email::parse(text).ok());
        Some(Standing {
            id: self.id,
            template,
            people: people.collect::<Option<_>>()?,
            until: iso::read(&self.until)?,
            times: self.times,
            sharing: Sharing { outputs: self.share_outputs, logs: self.share_logs },
            datasets: self.datasets,
            made_at: iso::read(&self.made_at)?,
            made_by: Email::parse(&self.made_by).ok()?,
            made_from: self.made_from,
            reason: self.reason,
            uses: self.uses.into_iter().map(UseForm::one_use).collect::<Option<_>>()?,
            seen: iso::read(&self.seen)?,
            ended: match &self.ended {
                None => None,
                Some(ended) => Some(iso::read(ended)?),
            },
        })
        .filter(|_| self.format == FORMAT)
    }
}

impl FileForm {
    fn file(self) -> Option<ReviewedFile> {
        Some(ReviewedFile {
            path: DatasitePath::parse(&self.path).ok()?,
            digest: Digest::parse(&self.sha256).ok()?,
            size: self.size,
            shown: self.shown,
        })
    }
}

impl UseForm {
    fn one_use(self) -> Option<Use> {
        let parameter = |(path, digest): (String, String)| {
            Some((DatasitePath::parse(&path).ok()?, Digest::parse(&digest).ok()?))
        };
        Some(Use {
            job: self.job,
            at: iso::read(&self.at)?,
            digest: Digest::parse(&self.digest).ok()?,
            parameters: self.parameters.into_iter().map(parameter).collect::<Option<_>>()?,
        })
    }
}

fn read(path: &Path) -> Option<Standing> {
    let text = read_trusted(path, RECORD_BYTES_MAX).ok()?;
    // A key that stands there twice says two things.
    let standing = serde_json::from_value::<Form>(strict_json(&text).ok()?).ok()?.standing()?;
    let is_named = path.file_stem().is_some_and(|stem| stem == standing.id.as_str());
    is_named.then_some(standing)
}

/// The files of which the content is compared, and not the digest alone.
pub(super) fn read_by_content(parameters: &[DatasitePath]) -> Vec<DatasitePath> {
    let config = DatasitePath::parse(CONFIG_FILE).expect("a constant");
    std::iter::once(config).chain(parameters.iter().cloned()).collect()
}
