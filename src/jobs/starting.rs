//! Finds out what is to be executed for a job, and makes what it needs: its environment.
//!
//! What runs is derived from `config.yaml`, unless the owner approved the submitted `run.sh` as such.

use std::ffi::OsString;
use std::path::PathBuf;

use super::approval::RunScript;
use super::config::JobKind;
use super::cut::Wish;
use super::environment::{Environment, EnvironmentCache, Installed, Lock, Locked, Making, Wanted};
use super::error::{Error, io_error};
use super::installer::Installer;
use super::python::Interpreter;
use super::requirements::{Needs, needs, of_project, unfit_python};
use super::runner::Run;
use super::sandbox::{Access, Bind};
use super::script::{ScriptCheck, bash_start};
use super::store::check_script_in;
use super::tree::read_file;
use crate::model::Timestamp;

const PROJECT_BYTES_MAX: usize = 16 << 20;

const OLDEST_PYTHON: u32 = 8;

const LOCK_NOT_FOLLOWED: &str = "its `uv.lock` was not followed, since `uv` was not there when its \
    environment was made: it has what `pyproject.toml` allows";

/// What is to be executed, and what it needs to see.
pub(super) struct Start {
    pub(super) command: Vec<OsString>,
    pub(super) directory: &'static str,
    pub(super) tools: Vec<Bind>,
    pub(super) our_module: bool,
    pub(super) installed: Option<Installed>,
    /// Keeps the environment of the job as long as it runs.
    pub(super) environment: Option<Lock>,
}

impl Run<'_> {
    /// Returns what is to be executed, or the return code of the installation if that failed.
    pub(super) async fn start(
        &self,
        notes: &mut Vec<String>,
        wish: &Wish,
        now: Timestamp,
    ) -> Result<Result<Start, i64>, Error> {
        let run_script = self.approval.run_script;
        let check = check_script_in(self.copy, &self.job.config).map_err(self.problem())?;
        let bash = |script: String| Start {
            command: vec!["bash".into(), script.into()],
            directory: "",
            tools: Vec::new(),
            our_module: true,
            installed: None,
            environment: None,
        };
        if run_script == RunScript::AsSubmitted
            || (check == ScriptCheck::AsDerived && self.is_bash())
        {
            return Ok(Ok(bash("run.sh".to_owned())));
        }
        if let ScriptCheck::Underivable { reason } = check {
            return Err(Error::Unusable { job: self.job.id.clone(), reason: reason.to_owned() });
        }
        if check != ScriptCheck::AsDerived {
            notes.push(
                "its `run.sh` differs from what its configuration says and was not used".to_owned(),
            );
        }
        if self.is_bash() {
            return Ok(Ok(bash(format!("code/{}", bash_start(&self.job.config)))));
        }
        self.python(notes, wish, now).await
    }

    async fn python(
        &self,
        notes: &mut Vec<String>,
        wish: &Wish,
        now: Timestamp,
    ) -> Result<Result<Start, i64>, Error> {
        let needs = self.needs()?;
        let locked = self.locked()?;
        let has_lock = locked.is_some();
        let entrypoint = self.job.config.entrypoint.as_ref().map(ToString::to_string);
        let start = |program: PathBuf, tools| Start {
            command: vec![program.into(), entrypoint.unwrap_or_default().into()],
            directory: "code",
            tools,
            our_module: !needs.real_client,
            installed: None,
            environment: None,
        };
        if needs.is_nothing()
            && locked.is_none()
            && let Some(python) = self.bare_python().await?
        {
            self.note_python(&format!("3.{}", python.minor), notes)?;
            let prefix = python.prefix.map(|prefix| Bind {
                source: prefix.clone(),
                target: prefix,
                access: Access::Read,
            });
            return Ok(Ok(start(python.program, prefix.into_iter().collect())));
        }
        let wanted = Wanted { packages: &needs.packages, locked };
        let [out, err] = self.workspace.log_files();
        let options = self.options;
        let making = Making {
            confinement: &options.confinement,
            settings: &options.install,
            path: &options.path,
            logs: [&out, &err],
            wish,
            now,
        };
        let environment = EnvironmentCache::new(self.store.private())
            .get(&wanted, &making)
            .await
            .map_err(io_error(&"the environment of the job"))?;
        if let Ok(environment) = &environment {
            self.note_python(&environment.installed.python, notes)?;
            if has_lock && !environment.follows_lock {
                notes.push(LOCK_NOT_FOLLOWED.to_owned());
            }
        }
        Ok(environment.map(|Environment { program, binds, installed, lock, .. }| Start {
            installed: Some(installed),
            environment: Some(lock),
            ..start(program, binds)
        }))
    }

    /// Finds a Python for a job that needs nothing else; `None` if an installer has to get one.
    async fn bare_python(&self) -> Result<Option<Interpreter>, Error> {
        let names = ["python3", "python3.12", "python3.13", "python3.11"];
        let path = &self.options.path;
        let found = Interpreter::find(&names, OLDEST_PYTHON, path).await;
        match found {
            None if Installer::find(path).await.is_none() => {
                Err(Error::NoPython { minor: OLDEST_PYTHON })
            }
            found => Ok(found),
        }
    }

    /// Says so if the project asks for another Python than this one.
    fn note_python(&self, version: &str, notes: &mut Vec<String>) -> Result<(), Error> {
        let project = self.project("pyproject.toml")?.unwrap_or_default();
        if let Some(wish) = unfit_python(&String::from_utf8_lossy(&project), version) {
            notes.push(format!("its project asks for Python {wish}, and it ran with {version}"));
        }
        Ok(())
    }

    fn needs(&self) -> Result<Needs, Error> {
        let project = match self.project("pyproject.toml")? {
            None => Vec::new(),
            Some(text) => of_project(&String::from_utf8_lossy(&text)).map_err(|reason| {
                let reason = format!("`pyproject.toml`: {reason}");
                Error::Unusable { job: self.job.id.clone(), reason }
            })?,
        };
        Ok(needs(&self.job.config, &project))
    }

    fn locked(&self) -> Result<Option<Locked>, Error> {
        let both = self.project("pyproject.toml")?.zip(self.project("uv.lock")?);
        let besides = || needs(&self.job.config, &[]).packages;
        Ok(both.map(|(project, lock)| Locked { project, lock, besides: besides() }))
    }

    fn project(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        if !self.job.config.is_folder_submission {
            return Ok(None);
        }
        read_file(self.copy, &format!("code/{name}"), PROJECT_BYTES_MAX).map_err(self.problem())
    }

    fn is_bash(&self) -> bool {
        self.job.config.kind == JobKind::Bash
    }
}
