//! A tree about which nothing is to be done: a sync sees that it is as it was, and works nothing out.
//! That it was so is believed of no other tree, and of no other state of the database.

use std::time::{Duration, SystemTime};

use super::super::world::World;
use super::rows::AT_REST_SECONDS;
use super::{BOTH, FORCE, Pair, Who};

const BEFORE: &[(&str, &str)] = &[("w/a", "one"), ("w/b", "two"), ("w/d/c", "three")];

/// Spoils what was agreed, as no change of the program does: who looks at it stops.
fn spoil(pair: &Pair<'_>, who: Who) {
    let spoil = |db: &rusqlite::Connection| Ok(db.execute("UPDATE agreed SET digest = '?'", [])?);
    assert!(pair.party(who).account().store.read(spoil).unwrap() >= BEFORE.len());
}

async fn settled(world: &World) -> Pair<'_> {
    world.wind(AT_REST_SECONDS);
    let pair = Pair::new(world, BEFORE).await;
    for who in BOTH {
        for _ in 0..3 {
            assert!(pair.party(who).sync().await.is_idle());
        }
    }
    pair
}

#[tokio::test]
async fn a_sync_with_nothing_to_do_does_not_look_at_what_was_agreed() {
    for who in BOTH {
        let world = World::new();
        let pair = settled(&world).await;
        spoil(&pair, who);
        for _ in 0..2 {
            assert!(pair.party(who).sync().await.is_idle(), "{who:?}");
        }
    }
}

#[tokio::test]
async fn whatever_was_done_since_has_it_all_looked_at() {
    type Act = fn(&Pair<'_>, Who);
    #[rustfmt::skip]
    let cases: [(&str, Act); 7] = [
        ("a file was touched", |pair, who| {
            let file = std::fs::File::options().write(true).open(pair.folder(who).join("a")).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1)).unwrap();
        }),
        ("a file came", |pair, who| std::fs::write(pair.folder(who).join("new"), "new").unwrap()),
        ("a file went", |pair, who| std::fs::remove_file(pair.folder(who).join("b")).unwrap()),
        ("a file was renamed", |pair, who| {
            std::fs::rename(pair.folder(who).join("a"), pair.folder(who).join("z")).unwrap();
        }),
        ("a folder was renamed", |pair, who| {
            std::fs::rename(pair.folder(who).join("d"), pair.folder(who).join("e")).unwrap();
        }),
        ("the database changed", |pair, who| {
            let store = &pair.party(who).account().store;
            store.write(|db| syft::caches::meta::set(db, "anything", "else")).unwrap();
        }),
        ("what we were writing was left half written", |pair, who| {
            let name = ".syft-tmp-00000000000000000000000000000000";
            std::fs::write(pair.folder(who).join(name), "half").unwrap();
        }),
    ];
    for who in BOTH {
        for (what, act) in cases {
            let world = World::new();
            let pair = settled(&world).await;
            spoil(&pair, who);
            act(&pair, who);
            let looked = pair.party(who).try_sync().await;
            assert!(looked.is_err(), "{who:?}: {what}");
        }
        let world = World::new();
        let pair = settled(&world).await;
        spoil(&pair, who);
        let looked = pair.party(who).try_sync_with(&FORCE).await;
        assert!(looked.is_err(), "{who:?}: a person forces");
    }
}

#[tokio::test]
async fn what_comes_is_taken_in_though_nothing_was_to_be_done() {
    for who in BOTH {
        let world = World::new();
        let pair = settled(&world).await;
        pair.other(who).write(pair.datasite(), "w/a", b"changed there");
        pair.other(who).sync().await;
        assert_eq!(pair.party(who).sync().await.pulled, 1, "{who:?}");
        pair.agree_on(&[("w/a", "changed there"), BEFORE[1], BEFORE[2]], "both").await;
    }
}
