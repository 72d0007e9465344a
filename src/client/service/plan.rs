//! Decides what a service consists of: the units of systemd, or the line of a crontab.
//!
//! Pure: writes texts, and says how they are known as ours. Each account in each home has a service
//! of its own. With systemd it is one process that watches ([`Kind::Watch`]): changes travel within
//! seconds, and an idle hour costs sixty requests. What runs is a sync, or `syft serve`. A run every few minutes ([`Kind::Timer`],
//! [`Kind::Cron`]) is for machines where no process may stay.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use super::crontab;
use super::quoting::{cron_word, fits_cron, systemd_argument, systemd_word};
use crate::model::Email;

/// Minutes between two runs that any clock can do: they divide an hour.
pub const MINUTES: [u8; 12] = [1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30, 60];

/// How a service runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One process under systemd, which watches.
    Watch,
    /// A run every so many minutes, by a timer of systemd.
    Timer {
        /// One of [`MINUTES`].
        minutes: u8,
    },
    /// A run every so many minutes, by cron.
    Cron {
        /// One of [`MINUTES`].
        minutes: u8,
    },
}

impl Kind {
    /// Returns its name: `watch`, `timer` or `cron`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Watch => "watch",
            Self::Timer { .. } => "timer",
            Self::Cron { .. } => "cron",
        }
    }
}

/// What a service runs, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The program, as an absolute path.
    pub program: PathBuf,
    /// The home that was named; `None` for the usual one.
    pub home: Option<PathBuf>,
    /// Whose account.
    pub email: Email,
    /// True if it runs `syft serve`, which approves and tells as well; else it syncs.
    pub serves: bool,
    /// Variables of the environment without which the program would find something else.
    pub variables: Vec<(String, String)>,
}

/// A file of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// A word cannot be written where it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unfit(pub(super) String);

impl Task {
    /// Returns the name of the service: readable, and different for each account in each home.
    pub fn id(&self) -> String {
        let home = self.home.as_ref().map(|home| home.to_string_lossy()).unwrap_or_default();
        let digest = Sha256::digest(format!("{home}\0{}", self.email));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '.';
        let email = self.email.as_str().chars().take(60);
        let email: String = email.map(|c| if is_plain(c) { c } else { '-' }).collect();
        format!("syft-{email}-{}", hex::encode(digest.get(..4).unwrap_or_default()))
    }

    /// The first line of each unit of ours.
    pub(super) fn mark(&self) -> String {
        format!(
            "# Written by `syft service install` ({}); `syft service uninstall` removes it",
            self.id()
        )
    }

    /// Returns the units of a service; none for cron.
    pub(super) fn units(&self, kind: Kind) -> Result<Vec<Unit>, Unfit> {
        let (mark, id) = (self.mark(), self.id());
        let email = self.email.as_str().replace('%', "%%");
        let command = |words: &[&str]| self.systemd_command(words);
        let variables: String = self
            .variables
            .iter()
            .map(|(name, value)| {
                format!("Environment={}\n", systemd_word(&format!("{name}={value}")))
            })
            .collect();
        let service = |text: String| Unit { name: format!("{id}.service"), text };
        Ok(match kind {
            Kind::Cron { .. } => Vec::new(),
            Kind::Watch => vec![service(format!(
                "{mark}\n[Unit]\nDescription=Keep the SyftBox of {email} in step\n\
                 StartLimitIntervalSec=0\n\n\
                 [Service]\nExecStart={}\n{variables}Restart=always\nRestartSec=60\n\
                 # Stopped by a signal, which is how it ends; wrong usage stays wrong.\n\
                 SuccessExitStatus=130\nRestartPreventExitStatus=2\nTimeoutStopSec=10\n\n\
                 [Install]\nWantedBy=default.target\n",
                command(self.process())?
            ))],
            Kind::Timer { minutes } => vec![
                service(format!(
                    "{mark}\n[Unit]\nDescription=Bring the SyftBox of {email} into step\n\n\
                     [Service]\nType=oneshot\nExecStart={}\n{variables}\
                     # Another syft holds the lock: it does the same. And it may be stopped.\n\
                     SuccessExitStatus=4 130\n",
                    command(self.run())?
                )),
                Unit {
                    name: format!("{id}.timer"),
                    text: format!(
                        "{mark}\n[Unit]\nDescription=Bring the SyftBox of {email} into step every \
                         {minutes} min\n\n\
                         [Timer]\nOnActiveSec=10s\nOnUnitInactiveSec={minutes}min\n\
                         RandomizedDelaySec={}s\nAccuracySec=10s\n\n\
                         [Install]\nWantedBy=timers.target\n",
                        u32::from(minutes) * 6
                    ),
                },
            ],
        })
    }

    /// Returns the line of a crontab.
    pub(super) fn cron_line(&self, minutes: u8) -> Result<String, Unfit> {
        let unfit = |word: &str| Unfit(word.to_owned());
        let mut words = Vec::new();
        for (name, value) in &self.variables {
            let value = cron_word(value).ok_or_else(|| unfit(value))?;
            words.push(format!("{name}={value}"));
        }
        for word in self.words(self.run())? {
            words.push(cron_word(&word).ok_or_else(|| unfit(&word))?);
        }
        let command = words.join(" ");
        if !fits_cron(&command) {
            return Err(unfit(&command));
        }
        Ok(crontab::line(&self.schedule(minutes), &command, &self.id()))
    }

    /// Returns how many minutes after the full hour the first run is: not every machine asks in the
    /// same minute.
    pub(super) fn offset(&self, minutes: u8) -> u8 {
        let digest = Sha256::digest(self.id());
        digest.first().copied().unwrap_or_default() % minutes.max(1)
    }

    fn schedule(&self, minutes: u8) -> String {
        let offset = self.offset(minutes);
        match minutes {
            60.. => format!("{offset} * * * *"),
            1 => "* * * * *".to_owned(),
            _ => format!("{offset}-59/{minutes} * * * *"),
        }
    }

    /// What a process does that stays.
    const fn process(&self) -> &'static [&'static str] {
        if self.serves { &["serve"] } else { &["sync", "--watch"] }
    }

    /// What is run every few minutes.
    const fn run(&self) -> &'static [&'static str] {
        if self.serves { &["serve", "--once", "--quiet"] } else { &["sync", "--quiet"] }
    }

    fn systemd_command(&self, words: &[&str]) -> Result<String, Unfit> {
        let words = self.words(words)?;
        let quoted = words.iter().enumerate().map(|(place, word)| match place {
            0 => systemd_word(word),
            _ => systemd_argument(word),
        });
        Ok(quoted.collect::<Vec<_>>().join(" "))
    }

    /// The command, word by word.
    fn words(&self, command: &[&str]) -> Result<Vec<String>, Unfit> {
        let text = |path: &PathBuf| match path.to_str() {
            Some(path) => Ok(path.to_owned()),
            None => Err(Unfit(path.display().to_string())),
        };
        let mut words = vec![text(&self.program)?];
        if let Some(home) = &self.home {
            words.extend(["--home".to_owned(), text(home)?]);
        }
        words.extend(["--email".to_owned(), self.email.to_string()]);
        words.extend(command.iter().map(ToString::to_string));
        Ok(words)
    }
}

/// Returns the seconds until cron runs next, at a minute and second of the hour.
pub(super) fn seconds_to_next(offset: u8, minutes: u8, minute: u32, second: u32) -> u32 {
    let (offset, minutes) = (u32::from(offset), u32::from(minutes.max(1)));
    let past = (minute + minutes - offset % minutes) % minutes;
    (minutes - past) * 60 - second.min(59)
}

/// True if a unit or a line of ours runs `syft serve`.
pub(super) fn serves(text: &str) -> bool {
    let runs = |line: &str| {
        line.ends_with(" \"serve\"") || line.ends_with(" \"serve\" \"--once\" \"--quiet\"")
    };
    text.lines().any(|line| line.starts_with("ExecStart=") && runs(line))
        || text.contains(" serve --once --quiet # syft-service ")
}

/// Returns how often a line of ours runs, as its schedule says.
pub(super) fn minutes_of(line: &str) -> Option<u8> {
    let first = line.split_whitespace().next()?;
    match first.split_once('/') {
        Some((_, minutes)) => minutes.parse().ok(),
        None if first == "*" => Some(1),
        None => first.parse::<u8>().ok().map(|_| 60),
    }
}

#[cfg(test)]
mod tests;
