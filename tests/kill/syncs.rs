//! Owner and scientist edit and sync, and their syncs are killed.

use std::time::Duration;

use super::chance::{Chance, rounds};
use super::drive;
use super::model::Model;
use super::world::{Account, OWNER, Running, SCIENTIST, World};

/// Few enough events that checkpoints are made, and killed, often.
const SYNC: [&str; 3] = ["sync", "--checkpoint-threshold", "12"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_that_are_killed_lose_nothing_and_do_nothing_twice() {
    let mut chance = Chance::of_this_run();
    let world = World::new().await;
    let (owner, scientist) = world.pair();
    owner.done(&["perm", "grant", "open/", "--user", SCIENTIST, "--level", "read"]);
    owner.done(&["perm", "grant", "shared/", "--user", SCIENTIST, "--level", "write"]);
    let mut model = Model::default();
    let mut pace = Pace::default();
    model.edit(&mut chance, &owner, &scientist);
    for account in [&owner, &scientist, &owner, &scientist] {
        pace.note(account.run(&SYNC).took);
    }
    for round in 0..rounds(40) {
        model.edit(&mut chance, &owner, &scientist);
        let both = chance.is(1, 3);
        let mut first = [&owner, &scientist];
        if chance.is(1, 2) {
            first.reverse();
        }
        if both {
            let running = first.map(|account| account.start(&SYNC));
            if chance.is(1, 2) {
                model.edit_own(&mut chance, &scientist);
            }
            for one in running {
                pace.finish(&mut chance, one);
            }
        } else {
            for account in first {
                pace.finish(&mut chance, account.start(&SYNC));
            }
        }
        // Now and then all settles in between, else a fault would hide behind the next.
        if round % 10 == 9 {
            settle(&owner, &scientist);
            model.check(&owner, &scientist);
            drive::check(&world).await;
        }
    }
    settle(&owner, &scientist);
    model.check(&owner, &scientist);
    drive::check(&world).await;
    drive::databases(&owner);
    drive::databases(&scientist);
    let second = world.log_in("do", OWNER, "second");
    settle(&second, &scientist);
    assert_eq!(second.tree(), owner.tree(), "what a new machine of the owner restores");
    assert!(pace.killed * 4 > pace.started, "{pace:?}: too few were killed to show anything");
}

/// How long a sync takes, and how many were killed.
#[derive(Debug, Default)]
struct Pace {
    usual: Duration,
    started: u32,
    killed: u32,
}

impl Pace {
    fn note(&mut self, took: Duration) {
        self.usual = if self.usual.is_zero() { took } else { (self.usual * 3 + took) / 4 };
    }

    /// Kills a sync at a random moment; sometimes lets it go on.
    fn finish(&mut self, chance: &mut Chance, running: Running) {
        self.started += 1;
        if chance.is(1, 6) {
            let answer = running.end();
            assert!(matches!(answer.exit, Some(0 | 3)), "{answer:?}");
            self.note(answer.took);
            return;
        }
        let answer = running.kill(chance.moment(self.usual));
        match answer.exit {
            None => self.killed += 1,
            Some(0 | 3) => self.note(answer.took),
            Some(_) => panic!("{answer:?}"),
        }
    }
}

/// Syncs until nobody has anything to do.
fn settle(owner: &Account, scientist: &Account) {
    for _ in 0..12 {
        let idle = [owner, scientist].map(|account| {
            let answer = account.run(&SYNC);
            assert!(matches!(answer.exit, Some(0 | 3)), "{answer:?}");
            assert_eq!(answer.json["problems"], serde_json::json!([]), "{answer:?}");
            let count = |key: &str| answer.json[key].as_u64().unwrap();
            let refused = answer.json["refused"].as_array().unwrap().len();
            let is_quiet = count("pulled") + count("accepted") + count("pushed") == 0;
            // Also what a killed sync had decided and this one sent is something to do.
            is_quiet && refused == 0 && count("requests") == 1
        });
        if idle == [true, true] {
            return;
        }
    }
    panic!("they do not come to rest");
}
