//! What the simulation found, each as short as it can be told.

use syft::connections::Query;
use syft::connections::faulty::{Fault, unavailable};
use syft::model::{Email, KEPT_ASIDE_MARK};
use syft::permissions::Level;
use syft::syncers::{DatasiteOwnerSyncer, DatasiteWatcherSyncer};

use super::world::{Party, World};

/// The answer to the creation of a file was lost, so its id stayed reserved; the file was found and
/// deleted, and from then on that id was neither free nor anybody's.
#[tokio::test]
async fn a_rolling_state_of_which_nobody_was_told_and_that_is_deleted_is_made_anew() {
    let world = World::new();
    let (owner, _scientist) = world.pair().await;
    owner.put("a.txt", "one");
    let is_rolling = |name: &str| name.starts_with("rolling_state");
    owner.script.when(1, Fault::after(unavailable), move |call| {
        call.method == "create_file" && is_rolling(&call.subject)
    });
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    DatasiteOwnerSyncer::new(owner.account()).create_checkpoint(world.now()).await.unwrap();
    owner.put("a.txt", "two");
    owner.sync().await;
}

/// A machine of the owner took a proposal in and could not move it out of the inbox; there another
/// machine found it after the file had gone on, and took it in a second time.
#[tokio::test]
async fn what_one_machine_took_in_another_does_not_take_in_again() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("shared/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "shared/a.txt", b"proposed");
    scientist.sync().await;
    owner.script.when(2, Fault::before(unavailable), |call| call.method == "relocate");
    assert_eq!(owner.try_sync().await.unwrap().accepted, 1);
    owner.delete(&owner.email, "shared/a.txt");
    assert_eq!(owner.try_sync().await.unwrap().problems.len(), 1);

    let second = world.owner(owner.email.as_str());
    assert_eq!(second.sync().await.accepted, 0);
    for party in [&owner, &scientist, &second] {
        party.sync().await;
        assert_eq!(party.read(&owner.email, "shared/a.txt"), None, "{}", party.email);
    }
}

/// Two machines of the owner take in the same proposal at the same time, and one of them goes on from
/// there: in the log it stands twice, and counts where it stands first.
#[tokio::test]
async fn what_two_machines_took_in_counts_once() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("shared/", &scientist.email, Level::Write);
    owner.sync().await;
    let second = world.owner(owner.email.as_str());
    second.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "shared/a.txt", b"proposed");
    scientist.sync().await;
    world.drive.set_lag(1000);
    assert_eq!(owner.sync().await.accepted, 1);
    owner.put("shared/a.txt", "went on");
    owner.sync().await;
    assert_eq!(second.sync().await.accepted, 1, "it cannot know");
    world.drive.set_lag(0);
    for party in [&owner, &second, &scientist, &owner, &second, &scientist] {
        party.sync().await;
    }
    for party in [&owner, &second, &scientist] {
        let content = party.read(&owner.email, "shared/a.txt");
        assert_eq!(content.as_deref(), Some("went on"), "{}", party.email);
    }
}

/// Both machines of the owner edit one file: the later edit counts, and the other is kept.
#[tokio::test]
async fn an_edit_of_another_machine_that_gives_way_is_kept_beside_the_file() {
    let world = World::new();
    let (first, second) = (world.owner("do@example.org"), world.owner("do@example.org"));
    first.put("a.txt", "begin");
    first.sync().await;
    second.sync().await;
    first.put("a.txt", "of the first");
    second.put("a.txt", "of the second");
    first.sync().await;
    let report = second.sync().await;
    assert_eq!(report.refused.len(), 1, "{report:?}");
    first.sync().await;
    for machine in [&first, &second] {
        assert_eq!(machine.read(&machine.email, "a.txt").as_deref(), Some("of the second"));
    }
    assert_eq!(kept(&second, &second.email), ["of the first"]);
    assert!(kept(&first, &first.email).is_empty(), "it was seen there and then changed");
    assert!(second.sync().await.is_idle() && first.sync().await.is_idle());
}

/// One machine took in a proposal while another announced an edit of the same file.
#[tokio::test]
async fn a_proposal_that_was_taken_in_and_gives_way_to_another_machine_is_kept() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("shared/", &scientist.email, Level::Write);
    owner.put("shared/a.txt", "begin");
    owner.sync().await;
    let second = world.owner(owner.email.as_str());
    second.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "shared/a.txt", b"proposed");
    scientist.sync().await;
    world.drive.set_lag(1000);
    assert_eq!(second.sync().await.accepted, 1);
    owner.put("shared/a.txt", "of the owner");
    owner.sync().await;
    world.drive.set_lag(0);
    for party in [&owner, &second, &scientist, &owner, &second, &scientist] {
        party.sync().await;
    }
    for party in [&owner, &second, &scientist] {
        let content = party.read(&owner.email, "shared/a.txt");
        assert_eq!(content.as_deref(), Some("of the owner"), "{}", party.email);
    }
    assert_eq!(kept(&second, &owner.email), ["proposed"]);
}

/// A push reads nothing. The proposal has left the inbox and its answer is not read: what was made of
/// it since would go out as made of something older, and be refused.
#[tokio::test]
async fn a_push_does_not_go_ahead_of_an_answer_that_is_not_read() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/a.txt", b"one");
    scientist.sync().await;
    assert_eq!(owner.sync().await.accepted, 1);
    scientist.script.when(1, Fault::before(unavailable), |call| call.method == "read");
    assert_eq!(scientist.try_sync().await.unwrap().problems.len(), 1);

    scientist.write(&owner.email, "w/a.txt", b"two");
    let syncer = DatasiteWatcherSyncer::new(scientist.account());
    assert_eq!(syncer.push(&owner.email, world.now()).await.unwrap().pushed, 0);
    for party in [&scientist, &owner, &scientist] {
        assert_eq!(party.sync().await.refused, []);
    }
    assert_eq!(owner.read(&owner.email, "w/a.txt").as_deref(), Some("two"));
    assert!(kept(&scientist, &owner.email).is_empty());
}

/// What does not fit into one message goes in several: one that is too large would be set aside whole.
#[tokio::test]
async fn many_bytes_are_proposed_in_several_messages() {
    let world = World::new();
    world.sends_chunks(false);
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    for number in 0..3_u8 {
        scientist.write(&owner.email, &format!("w/{number}"), &vec![number; 12 * 1024 * 1024]);
    }
    assert_eq!(scientist.sync().await.pushed, 3);
    let all = scientist.session().find(&Query::default()).await.unwrap();
    assert_eq!(all.iter().filter(|entry| entry.name.starts_with("msgv2_")).count(), 2);
    assert_eq!(owner.sync().await.accepted, 3);
}

/// What was kept aside in the tree of a datasite.
fn kept(party: &Party<'_>, datasite: &Email) -> Vec<String> {
    let is_kept = |(path, _): &(String, String)| path.contains(KEPT_ASIDE_MARK);
    party.tree(datasite).into_iter().filter(is_kept).map(|(_, content)| content).collect()
}
