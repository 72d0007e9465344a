//! Large files that lie sealed on the drive come down: the private half of a dataset, to another machine of
//! its owner. Only what the seal and the digest in the collection's name agree on gets its name; until
//! then it is sealed, or plain where nobody else can look.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use syft::connections::{Connection as _, Content, Entry, Query};

use super::proxy::Way;
use super::world::{
    Account, MIB, OWNER, World, digest, ended, ended_with_peak, files_below, kill, listed, mode,
};

const SIZE: u64 = 16 * MIB;
const SLACK: u64 = MIB / 2;

/// How long what has passed the wire may take to the disk.
const PATIENCE: Duration = Duration::from_secs(30);

/// An owner whose private half lies sealed on the drive, and another machine, which has the keys.
async fn uploaded(bytes: u64) -> (World, Account, Account) {
    let world = World::new().await;
    let owner = world.log_in("do", OWNER, "owner");
    owner.done(&["keys", "create"]);
    let second = world.second_machine(&owner);
    second.done(&["sync"]);
    owner.done(&world.creation(bytes, true));
    (world, owner, second)
}

/// Begins to fetch and kills that in the middle; returns how much has come.
async fn killed_in_the_middle(world: &World, second: &Account) -> u64 {
    world.proxy.hold_after(Way::Down, SIZE / 2);
    let child = second.start(&["sync"]);
    world.proxy.stopped().await;
    let start = Instant::now();
    while came(second) <= SIZE / 4 && start.elapsed() < PATIENCE {
        tokio::task::yield_now().await;
    }
    kill(child);
    world.proxy.go_on();
    came(second)
}

/// How much of the file has come.
fn came(second: &Account) -> u64 {
    let lengths =
        listed(&second.downloads()).into_iter().map(|path| path.metadata().unwrap().len());
    lengths.max().unwrap_or(0)
}

/// What is kept of the file.
fn kept(second: &Account) -> PathBuf {
    let mut kept = listed(&second.downloads());
    kept.retain(|path| path.extension().is_none());
    assert_eq!(kept.len(), 1, "{kept:?}");
    kept.remove(0)
}

fn private(account: &Account) -> PathBuf {
    account.file("private", "real.bin")
}

/// It is there, the same as its owner's, and nothing is left beside it.
fn expect_same(owner: &Account, second: &Account) {
    let there = digest(&private(second));
    assert!(there.is_some() && there == digest(&private(owner)));
    nothing_left(second);
}

fn nothing_left(second: &Account) {
    assert!(!second.downloads().exists(), "{:?}", listed(&second.downloads()));
    assert_eq!(building(second), Vec::<PathBuf>::new());
}

/// The folders in which what comes is put together.
fn building(second: &Account) -> Vec<PathBuf> {
    let mut found = listed(&second.syftbox().join(".syft-tmp"));
    found.retain(|path| path.file_name().unwrap().to_string_lossy().starts_with("dataset-"));
    found
}

/// The files below a folder that begin as the private file does.
fn plain_below(folder: &Path, owner: &Account) -> Vec<PathBuf> {
    let start = |path: &Path| {
        let mut start = [0; 64];
        let file = std::fs::File::open(path);
        file.and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start)).ok()?;
        Some(start)
    };
    let (wanted, mut files) = (start(&private(owner)), files_below(folder));
    files.retain(|path| start(path) == wanted);
    files
}

/// The sealed file, as it lies on the drive.
async fn on_drive(world: &World) -> Entry {
    let named = Query::default().named("real.bin");
    world.session(OWNER).find(&named).await.unwrap().remove(0)
}

/// Where the drive itself keeps the sealed file.
fn in_the_drive(world: &World, entry: &Entry) -> PathBuf {
    let mut found = files_below(&world.drive_data());
    found.retain(|path| path.metadata().unwrap().len() == entry.size_bytes);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn flip(path: &Path, at: u64) {
    let mut content = std::fs::read(path).unwrap();
    content[usize::try_from(at).unwrap()] ^= 1;
    // In its place: the drive knows it by its name.
    let mut file = std::fs::File::options().write(true).open(path).unwrap();
    file.write_all(&content).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_download_that_is_killed_goes_on_behind_what_came() {
    let (world, owner, second) = uploaded(SIZE).await;
    let came = killed_in_the_middle(&world, &second).await;
    assert!(came > SIZE / 4, "{came}");
    // What came is sealed, and lies where nobody else looks.
    assert!(std::fs::read(kept(&second)).unwrap().starts_with(b"SYC2"));
    assert_eq!(mode(&second.downloads()), 0o700);
    assert_eq!(plain_below(&second.home, &owner), Vec::<PathBuf>::new());
    assert!(!private(&second).exists());
    let before = world.proxy.passed(Way::Down);
    second.done(&["sync"]);
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SIZE - came + SLACK, "{received} received, {came} were here");
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_killed_while_it_is_opened_is_opened_again_and_not_fetched() {
    let (world, owner, second) = uploaded(SIZE).await;
    killed_in_the_middle(&world, &second).await;
    // All of it is here.
    let entry = on_drive(&world).await;
    std::fs::copy(in_the_drive(&world, &entry), kept(&second)).unwrap();
    let before = world.proxy.passed(Way::Down);
    // The plain text is the only file that grows beyond that.
    let answer = second.run_until_killed(SIZE / 2 / 512, &["sync"]);
    assert_eq!(answer.exit, None, "{answer:?}");
    assert!(!private(&second).exists());
    let (half, folders) = (plain_below(&second.home, &owner), building(&second));
    assert_eq!((half.len(), folders.len()), (1, 1), "{half:?} {folders:?}");
    assert!(half[0].starts_with(&folders[0]));
    assert_eq!((mode(&half[0]), mode(&folders[0])), (0o600, 0o700));
    second.done(&["sync"]);
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SLACK, "{received}");
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_download_goes_on_after_connections_that_broke() {
    let (world, owner, second) = uploaded(SIZE).await;
    let before = world.proxy.passed(Way::Down);
    world.proxy.cut_after_each(Way::Down, &[SIZE / 8, SIZE / 2, SIZE / 4]);
    second.done(&["sync"]);
    assert_eq!(world.proxy.stops_left(), 0);
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SIZE + SLACK, "{received}");
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_published_anew_meanwhile_is_fetched_and_the_rest_of_the_old_goes() {
    let (world, owner, second) = uploaded(SIZE).await;
    killed_in_the_middle(&world, &second).await;
    let old = kept(&second);
    let newer = world.noise("real.bin", 99, SIZE);
    owner.done(&["dataset", "update", "set", "--private", newer.to_str().unwrap()]);
    owner.done(&["sync"]);
    // Also what came of it goes before the newer one is whole.
    killed_in_the_middle(&world, &second).await;
    assert_ne!(kept(&second), old);
    second.done(&["sync"]);
    expect_same(&owner, &second);
    assert_eq!(digest(&private(&second)), digest(&newer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_sealed_anew_meanwhile_is_begun_anew() {
    let (world, owner, second) = uploaded(SIZE).await;
    killed_in_the_middle(&world, &second).await;
    owner.done(&["keys", "rotate", "--yes"]);
    owner.done(&["sync"]);
    world.take_keys(&owner, &second, &["--replace"]);
    let before = world.proxy.passed(Way::Down);
    second.done(&["sync"]);
    let received = world.proxy.passed(Way::Down) - before;
    // And once more to see with which keys it is sealed: they are new here.
    assert!((2 * SIZE..2 * SIZE + SLACK).contains(&received), "{received}");
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_drive_that_gives_other_bytes_than_it_says_holds_nothing_else_up() {
    let (world, owner, second) = uploaded(SIZE).await;
    killed_in_the_middle(&world, &second).await;
    let entry = on_drive(&world).await;
    let content = in_the_drive(&world, &entry);
    flip(&content, entry.size_bytes - MIB);
    let told = second.run(&["sync"]);
    assert_eq!(told.exit, Some(3), "{told:?}");
    let problems = told.json["problems"].as_array().unwrap();
    assert_eq!(problems[0]["code"], "dataset-not-restored", "{told:?}");
    assert!(problems[0]["message"].as_str().unwrap().contains("checksum"), "{told:?}");
    assert!(!private(&second).exists() && second.file("public", "small.csv").exists());
    nothing_left(&second);
    // The same file, as it was.
    flip(&content, entry.size_bytes - MIB);
    second.done(&["sync"]);
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn other_bytes_with_a_checksum_of_their_own_are_refused_by_the_seal() {
    let (world, owner, second) = uploaded(SIZE).await;
    killed_in_the_middle(&world, &second).await;
    let entry = on_drive(&world).await;
    let good = world.folder.path().join("good");
    std::fs::copy(in_the_drive(&world, &entry), &good).unwrap();
    let bad = world.folder.path().join("bad");
    std::fs::copy(&good, &bad).unwrap();
    flip(&bad, entry.size_bytes - MIB);
    let session = world.session(OWNER);
    session.replace(&entry.id, Content::File(bad)).await.unwrap();
    let before = world.proxy.passed(Way::Down);
    for _ in 0..2 {
        let told = second.run(&["sync"]);
        assert_eq!(told.exit, Some(3), "{told:?}");
        let problem = &told.json["problems"][0];
        assert_eq!(problem["code"], "dataset-not-restored", "{told:?}");
        assert!(
            problem["message"].as_str().unwrap().contains("its seal does not hold"),
            "{told:?}"
        );
        assert!(!private(&second).exists() && second.file("public", "small.csv").exists());
        nothing_left(&second);
    }
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < 2 * SIZE + SLACK, "once in each sync: {received}");
    // Now it waits for longer than until the next one, or for another file.
    let before = world.proxy.passed(Way::Down);
    assert_eq!(second.run(&["sync"]).exit, Some(3));
    assert!(world.proxy.passed(Way::Down) - before < SLACK);
    session.replace(&entry.id, Content::File(good)).await.unwrap();
    second.done(&["sync"]);
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_is_bounded_for_sealed_files_on_both_ways() {
    const LARGE: u64 = 192 * MIB;
    const MOST: u64 = 64 * MIB;
    let world = World::new().await;
    let owner = world.log_in("do", OWNER, "owner");
    owner.done(&["keys", "create"]);
    let second = world.second_machine(&owner);
    let (answer, peak) = ended_with_peak(owner.start(&world.creation(LARGE, true))).await;
    assert_eq!(answer.exit, Some(0), "{answer:?}");
    assert!(peak > MIB && peak <= MOST, "sealed and sent in {} MiB", peak / MIB);
    let (answer, peak) = ended_with_peak(second.start(&["sync"])).await;
    assert_eq!(answer.exit, Some(0), "{answer:?}");
    assert!(peak > MIB && peak <= MOST, "fetched and opened in {} MiB", peak / MIB);
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_person_reads_how_far_a_sealed_download_is() {
    const SIZE: u64 = 9 * MIB;
    let (world, owner, second) = uploaded(SIZE).await;
    // The first line comes after ten seconds.
    world.proxy.slow_down(SIZE / 14);
    let mut child = second.start_for_a_person(&["sync"]);
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let line = stderr.lines().map(Result::unwrap).find(|line| line.contains(" received"));
    world.proxy.slow_down(0);
    let line = line.expect("a line while it comes");
    assert!(line.starts_with("Syncing: ") && line.contains(" of 9.5 MB received, "), "{line}");
    assert!(line.contains("kB/s, ") && line.ends_with(" s left"), "{line}");
    assert_eq!(ended(child).exit, Some(0));
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_disk_that_takes_no_more_of_a_sealed_file_is_told_and_not_kept_full() {
    let (world, owner, second) = uploaded(SIZE).await;
    killed_in_the_middle(&world, &second).await;
    let told = second.run_limited(12 * MIB / 512, &["sync"]);
    assert_eq!(told.exit, Some(3), "{told:?}");
    assert_eq!(told.json["problems"][0]["code"], "disk", "{told:?}");
    assert!(!private(&second).exists() && second.file("public", "small.csv").exists());
    assert_eq!(came(&second), 0);
    second.done(&["sync"]);
    expect_same(&owner, &second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_machine_fetches_a_sealed_half_once_also_before_it_has_the_keys() {
    let world = World::new().await;
    let owner = world.log_in("do", OWNER, "owner");
    owner.done(&["keys", "create"]);
    owner.done(&world.creation(SIZE, true));
    let before = world.proxy.passed(Way::Down);
    // The sync of its login cannot open what comes.
    let second = world.log_in("do", OWNER, "second");
    assert!(!private(&second).exists() && second.file("public", "small.csv").exists());
    assert!(std::fs::read(kept(&second)).unwrap().starts_with(b"SYC2"));
    second.done(&["sync"]);
    world.take_keys(&owner, &second, &[]);
    second.done(&["sync"]);
    let received = world.proxy.passed(Way::Down) - before;
    assert!(received < SIZE + 2 * SLACK, "{received}");
    expect_same(&owner, &second);
}
