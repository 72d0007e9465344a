//! A Drive server that stays alive, and two accounts that use it through the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use drive_api::auth::StaticToken;
use drive_api::{Drive, Endpoint};
use drive_server::{Options, Server};
use serde_json::Value;
use syft::connections::GDrive;
use syft::model::Email;

pub(crate) const OWNER: &str = "do@example.org";
pub(crate) const SCIENTIST: &str = "ds@example.org";

pub(crate) struct World {
    server: Server,
    folder: tempfile::TempDir,
}

/// One account on one machine.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) email: &'static str,
    pub(crate) home: PathBuf,
}

/// A program that may be killed.
pub(crate) struct Running {
    child: Child,
    start: Instant,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Option<i32>,
    pub(crate) json: Value,
    pub(crate) took: Duration,
}

impl World {
    pub(crate) async fn new() -> Self {
        // In memory where the system has such a place: what a process wrote is there after its
        // end wherever it lies.
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let data = folder.path().join("drive");
        let server = drive_server::serve(Options::new(&data)).await.unwrap();
        for email in [OWNER, SCIENTIST] {
            drive_server::add_account(&data, email, Some(&token(email))).unwrap();
        }
        Self { server, folder }
    }

    /// Logs an account in on a machine.
    pub(crate) fn log_in(&self, role: &str, email: &'static str, machine: &str) -> Account {
        let account = Account { email, home: self.folder.path().join(machine) };
        let (url, token) = (self.server.url(), token(email));
        account.done(&[
            &format!("login-{role}"),
            "--email",
            email,
            "--drive",
            url,
            "--token",
            &token,
        ]);
        account
    }

    /// An owner and a scientist who know each other.
    pub(crate) fn pair(&self) -> (Account, Account) {
        let owner = self.log_in("do", OWNER, "owner");
        let scientist = self.log_in("ds", SCIENTIST, "scientist");
        scientist.done(&["peer", "add", OWNER]);
        owner.done(&["sync"]);
        owner.done(&["peer", "approve", SCIENTIST]);
        scientist.done(&["sync"]);
        (owner, scientist)
    }

    /// A session of an account with the server, to look at what lies there.
    pub(crate) fn drive(&self, email: &str) -> GDrive {
        let endpoint = Endpoint::at(self.server.url()).unwrap();
        let token = Arc::new(StaticToken::new(token(email)).unwrap());
        GDrive::connect(Email::parse(email).unwrap(), Drive::new(endpoint, token))
    }

    /// Writes a file outside of any SyftBox, and returns where it is.
    pub(crate) fn file(&self, path: &str, content: &str) -> String {
        let path = self.folder.path().join("files").join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn token(email: &str) -> String {
    format!("the-token-of-{}", email.replace('@', "-at-"))
}

impl Account {
    /// Starts the program.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let child = Command::new(env!("CARGO_BIN_EXE_syft"))
            .arg("--json")
            .args(arguments)
            .env("SYFT_HOME", &self.home)
            .env("SYFT_EMAIL", self.email)
            .env("PRE_SYNC", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Running { child, start: Instant::now() }
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        self.start(arguments).end()
    }

    /// Runs the program, which must do all that it was asked for.
    pub(crate) fn done(&self, arguments: &[&str]) -> Value {
        let answer = self.run(arguments);
        assert_eq!(answer.exit, Some(0), "{} {arguments:?}: {answer:?}", self.email);
        answer.json
    }

    /// Where a path of the owner's datasite lies on this machine.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.home.join(format!("SyftBox_{}", self.email)).join(OWNER).join(path)
    }

    pub(crate) fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.place(path)).ok()
    }

    /// Writes a file as a careful editor does, or deletes it.
    pub(crate) fn put(&self, path: &str, content: Option<&str>) {
        let place = self.place(path);
        match content {
            Some(content) => {
                std::fs::create_dir_all(place.parent().unwrap()).unwrap();
                let new = self.home.join("being-edited");
                std::fs::write(&new, content).unwrap();
                std::fs::rename(new, place).unwrap();
            }
            None => {
                std::fs::remove_file(place).ok();
            }
        }
    }

    /// All files of the owner's datasite on this machine, but for temporary ones: a crash leaves
    /// them, and they never travel.
    pub(crate) fn tree(&self) -> BTreeMap<String, String> {
        let mut files = tree(&self.place(""));
        files.retain(|path, _| !path.contains(".syft-tmp-"));
        files
    }

    /// The files with the ending `.db` on this machine.
    pub(crate) fn databases(&self) -> Vec<PathBuf> {
        let all = tree(&self.home).into_keys().filter(|path| path.ends_with(".db"));
        all.map(|path| self.home.join(path)).collect()
    }
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.start.elapsed()
    }

    /// Kills it `after` its start, if it is not done by then.
    pub(crate) fn kill(mut self, after: Duration) -> Answer {
        // The moment of the crash is the point of these tests: nothing is waited for here.
        std::thread::sleep(after.saturating_sub(self.start.elapsed()));
        self.child.kill().unwrap();
        self.end()
    }

    /// Waits for its end.
    pub(crate) fn end(self) -> Answer {
        let start = self.start;
        let output = self.child.wait_with_output().unwrap();
        let json = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Answer { exit: output.status.code(), json, took: start.elapsed() }
    }
}

fn tree(root: &Path) -> BTreeMap<String, String> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(content) = std::fs::read(&path) {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, String::from_utf8_lossy(&content).into_owned());
            }
        }
    }
    files
}
