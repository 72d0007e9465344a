//! `syft keys` as people and programs use it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::world::{Ended, OWNER, SCIENTIST, World, program};

fn with_stdin(world: &World, home: &str, args: &[&str], text: &str) -> Ended {
    let mut command = program(&world.home(home));
    let mut child = command.arg("--json").args(args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

fn failed(ended: &Ended, code: &str) -> Value {
    let answer = ended.json();
    assert_eq!((ended.exit, answer["error"]["code"].as_str()), (1, Some(code)), "{ended:?}");
    assert!(answer["error"]["hint"].is_string(), "{ended:?}");
    answer["error"].clone()
}

#[test]
fn keys_are_made_shown_exported_and_brought_to_another_machine() {
    let world = World::logged_in();
    assert_eq!(world.owner(&["keys", "show"]).done()["keys"], Value::Null);
    failed(&world.owner(&["keys", "rotate", "--yes"]), "no-keys");
    let made = world.owner(&["keys", "create"]).done();
    let fingerprint = made["keys"]["fingerprint"].as_str().unwrap().to_owned();
    assert_eq!(fingerprint.len(), 64);
    failed(&world.owner(&["keys", "create"]), "keys-exist");
    let path = world.home("owner").join(format!(".syft/accounts/{OWNER}/crypto_keys.json"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // The words are shown only where they are asked for, and with a warning.
    let shown = world.run("owner", &["keys", "show"]);
    let answer = world.owner(&["keys", "show", "--words"]).done();
    let words = answer["words"].as_str().unwrap();
    assert_eq!(words.split(' ').count(), 24);
    assert!(!shown.stdout.contains(words) && !shown.stderr.contains(words));
    let asked = world.run("owner", &["keys", "show", "--words"]);
    assert!(asked.stdout.contains(words) && asked.stderr.contains("warning:"), "{asked:?}");

    let file = world.folder.path().join("keys.json");
    let file = file.to_str().unwrap();
    world.owner(&["keys", "export", file]).done();
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    failed(&world.owner(&["keys", "export", file]), "file");
    let inside = world.home("owner").join(format!("SyftBox_{OWNER}/{OWNER}/keys.json"));
    failed(&world.owner(&["keys", "export", inside.to_str().unwrap()]), "file");
    let link = world.folder.path().join("link");
    std::os::unix::fs::symlink(inside.parent().unwrap(), &link).unwrap();
    let through = link.join("keys.json");
    failed(&world.owner(&["keys", "export", through.to_str().unwrap()]), "file");
    assert!(!inside.exists(), "keys must not lie in what is synced");
    failed(&world.scientist(&["keys", "import", file]), "key-file");

    // Nothing waits where nobody can type, and words are no argument.
    let nobody = world.owner(&["keys", "restore"]);
    assert_eq!((nobody.exit, nobody.json()["error"]["code"].as_str()), (2, Some("usage")));
    failed(&with_stdin(&world, "owner", &["keys", "restore", "-"], "not 24 words"), "invalid-keys");
    let again = with_stdin(&world, "owner", &["keys", "restore", "-"], words).done();
    assert_eq!(again["keys"]["fingerprint"], json!(fingerprint));

    let rotated = world.owner(&["keys", "rotate", "--yes"]).done();
    assert_ne!(rotated["keys"]["fingerprint"], json!(fingerprint));
    assert_eq!(rotated["keys"]["replaced"], 1);
    failed(&with_stdin(&world, "owner", &["keys", "restore", "-"], words), "keys-exist");
    let mode = world.owner(&["keys", "mode", "required"]).done();
    assert_eq!(mode["keys"]["mode"], "required");
    assert_eq!(world.owner(&["keys", "mode"]).done()["keys"]["mode"], "required");
    let off = world.run("owner", &["keys", "mode", "off"]);
    assert!(off.stderr.contains("goes to the drive in plain"), "{off:?}");
    assert!(off.stderr.contains("set aside what you send"), "{off:?}");

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = failed(&world.owner(&["keys", "show"]), "key-file");
    assert!(open["hint"].as_str().unwrap().contains("chmod 600"), "{open}");
}

#[test]
fn a_key_that_changed_is_told_with_the_command_that_accepts_it() {
    let world = World::logged_in();
    world.owner(&["keys", "create"]).done();
    world.scientist(&["keys", "create"]).done();
    world.scientist(&["peer", "add", OWNER]).done();
    world.owner(&["sync"]).done();
    world.owner(&["peer", "approve", SCIENTIST]).done();
    world.scientist(&["sync"]).done();
    let peers = world.owner(&["peer", "list"]).done();
    assert_eq!(peers["peers"][0]["encrypted"], true, "{peers}");
    let listed = world.run("owner", &["peer", "list"]);
    assert!(listed.stdout.contains("end to end"), "{listed:?}");

    let new = world.scientist(&["keys", "rotate", "--yes"]).done()["keys"]["fingerprint"].clone();
    let new = new.as_str().unwrap().to_owned();
    world.scientist(&["sync"]).done();
    let synced = world.owner(&["sync"]);
    assert_eq!(synced.exit, 3);
    let problem = synced.json()["problems"][0].clone();
    assert_eq!(
        (problem["code"].as_str(), problem["peer"].as_str()),
        (Some("key-changed"), Some(SCIENTIST))
    );
    let hint = format!("syft keys trust {SCIENTIST} --fingerprint");
    assert!(problem["hint"].as_str().unwrap().contains(&hint), "{problem}");
    let told = world.run("owner", &["sync"]);
    assert!(told.stderr.contains(&hint) && told.stderr.contains(&new), "{told:?}");
    let peers = world.owner(&["peer", "list"]).json();
    assert_eq!(peers["peers"][0]["stopped"], true);

    let wrong = "0".repeat(64);
    let refused = world.owner(&["keys", "trust", SCIENTIST, "--fingerprint", &wrong]);
    failed(&refused, "fingerprint-mismatch");
    let both = ["keys", "trust", SCIENTIST, "--fingerprint", &new, "--unencrypted"];
    assert_eq!(world.owner(&both).exit, 2);
    // As a person reads it aloud.
    let spaced: String = new
        .as_bytes()
        .chunks(4)
        .map(|four| format!("{} ", String::from_utf8_lossy(four).to_uppercase()))
        .collect();
    let trusted = world.owner(&["keys", "trust", SCIENTIST, "--fingerprint", &spaced]).done();
    assert_eq!(trusted["peer"]["encrypted"], true, "{trusted}");
    world.owner(&["sync"]).done();
}

#[test]
fn a_second_machine_is_logged_in_and_told_to_bring_the_keys() {
    let world = World::logged_in();
    world.owner(&["keys", "create"]).done();
    world.scientist(&["peer", "add", OWNER]).done();
    world.owner(&["sync"]).done();
    world.owner(&["peer", "approve", SCIENTIST]).done();
    let words = world.owner(&["keys", "show", "--words"]).done()["words"].clone();
    std::fs::create_dir(world.home("second")).unwrap();
    let login = world.log_in("second", "login-do", OWNER);
    login.done();
    assert!(login.stderr.contains("syft keys restore"), "{login:?}");
    let sync: Ended =
        program(&world.home("second")).args(["sync", "--json"]).output().unwrap().into();
    let error = failed(&sync, "keys-missing");
    assert!(error["hint"].as_str().unwrap().contains("syft keys restore"), "{error}");
    with_stdin(&world, "second", &["keys", "restore", "-"], words.as_str().unwrap()).done();
    let sync: Ended =
        program(&world.home("second")).args(["sync", "--json"]).output().unwrap().into();
    sync.done();
}
