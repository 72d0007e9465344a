//! Works out and installs the packages of a job: with the network, without any data.
//!
//! Building a package runs its author's code, so both are confined as well: the process sees the
//! empty folder that it works in and nothing else of ours. `uv` is used where there is one, else
//! `venv` and `pip`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use super::environment::{INSIDE, Locked, Making, Wanted};
use super::limits::Limits;
use super::process::execute;
use super::python::{Interpreter, is_wide};
use super::resolved::{Pinned, are_hashed, of_report, of_requirements, write};
use super::sandbox::{Access, Bind, PATH, Room, SystemDirs};
use super::script::PYTHON_VERSION;
use super::tree::{open_root, read_file, remove};

/// What packages are installed with.
#[derive(Debug)]
pub(crate) struct Installer {
    uv: Option<PathBuf>,
    /// `None`: `uv` is asked to download one.
    pub(crate) python: Option<Interpreter>,
    /// Where its pip lies; `None`: there is one in each environment, or `uv` is used.
    pub(crate) pip: Option<PathBuf>,
}

/// One step: something is worked out, or installed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps<'a> {
    /// The empty folder in which that happens; it becomes the environment.
    pub(crate) folder: &'a Path,
    pub(crate) wanted: &'a Wanted<'a>,
    pub(crate) by: &'a Making<'a>,
}

const UV_INSIDE: &str = "/syft/uv";
const PIP_INSIDE: &str = "/syft/pip";
const PYTHONS: [&str; 6] =
    ["python3.12", "python3.13", "python3.11", "python3.10", "python3.14", "python3"];

impl Installer {
    /// Finds what there is in the folders of `path`; `None` if nothing can install anything.
    pub(crate) async fn find(path: &str) -> Option<Self> {
        // A service of the system often has another path than its owner's terminal.
        let usual =
            std::env::home_dir().map(|home| [".local/bin", ".cargo/bin"].map(|f| home.join(f)));
        let uv = std::env::split_paths(path)
            .chain(usual.into_iter().flatten())
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("uv"))
            .find(|program| program.is_file());
        let uv = uv.and_then(|program| program.canonicalize().ok());
        let python = Interpreter::find(&PYTHONS, 10, path).await;
        (uv.is_some() || python.is_some()).then_some(Self { uv, python, pip: None })
    }

    /// Returns the Python that installs and the archive of its pip, if one is needed and there.
    pub(crate) fn pip_archive(&self) -> Option<(&Interpreter, PathBuf)> {
        let python = self.python.as_ref().filter(|_| self.uv.is_none())?;
        Some((python, python.pip_archive()?))
    }

    /// Unpacks that archive, so that it starts fast, or returns the return code of what failed.
    pub(crate) async fn unpack_pip(
        &self,
        steps: &Steps<'_>,
        archive: &Path,
    ) -> io::Result<Result<(), i64>> {
        let (python, place) = (self.interpreter(), place(steps));
        let unpack = words(&[&python, &"-I", &"-m", &"zipfile", &"-e", &archive, &place]);
        let compile = words(&[&python, &"-I", &"-m", &"compileall", &"-q", &place.join("pip")]);
        self.execute(steps, vec![unpack, compile]).await
    }

    /// Returns the name of the Python that environments are made with.
    pub(crate) fn python_name(&self) -> String {
        match &self.python {
            Some(python) => python.program.display().to_string(),
            None => format!("downloaded {PYTHON_VERSION}"),
        }
    }

    /// True if a project's own lock is what is installed.
    pub(crate) const fn reads_locks(&self) -> bool {
        self.uv.is_some()
    }

    /// Returns what is wanted exactly, or the return code of the step that failed. What the job's
    /// own lock pins is not in it.
    pub(crate) async fn resolve(&self, steps: &Steps<'_>) -> io::Result<Result<Vec<Pinned>, i64>> {
        let packages = self.packages(steps.wanted);
        if packages.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let place = place(steps);
        let (commands, result) = if let Some(uv) = self.uv(steps) {
            self.write_project(steps)?;
            // Installers put variables of ours into such a file.
            if let Some(odd) = packages.iter().find(|text| text.contains("${")) {
                let shown: String = odd.chars().take(80).flat_map(char::escape_debug).collect();
                return Err(io::Error::other(format!("the dependency `{shown}` has a `${{`")));
            }
            std::fs::write(steps.folder.join("wanted.txt"), packages.join("\n") + "\n")?;
            (self.uv_resolves(&uv, &place, steps), "resolved.txt")
        } else {
            let venv = place.join("venv");
            let report = place.join("report.json");
            let mut resolve = self.pip(&venv, steps);
            resolve.extend(words(&[
                &"install",
                &"--dry-run",
                &"--ignore-installed",
                &"--quiet",
                &"--report",
                &report,
                &"--",
            ]));
            resolve.extend(packages.iter().map(OsString::from));
            (vec![self.makes_venv(&venv), resolve], "report.json")
        };
        if let Err(code) = self.execute(steps, commands).await? {
            return Ok(Err(code));
        }
        const BYTES_MAX: usize = 64 << 20;
        let folder = open_root(steps.folder)?;
        let text = folder.map(|folder| read_file(&folder, result, BYTES_MAX)).transpose()?;
        let text = text.flatten().unwrap_or_default();
        let set = match result {
            "report.json" => of_report(&text),
            _ => of_requirements(&String::from_utf8_lossy(&text)),
        };
        set.map(Ok).map_err(io::Error::other)
    }

    /// Makes an environment of exactly `set`, and of what the job's own lock pins, or returns the
    /// return code of the step that failed.
    pub(crate) async fn install(
        &self,
        steps: &Steps<'_>,
        set: &[Pinned],
    ) -> io::Result<Result<(), i64>> {
        let place = place(steps);
        let (venv, list) = (place.join("venv"), place.join("install.txt"));
        let python = venv.join("bin/python");
        self.write_project(steps)?;
        std::fs::write(steps.folder.join("install.txt"), write(set))?;
        let mut commands = Vec::new();
        let mut install = if let Some(uv) = self.uv(steps) {
            commands.push(words(&[&uv, &"venv", &"--python", &self.interpreter(), &venv]));
            if steps.wanted.locked.is_some() {
                let project = place.join("project");
                let sync = ["sync", "--frozen", "--no-install-project", "--compile-bytecode"];
                let mut sync = [vec![uv.clone().into_os_string()], sync.map(OsString::from).into()];
                // Else it would take, or fetch, whichever Python the project likes best.
                sync[1].extend(words(&[&"--python", &self.interpreter(), &"--project", &project]));
                commands.push(sync.concat());
            }
            words(&[&uv, &"pip", &"install", &"--python", &python, &"--compile-bytecode"])
        } else {
            commands.push(self.makes_venv(&venv));
            let mut install = self.pip(&venv, steps);
            install.push("install".into());
            install
        };
        if !set.is_empty() {
            install.extend(words(&[&"--no-deps", &"-r", &list]));
            if are_hashed(set) {
                install.push("--require-hashes".into());
            }
            commands.push(install);
        }
        let done = self.execute(steps, commands).await?;
        for name in ["cache", "home", "install.txt"] {
            remove(&steps.folder.join(name))?;
        }
        Ok(done)
    }

    /// The command that makes an environment without `uv`.
    fn makes_venv(&self, venv: &Path) -> Vec<OsString> {
        let mut command = words(&[&self.interpreter(), &"-m", &"venv"]);
        if self.pip.is_some() {
            command.push("--without-pip".into());
        }
        command.push(venv.into());
        command
    }

    /// The beginning of a command of pip, for an environment.
    fn pip(&self, venv: &Path, steps: &Steps<'_>) -> Vec<OsString> {
        let python = venv.join("bin/python");
        match &self.pip {
            Some(_) if steps.by.confinement.confines() => {
                words(&[&python, &Path::new(PIP_INSIDE).join("pip")])
            }
            Some(pip) => words(&[&python, &pip.join("pip")]),
            None => words(&[&python, &"-m", &"pip"]),
        }
    }

    /// What has to be worked out: with a lock that is read, only what is wanted besides.
    fn packages<'a>(&self, wanted: &'a Wanted<'a>) -> &'a [String] {
        match &wanted.locked {
            Some(locked) if self.reads_locks() => &locked.besides,
            _ => wanted.packages,
        }
    }

    /// With a lock, what it pins stays as it is.
    fn uv_resolves(&self, uv: &Path, place: &Path, steps: &Steps<'_>) -> Vec<Vec<OsString>> {
        let (wanted, result) = (place.join("wanted.txt"), place.join("resolved.txt"));
        let mut commands = Vec::new();
        let mut compile = words(&[
            &uv,
            &"pip",
            &"compile",
            &"--python",
            &self.interpreter(),
            &"--generate-hashes",
            &"--no-header",
            &"--no-annotate",
            &"--quiet",
            &"--output-file",
            &result,
        ]);
        if steps.wanted.locked.is_some() {
            let (project, pins) = (place.join("project"), place.join("pins.txt"));
            let export = ["export", "--frozen", "--no-emit-project", "--no-hashes", "--no-header"];
            let mut export = [vec![uv.as_os_str().to_owned()], export.map(OsString::from).into()];
            export[1].extend(words(&[&"--quiet", &"--project", &project, &"-o", &pins]));
            commands.push(export.concat());
            compile.extend(words(&[&"--constraints", &pins]));
        }
        compile.push(wanted.into_os_string());
        commands.push(compile);
        commands
    }

    fn write_project(&self, steps: &Steps<'_>) -> io::Result<()> {
        let Some(Locked { project, lock, .. }) = &steps.wanted.locked else { return Ok(()) };
        let folder = steps.folder.join("project");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("pyproject.toml"), project)?;
        std::fs::write(folder.join("uv.lock"), lock)
    }

    async fn execute(
        &self,
        steps: &Steps<'_>,
        commands: Vec<Vec<OsString>>,
    ) -> io::Result<Result<(), i64>> {
        let limits = Limits {
            time: steps.by.settings.time,
            outputs: steps.by.settings.size,
            ..Limits::default()
        };
        let (left, Making { confinement, logs, wish, .. }) = (steps.folder, steps.by);
        for command in commands {
            let room = self.room(&place(steps), steps, command);
            let ended = execute(confinement, &room, &limits, left, *logs, wish).await?;
            if ended.code != 0 {
                return Ok(Err(ended.code));
            }
        }
        Ok(Ok(()))
    }

    fn interpreter(&self) -> OsString {
        match &self.python {
            Some(python) => python.program.clone().into(),
            None => PYTHON_VERSION.into(),
        }
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
        if let Some(pip) = &self.pip {
            binds.push(Bind { target: PIP_INSIDE.into(), ..show(pip) });
        }
        binds.extend(self.python.iter().filter_map(|python| python.prefix.as_deref()).map(show));
        // Certificates and folders of packages that the settings name.
        let named = steps.by.settings.variables.iter().map(|(_, value)| Path::new(value));
        let named = named.filter(|path| path.is_absolute() && path.exists());
        binds.extend(named.filter(|path| path.is_file() || !is_wide(path)).map(show));
        let own = [
            ("PATH", PATH.into()),
            ("HOME", place.join("home").into_os_string()),
            ("LANG", "C.UTF-8".into()),
            ("UV_CACHE_DIR", place.join("cache").into_os_string()),
            ("UV_PYTHON_INSTALL_DIR", place.join("python").into_os_string()),
            ("UV_PROJECT_ENVIRONMENT", place.join("venv").into_os_string()),
            ("UV_LINK_MODE", "copy".into()),
            ("PIP_NO_CACHE_DIR", "1".into()),
            ("UV_NO_PROGRESS", "1".into()),
            ("PIP_NO_INPUT", "1".into()),
            ("PIP_DISABLE_PIP_VERSION_CHECK", "1".into()),
        ];
        let own = own.map(|(name, value): (&str, OsString)| (name.into(), value));
        let environment = steps.by.settings.variables.iter().cloned().chain(own).collect();
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

    fn uv(&self, steps: &Steps<'_>) -> Option<PathBuf> {
        let uv = self.uv.as_ref()?;
        Some(if steps.by.confinement.confines() { UV_INSIDE.into() } else { uv.clone() })
    }
}

/// Where the process sees the folder of the step.
fn place(steps: &Steps<'_>) -> PathBuf {
    if steps.by.confinement.confines() { INSIDE.into() } else { steps.folder.to_owned() }
}

fn words(words: &[&dyn AsRef<std::ffi::OsStr>]) -> Vec<OsString> {
    words.iter().map(|word| word.as_ref().to_owned()).collect()
}
