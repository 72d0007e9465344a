//! Checkpoints of machines that have not seen what the others had: nothing of it is lost to one that
//! joins.

use syft::connections::Content;
use syft::syncers::SyncOptions;

use super::checkpoints::{checkpoint, files, is_full, is_increment, join, often};
use super::world::{Party, World};

#[tokio::test]
async fn two_machines_that_make_checkpoints_at_once_lose_nothing() {
    for kinds in ["full full", "full increment", "increment full", "increment increment"] {
        for skew in [-7_200, 0, 7_200] {
            let world = World::new();
            let (first, second) = (world.owner("do@example.org"), world.owner("do@example.org"));
            first.put("a.txt", "zero");
            first.put("gone.txt", "x");
            first.sync().await;
            second.sync().await;
            world.drive.set_lag(1000);
            first.put("a.txt", "first");
            first.put("first.txt", "1");
            first.delete(&first.email, "gone.txt");
            second.put("a.txt", "second");
            second.put("second.txt", "2");
            first.sync().await;
            world.wind(skew);
            second.sync().await;
            for (party, kind) in [&first, &second].into_iter().zip(kinds.split(' ')) {
                if kind == "full" {
                    checkpoint(party).await.unwrap();
                } else {
                    party.try_sync_with(&often()).await.unwrap();
                }
            }
            world.drive.set_lag(0);
            world.drive.release();
            let (joined, _) = join(&world, &first).await;
            for _ in 0..2 {
                first.sync().await;
                second.sync().await;
            }
            joined.sync().await;
            let tree = |party: &Party<'_>| {
                let files = party.tree(&first.email).into_iter();
                // What gave way is kept beside the file, where that was seen to happen.
                files.filter(|(path, _)| !path.contains(".refused-")).collect::<Vec<_>>()
            };
            let wanted = tree(&first);
            assert_eq!(tree(&second), wanted, "{kinds} {skew}");
            // A machine that has no edits keeps nothing beside.
            assert_eq!(joined.tree(&first.email), wanted, "{kinds} {skew}");
            assert_eq!(wanted.len(), 3, "{wanted:?}");
            let (later, _) = join(&world, &first).await;
            assert_eq!(later.tree(&first.email), wanted, "{kinds} {skew}");
        }
    }
}

/// What another's full checkpoint lacks, this machine took in before: nothing that it lays over that
/// one may stand for it.
#[tokio::test]
async fn what_goes_on_from_anothers_checkpoint_claims_nothing_that_that_one_lacks() {
    for has_own in [true, false] {
        for options in [SyncOptions::default(), often()] {
            let world = World::new();
            let (first, second) = (world.owner("do@example.org"), world.owner("do@example.org"));
            first.put("a.txt", "zero");
            first.put("gone.txt", "x");
            first.sync().await;
            second.sync().await;
            world.drive.set_lag(1000);
            first.put("a.txt", "one");
            first.delete(&first.email, "gone.txt");
            first.sync().await;
            if has_own {
                checkpoint(&first).await.unwrap();
            }
            // Made hours later, of what the second knew before.
            world.drive.advance_micros(3 * 3_600_000_000);
            world.wind(3 * 3_600);
            checkpoint(&second).await.unwrap();
            world.drive.set_lag(0);
            world.drive.release();
            first.put("b.txt", "b");
            first.put("c.txt", "c");
            first.try_sync_with(&options).await.unwrap();
            let (joined, counts) = join(&world, &first).await;
            assert_eq!(joined.tree(&first.email), first.tree(&first.email), "{has_own} {counts:?}");
            assert_eq!(counts[1], 1, "{counts:?}");
        }
    }
}

/// A checkpoint includes by the date what is shown to its maker only hours after it was made.
#[tokio::test]
async fn what_is_shown_very_late_is_said_again() {
    let world = World::new();
    let (first, second) = (world.owner("do@example.org"), world.owner("do@example.org"));
    first.put("a.txt", "zero");
    first.put("gone.txt", "x");
    first.sync().await;
    second.sync().await;
    world.drive.set_lag(1000);
    first.put("a.txt", "one");
    first.delete(&first.email, "gone.txt");
    first.sync().await;
    world.drive.advance_micros(4 * 3_600_000_000);
    second.put("b.txt", "b");
    second.sync().await;
    checkpoint(&second).await.unwrap();
    world.drive.set_lag(0);
    world.drive.release();
    let (early, _) = join(&world, &first).await;
    second.sync().await;
    first.sync().await;
    let (late, _) = join(&world, &first).await;
    early.sync().await;
    assert_eq!(first.read(&first.email, "a.txt").as_deref(), Some("one"));
    assert_eq!(first.tree(&first.email).len(), 2);
    for party in [&second, &late, &early] {
        assert_eq!(party.tree(&first.email), first.tree(&first.email));
    }
}

#[tokio::test]
async fn an_increment_stands_for_nothing_of_a_full_checkpoint_that_cannot_be_read() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.put("a.txt", "one");
    owner.sync().await;
    checkpoint(&owner).await.unwrap();
    let full = files(&owner, is_full).await.remove(0);
    let garbage = Content::Bytes(b"garbage".to_vec().into());
    owner.session().replace(&full.id, garbage).await.unwrap();
    owner.put("b.txt", "b");
    owner.put("c.txt", "c");
    owner.try_sync_with(&often()).await.unwrap();
    assert_eq!(files(&owner, is_increment).await.len(), 1);
    let second = world.owner("do@example.org");
    second.try_sync().await.unwrap();
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
}
