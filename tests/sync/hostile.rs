//! Peers who lie: each attack is made with raw files on the drive. None succeeds, nobody else is
//! held up, and the owner is told. The numbers are those of `docs/SECURITY.md`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use syft::caches::LARGE_BYTES_MIN;
use syft::connections::{Access, Content, Entry, FileId, Grant, Kind, NewEntry, Query};
use syft::model::{Digest, Email, Timestamp};
use syft::permissions::Level;
use syft::syncers::Report;
use syft::wire::archive;
use uuid::Uuid;

use super::world::{Party, World, acquaint, email};

const JOB: &str = "app_data/job/inbox/ds@example.org/j/run.sh";

/// What the owner holds where the attacker may write, and where an honest peer may.
pub(crate) async fn stage(world: &World) -> (Party<'_>, Party<'_>, Party<'_>) {
    let (owner, eve) = (world.owner("do@example.org"), world.scientist("eve@example.org"));
    let honest = world.scientist("ds@example.org");
    acquaint(&owner, &eve).await;
    acquaint(&owner, &honest).await;
    owner.put("eve/a.txt", "what eve may write");
    owner.put("secret.txt", "for nobody");
    owner.grant("eve/", &eve.email, Level::Write);
    owner.grant("honest/", &honest.email, Level::Write);
    owner.sync().await;
    eve.sync().await;
    honest.sync().await;
    (owner, eve, honest)
}

/// The honest peer's work goes on, in the very sync in which the attack is met.
pub(crate) async fn attack_is_met(owner: &Party<'_>, honest: &Party<'_>, told: &str) -> Report {
    let before = owner.tree(&owner.email);
    honest.write(&owner.email, "honest/work.txt", b"work");
    honest.sync().await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.accepted, 1, "the honest proposal alone");
    let mut after = owner.tree(&owner.email);
    after.retain(|(path, _)| path != "honest/work.txt");
    assert_eq!(after, before, "the attack changed nothing");
    let problems: Vec<&str> = report.problems.iter().map(|p| p.message.as_str()).collect();
    let refusals: Vec<String> = report.refused.iter().map(|r| r.reason.clone()).collect();
    let is_told = problems.iter().any(|p| p.contains(told))
        || refusals.iter().any(|reason| reason.contains(told));
    assert!(is_told, "`{told}` is not among {problems:?} and {refusals:?}");
    // It has left the inbox: the next sync does not meet it again.
    assert!(owner.sync().await.is_idle());
    report
}

pub(crate) async fn folder(party: &Party<'_>, name_part: &str) -> Entry {
    let all = party.session().find(&Query::default().of_kind(Kind::Folder)).await.unwrap();
    all.into_iter().find(|entry| entry.name.contains(name_part)).unwrap()
}

pub(crate) async fn put(
    party: &Party<'_>,
    parent: &FileId,
    name: &str,
    content: Vec<u8>,
) -> FileId {
    let id = party.session().new_ids(1).await.unwrap().pop();
    let new = NewEntry {
        id,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    };
    party.session().create_file(&new, Content::Bytes(content.into())).await.unwrap().id
}

/// A change as a message carries it, which the attack then bends.
pub(crate) fn change(path: &str, content: &str) -> Value {
    json!({
        "id": Uuid::new_v4().to_string(),
        "old_hash": null,
        "new_hash": Digest::of(content.as_bytes()).to_hex(),
        "submitted_timestamp": 1_780_000_001.5,
        "path_in_datasite": path,
        "content": content,
        "datasite_email": "do@example.org",
        "is_deleted": false,
        "content_type": "text",
    })
}

fn message(sender: &Email, name: &str, changes: &[Value]) -> Vec<u8> {
    let parts: Vec<&str> = name.trim_end_matches(".tar.gz").split('_').collect();
    let submitted: f64 = parts[1].parse().unwrap();
    let message = json!({
        "id": Uuid::new_v4().to_string(),
        "sender_email": sender.as_str(),
        "message_filename": {"submitted_timestamp": submitted, "uid": parts[2]},
        "proposed_file_changes": changes,
    });
    archive::pack(message.to_string().as_bytes(), 0)
}

fn message_name() -> String {
    format!("msgv2_1780000001.5_{}.tar.gz", Uuid::new_v4())
}

pub(crate) async fn propose_raw(eve: &Party<'_>, sender: &Email, changes: &[Value]) {
    let inbox = folder(eve, &format!("#inbox#{}", eve.email)).await;
    let name = message_name();
    put(eve, &inbox.id, &name, message(sender, &name, changes)).await;
}

#[tokio::test]
async fn w1_b4_a_message_in_the_name_of_the_owner_or_of_a_peer_is_not_believed() {
    for victim in ["do@example.org", "ds@example.org", "nobody@example.org"] {
        let world = World::new();
        let (owner, eve, honest) = stage(&world).await;
        let changes = [change("syft.pub.yaml", "rules: []"), change("honest/x.txt", "x")];
        propose_raw(&eve, &email(victim), &changes).await;
        let report = attack_is_met(&owner, &honest, "says that").await;
        assert_eq!(report.problems[0].peer.as_ref(), Some(&eve.email));
        let quarantine = owner.account().folders.quarantine().join(eve.email.as_str());
        assert_eq!(std::fs::read_dir(quarantine).unwrap().count(), 2, "the bytes and the reason");
    }
}

#[tokio::test]
async fn w1_a_message_that_somebody_else_put_into_an_inbox_is_not_believed() {
    let world = World::new();
    let (owner, eve, honest) = stage(&world).await;
    // The honest peer opens its inbox to eve, by mistake or by force.
    let inbox = folder(&honest, "#inbox#ds@example.org").await;
    let grant = Grant { id: inbox.id.clone(), to: eve.email.clone(), access: Access::Write };
    honest.session().share(&[grant], false).await.unwrap();
    let name = message_name();
    let bytes = message(&honest.email, &name, &[change("honest/x.txt", "x")]);
    put(&eve, &inbox.id, &name, bytes).await;
    attack_is_met(&owner, &honest, "not put there by").await;
}

#[tokio::test]
async fn w6_an_owner_speaks_only_of_its_own_datasite() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let other = world.owner("other@example.org");
    acquaint(&other, &scientist).await;
    other.grant("r/", &scientist.email, Level::Read);
    other.put("r/a.txt", "other's");
    other.sync().await;
    scientist.sync().await;
    let outbox = folder(&owner, "do@example.org#outbox#ds@example.org").await;
    let id = Uuid::new_v4();
    let event = |datasite: &str, path: &str| {
        json!({
            "id": Uuid::new_v4().to_string(), "path_in_datasite": path,
            "datasite_email": datasite, "content": "forged", "old_hash": null,
            "new_hash": Digest::of(b"forged").to_hex(), "is_deleted": false,
            "submitted_timestamp": 1.5, "timestamp": 1.5, "content_type": "text",
        })
    };
    let message = json!({
        "events": [
            event("other@example.org", "r/a.txt"),
            event("ds@example.org", "x.txt"),
            event("do@example.org", "../SYFT_version.json"),
            event("do@example.org", "public/syft_datasets/d/x.csv"),
            event("do@example.org", "honest.txt"),
        ],
        "message_filepath": {"id": id.to_string(), "timestamp": 1_780_000_009.5, "extension": ".tar.gz"},
    });
    let bytes = archive::pack(message.to_string().as_bytes(), 0);
    let name = format!("syfteventsmessagev3_1780000009.5_{id}.tar.gz");
    put(&owner, &outbox.id, &name, bytes).await;
    let report = scientist.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 4, "{:?}", report.problems);
    assert_eq!(scientist.read(&other.email, "r/a.txt").as_deref(), Some("other's"));
    assert_eq!(scientist.read(&scientist.email, "x.txt"), None);
    let honest = scientist.read(&owner.email, "honest.txt");
    assert_eq!(honest.as_deref(), Some("forged"), "its own datasite is its own");
    assert!(scientist.sync().await.is_idle());
}

#[tokio::test]
async fn w10_a_request_in_the_name_of_another_is_not_one() {
    let world = World::new();
    let owner = world.owner("do@example.org");
    owner.sync().await;
    let eve = world.scientist("eve@example.org");
    eve.sync().await;
    let session = eve.session();
    let root = session.root();
    for direction in ["inbox", "outbox"] {
        let new = NewEntry {
            id: session.new_ids(1).await.unwrap().pop(),
            parent: root.clone(),
            name: format!("syft_datasite#0.1.117#do@example.org#{direction}#boss@example.org"),
            media_type: "",
            tags: BTreeMap::new(),
        };
        let made = session.create_folder(&new).await.unwrap();
        let grant = Grant { id: made.id, to: owner.email.clone(), access: Access::Write };
        session.share(&[grant], false).await.unwrap();
    }
    let report = owner.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert!(report.problems[0].message.contains("eve@example.org"));
    assert!(owner.approve(&email("boss@example.org")).await.is_err());
}

#[tokio::test]
async fn w12_an_apostrophe_in_an_address_is_an_address() {
    let world = World::new();
    let owner = world.owner("o'neil@example.org");
    let scientist = world.scientist("d'arc\u{301}@example.org");
    acquaint(&owner, &scientist).await;
    owner.grant("r/", &scientist.email, Level::Read);
    owner.put("r/it's.txt", "it's");
    owner.sync().await;
    scientist.sync().await;
    assert_eq!(scientist.read(&owner.email, "r/it's.txt").as_deref(), Some("it's"));
}

#[tokio::test]
async fn w13_a_claimed_digest_is_checked() {
    let world = World::new();
    let (owner, eve, honest) = stage(&world).await;
    let mut lie = change("eve/new.txt", "x");
    lie["new_hash"] = json!(Digest::of(b"something else").to_hex());
    propose_raw(&eve, &eve.email, &[lie]).await;
    attack_is_met(&owner, &honest, "digest").await;
}

#[tokio::test]
async fn w13_an_event_that_claims_another_digest_is_not_taken_in() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let outbox = folder(&owner, "do@example.org#outbox#ds@example.org").await;
    let id = Uuid::new_v4();
    let event = |path: &str, claimed: &[u8]| {
        json!({
            "id": Uuid::new_v4().to_string(), "path_in_datasite": path,
            "datasite_email": "do@example.org", "content": "content", "old_hash": null,
            "new_hash": Digest::of(claimed).to_hex(), "is_deleted": false,
            "submitted_timestamp": 1.5, "timestamp": 1.5, "content_type": "text",
        })
    };
    let message = json!({
        "events": [event("lie.txt", b"something else"), event("honest.txt", b"content")],
        "message_filepath": {"id": id.to_string(), "timestamp": 1_780_000_009.5, "extension": ".tar.gz"},
    });
    let bytes = archive::pack(message.to_string().as_bytes(), 0);
    put(&owner, &outbox.id, &format!("syfteventsmessagev3_1780000009.5_{id}.tar.gz"), bytes).await;
    let report = scientist.try_sync().await.unwrap();
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(scientist.read(&owner.email, "lie.txt"), None);
    assert_eq!(scientist.read(&owner.email, "honest.txt").as_deref(), Some("content"));
    assert!(scientist.sync().await.is_idle());
}

#[tokio::test]
async fn w17_b1_a_message_that_cannot_be_taken_in_stops_nobody() {
    let bend = |key: &str, value: Value| {
        let mut bent = change("eve/new.txt", "x");
        bent[key] = value;
        bent
    };
    let stale = json!(Digest::of(b"never seen").to_hex());
    let deep = "d/".repeat(500) + "x";
    #[rustfmt::skip]
    let cases = [
        // what                     change                                              told
        ("a stale base",            bend("old_hash", stale.clone()),                    "outdated"),
        ("an absolute path",        change("/etc/x", "x"),                              "path"),
        ("a way out",               change("eve/../../x", "x"),                         "path"),
        ("a backslash",             change("eve\\x", "x"),                              "path"),
        ("a path without end",      change(&deep, "x"),                                 "path"),
        ("an empty path",           change("", "x"),                                    "path"),
        ("a path of a number",      bend("path_in_datasite", json!(7)),                 "message"),
        ("no content",              bend("content", Value::Null),                       "content"),
        ("broken base64",           bend("content_type", json!("binary")),              "content"),
        ("an unknown type",         bend("content_type", json!("video")),           "neither"),
        ("a digest that is none",   bend("new_hash", json!("deadbeef")),                "new_hash"),
        ("another datasite",        bend("datasite_email", json!("ds@example.org")),    "datasite"),
        ("a file as a folder",      change("eve/a.txt/b", "x"),                         "folder"),
        ("a job of somebody else",  change(JOB, "x"),                                   "not permitted"),
        ("private data",            change("private/x", "x"),                           "not synced"),
        ("a rule file",             change("eve/syft.pub.yaml", "rules: []"),           "not permitted"),
        ("a time that is none",     bend("submitted_timestamp", json!(-1.0)),           "submitted_timestamp"),
    ];
    let all =
        cases.into_iter().flat_map(|case| [LARGE_BYTES_MIN, 1].map(|held| (case.clone(), held)));
    for ((_what, bent, told), held) in all {
        let world = World::new();
        world.holds_less_than(held);
        let (owner, eve, honest) = stage(&world).await;
        propose_raw(&eve, &eve.email, &[bent]).await;
        attack_is_met(&owner, &honest, told).await;
        eve.sync().await;
        assert_eq!(eve.read(&owner.email, "secret.txt"), None);
    }
}

#[tokio::test]
async fn w17_a_file_that_is_no_message_stops_nobody() {
    let name = message_name();
    let eve_says = email("eve@example.org");
    let whole = message(&eve_says, &name, &[change("eve/new.txt", "x")]);
    let other_name = message(&eve_says, &message_name(), &[change("eve/new.txt", "x")]);
    let bomb = too_large();
    #[rustfmt::skip]
    let cases = [
        ("nothing",                 name.clone(),                       Vec::new(),                         "quarantine"),
        ("noise",                   name.clone(),                       vec![7; 4096],                      "quarantine"),
        ("half a message",          name.clone(),                       whole[..whole.len() / 2].to_vec(),  "quarantine"),
        ("no JSON",                 name.clone(),                       archive::pack(b"[1, 2", 0),         "quarantine"),
        ("other JSON",              name.clone(),                       archive::pack(b"{}", 0),            "quarantine"),
        ("far too much",            name.clone(),                       bomb,                               "quarantine"),
        ("the name of another",     name.clone(),                       other_name,                         "name"),
        ("a time Python cannot find", name.replace("01.5_", "01.50_"),  whole.clone(),                      "name"),
        ("a time that is a word",   name.replace("1780000001.5", "x"),  whole.clone(),                      "name"),
        ("a name that is none",     "notes.txt".to_owned(),             whole.clone(),                      "name"),
        ("a name as a path",        "../../x".to_owned(),               whole.clone(),                      "name"),
    ];
    for (_what, name, bytes, told) in cases {
        let world = World::new();
        world.drive.set_max_file_bytes(64 * 1024 * 1024);
        let (owner, eve, honest) = stage(&world).await;
        let inbox = folder(&eve, "#inbox#eve@example.org").await;
        put(&eve, &inbox.id, &name, bytes).await;
        attack_is_met(&owner, &honest, told).await;
    }
}

#[tokio::test]
async fn w18_b15_a_deletion_is_a_proposal_like_others() {
    let world = World::new();
    let (owner, eve, _) = stage(&world).await;
    let mut gone = change("eve/a.txt", "");
    gone["content"] = Value::Null;
    gone["new_hash"] = Value::Null;
    gone["content_type"] = Value::Null;
    gone["is_deleted"] = json!(true);
    gone["old_hash"] = json!(Digest::of(b"what eve may write").to_hex());
    let mut not_hers = gone.clone();
    not_hers["path_in_datasite"] = json!("secret.txt");
    not_hers["old_hash"] = json!(Digest::of(b"for nobody").to_hex());
    propose_raw(&eve, &eve.email, &[gone, not_hers]).await;
    let report = owner.try_sync().await.unwrap();
    assert_eq!((report.accepted, report.refused.len()), (1, 1));
    assert_eq!(owner.read(&owner.email, "eve/a.txt"), None);
    assert!(owner.read(&owner.email, "secret.txt").is_some());
}

#[tokio::test]
async fn w21_a_message_with_an_earlier_time_in_its_name_is_not_lost() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    let outbox = folder(&owner, "do@example.org#outbox#ds@example.org").await;
    for (seconds, content) in [(1_790_000_000.5, "late"), (1_780_000_000.5, "a clock went back")] {
        let id = Uuid::new_v4();
        let at = Timestamp::from_seconds(seconds).unwrap();
        let message = json!({
            "events": [{
                "id": Uuid::new_v4().to_string(), "path_in_datasite": "a.txt",
                "datasite_email": "do@example.org", "content": content, "old_hash": null,
                "new_hash": Digest::of(content.as_bytes()).to_hex(), "is_deleted": false,
                "submitted_timestamp": seconds, "timestamp": seconds, "content_type": "text",
            }],
            "message_filepath": {"id": id.to_string(), "timestamp": seconds, "extension": ".tar.gz"},
        });
        let bytes = archive::pack(message.to_string().as_bytes(), 0);
        put(&owner, &outbox.id, &format!("syfteventsmessagev3_{at}_{id}.tar.gz"), bytes).await;
        scientist.sync().await;
        assert_eq!(scientist.read(&owner.email, "a.txt").as_deref(), Some(content));
    }
}

#[tokio::test]
async fn w21_our_names_sort_as_their_times_even_if_the_clock_goes_back() {
    let world = World::new();
    let (owner, scientist) = world.pair().await;
    owner.grant("r/", &scientist.email, Level::Read);
    let syncer = syft::syncers::DatasiteOwnerSyncer::new(owner.account());
    for (round, micros) in [1_790_000_000_000_000, 1_780_000_000_000_000, 5].into_iter().enumerate()
    {
        owner.put("r/a.txt", &format!("round {round}"));
        let now = Timestamp::from_micros(micros);
        let options = syft::syncers::SyncOptions::default();
        assert_eq!(syncer.sync(&options, now, &|_| false).await.unwrap().problems, []);
        scientist.sync().await;
        assert_eq!(scientist.read(&owner.email, "r/a.txt"), Some(format!("round {round}")));
    }
    let outbox = folder(&owner, "do@example.org#outbox#ds@example.org").await;
    let mut messages = owner.session().find(&Query::in_folder(&outbox.id)).await.unwrap();
    messages.sort_by_key(|entry| entry.created_micros);
    let made: Vec<&str> = messages.iter().map(|entry| entry.name.as_str()).collect();
    let mut by_name = made.clone();
    by_name.sort_unstable();
    assert_eq!(made, by_name);
}

#[tokio::test]
async fn a_refusal_does_not_tell_what_stands_where_the_sender_may_not_read() {
    let world = World::new();
    let (owner, eve, _) = stage(&world).await;
    let guess = change("secret.txt", "guess");
    let nothing_there = change("nothing.txt", "guess");
    propose_raw(&eve, &eve.email, &[guess, nothing_there]).await;
    owner.sync().await;
    let outbox = folder(&eve, "#outbox#eve@example.org").await;
    let mut messages = eve.session().find(&Query::in_folder(&outbox.id)).await.unwrap();
    messages.sort_by_key(|entry| entry.created_micros);
    let bytes = eve.session().read(&messages.last().unwrap().id, u64::MAX).await.unwrap();
    let text = String::from_utf8(archive::unpack(&bytes, 1 << 20).unwrap()).unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    let told: Vec<(&Value, &Value)> = answer["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (&event["is_deleted"], &event["old_hash"]))
        .collect();
    assert_eq!(told, [(&json!(true), &Value::Null); 2], "both look alike");
    assert!(!text.contains("for nobody"));
}

/// An archive of a member that says that it has 5 GiB.
fn too_large() -> Vec<u8> {
    use std::io::Write as _;
    let mut header = tar::Header::new_ustar();
    header.set_path(archive::MEMBER).unwrap();
    header.set_size(5 << 30);
    header.set_cksum();
    let packed = Vec::new();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(header.as_bytes()).unwrap();
    packed.write_all(&[b' '; 4096]).unwrap();
    packed.finish().unwrap()
}
