//! What runs on until somebody ends it.

use std::io::{BufRead as _, BufReader, Read as _};

use rustix::process::{Pid, Signal, kill_process};

use crate::world::{OWNER, Running, World, program, start};

fn tell(running: &Running, signal: Signal) {
    let id = i32::try_from(running.0.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

#[test]
fn a_drive_ends_well_when_it_is_told_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let home = tempfile::tempdir().unwrap();
        let serve = ["drive", "serve", "--data", "d", "--listen", "127.0.0.1:0"];
        let (mut drive, line) = start(program(home.path()).args(serve));
        assert!(line.starts_with("http://127.0.0.1:"), "{line}");
        tell(&drive, signal);
        assert_eq!(drive.0.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn an_account_can_be_added_while_the_drive_is_served() {
    let world = World::new();
    let add = ["drive", "account", "add", "new@example.org", "--data", "drive"];
    let added = program(world.folder.path()).args(add).arg("--json").output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&added.stdout).unwrap();
    let token = answer["token"].as_str().unwrap();
    let login = ["--json", "login-ds", "--email", "new@example.org", "--drive", &world.url];
    let login = [&login[..], &["--token", token]].concat();
    world.run("owner", &login).done();
    let text = program(world.folder.path()).args(add).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.trim().len() >= 32 && text.lines().count() == 1, "stdout is the token: {text}");
}

#[test]
fn one_data_folder_has_one_server() {
    let world = World::new();
    let serve = ["--json", "drive", "serve", "--data", "drive", "--listen", "127.0.0.1:0"];
    let second = program(world.folder.path()).args(serve).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(answer["error"]["code"], "in-use");
}

#[test]
fn a_watch_sends_what_changes_and_ends_at_ctrl_c() {
    let world = World::working();
    let args = ["sync", "--watch", "--interval", "3600"];
    let mut watch = Running(program(&world.home("owner")).args(args).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stderr.take().unwrap()).lines();
    let mut until =
        |words: &str| lines.by_ref().map(Result::unwrap).find(|line| line.contains(words)).unwrap();
    until("Watching");
    std::fs::write(world.datasite("public/news.txt"), "news").unwrap();
    until("1 sent");
    tell(&watch, Signal::INT);
    assert_eq!(watch.0.wait().unwrap().code(), Some(130));
    let sent = world.owner(&["sync", "--dry-run"]).done();
    assert_eq!(sent["would_push"], serde_json::json!([]), "{OWNER} has nothing left to send");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let mut running = program(home.path()).args(["completions", "zsh"]).spawn().unwrap();
    let mut first = [0; 1];
    running.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0));
}

/// A random token begins with a hyphen now and then.
#[test]
fn a_token_may_look_like_an_option() {
    let world = World::new();
    let add = ["drive", "account", "add", "new@example.org", "--data", "drive"];
    let add = [&add[..], &["--token", "-8-looks-like-one"]].concat();
    let added = program(world.folder.path()).args(add).output().unwrap();
    assert!(added.status.success(), "{added:?}");
    let login = ["--json", "login-ds", "--email", "new@example.org", "--drive", &world.url];
    world.run("owner", &[&login[..], &["--token", "-8-looks-like-one"]].concat()).done();
}
