//! Gathers what a report of a failure is made of, and puts the report where the submitter finds it.
//!
//! `failure.json` is for programs. The text lies at `stderr.txt`, since that is what the Python client
//! shows of a job that failed, and the log of that name stays with the owner; once logs are released,
//! the log takes its place. What a report may hold is decided in `failure`.

use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::time::Duration;

use serde_json::Value;

use super::error::{Error, io_error};
use super::failure::{CodeFile, Detail, Ending, Evidence, FailureReport, report};
use super::release::{Authority, Deed, ReleaseRecord, Released};
use super::results::LOGS;
use super::store::{Job, JobStore};
use super::tree::{open_below, open_file, read_file, write_atomic};
use crate::model::{DatasitePath, Digest, Timestamp};

/// How a run ended that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunEnd {
    /// In which way.
    pub ending: Ending,
    /// How long it took.
    pub duration: Duration,
    /// The most memory that it held at once, if that was measured.
    pub memory: Option<u64>,
}

/// The name of the report for programs, in the folder of answers.
pub(crate) const REPORT: &str = "failure.json";

const REPORT_BYTES_MAX: usize = 64 << 10;
const STDERR_BYTES: u64 = 16 << 20; // a log is cut before
/// Files beyond that have no lines that are told.
const CODE_BYTES_MAX: u64 = 16 << 20;

impl JobStore {
    /// Returns what the submitter would be told of a run that failed; `None` if that is nothing.
    ///
    /// # Errors
    /// If what the run left cannot be read.
    pub fn failure_report(
        &self,
        job: &Job,
        end: &RunEnd,
        detail: Detail,
    ) -> Result<Option<FailureReport>, Error> {
        let problem = || io_error(&format_args!("the logs of `{}`", job.id));
        let [_, stderr, _] = self.result_logs(&job.id);
        let stderr = tail(&stderr).map_err(problem())?;
        let code = self.code_files(job);
        let RunEnd { ending, duration, memory } = *end;
        Ok(report(&Evidence { ending, duration, memory, stderr: &stderr, code: &code }, detail))
    }

    /// Returns the files below `code/` of the submission that was approved; none if another lies
    /// there by now, since what ran was the approved one.
    pub fn code_files(&self, job: &Job) -> Vec<CodeFile> {
        let approved = self.approval(job).map(|approval| approval.digest);
        let Ok(snapshot) = self.snapshot(job) else { return Vec::new() };
        if approved != Some(snapshot.digest) {
            return Vec::new();
        }
        let Ok(inbox) = self.inbox(job) else { return Vec::new() };
        let files = snapshot.files.iter().filter_map(|(path, _, bytes)| {
            let inner = DatasitePath::parse(path.as_str().strip_prefix("code/")?).ok()?;
            let is_python = inner.as_str().ends_with(".py") && *bytes <= CODE_BYTES_MAX;
            let lines =
                if is_python { lines(open_file(&inbox, path.as_str()).ok()?).ok()? } else { 0 };
            Some(CodeFile { path: inner, lines })
        });
        files.collect()
    }

    /// Puts a report where the submitter finds it, and records that. The rules are the caller's.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn tell_failure(
        &self,
        job: &Job,
        report: &FailureReport,
        authority: &Authority,
        now: Timestamp,
    ) -> Result<(), Error> {
        let problem = || io_error(&format_args!("the report of the failure of `{}`", job.id));
        let contents = [(REPORT, report.to_json()), (LOGS[1], report.to_text())];
        let mut files = Vec::new();
        for (name, text) in &contents {
            let path = DatasitePath::parse(name).map_err(io::Error::other).map_err(problem())?;
            let (size, digest) = (text.len() as u64, Digest::of(text.as_bytes()));
            files.push(Released { path, size, digest });
        }
        let (by, to) = (self.owner().clone(), job.id.submitter.clone());
        let (deed, authority) = (Deed::FailureReport, authority.clone());
        let record = ReleaseRecord { at: now, by, to, deed, authority, digest: None, files };
        self.record_release(&job.id, &record)?;
        for (name, text) in &contents {
            write_atomic(&self.local(&job.id.answer(name)), text.as_bytes()).map_err(problem())?;
        }
        Ok(())
    }

    /// Returns the report of a failure that lies in the owner's datasite: what the submitter sees.
    /// Another program may have written it.
    pub fn told_failure(&self, job: &Job) -> Option<Value> {
        let review = open_below(&self.datasite(), &job.id.review()).ok()??;
        let text = read_file(&review, REPORT, REPORT_BYTES_MAX).ok()??;
        serde_json::from_slice(&text).ok().filter(Value::is_object)
    }
}

/// The end of a file; nothing if it is not there.
fn tail(path: &std::path::Path) -> io::Result<Vec<u8>> {
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(STDERR_BYTES)))?;
    let mut text = Vec::new();
    file.take(STDERR_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// Counts the lines of a text; the last may have no end.
fn lines(mut file: cap_std::fs::File) -> io::Result<u32> {
    let (mut lines, mut last) = (0_u32, b'\n');
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut buffer)?;
        let Some(part) = buffer.get(..read).filter(|part| !part.is_empty()) else { break };
        let ends = part.iter().filter(|byte| **byte == b'\n').count();
        lines = lines.saturating_add(u32::try_from(ends).unwrap_or(u32::MAX));
        last = part.last().copied().unwrap_or(last);
    }
    Ok(if last == b'\n' { lines } else { lines.saturating_add(1) })
}
