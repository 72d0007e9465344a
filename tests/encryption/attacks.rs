//! Whoever runs the drive can put anything anywhere, in the name of anybody. Without the keys that
//! comes to nothing, and everybody else goes on.

use syft::client::Trust;
use syft::connections::{Connection as _, Content, Entry};
use syft::peers::envelopes::seal;
use syft::peers::{RecoveryKey, Secrecy};
use syft::wire::{Packed as _, ProposedFileChangesMessage};

use super::world::{Party, World, acquaint};

/// An encrypted edge, long after it became one, with a proposal on it that nobody has read.
async fn stage(world: &World) -> (Party<'_>, Party<'_>, Entry, Vec<u8>) {
    stage_after(world, |world| world.wait_hours(24)).await
}

async fn stage_after(
    world: &World,
    wait: impl FnOnce(&World),
) -> (Party<'_>, Party<'_>, Entry, Vec<u8>) {
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    owner.create_keys().await;
    scientist.create_keys().await;
    acquaint(&owner, &scientist).await;
    wait(world);
    scientist.write(&owner.email, "shared/a.txt", "honest");
    scientist.sync().await;
    let (entry, content) = world.files(&owner.email, "msgv2_").await.pop().unwrap();
    (owner, scientist, entry, content)
}

/// What the drive would put there in the scientist's name: any content, in the right form.
fn forged(entry: &Entry, owner: &Party<'_>) -> Vec<u8> {
    let name = syft::wire::names::ProposalName::parse(&entry.name).unwrap();
    let sender = "ds@example.org".parse().unwrap();
    let proposal = syft::wire::Proposal {
        id: uuid::Uuid::new_v4(),
        path: syft::model::DatasitePath::parse("shared/forged.txt").unwrap(),
        base: None,
        content: Some(syft::wire::Content::from_bytes(b"forged".to_vec())),
        claimed: Some(syft::model::Digest::of(b"forged")),
        datasite: owner.email.clone(),
        submitted: name.submitted(),
    };
    let id = uuid::Uuid::new_v4();
    ProposedFileChangesMessage::new(id, &sender, &name, vec![proposal]).to_file_bytes(0)
}

#[tokio::test]
async fn w14_a_message_that_is_not_sealed_is_set_aside_where_an_edge_is_encrypted() {
    let world = World::new();
    let (owner, scientist, entry, _) = stage(&world).await;
    let plain = forged(&entry, &owner);
    scientist.session().replace(&entry.id, Content::Bytes(plain.into())).await.unwrap();
    scientist.write(&owner.email, "shared/b.txt", "honest as well");
    scientist.sync().await;

    let report = owner.try_sync().await;
    assert_eq!(report.accepted, 1, "what is sealed is taken all the same");
    let problem = &report.problems[0];
    assert_eq!((problem.code.as_str(), report.problems.len()), ("message-not-sealed", 1));
    assert!(problem.message.contains("not sealed"), "{problem:?}");
    assert_eq!(owner.read(&owner.email, "shared/forged.txt"), None);
    assert!(owner.sync().await.is_idle(), "told once");
    // The bytes are kept for whoever wants to look.
    let kept = owner.client.folders().quarantine().join(scientist.email.as_str());
    assert!(std::fs::read_dir(kept).unwrap().count() >= 2);

    // If the person says that this peer works without encryption, it is taken up again.
    let taken = owner.client.trust_keys(&scientist.email, Trust::Unencrypted).await.unwrap();
    assert_eq!(taken, 1);
    assert_eq!(owner.sync().await.accepted, 1);
    assert_eq!(owner.read(&owner.email, "shared/forged.txt").as_deref(), Some("forged"));
    assert!(matches!(owner.secrecy(&scientist.email).await, Secrecy::Plain { offered: Some(_) }));
}

#[tokio::test]
async fn w14_a_message_that_says_it_is_old_may_not_be_plain_nor_signed_with_old_keys() {
    let world = World::new();
    let (owner, scientist, entry, _) = stage_after(&world, |world| world.wait_hours_here(24)).await;
    let plain = forged(&entry, &owner);
    scientist.put_raw(&entry, &entry.name.replacen("msgv2_17", "msgv2_16", 1), plain).await;
    assert_eq!(owner.problems().await, ["message-not-sealed"]);

    // Keys that were replaced, and have come into other hands.
    let stolen = scientist.client.export_keys().unwrap();
    let stolen = syft::peers::Keyring::from_json(&stolen, &scientist.email, 0).unwrap();
    let owners = owner.client.export_keys().unwrap();
    let owners = syft::peers::Keyring::from_json(&owners, &owner.email, 0).unwrap();
    let new = scientist.client.rotate_keys().await.unwrap();
    scientist.try_sync().await;
    owner.try_sync().await;
    owner.trust(&scientist.email, new.fingerprint).await;
    owner.try_sync().await;
    world.wait_hours_here(24);
    let to = (&owner.email, owners.current().public());
    let from = (&scientist.email, stolen.current());
    let sealed = seal(from, to, &forged(&entry, &owner)).unwrap();
    scientist.put_raw(&entry, &entry.name.replacen("msgv2_17", "msgv2_15", 1), sealed).await;
    assert_eq!(owner.problems().await, ["key-changed"]);
    assert_eq!(owner.read(&owner.email, "shared/forged.txt"), None);
}

#[tokio::test]
async fn w14_one_file_that_others_put_there_does_not_close_an_edge() {
    let world = World::new();
    let (owner, scientist, ..) = stage(&world).await;
    owner.sync().await;
    scientist.sync().await;
    owner.write(&owner.email, "shared/c.txt", "genuine");
    owner.sync().await;
    let (entry, content) =
        world.files(&scientist.email, "syfteventsmessagev3_").await.pop().unwrap();
    let eves = RecoveryKey::generate().derive().unwrap();
    let own = scientist.client.export_keys().unwrap();
    let own = syft::peers::Keyring::from_json(&own, &scientist.email, 0).unwrap();
    let to = (&scientist.email, own.current().public());
    let sealed = seal((&owner.email, &eves), to, b"whatever").unwrap();
    let session = owner.session();
    session.replace(&entry.id, Content::Bytes(sealed.into())).await.unwrap();
    // What the owner sealed for somebody else is of no use either.
    let owners = owner.client.export_keys().unwrap();
    let owners = syft::peers::Keyring::from_json(&owners, &owner.email, 0).unwrap();
    let eve = "eve@example.org".parse().unwrap();
    let for_eve = seal((&owner.email, owners.current()), (&eve, eves.public()), b"hers").unwrap();
    owner.put_raw(&entry, &entry.name.replacen("v3_17", "v3_16", 1), for_eve).await;
    owner.write(&owner.email, "shared/d.txt", "genuine as well");
    owner.sync().await;
    let mut problems = scientist.problems().await;
    problems.sort_unstable();
    assert_eq!(problems, ["key-changed", "message-quarantined"]);
    let read = scientist.read(&owner.email, "shared/d.txt");
    assert_eq!(read.as_deref(), Some("genuine as well"), "others go on");
    assert!(scientist.sync().await.is_idle(), "told once, read once");

    // Once a person has decided about the keys, it is looked at again.
    session.replace(&entry.id, Content::Bytes(content.into())).await.unwrap();
    scientist.trust(&owner.email, owners.current().fingerprint()).await;
    scientist.try_sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/c.txt").as_deref(), Some("genuine"));
}

#[tokio::test]
async fn w14_envelopes_of_others_and_broken_ones_are_set_aside() {
    let world = World::new();
    let (owner, scientist, entry, honest) = stage(&world).await;
    let eves = RecoveryKey::generate().derive().unwrap();
    let for_owner = owner.client.export_keys().unwrap();
    let owners = syft::peers::Keyring::from_json(&for_owner, &owner.email, 0).unwrap();
    let content = forged(&entry, &owner);
    let eve = "eve@example.org".parse().unwrap();
    let of_eve = seal((&eve, &eves), (&owner.email, owners.current().public()), &content).unwrap();
    let mut broken = honest.clone();
    *broken.last_mut().unwrap() ^= 1;
    let mut old = honest.clone();
    old[3] = b'1';
    let attacks =
        [(of_eve, "eve@example.org"), (broken, "broken"), (old, "SYC1"), (b"SYC2".to_vec(), "not")];
    for (bytes, told) in attacks {
        let name = entry.name.replacen("msgv2_17", "msgv2_16", 1);
        scientist.put_raw(&entry, &name, bytes).await;
        let report = owner.try_sync().await;
        let quarantined = report.problems.iter().find(|p| p.code == "message-quarantined").unwrap();
        assert!(quarantined.message.contains(told), "{}", quarantined.message);
        assert!(owner.sync().await.is_idle());
    }
    assert_eq!(owner.read(&owner.email, "shared/a.txt").as_deref(), Some("honest"));
}

#[tokio::test]
async fn w14_sealed_in_the_name_of_the_peer_but_with_other_keys_is_set_aside() {
    let world = World::new();
    let (owner, scientist, entry, _) = stage(&world).await;
    let eves = RecoveryKey::generate().derive().unwrap();
    let file = owner.client.export_keys().unwrap();
    let owners = syft::peers::Keyring::from_json(&file, &owner.email, 0).unwrap();
    let content = forged(&entry, &owner);
    let to = (&owner.email, owners.current().public());
    let sealed = seal((&scientist.email, &eves), to, &content).unwrap();
    scientist.put_raw(&entry, &entry.name, sealed).await;
    let report = owner.try_sync().await;
    assert_eq!(report.problems[0].code, "key-changed");
    assert_eq!(report.accepted, 1, "the honest one");
    assert_eq!(owner.read(&owner.email, "shared/forged.txt"), None);
}

#[tokio::test]
async fn w14_the_events_of_an_owner_are_guarded_alike() {
    let world = World::new();
    let (owner, scientist, ..) = stage(&world).await;
    owner.sync().await;
    scientist.sync().await;
    owner.write(&owner.email, "shared/c.txt", "genuine");
    owner.sync().await;
    let (entry, _) = world.files(&scientist.email, "syfteventsmessagev3_").await.pop().unwrap();
    owner
        .session()
        .replace(&entry.id, Content::Bytes(b"\x1f\x8bgarbage".as_slice().into()))
        .await
        .unwrap();
    assert_eq!(scientist.problems().await, ["message-not-sealed"]);
    assert_eq!(scientist.read(&owner.email, "shared/c.txt"), None);
    // The next word of the owner arrives.
    owner.write(&owner.email, "shared/d.txt", "genuine as well");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/d.txt").as_deref(), Some("genuine as well"));
}

#[tokio::test]
async fn w14_what_lies_unsealed_in_a_sealed_log_is_not_followed() {
    let world = World::new();
    let (owner, ..) = stage(&world).await;
    owner.sync().await;
    owner.write(&owner.email, "own/a.txt", "mine");
    owner.sync().await;
    let plain = {
        let other = World::new();
        let stranger = other.owner();
        stranger.write(&stranger.email, "own/a.txt", "planted");
        stranger.sync().await;
        other.files(&stranger.email, "syfteventsmessagev3_").await.pop().unwrap().1
    };
    let log = world.files(&owner.email, "syfteventsmessagev3_").await;
    let personal = log.into_iter().rev().find(|(entry, _)| entry.is_mine).unwrap().0;
    owner.put_raw(&personal, &personal.name.replacen("v3_17", "v3_18", 1), plain).await;
    assert_eq!(owner.problems().await, ["not-sealed"]);
    assert_eq!(owner.read(&owner.email, "own/a.txt").as_deref(), Some("mine"));
}

#[tokio::test]
async fn w14_keys_count_only_if_the_drive_says_that_the_peer_published_them() {
    let world = World::new();
    let (owner, scientist, ..) = stage(&world).await;
    let before = owner.secrecy(&scientist.email).await;
    // Eve publishes keys in the scientist's name, and garbage in her own.
    let eve = world.scientist("eve@example.org");
    eve.sync().await;
    let keys = RecoveryKey::generate().derive().unwrap();
    let document = keys.public().to_document(&scientist.email).unwrap();
    let file = syft::wire::BundleFile { public_encryption_bundle: document };
    let (root, _) = world
        .files(&eve.email, "SYFT_")
        .await
        .pop()
        .map_or_else(|| (None, ()), |(entry, _)| (Some(entry), ()));
    let session = eve.session();
    let parent = match root {
        Some(entry) => entry.parents[0].clone(),
        None => session.root(),
    };
    let name = "encryption_bundle_ds@example.org_for_do@example.org.json";
    let new = syft::connections::NewEntry {
        id: None,
        parent,
        name: name.to_owned(),
        media_type: "text/plain",
        tags: std::collections::BTreeMap::new(),
    };
    let made = session.create_file(&new, Content::Bytes(file.to_json().into())).await.unwrap();
    let grant = syft::connections::Grant {
        id: made.id,
        to: owner.email.clone(),
        access: syft::connections::Access::Read,
    };
    session.share(&[grant], false).await.unwrap();
    owner.sync().await;
    assert_eq!(owner.secrecy(&scientist.email).await, before);

    // The scientist's own file, garbled by the drive: what is settled stays.
    let (bundle, _) = world
        .files(&owner.email, name)
        .await
        .into_iter()
        .find(|(entry, _)| entry.owner.as_ref() == Some(&scientist.email))
        .unwrap();
    scientist.session().replace(&bundle.id, Content::Bytes(b"{".as_slice().into())).await.unwrap();
    assert_eq!(owner.problems().await, ["keys-not-usable"]);
    assert_eq!(owner.secrecy(&scientist.email).await, before);
    assert!(owner.sync().await.is_idle(), "told once");
}

/// The owner works encrypted with a scientist who has switched encryption off before it agreed on
/// the owner's keys.
async fn without_pin(world: &World) -> (Party<'_>, Party<'_>) {
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    scientist.create_keys().await;
    acquaint(&owner, &scientist).await;
    owner.create_keys().await;
    owner.write(&owner.email, "shared/c.txt", "sealed");
    owner.sync().await;
    scientist.client.set_encryption(syft::peers::Mode::Off).await.unwrap();
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/c.txt").as_deref(), Some("sealed"));
    (owner, scientist)
}

#[tokio::test]
async fn w14_where_no_keys_are_agreed_on_a_foreign_envelope_holds_up_nobody_for_ever() {
    let world = World::new();
    let (owner, scientist) = without_pin(&world).await;
    let (entry, _) = world.files(&scientist.email, "syfteventsmessagev3_").await.pop().unwrap();
    let eves = RecoveryKey::generate().derive().unwrap();
    let own = scientist.client.export_keys().unwrap();
    let own = syft::peers::Keyring::from_json(&own, &scientist.email, 0).unwrap();
    let to = (&scientist.email, own.current().public());
    let sealed = seal((&owner.email, &eves), to, b"whatever").unwrap();
    owner.put_raw(&entry, &entry.name.replacen("v3_17", "v3_16", 1), sealed).await;
    assert_eq!(scientist.problems().await, ["key-changed"]);
    assert!(scientist.sync().await.is_idle(), "told once, read once");
}

#[tokio::test]
async fn what_arrives_before_the_keys_it_is_signed_with_is_read_once_they_do() {
    let world = World::new();
    let (owner, scientist) = without_pin(&world).await;
    let name = "encryption_bundle_do@example.org_for_ds@example.org.json";
    let (bundle, old) = world.files(&owner.email, name).await.pop().unwrap();
    owner.client.rotate_keys().await.unwrap();
    owner.write(&owner.email, "shared/d.txt", "signed with new keys");
    owner.sync().await;
    let (_, new) = world.files(&owner.email, name).await.pop().unwrap();
    let session = owner.session();
    session.replace(&bundle.id, Content::Bytes(old.into())).await.unwrap();
    assert_eq!(scientist.problems().await, ["key-changed"]);
    session.replace(&bundle.id, Content::Bytes(new.into())).await.unwrap();
    scientist.sync().await;
    let read = scientist.read(&owner.email, "shared/d.txt");
    assert_eq!(read.as_deref(), Some("signed with new keys"));
}

/// Keys in good order of which one is zero: nothing can be sealed for them.
const ZERO_KEYS: &str = r#"{"public_encryption_bundle": {"identity": "ds@example.org",
  "verificationMethod": [{"type": "Ed25519VerificationKey2020", "publicKeyJwk": {"kty": "OKP", "crv": "Ed25519", "kid": "identity-key",
    "x": "6kpsY-KcUgq-9VB7Ey7F-ZVHdq6-vnuSQh7qaRRG0iw"}}],
  "keyAgreement": [
    {"id": "did:syft:ds#identity-dh", "publicKeyJwk": {"kty": "OKP", "crv": "X25519",
      "kid": "identity-dh", "x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      "signature": "3i-emyK4e7IrwNdhVHhZ-pNG0_fBmJxlsKkuyvDzzIU4erZw1TZAFzKSCr8MIgxvHW6njHXLHBWG0hR59P6uBw"}},
    {"id": "did:syft:ds#signed-prekey", "publicKeyJwk": {"kty": "OKP", "crv": "X25519",
      "kid": "signed-prekey", "x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      "signature": "3i-emyK4e7IrwNdhVHhZ-pNG0_fBmJxlsKkuyvDzzIU4erZw1TZAFzKSCr8MIgxvHW6njHXLHBWG0hR59P6uBw"}}]}}"#;

#[tokio::test]
async fn w14_keys_that_nothing_can_be_sealed_for_are_told_and_nothing_goes_in_plain() {
    let world = World::new();
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    scientist.create_keys().await;
    acquaint(&owner, &scientist).await;
    let (bundle, _) = world
        .files(&scientist.email, "encryption_bundle_ds@example.org_for_do")
        .await
        .pop()
        .unwrap();
    let session = scientist.session();
    session.replace(&bundle.id, Content::Bytes(ZERO_KEYS.as_bytes().into())).await.unwrap();
    owner.create_keys().await;
    let sent = world.files(&scientist.email, "syfteventsmessagev3_").await.len();
    owner.write(&owner.email, "shared/c.txt", "waits");
    for _ in 0..2 {
        let told = owner.problems().await;
        assert!(told.contains(&"not-sealed-for"), "{told:?}");
    }
    assert_eq!(world.files(&scientist.email, "syfteventsmessagev3_").await.len(), sent);
}
