//! A service under a systemd that lives: one of the test's own, in a mount namespace of its own, so that
//! nothing of the machine is touched.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use crate::world::{Ended, OWNER, Running, World, program};

/// systemd of a user believes that it may run where this folder is.
const START: &str = "set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
exec \"$1\" --user --log-target=null --show-status=no";

const SYSTEMD: &str = "/usr/lib/systemd/systemd";

/// How long something may take on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

struct Session {
    world: World,
    _systemd: Running,
}

impl Session {
    /// `None` where none can be started.
    fn start() -> Option<Self> {
        let world = World::logged_in();
        for folder in ["user", "run"] {
            std::fs::create_dir(world.home(folder)).unwrap();
        }
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(world.home("run"), mode).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", START, "sh", SYSTEMD]);
        environment(&mut command, &world).stdin(Stdio::null()).stderr(Stdio::null());
        let mut systemd = Running(command.spawn().ok()?);
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if Path::new(SYSTEMD).exists() && systemctl(&world, &["show-environment"]).is_some() {
                return Some(Self { world, _systemd: systemd });
            }
            if systemd.0.try_wait().unwrap().is_some() {
                return None;
            }
            std::thread::yield_now();
        }
        None
    }

    fn run(&self, args: &[&str]) -> Ended {
        let mut command = program(&self.world.home("owner"));
        command.env("HOME", self.world.home("user")).args(args);
        command.env("XDG_RUNTIME_DIR", self.world.home("run")).arg("--json");
        command.output().unwrap().into()
    }

    /// The process of the unit `name`; waits until there is one.
    fn process(&self, name: &str) -> Pid {
        let began = Instant::now();
        loop {
            let shown = systemctl(&self.world, &["show", "--property=MainPID", "--value", name]);
            let id = shown.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if let Some(id) = Pid::from_raw(id) {
                return id;
            }
            assert!(began.elapsed() < PATIENCE, "{name} does not run");
            std::thread::yield_now();
        }
    }

    /// Waits until a sync of the service is on record.
    fn until_synced(&self) {
        let began = Instant::now();
        while self.run(&["service", "status"]).json()["service"]["last"].is_null() {
            assert!(began.elapsed() < PATIENCE, "it never synced");
            std::thread::yield_now();
        }
    }
}

fn environment<'a>(command: &'a mut Command, world: &World) -> &'a mut Command {
    command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin");
    command.env("HOME", world.home("user")).env("XDG_RUNTIME_DIR", world.home("run"))
}

fn systemctl(world: &World, args: &[&str]) -> Option<String> {
    let mut command = Command::new("systemctl");
    command.args(["--user", "--no-pager"]).args(args);
    let output = environment(&mut command, world).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out has to say so")]
fn a_systemd_that_lives_runs_it_and_forgets_it() {
    let Some(session) = Session::start() else {
        eprintln!(
            "!!!!!!!!!! SKIPPED: no systemd of a user can be started here: no unit ran under one"
        );
        return;
    };
    for (serve, said) in [(None, false), (Some("--serve"), true)] {
        let install: Vec<&str> = ["service", "install"].into_iter().chain(serve).collect();
        let installed = session.run(&install).done();
        let id = installed["service"]["id"].as_str().unwrap().to_owned();
        let unit = format!("{id}.service");
        let process = session.process(&unit);
        session.until_synced();
        let status = session.run(&["service", "status"]).done();
        let service = &status["service"];
        assert_eq!((&service["is_active"], &service["serves"]), (&true.into(), &said.into()));
        // A process that dies is started again, a minute later: that it is to be is seen at once.
        kill_process(process, Signal::KILL).unwrap();
        let began = Instant::now();
        let state =
            || systemctl(&session.world, &["show", "--property=SubState", "--value", &unit]);
        while state().is_none_or(|state| state.trim() != "auto-restart") {
            assert!(began.elapsed() < PATIENCE, "{:?}", state());
            std::thread::yield_now();
        }
        session.run(&install).done();
        let process = session.process(&unit);
        session.run(&["service", "install", "--timer", "--every", "1"]).done();
        assert!(test_kill_process(process).is_err(), "what ran before the timer does not go on");
        assert_eq!(session.run(&["service", "status"]).json()["service"]["is_active"], true);
        let removed = session.run(&["service", "uninstall"]).done();
        assert_eq!(removed["removed"].as_array().unwrap().len(), 2, "{removed}");
        let left = systemctl(&session.world, &["list-units", "--all", "--no-legend", "syft*"]);
        assert_eq!(left.as_deref(), Some(""), "neither running nor on record as failed");
        let units = session.world.home("user").join(".config/systemd/user");
        let files = std::fs::read_dir(units)
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        assert_eq!(files.count(), 0, "of {OWNER}");
    }
}
