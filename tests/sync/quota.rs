//! What a scientist's messages cost its quota (W36): they lie in the archive of an owner, where
//! only the scientist can delete them.

use std::collections::BTreeMap;

use syft::connections::faulty::{Fault, unavailable};
use syft::connections::{Content, FileId, NewEntry, Query};
use syft::permissions::Level;

use super::world::{Party, World};

const WEEK: i64 = 7 * 86_400;

/// All messages that count against the quota of `party`, wherever they lie.
async fn messages_of(party: &Party<'_>) -> Vec<FileId> {
    let all = party.session().find(&Query::default()).await.unwrap();
    let own = all.into_iter().filter(|entry| entry.is_mine && entry.name.starts_with("msgv2_"));
    own.map(|entry| entry.id).collect()
}

async fn cost_of(party: &Party<'_>) -> usize {
    let before = party.script.calls();
    party.sync().await;
    party.script.calls() - before
}

/// One proposal is accepted, one refused, and the scientist has read both answers.
async fn after_two_proposals(world: &World) -> (Party<'_>, Party<'_>) {
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    for path in ["w/mine.txt", "not-mine.txt"] {
        scientist.write(&owner.email, path, b"x");
        scientist.sync().await;
        owner.sync().await;
        scientist.sync().await;
    }
    assert_eq!(messages_of(&scientist).await.len(), 2);
    (owner, scientist)
}

#[tokio::test]
async fn w36_answered_messages_are_deleted_after_a_week_by_who_pays_for_them() {
    let world = World::new();
    let (owner, scientist) = after_two_proposals(&world).await;
    // A file that only looks like one of ours.
    let session = scientist.session();
    let new = NewEntry {
        id: None,
        parent: session.root(),
        name: "msgv2_1780000001.5_11111111-2222-4333-8444-555555555555.tar.gz".to_owned(),
        media_type: "text/plain",
        tags: BTreeMap::new(),
    };
    let like_ours = session.create_file(&new, Content::Bytes("x".into())).await.unwrap().id;
    world.wind(WEEK - 600);
    let listing = cost_of(&scientist).await;
    assert_eq!(messages_of(&scientist).await.len(), 3, "not before its time");
    world.wind(8 * 3600);
    assert_eq!(cost_of(&scientist).await, listing + 1, "one call for all");
    assert_eq!(messages_of(&scientist).await, [like_ours]);
    assert_eq!(cost_of(&scientist).await, 1);
    owner.sync().await;
    assert_eq!(cost_of(&owner).await, 1);
    assert_eq!(owner.read(&owner.email, "w/mine.txt").as_deref(), Some("x"));
    assert_eq!(scientist.read(&owner.email, "w/mine.txt").as_deref(), Some("x"));
}

#[tokio::test]
async fn w36_what_was_not_looked_at_or_not_answered_is_kept() {
    let world = World::new();
    let (owner, scientist) = after_two_proposals(&world).await;
    scientist.write(&owner.email, "w/mine.txt", b"waits in the inbox");
    scientist.sync().await;
    world.wind(2 * WEEK);
    scientist.sync().await;
    assert_eq!(messages_of(&scientist).await.len(), 1, "the owner has not been there");
    assert_eq!(owner.sync().await.accepted, 1);
    // It has left the inbox; the answer is not read, since it cannot be.
    world.wind(WEEK);
    let outage = Fault::before(unavailable);
    scientist.script.when(1, outage, |call| call.method == "read");
    assert_eq!(scientist.try_sync().await.unwrap().problems.len(), 1);
    assert_eq!(messages_of(&scientist).await.len(), 1, "the answer was not read");
    world.wind(WEEK);
    scientist.sync().await;
    assert_eq!(messages_of(&scientist).await.len(), 0);
    assert_eq!(owner.read(&owner.email, "w/mine.txt").as_deref(), Some("waits in the inbox"));
}

#[tokio::test]
async fn w36_a_crash_while_messages_are_deleted_is_made_good() {
    let ways = [Fault::before(unavailable), Fault::half(unavailable), Fault::after(unavailable)];
    for fault in ways {
        let world = World::new();
        let (_owner, mut scientist) = after_two_proposals(&world).await;
        world.wind(WEEK / 2);
        let listing = cost_of(&scientist).await;
        world.wind(2 * WEEK);
        scientist.script.when(1, fault.clone(), |call| call.method == "delete");
        scientist.sync().await;
        scientist.restart();
        world.wind(WEEK);
        scientist.sync().await;
        assert_eq!(messages_of(&scientist).await.len(), 0, "{fault:?}");
        world.wind(WEEK);
        assert_eq!(cost_of(&scientist).await, listing, "nothing is left to delete");
    }
}

/// Python's clean-up deletes what it sent, also from under an owner.
#[tokio::test]
async fn w36_a_message_that_its_sender_took_back_stops_nobody() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/first.txt", b"x");
    scientist.sync().await;
    scientist.write(&owner.email, "w/second.txt", b"x");
    scientist.sync().await;
    world.drive.set_lag(1); // The owner does not see that one is gone.
    let messages = messages_of(&scientist).await;
    scientist.session().delete(&messages[..1]).await.unwrap();
    assert_eq!(owner.sync().await.accepted, 1);
    world.drive.set_lag(0);
    world.drive.release();
    assert_eq!(owner.sync().await.accepted, 0);
    assert!(owner.sync().await.is_idle());
}
