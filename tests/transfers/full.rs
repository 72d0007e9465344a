//! An owner whose disk is all but full: what there is no room for waits on the drive and is told, nobody
//! else waits with it, and it goes on once there is room. The disk is a real one: a small file system in
//! memory, which `bwrap` mounts over the owner's home.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use syft::connections::{Connection as _, Content, Kind, NewEntry, Query};

use super::proxy::Way;
use super::world::{Account, MIB, OWNER, SCIENTIST, World, digest, listed};

const EVE: &str = "eve@example.org";
const MALLORY: &str = "mallory@example.org";

/// More than is held in memory.
const LARGE: u64 = 12 * MIB;
/// Less than that: it is fetched without a look at the disk.
const BAD: u64 = 7 * MIB;

/// What the machine does: with little free, and then with enough.
const SCRIPT: &str = r#"
set -e
cp -a "$SAVED/." "$SYFT_HOME/"
run() {
    set +e
    "$SYFT" --json sync > "$OUT/$1.json" 2> "$OUT/$1.err"
    echo $? > "$OUT/$1.exit"
    set -e
    df --output=avail -B1M "$SYFT_HOME" | tail -1 > "$OUT/$1.free"
}
free=$(df --output=avail -B1M "$SYFT_HOME" | tail -1)
fallocate -l $((free - FREE))M "$SYFT_HOME/ballast"
run full
run again
rm "$SYFT_HOME/ballast"
run room
run idle
cp -a "$SYFT_HOME/." "$OUT/home/"
"#;

/// What a sync on the small disk came to.
#[derive(Debug)]
struct Outcome {
    exit: String,
    json: Value,
    free_mib: u64,
}

impl Outcome {
    fn of(out: &std::path::Path, name: &str) -> Self {
        let read = |end: &str| std::fs::read_to_string(out.join(format!("{name}.{end}"))).unwrap();
        let json =
            serde_json::from_str(&read("json")).unwrap_or_else(|_| panic!("{}", read("err")));
        let free_mib = read("free").trim().parse().unwrap();
        Self { exit: read("exit").trim().to_owned(), json, free_mib }
    }

    /// Who is told of under a code.
    fn told_of(&self, code: &str) -> Vec<&str> {
        let problems = self.json["problems"].as_array().unwrap();
        let of_code = problems.iter().filter(|problem| problem["code"] == code);
        let mut peers: Vec<&str> = of_code.map(|it| it["peer"].as_str().unwrap()).collect();
        peers.sort_unstable();
        peers
    }
}

/// Runs the script where a home is a disk of so many bytes, of which first so many MiB are free; returns
/// what it left.
fn on_small_disk(world: &World, owner: &Account, bytes: u64, free_mib: u64) -> PathBuf {
    let (saved, out) = (world.folder.path().join("saved"), world.folder.path().join("out"));
    std::fs::rename(&owner.home, &saved).unwrap();
    for folder in [&owner.home, &out, &out.join("home")] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let mut command = Command::new("bwrap");
    command.args(["--dev-bind", "/", "/", "--size", &bytes.to_string()]);
    command.arg("--tmpfs").arg(&owner.home).args(["sh", "-c", SCRIPT]);
    command.env("SYFT", env!("CARGO_BIN_EXE_syft")).env("SAVED", &saved).env("OUT", &out);
    command.env("SYFT_HOME", &owner.home).env("SYFT_EMAIL", owner.email).env("PRE_SYNC", "false");
    command.env("FREE", free_mib.to_string());
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    out
}

/// Puts a file that is no message into the inbox that a peer writes to.
async fn put_garbage(world: &World, peer: &'static str, number: u64) {
    let session = world.session(peer);
    let folders = session.find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    let part = format!("#inbox#{peer}");
    let inbox = folders.into_iter().find(|entry| entry.name.contains(&part)).unwrap();
    let name = format!("msgv2_178000000{number}.5_{}.tar.gz", uuid::Uuid::new_v4());
    let new = NewEntry {
        id: session.new_ids(1).await.unwrap().pop(),
        parent: inbox.id,
        name,
        media_type: "application/octet-stream",
        tags: std::collections::BTreeMap::new(),
    };
    let garbage = world.noise("garbage", number, BAD);
    session.create_file(&new, Content::File(garbage)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_sends_more_than_there_is_room_for_waits_alone() {
    let world = World::new().await;
    let (owner, honest) = world.pair();
    let eve = world.another(EVE);
    let mallory = world.another(MALLORY);
    for peer in [&eve, &mallory] {
        peer.done(&["peer", "add", OWNER]);
        owner.done(&["sync"]);
        owner.done(&["peer", "approve", peer.email]);
        peer.done(&["sync"]);
    }
    for peer in [SCIENTIST, EVE, MALLORY] {
        let folder = format!("{}/", peer.split('@').next().unwrap());
        owner.done(&["perm", "grant", &folder, "--user", peer, "--level", "write"]);
    }
    owner.done(&["sync"]);
    // A file that there is no room for, and what its sender did later; files that are no messages; work.
    let place = |home: &std::path::Path, box_of: &str, path: &str| {
        home.join(format!("SyftBox_{box_of}")).join(OWNER).join(path)
    };
    let write = |account: &Account, path: &str, file: &std::path::Path| {
        let place = place(&account.home, account.email, path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::copy(file, place).unwrap();
        account.done(&["sync"]);
    };
    let (large, small) = (world.noise("large", 1, LARGE), world.noise("small", 2, 100));
    for account in [&eve, &mallory, &honest] {
        account.done(&["sync"]);
    }
    write(&eve, "eve/large.bin", &large);
    write(&eve, "eve/later.txt", &small);
    for number in 0..4 {
        put_garbage(&world, MALLORY, number).await;
    }
    write(&honest, "ds/work.txt", &small);

    let out = on_small_disk(&world, &owner, 420 * MIB, 20);
    let [full, again, room, idle] =
        ["full", "again", "room", "idle"].map(|it| Outcome::of(&out, it));
    assert_eq!(full.exit, "3", "{full:?}");
    assert_eq!(full.told_of("message-not-read"), [EVE, MALLORY], "{full:?}");
    assert_eq!(full.json["accepted"], 1, "the honest peer's work: {full:?}");
    assert_eq!((again.exit.as_str(), &again.json["accepted"]), ("3", &0.into()), "{again:?}");
    assert_eq!(again.told_of("message-not-read"), [EVE, MALLORY], "{again:?}");
    // Nothing of what waits lies on the disk.
    assert!(full.free_mib >= 15 && again.free_mib >= 15, "{full:?} {again:?}");
    // Once there is room all of it is dealt with, in order.
    assert_eq!(room.told_of("message-quarantined"), [MALLORY; 4], "{room:?}");
    assert_eq!(
        (room.json["accepted"].as_u64(), idle.exit.as_str()),
        (Some(2), "0"),
        "{room:?} {idle:?}"
    );
    let home = out.join("home");
    assert_eq!(digest(&place(&home, OWNER, "eve/large.bin")), digest(&large));
    assert_eq!(digest(&place(&home, OWNER, "eve/later.txt")), digest(&small));
    assert_eq!(digest(&place(&home, OWNER, "ds/work.txt")), digest(&small));
    let state = home.join(format!("SyftBox_{OWNER}-events"));
    assert!(state.is_dir());
    for left in ["contents", "parcels"] {
        assert!(!state.join(left).exists(), "{:?}", listed(&state.join(left)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_private_half_that_there_is_no_room_to_open_is_told_and_not_fetched_again() {
    const SIZE: u64 = 9 * MIB;
    let world = World::new().await;
    let owner = world.log_in("do", OWNER, "owner");
    owner.done(&["keys", "create"]);
    let second = world.second_machine(&owner);
    owner.done(&world.creation(SIZE, true));
    let before = world.proxy.passed(Way::Down);

    // It can be fetched, and not be opened beside that.
    let out = on_small_disk(&world, &second, 40 * MIB, 14);
    let [full, again, room, idle] =
        ["full", "again", "room", "idle"].map(|it| Outcome::of(&out, it));
    for outcome in [&full, &again] {
        assert_eq!(outcome.exit, "3", "{outcome:?}");
        assert_eq!(outcome.json["problems"][0]["code"], "disk", "{outcome:?}");
    }
    assert_eq!((room.exit.as_str(), idle.exit.as_str()), ("0", "0"), "{room:?} {idle:?}");
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SIZE + MIB, "{received}");
    let there = out
        .join("home")
        .join(second.file("private", "real.bin").strip_prefix(&second.home).unwrap());
    assert_eq!(digest(&there), digest(&owner.file("private", "real.bin")));
}
