//! Keys that change: who stops, who goes on, and that nothing is lost on the way.

use syft::client::{Error, KeysError, Trust};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::peers::{Obstacle, Secrecy};
use syft::permissions::Level;

use super::world::{Party, World, acquaint, in_step};

const BOTH: &str = "shared/both.txt";

/// An owner and two scientists, all with keys.
async fn three(world: &World) -> (Party<'_>, Party<'_>, Party<'_>) {
    let owner = world.owner();
    let (ann, bob) = (world.scientist("ann@example.org"), world.scientist("bob@example.org"));
    for party in [&owner, &ann, &bob] {
        party.create_keys().await;
    }
    acquaint(&owner, &ann).await;
    acquaint(&owner, &bob).await;
    in_step(&owner, &ann).await;
    (owner, ann, bob)
}

#[tokio::test]
async fn w14_a_changed_key_stops_that_peer_and_no_other_until_it_is_accepted() {
    let world = World::new();
    let (owner, ann, bob) = three(&world).await;
    let Secrecy::Sealed(old) = owner.secrecy(&ann.email).await else { panic!() };
    // Ann sent something with her old keys that the owner has not read, and then makes new ones.
    ann.write(&owner.email, "shared/before.txt", "sealed with the old keys");
    ann.sync().await;
    let new = ann.client.rotate_keys().await.unwrap().fingerprint;
    ann.write(&owner.email, "shared/after.txt", "sealed with the new keys");
    ann.sync().await;
    bob.write(&owner.email, "shared/bob.txt", "bob goes on");
    bob.sync().await;

    owner.write(&owner.email, BOTH, "for both");
    let sent_before = world.files(&ann.email, "syfteventsmessagev3_").await.len();
    let report = owner.try_sync().await;
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    let problem = &report.problems[0];
    assert_eq!((problem.code.as_str(), problem.peer.as_ref()), ("key-changed", Some(&ann.email)));
    assert!(
        problem.message.contains(&new.to_string()) && problem.message.contains(&old.to_string())
    );
    assert_eq!(report.accepted, 1, "bob's");
    let stopped = Secrecy::Stopped(Obstacle::KeyChanged { pinned: old, offered: new });
    assert_eq!(owner.secrecy(&ann.email).await, stopped);
    assert_eq!(owner.read(&owner.email, "shared/after.txt"), None);
    assert_eq!(world.files(&ann.email, "syfteventsmessagev3_").await.len(), sent_before);
    bob.sync().await;
    assert_eq!(bob.read(&owner.email, BOTH).as_deref(), Some("for both"));

    // Only what is named is accepted.
    let refused = owner.client.trust_keys(&ann.email, Trust::Fingerprint(old)).await.unwrap_err();
    assert!(matches!(refused, Error::Keys(KeysError::Mismatch { offered, .. }) if offered == new));
    owner.trust(&ann.email, new).await;
    let report = owner.sync().await;
    assert_eq!(report.accepted, 2, "what was sealed with the old keys as well");
    ann.sync().await;
    assert_eq!(ann.read(&owner.email, BOTH).as_deref(), Some("for both"));
    assert_eq!(owner.secrecy(&ann.email).await, Secrecy::Sealed(new));
    assert!(owner.sync().await.is_idle() && ann.sync().await.is_idle());
}

#[tokio::test]
async fn an_owner_that_replaces_its_keys_is_read_again_once_they_are_accepted() {
    let world = World::new();
    let (owner, ann, bob) = three(&world).await;
    owner.write(&owner.email, "shared/before.txt", "old keys");
    owner.sync().await;
    let new = owner.client.rotate_keys().await.unwrap();
    assert_eq!(new.replaced, 1);
    owner.write(&owner.email, "shared/after.txt", "new keys");
    owner.sync().await;

    ann.write(&owner.email, "shared/ann.txt", "waits");
    assert_eq!(ann.problems().await, ["key-changed"]);
    assert_eq!(ann.read(&owner.email, "shared/before.txt"), None);
    for scientist in [&ann, &bob] {
        scientist.try_sync().await;
        scientist.trust(&owner.email, new.fingerprint).await;
        scientist.sync().await;
        for (path, content) in [("shared/before.txt", "old keys"), ("shared/after.txt", "new keys")]
        {
            assert_eq!(scientist.read(&owner.email, path).as_deref(), Some(content));
        }
    }
    assert_eq!(owner.sync().await.accepted, 1);
    assert_eq!(owner.read(&owner.email, "shared/ann.txt").as_deref(), Some("waits"));
    // Whoever was away all the time finds everything sealed for keys that are still known.
    ann.sync().await;
    assert!(owner.sync().await.is_idle());
}

#[tokio::test]
async fn a_submission_to_a_peer_whose_key_changed_is_refused_at_once() {
    let world = World::new();
    let (owner, ann, _) = three(&world).await;
    owner.client.rotate_keys().await.unwrap();
    owner.sync().await;
    ann.try_sync().await;
    let request = syft::client::JobRequest {
        to: owner.email.clone(),
        path: world.file("job.sh", b"echo 1"),
        name: Some("job".to_owned()),
        entrypoint: None,
        dependencies: Vec::new(),
        datasets: Vec::new(),
        request: syft::jobs::Request::default(),
        bash: true,
        force: false,
    };
    let refused = ann.client.submit_job(&request).await.unwrap_err();
    assert_eq!(refused.code(), "key-changed");
    assert!(ann.client.jobs().unwrap().is_empty(), "nothing is left behind");
}

fn dataset(world: &World, name: &str) -> NewDataset {
    NewDataset {
        name: DatasetName::parse_new(name).unwrap(),
        mock: world.file("mock.csv", b"age\n1\n"),
        private: world.file("private.csv", b"age\n41\n"),
        summary: None,
        readme: None,
        tags: Vec::new(),
        location: None,
        audience: Audience::Any,
        allow_same: false,
    }
}

#[tokio::test]
async fn w14_datasets_stop_where_messages_do_and_what_is_there_stays() {
    let world = World::new();
    let (owner, ann, bob) = three(&world).await;
    owner.client.create_dataset(&dataset(&world, "first"), false).await.unwrap();
    owner.client.create_dataset(&dataset(&world, "second"), false).await.unwrap();
    ann.sync().await;
    let names = |of: &Party<'_>| -> Vec<String> {
        of.client.datasets().unwrap().into_iter().map(|listed| listed.name).collect()
    };
    assert_eq!(names(&ann), ["first", "second"]);
    let new = owner.client.rotate_keys().await.unwrap();
    owner.client.create_dataset(&dataset(&world, "third"), false).await.unwrap();
    owner.client.delete_dataset("second").await.unwrap();
    owner.sync().await;
    assert_eq!(ann.problems().await, ["key-changed"]);
    assert_eq!(names(&ann), ["first", "second"]);
    ann.trust(&owner.email, new.fingerprint).await;
    ann.sync().await;
    assert_eq!(names(&ann), ["first", "third"]);

    // The other way: a scientist whose keys changed keeps its access, and gets no more.
    let new = bob.client.rotate_keys().await.unwrap();
    bob.try_sync().await;
    assert_eq!(owner.problems().await, ["key-changed"]);
    owner.client.create_dataset(&dataset(&world, "fourth"), false).await.unwrap();
    owner.try_sync().await;
    let seen = world.files(&bob.email, "mock.csv").await.len();
    assert_eq!(seen, 2, "of the first and the third");
    owner.trust(&bob.email, new.fingerprint).await;
    owner.sync().await;
    assert_eq!(world.files(&bob.email, "mock.csv").await.len(), 3);
}

#[tokio::test]
async fn what_is_known_of_peers_survives_the_loss_of_the_database() {
    let world = World::new();
    let (owner, ann, _) = three(&world).await;
    let before = owner.secrecy(&ann.email).await;
    ann.client.rotate_keys().await.unwrap();
    ann.sync().await;
    let state = owner.client.folders().state.clone();
    drop(owner);
    std::fs::remove_dir_all(state).unwrap();
    let owner = world.owner();
    assert!(owner.problems().await.contains(&"key-changed"), "not first use");
    let Secrecy::Stopped(Obstacle::KeyChanged { pinned, .. }) = owner.secrecy(&ann.email).await
    else {
        panic!("not stopped")
    };
    assert_eq!(Secrecy::Sealed(pinned), before);
}

#[tokio::test]
async fn a_reader_that_is_added_after_a_rotation_gets_everything() {
    let world = World::new();
    let (owner, _, _) = three(&world).await;
    owner.client.rotate_keys().await.unwrap();
    owner.sync().await;
    let late = world.scientist("late@example.org");
    late.create_keys().await;
    late.client.add_peer(&owner.email).await.unwrap();
    owner.client.approve_peer(&late.email).await.unwrap();
    owner.client.grant("shared/", late.email.as_str(), Level::Read).await.unwrap();
    owner.sync().await;
    late.sync().await;
    assert_eq!(late.read(&owner.email, "shared/hello.txt").as_deref(), Some("hello"));
}
