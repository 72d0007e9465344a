//! Lets the submitter of a job have what it left: exactly the bytes that its owner was shown.
//!
//! [`JobStore::offer`] says what would leave, [`JobStore::release`] lets that go, and stops if one
//! byte of it is another by now. Releasing is copying into the owner's datasite, from where a sync
//! takes files to whoever the permission rules let read them; the rules are the caller's.
//!
//! Order: all bytes are copied aside and compared, the decision is recorded (`release/record`),
//! then the files are put into their places. So nothing is released that no record names, and a
//! release that a crash cut short is done again by the same command.

use std::io;

use super::error::{Error, io_error};
use super::layout::JobId;
use super::results::LOGS;
use super::snapshot::pour;
use super::state::Action;
use super::store::{Job, JobStore};
use super::tree::{open_file, open_root, remove, write_atomic};
use crate::datasets::Scratch;
use crate::model::{DatasitePath, Digest, Timestamp};

mod record;

pub use record::{Authority, Deed, ReleaseRecord, Released};

/// What of a job's results somebody means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Files in `outputs/`.
    pub outputs: bool,
    /// What the job printed, and its return code.
    pub logs: bool,
    /// Of the outputs only these files and folders, by their path below `outputs/`; all if empty.
    pub only: Vec<DatasitePath>,
}

/// What would leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The files, sorted by path.
    pub files: Vec<Offered>,
    /// The digest over paths and content of all of them.
    pub digest: Digest,
}

/// One file that would leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Where its submitter finds it, below the folder of answers: `outputs/table.csv`, `stdout.txt`.
    pub path: DatasitePath,
    /// Where it lies on this machine.
    pub local_path: std::path::PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// Whether these bytes were released already.
    pub released: bool,
}

impl JobStore {
    /// Returns what a release would let go. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchResult`] if a path is named that the job did not leave; [`Error::Refused`] if
    /// the job has not ended.
    pub fn offer(&self, job: &Job, wish: &Wish, now: Timestamp) -> Result<Offer, Error> {
        self.decide(job, &Action::Release, now)?;
        let mut files = Vec::new();
        if wish.outputs {
            let outputs = self.outputs(job)?;
            let missing = wish
                .only
                .iter()
                .find(|only| !outputs.iter().any(|output| is_within(&output.path, only)));
            if let Some(path) = missing {
                let (job, path) = (job.id.clone(), path.clone());
                return Err(Error::NoSuchResult { job, path });
            }
            let meant = outputs.into_iter().filter(|output| {
                wish.only.is_empty() || wish.only.iter().any(|only| is_within(&output.path, only))
            });
            for output in meant {
                files.push(Offered {
                    path: below_outputs(&output.path)?,
                    local_path: output.local_path,
                    size: output.size,
                    digest: output.digest,
                    released: output.released,
                });
            }
        }
        if wish.logs {
            files.extend(self.offered_logs(job)?);
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let digest = digest_of(&files);
        Ok(Offer { files, digest })
    }

    /// Lets go what was offered, and records that.
    ///
    /// # Errors
    /// [`Error::ResultChanged`] if a file is not what was offered; nothing was released then. If the
    /// disk refuses.
    pub fn release(
        &self,
        job: &Job,
        offer: &Offer,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<ReleaseRecord, Error> {
        let problem = || io_error(&format_args!("the results of `{}`", job.id));
        self.decide(job, &Action::Release, now)?;
        let scratch = Scratch::new(self.syftbox()).map_err(io::Error::other).map_err(problem())?;
        for (number, file) in offer.files.iter().enumerate() {
            let copy = std::fs::File::create_new(scratch.path().join(number.to_string()));
            let copied = copy.and_then(|copy| {
                let (source, name) = self.open_result(file)?;
                pour(open_file(&source, &name)?, copy, file.size)
            });
            // A file that grew beyond what was shown, or is gone, has changed as well.
            if copied.ok() != Some((file.digest, file.size)) {
                let (job, path) = (job.id.clone(), file.path.clone());
                return Err(Error::ResultChanged { job, path });
            }
        }
        let record = ReleaseRecord {
            at: now,
            by: self.owner().clone(),
            to: job.id.submitter.clone(),
            deed: Deed::Release,
            authority: authority.clone(),
            digest: Some(offer.digest),
            files: offer.files.iter().map(Released::from).collect(),
        };
        self.record_release(&job.id, &record)?;
        for (number, file) in offer.files.iter().enumerate() {
            let place = self.local(&answer(&job.id, &file.path)?);
            let folder = place.parent().unwrap_or(&place);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::rename(scratch.path().join(number.to_string()), &place))
                .map_err(problem())?;
        }
        Ok(record)
    }

    /// Takes out of the datasite what was released of a job, and records that. What was released
    /// without lying here as well is moved to where it is kept. The next sync has the submitter's
    /// program delete its copies; what else became of them cannot be undone.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn withdraw(
        &self,
        job: &Job,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<ReleaseRecord, Error> {
        let problem = || io_error(&format_args!("the results of `{}`", job.id));
        let wish = Wish { outputs: true, logs: true, only: Vec::new() };
        let offer = self.offer(job, &wish, now)?;
        let kept = self.make_results(&job.id)?;
        let mut files = Vec::new();
        for file in &offer.files {
            let place = self.local(&answer(&job.id, &file.path)?);
            if file.local_path == place {
                let copy = file.path.below(&kept);
                let content = std::fs::read(&place).map_err(problem())?;
                write_atomic(&copy, &content).map_err(problem())?;
            }
            if file.released {
                files.push(Released::from(file));
            }
        }
        let record = ReleaseRecord {
            at: now,
            by: self.owner().clone(),
            to: job.id.submitter.clone(),
            deed: Deed::Withdrawal,
            authority: authority.clone(),
            digest: None,
            files,
        };
        // After the deed: a record of something that did not happen would reassure.
        remove(&self.local(&job.id.answer("outputs"))).map_err(problem())?;
        for log in self.released_logs(&job.id) {
            remove(&log).map_err(problem())?;
        }
        self.record_release(&job.id, &record)?;
        Ok(record)
    }

    /// Takes out of the datasite the outputs that are not among an offer, and keeps them where a run
    /// of ours leaves its own: somebody else, or another program, has put them there.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn set_aside(&self, job: &Job, offer: &Offer) -> Result<(), Error> {
        const REPLACED: &str = "replaced"; // what has the name of something else that is kept
        let problem = || io_error(&format_args!("the results of `{}`", job.id));
        for output in self.released_outputs(job)? {
            let path = below_outputs(&output.path)?;
            if offer.files.iter().any(|file| file.path == path) {
                continue;
            }
            let kept = self.make_results(&job.id)?;
            let content = std::fs::read(&output.local_path).map_err(problem())?;
            let mut copy = path.below(&kept);
            if copy.symlink_metadata().is_ok() {
                copy = output.path.below(&kept.join(REPLACED));
            }
            write_atomic(&copy, &content).map_err(problem())?;
            remove(&output.local_path).map_err(problem())?;
        }
        Ok(())
    }

    fn offered_logs(&self, job: &Job) -> Result<Vec<Offered>, Error> {
        let problem = || io_error(&format_args!("the logs of `{}`", job.id));
        let mut files = Vec::new();
        let places = self.logs(job).into_iter().zip(self.released_logs(&job.id));
        for (name, (local_path, released)) in LOGS.into_iter().zip(places) {
            let Some(local_path) = local_path else { continue };
            let Some((digest, size)) = digest_at(&local_path).map_err(problem())? else { continue };
            let there = digest_at(&released).map_err(problem())?;
            let released = there == Some((digest, size));
            let path = DatasitePath::parse(name).map_err(io::Error::other).map_err(problem())?;
            files.push(Offered { path, local_path, size, digest, released });
        }
        Ok(files)
    }

    /// Opens the folder that a file to be released lies in; no link leads to it.
    fn open_result(&self, file: &Offered) -> io::Result<(cap_std::fs::Dir, String)> {
        let (Some(folder), Some(name)) = (file.local_path.parent(), file.local_path.file_name())
        else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let folder = open_root(folder)?.ok_or(io::ErrorKind::NotFound)?;
        Ok((folder, name.to_string_lossy().into_owned()))
    }
}

/// True if `path` is `folder`, or lies in it.
fn is_within(path: &DatasitePath, folder: &DatasitePath) -> bool {
    path == folder
        || path.as_str().strip_prefix(folder.as_str()).is_some_and(|rest| rest.starts_with('/'))
}

fn below_outputs(path: &DatasitePath) -> Result<DatasitePath, Error> {
    DatasitePath::parse(&format!("outputs/{path}"))
        .map_err(io::Error::other)
        .map_err(io_error(&format_args!("the output `{path}`")))
}

fn answer(job: &JobId, path: &DatasitePath) -> Result<DatasitePath, Error> {
    DatasitePath::parse(&format!("{}/{path}", job.review()))
        .map_err(io::Error::other)
        .map_err(io_error(&format_args!("the output `{path}`")))
}

/// As with a submission: one line for each file, after a line that names the format.
fn digest_of(files: &[Offered]) -> Digest {
    let mut text = "syft job results 1\n".to_owned();
    for file in files {
        // A path has no control characters, so lines cannot be forged.
        text += &format!("{}  {}\n", file.digest, file.path);
    }
    Digest::of(text.as_bytes())
}

fn digest_at(path: &std::path::Path) -> io::Result<Option<(Digest, u64)>> {
    match std::fs::File::open(path) {
        Ok(file) => pour(file, io::sink(), u64::MAX - 1).map(Some),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_means_what_lies_in_it_and_no_name_that_only_begins_so() {
        let path = |text| DatasitePath::parse(text).unwrap();
        for (file, folder, is) in [
            ("a/b.csv", "a", true),
            ("a/b.csv", "a/b.csv", true),
            ("ab.csv", "a", false),
            ("a", "a/b.csv", false),
        ] {
            assert_eq!(is_within(&path(file), &path(folder)), is, "{file} {folder}");
        }
    }
}
