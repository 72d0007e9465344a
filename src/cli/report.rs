//! What a command ends with: its exit code, and a failure with one piece of advice.
//!
//! Errors of the library say what could not be done, to which thing. Which command helps is known
//! here and nowhere else; the advice for each error is in `hints`.

use std::error::Error as StdError;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::ui::Ui;

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
    /// What kind of failure, in kebab case.
    pub code: String,
    /// What could not be done, and why.
    pub message: String,
    /// What one can do about it; names a command that can be run.
    pub hint: Option<String>,
    /// The exit code.
    pub exit: Exit,
}

impl Failure {
    /// A failure without advice.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), hint: None, exit: Exit::Failed }
    }

    /// Wrong usage.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new("usage", message) }
    }

    /// A file or folder that was named on the command line cannot be used.
    pub(crate) fn file(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::new("file", format!("cannot use `{}`: {error}", path.display()))
    }

    /// The same with advice.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The failure as `--json` shows it.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message, "hint": self.hint } })
    }

    /// Prints it.
    pub(crate) fn show(&self, ui: &mut Ui) {
        ui.answer(&self.to_json());
        ui.error(&self.message);
        if let Some(hint) = &self.hint {
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
