//! The owner's queue in real processes: what runs in one terminal is seen and ended from another,
//! and a program that is killed leaves nothing that runs and nothing that is lost.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::world::{OWNER, Running, World, program};

/// A world with approved bash jobs: (name, script), in this order of submission.
fn with_jobs(jobs: &[(&str, &str)]) -> World {
    let world = World::working();
    for (name, script) in jobs {
        let script = world.file(&format!("{name}.sh"), script);
        let submit = ["job", "submit", script.to_str().unwrap(), "--to", OWNER, "--name", name];
        world.scientist(&[&submit[..], &["--bash"]].concat()).done();
    }
    world.owner(&["sync"]).done();
    for (name, _) in jobs {
        world.owner(&["job", "approve", name]).done();
    }
    world
}

/// Runs jobs as a person would, without waiting for the end.
fn start(world: &World, args: &[&str]) -> Running {
    let args = [&["job", "run", "--no-sandbox", "--no-sync"], args].concat();
    Running(program(&world.home("owner")).args(args).spawn().unwrap())
}

/// Waits until something is so.
fn until(mut is: impl FnMut() -> bool) {
    while !is() {
        std::thread::yield_now();
    }
}

fn tell(running: &Running, signal: Signal) {
    let id = i32::try_from(running.0.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

fn stderr(running: &mut Running) -> String {
    let mut text = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

fn job(world: &World, name: &str) -> Value {
    world.owner(&["job", "show", name, "--no-sync"]).done()["job"].clone()
}

/// True if a process has `marker` among its arguments.
fn runs(marker: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains(marker))
    })
}

/// True if what a job prints has come to a log below a folder, and holds this.
fn has_log(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_symlink() {
            return false;
        }
        if path.is_dir() {
            return has_log(&path, text);
        }
        path.ends_with("stdout.txt")
            && std::fs::read_to_string(path).is_ok_and(|log| log.contains(text))
    })
}

fn marker(number: u32) -> String {
    format!("{number}.{}", std::process::id())
}

fn lines(path: &Path) -> Vec<String> {
    std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_job_is_followed_and_cancelled_from_another_terminal() {
    let marker = marker(31622);
    let script = format!("printf 'first\\033[2J\\nhalf '; echo problem >&2; exec sleep {marker}");
    let world = with_jobs(&[("long", &script), ("next", "true"), ("last", "true")]);
    let listed = world.owner(&["job", "list", "--no-sync"]).done();
    let places = |listed: &Value| -> Vec<Value> {
        let jobs = listed["jobs"].as_array().unwrap();
        jobs.iter().map(|job| json!([job["name"], job["queue_place"]])).collect()
    };
    assert_eq!(places(&listed), [json!(["last", 3]), json!(["next", 2]), json!(["long", 1])]);

    let mut run = start(&world, &["long"]);
    until(|| runs(&marker));
    let listed = world.owner(&["job", "list", "--no-sync"]).done();
    assert_eq!(places(&listed), [json!(["last", 2]), json!(["next", 1]), json!(["long", null])]);
    assert!(listed["jobs"][2]["running_since"].is_string(), "{listed}");
    let text = world.run("owner", &["job", "list", "--no-sync"]).stdout;
    assert!(text.contains("running, just begun") && text.contains("approved, number 2"), "{text}");

    let logs = world.owner(&["job", "logs", "long", "--no-sync"]).done();
    let expected = (json!("first\u{1b}[2J\nhalf "), json!("problem\n"), json!(true));
    assert_eq!((logs["stdout"].clone(), logs["stderr"].clone(), logs["running"].clone()), expected);
    let mut follow = Running(
        program(&world.home("owner")).args(["job", "logs", "long", "--follow"]).spawn().unwrap(),
    );
    let mut followed = BufReader::new(follow.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let first = followed.next().unwrap();
    assert!(first.starts_with("out  first") && !first.contains('\u{1b}'), "{first}");

    let cancel = ["job", "cancel", "long", "--reason", "too slow", "--no-sync"];
    let cancelled = world.owner(&cancel).done();
    let (status, code) = (&cancelled["job"]["status"], &cancelled["job"]["return_code"]);
    assert_eq!((status, code), (&json!("failed"), &json!(-1)));
    assert_eq!(cancelled["job"]["reason"], "cancelled by the owner: too slow");
    assert!(!runs(&marker), "a process of the job is still there");
    assert_eq!(run.0.wait().unwrap().code(), Some(3));
    let said = stderr(&mut run);
    assert!(said.contains("was cancelled after") && said.contains("syft job rerun long"), "{said}");
    let rest: Vec<String> = followed.collect();
    assert!(rest.contains(&"err  problem".to_owned()), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("RUN CANCELLED")), "{rest:?}");
    assert_eq!(follow.0.wait().unwrap().code(), Some(0), "it ends with the job");

    let again = world.owner(&["job", "cancel", "long", "--no-sync"]);
    assert_eq!((again.exit, &again.json()["error"]["code"]), (1, &json!("job-refused")));
    world.scientist(&["sync"]).done();
    world.owner(&["sync"]).done();
    world.scientist(&["sync"]).done();
    let seen = world.scientist(&["job", "show", "long", "--no-sync"]).done();
    assert_eq!(seen["job"]["reason"], "cancelled by the owner: too slow");
    let logs = world.scientist(&["job", "logs", "long", "--no-sync"]).done();
    assert_eq!(logs["stdout"], json!(null), "nobody shared it");
    let follow = world.scientist(&["job", "logs", "long", "--follow"]);
    assert_eq!(follow.exit, 2);
}

#[test]
fn a_killed_run_is_settled_at_the_next_start_and_waits_again_if_that_was_said() {
    let marker = marker(70710);
    let world = World::working();
    let flag = world.file("flag", "");
    std::fs::remove_file(&flag).unwrap();
    // The first time it stays; later on it ends.
    let flag_path = flag.display();
    let script = format!(
        "if [ -e '{flag_path}' ]; then echo whole; else echo half; exec sleep {marker}; fi"
    );
    for name in ["fails", "waits"] {
        let path = world.file(&format!("{name}.sh"), &script);
        let submit = ["job", "submit", path.to_str().unwrap(), "--to", OWNER, "--name", name];
        world.scientist(&[&submit[..], &["--bash"]].concat()).done();
        world.owner(&["sync"]).done();
        world.owner(&["job", "approve", name]).done();
    }
    for (args, expected) in [(&["fails"][..], "failed"), (&["waits", "--requeue"], "approved")] {
        let mut run = start(&world, args);
        until(|| runs(&marker) && has_log(&world.home("owner"), "half"));
        tell(&run, Signal::KILL);
        run.0.wait().unwrap();
        until(|| !runs(&marker)); // the kernel takes a moment
        assert_eq!(job(&world, args[0])["status"], "running", "nobody could write anything");
        world.owner(&["sync"]).done();
        assert_eq!(job(&world, args[0])["status"], expected);
    }
    assert_eq!(job(&world, "fails")["return_code"], -1);
    let logs = world.owner(&["job", "logs", "fails", "--no-sync"]).done();
    assert_eq!(logs["stdout"], "half\n\n--- RUN INTERRUPTED ---\n", "what it printed is kept");
    std::fs::write(&flag, "").unwrap();
    let refused = world.owner(&["job", "run", "fails", "--no-sync"]).json();
    assert_eq!(refused["error"]["hint"], "put it back into the queue with `syft job rerun fails`");
    let ran = world.owner(&["job", "run", "--no-sandbox", "--no-sync"]).done();
    assert_eq!(ran["jobs"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&ran["jobs"][0]["name"], &ran["jobs"][0]["status"]),
        (&json!("waits"), &json!("done"))
    );
    let logs = world.run("owner", &["job", "logs", "waits", "--no-sync"]).stdout;
    assert_eq!(logs, "Standard output\nwhole\n", "and nothing of the run before");
    world.owner(&["job", "rerun", "fails"]).done();
    assert_eq!(job(&world, "fails")["status"], "approved");
}

#[test]
fn ctrl_c_ends_what_runs_settles_it_and_begins_nothing_more() {
    let marker = marker(54772);
    let script = format!("sleep {marker} & exec sleep {marker}");
    let world = with_jobs(&[("one", &script), ("two", &script), ("three", "true")]);
    let mut run = start(&world, &["--parallel", "2"]);
    until(|| runs(&marker) && job(&world, "two")["status"] == "running");
    tell(&run, Signal::INT);
    assert_eq!(run.0.wait().unwrap().code(), Some(130));
    assert!(!runs(&marker), "a process of a job is still there");
    for (name, expected) in [("one", "failed"), ("two", "failed"), ("three", "approved")] {
        assert_eq!(job(&world, name)["status"], expected, "{name}");
    }
    let said = stderr(&mut run);
    assert!(said.contains("`one` of") && said.contains("syft job rerun one"), "{said}");
}

#[test]
fn a_job_that_waits_is_followed_however_fast_it_is_and_a_queue_is_left_by_a_rejection() {
    let world = with_jobs(&[("fast", "echo quick; echo problem >&2"), ("other", "true")]);
    let mut follow = Running(
        program(&world.home("owner")).args(["job", "logs", "fast", "--follow"]).spawn().unwrap(),
    );
    let mut told = BufReader::new(follow.0.stderr.take().unwrap());
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    assert!(line.contains("waits in the queue"), "{line}");
    world.owner(&["job", "run", "fast", "--no-sandbox", "--no-sync"]).done();
    let mut text = String::new();
    follow.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "out  quick\nerr  problem\n");
    assert_eq!(follow.0.wait().unwrap().code(), Some(0));

    let cancel = world.owner(&["job", "cancel", "other", "--no-sync"]);
    assert!(cancel.stderr.contains("syft job reject other"), "{cancel:?}");
    let rejected = world.owner(&["job", "reject", "other"]).done();
    assert_eq!(rejected["job"]["status"], "rejected");
}

#[test]
fn the_answer_of_an_interrupted_command_says_what_came_of_its_jobs() {
    let marker = marker(64575);
    let world = with_jobs(&[("one", &format!("exec sleep {marker}")), ("two", "true")]);
    let mut run = start(&world, &["--requeue", "--json"]);
    until(|| runs(&marker));
    tell(&run, Signal::TERM);
    assert_eq!(run.0.wait().unwrap().code(), Some(130));
    let answer: Value = serde_json::from_reader(run.0.stdout.take().unwrap()).unwrap();
    let jobs = answer["jobs"].as_array().unwrap();
    assert_eq!(
        (jobs.len(), &jobs[0]["name"], &jobs[0]["status"]),
        (1, &json!("one"), &json!("approved"))
    );
    assert_eq!(
        (&jobs[0]["cut"], &answer["error"]["code"]),
        (&json!("interrupted"), &json!("interrupted"))
    );
    let said = stderr(&mut run);
    assert!(said.contains("syft job run one") && !said.contains("rerun"), "{said}");
}

/// Whose states reach each other, while what runs is known to one.
#[test]
fn a_run_of_one_machine_is_no_crash_to_another_machine_of_the_same_owner() {
    let marker = marker(26457);
    let world = with_jobs(&[("long", &format!("echo here; exec sleep {marker}"))]);
    std::fs::create_dir(world.home("second")).unwrap();
    world.log_in("second", "login-do", OWNER).done();
    let second = |args: &[&str]| world.run("second", &[&["--json"], args].concat());
    let mut run = start(&world, &["long"]);
    until(|| runs(&marker));
    world.owner(&["sync"]).done();
    second(&["sync"]).done();
    let seen = || second(&["job", "show", "long", "--no-sync"]).done()["job"]["status"].clone();
    assert_eq!(seen(), "running");
    let cancel = second(&["job", "cancel", "long", "--no-sync"]);
    assert_eq!((cancel.exit, &cancel.json()["error"]["code"]), (1, &json!("job-runs-elsewhere")));
    assert!(cancel.stderr.contains("syft job cancel long --elsewhere"), "{cancel:?}");
    let logs = second(&["job", "logs", "long", "--no-sync"]);
    assert!(logs.stderr.contains("runs on another machine"), "{logs:?}");
    assert!(runs(&marker) && job(&world, "long")["status"] == "running");

    // It goes down, and whoever sits there need not sync to go on.
    tell(&run, Signal::KILL);
    run.0.wait().unwrap();
    until(|| !runs(&marker));
    let logs = world.owner(&["job", "logs", "long", "--no-sync"]);
    assert!(logs.stderr.contains("was cut short"), "{logs:?}");
    assert_eq!(world.owner(&["job", "rerun", "long"]).done()["job"]["status"], "approved");

    // Or it never comes back.
    let given_up = second(&["job", "cancel", "long", "--elsewhere", "--no-sync"]).done();
    assert_eq!(given_up["job"]["status"], "failed");
    assert_eq!(seen(), "failed");
}

/// Each waits for the other, so they end only if they run side by side.
#[test]
fn jobs_run_side_by_side_if_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let meet = |own: &str, other: &str| {
        let at = folder.path().display();
        format!("touch '{at}/{own}'; until [ -e '{at}/{other}' ]; do sleep 0.05; done")
    };
    let world = with_jobs(&[("one", &meet("1", "2")), ("two", &meet("2", "1"))]);
    let args = ["job", "run", "--parallel", "2", "--no-sandbox", "--no-sync", "--timeout", "60"];
    let ran = world.owner(&args).done();
    let names: Vec<_> = ran["jobs"].as_array().unwrap().iter().map(|job| &job["name"]).collect();
    assert_eq!(names, ["one", "two"], "told in the order of the queue");
}

#[test]
fn jobs_run_in_the_order_of_submission_and_one_that_cannot_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let add = |name: &str| format!("echo {name} >> '{}'", trace.display());
    let names = ["c", "a", "broken", "b"];
    let scripts = names.map(add);
    let jobs: Vec<_> = names.into_iter().zip(scripts.iter().map(String::as_str)).collect();
    let world = with_jobs(&jobs);
    let inbox = world.datasite("app_data/job/inbox/sam@example.org/broken/code/broken.sh");
    std::fs::write(inbox, "echo other\n").unwrap();
    let args = ["job", "run", "--no-sandbox", "--no-sync"];
    let ran = world.owner(&args);
    assert_eq!(ran.exit, 3, "{ran:?}");
    assert_eq!(lines(&trace), ["c", "a", "b"]);
    let answer = ran.json();
    let statuses: Vec<_> =
        answer["jobs"].as_array().unwrap().iter().map(|job| &job["status"]).collect();
    assert_eq!(statuses, [&json!("done"), &json!("done"), &json!(null), &json!("done")]);
    assert_eq!(answer["jobs"][2]["error"]["code"], "job-changed");
    assert!(ran.stderr.contains("Of 4 jobs: 3 done, 1 not run"), "{}", ran.stderr);
}

#[test]
fn two_programs_at_once_run_each_job_once() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let names = ["a", "b", "c", "d", "e"];
    let scripts = names.map(|name| format!("echo {name} >> '{}'", trace.display()));
    let jobs: Vec<_> = names.into_iter().zip(scripts.iter().map(String::as_str)).collect();
    let world = with_jobs(&jobs);
    let mut all: Vec<Running> = (0..3).map(|_| start(&world, &["--parallel", "2"])).collect();
    let exits: Vec<_> = all.iter_mut().map(|run| run.0.wait().unwrap().code()).collect();
    let mut traced = lines(&trace);
    traced.sort();
    assert_eq!(traced, names);
    assert_eq!(exits, [Some(0); 3], "a job that another one took is no problem");
}

#[test]
fn how_long_a_job_may_take_is_set_once_for_all() {
    let marker = marker(83666);
    let world = with_jobs(&[("long", &format!("exec sleep {marker}"))]);
    let settings = world.home("owner").join(".syft/settings.toml");
    std::fs::write(settings, "[jobs]\ntimeout = 1\n").unwrap();
    let ran = world.owner(&["job", "run", "--no-sandbox", "--no-sync"]);
    assert_eq!(ran.json()["jobs"][0]["return_code"], -1);
    assert!(ran.stderr.contains("it was stopped after 1 s"), "{}", ran.stderr);
    world.owner(&["job", "rerun", "long"]).done();
    let mut command = program(&world.home("owner"));
    command.env("SYFT_DEFAULT_JOB_TIMEOUT_SECONDS", "2.0");
    let said = command.args(["job", "run", "--no-sandbox", "--no-sync"]).output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("it was stopped after 2 s"), "the variable of the Python client: {said}");
}

#[test]
fn what_was_installed_for_a_job_is_shown_and_goes_when_nothing_uses_it() {
    const WHEEL: &str = "import sys, zipfile\n\
        z = zipfile.ZipFile(sys.argv[1] + '/tinypkg-1.0-py3-none-any.whl', 'w')\n\
        d = 'tinypkg-1.0.dist-info/'\n\
        z.writestr('tinypkg.py', 'ANSWER = 42\\n')\n\
        z.writestr(d + 'METADATA', 'Metadata-Version: 2.1\\nName: tinypkg\\nVersion: 1.0\\n')\n\
        z.writestr(d + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        z.writestr(d + 'RECORD', 'tinypkg.py,,\\n' + d + 'METADATA,,\\n' + d + 'WHEEL,,\\n' + d + 'RECORD,,\\n')\n\
        z.close()\n";
    let world = World::working();
    let wheels = world.home("wheels");
    std::fs::create_dir(&wheels).unwrap();
    let mut python = std::process::Command::new("python3");
    assert!(python.args(["-c", WHEEL]).arg(&wheels).status().unwrap().success());
    let code = world.file("main.py", "import tinypkg\nprint(tinypkg.ANSWER)\n");
    let submit = ["job", "submit", code.to_str().unwrap(), "--to", OWNER, "--name", "count"];
    world.scientist(&[&submit[..], &["--dep", "tinypkg"]].concat()).done();
    world.owner(&["sync"]).done();
    world.owner(&["job", "approve", "count"]).done();
    let ran = {
        let mut command = program(&world.home("owner"));
        for (index, folder) in
            [("PIP_NO_INDEX", "PIP_FIND_LINKS"), ("UV_NO_INDEX", "UV_FIND_LINKS")]
        {
            command.env(index, "1").env(folder, &wheels);
        }
        let args = ["--json", "job", "run", "count", "--no-sandbox", "--no-sync"];
        crate::world::Ended::from(command.args(args).output().unwrap()).done()
    };
    assert_eq!(ran["jobs"][0]["return_code"], 0, "{ran}");
    let installed = job(&world, "count")["last_run"]["environment"]["packages"].clone();
    let installed = installed.as_array().unwrap().iter().find(|one| one["name"] == "tinypkg");
    let installed = installed.unwrap();
    assert_eq!(installed["version"], "1.0");
    assert!(installed["sha256"][0].as_str().unwrap().starts_with("sha256:"), "{installed}");
    let kept = world.owner(&["job", "environments"]).done()["environments"].clone();
    assert_eq!((kept.as_array().unwrap().len(), &kept[0]["in_use"]), (1, &json!(false)));
    assert!(kept[0]["bytes"].as_u64().unwrap() > 0);
    let pruned = world.owner(&["job", "environments", "--prune"]).done();
    assert_eq!(pruned["removed"], json!([]), "it was used just now");
    let pruned = world.owner(&["job", "environments", "--prune", "--unused-for", "0"]).done();
    assert_eq!(
        (pruned["removed"].as_array().unwrap().len(), &pruned["environments"]),
        (1, &json!([]))
    );
}
