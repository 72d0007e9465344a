//! What of a submission its owner was shown, so that an approval can say so.
//!
//! ```text
//! {private}/reading/{owner}/{inbox path}.json
//! ```
//! A file counts as shown for as long as it is that content: one that changes was not shown. It is a
//! record of what was printed, not of what somebody understood, and nothing is allowed or refused
//! by it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::{Error, io_error};
use super::layout::JobId;
use super::snapshot::Snapshot;
use super::store::JobStore;
use super::tree::{read_trusted, write_atomic};
use crate::model::{DatasitePath, Digest, Email};

/// How much of a file its owner was shown. The later ones are more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shown {
    /// Nothing.
    #[default]
    No,
    /// It was given to a program, which may have shown it to somebody.
    ToProgram,
    /// What it is: its type, size and digest. There is no more to be shown of what is no text.
    Described,
    /// A part of it.
    Part,
    /// All of it.
    Whole,
}

/// A file of a submission as its owner decided about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewedFile {
    /// Its path below the job's directory.
    pub path: DatasitePath,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What of it was shown.
    pub shown: Shown,
}

/// To whom a submission was shown as a whole, with the names of all of its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShownTo {
    /// To nobody: it was about one of its files.
    Nobody,
    /// To a program.
    Program,
    /// To a person.
    Person,
}

#[derive(Default, Serialize, Deserialize)]
struct Form {
    /// The digest of the submission that a person was shown last.
    #[serde(default)]
    submission: Option<String>,
    /// The same of a program, which may have looked since.
    #[serde(default)]
    to_program: Option<String>,
    files: BTreeMap<String, Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    sha256: String,
    shown: Shown,
}

impl Shown {
    /// Returns the word for it, as records have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::ToProgram => "to-program",
            Self::Described => "described",
            Self::Part => "part",
            Self::Whole => "whole",
        }
    }

    /// True if there is something in the file that nobody was shown and could have been.
    pub const fn leaves_something(self) -> bool {
        matches!(self, Self::No | Self::ToProgram | Self::Part)
    }
}

impl JobStore {
    /// Notes what of a submission was shown. What was shown before, and is still that content,
    /// counts as well.
    ///
    /// # Errors
    /// If the note cannot be written.
    pub fn note_shown(
        &self,
        id: &JobId,
        submission: &Snapshot,
        shown: &[(&DatasitePath, Shown)],
        listed: ShownTo,
    ) -> Result<(), Error> {
        let Form { submission: mut to_person, mut to_program, .. } = self.noted(id);
        match listed {
            ShownTo::Nobody => {}
            ShownTo::Program => to_program = Some(submission.digest.to_hex()),
            ShownTo::Person => to_person = Some(submission.digest.to_hex()),
        }
        let mut reviewed = self.reviewed(id, submission);
        for file in &mut reviewed {
            let now = shown.iter().filter(|(path, _)| **path == file.path);
            file.shown = now.map(|(_, shown)| *shown).fold(file.shown, Shown::max);
        }
        let read = reviewed.into_iter().filter(|file| file.shown != Shown::No);
        let files = read
            .map(|file| {
                let entry = Entry { sha256: file.digest.to_hex(), shown: file.shown };
                (file.path.to_string(), entry)
            })
            .collect();
        let form = Form { submission: to_person, to_program, files };
        let text = serde_json::to_vec_pretty(&form).expect("texts can be written");
        write_atomic(&reading_file(self.private(), self.owner(), id), &text)
            .map_err(io_error(&format_args!("the note of what was shown of `{id}`")))
    }

    /// Returns the files of a submission with what was shown of each, sorted by path.
    pub fn reviewed(&self, id: &JobId, submission: &Snapshot) -> Vec<ReviewedFile> {
        let noted = self.noted(id);
        let files = submission.files.iter().map(|(path, digest, size)| {
            let entry = noted.files.get(path.as_str());
            let same = entry.filter(|entry| entry.sha256 == digest.to_hex());
            ReviewedFile {
                path: path.clone(),
                digest: *digest,
                size: *size,
                shown: same.map_or(Shown::No, |entry| entry.shown),
            }
        });
        files.collect()
    }

    /// Returns the digest of the submission that whoever decides was shown last on this machine, or
    /// else the other of person and program; `None` if nobody was.
    pub fn last_shown(&self, id: &JobId, by_program: bool) -> Option<Digest> {
        let Form { submission, to_program, .. } = self.noted(id);
        let noted = if by_program { to_program.or(submission) } else { submission.or(to_program) };
        Digest::parse(&noted?).ok()
    }

    fn noted(&self, id: &JobId) -> Form {
        let text = read_trusted(&reading_file(self.private(), self.owner(), id), BYTES_MAX).ok();
        text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
    }
}

const BYTES_MAX: u64 = 16 << 20; // ten thousand files

fn reading_file(private: &Path, owner: &Email, id: &JobId) -> PathBuf {
    let folder = private.join("reading").join(owner.as_str());
    id.inbox().below(&folder).with_added_extension("json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{JobName, Layout};

    #[test]
    fn what_was_shown_counts_until_it_changes() {
        let home = tempfile::tempdir().unwrap();
        let owner = Email::parse("do@example.com").unwrap();
        let store = JobStore::new(home.path(), owner, &home.path().join("private"));
        let submitter = Email::parse("ds@example.com").unwrap();
        let name = JobName::parse("job").unwrap();
        let id = JobId { submitter, layout: Layout::Flat, name };
        let [a, b] = ["code/a.py", "code/b.py"].map(|path| DatasitePath::parse(path).unwrap());
        let snapshot = |texts: [&str; 2]| {
            let file = |(path, text): (&DatasitePath, &str)| {
                (path.clone(), Digest::of(text.as_bytes()), text.len() as u64)
            };
            Snapshot::of([&a, &b].into_iter().zip(texts).map(file).collect())
        };
        let shown = |submission: &Snapshot| {
            let files = store.reviewed(&id, submission);
            files.into_iter().map(|file| file.shown).collect::<Vec<_>>()
        };
        let first = snapshot(["1", "2"]);
        assert_eq!(shown(&first), [Shown::No, Shown::No]);
        store
            .note_shown(&id, &first, &[(&a, Shown::Whole), (&b, Shown::ToProgram)], ShownTo::Person)
            .unwrap();
        assert_eq!(shown(&first), [Shown::Whole, Shown::ToProgram]);
        assert_eq!(store.last_shown(&id, false), Some(first.digest));
        assert_eq!(store.last_shown(&id, true), Some(first.digest), "nothing else is known");
        store
            .note_shown(&id, &first, &[(&a, Shown::ToProgram), (&b, Shown::Part)], ShownTo::Person)
            .unwrap();
        assert_eq!(shown(&first), [Shown::Whole, Shown::Part], "never less");
        let second = snapshot(["1", "3"]);
        assert_eq!(shown(&second), [Shown::Whole, Shown::No]);
        store.note_shown(&id, &second, &[(&b, Shown::Whole)], ShownTo::Nobody).unwrap();
        assert_eq!(store.last_shown(&id, false), Some(first.digest), "one file is not all");
        store.note_shown(&id, &second, &[], ShownTo::Program).unwrap();
        assert_eq!(store.last_shown(&id, false), Some(first.digest), "a program is no person");
        assert_eq!(store.last_shown(&id, true), Some(second.digest));
        assert_eq!(shown(&first), [Shown::Whole, Shown::No], "one content for each file");
    }
}
