//! Reading a job, approving what was read, and allowing more like it.

use serde_json::{Value, json};

use crate::world::{OWNER, SCIENTIST, World};

/// Sends a folder of two files as `name`.
pub(crate) fn submit(world: &World, name: &str, code: &str, year: u32) {
    let folder = world.home("scientist").join("project");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("main.py"), code).unwrap();
    std::fs::write(folder.join("params.json"), format!("{{\"year\": {year}}}")).unwrap();
    let args = ["job", "submit", folder.to_str().unwrap(), "--to", OWNER, "--name", name];
    let more = ["--entrypoint", "main.py", "--dataset", "census"];
    world.scientist(&[&args[..], &more].concat()).done();
}

/// Changes a file of a job that was sent, as its submitter can.
pub(crate) fn change(world: &World, name: &str, file: &str, text: impl AsRef<[u8]>) {
    std::fs::write(sent(world, name).join(file), text).unwrap();
    world.scientist(&["sync"]).done();
}

/// Where a job that was sent lies on its submitter's machine.
pub(crate) fn sent(world: &World, name: &str) -> std::path::PathBuf {
    let inbox = format!("SyftBox_{SCIENTIST}/{OWNER}/app_data/job/inbox/{SCIENTIST}/v1/{name}");
    let flat = inbox.replace("/v1/", "/");
    let mut place = [inbox, flat].into_iter().map(|inbox| world.home("scientist").join(inbox));
    place.find(|place| place.is_dir()).unwrap()
}

fn files(answer: &Value) -> Vec<(&str, &str)> {
    let files = answer.as_array().unwrap().iter();
    files.map(|f| (f["path"].as_str().unwrap(), f["shown"].as_str().unwrap())).collect()
}

#[expect(clippy::disallowed_methods, reason = "the program has the clock of the machine")]
fn in_a_month() -> String {
    (chrono::Utc::now() + chrono::Days::new(30)).format("%Y-%m-%d").to_string()
}

#[test]
fn w2_a_changed_job_is_refused_and_shown_with_what_changed() {
    let world = World::working();
    submit(&world, "count", "print('honest')\n", 2024);
    world.owner(&["sync"]).done();
    let approved = world.owner(&["job", "approve", "count"]).done();
    let unread: Vec<_> = files(&approved["job"]["unread"]);
    assert_eq!(unread.len(), 4, "nothing was shown: {unread:?}");

    change(&world, "count", "code/main.py", "print('h\u{1b}[2Jacked')\n");
    let text = world.run("owner", &["job", "show", "count"]).stdout;
    for needed in
        ["VOID", "code/main.py  changed", "-print('honest')", "+print('h⟨U+001B⟩[2Jacked')"]
    {
        assert!(text.contains(needed), "no `{needed}` in\n{text}");
    }
    let shown = world.owner(&["job", "show", "count"]).done()["job"].clone();
    assert_eq!((&shown["status"], &shown["approval"]["holds"]), (&json!("pending"), &json!(false)));
    let change = &shown["changes"][0];
    assert_eq!((&change["path"], &change["change"]), (&json!("code/main.py"), &json!("changed")));
    assert!(change["diff"].as_str().unwrap().contains("-print('honest')"));
    let ran = world.owner(&["job", "run", "count", "--no-sandbox"]);
    assert_eq!((ran.exit, &ran.json()["error"]["code"]), (1, &json!("job-refused")));

    // Now all of it was shown, and the record says so.
    let approved = world.owner(&["job", "approve", "count", "--reason", "read again"]).done();
    assert_eq!(approved["job"]["unread"], json!([]));
    let shown = world.owner(&["job", "show", "count", "--no-code"]).done()["job"].clone();
    let approval = &shown["approval"];
    assert_eq!((&approval["holds"], &approval["reason"]), (&json!(true), &json!("read again")));
    assert_eq!(approval["approved_by"], OWNER);
    assert!(files(&approval["files"]).iter().all(|(_, shown)| *shown == "whole"), "{approval}");
    assert!(approval["datasets"][0]["private"]["files"].as_u64() > Some(0), "{approval}");
}

#[test]
fn one_file_is_shown_by_itself_and_programs_get_all_of_them() {
    let world = World::working();
    submit(&world, "count", "print('honest')\n", 2024);
    let all = world.owner(&["job", "show", "count"]).done()["job"].clone();
    let main = all["files"].as_array().unwrap().iter().find(|f| f["path"] == "code/main.py");
    assert_eq!(main.unwrap()["text"], "print('honest')\n");
    assert_eq!(all["reads"]["datasets"][0]["name"], "census");
    let one = world.owner(&["job", "show", "count", "--file", "main.py"]).done()["file"].clone();
    assert_eq!((&one["path"], &one["text"]), (&json!("code/main.py"), &json!("print('honest')\n")));
    let text = world.run("owner", &["job", "show", "count", "--file", "params.json"]).stdout;
    assert_eq!(text, "    1  {\"year\": 2024}\n");
    let none = world.owner(&["job", "show", "count", "--file", "../../x"]);
    assert_eq!(none.json()["error"]["code"], "job-file-unknown");
    // A program is no person, and nobody was shown the rest.
    let approved = world.run("owner", &["job", "approve", "count"]);
    assert_eq!(approved.exit, 0, "{approved:?}");
    for needed in ["You were not shown 3 files", "code/main.py", "run.sh"] {
        assert!(approved.stderr.contains(needed), "no `{needed}` in {approved:?}");
    }
    assert!(!approved.stderr.contains("params.json"), "{approved:?}");
}

#[test]
fn what_a_standing_approval_lets_go_unseen_is_told_by_the_run() {
    let world = World::working();
    let code = "import os\nopen('outputs/out.txt', 'w').write('7')\n";
    submit(&world, "march", code, 2024);
    world.owner(&["sync"]).done();
    let until = in_a_month();
    let allow = ["job", "allow", "march", "--until", &until, "--times", "1", "--share-outputs"];
    let made = world.owner(&[&allow[..], &["--unread"]].concat()).done();
    let id = made["standing"]["id"].as_str().unwrap();
    world.owner(&["sync"]).done();
    let ran = world.run("owner", &["job", "run", "march", "--no-sandbox"]);
    let told = format!("Shared with {SCIENTIST}: outputs, unseen, by standing approval {id}");
    assert!(ran.exit == 0 && ran.stderr.contains(&told), "{ran:?}");
    world.scientist(&["sync"]).done();
    let there = world.scientist(&["job", "show", "march"]).done();
    assert_eq!(there["job"]["outputs"][0]["path"], "out.txt");
}

#[test]
fn jobs_like_one_that_was_read_are_approved_by_a_sync() {
    let world = World::working();
    submit(&world, "march", "print('honest')\n", 2024);
    world.owner(&["sync"]).done();
    world.run("owner", &["job", "show", "march"]);
    let schema = world.file(
        "schema.json",
        r#"{"type": "object", "properties": {"year": {"type": "integer", "maximum": 2100}}}"#,
    );
    let schema = schema.to_str().unwrap();
    let until = in_a_month();
    let allow = ["job", "allow", "march", "--param", "params.json", "--schema", schema];
    let more = ["--until", &until, "--times", "3", "--share-outputs"];
    let made = world.run("owner", &[&allow[..], &more].concat());
    assert_eq!(made.exit, 0, "{made:?}");
    for needed in
        ["3 jobs of", "as the schema says", "lets keys through", "without anybody having looked"]
    {
        assert!(made.stderr.contains(needed), "no `{needed}` in {made:?}");
    }
    let listed = world.owner(&["job", "allowed", "--no-sync"]).done()["standing"].clone();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(listed[0]["waiting"], json!([{ "job": "march", "submitted_by": SCIENTIST }]));
    assert!(files(&listed[0]["files"]).iter().all(|(_, shown)| *shown == "whole"), "{listed}");

    submit(&world, "april", "print('honest')\n", 2025);
    submit(&world, "may", "print('hacked')\n", 2025);
    let synced = world.owner(&["sync"]).done();
    let admitted = synced["admitted"].as_array().unwrap();
    let names: Vec<_> = admitted.iter().map(|one| one["job"].as_str().unwrap()).collect();
    assert_eq!(names, ["march", "april"], "{synced}");
    let ran = world.run("owner", &["job", "run", "march", "--no-sandbox", "--no-sync"]);
    let told = format!("Shared with {SCIENTIST}: nothing");
    assert!(ran.stderr.contains(&told), "it left none: {ran:?}");
    let shown = world.owner(&["job", "show", "may"]).done()["job"]["standing"].clone();
    assert_eq!((&shown["id"], &shown["fits"]), (&json!(id), &json!(false)));
    assert_eq!(shown["obstacles"], json!(["`code/main.py` differs"]));
    let text = world.run("owner", &["job", "show", "may"]).stdout;
    assert!(text.contains(&format!("does not fit standing approval {id}")), "{text}");

    let ended = world.run("owner", &["job", "disallow", &id[..6]]);
    let reject = format!("syft job reject april --from {SCIENTIST}");
    assert!(ended.exit == 0 && ended.stderr.contains(&reject), "{ended:?}");
    world.owner(&["job", "reject", "april", "--from", SCIENTIST]).done();
    let ended = world.owner(&["job", "disallow", &id[..6]]).done()["standing"].clone();
    assert_eq!((&ended["holds"], &ended["left"]), (&json!(false), &json!(1)));
    let text = world.run("owner", &["job", "allowed", &id, "--no-sync"]).stdout;
    for needed in ["you ended it", "Uses (2)", "april", "may be another that fits"] {
        assert!(text.contains(needed), "no `{needed}` in\n{text}");
    }
    let unknown = world.owner(&["job", "disallow", "zzzz"]);
    assert_eq!(unknown.json()["error"]["code"], "unknown-standing");
}
