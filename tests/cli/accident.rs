//! Files that are gone as by an accident: what a person and a program are told, and what they can do.

use serde_json::{Value, json};

use crate::world::{OWNER, World};

fn hint(answer: &Value) -> &str {
    answer["error"]["hint"].as_str().unwrap()
}

#[test]
fn an_owner_whose_syftbox_is_not_there_is_stopped_and_told_what_to_do() {
    let world = World::working();
    for name in ["a", "b"] {
        std::fs::write(world.datasite(name), name).unwrap();
    }
    world.owner(&["sync"]).done();
    let syftbox = world.home("owner").join(format!("SyftBox_{OWNER}"));
    let away = world.home("owner").join("away");
    std::fs::rename(&syftbox, &away).unwrap();
    for command in [&["sync"][..], &["perm", "grant", "a", "--user", "x@y.z", "--level", "read"]] {
        let stopped = world.owner(command);
        assert_eq!(stopped.exit, 1, "{stopped:?}");
        let answer = stopped.json();
        assert_eq!(answer["error"]["code"], "suddenly-empty", "{answer}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("marker is missing"));
        assert!(hint(&answer).contains("syft sync --force"), "{answer}");
    }
    let preview = world.owner(&["sync", "--dry-run"]);
    assert_eq!(preview.exit, 3, "{preview:?}");
    let problems = preview.json()["problems"].to_string();
    assert!(problems.contains("a sync would stop"), "{problems}");
    assert!(!syftbox.exists(), "nothing is made where it was");
    std::fs::rename(&away, &syftbox).unwrap();
    assert_eq!(world.owner(&["sync"]).done()["pushed"], 0);
    std::fs::remove_dir_all(&syftbox).unwrap();
    assert_eq!(world.owner(&["sync"]).exit, 1);
    let forced = world.owner(&["sync", "--force"]).done();
    assert!(forced["pushed"].as_u64().unwrap() >= 2, "{forced}");
    assert_eq!(world.owner(&["sync"]).done()["pushed"], 0);
}

#[test]
fn a_scientist_whose_copy_is_not_there_goes_on_with_others_and_is_told() {
    let world = World::working();
    std::fs::create_dir(world.datasite("shown")).unwrap();
    std::fs::write(world.datasite("shown/a.txt"), "x").unwrap();
    let user = ["--user", crate::world::SCIENTIST, "--level", "read"];
    world.owner(&[&["perm", "grant", "shown/"], &user[..]].concat()).done();
    world.owner(&["sync"]).done();
    world.scientist(&["sync"]).done();
    let syftbox = format!("SyftBox_{}", crate::world::SCIENTIST);
    let copy = world.home("scientist").join(syftbox).join(OWNER);
    assert!(copy.join("shown/a.txt").exists());
    std::fs::remove_dir_all(&copy).unwrap();
    let held = world.scientist(&["sync"]);
    assert_eq!(held.exit, 3, "{held:?}");
    let answer = held.json();
    let codes: Vec<&Value> =
        answer["problems"].as_array().unwrap().iter().map(|problem| &problem["code"]).collect();
    assert_eq!(codes, [&json!("suddenly-empty")], "{answer}");
    assert_eq!(answer["problems"][0]["peer"], OWNER);
    let text = world.run("scientist", &["sync"]);
    assert!(text.stderr.contains("hint:") && text.stderr.contains("--force"), "{text:?}");
    let code = world.file("job.py", "print(1)\n");
    let submit = world.scientist(&["job", "submit", code.to_str().unwrap(), "--to", OWNER]);
    assert_eq!(submit.json()["error"]["code"], "suddenly-empty", "{submit:?}");
    assert!(!copy.exists(), "nothing is made where it was");
}
