//! What is sealed for whom, where some have keys and some have none.

use syft::connections::{Connection as _, Content};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::Role;
use syft::peers::envelopes::is_sealed;
use syft::peers::{Mode, Secrecy};

use super::world::{World, acquaint, in_step};

const MESSAGES: [&str; 4] = ["msgv2_", "syfteventsmessagev3_", "rolling_state_", "checkpoint_"];

#[tokio::test]
async fn w14_nothing_that_two_accounts_with_keys_exchange_can_be_read_on_the_drive() {
    let world = World::new();
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    let (owners, scientists) = (owner.create_keys().await, scientist.create_keys().await);
    assert_ne!(owners, scientists);
    acquaint(&owner, &scientist).await;
    assert_eq!(owner.secrecy(&scientist.email).await, Secrecy::Sealed(scientists));
    assert_eq!(scientist.secrecy(&owner.email).await, Secrecy::Sealed(owners));
    world.wait_hours(100);
    let before = world.files(&owner.email, "").await.len();

    owner.write(&owner.email, "shared/news.txt", "whatever the owner wrote");
    owner.sync().await;
    scientist.sync().await;
    scientist.write(&owner.email, "shared/news.txt", "whatever the scientist wrote");
    assert_eq!(scientist.sync().await.pushed, 1);
    assert_eq!(owner.sync().await.accepted, 1);
    scientist.sync().await;
    owner.client.create_checkpoint().await.unwrap();
    assert_eq!(
        owner.read(&owner.email, "shared/news.txt").as_deref(),
        Some("whatever the scientist wrote")
    );

    let mut sealed = 0;
    for kind in MESSAGES {
        for who in [&owner.email, &scientist.email] {
            for (entry, content) in world.files(who, kind).await {
                // What went before both knew of each other's keys is as it was.
                let is_new = entry.created_micros > 1_780_000_000_000_000 + 90 * 3_600_000_000;
                assert!(!is_new || is_sealed(&content), "{}", entry.name);
                sealed += usize::from(is_new);
            }
        }
    }
    assert!(sealed >= 6 && world.files(&owner.email, "").await.len() > before, "{sealed}");
    for party in [&owner, &scientist] {
        assert!(party.sync().await.is_idle());
        let before = party.client.requests();
        assert!(party.sync().await.is_idle());
        assert_eq!(party.client.requests() - before, 1, "what an idle sync costs without keys");
    }
}

#[tokio::test]
async fn a_peer_without_keys_is_worked_with_as_before_beside_one_with_keys() {
    let world = World::new();
    let owner = world.owner();
    let (with, without) = (world.scientist("ann@example.org"), world.scientist("bob@example.org"));
    owner.create_keys().await;
    let print = with.create_keys().await;
    acquaint(&owner, &with).await;
    acquaint(&owner, &without).await;
    in_step(&owner, &with).await;
    world.wait_hours(1);
    owner.write(&owner.email, "shared/both.txt", "for both");
    owner.sync().await;
    for scientist in [&with, &without] {
        scientist.sync().await;
        let read = scientist.read(&owner.email, "shared/both.txt");
        assert_eq!(read.as_deref(), Some("for both"), "{}", scientist.email);
        scientist.write(&owner.email, &format!("shared/of {}.txt", scientist.email), "mine");
        scientist.sync().await;
    }
    assert_eq!(owner.sync().await.accepted, 2);
    assert_eq!(owner.secrecy(&with.email).await, Secrecy::Sealed(print));
    assert_eq!(owner.secrecy(&without.email).await, Secrecy::Plain { offered: None });

    let last = |files: Vec<(_, Vec<u8>)>| is_sealed(&files.last().unwrap().1);
    assert!(last(world.files(&with.email, "syfteventsmessagev3_").await));
    assert!(!last(world.files(&without.email, "syfteventsmessagev3_").await));
    // Each sees the keys that are for itself, and not who else there is.
    for scientist in [&with, &without] {
        let seen = world.files(&scientist.email, "encryption_bundle_do@").await;
        let names: Vec<&str> = seen.iter().map(|(entry, _)| entry.name.as_str()).collect();
        let own = format!("encryption_bundle_do@example.org_for_{}.json", scientist.email);
        assert_eq!(names, [own]);
    }
}

#[tokio::test]
async fn keys_that_are_made_later_take_effect_without_losing_what_was_under_way() {
    let world = World::new();
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    acquaint(&owner, &scientist).await;
    // Each has sent something that the other has not read.
    owner.write(&owner.email, "shared/a.txt", "plain from the owner");
    owner.sync().await;
    scientist.write(&owner.email, "shared/b.txt", "plain from the scientist");
    scientist.client.sync(&Default::default()).await.unwrap();
    owner.create_keys().await;
    scientist.create_keys().await;
    in_step(&owner, &scientist).await;
    assert_eq!(
        owner.read(&owner.email, "shared/b.txt").as_deref(),
        Some("plain from the scientist")
    );
    assert_eq!(
        scientist.read(&owner.email, "shared/a.txt").as_deref(),
        Some("plain from the owner")
    );
    assert!(matches!(owner.secrecy(&scientist.email).await, Secrecy::Sealed(_)));
    owner.sync().await;
    assert!(owner.sync().await.is_idle() && scientist.sync().await.is_idle());
}

#[tokio::test]
async fn where_encryption_is_required_nothing_goes_to_a_peer_without_keys() {
    let world = World::new();
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    owner.create_keys().await;
    owner.client.set_encryption(Mode::Required).await.unwrap();
    owner.sync().await;
    scientist.client.add_peer(&owner.email).await.unwrap();
    let approved = owner.client.approve_peer(&scientist.email).await.unwrap();
    assert_eq!(approved.problems[0].code, "not-encrypted");
    owner.write(&owner.email, "shared/a.txt", "not in the open");
    owner
        .client
        .grant("shared/", scientist.email.as_str(), syft::permissions::Level::Read)
        .await
        .unwrap();
    assert_eq!(owner.problems().await, ["not-encrypted"]);
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/a.txt"), None);

    scientist.create_keys().await;
    scientist.sync().await;
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/a.txt").as_deref(), Some("not in the open"));
}

#[tokio::test]
async fn encryption_that_is_switched_off_is_withdrawn_and_what_is_sealed_still_opens() {
    let world = World::new();
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    owner.create_keys().await;
    scientist.create_keys().await;
    acquaint(&owner, &scientist).await;
    owner.write(&owner.email, "shared/a.txt", "sealed");
    owner.sync().await;
    scientist.client.set_encryption(Mode::Off).await.unwrap();
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/a.txt").as_deref(), Some("sealed"));
    assert_eq!(world.files(&owner.email, "encryption_bundle_ds@").await.len(), 0);
    // The owner has agreed on keys, and goes on sealing.
    owner.write(&owner.email, "shared/b.txt", "still sealed");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "shared/b.txt").as_deref(), Some("still sealed"));
    assert!(matches!(owner.secrecy(&scientist.email).await, Secrecy::Sealed(_)));
}

#[tokio::test]
async fn w14_a_private_half_that_is_uploaded_is_sealed_and_comes_back_on_another_machine() {
    let world = World::new();
    let owner = world.owner();
    owner.create_keys().await;
    owner.sync().await;
    // One file that is sealed in memory, one that is streamed; one that only looks sealed.
    let large: Vec<u8> = (0..6_000_000_u32).map(|i| (i % 251) as u8).collect();
    let private = world.file("private", b"");
    std::fs::remove_file(&private).unwrap();
    std::fs::create_dir(&private).unwrap();
    std::fs::write(private.join("small.csv"), "age\n41\n").unwrap();
    std::fs::write(private.join("large.bin"), &large).unwrap();
    std::fs::write(private.join("odd.bin"), b"SYC2 is no envelope").unwrap();
    let name = DatasetName::parse_new("ages").unwrap();
    let new = NewDataset {
        name,
        mock: world.file("mock.csv", b"age\n1\n"),
        private,
        summary: None,
        readme: None,
        tags: Vec::new(),
        location: None,
        audience: Audience::Nobody,
        allow_same: false,
    };
    owner.client.create_dataset(&new, true).await.unwrap();
    owner.sync().await;
    for (file, sealed) in
        [("small.csv", true), ("large.bin", true), ("odd.bin", true), ("mock.csv", false)]
    {
        let (_, content) = world.files(&owner.email, file).await.pop().unwrap();
        assert_eq!(is_sealed(&content), sealed, "{file}");
    }

    let second = world.machine("do@example.org", Role::Owner, "second");
    let words = owner.client.recovery_key().unwrap();
    second.client.restore_keys(&words, false).await.unwrap();
    second.sync().await;
    let folder = second.client.folders().datasite(&owner.email).join("private/syft_datasets/ages");
    assert_eq!(std::fs::read(folder.join("large.bin")).unwrap(), large);
    assert_eq!(std::fs::read_to_string(folder.join("small.csv")).unwrap(), "age\n41\n");
    assert_eq!(std::fs::read(folder.join("odd.bin")).unwrap(), b"SYC2 is no envelope");
}

#[tokio::test]
async fn what_is_too_large_to_be_held_is_sealed_in_pieces() {
    let world = World::new();
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    owner.create_keys().await;
    scientist.create_keys().await;
    acquaint(&owner, &scientist).await;
    owner.client.set_large_bytes_min(100);
    scientist.client.set_large_bytes_min(100);
    owner.client.set_sends_chunks(false);
    scientist.client.set_sends_chunks(false);
    let content = "much\u{e9}".repeat(50_000);
    scientist.write(&owner.email, "shared/a.txt", &content);
    scientist.sync().await;
    let (entry, sealed) = world.files(&owner.email, "msgv2_").await.pop().unwrap();
    assert!(syft::peers::envelopes::is_sealed(&sealed));
    let head = String::from_utf8_lossy(&sealed[..1000]).into_owned();
    assert!(head.contains("xchacha20poly1305-stream-v1"), "{head}");

    // A piece of it that is another's is refused, and nothing of what came before it counts.
    let mut forged = sealed.clone();
    let last = forged.len() - 10;
    forged[last] ^= 1;
    scientist.session().replace(&entry.id, Content::Bytes(forged.into())).await.unwrap();
    let report = owner.try_sync().await;
    assert_eq!((report.accepted, report.problems.len()), (0, 1), "{report:?}");
    assert_eq!(owner.read(&owner.email, "shared/a.txt"), None);

    scientist.write(&owner.email, "shared/b.txt", &content);
    scientist.sync().await;
    assert_eq!(owner.try_sync().await.accepted, 1);
    assert_eq!(owner.read(&owner.email, "shared/b.txt").as_ref(), Some(&content));
}

#[tokio::test]
async fn chunks_are_sealed_as_messages_are() {
    let world = World::new();
    let (owner, scientist) = (world.owner(), world.scientist("ds@example.org"));
    owner.create_keys().await;
    scientist.create_keys().await;
    acquaint(&owner, &scientist).await;
    owner.client.set_large_bytes_min(100);
    scientist.client.set_large_bytes_min(100);
    let content = "secret\u{e9}".repeat(50_000);
    scientist.write(&owner.email, "shared/a.txt", &content);
    scientist.sync().await;
    let (pack, sealed) = world.files(&owner.email, "chunks-").await.pop().unwrap();
    assert!(syft::peers::envelopes::is_sealed(&sealed));
    // One that is not what was sealed is refused.
    let mut forged = sealed.clone();
    let last = forged.len() - 10;
    forged[last] ^= 1;
    scientist.session().replace(&pack.id, Content::Bytes(forged.into())).await.unwrap();
    let report = owner.try_sync().await;
    assert_eq!(report.accepted, 0, "{report:?}");
    assert!(!report.problems.is_empty());
    assert_eq!(owner.read(&owner.email, "shared/a.txt"), None);
    let content = "private\u{e9}".repeat(50_000);
    scientist.write(&owner.email, "shared/b.txt", &content);
    scientist.sync().await;
    assert_eq!(owner.try_sync().await.accepted, 1);
    scientist.sync().await;
    assert_eq!(owner.read(&owner.email, "shared/b.txt").as_ref(), Some(&content));
    for prefix in ["chunks-", "chunkedproposals-", "chunkedevents-"] {
        let all = world.files(&owner.email, prefix).await;
        assert!(!all.is_empty(), "{prefix}");
        let sealed = |bytes: &Vec<u8>| syft::peers::envelopes::is_sealed(bytes);
        assert!(all.iter().all(|(_, bytes)| sealed(bytes)), "{prefix}");
    }
    // A machine that joins opens its own.
    let second = world.machine("do@example.org", Role::Owner, "second");
    let words = owner.client.recovery_key().unwrap();
    second.client.restore_keys(&words, false).await.unwrap();
    second.sync().await;
    assert_eq!(second.read(&owner.email, "shared/b.txt").as_ref(), Some(&content));
}
