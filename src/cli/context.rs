//! Finds out whose account a command is about, and brings it up to date where the command shows it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Global, PreSync};
use super::hints;
use super::report::{Exit, Failure};
use super::ui::Ui;
use crate::client::{self, Client, Configuration, Settings};
use crate::model::Email;
use crate::syncers::{Problem, SyncOptions};

/// How long a command waits while another `syft` works on the SyftBox: a watch holds the lock for a
/// moment every now and then, also right after another command has changed something.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

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

    /// Returns the home that was named, if one was.
    pub(crate) fn home(&self) -> Result<Option<PathBuf>, Failure> {
        let said = self.home.clone().or_else(|| variable("SYFT_HOME").map(PathBuf::from));
        said.map(|home| absolute(&home)).transpose()
    }

    /// The same for an account that was named meanwhile.
    pub(crate) fn with_email(&self, email: Email) -> Self {
        Self { home: self.home.clone(), email: Some(email) }
    }

    /// Returns where things are kept, for somebody who waits for an answer.
    pub(crate) fn configuration(&self) -> Result<Configuration, Failure> {
        Ok(match self.home()? {
            Some(home) => Configuration::at(&home).hasty(),
            None => Configuration::of_user()?.hasty(),
        })
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
        let client = Client::open(&self.configuration()?, self.email()?.as_ref()).await?;
        client.set_lock_patience(LOCK_PATIENCE);
        Ok(client)
    }

    /// True if a command is to sync as well: by what it was told, by the variable `PRE_SYNC`, or by
    /// the settings.
    pub(crate) fn pre_sync(&self, said: PreSync, ui: &mut Ui) -> Result<bool, Failure> {
        let settings = match said.choice() {
            Some(_) => Settings::default(),
            None => self.configuration()?.settings()?,
        };
        let variable = variable("PRE_SYNC");
        Ok(pre_sync(said, variable.as_deref(), &settings).unwrap_or_else(|| {
            let text = variable.unwrap_or_default();
            ui.warn(format_args!("PRE_SYNC is neither `true` nor `false` but `{text}`; it syncs"));
            true
        }))
    }

    /// Opens the account and, unless a person said otherwise, syncs it, so that what is shown is how
    /// things are. If that cannot be done, what is known here is shown, and the problem told.
    pub(crate) async fn open_fresh(&self, said: PreSync, ui: &mut Ui) -> Result<Fresh, Failure> {
        let syncs = self.pre_sync(said, ui)?;
        let client = self.open().await?;
        let mut fresh = Fresh { client, synced: false, problems: Vec::new() };
        if syncs {
            let _progress = ui.carrying("Syncing", fresh.client.traffic());
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
                    let Failure { code, message, hint, .. } = Failure::from(error);
                    let message = format!("Not synced, this is what is here so far: {message}");
                    let problem = json!({ "code": code, "message": message, "hint": hint });
                    fresh.problems.push(problem);
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
    /// Prints an answer and whether a sync came first, with the problems of it if there were any.
    pub(crate) fn answer(&self, mut answer: Value, ui: &mut Ui) -> Exit {
        answer["synced"] = json!(self.synced);
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

/// True if commands that show sync first. What was said last counts: with this command, in the
/// variable `PRE_SYNC`, in the settings. `None` if the variable is neither yes nor no.
fn pre_sync(said: PreSync, variable: Option<&str>, settings: &Settings) -> Option<bool> {
    if let Some(said) = said.choice() {
        return Some(said);
    }
    match variable.map(|text| text.trim().to_lowercase()).as_deref() {
        None | Some("") => Some(settings.pre_sync.unwrap_or(true)),
        Some("true" | "1" | "yes" | "on") => Some(true),
        Some("false" | "0" | "no" | "off") => Some(false),
        Some(_) => None,
    }
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

/// Returns a variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|text| !text.is_empty())
}

/// Returns a path that stays right if the process changes its folder.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| Failure::file(path, &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_counts_before_the_variable_and_that_before_the_settings() {
        let none = PreSync::default();
        let (yes, no) = (PreSync { sync: true, ..none }, PreSync { no_sync: true, ..none });
        #[rustfmt::skip]
        let cases = [
            ("nothing was said",        none,   None,           None,           Some(true)),
            ("the settings say no",     none,   None,           Some(false),    Some(false)),
            ("the variable says no",    none,   Some("false"),  Some(true),     Some(false)),
            ("in other letters",        none,   Some(" OFF "),  None,           Some(false)),
            ("the variable says yes",   none,   Some("true"),   Some(false),    Some(true)),
            ("an empty one is none",    none,   Some(""),       Some(false),    Some(false)),
            ("it is misspelled",        none,   Some("flase"),  Some(false),    None),
            ("the command says yes",    yes,    Some("false"),  Some(false),    Some(true)),
            ("the command says no",     no,     Some("maybe"),  Some(true),     Some(false)),
        ];
        for (what, said, variable, set, expected) in cases {
            let settings = Settings { pre_sync: set, ..Settings::default() };
            assert_eq!(pre_sync(said, variable, &settings), expected, "{what}");
        }
    }
}
