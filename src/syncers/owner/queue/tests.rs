use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::super::account::tests::account;
use super::*;
use crate::caches::journal;
use crate::connections::{Kind, MemoryDrive};
use crate::model::Role;

fn id(text: &str) -> FileId {
    FileId::parse(text).unwrap()
}

/// A message in an inbox; `sent` is the time in its name, in seconds.
fn entry(number: usize, folder: &FileId, sent: Option<u32>) -> Entry {
    let uid = format!("11111111-2222-4333-8444-{number:012}");
    let name = match sent {
        Some(sent) => format!("msgv2_{}.5_{uid}.tar.gz", 1_780_000_000 + sent),
        None => format!("something else {number}"),
    };
    Entry {
        id: id(&format!("file-{number}")),
        name,
        kind: Kind::File,
        size_bytes: 100,
        owner: None,
        is_mine: false,
        parents: vec![folder.clone()],
        created_micros: 7,
        revision: 0,
        tags: BTreeMap::new(),
    }
}

fn inboxes() -> Vec<Inbox> {
    ["a", "b", "c"]
        .map(|name| Inbox {
            sender: Email::parse(&format!("{name}@example.org")).unwrap(),
            folder: id(&format!("inbox-{name}")),
        })
        .to_vec()
}

/// A message as it is drawn: in whose inbox, when it was sent, whether it was looked at, whether it goes
/// while others are read.
type Drawn = (usize, Option<u32>, bool, bool);

fn drawn() -> impl Strategy<Value = Drawn> {
    let is_seldom = || prop::bool::weighted(0.2);
    (0..3_usize, prop::option::weighted(0.8, 0..20_u32), is_seldom(), is_seldom())
}

proptest! {
    /// Whatever the size of a part.
    #[test]
    fn each_message_comes_once_and_in_the_order_in_which_it_was_sent(
        drawn in prop::collection::vec(drawn(), 0..25),
        part_max in 1..9_usize,
        held_up in prop::option::of(0..3_usize),
    ) {
        let drive = MemoryDrive::new();
        let (account, _home) = account(&drive, "do@example.org", Role::Owner);
        let inboxes = inboxes();
        let mut wanted = Vec::new();
        for (number, (at, sent, is_seen, is_gone)) in drawn.iter().enumerate() {
            let entry = entry(number, &inboxes[*at].folder, *sent);
            account.store.write(|db| {
                catalogue::put(db, &entry)?;
                if *is_seen { journal::mark_seen(db, &entry.id) } else { Ok(()) }
            }).unwrap();
            if !is_seen && !is_gone && held_up != Some(*at) {
                wanted.push((sent.is_none(), *sent, entry.id.clone()));
            }
        }
        wanted.sort();
        let held_up = held_up.map(|at| inboxes[at].sender.clone()).into_iter().collect();
        let mut queue = Queue::with(inboxes, part_max);
        queue.find(&account).unwrap();
        for (number, _) in drawn.iter().enumerate().filter(|(_, one)| one.3) {
            let gone = id(&format!("file-{number}"));
            account.store.write(|db| catalogue::remove(db, &gone)).unwrap();
        }
        let mut found = Vec::new();
        loop {
            let next = queue.next(&account, &held_up).unwrap();
            prop_assert!(next.len() <= part_max);
            if next.is_empty() {
                break;
            }
            for (sender, entry) in &next {
                prop_assert_eq!(entry.parents[0].as_str(), format!("inbox-{}", &sender.as_str()[..1]));
            }
            found.extend(next.into_iter().map(|(_, entry)| entry.id));
        }
        let wanted: Vec<FileId> = wanted.into_iter().map(|(_, _, id)| id).collect();
        prop_assert_eq!(found, wanted);
    }
}

#[test]
fn what_others_hold_up_later_does_not_come() {
    let drive = MemoryDrive::new();
    let (account, _home) = account(&drive, "do@example.org", Role::Owner);
    let inboxes = inboxes();
    for number in 0..6 {
        let entry = entry(number, &inboxes[number % 2].folder, u32::try_from(number).ok());
        account.store.write(|db| catalogue::put(db, &entry)).unwrap();
    }
    let mut queue = Queue::with(inboxes.clone(), 2);
    let mut held_up = BTreeSet::new();
    assert_eq!(queue.next(&account, &held_up).unwrap().len(), 2);
    held_up.insert(inboxes[0].sender.clone());
    for _ in 0..2 {
        let next = queue.next(&account, &held_up).unwrap();
        assert_eq!(next.iter().map(|(sender, _)| sender).collect::<Vec<_>>(), [&inboxes[1].sender]);
    }
    assert!(queue.next(&account, &held_up).unwrap().is_empty());
}
