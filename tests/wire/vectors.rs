//! The single files that Python wrote for us, one test for each kind.

use serde_json::{Value, json};
use syft::model::{Digest, Email, Timestamp};
use syft::wire::names::{
    CheckpointName, CollectionFolder, CollectionHash, CollectionKind, EventsName, FolderName,
    IncrementalName, ProposalName, Reading, RollingStateName, Tag, version_in,
};
use syft::wire::{
    BundleFile, Checkpoint, Compatibility, Content, CryptoKeys, Dialect, FileChangeEventsMessage,
    Implementation, IncrementalCheckpoint, Packed, PeerState, PeersFile,
    ProposedFileChangesMessage, RollingState, Version, VersionInfo, archive, compare,
};

use crate::{fixture, fixtures, mtime, rows};

#[test]
fn each_vector_is_there_unchanged() {
    for folder in ["unit", "unit010"] {
        let manifest: Value =
            serde_json::from_slice(&fixture(&format!("{folder}/manifest.json"))).unwrap();
        for entry in manifest["vectors"].as_array().unwrap() {
            let name = format!("{folder}/{}", entry["file"].as_str().unwrap());
            let digest = Digest::of(&fixture(&name)).to_hex();
            assert_eq!(entry["sha256"].as_str().unwrap_or(&digest), digest, "{name}");
            if let Some(inner) = entry["decodes_to"].as_str() {
                let json = archive::unpack(&fixture(&name), 1 << 20).unwrap();
                assert_eq!(json, fixture(&format!("{folder}/{inner}")), "{name}");
            }
        }
    }
    assert!(fixtures().join("unit/manifest.json").exists());
}

/// Reads both forms of a vector and shows that each is written again as it was.
fn check_packed<T: Packed + PartialEq + std::fmt::Debug>(json: &str, packed: &str) -> T {
    let (json, packed) = (fixture(&format!("unit/{json}")), fixture(&format!("unit/{packed}")));
    let message = T::from_json(&json).unwrap();
    assert_eq!(String::from_utf8(message.to_json()), String::from_utf8(json));
    assert_eq!(T::from_file_bytes(&packed).unwrap(), message);
    assert_eq!(message.to_file_bytes(mtime(&packed)), packed);
    message
}

#[test]
fn proposed_message_json_is_written_as_it_was_read() {
    let name = "msgv2_1780000001.5_aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee.tar.gz";
    let message: ProposedFileChangesMessage = check_packed("proposed_message.json", name);
    assert_eq!(message.message_filename.name().unwrap().to_string(), name);

    assert_eq!(message.claimed_sender().unwrap().as_str(), "ds@example.com");
    let expected = message.proposed_file_changes.clone();
    let proposals: Vec<_> =
        message.proposed_file_changes.into_iter().map(|change| change.check().unwrap()).collect();
    assert!(proposals.iter().all(|proposal| proposal.claim_holds()));
    assert_eq!(proposals[1].content, Some(Content::Binary(vec![0, 0xff, 0xfe, 1])));
    assert_eq!(proposals[3].content, Some(Content::Text(String::new())));
    assert_eq!(proposals[4].content, None);

    let sender = Email::parse("ds@example.com").unwrap();
    let name = ProposalName::parse(name).unwrap();
    let again = ProposedFileChangesMessage::new(message.id, &sender, &name, proposals);
    assert_eq!(again.proposed_file_changes, expected);
    assert_eq!(again.to_json(), fixture("unit/proposed_message.json"));
}

#[test]
fn events_message_json_is_written_as_it_was_read() {
    let name = "syfteventsmessagev3_1780000104.0625_11111111-2222-4333-8444-0000000000c8.tar.gz";
    let message: FileChangeEventsMessage = check_packed("events_message.json", name);
    assert_eq!(message.message_filepath.name().unwrap().to_string(), name);

    let events: Vec<_> = message.events.into_iter().map(|event| event.check().unwrap()).collect();
    assert_eq!(events[2].content, None);
    let again = FileChangeEventsMessage::new(&EventsName::parse(name).unwrap(), events);
    assert_eq!(again.to_json(), fixture("unit/events_message.json"));
}

#[test]
fn checkpoint_json_is_written_as_it_was_read() {
    let message: Checkpoint = check_packed("checkpoint.json", "checkpoint_1780000107.0.tar.gz");
    let state = message.clone().check().unwrap();
    assert_eq!(state.files.len(), 2);
    assert_eq!(state.into_wire(), message);
}

#[test]
fn incremental_checkpoint_json_is_written_as_it_was_read() {
    let name = "incremental_checkpoint_3_1780000106.25.tar.gz";
    let message: IncrementalCheckpoint = check_packed("incremental_checkpoint.json", name);
    let (email, timestamp) = message.check_head().unwrap();
    let again =
        IncrementalCheckpoint::new(&email, timestamp, message.sequence_number, message.events);
    assert_eq!(again.to_json(), fixture("unit/incremental_checkpoint.json"));
}

#[test]
fn rolling_state_json_is_written_as_it_was_read() {
    let message: RollingState =
        check_packed("rolling_state.json", "rolling_state_1780000105.5.tar.gz");
    let (email, timestamp) = message.check_head().unwrap();
    let base = Timestamp::from_seconds(message.base_checkpoint_timestamp).unwrap();
    let mut again = RollingState::new(&email, timestamp, Some(base));
    again.last_event_timestamp = message.last_event_timestamp;
    again.events = message.events;
    assert_eq!(again.to_json(), fixture("unit/rolling_state.json"));
}

#[test]
fn version_files_of_both_generations_are_written_as_they_were_read() {
    let whole = Timestamp::from_micros(1_781_173_230_000_000);
    let moment = Timestamp::from_micros(1_781_173_230_123_456);
    let v0_10 = Dialect::v0_10();
    let source = Some(v0_10.install_source());
    #[rustfmt::skip]
    let cases = [
        ("unit/SYFT_version.json",              Dialect::v0_1().version_info(moment, None, None)),
        ("unit/SYFT_version_nofrac.json",       Dialect::v0_1().version_info(whole, source.clone(), None)),
        ("unit010/SYFT_version.json",           v0_10.version_info(moment, source, None)),
        ("unit010/SYFT_version_core_only.json", v0_10.version_info(moment, None, None)),
    ];
    for (name, info) in cases {
        assert_eq!(VersionInfo::from_json(&fixture(name)).unwrap(), info, "{name}");
        assert_eq!(String::from_utf8(info.to_json()), String::from_utf8(fixture(name)), "{name}");
    }
}

#[test]
fn our_mark_in_a_version_file_follows_the_known_keys() {
    let ours = Some(Implementation::this());
    let info = Dialect::v0_10().version_info(Timestamp::ZERO, None, ours);
    let text = String::from_utf8(info.to_json()).unwrap();
    let last = text.rfind("\n  \"").unwrap();
    assert!(text[last..].starts_with("\n  \"syft_rs\": {\n    \"name\": \"syft\""), "{text}");
    assert_eq!(VersionInfo::from_json(text.as_bytes()).unwrap(), info);
}

#[test]
fn peers_file_is_written_as_it_was_read() {
    let bytes = fixture("unit/SYFT_peers.json");
    let peers = PeersFile::from_json(&bytes).unwrap();
    let states: Vec<_> = peers.peers().map(|(_, state)| state).collect();
    assert_eq!(states, [PeerState::Accepted, PeerState::RequestedByMe, PeerState::Rejected]);
    assert_eq!(peers.to_json(), bytes);

    let mut again = PeersFile::default();
    for (peer, state) in peers.peers() {
        again.set_state(&peer, state);
    }
    assert_eq!(again.to_json(), bytes);
}

#[test]
fn key_files_are_written_as_they_were_read() {
    let name = "encryption_bundle_do@example.com_for_ds@example.com.json";
    let bytes = fixture(&format!("unit/crypto/{name}"));
    let bundle = BundleFile::from_json(&bytes).unwrap();
    assert_eq!(bundle.to_json(), bytes);
    let email = |text| Email::parse(text).unwrap();
    let names = syft::wire::names::BundleName {
        owner: email("do@example.com"),
        peer: email("ds@example.com"),
    };
    assert_eq!(names.to_string(), name);

    let bytes = fixture("unit/crypto/crypto_keys.json");
    let keys = CryptoKeys::from_json(&bytes).unwrap();
    assert_eq!(keys.to_json(), bytes);
    assert_eq!(format!("{keys:?}"), r#"CryptoKeys { email: "do@example.com", .. }"#);
}

#[test]
fn numbers_have_the_text_of_python() {
    for row in rows("unit/float_repr.json") {
        let bits = u64::from_str_radix(row["bits"].as_str().unwrap(), 16).unwrap();
        let number = f64::from_bits(bits);
        let (repr, inside) = (row["python_repr"].as_str().unwrap(), &row["pydantic_json"]);
        if let Ok(timestamp) = Timestamp::from_seconds(number) {
            assert_eq!(timestamp.canonical(), repr);
            assert_eq!(Timestamp::parse_canonical(repr), Ok(timestamp));
        }
        assert_eq!(serde_json::to_string(&number).unwrap(), inside.as_str().unwrap());
        let read: f64 = serde_json::from_str(inside.as_str().unwrap()).unwrap();
        assert_eq!(read.to_bits(), bits);
    }
}

#[test]
fn file_names_are_read_as_python_reads_them_and_known_to_be_canonical() {
    let seconds = |value: &Value| Timestamp::from_seconds(value.as_f64().unwrap()).unwrap();
    for row in rows("unit/filename_parse.json") {
        let name = row["name"].as_str().unwrap();
        let (found, is_canonical) = match ProposalName::read(name) {
            Reading::Canonical(read) => (Some(read), true),
            Reading::NotCanonical(read) => (Some(read), false),
            Reading::Foreign => (None, false),
        };
        let found = found.map(|read| json!([read.submitted().seconds(), read.uid(), is_canonical]));
        assert_eq!(found.unwrap_or_default(), row["as_proposed"], "{name}");
        assert_eq!(ProposalName::parse(name).is_some(), is_canonical, "{name}");

        let (found, is_canonical) = match EventsName::read(name) {
            Reading::Canonical(read) => (Some(read), true),
            Reading::NotCanonical(read) => (Some(read), false),
            Reading::Foreign => (None, false),
        };
        let found =
            found.map(|read| json!([read.timestamp.seconds(), read.id.to_string(), is_canonical]));
        assert_eq!(found.unwrap_or_default(), row["as_event"], "{name}");
        assert_eq!(EventsName::parse(name).is_some(), is_canonical, "{name}");

        let time = CheckpointName::parse(name).map(|read| read.timestamp);
        assert_eq!(time, row["checkpoint_ts"].as_f64().map(|_| seconds(&row["checkpoint_ts"])));
        let sequence = IncrementalName::parse(name).map(|read| read.sequence);
        assert_eq!(sequence, row["inc_seq"].as_u64(), "{name}");
        let time = RollingStateName::parse(name).map(|read| read.timestamp);
        assert_eq!(time, row["rolling_ts"].as_f64().map(|_| seconds(&row["rolling_ts"])));
    }
}

#[test]
fn versions_in_folder_names_are_found_as_python_finds_them() {
    let (v0_1, v0_10) = (Version::new(0, 1, 117), Version::new(0, 10, 0));
    let kept =
        |name: &str, ours| version_in(name).is_some_and(|version| version.is_same_family(ours));
    for row in rows("unit/folder_versions.json") {
        let name = row["name"].as_str().unwrap();
        let version = version_in(name).map(|version| version.to_string());
        assert_eq!(version.as_deref(), row["version"].as_str(), "{name}");
        assert_eq!(kept(name, v0_1), row["compatible_with_0.1.117"], "{name}");
    }
    let vectors: Value =
        serde_json::from_slice(&fixture("unit010/versions_and_folders.json")).unwrap();
    for row in vectors["kept"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        assert_eq!(kept(name, v0_1), row["kept_by_0.1.117"], "{name}");
        assert_eq!(kept(name, v0_10), row["kept_by_0.10.0"], "{name}");
    }
    for row in vectors["compatibility"].as_array().unwrap() {
        let expected = match row["status"].as_str().unwrap() {
            "same" => Compatibility::Same,
            "patch_diff" => Compatibility::PatchDifference,
            "incompatible" => Compatibility::Incompatible,
            _ => Compatibility::Unknown, // where Python raises
        };
        let (local, peer) = (row["local"].as_str().unwrap(), row["peer"].as_str().unwrap());
        assert_eq!(compare(local, peer), expected, "{local} {peer}");
    }
    for (what, name) in vectors["built_by_0.10.0"].as_object().unwrap() {
        if let Some(name) = name.as_str() {
            let folder = FolderName::parse(name).unwrap_or_else(|| panic!("{what}"));
            assert_eq!(folder.to_string(), name);
        }
    }
}

#[test]
fn collections_are_named_and_hashed_as_python_does() {
    let vector: Value = serde_json::from_slice(&fixture("unit/collection_hash.json")).unwrap();
    let files = vector["files_utf8"].as_object().unwrap();
    let files = files.iter().map(|(name, text)| (&**name, text.as_str().unwrap().as_bytes()));
    let hash = CollectionHash::of(files);
    assert_eq!(hash, vector["hash12"]);
    let tag = Tag::parse("my_set").unwrap();
    let folder = CollectionFolder::new(CollectionKind::Public, &tag, &hash);
    assert_eq!(folder.to_string(), vector["folder"]);

    // 0.1 checks neither the prefix nor for empty parts; we read what 0.10 reads, of either kind.
    for row in rows("unit/collection_name_parse.json") {
        let name = row["name"].as_str().unwrap();
        let parsed = CollectionFolder::parse(name).map(|folder| json!([folder.tag, folder.hash]));
        let sound = name.starts_with("syft_") && row["tag"] != "";
        assert_eq!(parsed, sound.then(|| json!([row["tag"], row["hash"]])), "{name}");
    }
    for row in rows("unit010/collection_name_parse.json") {
        let name = row["name"].as_str().unwrap();
        let parsed = CollectionFolder::parse(name)
            .filter(|folder| folder.kind == CollectionKind::Public)
            .map(|folder| json!({"tag": folder.tag, "hash": folder.hash}));
        assert_eq!(parsed.unwrap_or_default(), row["parsed"], "{name}");
    }
}
