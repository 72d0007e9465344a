//! A feed of changes that comes in parts: it is followed to its end, wherever that stops.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use syft::caches::Commit;
use syft::connections::faulty::{Fault, unavailable};
use syft::connections::{Access, Entry, Grant, Kind, NewEntry, Query};
use syft::permissions::Level;
use syft::syncers::listed_at;

use super::world::{Party, World};

const MESSAGES: usize = 5;

/// An owner in whose feed there are many changes, which come one at a time.
async fn stage(world: &World) -> (Party<'_>, Party<'_>) {
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    for party in [&owner, &scientist, &owner] {
        party.sync().await;
    }
    for number in 0..MESSAGES {
        scientist.write(&owner.email, &format!("w/{number}"), b"proposed");
        scientist.sync().await;
    }
    world.drive.set_changes_at_once(1);
    (owner, scientist)
}

#[tokio::test]
async fn a_feed_in_parts_is_followed_to_its_end_whatever_fails() {
    let mut number = 0;
    loop {
        let world = World::new();
        let (mut owner, scientist) = stage(&world).await;
        let before = owner.script.calls();
        owner.script.at(before + number, Fault::before(unavailable));
        let first = owner.try_sync().await;
        let calls = owner.script.calls() - before;
        if calls <= number {
            let report = first.unwrap();
            assert_eq!((report.accepted, report.problems.len()), (MESSAGES, 0));
            // One for each part, at least.
            assert!(calls > MESSAGES, "{calls}");
            break;
        }
        owner.restart();
        let second = owner.sync().await;
        let accepted = first.map_or(0, |report| report.accepted) + second.accepted;
        assert_eq!(accepted, MESSAGES, "call {number}");
        scientist.sync().await;
        for party in [&owner, &scientist] {
            let held = party.tree(&owner.email);
            let came = held.iter().filter(|(path, _)| path.starts_with("w/") && path.len() == 3);
            assert_eq!(came.count(), MESSAGES, "call {number}, {}", party.email);
        }
        number += 1;
    }
}

/// A peer that begins anew makes its folders once more, and what the feed says of the old ones is not all.
#[tokio::test]
async fn who_dies_over_a_surprise_in_the_feed_lists_everything_all_the_same() {
    let mut at = 0;
    loop {
        let world = World::new();
        let (mut owner, scientist) = stage(&world).await;
        let all: Vec<Entry> = scientist.session().find(&Query::default()).await.unwrap();
        let is_inbox = |entry: &&Entry| entry.is_mine && entry.name.contains("#inbox#");
        let inbox = all.iter().find(is_inbox).unwrap();
        let again = NewEntry {
            id: None,
            parent: inbox.parents[0].clone(),
            name: inbox.name.clone(),
            media_type: "",
            tags: inbox.tags.clone(),
        };
        let again = scientist.session().create_folder(&again).await.unwrap();
        assert_eq!(again.kind, Kind::Folder);
        let grant = Grant { id: again.id, to: owner.email.clone(), access: Access::Write };
        assert!(
            scientist.session().share(&[grant], false).await.unwrap().iter().all(Result::is_ok)
        );
        let surprised = world.now();
        let left = Arc::new(AtomicUsize::new(at));
        owner.account().store.set_witness(move |moment| {
            let before = left.load(Ordering::Relaxed);
            if moment == Commit::After && before != usize::MAX {
                left.store(before.wrapping_sub(1), Ordering::Relaxed);
                if before == 0 {
                    std::panic::resume_unwind(Box::new("killed"));
                }
            }
        });
        let is_killed = AssertUnwindSafe(owner.try_sync()).catch_unwind().await.is_err();
        owner.restart();
        drop(owner.try_sync().await);
        let listed = listed_at(owner.account()).unwrap();
        assert!(listed.is_some_and(|listed| listed > surprised), "{at}: {listed:?}");
        if !is_killed || at > 12 {
            assert!(at > 3, "{at} commits are too few to show anything");
            break;
        }
        at += 1;
    }
}
