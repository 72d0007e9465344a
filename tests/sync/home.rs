//! Our own folders on the drive: deleted under our feet, made twice, made anew. Nothing is lost,
//! and the machines of an account end with the same.

use std::sync::mpsc;

use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{Entry, FileId, Query};
use syft::permissions::Level;
use syft::syncers::Report;
use syft::syncers::peering::{self, Acquaintance};
use syft::wire::PeerState;

use super::world::{Party, World};

/// Everything of this name that an account owns.
async fn named(party: &Party<'_>, name: &str) -> Vec<Entry> {
    let all = party.session().find(&Query::default()).await.unwrap();
    all.into_iter().filter(|entry| entry.is_mine && entry.name == name).collect()
}

/// Deletes as another session of the account would: in a browser, say.
async fn delete(party: &Party<'_>, entries: &[Entry]) {
    use syft::connections::Connection as _;
    let elsewhere = party.world.drive.session(&party.email);
    let ids: Vec<FileId> = entries.iter().map(|entry| entry.id.clone()).collect();
    for outcome in elsewhere.delete(&ids).await.unwrap() {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn an_id_whose_file_was_deleted_elsewhere_holds_nothing_up() {
    let world = World::new();
    let (mut owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    scientist.request(&owner.email).await.unwrap();
    for name in ["SYFT_version.json", "SYFT_peers.json"] {
        let lost = Fault::after(unavailable);
        owner
            .script
            .when(1, lost, move |call| call.method == "create_file" && call.subject == name);
        owner.approve(&scientist.email).await.unwrap_err();
        let made = named(&owner, name).await;
        assert_eq!(made.len(), 1, "{name}: it was made, and nobody heard of it");
        delete(&owner, &made).await;
        owner.restart();
    }
    owner.approve(&scientist.email).await.unwrap();
    for name in ["SYFT_version.json", "SYFT_peers.json"] {
        assert_eq!(named(&owner, name).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_folder_that_was_deleted_before_we_heard_of_it_is_made_again() {
    let world = World::new();
    let mut owner = world.owner("do@example.org");
    for name in ["SyftBox", "0.1.117#do@example.org"] {
        let lost = Fault::after(unavailable);
        owner
            .script
            .when(1, lost, move |call| call.method == "create_folder" && call.subject == name);
        owner.try_sync().await.unwrap_err();
        let made = named(&owner, name).await;
        delete(&owner, &made).await;
        owner.restart();
    }
    owner.put("a.txt", "one");
    owner.sync().await;
    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
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

async fn settle_all(parties: &[&Party<'_>]) {
    for _ in 0..3 {
        for party in parties {
            settle(party).await;
        }
    }
    for party in parties {
        assert!(party.sync().await.is_idle(), "{}", party.email);
    }
}

/// Somebody deletes the whole SyftBox in a browser.
async fn delete_home(party: &Party<'_>) {
    let roots = named(party, "SyftBox").await;
    assert!(!roots.is_empty());
    delete(party, &roots).await;
}

fn without_rules(mut tree: Vec<(String, String)>) -> Vec<(String, String)> {
    tree.retain(|(path, _)| !path.ends_with("syft.pub.yaml"));
    tree
}

#[tokio::test]
async fn an_owners_home_that_was_deleted_is_made_anew_with_all_that_is_agreed() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    for name in ["a", "b", "c"] {
        owner.put(&format!("r/{name}.txt"), name);
    }
    owner.put("bytes.bin", "\0\u{1}");
    owner.sync().await;
    owner.delete(&owner.email, "r/c.txt");
    owner.sync().await;
    scientist.sync().await;
    delete_home(&owner).await;
    let report = settle(&owner).await;
    assert!(report.problems.iter().any(|problem| problem.code == "home-made-anew"));
    settle_all(&[&owner, &scientist]).await;
    owner.put("r/a.txt", "after");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/a.txt").as_deref(), Some("after"));
    let joined = world.owner("do@example.org");
    joined.sync().await;
    assert_eq!(joined.tree(&owner.email), owner.tree(&owner.email));
    let peers = peering::remembered(joined.account()).unwrap();
    assert_eq!(peers.len(), 1, "the peers are known again");
    assert_eq!(peers[0].peer.state, PeerState::Accepted);
    assert_eq!(named(&owner, "SyftBox").await.len(), 1);
}

#[tokio::test]
async fn what_was_on_its_way_to_the_old_log_gets_into_the_new_one() {
    for is_answer_lost in [false, true] {
        let world = World::new();
        let mut owner = world.owner("do@example.org");
        owner.put("a.txt", "one");
        owner.sync().await;
        owner.put("b.txt", "under way");
        let fault = if is_answer_lost { Fault::after } else { Fault::before };
        owner.script.when(1, fault(unavailable), |call| call.method == "create_file");
        assert_eq!(owner.try_sync().await.unwrap().problems[0].code, "not-sent");
        delete_home(&owner).await;
        owner.restart();
        settle_all(&[&owner]).await;
        let joined = world.owner("do@example.org");
        joined.sync().await;
        assert_eq!(joined.tree(&owner.email), owner.tree(&owner.email), "{is_answer_lost}");
    }
}

#[tokio::test]
async fn a_machine_that_was_behind_does_not_undo_what_another_knows() {
    for behind_first in [true, false] {
        let world = World::new();
        let ahead = world.owner("do@example.org");
        for path in ["edited.txt", "deleted.txt", "same.txt"] {
            ahead.put(path, "one");
        }
        ahead.sync().await;
        let behind = world.owner("do@example.org");
        behind.sync().await;
        ahead.put("edited.txt", "two");
        ahead.put("new.txt", "new");
        ahead.delete(&ahead.email, "deleted.txt");
        ahead.sync().await;
        behind.put("own.txt", "not announced yet");
        delete_home(&ahead).await;
        let order = if behind_first { [&behind, &ahead] } else { [&ahead, &behind] };
        settle_all(&order).await;
        let tree = ahead.tree(&ahead.email);
        assert_eq!(tree, behind.tree(&ahead.email));
        let expected = [
            ("edited.txt", "two"),
            ("new.txt", "new"),
            ("own.txt", "not announced yet"),
            ("same.txt", "one"),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect();
        assert_eq!(tree, expected, "behind first: {behind_first}");
        let joined = world.owner("do@example.org");
        joined.sync().await;
        assert_eq!(joined.tree(&ahead.email), tree, "behind first: {behind_first}");
    }
}

/// The owner's home is deleted; then each call in turn fails or is the last of its process.
#[tokio::test]
async fn a_home_is_made_anew_whatever_fails() {
    let mut calls = usize::MAX;
    let mut number = 0;
    while number < calls {
        for crash in [Crash::Before, Crash::After, Crash::Half] {
            let world = World::new();
            let (mut owner, scientist) = world.pair().await;
            owner.grant("r/", &scientist.email, Level::Read);
            owner.put("r/a.txt", "one");
            owner.put("b.txt", "two");
            owner.sync().await;
            scientist.sync().await;
            delete_home(&owner).await;
            owner.put("c.txt", "later");
            let before = owner.script.calls();
            owner.script.crash_at(before + number, crash);
            drop(owner.try_sync().await);
            if !owner.script.has_crashed() {
                calls = owner.script.calls() - before;
            }
            owner.restart();
            settle_all(&[&owner, &scientist]).await;
            let joined = world.owner("do@example.org");
            joined.sync().await;
            assert_eq!(joined.tree(&owner.email), owner.tree(&owner.email), "{number} {crash:?}");
            assert_eq!(peering::remembered(joined.account()).unwrap().len(), 1);
            for name in ["SyftBox", "0.1.117#do@example.org", "SYFT_peers.json"] {
                assert_eq!(named(&owner, name).await.len(), 1, "{number} {crash:?}: {name}");
            }
            owner.put("r/a.txt", "after");
            owner.sync().await;
            scientist.sync().await;
            assert_eq!(scientist.read(&owner.email, "r/a.txt").as_deref(), Some("after"));
        }
        number += 1;
    }
    assert!(calls > 8, "{calls} calls are too few to show anything");
}

#[tokio::test]
async fn a_proposal_whose_inbox_was_deleted_is_made_again() {
    for whole_home in [false, true] {
        let world = World::new();
        let (owner, scientist) = world.pair().await;
        owner.grant("w/", &scientist.email, Level::Write);
        owner.put("w/a.txt", "one");
        owner.sync().await;
        scientist.sync().await;
        scientist.write(&owner.email, "w/a.txt", b"proposed");
        scientist.sync().await;
        if whole_home {
            delete_home(&scientist).await;
        } else {
            let inbox = "syft_datasite#0.1.117#do@example.org#inbox#ds@example.org";
            let inbox = named(&scientist, inbox).await;
            assert_eq!(inbox.len(), 1);
            delete(&scientist, &inbox).await;
        }
        let report = settle(&scientist).await;
        assert!(report.problems.iter().any(|problem| problem.code == "peer-mended"));
        settle(&owner).await;
        settle_all(&[&scientist, &owner]).await;
        assert_eq!(owner.read(&owner.email, "w/a.txt").as_deref(), Some("proposed"));
        assert_eq!(
            without_rules(owner.tree(&owner.email)),
            without_rules(scientist.tree(&owner.email))
        );
        scientist.write(&owner.email, "w/b.txt", b"more");
        settle_all(&[&scientist, &owner]).await;
        assert_eq!(owner.read(&owner.email, "w/b.txt").as_deref(), Some("more"));
    }
}

#[tokio::test]
async fn a_peers_file_that_was_deleted_comes_back_with_all_peers() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    delete(&owner, &named(&owner, "SYFT_peers.json").await).await;
    owner.sync().await;
    assert_eq!(named(&owner, "SYFT_peers.json").await.len(), 1);
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/a.txt", "one");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/a.txt").as_deref(), Some("one"));
}

/// Lets two syncs go on one call at a time, in the order that `schedule` gives, while both have
/// calls to make.
fn interleave(first: &Party<'_>, second: &Party<'_>, schedule: impl Iterator<Item = usize>) {
    let (arrived, arrivals) = mpsc::channel();
    let mut permits = Vec::new();
    for (who, party) in [first, second].into_iter().enumerate() {
        let (permit, permitted) = mpsc::channel::<()>();
        let arrived = arrived.clone();
        party.script.when(usize::MAX, Fault::None, move |_| {
            arrived.send((who, true)).unwrap();
            permitted.recv().unwrap();
            false
        });
        permits.push(permit);
    }
    std::thread::scope(|scope| {
        for (who, party) in [first, second].into_iter().enumerate() {
            let arrived = arrived.clone();
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let outcome = runtime.block_on(party.try_sync());
                arrived.send((who, false)).unwrap();
                outcome.unwrap();
            });
        }
        // Nobody is let go on before each of those at work stands at a call.
        let (mut waiting, mut at_work) = ([false; 2], [true; 2]);
        for turn in schedule {
            while (0..2).any(|who| at_work[who] && !waiting[who]) {
                let (who, is_call) = arrivals.recv().unwrap();
                if is_call { waiting[who] = true } else { at_work[who] = false }
            }
            let who = if at_work[turn] { turn } else { 1 - turn };
            if !at_work[who] {
                return;
            }
            waiting[who] = false;
            permits[who].send(()).unwrap();
        }
    });
    first.script.clear();
    second.script.clear();
}

/// Numbers that look random, for `seed`.
fn turns(mut seed: u64) -> impl Iterator<Item = usize> {
    std::iter::repeat_with(move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::from(seed >> 40 & 1 == 1)
    })
}

#[tokio::test]
async fn two_machines_that_log_in_at_once_settle_on_one_home() {
    const SCHEDULES: u64 = 24;
    let mut twice = 0;
    for seed in 0..SCHEDULES {
        let world = World::new();
        let (first, second) = (world.owner("do@example.org"), world.owner("do@example.org"));
        first.put("first.txt", "1");
        first.put("both.txt", "same");
        second.put("second.txt", "2");
        second.put("both.txt", "same");
        interleave(&first, &second, turns(seed));
        twice += usize::from(named(&first, "SyftBox").await.len() == 2);
        // Each gets to know somebody in the home that it believes to be the only one.
        let (ann, zoe) = (world.scientist("ann@example.org"), world.scientist("zoe@example.org"));
        for (scientist, machine) in [(&ann, &first), (&zoe, &second)] {
            scientist.sync().await;
            scientist.request(&machine.email).await.unwrap();
            machine.approve(&scientist.email).await.unwrap();
        }
        first.grant("r/", &ann.email, Level::Read);
        first.grant("r/", &zoe.email, Level::Read);
        first.put("r/a.txt", "for both");
        settle_all(&[&first, &second, &ann, &zoe]).await;
        let tree = first.tree(&first.email);
        assert_eq!(tree.len(), 5, "seed {seed}: {tree:?}");
        assert_eq!(tree, second.tree(&first.email), "seed {seed}");
        for scientist in [&ann, &zoe] {
            let read = scientist.read(&first.email, "r/a.txt");
            assert_eq!(read.as_deref(), Some("for both"), "seed {seed}");
        }
        let third = world.owner("do@example.org");
        third.sync().await;
        assert_eq!(third.tree(&first.email), tree, "seed {seed}");
        for machine in [&first, &second, &third] {
            let peers = peering::remembered(machine.account()).unwrap();
            let accepted = |peer: &&Acquaintance| peer.peer.state == PeerState::Accepted;
            assert_eq!(peers.iter().filter(accepted).count(), 2, "seed {seed}: {peers:?}");
        }
        assert!(third.sync().await.is_idle(), "seed {seed}");
    }
    assert!((1..SCHEDULES as usize).contains(&twice), "{twice} of the schedules made two homes");
}

#[tokio::test]
async fn a_home_that_comes_back_out_of_the_trash_is_merged_with_the_new_one() {
    for (is_owners, is_emptied) in [(true, false), (true, true), (false, false), (false, true)] {
        let world = World::new();
        let (owner, scientist) = world.pair().await;
        let second = world.owner("do@example.org");
        owner.grant("w/", &scientist.email, Level::Write);
        owner.put("w/a.txt", "one");
        owner.put("w/gone.txt", "gone");
        owner.sync().await;
        second.sync().await;
        scientist.sync().await;
        scientist.write(&owner.email, "w/asked.txt", b"asked");
        scientist.sync().await;

        let whose = if is_owners { &owner } else { &scientist };
        let root = named(whose, "SyftBox").await.pop().unwrap();
        let trashed = world.drive.trash(&root.id);
        owner.put("w/a.txt", "two");
        owner.delete(&owner.email, "w/gone.txt");
        second.put("w/second.txt", "from the second");
        settle_all(&[&scientist, &owner, &second]).await;
        if !is_emptied {
            world.drive.restore(trashed);
        }
        scientist.write(&owner.email, "w/later.txt", b"later");
        settle_all(&[&scientist, &owner, &second]).await;

        let what = format!("owner's: {is_owners}, emptied: {is_emptied}");
        let third = world.owner("do@example.org");
        third.sync().await;
        let tree = without_rules(owner.tree(&owner.email));
        let expected = [
            ("w/a.txt", "two"),
            ("w/asked.txt", "asked"),
            ("w/later.txt", "later"),
            ("w/second.txt", "from the second"),
        ];
        let expected: Vec<_> =
            expected.iter().map(|(p, c)| ((*p).to_owned(), (*c).to_owned())).collect();
        assert_eq!(tree, expected, "{what}");
        for party in [&second, &third, &scientist] {
            assert_eq!(without_rules(party.tree(&owner.email)), tree, "{what}: {}", party.email);
        }
        owner.put("w/a.txt", "three");
        settle_all(&[&owner, &scientist]).await;
        let read = scientist.read(&owner.email, "w/a.txt");
        assert_eq!(read.as_deref(), Some("three"), "{what}");
    }
}
