//! Many files that are not large: what is held of them, on both sides.

use super::proxy::Way;
use super::world::{
    Account, MIB, OWNER, SCIENTIST, World, digest, ended, peak_memory, write_noise,
};

const FILES: u64 = 800;
const EACH: u64 = MIB / 8;
/// Less than all of them.
const MOST: u64 = 80 * MIB;

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
    // Up: into the log, and to the scientist. Down: what the scientist takes in.
    for (account, way, copies) in [(&owner, Way::Up, 2), (&scientist, Way::Down, 1)] {
        world.proxy.hold_after(way, copies * FILES * EACH - 2 * MIB);
        let child = account.start(&["sync"]);
        world.proxy.stopped().await;
        let peak = peak_memory(&child);
        world.proxy.go_on();
        assert_eq!(ended(child).exit, Some(0));
        assert!(peak < MOST, "{} held {} MiB", account.email, peak / MIB);
    }
    for number in 0..FILES {
        assert_eq!(digest(&place(&scientist, number)), digest(&place(&owner, number)));
    }
}
