//! What goes wrong between honest parties: obstacles on a disk, folders that come and go, clocks
//! that disagree. Nothing is lost, nothing comes back, and nobody else is held up.

use syft::connections::{Entry, Kind, Query};
use syft::permissions::Level;
use syft::syncers::{DatasiteOwnerSyncer, Error, SyncOptions, peering};

use super::world::{Party, World, acquaint};

async fn folders(party: &Party<'_>, name_part: &str) -> Vec<Entry> {
    let all = party.session().find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    all.into_iter().filter(|entry| entry.name.contains(name_part)).collect()
}

/// Puts something where a file is to be that neither travels nor makes way.
#[cfg(unix)]
fn put_a_pipe(place: &std::path::Path) {
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, place, kind, mode, 0).unwrap();
}

fn kept_aside(party: &Party<'_>, datasite: &Party<'_>) -> Vec<String> {
    let tree = party.tree(&datasite.email).into_iter();
    tree.filter(|(path, _)| path.contains(".refused-")).map(|(_, content)| content).collect()
}

#[tokio::test]
async fn a_folder_that_becomes_a_file_is_one_at_the_other_machine_and_the_reader() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let second = world.owner("do@example.org");
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/x/y", "below");
    owner.put("w/f", "a file");
    owner.sync().await;
    second.sync().await;
    scientist.sync().await;
    owner.delete(&owner.email, "w/x/y");
    std::fs::remove_dir(owner.account().folders.datasite(&owner.email).join("w/x")).unwrap();
    owner.put("w/x", "a file now");
    owner.delete(&owner.email, "w/f");
    owner.put("w/f/g", "a folder now");
    owner.sync().await;
    scientist.sync().await;
    second.sync().await;
    owner.sync().await;
    scientist.sync().await;
    for party in [&owner, &second, &scientist] {
        assert_eq!(party.read(&owner.email, "w/x").as_deref(), Some("a file now"));
        assert_eq!(party.read(&owner.email, "w/f/g").as_deref(), Some("a folder now"));
    }
}

#[tokio::test]
async fn a_scientist_may_turn_a_folder_into_a_file_and_back() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/x/y", "below");
    owner.put("w/f", "a file");
    owner.sync().await;
    scientist.sync().await;
    scientist.delete(&owner.email, "w/x/y");
    std::fs::remove_dir(scientist.account().folders.datasite(&owner.email).join("w/x")).unwrap();
    scientist.write(&owner.email, "w/x", b"a file now");
    scientist.delete(&owner.email, "w/f");
    scientist.write(&owner.email, "w/f/g", b"a folder now");
    scientist.sync().await;
    let report = owner.sync().await;
    assert_eq!((report.accepted, report.refused.len()), (4, 0), "{:?}", report.refused);
    scientist.sync().await;
    assert_eq!(
        owner.tree(&owner.email),
        scientist
            .tree(&owner.email)
            .into_iter()
            .chain(
                owner
                    .tree(&owner.email)
                    .into_iter()
                    .filter(|(path, _)| path.ends_with("syft.pub.yaml"))
            )
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect::<Vec<_>>()
    );
}

#[cfg(unix)]
#[tokio::test]
async fn what_the_disk_refuses_for_now_is_no_edit() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let second = world.owner("do@example.org");
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/x", "one");
    owner.sync().await;
    second.sync().await;
    scientist.sync().await;
    // A pipe stands in the way of a new file.
    for party in [&second, &scientist] {
        put_a_pipe(&party.account().folders.datasite(&owner.email).join("w/new"));
    }
    owner.put("w/new", "one");
    owner.sync().await;
    for party in [&second, &scientist] {
        let report = party.try_sync().await.unwrap();
        assert!(report.problems.iter().any(|problem| problem.code == "not-written"));
        assert_eq!(report.pushed, 0, "{}: not taken for a deletion", party.email);
    }
    owner.put("w/new", "two");
    owner.sync().await;
    for party in [&second, &scientist] {
        assert_eq!(party.try_sync().await.unwrap().pushed, 0);
        let root = party.account().folders.datasite(&owner.email);
        std::fs::remove_file(root.join("w/new")).unwrap();
        party.sync().await;
        assert_eq!(party.read(&owner.email, "w/new").as_deref(), Some("two"));
        assert!(party.sync().await.is_idle());
    }
    assert!(owner.sync().await.is_idle());
    assert_eq!(owner.read(&owner.email, "w/new").as_deref(), Some("two"));
}

/// The scientist has agreed on what its disk does not hold yet. What it writes there meanwhile was
/// not made of what was agreed, so it must not take its place as a proposal.
#[cfg(unix)]
#[tokio::test]
async fn an_edit_made_before_an_agreed_write_came_through_replaces_nothing_unseen() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.put("w/a", "a");
    owner.sync().await;
    scientist.sync().await;
    let place = scientist.account().folders.datasite(&owner.email).join("w/new");
    put_a_pipe(&place);
    owner.put("w/new", "the owner's");
    owner.sync().await;
    let report = scientist.try_sync().await.unwrap();
    assert!(report.problems.iter().any(|problem| problem.code == "not-written"));
    std::fs::remove_file(&place).unwrap();
    scientist.write(&owner.email, "w/new", b"mine");
    let report = scientist.sync().await;
    assert_eq!((report.refused.len(), report.pushed), (1, 0), "{:?}", report.refused);
    assert_eq!(scientist.read(&owner.email, "w/new").as_deref(), Some("the owner's"));
    assert_eq!(kept_aside(&scientist, &owner), ["mine"]);
    assert!(owner.sync().await.is_idle());
    assert_eq!(owner.read(&owner.email, "w/new").as_deref(), Some("the owner's"));
}

#[tokio::test]
async fn edits_whose_names_begin_alike_or_end_long_are_all_kept_aside() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    let stem = "n".repeat(60);
    let names = [format!("{stem}1"), format!("{stem}2"), format!("a.{}", "e".repeat(240))];
    for name in &names {
        owner.put(&format!("r/{name}"), "old");
    }
    owner.sync().await;
    scientist.sync().await;
    for name in &names {
        owner.put(&format!("r/{name}"), "new");
        scientist.write(&owner.email, &format!("r/{name}"), b"mine");
    }
    owner.sync().await;
    scientist.sync().await;
    for name in &names {
        let read = scientist.read(&owner.email, &format!("r/{name}"));
        assert_eq!(read.as_deref(), Some("new"));
    }
    assert_eq!(kept_aside(&scientist, &owner), ["mine"; 3]);
}

#[tokio::test]
async fn a_scientist_who_begins_anew_is_sent_everything_again() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/a.txt", "one");
    owner.sync().await;
    scientist.sync().await;
    let root = folders(&scientist, "SyftBox").await.pop().unwrap();
    scientist.session().delete(&[root.id]).await.unwrap();
    let anew = world.scientist("ds@example.org");
    anew.sync().await;
    anew.request(&owner.email).await.unwrap();
    owner.sync().await;
    anew.sync().await;
    assert_eq!(anew.read(&owner.email, "r/a.txt").as_deref(), Some("one"));
}

#[tokio::test]
async fn approving_again_does_not_forget_what_is_to_be_taken_back() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/a.txt", "one");
    owner.sync().await;
    scientist.sync().await;
    owner.revoke("r/", &scientist.email);
    owner.approve(&scientist.email).await.unwrap();
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/a.txt"), None);
}

#[tokio::test]
async fn a_peer_that_is_rejected_is_sent_nothing_more() {
    use syft::connections::faulty::{Fault, unavailable};
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.sync().await;
    scientist.sync().await;
    owner.put("r/a.txt", "one");
    // The feed and the log get through, the peer's message does not.
    owner.script.at(owner.script.calls() + 2, Fault::before(unavailable));
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{report:?}");
    peering::reject(owner.account(), &scientist.email, world.now()).await.unwrap();
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/a.txt"), None);
}

#[tokio::test]
async fn a_peer_that_has_not_asked_cannot_be_approved() {
    let world = World::new();
    let (owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    scientist.sync().await;
    scientist.request(&owner.email).await.unwrap();
    let approved = scientist.approve(&owner.email).await;
    assert!(matches!(approved, Err(Error::NoRequest { .. })), "{approved:?}");
}

#[tokio::test]
async fn one_tree_that_is_suddenly_empty_holds_up_no_other_owner() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let other = world.owner("zo@example.org");
    acquaint(&other, &scientist).await;
    for party in [&owner, &other] {
        party.grant("w/", &scientist.email, Level::Write);
        for name in ["a", "b", "c"] {
            party.put(&format!("w/{name}"), name);
        }
        party.sync().await;
    }
    scientist.sync().await;
    std::fs::remove_dir_all(scientist.account().folders.datasite(&owner.email)).unwrap();
    other.put("w/d", "d");
    other.sync().await;
    scientist.write(&other.email, "w/e", b"e");
    let report = scientist.try_sync().await.unwrap();
    assert!(report.problems.iter().any(|problem| problem.peer == Some(owner.email.clone())));
    assert_eq!(scientist.read(&other.email, "w/d").as_deref(), Some("d"));
    assert_eq!(other.sync().await.accepted, 1);
    assert_eq!(owner.sync().await.accepted, 0);
    assert_eq!(owner.tree(&owner.email).len(), 4);
}

#[tokio::test]
async fn addresses_that_are_typed_in_another_case_are_the_same_account() {
    let world = World::new();
    let owner = world.owner("DO@Example.org");
    let scientist = world.scientist("ds@example.org");
    owner.sync().await;
    scientist.sync().await;
    scientist.request(&super::world::email("do@example.org")).await.unwrap();
    owner.approve(&super::world::email("DS@example.org")).await.unwrap();
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/a.txt", "one");
    owner.sync().await;
    scientist.sync().await;
    let peers = peering::remembered(scientist.account()).unwrap();
    assert_eq!(peers.len(), 1, "{peers:?}");
    let typed = super::world::email("do@example.org");
    assert_eq!(scientist.read(&typed, "r/a.txt").as_deref(), Some("one"));
    scientist.write(&typed, "r/b.txt", b"mine");
    scientist.sync().await;
    assert_eq!(owner.sync().await.refused.len(), 1);
    let peers = peering::remembered(owner.account()).unwrap();
    assert_eq!(peers.len(), 1, "{peers:?}");
}

#[tokio::test]
async fn a_checkpoint_does_not_hide_what_its_maker_had_not_taken_in() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.put("a.txt", "one");
    owner.sync().await;
    let second = world.owner("do@example.org");
    second.sync().await;
    second.put("b.txt", "from the second");
    second.sync().await;
    let syncer = DatasiteOwnerSyncer::new(owner.account());
    syncer.create_checkpoint(world.now()).await.unwrap();
    world.drive.advance_micros(48 * 3_600_000_000);
    let third = world.owner("do@example.org");
    third.sync().await;
    assert_eq!(third.read(&owner.email, "b.txt").as_deref(), Some("from the second"));
}

#[tokio::test]
async fn a_machine_whose_clock_is_behind_loses_nothing_at_a_restore() {
    for with_checkpoint in [false, true] {
        let world = World::new();
        let ahead = world.owner("do@example.org");
        ahead.put("a.txt", "one");
        ahead.sync().await;
        let behind = world.owner("do@example.org");
        behind.sync().await;
        world.wind(3_600);
        ahead.put("a.txt", "two");
        ahead.sync().await;
        if with_checkpoint {
            let syncer = DatasiteOwnerSyncer::new(ahead.account());
            syncer.create_checkpoint(world.now()).await.unwrap();
        }
        world.wind(-3_600);
        behind.put("b.txt", "b");
        behind.sync().await;
        behind.put("a.txt", "three");
        behind.sync().await;
        ahead.sync().await;
        assert_eq!(ahead.tree(&ahead.email), behind.tree(&ahead.email));
        let third = world.owner("do@example.org");
        third.sync().await;
        assert_eq!(third.tree(&ahead.email), behind.tree(&ahead.email), "{with_checkpoint}");
        assert!(third.sync().await.is_idle());
    }
}

#[tokio::test]
async fn increments_of_two_machines_whose_clocks_differ_are_all_laid() {
    let world = World::new();
    let ahead = world.owner("do@example.org");
    let options = SyncOptions { checkpoint_threshold: 2, ..SyncOptions::default() };
    ahead.put("0.txt", "0");
    ahead.sync().await;
    let behind = world.owner("do@example.org");
    behind.sync().await;
    world.wind(3_600);
    ahead.put("a.txt", "a");
    ahead.put("same.txt", "ahead");
    ahead.try_sync_with(&options).await.unwrap();
    world.wind(-3_600);
    behind.sync().await;
    behind.put("b.txt", "b");
    behind.put("same.txt", "behind");
    behind.try_sync_with(&options).await.unwrap();
    let third = world.owner("do@example.org");
    third.sync().await;
    assert_eq!(third.tree(&ahead.email), behind.tree(&ahead.email));
}

#[tokio::test]
async fn a_story_under_lag_ends_as_one_without() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let second = world.owner("do@example.org");
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    second.sync().await;
    scientist.sync().await;
    for lag in [1, 2, 3, 5, 8] {
        world.drive.set_lag(lag);
        for round in 0..6 {
            owner.put("w/o.txt", &format!("{lag} {round}"));
            second.put(&format!("w/s{round}.txt"), &format!("{lag} {round}"));
            scientist.write(
                &owner.email,
                &format!("w/d{round}.txt"),
                format!("{lag} {round}").as_bytes(),
            );
            for party in [&owner, &scientist, &second] {
                party.sync().await;
            }
        }
    }
    world.drive.set_lag(0);
    world.drive.release();
    for _ in 0..3 {
        for party in [&owner, &second, &scientist] {
            party.sync().await;
        }
    }
    assert_eq!(owner.tree(&owner.email), second.tree(&owner.email));
    let mut own = owner.tree(&owner.email);
    own.retain(|(path, _)| !path.ends_with("syft.pub.yaml"));
    assert_eq!(own, scientist.tree(&owner.email));
}
