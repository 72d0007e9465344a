//! What is much is committed in lots: none of it is lost, and none said twice for nothing, wherever the
//! process ends between two of them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::FutureExt as _;
use syft::caches::Commit;
use syft::connections::{Entry, Query};
use syft::permissions::Level;
use syft::wire::names::{Direction, EventsName, FolderName};
use syft::wire::{FileChangeEventsMessage, Packed as _};

use crate::world::{Party, World};

const FILES: usize = 9;
/// So two files of five bytes are one message.
const HELD_LESS_THAN: u64 = 6;

fn content(number: usize) -> String {
    format!("new {number}")
}

/// An owner with what it is about to announce.
async fn stage(world: &World) -> (Party<'_>, Party<'_>) {
    world.holds_less_than(HELD_LESS_THAN);
    world.sends_chunks(false);
    let (owner, scientist) = world.pair().await;
    owner.grant("open/", &scientist.email, Level::Read);
    owner.put("open/gone.txt", "old");
    owner.sync().await;
    scientist.sync().await;
    owner.delete(&owner.email, "open/gone.txt");
    for number in 0..FILES {
        owner.put(&format!("open/{number}.txt"), &content(number));
    }
    (owner, scientist)
}

/// How often each state of a path is said in messages that `is_one` of.
async fn said(party: &Party<'_>, is_one: impl Fn(&FolderName) -> bool) -> BTreeMap<String, usize> {
    let all: Vec<Entry> = party.session().find(&Query::default()).await.unwrap();
    let mut said = BTreeMap::new();
    for entry in all.iter().filter(|entry| EventsName::of_message(&entry.name).is_some()) {
        let folder = all.iter().find(|other| entry.parents.contains(&other.id));
        let name = folder.and_then(|folder| FolderName::parse(&folder.name));
        if !name.is_some_and(|name| is_one(&name)) {
            continue;
        }
        let bytes = party.session().read(&entry.id, u64::MAX).await.unwrap();
        for event in FileChangeEventsMessage::from_file_bytes(&bytes).unwrap().events {
            let state = event.new_hash.unwrap_or_default();
            *said.entry(format!("{} {state}", event.path_in_datasite)).or_default() += 1;
        }
    }
    said
}

#[tokio::test]
async fn a_sync_that_dies_at_any_commit_says_everything_once() {
    let (mut at, mut died) = (0, 0);
    loop {
        let mut is_killed = false;
        for moment in [Commit::Before, Commit::After] {
            let world = World::new();
            let (mut owner, scientist) = stage(&world).await;
            let left = Arc::new(AtomicUsize::new(at));
            owner.account().store.set_witness(move |now| {
                let before = left.load(Ordering::Relaxed);
                if now == moment && before == 0 {
                    left.store(usize::MAX, Ordering::Relaxed);
                    std::panic::resume_unwind(Box::new("killed"));
                }
                if now == Commit::After && before != usize::MAX {
                    left.store(before - 1, Ordering::Relaxed);
                }
            });
            is_killed |= AssertUnwindSafe(owner.try_sync()).catch_unwind().await.is_err();
            owner.restart();
            owner.sync().await;
            scientist.sync().await;
            let held = scientist.tree(&owner.email);
            for number in 0..FILES {
                let (path, content) = (format!("open/{number}.txt"), content(number));
                assert!(held.contains(&(path, content)), "{at} {moment:?}: {held:?}");
            }
            assert!(!held.iter().any(|(path, _)| path == "open/gone.txt"), "{at} {moment:?}");
            let events = said(&owner, |name| matches!(name, FolderName::Personal(_))).await;
            let told = said(&owner, is_outbox).await;
            for said in [events, told] {
                assert!(said.len() > FILES, "{at} {moment:?}: {said:?}");
                assert!(said.values().all(|times| *times == 1), "{at} {moment:?}: {said:?}");
            }
            let second = world.owner("do@example.org");
            second.sync().await;
            assert_eq!(second.tree(&owner.email), owner.tree(&owner.email), "{at} {moment:?}");
        }
        if !is_killed {
            break;
        }
        (at, died) = (at + 1, died + 1);
    }
    // Five lots are agreed, five messages go into the log, and five to the scientist.
    assert!(died > 15, "{died}");
}

fn is_outbox(name: &FolderName) -> bool {
    matches!(name, FolderName::P2p(name) if name.direction == Direction::Outbox)
}
