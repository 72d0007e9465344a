//! A peer that goes over to the other generation in the middle of things, and back; with messages
//! on their way, and with a fault at each call of the side that is ours.
//!
//! A Python client that is upgraded sees nothing of what it made before: its version file says the
//! new version once it has added us again, and its old folders stay. The stand-in does the same.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::model::Role;
use syft::permissions::Level;
use syft::syncers::{Report, Result};
use syft::wire::Dialect;

use super::versions::{generation, made, pair_of, stated};
use super::world::{Party, World, acquaint};

/// How a call fails: it was done, and nobody learns of it. That nothing was done is the easier case.
#[derive(Clone, Copy, Debug)]
enum How {
    FailAfter,
    DieAfter,
}

const WAYS: [How; 2] = [How::FailAfter, How::DieAfter];

/// Who goes over, from which dialect to which.
#[derive(Clone, Debug)]
struct Upgrade {
    who: Role,
    from: Dialect,
    to: Dialect,
}

/// What must be the same in the end.
#[derive(Debug, PartialEq, Eq)]
struct End {
    owner: Vec<(String, String)>,
    scientist: Vec<(String, String)>,
    our_folders: Vec<String>,
    its_folders: Vec<String>,
    our_version: Vec<String>,
    its_version: Vec<String>,
}

#[tokio::test]
async fn a_scientist_goes_over_and_a_fault_at_any_call_of_its_owner_changes_nothing() {
    every_call(Role::Scientist, Dialect::v0_1(), Dialect::v0_10()).await;
}

#[tokio::test]
async fn a_scientist_goes_back_and_a_fault_at_any_call_of_its_owner_changes_nothing() {
    every_call(Role::Scientist, Dialect::v0_10(), Dialect::v0_1()).await;
}

#[tokio::test]
async fn an_owner_goes_over_and_a_fault_at_any_call_of_its_scientist_changes_nothing() {
    every_call(Role::Owner, Dialect::v0_1(), Dialect::v0_10()).await;
}

#[tokio::test]
async fn an_owner_goes_back_and_a_fault_at_any_call_of_its_scientist_changes_nothing() {
    every_call(Role::Owner, Dialect::v0_10(), Dialect::v0_1()).await;
}

async fn every_call(who: Role, from: Dialect, to: Dialect) {
    let upgrade = Upgrade { who, from, to };
    let (undisturbed, calls) = play(&upgrade, None).await;
    check(&upgrade, &undisturbed);
    assert!(calls.len() > 15, "{calls:?} are too few to show anything");
    for number in calls {
        for how in WAYS {
            let (end, _) = play(&upgrade, Some((number, how))).await;
            assert_eq!(end, undisturbed, "call {number}, {how:?}");
        }
    }
}

fn check(upgrade: &Upgrade, end: &End) {
    let content = |tree: &[(String, String)], path: &str| {
        tree.iter().find(|(found, _)| found == path).map(|(_, content)| content.clone())
    };
    for tree in [&end.owner, &end.scientist] {
        assert_eq!(content(tree, "open/a.txt").as_deref(), Some("two"), "{upgrade:?}");
        assert_eq!(content(tree, "shared/c.txt").as_deref(), Some("proposed"), "{upgrade:?}");
        assert_eq!(content(tree, "open/gone.txt"), None, "{upgrade:?}");
    }
    let (old, new) =
        (upgrade.from.client_version.to_string(), upgrade.to.client_version.to_string());
    let mut both = [pair_of(&old), pair_of(&new)].concat();
    both.sort();
    assert_eq!(end.our_folders, both, "the old folders stay, and count for nothing");
    assert_eq!(end.its_folders, both);
    assert_eq!((&end.our_version, &end.its_version), (&vec![new.clone()], &vec![new]));
}

/// Plays it all, and returns the numbers of the calls at which a fault is of interest.
async fn play(upgrade: &Upgrade, fault: Option<(usize, How)>) -> (End, Range<usize>) {
    let world = World::new();
    let mut ours = match upgrade.who {
        Role::Scientist => world.owner("do@example.org"),
        Role::Owner => world.scientist("ds@example.org"),
    };
    let name = if upgrade.who == Role::Owner { "do@example.org" } else { "ds@example.org" };
    let mut other = world.speaking(name, upgrade.who, upgrade.from.clone());
    if let Some((number, how)) = fault {
        match how {
            How::FailAfter => ours.script.at(number, Fault::after(unavailable)),
            How::DieAfter => ours.script.crash_at(number, Crash::After),
        }
    }
    let mut first = 0;
    for step in 0..STEPS {
        // How an owner answers, whatever fails, is shown elsewhere.
        if step == GOES_OVER - 2 && ours.role == Role::Owner {
            first = ours.script.calls();
        }
        prepare(step, upgrade, &ours, &mut other);
        let mut attempts = 0;
        loop {
            let outcome = act(step, upgrade, &ours, &other).await;
            match &outcome {
                Ok(report) if report.problems.is_empty() => break,
                // It sees us speak as before until we have seen that it has gone over.
                _ if step > GOES_OVER && step.is_multiple_of(2) => break,
                // What could not be sent is on its way when the other goes over.
                _ if step == GOES_OVER - 2 => {
                    if ours.script.has_crashed() {
                        ours.restart();
                    }
                    break;
                }
                _ => {}
            }
            attempts += 1;
            assert!(attempts < 3, "step {step} after {fault:?}: {outcome:?}");
            ours.restart();
        }
    }
    let calls = first..ours.script.calls();
    for _ in 0..2 {
        ours.sync().await;
        other.sync().await;
    }
    let (owner, scientist) =
        if upgrade.who == Role::Owner { (&other, &ours) } else { (&ours, &other) };
    let end = End {
        owner: owner.tree(&owner.email),
        scientist: scientist.tree(&owner.email),
        our_folders: made(&ours).await,
        its_folders: made(&other).await,
        our_version: stated(&other, &ours.email).await,
        its_version: stated(&ours, &other.email).await,
    };
    (end, calls)
}

/// The step at which the other goes over.
const GOES_OVER: usize = 11;
const STEPS: usize = GOES_OVER + 7;

/// What people do to their files and programs before a step; done once, whatever fails.
fn prepare(step: usize, upgrade: &Upgrade, ours: &Party<'_>, other: &mut Party<'_>) {
    let (owner, scientist) =
        if upgrade.who == Role::Owner { (&*other, ours) } else { (ours, &*other) };
    match step {
        5 => {
            owner.put("open/a.txt", "one");
            owner.put("open/gone.txt", "to go");
            owner.grant("open/", &scientist.email, Level::Read);
            owner.grant("shared/", &scientist.email, Level::Write);
        }
        9 => {
            owner.put("open/a.txt", "two");
            owner.delete(&owner.email, "open/gone.txt");
            scientist.write(&owner.email, "shared/c.txt", b"proposed");
            // The log of an owner gets through, what is for the other side does not.
            let (passed, before) = (AtomicUsize::new(0), usize::from(ours.role == Role::Owner));
            ours.script.when(1, Fault::before(unavailable), move |call| {
                let is_message = call.method == "create_file"
                    && (call.subject.starts_with("msgv2")
                        || call.subject.starts_with("syftevents"));
                is_message && passed.fetch_add(1, Ordering::Relaxed) >= before
            });
        }
        GOES_OVER => other.becomes(upgrade.to.clone()),
        _ => {}
    }
}

async fn act(
    step: usize,
    upgrade: &Upgrade,
    ours: &Party<'_>,
    other: &Party<'_>,
) -> Result<Report> {
    let (owner, scientist) = if upgrade.who == Role::Owner { (other, ours) } else { (ours, other) };
    match step {
        2 => scientist.request(&owner.email).await.map(|()| Report::default()),
        4 => owner.approve(&scientist.email).await.map(|()| Report::default()),
        0 | 3 | 5 | 7 => owner.try_sync().await,
        1 | 6 | 8 => scientist.try_sync().await,
        9 => ours.try_sync().await,
        10 => other.try_sync().await,
        GOES_OVER => other.request(&ours.email).await.map(|()| Report::default()),
        _ if step.is_multiple_of(2) => other.try_sync().await,
        _ => ours.try_sync().await,
    }
}

#[tokio::test]
async fn a_message_that_could_not_be_sent_is_not_sent_into_the_old_folder() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let mut scientist = world.speaking("ds@example.org", Role::Scientist, Dialect::v0_1());
    acquaint(&owner, &scientist).await;
    owner.grant("open/", &scientist.email, Level::Read);
    owner.put("open/a.txt", "one");
    owner.sync().await;
    scientist.sync().await;
    let in_old = in_outboxes(&scientist, "0.1.117").await;

    owner.put("open/a.txt", "two");
    let passed = AtomicUsize::new(0);
    owner.script.when(1, Fault::before(unavailable), move |call| {
        call.subject.starts_with("syftevents") && passed.fetch_add(1, Ordering::Relaxed) == 1
    });
    assert_eq!(owner.try_sync().await.unwrap().problems.len(), 1);
    scientist.becomes(Dialect::v0_10());
    scientist.request(&owner.email).await.unwrap();
    owner.sync().await;
    assert_eq!(generation(&owner, &scientist.email).as_deref(), Some("0.10"));
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "open/a.txt").as_deref(), Some("two"));
    assert_eq!(in_outboxes(&scientist, "0.1.117").await, in_old);
    assert_eq!(
        in_outboxes(&scientist, "0.10.0").await,
        1,
        "all that it is to hold, in one message"
    );
}

#[tokio::test]
async fn who_goes_over_and_back_ends_with_what_is_newest() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let mut scientist = world.speaking("ds@example.org", Role::Scientist, Dialect::v0_1());
    acquaint(&owner, &scientist).await;
    owner.grant("open/", &scientist.email, Level::Read);
    owner.put("open/a.txt", "0");
    owner.sync().await;
    for (round, dialect) in
        [Dialect::v0_10(), Dialect::v0_1(), Dialect::v0_10(), Dialect::v0_1()].iter().enumerate()
    {
        // What lies in the old folder has not been read when its reader goes over.
        let round = (round + 1).to_string();
        owner.put("open/a.txt", &round);
        owner.sync().await;
        scientist.becomes(dialect.clone());
        scientist.request(&owner.email).await.unwrap();
        owner.sync().await;
        scientist.sync().await;
        assert_eq!(scientist.read(&owner.email, "open/a.txt"), Some(round));
        let version = dialect.client_version.to_string();
        assert_eq!(stated(&scientist, &owner.email).await, [version]);
    }
    assert_eq!(made(&scientist).await.len(), 4, "each set is made once");
    assert_eq!(made(&owner).await.len(), 4);
    owner.sync().await;
    let before = owner.script.calls();
    owner.sync().await;
    assert_eq!(owner.script.calls() - before, 1);
}

/// How many messages lie in the outboxes of this version that `scientist` made.
async fn in_outboxes(scientist: &Party<'_>, version: &str) -> usize {
    let all = scientist.session().find(&syft::connections::Query::default()).await.unwrap();
    let start = format!("syft_datasite#{version}#");
    let is_outbox = |name: &str| name.starts_with(&start) && name.contains("#outbox#");
    let outboxes: Vec<_> =
        all.iter().filter(|entry| entry.is_mine && is_outbox(&entry.name)).collect();
    let lies_in = |entry: &&syft::connections::Entry| {
        outboxes.iter().any(|outbox| entry.parents.contains(&outbox.id))
    };
    all.iter().filter(lies_in).count()
}
