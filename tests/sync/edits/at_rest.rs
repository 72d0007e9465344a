//! A tree about which nothing is to be done: a sync sees that it is as it was, and works nothing out.
//! That it was so is believed of no other tree, and of no other state of the database.

use std::time::{Duration, SystemTime};

use syft::caches;
use syft::permissions::Level;
use syft::syncers::{Error, Report};

use super::super::world::{World, acquaint};
use super::rows::AT_REST_SECONDS;
use super::{BOTH, FORCE, Pair, Who, codes};

const BEFORE: &[(&str, &str)] = &[("w/a", "one"), ("w/b", "two"), ("w/d/c", "three")];

/// Spoils what was agreed, as no change of the program does: who looks at it stops.
fn spoil(pair: &Pair<'_>, who: Who) {
    let spoil = |db: &rusqlite::Connection| Ok(db.execute("UPDATE agreed SET digest = '?'", [])?);
    assert!(pair.party(who).account().store.read(spoil).unwrap() >= BEFORE.len());
}

fn is_damaged(looked: &syft::syncers::Result<Report>) -> bool {
    matches!(looked, Err(Error::Cache(caches::Error::Damaged { .. })))
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
        let changes = || pair.party(who).account().store.read(caches::changes).unwrap();
        let before = changes();
        for _ in 0..3 {
            assert!(pair.party(who).sync().await.is_idle(), "{who:?}");
        }
        assert_eq!(changes(), before, "{who:?}: and nothing is noted again and again");
    }
}

#[tokio::test]
async fn what_is_told_of_a_tree_is_told_in_each_sync() {
    let world = World::new();
    let pair = settled(&world).await;
    pair.owner.put("w/d/syft.pub.yaml", "rules: no list");
    for number in 0..6 {
        let report = pair.owner.try_sync().await.unwrap();
        assert_eq!(codes(&report), ["rules-not-usable"], "sync {number}");
    }
}

#[tokio::test]
async fn of_two_owners_one_whose_tree_is_never_read_whole_holds_up_no_rest() {
    let world = World::new();
    let pair = settled(&world).await;
    let other = world.owner("zo@example.org");
    acquaint(&other, &pair.scientist).await;
    other.grant("w/", &pair.scientist.email, Level::Read);
    other.put("w/a", "a");
    other.sync().await;
    for _ in 0..3 {
        pair.scientist.sync().await;
    }
    let folder = pair.scientist.account().folders.datasite(&other.email);
    #[cfg(unix)]
    std::os::unix::fs::symlink("a", folder.join("w/link")).unwrap();
    let changes = || pair.scientist.account().store.read(caches::changes).unwrap();
    for _ in 0..3 {
        pair.scientist.sync().await;
    }
    let before = changes();
    for _ in 0..3 {
        assert!(pair.scientist.sync().await.is_idle());
    }
    assert_eq!(changes(), before);
    std::fs::write(folder.join("w/new"), "new").unwrap();
    pair.scientist.write(pair.datasite(), "w/new", b"new");
    let report = pair.scientist.sync().await;
    assert_eq!(report.pushed, 2, "{report:?}");
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
            assert!(is_damaged(&looked), "{who:?}: {what}: {looked:?}");
        }
        let world = World::new();
        let pair = settled(&world).await;
        spoil(&pair, who);
        let looked = pair.party(who).try_sync_with(&FORCE).await;
        assert!(is_damaged(&looked), "{who:?}: a person forces: {looked:?}");
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
