//! What helps when something is wrong: the bug report, what is left over, the table of versions.

use serde_json::json;

use crate::world::{OWNER, SCIENTIST, World, token};

#[test]
fn a_bug_report_is_shown_before_it_is_written_and_written_only_to_a_new_file() {
    let world = World::working();
    let shown = world.run("owner", &["bug-report"]);
    assert_eq!(shown.exit, 0, "{shown:?}");
    assert!(shown.stdout.contains("server-on-this-machine"), "{shown:?}");
    assert!(shown.stderr.contains("Nothing of this was sent"), "{shown:?}");
    let file = world.folder.path().join("report.txt");
    let to = file.to_str().unwrap();
    let written = world.run("owner", &["bug-report", "--to", to]);
    assert_eq!(written.exit, 0, "{written:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(written.stdout, text);
    let again = world.run("owner", &["bug-report", "--to", to]);
    assert_eq!(again.exit, 1, "{again:?}");
    assert!(again.stderr.contains("error[file]"), "{again:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
    assert_eq!(world.run("owner", &["bug-report", "--yes"]).exit, 2);
}

#[test]
fn a_bug_report_of_the_program_names_nobody_and_nothing() {
    let world = World::working();
    let place = world.folder.path().file_name().unwrap().to_str().unwrap().to_lowercase();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    for home in ["owner", "scientist"] {
        let ended = world.run(home, &["bug-report"]);
        let json = world.run(home, &["--json", "bug-report"]);
        let said = [ended.stdout, ended.stderr, json.stdout, json.stderr].concat().to_lowercase();
        let secrets = [OWNER, SCIENTIST, "olga", "sam@", "census", "424242", "mock.csv"];
        let tokens = [token(OWNER), token(SCIENTIST), world.url.clone(), place.clone()];
        let host = (host.trim().len() > 5).then(|| host.trim().to_lowercase());
        let secrets = secrets.map(str::to_owned).into_iter().chain(tokens).chain(host);
        for secret in secrets {
            assert!(!said.contains(&secret), "`{secret}` is in\n{said}");
        }
        assert!(!said.contains('@') && !said.contains("://"), "{said}");
    }
}

#[test]
fn a_bug_report_is_made_where_nothing_else_works() {
    let world = World::logged_in();
    let state = world.home("owner").join(format!("SyftBox_{OWNER}-events/state.db"));
    std::fs::write(&state, "no database at all, and long enough to be looked at as one").unwrap();
    assert_eq!(world.owner(&["sync"]).exit, 1);
    let text = world.run("owner", &["bug-report"]);
    assert_eq!(text.exit, 0);
    assert!(text.stdout.contains("cannot-be-read"), "{text:?}");
    let answer = world.owner(&["bug-report"]).done();
    assert_eq!(answer["report"][0]["facts"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn what_is_left_over_is_deleted_only_with_a_word_for_it() {
    let world = World::working();
    let mut found = world.owner(&["orphans"]).done();
    assert!(found.as_object_mut().unwrap().remove("requests").is_some(), "it asked the drive");
    found.as_object_mut().unwrap().remove("quota_units");
    let nothing = json!({ "orphans": [], "complete": true, "deleted": [], "synced": true });
    assert_eq!(found, nothing);
    let ended = world.run("owner", &["orphans"]);
    assert!(ended.stdout.is_empty() && ended.stderr.contains("Nothing is left over"), "{ended:?}");
    let unconfirmed = world.run("owner", &["orphans", "--delete"]);
    assert_eq!(unconfirmed.exit, 2, "{unconfirmed:?}");
    assert_eq!(world.owner(&["orphans", "--delete", "--yes"]).done()["deleted"], json!([]));
    assert_eq!(world.run("owner", &["orphans", "--yes"]).exit, 2);
}

#[test]
fn versions_of_peers_are_a_table() {
    let world = World::logged_in();
    world.scientist(&["peer", "add", OWNER]).done();
    let before = world.scientist(&["peer", "list"]).done();
    assert_eq!(before["peers"][0]["compatible"], json!(null));
    assert!(before["peers"][0]["reason"].is_string(), "{before}");
    let unknown = world.run("scientist", &["peer", "list", "--versions"]);
    assert!(unknown.stdout.contains("not known"), "{unknown:?}");
    world.owner(&["sync"]).done();
    world.owner(&["peer", "approve", SCIENTIST]).done();
    world.scientist(&["sync"]).done();
    let peer = &world.scientist(&["peer", "list"]).done()["peers"][0];
    assert_eq!((&peer["compatible"], &peer["reason"]), (&json!(true), &json!(null)), "{peer}");
    assert_eq!((&peer["ours"], &peer["protocol"]), (&peer["version"], &json!("1.0.0")), "{peer}");
    let table = world.run("scientist", &["peer", "list", "--versions"]).stdout;
    for word in ["THEIRS", "PROTOCOL", "YOU SPEAK", "FITS", "1.0.0", "yes", OWNER] {
        assert!(table.contains(word), "{word}: {table}");
    }
}

#[test]
fn a_drive_out_of_reach_is_told_once_and_soon() {
    let world = World::logged_in();
    let account = world.home("owner").join(format!(".syft/accounts/{OWNER}/account.toml"));
    let login = std::fs::read_to_string(&account).unwrap();
    std::fs::write(&account, login.replace(&world.url, "http://127.0.0.1:1")).unwrap();
    let began = std::time::Instant::now();
    let ended = world.run("owner", &["--json", "sync"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(15), "{:?}", began.elapsed());
    let answer = ended.json();
    assert_eq!((ended.exit, &answer["error"]["code"]), (1, &json!("unavailable")), "{ended:?}");
    let message = answer["error"]["message"].as_str().unwrap();
    let (front, back) = message.split_once(" tried ").unwrap();
    assert_eq!(front, "the drive could not be reached: 127.0.0.1:1: Connection refused,");
    assert!(back.ends_with(" seconds") && back.contains(" times in "), "{message}");
}
