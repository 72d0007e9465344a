//! What a person has set for all commands, in `settings.toml` in the folder of the configuration.
//!
//! Invariant: a file that cannot be understood is an error that names it; nothing is guessed.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

use super::{Configuration, Error, Result};
use crate::jobs::Detail;

/// What a person has set for all commands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Whether commands that only show sync first. `None`: it was not set.
    pub pre_sync: Option<bool>,
    /// How an owner runs jobs.
    #[serde(default)]
    pub jobs: JobSettings,
}

/// How an owner runs jobs, where the command does not say. Whatever is `None` was not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSettings {
    /// How much the submitter of a job that failed is told of that.
    pub failure_report: Option<Detail>,
    /// After how many seconds a job is ended.
    pub timeout: Option<NonZeroU32>,
    /// How many jobs run side by side.
    pub parallel: Option<NonZeroU32>,
    /// Whether a job whose run was cut short waits for another; else it has failed.
    pub requeue: Option<bool>,
    /// Whether `syft serve` runs what is approved.
    pub serve: Option<bool>,
    /// Where packages are taken from: the address of an index, in the form of PyPI's.
    pub index: Option<String>,
}

impl JobSettings {
    /// Returns after how long a job is ended, if that was set.
    pub fn time(&self) -> Option<Duration> {
        self.timeout.map(|seconds| Duration::from_secs(seconds.get().into()))
    }
}

/// The name of the file.
const FILE: &str = "settings.toml";

impl Configuration {
    /// Returns what a person has set; nothing where there is no such file.
    ///
    /// # Errors
    /// [`Error::Configuration`] if the file holds something else.
    pub fn settings(&self) -> Result<Settings> {
        let path = self.folder().join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Settings::default());
            }
            Err(error) => {
                return Err(Error::Settings { path, problem: format!("cannot be read: {error}") });
            }
        };
        toml::from_str(&text).map_err(|error| {
            let problem = format!("cannot be understood: {}", error.message());
            Error::Settings { path, problem }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_read_and_what_is_misspelled_is_told() {
        let home = tempfile::tempdir().unwrap();
        let configuration = Configuration::at(home.path());
        assert_eq!(configuration.settings().unwrap(), Settings::default());
        std::fs::create_dir_all(configuration.folder()).unwrap();
        let set = |text: &str| {
            std::fs::write(configuration.folder().join(FILE), text).unwrap();
            configuration.settings()
        };
        assert_eq!(set("pre_sync = false\n").unwrap().pre_sync, Some(false));
        assert_eq!(set("# nothing\n").unwrap().pre_sync, None);
        let told = set("[jobs]\nfailure_report = \"class\"\n").unwrap().jobs.failure_report;
        assert_eq!(told, Some(Detail::Class));
        let jobs = set("[jobs]\ntimeout = 600\nparallel = 2\nserve = true\n").unwrap().jobs;
        assert_eq!((jobs.time(), jobs.serve), (Some(Duration::from_secs(600)), Some(true)));
        let zero = "[jobs]\nparallel = 0\n";
        for wrong in ["pre_sync = \"no\"\n", "presync = false\n", "=", zero, "[jobs]\nx = 1\n"] {
            let error = set(wrong).unwrap_err().to_string();
            assert!(error.contains("settings.toml"), "{error}");
        }
    }
}
