//! Looks at everything that an account needs on this machine and at its drive, and says of each
//! thing how it is.
//!
//! Changes nothing: no file of an account is made or written, the drive is asked two questions. One
//! check that fails stops no other; one that needs it says that it was not made. `plan` judges what
//! was measured, `machine` and `service` measure.

mod machine;
mod plan;
mod service;

use super::login::chosen;
use super::{Configuration, Error};
use crate::model::{Code, Email};

/// How a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Well,
    /// It works; somebody should look.
    Look,
    /// It keeps something from working.
    Stopped,
    /// Nobody knows, as something else is in the way.
    NotChecked,
}

impl State {
    /// Returns its name, for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Look => "look",
            Self::Stopped => "stopped",
            Self::NotChecked => "not-checked",
        }
    }
}

/// What was found of one thing.
#[derive(Debug)]
pub struct Finding {
    /// Which thing.
    pub check: &'static str,
    /// How it is.
    pub state: State,
    /// The kind of trouble, as commands name it too.
    pub code: Option<Code>,
    /// What was found, for a person.
    pub message: String,
    /// The error that a command would end with, if there is one.
    pub cause: Option<Error>,
}

impl Finding {
    fn well(check: &'static str, message: impl Into<String>) -> Self {
        Self { check, state: State::Well, code: None, message: message.into(), cause: None }
    }

    fn trouble(check: &'static str, state: State, code: Code, message: impl Into<String>) -> Self {
        Self { check, state, code: Some(code), message: message.into(), cause: None }
    }

    fn not_checked(check: &'static str, why: impl Into<String>) -> Self {
        let message = why.into();
        Self { check, state: State::NotChecked, code: None, message, cause: None }
    }

    /// Something that a command would fail with.
    fn failed(check: &'static str, error: Error) -> Self {
        let code = error.code();
        let message = innermost(&error);
        Self { check, state: State::Stopped, code: Some(code), message, cause: Some(error) }
    }
}

/// Looks at everything. `path` is where programs are looked for, in the form of `PATH`.
pub async fn examine(
    configuration: &Configuration,
    email: Option<&Email>,
    path: &str,
) -> Vec<Finding> {
    let mut findings = vec![machine::versions()];
    let login = chosen(configuration, email);
    findings.push(match &login {
        Ok((email, role, login)) => Finding::well(
            "configuration",
            format!("{email} is logged in as {}, at {}", role.as_str(), login.service),
        ),
        Err(Error::NotLoggedIn { email: None }) => Finding::trouble(
            "configuration",
            State::Look,
            Code::NotLoggedIn,
            "nobody is logged in on this machine yet",
        ),
        Err(_) => Finding::not_checked("configuration", ""),
    });
    let login = match login {
        Ok(login) => Some(login),
        Err(Error::NotLoggedIn { email: None }) => None,
        Err(error) => {
            findings.pop();
            findings.push(Finding::failed("configuration", error));
            None
        }
    };
    findings.push(machine::home(configuration));
    findings.push(machine::disk(configuration));
    if let Some((email, role, login)) = &login {
        findings.extend(machine::state(configuration, email, *role).await);
        findings.push(service::secret(configuration, email, login).await);
        findings.push(service::sign_in(login));
        findings.extend(service::drive(configuration, email, login).await);
    }
    findings.push(machine::loopback().await);
    findings.push(machine::sandbox(path).await);
    findings.push(machine::uv(path));
    findings
}

/// The last cause of an error, which is what one can do something about.
fn innermost(error: &Error) -> String {
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
