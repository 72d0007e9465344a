//! What the submitter of a job that failed is told: enough to mend the code, nothing of the data.
//!
//! Pure. What a job printed is hostile: it may be all of the private data, and a traceback in it may
//! be forged. So nothing of it is passed on. A report is *chosen* from a list that was there before
//! the job ran: how it ended, an exception of `failure/exceptions`, a file and line of the submitted
//! code, classes of time and memory. What a job can say by its choice is bounded, see
//! [`capacity_bits`]; docs/SECURITY.md says what that means.
//!
//! Invariant: every byte of [`FailureReport::to_json`] and [`FailureReport::to_text`] is of a word of
//! this module, a name of a submitted file, or a number up to the number of its lines.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::model::DatasitePath;

mod exceptions;
mod traceback;

/// How much the submitter of a job that failed is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// That it failed, which the state says in any case.
    Off,
    /// How it ended, and classes of time and memory.
    Class,
    /// Also the kind of the exception, and the file and line of submitted code.
    #[default]
    Full,
}

/// How a run ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its process ended with an error code.
    Error,
    /// Its process was ended by a signal, as where memory runs out.
    Killed,
    /// It took too long.
    OutOfTime,
    /// Its packages could not be installed; no data was in reach.
    NotInstalled,
    /// It could not be started, or what it left could not be kept.
    NotRun,
    /// The owner, or a crash of the owner's machine, ended it.
    Interrupted,
}

/// What is known about a run that failed.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// How it ended.
    pub ending: Ending,
    /// How long it ran.
    pub duration: Duration,
    /// The most memory that it held at once, if that was measured.
    pub memory: Option<u64>,
    /// What it printed on standard error, or the end of that.
    pub stderr: &'a [u8],
    /// The files below `code/`.
    pub code: &'a [CodeFile],
}

/// A file of the submission, below `code/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodeFile {
    /// Its path below `code/`.
    pub path: DatasitePath,
    /// How many lines it has.
    pub lines: u32,
}

/// What the submitter is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureReport {
    ending: Ending,
    exception: Option<&'static str>,
    place: Option<(DatasitePath, u32)>,
    time: &'static str,
    memory: Option<&'static str>,
}

/// Classes of time: the first whose bound is not reached.
const TIMES: [(Option<u64>, &str); 4] = [
    (Some(10), "less than 10 s"),
    (Some(60), "less than a minute"),
    (Some(600), "less than 10 minutes"),
    (None, "10 minutes or more"),
];

/// Classes of memory, in bytes.
const MEMORIES: [(Option<u64>, &str); 4] = [
    (Some(1 << 28), "less than 256 MB"),
    (Some(1 << 30), "less than 1 GB"),
    (Some(1 << 32), "less than 4 GB"),
    (None, "4 GB or more"),
];

/// How many places in the code are told apart. In longer code, lines are told apart in steps.
const PLACES_MAX: u64 = 4096;
/// A submission of more Python files than that has its places not told.
const FILES_MAX: usize = 512;

/// Returns what the submitter is told; `None` if that is nothing.
pub fn report(evidence: &Evidence<'_>, detail: Detail) -> Option<FailureReport> {
    if detail == Detail::Off {
        return None;
    }
    let mut report = FailureReport {
        ending: evidence.ending,
        exception: None,
        place: None,
        time: class(&TIMES, evidence.duration.as_secs()),
        memory: evidence.memory.map(|bytes| class(&MEMORIES, bytes)),
    };
    // Only an error code comes with a traceback; before that no code of the job ran at all.
    if detail == Detail::Full && evidence.ending == Ending::Error {
        let found = traceback::read(evidence.stderr, &python(evidence.code));
        report.exception = found.exception;
        report.place = found.place.map(|(path, line)| (path.clone(), step(evidence.code, line)));
    }
    Some(report)
}

/// How many lengths of a run its submitter can tell apart: six by the state (`state::coarse_end`); and
/// a report, which is made a moment later, can be beyond one of its three bounds already.
const LENGTHS: u64 = 6 + 3;
/// What the state says of a run that failed beside: 1 or −1.
const CODES: u64 = 2;

/// Returns an upper bound of what a job can say by how it ends, in bits: the logarithm of the number
/// of different states and reports.
pub fn capacity_bits(code: &[CodeFile], detail: Detail) -> f64 {
    let class = LENGTHS * (MEMORIES.len() as u64 + 1) * CODES;
    let endings = Ending::ALL.len() as u64;
    let reports = match detail {
        Detail::Off => LENGTHS * CODES,
        Detail::Class => endings * class,
        Detail::Full => {
            let every = step_of(code);
            let places: u64 =
                python(code).iter().map(|file| u64::from(file.lines).div_ceil(every)).sum();
            // An exception of the list, another one, or none; a place, or none.
            (endings - 1 + (exceptions::count() + 2) * (places + 1)) * class
        }
    };
    #[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
    let ends = (reports + LENGTHS) as f64; // or it succeeds
    ends.log2()
}

/// The files that a traceback can name; none if there are too many of them.
fn python(code: &[CodeFile]) -> Vec<&CodeFile> {
    let is_python = |file: &&CodeFile| file.path.as_str().ends_with(".py");
    let files: Vec<_> = code.iter().filter(is_python).collect();
    if files.len() > FILES_MAX { Vec::new() } else { files }
}

/// How many lines count as one, so that no more places are told apart than the bound.
fn step_of(code: &[CodeFile]) -> u64 {
    let lines: u64 = python(code).iter().map(|file| u64::from(file.lines)).sum();
    lines.div_ceil(PLACES_MAX).max(1)
}

/// The first line of the step that `line` is in.
fn step(code: &[CodeFile], line: u32) -> u32 {
    let every = u32::try_from(step_of(code)).unwrap_or(u32::MAX);
    line.saturating_sub(1) / every * every + 1
}

fn class(classes: &[(Option<u64>, &'static str)], value: u64) -> &'static str {
    let fits = |bound: &Option<u64>| bound.is_none_or(|bound| value < bound);
    classes.iter().find(|(bound, _)| fits(bound)).map_or("", |(_, words)| words)
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Error,
        Self::Killed,
        Self::OutOfTime,
        Self::NotInstalled,
        Self::NotRun,
        Self::Interrupted,
    ];

    /// Returns how a process ended by its return code, which is negative or above 128 for a signal.
    pub const fn of_code(code: i64) -> Self {
        match code {
            i64::MIN..=-1 | 129..=192 => Self::Killed,
            _ => Self::Error,
        }
    }

    /// Returns the word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Killed => "killed",
            Self::OutOfTime => "out-of-time",
            Self::NotInstalled => "not-installed",
            Self::NotRun => "not-run",
            Self::Interrupted => "interrupted",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Error => "its process ended with an error code",
            Self::Killed => "its process was killed, as where memory runs out",
            Self::OutOfTime => "it took longer than it was given",
            Self::NotInstalled => "its packages could not be installed",
            Self::NotRun => "it could not be run",
            Self::Interrupted => "its run was interrupted",
        }
    }
}

impl FailureReport {
    /// Returns the report for programs.
    pub fn json(&self) -> Value {
        json!({
            "syft_failure_report": 1,
            "ending": self.ending.as_str(),
            "exception": self.exception,
            "file": self.place.as_ref().map(|(path, _)| path.as_str()),
            "line": self.place.as_ref().map(|(_, line)| line),
            "time": self.time,
            "memory": self.memory,
        })
    }

    /// Returns it as a file.
    pub fn to_json(&self) -> String {
        format!("{:#}\n", self.json())
    }

    /// Returns it for people, as the file that a viewer of standard error shows.
    pub fn to_text(&self) -> String {
        let mut text = String::from(
            "This job failed. What it printed stays with the owner of the data; this report was made \
             by the owner's program.\n",
        );
        for line in self.lines() {
            let _ = writeln!(text, "{line}");
        }
        text
    }

    /// Returns what it says, line by line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("Ended:      {}", self.ending.words())];
        if let Some(exception) = self.exception {
            lines.push(format!("Exception:  {exception}"));
        }
        if let Some((path, line)) = &self.place {
            lines.push(format!("Where:      {path}, line {line}"));
        }
        lines.push(format!("Time:       {}", self.time));
        if let Some(memory) = self.memory {
            lines.push(format!("Memory:     {memory}"));
        }
        lines
    }
}

impl Detail {
    /// Returns the word that settings and flags use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Class => "class",
            Self::Full => "full",
        }
    }
}

#[cfg(test)]
mod tests;
