//! A service is installed, looked at and removed. `systemctl` and `crontab` are small programs that
//! keep what they are told; what is written is checked by the real `systemd-analyze` where it is.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::world::{Ended, OWNER, World, program, token};

/// Keeps the crontab in a file, as the real one does in its spool.
const CRONTAB: &str = r#"#!/bin/sh
case "$1" in
  -l) [ -e "$FAKES/table" ] || { echo "no crontab for me" >&2; exit 1; }
      [ ! -e "$FAKES/broken" ] || { echo "cannot open spool" >&2; exit 1; }
      cat "$FAKES/table" ;;
  -r) rm "$FAKES/table" ;;
  -) cat > "$FAKES/table" ;;
esac
"#;

/// Answers as a systemd of this user that is in order, and notes what it was told.
const SYSTEMCTL: &str = r#"#!/bin/sh
[ ! -e "$FAKES/no-systemd" ] || { echo "Failed to connect to bus" >&2; exit 1; }
shift 3
echo "$*" >> "$FAKES/told"
case "$1" in
  show) printf 'ActiveState=active\nSubState=running\n' ;;
  enable) [ ! -e "$FAKES/refuses" ] || { echo "Unit is masked" >&2; exit 1; } ;;
esac
"#;

struct Machine {
    world: World,
    fakes: PathBuf,
    home: PathBuf,
}

impl Machine {
    /// The owner's home has a name that needs quoting.
    fn new(name: &str) -> Self {
        let world = World::new();
        let fakes = world.home("fakes");
        let home = world.home(name);
        for folder in [&fakes, &home, &world.home("user")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        for (name, text) in [("crontab", CRONTAB), ("systemctl", SYSTEMCTL)] {
            let path = fakes.join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        let machine = Self { world, fakes, home };
        let token = token(OWNER);
        let login =
            ["login-do", "--email", OWNER, "--drive", &machine.world.url, "--token", &token];
        machine.run(&login).done();
        machine
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = program(&self.home);
        let path = std::env::join_paths(
            std::iter::once(self.fakes.clone())
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        );
        command.env("PATH", path.unwrap()).env("FAKES", &self.fakes);
        command.env("HOME", self.world.home("user")).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.command(&[&["--json"], args].concat()).output().unwrap().into()
    }

    fn flag(&self, name: &str) {
        std::fs::write(self.fakes.join(name), "").unwrap();
    }

    fn fake(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.fakes.join(name)).ok()
    }

    fn units(&self) -> PathBuf {
        self.world.home("user").join(".config/systemd/user")
    }

    fn unit_names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.units()) else { return Vec::new() };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

fn service(answer: &Value) -> &Value {
    &answer["service"]
}

#[test]
fn a_service_under_systemd_comes_and_goes_and_leaves_nothing() {
    let machine = Machine::new("my home 100%");
    let nothing = machine.run(&["service", "status"]).done();
    assert_eq!(service(&nothing)["kind"], Value::Null);
    let shown = machine.run(&["service", "install", "--dry-run"]).done();
    assert!(machine.unit_names().is_empty(), "a dry run writes nothing");
    let installed = machine.run(&["service", "install"]).done();
    assert_eq!(service(&installed)["files"], service(&shown)["files"]);
    let file = PathBuf::from(service(&installed)["files"][0]["path"].as_str().unwrap());
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(json!(text), service(&installed)["files"][0]["text"]);
    assert!(text.contains("my home 100%%"), "{text}");
    let id = service(&installed)["id"].as_str().unwrap().to_owned();
    let told = machine.fake("told").unwrap();
    assert!(
        told.contains(&format!(
            "enable {id}.service\nis-active {id}.service\nrestart {id}.service"
        )),
        "{told}"
    );
    let again = machine.run(&["service", "install"]).done();
    assert_eq!(service(&again)["is_new"], false);
    assert_eq!(machine.unit_names().len(), 1, "to install twice is to install once");
    let status = machine.run(&["service", "status"]).done();
    assert_eq!(
        (&service(&status)["kind"], &service(&status)["is_active"]),
        (&json!("watch"), &json!(true))
    );
    assert!(service(&status)["log"].as_str().unwrap().contains(&id));
    let would = machine.run(&["service", "uninstall", "--dry-run"]).done();
    assert_eq!(would["removed"], json!([file]));
    let removed = machine.run(&["service", "uninstall"]).done();
    assert_eq!(removed["removed"], would["removed"]);
    assert!(machine.fake("told").unwrap().contains(&format!("disable --now {id}.service")));
    assert!(machine.unit_names().is_empty());
    let none = machine.run(&["service", "uninstall"]).done();
    assert_eq!(none["removed"], json!([]));
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is left out has to say so")]
fn what_is_written_for_systemd_is_understood_by_it() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("!!!!!!!!!! SKIPPED: systemd-analyze is not here, so no unit was checked by it");
        return;
    }
    let machine = Machine::new("it's \"my\" home $HOME 100%");
    for kind in [
        &["service", "install"][..],
        &["service", "install", "--timer", "--every", "15"],
        &["service", "install", "--timer", "--serve"],
        &["service", "install", "--serve"],
        &["service", "install", "--timer"],
    ] {
        let installed = machine.run(kind).done();
        let files = service(&installed)["files"].as_array().unwrap();
        let paths = files.iter().map(|file| file["path"].as_str().unwrap());
        let checked = Command::new("systemd-analyze")
            .args(["--user", "--man=no", "verify"])
            .args(paths)
            .env("XDG_RUNTIME_DIR", &machine.fakes)
            .env("HOME", machine.world.home("user"))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success() && !said.contains("syft-"), "{said}");
    }
    assert_eq!(machine.unit_names().len(), 2);
    machine.run(&["service", "install"]).done();
    assert_eq!(machine.unit_names().len(), 1, "the timer went");
}

#[test]
fn a_line_for_cron_comes_and_goes_beside_those_of_others() {
    let machine = Machine::new("it's my home 100%");
    machine.flag("no-systemd");
    let others = "MAILTO=me\n# syft-service of mine\n1 2 3 4 5 syft sync\n";
    std::fs::write(machine.fakes.join("table"), others).unwrap();
    let shown = machine.run(&["service", "install", "--dry-run"]).done();
    assert_eq!(machine.fake("table").as_deref(), Some(others), "a dry run writes nothing");
    let installed = machine.run(&["service", "install"]).done();
    assert_eq!(service(&installed)["kind"], "cron", "there is no systemd");
    let line = service(&installed)["cron_line"].as_str().unwrap();
    assert_eq!(service(&shown)["cron_line"], line);
    for _ in 0..2 {
        assert_eq!(machine.fake("table").unwrap(), format!("{others}{line}\n"));
        machine.run(&["service", "install"]).done();
    }
    let seldom = machine.run(&["service", "install", "--cron", "--every", "30"]).done();
    let seldom = service(&seldom)["cron_line"].as_str().unwrap();
    assert_eq!(machine.fake("table").unwrap(), format!("{others}{seldom}\n"));
    let status = machine.run(&["service", "status"]).done();
    assert_eq!(service(&status)["is_active"], true);
    let next = service(&status)["next_in_seconds"].as_u64().unwrap();
    assert!((1..=1800).contains(&next), "{next}");
    machine.run(&["service", "uninstall"]).done();
    assert_eq!(machine.fake("table").as_deref(), Some(others));
    std::fs::remove_file(machine.fakes.join("table")).unwrap();
    machine.run(&["service", "install"]).done();
    machine.run(&["service", "uninstall"]).done();
    assert_eq!(machine.fake("table"), None, "a crontab of our line alone goes with it");
}

#[test]
fn the_line_does_what_it_says_when_cron_runs_it() {
    let machine = Machine::new("it's my home 100%");
    let installed = machine.run(&["service", "install", "--cron"]).done();
    let line = service(&installed)["cron_line"].as_str().unwrap();
    let log = machine.home.join(format!(".syft/accounts/{OWNER}/sync.log"));
    let command = line.splitn(6, ' ').last().unwrap().replace("\\%", "%");
    let cron = || {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &command]).env_clear().env("HOME", machine.world.home("user"));
        Ended::from(shell.env("PATH", "/usr/bin:/bin").current_dir("/").output().unwrap())
    };
    let ended = cron();
    assert_eq!((ended.exit, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
    assert!(std::fs::read_to_string(&log).unwrap().ends_with("nothing to do\n"));
    let status = machine.run(&["service", "status"]).done();
    assert_eq!(service(&status)["last"]["exit"], 0, "{status}");
    assert_eq!(service(&status)["log"], format!("`{}`", log.display()));
    let login = machine.home.join(format!(".syft/accounts/{OWNER}/account.toml"));
    let text = std::fs::read_to_string(&login).unwrap();
    std::fs::write(&login, text.replace(&token(OWNER), "token-of-nobody")).unwrap();
    assert_eq!(cron().exit, 1);
    let failed = machine.run(&["service", "status"]);
    assert_eq!((failed.exit, &service(&failed.json())["last"]["exit"]), (3, &json!(1)));
    machine.run(&["service", "uninstall"]).done();
    assert!(!log.exists(), "uninstalling leaves nothing");
}

#[test]
fn what_is_not_ours_is_not_touched() {
    let machine = Machine::new("owner");
    let installed = machine.run(&["service", "install"]).done();
    let file = PathBuf::from(service(&installed)["files"][0]["path"].as_str().unwrap());
    let text = std::fs::read_to_string(&file).unwrap().replacen("# Written", "# Changed", 1);
    std::fs::write(&file, &text).unwrap();
    for command in
        [&["service", "install"][..], &["service", "install", "--cron"], &["service", "uninstall"]]
    {
        let ended = machine.run(command);
        assert_eq!((ended.exit, &ended.json()["error"]["code"]), (1, &json!("service-not-ours")));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text, "{command:?}");
        assert_eq!(machine.fake("table"), None, "{command:?}");
    }
}

#[test]
fn what_the_system_refuses_is_told_and_leaves_nothing() {
    let machine = Machine::new("owner");
    machine.flag("refuses");
    let ended = machine.run(&["service", "install"]);
    assert_eq!((ended.exit, &ended.json()["error"]["code"]), (1, &json!("service-program")));
    assert!(ended.stderr.contains("Unit is masked"), "{ended:?}");
    assert!(machine.unit_names().is_empty());
    // A crontab that cannot be read is not written.
    machine.flag("broken");
    let table = "0 0 * * * backup\n";
    std::fs::write(machine.fakes.join("table"), table).unwrap();
    let ended = machine.run(&["service", "install", "--cron"]);
    assert_eq!((ended.exit, &ended.json()["error"]["code"]), (1, &json!("service-program")));
    assert_eq!(machine.fake("table").as_deref(), Some(table));
    machine.flag("no-systemd");
    let ended = machine.run(&["service", "install"]);
    assert_eq!(ended.json()["error"]["code"], "service-no-manager", "{ended:?}");
}

#[test]
fn a_service_needs_a_login_and_can_be_removed_without() {
    let machine = Machine::new("owner");
    machine.run(&["service", "install"]).done();
    machine.run(&["logout"]).done();
    let ended = machine.run(&["service", "install", "--email", OWNER]);
    assert_eq!(ended.json()["error"]["code"], "not-logged-in");
    let removed = machine.run(&["service", "uninstall", "--email", OWNER]).done();
    assert_eq!(removed["removed"].as_array().unwrap().len(), 1);
    assert!(machine.unit_names().is_empty());
    let wrong = machine.run(&["service", "install", "--every", "7"]);
    assert_eq!(wrong.exit, 2, "seven minutes do not divide an hour");
    assert!(Path::new(&machine.units()).is_dir());
}

#[test]
fn a_service_that_serves_stays_one_that_serves() {
    let machine = Machine::new("my home 100%");
    let installed = machine.run(&["service", "install", "--serve"]).done();
    assert_eq!(
        (&service(&installed)["kind"], &service(&installed)["serves"]),
        (&json!("watch"), &json!(true))
    );
    let text = service(&installed)["files"][0]["text"].as_str().unwrap().to_owned();
    assert!(text.contains(" \"serve\"\n") && !text.contains("--watch"), "{text}");
    assert_eq!(service(&machine.run(&["service", "status"]).done())["serves"], true);
    let again = machine.run(&["service", "install"]).done();
    assert_eq!(
        (&service(&again)["serves"], &service(&again)["is_new"]),
        (&json!(true), &json!(false))
    );
    let line = machine.run(&["service", "install", "--cron"]).done();
    let line = service(&line)["cron_line"].as_str().unwrap().to_owned();
    assert!(line.contains(" serve --once --quiet # syft-service "), "{line}");
    let command = line.splitn(6, ' ').last().unwrap().replace("\\%", "%");
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &command]).env_clear().env("PATH", "/usr/bin:/bin").current_dir("/");
    let ended = Ended::from(shell.output().unwrap());
    assert_eq!((ended.exit, ended.stdout.as_str(), ended.stderr.as_str()), (0, "", ""));
    machine.run(&["service", "uninstall"]).done();
    let plain = machine.run(&["service", "install"]).done();
    assert_eq!(service(&plain)["serves"], false);
}
