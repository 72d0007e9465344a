//! Runs a submission on mock halves, before it is sent.
//!
//! The scientist's machine plays the owner's: the submission arrives in a datasite of its own, is
//! approved as it is, and goes the way of any job. So the sandbox, the limits, the environment and the
//! rules for outputs are the owner's by construction. Invariant: it happens in a scratch folder
//! that goes away; nothing of the SyftBox is seen, and nothing is sent.

use std::io;
use std::path::{Path, PathBuf};

use super::approval::RunScript;
use super::error::{Error, io_error};
use super::leftovers::{REHEARSALS, sweep};
use super::request::Comparison;
use super::results::Output;
use super::runner::{RunOptions, RunReport, run};
use super::store::JobStore;
use super::submission::Submission;
use super::tree::write_atomic;
use crate::model::{DatasitePath, Email, TEMPORARY_PREFIX, Timestamp};

/// The mock half of a dataset on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mock {
    /// What the dataset is called.
    pub name: String,
    /// Where its public half is.
    pub folder: PathBuf,
    /// The mock files in it, without what describes the dataset.
    pub files: Vec<DatasitePath>,
}

/// What came of a run on mock halves. What it left goes away with this value.
#[derive(Debug)]
pub struct Rehearsal {
    /// How the run ended.
    pub report: RunReport,
    /// What it left.
    pub outputs: Vec<Output>,
    /// How that compares with what is expected.
    pub comparison: Comparison,
    /// What it printed, at most 1 MiB each: standard output and standard error.
    pub logs: [Vec<u8>; 2],
    _scratch: tempfile::TempDir,
}

const LOG_BYTES_MAX: u64 = 1 << 20;

/// Runs `submission` as `owner` would, on `mocks` in the place of the private halves. `private` is the
/// folder for what must not be synced; environments are kept there for the next time.
///
/// # Errors
/// As [`run`]; [`Error::Unusable`] if the submission has not the form of a job.
pub async fn rehearse(
    submission: &Submission,
    owner: &Email,
    mocks: &[Mock],
    private: &Path,
    options: &RunOptions,
    now: Timestamp,
) -> Result<Rehearsal, Error> {
    let problem = || io_error(&"the folder for a run on mock data");
    sweep(private, now);
    let scratch = scratch(private).map_err(problem())?;
    let [syftbox, own] = places(scratch.path());
    let store = JobStore::new(&syftbox, owner.clone(), &own);
    for mock in mocks {
        lay_out(mock, &store)
            .map_err(io_error(&format_args!("the mock half of `{}`", mock.name)))?;
    }
    let id = &submission.job;
    store.submit(submission)?;
    store.receive(now)?;
    store.approve(id, None, RunScript::Derived, None, now)?;
    let report = run(&store, id, options, now).await?;
    let job = store.find(id)?;
    let outputs = store.outputs(&job)?;
    let comparison = job.config.request().compare(outputs.iter().map(|output| &output.path));
    let [out, err, _] = store.result_logs(id);
    let logs = [log(&out).map_err(problem())?, log(&err).map_err(problem())?];
    Ok(Rehearsal { report, outputs, comparison, logs, _scratch: scratch })
}

/// Makes a folder in which everything happens. Environments are kept beside it, for the next time.
fn scratch(private: &Path) -> io::Result<tempfile::TempDir> {
    let all = private.join(REHEARSALS);
    let environments = all.join("environments");
    std::fs::create_dir_all(&environments)?;
    let scratch = tempfile::Builder::new().prefix(TEMPORARY_PREFIX).tempdir_in(&all)?;
    let [syftbox, own] = places(scratch.path());
    std::fs::create_dir(syftbox)?;
    std::fs::create_dir(&own)?;
    std::os::unix::fs::symlink(environments, own.join("environments"))?;
    Ok(scratch)
}

fn places(scratch: &Path) -> [PathBuf; 2] {
    ["syftbox", "private"].map(|name| scratch.join(name))
}

/// Puts a mock half where a job finds the private one, and where it finds the mock half.
fn lay_out(mock: &Mock, store: &JobStore) -> io::Result<()> {
    let half = |side: &str| {
        let path = format!("{side}/syft_datasets/{}", mock.name);
        Ok::<_, io::Error>(store.local(&DatasitePath::parse(&path).map_err(io::Error::other)?))
    };
    for folder in [half("private")?, half("public")?] {
        std::fs::create_dir_all(&folder)?;
        for file in &mock.files {
            let place = file.below(&folder);
            std::fs::create_dir_all(place.parent().unwrap_or(&folder))?;
            // A copy: code that runs without a sandbox must not reach the half in the SyftBox.
            std::fs::copy(file.below(&mock.folder), place)?;
        }
    }
    let about = mock.folder.join("dataset.yaml");
    if about.is_file() {
        write_atomic(&half("public")?.join("dataset.yaml"), &std::fs::read(about)?)?;
    }
    Ok(())
}

fn log(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    match std::fs::File::open(path) {
        Ok(file) => io::Read::read_to_end(&mut io::Read::take(file, LOG_BYTES_MAX), &mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(text)
}
