//! What the Python client loses, forgets or undoes, and what must not be lost here. The numbers are
//! those of `docs/SECURITY.md`.

use std::collections::BTreeSet;

use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{Content, Entry, Kind, Query};
use syft::permissions::Level;
use syft::syncers::{DatasiteWatcherSyncer, SyncOptions, peering};
use syft::wire::PeerState;
use syft::wire::names::{CheckpointName, IncrementalName, PEERS_FILE, VERSION_FILE};

use super::world::{Party, World, acquaint};

const FOR_ALL: &str = "rules:\n- pattern: '**'\n  access:\n    read: ['*']\n";
const FOR_THE_DOMAIN: &str = "rules:\n- pattern: '**'\n  access:\n    read: ['*@example.org']\n";

async fn all(party: &Party<'_>) -> Vec<Entry> {
    party.session().find(&Query::default()).await.unwrap()
}

async fn own_file(party: &Party<'_>, name: &str) -> Entry {
    let found = all(party).await.into_iter().find(|entry| entry.is_mine && entry.name == name);
    found.unwrap()
}

fn states(party: &Party<'_>) -> Vec<(String, PeerState)> {
    let known = peering::remembered(party.account()).unwrap().into_iter();
    known.map(|known| (known.peer.email.to_string(), known.peer.state)).collect()
}

#[tokio::test]
async fn w5_f19_f20_what_an_owner_did_while_no_client_ran_is_not_undone() {
    // A login lists everything; a sync follows the feed.
    for full in [false, true] {
        let world = World::new();
        let (mut owner, scientist) = world.pair().await;
        owner.grant("r/", &scientist.email, Level::Read);
        for (path, content) in [("r/edited", "one"), ("r/deleted", "one"), ("r/kept", "one")] {
            owner.put(path, content);
        }
        owner.sync().await;
        scientist.sync().await;
        owner.restart();
        owner.put("r/edited", "two");
        owner.put("r/new", "two");
        owner.delete(&owner.email, "r/deleted");
        let options = SyncOptions { full, ..SyncOptions::default() };
        assert_eq!(owner.try_sync_with(&options).await.unwrap().pushed, 3);
        scientist.sync().await;
        let wanted = [("r/edited", "two"), ("r/kept", "one"), ("r/new", "two")]
            .map(|(path, content)| (path.to_owned(), content.to_owned()));
        assert_eq!(scientist.tree(&owner.email), wanted);
        let mut own = owner.tree(&owner.email);
        own.retain(|(path, _)| !path.ends_with("syft.pub.yaml"));
        assert_eq!(own, wanted);
    }
}

#[tokio::test]
async fn w19_what_a_crash_kept_from_being_sent_is_sent_by_the_next_sync() {
    for (call, crash) in (1..5).flat_map(|call| [(call, Crash::Before), (call, Crash::After)]) {
        let world = World::new();
        let (mut owner, mut scientist) = world.pair().await;
        owner.grant("w/", &scientist.email, Level::Write);
        owner.sync().await;
        scientist.sync().await;
        // The feed, the log, the peer, the rolling state.
        owner.put("w/theirs", "x");
        owner.script.crash_at(owner.script.calls() + call, crash);
        drop(owner.try_sync().await);
        owner.restart();
        owner.sync().await;
        // The feed, the message of the owner, the proposal.
        scientist.write(&owner.email, "w/mine", b"x");
        scientist.script.crash_at(scientist.script.calls() + call, crash);
        drop(scientist.try_sync().await);
        scientist.restart();
        scientist.sync().await;
        assert_eq!(scientist.read(&owner.email, "w/theirs").as_deref(), Some("x"), "{call}");
        owner.sync().await;
        assert_eq!(owner.read(&owner.email, "w/mine").as_deref(), Some("x"), "{call} {crash:?}");
    }
}

#[tokio::test]
async fn w20_a_peer_that_was_out_of_reach_for_a_moment_misses_nothing() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.sync().await;
    // Its version file is new, and cannot be read.
    let version = own_file(&scientist, VERSION_FILE).await.id;
    let content = scientist.session().read(&version, 1 << 20).await.unwrap();
    scientist.session().replace(&version, Content::Bytes(content)).await.unwrap();
    owner.put("r/first", "x");
    owner.script.when(1, Fault::before(unavailable), move |call| call.subject == version.as_str());
    assert_eq!(owner.try_sync().await.unwrap().problems.len(), 1);
    // Its folder takes nothing.
    owner.put("r/second", "x");
    owner.script.at(owner.script.calls() + 3, Fault::before(unavailable));
    assert_eq!(owner.try_sync().await.unwrap().problems.len(), 1);
    owner.put("r/third", "x");
    owner.sync().await;
    scientist.sync().await;
    let paths: Vec<String> = scientist.tree(&owner.email).into_iter().map(|(p, _)| p).collect();
    assert_eq!(paths, ["r/first", "r/second", "r/third"]);
}

#[tokio::test]
async fn w22_who_comes_later_gets_what_others_could_read_already() {
    for rules in [FOR_ALL, FOR_THE_DOMAIN] {
        let world = World::new();
        let (owner, scientist) = world.pair().await;
        owner.grant("w/", &scientist.email, Level::Write);
        owner.put("open/syft.pub.yaml", rules);
        owner.put("open/a.txt", "for all");
        owner.sync().await;
        let later = world.scientist("later@example.org");
        acquaint(&owner, &later).await;
        assert_eq!(later.read(&owner.email, "open/a.txt").as_deref(), Some("for all"));
        // What one proposes reaches the others as well.
        owner.put("w/b.txt", "old");
        owner.grant("w/", &later.email, Level::Read);
        owner.sync().await;
        scientist.sync().await;
        scientist.write(&owner.email, "w/b.txt", b"new");
        scientist.sync().await;
        owner.sync().await;
        later.sync().await;
        assert_eq!(later.read(&owner.email, "w/b.txt").as_deref(), Some("new"));
    }
}

#[tokio::test]
async fn w23_what_a_reader_may_read_no_longer_is_taken_back() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    for folder in ["gone", "closed", "kept"] {
        owner.put(&format!("{folder}/a.txt"), folder);
        owner.grant(&format!("{folder}/"), &scientist.email, Level::Read);
    }
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.tree(&owner.email).len(), 3);
    let root = owner.account().folders.datasite(&owner.email);
    std::fs::remove_dir_all(root.join("gone")).unwrap();
    owner.revoke("closed/", &scientist.email);
    owner.sync().await;
    scientist.sync().await;
    let kept = ("kept/a.txt".to_owned(), "kept".to_owned());
    assert_eq!(scientist.tree(&owner.email), [kept]);
}

#[tokio::test]
async fn w24_b6_b7_binary_and_empty_files_survive_checkpoints_of_each_kind() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let options = SyncOptions { checkpoint_threshold: 2, ..SyncOptions::default() };
    let mut kinds = BTreeSet::new();
    for round in 0..6_u8 {
        owner.write(&owner.email, &format!("{round}.bin"), &[0, 159, round, 255]);
        owner.put(&format!("{round}.empty"), "");
        let report = owner.try_sync_with(&options).await.unwrap();
        assert_eq!(report.problems, [], "round {round}");
        for entry in all(&owner).await {
            let is_full = CheckpointName::parse(&entry.name).is_some();
            kinds.extend(
                (is_full || IncrementalName::parse(&entry.name).is_some()).then_some(is_full),
            );
        }
        let second = world.owner("do@example.org");
        second.sync().await;
        assert_eq!(second.tree(&owner.email), owner.tree(&owner.email), "round {round}");
        let binary = second.account().folders.datasite(&owner.email).join(format!("{round}.bin"));
        assert_eq!(std::fs::read(binary).unwrap(), [0, 159, round, 255]);
    }
    assert_eq!(kinds.len(), 2, "increments and a full one");
}

#[tokio::test]
async fn w27_of_several_contents_the_newest_is_restored_whatever_lay_there() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    for content in ["one", "two", "three"] {
        owner.put("a.txt", content);
        owner.put("gone.txt", content);
        owner.sync().await;
    }
    owner.delete(&owner.email, "gone.txt");
    owner.sync().await;
    // A machine that has lost its state, but not its files: they are an older sight of the same.
    let second = world.owner("do@example.org");
    second.put("a.txt", "two");
    second.put("gone.txt", "one");
    second.sync().await;
    let newest = [("a.txt".to_owned(), "three".to_owned())];
    // It may also be that somebody put them back on purpose: they are kept.
    let (kept, files): (Vec<_>, Vec<_>) =
        second.tree(&owner.email).into_iter().partition(|(path, _)| path.contains(".refused-"));
    assert_eq!(files, newest);
    let kept: Vec<&str> = kept.iter().map(|(_, content)| content.as_str()).collect();
    assert_eq!(kept, ["two", "one"]);
    owner.sync().await;
    assert_eq!(owner.tree(&owner.email), newest);
}

#[tokio::test]
async fn b13_a_machine_that_joins_uploads_nothing_and_costs_the_same_each_time() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    for round in 0..5 {
        owner.put(&format!("{round}.txt"), "x");
        owner.sync().await;
    }
    let syncer = syft::syncers::DatasiteOwnerSyncer::new(owner.account());
    syncer.create_checkpoint(world.now()).await.unwrap();
    let before = all(&owner).await;
    for _ in 0..5 {
        let other = world.owner("do@example.org");
        other.sync().await;
        // The place in the feed beside ids for what it will send, the root, what others share, what
        // lies in the root and below it; then the checkpoint alone.
        assert!(other.script.calls() <= 7, "{}", other.script.calls());
        assert_eq!(other.tree(&owner.email).len(), 5);
        assert_eq!(all(&owner).await, before);
    }
}

#[tokio::test]
async fn w28_a_peers_file_that_cannot_be_read_is_not_an_empty_one() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let later = world.scientist("later@example.org");
    later.sync().await;
    later.request(&owner.email).await.unwrap();
    owner.sync().await;
    let before = states(&owner);
    let file = own_file(&owner, PEERS_FILE).await.id;
    // A machine that has never read it, and one that has, while somebody changed it.
    for machine in [&world.owner("do@example.org"), &owner] {
        let same = owner.session().read(&file, 1 << 20).await.unwrap();
        owner.session().replace(&file, Content::Bytes(same)).await.unwrap();
        let id = file.clone();
        let is_it = move |call: &syft::connections::Call| {
            call.method == "read" && call.subject == id.as_str()
        };
        machine.script.when(1, Fault::before(unavailable), is_it);
        drop(machine.approve(&later.email).await);
        machine.sync().await;
        assert!(states(machine).contains(&before[0]), "{:?}", states(machine));
        machine.approve(&later.email).await.unwrap();
        let accepted: Vec<PeerState> =
            states(machine).into_iter().map(|(_, state)| state).collect();
        assert_eq!(accepted, [PeerState::Accepted; 2]);
    }
    // One that says nothing that we understand is left as it is.
    owner.session().replace(&file, Content::Bytes("{\"a\": ".into())).await.unwrap();
    let other = world.owner("do@example.org");
    assert!(other.try_sync().await.is_err());
    assert!(other.approve(&scientist.email).await.is_err());
    assert_eq!(&owner.session().read(&file, 1 << 20).await.unwrap()[..], b"{\"a\": ");
}

#[tokio::test]
async fn w29_two_machines_that_begin_at_once_go_on_as_one_account() {
    let world = World::new();
    world.drive.set_lag(1_000); // Neither sees what the other makes.
    let (one, two) = (world.owner("do@example.org"), world.owner("do@example.org"));
    for (machine, name) in [(&one, "one.txt"), (&two, "two.txt")] {
        machine.put(name, name);
        machine.sync().await;
    }
    world.drive.set_lag(0);
    world.drive.release();
    let roots = all(&one).await.into_iter().filter(|e| e.name == "SyftBox" && e.is_mine).count();
    assert_eq!(roots, 2, "the accident has happened");
    for _ in 0..3 {
        one.sync().await;
        two.sync().await;
    }
    assert_eq!(one.tree(&one.email).len(), 2);
    assert_eq!(one.tree(&one.email), two.tree(&one.email));
    let scientist = world.scientist("ds@example.org");
    acquaint(&one, &scientist).await;
    two.sync().await;
    one.grant("r/", &scientist.email, Level::Read);
    one.put("r/a.txt", "x");
    one.sync().await;
    two.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&one.email, "r/a.txt").as_deref(), Some("x"));
    assert_eq!(two.read(&one.email, "r/a.txt").as_deref(), Some("x"));
    assert!(two.sync().await.is_idle());
}

#[tokio::test]
async fn w29_two_machines_of_a_scientist_that_ask_at_once_lose_no_proposal() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let (one, two) = (world.scientist("ds@example.org"), world.scientist("ds@example.org"));
    for party in [&owner, &one, &two] {
        party.sync().await;
    }
    owner.grant("w/", &one.email, Level::Write);
    owner.sync().await;
    world.drive.set_lag(1_000); // Neither sees what the other makes.
    for (machine, path) in [(&one, "w/one"), (&two, "w/two")] {
        machine.request(&owner.email).await.unwrap();
        machine.write(&owner.email, path, b"x");
        // As a job that is forced goes: a sync waits until it knows what the owner speaks.
        let syncer = DatasiteWatcherSyncer::new(machine.account());
        assert_eq!(syncer.push(&owner.email, world.now()).await.unwrap().pushed, 1);
    }
    world.drive.set_lag(0);
    world.drive.release();
    owner.sync().await;
    owner.approve(&one.email).await.unwrap();
    for _ in 0..3 {
        for party in [&owner, &one, &two] {
            party.sync().await;
        }
    }
    for party in [&owner, &one, &two] {
        for path in ["w/one", "w/two"] {
            assert_eq!(party.read(&owner.email, path).as_deref(), Some("x"), "{path}");
        }
    }
}

#[tokio::test]
async fn w35_changes_for_two_owners_go_to_each_its_own() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let other = world.owner("zo@example.org");
    acquaint(&other, &scientist).await;
    for party in [&owner, &other] {
        party.grant("w/", &scientist.email, Level::Write);
        party.sync().await;
    }
    scientist.sync().await;
    for party in [&owner, &other] {
        scientist.write(&party.email, "w/a.txt", party.email.as_str().as_bytes());
    }
    assert_eq!(scientist.sync().await.pushed, 2);
    for party in [&owner, &other] {
        let report = party.sync().await;
        assert_eq!((report.accepted, report.refused.len()), (1, 0), "{}", party.email);
        assert_eq!(party.read(&party.email, "w/a.txt").as_deref(), Some(party.email.as_str()));
    }
}

#[tokio::test]
async fn b2_u3_what_was_refused_is_answered_and_goes_through_once_it_is_allowed() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.put("r/a.txt", "base");
    owner.grant("r/", &scientist.email, Level::Read);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "r/a.txt", b"mine");
    scientist.sync().await;
    assert_eq!(owner.sync().await.refused.len(), 1);
    assert_eq!(scientist.sync().await.refused.len(), 1, "it is told");
    assert_eq!(scientist.read(&owner.email, "r/a.txt").as_deref(), Some("base"));
    owner.grant("r/", &scientist.email, Level::Write);
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "r/a.txt", b"mine");
    scientist.sync().await;
    assert_eq!(owner.sync().await.accepted, 1);
    assert_eq!(owner.read(&owner.email, "r/a.txt").as_deref(), Some("mine"));
    assert!(scientist.sync().await.refused.is_empty());
}

#[tokio::test]
async fn b11_a_peer_whose_name_is_part_of_anothers_is_not_taken_for_it() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let names = ["bob@example.org", "jim.bob@example.org", "bob@example.org.uk"];
    let scientists = names.map(|name| world.scientist(name));
    for scientist in &scientists {
        acquaint(&owner, scientist).await;
        let folder = format!("{}/", scientist.email);
        owner.grant(&folder, &scientist.email, Level::Write);
        owner.put(&format!("{folder}a.txt"), scientist.email.as_str());
    }
    owner.sync().await;
    for scientist in &scientists {
        scientist.sync().await;
        let path = format!("{}/a.txt", scientist.email);
        let own = (path.clone(), scientist.email.to_string());
        assert_eq!(scientist.tree(&owner.email), [own]);
        scientist.write(&owner.email, &path, b"changed");
        scientist.sync().await;
        let report = owner.sync().await;
        assert_eq!((report.accepted, report.refused.len()), (1, 0), "{}", scientist.email);
    }
    let folders = all(&owner).await.into_iter().filter(|entry| entry.kind == Kind::Folder);
    let of_owner =
        folders.filter(|entry| entry.is_mine && entry.name.starts_with("syft_datasite#"));
    assert_eq!(of_owner.count(), 2 * names.len(), "two for each");
}

#[tokio::test]
async fn n1_a_version_that_is_none_stops_nobody() {
    for says in ["abc", "0.10.0rc1", "", "1", "99999999999999999999.0.0", "0.1.117\n0.1.117"] {
        let world = World::new();
        let (owner, scientist) = world.pair().await;
        let odd = world.scientist("odd@example.org");
        acquaint(&owner, &odd).await;
        for peer in [&scientist, &odd] {
            owner.grant("r/", &peer.email, Level::Read);
        }
        let file = own_file(&odd, VERSION_FILE).await.id;
        let content = odd.session().read(&file, 1 << 20).await.unwrap();
        let mut info: serde_json::Value = serde_json::from_slice(&content).unwrap();
        info["syft_client_version"] = says.into();
        odd.session().replace(&file, Content::Bytes(info.to_string().into())).await.unwrap();
        owner.put("r/a.txt", "x");
        owner.sync().await;
        scientist.sync().await;
        assert_eq!(scientist.read(&owner.email, "r/a.txt").as_deref(), Some("x"), "{says:?}");
        // Another machine of the owner reads it for the first time.
        world.owner("do@example.org").sync().await;
    }
}
