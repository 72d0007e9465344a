//! Many files that are not large: what their owner holds of them.

use super::proxy::Way;
use super::world::{
    Account, MIB, OWNER, SCIENTIST, World, digest, ended, peak_memory, write_noise,
};

const FILES: u64 = 160;
const EACH: u64 = MIB / 4;
/// All of them, as what is said to the log and to the scientist, are 200 MiB and more.
const MOST: u64 = 100 * MIB;

fn place(account: &Account, number: u64) -> std::path::PathBuf {
    account.syftbox().join(OWNER).join(format!("open/{number}.bin"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_files_a_few_are_held_at_once() {
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    owner.done(&["perm", "grant", "open/", "--user", SCIENTIST, "--level", "read"]);
    owner.done(&["sync"]);
    scientist.done(&["sync"]);
    for number in 0..FILES {
        write_noise(&place(&owner, number), number + 1, EACH);
    }
    // Into the log, and to the scientist.
    world.proxy.hold_after(Way::Up, 2 * FILES * EACH - 2 * MIB);
    let child = owner.start(&["sync"]);
    world.proxy.stopped().await;
    let peak = peak_memory(&child);
    world.proxy.go_on();
    assert_eq!(ended(child).exit, Some(0));
    assert!(peak < MOST, "it held {} MiB", peak / MIB);
    scientist.done(&["sync"]);
    for number in 0..FILES {
        assert_eq!(digest(&place(&scientist, number)), digest(&place(&owner, number)));
    }
}
