//! What is agreed and cannot be written, and what is decided and cannot be sent: it counts all the
//! same, and waits.

use syft::connections::faulty::{Fault, unavailable};
use syft::connections::{Connection, Entry, Query};
use syft::model::KEPT_ASIDE_MARK;
use syft::permissions::Level;
use syft::syncers::{Report, SyncOptions};
use syft::wire::{FileChangeEventsMessage, Packed as _};

use super::hostile::{change, propose_raw};
use super::world::{Party, World, acquaint};

/// Puts a folder where `path` is to be that does not travel and makes no way.
fn obstruct(party: &Party<'_>, path: &str) -> std::path::PathBuf {
    let folder = party.account().folders.datasite(&party.email).join(path);
    std::fs::create_dir_all(folder.join(".git")).unwrap();
    std::fs::write(folder.join(".git/config"), "").unwrap();
    folder
}

/// An owner, and a scientist who may write to `w/`.
async fn writing(world: &World) -> (Party<'_>, Party<'_>) {
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    (owner, scientist)
}

fn codes(report: &Report) -> Vec<&'static str> {
    report.problems.iter().map(|problem| problem.code.as_str()).collect()
}

fn kept(party: &Party<'_>, owner: &Party<'_>) -> Vec<String> {
    let is_kept = |(path, _): &(String, String)| path.contains(KEPT_ASIDE_MARK);
    party.tree(&owner.email).into_iter().filter(is_kept).map(|(_, content)| content).collect()
}

/// Returns what lies in the folder for messages of this way between the owner and the scientist.
async fn mailbox(scientist: &Party<'_>, way: &str) -> Vec<Entry> {
    let all: Vec<Entry> = scientist.session().find(&Query::default()).await.unwrap();
    let is_box = |entry: &&Entry| entry.name.ends_with(&format!("#{way}#{}", scientist.email));
    let folder = all.iter().find(is_box).unwrap().id.clone();
    all.into_iter().filter(|entry| entry.parents.contains(&folder)).collect()
}

#[tokio::test]
async fn a_proposal_is_judged_by_what_was_agreed_also_where_the_disk_refuses_it() {
    let world = World::new();
    let (owner, first) = world.pair().await;
    let second = world.scientist("zs@example.org");
    acquaint(&owner, &second).await;
    for scientist in [&first, &second] {
        owner.grant("w/", &scientist.email, Level::Write);
    }
    for party in [&owner, &first, &second] {
        party.sync().await;
    }
    let obstacle = obstruct(&owner, "w/x");
    first.write(&owner.email, "w/x", b"first");
    first.sync().await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!((report.accepted, codes(&report)), (1, vec!["not-written"]));
    second.write(&owner.email, "w/x", b"second");
    second.sync().await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!((report.accepted, report.refused.len()), (0, 1), "{report:?}");
    std::fs::remove_dir_all(obstacle).unwrap();
    for party in [&owner, &first, &second, &owner] {
        party.sync().await;
    }
    for party in [&owner, &first, &second] {
        assert_eq!(party.read(&owner.email, "w/x").as_deref(), Some("first"), "{}", party.email);
        assert!(party.sync().await.is_idle());
    }
    assert_eq!(kept(&second, &owner), ["second"]);
}

#[tokio::test]
async fn what_waits_to_be_written_is_in_the_way_of_what_needs_a_folder_there() {
    let world = World::new();
    let (owner, scientist) = writing(&world).await;
    let obstacle = obstruct(&owner, "w/x");
    propose_raw(&scientist, &scientist.email, &[change("w/x", "a file")]).await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!((report.accepted, codes(&report)), (1, vec!["not-written"]));
    propose_raw(&scientist, &scientist.email, &[change("w/x/y", "below it")]).await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!((report.accepted, report.refused.len()), (0, 1), "{report:?}");
    std::fs::remove_dir_all(obstacle).unwrap();
    owner.sync().await;
    assert_eq!(owner.read(&owner.email, "w/x").as_deref(), Some("a file"));
}

/// What a sync tries more than once is told once, and not at all if it was done in the end.
#[tokio::test]
async fn a_write_that_fails_again_and_again_in_one_sync_is_told_once() {
    let world = World::new();
    let (owner, scientist) = writing(&world).await;
    let obstacle = obstruct(&owner, "w/x");
    propose_raw(&scientist, &scientist.email, &[change("w/x", "a file")]).await;
    owner.try_sync().await.unwrap();
    // It is tried before anything is taken in, and with what is.
    propose_raw(&scientist, &scientist.email, &[change("w/y", "another")]).await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!(codes(&report), ["not-written"], "{report:?}");
    assert!(report.problems[0].message.contains("w/x"), "{report:?}");
    std::fs::remove_dir_all(obstacle).unwrap();
    assert_eq!(codes(&owner.try_sync().await.unwrap()), [""; 0]);
}

/// The second of two changes of one file is made of the first, which is not written yet.
#[tokio::test]
async fn what_follows_a_write_that_waits_is_written_as_well() {
    for is_obstructed in [false, true] {
        let world = World::new();
        let (owner, scientist) = world.pair().await;
        owner.grant("w/", &scientist.email, Level::Write);
        owner.put("w/a", "one");
        owner.sync().await;
        scientist.sync().await;
        let obstacle = is_obstructed.then(|| obstruct(&owner, "w/x"));
        let mut changes = vec![change("w/x", "two"), change("w/x", "three")];
        changes[1]["old_hash"] = changes[0]["new_hash"].clone();
        if is_obstructed {
            propose_raw(&scientist, &scientist.email, &changes[..1]).await;
            assert_eq!(owner.try_sync().await.unwrap().accepted, 1);
            changes.remove(0);
        }
        let count = changes.len();
        propose_raw(&scientist, &scientist.email, &changes).await;
        assert_eq!(owner.try_sync().await.unwrap().accepted, count);
        if let Some(obstacle) = obstacle {
            std::fs::remove_dir_all(obstacle).unwrap();
        }
        owner.sync().await;
        assert_eq!(owner.read(&owner.email, "w/x").as_deref(), Some("three"), "{is_obstructed}");
        scientist.sync().await;
        assert_eq!(scientist.read(&owner.email, "w/x").as_deref(), Some("three"));
        assert!(owner.sync().await.is_idle());
    }
}

/// One machine took a proposal in and could not write it, while another announced a file of that name.
#[tokio::test]
async fn a_proposal_that_could_not_be_written_and_gives_way_is_kept() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    let second = world.owner(owner.email.as_str());
    second.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/x", b"proposed");
    scientist.sync().await;
    let obstacle = obstruct(&second, "w/x");
    world.drive.set_lag(1000);
    assert_eq!(second.try_sync().await.unwrap().accepted, 1);
    owner.put("w/x", "of the owner");
    owner.sync().await;
    world.drive.set_lag(0);
    world.drive.release();
    assert!(codes(&second.try_sync().await.unwrap()).contains(&"not-written"));
    assert_eq!(kept(&second, &owner), ["proposed"]);
    std::fs::remove_dir_all(obstacle).unwrap();
    for party in [&second, &owner, &scientist, &second, &owner, &scientist] {
        party.sync().await;
    }
    for party in [&owner, &second, &scientist] {
        let content = party.read(&owner.email, "w/x");
        assert_eq!(content.as_deref(), Some("of the owner"), "{}", party.email);
    }
}

/// Whoever sees that its proposal has left the inbox takes what it knows for the answer.
#[tokio::test]
async fn a_proposal_whose_answer_cannot_be_said_yet_stays_in_the_inbox() {
    let world = World::new();
    let (owner, scientist) = writing(&world).await;
    let obstacle = obstruct(&owner, "w/x");
    scientist.write(&owner.email, "w/x", b"asked");
    scientist.sync().await;
    assert_eq!(owner.try_sync().await.unwrap().accepted, 1);
    assert_eq!(mailbox(&scientist, "inbox").await.len(), 1);
    scientist.write(&owner.email, "w/x", b"edited since");
    assert_eq!(scientist.sync().await.pushed, 0, "the answer is not there");
    std::fs::remove_dir_all(obstacle).unwrap();
    owner.sync().await;
    assert_eq!(mailbox(&scientist, "inbox").await.len(), 0);
    assert_eq!(scientist.sync().await.pushed, 1);
    let report = owner.sync().await;
    assert_eq!((report.accepted, report.refused.len()), (1, 0), "{report:?}");
    assert_eq!(owner.read(&owner.email, "w/x").as_deref(), Some("edited since"));
    assert!(kept(&scientist, &owner).is_empty());
}

#[tokio::test]
async fn a_proposal_whose_answer_could_not_be_sent_stays_in_the_inbox() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/x", b"asked");
    scientist.sync().await;
    // The feed, the proposal, the log, and then the answer.
    owner.script.at(owner.script.calls() + 3, Fault::before(unavailable));
    let report = owner.try_sync().await.unwrap();
    assert_eq!((report.accepted, codes(&report)), (1, vec!["not-sent"]));
    assert_eq!(mailbox(&scientist, "inbox").await.len(), 1);
    scientist.write(&owner.email, "w/x", b"edited since");
    assert_eq!(scientist.sync().await.pushed, 0, "the answer is not there");
    owner.sync().await;
    assert_eq!(mailbox(&scientist, "inbox").await.len(), 0);
    scientist.sync().await;
    assert_eq!(owner.sync().await.accepted, 1);
}

async fn contents(scientist: &Party<'_>, entries: &[Entry]) -> Vec<String> {
    let session: &dyn Connection = scientist.session();
    let mut contents = Vec::new();
    for entry in entries {
        let bytes = session.read(&entry.id, u64::MAX).await.unwrap();
        for event in FileChangeEventsMessage::from_file_bytes(&bytes).unwrap().events {
            let content = event.check().unwrap().content;
            contents
                .extend(content.map(|c| String::from_utf8_lossy(c.inline().unwrap()).into_owned()));
        }
    }
    contents
}

/// What waited to be sent was taken back, for the rules cannot be read any more. Bringing together what
/// lies in the outbox says only what was sent.
#[tokio::test]
async fn what_is_held_back_is_not_sent_by_bringing_messages_together() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    for name in ["a", "b", "c"] {
        owner.put(&format!("r/{name}"), name);
        owner.sync().await;
    }
    scientist.sync().await;
    owner.put("r/a", "held back");
    owner.script.when(usize::MAX, Fault::before(unavailable), |call| call.method == "create_file");
    drop(owner.try_sync().await);
    owner.script.clear();
    let rules = owner.account().folders.datasite(&owner.email).join("r/syft.pub.yaml");
    let content = std::fs::read(&rules).unwrap();
    std::fs::remove_file(&rules).unwrap();
    std::os::unix::fs::symlink("elsewhere", &rules).unwrap();
    let options = SyncOptions { compact_threshold: 2, ..SyncOptions::default() };
    for _ in 0..2 {
        owner.try_sync_with(&options).await.unwrap();
        let said = contents(&scientist, &mailbox(&scientist, "outbox").await).await;
        assert!(!said.contains(&"held back".to_owned()), "{said:?}");
    }
    std::fs::remove_file(&rules).unwrap();
    std::fs::write(&rules, content).unwrap();
    owner.try_sync_with(&options).await.unwrap();
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/a").as_deref(), Some("held back"));
}
