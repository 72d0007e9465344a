//! A drive, a wire to it that stops on cue, and two people who use it through the program.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use drive_api::auth::StaticToken;
use drive_api::{Drive, Endpoint};
use drive_server::{Options, Server};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use syft::connections::GDrive;
use syft::model::Email;

use super::proxy::Proxy;

pub(crate) const OWNER: &str = "do@example.org";
pub(crate) const SCIENTIST: &str = "ds@example.org";
pub(crate) const MIB: u64 = 1 << 20;

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) proxy: Proxy,
    pub(crate) folder: tempfile::TempDir,
}

/// One account on one machine.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) email: &'static str,
    pub(crate) home: PathBuf,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) exit: Option<i32>,
    pub(crate) json: Value,
    pub(crate) stderr: String,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let data = folder.path().join("drive");
        let server = drive_server::serve(Options::new(&data)).await.unwrap();
        for email in [OWNER, SCIENTIST] {
            drive_server::add_account(&data, email, Some(&token(email))).unwrap();
        }
        let proxy = Proxy::before(server.url()).await;
        Self { server, proxy, folder }
    }

    /// Starts the drive anew, with what lies there.
    pub(crate) async fn restart(self) -> Self {
        let Self { server, proxy, folder } = self;
        server.shutdown().await;
        let server = drive_server::serve(Options::new(folder.path().join("drive"))).await.unwrap();
        proxy.lead_to(server.url());
        Self { server, proxy, folder }
    }

    /// Logs an account in on a machine.
    pub(crate) fn log_in(&self, role: &str, email: &'static str, machine: &str) -> Account {
        let account = Account { email, home: self.folder.path().join(machine) };
        let (login, token) = (format!("login-{role}"), token(email));
        let drive = ["--drive", &self.proxy.url, "--token", &token];
        account.done(&[&[&login, "--email", email], &drive[..]].concat());
        account
    }

    /// An owner and a scientist who know each other.
    pub(crate) fn pair(&self) -> (Account, Account) {
        let owner = self.log_in("do", OWNER, "owner");
        let scientist = self.log_in("ds", SCIENTIST, "scientist");
        Self::acquaint(&owner, &scientist);
        (owner, scientist)
    }

    /// The same, who have keys: what goes between them is sealed.
    pub(crate) fn sealed_pair(&self) -> (Account, Account) {
        let owner = self.log_in("do", OWNER, "owner");
        let scientist = self.log_in("ds", SCIENTIST, "scientist");
        owner.done(&["keys", "create"]);
        scientist.done(&["keys", "create"]);
        Self::acquaint(&owner, &scientist);
        (owner, scientist)
    }

    fn acquaint(owner: &Account, scientist: &Account) {
        scientist.done(&["peer", "add", OWNER]);
        owner.done(&["sync"]);
        owner.done(&["peer", "approve", SCIENTIST]);
        scientist.done(&["sync"]);
    }

    /// Another machine of an owner, with the keys that the owner has.
    pub(crate) fn second_machine(&self, owner: &Account) -> Account {
        let second = self.log_in("do", OWNER, "second");
        self.take_keys(owner, &second, &[]);
        second
    }

    /// Brings the keys of one machine to another, by their words.
    pub(crate) fn take_keys(&self, from: &Account, to: &Account, more: &[&str]) {
        let words = from.done(&["keys", "show", "--words"])["words"].clone();
        let file = self.folder.path().join("words");
        let words = words.as_str().map_or_else(|| words.to_string(), str::to_owned);
        std::fs::write(&file, words).unwrap();
        to.done(&[&["keys", "restore", file.to_str().unwrap()], more].concat());
    }

    /// One more scientist.
    pub(crate) fn another(&self, email: &'static str) -> Account {
        drive_server::add_account(&self.drive_data(), email, Some(&token(email))).unwrap();
        self.log_in("ds", email, email)
    }

    /// A session of an account with the drive, through the wire.
    pub(crate) fn session(&self, email: &str) -> GDrive {
        GDrive::connect(Email::parse(email).unwrap(), self.drive(email))
    }

    pub(crate) fn drive(&self, email: &str) -> Drive {
        let token = Arc::new(StaticToken::new(token(email)).unwrap());
        Drive::new(Endpoint::at(&self.proxy.url).unwrap(), token)
    }

    pub(crate) fn drive_data(&self) -> PathBuf {
        self.folder.path().join("drive")
    }

    /// How many bytes of unfinished uploads the drive holds.
    pub(crate) fn confirmed(&self) -> u64 {
        let partial = std::fs::read_dir(self.drive_data().join("partial")).unwrap();
        partial.map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
    }

    /// Writes a file of noise that follows from `seed`, outside of any SyftBox.
    pub(crate) fn noise(&self, name: &str, seed: u64, bytes: u64) -> PathBuf {
        let path = self.folder.path().join("files").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write_noise(&path, seed, bytes);
        path
    }

    /// Makes a dataset of a large mock file; `large_private`: of a large private one as well.
    pub(crate) fn creation(&self, bytes: u64, large_private: bool) -> Vec<String> {
        let small = self.noise("small.csv", 7, 100);
        let mock = if large_private { small } else { self.noise("big.bin", 1, bytes) };
        let private = self.noise("real.bin", 2, if large_private { bytes } else { 100 });
        let (mock, private) = (mock.to_str().unwrap(), private.to_str().unwrap());
        let mut line = vec!["dataset", "create", "set", "--mock", mock, "--private", private];
        line.extend(["--users", "any"]);
        line.extend(large_private.then_some("--upload-private"));
        line.into_iter().map(str::to_owned).collect()
    }
}

/// Writes a file of noise that follows from `seed`.
pub(crate) fn write_noise(path: &Path, seed: u64, bytes: u64) {
    pour_noise(std::fs::File::create(path).unwrap(), seed, bytes);
}

/// Writes noise over what a file holds, which has so many bytes at every moment.
pub(crate) fn overwrite_noise(path: &Path, seed: u64, bytes: u64) {
    pour_noise(std::fs::File::options().write(true).open(path).unwrap(), seed, bytes);
}

fn pour_noise(file: std::fs::File, seed: u64, bytes: u64) {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut file = std::io::BufWriter::new(file);
    let mut left = bytes;
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let piece = state.to_le_bytes();
        let count = left.min(8);
        file.write_all(&piece[..usize::try_from(count).unwrap()]).unwrap();
        left -= count;
    }
    file.flush().unwrap();
}

/// The digest of a file, `None` if there is none.
pub(crate) fn digest(path: &Path) -> Option<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut std::fs::File::open(path).ok()?, &mut hasher).unwrap();
    Some(hex(&hasher.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The most memory that a process has held, in bytes.
pub(crate) fn peak_memory(child: &Child) -> u64 {
    try_peak_memory(child).unwrap()
}

/// The same; `None` once it has none any more.
fn try_peak_memory(child: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Waits for the end, and says how much memory it has held until shortly before.
pub(crate) async fn ended_with_peak(mut child: Child) -> (Answer, u64) {
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        // It only grows.
        peak = try_peak_memory(&child).unwrap_or(peak);
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    (ended(child), peak)
}

fn token(email: &str) -> String {
    format!("the-token-of-{}", email.replace('@', "-at-"))
}

/// The mode of a file or folder.
pub(crate) fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

impl Account {
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("SYFT_HOME", &self.home)
            .env("SYFT_EMAIL", self.email)
            .env("PRE_SYNC", "false")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the program.
    pub(crate) fn start<T: AsRef<str>>(&self, arguments: &[T]) -> Child {
        let mut command = self.command(env!("CARGO_BIN_EXE_syft"));
        command.arg("--json").args(arguments.iter().map(AsRef::as_ref)).spawn().unwrap()
    }

    /// Runs the program to its end.
    pub(crate) fn run<T: AsRef<str>>(&self, arguments: &[T]) -> Answer {
        ended(self.start(arguments))
    }

    /// Starts the program as a person does who reads what it says.
    pub(crate) fn start_for_a_person(&self, arguments: &[&str]) -> Child {
        self.command(env!("CARGO_BIN_EXE_syft")).args(arguments).spawn().unwrap()
    }

    /// Runs the program where no file may have more than `blocks` of 512 bytes.
    pub(crate) fn run_limited(&self, blocks: u64, arguments: &[&str]) -> Answer {
        self.run_in_shell(&format!("ulimit -f {blocks}; trap '' XFSZ"), arguments)
    }

    /// The same where the system kills it as it writes more.
    pub(crate) fn run_until_killed(&self, blocks: u64, arguments: &[&str]) -> Answer {
        self.run_in_shell(&format!("ulimit -c 0; ulimit -f {blocks}"), arguments)
    }

    fn run_in_shell(&self, before: &str, arguments: &[&str]) -> Answer {
        let line = format!("{before}; exec \"$0\" --json \"$@\"");
        let mut command = self.command("sh");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_syft")]).args(arguments);
        ended(command.spawn().unwrap())
    }

    /// Runs the program, which must do all that it was asked for.
    pub(crate) fn done<T: AsRef<str> + std::fmt::Debug>(&self, arguments: &[T]) -> Value {
        let answer = self.run(arguments);
        assert_eq!(answer.exit, Some(0), "{} {arguments:?}: {answer:?}", self.email);
        answer.json
    }

    /// Where the SyftBox is.
    pub(crate) fn syftbox(&self) -> PathBuf {
        self.home.join(format!("SyftBox_{}", self.email))
    }

    /// Where a file of the owner's dataset lies on this machine.
    pub(crate) fn file(&self, half: &str, name: &str) -> PathBuf {
        self.syftbox().join(OWNER).join(half).join("syft_datasets/set").join(name)
    }

    /// What is kept of uploads.
    pub(crate) fn uploads(&self) -> PathBuf {
        self.home.join(format!("SyftBox_{}-events/uploads", self.email))
    }

    /// What is kept of downloads.
    pub(crate) fn downloads(&self) -> PathBuf {
        self.syftbox().join(".syft-tmp/downloads")
    }

    /// What is kept of the one session that there is: the file, and the address in it.
    pub(crate) fn session(&self) -> (PathBuf, String) {
        let mut found = listed(&self.uploads());
        found.retain(|path| path.extension().is_some_and(|end| end == "session"));
        assert_eq!(found.len(), 1, "{found:?}");
        let text = std::fs::read_to_string(&found[0]).unwrap();
        let kept: Value = serde_json::from_str(&text).unwrap();
        (found.remove(0), kept["address"].as_str().unwrap().to_owned())
    }
}

/// The files in a folder; none if there is no folder.
pub(crate) fn listed(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// All files below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<PathBuf>, Vec<PathBuf>) =
        listed(folder).into_iter().partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| files_below(folder)));
    files
}

/// Waits for the end.
pub(crate) fn ended(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    Answer {
        exit: output.status.code(),
        json: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Kills it, as a crash does.
pub(crate) fn kill(mut child: Child) {
    child.kill().unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "it was over before it was killed");
}
