//! The event log is shortened behind a full checkpoint, and whoever was away meanwhile comes back
//! to everything.

use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{Content, Entry, FileId, Kind, NewEntry, Query, Relocation};
use syft::model::{KEPT_ASIDE_MARK, Timestamp};
use syft::permissions::Level;
use syft::syncers::{DatasiteOwnerSyncer, Report, Result, SyncOptions};
use syft::wire::names::{EventsName, FolderName, PrunedName};
use syft::wire::{Content as Text, Event, FileChangeEventsMessage, Packed as _, VersionInfo};
use uuid::Uuid;

use super::checkpoints::{checkpoint, files, is_full, is_increment, is_log};
use super::world::{Party, World, acquaint};

pub(crate) const DAY: i64 = 24 * 3_600_000_000;

fn pruning() -> SyncOptions {
    SyncOptions { prune_log: true, checkpoint_threshold: 3, ..SyncOptions::default() }
}

pub(crate) fn is_note(name: &str) -> bool {
    PrunedName::parse(name).is_some()
}

async fn folder(party: &Party<'_>, is: impl Fn(&FolderName) -> bool) -> Entry {
    let all = party.session().find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    let wanted = |entry: &Entry| {
        entry.is_mine && FolderName::parse(&entry.name).is_some_and(|name| is(&name))
    };
    all.into_iter().find(wanted).unwrap()
}

/// Puts messages into the event log, as another machine of the account would have done: each
/// changes `a.txt`, and leaves another file behind.
pub(crate) async fn history(owner: &Party<'_>, messages: usize, seven_decimals: bool) {
    let folder = folder(owner, |name| matches!(name, FolderName::Personal(_))).await;
    for number in 0..messages {
        let now = owner.world.now();
        let mut timestamp = Timestamp::ZERO.next_for_name(now);
        if seven_decimals {
            timestamp = Timestamp::from_seconds(timestamp.seconds() + 2.4e-7).unwrap();
        }
        let event = |path: &str, content: &str| {
            let event = Event {
                id: Uuid::new_v4(),
                path: syft::model::DatasitePath::parse(path).unwrap(),
                datasite: owner.email.clone(),
                base: None,
                content: Some(Text::Text(content.to_owned())),
                submitted: now,
                timestamp: now,
            };
            event.into_wire()
        };
        let events = vec![
            event("a.txt", &format!("a{number}")),
            event(&format!("old/{}.txt", number % 7), &format!("old {number}")),
        ];
        let name = EventsName { timestamp, id: Uuid::new_v4() };
        let message = FileChangeEventsMessage { events, message_filepath: (&name).into() };
        put(owner, &folder.id, &name.to_string(), message.to_file_bytes(0)).await;
    }
}

async fn put(owner: &Party<'_>, folder: &FileId, name: &str, bytes: Vec<u8>) {
    let new = NewEntry {
        id: None,
        parent: folder.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: std::collections::BTreeMap::new(),
    };
    owner.session().create_file(&new, Content::Bytes(bytes.into())).await.unwrap();
}

/// An owner whose log has sixty messages, and a machine of it that was away since the tenth.
pub(crate) async fn stage(world: &World) -> (Party<'_>, Party<'_>) {
    let owner = world.owner("do@example.org");
    owner.put("b.txt", "b");
    owner.write(&owner.email, "blob.bin", &[0, 255, 254]);
    owner.put("empty.txt", "");
    owner.sync().await;
    history(&owner, 10, false).await;
    owner.sync().await;
    let away = world.owner("do@example.org");
    away.sync().await;
    world.drive.advance_micros(DAY);
    history(&owner, 50, false).await;
    owner.sync().await;
    world.drive.advance_micros(8 * DAY);
    (owner, away)
}

/// Changes something, makes a full checkpoint of everything, and prunes.
pub(crate) async fn prune(owner: &Party<'_>) -> Report {
    owner.put("c.txt", "c");
    owner.delete(&owner.email, "b.txt");
    owner.sync().await;
    checkpoint(owner).await.unwrap();
    owner.try_sync_with(&pruning()).await.unwrap()
}

pub(crate) fn kept_because(owner: &Party<'_>) -> Option<String> {
    DatasiteOwnerSyncer::new(owner.account()).checkpoint_status(50).unwrap().kept_because
}

#[tokio::test]
async fn the_log_stays_unless_it_is_asked_for() {
    let world = World::new();
    let (owner, _) = stage(&world).await;
    checkpoint(&owner).await.unwrap();
    owner.sync().await;
    assert_eq!(files(&owner, is_log).await.len(), 61);
    assert!(!SyncOptions::default().prune_log);
    let report = prune(&owner).await;
    assert_eq!(report.problems, []);
    assert_eq!(files(&owner, is_log).await.len(), 1, "what is younger than a week stays");
    assert_eq!(files(&owner, is_note).await.len(), 1);
    let status = DatasiteOwnerSyncer::new(owner.account()).checkpoint_status(50).unwrap();
    assert!(status.pruned_through.is_some() && status.log_messages == 1, "{status:?}");
    assert!(owner.sync().await.is_idle());
    let calls = owner.script.calls();
    owner.try_sync_with(&pruning()).await.unwrap();
    assert_eq!(owner.script.calls() - calls, 1, "asking again costs nothing");
}

#[tokio::test]
async fn a_machine_joins_where_the_log_is_pruned() {
    let world = World::new();
    let (owner, _) = stage(&world).await;
    prune(&owner).await;
    let third = world.owner("do@example.org");
    third.sync().await;
    assert_eq!(third.tree(&owner.email), owner.tree(&owner.email));
    assert!(third.sync().await.is_idle());
    third.put("d.txt", "d");
    third.sync().await;
    owner.sync().await;
    assert_eq!(third.tree(&owner.email), owner.tree(&owner.email));
    checkpoint(&third).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_was_away_comes_back_with_its_edits() {
    let world = World::new();
    let (owner, away) = stage(&world).await;
    away.put("mine.txt", "made offline");
    away.put("old/1.txt", "edited offline");
    away.delete(&owner.email, "old/2.txt");
    away.delete(&owner.email, "empty.txt");
    prune(&owner).await;
    owner.put("after.txt", "after");
    owner.sync().await;
    away.sync().await;
    let read = |path: &str| away.read(&owner.email, path);
    assert_eq!(read("a.txt").as_deref(), Some("a49"), "what is gone from the log was not missed");
    assert_eq!(read("b.txt"), None, "nor was a deletion");
    assert_eq!(read("after.txt").as_deref(), Some("after"));
    assert_eq!(read("mine.txt").as_deref(), Some("made offline"));
    assert_eq!(read("old/1.txt").as_deref(), Some("edited offline"));
    assert_eq!(read("old/2.txt").as_deref(), Some("old 44"), "deleted here, changed there since");
    assert_eq!(read("empty.txt"), None, "what did not change meanwhile stays deleted");
    owner.sync().await;
    let (mut here, there) = (away.tree(&owner.email), owner.tree(&owner.email));
    let is_kept = |(path, _): &mut (String, String)| path.contains(KEPT_ASIDE_MARK);
    let kept: Vec<_> = here.extract_if(.., is_kept).collect();
    assert_eq!(here, there);
    assert_eq!(kept.len(), 1, "what gave way to the edit, and nothing else: {kept:?}");
    assert!(kept[0].0.starts_with("old/1.refused-") && kept[0].1.starts_with("old "), "{kept:?}");
    assert!(away.sync().await.is_idle());
    checkpoint(&away).await.unwrap();
    let third = world.owner("do@example.org");
    third.sync().await;
    assert_eq!(third.tree(&owner.email), owner.tree(&owner.email));
}

/// The checkpoint does not say which proposals were taken in, and one still lies in the inbox.
#[tokio::test]
async fn what_another_machine_took_in_is_not_taken_in_again_by_one_that_was_away() {
    let world = World::new();
    let (owner, away) = stage(&world).await;
    let scientist = world.scientist("ds@example.org");
    acquaint(&owner, &scientist).await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/a", "begin");
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/a", b"proposed");
    scientist.sync().await;
    let fault = Fault::before(unavailable);
    owner.script.when(usize::MAX, fault, |call| call.method == "relocate");
    assert_eq!(owner.try_sync().await.unwrap().accepted, 1);
    owner.put("w/a", "begin");
    owner.try_sync().await.unwrap();
    world.drive.advance_micros(DAY);
    owner.put("c.txt", "c");
    owner.try_sync().await.unwrap();
    checkpoint(&owner).await.unwrap();
    owner.try_sync_with(&pruning()).await.unwrap();
    assert_eq!(files(&owner, is_note).await.len(), 1, "{:?}", kept_because(&owner));
    let report = away.sync().await;
    assert_eq!((report.accepted, report.refused.len()), (0, 0), "{report:?}");
    assert_eq!(away.read(&owner.email, "w/a").as_deref(), Some("begin"));
    assert_eq!(away.tree(&owner.email), owner.tree(&owner.email));
    assert!(away.sync().await.is_idle());
}

#[tokio::test]
async fn a_machine_that_was_there_reads_no_checkpoint() {
    let world = World::new();
    let (owner, other) = stage(&world).await;
    owner.put("d.txt", "d");
    owner.sync().await;
    other.sync().await;
    prune(&owner).await;
    let full = files(&owner, is_full).await.remove(0).id;
    other.script.when(9, Fault::before(unavailable), move |call| {
        call.method == "read" && call.subject == full.as_str()
    });
    other.sync().await;
    assert_eq!(other.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn what_goes_while_a_machine_reads_it_is_made_up_for() {
    let world = World::new();
    let (owner, away) = stage(&world).await;
    owner.put("c.txt", "c");
    owner.sync().await;
    checkpoint(&owner).await.unwrap();
    world.drive.release();
    // The other lists the log as it was, and finds most of it gone.
    world.drive.set_lag(1000);
    owner.try_sync_with(&pruning()).await.unwrap();
    away.try_sync_with(&SyncOptions { checkpoint_threshold: 1, ..SyncOptions::default() })
        .await
        .unwrap();
    assert_eq!(files(&away, is_increment).await.len(), 0, "it knows that it lacks something");
    world.drive.set_lag(0);
    world.drive.release();
    away.sync().await;
    assert_eq!(away.tree(&owner.email), owner.tree(&owner.email));
    checkpoint(&away).await.unwrap();
    let third = world.owner("do@example.org");
    third.sync().await;
    assert_eq!(third.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn nothing_is_pruned_while_python_works_with_the_account_or_a_peer_waits() {
    let world = World::new();
    let (owner, _) = stage(&world).await;
    history(&owner, 4, true).await;
    prune(&owner).await;
    assert_eq!(files(&owner, is_log).await.len(), 66);
    assert!(kept_because(&owner).is_some_and(|why| why.contains("Python")));
    world.drive.advance_micros(31 * DAY);
    owner.put("d.txt", "d");
    owner.sync().await;
    checkpoint(&owner).await.unwrap();
    owner.try_sync_with(&pruning()).await.unwrap();
    assert_eq!(files(&owner, is_log).await.len(), 1, "Python was left a month ago");

    let world = World::new();
    let (owner, scientist) = world.pair().await;
    history(&owner, 60, false).await;
    owner.grant("old/", &scientist.email, Level::Read);
    owner.sync().await;
    world.drive.advance_micros(8 * DAY);
    owner.put("old/new.txt", "new");
    owner.sync().await;
    checkpoint(&owner).await.unwrap();
    let version = files(&owner, |name| name == "SYFT_version.json").await.remove(0);
    let ours = owner.session().read(&version.id, u64::MAX).await.unwrap();
    let mut python = VersionInfo::from_json(&ours).unwrap();
    python.syft_rs = None;
    let replace = |bytes: Vec<u8>| {
        let content = Content::Bytes(bytes.into());
        owner.session().replace(&version.id, content)
    };
    replace(python.to_json()).await.unwrap();
    owner.try_sync_with(&pruning()).await.unwrap();
    assert!(kept_because(&owner).is_some_and(|why| why.contains("Python")));
    replace(ours.to_vec()).await.unwrap();
    // The peer's message cannot be sent.
    owner.put("old/new.txt", "newer");
    owner.script.when(9, Fault::before(unavailable), |call| {
        call.method == "create_file" && is_log(&call.subject)
    });
    owner.try_sync_with(&pruning()).await.unwrap();
    assert!(kept_because(&owner).is_some_and(|why| why.contains("everything")));
    assert_eq!(files(&owner, is_note).await.len(), 0);
    owner.script.clear();
    owner.try_sync_with(&pruning()).await.unwrap();
    assert_eq!(kept_because(&owner), None);
    assert_eq!(files(&owner, is_note).await.len(), 1);
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "old/new.txt").as_deref(), Some("newer"));
}

#[tokio::test]
async fn a_message_that_came_into_the_log_after_the_checkpoint_stays() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.sync().await;
    history(&owner, 60, false).await;
    // One lies in another folder still, where two machines had made a home each.
    let log = folder(&owner, |name| matches!(name, FolderName::Personal(_))).await;
    let stray = files(&owner, is_log).await.remove(30);
    let root = owner.session().root();
    let step = |from: &FileId, to: &FileId| Relocation {
        id: stray.id.clone(),
        from: from.clone(),
        to: to.clone(),
    };
    owner.session().relocate(&[step(&log.id, &root)]).await.unwrap();
    owner.sync().await;
    world.drive.advance_micros(8 * DAY);
    owner.put("c.txt", "c");
    owner.sync().await;
    checkpoint(&owner).await.unwrap();
    owner.session().relocate(&[step(&root, &log.id)]).await.unwrap();
    owner.try_sync_with(&pruning()).await.unwrap();
    let left: Vec<FileId> = files(&owner, is_log).await.into_iter().map(|f| f.id).collect();
    // With what is young: the change, and what the stray one says, which is said again.
    assert!(left.len() == 3 && left.contains(&stray.id), "{} left", left.len());
}

/// Whose call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Owner,
    Away,
    Third,
}

#[tokio::test]
async fn a_fault_at_any_call_of_who_makes_checkpoints_and_prunes_changes_nothing_in_the_end() {
    every_call(Side::Owner).await;
}

#[tokio::test]
async fn a_fault_at_any_call_of_who_comes_back_changes_nothing_in_the_end() {
    every_call(Side::Away).await;
}

#[tokio::test]
async fn a_fault_at_any_call_of_who_joins_changes_nothing_in_the_end() {
    every_call(Side::Third).await;
}

async fn every_call(side: Side) {
    let (undisturbed, calls) = play(side, None).await;
    assert!(calls >= 8, "{side:?}: {calls} calls are too few to show anything");
    for number in 0..calls {
        // The call before, done, is this one, not done.
        for crash in [Crash::After, Crash::Half] {
            let (end, _) = play(side, Some((number, crash))).await;
            assert_eq!(end, undisturbed, "{side:?}, call {number}, {crash:?}");
        }
    }
}

/// What must be the same in the end: the trees, and how many files of each kind are on the drive.
type End = (Vec<(String, String)>, [usize; 4]);

/// Plays the story of an owner that makes increments, a full checkpoint and prunes, of a machine
/// that comes back, and of one that joins. Returns the end and how many calls `side` made.
async fn play(side: Side, fault: Option<(usize, Crash)>) -> (End, usize) {
    let world = World::new();
    let (mut owner, mut away) = stage(&world).await;
    let mut third = world.owner("do@example.org");
    let begin = match side {
        Side::Owner => owner.script.calls(),
        Side::Away => away.script.calls(),
        Side::Third => third.script.calls(),
    };
    if let Some((number, crash)) = fault {
        let party = match side {
            Side::Owner => &owner,
            Side::Away => &away,
            Side::Third => &third,
        };
        party.script.crash_at(begin + number, crash);
    }
    away.put("mine.txt", "made offline");
    for step in 0..8 {
        if step < 5 {
            for name in ["x", "y", "z"] {
                owner.put(&format!("{name}.txt"), &format!("{step}"));
            }
            owner.delete(&owner.email, &format!("old/{step}.txt"));
        }
        let mut attempts = 0;
        loop {
            let party = match step {
                0..=5 => &owner,
                6 => &away,
                _ => &third,
            };
            match act(party).await {
                Ok(report) if report.problems.is_empty() => break,
                _ => attempts += 1,
            }
            assert!(attempts < 3, "step {step} does not recover from {side:?} {fault:?}");
            owner.restart();
            away.restart();
            third.restart();
        }
    }
    let calls = match side {
        Side::Owner => owner.script.calls(),
        Side::Away => away.script.calls(),
        Side::Third => third.script.calls(),
    };
    for party in [&owner, &away, &third, &owner] {
        party.sync().await;
    }
    let tree = owner.tree(&owner.email);
    assert_eq!(away.tree(&owner.email), tree, "{side:?} {fault:?}");
    assert_eq!(third.tree(&owner.email), tree, "{side:?} {fault:?}");
    let fourth = world.owner("do@example.org");
    fourth.sync().await;
    assert_eq!(fourth.tree(&owner.email), tree, "{side:?} {fault:?}");
    let mut counts = [0; 4];
    for (count, is) in counts.iter_mut().zip([is_full, is_note, is_rolling, is_log]) {
        *count = files(&owner, is).await.len();
    }
    ((tree, counts), calls - begin)
}

fn is_rolling(name: &str) -> bool {
    name.starts_with("rolling_state_")
}

async fn act(party: &Party<'_>) -> Result<Report> {
    party.try_sync_with(&pruning()).await
}
