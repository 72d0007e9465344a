//! A mail server that is down, a webhook that is ill, settings that are broken.

use rustix::process::Signal;
use serde_json::Value;

use crate::sinks::{HttpSink, Mood, SmtpSink};
use crate::world::{self, World};
use crate::{Serving, ask, hook_to, kinds, mail_to, serve_once};

#[test]
fn a_mail_server_that_is_down_holds_nothing_up_and_its_notice_is_kept() {
    let world = World::logged_in();
    let hook = HttpSink::new();
    // A port that nobody listens on.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let port = port.to_string();
    let set = ["notify", "set", "email", "--to", "olga@lab.org", "--security", "none"];
    let set = [&set[..], &["--server", "127.0.0.1", "--port", &port]].concat();
    world.owner(&set).done();
    hook_to(&world, &hook);
    ask(&world);
    let ended = world.owner(&["serve", "--once"]);
    assert_eq!(ended.exit, 3, "{ended:?}");
    assert_eq!(kinds(&hook.next().json()), ["peer-asks"]);
    let ended = world.owner(&["serve", "--once"]);
    assert_eq!(ended.exit, 0, "it is not tried again at once: {ended:?}");
    let shown = world.owner(&["notify", "show"]).done();
    let kept = shown["notices"].as_array().unwrap();
    let kept = kept.iter().find(|notice| notice["way"] == "email").unwrap();
    assert_eq!((&kept["sent_at"], &kept["attempts"]), (&Value::Null, &1.into()));
    assert!(kept["problem"].as_str().unwrap().contains("127.0.0.1"), "{kept}");

    // Whoever changes the settings does not wait.
    let mail = SmtpSink::new(Mood::Take);
    mail_to(&world, &mail);
    assert_eq!(serve_once(&world)["notices"][0]["repeat"], false);
    let text = mail.next().text;
    assert!(!text.contains("may have this already"), "nobody got it before: {text}");
}

#[test]
fn a_server_that_says_later_gets_it_later() {
    let world = World::logged_in();
    let mail = SmtpSink::new(Mood::Later);
    mail_to(&world, &mail);
    ask(&world);
    let ended = world.owner(&["serve", "--once"]);
    assert_eq!(ended.exit, 3, "{ended:?}");
    assert!(ended.json()["notices"][0]["message"].as_str().unwrap().contains("451"), "{ended:?}");
    mail.set(Mood::Take);
    mail_to(&world, &mail);
    assert_eq!(serve_once(&world)["notices"][0]["repeat"], false);
    mail.next();
}

#[test]
fn a_webhook_that_fails_is_tried_again_and_one_that_leads_elsewhere_is_not_followed() {
    let world = World::logged_in();
    let (hook, elsewhere) = (HttpSink::new(), HttpSink::new());
    hook_to(&world, &hook);
    ask(&world);
    let target = elsewhere.url("/stolen");
    let moved = format!("307 Temporary Redirect\r\nLocation: {target}");
    for (answer, repeat) in [(moved.as_str(), false), ("500 Oops", false), ("204 Fine", true)] {
        hook.answer(answer);
        hook_to(&world, &hook);
        let ended = world.owner(&["serve", "--once"]);
        assert_eq!(ended.exit, if answer.starts_with('2') { 0 } else { 3 }, "{ended:?}");
        // Of a failure within the server it is not known what it did before.
        assert_eq!(hook.next().json()["repeat"], repeat, "{answer}");
        assert!(!ended.stderr.contains("SECRET") && !ended.stdout.contains("SECRET"), "{ended:?}");
    }
    assert!(elsewhere.rest().is_empty());
}

#[test]
fn settings_that_break_while_it_runs_are_told_and_those_before_go_on() {
    let world = World::logged_in();
    let hook = HttpSink::new();
    hook_to(&world, &hook);
    let mut serving = Serving::start(&world);
    let shown = world.owner(&["notify", "show"]).done();
    let path = shown["path"].as_str().unwrap().to_owned();
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, "[webhook]\nurl = \"http://evil.example/SECRET\"\n").unwrap();
    std::fs::create_dir_all(world.datasite("notes")).unwrap();
    std::fs::write(world.datasite("notes/wake.txt"), "a change, so that it looks").unwrap();
    let line = serving.until("cannot be read");
    assert!(!line.contains("SECRET"), "{line}");
    let told = hook.next().json();
    assert_eq!(told["news"][0]["detail"], "serve-settings", "told by the settings before: {told}");
    let failed = world.owner(&["notify", "show"]);
    assert_eq!((failed.exit, &failed.json()["error"]["code"]), (1, &"serve-settings".into()));
    assert_eq!(world.owner(&["serve", "--once"]).exit, 4);
    std::fs::write(&path, good).unwrap();
    std::fs::write(world.datasite("notes/wake.txt"), "another change").unwrap();
    serving.until("Read the changed settings");
    assert_eq!(serving.end(Signal::TERM), Some(0));
}

#[test]
fn broken_settings_start_nothing() {
    let world = World::logged_in();
    let hook = HttpSink::new();
    hook_to(&world, &hook);
    let shown = world.owner(&["notify", "show"]).done();
    std::fs::write(shown["path"].as_str().unwrap(), "auto_approve = [").unwrap();
    let failed = world.owner(&["serve", "--once"]);
    assert_eq!((failed.exit, &failed.json()["error"]["code"]), (1, &"serve-settings".into()));
}

#[test]
fn what_stays_wrong_is_said_once_and_the_record_says_how_it_stands() {
    let world = World::logged_in();
    let file = world.datasite("a.txt");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "text").unwrap();
    world.owner(&["sync"]).done();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    let mut serving = Serving::start(&world);
    let first = serving.until("a.txt");
    assert!(first.starts_with("warning[link-not-followed]"), "{first}");
    for number in 0..2 {
        std::fs::write(world.datasite("b.txt"), format!("{number}")).unwrap();
        let said = serving.before("1 sent");
        assert!(!said.iter().any(|line| line.contains("a.txt")), "{said:?}");
    }
    let status = world.owner(&["service", "status"]).json();
    assert_eq!(status["service"]["last"]["exit"], 3, "{status}");
    assert_eq!(serving.end(Signal::TERM), Some(0));
}

/// The state is made anew beside a service that runs: it goes on with the new one, tells nothing twice,
/// and lets nobody in who was turned down.
#[test]
fn a_rebuilt_database_forgets_neither_what_was_told_nor_whom_a_person_turned_down() {
    let world = World::logged_in();
    let hook = HttpSink::new();
    hook_to(&world, &hook);
    ask(&world);
    serve_once(&world);
    assert_eq!(kinds(&hook.next().json()), ["peer-asks"]);
    world.owner(&["peer", "reject", world::SCIENTIST]).done();
    serve_once(&world);
    let mut serving = Serving::start(&world);
    // It does not wait for the lock, which the service holds every now and then.
    let rebuilt = loop {
        let ended = world.owner(&["sync", "--rebuild", "--wait"]);
        if ended.exit != 4 {
            break ended;
        }
    };
    assert_eq!(rebuilt.exit, 0, "{rebuilt:?}");
    serving.until("set aside by another command");
    assert_eq!(serving.end(Signal::TERM), Some(0));
    world.owner(&["auto-approve", "add", world::SCIENTIST]).done();
    ask(&world);
    assert_eq!(serve_once(&world)["approved"], serde_json::json!([]));
    assert!(hook.rest().is_empty(), "nothing is told twice");
}
