//! What a machine or a drive has lost is learnt again from what is left; what cannot be learnt is kept
//! aside, and nothing is overwritten.

use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{Entry, FileId, Kind, Query, Relocation};
use syft::model::KEPT_ASIDE_MARK;
use syft::permissions::Level;
use syft::syncers::{Report, SyncOptions};

use super::world::{Party, World};

/// What was kept aside in the datasite of the owner.
fn kept(party: &Party<'_>, owner: &Party<'_>) -> Vec<String> {
    let is_kept = |(path, _): &(String, String)| path.contains(KEPT_ASIDE_MARK);
    party.tree(&owner.email).into_iter().filter(is_kept).map(|(_, content)| content).collect()
}

/// Syncs, and allows what is told of a home that was made anew.
async fn settle(party: &Party<'_>) -> Report {
    let report = party.try_sync().await.unwrap();
    let is_told = |code: &str| ["home-made-anew", "peer-mended"].contains(&code);
    assert!(
        report.problems.iter().all(|problem| is_told(problem.code.as_str())),
        "{:?}",
        report.problems
    );
    report
}

#[tokio::test]
async fn a_proposal_that_was_not_looked_at_is_known_again() {
    for is_edited in [false, true] {
        let world = World::new();
        let (owner, mut scientist) = world.pair().await;
        owner.grant("w/", &scientist.email, Level::Write);
        owner.put("w/a", "one");
        owner.sync().await;
        scientist.sync().await;
        scientist.write(&owner.email, "w/a", b"two");
        scientist.write(&owner.email, "w/new", b"new");
        assert_eq!(scientist.sync().await.pushed, 2);
        if is_edited {
            owner.put("w/a", "the owner's");
        }
        scientist.forget();
        // The inbox cannot be read at first: nothing is decided without it.
        scientist.script.when(1, Fault::before(unavailable), |call| call.method == "read");
        assert_eq!(scientist.try_sync().await.unwrap().problems.len(), 1);
        assert_eq!(scientist.sync().await.pushed, 0, "it is under way");
        assert_eq!(scientist.read(&owner.email, "w/a").as_deref(), Some("two"));
        let report = owner.sync().await;
        assert_eq!(
            (report.accepted, report.refused.len()),
            if is_edited { (1, 1) } else { (2, 0) }
        );
        scientist.sync().await;
        let expected = if is_edited { "the owner's" } else { "two" };
        for party in [&owner, &scientist] {
            assert_eq!(party.read(&owner.email, "w/a").as_deref(), Some(expected));
            assert_eq!(party.read(&owner.email, "w/new").as_deref(), Some("new"));
            assert!(party.sync().await.is_idle());
        }
        assert_eq!(kept(&scientist, &owner), if is_edited { vec!["two"] } else { vec![] });
    }
}

#[tokio::test]
async fn an_older_version_that_was_put_back_is_not_overwritten() {
    let world = World::new();
    let (mut owner, mut scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    for content in ["one", "two"] {
        owner.put("w/a", content);
        owner.sync().await;
        scientist.sync().await;
    }
    scientist.write(&owner.email, "w/a", b"one");
    scientist.forget();
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "w/a").as_deref(), Some("two"));
    assert_eq!(kept(&scientist, &owner), ["one"]);
    assert!(scientist.sync().await.is_idle());

    owner.put("w/a", "one");
    owner.forget();
    owner.sync().await;
    assert_eq!(owner.read(&owner.email, "w/a").as_deref(), Some("two"));
    assert_eq!(kept(&owner, &owner), ["one"]);
    assert!(owner.sync().await.is_idle());
}

/// The first sync after it is cut off at each call in turn.
#[tokio::test]
async fn a_rebuild_that_was_cut_off_ends_as_one_that_was_not() {
    let mut calls = usize::MAX;
    let mut number = 0;
    while number <= calls {
        for is_owner in [true, false] {
            let world = World::new();
            let (mut owner, mut scientist) = world.pair().await;
            owner.grant("w/", &scientist.email, Level::Write);
            owner.put("w/a", "one");
            owner.put("w/b", "one");
            owner.sync().await;
            scientist.sync().await;
            scientist.write(&owner.email, "w/a", b"asked");
            scientist.sync().await;
            scientist.write(&owner.email, "w/b", b"not asked");
            owner.put("w/c", "not announced");
            let party = if is_owner { &mut owner } else { &mut scientist };
            party.forget();
            let before = party.script.calls();
            party.script.crash_at(before + number, Crash::After);
            drop(party.try_sync().await);
            if is_owner {
                calls = party.script.calls() - before;
            }
            party.restart();
            for _ in 0..2 {
                for party in [&owner, &scientist] {
                    party.sync().await;
                }
            }
            let read = |path: &str| scientist.read(&owner.email, path);
            let what = format!("call {number}, owner: {is_owner}");
            assert_eq!(read("w/a").as_deref(), Some("asked"), "{what}");
            assert_eq!(read("w/c").as_deref(), Some("not announced"), "{what}");
            if is_owner {
                assert_eq!(read("w/b").as_deref(), Some("not asked"), "{what}");
                assert!(kept(&scientist, &owner).is_empty(), "{what}");
            } else {
                assert_eq!(read("w/b").as_deref(), Some("one"), "{what}");
                assert_eq!(kept(&scientist, &owner), ["not asked"], "{what}");
            }
            for party in [&owner, &scientist] {
                assert!(party.sync().await.is_idle(), "{what}");
            }
        }
        number += 1;
    }
    assert!(calls > 8, "{calls} calls are too few to show anything");
}

/// Everything of this name that an account owns.
async fn named(party: &Party<'_>, name: &str) -> Vec<Entry> {
    let all = party.session().find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    all.into_iter().filter(|entry| entry.is_mine && entry.name.contains(name)).collect()
}

/// Somebody deletes the whole SyftBox in a browser.
async fn delete_home(party: &Party<'_>) {
    let roots: Vec<FileId> = named(party, "SyftBox").await.into_iter().map(|e| e.id).collect();
    let elsewhere = party.world.drive.session(&party.email);
    syft::connections::Connection::delete(&elsewhere, &roots).await.unwrap();
}

/// The log was made anew while a machine was away, and what that one knew is not said in it.
#[tokio::test]
async fn a_machine_that_was_merely_behind_a_log_made_anew_keeps_nothing_aside() {
    let world = World::new();
    let (ahead, behind) = (world.owner("do@example.org"), world.owner("do@example.org"));
    ahead.sync().await;
    behind.sync().await;
    ahead.put("a", "one");
    ahead.sync().await;
    behind.sync().await;
    ahead.put("a", "two");
    ahead.sync().await;
    delete_home(&ahead).await;
    // There is the log alone to learn from.
    let is_rolling = |name: &str| name.starts_with("rolling_state");
    ahead.script.when(usize::MAX, Fault::before(unavailable), move |call| {
        call.method == "create_file" && is_rolling(&call.subject)
    });
    ahead.try_sync().await.unwrap();
    ahead.put("a", "three");
    ahead.try_sync().await.unwrap();
    settle(&behind).await;
    assert_eq!(behind.read(&behind.email, "a").as_deref(), Some("three"));
    assert!(kept(&behind, &ahead).is_empty(), "{:?}", kept(&behind, &ahead));
}

/// Two machines go on from one state, and the log that would have told so is deleted.
#[tokio::test]
async fn what_a_machine_alone_had_said_is_kept_where_a_log_made_anew_says_another_thing() {
    let world = World::new();
    let (first, second) = (world.owner("do@example.org"), world.owner("do@example.org"));
    first.put("a", "begin");
    first.sync().await;
    second.sync().await;
    world.drive.set_lag(1000);
    second.put("a", "of the second");
    second.sync().await;
    first.put("a", "of the first");
    first.sync().await;
    world.drive.set_lag(0);
    world.drive.release();
    delete_home(&first).await;
    for machine in [&first, &second, &first, &second] {
        settle(machine).await;
    }
    for machine in [&first, &second] {
        assert_eq!(machine.read(&machine.email, "a").as_deref(), Some("of the first"));
        assert!(machine.sync().await.is_idle());
    }
    assert_eq!(kept(&second, &first), ["of the second"]);
}

/// Whoever tidies up in the browser may move a folder out of the SyftBox. The peer goes on using it.
#[tokio::test]
async fn a_folder_for_messages_that_was_moved_elsewhere_is_found_there() {
    for (way, is_full) in [("#inbox#", true), ("#outbox#", true), ("#inbox#", false)] {
        let world = World::new();
        let (owner, scientist) = world.pair().await;
        owner.grant("w/", &scientist.email, Level::Write);
        owner.sync().await;
        scientist.sync().await;
        scientist.write(&owner.email, "w/before", b"x");
        scientist.sync().await;
        let moved = named(&scientist, way).await.pop().unwrap();
        let step = Relocation {
            id: moved.id.clone(),
            from: moved.parents[0].clone(),
            to: scientist.session().root(),
        };
        let elsewhere = world.drive.session(&scientist.email);
        syft::connections::Connection::relocate(&elsewhere, &[step]).await.unwrap()[0]
            .as_ref()
            .unwrap();
        let options = SyncOptions { full: is_full, ..SyncOptions::default() };
        for round in 0..3 {
            scientist.write(&owner.email, &format!("w/asked {round}"), b"x");
            owner.put(&format!("w/sent {round}"), "x");
            for party in [&scientist, &owner, &scientist] {
                let report = party.try_sync_with(&options).await.unwrap();
                assert_eq!(report.problems, [], "{way} {round}");
            }
        }
        assert_eq!(named(&scientist, way).await.len(), 1, "{way}");
        let mut own = owner.tree(&owner.email);
        own.retain(|(path, _)| !path.ends_with("syft.pub.yaml"));
        assert_eq!(own.len(), 7, "{way}: {own:?}");
        assert_eq!(own, scientist.tree(&owner.email), "{way}");
        for party in [&owner, &scientist] {
            assert!(party.sync().await.is_idle(), "{way}");
        }
    }
}
