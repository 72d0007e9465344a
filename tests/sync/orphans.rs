//! What of ours nothing needs any more: found, shown, deleted, and nothing else with it (W16).

use std::collections::{BTreeMap, BTreeSet};

use syft::connections::faulty::{Crash, Fault};
use syft::connections::{Access, Content, Entry, Error, FileId, Grant, NewEntry, Query};
use syft::model::{Code, Digest, Email, Timestamp};
use syft::permissions::Level;
use syft::syncers::orphans::{self, Orphan, Why};
use syft::wire::names::{PackName, is_chunked};

use super::world::{Party, World, email};

const DAY: i64 = 86_400;
const EVENTS: &str = "syfteventsmessagev3_1780000001.5_11111111-2222-4333-8444-555555555555.tar.gz";

async fn make(party: &Party<'_>, parent: &FileId, name: &str, is_folder: bool) -> FileId {
    let new = NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "text/plain",
        tags: BTreeMap::new(),
    };
    let session = party.session();
    let made = if is_folder {
        session.create_folder(&new).await
    } else {
        session.create_file(&new, Content::Bytes("x".into())).await
    };
    made.unwrap().id
}

async fn share(party: &Party<'_>, id: &FileId, to: &Email) {
    let grant = Grant { id: id.clone(), to: to.clone(), access: Access::Read };
    party.session().share(&[grant], false).await.unwrap().pop().unwrap().unwrap();
}

/// Days pass, here and at the service.
fn pass(world: &World, days: i64) {
    world.wind(days * DAY);
    world.drive.advance_micros(days * DAY * 1_000_000);
}

async fn own(party: &Party<'_>) -> Vec<Entry> {
    let all = party.session().find(&Query::default()).await.unwrap();
    all.into_iter().filter(|entry| entry.is_mine).collect()
}

async fn id_of(party: &Party<'_>, name: &str) -> FileId {
    own(party).await.into_iter().find(|entry| entry.name == name).unwrap().id
}

async fn left_over(party: &Party<'_>) -> Vec<Orphan> {
    let orphans = orphans::find(party.account(), party.world.now()).await.unwrap();
    assert!(orphans.is_whole);
    orphans.found
}

fn whys(orphans: &[Orphan]) -> Vec<(&str, Why)> {
    orphans.iter().map(|orphan| (orphan.name.as_str(), orphan.why)).collect()
}

fn ids(orphans: &[Orphan]) -> BTreeSet<FileId> {
    orphans.iter().map(|orphan| orphan.id.clone()).collect()
}

/// An owner whose scientist has deleted its SyftBox in a browser, and files that only look like
/// what is left of it.
async fn deserted(world: &World) -> (Party<'_>, Vec<FileId>) {
    deserted_with(world, "x").await
}

/// The same, where these are the files.
async fn deserted_with<'w>(world: &'w World, content: &str) -> (Party<'w>, Vec<FileId>) {
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    for path in ["r/one.txt", "r/two.txt"] {
        owner.put(path, content);
        owner.sync().await;
    }
    let root = id_of(&scientist, "SyftBox").await;
    for outcome in scientist.session().delete(&[root]).await.unwrap() {
        outcome.unwrap();
    }
    owner.put("r/three.txt", "x");
    let problems = owner.try_sync().await.unwrap().problems;
    assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::MailboxGone]);
    let problems = owner.try_sync().await.unwrap().problems;
    assert_eq!(problems.iter().map(|p| p.code).collect::<Vec<_>>(), [Code::PeerDeparted]);
    let drive = owner.session().root();
    let backup = make(&owner, &drive, "backup", true).await;
    let alike = vec![
        make(&owner, &drive, EVENTS, false).await,
        make(&owner, &backup, EVENTS, false).await,
        make(&owner, &backup, "checkpoint_1780000001.5.tar.gz", false).await,
        make(&owner, &id_of(&owner, "SyftBox").await, EVENTS, false).await,
        make(&owner, &drive, "thesis.pdf", false).await,
    ];
    (owner, alike)
}

#[tokio::test]
async fn w16_what_travelled_as_chunks_is_found_as_all_else_is() {
    let world = World::new();
    world.holds_less_than(10_000);
    let (owner, alike) = deserted_with(&world, &"one line\n".repeat(2_000)).await;
    let left = async |name: &str| {
        left_over(&owner).await.iter().filter(|orphan| orphan.name.starts_with(name)).count()
    };
    pass(&world, 2);
    assert_eq!(
        (left("chunkedevents-").await, left("chunks-").await),
        (2, 0),
        "a pack may be a proposal's"
    );
    pass(&world, 7);
    assert_eq!((left("chunkedevents-").await, left("chunks-").await), (2, 1));
    let shown = ids(&left_over(&owner).await);
    let deleted = orphans::delete(owner.account(), &shown, world.now()).await.unwrap();
    assert_eq!(deleted.problems, []);
    assert_eq!(left_over(&owner).await, []);
    // What lies in the own log is as it was.
    let after: BTreeSet<FileId> = own(&owner).await.into_iter().map(|entry| entry.id).collect();
    assert!(alike.iter().all(|id| after.contains(id)));
    owner.sync().await;
    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.tree(&owner.email), owner.tree(&owner.email));
}

async fn packs(party: &Party<'_>) -> BTreeSet<FileId> {
    let is_pack = |entry: &Entry| PackName::parse(&entry.name).is_some();
    own(party).await.into_iter().filter(is_pack).map(|entry| entry.id).collect()
}

/// A file of some kilobytes, of which there is no other.
fn file(number: u32) -> String {
    let line = |n: u32| Digest::of(&[number, n].map(u32::to_le_bytes).concat()).to_hex();
    (0..600).map(line).collect()
}

async fn not_named(party: &Party<'_>) -> BTreeSet<FileId> {
    let left = left_over(party).await.into_iter();
    left.filter(|orphan| orphan.why == Why::NotNamed).map(|orphan| orphan.id).collect()
}

#[tokio::test]
async fn packs_that_no_machine_remembers_go_once_no_message_names_them() {
    let world = World::new();
    world.holds_less_than(10_000);
    let (mut owner, mut scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "r/one.txt", file(1).as_bytes());
    scientist.sync().await;
    owner.put("r/two.txt", &file(2));
    owner.sync().await;
    scientist.sync().await;
    owner.sync().await;
    // All that it knows is lost; what lies in its outboxes, its log and its inbox stays, for messages name it.
    let before = packs(&owner).await;
    assert!(before.len() >= 3, "two in the log, and one for the scientist");
    owner.forget();
    scientist.forget();
    owner.sync().await;
    scientist.sync().await;
    let backup = make(&scientist, &scientist.session().root(), "backup", true).await;
    let copy = format!("chunks-{}", "11111111-2222-4333-8444-555555555555");
    let copy = make(&scientist, &backup, &copy, false).await;
    pass(&world, 9);
    owner.sync().await;
    scientist.sync().await;
    let (of_owner, of_scientist) = (packs(&owner).await, packs(&scientist).await);
    assert_eq!(of_scientist.len(), 2);
    assert!(!left_over(&owner).await.iter().any(|orphan| of_owner.contains(&orphan.id)));
    // The proposal was put away: nothing will read what it brought.
    assert_eq!(not_named(&scientist).await.len(), 1);
    // A message that nobody can read names who knows what.
    let inbox =
        own(&scientist).await.into_iter().find(|it| of_scientist.contains(&it.id) && it.id != copy);
    let inbox = inbox.unwrap().parents[0].clone();
    let name = "chunkedproposals-1780000001.5-11111111-2222-4333-8444-555555555555.tar.gz";
    let doubt = make(&scientist, &inbox, name, false).await;
    assert_eq!(not_named(&scientist).await, BTreeSet::new());
    drop(scientist.session().delete(&[doubt]).await.unwrap());
    let shown = ids(&left_over(&scientist).await);
    let deleted = orphans::delete(scientist.account(), &shown, world.now()).await.unwrap();
    assert_eq!(deleted.problems, []);
    assert_eq!(packs(&scientist).await, [copy].into(), "it is its own");
    // The messages of the owner go, and with them what they named.
    let named: Vec<FileId> = own(&owner)
        .await
        .into_iter()
        .filter(|entry| is_chunked(&entry.name))
        .map(|entry| entry.id)
        .collect();
    drop(owner.session().delete(&named).await.unwrap());
    assert_eq!(not_named(&owner).await, before, "what was sent since is known");
}

#[tokio::test]
async fn w16_what_lay_in_a_folder_that_is_gone_goes_and_nothing_that_looks_like_it() {
    let world = World::new();
    let (owner, alike) = deserted(&world).await;
    assert_eq!(left_over(&owner).await, [], "all of it is young");
    pass(&world, 2);
    let before: BTreeSet<FileId> = own(&owner).await.into_iter().map(|entry| entry.id).collect();
    let found = left_over(&owner).await;
    assert!(found.len() >= 2, "{found:?}");
    assert!(found.iter().all(|orphan| orphan.why == Why::FolderGone), "{found:?}");
    assert!(found.iter().all(|orphan| orphan.size_bytes > 0 && !orphan.is_folder));

    let shown = ids(&found);
    let deleted = orphans::delete(owner.account(), &shown, world.now()).await.unwrap();
    assert_eq!((deleted.gone, deleted.problems), (found, vec![]));
    let after: BTreeSet<FileId> = own(&owner).await.into_iter().map(|entry| entry.id).collect();
    assert_eq!(before.difference(&after).cloned().collect::<BTreeSet<_>>(), shown);
    assert!(alike.iter().all(|id| after.contains(id)));
    assert_eq!(left_over(&owner).await, []);
    owner.sync().await;

    let second = world.owner("do@example.org");
    second.sync().await;
    assert_eq!(second.read(&owner.email, "r/three.txt").as_deref(), Some("x"));
}

#[tokio::test]
async fn who_had_only_hidden_its_folder_is_told_everything_again() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/one.txt", "x");
    owner.sync().await;
    // Nobody has read that yet, and the owner has nothing to send by which it would notice.
    let name = "syft_datasite#0.1.117#do@example.org#outbox#ds@example.org";
    let outbox = id_of(&scientist, name).await;
    scientist.session().unshare(&outbox, &owner.email).await.unwrap();
    pass(&world, 2);
    owner.sync().await;
    let found = left_over(&owner).await;
    assert!(!found.is_empty() && found.iter().all(|orphan| orphan.why == Why::FolderGone));
    let deleted = orphans::delete(owner.account(), &ids(&found), world.now()).await.unwrap();
    assert_eq!(deleted.gone, found);
    let grant = Grant { id: outbox, to: owner.email.clone(), access: Access::Write };
    scientist.session().share(&[grant], false).await.unwrap().pop().unwrap().unwrap();
    pass(&world, 1);
    for _ in 0..2 {
        owner.sync().await;
        scientist.sync().await;
    }
    assert_eq!(scientist.read(&owner.email, "r/one.txt").as_deref(), Some("x"));
    assert_eq!(left_over(&owner).await, []);
}

#[tokio::test]
async fn w16_only_what_was_shown_is_deleted() {
    let world = World::new();
    let (owner, alike) = deserted(&world).await;
    pass(&world, 2);
    let found = left_over(&owner).await;
    // One that was shown; one that was not is left; and files that nobody could have been shown.
    let mut shown: BTreeSet<FileId> = alike.into_iter().collect();
    shown.insert(found[0].id.clone());
    shown.insert(id_of(&owner, "SYFT_peers.json").await);
    shown.insert(id_of(&owner, "SyftBox").await);
    let deleted = orphans::delete(owner.account(), &shown, world.now()).await.unwrap();
    assert_eq!(deleted.gone, found[..1]);
    assert_eq!(left_over(&owner).await, found[1..]);
    owner.sync().await;
}

#[tokio::test]
async fn a_look_costs_a_listing_and_one_question_for_each_folder_that_is_not_known() {
    let world = World::new();
    let (owner, _) = deserted(&world).await;
    pass(&world, 2);
    let cost = async |party: &Party<'_>| {
        let before = party.script.calls();
        left_over(party).await;
        party.script.calls() - before
    };
    let listing = {
        let before = owner.script.calls();
        let (account, now) = (owner.account(), world.now());
        syft::syncers::refresh(account, syft::syncers::Freshness::Listing, now).await.unwrap();
        owner.script.calls() - before
    };
    // The time, which is made and deleted; one search; and "My files" and "backup", whatever lies there.
    assert_eq!(cost(&owner).await, listing + 2 + 1 + 2);
    let drive = owner.session().root();
    for _ in 0..30 {
        make(&owner, &drive, EVENTS, false).await;
    }
    assert_eq!(cost(&owner).await, listing + 2 + 1 + 2);
}

#[tokio::test]
async fn how_old_something_is_the_clock_of_this_machine_has_no_say_in() {
    let world = World::new();
    let (owner, _) = deserted(&world).await;
    let found = async |days: i64| {
        let now = Timestamp::from_micros(world.now().micros() + days * DAY * 1_000_000);
        orphans::find(owner.account(), now).await.unwrap().found
    };
    assert_eq!(found(365).await, [], "all of it is young");
    let all: BTreeSet<FileId> = own(&owner).await.into_iter().map(|entry| entry.id).collect();
    let now = Timestamp::from_micros(world.now().micros() + 365 * DAY * 1_000_000);
    let deleted = orphans::delete(owner.account(), &all, now).await.unwrap();
    assert_eq!(deleted.gone, []);
    pass(&world, 2);
    let old = found(0).await;
    assert!(old.len() >= 2, "{old:?}");
    assert_eq!(found(-365).await, old);
}

#[tokio::test]
async fn a_look_leaves_nothing_behind_and_works_on_a_drive_that_takes_nothing() {
    let world = World::new();
    let (owner, _) = deserted(&world).await;
    pass(&world, 2);
    let root = id_of(&owner, "SyftBox").await;
    // As a look leaves it that was cut off.
    make(&owner, &root, "syft-clock", true).await;
    let is_clock = |entry: &Entry| entry.name == "syft-clock";
    let expected = left_over(&owner).await;
    assert!(!own(&owner).await.iter().any(is_clock));
    make(&owner, &root, "newer.txt", false).await;
    let full = Fault::before(|| Error::Full { service: "the drive" });
    owner.script.when(1, full, |call| call.method == "create_folder");
    assert_eq!(left_over(&owner).await, expected);
}

#[tokio::test]
async fn w36_answered_messages_that_no_machine_remembers_go_and_remembered_ones_stay() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("w/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "w/a.txt", b"x");
    scientist.sync().await;
    owner.sync().await;
    scientist.sync().await;
    pass(&world, 9);
    assert_eq!(left_over(&scientist).await, [], "it remembers, and deletes it by itself");
    let second = world.scientist("ds@example.org");
    second.sync().await;
    let found = left_over(&second).await;
    assert_eq!(found.iter().map(|orphan| orphan.why).collect::<Vec<_>>(), [Why::Answered]);
    orphans::delete(second.account(), &ids(&found), world.now()).await.unwrap();
    for party in [&scientist, &owner, &second] {
        party.sync().await;
        assert_eq!(party.read(&owner.email, "w/a.txt").as_deref(), Some("x"));
    }
    // One that waits in the inbox is nobody's to delete, however old it is.
    scientist.write(&owner.email, "w/a.txt", b"y");
    scientist.sync().await;
    pass(&world, 30);
    assert_eq!(left_over(&second).await, []);
    assert_eq!(owner.sync().await.accepted, 1);
}

#[tokio::test]
async fn folders_for_somebody_who_is_no_peer_go_once_nothing_waits_in_them() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    scientist.sync().await;
    let root = id_of(&scientist, "SyftBox").await;
    let name = |way: &str| format!("syft_datasite#0.1.117#ann@example.org#{way}#ds@example.org");
    let outbox = make(&scientist, &root, &name("outbox"), true).await;
    let mine = make(&scientist, &outbox, "holiday", true).await;
    let inbox = make(&scientist, &root, &name("inbox"), true).await;
    assert_eq!(left_over(&scientist).await, [], "another machine may be asking her");
    let message = "msgv2_1780000001.5_11111111-2222-4333-8444-555555555555.tar.gz";
    let waiting = make(&scientist, &inbox, message, false).await;
    pass(&world, 2);
    assert_eq!(left_over(&scientist).await, [], "something of the user's own lies in the outbox");
    scientist.session().delete(&[mine]).await.unwrap();
    assert_eq!(whys(&left_over(&scientist).await), [(name("outbox").as_str(), Why::NoPeer)]);
    scientist.session().delete(&[waiting]).await.unwrap();
    let found = left_over(&scientist).await;
    let names: BTreeSet<String> = found.iter().map(|orphan| orphan.name.clone()).collect();
    let expected = [name("inbox"), name("outbox")].into();
    assert_eq!(names, expected, "and not those of {}", owner.email);

    // Another machine of the account asks her after all, before they are deleted.
    let second = world.scientist("ds@example.org");
    second.sync().await;
    second.request(&email("ann@example.org")).await.unwrap();
    let deleted = orphans::delete(scientist.account(), &ids(&found), world.now()).await.unwrap();
    assert_eq!(deleted.gone, [], "the list of peers is not the one that was read");
    scientist.sync().await;
    assert_eq!(left_over(&scientist).await, []);
}

#[tokio::test]
async fn second_copies_and_older_datasets_go_unless_somebody_sees_only_them() {
    let world = World::new();
    let (owner, _) = world.pair().await;
    let root = id_of(&owner, "SyftBox").await;
    let copy = make(&owner, &root, "SYFT_version.json", false).await;
    let old = make(&owner, &root, "syft_datasetcollection_census_0123456789ab", true).await;
    world.drive.advance_micros(1);
    let new = make(&owner, &root, "syft_datasetcollection_census_ba9876543210", true).await;
    make(&owner, &root, "syft_datasetcollection_other_0123456789ab", true).await;
    pass(&world, 2);
    let found = left_over(&owner).await;
    let expected: BTreeSet<FileId> = [copy.clone(), old.clone()].into();
    assert_eq!(ids(&found), expected, "{found:?}");
    let ann = email("ann@example.org");
    share(&owner, &copy, &ann).await;
    share(&owner, &old, &ann).await;
    assert_eq!(left_over(&owner).await, [], "a reader may have nothing else");
    share(&owner, &new, &ann).await;
    assert_eq!(ids(&left_over(&owner).await), [old].into());
}

#[tokio::test]
async fn a_deletion_that_is_cut_off_at_any_call_is_done_by_the_next() {
    let undisturbed = {
        let world = World::new();
        let (owner, _) = deserted(&world).await;
        pass(&world, 2);
        end(&owner, &ids(&left_over(&owner).await)).await
    };
    let mut number = 0;
    loop {
        let mut was_hit = false;
        for how in [Crash::Before, Crash::After, Crash::Half] {
            let world = World::new();
            let (mut owner, _) = deserted(&world).await;
            pass(&world, 2);
            let shown = ids(&left_over(&owner).await);
            owner.restart();
            owner.script.crash_at(owner.script.calls() + number, how);
            let outcome = orphans::delete(owner.account(), &shown, world.now()).await;
            was_hit |= outcome.is_err();
            owner.restart();
            assert_eq!(end(&owner, &shown).await, undisturbed, "call {number}, {how:?}");
            owner.sync().await;
        }
        if !was_hit {
            break;
        }
        number += 1;
    }
    assert!(number > 5, "{number} calls are too few to show anything");
}

/// Deletes what was shown, and returns the names of what is left.
async fn end(owner: &Party<'_>, shown: &BTreeSet<FileId>) -> Vec<String> {
    assert!(shown.len() >= 2);
    orphans::delete(owner.account(), shown, owner.world.now()).await.unwrap();
    assert_eq!(left_over(owner).await, []);
    let mut names: Vec<String> = own(owner).await.into_iter().map(|entry| entry.name).collect();
    // Messages have names of their own each time.
    for name in &mut names {
        name.truncate(name.find('_').unwrap_or(name.len()));
    }
    names.sort_unstable();
    names
}
