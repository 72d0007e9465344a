//! What a sync does, between parties who mean well.

use syft::connections::Query;
use syft::permissions::Level;
use syft::syncers::{Error, SyncOptions, peering};
use syft::wire::PeerState;

use super::world::{World, acquaint, email};

#[tokio::test]
async fn a_request_is_seen_approved_and_seen_to_be_approved() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    let state = |party: &super::world::Party<'_>| {
        let peers = peering::remembered(party.account()).unwrap();
        peers.first().map(|known| known.peer.state)
    };
    owner.sync().await;
    scientist.sync().await;
    scientist.request(&owner.email).await.unwrap();
    assert_eq!(state(&scientist), Some(PeerState::RequestedByMe));
    owner.sync().await;
    assert_eq!(state(&owner), Some(PeerState::RequestedByPeer));
    owner.approve(&scientist.email).await.unwrap();
    assert_eq!(state(&owner), Some(PeerState::Accepted));
    scientist.sync().await;
    assert_eq!(state(&scientist), Some(PeerState::Accepted));
    let nobody = email("nobody@example.org");
    assert!(matches!(owner.approve(&nobody).await, Err(Error::NoRequest { .. })));
    assert!(matches!(owner.request(&owner.email).await, Err(Error::OwnAccount { .. })));
}

#[tokio::test]
async fn readers_get_what_they_may_read_and_nothing_else() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.put("open/a.txt", "for you");
    owner.put("closed/b.txt", "not for you");
    owner.put("private/c.txt", "for nobody");
    owner.grant("open/", &scientist.email, Level::Read);
    owner.sync().await;
    scientist.sync().await;
    let files = scientist.tree(&owner.email);
    assert_eq!(files, [("open/a.txt".to_owned(), "for you".to_owned())]);

    owner.grant("closed/", &scientist.email, Level::Read);
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "closed/b.txt").as_deref(), Some("not for you"));

    owner.revoke("closed/", &scientist.email);
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "closed/b.txt"), None, "W23: access is taken back");
}

#[tokio::test]
async fn edits_and_deletions_of_the_owner_arrive() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("open/", &scientist.email, Level::Read);
    owner.put("open/a.txt", "one");
    owner.put("open/empty.txt", "");
    owner.write(&owner.email, "open/blob.bin", &[0, 159, 146, 150]);
    owner.put("open/uni-é-中.txt", "naïve ✓\r\n");
    owner.sync().await;
    owner.put("open/a.txt", "two");
    owner.sync().await;
    owner.put("open/a.txt", "three");
    owner.sync().await;
    scientist.sync().await;
    let read = |path| scientist.read(&owner.email, path);
    assert_eq!(read("open/a.txt").as_deref(), Some("three"));
    assert_eq!(read("open/empty.txt").as_deref(), Some(""));
    assert_eq!(read("open/uni-é-中.txt").as_deref(), Some("naïve ✓\r\n"));
    assert!(read("open/blob.bin").is_some());
    owner.delete(&owner.email, "open/a.txt");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(read("open/a.txt"), None);
}

#[tokio::test]
async fn what_a_scientist_may_write_is_taken_in_and_reaches_all_readers() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let other = world.scientist("ds2@example.org");
    acquaint(&owner, &other).await;
    owner.grant("shared/", &scientist.email, Level::Write);
    owner.grant("shared/", &other.email, Level::Read);
    owner.sync().await;
    scientist.write(&owner.email, "shared/hello.txt", b"hello");
    assert_eq!(scientist.sync().await.pushed, 1);
    assert_eq!(owner.sync().await.accepted, 1);
    assert_eq!(owner.read(&owner.email, "shared/hello.txt").as_deref(), Some("hello"));
    scientist.sync().await;
    other.sync().await;
    assert_eq!(other.read(&owner.email, "shared/hello.txt").as_deref(), Some("hello"), "W22");

    scientist.write(&owner.email, "shared/hello.txt", b"hello again");
    scientist.sync().await;
    scientist.delete(&owner.email, "shared/hello.txt");
    assert_eq!(scientist.sync().await.pushed, 0, "it waits for the first answer");
    assert_eq!(owner.sync().await.accepted, 1);
    assert_eq!(scientist.sync().await.pushed, 1);
    assert_eq!(owner.sync().await.accepted, 1);
    scientist.sync().await;
    other.sync().await;
    assert_eq!(owner.read(&owner.email, "shared/hello.txt"), None);
    assert_eq!(other.read(&owner.email, "shared/hello.txt"), None);
}

#[tokio::test]
async fn a_refused_edit_is_kept_aside_and_not_sent_again() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("open/", &scientist.email, Level::Read);
    owner.put("open/a.txt", "the owner's");
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "open/a.txt", b"mine");
    scientist.write(&owner.email, "evil.txt", b"not allowed");
    scientist.sync().await;
    let report = owner.sync().await;
    assert_eq!((report.accepted, report.refused.len()), (0, 2));
    assert_eq!(owner.read(&owner.email, "open/a.txt").as_deref(), Some("the owner's"));
    assert_eq!(owner.read(&owner.email, "evil.txt"), None);
    let report = scientist.sync().await;
    assert_eq!(report.refused.len(), 2);
    assert_eq!(scientist.read(&owner.email, "open/a.txt").as_deref(), Some("the owner's"));
    let kept: Vec<(String, String)> = scientist
        .tree(&owner.email)
        .into_iter()
        .filter(|(path, _)| path.contains(".refused-"))
        .collect();
    let contents: Vec<&str> = kept.iter().map(|(_, content)| content.as_str()).collect();
    assert_eq!(contents, ["not allowed", "mine"], "{kept:?}");
    assert!(scientist.sync().await.is_idle());
    assert!(owner.sync().await.is_idle());
}

#[tokio::test]
async fn the_first_of_two_edits_wins_and_the_second_is_kept_aside() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let other = world.scientist("ds2@example.org");
    acquaint(&owner, &other).await;
    owner.put("shared/a.txt", "base");
    owner.grant("shared/", &scientist.email, Level::Write);
    owner.grant("shared/", &other.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    other.sync().await;
    scientist.write(&owner.email, "shared/a.txt", b"first");
    other.write(&owner.email, "shared/a.txt", b"second");
    scientist.sync().await;
    other.sync().await;
    let report = owner.sync().await;
    assert_eq!((report.accepted, report.refused.len()), (1, 1));
    scientist.sync().await;
    other.sync().await;
    for party in [&owner, &scientist, &other] {
        assert_eq!(party.read(&owner.email, "shared/a.txt").as_deref(), Some("first"));
    }
    let kept = other.tree(&owner.email);
    assert!(kept.iter().any(|(path, text)| path.contains(".refused-") && text == "second"));
}

#[tokio::test]
async fn a_second_machine_restores_from_the_log_alone() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.put("a.txt", "old");
    owner.sync().await;
    owner.put("a.txt", "new");
    owner.put("b/c.txt", "c");
    owner.put("gone.txt", "x");
    owner.sync().await;
    owner.delete(&owner.email, "gone.txt");
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.write(&owner.email, "w/p.txt", b"proposed");
    scientist.sync().await;
    owner.sync().await;
    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
    assert!(second.sync().await.is_idle());
}

#[tokio::test]
async fn a_second_machine_restores_from_a_checkpoint_and_what_came_after() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.put("a.txt", "one");
    owner.put("empty.txt", "");
    owner.write(&owner.email, "blob.bin", &[0, 255, 254]);
    owner.sync().await;
    let syncer = syft::syncers::DatasiteOwnerSyncer::new(owner.account());
    assert_eq!(syncer.create_checkpoint(world.now()).await.unwrap().files, 3);
    owner.put("a.txt", "two");
    owner.put("after.txt", "after");
    owner.sync().await;
    let second = world.owner("do@example.org");
    second.write(&owner.email, "mine.txt", b"made offline");
    second.write(&owner.email, "after.txt", b"an edit of this machine");
    second.sync().await;
    assert_eq!(second.read(&owner.email, "a.txt").as_deref(), Some("two"));
    assert_eq!(second.read(&owner.email, "blob.bin"), owner.read(&owner.email, "blob.bin"));
    let edit = second.read(&owner.email, "after.txt");
    assert_eq!(edit.as_deref(), Some("an edit of this machine"), "W5: local edits are sacred");
    owner.sync().await;
    // What it replaced was never seen there, and is kept beside it.
    let (kept, files): (Vec<_>, Vec<_>) = second
        .tree(&owner.email)
        .into_iter()
        .partition(|(path, _)| path.contains(syft::model::KEPT_ASIDE_MARK));
    assert_eq!(files, owner.tree(&owner.email));
    assert_eq!(kept.len(), 1, "{kept:?}");
}

#[tokio::test]
async fn two_machines_of_an_owner_follow_each_other() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let second = world.owner("do@example.org");
    owner.grant("r/", &scientist.email, Level::Read);
    owner.sync().await;
    second.sync().await;
    for round in 0..4 {
        let (one, two) = if round % 2 == 0 { (&owner, &second) } else { (&second, &owner) };
        one.put("r/a.txt", &format!("round {round}"));
        one.put(&format!("r/{round}.txt"), "x");
        one.sync().await;
        two.sync().await;
        scientist.sync().await;
        assert_eq!(one.tree(&owner.email), two.tree(&owner.email));
        let read = scientist.read(&owner.email, "r/a.txt");
        assert_eq!(read, Some(format!("round {round}")));
    }
}

#[tokio::test]
async fn checkpoints_come_by_themselves_and_replace_each_other() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let options = SyncOptions { checkpoint_threshold: 2, ..SyncOptions::default() };
    for round in 0..12 {
        owner.put(&format!("{}.txt", round % 5), &format!("round {round}"));
        owner.put("always.txt", &format!("round {round}"));
        let report = owner.try_sync_with(&options).await.unwrap();
        assert_eq!(report.problems, []);
    }
    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
}

#[tokio::test]
async fn a_datasite_that_is_suddenly_empty_stops_the_sync() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    for name in ["a", "b", "c"] {
        owner.put(&format!("r/{name}"), name);
    }
    owner.sync().await;
    scientist.sync().await;
    std::fs::remove_dir_all(owner.account().folders.datasite(&owner.email)).unwrap();
    assert!(matches!(owner.try_sync().await, Err(Error::SuddenlyEmpty { .. })));
    scientist.sync().await;
    assert_eq!(scientist.tree(&owner.email).len(), 3);
    let force = SyncOptions { force: true, ..SyncOptions::default() };
    owner.try_sync_with(&force).await.unwrap();
    scientist.sync().await;
    assert_eq!(scientist.tree(&owner.email), []);
}

#[tokio::test]
async fn an_outbox_stays_small_and_says_the_same_to_whoever_reads_it_when() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let late = world.scientist("late@example.org");
    acquaint(&owner, &late).await;
    for peer in [&scientist, &late] {
        owner.grant("r/", &peer.email, Level::Read);
    }
    owner.put("r/gone.txt", "x");
    owner.sync().await;
    late.sync().await;
    owner.delete(&owner.email, "r/gone.txt");
    for round in 0..57 {
        owner.put(&format!("r/{}.txt", round % 9), &format!("round {round}"));
        owner.sync().await;
        if round % 7 == 0 {
            scientist.sync().await;
        }
    }
    let all = scientist.session().find(&Query::default()).await.unwrap();
    let outbox = all.iter().find(|entry| entry.name.contains("#outbox#ds@")).unwrap();
    let messages = all.iter().filter(|entry| entry.parents.contains(&outbox.id)).count();
    assert!(messages < 15, "{messages} messages");
    scientist.sync().await;
    late.sync().await;
    let second = world.scientist("late@example.org");
    second.sync().await;
    let wanted = scientist.tree(&owner.email);
    assert_eq!(wanted.len(), 9);
    assert_eq!(late.tree(&owner.email), wanted);
    assert_eq!(second.tree(&owner.email), wanted);
}

#[tokio::test]
async fn the_state_again_is_no_answer_to_a_proposal_that_is_under_way() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/a.txt", "base");
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/a.txt", b"edit");
    scientist.sync().await;
    // The owner says what it holds once more, before it looks at the proposal.
    let options = SyncOptions { compact_threshold: 2, ..SyncOptions::default() };
    owner.put("w/b.txt", "b");
    owner.try_sync_with(&options).await.unwrap();
    let report = scientist.sync().await;
    assert_eq!(report.refused, []);
    assert_eq!(scientist.read(&owner.email, "w/a.txt").as_deref(), Some("edit"));
    scientist.sync().await;
    assert_eq!(owner.read(&owner.email, "w/a.txt").as_deref(), Some("edit"));
    assert!(!scientist.tree(&owner.email).iter().any(|(path, _)| path.contains(".refused-")));
}

#[tokio::test]
async fn an_answer_is_known_also_if_it_was_brought_together_with_other_news() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/a.txt", "the owner's");
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "r/a.txt", b"mine");
    scientist.sync().await;
    let options = SyncOptions { compact_threshold: 2, ..SyncOptions::default() };
    owner.put("r/b.txt", "b");
    let report = owner.try_sync_with(&options).await.unwrap();
    assert_eq!(report.refused.len(), 1);
    assert_eq!(scientist.sync().await.refused.len(), 1);
    assert_eq!(scientist.read(&owner.email, "r/a.txt").as_deref(), Some("the owner's"));
    assert!(scientist.tree(&owner.email).iter().any(|(_, content)| content == "mine"));
    assert!(scientist.sync().await.is_idle());
}
