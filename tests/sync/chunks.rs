//! Large files between two of ours: a change costs what has changed, whoever makes it, and ends as any
//! other does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use syft::connections::faulty::Fault;
use syft::connections::{Entry, Kind, Query};
use syft::model::Digest;
use syft::permissions::Level;
use syft::wire::names::{EventsName, PackName, is_chunked};
use syft::wire::{FileChangeEventsMessage, Packed as _, ProposedFileChangesMessage};

use super::pruning::history;
use super::versions::{says, state};
use super::world::{Party, World, acquaint, email};

/// What has so many bytes travels as chunks here.
const LARGE: u64 = 100_000;

/// Bytes that do not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let word = |n: u32| *Digest::of(&n.to_le_bytes()).as_bytes();
    (0..=u32::try_from(bytes / 32).unwrap()).flat_map(word).take(bytes).collect()
}

fn changed(content: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    [&content[..at], with, &content[at + with.len() / 2..]].concat()
}

fn read(party: &Party<'_>, path: &str) -> Vec<u8> {
    let root = party.account().folders.datasite(&email("do@example.org"));
    std::fs::read(root.join(path)).unwrap_or_default()
}

async fn stage(world: &World) -> (Party<'_>, Party<'_>, Party<'_>) {
    world.holds_less_than(LARGE);
    let (owner, scientist) = world.pair().await;
    let reader = world.scientist("reader@example.org");
    acquaint(&owner, &reader).await;
    owner.grant("shared/", &scientist.email, Level::Write);
    owner.grant("shared/", &reader.email, Level::Read);
    settle(&[&owner, &scientist, &reader]).await;
    (owner, scientist, reader)
}

async fn settle(parties: &[&Party<'_>]) {
    for _ in 0..3 {
        for party in parties {
            let report = party.sync().await;
            assert_eq!(report.problems, [], "{}", party.email);
        }
    }
}

/// All that lies on the drive of these accounts.
async fn lying(parties: &[&Party<'_>]) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for party in parties {
        all.extend(party.session().find(&Query::default()).await.unwrap());
    }
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all.dedup_by(|a, b| a.id == b.id);
    all.retain(|entry| entry.kind == Kind::File);
    all
}

fn bytes_of(entries: &[Entry]) -> u64 {
    entries.iter().map(|entry| entry.size_bytes).sum()
}

#[tokio::test]
async fn a_change_of_a_large_file_costs_what_has_changed() {
    let world = World::new();
    let (owner, scientist, reader) = stage(&world).await;
    let all = [&owner, &scientist, &reader];
    let before = bytes_of(&lying(&all).await);
    let first = noise(3_000_000);
    scientist.write(&owner.email, "shared/data.bin", &first);
    settle(&all).await;
    assert!(all.iter().all(|party| read(party, "shared/data.bin") == first));
    let there = lying(&all).await;
    let packs = there.iter().filter(|entry| PackName::parse(&entry.name).is_some()).count();
    let chunked = there.iter().filter(|entry| is_chunked(&entry.name)).count();
    assert_eq!((packs, chunked), (4, 4), "to the owner, into its log, to each reader");
    let whole = bytes_of(&there) - before;
    assert!((12_000_000..12_200_000).contains(&whole), "{whole}");

    // By the scientist: four ways, a few chunks each.
    let second = changed(&first, 1_234_567, b"something else");
    scientist.write(&owner.email, "shared/data.bin", &second);
    settle(&all).await;
    assert!(all.iter().all(|party| read(party, "shared/data.bin") == second));
    let now = bytes_of(&lying(&all).await);
    assert!(now - before - whole < 4 * 150_000, "{}", now - before - whole);

    // By the owner: three.
    let third = changed(&second, 77, b"at the start");
    owner.write(&owner.email, "shared/data.bin", &third);
    settle(&all).await;
    assert!(all.iter().all(|party| read(party, "shared/data.bin") == third));
    let then = bytes_of(&lying(&all).await);
    assert!(then - now < 3 * 150_000, "{}", then - now);
    for party in all {
        assert!(party.sync().await.is_idle());
    }
}

/// What lies in a folder of `party` whose name has `part` in it.
async fn inside(party: &Party<'_>, part: &str) -> Vec<Entry> {
    let all = party.session().find(&Query::default()).await.unwrap();
    let is_one = |entry: &&Entry| entry.kind == Kind::Folder && entry.name.contains(part);
    let folder = all.iter().find(is_one).unwrap().id.clone();
    all.into_iter().filter(|entry| entry.parents.contains(&folder)).collect()
}

/// The digests of a path that messages of events in `entries` say in whole.
async fn said_whole(party: &Party<'_>, entries: &[Entry], path: &str) -> Vec<String> {
    let mut digests = Vec::new();
    for entry in entries.iter().filter(|entry| EventsName::parse(&entry.name).is_some()) {
        let bytes = party.session().read(&entry.id, u64::MAX).await.unwrap();
        let events = FileChangeEventsMessage::from_file_bytes(&bytes).unwrap().events;
        let of_path = events.into_iter().filter(|event| event.path_in_datasite == path);
        digests.extend(of_path.filter(|event| event.content.is_some()).filter_map(|e| e.new_hash));
    }
    digests
}

#[tokio::test]
async fn a_reader_that_goes_back_to_python_is_told_again_in_whole() {
    let world = World::new();
    let (owner, scientist, reader) = stage(&world).await;
    let content = noise(300_000);
    owner.write(&owner.email, "shared/data.bin", &content);
    settle(&[&owner, &scientist, &reader]).await;
    let outbox = "outbox#reader@";
    let lying = inside(&owner, outbox).await;
    assert!(lying.iter().any(|entry| is_chunked(&entry.name)));
    assert_eq!(said_whole(&owner, &lying, "shared/data.bin").await, [""; 0]);
    state(&reader, &says("0.1.117")).await;
    owner.sync().await;
    let whole = said_whole(&owner, &inside(&owner, outbox).await, "shared/data.bin").await;
    assert_eq!(whole, [Digest::of(&content).to_hex()]);
    let changed = changed(&content, 1000, b"more");
    owner.write(&owner.email, "shared/data.bin", &changed);
    owner.sync().await;
    let whole = said_whole(&owner, &inside(&owner, outbox).await, "shared/data.bin").await;
    assert_eq!(whole.last(), Some(&Digest::of(&changed).to_hex()));
    // The other one costs what it did.
    scientist.sync().await;
    assert!(read(&scientist, "shared/data.bin") == changed);
    let there = inside(&owner, "outbox#ds@").await;
    assert_eq!(said_whole(&owner, &there, "shared/data.bin").await, [""; 0]);
}

#[tokio::test]
async fn an_owner_that_goes_back_to_python_is_asked_again_in_whole() {
    let world = World::new();
    let (owner, scientist, _) = stage(&world).await;
    let content = noise(300_000);
    scientist.write(&owner.email, "shared/data.bin", &content);
    scientist.sync().await;
    state(&owner, &says("0.1.117")).await;
    scientist.sync().await;
    let mut asked = Vec::new();
    for entry in inside(&scientist, "inbox#ds@").await {
        if entry.name.starts_with("msgv2") {
            let bytes = scientist.session().read(&entry.id, u64::MAX).await.unwrap();
            let message = ProposedFileChangesMessage::from_file_bytes(&bytes).unwrap();
            asked.extend(message.proposed_file_changes.into_iter().filter_map(|it| it.new_hash));
        }
    }
    assert_eq!(asked, [Digest::of(&content).to_hex()]);
    // Whichever it looks at first, the other says the same.
    owner.sync().await;
    scientist.sync().await;
    owner.sync().await;
    assert!(read(&owner, "shared/data.bin") == content);
    assert!(scientist.sync().await.refused.is_empty());
}

#[tokio::test]
async fn the_log_says_all_in_whole_once_python_works_with_the_account() {
    let world = World::new();
    let (owner, scientist, _) = stage(&world).await;
    let content = noise(300_000);
    owner.write(&owner.email, "shared/data.bin", &content);
    owner.write(&owner.email, "shared/small.txt", b"never cut");
    settle(&[&owner, &scientist]).await;
    let log = "0.1.117#do@";
    let lying = inside(&owner, log).await;
    assert_eq!(said_whole(&owner, &lying, "shared/data.bin").await, [""; 0]);
    let small = said_whole(&owner, &lying, "shared/small.txt").await;
    history(&owner, 1, true).await;
    for _ in 0..2 {
        owner.sync().await;
        let lying = inside(&owner, log).await;
        let whole = said_whole(&owner, &lying, "shared/data.bin").await;
        assert_eq!(whole, [Digest::of(&content).to_hex()], "once");
        assert_eq!(said_whole(&owner, &lying, "shared/small.txt").await, small);
    }
    // It goes on so, and a month after it left as before.
    let changed = changed(&content, 1000, b"more");
    owner.write(&owner.email, "shared/data.bin", &changed);
    owner.sync().await;
    let whole = said_whole(&owner, &inside(&owner, log).await, "shared/data.bin").await;
    assert_eq!(whole.last(), Some(&Digest::of(&changed).to_hex()));
    world.drive.advance_micros(31 * 24 * 3600 * 1_000_000);
    owner.put("shared/small.txt", "later");
    owner.sync().await;
    owner.write(&owner.email, "shared/data.bin", &content);
    owner.sync().await;
    let last = said_whole(&owner, &inside(&owner, log).await, "shared/data.bin").await;
    assert_eq!(last, whole, "in chunks");
    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn what_chunks_save_is_told() {
    let world = World::new();
    let (owner, scientist, _) = stage(&world).await;
    let content = noise(300_000);
    owner.write(&owner.email, "shared/data.bin", &content);
    let told = owner.sync().await.in_chunks;
    assert_eq!(told.whole_bytes, 900_000, "into the log, and to each of two");
    assert!((900_000..930_000).contains(&told.sent_bytes), "{told:?}");
    scientist.sync().await;
    scientist.write(&owner.email, "shared/data.bin", &changed(&content, 1000, b"more"));
    let told = scientist.sync().await.in_chunks;
    assert_eq!(told.whole_bytes, 300_002);
    assert!((1..150_000).contains(&told.sent_bytes), "{told:?}");
    assert!(scientist.sync().await.is_idle());
}

#[tokio::test]
async fn a_pack_that_somebody_deleted_by_hand_is_sent_once_more() {
    let world = World::new();
    let (owner, scientist, _) = stage(&world).await;
    let content = noise(300_000);
    owner.write(&owner.email, "shared/data.bin", &content);
    settle(&[&owner, &scientist]).await;
    let is_pack = |entry: &Entry| PackName::parse(&entry.name).is_some();
    let mut packs = inside(&owner, "0.1.117#do@").await;
    packs.retain(is_pack);
    let ids: Vec<_> = packs.into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids.len(), 1);
    owner.session().delete(&ids).await.unwrap();
    owner.sync().await;
    let changed = changed(&content, 1000, b"more");
    owner.write(&owner.email, "shared/data.bin", &changed);
    owner.sync().await;
    let second = world.owner("do@example.org");
    second.try_sync().await.unwrap();
    assert!(read(&second, "shared/data.bin") == changed);
}

/// Has the largest number of contents counted that lie on the disk of `party` when it asks the drive.
fn count_contents(party: &Party<'_>) -> Arc<AtomicUsize> {
    let (most, folder) = (Arc::new(AtomicUsize::new(0)), party.account().folders.contents());
    let counted = Arc::clone(&most);
    party.script.when(usize::MAX, Fault::None, move |_| {
        let lying = std::fs::read_dir(&folder).into_iter().flatten().count();
        counted.fetch_max(lying, Ordering::Relaxed);
        false
    });
    most
}

#[tokio::test]
async fn of_a_file_that_changed_often_few_versions_lie_side_by_side() {
    const VERSIONS: usize = 9; // Fewer than are brought together.
    let world = World::new();
    let (owner, _, reader) = stage(&world).await;
    let mut content = noise(300_000);
    for number in 0..VERSIONS {
        content = changed(&content, 1000 + number, b"more");
        owner.write(&owner.email, "shared/data.bin", &content);
        owner.sync().await;
    }
    let second = world.owner("do@example.org");
    for party in [&reader, &second] {
        let most = count_contents(party);
        party.sync().await;
        assert!(read(party, "shared/data.bin") == content);
        let most = most.load(Ordering::Relaxed);
        assert!((1..=5).contains(&most), "{most} for {}", party.email);
    }
}

#[tokio::test]
async fn what_was_made_of_something_else_is_refused_and_kept() {
    let world = World::new();
    let (owner, scientist, _) = stage(&world).await;
    let content = noise(300_000);
    owner.write(&owner.email, "shared/data.bin", &content);
    settle(&[&owner, &scientist]).await;
    let (mine, theirs) = (changed(&content, 1000, b"mine"), changed(&content, 2000, b"theirs"));
    scientist.write(&owner.email, "shared/data.bin", &theirs);
    scientist.sync().await;
    owner.write(&owner.email, "shared/data.bin", &mine);
    let report = owner.sync().await;
    assert_eq!((report.refused.len(), report.problems.len()), (1, 0));
    scientist.sync().await;
    assert!([&owner, &scientist].iter().all(|party| read(party, "shared/data.bin") == mine));
    let root = scientist.account().folders.datasite(&owner.email).join("shared");
    let kept = std::fs::read_dir(root).unwrap().flatten().find_map(|entry| {
        let is_kept = entry.file_name().to_string_lossy().contains(".refused-");
        is_kept.then(|| std::fs::read(entry.path()).unwrap())
    });
    assert!(kept.is_some_and(|kept| kept == theirs));
    // And then made of what is there.
    let again = changed(&mine, 2000, b"theirs");
    scientist.write(&owner.email, "shared/data.bin", &again);
    settle(&[&scientist, &owner]).await;
    assert!([&owner, &scientist].iter().all(|party| read(party, "shared/data.bin") == again));
}
