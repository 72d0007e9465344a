//! Whoever has an access key to the bucket can write in anybody's name there. It comes to nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use syft::client::{Client, Error, SystemClock, Trust};
use syft::connections::{
    Access, Connection as _, Content, Entry, FileId, Grant, MemoryDrive, NewEntry, Query,
};
use syft::datasets::{Audience, DatasetName, NewDataset};
use syft::model::{Email, Role};
use syft::peers::{RecoveryKey, envelopes};
use syft::permissions::Level;
use syft::syncers::{self, Report, SyncOptions};
use syft::wire::{BundleFile, PeersFile};

use crate::shelf::Shelf;

pub(crate) const OWNER: &str = "do@example.org";
pub(crate) const SCIENTIST: &str = "ds@example.org";
const EVE: &str = "eve@example.org";

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

pub(crate) fn client(shelf: &Shelf, name: &str, role: Role, home: &Path) -> Client {
    Client::over(Arc::new(shelf.session(name)), role, home, Arc::new(SystemClock)).unwrap()
}

pub(crate) async fn try_sync(client: &Client) -> Report {
    client.sync(&SyncOptions::default()).await.unwrap()
}

/// Syncs, and returns the kinds of problems.
async fn problems(client: &Client) -> Vec<&'static str> {
    try_sync(client).await.problems.iter().map(|problem| problem.code.as_str()).collect()
}

pub(crate) async fn in_step(owner: &Client, scientist: &Client) {
    for client in [scientist, owner, scientist, owner, scientist] {
        assert_eq!(problems(client).await, [""; 0]);
    }
}

pub(crate) fn write(client: &Client, path: &str, content: &str) {
    let path = client.folders().datasite(&email(OWNER)).join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

pub(crate) fn read(client: &Client, path: &str) -> Option<String> {
    std::fs::read_to_string(client.folders().datasite(&email(OWNER)).join(path)).ok()
}

/// Makes both peers, with keys that they have compared; the scientist may write below `shared/`.
pub(crate) async fn acquaint(owner: &Client, scientist: &Client) {
    let (owners, scientists) =
        (owner.create_keys(false).await.unwrap(), scientist.create_keys(false).await.unwrap());
    try_sync(owner).await;
    scientist.add_peer(&email(OWNER)).await.unwrap();
    owner.approve_peer(&email(SCIENTIST)).await.unwrap();
    try_sync(scientist).await;
    let trust = Trust::Fingerprint;
    owner.trust_keys(&email(SCIENTIST), trust(scientists.fingerprint)).await.unwrap();
    scientist.trust_keys(&email(OWNER), trust(owners.fingerprint)).await.unwrap();
    write(owner, "shared/hello.txt", "hello");
    owner.grant("shared/", SCIENTIST, Level::Write).await.unwrap();
    in_step(owner, scientist).await;
}

/// All files that `who` sees whose names begin so, the oldest first.
pub(crate) async fn files(shelf: &Shelf, who: &str, beginning: &str) -> Vec<Entry> {
    let mut found = shelf.session(who).find(&Query::default()).await.unwrap();
    found.retain(|entry| entry.name.starts_with(beginning));
    found.sort_by_key(|entry| entry.created_micros);
    found
}

/// Puts a file there in the name of `author`.
async fn plant(shelf: &Shelf, author: &str, parent: &FileId, name: &str, content: &[u8]) -> Entry {
    let new = NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    };
    let content = Content::Bytes(content.to_vec().into());
    shelf.session(author).create_file(&new, content).await.unwrap()
}

/// What the same two would have said without keys: the newest file of each kind, with its name.
async fn said_in_plain(path: &str, by: &str) -> Vec<(String, Vec<u8>)> {
    let (drive, folder) = (MemoryDrive::new(), tempfile::tempdir().unwrap());
    let client = |name: &str, role| {
        let session = Arc::new(drive.session(&email(name)));
        Client::over(session, role, folder.path(), Arc::new(SystemClock)).unwrap()
    };
    let (owner, scientist) = (client(OWNER, Role::Owner), client(SCIENTIST, Role::Scientist));
    try_sync(&owner).await;
    scientist.add_peer(&email(OWNER)).await.unwrap();
    owner.approve_peer(&email(SCIENTIST)).await.unwrap();
    write(&owner, "shared/hello.txt", "hello");
    owner.grant("shared/", SCIENTIST, Level::Write).await.unwrap();
    for client in [&scientist, &owner, &scientist] {
        try_sync(client).await;
    }
    let speaker = if by == OWNER { &owner } else { &scientist };
    write(speaker, path, "forged");
    try_sync(speaker).await;
    let session = drive.session(&email(by));
    let mut newest = session.find(&Query::default()).await.unwrap();
    newest.retain(|entry| entry.name.starts_with("msgv2_") || entry.name.contains("eventsmessage"));
    newest.sort_by_key(|entry| entry.created_micros);
    let mut said = Vec::new();
    for entry in newest.into_iter().rev().take(2) {
        said.push((entry.name, session.read(&entry.id, 1 << 20).await.unwrap().to_vec()));
    }
    said
}

#[tokio::test]
async fn a_plain_message_in_the_name_of_a_peer_is_refused_from_the_first_moment() {
    let (shelf, folder) = (Shelf::default(), tempfile::tempdir().unwrap());
    let owner = client(&shelf, OWNER, Role::Owner, folder.path());
    let scientist = client(&shelf, SCIENTIST, Role::Scientist, folder.path());
    acquaint(&owner, &scientist).await;

    // Proposals to the owner. There are no hours of grace: nobody ever was in good faith here.
    let inbox = files(&shelf, SCIENTIST, "syft_datasite#").await;
    let inbox = inbox.into_iter().find(|entry| entry.name.contains("#inbox#")).unwrap();
    let said = said_in_plain("shared/forged.txt", SCIENTIST).await;
    let (name, proposal) = said.into_iter().find(|(name, _)| name.starts_with("msgv2_")).unwrap();
    plant(&shelf, SCIENTIST, &inbox.id, &name, &proposal).await;
    assert_eq!(problems(&owner).await, ["message-not-sealed"]);
    assert_eq!(read(&owner, "shared/forged.txt"), None);
    assert_eq!(problems(&owner).await, [""; 0], "told once");

    // Events to the scientist.
    let outbox = files(&shelf, SCIENTIST, "syft_datasite#").await;
    let outbox = outbox.into_iter().find(|entry| entry.name.contains("#outbox#")).unwrap();
    let said = said_in_plain("shared/forged.txt", OWNER).await;
    let (name, event) = said.into_iter().find(|(name, _)| name.contains("eventsm")).unwrap();
    plant(&shelf, OWNER, &outbox.id, &name, &event).await;
    assert_eq!(problems(&scientist).await, ["message-not-sealed"]);
    assert_eq!(read(&scientist, "shared/forged.txt"), None);

    // The owner's own log.
    let log = files(&shelf, OWNER, "0.1").await.into_iter().find(|entry| entry.is_mine).unwrap();
    plant(&shelf, OWNER, &log.id, &name, &event).await;
    assert_eq!(problems(&owner).await, ["not-sealed"]);
    assert_eq!(read(&owner, "shared/forged.txt"), None);

    // What is genuine goes on.
    write(&scientist, "shared/honest.txt", "honest");
    try_sync(&scientist).await;
    assert_eq!(try_sync(&owner).await.accepted, 1);
    assert_eq!(read(&owner, "shared/honest.txt").as_deref(), Some("honest"));
}

#[tokio::test]
async fn nobody_makes_himself_a_peer_by_writing_it_into_our_list() {
    let (shelf, folder) = (Shelf::default(), tempfile::tempdir().unwrap());
    let owner = client(&shelf, OWNER, Role::Owner, folder.path());
    let scientist = client(&shelf, SCIENTIST, Role::Scientist, folder.path());
    acquaint(&owner, &scientist).await;
    let list = files(&shelf, OWNER, "SYFT_peers").await.remove(0);
    let session = shelf.session(OWNER);
    let mut forged = PeersFile::default();
    forged.set_state(&email(EVE), syft::wire::PeerState::Accepted);
    session.replace(&list.id, Content::Bytes(forged.to_json().into())).await.unwrap();
    let eve = client(&shelf, EVE, Role::Scientist, folder.path());
    eve.create_keys(false).await.unwrap();
    eve.add_peer(&email(OWNER)).await.unwrap();
    try_sync(&owner).await;
    let states = owner.peers().await.unwrap();
    let states: Vec<_> =
        states.iter().map(|a| (a.peer.email.as_str(), a.peer.state.as_str())).collect();
    assert_eq!(states, [(SCIENTIST, "accepted"), (EVE, "requested_by_peer")]);
    let content = session.read(&list.id, 1 << 20).await.unwrap();
    assert!(envelopes::is_sealed(&content), "ours is there again");
    // A second list beside it is of no use either.
    plant(&shelf, OWNER, &list.parents[0], &list.name, &forged.to_json()).await;
    try_sync(&owner).await;
    let peers = owner.peers().await.unwrap();
    let eves = peers.iter().find(|known| known.peer.email == email(EVE)).unwrap();
    assert_eq!(eves.peer.state.as_str(), "requested_by_peer");
}

#[tokio::test]
async fn keys_that_nobody_compared_open_nothing() {
    let (shelf, folder) = (Shelf::default(), tempfile::tempdir().unwrap());
    let owner = client(&shelf, OWNER, Role::Owner, folder.path());
    let scientist = client(&shelf, SCIENTIST, Role::Scientist, folder.path());
    owner.create_keys(false).await.unwrap();
    let genuine = scientist.create_keys(false).await.unwrap();
    try_sync(&owner).await;
    scientist.add_peer(&email(OWNER)).await.unwrap();
    // Eve is faster, and publishes keys in the name of the scientist.
    let keys = RecoveryKey::generate().derive().unwrap();
    let document = keys.public().to_document(&email(SCIENTIST)).unwrap();
    let file = BundleFile { public_encryption_bundle: document }.to_json();
    let root = shelf.session(SCIENTIST).root();
    let name = format!("encryption_bundle_{SCIENTIST}_for_{OWNER}.json");
    let forged = plant(&shelf, SCIENTIST, &root, &name, &file).await;
    let grant = Grant { id: forged.id.clone(), to: email(OWNER), access: Access::Read };
    shelf.session(SCIENTIST).share(&[grant], false).await.unwrap().remove(0).unwrap();
    write(&owner, "shared/secret.txt", "secret");
    owner.grant("shared/", SCIENTIST, Level::Read).await.unwrap();
    owner.approve_peer(&email(SCIENTIST)).await.unwrap();
    assert_eq!(problems(&owner).await, ["not-compared"]);
    let outbox = files(&shelf, SCIENTIST, "syfteventsmessagev3_").await;
    assert!(outbox.is_empty(), "nothing was sent: {outbox:?}");
    let trust = Trust::Fingerprint(genuine.fingerprint);
    let answer = owner.trust_keys(&email(SCIENTIST), trust).await;
    assert!(answer.is_err(), "they are not what the scientist says: {answer:?}");
    let answer = owner.trust_keys(&email(SCIENTIST), Trust::Unencrypted).await;
    assert_eq!(answer.unwrap_err().code().as_str(), "encryption-demanded");

    shelf.session(SCIENTIST).delete(&[forged.id]).await.unwrap().remove(0).unwrap();
    try_sync(&scientist).await;
    owner.trust_keys(&email(SCIENTIST), trust).await.unwrap();
    assert_eq!(problems(&owner).await, [""; 0]);
}

#[tokio::test]
async fn nothing_leaves_a_machine_without_keys() {
    let (shelf, folder) = (Shelf::default(), tempfile::tempdir().unwrap());
    let scientist = client(&shelf, SCIENTIST, Role::Scientist, folder.path());
    let answer = scientist.sync(&SyncOptions::default()).await;
    assert!(matches!(answer, Err(Error::Sync(syncers::Error::KeysMissing))), "{answer:?}");
    let answer = scientist.add_peer(&email(OWNER)).await;
    assert!(answer.is_err(), "{answer:?}");
    for name in ["msgv2_", "SYFT_peers"] {
        assert!(files(&shelf, SCIENTIST, name).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn what_lies_in_the_bucket_is_sealed_but_for_what_is_said_to_be_open() {
    let (shelf, folder) = (Shelf::default(), tempfile::tempdir().unwrap());
    let owner = client(&shelf, OWNER, Role::Owner, folder.path());
    let scientist = client(&shelf, SCIENTIST, Role::Scientist, folder.path());
    acquaint(&owner, &scientist).await;
    write(&scientist, "shared/a.txt", "a canary in a proposal");
    try_sync(&scientist).await;
    let (mock, private) = (folder.path().join("mock.csv"), folder.path().join("private.csv"));
    std::fs::write(&mock, "a mock value").unwrap();
    std::fs::write(&private, "a private value").unwrap();
    let new = NewDataset {
        name: DatasetName::parse("census").unwrap(),
        mock,
        private,
        summary: None,
        readme: None,
        tags: Vec::new(),
        location: None,
        audience: Audience::Any,
        allow_same: false,
    };
    owner.create_dataset(&new, true).await.unwrap();
    owner.create_checkpoint().await.unwrap();
    in_step(&owner, &scientist).await;
    assert_eq!(read(&scientist, "shared/a.txt").as_deref(), Some("a canary in a proposal"));

    let open = ["SYFT_version", "encryption_bundle_", "mock.csv", "dataset.yaml", "metadata"];
    let mut sealed = 0;
    for who in [OWNER, SCIENTIST] {
        let session = shelf.session(who);
        for entry in files(&shelf, who, "").await {
            let Ok(content) = session.read(&entry.id, 1 << 20).await else { continue };
            if envelopes::is_sealed(&content) {
                sealed += 1;
            } else {
                let is_said = open.iter().any(|name| entry.name.starts_with(name));
                assert!(is_said || content.is_empty(), "{} is open", entry.name);
            }
        }
    }
    assert!(sealed >= 5, "{sealed}");
    for key in shelf.keys("").await {
        let content = shelf.content(&key).await;
        let has = |text: &str| content.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!has("canary") && !has("a private value"), "{key}");
    }

    // A private half that somebody put in place of ours is not restored.
    let session = shelf.session(OWNER);
    let uploaded = files(&shelf, OWNER, "private.csv").await.remove(0);
    let planted = Content::Bytes("a private value".into());
    session.replace(&uploaded.id, planted).await.unwrap();
    let second = client(&shelf, OWNER, Role::Owner, &folder.path().join("second"));
    second.import_keys(&owner.export_keys().unwrap(), false).await.unwrap();
    assert!(problems(&second).await.contains(&"dataset-not-restored"));
}
