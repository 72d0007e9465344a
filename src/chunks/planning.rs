//! Decides what of a file is to be sent: what the other side cannot get at already, and what lies in
//! packs that are hardly used any more.
//!
//! A pack can go only as a whole. Where less than a fifth of one is used by the newest state, all that
//! is used of it is sent once more, in new packs, so that no message needs it. A message does that for
//! at most a quarter as many bytes as it has to send anyway: so a change costs at most a quarter more,
//! and what lies on the drive for nothing stays bounded by a multiple of what is used.

use std::collections::{HashMap, HashSet};

use super::outline::Outline;
use crate::model::Digest;

/// Where the other side gets something from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// From the file that the change was made from.
    Base,
    /// From a pack, by its place in [`Stock::packs`].
    Pack(u32),
}

/// A pack that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockedPack {
    /// The id of the file.
    pub name: String,
    /// How much it holds, before it was compressed.
    pub content_bytes: u64,
}

/// What the other side can get at already, as far as it is of interest.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    /// Chunks and lists, by their digests.
    pub held: HashMap<Digest, Held>,
    /// Where they lie.
    pub packs: Vec<StockedPack>,
}

/// What is to be sent of a file.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    pub(super) outline: &'a Outline,
    pub(super) stock: &'a Stock,
    pub(super) fresh: HashSet<Digest>,
    content_bytes: u64,
}

impl Stock {
    /// All that the other side holds if it holds the file that `base` describes.
    pub fn of_base(base: &Outline) -> Self {
        let lists = base.sections().iter().map(|section| section.digest);
        let chunks = base.chunks().map(|chunk| chunk.digest);
        let held = lists.chain(chunks).map(|digest| (digest, Held::Base)).collect();
        Self { held, packs: Vec::new() }
    }
}

impl Plan<'_> {
    /// Returns how much is to be sent, before it is compressed.
    pub const fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// True if `digest` is to be sent.
    pub fn sends(&self, digest: &Digest) -> bool {
        self.fresh.contains(digest)
    }
}

/// Returns what is to be sent of the file that `outline` describes, to whom has `stock`.
pub fn plan<'a>(outline: &'a Outline, stock: &'a Stock) -> Plan<'a> {
    let parts = parts(outline);
    let (mut fresh, mut content_bytes) = (HashSet::new(), 0);
    let mut used: HashMap<u32, (u64, Vec<Digest>)> = HashMap::new();
    for (digest, length) in &parts {
        match stock.held.get(digest) {
            None => {
                fresh.insert(*digest);
                content_bytes += length;
            }
            Some(Held::Base) => {}
            Some(Held::Pack(pack)) => {
                let (bytes, digests) = used.entry(*pack).or_default();
                *bytes += length;
                digests.push(*digest);
            }
        }
    }
    let mut wasteful: Vec<(u64, u32, Vec<Digest>)> = used
        .into_iter()
        .filter(|(pack, (bytes, _))| {
            let whole = stock.packs.get(*pack as usize).map_or(0, |pack| pack.content_bytes);
            bytes.saturating_mul(5) < whole
        })
        .map(|(pack, (bytes, digests))| (bytes, pack, digests))
        .collect();
    wasteful.sort_unstable_by_key(|(bytes, pack, _)| (*bytes, *pack));
    let mut left = content_bytes / 4;
    for (bytes, _, digests) in wasteful {
        if bytes > left {
            break;
        }
        left -= bytes;
        content_bytes += bytes;
        fresh.extend(digests);
    }
    Plan { outline, stock, fresh, content_bytes }
}

/// Returns each list and each chunk once, with its length.
fn parts(outline: &Outline) -> HashMap<Digest, u64> {
    let mut parts = HashMap::new();
    for section in outline.sections() {
        parts.insert(section.digest, section.list().len() as u64);
        for chunk in &section.chunks {
            parts.insert(chunk.digest, u64::from(chunk.length));
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::super::cut;
    use super::super::tests::Noise;
    use super::*;

    fn outline() -> Outline {
        cut(Noise::new(5, 2_000_000), |_, _| Ok(())).unwrap()
    }

    fn bytes_of(outline: &Outline) -> u64 {
        parts(outline).values().sum()
    }

    #[test]
    fn all_goes_to_who_has_nothing_and_nothing_to_who_has_all() {
        let outline = outline();
        let (nothing, all) = (Stock::default(), Stock::of_base(&outline));
        assert_eq!(plan(&outline, &nothing).content_bytes(), bytes_of(&outline));
        assert_eq!(plan(&outline, &all).content_bytes(), 0);
    }

    /// `in_first` chunks lie in a pack of `first_bytes`, one is new, the rest is in another pack.
    fn stock(outline: &Outline, in_first: usize, first_bytes: u64) -> Stock {
        let mut stock = Stock::of_base(outline);
        let chunks: Vec<Digest> = outline.chunks().map(|chunk| chunk.digest).collect();
        stock.held.values_mut().for_each(|held| *held = Held::Pack(1));
        chunks[..in_first].iter().for_each(|digest| {
            stock.held.insert(*digest, Held::Pack(0));
        });
        for digest in &chunks[20..] {
            stock.held.remove(digest);
        }
        let pack = |name: &str, content_bytes| StockedPack { name: name.to_owned(), content_bytes };
        stock.packs = vec![pack("first", first_bytes), pack("second", 1)];
        stock
    }

    #[test]
    fn a_pack_that_is_hardly_used_gives_way_within_measure() {
        let outline = outline();
        let chunks: Vec<_> = outline.chunks().copied().collect();
        let sum = |range: std::ops::Range<usize>| -> u64 {
            chunks[range].iter().map(|chunk| u64::from(chunk.length)).sum()
        };
        let (new, one, many) = (sum(20..chunks.len()), sum(0..1), sum(0..16));
        assert!(one <= new / 4 && many > new / 4, "{new} {one} {many}");
        #[rustfmt::skip]
        let cases = [
            // what                                 chunks  pack            sent
            ("a fifth is used",                     1,      one * 5,        new),
            ("less than a fifth is used",           1,      one * 5 + 1,    new + one),
            ("it would cost more than a quarter",   16,     many * 9,       new),
        ];
        for (what, in_first, first_bytes, sent) in cases {
            let stock = stock(&outline, in_first, first_bytes);
            assert_eq!(plan(&outline, &stock).content_bytes(), sent, "{what}");
        }
    }
}
