//! Bytes and names that nobody honest sends: refused, without panic and within bounded memory.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::collection::vec;
use proptest::prelude::*;
use syft::caches::Contents;
use syft::model::Digest;
use syft::wire::names::{EventsName, FileName, FolderName, ProposalName, Tag, version_in};
use syft::wire::{
    Body, BundleFile, Checkpoint, Chunked, CryptoKeys, Dialect, Error, FileChangeEventsMessage,
    IncrementalCheckpoint, Packed, PeersFile, Problem, ProposedFileChangesMessage, RollingState,
    VersionInfo, archive, compare,
};

use crate::fixture;

const MESSAGE: &str = "unit/msgv2_1780000001.5_aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee.tar.gz";
const LIMIT: usize = 1 << 20;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar archive of members given as name, type and content.
fn tar(members: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, kind, content) in members {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(*kind);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn the_one_member_is_found_by_its_exact_name() {
    use tar::EntryType::{Directory, Regular, Symlink};
    let member = archive::MEMBER;
    #[rustfmt::skip]
    let cases = [
        ("alone",               tar(&[(member, Regular, b"x")]),                               true),
        ("after another",       tar(&[("a", Regular, b"y"), (member, Regular, b"x")]),         true),
        ("before another",      tar(&[(member, Regular, b"x"), ("a/b", Directory, b"")]),      true),
        ("none",                tar(&[]),                                                      false),
        ("in a folder",         tar(&[("a/proposed_file_changes.json", Regular, b"x")]),       false),
        ("longer name",         tar(&[("proposed_file_changes.json2", Regular, b"x")]),        false),
        ("twice",               tar(&[(member, Regular, b"x"), (member, Regular, b"z")]),      false),
        ("a link",              tar(&[(member, Symlink, b"")]),                                false),
        ("a folder",            tar(&[(member, Directory, b"")]),                              false),
        ("too many others",     tar(&[("a", Regular, &b"y"[..]); 17]),                              false),
    ];
    for (what, archive, found) in cases {
        let got = archive::unpack(&gzip(&archive), LIMIT);
        assert_eq!(got.ok(), found.then(|| b"x".to_vec()), "{what}");
        assert!(archive::unpack(&archive, LIMIT).is_err(), "{what}, not packed");
    }
}

#[test]
fn a_size_that_lies_is_refused() {
    let honest = tar(&[(archive::MEMBER, tar::EntryType::Regular, b"x")]);
    for size in [513, 100_000, 0o777_7777_7777_u64] {
        let mut lying = honest.clone();
        let mut header = tar::Header::from_byte_slice(&lying[..512]).clone();
        header.set_size(size);
        header.set_cksum();
        lying[..512].copy_from_slice(header.as_bytes());
        lying.truncate(1024);
        assert!(archive::unpack(&gzip(&lying), LIMIT).is_err(), "{size}");
    }
}

#[test]
fn the_limit_is_inclusive() {
    let file = archive::pack(&[b' '; 5000], 0);
    assert_eq!(archive::unpack(&file, 5000).unwrap().len(), 5000);
    assert!(matches!(archive::unpack(&file, 4999), Err(Error::TooLarge { .. })));
}

/// The most memory that this process has had, in bytes.
#[cfg(target_os = "linux")]
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[cfg(target_os = "linux")]
#[test]
fn a_bomb_is_refused_before_it_fills_the_memory() {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = tar::Header::new_ustar();
    header.set_path(archive::MEMBER).unwrap();
    header.set_size(192 << 20);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..192 {
        encoder.write_all(&blanks).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 4 << 20);

    let before = peak_bytes();
    assert!(matches!(archive::unpack(&bomb, LIMIT), Err(Error::TooLarge { .. })));
    let grown = peak_bytes() - before;
    assert!(grown < 64 << 20, "{grown} bytes for a limit of {LIMIT}");
}

#[test]
fn a_list_without_end_is_refused() {
    let many = vec!["{\"path\":\"a\",\"hash\":\"\",\"content\":\"\"}"; 100_001].join(",");
    let json = |list: &str| format!("{{\"timestamp\":1,\"email\":\"a@b\",\"files\":[{list}]}}");
    assert!(Checkpoint::from_json(json(&many).as_bytes()).is_err());
    let one_less = &many[..many.rfind(",{").unwrap()];
    assert!(Checkpoint::from_json(json(one_less).as_bytes()).is_ok());
    let deep = format!("{}{}", "{\"x\":[".repeat(100_000), "1");
    assert!(PeersFile::from_json(deep.as_bytes()).is_err());
    assert!(RollingState::from_json(deep.as_bytes()).is_err());
}

#[test]
fn missing_and_null_keys_are_read_as_python_reads_them() {
    let json = r#"{"sender_email":"a@b","message_filename":{"submitted_timestamp":17,"uid":"u"},
        "proposed_file_changes":[
        {"path_in_datasite":"a//b","content":"hi","datasite_email":"d@e","unknown":[1]},
        {"path_in_datasite":"b","content":"aGk=","content_type":"binary","datasite_email":"d@e"},
        {"path_in_datasite":"c","content":"hi","new_hash":null,"datasite_email":"d@e"},
        {"path_in_datasite":"d","is_deleted":true,"datasite_email":"d@e"}]}"#;
    let read = || ProposedFileChangesMessage::from_json(json.as_bytes()).unwrap();
    assert_eq!(read(), read(), "what is filled in is the same each time");
    let changes = read().proposed_file_changes;
    let hi = Some("8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4");
    let hashes: Vec<_> = changes.iter().map(|change| change.new_hash.as_deref()).collect();
    assert_eq!(hashes, [hi, hi, None, None]);
    assert_eq!(changes[0].content_type.as_deref(), Some("text"));
    let proposals: Vec<_> = changes.into_iter().map(|change| change.check().unwrap()).collect();
    assert_eq!(proposals[0].path.as_str(), "a/b");
    assert_eq!(proposals[0].submitted.canonical(), "17.0");
    assert_eq!(proposals[1].content, Some(syft::wire::Content::Binary(b"hi".to_vec())));
    assert_ne!(proposals[0].id, proposals[1].id);
}

#[test]
fn one_wrong_field_is_named() {
    type Edit = fn(&mut syft::wire::FileChangeEvent);
    #[rustfmt::skip]
    let cases: [(&str, Edit); 13] = [
        ("id",                  |event| event.id = "7".into()),
        ("path_in_datasite",    |event| event.path_in_datasite = "../x".into()),
        ("path_in_datasite",    |event| event.path_in_datasite = "/etc/passwd".into()),
        ("datasite_email",      |event| event.datasite_email = "a/b".into()),
        ("old_hash",            |event| event.old_hash = Some("beef".into())),
        ("new_hash",            |event| event.new_hash = Some("beef".into())),
        ("new_hash",            |event| event.new_hash = Some("a".repeat(64))),
        ("submitted_timestamp", |event| event.submitted_timestamp = -1.0),
        ("timestamp",           |event| event.timestamp = f64::NAN),
        ("content",             |event| event.content = None),
        ("content",             |event| event.is_deleted = true),
        ("content",             |event| event.content_type = Some("binary".into())),
        ("content",             |event| event.content_type = Some("zstd".into())),
    ];
    let message = FileChangeEventsMessage::from_json(&fixture("unit/events_message.json")).unwrap();
    for (field, edit) in cases {
        let mut event = message.events[0].clone();
        edit(&mut event);
        let (id, path) = (event.id.clone(), event.path_in_datasite.clone());
        let invalid = event.check().unwrap_err();
        assert_eq!((invalid.field, invalid.id, invalid.path), (field, id, path));
    }
    let mut deletion = message.events[2].clone();
    deletion.new_hash = Some("a".repeat(64));
    assert_eq!(deletion.check().unwrap_err().problem, Problem::Contradicts);
}

#[test]
fn a_checkpoint_is_whole_or_refused() {
    let checkpoint = Checkpoint::from_json(&fixture("unit/checkpoint.json")).unwrap();
    let problem = |edit: fn(&mut Checkpoint)| {
        let mut checkpoint = checkpoint.clone();
        edit(&mut checkpoint);
        checkpoint.check().unwrap_err().problem
    };
    assert_eq!(problem(|one| one.version = 2), Problem::Version(2));
    assert_eq!(
        problem(|one| one.files[1].content = Body::Inline("another".to_owned())),
        Problem::Mismatch
    );
    assert_eq!(problem(|one| one.files.push(one.files[0].clone())), Problem::Twice);
    assert_eq!(problem(|one| one.binary_files.push(one.files[1].clone())), Problem::Base64);
}

/// Every reader, on bytes that may be anything.
fn read_as_everything(bytes: &[u8]) {
    let _ = VersionInfo::from_json(bytes);
    let _ = PeersFile::from_json(bytes).map(|peers| peers.to_json());
    let _ = BundleFile::from_json(bytes);
    let _ = CryptoKeys::from_json(bytes);
    let _ = Checkpoint::from_json(bytes).map(Checkpoint::check);
    let _ = IncrementalCheckpoint::from_json(bytes).map(|one| one.check_head());
    let _ = RollingState::from_json(bytes).map(|one| one.check_head());
    if let Ok(message) = FileChangeEventsMessage::from_json(bytes) {
        let _ = message.message_filepath.name();
        message.events.into_iter().for_each(|event| drop(event.check()));
    }
    if let Ok(message) = ProposedFileChangesMessage::from_json(bytes) {
        let _ = message.message_filename.name();
        message.proposed_file_changes.into_iter().for_each(|change| drop(change.check()));
    }
}

#[test]
fn a_file_cut_short_is_refused() {
    let file = fixture(MESSAGE);
    for length in 0..file.len() {
        assert!(archive::unpack(&file[..length], LIMIT).is_err(), "{length}");
    }
}

#[test]
fn a_flipped_bit_is_refused_or_does_no_harm() {
    let file = fixture(MESSAGE);
    let json = archive::unpack(&file, LIMIT).unwrap();
    let mut harmless = 0;
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = archive::unpack(&flipped, LIMIT) {
            assert_eq!(read, json, "bit {bit}");
            harmless += 1;
        }
    }
    assert!(
        harmless <= 8 * 7,
        "only time, level and system of the header mean nothing: {harmless}"
    );
}

/// Reads a message piece by piece, as if all of its strings were large.
fn read_in_pieces(file: &[u8]) -> Result<ProposedFileChangesMessage, Error> {
    let home = tempfile::tempdir().unwrap();
    let contents = Contents::at(home.path().join("contents")).from(1);
    ProposedFileChangesMessage::read_from(file, &mut contents.shelf())
}

#[test]
fn what_is_read_in_pieces_is_refused_where_what_is_read_whole_is() {
    use tar::EntryType::{Directory, Regular, Symlink};
    let file = fixture(MESSAGE);
    let whole = ProposedFileChangesMessage::from_file_bytes(&file).unwrap();
    let names = |message: ProposedFileChangesMessage| -> Vec<_> {
        let changes = message.proposed_file_changes.into_iter();
        changes
            .map(|change| change.check().unwrap())
            .map(|c| (c.path.clone(), c.digest()))
            .collect()
    };
    assert_eq!(names(read_in_pieces(&file).unwrap()), names(whole.clone()));
    for length in (0..file.len()).step_by(7) {
        assert!(read_in_pieces(&file[..length]).is_err(), "{length}");
    }
    for bit in (0..file.len() * 8).step_by(11) {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let (pieces, all) =
            (read_in_pieces(&flipped), ProposedFileChangesMessage::from_file_bytes(&flipped));
        assert_eq!(pieces.is_ok(), all.is_ok(), "bit {bit}");
    }
    let (member, json) = (archive::MEMBER, archive::unpack(&file, LIMIT).unwrap());
    #[rustfmt::skip]
    let cases: [(&str, Vec<u8>, bool); 8] = [
        ("alone",           tar(&[(member, Regular, &json)]),                                   true),
        ("after another",   tar(&[("a", Regular, b"y"), (member, Regular, &json)]),             true),
        ("before another",  tar(&[(member, Regular, &json), ("a/b", Directory, b"")]),          true),
        ("none",            tar(&[]),                                                           false),
        ("a link",          tar(&[(member, Symlink, b"")]),                                     false),
        ("twice",           tar(&[(member, Regular, &json), (member, Regular, &json)]),         false),
        ("a lot beside",    tar(&[("a", Regular, &[0; 80_000]), (member, Regular, &json)]),     false),
        ("an extension",    tar(&[("a", tar::EntryType::GNULongName, b"b"), (member, Regular, &json)]), false),
    ];
    for (what, archive, is_read) in cases {
        assert_eq!(read_in_pieces(&gzip(&archive)).is_ok(), is_read, "{what}");
    }
}

/// What of a message counts, and what is refused.
fn verdicts(message: ProposedFileChangesMessage) -> Vec<Result<(String, Option<Digest>), String>> {
    let changes = message.proposed_file_changes.into_iter().map(|change| match change.check() {
        Ok(proposal) => Ok((proposal.path.to_string(), proposal.digest())),
        Err(invalid) => Err(invalid.field.to_owned()),
    });
    changes.collect()
}

/// A message that has `count` MiB of a letter behind `before`.
fn with_much_of(letter: u8, count: usize, before: &str) -> Vec<u8> {
    let json = String::from_utf8(archive::unpack(&fixture(MESSAGE), LIMIT).unwrap()).unwrap();
    let json = json.replacen('{', "{ \"unknown\": [],", 1);
    let at = json.find(before).unwrap() + before.len();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = tar::Header::new_ustar();
    header.set_path(archive::MEMBER).unwrap();
    header.set_size((json.len() + (count << 20)) as u64);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    encoder.write_all(&json.as_bytes()[..at]).unwrap();
    let letters = vec![letter; 1 << 20];
    for _ in 0..count {
        encoder.write_all(&letters).unwrap();
    }
    encoder.write_all(&json.as_bytes()[at..]).unwrap();
    encoder.write_all(&[0; 2048]).unwrap();
    encoder.finish().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_reader_passes_over_or_sums_up_is_never_held() {
    let before = peak_bytes();
    // A list in a list in a list, in a field that nobody knows; a number of so many digits; one behind the
    // comma, which the nearest number hangs on.
    for (letter, place) in [
        (b'[', "\"unknown\": "),
        (b'7', "\"submitted_timestamp\": "),
        (b'0', "\"submitted_timestamp\": 1780000001."),
    ] {
        let file = with_much_of(letter, 96, place);
        let read = ProposedFileChangesMessage::read_from(
            &file[..],
            &mut Contents::at("/nonexistent".into()).shelf(),
        );
        assert!(matches!(read, Err(Error::Json { .. })), "{read:?}");
    }
    let grown = peak_bytes() - before;
    assert!(grown < 32 << 20, "{grown} bytes");
}

/// A message that says `count` times `part` of its chunks, behind `before`.
fn with_chunks_of(before: &str, part: &str, count: usize) -> Vec<u8> {
    let whole = FileChangeEventsMessage::from_file_bytes(&fixture(
        "unit/syfteventsmessagev3_1780000104.0625_11111111-2222-4333-8444-0000000000c8.tar.gz",
    ));
    let whole = String::from_utf8(whole.unwrap().to_json()).unwrap();
    let start = format!("{{\"message\":{whole},\"syft_chunks\":[{before}");
    let at_once = ((1 << 20) / part.len()).max(1);
    let (parts, count) = (part.repeat(at_once), count / at_once);
    let end = format!("{part}]");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut header = tar::Header::new_ustar();
    header.set_path(archive::MEMBER).unwrap();
    header.set_size((start.len() + parts.len() * count + end.len()) as u64);
    header.set_cksum();
    encoder.write_all(header.as_bytes()).unwrap();
    encoder.write_all(start.as_bytes()).unwrap();
    (0..count).for_each(|_| encoder.write_all(parts.as_bytes()).unwrap());
    encoder.write_all(end.as_bytes()).unwrap();
    encoder.write_all(&[0; 2048]).unwrap();
    encoder.finish().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_said_of_chunks_takes_little_memory_whatever_it_is() {
    const CONTENT: &str = "{\"at\":1,\"format\":1,\"size\":1,";
    let full = format!(
        "{CONTENT}\"packs\":[],\"lists\":[],\"chunks\":[],\"sections\":[{}\"\"]}},",
        "\"\",".repeat(90_000)
    );
    let before = peak_bytes();
    // Lists of nothing, in a field that nobody knows; names of nothing, as many as each list may have.
    for (what, start, part, count, bytes_max) in [
        ("unknown", format!("{CONTENT}\"unknown\":["), "[],", 1 << 20, 24 << 20),
        ("packs", format!("{CONTENT}\"packs\":["), "\"\",", 1 << 20, 24 << 20),
        ("together", String::new(), &full[..], 20, 64 << 20),
    ] {
        let file = with_chunks_of(&start, part, count);
        assert!(file.len() < 4 << 20);
        let contents = Contents::at("/nonexistent".into());
        let read = Chunked::<FileChangeEventsMessage>::read_from(&file[..], &mut contents.shelf());
        assert!(matches!(read, Err(Error::Json { .. })), "{what}: {read:?}");
        let grown = peak_bytes() - before;
        assert!(grown < bytes_max, "{what}: {grown} bytes");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_large_string_is_never_held() {
    const SIZE: usize = 96 << 20;
    let file = with_much_of(b'x', SIZE >> 20, "\"content\": \"");
    let home = tempfile::tempdir().unwrap();
    let contents = Contents::at(home.path().join("contents"));
    let before = peak_bytes();
    let read = ProposedFileChangesMessage::read_from(&file[..], &mut contents.shelf()).unwrap();
    let grown = peak_bytes() - before;
    let sizes = read.proposed_file_changes.iter().filter_map(|change| change.content.as_ref());
    assert!(sizes.map(Body::size_bytes).any(|size| size > SIZE as u64));
    assert!(grown < 32 << 20, "{grown} bytes");
}

proptest! {
    #[test]
    fn garbage_is_refused(bytes in vec(any::<u8>(), 0..2000)) {
        prop_assert!(archive::unpack(&bytes, LIMIT).is_err());
        prop_assert!(archive::unpack(&gzip(&bytes), LIMIT).is_err());
        prop_assert!(read_in_pieces(&gzip(&bytes)).is_err());
        read_as_everything(&bytes);
    }

    #[test]
    fn a_damaged_tar_is_read_in_pieces_only_as_it_is_read_whole(
        patches in vec((0..1536_usize, vec(prop_oneof![any::<u8>(), prop::sample::select(&b"0123567gLxKS\0 "[..])], 1..9)), 1..4),
        is_summed in any::<bool>(), cut in 0..9000_usize,
    ) {
        let json = archive::unpack(&fixture(MESSAGE), LIMIT).unwrap();
        let mut archive = tar(&[
            ("a", tar::EntryType::Regular, b"y"),
            (archive::MEMBER, tar::EntryType::Regular, &json),
        ]);
        for (offset, patch) in patches {
            archive[offset..offset + patch.len()].copy_from_slice(&patch);
        }
        for header in [0, 1024].into_iter().filter(|_| is_summed) {
            let mut summed = tar::Header::from_byte_slice(&archive[header..header + 512]).clone();
            summed.set_cksum();
            archive[header..header + 512].copy_from_slice(summed.as_bytes());
        }
        // Two members of gzip, which are one file.
        let (first, second) = archive.split_at(cut.min(archive.len()));
        let file = [gzip(first), gzip(second)].concat();
        let whole = ProposedFileChangesMessage::from_file_bytes(&file);
        if let Ok(pieces) = read_in_pieces(&file) {
            prop_assert_eq!(verdicts(pieces), verdicts(whole.unwrap()));
        }
    }

    #[test]
    fn damaged_json_never_panics(
        which in 0..6_usize, offset in any::<prop::sample::Index>(), patch in "[\\[\\]{}:,\"0-9a-z\\\\.-]{1,6}",
    ) {
        let name = ["proposed_message", "events_message", "checkpoint", "incremental_checkpoint",
            "rolling_state", "SYFT_version"][which];
        let mut json = fixture(&format!("unit/{name}.json"));
        let start = offset.index(json.len());
        let end = (start + patch.len()).min(json.len());
        json.splice(start..end, patch.bytes());
        read_as_everything(&json);
    }

    #[test]
    fn whatever_parses_as_a_name_is_written_the_same(name in "(msgv2|syfteventsmessagev3|checkpoint|incremental_checkpoint|rolling_state|versions|syft|syft_datasite|syft_datasetcollection|encryption_bundle|0.1.117)?[_#-]?[0-9a-f.@_#-]{0,40}(.tar.gz|.json|_archive|-checkpoints)?") {
        if let Some(file) = FileName::parse(&name) {
            prop_assert_eq!(file.to_string(), name.clone());
        }
        if let Some(folder) = FolderName::parse(&name) {
            prop_assert_eq!(folder.to_string(), name.clone());
        }
    }

    #[test]
    fn any_text_can_be_asked_about(text in "(?s).{0,60}", other in ".{0,9}") {
        let _ = (FileName::parse(&text), FolderName::parse(&text), version_in(&text));
        let _ = (ProposalName::read(&text), EventsName::read(&text), Tag::parse(&text));
        let _ = (compare(&text, &other), Dialect::for_version(&text));
    }
}
