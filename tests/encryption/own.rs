//! What lies in the account's own name: the event log, checkpoints, the rolling state. The drive can
//! plant files there, date them back, hide others; and there is what was plain in good faith.

use syft::connections::{Connection as _, Entry};
use syft::model::Role;
use syft::peers::{Mode, RecoveryKey};
use syft::wire::names::PrunedName;

use super::world::{Party, World, acquaint};

const LOG: &str = "syfteventsmessagev3_";

/// An owner who began to seal long ago, with files from before and after.
async fn sealed_owner(world: &World) -> Party<'_> {
    let owner = world.owner();
    owner.write(&owner.email, "own/early.txt", "before there were keys");
    owner.sync().await;
    owner.create_keys().await;
    owner.sync().await;
    world.wait_hours(100);
    owner.write(&owner.email, "own/a.txt", "mine");
    owner.sync().await;
    owner
}

fn second(world: &World) -> Party<'_> {
    world.machine("do@example.org", Role::Owner, "second")
}

/// A plain file of each kind that an owner of the same name has made elsewhere: it says that
/// `own/planted.txt` is there and `own/a.txt` something else.
async fn plain(kind: &str) -> (Entry, Vec<u8>) {
    let elsewhere = World::new();
    elsewhere.wait_hours(1000); // So that its names are newer than any.
    let stranger = elsewhere.owner();
    stranger.write(&stranger.email, "own/a.txt", "planted");
    stranger.write(&stranger.email, "own/planted.txt", "planted");
    stranger.sync().await;
    if kind == "checkpoint_" {
        stranger.client.create_checkpoint().await.unwrap();
    }
    elsewhere.files(&stranger.email, kind).await.pop().unwrap()
}

/// Plants a plain file beside those of its kind, dated back to the beginning of all.
async fn plant(world: &World, owner: &Party<'_>, beside: &Entry, kind: &str) {
    let long = 200 * 3600 * 1_000_000;
    let (entry, content) = plain(kind).await;
    world.drive.advance_micros(-long);
    owner.put_raw(beside, &entry.name, content).await;
    world.drive.advance_micros(long);
}

async fn own_of(world: &World, owner: &Party<'_>, kind: &str) -> Entry {
    let files = world.files(&owner.email, kind).await;
    files.into_iter().rev().find(|(entry, _)| entry.is_mine).unwrap().0
}

fn assert_honest(party: &Party<'_>) {
    let read = |path| party.read(&party.email, path);
    assert_eq!(read("own/a.txt").as_deref(), Some("mine"));
    assert_eq!(read("own/early.txt").as_deref(), Some("before there were keys"));
    assert_eq!(read("own/planted.txt"), None);
}

#[tokio::test]
async fn w14_a_plain_message_that_is_dated_back_is_followed_by_no_machine() {
    let world = World::new();
    let owner = sealed_owner(&world).await;
    let log = own_of(&world, &owner, LOG).await;
    // One that says it is older than the checkpoint, which therefore takes its place; and one that
    // says it is of today.
    plant(&world, &owner, &log, LOG).await;
    let (entry, content) = plain(LOG).await;
    owner.put_raw(&log, &entry.name, content).await;
    // On one that was there all the time.
    assert_eq!(owner.problems().await, ["not-sealed"]);
    assert!(owner.sync().await.is_idle(), "told once, read once");
    assert_honest(&owner);
    let kept = owner.client.folders().quarantine().join(owner.email.as_str());
    assert_eq!(std::fs::read_dir(kept).unwrap().count(), 2, "with the reason");
    // On new ones, with the key file or with the words alone.
    let by_words = second(&world);
    let words = owner.client.recovery_key().unwrap();
    by_words.client.restore_keys(&words, false).await.unwrap();
    let by_file = world.machine("do@example.org", Role::Owner, "third");
    by_file.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    for machine in [&by_words, &by_file] {
        let told = machine.problems().await;
        assert!(told.iter().all(|code| *code == "not-sealed"), "{told:?}");
        assert_honest(machine);
        assert!(machine.sync().await.is_idle());
    }
    // On one whose database was lost.
    let state = owner.client.folders().state.clone();
    drop(owner);
    std::fs::remove_dir_all(state).unwrap();
    let owner = world.owner();
    owner.try_sync().await;
    assert_honest(&owner);
}

#[tokio::test]
async fn w14_a_plain_checkpoint_beside_a_sealed_one_never_counts() {
    for kind in ["checkpoint_", "rolling_state_"] {
        for hours in [1, 100] {
            let world = World::new();
            let owner = world.owner();
            owner.write(&owner.email, "own/early.txt", "before there were keys");
            owner.sync().await;
            owner.create_keys().await;
            owner.write(&owner.email, "own/a.txt", "mine");
            owner.sync().await;
            let beside = own_of(&world, &owner, "checkpoint_").await;
            owner.write(&owner.email, "own/b.txt", "mine as well");
            owner.sync().await;
            let folder =
                if kind == "checkpoint_" { beside } else { own_of(&world, &owner, kind).await };
            plant(&world, &owner, &folder, kind).await;
            world.wait_hours_here(hours);
            for (name, by_words) in [("second", true), ("third", false)] {
                let machine = world.machine("do@example.org", Role::Owner, name);
                if by_words {
                    let words = owner.client.recovery_key().unwrap();
                    machine.client.restore_keys(&words, false).await.unwrap();
                } else {
                    let file = owner.client.export_keys().unwrap();
                    machine.client.import_keys(&file, false).await.unwrap();
                }
                let told = machine.problems().await;
                assert!(told.contains(&"not-sealed"), "{kind} {hours} {name}: {told:?}");
                assert_honest(&machine);
            }
        }
    }
}

#[tokio::test]
async fn what_was_plain_before_the_keys_reaches_every_machine_by_the_sealed_checkpoint() {
    let world = World::new();
    let (owner, away) = (world.owner(), second(&world));
    for (path, content) in [("own/early.txt", "old"), ("own/gone.txt", "x"), ("own/kept.txt", "k")]
    {
        owner.write(&owner.email, path, content);
    }
    owner.sync().await;
    away.sync().await;
    assert_eq!(away.read(&away.email, "own/early.txt").as_deref(), Some("old"));
    // The other machine is away from here on.
    owner.write(&owner.email, "own/early.txt", "before there were keys");
    std::fs::remove_file(owner.client.folders().datasite(&owner.email).join("own/gone.txt"))
        .unwrap();
    owner.sync().await;
    owner.create_keys().await;
    owner.sync().await;
    world.wait_hours(100);
    owner.write(&owner.email, "own/a.txt", "mine");
    owner.sync().await;

    away.write(&away.email, "own/kept.txt", "edited while away");
    away.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    away.sync().await;
    assert_honest(&away);
    assert_eq!(away.read(&away.email, "own/gone.txt"), None);
    assert_eq!(away.read(&away.email, "own/kept.txt").as_deref(), Some("edited while away"));
    owner.sync().await;
    assert_eq!(owner.read(&owner.email, "own/kept.txt").as_deref(), Some("edited while away"));
    assert_honest(&owner);

    let third = world.machine("do@example.org", Role::Owner, "third");
    let words = owner.client.recovery_key().unwrap();
    third.client.restore_keys(&words, false).await.unwrap();
    third.sync().await;
    assert_honest(&third);
    for party in [&owner, &away, &third] {
        party.sync().await;
        assert!(party.sync().await.is_idle());
    }
}

#[tokio::test]
async fn a_file_that_was_old_before_the_keys_is_not_taken_for_an_edit_after_a_loss() {
    let world = World::new();
    let owner = world.owner();
    owner.write(&owner.email, "own/early.txt", "older still");
    owner.write(&owner.email, "own/gone.txt", "deleted later");
    owner.sync().await;
    std::fs::remove_file(owner.client.folders().datasite(&owner.email).join("own/gone.txt"))
        .unwrap();
    let owner = {
        owner.sync().await;
        drop(owner);
        sealed_owner(&world).await
    };
    let state = owner.client.folders().state.clone();
    drop(owner);
    std::fs::remove_dir_all(state).unwrap();
    // A backup brings back what stood there once, and one file is new.
    let owner = world.owner();
    owner.write(&owner.email, "own/early.txt", "older still");
    owner.write(&owner.email, "own/gone.txt", "deleted later");
    owner.write(&owner.email, "own/new.txt", "never seen");
    owner.sync().await;
    assert_honest(&owner);
    assert_eq!(owner.read(&owner.email, "own/gone.txt"), None);
    assert_eq!(owner.read(&owner.email, "own/new.txt").as_deref(), Some("never seen"));
}

#[tokio::test]
async fn what_another_machine_sent_in_plain_before_it_heard_of_the_keys_is_not_lost() {
    let world = World::new();
    let (owner, other) = (world.owner(), second(&world));
    owner.write(&owner.email, "own/early.txt", "before there were keys");
    owner.sync().await;
    other.sync().await;
    owner.create_keys().await;
    owner.sync().await;
    // The other machine's listing lags: it sends once more in plain.
    let log = own_of(&world, &owner, LOG).await;
    let (entry, content) = plain(LOG).await;
    owner.put_raw(&log, &entry.name, content).await;
    owner.sync().await;
    assert_eq!(owner.read(&owner.email, "own/planted.txt").as_deref(), Some("planted"));
    // Who comes later does not believe the message, but the checkpoint that was made of it.
    world.wait_hours(100);
    other.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    let third = world.machine("do@example.org", Role::Owner, "third");
    third.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    for machine in [&other, &third] {
        machine.sync().await;
        assert_eq!(machine.read(&owner.email, "own/planted.txt").as_deref(), Some("planted"));
    }
}

#[tokio::test]
async fn what_was_sent_while_encryption_was_off_counts_when_it_is_on_again() {
    let world = World::new();
    let owner = sealed_owner(&world).await;
    let other = second(&world);
    other.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    other.sync().await;
    owner.client.set_encryption(Mode::Off).await.unwrap();
    owner.write(&owner.email, "own/off.txt", "in the open");
    owner.sync().await;
    world.wait_hours(100);
    owner.client.set_encryption(Mode::Offered).await.unwrap();
    owner.sync().await;
    world.wait_hours(100);
    owner.write(&owner.email, "own/on.txt", "sealed again");
    owner.sync().await;
    let third = world.machine("do@example.org", Role::Owner, "third");
    third.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    for machine in [&other, &third] {
        machine.sync().await;
        assert_eq!(machine.read(&owner.email, "own/off.txt").as_deref(), Some("in the open"));
        assert_eq!(machine.read(&owner.email, "own/on.txt").as_deref(), Some("sealed again"));
    }
}

#[tokio::test]
async fn w14_an_envelope_of_foreign_keys_in_the_own_log_stops_nobody() {
    let world = World::new();
    let owner = sealed_owner(&world).await;
    let scientist = world.scientist("ds@example.org");
    let log = own_of(&world, &owner, LOG).await; // Not what is for a peer.
    acquaint(&owner, &scientist).await;
    let eves = RecoveryKey::generate().derive().unwrap();
    let me = (&owner.email, eves.public());
    let sealed = syft::peers::envelopes::seal((&owner.email, &eves), me, b"whatever").unwrap();
    let name = log.name.replacen("v3_17", "v3_16", 1);
    owner.put_raw(&log, &name, sealed).await;
    owner.write(&owner.email, "shared/b.txt", "goes on");
    let report = owner.try_sync().await;
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    let problem = &report.problems[0];
    assert_eq!(problem.code, "log-not-opened");
    assert!(problem.message.contains("keys that are not on this machine"), "{problem:?}");
    assert!(problem.message.contains(&name), "so that it can be looked for: {problem:?}");
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/b.txt").as_deref(), Some("goes on"));
    // It stays told, and is not read again.
    let before = owner.client.requests();
    assert_eq!(owner.problems().await, ["log-not-opened"]);
    assert_eq!(owner.client.requests() - before, 1);
    // A machine that joins goes on as well, and one that has files of its own asks for keys first.
    let joins = second(&world);
    joins.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    assert_eq!(joins.problems().await, ["log-not-opened"]);
    assert_honest(&joins);
    // An old file must not be taken for an edit: what is closed may say that it is one.
    let doubts = world.machine("do@example.org", Role::Owner, "third");
    doubts.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    doubts.write(&owner.email, "own/a.txt", "old, or an edit?");
    let error = doubts.client.sync(&Default::default()).await.unwrap_err();
    assert_eq!(error.code(), "keys-missing");
    let planted = own_of_name(&world, &owner, &name).await;
    owner.session().delete(&[planted.id]).await.unwrap();
    for machine in [&owner, &joins] {
        machine.sync().await;
        assert!(machine.sync().await.is_idle());
    }
}

async fn own_of_name(world: &World, owner: &Party<'_>, name: &str) -> Entry {
    let files = world.files(&owner.email, LOG).await;
    files.into_iter().find(|(entry, _)| entry.name == name).unwrap().0
}

/// Another machine makes new keys and goes on with them, and the drive hides that they are published.
async fn newer_keys<'w>(world: &'w World, owner: &Party<'w>) -> Party<'w> {
    let other = second(world);
    other.client.import_keys(&owner.client.export_keys().unwrap(), false).await.unwrap();
    other.sync().await;
    other.client.rotate_keys().await.unwrap();
    other.write(&owner.email, "own/new.txt", "sealed with newer keys");
    other.write(&owner.email, "own/a.txt", "changed by the other");
    other.sync().await;
    let bundles = world.files(&owner.email, "encryption_bundle_do@").await;
    let ids: Vec<_> = bundles.into_iter().map(|(entry, _)| entry.id).collect();
    owner.session().delete(&ids).await.unwrap();
    other
}

#[tokio::test]
async fn what_another_machine_sealed_with_newer_keys_is_taken_in_once_they_come() {
    let world = World::new();
    let owner = sealed_owner(&world).await;
    let other = newer_keys(&world, &owner).await;
    owner.write(&owner.email, "own/b.txt", "meanwhile");
    assert_eq!(owner.problems().await, ["log-not-opened"]);
    assert_eq!(owner.read(&owner.email, "own/new.txt"), None);
    // It makes no checkpoint: that would take the place of one which includes what is closed.
    let checkpoints = world.files(&owner.email, "checkpoint_").await.len();
    assert!(owner.client.create_checkpoint().await.is_err());
    assert_eq!(world.files(&owner.email, "checkpoint_").await.len(), checkpoints);

    owner.client.import_keys(&other.client.export_keys().unwrap(), true).await.unwrap();
    owner.sync().await;
    let read = |path| owner.read(&owner.email, path);
    assert_eq!(read("own/new.txt").as_deref(), Some("sealed with newer keys"));
    assert_eq!(read("own/a.txt").as_deref(), Some("changed by the other"));
    other.sync().await;
    assert_eq!(other.read(&owner.email, "own/b.txt").as_deref(), Some("meanwhile"));
    owner.sync().await;
    assert!(owner.sync().await.is_idle() && other.sync().await.is_idle());
}

#[tokio::test]
async fn what_waited_for_keys_and_is_gone_from_the_log_by_then_is_not_lost() {
    let world = World::new();
    let owner = sealed_owner(&world).await;
    let other = newer_keys(&world, &owner).await;
    let closed = own_of(&world, &owner, LOG).await;
    assert_eq!(owner.problems().await, ["log-not-opened"]);
    // The other machine goes on, makes a checkpoint, and prunes the log behind it.
    world.wait_hours(10);
    owner.write(&owner.email, "own/b.txt", "meanwhile");
    owner.try_sync().await;
    owner.session().delete(&[closed.id]).await.unwrap();
    other.write(&owner.email, "own/c.txt", "later");
    // Ours are published again, which the other does not take for newer ones.
    other.sync().await;
    other.client.create_checkpoint().await.unwrap();
    let beside = own_of(&world, &owner, "checkpoint_").await;
    let through = syft::model::Timestamp::from_micros(closed.created_micros + 1);
    owner.put_raw(&beside, &PrunedName { through }.to_string(), Vec::new()).await;

    owner.client.import_keys(&other.client.export_keys().unwrap(), true).await.unwrap();
    owner.sync().await;
    for (path, content) in [
        ("own/new.txt", "sealed with newer keys"),
        ("own/a.txt", "changed by the other"),
        ("own/b.txt", "meanwhile"),
        ("own/c.txt", "later"),
    ] {
        assert_eq!(owner.read(&owner.email, path).as_deref(), Some(content), "{path}");
    }
}
