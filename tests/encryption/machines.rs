//! Several machines of one account, of which not all have its keys.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use syft::client::{Error, JobRequest, KeysError};
use syft::connections::faulty::{Fault, Faulty, unavailable};
use syft::connections::{Call, Connection as _, Content};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::Role;
use syft::peers::envelopes::is_sealed;
use syft::peers::{Fingerprint, PublicKeys, RecoveryKey};
use syft::syncers::{self, SyncOptions};
use syft::wire::BundleFile;

use super::world::{Party, World, acquaint};

async fn encrypted_owner(world: &World) -> (Party<'_>, Party<'_>) {
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    owner.create_keys().await;
    scientist.create_keys().await;
    acquaint(&owner, &scientist).await;
    owner.write(&owner.email, "own/a.txt", "in the sealed log");
    owner.sync().await;
    (owner, scientist)
}

fn second(world: &World) -> Party<'_> {
    world.machine("do@example.org", Role::Owner, "second")
}

async fn error_of(party: &Party<'_>) -> Error {
    party.client.sync(&SyncOptions::default()).await.unwrap_err()
}

#[tokio::test]
async fn w14_a_machine_without_the_keys_says_so_and_touches_nothing() {
    let world = World::new();
    let (owner, _) = encrypted_owner(&world).await;
    let before = world.files(&owner.email, "").await;
    let second = second(&world);
    second.write(&owner.email, "own/local.txt", "was here first");
    let error = error_of(&second).await;
    assert!(matches!(error, Error::Sync(syncers::Error::KeysMissing)), "{error:?}");
    assert_eq!(error.code(), "keys-missing");
    assert!(second.client.lacks_keys().unwrap());
    let asked = second.client.requests();
    assert_eq!(error_of(&second).await.code(), "keys-missing");
    assert_eq!(second.client.requests() - asked, 1, "what it cannot open is not fetched each time");
    // It makes no new ones by itself, nor when asked without thought.
    let error = second.client.create_keys(false).await.unwrap_err();
    assert_eq!(error.code(), "keys-missing");
    assert_eq!(second.client.keys().unwrap(), None);
    assert_eq!(world.files(&owner.email, "").await, before);

    let words = owner.client.recovery_key().unwrap().words();
    let recovery = RecoveryKey::parse(&words).unwrap();
    let restored = second.client.restore_keys(&recovery, false).await.unwrap();
    assert_eq!(Some(restored), owner.client.keys().unwrap());
    second.sync().await;
    assert_eq!(second.read(&owner.email, "own/a.txt").as_deref(), Some("in the sealed log"));
    assert_eq!(second.read(&owner.email, "own/local.txt").as_deref(), Some("was here first"));
    owner.sync().await;
    assert_eq!(owner.read(&owner.email, "own/local.txt").as_deref(), Some("was here first"));
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
        audience: Audience::Nobody,
        allow_same: false,
    }
}

fn job(world: &World, to: &Party<'_>) -> JobRequest {
    JobRequest {
        to: to.email.clone(),
        path: world.file("job.sh", b"echo 1"),
        name: Some("job".to_owned()),
        entrypoint: None,
        dependencies: Vec::new(),
        datasets: Vec::new(),
        request: syft::jobs::Request::default(),
        bash: true,
        force: false,
    }
}

#[tokio::test]
async fn w14_a_machine_without_the_keys_sends_nothing_in_plain_either() {
    let world = World::new();
    let (owner, scientist) = encrypted_owner(&world).await;
    let second = second(&world);
    error_of(&second).await;
    let before = world.files(&owner.email, "").await;
    let refused = second.client.create_dataset(&dataset(&world, "ages"), true).await.unwrap_err();
    assert_eq!(refused.code(), "keys-missing");
    assert!(second.client.datasets().unwrap().is_empty(), "nothing is left behind");
    assert_eq!(world.files(&owner.email, "").await, before);

    let elsewhere = world.machine(scientist.email.as_str(), Role::Scientist, "elsewhere");
    error_of(&elsewhere).await;
    let before = world.files(&scientist.email, "").await;
    let refused = elsewhere.client.submit_job(&job(&world, &owner)).await.unwrap_err();
    assert_eq!(refused.code(), "keys-missing");
    assert!(elsewhere.client.jobs().unwrap().is_empty(), "nothing is left behind");
    assert_eq!(world.files(&scientist.email, "").await, before);
}

#[tokio::test]
async fn w14_a_machine_with_replaced_keys_uploads_nothing_sealed_for_them() {
    let world = World::new();
    let (owner, _) = encrypted_owner(&world).await;
    let second = second(&world);
    second.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    second.sync().await;
    owner.client.rotate_keys().await.unwrap();
    owner.sync().await;
    assert_eq!(error_of(&second).await.code(), "keys-replaced");
    let refused = second.client.create_dataset(&dataset(&world, "ages"), true).await.unwrap_err();
    assert_eq!(refused.code(), "keys-replaced");
    let file = owner.client.export_keys().unwrap();
    second.client.import_keys(&file, true).await.unwrap();
    second.client.create_dataset(&dataset(&world, "ages"), true).await.unwrap();
    assert!(is_sealed(&world.files(&owner.email, "private.csv").await.pop().unwrap().1));
}

fn restored(party: &Party<'_>, file: &str) -> Option<Vec<u8>> {
    let private = party.client.folders().datasite(&party.email).join("private/syft_datasets/ages");
    std::fs::read(private.join(file)).ok()
}

#[tokio::test]
async fn a_private_half_that_is_sealed_for_keys_that_are_not_here_comes_back_once_they_are() {
    let world = World::new();
    let (owner, _) = encrypted_owner(&world).await;
    owner.client.create_dataset(&dataset(&world, "ages"), true).await.unwrap();
    // As it was before the keys were replaced: what a drive shows that keeps old content.
    let (entry, old) = world.files(&owner.email, "private.csv").await.pop().unwrap();
    owner.client.rotate_keys().await.unwrap();
    owner.sync().await;
    owner.session().replace(&entry.id, Content::Bytes(old.into())).await.unwrap();
    let second = second(&world);
    let words = owner.client.recovery_key().unwrap();
    second.client.restore_keys(&words, false).await.unwrap();
    let report = second.try_sync().await;
    let problem = report.problems.iter().find(|p| p.code == "dataset-not-restored").unwrap();
    assert!(problem.message.contains("keys that are not on this machine"), "{problem:?}");
    let told = second.problems().await;
    assert!(!told.contains(&"dataset-not-restored"), "told once, downloaded once: {told:?}");
    // What else happens to the account's datasets comes here all the same.
    owner.client.create_dataset(&dataset(&world, "later"), false).await.unwrap();
    let told = second.problems().await;
    let listed = second.client.datasets().unwrap();
    assert!(listed.iter().any(|listed| listed.name == "later"), "{told:?}");

    let file = owner.client.export_keys().unwrap();
    second.client.import_keys(&file, true).await.unwrap();
    second.try_sync().await;
    assert_eq!(restored(&second, "private.csv").as_deref(), Some(b"age\n41\n".as_slice()));
}

#[tokio::test]
async fn uploaded_private_halves_open_with_the_new_words_alone_also_after_a_crash() {
    let world = World::new();
    let faulty = Faulty::new(Box::new(world.drive.session(&"do@example.org".parse().unwrap())));
    let script = faulty.script();
    let owner = world.machine_over(Arc::new(faulty), Role::Owner, "home");
    owner.create_keys().await;
    owner.sync().await;
    // One file that was sealed in memory, one that was streamed, and one more.
    let private = world.file("private", b"");
    std::fs::remove_file(&private).unwrap();
    std::fs::create_dir(&private).unwrap();
    let large: Vec<u8> = (0..6_000_000_u32).map(|i| (i % 251) as u8).collect();
    let files: [(&str, &[u8]); 3] =
        [("small.csv", b"age\n41\n"), ("large.bin", &large), ("more.csv", b"age\n42\n")];
    for (name, content) in files {
        std::fs::write(private.join(name), content).unwrap();
    }
    let new = NewDataset { private, ..dataset(&world, "ages") };
    owner.client.create_dataset(&new, true).await.unwrap();
    // The half need not lie on the machine that makes the new keys.
    let half = owner.client.folders().datasite(&owner.email).join("private/syft_datasets/ages");
    std::fs::remove_dir_all(half).unwrap();
    owner.sync().await;
    let mut old = Vec::new();
    for (name, _) in files {
        old.extend(world.files(&owner.email, name).await);
    }
    owner.client.rotate_keys().await.unwrap();
    let is_private = {
        let ids: Vec<String> = old.iter().map(|(entry, _)| entry.id.to_string()).collect();
        move |call: &Call| call.method == "replace" && ids.contains(&call.subject)
    };
    let is_second = std::sync::atomic::AtomicUsize::new(0);
    script.when(1, Fault::after(unavailable), move |call| {
        is_private(call) && is_second.fetch_add(1, Ordering::Relaxed) == 1
    });
    assert_eq!(owner.problems().await, ["private-half-not-resealed"]);
    owner.sync().await;
    for (entry, before) in old {
        let after = world.files(&owner.email, &entry.name).await;
        let (_, after) = after.into_iter().find(|(now, _)| now.id == entry.id).unwrap();
        assert!(is_sealed(&after) && after != before, "{}", entry.name);
    }
    let before = owner.client.requests();
    assert!(owner.sync().await.is_idle());
    assert_eq!(owner.client.requests() - before, 1, "done once");

    let second = second(&world);
    let words = owner.client.recovery_key().unwrap();
    second.client.restore_keys(&words, false).await.unwrap();
    second.sync().await;
    for (name, content) in files {
        assert_eq!(restored(&second, name).as_deref(), Some(content), "{name}");
    }
}

#[tokio::test]
async fn a_key_file_brings_what_is_settled_about_peers_along() {
    let world = World::new();
    let (owner, scientist) = encrypted_owner(&world).await;
    let file = owner.client.export_keys().unwrap();
    let refused = scientist.client.import_keys(&file, true).await.unwrap_err();
    assert_eq!(refused.code(), "key-file", "it is another account's");
    scientist.client.rotate_keys().await.unwrap();
    scientist.sync().await;
    let second = second(&world);
    second.client.import_keys(&file, false).await.unwrap();
    assert_eq!(second.problems().await, ["key-changed"], "no first use on this machine");
}

#[tokio::test]
async fn new_words_alone_restore_an_account_whose_keys_were_replaced() {
    let world = World::new();
    let (owner, scientist) = encrypted_owner(&world).await;
    world.wait_hours(48);
    let new = owner.client.rotate_keys().await.unwrap();
    owner.write(&owner.email, "own/b.txt", "after the change");
    owner.sync().await;
    let second = second(&world);
    let words = owner.client.recovery_key().unwrap();
    second.client.restore_keys(&words, false).await.unwrap();
    second.sync().await;
    for (path, content) in [("own/a.txt", "in the sealed log"), ("own/b.txt", "after the change")] {
        assert_eq!(second.read(&owner.email, path).as_deref(), Some(content));
    }
    scientist.try_sync().await;
    scientist.trust(&owner.email, new.fingerprint).await;
    second.write(&owner.email, "shared/second.txt", "from the second machine");
    second.sync().await;
    scientist.sync().await;
    let read = scientist.read(&owner.email, "shared/second.txt");
    assert_eq!(read.as_deref(), Some("from the second machine"));
}

#[tokio::test]
async fn a_machine_with_older_keys_does_not_put_them_in_the_place_of_newer_ones() {
    let world = World::new();
    let (owner, _) = encrypted_owner(&world).await;
    let second = second(&world);
    second.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    second.sync().await;
    let new = owner.client.rotate_keys().await.unwrap().fingerprint;
    owner.sync().await;
    let error = error_of(&second).await;
    assert_eq!(error.code(), "keys-replaced");
    assert!(error.to_string().contains(&new.to_string()));

    let file = owner.client.export_keys().unwrap();
    let refused = second.client.import_keys(&file, false).await.unwrap_err();
    assert!(matches!(refused, Error::Keys(KeysError::Exist { .. })), "{refused:?}");
    let brought = second.client.import_keys(&file, true).await.unwrap();
    assert_eq!((brought.fingerprint, brought.replaced), (new, 1));
    second.sync().await;
    assert!(!owner.try_sync().await.problems.iter().any(|p| p.code.as_str().starts_with("keys")));
}

#[tokio::test]
async fn who_has_lost_all_keys_can_begin_anew_if_it_is_said() {
    let world = World::new();
    let (owner, scientist) = encrypted_owner(&world).await;
    let second = second(&world);
    second.write(&owner.email, "own/a.txt", "from a backup");
    let new = second.client.create_keys(true).await.unwrap();
    let report = second.try_sync().await;
    assert!(report.problems.iter().all(|p| p.code == "sealed-file-not-usable"), "{report:?}");
    assert_eq!(second.read(&owner.email, "own/a.txt").as_deref(), Some("from a backup"));
    // Its rules were in the log that nobody can read any more.
    let user = scientist.email.as_str();
    second.client.grant("shared/", user, syft::permissions::Level::Read).await.unwrap();
    second.write(&owner.email, "shared/again.txt", "with new keys");
    second.try_sync().await;
    assert_eq!(scientist.problems().await, ["key-changed"]);
    scientist.trust(&owner.email, new.fingerprint).await;
    scientist.sync().await;
    let read = scientist.read(&owner.email, "shared/again.txt");
    assert_eq!(read.as_deref(), Some("with new keys"));
}

async fn published(world: &World, owner: &Party<'_>) -> Vec<Fingerprint> {
    let files = world.files(&owner.email, "encryption_bundle_do@").await;
    let read = |(_, content): (_, Vec<u8>)| {
        let document = BundleFile::from_json(&content).unwrap().public_encryption_bundle;
        PublicKeys::from_document(&document, &owner.email).unwrap().fingerprint()
    };
    files.into_iter().map(read).collect()
}

#[tokio::test]
async fn w14_lost_keys_are_not_put_back_and_newer_ones_are_not_taken_for_them() {
    let world = World::new();
    let (owner, _) = encrypted_owner(&world).await;
    let old = world.files(&owner.email, "encryption_bundle_do@").await;
    let second = second(&world);
    let new = second.client.create_keys(true).await.unwrap().fingerprint;
    second.try_sync().await;
    assert_eq!(published(&world, &owner).await, [new, new], "for ourselves and for the peer");
    // The machine that has the lost ones turns up again, and the drive shows them again.
    assert_eq!(error_of(&owner).await.code(), "keys-replaced");
    for (entry, content) in old {
        owner.session().replace(&entry.id, Content::Bytes(content.into())).await.unwrap();
    }
    second.try_sync().await;
    assert_eq!(published(&world, &owner).await, [new, new]);
    // A third one begins anew as well: it wins, and they do not take turns.
    let third = world.machine("do@example.org", Role::Owner, "third");
    let newest = third.client.create_keys(true).await.unwrap().fingerprint;
    third.try_sync().await;
    for _ in 0..2 {
        assert_eq!(error_of(&second).await.code(), "keys-replaced");
        third.try_sync().await;
        assert_eq!(published(&world, &owner).await, [newest, newest]);
    }
}

#[tokio::test]
async fn w14_another_machine_sees_that_there_are_keys_before_there_is_a_peer() {
    let world = World::new();
    let (owner, second) = (world.owner(), second(&world));
    owner.create_keys().await;
    owner.write(&owner.email, "own/a.txt", "sealed");
    owner.sync().await;
    let before = world.files(&owner.email, "").await;
    second.write(&owner.email, "own/b.txt", "not in plain");
    assert_eq!(error_of(&second).await.code(), "keys-missing");
    assert_eq!(second.client.create_keys(false).await.unwrap_err().code(), "keys-missing");
    assert_eq!(world.files(&owner.email, "").await, before);
    second.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    second.sync().await;
    assert_eq!(second.read(&owner.email, "own/a.txt").as_deref(), Some("sealed"));
    owner.sync().await;
    assert!(owner.sync().await.is_idle());
    // What is for ourselves is shared with nobody.
    let stranger = world.scientist("ds@example.org");
    stranger.client.add_peer(&owner.email).await.unwrap();
    owner.client.approve_peer(&stranger.email).await.unwrap();
    let seen = world.files(&stranger.email, "encryption_bundle_do@").await;
    let names: Vec<&str> = seen.iter().map(|(entry, _)| entry.name.as_str()).collect();
    assert_eq!(names, ["encryption_bundle_do@example.org_for_ds@example.org.json"]);
}

#[tokio::test]
async fn of_two_machines_that_make_keys_at_once_one_stops_and_says_so() {
    let world = World::new();
    let (owner, second) = (world.owner(), second(&world));
    let first = owner.create_keys().await;
    second.create_keys().await;
    owner.sync().await;
    let error = error_of(&second).await;
    assert_eq!(error.code(), "keys-replaced");
    assert!(error.to_string().contains(&first.to_string()));
    second.client.import_keys(&owner.client.export_keys().unwrap(), true).await.unwrap();
    second.sync().await;
    assert_eq!(published(&world, &owner).await, [first]);
}
