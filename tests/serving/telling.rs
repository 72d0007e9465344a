//! What is told, to whom, and what is not in it.

use serde_json::Value;

use crate::sinks::{HttpSink, Mood, SmtpSink};
use crate::world::{OWNER, SCIENTIST, World};
use crate::{ask, hook_to, kinds, mail_to, serve_once};

#[test]
fn a_request_is_told_once_each_way() {
    let world = World::logged_in();
    let (mail, hook) = (SmtpSink::new(Mood::Take), HttpSink::new());
    mail_to(&world, &mail);
    hook_to(&world, &hook);
    let told = world.folder.path().join("told");
    let script = format!("cat >>{}", told.display());
    world.owner(&["notify", "set", "command", "--", "sh", "-c", &script]).done();
    ask(&world);
    let answer = serve_once(&world);
    assert_eq!(answer["news"][0]["kind"], "peer-asks");
    assert_eq!(answer["notices"].as_array().unwrap().len(), 3, "{answer}");

    let got = mail.next();
    assert_eq!(got.header("Subject"), format!("Subject: [syft] {SCIENTIST} asks to work with you"));
    assert_eq!(got.header("From"), format!("From: {OWNER}"));
    assert_eq!(got.header("Auto-Submitted"), "Auto-Submitted: auto-generated");
    assert!(got.text.contains(&format!("syft peer approve {SCIENTIST}")), "{}", got.text);
    assert!(got.to[0].contains("<olga@lab.org>") && got.from.contains(OWNER), "{got:?}");
    assert_eq!(got.auth, None);

    let request = hook.next();
    assert!(request.head.starts_with("POST /hook/SECRET HTTP/1.1\r\n"), "{}", request.head);
    let json = request.json();
    assert_eq!(request.header("Idempotency-Key").as_deref(), json["id"].as_str());
    assert_eq!((&json["account"], &json["repeat"]), (&OWNER.into(), &false.into()));
    assert_eq!(kinds(&json), ["peer-asks"]);
    assert_eq!(json["news"][0]["person"], SCIENTIST);

    let by_command: Value = serde_json::from_slice(&std::fs::read(&told).unwrap()).unwrap();
    assert_eq!(by_command["news"], json["news"]);

    assert_eq!(serve_once(&world)["notices"], serde_json::json!([]));
    assert!(mail.rest().is_empty() && hook.rest().is_empty(), "each is told once");
    let shown = world.owner(&["notify", "show"]);
    assert!(!shown.stdout.contains("SECRET") && !shown.stderr.contains("SECRET"), "{shown:?}");
    assert_eq!(shown.done()["notices"].as_array().unwrap().len(), 3);
}

#[test]
fn only_what_was_asked_for_is_told() {
    let world = World::logged_in();
    let hook = HttpSink::new();
    let url = hook.url("/");
    world.owner(&["notify", "set", "webhook", &url, "--only", "job-waits,problem"]).done();
    ask(&world);
    assert_eq!(serve_once(&world)["notices"], serde_json::json!([]));
    assert!(hook.rest().is_empty());
    let wrong = world.owner(&["notify", "set", "webhook", &url, "--only", "everything"]);
    assert_eq!(wrong.exit, 2, "{wrong:?}");
}

#[test]
fn an_owner_is_told_of_jobs_that_nobody_looked_at() {
    let world = World::working();
    let hook = HttpSink::new();
    hook_to(&world, &hook);
    let script = world.file("count.sh", "echo counted\n");
    let script = script.to_str().unwrap();
    let submit = |name: &str| {
        let submit = ["job", "submit", script, "--to", OWNER, "--name", name, "--bash"];
        world.scientist(&submit).done();
    };
    submit("march");
    serve_once(&world);
    let until = in_a_month();
    let allow = ["job", "allow", "march", "--until", &until, "--times", "2", "--unread"];
    let made = world.owner(&allow).done();
    submit("april");
    serve_once(&world);
    let told: Vec<Value> = hook.rest().iter().map(|request| request.json()).collect();
    let all: Vec<&str> = told.iter().flat_map(kinds).collect();
    assert_eq!(all, ["job-waits", "job-allowed", "job-allowed"], "{told:?}");
    let news = told.iter().flat_map(|told| told["news"].as_array().unwrap());
    let april = news.into_iter().find(|news| news["job"] == "april").unwrap();
    assert_eq!(april["detail"], made["standing"]["id"]);
    assert!(april["text"].as_str().unwrap().contains("approved unseen"), "{april}");
    serve_once(&world);
    assert!(hook.rest().is_empty(), "once");
}

#[expect(clippy::disallowed_methods, reason = "the program has the clock of the machine")]
fn in_a_month() -> String {
    (chrono::Utc::now() + chrono::Days::new(30)).format("%Y-%m-%d").to_string()
}

/// A job that prints and returns what nobody else may see, from its submission to its results.
#[test]
fn a_notice_holds_no_data_on_either_side() {
    const CANARY: &str = "canary-8402";
    let world = World::working();
    let hook = HttpSink::new();
    let url = hook.url("/");
    for run in [World::owner, World::scientist] {
        run(&world, &["notify", "set", "webhook", &url]).done();
        run(&world, &["serve", "--once"]).done();
    }
    drop(hook.rest());
    let code = format!("echo {CANARY} | tee code/outputs/{CANARY}.txt");
    let job = world.file("job.sh", &code);
    let job = job.to_str().unwrap();
    let submit = ["job", "submit", job, "--to", OWNER, "--name", "ages", "--bash"];
    world.scientist(&submit).done();
    world.owner(&["serve", "--once"]).done();
    world.owner(&["job", "approve", "ages", "--reason", CANARY]).done();
    let run = ["job", "run", "ages", "--no-sandbox", "--share-outputs", "--share-logs"];
    world.owner(&run);
    world.owner(&["serve", "--once"]).done();
    world.scientist(&["serve", "--once"]).done();
    let told = hook.rest();
    let kinds: Vec<String> = told
        .iter()
        .flat_map(|request| {
            let json = request.json();
            kinds(&json).into_iter().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(kinds, ["job-waits", "job-ended", "job-answered", "results-arrived"]);
    for request in &told {
        assert!(!request.body.contains(CANARY), "{}", request.body);
        assert!(!request.body.contains("SyftBox"), "{}", request.body);
    }
    assert!(told[1].json()["text"].as_str().unwrap().contains("`ages`"), "{}", told[1].body);
}
