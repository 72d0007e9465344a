//! What a service that was killed leaves behind.

use rustix::process::Signal;

use crate::sinks::{HttpSink, Mood, SmtpSink};
use crate::world::World;
use crate::{Serving, ask, hook_to, mail_to, serve_once};

#[test]
fn what_was_sent_and_not_noted_comes_again_and_says_so() {
    let world = World::logged_in();
    let mail = SmtpSink::new(Mood::TakeAndHang);
    mail_to(&world, &mail);
    ask(&world);
    let serving = Serving::start(&world);
    let first = mail.next();
    // It has sent the mail and waits for the word that it was taken.
    assert_eq!(serving.end(Signal::KILL), None);
    mail.set(Mood::Take);
    let answer = serve_once(&world);
    assert_eq!(answer["notices"][0]["repeat"], true, "{answer}");
    assert_eq!(answer["news"], serde_json::json!([]), "it was noted before it was sent");
    let second = mail.next();
    assert_eq!(second.header("Message-ID"), first.header("Message-ID"));
    assert!(!first.text.contains("You may have this already"), "{}", first.text);
    assert!(second.text.contains("You may have this already"), "{}", second.text);
    serve_once(&world);
    assert!(mail.rest().is_empty(), "and no third time");
}

#[test]
fn what_was_not_sent_is_sent_by_the_next_one() {
    let world = World::logged_in();
    let (mail, hook) = (SmtpSink::new(Mood::Hang), HttpSink::new());
    mail_to(&world, &mail);
    hook_to(&world, &hook);
    ask(&world);
    let mut serving = Serving::start(&world);
    // The webhook is told although the mail server is silent.
    serving.until("Told by webhook");
    assert_eq!(hook.next().json()["repeat"], false);
    mail.visits.recv_timeout(crate::PATIENCE).unwrap();
    assert_eq!(serving.end(Signal::KILL), None);
    mail.set(Mood::Take);
    serve_once(&world);
    assert!(mail.next().text.contains("asks to work with you"));
    assert!(hook.rest().is_empty(), "what was told is not told again");
}

#[test]
fn a_service_ends_at_once_and_well_when_it_is_told_to() {
    for signal in [Signal::TERM, Signal::INT] {
        let world = World::logged_in();
        let mail = SmtpSink::new(Mood::Hang);
        mail_to(&world, &mail);
        ask(&world);
        let serving = Serving::start(&world);
        mail.visits.recv_timeout(crate::PATIENCE).unwrap();
        let started = std::time::Instant::now();
        assert_eq!(serving.end(signal), Some(0));
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "a mail takes up to 90 s");
        let shown = world.owner(&["notify", "show"]).done();
        assert_eq!(shown["notices"][0]["sent_at"], serde_json::Value::Null);
        assert_eq!(shown["notices"][0]["maybe_received"], true);
    }
}

#[test]
fn one_account_has_one_service() {
    let world = World::logged_in();
    let first = Serving::start(&world);
    let second = world.owner(&["serve", "--once"]);
    assert_eq!((second.exit, &second.json()["error"]["code"]), (4, &"locked".into()));
    assert_eq!(first.end(Signal::KILL), None);
    serve_once(&world);
}
