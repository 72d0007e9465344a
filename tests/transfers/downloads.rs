//! A scientist's large files come down.

use std::time::{Duration, Instant};

use super::proxy::Way;
use super::world::{Account, MIB, World, digest, ended, kill, listed};

const SIZE: u64 = 24 * MIB;
const SLACK: u64 = MIB / 2;

/// How long what has passed the wire may take to the disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// An owner who has published a large mock file, and a scientist who has not fetched it.
async fn published() -> (World, Account, Account) {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    owner.done(&world.creation(SIZE, false));
    (world, owner, scientist)
}

/// Begins to fetch and kills that in the middle.
async fn killed_in_the_middle(world: &World, scientist: &Account) {
    world.proxy.hold_after(Way::Down, SIZE / 2);
    let child = scientist.start(&["sync"]);
    world.proxy.stopped().await;
    // What has passed the wire may lie in the buffers of a socket for a while.
    let start = Instant::now();
    while kept_bytes(scientist) <= SIZE / 4 && start.elapsed() < PATIENCE {
        tokio::task::yield_now().await;
    }
    kill(child);
    world.proxy.go_on();
}

/// How much of a file has come.
fn kept_bytes(scientist: &Account) -> u64 {
    let kept = listed(&scientist.downloads());
    let lengths = kept.iter().filter_map(|path| Some(std::fs::metadata(path).ok()?.len()));
    lengths.max().unwrap_or(0)
}

fn expect_same(owner: &Account, scientist: &Account) {
    let there = digest(&scientist.file("public", "big.bin"));
    assert!(there.is_some() && there == digest(&owner.file("public", "big.bin")));
    assert!(!scientist.downloads().exists(), "{:?}", listed(&scientist.downloads()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_download_that_is_killed_goes_on_behind_what_came() {
    let (world, owner, scientist) = published().await;
    killed_in_the_middle(&world, &scientist).await;
    assert!(!scientist.file("public", "big.bin").exists());
    let kept = listed(&scientist.downloads());
    assert_eq!(kept.len(), 2, "what came and of which content: {kept:?}");
    let came = kept_bytes(&scientist);
    let before = world.proxy.passed(Way::Down);
    scientist.done(&["sync"]);
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SIZE - came + SLACK, "{received} received, {came} were here");
    // What was on its way between wire and disk when it died is lost.
    assert!(came > SIZE / 4, "{came}");
    expect_same(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_download_goes_on_after_a_connection_that_broke() {
    let (world, owner, scientist) = published().await;
    let before = world.proxy.passed(Way::Down);
    world.proxy.cut_after(Way::Down, SIZE / 2);
    scientist.done(&["sync"]);
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SIZE + SLACK, "{received}");
    expect_same(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_replaced_meanwhile_is_fetched_anew_and_its_rest_goes() {
    let (world, owner, scientist) = published().await;
    killed_in_the_middle(&world, &scientist).await;
    world.noise("big.bin", 99, SIZE);
    let newer = world.folder.path().join("files/big.bin");
    owner.done(&["dataset", "update", "set", "--mock", newer.to_str().unwrap()]);
    scientist.done(&["sync"]);
    expect_same(&owner, &scientist);
    assert_eq!(digest(&newer), digest(&scientist.file("public", "big.bin")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_withdrawn_meanwhile_leaves_nothing() {
    let (world, owner, scientist) = published().await;
    killed_in_the_middle(&world, &scientist).await;
    owner.done(&["dataset", "delete", "set"]);
    scientist.done(&["sync"]);
    assert!(!scientist.downloads().exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_damaged_beginning_is_not_believed() {
    let (world, owner, scientist) = published().await;
    killed_in_the_middle(&world, &scientist).await;
    let kept = listed(&scientist.downloads());
    let came = kept.iter().find(|path| path.extension().is_none()).unwrap();
    let mut content = std::fs::read(came).unwrap();
    content[1000] ^= 1;
    std::fs::write(came, content).unwrap();
    scientist.done(&["sync"]);
    expect_same(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_takes_no_more_is_told_and_nothing_half_is_seen() {
    let (_world, owner, scientist) = published().await;
    let answer = scientist.run_limited(12 * MIB / 512, &["sync"]);
    assert_eq!(answer.exit, Some(3), "{answer:?}");
    assert_eq!(answer.json["problems"][0]["code"], "disk", "{answer:?}");
    assert!(!scientist.file("public", "big.bin").exists());
    let left: u64 = listed(&scientist.downloads())
        .iter()
        .map(|path| std::fs::metadata(path).unwrap().len())
        .sum();
    assert_eq!(left, 0, "a disk that is full is not kept full");
    scientist.done(&["sync"]);
    expect_same(&owner, &scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_download_that_is_killed_when_all_is_there_fetches_nothing_again() {
    let (world, owner, scientist) = published().await;
    let mut child = scientist.start(&["sync"]);
    loop {
        let kept = listed(&scientist.downloads());
        let lengths = kept.iter().map(|path| std::fs::metadata(path).map_or(0, |meta| meta.len()));
        // It may be over before anybody looks: then there is nothing to show in this run.
        if lengths.max() == Some(SIZE) || child.try_wait().unwrap().is_some() {
            break;
        }
        tokio::task::yield_now().await;
    }
    child.kill().ok();
    let was_killed = ended(child).exit.is_none();
    world.proxy.go_on();
    let before = world.proxy.passed(Way::Down);
    scientist.done(&["sync"]);
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SLACK, "{received}, killed {was_killed}");
    expect_same(&owner, &scientist);
}
