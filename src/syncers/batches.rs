//! Divides messages that are to be read so that few are in memory at once.

use crate::connections::Entry;
use crate::wire::names::is_chunked;

/// How many messages are held in memory at once. For each lot the disk is looked at and what was agreed
/// is read, so few of them would have many small messages cost more the more files there are.
pub(super) const MESSAGES_AT_ONCE: usize = 2_000;

/// About how many bytes of messages are held in memory at once; a single one may have more.
pub(super) const BYTES_AT_ONCE: u64 = 32 * 1024 * 1024;

/// How many messages are put together before they are taken in. Each is some kilobytes, and may bring gigabytes:
/// many versions of one file lie on the disk side by side otherwise.
const CHUNKED_AT_ONCE: u64 = 4;

/// Divides entries, in order, into parts of bounded count and size. No part is empty.
pub(super) fn batches(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    divide(entries, |entry| entry.size_bytes)
}

/// The same, for who puts together what they bring: with a few messages with chunks in each part.
pub(super) fn batches_to_join(entries: &[Entry]) -> impl Iterator<Item = &[Entry]> {
    let least =
        |entry: &Entry| if is_chunked(&entry.name) { BYTES_AT_ONCE / CHUNKED_AT_ONCE } else { 0 };
    divide(entries, move |entry| entry.size_bytes.max(least(entry)))
}

fn divide(
    mut entries: &[Entry],
    size_bytes: impl Fn(&Entry) -> u64,
) -> impl Iterator<Item = &[Entry]> {
    std::iter::from_fn(move || {
        let (batch, rest) = entries.split_at(count_of(entries.iter().map(&size_bytes)));
        entries = rest;
        (!batch.is_empty()).then_some(batch)
    })
}

/// Returns how many of the first of messages of these sizes are a part: at least one, if there is one.
pub(super) fn count_of(sizes_bytes: impl Iterator<Item = u64>) -> usize {
    let mut bytes = 0_u64;
    let fits = |(place, size_bytes): (usize, u64)| {
        bytes = bytes.saturating_add(size_bytes);
        place == 0 || place < MESSAGES_AT_ONCE && bytes <= BYTES_AT_ONCE
    };
    sizes_bytes.enumerate().map(fits).take_while(|fits| *fits).count()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::connections::{FileId, Kind};

    fn entry(size_bytes: u64) -> Entry {
        Entry {
            id: FileId::parse("x").unwrap(),
            name: String::new(),
            kind: Kind::File,
            size_bytes,
            owner: None,
            is_mine: false,
            parents: Vec::new(),
            created_micros: 0,
            revision: 0,
            tags: BTreeMap::new(),
        }
    }

    #[test]
    fn parts_are_bounded_by_count_and_by_size() {
        const HALF: u64 = BYTES_AT_ONCE / 2;
        #[rustfmt::skip]
        let cases = [
            // what               sizes                                  parts
            ("nothing",           vec![],                                vec![]),
            ("a few",             vec![1, 2, 3],                         vec![3]),
            ("many small ones",   vec![1; 2 * MESSAGES_AT_ONCE + 1],     vec![MESSAGES_AT_ONCE, MESSAGES_AT_ONCE, 1]),
            ("large ones",        vec![HALF, HALF, 1, HALF],             vec![2, 2]),
            ("a very large one",  vec![1, u64::MAX, u64::MAX, 1],        vec![1, 1, 1, 1]),
        ];
        for (what, sizes, parts) in cases {
            let entries: Vec<Entry> = sizes.into_iter().map(entry).collect();
            let found: Vec<usize> = batches(&entries).map(<[Entry]>::len).collect();
            assert_eq!(found, parts, "{what}");
        }
    }
    #[test]
    fn what_is_put_together_is_taken_in_a_few_at_a_time() {
        let chunked = "chunkedevents-1780000001.5-11111111-2222-4333-8444-555555555555.tar.gz";
        let entries: Vec<Entry> =
            (0..10).map(|_| Entry { name: chunked.to_owned(), ..entry(12_000) }).collect();
        let lengths = |entries| batches_to_join(entries).map(<[Entry]>::len).collect::<Vec<_>>();
        assert_eq!(lengths(&entries), [4, 4, 2]);
        assert_eq!(lengths(&vec![entry(12_000); 10]), [10]);
    }
}
