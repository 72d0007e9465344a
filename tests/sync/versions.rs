//! Peers of both generations of the Python client, in any mix. Accounts of ours that speak one
//! dialect only stand in for them: they see and make what a Python client sees and makes.

use syft::caches::catalogue;
use syft::connections::faulty::{Fault, unavailable};
use syft::connections::{Access, Content, Entry, Kind, NameIs, Query};
use syft::model::{Email, Role};
use syft::permissions::Level;
use syft::syncers::peering::{self, Acquaintance};
use syft::syncers::{DatasiteWatcherSyncer, Directory};
use syft::wire::names::{FolderName, P2pFolder, VERSION_FILE};
use syft::wire::{Compatibility, Dialect, PeerState, VersionInfo};

use super::world::{Party, World, acquaint};

/// The version that is stated by the version files of `of` that `party` sees.
pub(crate) async fn stated(party: &Party<'_>, of: &Email) -> Vec<String> {
    let query = Query::default().named(VERSION_FILE);
    let mut versions = Vec::new();
    for entry in party.session().find(&query).await.unwrap() {
        if entry.owner.as_ref() == Some(of) {
            let bytes = party.session().read(&entry.id, u64::MAX).await.unwrap();
            versions.push(VersionInfo::from_json(&bytes).unwrap().syft_client_version);
        }
    }
    versions.sort();
    versions
}

/// The versions of the folders for messages that `party` made, two for each.
pub(crate) async fn made(party: &Party<'_>) -> Vec<String> {
    let mut versions: Vec<String> = mailboxes(party)
        .await
        .into_iter()
        .filter(|(_, entry)| entry.is_mine)
        .map(|(name, _)| format!("{} {}", name.version, name.direction.as_str()))
        .collect();
    versions.sort();
    versions
}

async fn mailboxes(party: &Party<'_>) -> Vec<(P2pFolder, Entry)> {
    let all = party.session().find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    let parsed = all.into_iter().filter_map(|entry| match FolderName::parse(&entry.name) {
        Some(FolderName::P2p(name)) => Some((name, entry)),
        _ => None,
    });
    parsed.collect()
}

pub(crate) fn pair_of(version: &str) -> Vec<String> {
    vec![format!("{version} inbox"), format!("{version} outbox")]
}

pub(crate) fn known(party: &Party<'_>, peer: &Email) -> Acquaintance {
    let all = peering::remembered(party.account()).unwrap();
    all.into_iter().find(|known| known.peer.email == *peer).unwrap()
}

pub(crate) fn generation(party: &Party<'_>, peer: &Email) -> Option<String> {
    known(party, peer).speech.dialect.map(|dialect| dialect.generation())
}

/// Has the version file of `party` say something else, as if its owner had edited it.
pub(crate) async fn state(party: &Party<'_>, content: &str) {
    let query = Query {
        names: vec![NameIs::Exactly(VERSION_FILE.to_owned())],
        owner: Some(syft::connections::Ownership::Mine),
        ..Query::default()
    };
    for entry in party.session().find(&query).await.unwrap() {
        let content = Content::Bytes(content.to_owned().into());
        party.session().replace(&entry.id, content).await.unwrap();
    }
}

pub(crate) fn says(version: &str) -> String {
    format!(r#"{{"syft_client_version": "{version}"}}"#)
}

async fn calls(party: &Party<'_>) -> usize {
    let before = party.script.calls();
    party.sync().await;
    party.script.calls() - before
}

#[tokio::test]
async fn one_owner_serves_a_scientist_of_each_generation_in_one_sync() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let old = world.speaking("old@example.org", Role::Scientist, Dialect::v0_1());
    let new = world.speaking("new@example.org", Role::Scientist, Dialect::v0_10());
    acquaint(&owner, &old).await;
    acquaint(&owner, &new).await;
    assert_eq!(generation(&owner, &old.email).as_deref(), Some("0.1"));
    assert_eq!(generation(&owner, &new.email).as_deref(), Some("0.10"));
    assert_eq!(made(&owner).await, [pair_of("0.1.117"), pair_of("0.10.0")].concat());

    for scientist in [&old, &new] {
        owner.grant("open/", &scientist.email, Level::Read);
        owner.grant(&format!("of/{}/", scientist.email), &scientist.email, Level::Write);
    }
    owner.put("open/a.txt", "for both");
    owner.sync().await;
    for scientist in [&old, &new] {
        scientist.sync().await;
        assert_eq!(scientist.read(&owner.email, "open/a.txt").as_deref(), Some("for both"));
        let path = format!("of/{}/b.txt", scientist.email);
        scientist.write(&owner.email, &path, b"proposed");
        assert_eq!(scientist.sync().await.pushed, 1);
    }
    assert_eq!(owner.sync().await.accepted, 2, "both in one sync");
    for scientist in [&old, &new] {
        let path = format!("of/{}/b.txt", scientist.email);
        assert_eq!(owner.read(&owner.email, &path).as_deref(), Some("proposed"));
        scientist.sync().await;
        scientist.sync().await;
        assert_eq!(calls(scientist).await, 1);
    }
    owner.sync().await;
    assert_eq!(calls(&owner).await, 1, "an idle sync is one request, whatever the mix");
}

#[tokio::test]
async fn version_files_are_seen_by_those_whose_version_they_state_and_by_nobody_else() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    let patched = Dialect::for_version("0.1.120").unwrap();
    let mut peers = Vec::new();
    for (name, dialect) in [
        ("old@example.org", Dialect::v0_1()),
        ("old2@example.org", Dialect::v0_1()),
        ("patched@example.org", patched),
        ("new@example.org", Dialect::v0_10()),
    ] {
        let version = dialect.client_version.to_string();
        let peer = world.speaking(name, Role::Scientist, dialect);
        acquaint(&owner, &peer).await;
        peers.push((peer, version));
    }
    let stranger = world.scientist("stranger@example.org");
    assert_eq!(stated(&stranger, &owner.email).await, Vec::<String>::new());
    for (peer, version) in &peers {
        assert_eq!(stated(peer, &owner.email).await, std::slice::from_ref(version));
        assert_eq!(stated(&owner, &peer.email).await, std::slice::from_ref(version));
    }
    let known = known(&owner, &peers[2].0.email);
    assert_eq!(known.speech.compatibility, Compatibility::PatchDifference);

    // A Python client of the same account looks directly in the SyftBox, and finds one.
    let account = owner.account();
    let directory = Directory::read(&account.store, &owner.email, &account.dialect).unwrap();
    let root = directory.syftbox.clone().unwrap();
    let inside = owner.session().find(&Query::in_folder(&root).named(VERSION_FILE)).await.unwrap();
    assert_eq!(inside.len(), 1);
    assert_eq!(stated(&owner, &owner.email).await, ["0.1.117", "0.1.120", "0.10.0"]);
    let readers = owner.session().shares(&inside[0].id).await.unwrap();
    let readers: Vec<_> =
        readers.into_iter().map(|(who, access)| (who.to_string(), access)).collect();
    let expected = ["old2@example.org", "old@example.org"];
    assert_eq!(readers, expected.map(|who| (who.to_owned(), Access::Read)));

    // A second machine of the owner finds all as it is, and makes nothing anew.
    let second = world.owner("do@example.org");
    second.sync().await;
    for (peer, version) in &peers {
        assert_eq!(stated(peer, &owner.email).await, std::slice::from_ref(version));
    }
    assert_eq!(stated(&owner, &owner.email).await.len(), 3);
    assert_eq!(made(&second).await.len(), 8);
    assert_eq!(calls(&second).await, 1);
}

#[tokio::test]
async fn one_scientist_works_with_an_owner_of_each_generation() {
    let world = World::new();
    let old = world.speaking("old@example.org", Role::Owner, Dialect::v0_1());
    let new = world.speaking("new@example.org", Role::Owner, Dialect::v0_10());
    let scientist = world.scientist("ds@example.org");
    for owner in [&old, &new] {
        acquaint(owner, &scientist).await;
        owner.grant("shared/", &scientist.email, Level::Write);
        owner.put("shared/a.txt", "from the owner");
        owner.sync().await;
    }
    scientist.sync().await;
    for owner in [&old, &new] {
        assert_eq!(scientist.read(&owner.email, "shared/a.txt").as_deref(), Some("from the owner"));
        scientist.write(&owner.email, "shared/b.txt", b"to the owner");
    }
    assert_eq!(scientist.sync().await.pushed, 2);
    for owner in [&old, &new] {
        assert_eq!(owner.sync().await.accepted, 1);
        assert_eq!(owner.read(&owner.email, "shared/b.txt").as_deref(), Some("to the owner"));
    }
    scientist.sync().await;
    scientist.sync().await;
    assert_eq!(calls(&scientist).await, 1);
}

#[tokio::test]
async fn an_owner_of_whom_nothing_is_known_is_asked_in_both_and_served_in_its_own() {
    for (dialect, version) in [(Dialect::v0_1(), "0.1.117"), (Dialect::v0_10(), "0.10.0")] {
        let world = World::new();
        let owner = world.speaking("do@example.org", Role::Owner, dialect);
        let scientist = world.scientist("ds@example.org");
        owner.sync().await;
        scientist.sync().await;
        let before = scientist.script.calls();
        scientist.request(&owner.email).await.unwrap();
        // The feed, four folders, their grants, the peers file; its id was taken with the others.
        assert_eq!(scientist.script.calls() - before, 1 + 4 + 1 + 1);
        assert_eq!(made(&scientist).await, [pair_of("0.1.117"), pair_of("0.10.0")].concat());
        assert_eq!(stated(&owner, &scientist.email).await, Vec::<String>::new());

        owner.sync().await;
        let peers = peering::remembered(owner.account()).unwrap();
        assert_eq!(peers.len(), 1, "one request is seen");
        assert_eq!(peers[0].peer.state, PeerState::RequestedByPeer);
        owner.approve(&scientist.email).await.unwrap();
        owner.grant("open/", &scientist.email, Level::Read);
        owner.grant("shared/", &scientist.email, Level::Write);
        owner.put("open/early.txt", "before we were known");
        owner.sync().await;

        scientist.write(&owner.email, "shared/a.txt", b"proposed");
        scientist.sync().await;
        assert_eq!(made(&scientist).await, pair_of(version), "the other pair is gone");
        assert_eq!(stated(&owner, &scientist.email).await, [version]);
        assert_eq!(owner.sync().await.accepted, 1, "{version}");
        scientist.sync().await;
        let early = scientist.read(&owner.email, "open/early.txt");
        assert_eq!(early.as_deref(), Some("before we were known"), "W20");
        assert_eq!(known(&scientist, &owner.email).speech.compatibility, Compatibility::Same);
        scientist.sync().await;
        assert_eq!(calls(&scientist).await, 1);
    }
}

#[tokio::test]
async fn what_was_sent_on_a_guess_is_sent_again_where_the_guess_was_wrong() {
    for dialect in [Dialect::v0_1(), Dialect::v0_10()] {
        let world = World::new();
        let generation = dialect.generation();
        let owner = world.speaking("do@example.org", Role::Owner, dialect);
        let scientist = world.scientist("ds@example.org");
        owner.sync().await;
        scientist.sync().await;
        scientist.request(&owner.email).await.unwrap();
        scientist.write(&owner.email, "shared/a.txt", b"forced");
        assert_eq!(
            scientist.sync().await.pushed,
            0,
            "nothing is proposed before it is known where"
        );
        let syncer = DatasiteWatcherSyncer::new(scientist.account());
        let report = syncer.push(&owner.email, world.now()).await.unwrap();
        assert_eq!((report.pushed, report.problems), (1, Vec::new()));

        owner.sync().await;
        owner.approve(&scientist.email).await.unwrap();
        owner.grant("shared/", &scientist.email, Level::Write);
        owner.sync().await;
        scientist.sync().await;
        owner.sync().await;
        let arrived = owner.read(&owner.email, "shared/a.txt");
        assert_eq!(arrived.as_deref(), Some("forced"), "{generation}");
        scientist.sync().await;
        assert_eq!(scientist.sync().await.pushed, 0);
        assert_eq!(scientist.tree(&owner.email).len(), 1, "nothing is kept aside");
    }
}

#[tokio::test]
async fn two_who_ask_each_other_at_once_come_to_speak_the_same() {
    let world = World::new();
    let (mut owner, scientist) = (world.owner("do@example.org"), world.scientist("ds@example.org"));
    owner.moves_home(Dialect::v0_10());
    owner.sync().await;
    scientist.sync().await;
    // Neither has seen what the other does.
    world.drive.set_lag(1000);
    owner.request(&scientist.email).await.unwrap();
    scientist.request(&owner.email).await.unwrap();
    world.drive.release();
    world.drive.set_lag(0);
    for _ in 0..3 {
        owner.sync().await;
        scientist.sync().await;
    }
    let spoken = generation(&owner, &scientist.email);
    assert!(spoken.is_some());
    assert_eq!(generation(&scientist, &owner.email), spoken);
    assert_eq!(made(&owner).await, made(&scientist).await);
    owner.grant("open/", &scientist.email, Level::Read);
    owner.put("open/a.txt", "a");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "open/a.txt").as_deref(), Some("a"));
    owner.sync().await;
    assert_eq!((calls(&owner).await, calls(&scientist).await), (1, 1));
}

#[tokio::test]
async fn n1_a_version_that_cannot_be_read_stops_nobody() {
    let nonsense = [
        says("abc"),
        says("0.10.0rc1"),
        says("0.1"),
        says(""),
        "{ not json".to_owned(),
        "[]".to_owned(),
        String::new(),
        "x".repeat(100_000),
    ];
    for content in nonsense {
        let shown: String = content.chars().take(40).collect();
        let world = World::new();
        let (owner, odd) = world.pair().await;
        let other = world.scientist("ds2@example.org");
        acquaint(&owner, &other).await;
        state(&odd, &content).await;
        for scientist in [&odd, &other] {
            owner.grant("open/", &scientist.email, Level::Read);
            owner.grant("shared/", &scientist.email, Level::Write);
        }
        owner.put("open/a.txt", "a");
        owner.sync().await;
        assert_eq!(
            known(&owner, &odd.email).speech.compatibility,
            Compatibility::Unknown,
            "{shown}"
        );
        for scientist in [&odd, &other] {
            scientist.sync().await;
            assert_eq!(scientist.read(&owner.email, "open/a.txt").as_deref(), Some("a"), "{shown}");
            let path = format!("shared/{}.txt", scientist.email);
            scientist.write(&owner.email, &path, b"proposed");
            scientist.sync().await;
        }
        assert_eq!(owner.sync().await.accepted, 2, "{shown}");
        state(&odd, &says("0.1.117")).await;
        owner.sync().await;
        assert_eq!(known(&owner, &odd.email).speech.compatibility, Compatibility::Same, "{shown}");
    }
}

#[tokio::test]
async fn n1_an_owner_whose_version_cannot_be_read_stops_no_other_owner() {
    let world = World::new();
    let (odd, scientist) = world.pair().await;
    let other = world.owner("do2@example.org");
    acquaint(&other, &scientist).await;
    state(&odd, &says("abc")).await;
    for owner in [&odd, &other] {
        owner.grant("open/", &scientist.email, Level::Read);
        owner.put("open/a.txt", "a");
        owner.sync().await;
    }
    scientist.sync().await;
    for owner in [&odd, &other] {
        assert_eq!(scientist.read(&owner.email, "open/a.txt").as_deref(), Some("a"));
    }
    assert!(!known(&scientist, &odd.email).speech.is_compatible());
}

#[tokio::test]
async fn w20_a_version_that_could_not_be_fetched_is_as_it_was() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("open/", &scientist.email, Level::Read);
    owner.sync().await;
    state(&scientist, &says("0.1.117")).await;
    owner.put("open/a.txt", "a");
    owner.script.at(owner.script.calls() + 1, Fault::before(unavailable));
    let report = owner.try_sync().await.unwrap();
    let codes: Vec<_> = report.problems.iter().map(|problem| problem.code.as_str()).collect();
    assert_eq!(codes, ["version-not-read"]);
    assert_eq!(known(&owner, &scientist.email).speech.compatibility, Compatibility::Same);
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "open/a.txt").as_deref(), Some("a"));
    owner.sync().await;
}

#[tokio::test]
async fn a_peer_of_a_third_generation_waits_and_gets_all_once_it_speaks_one_of_ours() {
    for later in ["0.1.117", "0.10.0"] {
        let world = World::new();
        let (owner, mut odd) = world.pair().await;
        let other = world.scientist("ds2@example.org");
        acquaint(&owner, &other).await;
        state(&odd, &says("0.11.0")).await;
        for scientist in [&odd, &other] {
            owner.grant("open/", &scientist.email, Level::Read);
        }
        owner.put("open/a.txt", "made while it waited");
        for _ in 0..2 {
            let report = owner.try_sync().await.unwrap();
            let told: Vec<_> = report
                .problems
                .iter()
                .map(|problem| (problem.code.as_str(), &problem.peer))
                .collect();
            assert_eq!(told, [("version-incompatible", &Some(odd.email.clone()))]);
        }
        other.sync().await;
        assert_eq!(other.tree(&owner.email).len(), 1);
        odd.sync().await;
        assert_eq!(odd.tree(&owner.email), [], "it is told nothing meanwhile");

        odd.becomes(Dialect::for_version(later).unwrap());
        odd.request(&owner.email).await.unwrap();
        state(&odd, &says(later)).await;
        owner.sync().await;
        odd.sync().await;
        owner.sync().await;
        odd.sync().await;
        assert_eq!(odd.read(&owner.email, "open/a.txt").as_deref(), Some("made while it waited"));
    }
}

#[tokio::test]
async fn a_home_that_moves_takes_the_version_files_along() {
    let world = World::new();
    let mut owner = world.owner("do@example.org");
    let old = world.speaking("old@example.org", Role::Scientist, Dialect::v0_1());
    let new = world.speaking("new@example.org", Role::Scientist, Dialect::v0_10());
    acquaint(&owner, &old).await;
    acquaint(&owner, &new).await;
    owner.moves_home(Dialect::v0_10());
    for _ in 0..2 {
        owner.sync().await;
        assert_eq!(stated(&old, &owner.email).await, ["0.1.117"]);
        assert_eq!(stated(&new, &owner.email).await, ["0.10.0"]);
    }
    owner.grant("open/", &old.email, Level::Read);
    owner.put("open/a.txt", "a");
    owner.sync().await;
    old.sync().await;
    assert_eq!(old.read(&owner.email, "open/a.txt").as_deref(), Some("a"));
    assert_eq!(calls(&owner).await, 1);
    let folders = owner.account().store.read(catalogue::folders).unwrap();
    assert!(folders.iter().any(|entry| entry.is_mine && entry.name == "0.10.0#do@example.org"));
}
