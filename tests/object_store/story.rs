//! Two people and nothing between them but a bucket: from two logins to a result, by commands alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::moto::{Moto, credentials};

const OWNER: &str = "olga@example.org";
const SCIENTIST: &str = "sam@example.org";

/// How a command ended.
#[derive(Debug)]
struct Ended {
    exit: i32,
    stdout: String,
    #[expect(dead_code, reason = "shown where a test fails")]
    stderr: String,
}

impl Ended {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn done(&self) -> Value {
        assert_eq!(self.exit, 0, "{self:?}");
        self.json()
    }

    #[track_caller]
    fn code(&self) -> Value {
        assert_ne!(self.exit, 0, "{self:?}");
        self.json()["error"]["code"].clone()
    }
}

/// One machine: a home, and the program with an environment that holds nothing but `PATH`.
struct Machine {
    home: PathBuf,
}

impl Machine {
    fn new(folder: &Path, name: &str) -> Self {
        let home = folder.join(name);
        std::fs::create_dir(&home).unwrap();
        Self { home }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_syft"));
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("SYFT_HOME", &self.home).current_dir(&self.home).stdin(Stdio::null());
        command.args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        ended(&mut self.command(&[&["--json"], args].concat()))
    }

    fn log_in(&self, login: &str, email: &str, s3: &[&str]) -> Ended {
        let key = credentials();
        let args = [&["--json", login, "--email", email, "--s3"], s3].concat();
        let mut command = self.command(&args);
        command.env("AWS_ACCESS_KEY_ID", key.key_id).env("AWS_SECRET_ACCESS_KEY", key.secret);
        ended(&mut command)
    }

    fn fingerprint(&self) -> String {
        let shown = self.run(&["keys", "show"]).done();
        shown["keys"]["fingerprint"].as_str().unwrap().to_owned()
    }
}

fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        exit: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn state(answer: &Value) -> &Value {
    &answer["peers"][0]["state"]
}

#[test]
fn from_two_logins_to_a_result_over_a_bucket() {
    let Some(moto) = Moto::start() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (bucket, url) = (moto.bucket(), moto.url());
    let (owner, scientist) =
        (Machine::new(folder.path(), "owner"), Machine::new(folder.path(), "scientist"));
    let s3 = [bucket.as_str(), "--endpoint", &url];
    let answer = owner.log_in("login-do", OWNER, &s3).done();
    assert_eq!(answer["fingerprint"], owner.fingerprint(), "keys were made");
    let by_url = format!("{url}/{}", bucket.trim_start_matches("s3://"));
    scientist.log_in("login-ds", SCIENTIST, &[&by_url]).done();
    the_access_key_is_kept_apart(&owner);

    // Asking, agreeing, and comparing keys: before that nothing goes.
    assert_eq!(*state(&scientist.run(&["peer", "add", OWNER]).done()), "requested_by_me");
    assert_eq!(*state(&owner.run(&["peer", "list"]).done()), "requested_by_peer");
    let approved = owner.run(&["peer", "approve", SCIENTIST]);
    assert_eq!(*state(&approved.json()), "accepted", "{approved:?}");
    let stopped = scientist.run(&["peer", "list"]);
    let peer = &stopped.json()["peers"][0];
    assert_eq!((&peer["stopped"], &peer["encrypted"]), (&json!(true), &json!(false)));
    assert_eq!(stopped.json()["problems"][0]["code"], "not-compared", "{stopped:?}");
    let trust = |machine: &Machine, peer: &str, fingerprint: &str| {
        machine.run(&["keys", "trust", peer, "--fingerprint", fingerprint])
    };
    assert_eq!(trust(&owner, SCIENTIST, &owner.fingerprint()).code(), "fingerprint-mismatch");
    trust(&owner, SCIENTIST, &scientist.fingerprint()).done();
    trust(&scientist, OWNER, &owner.fingerprint()).done();
    nothing_goes_unencrypted(&owner);

    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (mock, private) = (write("mock.csv", "a\n1\n"), write("private.csv", "a\n424242\n"));
    let create = ["dataset", "create", "census", "--users", "any", "--mock", &mock];
    let upload = ["--private", &private, "--upload-private"];
    owner.run(&[&create[..], &upload].concat()).done();
    scientist.run(&["sync"]).done();
    let shown = scientist.run(&["dataset", "show", "census", "--owner", OWNER]).done();
    assert_eq!(shown["dataset"]["mock_files"], json!(["mock.csv"]));

    let script = write("count.sh", "echo 42 > code/outputs/answer.txt");
    let submit = ["job", "submit", &script, "--to", OWNER, "--name", "count", "--bash"];
    scientist.run(&[&submit[..], &["--dataset", "census"]].concat()).done();
    owner.run(&["sync"]).done();
    owner.run(&["job", "approve", "count"]).done();
    // The machine of a test may have no sandbox; this job is ours.
    let ran = owner.run(&["job", "run", "count", "--no-sandbox", "--share-outputs"]).done();
    assert_eq!(ran["jobs"][0]["status"], "done");
    scientist.run(&["sync"]).done();
    let job = scientist.run(&["job", "show", "count"]).done()["job"].clone();
    let answer = std::fs::read_to_string(job["outputs"][0]["local_path"].as_str().unwrap());
    assert_eq!(answer.unwrap(), "42\n");

    for machine in [&owner, &scientist] {
        machine.run(&["sync"]).done();
        let idle = machine.run(&["sync"]).done();
        assert_eq!(idle["requests"], 1, "a sync that has nothing to do: {idle}");
    }
    let status = owner.run(&["status"]).done();
    assert_eq!(status["service"], format!("{bucket} at {url}"));
    another_machine_brings_its_keys(&folder.path().join("second"), &owner, &s3);
}

fn the_access_key_is_kept_apart(machine: &Machine) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = machine.home.join(".syft/accounts").join(OWNER);
    let login = std::fs::read_to_string(folder.join("account.toml")).unwrap();
    assert!(!login.contains(&credentials().secret), "{login}");
    let path = folder.join("s3-credentials");
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(machine.run(&["sync"]).code(), "configuration", "others can read it");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    machine.run(&["sync"]).done();
}

fn nothing_goes_unencrypted(owner: &Machine) {
    for mode in ["off", "offered"] {
        assert_eq!(owner.run(&["keys", "mode", mode]).code(), "encryption-demanded");
    }
    owner.run(&["keys", "mode", "required"]).done();
    let plain = ["keys", "trust", SCIENTIST, "--unencrypted"];
    assert_eq!(owner.run(&plain).code(), "encryption-demanded");
}

fn another_machine_brings_its_keys(home: &Path, owner: &Machine, s3: &[&str]) {
    let second = Machine::new(home.parent().unwrap(), "second");
    let login = second.log_in("login-do", OWNER, s3);
    assert_eq!(login.exit, 0, "{login:?}");
    assert_eq!(second.run(&["sync"]).code(), "keys-missing", "it makes none of its own");
    let file = home.join("keys.json");
    let file = file.to_str().unwrap();
    owner.run(&["keys", "export", file]).done();
    second.run(&["keys", "import", file]).done();
    second.run(&["sync"]).done();
    let restored =
        second.home.join(format!("SyftBox_{OWNER}/{OWNER}/private/syft_datasets/census"));
    let private = std::fs::read_to_string(restored.join("private.csv")).unwrap();
    assert_eq!(private, "a\n424242\n", "what was sealed for ourselves");
}

#[test]
fn a_login_without_a_key_or_an_address_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let machine = Machine::new(folder.path(), "machine");
    let login = ["login-do", "--email", OWNER, "--s3", "s3://team"];
    let ended = machine.run(&login);
    assert_eq!(ended.exit, 2, "{ended:?}");
    let hint = ended.json()["error"]["hint"].clone();
    assert!(hint.as_str().unwrap().contains("AWS_ACCESS_KEY_ID"), "{hint}");
    for wrong in [&["team"][..], &["s3://"], &["https://h/team", "--endpoint", "https://h"]] {
        let ended = machine.log_in("login-do", OWNER, wrong);
        assert_eq!(ended.exit, 2, "{ended:?}");
    }
    assert!(!machine.home.join(".syft/accounts").join(OWNER).join("account.toml").exists());
}
