//! The accounts, and the processes that watch for them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// One account on one machine.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) email: &'static str,
    pub(crate) home: PathBuf,
    owner: &'static str,
}

impl Account {
    fn command(&self, arguments: &[&str]) -> Command {
        let program = std::env::var_os("SYFT_SOAK_PROGRAM");
        let program = program.unwrap_or_else(|| env!("CARGO_BIN_EXE_syft").into());
        let mut command = Command::new(program);
        command.args(arguments).env("SYFT_HOME", &self.home).env("SYFT_EMAIL", self.email);
        command.env("PRE_SYNC", "false").stdin(Stdio::null());
        command
    }

    /// Runs the program, which must do all that it was asked for.
    pub(crate) fn done(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).arg("--json").output().unwrap();
        assert!(output.status.success(), "{} {arguments:?}: {output:?}", self.email);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Where a path of the owner's datasite lies on this machine.
    pub(crate) fn place(&self, path: &str) -> PathBuf {
        self.home.join(format!("SyftBox_{}", self.email)).join(self.owner).join(path)
    }
}

/// Logs all in, makes them peers, and lets each scientist read `news/` and write a folder of its own.
pub(crate) fn acquaint(
    folder: &Path,
    data: &Path,
    url: &str,
    owner: &'static str,
    scientists: &[&'static str],
) -> Vec<Account> {
    let emails = std::iter::once(owner).chain(scientists.iter().copied());
    let accounts: Vec<Account> = emails
        .map(|email| {
            let token = format!("the-token-of-{email}");
            drive_server::add_account(data, email, Some(&token)).unwrap();
            let account = Account { email, home: folder.join(email), owner };
            let login = if email == owner { "login-do" } else { "login-ds" };
            account.done(&[login, "--drive", url, "--token", &token]);
            account
        })
        .collect();
    for scientist in &accounts[1..] {
        scientist.done(&["peer", "add", owner]);
    }
    accounts[0].done(&["sync"]);
    for scientist in scientists {
        accounts[0].done(&["peer", "approve", scientist]);
        let (name, _) = scientist.split_once('@').unwrap();
        for (path, level) in [("news/".to_owned(), "read"), (format!("from-{name}/"), "write")] {
            std::fs::create_dir_all(accounts[0].place(&path)).unwrap();
            accounts[0].done(&["perm", "grant", &path, "--user", scientist, "--level", level]);
        }
    }
    for account in &accounts {
        account.done(&["sync"]);
    }
    accounts
}

/// `syft sync --watch` of one account.
pub(crate) struct Watcher {
    account: Account,
    child: Child,
    words: PathBuf,
}

impl Watcher {
    pub(crate) fn start(account: &Account) -> Self {
        let words = account.home.join("words.txt");
        let child = Self::spawn(account, &words);
        Self { account: account.clone(), child, words }
    }

    fn spawn(account: &Account, words: &Path) -> Child {
        let words = File::options().create(true).append(true).open(words).unwrap();
        let mut command = account.command(&["sync", "--watch", "--interval", "1"]);
        command.stdout(Stdio::null()).stderr(words).spawn().unwrap()
    }

    /// The process is killed and started anew.
    pub(crate) fn die_and_rise(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.account, &self.words);
    }

    pub(crate) fn must_run(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            self.print_words();
            panic!("the watch of {} ended: {status}", self.account.email);
        }
    }

    /// What it holds in memory, as the system counts it.
    pub(crate) fn resident_kb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[expect(clippy::print_stderr, reason = "a failure says what was told")]
    pub(crate) fn print_words(&self) {
        let words = std::fs::read_to_string(&self.words).unwrap();
        let last: Vec<&str> = words.lines().rev().take(20).collect();
        for line in last.iter().rev() {
            eprintln!("{}: {line}", self.account.email);
        }
    }

    /// Ends it as a service is ended.
    pub(crate) fn end(mut self) {
        let began = Instant::now();
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(130));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
