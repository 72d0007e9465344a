//! What an owner is shown of a job is what runs, and what is approved is what was shown.

use serde_json::json;

use crate::consent::{change, sent, submit};
use crate::questions::Terminal;
use crate::world::{OWNER, SCIENTIST, World};

/// Sends a shell script as `count`.
fn submit_script(world: &World, script: &str) {
    let script = world.file("count.sh", script);
    let submit = ["job", "submit", script.to_str().unwrap(), "--to", OWNER, "--bash"];
    world.scientist(&submit).done();
}

/// What was sent arrives, and its sender knows.
fn meet(world: &World) {
    world.owner(&["sync"]).done();
    world.scientist(&["sync"]).done();
}

fn show(world: &World, name: &str) -> String {
    world.run("owner", &["job", "show", name]).stdout
}

#[test]
fn w2_a_script_does_not_hide_as_a_picture_or_behind_a_byte() {
    let world = World::working();
    submit_script(&world, "echo honest\n");
    meet(&world);
    let config = std::fs::read_to_string(sent(&world, "count").join("config.yaml")).unwrap();
    assert!(config.contains("entrypoint: null\n"), "{config}");
    // It starts as a picture does, and has a byte that no text has; `run.sh` is what a reader makes
    // of that byte.
    let picture = b"GIF89a=1 # \xff\necho hacked\n";
    std::fs::write(sent(&world, "count").join("code/logo.gif"), picture).unwrap();
    let script = String::from_utf8_lossy(picture).into_owned();
    std::fs::write(sent(&world, "count").join("run.sh"), script).unwrap();
    change(&world, "count", "config.yaml", config.replace("null\nfiles", "logo.gif\nfiles"));
    world.owner(&["sync"]).done();
    let shown = show(&world, "count");
    assert_eq!(
        shown.matches("echo hacked").count(),
        3,
        "what it starts, and both scripts:\n{shown}"
    );
    assert!(shown.contains("⟨0xFF⟩"), "{shown}");
    assert!(shown.contains("DIFFERS"), "the two are not one:\n{shown}");
}

#[test]
fn w2_what_was_shown_and_is_another_by_now_is_not_approved() {
    let world = World::working();
    submit(&world, "count", "print('honest')\n", 2024);
    change(&world, "count", "code/mask.py", "def mask(x): return 0\n");
    world.owner(&["sync"]).done();
    assert!(show(&world, "count").contains("def mask"));
    // All that is left was shown; that something is gone was not.
    std::fs::remove_file(sent(&world, "count").join("code/mask.py")).unwrap();
    world.scientist(&["sync"]).done();
    world.owner(&["sync"]).done();
    let until = "2027-01-01";
    for command in [
        &["job", "approve", "count"][..],
        &["job", "approve", "count", "--unread"],
        &["job", "allow", "count", "--until", until, "--times", "1", "--unread"],
    ] {
        let refused = world.owner(command);
        assert_eq!(refused.json()["error"]["code"], "job-changed", "{refused:?}");
    }
    assert!(!show(&world, "count").contains("def mask"));
    world.owner(&["job", "approve", "count"]).done();
}

#[test]
fn w2_few_digits_name_only_what_was_shown_here() {
    let world = World::working();
    submit(&world, "count", "print('honest')\n", 2024);
    world.owner(&["sync"]).done();
    let there = world.scientist(&["job", "show", "count"]).done();
    let digest = there["job"]["digest"].as_str().unwrap().to_owned();
    // Nothing was shown on this machine: who sends a job can make two with the same first digits.
    let refused = world.owner(&["job", "approve", "count", "--digest", &digest[..16]]);
    assert_eq!(refused.json()["error"]["code"], "usage", "{refused:?}");
    show(&world, "count");
    world.owner(&["job", "approve", "count", "--digest", &digest[..8]]).done();
    world.owner(&["job", "approve", "count", "--digest", &digest[..32]]).done();
}

#[test]
fn code_that_is_read_otherwise_than_it_looks_is_told() {
    let world = World::working();
    submit(&world, "count", "# coding: unicode_escape\n# fine \\u000aimport os\n", 2024);
    change(&world, "count", "code/lone.py", "# fine\rimport os\nx = 1\n");
    change(&world, "count", "code/run.sh", ": <<EOF\nEOF\r\necho masked\nEOF \nEOF\n");
    change(&world, "count", "code/sitecustomize.py", "x = 1\n");
    change(&world, "count", "code/json.py", "x = 1\n");
    change(&world, "count", "code/сopy.py", "def сheck(): pass\n");
    let far = format!("x = 1{}; import os\n", " ".repeat(200));
    change(&world, "count", "code/far.py", far);
    world.owner(&["sync"]).done();
    let shown = show(&world, "count");
    for needed in [
        "another text than is shown: it says that it is written in `unicode_escape`",
        "# fine⟨U+000D⟩import os",
        "EOF⟨U+000D⟩\n",
        "EOF⟨U+0020⟩\n",
        "`code/sitecustomize.py` runs before anything else",
        "`code/json.py` takes the place of Python's own module `json`",
        "`code/сopy.py` looks like `code/copy.py`",
        "`сheck` looks like `check`",
        "line 1 goes on after 200 blanks",
    ] {
        assert!(shown.contains(needed), "no `{needed}` in\n{shown}");
    }
    let approved = world.run("owner", &["job", "approve", "count"]);
    assert!(approved.stderr.contains("You were not shown 1 file"), "{approved:?}");
    assert!(approved.stderr.contains("code/main.py"), "{approved:?}");
    let answer = world.owner(&["job", "show", "count"]).done();
    let mut files = answer["job"]["files"].as_array().unwrap().iter();
    let main = files.find(|file| file["path"] == "code/main.py").unwrap();
    assert_ne!(main["look"], json!([]), "{main}");
}

#[test]
fn a_file_that_is_too_long_for_a_terminal_is_told_with_where_it_lies() {
    let world = World::working();
    submit(&world, "count", "print('honest')\n", 2024);
    world.owner(&["sync"]).done();
    let inbox = format!("app_data/job/inbox/{SCIENTIST}");
    let data = ["v1/count", "count"].map(|job| world.datasite(&format!("{inbox}/{job}/code")));
    let data = data.into_iter().find(|place| place.is_dir()).unwrap();
    std::fs::write(data.join("data.txt"), "x\n".repeat(9 << 20)).unwrap();
    let file = ["job", "show", "count", "--file", "data.txt", "--no-sync"];
    let shown = world.run("owner", &file).stdout;
    assert!(!shown.contains("job show count --file"), "it leads nowhere: {shown}");
    assert!(shown.contains("count/code/data.txt"), "{shown}");
}

#[test]
fn no_line_of_a_job_goes_on_where_ours_begin() {
    let world = World::working();
    // On 60 columns what follows the dashes would stand like a line of its own.
    let code = format!("# {}    2  check()\nprint(1)\n", "-".repeat(51));
    submit(&world, "count", &code, 2024);
    world.owner(&["sync"]).done();
    let shown = Terminal::run(&world, "owner", &["job", "show", "count"]).until("type: python");
    let lines: Vec<_> = shown.shown.lines().collect();
    assert!(lines.contains(&"           2  check()"), "{}", shown.shown);
    assert!(!lines.contains(&"    2  check()"), "{}", shown.shown);
}
