//! Two people, their machines, and a drive between them.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const OWNER: &str = "olga@example.org";
pub(crate) const SCIENTIST: &str = "sam@example.org";

/// A process that is ended when the test ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The JSON of a command that must have succeeded.
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.exit, 0, "{self:?}");
        self.json()
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// A folder with everything, and a drive that serves `drive/` in it.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) url: String,
    _drive: Running,
}

/// Returns the program, with an environment that holds nothing of the machine but `PATH`.
pub(crate) fn program(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_syft"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("SYFT_HOME", home);
    command.current_dir(home).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl World {
    /// Both have an account and are logged in nowhere.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["owner", "scientist"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        for email in [OWNER, SCIENTIST] {
            let args =
                ["drive", "account", "add", email, "--data", "drive", "--token", &token(email)];
            let added = program(folder.path()).args(args).output().unwrap();
            assert!(added.status.success(), "{added:?}");
        }
        let serve = ["--json", "drive", "serve", "--data", "drive", "--listen", "127.0.0.1:0"];
        let (drive, line) = start(program(folder.path()).args(serve).args(["--log", "drive.log"]));
        let answer: Value = serde_json::from_str(&line).unwrap();
        let url = answer["url"].as_str().unwrap().to_owned();
        Self { folder, url, _drive: drive }
    }

    /// Both are logged in.
    pub(crate) fn logged_in() -> Self {
        let world = Self::new();
        world.log_in("owner", "login-do", OWNER).done();
        world.log_in("scientist", "login-ds", SCIENTIST).done();
        world
    }

    /// Both work together, and the owner has shown a dataset.
    pub(crate) fn working() -> Self {
        let world = Self::logged_in();
        world.scientist(&["peer", "add", OWNER]).done();
        world.owner(&["sync"]).done();
        world.owner(&["peer", "approve", SCIENTIST]).done();
        let mock = world.file("mock.csv", "a\n1\n");
        let private = world.file("private.csv", "a\n424242\n");
        let (mock, private) = (mock.to_str().unwrap(), private.to_str().unwrap());
        let create = ["dataset", "create", "census", "--users", "any", "--mock", mock];
        world.owner(&[&create[..], &["--private", private]].concat()).done();
        world.scientist(&["sync"]).done();
        world
    }

    pub(crate) fn log_in(&self, home: &str, login: &str, email: &str) -> Ended {
        let args = [login, "--email", email, "--drive", &self.url, "--token", &token(email)];
        self.json(home, &args)
    }

    /// How many requests the drive has answered so far.
    #[allow(dead_code, reason = "not all who share this file count")]
    pub(crate) fn requests(&self) -> usize {
        std::fs::read_to_string(self.folder.path().join("drive.log")).unwrap().lines().count()
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the owner's with `--json`.
    pub(crate) fn owner(&self, args: &[&str]) -> Ended {
        self.json("owner", args)
    }

    /// Runs a command of the scientist's with `--json`.
    pub(crate) fn scientist(&self, args: &[&str]) -> Ended {
        self.json("scientist", args)
    }

    fn json(&self, home: &str, args: &[&str]) -> Ended {
        self.run(home, &[&["--json"], args].concat())
    }

    /// Runs a command as a person would.
    pub(crate) fn run(&self, home: &str, args: &[&str]) -> Ended {
        program(&self.home(home)).args(args).output().unwrap().into()
    }

    /// Writes a file outside of all homes.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A path in the owner's datasite, on the owner's machine.
    pub(crate) fn datasite(&self, path: &str) -> PathBuf {
        self.home("owner").join(format!("SyftBox_{OWNER}/{OWNER}/{path}"))
    }
}

pub(crate) fn token(email: &str) -> String {
    format!("token-of-{email}")
}

/// Starts a command and waits for its first line on stdout.
pub(crate) fn start(command: &mut Command) -> (Running, String) {
    let mut running = Running(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (running, line)
}
