//! Files of one's own: content, names, ids, moves and deletions.

use std::collections::HashSet;

use bytes::Bytes;

use super::{
    LIMIT_BYTES, Trio, all_succeeded, delete, file, folder, is_not_found, names_in, new_entry,
    relocate, text,
};
use crate::connections::{
    Content, Error, Fetching, FileId, Heard, Kind, NewEntry, Query, Sending, kept_at,
};
use crate::model::Digest;

pub(super) async fn a_session_knows_whose_it_is(trio: &Trio) {
    for session in [&trio.owner, &trio.scientist, &trio.eve] {
        let account = session.verify().await.unwrap();
        assert!(session.account().is_same_account(account.as_str()), "{account}");
    }
}

pub(super) async fn what_was_written_is_read_back(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    for content in ["", "one", "line\nline\r\n\0\u{7f}ü"] {
        let made = file(owner, &root, "a", content).await;
        assert_eq!((made.kind, made.size_bytes), (Kind::File, content.len() as u64));
        assert!(made.is_mine && made.owner.is_some(), "{made:?}");
        assert_eq!(made.parents.len(), 1);
        assert_eq!(text(owner, &made.id).await.unwrap(), content);
        let found = owner.find(&Query::in_folder(&root)).await.unwrap();
        assert!(found.contains(&made), "what a creation answers is what is found: {found:?}");
    }
    let made = folder(owner, &root, "f").await;
    assert_eq!((made.kind, made.size_bytes, made.is_mine), (Kind::Folder, 0, true));
    let lost = owner.new_ids(1).await.unwrap().remove(0);
    is_not_found(owner.read(&lost, LIMIT_BYTES).await, "nobody made it");
    is_not_found(
        owner.create_folder(&new_entry(&lost, "x")).await,
        "a folder that is not there holds nothing",
    );
    let missing = Content::File("/nonexistent/by/design".into());
    let answer = owner.create_file(&new_entry(&root, "never"), missing).await;
    assert!(matches!(answer, Err(Error::Io(_))), "got {answer:?}");
    assert!(!names_in(owner, &root).await.contains(&"never".to_owned()));
}

/// Names that services, shells and queries trip over.
pub(super) const ODD_NAMES: &[&str] = &[
    "it's",
    "back\\slash",
    "\\'",
    "a/b",
    "../up",
    "..",
    "C:\\x",
    "größe",
    "中文 🦀",
    "e\u{301}",
    "quote\"d",
    "' or name != '",
    "new\nline",
    "%41+&=?#",
    ".hidden",
    "con",
];

pub(super) async fn names_are_any_text(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "names").await.id;
    for &name in ODD_NAMES {
        assert_eq!(file(owner, &here, name, "x").await.name, name);
    }
    let long = "n".repeat(255);
    assert_eq!(folder(owner, &here, &long).await.name, long);
    let mut wanted: Vec<&str> = ODD_NAMES.to_vec();
    wanted.push(&long);
    wanted.sort_unstable();
    assert_eq!(names_in(owner, &here).await, wanted);
}

pub(super) async fn names_repeat_and_ids_do_not(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "twice").await.id;
    let one = file(owner, &here, "same", "1").await;
    let two = file(owner, &here, "same", "2").await;
    let three = folder(owner, &here, "same").await;
    let ids: HashSet<&FileId> = [&one.id, &two.id, &three.id].into();
    assert_eq!(ids.len(), 3);
    assert_eq!(names_in(owner, &here).await, ["same", "same", "same"]);
    assert_eq!(text(owner, &one.id).await.unwrap(), "1");
    assert_eq!(text(owner, &two.id).await.unwrap(), "2");
}

pub(super) async fn an_id_made_beforehand_is_used_once(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "once").await.id;
    let ids = owner.new_ids(2).await.unwrap();
    let new = super::NewEntry { id: Some(ids[0].clone()), ..new_entry(&here, "a") };
    let made = owner.create_file(&new, Content::Bytes("first".into())).await.unwrap();
    assert_eq!(made.id, ids[0]);
    let again = owner.create_file(&new, Content::Bytes("second".into())).await;
    assert!(matches!(&again, Err(Error::AlreadyExists { id }) if *id == ids[0]), "{again:?}");
    let folder_again = owner.create_folder(&new).await;
    assert!(matches!(folder_again, Err(Error::AlreadyExists { .. })), "{folder_again:?}");
    assert_eq!(text(owner, &made.id).await.unwrap(), "first", "the first creation stands");
    assert_eq!(names_in(owner, &here).await, ["a"]);

    let new = super::NewEntry { id: Some(ids[1].clone()), ..new_entry(&here, "f") };
    assert_eq!(owner.create_folder(&new).await.unwrap().id, ids[1]);
    let again = owner.create_folder(&new).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");

    delete(owner, &ids[0]).await.unwrap();
    let new = super::NewEntry { id: Some(ids[0].clone()), ..new_entry(&here, "a") };
    let again = owner.create_file(&new, Content::Bytes("third".into())).await;
    assert!(
        matches!(again, Err(Error::AlreadyExists { .. })),
        "an id is never used again, also after a deletion: {again:?}"
    );
}

pub(super) async fn ids_are_made_in_any_number(trio: &Trio) {
    for count in [1, 2, 1000] {
        let ids = trio.owner.new_ids(count).await.unwrap();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), count);
    }
}

pub(super) async fn reading_stops_at_the_limit(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let made = file(owner, &root, "ten", "0123456789").await;
    assert_eq!(owner.read(&made.id, 10).await.unwrap(), "0123456789");
    let answer = owner.read(&made.id, 9).await;
    assert!(matches!(answer, Err(Error::TooLarge { limit_bytes: 9 })), "{answer:?}");
    let empty = file(owner, &root, "none", "").await;
    assert_eq!(owner.read(&empty.id, 0).await.unwrap(), "");
}

pub(super) async fn replacing_keeps_identity(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let here = folder(owner, &root, "replace").await.id;
    let made = file(owner, &here, "a", "one").await;
    let mut before = made.revision;
    for content in ["two, longer", "", "3"] {
        owner.replace(&made.id, Content::Bytes(content.into())).await.unwrap();
        let mut found = owner.find(&Query::in_folder(&here)).await.unwrap();
        assert_eq!(found.len(), 1);
        let entry = found.remove(0);
        assert_eq!((&entry.id, entry.name.as_str()), (&made.id, "a"));
        assert_eq!(entry.size_bytes, content.len() as u64);
        assert_eq!(entry.created_micros, made.created_micros);
        assert!(entry.revision > before, "{} > {before}", entry.revision);
        before = entry.revision;
        assert_eq!(text(owner, &made.id).await.unwrap(), content);
    }
    let lost = owner.new_ids(1).await.unwrap().remove(0);
    is_not_found(owner.replace(&lost, Content::Bytes("x".into())).await, "nobody made it");
}

/// Readers that look while a file is replaced see one content or the other.
pub(super) async fn replacing_is_seen_whole_or_not_at_all(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let contents: Vec<Bytes> = [b'a', b'b'].map(|byte| vec![byte; 200_000].into()).to_vec();
    let new = new_entry(&root, "flips");
    let made = owner.create_file(&new, Content::Bytes(contents[0].clone())).await.unwrap();
    let write = async {
        for turn in 1..=10 {
            let content = contents[turn % 2].clone();
            owner.replace(&made.id, Content::Bytes(content)).await.unwrap();
        }
    };
    let read = async {
        for _ in 0..10 {
            let seen = owner.read(&made.id, LIMIT_BYTES).await.unwrap();
            assert!(contents.contains(&seen), "{} bytes that nobody wrote", seen.len());
        }
    };
    futures::future::join(write, read).await;
}

pub(super) async fn large_files_are_whole(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let size = (6 << 20) + 1;
    assert!(owner.max_file_bytes() >= size as u64, "6 MiB is what messages may need");
    let content: Bytes =
        (0..size).map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let new = new_entry(&root, "large");
    let made = owner.create_file(&new, Content::Bytes(content.clone())).await.unwrap();
    assert_eq!(made.size_bytes, u64::from(size));
    assert!(owner.read(&made.id, LIMIT_BYTES).await.unwrap() == content, "every byte of it");
    let reversed: Bytes = content.iter().rev().copied().collect();
    owner.replace(&made.id, Content::Bytes(reversed.clone())).await.unwrap();
    assert!(owner.read(&made.id, LIMIT_BYTES).await.unwrap() == reversed, "every byte of it");
}

pub(super) async fn a_download_is_complete_or_absent(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("got");
    let made = file(owner, &root, "a", "0123456789").await;

    let answer = owner.download(&made.id, &to, 9).await;
    assert!(matches!(answer, Err(Error::TooLarge { limit_bytes: 9 })), "{answer:?}");
    let lost = owner.new_ids(1).await.unwrap().remove(0);
    is_not_found(owner.download(&lost, &to, LIMIT_BYTES).await, "nobody made it");
    let nowhere = place.path().join("no/such/folder");
    let answer = owner.download(&made.id, &nowhere, LIMIT_BYTES).await;
    assert!(matches!(answer, Err(Error::Io(_))), "{answer:?}");
    let left = std::fs::read_dir(place.path()).unwrap().count();
    assert_eq!(left, 0, "a download that failed leaves nothing");

    let digest = owner.download(&made.id, &to, 10).await.unwrap();
    assert_eq!(digest, Digest::of(b"0123456789"));
    assert_eq!(std::fs::read(&to).unwrap(), b"0123456789");
    let answer = owner.download(&made.id, &to, 10).await;
    assert!(matches!(answer, Err(Error::Io(_))), "what is there is not overwritten: {answer:?}");
    assert_eq!(std::fs::read(&to).unwrap(), b"0123456789");

    let empty = file(owner, &root, "none", "").await;
    let to = place.path().join("none");
    assert_eq!(owner.download(&empty.id, &to, 0).await.unwrap(), Digest::of(b""));
    assert_eq!(std::fs::read(&to).unwrap(), b"");
}

pub(super) async fn local_files_are_uploaded(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let place = tempfile::tempdir().unwrap();
    let from = place.path().join("from");
    let large = vec![7; (6 << 20) + 5];
    for content in [&b""[..], b"small", &large] {
        std::fs::write(&from, content).unwrap();
        let new = new_entry(&root, "up");
        let made = owner.create_file(&new, Content::File(from.clone())).await.unwrap();
        assert_eq!(made.size_bytes, content.len() as u64);
        assert!(owner.read(&made.id, LIMIT_BYTES).await.unwrap() == content);
        let other = file(owner, &root, "up", "before").await;
        owner.replace(&other.id, Content::File(from.clone())).await.unwrap();
        assert!(owner.read(&other.id, LIMIT_BYTES).await.unwrap() == content);
    }
}

pub(super) async fn large_files_come_and_go(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    let content = vec![7; (6 << 20) + 5];
    std::fs::write(&from, &content).unwrap();
    let id = owner.new_ids(1).await.unwrap().remove(0);
    let new = NewEntry { id: Some(id.clone()), ..new_entry(&root, "sent") };
    let kept = kept_at(&place.path().join("up"), &id);
    let sending = Sending { digest: Digest::of(&content), kept, heard: Heard::default() };
    let made = owner.send(&new, &from, &sending).await.unwrap();
    assert_eq!((&made.id, made.size_bytes), (&id, content.len() as u64));
    assert!(owner.read(&id, LIMIT_BYTES).await.unwrap() == content);

    let kept = kept_at(&place.path().join("down"), &id);
    let fetching = Fetching { kept, heard: Heard::default() };
    let answer = owner.fetch(&id, &to, 9, &fetching).await;
    assert!(matches!(answer, Err(Error::TooLarge { limit_bytes: 9 })), "{answer:?}");
    assert!(!to.exists(), "a file that is too large leaves nothing");
    let digest = owner.fetch(&id, &to, LIMIT_BYTES, &fetching).await.unwrap();
    assert_eq!(digest, Digest::of(&content));
    assert!(std::fs::read(&to).unwrap() == content);
    let answer = owner.fetch(&id, &to, LIMIT_BYTES, &fetching).await;
    assert!(matches!(answer, Err(Error::Io(_))), "what is there is not overwritten: {answer:?}");
    let lost = owner.new_ids(1).await.unwrap().remove(0);
    let to = place.path().join("lost");
    is_not_found(owner.fetch(&lost, &to, LIMIT_BYTES, &fetching).await, "nobody made it");
    assert!(!to.exists());
}

pub(super) async fn deleting_is_idempotent(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let top = folder(owner, &root, "top").await.id;
    let below = folder(owner, &top, "below").await.id;
    let deep = file(owner, &below, "deep", "x").await.id;
    let single = file(owner, &root, "single", "x").await.id;
    let never = owner.new_ids(1).await.unwrap().remove(0);

    let ids = [single.clone(), top.clone(), never, single.clone()];
    all_succeeded(owner.delete(&ids).await.unwrap(), 4);
    all_succeeded(owner.delete(&ids).await.unwrap(), 4);
    all_succeeded(owner.delete(&[]).await.unwrap(), 0);
    for id in [&deep, &single] {
        is_not_found(owner.read(id, LIMIT_BYTES).await, "it is deleted");
    }
    for folder in [&top, &below] {
        assert!(names_in(owner, folder).await.is_empty(), "a folder that is gone is empty");
        is_not_found(owner.create_folder(&new_entry(folder, "x")).await, "it is deleted");
    }
    assert!(!names_in(owner, &root).await.contains(&"top".to_owned()));
}

pub(super) async fn moving_is_idempotent(trio: &Trio) {
    let (owner, root) = (&*trio.owner, trio.owner.root());
    let from = folder(owner, &root, "from").await.id;
    let to = folder(owner, &root, "to").await.id;
    let made = file(owner, &from, "a", "content").await;
    for _ in 0..2 {
        relocate(owner, &made.id, &from, &to).await.unwrap();
        assert!(names_in(owner, &from).await.is_empty());
        let found = owner.find(&Query::in_folder(&to)).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].id, &found[0].name), (&made.id, &made.name));
        assert_eq!(found[0].parents, std::slice::from_ref(&to));
    }
    assert_eq!(text(owner, &made.id).await.unwrap(), "content");
    relocate(owner, &made.id, &to, &root).await.unwrap();
    assert!(names_in(owner, &to).await.is_empty());
    let lost = owner.new_ids(1).await.unwrap().remove(0);
    is_not_found(relocate(owner, &lost, &from, &to).await, "nobody made it");
}

pub(super) async fn requests_are_counted(trio: &Trio) {
    let before = trio.owner.requests();
    trio.owner.verify().await.unwrap();
    assert!(trio.owner.requests() > before);
}
