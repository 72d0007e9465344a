//! Whether a job is one that a standing approval lets run.
//!
//! Pure. Everything of a job is compared: each file by its digest, none more and none less, the
//! settings field by field and as bytes. Free are the parameter files, within their bounds, and of the
//! settings the moment of submission and the name, which must be that of the job's folder. A file
//! that is in doubt does not fit.

use std::collections::BTreeMap;
use std::fmt;

use super::parameters::{self, PARAMETER_BYTES_MAX, Schema};
use super::{Standing, Template};
use crate::jobs::config::JobConfig;
use crate::jobs::form::CONFIG_FILE;
use crate::jobs::layout::JobId;
use crate::jobs::snapshot::Snapshot;
use crate::model::{DatasitePath, Digest, Timestamp, shown};

/// A job that waits.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// Where it lies.
    pub job: &'a JobId,
    /// Its files.
    pub files: &'a Snapshot,
    /// The content of its `config.yaml` and of its parameter files, as far as they were read.
    pub contents: &'a BTreeMap<DatasitePath, Vec<u8>>,
}

/// Why a standing approval does not let a job run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Its owner ended it.
    Ended,
    /// Its last day is over.
    Expired,
    /// It has let as many jobs run as it may.
    UsedUp,
    /// The clock of this machine says less than before.
    ClockWentBack,
    /// The job is of somebody else.
    NotThisPerson,
    /// The job lies in another layout.
    OtherLayout,
    /// A file is there that the template has not.
    Added(DatasitePath),
    /// A file of the template is missing.
    Removed(DatasitePath),
    /// A file is another one.
    Changed(DatasitePath),
    /// The settings differ in this.
    Settings(&'static str),
    /// A parameter file is too large.
    TooLarge(DatasitePath),
    /// A parameter file does not fit, and why.
    Parameter(DatasitePath, String),
}

/// How far a clock may be set back without being noticed: a correction over the network.
const CLOCK_SLACK_MICROS: i64 = 10 * 60 * 1_000_000;

/// Returns why nothing at all is approved any more, or for the time being; `None` if something may.
pub fn over(standing: &Standing, now: Timestamp) -> Option<Obstacle> {
    let latest = now.micros().max(standing.seen.micros());
    if standing.ended.is_some() {
        Some(Obstacle::Ended)
    } else if latest > standing.until.micros() {
        Some(Obstacle::Expired)
    } else if standing.left() == 0 {
        Some(Obstacle::UsedUp)
    } else if now.micros().saturating_add(CLOCK_SLACK_MICROS) < standing.seen.micros() {
        Some(Obstacle::ClockWentBack)
    } else {
        None
    }
}

/// Decides whether `standing` lets the job run now; returns the digests of its parameter files.
///
/// # Errors
/// All that stands in the way.
pub fn judge(
    standing: &Standing,
    candidate: &Candidate<'_>,
    now: Timestamp,
) -> Result<Vec<(DatasitePath, Digest)>, Vec<Obstacle>> {
    let mut obstacles: Vec<Obstacle> = over(standing, now).into_iter().collect();
    let submitter = candidate.job.submitter.as_str();
    if !standing.people.iter().any(|person| person.is_same_account(submitter)) {
        obstacles.push(Obstacle::NotThisPerson);
    }
    obstacles.extend(differences(&standing.template, candidate));
    if !obstacles.is_empty() {
        return Err(obstacles);
    }
    let is_parameter = |path: &DatasitePath| standing.template.parameters.contains(path);
    let files = candidate.files.files.iter().filter(|(path, ..)| is_parameter(path));
    Ok(files.map(|(path, digest, _)| (path.clone(), *digest)).collect())
}

/// Returns in what a job is not like the template.
pub(super) fn differences(template: &Template, candidate: &Candidate<'_>) -> Vec<Obstacle> {
    let mut found = Vec::new();
    if template.job.layout != candidate.job.layout {
        found.push(Obstacle::OtherLayout);
    }
    let wanted = template.snapshot();
    let digest_in = |files: &Snapshot, path: &DatasitePath| {
        files.files.iter().find(|(other, ..)| other == path).map(|(_, digest, _)| *digest)
    };
    for (path, digest, size) in &candidate.files.files {
        let Some(known) = digest_in(&wanted, path) else {
            found.push(Obstacle::Added(path.clone()));
            continue;
        };
        if template.parameters.contains(path) {
            if *size > PARAMETER_BYTES_MAX {
                found.push(Obstacle::TooLarge(path.clone()));
            }
        } else if path.as_str() != CONFIG_FILE && known != *digest {
            found.push(Obstacle::Changed(path.clone()));
        }
    }
    let named = template.parameters.iter();
    let missing = named.filter(|path| digest_in(&wanted, path).is_none());
    found.extend(missing.cloned().map(Obstacle::Removed));
    for (path, ..) in &wanted.files {
        if digest_in(candidate.files, path).is_none() {
            found.push(Obstacle::Removed(path.clone()));
        }
    }
    found.extend(settings(template, candidate));
    // What the parameters say matters only if there is nothing else, and then it is looked at.
    if found.is_empty() {
        found.extend(unfit_parameters(template, candidate));
    }
    found
}

/// Returns the content of a file if it was read, and is what the job's digest is over.
fn content<'a>(candidate: &Candidate<'a>, path: &str) -> Option<&'a [u8]> {
    let (path, digest, _) =
        candidate.files.files.iter().find(|(known, ..)| known.as_str() == path)?;
    let content = candidate.contents.get(path)?;
    (Digest::of(content) == *digest).then_some(content.as_slice())
}

fn settings(template: &Template, candidate: &Candidate<'_>) -> Option<Obstacle> {
    let Some(text) = content(candidate, CONFIG_FILE) else {
        return Some(Obstacle::Settings("they cannot be read"));
    };
    let layout = candidate.job.layout;
    let Ok(theirs) = JobConfig::parse(layout, text) else {
        return Some(Obstacle::Settings("they cannot be read"));
    };
    let ours = &template.config;
    // The two that are free; whatever else there is or will be has to be the same.
    let (title, submitted_at) = (ours.title.clone(), ours.submitted_at);
    let rest = JobConfig { title, submitted_at, ..theirs.clone() };
    #[rustfmt::skip]
    let differ = [
        (theirs.title != candidate.job.name.as_str(),                  "`name` is not that of its folder"),
        (theirs.kind != ours.kind,                                     "`type`"),
        (theirs.target != ours.target,                                 "`job_type`"),
        (theirs.entrypoint != ours.entrypoint,                         "`entrypoint`"),
        (theirs.dependencies != ours.dependencies,                     "`dependencies`"),
        (theirs.datasets != ours.datasets,                             "`datasets`"),
        (theirs.files != ours.files,                                   "`files`"),
        (theirs.is_folder_submission != ours.is_folder_submission,     "`is_folder_submission`"),
        (theirs.headers != ours.headers,                               "`headers`"),
        (theirs.code_path != ours.code_path,                           "`code_path`"),
        (rest != *ours,                                                "another field"),
        // Last, since it says nothing if a field differs: nothing stands there but these fields.
        (theirs.to_yaml(layout).as_bytes() != text,                    "they are not written as a client writes them"),
    ];
    differ.into_iter().find(|(differs, _)| *differs).map(|(_, what)| Obstacle::Settings(what))
}

fn unfit_parameters(template: &Template, candidate: &Candidate<'_>) -> Vec<Obstacle> {
    let schema = match template.schema.as_ref().map(Schema::new).transpose() {
        Ok(schema) => schema,
        Err(error) => {
            let path = template.parameters.first().cloned();
            let unusable = |path| Obstacle::Parameter(path, format!("no schema: {error}"));
            return path.map(unusable).into_iter().collect();
        }
    };
    let check = |path: &DatasitePath| {
        let checked = match content(candidate, path.as_str()) {
            Some(content) => parameters::check(content, schema.as_ref()),
            None => Err("it cannot be read".to_owned()),
        };
        checked.err().map(|reason| Obstacle::Parameter(path.clone(), reason))
    };
    template.parameters.iter().filter_map(check).collect()
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let safe = |path: &DatasitePath| shown::safe_line(path.as_str());
        match self {
            Self::Ended => f.write_str("you ended it"),
            Self::Expired => f.write_str("its last day is over"),
            Self::UsedUp => f.write_str("it is used up"),
            Self::ClockWentBack => f.write_str("the clock of this machine went back"),
            Self::NotThisPerson => f.write_str("it is not about this person"),
            Self::OtherLayout => f.write_str("the job has another layout"),
            Self::Added(path) => write!(f, "`{}` is new", safe(path)),
            Self::Removed(path) => write!(f, "`{}` is missing", safe(path)),
            Self::Changed(path) => write!(f, "`{}` differs", safe(path)),
            Self::Settings(what) => write!(f, "`config.yaml` differs: {what}"),
            Self::TooLarge(path) => {
                write!(f, "`{}` has more than {PARAMETER_BYTES_MAX} bytes", safe(path))
            }
            Self::Parameter(path, reason) => write!(f, "`{}` does not fit: {reason}", safe(path)),
        }
    }
}

#[cfg(test)]
mod tests;
