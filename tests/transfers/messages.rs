//! Large files that travel in messages: what is held of them, and what is sent again after a kill.

use syft::connections::{Connection as _, Content, Query};
use syft::wire::VersionInfo;
use syft::wire::names::VERSION_FILE;

use super::proxy::Way;
use super::world::{
    Account, MIB, OWNER, SCIENTIST, World, digest, ended, files_below, kill, listed, mode,
    peak_memory,
};

const SIZE: u64 = 48 * MIB;
/// What may go over besides, and what of a file the drive may not have confirmed.
const SLACK: u64 = 6 * MIB;

/// How large files travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As to Python clients.
    Whole,
    /// As between two of ours.
    Chunks,
}

/// An owner in whose `shared/` a scientist may write.
async fn stage(form: Form) -> (World, Account, Account) {
    stage_of(form, World::pair).await
}

async fn stage_of(
    form: Form,
    pair: impl Fn(&World) -> (Account, Account),
) -> (World, Account, Account) {
    let world = World::new().await;
    let (owner, scientist) = pair(&world);
    owner.done(&["perm", "grant", "shared/", "--user", SCIENTIST, "--level", "write"]);
    owner.done(&["sync"]);
    scientist.done(&["sync"]);
    if form == Form::Whole {
        for email in [OWNER, SCIENTIST] {
            state_python(&world, email).await;
        }
    }
    (world, owner, scientist)
}

/// Has the version file of an account say that a Python client wrote it.
async fn state_python(world: &World, email: &str) {
    let session = world.session(email);
    let query = Query::default().named(VERSION_FILE);
    for entry in session.find(&query).await.unwrap().iter().filter(|entry| entry.is_mine) {
        let ours = session.read(&entry.id, MIB).await.unwrap();
        let python = VersionInfo { syft_rs: None, ..VersionInfo::from_json(&ours).unwrap() };
        session.replace(&entry.id, Content::Bytes(python.to_json().into())).await.unwrap();
    }
}

fn place(account: &Account) -> std::path::PathBuf {
    account.syftbox().join(OWNER).join("shared/large.bin")
}

fn put(world: &World, account: &Account, seed: u64) -> Option<String> {
    put_so_much(world, account, seed, SIZE)
}

fn put_so_much(world: &World, account: &Account, seed: u64, size: u64) -> Option<String> {
    let file = world.noise("large.bin", seed, size);
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
    // Less than the file in base64.
    is_never_held(Form::Whole, SIZE, 64 * MIB).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_in_chunks_is_never_held() {
    is_never_held(Form::Chunks, 3 * SIZE, 100 * MIB).await;
}

async fn is_never_held(form: Form, size: u64, most: u64) {
    let (world, owner, scientist) = stage(form).await;
    let sent = put_so_much(&world, &scientist, 1, size);
    // Up: the proposal, and what the owner makes of it once it has read it and written the file.
    for account in [&scientist, &owner] {
        world.proxy.hold_after(Way::Up, size - 2 * MIB);
        let child = account.start(&["sync"]);
        world.proxy.stopped().await;
        let peak = peak_memory(&child);
        world.proxy.go_on();
        assert_eq!(ended(child).exit, Some(0));
        assert!(peak < most, "{} held {} MiB", account.email, peak / MIB);
    }
    scientist.done(&["sync"]);
    assert_eq!((digest(&place(&owner)), digest(&place(&scientist))), (sent.clone(), sent));
    nothing_left(&owner);
    nothing_left(&scientist);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_that_is_killed_on_its_way_goes_on() {
    let (world, owner, scientist) = stage(Form::Whole).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn chunks_that_are_killed_on_their_way_go_on() {
    /// What was on its way is sent again: some packs.
    const AGAIN: u64 = 4 * 5 * MIB;
    let (world, owner, scientist) = stage(Form::Chunks).await;
    let sent = put(&world, &owner, 3);
    world.proxy.hold_after(Way::Up, SIZE / 2);
    let child = owner.start(&["sync"]);
    world.proxy.stopped().await;
    kill(child);
    world.proxy.go_on();
    let before = world.proxy.passed(Way::Up);
    owner.done(&["sync"]);
    // The rest of it into the log, and the whole for the scientist.
    let passed = world.proxy.passed(Way::Up) - before;
    assert!(passed < 2 * SIZE - SIZE / 2 + AGAIN, "{passed}");
    world.proxy.hold_after(Way::Down, SIZE / 2);
    let child = scientist.start(&["sync"]);
    world.proxy.stopped().await;
    kill(child);
    world.proxy.go_on();
    let before = world.proxy.passed(Way::Down);
    scientist.done(&["sync"]);
    let passed = world.proxy.passed(Way::Down) - before;
    assert!(passed < SIZE / 2 + AGAIN, "{passed}");
    assert_eq!((digest(&place(&owner)), digest(&place(&scientist))), (sent.clone(), sent));
    nothing_left(&owner);
    nothing_left(&scientist);
    // What the killed ones left on the drive is gone: as many packs for each as it takes.
    let session = world.session(OWNER);
    let all = session.find(&Query::default()).await.unwrap();
    let packs = all.iter().filter(|entry| entry.name.starts_with("chunks-") && entry.is_mine);
    let bytes: u64 = packs.map(|pack| pack.size_bytes).sum();
    assert!(bytes < 2 * (SIZE + MIB), "{bytes}");
}

/// What is kept of messages on their way.
fn parcels(account: &Account) -> std::path::PathBuf {
    account.home.join(format!("SyftBox_{}-events/parcels", account.email))
}

fn longest(folder: &std::path::Path) -> Option<(u64, std::path::PathBuf)> {
    let lengths = files_below(folder).into_iter();
    lengths.filter_map(|path| Some((path.metadata().ok()?.len(), path))).max()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_sealed_proposal_that_is_killed_as_it_comes_and_as_it_is_opened_goes_on() {
    const SIZE: u64 = 12 * MIB;
    let (world, owner, scientist) = stage_of(Form::Whole, World::sealed_pair).await;
    let sent = put_so_much(&world, &scientist, 4, SIZE);
    scientist.done(&["sync"]);
    world.proxy.hold_after(Way::Down, SIZE / 2);
    let child = owner.start(&["sync"]);
    world.proxy.stopped().await;
    // What has passed the wire may lie in the buffers of a socket for a while.
    let came = || longest(&parcels(&owner)).map_or(0, |(length, _)| length);
    let start = std::time::Instant::now();
    while came() <= SIZE / 4 && start.elapsed() < std::time::Duration::from_secs(30) {
        tokio::task::yield_now().await;
    }
    kill(child);
    world.proxy.go_on();
    let (came, kept) = longest(&parcels(&owner)).unwrap();
    assert!(came > SIZE / 4, "{came}");
    assert!(std::fs::read(&kept).unwrap().starts_with(b"SYC2"));
    assert!(!place(&owner).exists());
    assert_eq!(mode(&parcels(&owner)), 0o700);

    // The rest comes, and what is opened of it is the first file that grows beyond that.
    let before = world.proxy.passed(Way::Down);
    let (whole, on_drive) = longest(&world.drive_data()).unwrap();
    assert!(whole > SIZE, "{whole}");
    std::fs::copy(on_drive, kept).unwrap();
    let answer = owner.run_until_killed(SIZE / 2 / 512, &["sync"]);
    assert_eq!(answer.exit, None, "{answer:?}");
    assert!(!place(&owner).exists());
    let opened = files_below(&parcels(&owner));
    let half = opened.iter().find(|path| path.extension().is_some_and(|end| end == "opened"));
    assert_eq!(mode(half.unwrap()), 0o600, "{opened:?}");
    owner.done(&["sync"]);
    let passed = world.proxy.passed(Way::Down) - before;
    assert!(passed < MIB, "{passed}");
    assert_eq!(digest(&place(&owner)), sent);
    nothing_left(&owner);
}
