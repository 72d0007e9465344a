//! Whatever is written reads back as it was.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use syft::model::{DatasitePath, Digest, Email, Timestamp};
use syft::wire::names::{
    ArchiveFolder, BundleName, BundlesFolder, CheckpointName, CheckpointsFolder, CollectionFolder,
    CollectionKind, Direction, EventsName, FileName, FolderName, IncrementalName, P2pFolder,
    PersonalFolder, ProposalName, PrunedName, RollingStateFolder, RollingStateName, Tag,
    VersionsFolder,
};
use syft::wire::{
    Body, Checkpoint, Content, Event, EventsFilename, FileChangeEvent, FileChangeEventsMessage,
    FullState, IncrementalCheckpoint, LogCoverage, MessageFilename, Packed, PeerState, PeersFile,
    Proposal, ProposedFileChange, ProposedFileChangesMessage, RollingState, Version, archive,
};
use uuid::Uuid;

fn emails() -> impl Strategy<Value = Email> {
    let local = prop_oneof![
        "[a-zA-Z0-9._+'-]{1,12}",
        Just("a_to_b".to_owned()),
        Just("x_for_y".to_owned()),
        Just("d-1.2.3-x".to_owned()),
        Just("datasetcollection_c".to_owned()),
        Just("é中".to_owned()),
    ];
    (local, "[a-z0-9.-]{1,10}\\.[a-z]{2,3}")
        .prop_map(|(local, domain)| Email::parse(&format!("{local}@{domain}")).unwrap())
}

fn timestamps() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        (0_i64..4_000_000_000_000_000).prop_map(Timestamp::from_micros),
        (0.0..1e16_f64).prop_map(|seconds| Timestamp::from_seconds(seconds).unwrap()),
        (0.0..1e-3_f64).prop_map(|seconds| Timestamp::from_seconds(seconds).unwrap()),
    ]
}

fn ids() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn paths() -> impl Strategy<Value = DatasitePath> {
    vec("[a-zé中😀 .#_-]{1,8}", 1..5)
        .prop_filter_map("dots", |parts| DatasitePath::parse(&parts.join("/")).ok())
}

fn contents() -> impl Strategy<Value = Content> {
    prop_oneof![
        ".{0,60}".prop_map(Content::Text),
        "(?s).{0,20}".prop_map(Content::Text),
        vec(any::<u8>(), 0..60).prop_map(Content::Binary),
    ]
}

fn digests() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest::from_bytes)
}

prop_compose! {
    fn events()(
        id in ids(), path in paths(), datasite in emails(), base in option::of(digests()),
        content in option::of(contents()), submitted in timestamps(), timestamp in timestamps(),
    ) -> Event {
        Event { id, path, datasite, base, content, submitted, timestamp }
    }
}

prop_compose! {
    fn proposals()(event in events()) -> Proposal {
        let Event { id, path, datasite, base, content, submitted, .. } = event;
        let claimed = content.as_ref().map(Content::digest);
        Proposal { id, path, datasite, base, content, claimed, submitted }
    }
}

/// A wire event with anything at all in it.
fn wild_events() -> impl Strategy<Value = FileChangeEvent> {
    let texts = (".{0,9}", ".{0,9}", ".{0,9}", option::of(".{0,9}"), option::of(".{0,9}"));
    let rest = (option::of(".{0,9}"), any::<bool>(), -1e300..1e300_f64, 0.0..1e10_f64, ".{0,6}");
    (texts, rest).prop_map(|((id, path, email, content, base), rest)| FileChangeEvent {
        id,
        path_in_datasite: path,
        datasite_email: email,
        content_type: content.as_ref().map(|_| rest.4),
        content: content.map(Body::Inline),
        old_hash: base,
        new_hash: rest.0,
        is_deleted: rest.1,
        submitted_timestamp: rest.2,
        timestamp: rest.3,
    })
}

fn check_packed<T: Packed + PartialEq + std::fmt::Debug>(message: &T, mtime: u32) {
    assert_eq!(&T::from_json(&message.to_json()).unwrap(), message);
    let file = message.to_file_bytes(mtime);
    assert_eq!(&T::from_file_bytes(&file).unwrap(), message);
    assert_eq!(file[..10], [&[0x1f, 0x8b, 8, 0][..], &mtime.to_le_bytes(), &[2, 0xff]].concat());
}

fn check_wild(events: Vec<FileChangeEvent>, id: Uuid, number: f64, text: String) {
    let changes = events.iter().cloned().map(|event| ProposedFileChange {
        id: event.id,
        old_hash: event.old_hash,
        new_hash: event.new_hash,
        submitted_timestamp: event.submitted_timestamp,
        path_in_datasite: event.path_in_datasite,
        content: event.content,
        datasite_email: event.datasite_email,
        is_deleted: event.is_deleted,
        content_type: event.content_type,
    });
    let proposed = ProposedFileChangesMessage {
        id,
        sender_email: text.clone(),
        message_filename: MessageFilename { submitted_timestamp: number, uid: text.clone() },
        proposed_file_changes: changes.collect(),
    };
    check_packed(&proposed, 0);
    for change in proposed.proposed_file_changes {
        let _ = change.check();
    }

    let filename = EventsFilename { id, timestamp: number, extension: text.clone() };
    check_packed(
        &FileChangeEventsMessage { events: events.clone(), message_filepath: filename },
        1,
    );
    check_packed(
        &IncrementalCheckpoint {
            version: 7,
            timestamp: number,
            email: text.clone(),
            sequence_number: 3,
            events: events.clone(),
            log: Some(LogCoverage { through: number, recent: vec![text.clone()] }),
            since: Some(LogCoverage { through: number, recent: vec![text.clone()] }),
        },
        u32::MAX,
    );
    check_packed(
        &RollingState {
            version: 1,
            timestamp: number,
            email: text,
            base_checkpoint_timestamp: number,
            last_event_timestamp: None,
            events: events.clone(),
            log: None,
            since: Some(LogCoverage::NOTHING),
        },
        1_780_000_000,
    );
    for event in events {
        let _ = event.check();
    }
}

fn check_checkpoint(files: Vec<(DatasitePath, Content)>, email: Email, timestamp: Timestamp) {
    let files: BTreeMap<_, _> = files.into_iter().collect();
    let bytes: BTreeMap<_, _> = files
        .iter()
        .map(|(path, content)| (path.clone(), content.inline().unwrap().to_vec()))
        .collect();
    let state = FullState { timestamp, email, last_event: Some(timestamp), files };
    let checkpoint = state.into_wire();
    check_packed(&checkpoint, 0);
    // What Python restores from it has no binary content in it.
    assert!(
        checkpoint
            .files
            .iter()
            .all(|file| matches!(&file.content, Body::Inline(text) if Digest::of(text.as_bytes()).to_hex() == file.hash))
    );

    let state = Checkpoint::from_json(&checkpoint.to_json()).unwrap().check().unwrap();
    let read: BTreeMap<_, _> = state
        .files
        .into_iter()
        .map(|(path, content)| (path, content.inline().unwrap().to_vec()))
        .collect();
    assert_eq!(read, bytes);
}

fn check_folders(me: &Email, peer: &Email, version: Version, tag: &str) {
    let (owner, sender, datasite) = (me.clone(), peer.clone(), me.clone());
    let mut folders = vec![
        FolderName::Personal(PersonalFolder { version, owner: owner.clone() }),
        FolderName::Archive(ArchiveFolder { sender, owner: owner.clone() }),
        FolderName::Checkpoints(CheckpointsFolder { owner: owner.clone(), version }),
        FolderName::RollingState(RollingStateFolder { owner: owner.clone(), version }),
        FolderName::Bundles(BundlesFolder { owner }),
        FolderName::Versions(VersionsFolder { version }),
    ];
    for direction in [Direction::Inbox, Direction::Outbox] {
        let (datasite, peer) = (datasite.clone(), peer.clone());
        folders.push(FolderName::P2p(P2pFolder { version, datasite, direction, peer }));
    }
    for kind in [CollectionKind::Public, CollectionKind::Private] {
        let tag = Tag::parse(tag).unwrap();
        folders.push(FolderName::Collection(CollectionFolder::new(kind, &tag, "0123456789ab")));
    }
    for folder in folders {
        assert_eq!(FolderName::parse(&folder.to_string()).as_ref(), Some(&folder), "{folder}");
    }
}

fn check_files(me: Email, peer: Email, timestamp: Timestamp, id: Uuid, sequence: u64) {
    let files = [
        FileName::Peers,
        FileName::Version,
        FileName::Proposal(ProposalName::with_id(timestamp, id)),
        FileName::Events(EventsName { timestamp, id }),
        FileName::Checkpoint(CheckpointName { timestamp }),
        FileName::Incremental(IncrementalName { sequence, timestamp }),
        FileName::RollingState(RollingStateName { timestamp }),
        FileName::Pruned(PrunedName { through: timestamp }),
        FileName::Bundle(BundleName { owner: me, peer }),
    ];
    for file in files {
        assert_eq!(FileName::parse(&file.to_string()).as_ref(), Some(&file), "{file}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_content_survives_the_archive(json in vec(any::<u8>(), 0..30_000), mtime: u32) {
        let file = archive::pack(&json, mtime);
        prop_assert_eq!(archive::unpack(&file, json.len()).unwrap(), json);
        prop_assert_eq!(&archive::pack(&archive::unpack(&file, 1 << 20).unwrap(), mtime), &file);
    }

    #[test]
    fn any_message_survives_whatever_is_in_it(
        events in vec(wild_events(), 0..4), id in ids(), number in -1e300..1e300_f64, text in ".{0,9}",
    ) {
        check_wild(events, id, number, text);
    }

    #[test]
    fn checked_values_survive_the_wire(event in events(), proposal in proposals()) {
        prop_assert_eq!(event.clone().into_wire().check(), Ok(event));
        prop_assert_eq!(proposal.clone().into_wire().check(), Ok(proposal));
    }

    #[test]
    fn any_datasite_survives_a_checkpoint(
        files in vec((paths(), contents()), 0..6), email in emails(), timestamp in timestamps(),
    ) {
        check_checkpoint(files, email, timestamp);
    }

    #[test]
    fn names_of_folders_are_unambiguous(
        me in emails(), peer in emails(), version in any::<(u32, u32, u32)>(), tag in "[\\w-]{1,20}",
    ) {
        prop_assume!(Tag::parse(&tag).is_ok());
        check_folders(&me, &peer, Version::new(version.0, version.1, version.2), &tag);
    }

    #[test]
    fn names_of_files_are_unambiguous(
        me in emails(), peer in emails(), time in timestamps(), id in ids(), sequence in 1..u64::MAX,
    ) {
        check_files(me, peer, time, id, sequence);
    }

    #[test]
    fn any_peers_survive(peers in vec((emails(), 0..4_usize, ".{0,9}"), 0..6)) {
        let states = ["accepted", "requested_by_peer", "rejected", "requested_by_me"];
        let mut file = PeersFile::default();
        for (peer, state, note) in &peers {
            file.set_state(peer, PeerState::parse(states[*state]).unwrap());
            file.set_bundle(peer, serde_json::json!({"id": note}));
        }
        let json = file.to_json();
        prop_assert!(json.is_ascii());
        let read = PeersFile::from_json(&json).unwrap();
        prop_assert_eq!(read.to_json(), json);
        prop_assert_eq!(read, file);
    }
}
