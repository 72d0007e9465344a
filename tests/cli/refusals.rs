//! What goes wrong says so in one way: an exit code, a code, a message, a hint that can be run.

use serde_json::{Value, json};

use crate::world::{Ended, OWNER, SCIENTIST, World, program};

fn error(ended: &Ended) -> (i32, String) {
    let answer = ended.json();
    let error = &answer["error"];
    assert!(error["message"].is_string(), "{ended:?}");
    (ended.exit, error["code"].as_str().unwrap().to_owned())
}

#[test]
fn wrong_usage_is_two_and_json_where_json_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    #[rustfmt::skip]
    let cases: [&[&str]; 11] = [
        &[],
        &["frobnicate"],
        &["peer", "add"],
        &["peer", "add", "no-address"],
        &["sync", "--checkpoint-threshold", "many"],
        &["delete", "--local-only", "--remote-only"],
        &["perm", "grant", "a/", "--user", "x@y.z"],
        &["login-do", "--drive", "http://127.0.0.1:1"],
        &["login-do"],
        &["login-do", "--email", "a@b.c"],
        &["perm", "check", "a", "--stdin-json"],
    ];
    for args in cases {
        let text: Ended = program(home.path()).args(args).output().unwrap().into();
        assert_eq!((text.exit, text.stdout.as_str()), (2, ""), "{args:?}");
        assert!(!text.stderr.is_empty(), "{args:?}");
        let json: Ended = program(home.path()).args(args).arg("--json").output().unwrap().into();
        assert_eq!(error(&json), (2, "usage".to_owned()), "{args:?}");
    }
}

#[test]
fn who_is_not_logged_in_is_told_how() {
    let home = tempfile::tempdir().unwrap();
    let commands: [&[&str]; 6] = [
        &["sync"],
        &["peer", "list"],
        &["dataset", "list"],
        &["job", "show", "x"],
        &["checkpoint", "create"],
        &["logout"],
    ];
    for args in commands {
        let ended: Ended = program(home.path()).arg("--json").args(args).output().unwrap().into();
        assert_eq!(error(&ended), (1, "not-logged-in".to_owned()), "{args:?}");
        let hint = ended.json()["error"]["hint"].as_str().unwrap().to_owned();
        assert!(hint.contains("syft login-do"), "{hint}");
    }
    let status: Ended = program(home.path()).args(["status"]).output().unwrap().into();
    assert_eq!((status.exit, status.stdout.as_str()), (0, ""));
    assert!(status.stderr.contains("Nobody is logged in"), "{status:?}");
}

#[test]
fn of_two_accounts_one_must_be_named() {
    let world = World::logged_in();
    world.log_in("owner", "login-ds", SCIENTIST).done();
    assert_eq!(error(&world.owner(&["sync"])), (1, "several-accounts".to_owned()));
    assert_eq!(world.owner(&["status"]).done()["accounts"].as_array().unwrap().len(), 2);
    world.owner(&["sync", "--email", OWNER]).done();
    let named: Ended = program(&world.home("owner"))
        .env("SYFT_EMAIL", SCIENTIST)
        .args(["status", "--json"])
        .output()
        .unwrap()
        .into();
    assert_eq!(named.done()["role"], "ds");
}

#[test]
fn a_token_of_somebody_else_does_not_log_in() {
    let world = World::new();
    let token = crate::world::token(SCIENTIST);
    let args = ["login-do", "--email", OWNER, "--drive", &world.url, "--token", &token];
    assert_eq!(error(&world.owner(&args)), (1, "wrong-account".to_owned()));
    let args = ["login-do", "--email", OWNER, "--drive", &world.url, "--token", "nobody's token"];
    assert_eq!(world.owner(&args).exit, 1);
    assert_eq!(world.owner(&["status"]).done()["accounts"], json!([]));
}

#[test]
fn a_drive_that_is_away_is_no_mystery() {
    let home = tempfile::tempdir().unwrap();
    let args = ["login-do", "--email", OWNER, "--drive", "not an address", "--token", "x"];
    let ended: Ended = program(home.path()).arg("--json").args(args).output().unwrap().into();
    assert_eq!(error(&ended), (1, "bad-address".to_owned()));
}

#[test]
fn unknown_names_point_to_the_list() {
    let world = World::logged_in();
    #[rustfmt::skip]
    let cases: [(&[&str], &str, &str); 5] = [
        (&["job", "show", "nothing"],              "unknown-job",     "syft job list"),
        (&["job", "approve", "nothing"],           "unknown-job",     "syft job list"),
        (&["dataset", "show", "nothing"],          "unknown-dataset", "syft dataset list"),
        (&["dataset", "share", "nothing", "--users", "any"], "unknown-dataset", "syft dataset list"),
        (&["peer", "approve", "x@example.org"],    "no-request",      "syft peer add"),
    ];
    for (args, code, hint) in cases {
        let ended = world.owner(args);
        assert_eq!(error(&ended), (1, code.to_owned()), "{args:?}");
        let said = ended.json()["error"]["hint"].as_str().unwrap_or_default().to_owned();
        assert!(said.contains(hint), "{args:?}: {said}");
        let text = world.run("owner", args);
        assert!(
            text.stderr.starts_with(&format!("error[{code}]: "))
                && text.stderr.contains("\nhint: "),
            "{text:?}"
        );
    }
}

#[test]
fn what_only_the_other_side_can_do_is_refused() {
    let world = World::working();
    let code = world.file("x.py", "print(1)");
    let submit = ["job", "submit", code.to_str().unwrap(), "--to", SCIENTIST];
    assert_eq!(error(&world.owner(&submit)), (1, "wrong-role".to_owned()));
    for args in [&["job", "run"][..], &["checkpoint", "create"], &["job", "approve", "x"]] {
        assert_eq!(error(&world.scientist(args)), (1, "wrong-role".to_owned()), "{args:?}");
    }
}

#[test]
fn w34_a_deletion_without_anybody_to_ask_needs_yes() {
    let world = World::logged_in();
    let ended = world.owner(&["delete"]);
    assert_eq!(error(&ended), (2, "usage".to_owned()));
    assert_eq!(
        ended.json()["error"]["hint"],
        json!("look at what would go with --dry-run, and add --yes if you are sure")
    );
    assert!(world.home("owner").join(format!("SyftBox_{OWNER}")).exists());
}

#[test]
fn who_holds_the_lock_is_waited_for_or_not() {
    let world = World::logged_in();
    let lock = world.home("owner").join(format!("SyftBox_{OWNER}/.sync.lock"));
    let lock = std::fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    let ended = world.owner(&["sync"]);
    assert_eq!(error(&ended), (4, "locked".to_owned()));
    // What only shows something shows what is there.
    let listed = world.owner(&["peer", "list"]);
    assert_eq!(listed.done()["peers"], Value::Array(Vec::new()));
    assert!(listed.stderr.contains("Another `syft`"), "{listed:?}");
    // A person's act waits for a moment, as beside a watch; a sync does if it is told to.
    for args in [&["sync", "--wait"][..], &["peer", "add", SCIENTIST]] {
        lock.lock().unwrap();
        let waiting = program(&world.home("owner")).args(args).spawn().unwrap();
        lock.unlock().unwrap();
        let ended: Ended = waiting.wait_with_output().unwrap().into();
        assert_eq!(ended.exit, 0, "{ended:?}");
    }
}

#[test]
fn a_refused_proposal_is_a_problem_to_who_proposed_it() {
    let world = World::working();
    let syftbox = world.home("scientist").join(format!("SyftBox_{SCIENTIST}/{OWNER}/public"));
    std::fs::create_dir_all(&syftbox).unwrap();
    std::fs::write(syftbox.join("mine.txt"), "mine").unwrap();
    world.scientist(&["sync"]).done();
    let judged = world.owner(&["sync"]);
    assert_eq!(judged.done()["refused"][0]["peer"], SCIENTIST);
    let told = world.scientist(&["sync"]);
    assert_eq!(told.exit, 3, "{told:?}");
    assert_eq!(told.json()["refused"][0]["path"], "public/mine.txt");
}
