//! What a sync did, and what it could not do.

use std::collections::BTreeMap;

use crate::jobs::Admitted;
use crate::model::{Code, Email};

/// What a sync did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Files that came from others and were written or removed here.
    pub pulled: usize,
    /// Proposals of peers that were taken in.
    pub accepted: usize,
    /// Proposals that were turned down: those of peers, or ours.
    pub refused: Vec<Refused>,
    /// Changes of ours that were sent.
    pub pushed: usize,
    /// What of that were large files that went as chunks.
    pub in_chunks: InChunks,
    /// Jobs that a standing approval of ours lets run.
    pub admitted: Vec<Admitted>,
    /// What could not be done; everything else was.
    pub problems: Vec<Problem>,
    /// What is told of writes that failed, by their numbers: one sync tries them more than once.
    pub(crate) unwritten: BTreeMap<i64, String>,
}

/// Large files that were told as chunks: what there was to tell, and what went for it. Each counts once for each
/// folder that it went to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InChunks {
    /// How large the files are, in bytes.
    pub whole_bytes: u64,
    /// How large the packs are that were sent for them, in bytes.
    pub sent_bytes: u64,
}

impl std::ops::AddAssign for InChunks {
    fn add_assign(&mut self, more: Self) {
        self.whole_bytes = self.whole_bytes.saturating_add(more.whole_bytes);
        self.sent_bytes = self.sent_bytes.saturating_add(more.sent_bytes);
    }
}

/// A proposal that was turned down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Which file.
    pub path: String,
    /// Who proposed it, or who turned ours down.
    pub peer: Email,
    /// Why, for a person.
    pub reason: String,
}

/// One thing that could not be done. The rest went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What kind of thing: for programs.
    pub code: Code,
    /// Which thing, and what happened: for a person.
    pub message: String,
    /// Whose doing it is, if it is a peer's.
    pub peer: Option<Email>,
}

impl Report {
    /// Adds a problem that is nobody's in particular.
    pub fn problem(&mut self, code: Code, message: impl Into<String>) {
        self.problems.push(Problem { code, message: message.into(), peer: None });
    }

    /// Adds a problem with `peer`.
    pub fn problem_with(&mut self, peer: &Email, code: Code, message: impl Into<String>) {
        let peer = Some(peer.clone());
        self.problems.push(Problem { code, message: message.into(), peer });
    }

    /// Adds that the write of this number failed, in the place of what was told of it before.
    pub(super) fn not_written(&mut self, number: i64, message: String) {
        if self.unwritten.get(&number) != Some(&message) {
            self.written(number);
            self.unwritten.insert(number, message.clone());
            self.problem(Code::NotWritten, message);
        }
    }

    /// Takes back that the write of this number failed: it was done after all.
    pub(super) fn written(&mut self, number: i64) {
        if let Some(told) = self.unwritten.remove(&number) {
            let is_told = |it: &Problem| it.code == Code::NotWritten && it.message == told;
            self.problems.retain(|it| !is_told(it));
        }
    }

    /// True if anything came, went, or was decided about.
    pub fn has_exchanged(&self) -> bool {
        self.pulled > 0 || self.accepted > 0 || self.pushed > 0 || !self.refused.is_empty()
    }

    /// True if nothing was done and nothing went wrong.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_is_told_once_and_not_if_it_was_done_after_all() {
        let mut report = Report::default();
        report.problem(Code::NotWritten, "another");
        for _ in 0..2 {
            report.not_written(1, "`a` could not be written".to_owned());
        }
        report.not_written(2, "`b` could not be written".to_owned());
        let told = |report: &Report| -> Vec<String> {
            report.problems.iter().map(|problem| problem.message.clone()).collect()
        };
        assert_eq!(
            told(&report),
            ["another", "`a` could not be written", "`b` could not be written"]
        );
        report.written(1);
        report.written(3);
        assert_eq!(told(&report), ["another", "`b` could not be written"]);
        report.not_written(2, "`b` could not be written: the disk is full".to_owned());
        let another = "`b` could not be written: the disk is full";
        assert_eq!(told(&report), ["another", another], "another reason takes the place");
    }
}
