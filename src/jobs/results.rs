//! What jobs left, and where it lies: with its owner alone, until the owner lets it go.
//!
//! ```text
//! {private}/results/{owner}/app_data/job/review/…/{job}/    what the last run left, all of it
//! {syftbox}/{owner}/app_data/job/review/…/{job}/            what of it was released
//! ```
//! The first is outside of the synced tree. So before a release no byte of it is in a message, in
//! the owner's own event log or in a checkpoint, whatever the permission rules say and whoever
//! syncs that tree, the Python client included. A scientist has the second only, of the owner's
//! datasite. See `docs/adr/0008-results-stay-outside-of-the-synced-tree.md`.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::error::{Error, io_error};
use super::form::EntryKind;
use super::layout::JobId;
use super::snapshot::pour;
use super::store::{Job, JobStore};
use super::telling::REPORT;
use super::tree::{open_below, open_file, open_root, remove, walk};
use crate::model::{DatasitePath, Digest};

/// A file that a job left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its path below `outputs/`.
    pub path: DatasitePath,
    /// Where it lies on this machine.
    pub local_path: PathBuf,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
    /// Whether these bytes lie in the owner's datasite, from where a sync takes them to whoever the
    /// rules let read them.
    pub released: bool,
}

/// The names of the logs: standard output, standard error, return code.
pub(crate) const LOGS: [&str; 3] = ["stdout.txt", "stderr.txt", "returncode.txt"];

const OUTPUTS: &str = "outputs";
const OUTPUTS_MAX: usize = 100_000;

impl JobStore {
    /// Returns what the job left: regular files at any depth, sorted by path. Links are left out.
    ///
    /// # Errors
    /// If a folder cannot be read.
    pub fn outputs(&self, job: &Job) -> Result<Vec<Output>, Error> {
        let problem = || io_error(&format_args!("the outputs of `{}`", job.id));
        let there = self.released_outputs(job)?.into_iter();
        let mut outputs: BTreeMap<DatasitePath, Output> =
            there.map(|output| (output.path.clone(), output)).collect();
        let kept = self.results(&job.id).join(OUTPUTS);
        if let Some(dir) = open_root(&kept).map_err(problem())? {
            for mut output in files(&dir, &kept, false).map_err(problem())? {
                let there = outputs.get(&output.path);
                output.released = there.is_some_and(|there| there.digest == output.digest);
                outputs.insert(output.path.clone(), output);
            }
        }
        Ok(outputs.into_values().collect())
    }

    /// Returns the outputs that lie in the owner's datasite.
    pub(crate) fn released_outputs(&self, job: &Job) -> Result<Vec<Output>, Error> {
        let problem = || io_error(&format_args!("the outputs of `{}`", job.id));
        let folder = job.id.answer(OUTPUTS);
        match open_below(&self.datasite(), &folder).map_err(problem())? {
            Some(dir) => files(&dir, &self.local(&folder), true).map_err(problem()),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the logs that are here, for reading: standard output, standard error, return code. What
    /// the last run left, where that is here; else what was released.
    pub fn logs(&self, job: &Job) -> [Option<PathBuf>; 3] {
        let [out, err, code] = self.result_logs(&job.id);
        let [released_out, released_err, released_code] = self.released_logs(&job.id);
        [[out, released_out], [err, released_err], [code, released_code]]
            .map(|places| places.into_iter().find(|place| place.is_file()))
    }

    /// Returns the private folder for what the last run of a job left.
    pub(crate) fn results(&self, job: &JobId) -> PathBuf {
        job.review().below(&self.private().join("results").join(self.owner().as_str()))
    }

    /// Makes that folder, which nobody else on this machine may look into.
    pub(crate) fn make_results(&self, job: &JobId) -> Result<PathBuf, Error> {
        let folder = self.results(job);
        let made = std::fs::create_dir_all(self.private())
            .and_then(|()| std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder));
        made.map_err(io_error(&format_args!("the results of `{job}`")))?;
        Ok(folder)
    }

    /// Returns where the logs of a run are kept.
    pub(crate) fn result_logs(&self, job: &JobId) -> [PathBuf; 3] {
        let folder = self.results(job);
        LOGS.map(|name| folder.join(name))
    }

    /// Returns where logs lie that were released.
    pub(crate) fn released_logs(&self, job: &JobId) -> [PathBuf; 3] {
        LOGS.map(|name| self.local(&job.answer(name)))
    }

    /// Removes what the last run left, and of that what was released.
    pub(crate) fn clear_results(&self, job: &Job) -> Result<(), Error> {
        let problem = || io_error(&format_args!("the last results of `{}`", job.id));
        remove(&self.results(&job.id)).map_err(problem())?;
        remove(&self.local(&job.id.answer(OUTPUTS))).map_err(problem())?;
        for log in self.released_logs(&job.id) {
            remove(&log).map_err(problem())?;
        }
        remove(&self.local(&job.id.answer(REPORT))).map_err(problem())
    }
}

fn files(dir: &cap_std::fs::Dir, place: &Path, released: bool) -> io::Result<Vec<Output>> {
    let (entries, _) = walk(dir, OUTPUTS_MAX, &|_| false)?;
    let files = entries.into_iter().filter(|entry| entry.kind == EntryKind::File);
    let mut outputs = Vec::new();
    for path in files.filter_map(|entry| entry.path) {
        let (digest, size) = pour(open_file(dir, path.as_str())?, io::sink(), u64::MAX - 1)?;
        let local_path = path.below(place);
        outputs.push(Output { path, local_path, size, digest, released });
    }
    Ok(outputs)
}
