//! `syft serve` runs what is approved, if its owner said so.

use rustix::process::Signal;
use serde_json::json;
use syft::client::Configuration;

use crate::world::{OWNER, World};
use crate::{Serving, serve_once};

/// A world with one job that is pending.
fn with_job(name: &str, script: &str) -> World {
    let world = World::working();
    let path = world.file(&format!("{name}.sh"), script);
    let submit = ["job", "submit", path.to_str().unwrap(), "--to", OWNER, "--name", name, "--bash"];
    world.scientist(&submit).done();
    world.owner(&["sync"]).done();
    world
}

fn set(world: &World, text: &str) {
    let configuration = Configuration::at(&world.home("owner"));
    std::fs::write(configuration.folder().join("settings.toml"), text).unwrap();
}

/// Without a sandbox these tests fail; `SYFT_TEST_NO_SANDBOX=1` leaves them out, loudly.
#[expect(clippy::print_stderr, reason = "a test that is left out has to say so")]
fn is_left_out() -> bool {
    let said = std::env::var_os("SYFT_TEST_NO_SANDBOX").is_some_and(|value| value == "1");
    if said {
        eprintln!("!!! NOT TESTED: SYFT_TEST_NO_SANDBOX=1, so no job was confined !!!");
    }
    said
}

#[test]
fn approved_jobs_are_run_only_where_the_owner_said_so_and_nothing_is_shared() {
    if is_left_out() {
        return;
    }
    let world = with_job("count", "echo 42 > code/outputs/answer.txt");
    world.owner(&["job", "approve", "count"]).done();
    assert_eq!(serve_once(&world)["jobs"], json!([]), "nobody said so");
    set(&world, "[jobs]\nserve = false\n");
    assert_eq!(serve_once(&world)["jobs"], json!([]));
    set(&world, "[jobs]\nserve = true\n");
    let served = serve_once(&world);
    assert_eq!(
        (&served["jobs"][0]["name"], &served["jobs"][0]["status"]),
        (&json!("count"), &json!("done"))
    );
    world.scientist(&["sync"]).done();
    let seen = world.scientist(&["job", "show", "count", "--no-sync"]).done();
    assert_eq!((&seen["job"]["status"], &seen["job"]["outputs"]), (&json!("done"), &json!([])));
    assert_eq!(serve_once(&world)["jobs"], json!([]), "it ran once");
}

#[test]
fn a_job_that_is_approved_while_it_serves_runs_and_is_cancelled_from_outside() {
    if is_left_out() {
        return;
    }
    let world = with_job("long", "echo begun; exec sleep 300");
    set(&world, "[jobs]\nserve = true\n");
    let mut serving = Serving::start(&world);
    world.owner(&["job", "approve", "long"]).done();
    serving.until("Running `long`");
    let cancelled = world.owner(&["job", "cancel", "long", "--no-sync"]).done();
    assert_eq!(cancelled["job"]["status"], "failed");
    serving.until("was cancelled after");
    world.owner(&["job", "rerun", "long"]).done();
    serving.until("Running `long`");
    assert_eq!(serving.end(Signal::TERM), Some(0));
    let shown = world.owner(&["job", "show", "long", "--no-sync"]).done();
    assert_eq!(shown["job"]["status"], "failed", "it is settled when the service has ended");
}
