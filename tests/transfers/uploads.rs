//! An owner's large files go up.

use drive_server::{Fault, Outcome, When};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use syft::connections::{Connection as _, Query};

use super::proxy::Way;
use super::world::{
    Account, MIB, OWNER, World, digest, ended, kill, listed, mode, overwrite_noise, peak_memory,
    write_noise,
};

const SIZE: u64 = 24 * MIB;
/// What all else takes on the wire, and what the drive had not written yet when the program died.
const SLACK: u64 = MIB / 2;

/// Begins to create a dataset and kills that in the middle. The drive writes what came, and is started
/// anew: it does not forget it either.
async fn killed_in_the_middle(world: World, owner: &Account, line: &[String]) -> World {
    killed_after(SIZE / 2, world, owner, line).await
}

async fn killed_after(bytes: u64, world: World, owner: &Account, line: &[String]) -> World {
    world.proxy.hold_after(Way::Up, bytes);
    let child = owner.start(line);
    world.proxy.stopped().await;
    kill(child);
    world.proxy.go_on();
    world.restart().await
}

/// Syncs all and expects the scientist to hold the mock file.
fn expect_arrived(owner: &Account, scientist: &Account) {
    scientist.done(&["sync"]);
    let (here, there) = (owner.file("public", "big.bin"), scientist.file("public", "big.bin"));
    assert!(digest(&there).is_some() && digest(&there) == digest(&here));
    assert_eq!(listed(&owner.uploads()), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upload_that_is_killed_goes_on_where_the_drive_stands() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let line = world.creation(SIZE, false);
    let world = killed_in_the_middle(world, &owner, &line).await;
    let (path, address) = owner.session();
    assert_eq!((mode(&path), mode(&owner.uploads())), (0o600, 0o700));
    let secret = address.split("upload_id=").nth(1).unwrap();
    let report = owner.run(&["bug-report"]);
    assert_eq!(report.exit, Some(0), "{report:?}");
    assert!(!format!("{report:?}").contains(secret));

    let (before, confirmed) = (world.proxy.passed(Way::Up), world.confirmed());
    assert!(confirmed > SIZE / 2 - SLACK, "{confirmed}");
    owner.done(&["sync"]);
    let sent = world.proxy.passed(Way::Up) - before;
    assert!(sent < SIZE - confirmed + SLACK, "{sent} sent, {confirmed} were there");
    expect_arrived(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_upload_that_is_killed_goes_on_with_the_same_seal() {
    const SIZE: u64 = 9 * MIB; // sealing is slow in a debug build
    let world = World::new().await;
    let owner = world.log_in("do", OWNER, "owner");
    owner.done(&["keys", "create"]);
    owner.done(&["sync"]);
    let line = world.creation(SIZE, true);
    let world = killed_after(SIZE / 2, world, &owner, &line).await;
    let kept = listed(&owner.uploads());
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept.iter().all(|path| mode(path) == 0o600));
    let (before, confirmed) = (world.proxy.passed(Way::Up), world.confirmed());
    assert!(confirmed > SIZE / 2 - SLACK, "{confirmed}");
    owner.done(&["sync"]);
    let sent = world.proxy.passed(Way::Up) - before;
    assert!(sent < SIZE - confirmed + SLACK, "{sent} sent, {confirmed} were there");
    assert_eq!(listed(&owner.uploads()), Vec::<std::path::PathBuf>::new());

    // What lies there opens, on another machine of the account.
    let second = world.second_machine(&owner);
    second.done(&["sync"]);
    assert_eq!(
        digest(&second.file("private", "real.bin")),
        digest(&owner.file("private", "real.bin"))
    );
    assert!(!second.downloads().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upload_goes_on_after_a_connection_that_broke() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let before = world.proxy.passed(Way::Up);
    world.proxy.cut_after(Way::Up, SIZE / 2);
    owner.done(&world.creation(SIZE, false));
    let sent = world.proxy.passed(Way::Up) - before;
    assert!(sent < SIZE + SLACK, "{sent}");
    expect_arrived(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_session_that_the_drive_forgot_is_begun_anew() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let line = world.creation(SIZE, false);
    let world = killed_in_the_middle(world, &owner, &line).await;
    let (_, address) = owner.session();
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let end = hyper::Request::delete(address).body(Empty::new()).unwrap();
    assert_eq!(client.request(end).await.unwrap().status().as_u16(), 499);
    let before = world.proxy.passed(Way::Up);
    owner.done(&["sync"]);
    let sent = world.proxy.passed(Way::Up) - before;
    assert!((SIZE..SIZE + SLACK).contains(&sent), "{sent}");
    expect_arrived(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_contents_are_never_mixed() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let line = world.creation(SIZE, false);
    let _world = killed_in_the_middle(world, &owner, &line).await;
    write_noise(&owner.file("public", "big.bin"), 99, SIZE);
    let told = owner.run(&["sync"]);
    assert_eq!(told.json["problems"][0]["code"], "dataset-not-published", "{told:?}");
    scientist.done(&["sync"]);
    assert_eq!(digest(&scientist.file("public", "big.bin")), None);
    owner.done(&["sync"]);
    expect_arrived(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_that_changes_while_it_is_sent_is_seen_by_nobody() {
    const SIZE: u64 = 48 * MIB; // far more than sockets take beyond what the wire lets pass
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    world.proxy.hold_after(Way::Up, MIB);
    let child = owner.start(&world.creation(SIZE, false));
    world.proxy.stopped().await;
    overwrite_noise(&owner.file("public", "big.bin"), 99, SIZE);
    world.proxy.go_on();
    let answer = ended(child);
    assert_eq!(answer.exit, Some(3), "{answer:?}");
    assert!(answer.stderr.contains("checksum") && answer.stderr.contains("hint"), "{answer:?}");
    let named = Query::default().named("big.bin");
    assert!(world.session(OWNER).find(&named).await.unwrap().is_empty());
    scientist.done(&["sync"]);
    assert_eq!(digest(&scientist.file("public", "big.bin")), None);
    owner.done(&["sync"]);
    expect_arrived(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_drive_that_tells_another_checksum_is_not_believed() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    world.proxy.hold_after(Way::Up, SIZE / 2);
    let child = owner.start(&world.creation(SIZE, false));
    world.proxy.stopped().await;
    let kept: serde_json::Value =
        serde_json::from_slice(&std::fs::read(owner.session().0).unwrap()).unwrap();
    let body = json!({
        "id": kept["id"], "name": "big.bin", "mimeType": "application/octet-stream",
        "size": SIZE.to_string(), "sha256Checksum": "00".repeat(32),
    });
    let outcome = Outcome::Answer { status: 200, headers: Vec::new(), body: body.to_string() };
    // The request under way is not hit: one that asks about the session is.
    world.server.faults().push(Fault::new(When::After, outcome).on("PUT", "/upload"));
    kill(child);
    world.proxy.go_on();
    let answer = owner.run(&["sync"]);
    let problem = &answer.json["problems"][0];
    assert_eq!(problem["code"], "dataset-not-published", "{answer:?}");
    assert!(problem["message"].as_str().unwrap().contains("checksum"), "{answer:?}");
    assert!(!answer.stderr.contains("upload_id"));
    owner.done(&["sync"]);
    expect_arrived(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_kept_of_an_upload_goes_with_its_dataset() {
    let world = World::new().await;
    let (owner, _) = world.pair();
    let line = world.creation(SIZE, false);
    let _world = killed_in_the_middle(world, &owner, &line).await;
    assert_eq!(listed(&owner.uploads()).len(), 1);
    owner.done(&["dataset", "delete", "set"]);
    owner.done(&["sync"]);
    assert!(!owner.uploads().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_logout_forgets_what_gives_access() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    let line = world.creation(SIZE, false);
    let world = killed_in_the_middle(world, &owner, &line).await;
    owner.done(&["logout"]);
    assert!(!owner.uploads().exists());
    world.log_in("do", OWNER, "owner");
    expect_arrived(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn small_files_are_sent_in_one_request_and_nothing_is_kept() {
    let world = World::new().await;
    let (owner, _) = world.pair();
    let before = world.server.requests();
    owner.done(&world.creation(100, true));
    // Ids, two folders, six files, who looks into the private one, readers: as ever.
    let plain = world.server.requests() - before;
    assert!(!owner.uploads().exists());
    owner.done(&["dataset", "delete", "set"]);
    let before = world.server.requests();
    owner.done(&world.creation(8 * MIB - 1, true));
    assert_eq!(world.server.requests() - before, plain + 1, "a session is opened from 5 MiB on");
    assert!(!owner.uploads().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_is_bounded_on_both_ways() {
    const FILES: u64 = 8; // as many as go over at once
    const MOST: u64 = 64 * MIB;
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    for number in 0..FILES {
        world.noise(&format!("mock/{number}.bin"), number + 1, 16 * MIB);
    }
    let (mock, real) = (world.folder.path().join("files/mock"), world.noise("real", 99, 100));
    let paths = [mock.to_str().unwrap(), "--private", real.to_str().unwrap()];
    let create = [&["dataset", "create", "set", "--users", "any", "--mock"], &paths[..]].concat();
    for (account, way, line) in [(&owner, Way::Up, create), (&scientist, Way::Down, vec!["sync"])] {
        world.proxy.hold_after(way, FILES * 16 * MIB - MIB);
        let child = account.start(&line);
        world.proxy.stopped().await;
        let peak = peak_memory(&child);
        world.proxy.go_on();
        assert_eq!(ended(child).exit, Some(0));
        assert!(peak <= MOST, "{way:?}: {} MiB", peak / MIB);
    }
    for name in (0..FILES).map(|number| format!("{number}.bin")) {
        let there = digest(&scientist.file("public", &name));
        assert!(there.is_some() && there == digest(&mock.join(&name)), "{name}");
    }
}
