//! What a person sees at a terminal: the progress of what takes long, what is typed unseen, lines
//! that fit. The terminal is a true one, made by `script`.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use crate::world::{OWNER, World, token};

/// The program at a terminal.
struct Terminal {
    child: Child,
    shown: Vec<u8>,
}

impl Terminal {
    fn start(world: &World, home: &str, columns: usize, line: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_syft");
        let line = format!("stty cols {columns} rows 24; exec '{program}' {line}");
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("SHELL", "/bin/sh");
        command.env("TERM", "xterm-256color").env("SYFT_HOME", world.home(home));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self { child: command.spawn().unwrap(), shown: Vec::new() }
    }

    /// Reads on until this is shown.
    fn until(&mut self, words: &str) {
        let mut byte = [0];
        while !self.text().ends_with(words) {
            let length = self.child.stdout.as_mut().unwrap().read(&mut byte).unwrap();
            assert_eq!(length, 1, "`{words}` was never shown:\n{}", self.text());
            self.shown.push(byte[0]);
        }
    }

    fn types(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for the end; returns the exit code and what was shown.
    fn end(mut self) -> (i32, String) {
        self.child.stdout.take().unwrap().read_to_end(&mut self.shown).unwrap();
        (self.child.wait().unwrap().code().unwrap(), self.text())
    }

    /// What was shown, without colours and other orders to the terminal.
    fn text(&self) -> String {
        let shown = String::from_utf8_lossy(&self.shown);
        let mut text = String::new();
        let mut chars = shown.chars();
        while let Some(c) = chars.next() {
            if c != '\u{1b}' {
                text.push(c);
            } else if chars.next() == Some('[') {
                chars.by_ref().find(char::is_ascii_alphabetic);
            }
        }
        text
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A world whose drive cannot be reached any more.
fn unreachable() -> World {
    let world = World::logged_in();
    let account = world.home("owner").join(format!(".syft/accounts/{OWNER}/account.toml"));
    let login = std::fs::read_to_string(&account).unwrap();
    std::fs::write(&account, login.replace(&world.url, "http://127.0.0.1:1")).unwrap();
    world
}

fn widest<'t>(text: &'t str, about: &str) -> (usize, &'t str) {
    let lines = text.split(['\r', '\n']).filter(|line| line.contains(about));
    lines.map(|line| (line.trim_end().chars().count(), line)).max().unwrap_or_default()
}

#[test]
fn who_waits_sees_that_it_is_tried_again_on_a_line_that_fits() {
    let world = unreachable();
    let (code, text) = Terminal::start(&world, "owner", 60, "sync").end();
    assert_eq!(code, 1, "{text}");
    let (width, line) = widest(&text, "no answer yet, trying again");
    assert!((10..=60).contains(&width), "{line:?} in\n{text}");
    let (_, end) = text.rsplit_once("trying again").unwrap();
    assert!(end.contains("error[unavailable]: the drive could not be reached"), "{text}");
}

#[test]
fn ctrl_c_ends_the_waiting() {
    let world = unreachable();
    let mut terminal = Terminal::start(&world, "owner", 80, "sync");
    terminal.until("trying again");
    terminal.types("\u{3}");
    let (code, text) = terminal.end();
    assert_eq!(code, 130, "{text}");
    assert!(text.contains("error[interrupted]"), "{text}");
}

#[test]
fn a_token_is_typed_unseen() {
    let world = World::new();
    let login = format!("login-do --email {OWNER} --drive {} --token -", world.url);
    let mut terminal = Terminal::start(&world, "owner", 80, &login);
    terminal.until("(it is not shown):");
    // A line break of the program's own follows; then the terminal is quiet.
    terminal.until("\n");
    terminal.types(&format!("{}\r", token(OWNER)));
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("Logged in as") && !text.contains(&token(OWNER)), "{text}");
}

#[test]
fn the_doctor_breaks_lines_between_words() {
    let world = World::logged_in();
    let (_, text) = Terminal::start(&world, "owner", 60, "doctor").end();
    assert!(text.contains("versions") && text.contains("loopback"), "{text}");
    for line in text.split(['\r', '\n']) {
        let words = line.split_whitespace().count();
        assert!(line.trim_end().chars().count() <= 60 || words <= 3, "{line:?} in\n{text}");
    }
}
