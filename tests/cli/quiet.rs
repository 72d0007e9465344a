//! Syncs that nobody watches, as from cron: they speak when a person is needed, and then once.

use std::io::{BufRead as _, BufReader};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::world::{Ended, OWNER, Running, SCIENTIST, World, program, start, token};

/// Exit code, stdout and stderr of a sync by cron.
fn cron(world: &World, home: &str) -> (i32, String, String) {
    let Ended { exit, stdout, stderr } = world.run(home, &["sync", "--quiet"]);
    (exit, stdout, stderr)
}

fn silent(exit: i32) -> (i32, String, String) {
    (exit, String::new(), String::new())
}

fn log(world: &World, home: &str, email: &str) -> String {
    let log = world.home(home).join(format!(".syft/accounts/{email}/sync.log"));
    std::fs::read_to_string(log).unwrap()
}

#[test]
fn what_needs_nobody_is_not_told_and_is_in_the_log() {
    let world = World::working();
    assert_eq!(cron(&world, "owner"), silent(0));
    std::fs::write(world.datasite("public/news.txt"), "news").unwrap();
    assert_eq!(cron(&world, "owner"), silent(0));
    let log = log(&world, "owner", OWNER);
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].ends_with("Z nothing to do") && lines[1].ends_with("Z 1 sent"), "{log}");
    let json = world.owner(&["sync", "--quiet"]);
    assert_eq!((json.done()["pushed"].clone(), json.stderr.as_str()), (json!(0), ""));
}

#[test]
fn a_problem_is_told_once_and_stays_in_the_exit_code() {
    let world = World::working();
    std::fs::write(world.datasite("public/a.txt"), "text").unwrap();
    assert_eq!(cron(&world, "owner"), silent(0));
    let file = world.datasite("public/a.txt");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    let (exit, stdout, stderr) = cron(&world, "owner");
    assert_eq!((exit, stdout.as_str()), (3, ""));
    assert!(
        stderr.starts_with("warning[link-not-followed]: ") && stderr.contains("public/a.txt"),
        "{stderr}"
    );
    for _ in 0..2 {
        assert_eq!(cron(&world, "owner"), silent(3));
    }
    std::fs::remove_file(&file).unwrap();
    assert_eq!(cron(&world, "owner"), silent(0));
    assert!(log(&world, "owner", OWNER).contains("public/a.txt"));
}

#[test]
fn a_dead_sign_in_is_told_once_until_it_worked_again() {
    let world = World::logged_in();
    let login = world.home("owner").join(format!(".syft/accounts/{OWNER}/account.toml"));
    let good = std::fs::read_to_string(&login).unwrap();
    let bad = good.replace(&token(OWNER), "token-of-nobody");
    for _ in 0..2 {
        std::fs::write(&login, &bad).unwrap();
        let (exit, stdout, stderr) = cron(&world, "owner");
        assert_eq!((exit, stdout.as_str()), (1, ""));
        assert!(
            stderr.starts_with("error[signed-out]: ") && stderr.contains("sign in again"),
            "{stderr}"
        );
        for _ in 0..2 {
            assert_eq!(cron(&world, "owner"), silent(1));
        }
        std::fs::write(&login, &good).unwrap();
        assert_eq!(cron(&world, "owner"), silent(0));
    }
    world.owner(&["logout"]).done();
    let (exit, _, stderr) = cron(&world, "owner");
    assert!(exit == 1 && stderr.contains("nobody is logged in"), "{stderr}");
    assert_eq!(cron(&world, "owner"), silent(1));
}

#[test]
fn who_proposed_hears_of_a_refusal_and_who_refused_does_not() {
    let world = World::working();
    let theirs = format!("SyftBox_{SCIENTIST}/{OWNER}/public/mine.txt");
    let theirs = world.home("scientist").join(theirs);
    std::fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    std::fs::write(&theirs, "mine").unwrap();
    assert_eq!(cron(&world, "scientist"), silent(0));
    assert_eq!(cron(&world, "owner"), silent(0));
    let (exit, _, stderr) = cron(&world, "scientist");
    assert!(exit == 3 && stderr.contains("public/mine.txt"), "{exit} {stderr}");
    assert_eq!(cron(&world, "scientist"), silent(0));
}

#[test]
fn a_lock_is_no_reason_to_speak() {
    let world = World::logged_in();
    let lock = world.home("owner").join(format!("SyftBox_{OWNER}/.sync.lock"));
    let lock = std::fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    assert_eq!(cron(&world, "owner"), silent(4));
    let log = log(&world, "owner", OWNER);
    assert!(log.contains("another `syft` works on"), "whoever looks finds out: {log}");
}

/// The disk is full to which cron writes what it will mail.
#[test]
fn what_nobody_could_hear_is_told_again() {
    let world = World::working();
    let file = world.datasite("public/a.txt");
    std::fs::write(&file, "text").unwrap();
    assert_eq!(cron(&world, "owner"), silent(0));
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let mut unheard = program(&world.home("owner"));
    let ended = unheard.args(["sync", "--quiet"]).stderr(full).status().unwrap();
    assert_eq!(ended.code(), Some(3));
    let (exit, _, stderr) = cron(&world, "owner");
    assert!(exit == 3 && stderr.contains("public/a.txt"), "{exit} {stderr}");
    assert_eq!(cron(&world, "owner"), silent(3));
}

#[test]
fn a_service_from_cron_speaks_when_a_person_is_needed_and_once() {
    let world = World::working();
    let serve = || {
        let Ended { exit, stdout, stderr } = world.run("owner", &["serve", "--once", "--quiet"]);
        (exit, stdout, stderr)
    };
    assert_eq!(serve(), silent(0));
    assert!(log(&world, "owner", OWNER).ends_with("nothing to do\n"));
    world.owner(&["notify", "set", "command", "--", "/bin/false"]).done();
    let job = world.file("job.sh", "echo hello");
    let submit = ["job", "submit", job.to_str().unwrap(), "--to", OWNER, "--name", "x", "--bash"];
    world.scientist(&submit).done();
    assert_eq!(serve(), silent(3), "one that fails once may pass");
    world.owner(&["notify", "remove", "command"]).done();
    let file = world.datasite("public/a.txt");
    std::fs::write(&file, "text").unwrap();
    assert_eq!(serve(), silent(0));
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    let (exit, _, stderr) = serve();
    assert!(exit == 3 && stderr.contains("public/a.txt"), "{exit} {stderr}");
    assert_eq!(serve(), silent(3));
    let status = world.owner(&["service", "status"]).json();
    assert_eq!(status["service"]["last"]["exit"], 3, "{status}");
    let lock = world.home("owner").join(format!("SyftBox_{OWNER}/.sync.lock"));
    let lock = std::fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    assert_eq!(serve(), silent(4));
}

#[test]
fn a_watch_tells_what_stays_wrong_once() {
    let world = World::working();
    std::fs::write(world.datasite("public/a.txt"), "text").unwrap();
    world.owner(&["sync"]).done();
    std::fs::remove_file(world.datasite("public/a.txt")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", world.datasite("public/a.txt")).unwrap();
    let watch = ["sync", "--watch", "--interval", "3600"];
    let mut watch = Running(program(&world.home("owner")).args(watch).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut seen = Vec::new();
    let until = |words: &str, lines: &mut dyn Iterator<Item = String>, seen: &mut Vec<String>| {
        for line in lines {
            seen.push(line);
            if seen.last().is_some_and(|line| line.contains(words)) {
                return;
            }
        }
        panic!("{seen:?}");
    };
    until("1 problem", &mut lines, &mut seen);
    for number in 0..2 {
        std::fs::write(world.datasite("public/b.txt"), format!("{number}")).unwrap();
        until("1 sent", &mut lines, &mut seen);
    }
    let told = seen.iter().filter(|line| line.contains("public/a.txt")).count();
    assert_eq!(told, 1, "{seen:?}");
}

/// The drive does not answer for a minute, so that it is in the middle of a request.
#[test]
fn a_signal_ends_a_watch_at_once_in_the_middle_of_a_request() {
    let world = World::logged_in();
    let serve = ["--json", "drive", "serve", "--data", "slow", "--listen", "127.0.0.1:0"];
    let serve = [&serve[..], &["--latency-ms", "60000"]].concat();
    let (_slow, line) = start(program(world.folder.path()).args(serve));
    let answer: serde_json::Value = serde_json::from_str(&line).unwrap();
    let login = world.home("owner").join(format!(".syft/accounts/{OWNER}/account.toml"));
    let text = std::fs::read_to_string(&login).unwrap();
    std::fs::write(&login, text.replace(&world.url, answer["url"].as_str().unwrap())).unwrap();
    for signal in [Signal::TERM, Signal::INT] {
        let mut command = program(&world.home("owner"));
        let mut watch = Running(command.args(["sync", "--watch"]).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(watch.0.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("Watching"), "{line}");
        let began = Instant::now();
        let id = i32::try_from(watch.0.id()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
        assert_eq!(watch.0.wait().unwrap().code(), Some(130));
        let took = began.elapsed();
        assert!(took < Duration::from_secs(10), "it waited for the drive: {took:?}");
    }
}
