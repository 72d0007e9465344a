//! Machines that lack a part of the event log, because it was shortened.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use syft::connections::Content;
use syft::connections::faulty::Fault;
use syft::model::KEPT_ASIDE_MARK;
use syft::permissions::Level;
use syft::syncers::Error;
use syft::wire::{Checkpoint, Packed as _};

use super::checkpoints::{checkpoint, files, is_full};
use super::pruning::{DAY, is_note, kept_because, prune, stage};
use super::world::{World, acquaint};

#[tokio::test]
async fn a_machine_that_lacks_something_makes_no_checkpoint() {
    let world = World::new();
    let (owner, away) = stage(&world).await;
    prune(&owner).await;
    let full = files(&owner, is_full).await.remove(0);
    let garbage = Content::Bytes(b"garbage".to_vec().into());
    owner.session().replace(&full.id, garbage).await.unwrap();
    let third = world.owner("do@example.org");
    for party in [&away, &third] {
        let report = party.try_sync().await.unwrap();
        let codes: Vec<&str> =
            report.problems.iter().map(|problem| problem.code.as_str()).collect();
        assert!(codes.contains(&"log-pruned"), "{codes:?}");
        let refused = checkpoint(party).await;
        assert!(matches!(refused, Err(Error::LogPruned)), "{refused:?}");
    }
    // The one that has everything makes a new one, and the others come to it.
    checkpoint(&owner).await.unwrap();
    for party in [&away, &third] {
        party.sync().await;
        assert_eq!(party.tree(&owner.email), owner.tree(&owner.email));
        checkpoint(party).await.unwrap();
    }
}

/// It would refuse as outdated what was made of what it does not know.
#[tokio::test]
async fn a_machine_that_lacks_something_judges_no_proposal() {
    let world = World::new();
    let (owner, away) = stage(&world).await;
    let scientist = world.scientist("ds@example.org");
    acquaint(&owner, &scientist).await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/a", "begin");
    owner.sync().await;
    scientist.sync().await;
    world.drive.advance_micros(8 * DAY);
    prune(&owner).await;
    assert_eq!(files(&owner, is_note).await.len(), 1, "{:?}", kept_because(&owner));
    let full = files(&owner, is_full).await.remove(0);
    let garbage = Content::Bytes(b"garbage".to_vec().into());
    owner.session().replace(&full.id, garbage).await.unwrap();
    scientist.write(&owner.email, "w/a", b"proposed");
    scientist.sync().await;
    let report = away.try_sync().await.unwrap();
    assert_eq!((report.accepted, report.refused.len()), (0, 0), "{report:?}");
    checkpoint(&owner).await.unwrap();
    assert_eq!(away.sync().await.accepted, 1);
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "w/a").as_deref(), Some("proposed"));
}

/// What stood in the files when the database was lost nobody knows, and the log that told it is gone.
#[tokio::test]
async fn an_old_copy_is_no_edit_where_the_log_is_pruned() {
    let world = World::new();
    let (owner, mut away) = stage(&world).await;
    owner.delete(&owner.email, "empty.txt");
    owner.sync().await;
    world.drive.advance_micros(8 * DAY);
    prune(&owner).await;
    let root = away.account().tree(&owner.email).unwrap().root().to_owned();
    let old = UNIX_EPOCH + Duration::from_secs(1_780_000_000);
    File::options().write(true).open(root.join("empty.txt")).unwrap().set_modified(old).unwrap();
    away.put("new.txt", "made today");
    away.forget();
    let report = away.try_sync().await.unwrap();
    owner.sync().await;
    let is_kept = |(path, _): &mut (String, String)| path.contains(KEPT_ASIDE_MARK);
    let mut here = away.tree(&owner.email);
    let kept: Vec<_> = here.extract_if(.., is_kept).collect();
    let there = owner.tree(&owner.email);
    assert_eq!(here, there, "{report:?}");
    assert_eq!(owner.read(&owner.email, "a.txt").as_deref(), Some("a49"));
    assert_eq!(owner.read(&owner.email, "empty.txt"), None);
    assert_eq!(owner.read(&owner.email, "new.txt").as_deref(), Some("made today"));
    assert!(kept.iter().any(|(_, content)| content == "a9"), "nothing is thrown away: {kept:?}");
}

#[tokio::test]
async fn a_checkpoint_that_says_too_little_is_read_once() {
    let world = World::new();
    let (owner, away) = stage(&world).await;
    prune(&owner).await;
    let full = files(&owner, is_full).await.remove(0);
    let bytes = owner.session().read(&full.id, u64::MAX).await.unwrap();
    let mut python = Checkpoint::from_file_bytes(&bytes).unwrap();
    python.log = None;
    let content = Content::Bytes(python.to_file_bytes(0).into());
    owner.session().replace(&full.id, content).await.unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reads);
    let id = full.id.clone();
    away.script.when(usize::MAX, Fault::None, move |call| {
        if call.method == "read" && call.subject == id.as_str() {
            count.fetch_add(1, Ordering::Relaxed);
        }
        false
    });
    for _ in 0..3 {
        let report = away.try_sync().await.unwrap();
        assert_eq!(report.problems.len(), 1, "{report:?}");
        assert_eq!(report.problems[0].code.as_str(), "log-pruned");
    }
    assert_eq!(reads.load(Ordering::Relaxed), 1);
    checkpoint(&owner).await.unwrap();
    away.sync().await;
    assert_eq!(away.tree(&owner.email), owner.tree(&owner.email));
}
