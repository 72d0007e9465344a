//! Installs the packages of a job: with the network, without any data.
//!
//! Building a package runs its author's code, so this is confined as well: the process sees the
//! empty environment and nothing else of ours. `uv` is used where there is one, else `venv` and
//! `pip`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::environment::{INSIDE, InstallSettings, Locked, Wanted};
use super::limits::Limits;
use super::outputs::OutputLimits;
use super::process::execute;
use super::python::Interpreter;
use super::sandbox::{Access, Bind, Confinement, PATH, Room, SystemDirs};
use super::script::PYTHON_VERSION;

/// What packages are installed with.
#[derive(Debug)]
pub(crate) struct Installer {
    uv: Option<PathBuf>,
    /// `None`: `uv` is asked to download one.
    pub(crate) python: Option<Interpreter>,
}

/// One installation.
#[derive(Debug)]
pub(crate) struct Steps<'a> {
    /// The empty folder that becomes the environment.
    pub(crate) folder: &'a Path,
    pub(crate) wanted: &'a Wanted<'a>,
    pub(crate) confinement: &'a Confinement,
    pub(crate) settings: &'a InstallSettings,
    pub(crate) logs: [&'a Path; 2],
}

const UV_INSIDE: &str = "/syft/uv";
const PYTHONS: [&str; 6] =
    ["python3.12", "python3.13", "python3.11", "python3.10", "python3.14", "python3"];

impl Installer {
    /// Finds what there is in the folders of `path`; `None` if nothing can install anything.
    pub(crate) async fn find(path: &str) -> Option<Self> {
        let uv = std::env::split_paths(path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("uv"))
            .find(|program| program.is_file());
        let uv = uv.and_then(|program| program.canonicalize().ok());
        let python = Interpreter::find(&PYTHONS, 10, path).await;
        (uv.is_some() || python.is_some()).then_some(Self { uv, python })
    }

    /// Makes the environment, or returns the return code of the step that failed.
    pub(crate) async fn install(&self, steps: &Steps<'_>) -> io::Result<Result<(), i64>> {
        let place = if steps.confinement.confines() { Path::new(INSIDE) } else { steps.folder };
        if let Some(Locked { project, lock }) = &steps.wanted.locked {
            let folder = steps.folder.join("project");
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("pyproject.toml"), project)?;
            std::fs::write(folder.join("uv.lock"), lock)?;
        }
        let limits = Limits {
            time: steps.settings.time,
            outputs: OutputLimits { files: 0, bytes: 0 },
            ..Limits::default()
        };
        for command in self.commands(place, steps) {
            let room = self.room(place, steps, command);
            let ended = execute(steps.confinement, &room, &limits, None, steps.logs).await?;
            if ended.code != 0 {
                return Ok(Err(ended.code));
            }
        }
        for folder in ["cache", "home"] {
            super::tree::remove(&steps.folder.join(folder))?;
        }
        Ok(Ok(()))
    }

    fn commands(&self, place: &Path, steps: &Steps<'_>) -> Vec<Vec<OsString>> {
        let venv = place.join("venv");
        let python = venv.join("bin/python");
        let interpreter: OsString = match &self.python {
            Some(python) => python.program.clone().into(),
            None => PYTHON_VERSION.into(),
        };
        let words = |words: &[&dyn AsRef<std::ffi::OsStr>]| -> Vec<OsString> {
            words.iter().map(|word| word.as_ref().to_owned()).collect()
        };
        let mut commands = Vec::new();
        let mut install = if let Some(uv) = self.uv(steps.confinement) {
            commands.push(words(&[&uv, &"venv", &"--python", &interpreter, &venv]));
            if steps.wanted.locked.is_some() {
                let project = place.join("project");
                commands.push(words(&[
                    &uv,
                    &"sync",
                    &"--frozen",
                    &"--no-install-project",
                    &"--project",
                    &project,
                ]));
            }
            words(&[&uv, &"pip", &"install", &"--python", &python, &"--"])
        } else {
            commands.push(words(&[&interpreter, &"-m", &"venv", &venv]));
            words(&[&python, &"-m", &"pip", &"install", &"--"])
        };
        if !steps.wanted.packages.is_empty() {
            install.extend(steps.wanted.packages.iter().map(OsString::from));
            commands.push(install);
        }
        commands
    }

    fn room(&self, place: &Path, steps: &Steps<'_>, command: Vec<OsString>) -> Room {
        let show = |path: &Path| Bind {
            source: path.to_owned(),
            target: path.to_owned(),
            access: Access::Read,
        };
        let mut binds = vec![Bind {
            source: steps.folder.to_owned(),
            target: place.to_owned(),
            access: Access::Write,
        }];
        if let Some(uv) = &self.uv {
            binds.push(Bind { target: UV_INSIDE.into(), ..show(uv) });
        }
        binds.extend(self.python.iter().filter_map(|python| python.prefix.as_deref()).map(show));
        // Certificates and folders of packages that the settings name.
        let named = steps.settings.variables.iter().map(|(_, value)| Path::new(value));
        let named = named.filter(|path| path.is_absolute() && path.components().count() > 2);
        binds.extend(named.filter(|path| path.exists()).map(show));
        let own = [
            ("PATH", PATH.into()),
            ("HOME", place.join("home").into_os_string()),
            ("LANG", "C.UTF-8".into()),
            ("UV_CACHE_DIR", place.join("cache").into_os_string()),
            ("UV_PYTHON_INSTALL_DIR", place.join("python").into_os_string()),
            ("UV_PROJECT_ENVIRONMENT", place.join("venv").into_os_string()),
            ("UV_LINK_MODE", "copy".into()),
            ("PIP_NO_CACHE_DIR", "1".into()),
            ("PIP_NO_INPUT", "1".into()),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
        ];
        let own = own.map(|(name, value): (&str, OsString)| (name.into(), value));
        let environment = steps.settings.variables.iter().cloned().chain(own).collect();
        Room {
            system: SystemDirs::look(true),
            network: true,
            binds,
            home: "/home/job".into(),
            environment,
            directory: place.to_owned(),
            command,
            scratch_bytes: 4 << 30,
        }
    }

    fn uv(&self, confinement: &Confinement) -> Option<PathBuf> {
        let uv = self.uv.as_ref()?;
        Some(if confinement.confines() { UV_INSIDE.into() } else { uv.clone() })
    }
}
