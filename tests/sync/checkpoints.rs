//! Machines of one owner that join, make checkpoints at once, see each other late, and read no more
//! than they must.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use syft::checkpoints::Due;
use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{self, Content, Entry, FileId, NewEntry, Query};
use syft::permissions::Level;
use syft::syncers::{CheckpointKind, DatasiteOwnerSyncer, SyncOptions};
use syft::wire::names::{CheckpointName, EventsName, IncrementalName, RollingStateName};
use syft::wire::{Checkpoint, Packed as _};

use super::world::{Party, World, acquaint};

/// Every second event makes a checkpoint.
pub(crate) fn often() -> SyncOptions {
    SyncOptions { checkpoint_threshold: 2, ..SyncOptions::default() }
}

/// All files of the account whose name `is` such a one.
pub(crate) async fn files(party: &Party<'_>, is: impl Fn(&str) -> bool) -> Vec<Entry> {
    let all = party.session().find(&Query::default()).await.unwrap();
    all.into_iter().filter(|entry| entry.is_mine && is(&entry.name)).collect()
}

pub(crate) fn is_log(name: &str) -> bool {
    EventsName::parse(name).is_some()
}

pub(crate) fn is_full(name: &str) -> bool {
    CheckpointName::parse(name).is_some()
}

pub(crate) fn is_increment(name: &str) -> bool {
    IncrementalName::parse(name).is_some()
}

fn is_rolling(name: &str) -> bool {
    RollingStateName::parse(name).is_some()
}

/// The ids of what a party reads from now on.
fn reads_of(party: &Party<'_>) -> Arc<Mutex<Vec<String>>> {
    let reads = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&reads);
    party.script.when(usize::MAX, Fault::None, move |call| {
        if call.method == "read" {
            log.lock().unwrap().push(call.subject.clone());
        }
        false
    });
    reads
}

/// Joins with a new machine and returns it, with how many files of each kind it read: of the log,
/// full checkpoints, increments, rolling states.
pub(crate) async fn join<'w>(world: &'w World, owner: &Party<'_>) -> (Party<'w>, [usize; 4]) {
    let machine = world.owner(owner.email.as_str());
    let reads = reads_of(&machine);
    machine.sync().await;
    let read: BTreeSet<String> = reads.lock().unwrap().iter().cloned().collect();
    let mut counts = [0; 4];
    for (count, is) in counts.iter_mut().zip([is_log, is_full, is_increment, is_rolling]) {
        let found = files(&machine, is).await;
        *count = found.iter().filter(|entry| read.contains(entry.id.as_str())).count();
    }
    (machine, counts)
}

pub(crate) async fn checkpoint(party: &Party<'_>) -> syft::syncers::Result<usize> {
    let syncer = DatasiteOwnerSyncer::new(party.account());
    Ok(syncer.create_checkpoint(party.world.now()).await?.files)
}

#[tokio::test]
async fn nothing_that_a_checkpoint_replaces_is_read() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    for round in 0..11 {
        owner.put(&format!("{}.txt", round % 4), &format!("round {round}"));
        owner.put("always.txt", &format!("round {round}"));
        owner.write(&owner.email, "blob.bin", &[0, 255, 254, round]);
        owner.put("empty.txt", "");
        owner.try_sync_with(&often()).await.unwrap();
    }
    owner.delete(&owner.email, "3.txt");
    owner.try_sync_with(&often()).await.unwrap();
    let status = DatasiteOwnerSyncer::new(owner.account()).checkpoint_status(50).unwrap();
    assert!(status.last_full.is_some() && status.increments > 1, "{status:?}");
    assert_eq!((status.events_since, status.log_messages), (1, 12));
    let (second, counts) = join(&world, &owner).await;
    assert_eq!(counts, [0, 1, status.increments, 1]);
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
    assert_eq!(second.read(&owner.email, "3.txt"), None);
    assert!(second.sync().await.is_idle());

    // Without the rolling state, what it said is read from the log; nothing else is.
    let rolling = files(&owner, is_rolling).await;
    owner.session().delete(&[rolling[0].id.clone()]).await.unwrap();
    let (third, counts) = join(&world, &owner).await;
    assert_eq!(counts, [1, 1, status.increments, 0]);
    assert_eq!(third.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn with_a_rolling_state_alone_the_log_is_not_read() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    for round in 0..20 {
        owner.put("a.txt", &format!("round {round}"));
        owner.sync().await;
    }
    let (second, counts) = join(&world, &owner).await;
    assert_eq!(counts, [0, 0, 0, 1]);
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
    // It goes on from there: its own rolling state says all that the first one did.
    second.put("b.txt", "b");
    second.sync().await;
    let (third, counts) = join(&world, &owner).await;
    assert_eq!(counts, [0, 0, 0, 1]);
    assert_eq!(third.tree(&owner.email), second.tree(&owner.email));
}

#[tokio::test]
async fn what_came_after_the_last_rolling_state_is_read_from_the_log() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.put("a.txt", "one");
    owner.sync().await;
    checkpoint(&owner).await.unwrap();
    owner.put("a.txt", "two");
    owner.sync().await;
    owner.put("a.txt", "three");
    owner.script.when(9, Fault::before(unavailable), |call| call.method == "replace");
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "the rolling state was not sent: {report:?}");
    let (second, counts) = join(&world, &owner).await;
    assert_eq!(counts, [1, 1, 0, 1]);
    assert_eq!(second.read(&owner.email, "a.txt").as_deref(), Some("three"));
}

#[tokio::test]
async fn what_came_late_stands_for_nothing_newer() {
    let world = World::new();
    let (first, second) = (world.owner("do@example.org"), world.owner("do@example.org"));
    first.put("a.txt", "zero");
    first.sync().await;
    second.sync().await;
    // Neither sees what the other writes: the older of the two is taken in last.
    world.drive.set_lag(1000);
    first.put("a.txt", "older");
    first.sync().await;
    second.put("a.txt", "newer");
    second.sync().await;
    world.drive.set_lag(0);
    world.drive.release();
    let options = SyncOptions { checkpoint_threshold: 1, ..SyncOptions::default() };
    second.try_sync_with(&options).await.unwrap();
    assert_eq!(second.read(&first.email, "a.txt").as_deref(), Some("newer"));
    first.sync().await;
    assert_eq!(first.read(&first.email, "a.txt").as_deref(), Some("newer"));
    world.drive.advance_micros(48 * 3_600_000_000);
    let (third, counts) = join(&world, &first).await;
    assert_eq!(counts[2], 1, "it was joined from an increment");
    assert_eq!(third.read(&first.email, "a.txt").as_deref(), Some("newer"));
}

#[tokio::test]
async fn a_message_of_the_log_that_is_too_large_to_be_read_holds_nothing_up() {
    let world = World::new();
    let (owner, other) = (world.owner("do@example.org"), world.owner("do@example.org"));
    owner.put("a.txt", "one");
    owner.sync().await;
    let large = files(&owner, is_log).await.remove(0).id;
    owner.put("b.txt", "two");
    owner.sync().await;
    let fault = Fault::before(|| connections::Error::TooLarge { limit_bytes: 7 });
    other.script.when(usize::MAX, fault, move |call| {
        matches!(call.method, "read" | "fetch") && call.subject == large.as_str()
    });
    let rolling: Vec<FileId> = files(&owner, is_rolling).await.into_iter().map(|f| f.id).collect();
    owner.session().delete(&rolling).await.unwrap();
    let report = other.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(other.read(&owner.email, "b.txt").as_deref(), Some("two"));
    assert!(other.sync().await.is_idle(), "it is told once");
}

#[tokio::test]
async fn a_machine_joins_at_any_moment_of_a_checkpoint() {
    for kind in ["increment", "full"] {
        let mut number = 0;
        loop {
            let world = World::new();
            let mut owner = world.owner("do@example.org");
            let rounds = if kind == "full" { 4 } else { 2 };
            for round in 0..rounds {
                owner.put("a.txt", &format!("round {round}"));
                owner.put("b.txt", &format!("round {round}"));
                if round + 1 < rounds {
                    owner.try_sync_with(&often()).await.unwrap();
                }
            }
            let begin = owner.script.calls();
            owner.script.crash_at(begin + number, Crash::After);
            let _ = owner.try_sync_with(&often()).await;
            let is_over = !owner.script.has_crashed();
            let (joined, _) = join(&world, &owner).await;
            owner.restart();
            owner.try_sync_with(&often()).await.unwrap();
            joined.sync().await;
            assert_eq!(joined.tree(&owner.email), owner.tree(&owner.email), "{kind} {number}");
            let (later, _) = join(&world, &owner).await;
            assert_eq!(later.tree(&owner.email), owner.tree(&owner.email), "{kind} {number}");
            if is_over {
                assert!(number > 4, "{number} calls are too few to show anything");
                break;
            }
            number += 1;
        }
    }
}

#[tokio::test]
async fn a_machine_that_lists_what_is_replaced_meanwhile_reads_the_log() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    for round in 0..4 {
        owner.put("a.txt", &format!("round {round}"));
        owner.put(&format!("{round}.txt"), "x");
        owner.try_sync_with(&often()).await.unwrap();
    }
    owner.put("b.txt", "b");
    owner.sync().await;
    // The new machine sees the old checkpoint and the old increments, and finds them gone.
    world.drive.set_lag(1000);
    checkpoint(&owner).await.unwrap();
    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn what_a_crash_leaves_of_old_checkpoints_is_cleared_by_the_next_sync() {
    let world = World::new();
    let mut owner = world.owner("do@example.org");
    for round in 0..3 {
        owner.put("a.txt", &format!("round {round}"));
        owner.put("b.txt", &format!("round {round}"));
        owner.try_sync_with(&often()).await.unwrap();
    }
    owner.script.when(9, Fault::before(unavailable), |call| call.method == "delete");
    checkpoint(&owner).await.unwrap_err();
    assert_eq!(
        (files(&owner, is_full).await.len(), files(&owner, is_increment).await.len()),
        (1, 3)
    );
    owner.restart();
    owner.sync().await;
    assert_eq!(
        (files(&owner, is_full).await.len(), files(&owner, is_increment).await.len()),
        (1, 0)
    );
    assert!(owner.sync().await.is_idle());
}

#[tokio::test]
async fn a_damaged_increment_is_passed_over_with_all_that_builds_on_it() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    for round in 0..3 {
        owner.put(&format!("{round}.txt"), "x");
        owner.put(&format!("{round}b.txt"), "x");
        owner.try_sync_with(&often()).await.unwrap();
    }
    let mut increments = files(&owner, is_increment).await;
    increments.sort_by(|a, b| a.name.cmp(&b.name));
    let garbage = Content::Bytes(b"garbage".to_vec().into());
    owner.session().replace(&increments[1].id, garbage).await.unwrap();
    let second = world.owner("do@example.org");
    let report = second.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn what_is_due_is_made_and_told() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.sync().await;
    let syncer = DatasiteOwnerSyncer::new(owner.account());
    assert_eq!(syncer.try_create_checkpoint(2, world.now()).await.unwrap(), None);
    let mut made = Vec::new();
    for round in 0..5 {
        owner.put("a.txt", &format!("round {round}"));
        owner.put("b.txt", &format!("round {round}"));
        owner.sync().await;
        let status = syncer.checkpoint_status(2).unwrap();
        let summary = syncer.try_create_checkpoint(2, world.now()).await.unwrap().unwrap();
        assert_eq!(summary.files, 2);
        assert_eq!(status.next == Due::Full, summary.kind == CheckpointKind::Full);
        made.push(summary.kind);
    }
    use CheckpointKind::{Full, Increment};
    assert_eq!(made, [Increment(1), Increment(2), Increment(3), Full, Increment(1)]);
    assert_eq!(syncer.checkpoint_status(2).unwrap().next, Due::Nothing);
}

#[tokio::test]
async fn a_python_checkpoint_is_laid_and_all_of_the_log_is_read() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.put("a.txt", "one");
    owner.write(&owner.email, "blob.bin", &[0, 255, 254]);
    owner.sync().await;
    world.drive.advance_micros(3 * 3_600_000_000);
    checkpoint(&owner).await.unwrap();
    // As Python writes it where it never got the binary: text alone, and no word of the log.
    let full = files(&owner, is_full).await.remove(0);
    let bytes = owner.session().read(&full.id, u64::MAX).await.unwrap();
    let mut file = Checkpoint::from_file_bytes(&bytes).unwrap();
    file.log = None;
    file.binary_files.clear();
    let content = Content::Bytes(file.to_file_bytes(0).into());
    owner.session().replace(&full.id, content).await.unwrap();
    world.drive.advance_micros(3 * 3_600_000_000);
    owner.put("c.txt", "three");
    owner.sync().await;
    let (second, counts) = join(&world, &owner).await;
    assert_eq!(counts, [2, 1, 0, 1], "nobody says what the checkpoint includes");
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
    let rolling = files(&owner, is_rolling).await;
    owner.session().delete(&[rolling[0].id.clone()]).await.unwrap();
    let (third, counts) = join(&world, &owner).await;
    assert_eq!(counts, [2, 1, 0, 0]);
    assert_eq!(third.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn a_new_scientist_reads_the_state_and_not_its_history() {
    let world = World::new();
    let (owner, first) = world.pair().await;
    owner.grant("r/", &first.email, Level::Read);
    for number in 0..1000 {
        owner.put(&format!("r/{number}.txt"), "one");
    }
    owner.sync().await;
    for round in 0..12 {
        owner.put("r/0.txt", &format!("round {round}"));
        owner.sync().await;
    }
    let other = world.scientist("ds2@example.org");
    acquaint(&owner, &other).await;
    owner.grant("r/", &other.email, Level::Read);
    owner.sync().await;
    let reads = reads_of(&other);
    other.sync().await;
    assert_eq!(messages_among(&other, &reads).await, 1, "a thousand files in one message");
    assert_eq!(other.tree(&owner.email).len(), 1000);
    assert_eq!(other.read(&owner.email, "r/0.txt").as_deref(), Some("round 11"));
    // Another machine of the first reads a bounded number of messages, whatever happened.
    let again = world.scientist("ds@example.org");
    let reads = reads_of(&again);
    again.sync().await;
    assert_eq!(again.tree(&owner.email), first_after_sync(&first, &owner).await);
    let messages = messages_among(&again, &reads).await;
    assert!((1..10).contains(&messages), "{messages} of 13");
}

/// How many messages are among what was read.
async fn messages_among(party: &Party<'_>, reads: &Mutex<Vec<String>>) -> usize {
    let all = party.session().find(&Query::default()).await.unwrap();
    let messages = all.iter().filter(|entry| is_log(&entry.name));
    let ids: BTreeSet<&str> = messages.map(|entry| entry.id.as_str()).collect();
    reads.lock().unwrap().iter().filter(|id| ids.contains(id.as_str())).count()
}

async fn first_after_sync(first: &Party<'_>, owner: &Party<'_>) -> Vec<(String, String)> {
    first.sync().await;
    first.tree(&owner.email)
}

#[tokio::test]
async fn the_time_in_a_name_decides_nothing_between_machines() {
    // The machine ahead makes a checkpoint, the one behind goes on: its events are older by name.
    let world = World::new();
    let ahead = world.owner("do@example.org");
    ahead.put("a.txt", "one");
    ahead.sync().await;
    let behind = world.owner("do@example.org");
    behind.sync().await;
    behind.put("b.txt", "before the checkpoint");
    world.drive.set_lag(1000);
    behind.sync().await;
    world.wind(86_400);
    ahead.put("a.txt", "two");
    ahead.sync().await;
    checkpoint(&ahead).await.unwrap();
    world.drive.set_lag(0);
    world.drive.release();
    world.wind(-86_400);
    behind.put("c.txt", "after it");
    behind.try_sync_with(&often()).await.unwrap();
    world.drive.advance_micros(48 * 3_600_000_000);
    let (third, _) = join(&world, &ahead).await;
    assert_eq!(third.tree(&ahead.email), behind.tree(&ahead.email));
    assert_eq!(third.tree(&ahead.email).len(), 3);
}

#[tokio::test]
async fn what_a_real_python_client_wrote_is_restored() {
    let fixture = |name: &str| std::fs::read(format!("fixtures/wire/unit/{name}")).unwrap();
    let full = ("checkpoint_1780000107.0.tar.gz", "checkpoint_1780000107.0.tar.gz");
    let increment = (
        "incremental_checkpoint_1_1780000106.25.tar.gz",
        "incremental_checkpoint_3_1780000106.25.tar.gz",
    );
    let rolling = ("rolling_state_1780000105.5.tar.gz", "rolling_state_1780000105.5.tar.gz");
    let binary = ["shared/a.txt", "shared/b.bin", "shared/uni.txt"].as_slice();
    #[rustfmt::skip]
    let cases = [
        ("a full checkpoint has text alone",  vec![full],                     ["shared/a.txt", "shared/uni.txt"].as_slice()),
        ("an increment has binary files too", vec![increment],                binary),
        ("so has a rolling state",            vec![rolling],                  binary),
        ("an increment and a rolling state",  vec![increment, rolling],       binary),
    ];
    for (what, present, wanted) in cases {
        let world = World::new();
        let owner = world.owner("do@example.com");
        let session = owner.session();
        let folder = async |parent: &FileId, name: &str| {
            session.create_folder(&new_entry(parent, name)).await.unwrap().id
        };
        let root = folder(&session.root(), "SyftBox").await;
        let checkpoints = folder(&root, "do@example.com-0.1.117-checkpoints").await;
        let states = folder(&root, "do@example.com-0.1.117-rolling-state").await;
        for (name, file) in present {
            let parent = if name.starts_with("rolling") { &states } else { &checkpoints };
            let content = Content::Bytes(fixture(file).into());
            session.create_file(&new_entry(parent, name), content).await.unwrap();
        }
        owner.sync().await;
        let tree = owner.tree(&owner.email);
        let paths: Vec<&str> = tree.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, wanted, "{what}");
        assert_eq!(tree[0].1, "alpha\n", "{what}");
        assert!(owner.sync().await.is_idle(), "{what}");
    }
}

fn new_entry(parent: &FileId, name: &str) -> NewEntry {
    NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: std::collections::BTreeMap::new(),
    }
}
