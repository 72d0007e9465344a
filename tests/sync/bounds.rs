//! What others send has bounds here, and what cannot be helped is told once.

use bytes::Bytes;
use syft::connections::faulty::Fault;
use syft::connections::{Content, Entry, Error, FileId, NewEntry, OCTETS, Query};
use syft::permissions::Level;

use super::world::{Party, World};

async fn folder(party: &Party<'_>, name: &str) -> FileId {
    let all: Vec<Entry> = party.session().find(&Query::default()).await.unwrap();
    all.into_iter().find(|entry| entry.name.contains(name)).unwrap().id
}

async fn put(party: &Party<'_>, parent: &FileId, name: &str) {
    let new = NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: OCTETS,
        tags: std::collections::BTreeMap::new(),
    };
    let content = Content::Bytes(Bytes::from_static(b"noise"));
    party.session().create_file(&new, content).await.unwrap();
}

fn codes(problems: &[syft::syncers::Problem]) -> Vec<&str> {
    problems.iter().map(|problem| problem.code.as_str()).collect()
}

#[tokio::test]
async fn a_quarantine_that_is_full_drops_the_oldest_and_says_so_once() {
    const KEPT: usize = 200;
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let inbox = folder(&scientist, "#inbox#ds@").await;
    let mut told = 0;
    for count in [KEPT, 1, 1] {
        for _ in 0..count {
            put(&scientist, &inbox, "msgv2_nonsense.tar.gz").await;
        }
        let report = owner.try_sync().await.unwrap();
        let codes = codes(&report.problems);
        assert_eq!(codes.iter().filter(|code| **code == "message-quarantined").count(), count);
        told += codes.iter().filter(|code| **code == "quarantine-full").count();
    }
    assert_eq!(told, 1);
    let kept = owner.account().folders.quarantine().join(scientist.email.as_str());
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 2 * KEPT);
}

#[tokio::test]
async fn more_proposals_than_fit_into_memory_are_taken_in_by_one_sync() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    for number in 0..205 {
        scientist.write(&owner.email, &format!("w/{number}.txt"), b"x");
        scientist.sync().await;
    }
    assert_eq!(owner.sync().await.accepted, 205);
    scientist.sync().await;
    assert!(owner.sync().await.is_idle());
}

#[tokio::test]
async fn a_message_of_the_own_log_that_is_not_understood_is_told_once() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.put("a.txt", "one");
    owner.sync().await;
    let log = folder(&owner, "0.1.117#do@").await;
    let name = format!("syfteventsmessagev3_1780000001.5_{}.tar.gz", uuid::Uuid::new_v4());
    put(&owner, &log, &name).await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!(codes(&report.problems), ["event-not-usable"]);
    assert!(report.problems[0].message.contains(&name), "{:?}", report.problems);
    let before = owner.session().requests();
    assert!(owner.sync().await.is_idle());
    assert_eq!(owner.session().requests() - before, 1, "nor is it read again");
}

#[tokio::test]
async fn a_message_that_may_not_be_moved_out_of_its_inbox_is_told_once() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.write(&owner.email, "w/a.txt", b"x");
    scientist.sync().await;
    let denied =
        || Error::Denied { service: "memory", what: "move this".to_owned(), source: "no".into() };
    // Each item of the call is refused, as by a peer that took our access away.
    owner.script.when(usize::MAX, Fault::rest(denied), |call| call.method == "relocate");
    let report = owner.try_sync().await.unwrap();
    assert_eq!((report.accepted, codes(&report.problems)), (1, vec!["not-archived"]));
    assert!(owner.sync().await.is_idle());
}
