//! What is printed: JSON that always parses, text that steers no terminal.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::world::{Ended, OWNER, SCIENTIST, World, program};

#[test]
fn stdout_is_one_json_object_whatever_happens() {
    let world = World::working();
    let commands: [&[&str]; 19] = [
        &["status"],
        &["sync"],
        &["sync", "--dry-run"],
        &["peer", "list"],
        &["peer", "list", "--versions"],
        &["orphans"],
        &["bug-report"],
        &["peer", "reject", SCIENTIST],
        &["dataset", "list"],
        &["dataset", "show", "census"],
        &["dataset", "unshare", "census", "--users", SCIENTIST],
        &["dataset", "share", "census", "--users", "any"],
        &["dataset", "delete", "census"],
        &["dataset", "delete", "census"],
        &["job", "list"],
        &["job", "run"],
        &["job", "show", "\u{1b}[31m"],
        &["perm", "explain", "public/", "--user", SCIENTIST],
        &["checkpoint", "status"],
    ];
    for args in commands {
        let ended = world.owner(args);
        let answer = ended.json();
        assert!(answer.is_object(), "{args:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{args:?}");
        assert_eq!(answer.get("error").is_some(), ![0, 3].contains(&ended.exit), "{args:?}");
    }
}

#[test]
fn global_options_stand_before_or_after() {
    let world = World::logged_in();
    let before = world.run("owner", &["--json", "--email", OWNER, "peer", "list"]);
    let after = world.run("owner", &["peer", "list", "--json", "--email", OWNER]);
    assert_eq!(before.done(), after.done());
}

#[test]
fn pre_sync_can_be_left_out() {
    let world = World::logged_in();
    world.scientist(&["peer", "add", OWNER]).done();
    let mut unsynced = program(&world.home("owner"));
    let unsynced = unsynced.env("PRE_SYNC", "false").args(["--json", "peer", "list"]).output();
    assert_eq!(Ended::from(unsynced.unwrap()).done()["peers"], json!([]));
    let settings = world.home("owner").join(".syft/settings.toml");
    std::fs::write(&settings, "pre_sync = false\n").unwrap();
    for list in [&["peer", "list"][..], &["peer", "list", "--sync", "--no-sync"]] {
        let unsynced = world.owner(list).done();
        assert_eq!((&unsynced["peers"], &unsynced["synced"]), (&json!([]), &json!(false)));
    }
    let synced = world.owner(&["peer", "list", "--sync"]).done();
    assert_eq!(
        (&synced["peers"][0]["email"], &synced["synced"]),
        (&json!(SCIENTIST), &json!(true))
    );
    std::fs::write(&settings, "presync = false\n").unwrap();
    let ended = world.owner(&["peer", "list"]);
    assert_eq!((ended.exit, &ended.json()["error"]["code"]), (1, &json!("settings")), "{ended:?}");
    std::fs::remove_file(&settings).unwrap();
    let mut misspelled = program(&world.home("owner"));
    let misspelled = misspelled.env("PRE_SYNC", "flase").args(["peer", "list"]).output();
    let misspelled = Ended::from(misspelled.unwrap());
    assert!(misspelled.exit == 0 && misspelled.stderr.contains("PRE_SYNC"), "{misspelled:?}");
}

#[test]
fn what_cannot_be_synced_is_shown_as_it_is_known_here() {
    let world = World::working();
    let login = world.home("scientist").join(format!(".syft/accounts/{SCIENTIST}/account.toml"));
    let text = std::fs::read_to_string(&login).unwrap();
    let dead = text.replace(&crate::world::token(SCIENTIST), "token-of-nobody");
    std::fs::write(&login, dead).unwrap();
    let commands: [(&[&str], &str); 4] = [
        (&["peer", "list"], "peers"),
        (&["dataset", "list"], "datasets"),
        (&["dataset", "show", "census"], "dataset"),
        (&["status"], "peers"),
    ];
    for (args, field) in commands {
        let ended = world.scientist(args);
        let answer = ended.json();
        assert_eq!((ended.exit, &answer["synced"]), (3, &json!(false)), "{ended:?}");
        assert!(answer[field].as_array().is_none_or(|list| !list.is_empty()), "{answer}");
        assert_eq!(answer["problems"][0]["code"], "signed-out");
        assert!(ended.stderr.contains("this is what is here so far"), "{ended:?}");
        assert!(ended.stderr.contains("hint: sign in again"), "{ended:?}");
    }
}

#[test]
fn empty_lists_say_so_on_stderr() {
    let world = World::logged_in();
    for (list, words) in [("peer", "Nobody yet"), ("dataset", "No datasets"), ("job", "No jobs")] {
        let ended = world.run("owner", &[list, "list"]);
        assert_eq!((ended.exit, ended.stdout.as_str()), (0, ""), "{list}");
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
}

#[test]
fn jobs_of_one_name_in_both_layouts_can_be_named_and_other_layouts_are_said() {
    let world = World::logged_in();
    let config = "name: x\nsubmitted_at: '2026-06-11T10:20:30Z'\ntype: bash\n";
    let identity = "canonical_name: JobSubmissionMetadata\nversion: '1'\n";
    for (place, config) in [
        ("same", config.to_owned()),
        ("v1/same", format!("{config}{identity}")),
        ("v2/same", config.to_owned()),
    ] {
        let job = world.datasite(&format!("app_data/job/inbox/{SCIENTIST}/{place}"));
        std::fs::create_dir_all(job.join("code")).unwrap();
        std::fs::write(job.join("config.yaml"), config).unwrap();
        for file in ["run.sh", "code/script.sh"] {
            std::fs::write(job.join(file), "echo\n").unwrap();
        }
    }
    let listed = world.owner(&["job", "list"]).done();
    let layouts: Vec<_> = listed["jobs"].as_array().unwrap().iter().map(|j| &j["layout"]).collect();
    assert_eq!(layouts, [&json!(0), &json!(1)]);
    assert_eq!(listed["unreadable"][0]["path"], format!("{SCIENTIST}/v2"));
    let table = world.run("owner", &["job", "list"]);
    assert!(table.stdout.contains("v0/same") && table.stdout.contains("v1/same"), "{table:?}");
    assert!(table.stderr.contains("this layout of jobs is not supported"), "{table:?}");
    let either = world.run("owner", &["job", "approve", "same"]);
    assert!(either.exit == 1 && either.stderr.contains("one is `v0/same`"), "{either:?}");
    let approved = world.owner(&["job", "approve", "v1/same"]).done();
    assert_eq!(
        (&approved["job"]["layout"], &approved["job"]["status"]),
        (&json!(1), &json!("approved"))
    );
    let status = |job: &str| world.owner(&["job", "show", job]).done()["job"]["status"].clone();
    assert_eq!([status("v0/same"), status("v1/same")], ["pending", "approved"]);
}

#[test]
fn an_owner_is_shown_what_a_job_will_be_able_to_touch() {
    let world = World::working();
    let code = world.file("x.sh", "true");
    let submit = ["job", "submit", code.to_str().unwrap(), "--to", OWNER, "--name", "x", "--bash"];
    world.scientist(&submit).done();
    world.owner(&["sync"]).done();
    let shown = program(&world.home("owner")).args(["job", "show", "x"]).output().unwrap();
    let shown = Ended::from(shown).stdout;
    for part in [
        "private/syft_datasets/census\n",
        "it names no dataset",
        "network  none",
        "writes   `outputs/`",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let job = world.owner(&["job", "show", "x"]).done()["job"].clone();
    let touches = job["touches"].as_array().unwrap();
    let foreign: Vec<_> = touches.iter().filter(|one| one["own"] == json!(false)).collect();
    assert!(foreign.iter().all(|one| one["kind"] == "reads"), "{foreign:?}");
    assert!(foreign.iter().any(|one| one["path"].as_str().unwrap().ends_with("/census")));
    let writes: Vec<_> = touches.iter().filter(|one| one["kind"] == "writes").collect();
    assert!(writes.len() == 1 && writes[0]["inside"].as_str().unwrap().ends_with("/code/outputs"));
    let scientists = world.scientist(&["job", "show", "x"]).done();
    assert_eq!(scientists["job"].get("touches"), None, "only its owner knows");
}

#[test]
fn what_a_peer_wrote_never_steers_the_terminal() {
    let world = World::working();
    let code = "echo \u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m \u{202e}evil\u{202c} \u{200b}";
    let code = world.file("x.sh", code);
    let submit = ["job", "submit", code.to_str().unwrap(), "--to", OWNER, "--name", "x", "--bash"];
    world.scientist(&submit).done();
    world.owner(&["sync"]).done();
    for forced in [false, true] {
        let mut show = program(&world.home("owner"));
        if forced {
            show.env("CLICOLOR_FORCE", "1");
        }
        let shown: Ended = show.args(["job", "show", "x"]).output().unwrap().into();
        assert!(shown.stdout.contains("⟨U+001B⟩") && shown.stdout.contains("⟨U+202E⟩"));
        let mut text = shown.stdout.clone();
        if forced {
            assert!(text.contains("\u{1b}["), "our own colours were forced");
            for style in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[33m"] {
                text = text.replace(style, "");
            }
        }
        let steers =
            |c: char| c.is_control() && c != '\n' || "\u{200b}\u{202c}\u{202e}".contains(c);
        assert!(!text.contains(steers), "{text:?}");
    }
    let json = world.owner(&["job", "show", "x"]);
    assert!(!json.stdout.trim_end().contains(char::is_control), "{json:?}");
}

#[test]
fn colours_are_for_terminals_and_never_where_they_are_unwanted() {
    let world = World::working();
    for (variable, value) in [("NO_COLOR", "1"), ("TERM", "xterm-256color")] {
        let mut list = program(&world.home("owner"));
        let list = list.env(variable, value).args(["dataset", "list"]).output().unwrap();
        let list = Ended::from(list);
        assert!(!list.stdout.contains('\u{1b}') && !list.stderr.contains('\u{1b}'), "{list:?}");
    }
}

#[test]
fn the_rules_engine_is_a_filter() {
    let home = tempfile::tempdir().unwrap();
    let filter = |text: &str, json: bool| -> Ended {
        let mut command = program(home.path());
        command.args(["perm", "check", "--stdin-json"]).stdin(Stdio::piped());
        if json {
            command.arg("--json");
        }
        let mut running = command.spawn().unwrap();
        running.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        running.wait_with_output().unwrap().into()
    };
    let rule = json!({ "pattern": "a/**", "access": { "read": ["x@y.z"] } });
    let questions = json!({
        "owner": OWNER,
        "rulesets": [{ "path": "", "terminal": false, "rules": [rule] }],
        "requests": [
            { "path": "a/b", "user": "x@y.z", "level": "read" },
            { "path": "a/b", "user": "x@y.z", "level": "write" },
            { "path": "b", "user": OWNER, "level": "admin" },
        ],
    });
    for json in [false, true] {
        let answer = filter(&questions.to_string(), json).done();
        assert_eq!(answer, json!({ "allowed": [true, false, true] }));
    }
    let wrong = filter("{", true);
    assert_eq!((wrong.exit, &wrong.json()["error"]["code"]), (2, &Value::from("usage")));
}

#[test]
fn a_shell_gets_its_completions() {
    let home = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let ended: Ended =
            program(home.path()).args(["completions", shell]).output().unwrap().into();
        assert!(ended.exit == 0 && ended.stdout.contains("login-do"), "{shell}");
    }
}
