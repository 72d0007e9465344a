//! Large files that travel in messages: what is held of them, and what is sent again after a kill.

use super::proxy::Way;
use super::world::{
    Account, MIB, OWNER, SCIENTIST, World, digest, ended, kill, listed, peak_memory,
};

const SIZE: u64 = 48 * MIB;
/// What may go over besides, and what of a file the drive may not have confirmed.
const SLACK: u64 = 6 * MIB;

/// An owner in whose `shared/` a scientist may write.
async fn stage() -> (World, Account, Account) {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    owner.done(&["perm", "grant", "shared/", "--user", SCIENTIST, "--level", "write"]);
    owner.done(&["sync"]);
    scientist.done(&["sync"]);
    (world, owner, scientist)
}

fn place(account: &Account) -> std::path::PathBuf {
    account.syftbox().join(OWNER).join("shared/large.bin")
}

fn put(world: &World, account: &Account, seed: u64) -> Option<String> {
    let file = world.noise("large.bin", seed, SIZE);
    std::fs::create_dir_all(place(account).parent().unwrap()).unwrap();
    std::fs::copy(&file, place(account)).unwrap();
    digest(&file)
}

fn nothing_left(account: &Account) {
    let state = listed(&account.home);
    let left = state.iter().filter(|path| {
        path.components()
            .any(|part| part.as_os_str() == "contents" || part.as_os_str() == "parcels")
    });
    assert_eq!(left.count(), 0, "{state:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_in_a_message_is_never_held() {
    const MOST: u64 = 64 * MIB; // Less than the file in base64.
    let (world, owner, scientist) = stage().await;
    let sent = put(&world, &scientist, 1);
    // Up: the proposal, and what the owner makes of it once it has read it and written the file.
    for account in [&scientist, &owner] {
        world.proxy.hold_after(Way::Up, SIZE - MIB);
        let child = account.start(&["sync"]);
        world.proxy.stopped().await;
        let peak = peak_memory(&child);
        world.proxy.go_on();
        assert_eq!(ended(child).exit, Some(0));
        assert!(peak < MOST, "{} held {} MiB", account.email, peak / MIB);
    }
    scientist.done(&["sync"]);
    assert_eq!((digest(&place(&owner)), digest(&place(&scientist))), (sent.clone(), sent));
    nothing_left(&owner);
    nothing_left(&scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_that_is_killed_on_its_way_goes_on() {
    let (world, owner, scientist) = stage().await;
    let sent = put(&world, &owner, 2);
    // Up, into the log: what was confirmed is not sent again.
    world.proxy.hold_after(Way::Up, SIZE / 2);
    let child = owner.start(&["sync"]);
    world.proxy.stopped().await;
    kill(child);
    world.proxy.go_on();
    let world = world.restart().await;
    let (before, confirmed) = (world.proxy.passed(Way::Up), world.confirmed());
    assert!(confirmed > SIZE / 2 - SLACK, "{confirmed}");
    owner.done(&["sync"]);
    // The rest of it, and the whole for the scientist; each is a little larger than the file.
    let passed = world.proxy.passed(Way::Up) - before;
    assert!(passed < 2 * (SIZE + SIZE / 50) - confirmed + SLACK, "{passed}");
    // Down.
    world.proxy.hold_after(Way::Down, SIZE / 2);
    let child = scientist.start(&["sync"]);
    world.proxy.stopped().await;
    kill(child);
    world.proxy.go_on();
    let before = world.proxy.passed(Way::Down);
    scientist.done(&["sync"]);
    let passed = world.proxy.passed(Way::Down) - before;
    // Not all that has passed the wire had come to the disk.
    assert!(passed < SIZE / 2 + SIZE / 50 + 2 * SLACK, "{passed}");
    assert_eq!((digest(&place(&owner)), digest(&place(&scientist))), (sent.clone(), sent));
    nothing_left(&owner);
    nothing_left(&scientist);
}
