//! A service that keeps an account in step: made, looked at and removed.
//!
//! What it consists of is decided in `plan`. It runs under this user's systemd, or by cron.
//!
//! Invariant: a unit without our mark, and a line of a crontab without it, is never written or
//! removed; to install twice is to install once; what was removed leaves nothing.

mod crontab;
mod manager;
mod plan;
mod quoting;

use std::path::{Path, PathBuf};

use super::{Configuration, LastSync, Result};
use crate::caches::write_private_file;
use crate::model::{Code, Email};

pub use plan::{Kind, MINUTES, Task, Unit};

use plan::Unfit;

/// A service of one account.
#[derive(Clone, Debug)]
pub struct Service {
    configuration: Configuration,
    task: Task,
    /// Where this user's units lie.
    units: PathBuf,
}

/// What an installation writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    /// How the service runs.
    pub kind: Kind,
    /// The units, with where they lie.
    pub units: Vec<(PathBuf, String)>,
    /// The line of the crontab.
    pub cron_line: Option<String>,
    /// False if all of it was so already.
    pub is_new: bool,
}

/// How a service stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceStatus {
    /// How it runs; `None` if it is not installed.
    pub kind: Option<Kind>,
    /// True if what runs is `syft serve`.
    pub serves: bool,
    /// True if it runs, or will at its time.
    pub is_active: bool,
    /// What the system says of it.
    pub state: String,
    /// How the last sync ended, whoever started it.
    pub last: Option<LastSync>,
    /// In how many seconds it runs next, where that is known.
    pub next_in_seconds: Option<u32>,
    /// When it runs next, as the system says it.
    pub next: Option<String>,
}

/// Why a service could not be made or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// Neither systemd nor cron is there.
    #[error("neither a systemd of this user nor `crontab` answers on this machine")]
    NoManager,

    /// A file of our name is not ours.
    #[error("`{}` was not written by `syft service install`", path.display())]
    NotOurs {
        /// Which one.
        path: PathBuf,
    },

    /// A path cannot be written into a unit or a crontab.
    #[error("`{word}` cannot be written into a {place}")]
    Unfit {
        /// What cannot be written.
        word: String,
        /// Where.
        place: &'static str,
    },

    /// A program of the system failed.
    #[error("`{program}` could not do it: {reason}")]
    Program {
        /// Which one.
        program: &'static str,
        /// What it said.
        reason: String,
    },

    /// A unit could not be read or removed.
    #[error("`{}` could not be used", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ServiceError {
    /// Returns a short name of the kind of error, for programs.
    pub const fn code(&self) -> Code {
        match self {
            Self::NoManager => Code::ServiceNoManager,
            Self::NotOurs { .. } => Code::ServiceNotOurs,
            Self::Unfit { .. } => Code::ServiceUnfit,
            Self::Program { .. } => Code::ServiceProgram,
            Self::File { .. } => Code::Disk,
        }
    }
}

impl Service {
    /// A service for `task`, whose units lie in `units`.
    pub const fn new(configuration: Configuration, task: Task, units: PathBuf) -> Self {
        Self { configuration, task, units }
    }

    /// The same, running `syft serve` or not.
    #[must_use]
    pub fn that_serves(mut self, serves: bool) -> Self {
        self.task.serves = serves;
        self
    }

    /// True if what is installed runs `syft serve`.
    ///
    /// # Errors
    /// If a unit cannot be read.
    pub async fn serves_now(&self) -> Result<bool, ServiceError> {
        let mut texts = Vec::new();
        for path in self.units_here()? {
            texts.extend(self.ours(&path)?);
        }
        texts.extend(self.cron_line_here().await?);
        Ok(texts.iter().any(|text| plan::serves(text)))
    }

    /// Returns its name.
    pub fn id(&self) -> String {
        self.task.id()
    }

    /// Returns whose account it is for.
    pub const fn email(&self) -> &Email {
        &self.task.email
    }

    /// Returns the log of what runs without anybody who watches.
    pub fn log(&self) -> PathBuf {
        self.configuration.sync_log(Some(&self.task.email))
    }

    /// Returns how it can run on this machine: under systemd where that answers, else by cron.
    ///
    /// # Errors
    /// [`ServiceError::NoManager`].
    pub async fn kind_here(&self, minutes: u8) -> Result<Kind, ServiceError> {
        if manager::has_systemd().await {
            return Ok(Kind::Watch);
        }
        match manager::crontab().await {
            Ok(_) => Ok(Kind::Cron { minutes }),
            Err(_) => Err(ServiceError::NoManager),
        }
    }

    /// Returns what an installation writes. Changes nothing.
    ///
    /// # Errors
    /// [`ServiceError::Unfit`], [`ServiceError::NotOurs`].
    pub async fn plan(&self, kind: Kind) -> Result<Installation, ServiceError> {
        let place = if matches!(kind, Kind::Cron { .. }) { "crontab" } else { "unit" };
        let unfit = |Unfit(word)| ServiceError::Unfit { word, place };
        let mut is_new = false;
        let mut units = Vec::new();
        for Unit { name, text } in self.task.units(kind).map_err(unfit)? {
            let path = self.units.join(name);
            is_new |= self.ours(&path)?.as_ref() != Some(&text);
            units.push((path, text));
        }
        let cron_line = match kind {
            Kind::Cron { minutes } => {
                let line = self.task.cron_line(minutes).map_err(unfit)?;
                let crontab = manager::crontab().await?.unwrap_or_default();
                is_new |= crontab::find(&crontab, &self.id()) != Some(line.as_str());
                Some(line)
            }
            Kind::Watch | Kind::Timer { .. } => None,
        };
        Ok(Installation { kind, units, cron_line, is_new })
    }

    /// Installs it, in the place of what was installed before.
    ///
    /// # Errors
    /// As [`Service::plan`], and if the system refuses; what was written is removed then.
    pub async fn install(&self, kind: Kind) -> Result<Installation> {
        let planned = self.plan(kind).await?;
        if let Some(line) = &planned.cron_line {
            self.remove_units(&[]).await?;
            let crontab = manager::crontab().await?.unwrap_or_default();
            manager::set_crontab(&crontab::with(&crontab, line, &self.id())).await?;
            return Ok(planned);
        }
        // What runs was started by the unit as it was: a process that watches would go on under a unit
        // that has become a timer's.
        let same = planned.units.iter().filter(|_| !planned.is_new);
        let kept: Vec<&Path> = same.map(|(path, _)| path.as_path()).collect();
        self.remove_units(&kept).await?;
        for (path, text) in &planned.units {
            write_private_file(path, text.as_bytes())?;
        }
        if let Err(error) = self.start(kind, planned.is_new).await {
            if planned.is_new {
                self.remove_units(&[]).await?;
            }
            return Err(error.into());
        }
        self.remove_cron_line().await?;
        Ok(planned)
    }

    async fn start(&self, kind: Kind, is_new: bool) -> Result<(), ServiceError> {
        let unit = self.started_unit(kind);
        manager::systemctl(&["daemon-reload"]).await?;
        manager::systemctl(&["enable", &unit]).await?;
        let state = manager::systemctl(&["is-active", &unit]).await.unwrap_or_default();
        if is_new || state.trim() != "active" {
            // One that runs already runs as it was written before. One that died and is to be started
            // again in a minute would not be started sooner, and would be waited for.
            manager::systemctl(&["restart", &unit]).await?;
        }
        Ok(())
    }

    /// The unit that is started, and that starts the other if there are two.
    fn started_unit(&self, kind: Kind) -> String {
        let ending = if matches!(kind, Kind::Timer { .. }) { "timer" } else { "service" };
        format!("{}.{ending}", self.id())
    }

    /// Removes it, with its log. Returns what was removed, for a person; nothing if it was not
    /// installed. With `dry_run` nothing is removed.
    ///
    /// # Errors
    /// [`ServiceError::NotOurs`]; else if the system refuses.
    pub async fn uninstall(&self, dry_run: bool) -> Result<Vec<String>> {
        let mut removed: Vec<String> =
            self.units_here()?.iter().map(|path| path.display().to_string()).collect();
        let line = self.cron_line_here().await?;
        removed.extend(line.map(|line| format!("crontab: {line}")));
        if dry_run {
            return Ok(removed);
        }
        self.remove_units(&[]).await?;
        self.remove_cron_line().await?;
        if !removed.is_empty() {
            self.configuration.forget_told(Some(&self.task.email))?;
        }
        Ok(removed)
    }

    /// Looks how it stands. `minute` and `second` of the hour, as the clock on the wall says.
    ///
    /// # Errors
    /// If a unit cannot be read.
    pub async fn status(&self, minute: u32, second: u32) -> Result<ServiceStatus> {
        let last = self.configuration.told(Some(&self.task.email)).last;
        let mut status = ServiceStatus { last, ..ServiceStatus::default() };
        let units = self.units_here()?;
        if let Some(timer) = units.iter().find(|path| ends_in(path, "timer")) {
            let text = self.ours(timer)?.unwrap_or_default();
            let minutes = between(&text, "OnUnitInactiveSec=", "min").unwrap_or_default();
            status.kind = Some(Kind::Timer { minutes: minutes.parse().unwrap_or_default() });
        } else if !units.is_empty() {
            status.kind = Some(Kind::Watch);
        } else if let Some(line) = self.cron_line_here().await? {
            let minutes = plan::minutes_of(&line).unwrap_or_default();
            status.kind = Some(Kind::Cron { minutes });
            status.is_active = !crontab::is_off(&line);
            status.state =
                if status.is_active { "in the crontab" } else { "made a comment" }.into();
            let next = plan::seconds_to_next(self.task.offset(minutes), minutes, minute, second);
            status.next_in_seconds = status.is_active.then_some(next);
        }
        status.serves = self.serves_now().await?;
        if let Some(kind @ (Kind::Watch | Kind::Timer { .. })) = status.kind {
            self.ask_systemd(kind, &mut status).await;
        }
        Ok(status)
    }

    async fn ask_systemd(&self, kind: Kind, status: &mut ServiceStatus) {
        let unit = self.started_unit(kind);
        let wanted =
            "--property=ActiveState,SubState,NextElapseUSecRealtime,NextElapseUSecMonotonic";
        match manager::systemctl(&["show", &unit, wanted]).await {
            Ok(text) => {
                let property = |name: &str| between(&format!("{text}\n"), name, "\n");
                let active = property("ActiveState=").unwrap_or_default();
                let sub = property("SubState=").unwrap_or_default();
                status.is_active = active == "active";
                status.state = format!("{active} ({sub})");
                status.next = property("NextElapseUSecRealtime=").filter(|next| !next.is_empty());
            }
            Err(error) => status.state = format!("not known: {error}"),
        }
    }

    /// Returns the text of a unit of ours; `None` if there is no such file.
    fn ours(&self, path: &Path) -> Result<Option<String>, ServiceError> {
        let file = |source| ServiceError::File { path: path.to_owned(), source };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(file(error)),
        };
        if text.lines().next() == Some(self.task.mark().as_str()) {
            return Ok(Some(text));
        }
        Err(ServiceError::NotOurs { path: path.to_owned() })
    }

    /// Returns which units of ours are there.
    fn units_here(&self) -> Result<Vec<PathBuf>, ServiceError> {
        let mut here = Vec::new();
        for ending in ["timer", "service"] {
            let path = self.units.join(format!("{}.{ending}", self.id()));
            if self.ours(&path)?.is_some() {
                here.push(path);
            }
        }
        Ok(here)
    }

    /// Stops and removes the units but those that are `kept`.
    async fn remove_units(&self, kept: &[&Path]) -> Result<(), ServiceError> {
        let here = self.units_here()?;
        let gone: Vec<&PathBuf> =
            here.iter().filter(|path| !kept.contains(&path.as_path())).collect();
        for path in &gone {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Where systemd does not answer nothing runs, and only its link is left.
            if manager::systemctl(&["disable", "--now", &name]).await.is_err() {
                for wants in ["default.target.wants", "timers.target.wants"] {
                    remove(&self.units.join(wants).join(&*name))?;
                }
            }
            remove(path)?;
        }
        if !gone.is_empty() {
            manager::systemctl(&["daemon-reload"]).await.ok();
            for path in &gone {
                // One that was stopped in the middle is on record as failed, and its name stays.
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                manager::systemctl(&["reset-failed", &name]).await.ok();
            }
        }
        Ok(())
    }

    /// Returns our line of the crontab; `None` if there is none, or no cron.
    async fn cron_line_here(&self) -> Result<Option<String>, ServiceError> {
        let crontab = manager::crontab().await.ok().flatten().unwrap_or_default();
        Ok(crontab::find(&crontab, &self.id()).map(str::to_owned))
    }

    async fn remove_cron_line(&self) -> Result<(), ServiceError> {
        if self.cron_line_here().await?.is_none() {
            return Ok(());
        }
        let crontab = manager::crontab().await?.unwrap_or_default();
        manager::set_crontab(&crontab::without(&crontab, &self.id())).await
    }
}

fn remove(path: &Path) -> Result<(), ServiceError> {
    match std::fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ServiceError::File { path: path.to_owned(), source }),
    }
}

fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|extension| extension == ending)
}

/// Returns what stands in a text after one thing and before another.
fn between(text: &str, after: &str, before: &str) -> Option<String> {
    let (_, rest) = text.split_once(after)?;
    rest.split_once(before).map(|(found, _)| found.to_owned())
}
