//! Finds out whose account a command is about, and brings it up to date where the command shows it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::Global;
use super::hints;
use super::report::{Exit, Failure};
use super::ui::Ui;
use crate::client::{self, Client, Configuration};
use crate::model::Email;
use crate::syncers::{Problem, SyncOptions};

/// Where things are kept, and for whom.
#[derive(Debug)]
pub(crate) struct Context {
    home: Option<PathBuf>,
    email: Option<Email>,
}

/// A client that was synced before something is shown, and what could not be synced.
#[derive(Debug)]
pub(crate) struct Fresh {
    /// The client.
    pub client: Client,
    /// True if a sync came first.
    pub synced: bool,
    problems: Vec<Value>,
}

impl Context {
    /// Takes what was said on the command line.
    pub(crate) fn new(global: &Global) -> Self {
        Self { home: global.home.clone(), email: global.email.clone() }
    }

    /// Returns where things are kept.
    pub(crate) fn configuration(&self) -> Result<Configuration, Failure> {
        let said = self.home.clone().or_else(|| variable("SYFT_HOME").map(PathBuf::from));
        match said {
            Some(home) => Ok(Configuration::at(&absolute(&home)?)),
            None => Ok(Configuration::of_user()?),
        }
    }

    /// Returns the account that was named, if one was.
    pub(crate) fn email(&self) -> Result<Option<Email>, Failure> {
        if self.email.is_some() {
            return Ok(self.email.clone());
        }
        let Some(text) = variable("SYFT_EMAIL") else { return Ok(None) };
        let email = Email::parse(&text)
            .map_err(|error| Failure::usage(format!("in the variable SYFT_EMAIL: {error}")))?;
        Ok(Some(email))
    }

    /// Opens the account.
    pub(crate) async fn open(&self) -> Result<Client, Failure> {
        Ok(Client::open(&self.configuration()?, self.email()?.as_ref()).await?)
    }

    /// Opens the account and, unless `PRE_SYNC` is off, syncs it, so that what is shown is how
    /// things are. If that cannot be done, what is known here is shown, and the problem told.
    pub(crate) async fn open_fresh(&self, ui: &mut Ui) -> Result<Fresh, Failure> {
        let client = self.open().await?;
        let mut fresh = Fresh { client, synced: false, problems: Vec::new() };
        if pre_sync() {
            let _progress = ui.progress("Syncing");
            match fresh.client.sync(&SyncOptions::default()).await {
                Ok(report) => {
                    fresh.synced = true;
                    fresh.problems = problems_json(&report.problems);
                }
                Err(client::Error::Locked { .. }) => {
                    ui.say("Another `syft` is syncing this account; this is what is here so far");
                }
                Err(client::Error::Deleted) => {
                    ui.say("The SyftBox was deleted on the drive; this is what is left here");
                }
                Err(error) => {
                    let failure = Failure::from(error);
                    let message = format!("not synced: {}", failure.message);
                    fresh.problems.push(json!({ "code": failure.code, "message": message }));
                }
            }
        }
        for problem in &fresh.problems {
            let text = |key: &str| problem[key].as_str().unwrap_or_default();
            ui.problem(text("code"), text("message"));
            if let Some(hint) = problem["hint"].as_str() {
                ui.hint(hint);
            }
        }
        Ok(fresh)
    }
}

impl Fresh {
    /// Prints an answer, with the problems of the sync before it if there were any.
    pub(crate) fn answer(&self, mut answer: Value, ui: &mut Ui) -> Exit {
        if self.problems.is_empty() {
            ui.answer(&answer);
            return Exit::Done;
        }
        answer["problems"] = Value::Array(self.problems.clone());
        ui.answer(&answer);
        Exit::Problems
    }
}

/// Returns the problems of a sync as `--json` shows them.
pub(crate) fn problems_json(problems: &[Problem]) -> Vec<Value> {
    let problems = problems.iter();
    problems
        .map(|problem| {
            json!({
                "code": problem.code,
                "message": problem.message,
                "peer": problem.peer.as_ref().map(Email::as_str),
                "hint": hints::of_problem(problem),
            })
        })
        .collect()
}

/// True unless `PRE_SYNC` says no.
pub(crate) fn pre_sync() -> bool {
    let said = variable("PRE_SYNC").unwrap_or_default().to_lowercase();
    !["false", "0", "no", "off"].contains(&said.as_str())
}

/// Where a job finds the SyftBox of its owner, if this process belongs to a job.
pub(crate) fn in_job() -> Option<(PathBuf, Option<Email>)> {
    let is_job = variable("SYFT_IS_IN_JOB").is_some_and(|said| said.eq_ignore_ascii_case("true"));
    let folder = variable("SYFTBOX_FOLDER").filter(|_| is_job)?;
    let owner = variable("SYFTBOX_EMAIL").and_then(|text| Email::parse(&text).ok());
    Some((PathBuf::from(folder), owner))
}

/// The clock, for what is shown only.
#[expect(clippy::disallowed_methods, reason = "ages are shown to people")]
pub(crate) fn now_seconds() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// Returns what a variable holds, if it holds something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Returns a path that stays right if the process changes its folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file(path, &error))
}
