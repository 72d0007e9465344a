//! `serve.toml`: the settings on disk, read again before each look.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::unusable;
use crate::caches::write_private_file;
use crate::client::{Configuration, Result};
use crate::model::{Email, Timestamp};
use crate::notices::Settings;

const FILE: &str = "serve.toml";
const BYTES_MAX: u64 = 1 << 20;

/// For how many seconds there must be nothing in a file that held something.
const EMPTY_S: f64 = 5.0;

/// The settings of one account.
#[derive(Debug)]
pub struct ServeFile {
    path: PathBuf,
    account: Email,
    /// As it was at the last reading: the text, and when it was written.
    last: Option<(String, Option<SystemTime>)>,
    good: Settings,
    /// Since when there is nothing in it, if there was before.
    empty_since: Option<Timestamp>,
    broken: Option<String>,
}

/// What became of the settings since they were read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// Nothing.
    Same,
    /// They have changed, and are used.
    Changed,
    /// They have changed and cannot be used, for this reason; those before go on.
    Broken(String),
}

impl ServeFile {
    /// Reads the settings of `account`; there may be none.
    ///
    /// # Errors
    /// [`Error::ServeSettings`](crate::client::Error::ServeSettings) if they cannot be used.
    pub fn open(configuration: &Configuration, account: &Email) -> Result<Self> {
        let path = configuration.account_folder(account).join(FILE);
        let account = account.clone();
        let (good, empty_since, broken) = (Settings::default(), None, None);
        let mut file = Self { path, account, last: None, good, empty_since, broken };
        match file.read(Timestamp::ZERO) {
            Read::Broken(problem) => Err(unusable(&file.path, problem)),
            Read::Same | Read::Changed => Ok(file),
        }
    }

    /// Returns the settings that are used: the last that could be.
    pub const fn settings(&self) -> &Settings {
        &self.good
    }

    /// Returns why the file cannot be used as it is now, if so.
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// Returns where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it again.
    ///
    /// Who edits it by hand may have it away, or emptied, for a moment: that is believed once it has
    /// lasted five seconds, for what waits to be told is dropped then.
    pub fn read(&mut self, now: Timestamp) -> Read {
        let found = match self.load() {
            Ok(found) => found,
            Err(problem) => return self.note_broken(problem),
        };
        if self.last.as_ref() == Some(&found) {
            self.empty_since = None;
            return Read::Same;
        }
        let had_any = self.last.as_ref().is_some_and(|(text, _)| !text.trim().is_empty());
        if had_any && found.0.trim().is_empty() {
            let since = *self.empty_since.get_or_insert(now);
            if (now.seconds() - since.seconds()).abs() < EMPTY_S {
                return Read::Same;
            }
        }
        self.empty_since = None;
        match Settings::parse(&found.0, &self.account) {
            Ok(settings) => {
                self.good = settings;
                self.broken = None;
                self.last = Some(found);
                Read::Changed
            }
            Err(error) => {
                self.last = Some(found);
                self.broken = None; // another text may be broken in the same way
                self.note_broken(error.to_string())
            }
        }
    }

    fn load(&self) -> Result<(String, Option<SystemTime>), String> {
        let about = match std::fs::metadata(&self.path) {
            Ok(about) => about,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok((String::new(), None));
            }
            Err(error) => return Err(error.to_string()),
        };
        if about.len() > BYTES_MAX {
            return Err("it is too large".to_owned());
        }
        let text = std::fs::read_to_string(&self.path).map_err(|error| error.to_string())?;
        Ok((text, about.modified().ok()))
    }

    fn note_broken(&mut self, problem: String) -> Read {
        if self.broken.as_ref() == Some(&problem) {
            return Read::Same;
        }
        self.broken = Some(problem.clone());
        Read::Broken(problem)
    }

    /// Changes the settings, and writes the file anew.
    ///
    /// # Errors
    /// If the disk refuses, or the outcome could not be read again.
    pub fn change(&mut self, change: impl FnOnce(&mut Settings)) -> Result<()> {
        let mut settings = self.good.clone();
        change(&mut settings);
        let text = settings.to_toml();
        let read = Settings::parse(&text, &self.account);
        let read = read.map_err(|error| unusable(&self.path, error.to_string()))?;
        write_private_file(&self.path, text.as_bytes())?;
        (self.good, self.broken) = (read, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Admission;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(1_780_000_000_000_000 + seconds * 1_000_000)
    }

    #[test]
    fn what_breaks_is_told_once_and_the_last_good_settings_go_on() {
        let home = tempfile::tempdir().unwrap();
        let configuration = Configuration::at(home.path());
        let account = Email::parse("me@x.org").unwrap();
        let mut file = ServeFile::open(&configuration, &account).unwrap();
        let rule = Admission::parse("@x.org").unwrap();
        file.change(|settings| settings.auto_approve.push(rule)).unwrap();
        let mut other = ServeFile::open(&configuration, &account).unwrap();
        assert_eq!(other.read(at(0)), Read::Same);
        std::fs::write(file.path(), "auto_approve = [").unwrap();
        assert!(matches!(other.read(at(0)), Read::Broken(_)));
        assert_eq!(other.read(at(0)), Read::Same);
        assert_eq!(other.settings().auto_approve.len(), 1, "the last good ones");
        assert!(other.broken().is_some());
        assert!(ServeFile::open(&configuration, &account).is_err());
        std::fs::write(file.path(), "auto_approve = [[").unwrap();
        assert!(matches!(other.read(at(0)), Read::Broken(_)), "another text is broken anew");
        // An editor takes it away, and brings another one.
        for text in [None, Some("")] {
            std::fs::remove_file(file.path()).ok();
            if let Some(text) = text {
                std::fs::write(file.path(), text).unwrap();
            }
            assert_eq!(other.read(at(10)), Read::Same);
            assert_eq!(other.settings().auto_approve.len(), 1, "not for a moment");
            std::fs::write(file.path(), "auto_approve = [\"@y.org\"]").unwrap();
            assert_eq!(other.read(at(11)), Read::Changed);
            assert_eq!(other.settings().auto_approve[0].to_string(), "@y.org");
        }
        std::fs::remove_file(file.path()).unwrap();
        assert_eq!((other.read(at(20)), other.read(at(24))), (Read::Same, Read::Same));
        assert_eq!(other.read(at(25)), Read::Changed);
        assert!(other.settings().auto_approve.is_empty() && other.broken().is_none());
    }
}
