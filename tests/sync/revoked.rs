//! What a peer may no longer read is not sent to it, though a message with it was decided and waits.

use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{Entry, Query};
use syft::permissions::Level;
use syft::syncers::SyncOptions;
use syft::wire::{FileChangeEventsMessage, Packed as _};

use super::world::{Party, World};

const OUTBOX: &str = "syft_datasite#0.1.117#do@example.org#outbox#ds@example.org";

/// All that ever stands in the scientist's outbox: which file holds what.
async fn outbox(scientist: &Party<'_>) -> Vec<(String, Option<String>)> {
    let all: Vec<Entry> = scientist.session().find(&Query::default()).await.unwrap();
    let folder = all.iter().find(|entry| entry.name == OUTBOX).unwrap().id.clone();
    let mut said = Vec::new();
    for entry in all.iter().filter(|entry| entry.parents.contains(&folder)) {
        let bytes = scientist.session().read(&entry.id, u64::MAX).await.unwrap();
        let message = FileChangeEventsMessage::from_file_bytes(&bytes).unwrap();
        for event in message.events {
            let checked = event.check().unwrap();
            let text =
                checked.content.map(|c| String::from_utf8_lossy(c.inline().unwrap()).into_owned());
            said.push((checked.path.to_string(), text));
        }
    }
    said.sort();
    said
}

/// What the owner decides is not sent: the peer's folder is out of reach. `answer_lost`: it is sent,
/// and nobody hears of it.
async fn waiting<'w>(world: &'w World, answer_lost: bool) -> (Party<'w>, Party<'w>) {
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/open.txt", "open");
    owner.put("r/secret.txt", "secret");
    // The first message is that to the log.
    owner.script.at(owner.script.calls() + 2, {
        if answer_lost { Fault::after(unavailable) } else { Fault::before(unavailable) }
    });
    let problems = owner.try_sync().await.unwrap().problems;
    assert_eq!(problems.first().map(|problem| problem.code.as_str()), Some("not-sent"));
    (owner, scientist)
}

#[tokio::test]
async fn what_was_revoked_while_its_message_waited_is_never_sent() {
    let world = World::new();
    let (owner, scientist) = waiting(&world, false).await;
    assert_eq!(outbox(&scientist).await, []);
    owner.revoke("r/secret.txt", &scientist.email);
    owner.sync().await;
    let said = outbox(&scientist).await;
    let secret = said.iter().filter(|(path, _)| path == "r/secret.txt").collect::<Vec<_>>();
    assert!(secret.iter().all(|(_, content)| content.is_none()), "{said:?}");
    assert!(said.contains(&("r/open.txt".to_owned(), Some("open".to_owned()))), "{said:?}");
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/open.txt").as_deref(), Some("open"));
    assert_eq!(scientist.read(&owner.email, "r/secret.txt"), None);
    assert!(owner.sync().await.is_idle());
}

#[tokio::test]
async fn what_was_sent_without_an_answer_is_taken_back_and_deleted() {
    let world = World::new();
    let (owner, scientist) = waiting(&world, true).await;
    assert_eq!(outbox(&scientist).await.len(), 2, "it is there, and its owner does not know");
    owner.revoke("r/secret.txt", &scientist.email);
    owner.sync().await;
    let said = outbox(&scientist).await;
    assert!(!said.iter().any(|(_, content)| content.as_deref() == Some("secret")), "{said:?}");
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/open.txt").as_deref(), Some("open"));
    assert_eq!(scientist.read(&owner.email, "r/secret.txt"), None);
}

#[tokio::test]
async fn a_waiting_message_is_taken_back_whatever_fails() {
    let (mut number, mut calls) = (0, usize::MAX);
    while number < calls {
        for crash in [Crash::Before, Crash::After, Crash::Half] {
            let world = World::new();
            let (mut owner, scientist) = waiting(&world, number % 2 == 0).await;
            owner.revoke("r/secret.txt", &scientist.email);
            let before = owner.script.calls();
            owner.script.crash_at(before + number, crash);
            drop(owner.try_sync().await);
            if !owner.script.has_crashed() {
                calls = owner.script.calls() - before;
            }
            owner.restart();
            owner.sync().await;
            let said = outbox(&scientist).await;
            let is_secret =
                |(_, content): &(String, Option<String>)| content.as_deref() == Some("secret");
            assert!(!said.iter().any(is_secret), "{number} {crash:?}: {said:?}");
            scientist.sync().await;
            let read = scientist.read(&owner.email, "r/open.txt");
            assert_eq!(read.as_deref(), Some("open"), "{number} {crash:?}");
            assert_eq!(scientist.read(&owner.email, "r/secret.txt"), None, "{number} {crash:?}");
        }
        number += 1;
    }
    assert!(calls > 3, "{calls} calls are too few to show anything");
}

#[tokio::test]
async fn an_answer_that_waited_with_what_was_revoked_is_still_given() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/a.txt", "one");
    owner.put("w/secret.txt", "s");
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/a.txt", b"two");
    scientist.sync().await;
    owner.put("w/secret.txt", "secret");
    owner.script.when(usize::MAX, Fault::before(unavailable), |call| call.method == "create_file");
    drop(owner.try_sync().await);
    owner.script.clear();
    owner.revoke("w/secret.txt", &scientist.email);
    let options = SyncOptions { compact_threshold: 2, ..SyncOptions::default() };
    owner.try_sync_with(&options).await.unwrap();
    let said = outbox(&scientist).await;
    assert!(!said.iter().any(|(_, content)| content.as_deref() == Some("secret")), "{said:?}");
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "w/a.txt").as_deref(), Some("two"));
    assert_eq!(scientist.read(&owner.email, "w/secret.txt"), None);
    scientist.write(&owner.email, "w/a.txt", b"three");
    scientist.sync().await;
    assert_eq!(owner.sync().await.accepted, 1, "the answer came: the next proposal is made");
}

/// The message that waits is already to be replaced by another one that waits as well.
#[tokio::test]
async fn a_waiting_message_that_is_to_be_replaced_is_taken_back_too() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/a.txt", "one");
    owner.sync().await;
    scientist.sync().await;
    owner.put("r/secret.txt", "secret");
    owner.script.when(usize::MAX, Fault::before(unavailable), |call| call.method == "create_file");
    let options = SyncOptions { compact_threshold: 2, ..SyncOptions::default() };
    drop(owner.try_sync_with(&options).await);
    owner.script.clear();
    owner.revoke("r/secret.txt", &scientist.email);
    owner.sync().await;
    let said = outbox(&scientist).await;
    assert!(!said.iter().any(|(_, content)| content.as_deref() == Some("secret")), "{said:?}");
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/secret.txt"), None);
    assert_eq!(scientist.read(&owner.email, "r/a.txt").as_deref(), Some("one"));
}
