//! A scientist asks: what is looked at before, what is told, and how the answer is waited for.

use serde_json::json;

use crate::world::{Ended, OWNER, World, program};

fn wait(world: &World, more: &[&str]) -> Ended {
    world.scientist(&[&["job", "wait", "count", "--interval", "1"], more].concat())
}

/// A job that leaves one file, submitted with a purpose.
fn submitted() -> World {
    let world = World::working();
    let script = world.file("count.sh", "echo counted\necho 42 > code/outputs/answer.txt\n");
    let submit = ["job", "submit", script.to_str().unwrap(), "--to", OWNER, "--bash"];
    let said =
        ["--purpose", "how many\nthere are", "--expect", "outputs/answer.txt", "--expect", "more/"];
    world.scientist(&[&submit[..], &said].concat()).done();
    world
}

fn code(world: &World, name: &str, text: &str) -> String {
    world.file(name, text).to_str().unwrap().to_owned()
}

#[test]
fn the_purpose_and_the_expected_outputs_reach_the_owner() {
    let world = submitted();
    world.owner(&["sync"]).done();
    let path = "app_data/job/inbox/sam@example.org/count/config.yaml";
    let config = std::fs::read_to_string(world.datasite(path)).unwrap();
    assert!(config.contains("purpose: how many there are"), "{config}");
    let shown = world.owner(&["job", "show", "count"]).done();
    assert_eq!(shown["job"]["purpose"], "how many there are");
    assert_eq!(shown["job"]["expected_outputs"], json!(["answer.txt", "more/"]));
    let text = world.run("owner", &["job", "show", "count"]).stdout;
    assert!(text.contains("how many there are") && text.contains("answer.txt, more/"), "{text}");
    world.owner(&["job", "approve", "count"]).done();
    let ran = world.owner(&["job", "run", "count", "--no-sandbox"]).done();
    let notes = ran["jobs"][0]["notes"].to_string();
    assert!(notes.contains("expected and not there: `more/`"), "{notes}");
    let text = world.run("owner", &["job", "show", "count"]).stdout;
    assert!(text.contains("expected and not there: `more/`"), "{text}");
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_doubts_can_be_overruled() {
    let world = World::working();
    let folder = world.folder.path().join("project");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("main.py"), "def f(:\nresolve_dataset_file_path('nil')\n").unwrap();
    std::fs::write(folder.join("token.json"), "{}").unwrap();
    let submit = ["job", "submit", folder.to_str().unwrap(), "--to", OWNER, "--dataset", "census"];
    let refused = world.scientist(&submit);
    assert_eq!(refused.exit, 1, "{refused:?}");
    let answer = refused.json();
    assert_eq!(answer["error"]["code"], "doubtful-submission");
    let found = answer["findings"].as_array().unwrap();
    let checks: Vec<_> = found.iter().map(|finding| finding["check"].as_str().unwrap()).collect();
    assert_eq!(checks, ["secret", "dataset", "syntax"], "{answer}");
    assert!(refused.stderr.contains("main.py, line 1") && refused.stderr.contains("token.json"));
    assert_eq!(world.scientist(&["job", "list"]).done()["jobs"], json!([]), "nothing was sent");
    let sent = world.scientist(&[&submit[..], &["--force"]].concat()).done();
    assert_eq!(sent["job"]["findings"].as_array().unwrap().len(), 4, "{sent}");

    std::os::unix::fs::symlink("/etc/passwd", folder.join("link")).unwrap();
    let refused = world.scientist(&[&submit[..], &["--force"]].concat()).json();
    assert_eq!(refused["error"]["code"], "invalid-submission");
    assert_eq!(refused["findings"][0]["check"], "link");
    let wrong = [&submit[..], &["--expect", "../x"]].concat();
    assert_eq!(world.scientist(&wrong).exit, 2);
}

#[test]
fn a_job_is_tried_on_mock_data_and_sent_only_if_that_works() {
    let world = World::working();
    let good = code(
        &world,
        "good.py",
        "import os, syft_client as sc\n\
        text = open(sc.resolve_dataset_file_path('census')).read()\n\
        assert '424242' not in text\n\
        print(text)\nos.makedirs('outputs', exist_ok=True)\nopen('outputs/n.txt', 'w').write('1')\n",
    );
    let args = ["--to", OWNER, "--dataset", "census", "--no-sandbox"];
    let keep = world.folder.path().join("kept");
    let more = ["--expect", "n.txt", "--keep", keep.to_str().unwrap()];
    let answer = world.scientist(&[&["job", "try", &good], &args[..], &more].concat()).done();
    let tried = &answer["try"];
    assert_eq!((&tried["ok"], &tried["stdout"]), (&json!(true), &json!("a\n1\n\n")), "{answer}");
    assert_eq!(tried["outputs"][0]["path"], "n.txt");
    assert_eq!(std::fs::read_to_string(keep.join("n.txt")).unwrap(), "1");
    assert_eq!(world.scientist(&["job", "list"]).done()["jobs"], json!([]), "nothing was sent");

    let missing = ["job", "submit", &good, "--try", "--expect", "other.txt"];
    let stopped = world.scientist(&[&missing[..], &args].concat());
    assert_eq!(stopped.exit, 1, "{stopped:?}");
    assert_eq!(stopped.json()["error"]["code"], "try-failed");
    assert_eq!(stopped.json()["try"]["missing"], json!(["other.txt"]));
    let bad = code(&world, "bad.py", "raise SystemExit(3)\n");
    let stopped = world.scientist(&[&["job", "submit", &bad, "--try"], &args[..]].concat());
    assert_eq!((stopped.exit, &stopped.json()["try"]["return_code"]), (1, &json!(3)));
    assert_eq!(world.scientist(&["job", "list"]).done()["jobs"], json!([]), "nothing was sent");

    let sent = world.scientist(&[&["job", "submit", &good, "--try"], &args[..]].concat()).done();
    assert_eq!((&sent["job"]["name"], &sent["try"]["ok"]), (&json!("good"), &json!(true)));
}

#[test]
fn without_a_sandbox_a_try_says_how_to_get_one() {
    let world = World::working();
    let script = code(&world, "count.sh", "true\n");
    let mut command = program(&world.home("scientist"));
    let args = ["--json", "job", "try", &script, "--to", OWNER, "--bash"];
    let ended = Ended::from(command.env("PATH", "/nonexistent").args(args).output().unwrap());
    assert_eq!(ended.json()["error"]["code"], "no-sandbox");
    let hint = ended.json()["error"]["hint"].to_string();
    assert!(hint.contains("bubblewrap") && hint.contains("--no-sandbox"), "{hint}");
}

#[test]
fn waiting_ends_with_what_became_of_the_job() {
    let world = submitted();
    let timeout = wait(&world, &["--timeout", "0"]);
    assert_eq!((timeout.exit, &timeout.json()["result"]), (7, &json!("timeout")), "{timeout:?}");
    assert_eq!(world.scientist(&["job", "wait", "nil"]).json()["error"]["code"], "unknown-job");

    // It waits from here on, while the owner decides and runs.
    let mut waits = program(&world.home("scientist"));
    waits.args(["--json", "job", "wait", "count", "--interval", "1", "--timeout", "60"]);
    let waits = waits.spawn().unwrap();
    world.owner(&["sync"]).done();
    world.owner(&["job", "approve", "count"]).done();
    world.owner(&["job", "run", "count", "--no-sandbox", "--share-outputs"]).done();
    let done = Ended::from(waits.wait_with_output().unwrap());
    assert_eq!((done.exit, &done.json()["result"]), (0, &json!("done")), "{done:?}");
    assert!(
        done.json()["waited_ms"].is_u64() && done.stderr.contains("`count` is done"),
        "{done:?}"
    );
    let decided = wait(&world, &["--until", "decided"]);
    assert_eq!((decided.exit, &decided.json()["result"]), (0, &json!("approved")));
}

#[test]
fn waiting_that_is_interrupted_leaves_everything_as_it_was() {
    use std::io::{BufRead as _, BufReader};
    let world = submitted();
    let mut waits =
        program(&world.home("scientist")).args(["--json", "job", "wait", "count"]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(waits.stderr.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("`count` is "), "{line}");
    let pid = rustix::process::Pid::from_child(&waits);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let ended = waits.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    let answer: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(answer["error"]["code"], "interrupted");
    assert_eq!(wait(&world, &["--timeout", "0"]).exit, 7, "it can be waited for again");
}

#[test]
fn a_job_that_is_turned_down_or_fails_ends_the_waiting_with_a_code_of_its_own() {
    let world = submitted();
    let failing = code(&world, "failing.sh", "exit 3\n");
    world.scientist(&["job", "submit", &failing, "--to", OWNER, "--bash"]).done();
    world.owner(&["sync"]).done();
    world.owner(&["job", "reject", "count", "--reason", "too much"]).done();
    world.owner(&["job", "approve", "failing"]).done();
    world.owner(&["job", "run", "failing", "--no-sandbox"]);
    let rejected = wait(&world, &[]);
    assert_eq!(
        (rejected.exit, &rejected.json()["result"]),
        (6, &json!("rejected")),
        "{rejected:?}"
    );
    assert!(rejected.stderr.contains("too much"), "{rejected:?}");
    let failed = world.scientist(&["job", "wait", "failing"]);
    assert_eq!((failed.exit, &failed.json()["result"]), (5, &json!("failed")), "{failed:?}");
}

#[test]
fn what_was_released_is_copied_to_a_folder_and_nothing_there_is_lost() {
    let world = submitted();
    let folder = world.folder.path().join("results");
    let to = folder.to_str().unwrap();
    let outputs =
        |more: &[&str]| world.scientist(&[&["job", "outputs", "count", "--to", to], more].concat());
    let early = outputs(&[]);
    assert_eq!((early.exit, &early.json()["files"]), (0, &json!([])));
    assert!(early.stderr.contains("left nothing yet"), "{early:?}");

    world.owner(&["sync"]).done();
    world.owner(&["job", "approve", "count"]).done();
    world.owner(&["job", "run", "count", "--no-sandbox"]).done();
    let withheld = outputs(&["--logs"]);
    assert!(withheld.stderr.contains("not released yet"), "{withheld:?}");
    assert!(withheld.stderr.contains("What it printed was not released"), "{withheld:?}");
    world.owner(&["job", "release", "count", "--outputs", "--logs"]).done();
    let done = outputs(&["--logs"]).done();
    let paths: Vec<_> =
        done["files"].as_array().unwrap().iter().map(|file| &file["path"]).collect();
    assert_eq!(paths, ["answer.txt", "logs/stdout.txt", "logs/stderr.txt", "logs/returncode.txt"]);
    assert_eq!(done["missing"], json!(["more/"]));
    assert_eq!(std::fs::read_to_string(folder.join("answer.txt")).unwrap(), "42\n");
    assert_eq!(std::fs::read_to_string(folder.join("logs/stdout.txt")).unwrap(), "counted\n");

    std::fs::write(folder.join("answer.txt"), "mine").unwrap();
    let refused = outputs(&[]);
    assert_eq!((refused.exit, &refused.json()["error"]["code"]), (1, &json!("file-exists")));
    assert_eq!(std::fs::read_to_string(folder.join("answer.txt")).unwrap(), "mine");
    outputs(&["--force"]).done();
    assert_eq!(std::fs::read_to_string(folder.join("answer.txt")).unwrap(), "42\n");
}

#[test]
fn on_a_terminal_a_person_is_asked_for_what_is_missing() {
    // A terminal of its own, on which somebody types two answers.
    const TERMINAL: &str = "import os, pty, sys\n\
        pid, fd = pty.fork()\n\
        if pid == 0:\n    os.execv(sys.argv[1], sys.argv[1:])\n\
        os.write(fd, b'how many there are\\na.txt b/\\n')\n\
        try:\n    while os.read(fd, 1000): pass\nexcept OSError: pass\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let world = World::working();
    let script = code(&world, "count.sh", "true\n");
    let home = world.home("scientist");
    let mut terminal = std::process::Command::new("python3");
    terminal.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("SYFT_HOME", &home);
    terminal.current_dir(&home).args(["-c", TERMINAL, env!("CARGO_BIN_EXE_syft")]);
    terminal.args(["job", "submit", &script, "--to", OWNER, "--bash"]);
    let ended = Ended::from(terminal.output().unwrap());
    assert_eq!(ended.exit, 0, "{ended:?}");
    let path = format!("SyftBox_sam@example.org/{OWNER}/app_data/job/inbox/sam@example.org/count");
    let config = std::fs::read_to_string(home.join(path).join("config.yaml"));
    let config = config.unwrap();
    assert!(config.contains("purpose: how many there are"), "{config}");
    assert!(config.contains("- a.txt") && config.contains("- b/"), "{config}");
}
