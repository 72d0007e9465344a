//! Questions as a person meets them: on a terminal of 60 columns.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::world::{OWNER, Running, World, program};

const COLUMNS: u16 = 60;

/// A command that runs on a terminal.
pub(crate) struct Terminal {
    keyboard: File,
    child: Running,
    pub(crate) shown: String,
}

impl Terminal {
    pub(crate) fn run(world: &World, home: &str, args: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 24, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let ends = [slave.try_clone().unwrap(), slave.try_clone().unwrap(), slave];
        let [stdin, stdout, stderr] = ends.map(OwnedFd::from);
        let mut command = program(&world.home(home));
        command.args(args).env("TERM", "xterm").env("NO_COLOR", "1");
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let child = Running(command.spawn().unwrap());
        Self { keyboard: File::from(master), child, shown: String::new() }
    }

    /// Reads on. False at the end.
    fn read(&mut self) -> bool {
        let mut piece = [0; 4096];
        match self.keyboard.read(&mut piece) {
            Ok(length) if length > 0 => {
                self.shown += &String::from_utf8_lossy(&piece[..length]).replace("\r\n", "\n");
                true
            }
            // Nobody has the other end any more.
            _ => false,
        }
    }

    /// Waits until this is shown.
    pub(crate) fn until(mut self, text: &str) -> Self {
        while !self.shown.contains(text) {
            assert!(self.read(), "`{text}` is not in: {}", self.shown);
        }
        self
    }

    /// Types a line, and waits for the end: the exit code, and what was shown.
    pub(crate) fn answer(mut self, line: &str) -> (i32, String) {
        writeln!(self.keyboard, "{line}").unwrap();
        self.end()
    }

    fn end(mut self) -> (i32, String) {
        while self.read() {}
        let code = self.child.0.wait().unwrap().code();
        (code.unwrap_or(-1), std::mem::take(&mut self.shown))
    }
}

const QUESTION: &str = "to go on, anything else to stop:";

#[test]
fn a_syftbox_is_deleted_once_its_address_was_typed_and_not_before() {
    let world = World::working();
    let syftbox = world.home("owner").join(format!("SyftBox_{OWNER}"));
    for wrong in ["", "yes", "y", "olga", "sam@example.org"] {
        let asked = Terminal::run(&world, "owner", &["delete"]).until(QUESTION);
        assert!(asked.shown.contains("cannot be undone"), "{}", asked.shown);
        let (exit, shown) = asked.answer(wrong);
        assert_eq!(exit, 1, "{wrong}: {shown}");
        assert!(shown.contains("nothing was deleted"), "{wrong}: {shown}");
        assert!(syftbox.exists());
    }
    world.owner(&["sync"]).done();
    let lost = "on this machine and nowhere else: the private half of dataset `census`";
    let asked = Terminal::run(&world, "owner", &["delete"]).until(QUESTION);
    assert!(asked.shown.contains(lost), "{}", asked.shown);
    let (exit, shown) = asked.answer(&OWNER.to_uppercase());
    assert_eq!(exit, 0, "{shown}");
    assert!(shown.contains(&format!("Deleted the SyftBox of {OWNER}")), "{shown}");
    assert!(!syftbox.exists());
}

#[test]
fn ctrl_c_at_a_question_ends_at_once_and_does_nothing() {
    let world = World::logged_in();
    world.owner(&["sync"]).done();
    let asked = Terminal::run(&world, "owner", &["delete"]).until(QUESTION);
    let pid = rustix::process::Pid::from_child(&asked.child.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let (exit, shown) = asked.end();
    assert_eq!(exit, 130, "{shown}");
    let (_, after) = shown.split_once(QUESTION).unwrap();
    assert_eq!(after.trim(), "error[interrupted]: interrupted", "{shown}");
    assert!(world.home("owner").join(format!("SyftBox_{OWNER}")).exists());
    world.owner(&["sync"]).done();
}
