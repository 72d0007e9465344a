//! The golden path: from two logins to a result, by commands alone.

use serde_json::json;

use crate::world::{OWNER, SCIENTIST, World};

#[test]
fn a_login_says_who_and_with_whom() {
    let world = World::new();
    let answer = world.log_in("owner", "login-do", OWNER).done();
    let cost = json!([answer["requests"], answer["quota_units"]]);
    let expected = json!({
        "email": OWNER, "role": "do", "peers": [], "requests": cost[0], "quota_units": cost[1],
    });
    assert_eq!(answer, expected);
    let answer = world.log_in("scientist", "login-ds", SCIENTIST).done();
    assert_eq!(answer["role"], "ds");
}

#[test]
fn asking_and_agreeing_changes_the_state_on_both_sides() {
    let world = World::logged_in();
    let state = |answer: serde_json::Value| answer["peers"][0]["state"].clone();
    assert_eq!(state(world.scientist(&["peer", "add", OWNER]).done()), "requested_by_me");
    // `peer list` syncs by itself.
    assert_eq!(state(world.owner(&["peer", "list"]).done()), "requested_by_peer");
    assert_eq!(state(world.owner(&["peer", "approve", SCIENTIST]).done()), "accepted");
    let answer = world.scientist(&["peer", "list"]).done();
    assert_eq!(answer["peers"][0]["email"], OWNER);
    assert!(answer["peers"][0]["version"].is_string(), "{answer}");
    assert_eq!(state(answer), "accepted");
}

#[test]
fn a_scientist_sees_the_mock_half_and_no_more() {
    let world = World::working();
    let shown = world.scientist(&["dataset", "show", "census", "--owner", OWNER]).done();
    assert_eq!(shown["dataset"]["mock_files"], json!(["mock.csv"]));
    assert_eq!(shown["dataset"]["private_folder"], json!(null));
    let listed = world.scientist(&["dataset", "list"]).done();
    assert_eq!(listed["datasets"][0]["name"], "census");
    assert_eq!(listed["datasets"][0]["owner"], OWNER);
    let text = world.run("scientist", &["dataset", "list"]);
    assert!(text.stdout.contains("census") && text.stdout.contains(OWNER), "{text:?}");
}

#[test]
fn a_job_travels_is_approved_runs_and_answers() {
    let world = World::working();
    let script = "echo from the job; echo 42 > code/outputs/answer.txt";
    let script = world.file("count.sh", script);
    let submit = ["job", "submit", script.to_str().unwrap(), "--to", OWNER, "--name", "count"];
    let sent = world.scientist(&[&submit[..], &["--bash", "--dataset", "census"]].concat()).done();
    assert_eq!(sent["job"]["name"], "count");
    let unnamed = ["job", "submit", script.to_str().unwrap(), "--to", OWNER, "--bash"];
    assert_eq!(world.scientist(&unnamed).done()["job"]["name"], "count-2", "named after its file");

    let listed = world.owner(&["job", "list", "--status", "pending"]).done();
    let names: Vec<_> = listed["jobs"].as_array().unwrap().iter().map(|job| &job["name"]).collect();
    assert_eq!(names, ["count-2", "count"], "the newest comes first");
    assert_eq!(listed["jobs"][0]["submitted_by"], SCIENTIST);

    let text = world.run("owner", &["job", "show", "count"]).stdout;
    for needed in [SCIENTIST, "census", "as the request amounts to", "echo from the job"] {
        assert!(text.contains(needed), "no `{needed}` in\n{text}");
    }
    let shown = world.owner(&["job", "show", "count"]).done();
    let digest = shown["job"]["digest"].as_str().unwrap().to_owned();
    let refused = world.owner(&["job", "approve", "count", "--digest", "0123456789"]);
    assert_eq!((refused.exit, &refused.json()["error"]["code"]), (1, &json!("job-changed")));
    let approve = ["job", "approve", "count", "--digest", &digest[..8], "--reason", "it counts"];
    assert_eq!(world.owner(&approve).done()["job"]["status"], "approved");

    // The machine of a test may have no sandbox; this job is ours.
    let run = ["job", "run", "count", "--no-sandbox", "--share-outputs"];
    let ran = world.owner(&run).done();
    assert_eq!(ran["jobs"][0]["status"], "done");
    assert_eq!(ran["jobs"][0]["return_code"], 0);
    assert!(ran["sync"]["pushed"].as_u64().unwrap() > 0, "{ran}");

    world.scientist(&["sync"]).done();
    let job = world.scientist(&["job", "show", "count"]).done()["job"].clone();
    assert_eq!(job["status"], "done");
    assert_eq!(job["outputs"][0]["path"], "answer.txt");
    let answer = std::fs::read_to_string(job["outputs"][0]["local_path"].as_str().unwrap());
    assert_eq!(answer.unwrap(), "42\n");
    assert_eq!(job["stdout_path"], json!(null), "logs were not shared");
    let owners = world.owner(&["job", "show", "count"]).done()["job"].clone();
    assert!(owners["stdout_path"].is_string(), "{owners}");
}

#[test]
fn rights_are_granted_explained_and_taken() {
    let world = World::working();
    let check = ["perm", "check", "shared/a.txt", "--user", SCIENTIST, "--level", "write"];
    assert_eq!(world.owner(&check).done(), json!({ "allowed": false }));
    world.owner(&["perm", "grant", "shared/", "--user", SCIENTIST, "--level", "write"]).done();
    assert_eq!(world.owner(&check).done(), json!({ "allowed": true }));
    let told = world.run("owner", &["perm", "explain", "shared/a.txt", "--user", SCIENTIST]);
    assert!(told.stdout.contains("may read"), "{told:?}");
    world.owner(&["perm", "revoke", "shared/", "--user", SCIENTIST, "--level", "read"]).done();
    assert_eq!(world.owner(&check).done(), json!({ "allowed": false }));
}

#[test]
fn a_dry_run_lists_and_sends_nothing() {
    let world = World::working();
    std::fs::write(world.datasite("public/new.txt"), "new").unwrap();
    let change = json!([{ "datasite": OWNER, "path": "public/new.txt", "change": "new" }]);
    for _ in 0..2 {
        assert_eq!(world.owner(&["sync", "--dry-run"]).done()["would_push"], change);
    }
    assert_eq!(world.owner(&["sync"]).done()["pushed"], 1);
    assert_eq!(world.owner(&["sync", "--dry-run"]).done()["would_push"], json!([]));
}

#[test]
fn checkpoints_are_made_and_counted() {
    let world = World::working();
    std::fs::write(world.datasite("public/a.txt"), "a").unwrap();
    assert!(world.owner(&["checkpoint", "create"]).done()["files"].as_u64().unwrap() > 0);
    let status = world.owner(&["checkpoint", "status"]).done();
    assert_eq!((&status["events_since"], &status["next"]), (&json!(0), &json!("nothing")));
    assert!(status["last"].is_number() && status["last_full"] == status["last"], "{status}");
    let log = &status["log"];
    assert!(log["messages"].as_u64() > Some(0) && log["bytes"].as_u64() > Some(0), "{status}");
    assert!(log["pruned_through"].is_null() && log["kept_because"].is_null(), "{status}");
    let made = world.owner(&["checkpoint", "create", "--if-due", "1"]).done();
    assert_eq!(made["made"], json!(null));
    std::fs::write(world.datasite("public/a.txt"), "b").unwrap();
    world.owner(&["sync"]).done();
    let status = world.owner(&["checkpoint", "status", "--checkpoint-threshold", "1"]).done();
    assert_eq!((&status["events_since"], &status["next"]), (&json!(1), &json!("increment")));
    let made = world.owner(&["checkpoint", "create", "--if-due", "1"]).done();
    assert_eq!(
        (&made["made"], &made["number"], &made["files"]),
        (&"increment".into(), &1.into(), &1.into())
    );
    // The log is young: asking to shorten it leaves it, and says why.
    world.owner(&["sync", "--prune-log"]).done();
    let status = world.owner(&["checkpoint", "status"]).done();
    assert_eq!(
        (&status["increments"], &status["log"]["messages"]),
        (&json!(1), &log_count(log, 1))
    );
    assert!(status["log"]["kept_because"].is_string(), "{status}");
}

fn log_count(log: &serde_json::Value, more: u64) -> serde_json::Value {
    json!(log["messages"].as_u64().unwrap() + more)
}

#[test]
fn deleting_takes_the_box_and_leaves_the_login() {
    let world = World::working();
    let syftbox = world.home("scientist").join(format!("SyftBox_{SCIENTIST}"));
    assert!(syftbox.exists());
    world.scientist(&["delete", "--yes"]).done();
    assert!(!syftbox.exists());
    let status = world.scientist(&["status"]).done();
    assert_eq!(status["email"], SCIENTIST);
    assert!(!syftbox.exists(), "looking puts nothing back");
    let refused = world.scientist(&["sync"]);
    assert_eq!((refused.exit, refused.json()["error"]["code"].as_str()), (1, Some("deleted")));
    world.scientist(&["sync", "--anew"]).done();
    world.scientist(&["delete", "--yes"]).done();
    world.scientist(&["logout"]).done();
    assert_eq!(world.scientist(&["status"]).done()["accounts"], json!([]));
}

#[test]
fn the_demo_proves_itself_in_both_languages() {
    for bash in [false, true] {
        the_demo_proves_itself(bash);
    }
}

fn the_demo_proves_itself(bash: bool) {
    let world = tempfile::tempdir().unwrap();
    let keep = world.path().join("kept");
    let mut program = crate::world::program(world.path());
    program.args(["--json", "demo", "--keep"]).arg(&keep);
    let ended = program.args(bash.then_some("--bash")).output().unwrap();
    let answer = crate::world::Ended::from(ended).done();
    assert_eq!(answer["ok"], true);
    assert!(!bash || answer["language"] == "bash", "{answer}");
    assert_eq!(answer["private_values_found"], 0);
    assert_eq!(answer["result"], "ward,people,mean wage\nnorth,4,5890\nsouth,4,5580\n");
    assert!(keep.join("scientist/SyftBox_sam@university.example").is_dir());
}
