//! The record of what was let go, and of what was taken back: one line for each decision.
//!
//! It lies in the owner's private configuration, is only ever added to, and outlives the results
//! that it names. A line that a crash cut short is passed over.
//!
//! ```text
//! {private}/releases/{owner}/app_data/job/review/…/{job}.jsonl
//! ```

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Offered;
use crate::jobs::error::{Error, io_error};
use crate::jobs::iso;
use crate::jobs::layout::JobId;
use crate::jobs::store::{Job, JobStore};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// By what right something was let go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Its owner said so, with this command.
    Command(String),
    /// A standing approval of its owner, by its name.
    StandingApproval(String),
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// Results were let go.
    Release,
    /// What was let go was taken out of the datasite.
    Withdrawal,
    /// A report of a failure was put there.
    FailureReport,
}

impl Deed {
    /// Returns it in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Release => "released",
            Self::Withdrawal => "taken back",
            Self::FailureReport => "failure report sent",
        }
    }
}

/// One decision about what leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseRecord {
    /// When.
    pub at: Timestamp,
    /// Who decided.
    pub by: Email,
    /// Who may read it.
    pub to: Email,
    /// What was done.
    pub deed: Deed,
    /// By what right.
    pub authority: Authority,
    /// The digest of all that was offered; only for a release.
    pub digest: Option<Digest>,
    /// Which files.
    pub files: Vec<Released>,
}

/// One file of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// Its path below the folder of answers.
    pub path: DatasitePath,
    /// Its size in bytes.
    pub size: u64,
    /// Its digest.
    pub digest: Digest,
}

impl ReleaseRecord {
    /// True if outputs were among it.
    pub fn has_outputs(&self) -> bool {
        self.files.iter().any(|file| file.is_output())
    }

    /// True if logs were among it.
    pub fn has_logs(&self) -> bool {
        self.files.iter().any(|file| !file.is_output())
    }
}

impl Released {
    fn is_output(&self) -> bool {
        self.path.as_str().starts_with("outputs/")
    }
}

impl From<&Offered> for Released {
    fn from(file: &Offered) -> Self {
        Self { path: file.path.clone(), size: file.size, digest: file.digest }
    }
}

#[derive(Serialize, Deserialize)]
struct Form {
    at: String,
    by: String,
    to: String,
    deed: Deed,
    authority: Authority,
    outputs: bool,
    logs: bool,
    #[serde(default)]
    digest: Option<String>,
    files: Vec<FileForm>,
}

#[derive(Serialize, Deserialize)]
struct FileForm {
    path: String,
    size: u64,
    sha256: String,
}

/// More than anybody decides about one job.
const BYTES_MAX: u64 = 64 << 20;

impl JobStore {
    /// Returns what was decided about the results of a job, the oldest first.
    ///
    /// # Errors
    /// If the record cannot be read.
    pub fn releases(&self, job: &Job) -> Result<Vec<ReleaseRecord>, Error> {
        let problem = io_error(&format_args!("the record of releases of `{}`", job.id));
        let mut text = Vec::new();
        match std::fs::File::open(self.record(&job.id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.and_then(|file| file.take(BYTES_MAX).read_to_end(&mut text)),
        }
        .map_err(problem)?;
        Ok(text.split(|byte| *byte == b'\n').filter_map(read).collect())
    }

    /// Adds a line, and returns once it is on the disk.
    pub(crate) fn record_release(&self, job: &JobId, record: &ReleaseRecord) -> Result<(), Error> {
        let path = self.record(job);
        let added = || -> io::Result<()> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(self.private())?;
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let mut file = std::fs::File::options()
                .create(true)
                .read(true)
                .append(true)
                .mode(0o600)
                .open(&path)?;
            let mut text = write(record);
            if file.seek(SeekFrom::End(0))? > 0 {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    text.insert(0, '\n'); // a crash cut the last line short
                }
            }
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        added().map_err(io_error(&format_args!("the record of releases of `{job}`")))
    }

    fn record(&self, job: &JobId) -> PathBuf {
        let folder = self.private().join("releases").join(self.owner().as_str());
        job.review().below(&folder).with_added_extension("jsonl")
    }
}

fn write(record: &ReleaseRecord) -> String {
    let form = Form {
        at: iso::write(record.at),
        by: record.by.to_string(),
        to: record.to.to_string(),
        deed: record.deed,
        authority: record.authority.clone(),
        outputs: record.has_outputs(),
        logs: record.has_logs(),
        digest: record.digest.map(|digest| digest.to_hex()),
        files: record
            .files
            .iter()
            .map(|file| FileForm {
                path: file.path.to_string(),
                size: file.size,
                sha256: file.digest.to_hex(),
            })
            .collect(),
    };
    serde_json::to_string(&form).expect("texts and numbers can be written") + "\n"
}

fn read(line: &[u8]) -> Option<ReleaseRecord> {
    let form: Form = serde_json::from_slice(line).ok()?;
    let file = |file: FileForm| {
        let path = DatasitePath::parse(&file.path).ok()?;
        Some(Released { path, size: file.size, digest: Digest::parse(&file.sha256).ok()? })
    };
    Some(ReleaseRecord {
        at: iso::read(&form.at)?,
        by: Email::parse(&form.by).ok()?,
        to: Email::parse(&form.to).ok()?,
        deed: form.deed,
        authority: form.authority,
        digest: form.digest.and_then(|text| Digest::parse(&text).ok()),
        files: form.files.into_iter().map(file).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobName, Layout};

    fn record(path: &str) -> ReleaseRecord {
        let file = Released {
            path: DatasitePath::parse(path).unwrap(),
            size: 3,
            digest: Digest::of(b"abc"),
        };
        ReleaseRecord {
            at: Timestamp::from_micros(1_780_000_000_123_456),
            by: Email::parse("do@example.com").unwrap(),
            to: Email::parse("ds@example.com").unwrap(),
            deed: Deed::Release,
            authority: Authority::Command("syft job release".to_owned()),
            digest: Some(Digest::of(b"all")),
            files: vec![file],
        }
    }

    #[test]
    fn a_line_says_all_of_a_decision() {
        let one = record("outputs/a.csv");
        let line = write(&one);
        assert_eq!(read(line.trim_end().as_bytes()), Some(one));
        for word in [r#""deed":"release""#, r#""outputs":true,"logs":false"#, "syft job release"] {
            assert!(line.contains(word), "{word}: {line}");
        }
        let standing = Authority::StandingApproval("weekly".to_owned());
        let other = ReleaseRecord { authority: standing, ..record("stdout.txt") };
        assert!(
            write(&other).contains(r#"{"standing_approval":"weekly"},"outputs":false,"logs":true"#)
        );
    }

    #[test]
    fn a_line_that_was_cut_short_hides_no_other() {
        let home = tempfile::tempdir().unwrap();
        let by = Email::parse("do@example.com").unwrap();
        let store = JobStore::new(&home.path().join("box"), by, &home.path().join("private"));
        let submitter = Email::parse("ds@example.com").unwrap();
        let name = JobName::parse("job").unwrap();
        let id = JobId { submitter, layout: Layout::Flat, name };
        store.record_release(&id, &record("outputs/a")).unwrap();
        let path = store.record(&id);
        let mut text = std::fs::read(&path).unwrap();
        text.extend(b"{\"at\":\"20");
        std::fs::write(&path, text).unwrap();
        store.record_release(&id, &record("outputs/b")).unwrap();
        let text = std::fs::read(&path).unwrap();
        let paths: Vec<_> = text
            .split(|byte| *byte == b'\n')
            .filter_map(read)
            .map(|record| record.files[0].path.to_string())
            .collect();
        assert_eq!(paths, ["outputs/a", "outputs/b"]);
    }
}
