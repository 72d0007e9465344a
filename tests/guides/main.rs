//! What stands in the README and in the guides works: every shell block is run, in its order, by the
//! person who is named above it, with the program as it is built, over its own drive server.
//!
//! Above each block of `sh` stands a comment, which a reader does not see:
//!
//! - `<!-- owner -->`, `<!-- scientist -->`, `<!-- server -->`, or several with commas between them:
//!   who runs it. Each has a folder and a configuration of their own.
//! - `<!-- in .ci/run -->`: the lines are part of CI itself.
//! - `<!-- not run: REASON -->`: nobody can, for a reason that a person can judge.
//!
//! A comment `<!-- behind the scenes, WHO:` … `-->` holds commands that the story needs and a reader
//! does not. Blocks of `python` that begin with `# NAME.py` become that file of the scientist.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

mod page;

use page::{Block, Runs};

/// The address that the documentation shows; each test has another port.
const SHOWN_ADDRESS: &str = "127.0.0.1:8787";

/// What stands for a secret.
const SHOWN_TOKEN: &str = "--token …";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A process that is ended when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The people of a page, and their drive.
struct Story {
    page: String,
    folder: TempDir,
    tokens: BTreeMap<String, String>,
    drive: Option<(Running, String)>,
    ran: usize,
}

impl Story {
    fn new(page: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let page = page.to_owned();
        Self { page, folder, tokens: BTreeMap::new(), drive: None, ran: 0 }
    }

    fn home(&self, who: &str) -> PathBuf {
        let home = self.folder.path().join(who);
        fs::create_dir_all(&home).unwrap();
        home
    }

    /// A shell of this person's, with nothing of the machine in its environment.
    fn shell(&self, who: &str, script: &str) -> Command {
        let home = self.home(who);
        let program = Path::new(env!("CARGO_BIN_EXE_syft")).parent().unwrap();
        let mut path = vec![program.to_owned()];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", script]).env_clear().current_dir(&home);
        shell.env("PATH", std::env::join_paths(path).unwrap());
        shell.env("HOME", &home).env("SYFT_HOME", home.join("syft")).stdin(Stdio::null());
        shell
    }

    /// Runs the block as this person, line by line where the drive is concerned.
    fn run(&mut self, who: &str, script: &str) {
        let mut waiting = String::new();
        for line in script.lines() {
            if line.starts_with("syft drive serve") {
                self.finish(who, &std::mem::take(&mut waiting));
                self.serve(who, line);
            } else if line.starts_with("syft drive account add") {
                self.finish(who, &std::mem::take(&mut waiting));
                self.add_account(who, line);
            } else {
                waiting += &format!("{}\n", self.with_secrets(line));
            }
        }
        self.finish(who, &waiting);
    }

    /// Runs what was gathered.
    fn finish(&mut self, who: &str, script: &str) {
        if script.trim().is_empty() {
            return;
        }
        let output = self.shell(who, script).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{} as {who}: {}\n{script}\n{}\n{}",
            self.page,
            output.status,
            said(&output.stdout),
            said(&output.stderr)
        );
        self.ran += 1;
    }

    fn add_account(&mut self, who: &str, line: &str) {
        let line = line.split('#').next().unwrap().trim();
        let output = self.shell(who, &format!("{line} --json")).output().unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{}: {line}: {error}: {output:?}", self.page));
        let text = |key: &str| answer[key].as_str().unwrap().to_owned();
        self.tokens.insert(text("email"), text("token"));
    }

    fn serve(&mut self, who: &str, line: &str) {
        let line = line.replace(SHOWN_ADDRESS, "127.0.0.1:0");
        let mut shell = self.shell(who, &format!("exec {line}"));
        let mut drive = shell.stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(drive.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let address = url.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        assert!(!address.is_empty(), "{}: `{line}` said nothing", self.page);
        self.drive = Some((Running(drive), address));
    }

    /// The line with the address and the token that hold here.
    fn with_secrets(&self, line: &str) -> String {
        let mut line = line.to_owned();
        if let Some((_, address)) = &self.drive {
            line = line.replace(SHOWN_ADDRESS, address);
        }
        if line.contains(SHOWN_TOKEN) {
            let whose = self.tokens.iter().find(|(email, _)| line.contains(email.as_str()));
            let (_, token) = whose.unwrap_or_else(|| panic!("whose token: {line}"));
            line = line.replace(SHOWN_TOKEN, &format!("--token {token}"));
        }
        if line.contains("syft job run") && no_sandbox() {
            line = line.replace("syft job run", "syft job run --no-sandbox");
        }
        line
    }
}

/// True if the machine has no sandbox, and whoever runs the tests said that it is so.
fn no_sandbox() -> bool {
    std::env::var_os("SYFT_TEST_NO_SANDBOX").is_some_and(|value| value == "1")
}

/// Plays a page, and returns how many blocks were run.
fn play(page: &str) -> usize {
    let text = fs::read_to_string(root().join(page)).unwrap();
    let ci = fs::read_to_string(root().join(".ci/run")).unwrap();
    let mut story = Story::new(page);
    for block in page::blocks(&text) {
        match block {
            Block::File { name, text } => {
                fs::write(story.home("scientist").join(name), text).unwrap();
            }
            Block::Shell { runs: Runs::By(people), script } => {
                for who in people {
                    story.run(who, script);
                }
            }
            Block::Shell { runs: Runs::InCi, script } => {
                for line in script.lines().map(|line| line.split('#').next().unwrap().trim()) {
                    assert!(ci.contains(line), "{page}: `{line}` is not in .ci/run");
                }
            }
            Block::Shell { runs: Runs::Not, .. } => {}
            Block::Shell { runs: Runs::Unknown, script } => {
                panic!("{page}: nobody is said to run this block:\n{script}")
            }
        }
    }
    story.ran
}

#[test]
fn the_readme_works() {
    assert!(play("README.md") >= 7);
}

#[test]
fn the_guides_work() {
    let mut played = 0;
    for entry in fs::read_dir(root().join("docs/guides")).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        play(&format!("docs/guides/{name}"));
        played += 1;
    }
    assert!(played >= 3, "{played} guides");
}
