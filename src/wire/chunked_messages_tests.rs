//! Messages of which large content travels as chunks: what reads back, and what is refused.

use uuid::Uuid;

use super::super::limits::{FILE_BYTES_MAX, SECTIONS_MAX};
use super::super::names::{EventsName, ProposalName};
use super::super::{Event, Proposal};
use super::*;
use crate::model::{Email, Timestamp};

fn manifest(pack: Option<u32>) -> Manifest {
    Manifest {
        digest: Digest::of(b"whole"),
        size_bytes: 5_000_000,
        sections: vec![Digest::of(b"list")],
        packs: vec!["pack".to_owned()],
        lists: vec![Run { count: 1, pack: Some(0) }],
        chunks: vec![Run { count: 99, pack }, Run { count: 1, pack: Some(0) }],
    }
}

const LARGE: fn() -> Large =
    || Large { digest: Digest::of(b"whole"), size_bytes: 5_000_000, is_text: false };

/// A small change, and a large one.
fn proposals(base: Option<Digest>) -> ProposedFileChangesMessage {
    let at = Timestamp::from_micros(1_780_000_000_123_456);
    let email = Email::parse("do@example.org").unwrap();
    let proposal = |path: &str, content| Proposal {
        id: Uuid::from_u128(7),
        path: DatasitePath::parse(path).unwrap(),
        base,
        content: Some(content),
        claimed: None,
        datasite: email.clone(),
        submitted: at,
    };
    let name = ProposalName::with_id(at, Uuid::from_u128(1));
    let small = proposal("small", Content::Text("x".to_owned()));
    let large = proposal("data/large.bin", Content::Large(LARGE()));
    ProposedFileChangesMessage::new(Uuid::from_u128(2), &email, &name, vec![small, large])
}

fn events(base: Option<Digest>) -> FileChangeEventsMessage {
    let at = Timestamp::from_micros(1_780_000_000_123_456);
    let event = |path: &str, content| Event {
        id: Uuid::from_u128(7),
        path: DatasitePath::parse(path).unwrap(),
        datasite: Email::parse("do@example.org").unwrap(),
        base,
        content,
        submitted: at,
        timestamp: at,
    };
    let name = EventsName { timestamp: at, id: Uuid::from_u128(3) };
    let large = event("data/large.bin", Some(Content::Large(LARGE())));
    FileChangeEventsMessage::new(&name, vec![event("gone", None), large])
}

fn chunked<M: Message>(mut message: M, pack: Option<u32>) -> Chunked<M> {
    let mut changes = message.changes();
    assert_eq!(changes[1].large(), Some(LARGE()));
    assert_eq!(changes[0].large(), None);
    changes[1].set(None);
    let content = manifest(pack).to_wire();
    Chunked { message, syft_chunks: vec![ChunkedChange { at: 1, content }] }
}

fn round_trip<M: Message + PartialEq + Clone + std::fmt::Debug>(message: M) {
    let chunked = chunked(message.clone(), Some(0));
    let mut read = Chunked::<M>::from_file_bytes(&chunked.to_file_bytes(0)).unwrap();
    let brought = read.brought().unwrap();
    let path = DatasitePath::parse("data/large.bin").unwrap();
    let base = Some(Digest::of(b"base"));
    assert_eq!(brought, [Brought { at: 1, path, base, manifest: manifest(Some(0)) }]);
    read.message.changes()[1].set(Some(LARGE()));
    assert_eq!(read.message, message, "whole, it is the message that it was");
    // Without what it consists of, nobody writes a file without content because of it.
    assert!(M::from_file_bytes(&chunked.to_file_bytes(0)).is_err());
}

#[test]
fn messages_read_back_and_are_no_others() {
    round_trip(proposals(Some(Digest::of(b"base"))));
    round_trip(events(Some(Digest::of(b"base"))));
    let mut nothing = Chunked::from(events(None));
    assert_eq!(nothing.brought(), Ok(Vec::new()));
}

#[test]
fn an_event_is_complete_and_so_is_a_proposal_without_a_base() {
    let base = Some(Digest::of(b"base"));
    let proposed = |base, pack| chunked(proposals(base), pack).brought().is_ok();
    let told = |base, pack| chunked(events(base), pack).brought().is_ok();
    assert_eq!((told(base, Some(0)), told(base, None)), (true, false));
    assert_eq!((proposed(base, Some(0)), proposed(base, None)), (true, true));
    assert_eq!((proposed(None, Some(0)), proposed(None, None)), (true, false));
}

#[test]
fn as_much_as_any_message_may_bring_is_taken() {
    let mut two = chunked(events(None), Some(0));
    two.message.events.push(two.message.events[1].clone());
    two.syft_chunks[0].content.size = FILE_BYTES_MAX;
    two.syft_chunks.push(ChunkedChange { at: 2, ..two.syft_chunks[0].clone() });
    assert_eq!(two.brought().map(|brought| brought.len()), Ok(2));
}

#[test]
fn what_no_reader_would_take_is_not_written() {
    let whole = chunked(events(None), Some(0));
    let taken = |content: ChunkedContent| {
        let syft_chunks = vec![ChunkedChange { at: 1, content }];
        let mut message = Chunked { message: whole.message.clone(), syft_chunks };
        let taken = message.file_if_taken(0).is_some();
        let read = Chunked::<FileChangeEventsMessage>::from_file_bytes(&message.to_file_bytes(0));
        assert_eq!(read.is_ok_and(|mut read| read.brought().is_ok()), taken);
        taken
    };
    let content = &whole.syft_chunks[0].content;
    let runs = |count| vec![Run { count: 1, pack: Some(0) }; count];
    let sections = |count| ChunkedContent {
        size: FILE_BYTES_MAX,
        sections: vec![content.sections[0].clone(); count],
        lists: vec![Run { count: u32::try_from(count).unwrap(), pack: Some(0) }],
        chunks: vec![Run { count: 200_000, pack: Some(0) }],
        ..content.clone()
    };
    assert!(taken(content.clone()));
    assert!(taken(ChunkedContent { chunks: runs(CHANGES_MAX), ..content.clone() }));
    assert!(!taken(ChunkedContent { chunks: runs(CHANGES_MAX + 1), ..content.clone() }));
    assert!(taken(sections(SECTIONS_MAX)));
    assert!(!taken(sections(SECTIONS_MAX + 1)));
}

#[test]
fn what_is_said_twice_or_has_too_many_parts_is_refused() {
    let whole = chunked(events(None), Some(0));
    let text = String::from_utf8(whole.to_json()).unwrap();
    let read = |text: &str| Chunked::<FileChangeEventsMessage>::from_json(text.as_bytes());
    assert_eq!(read(&text).unwrap(), whole);
    assert_eq!(read(&text.replace("\"format\":", "\"new\":[[{}]],\"format\":")).unwrap(), whole);
    assert!(read(&text.replace("\"format\":", "\"format\":1,\"format\":")).is_err());
    // Ten changes of a tenth each, and one more of anything.
    let tenth = vec![Run { count: 1, pack: None }; PARTS_MAX / 10];
    let content = ChunkedContent {
        sections: Vec::new(),
        packs: Vec::new(),
        lists: Vec::new(),
        chunks: tenth,
        ..whole.syft_chunks[0].content.clone()
    };
    let mut many = whole.clone();
    many.syft_chunks = (0..10).map(|at| ChunkedChange { at, content: content.clone() }).collect();
    assert!(read(&String::from_utf8(many.to_json()).unwrap()).is_ok());
    many.syft_chunks.push(whole.syft_chunks[0].clone());
    assert!(read(&String::from_utf8(many.to_json()).unwrap()).is_err());
}

#[test]
fn what_cannot_be_so_is_refused() {
    type Change = fn(&mut Chunked<FileChangeEventsMessage>);
    #[rustfmt::skip]
    let cases: &[(&str, &str, Change)] = &[
        ("of no change",        "syft_chunks",      |m| m.syft_chunks[0].at = 2),
        ("of one that deletes", "syft_chunks",      |m| m.syft_chunks[0].at = 0),
        ("twice",               "syft_chunks",      |m| m.syft_chunks.push(m.syft_chunks[0].clone())),
        ("and content",         "syft_chunks",      |m| m.message.events[1].content = Some(Body::Inline(String::new()))),
        ("no digest",           "new_hash",         |m| m.message.events[1].new_hash = None),
        ("half a digest",       "new_hash",         |m| m.message.events[1].new_hash = Some("ab".to_owned())),
        ("another base",        "old_hash",         |m| m.message.events[1].old_hash = Some(String::new())),
        ("an evil path",        "path_in_datasite", |m| m.message.events[1].path_in_datasite = "../x".to_owned()),
        ("no size",             "syft_chunks",      |m| m.syft_chunks[0].content.size = 0),
        ("more than a message", "syft_chunks",      |m| {
            let content = ChunkedContent { size: FILE_BYTES_MAX, ..m.syft_chunks[0].content.clone() };
            m.syft_chunks = (1..=3).map(|at| ChunkedChange { at, content: content.clone() }).collect();
            let large = m.message.events[1].clone();
            m.message.events.extend([large.clone(), large]);
        }),
    ];
    for (what, field, change) in cases {
        let mut message = chunked(events(None), Some(0));
        change(&mut message);
        assert_eq!(message.brought().map_err(|invalid| invalid.field), Err(*field), "{what}");
    }
}
