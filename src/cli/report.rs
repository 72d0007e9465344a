//! What a command ends with: its exit code, and a failure with one piece of advice.
//!
//! Errors of the library say what could not be done, to which thing. Which command helps is known
//! here and nowhere else; the advice for each error is in `hints`.

use std::error::Error as StdError;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::explain;
use super::ui::Ui;
use crate::model::Code;

/// How a command ended. The numbers are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// All was done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line is wrong.
    Usage = 2,
    /// It was done, but for problems that the answer lists.
    Problems = 3,
    /// Another `syft` holds the lock of the SyftBox.
    Locked = 4,
    /// The job that was waited for failed.
    JobFailed = 5,
    /// The job that was waited for was rejected.
    JobRejected = 6,
    /// What was waited for has not happened in time.
    TimedOut = 7,
    /// Somebody pressed Ctrl-C.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// What a command gives.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Why a command failed, for people and for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What kind of failure.
    pub code: Code,
    /// What could not be done, and why.
    pub message: String,
    /// What one can do about this very case; names a command that can be run.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: Exit,
}

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, exit: Exit::Failed }
    }

    /// Wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(Code::Usage, message) }
    }

    /// A file or folder that was named on the command line cannot be used.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new(Code::File, format!("cannot use `{}`: {error}", path.display()))
    }

    /// The same with advice.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// What one can do: about this very case, or else about what is of this kind.
    fn advice(&self) -> Option<&str> {
        self.hint.as_deref().or_else(|| explain::entry(self.code).map(|entry| entry.next))
    }

    /// The failure as `--json` shows it.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message, "hint": self.advice() } })
    }

    /// Prints it.
    pub(crate) fn show(&self, ui: &mut Ui) {
        ui.answer(&self.to_json());
        ui.error(self.code, &self.message);
        if let Some(hint) = self.advice() {
            ui.hint(hint);
        }
    }
}

/// Returns an error with all its causes on one line. A cause that repeats what was said already is
/// left out.
pub(crate) fn chain(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_behind_and_none_stands_twice() {
        #[derive(Debug, thiserror::Error)]
        enum Layer {
            #[error("the disk is full")]
            Disk,
            #[error("cannot write `a`")]
            Write(#[source] Box<Self>),
            #[error(transparent)]
            Same(Box<Self>),
        }
        let error = Layer::Same(Box::new(Layer::Write(Box::new(Layer::Disk))));
        assert_eq!(chain(&error), "cannot write `a`: the disk is full");
    }
}
