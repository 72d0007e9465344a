//! The whole way of a file: cut, planned, shipped, received and put together.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use proptest::prelude::*;

use super::*;
use crate::model::Digest;
use crate::wire::{ChunkedContent, Manifest};

/// A file of any size that nobody need hold: noise that follows from a seed, with one place of
/// another seed in it.
#[derive(Clone, Debug)]
pub(super) struct Noise {
    seed: u64,
    size: u64,
    other: (Range<u64>, u64),
    at: u64,
}

impl Noise {
    pub(super) const fn new(seed: u64, size: u64) -> Self {
        Self { seed, size, other: (0..0, 0), at: 0 }
    }

    fn changed(mut self, place: Range<u64>, seed: u64) -> Self {
        self.other = (place, seed);
        self
    }

    fn byte(&self, at: u64) -> u8 {
        let seed = if self.other.0.contains(&at) { self.other.1 } else { self.seed };
        word(seed, at / 8).to_le_bytes()[(at % 8) as usize]
    }
}

fn word(seed: u64, number: u64) -> u64 {
    let mut mixed = seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min((self.size - self.at.min(self.size)) as usize);
        let end = self.at + length as u64;
        let mut filled = 0;
        while filled < length {
            let at = self.at + filled as u64;
            let is_plain = at.is_multiple_of(8)
                && at + 8 <= end
                && !(self.other.0.start < at + 8 && at < self.other.0.end);
            if is_plain {
                buffer[filled..filled + 8].copy_from_slice(&word(self.seed, at / 8).to_le_bytes());
                filled += 8;
            } else {
                buffer[filled] = self.byte(at);
                filled += 1;
            }
        }
        self.at = end;
        Ok(length)
    }
}

impl Seek for Noise {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(by) => self.size.saturating_add_signed(by),
            SeekFrom::Current(by) => self.at.saturating_add_signed(by),
        };
        Ok(self.at)
    }
}

fn outline(content: &[u8]) -> Outline {
    cut(content, |_, _| Ok(())).unwrap()
}

/// A mailbox: its packs, and what the sender remembers of them.
#[derive(Clone, Default)]
struct Mailbox {
    packs: BTreeMap<String, Vec<u8>>,
    stock: Stock,
}

impl Mailbox {
    /// Sends a file, and returns what the message says of it, as it is written.
    fn send(&mut self, source: &mut (impl Read + Seek), outline: &Outline) -> ChunkedContent {
        let mut new = Vec::new();
        let manifest = ship(&plan(outline, &self.stock), source, |packed| {
            let name = format!("pack-{}", self.packs.len());
            self.packs.insert(name.clone(), packed.bytes.clone());
            new.push((name.clone(), packed));
            Ok::<_, Infallible>(name)
        })
        .unwrap();
        for (name, packed) in new {
            let number = u32::try_from(self.stock.packs.len()).unwrap();
            let content_bytes = packed.content_bytes;
            self.stock.packs.push(StockedPack { name, content_bytes });
            let held = packed.digests.into_iter().map(|digest| (digest, Held::Pack(number)));
            self.stock.held.extend(held);
        }
        manifest.to_wire()
    }

    fn bytes(&self) -> u64 {
        self.packs.values().map(|pack| pack.len() as u64).sum()
    }
}

fn send(mailbox: &mut Mailbox, content: &[u8]) -> (Digest, ChunkedContent) {
    let written = mailbox.send(&mut Cursor::new(content), &outline(content));
    (Digest::of(content), written)
}

/// The packs that a receiver has fetched.
struct Fetched<'a> {
    there: &'a BTreeMap<String, Vec<u8>>,
    open: BTreeMap<u32, Pack<Cursor<&'a [u8]>>>,
    bytes: u64,
}

impl Fetched<'_> {
    fn fetch(&mut self, manifest: &Manifest, wanted: BTreeSet<u32>) -> Result<(), Error> {
        for number in wanted {
            if self.open.contains_key(&number) {
                continue;
            }
            let bytes = self.there.get(&manifest.packs[number as usize]).ok_or(Error::Missing)?;
            self.bytes += bytes.len() as u64;
            self.open.insert(number, Pack::open(Cursor::new(bytes.as_slice()))?);
        }
        Ok(())
    }

    fn read(&mut self, pack: u32, digest: &Digest) -> Result<Vec<u8>, Error> {
        self.open.get_mut(&pack).ok_or(Error::Missing)?.read(digest)?.ok_or(Error::Missing)
    }
}

/// Puts a file together from what a message says; also returns how many bytes of packs were read.
fn receive(
    (digest, written): (Digest, ChunkedContent),
    own: &[u8],
    there: &BTreeMap<String, Vec<u8>>,
) -> Result<(Vec<u8>, u64), Error> {
    let manifest = written.check(digest).map_err(|_| Error::Contradiction("manifest"))?;
    let outline = (!own.is_empty()).then(|| outline(own));
    let mut fetched = Fetched { there, open: BTreeMap::new(), bytes: 0 };
    fetched.fetch(&manifest, packs_for_lists(&manifest, outline.as_ref())?)?;
    let recipe = recipe(&manifest, outline.as_ref(), |pack, digest| fetched.read(pack, digest))?;
    fetched.fetch(&manifest, recipe.packs())?;
    let mut out = Vec::new();
    let read = |pack, digest: &Digest| fetched.read(pack, digest);
    assemble(&recipe, &mut Cursor::new(own), read, &mut out)?;
    Ok((out, fetched.bytes))
}

/// What can happen to a file.
#[derive(Clone, Debug)]
enum Edit {
    PutIn(prop::sample::Index, u64, u16),
    TakeOut(prop::sample::Index, u32),
    Overwrite(prop::sample::Index, u64, u16),
    Zeros(prop::sample::Index, u32),
    Repeat(prop::sample::Index, u32),
}

fn noise(seed: u64, size: u64) -> Vec<u8> {
    let mut content = Vec::new();
    Noise::new(seed, size).read_to_end(&mut content).unwrap();
    content
}

fn edit(content: &mut Vec<u8>, edit: &Edit) {
    let end = content.len();
    let place = |index: &prop::sample::Index| index.index(end + 1);
    match edit {
        Edit::PutIn(at, seed, size) => {
            let at = place(at);
            content.splice(at..at, noise(*seed, u64::from(*size)));
        }
        Edit::TakeOut(at, size) => {
            let at = place(at);
            content.drain(at..end.min(at + *size as usize));
        }
        Edit::Overwrite(at, seed, size) => {
            let at = place(at);
            content.splice(at..end.min(at + usize::from(*size)), noise(*seed, u64::from(*size)));
        }
        Edit::Zeros(at, size) => {
            let at = place(at);
            content.splice(at..at, vec![0; *size as usize]);
        }
        Edit::Repeat(at, size) => {
            let at = place(at);
            let again = content[at..end.min(at + *size as usize)].to_vec();
            content.splice(at..at, again);
        }
    }
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<prop::sample::Index>;
    let one = prop_oneof![
        (at(), any::<u64>(), any::<u16>()).prop_map(|(at, seed, size)| Edit::PutIn(at, seed, size)),
        (at(), 0_u32..300_000).prop_map(|(at, size)| Edit::TakeOut(at, size)),
        (at(), any::<u64>(), any::<u16>())
            .prop_map(|(at, seed, size)| Edit::Overwrite(at, seed, size)),
        (at(), 0_u32..600_000).prop_map(|(at, size)| Edit::Zeros(at, size)),
        (at(), 0_u32..600_000).prop_map(|(at, size)| Edit::Repeat(at, size)),
    ];
    proptest::collection::vec(one, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever is done to a file, who has what it was made from ends with what it is.
    #[test]
    fn any_change_arrives(seed in 0_u64..4, size in 0_u64..1_500_000, edits in edits()) {
        check_change(&noise(seed, size), &edits);
    }

    /// Whatever a message says, what comes out is what has the digest, or nothing.
    #[test]
    fn a_garbled_message_gives_nothing_else(
        garble in proptest::collection::vec((0_u8..7, any::<prop::sample::Index>(), any::<u32>()), 1..3),
    ) {
        check_garbled(&garble);
    }
}

fn check_change(base: &[u8], edits: &[Edit]) {
    let mut new = base.to_vec();
    edits.iter().for_each(|one| edit(&mut new, one));
    if new.is_empty() {
        return;
    }
    // As a proposal: what the base holds is not sent.
    let mut inbox = Mailbox { stock: Stock::of_base(&outline(base)), ..Mailbox::default() };
    let message = send(&mut inbox, &new);
    let (got, _) = receive(message.clone(), base, &inbox.packs).unwrap();
    assert!(got == new);
    if edits.is_empty() {
        assert!(inbox.packs.is_empty());
    }
    // Another file than the base does not do, unless nothing was taken from the base.
    if !message.1.check(message.0).unwrap().is_complete() {
        let error = receive(send(&mut inbox.clone(), &new), b"", &inbox.packs).unwrap_err();
        assert!(matches!(error, Error::Missing), "{error:?}");
    }
    // As events: every reader ends with it, whatever it has, and fetches no more than it lacks.
    let mut outbox = Mailbox::default();
    let first = (!base.is_empty()).then(|| send(&mut outbox, base));
    let second = send(&mut outbox, &new);
    assert!(second.1.clone().check(second.0).unwrap().is_complete());
    for own in [&b""[..], base, &new, &new[..new.len() / 2]] {
        let (got, _) = receive(second.clone(), own, &outbox.packs).unwrap();
        assert!(got == new);
        if let Some(first) = &first {
            assert!(receive(first.clone(), own, &outbox.packs).unwrap().0 == base);
        }
    }
    assert_eq!(receive(second, &new, &outbox.packs).unwrap().1, 0);
}

fn check_garbled(garble: &[(u8, prop::sample::Index, u32)]) {
    let base = noise(6, 1_200_000);
    let mut new = base.clone();
    new.splice(0..0, base[..400_000].to_vec());
    new[700_000] ^= 1;
    let mut mailbox = Mailbox { stock: Stock::of_base(&outline(&base)), ..Mailbox::default() };
    let (digest, mut written) = send(&mut mailbox, &new);
    mailbox.packs.insert("other".to_owned(), {
        let mut other = Mailbox::default();
        send(&mut other, &noise(7, 100_000));
        other.packs.into_values().next().unwrap()
    });
    for (what, at, number) in garble {
        let runs = if number % 2 == 0 { &mut written.lists } else { &mut written.chunks };
        let run = at.index(runs.len());
        match what {
            0 => written.size = written.size.wrapping_add(u64::from(*number % 3)).wrapping_sub(1),
            1 => runs[run].count = *number % 40,
            2 => runs[run].pack = None,
            3 => runs[run].pack = Some(*number % 3),
            4 => written.packs.push("other".to_owned()),
            5 => written.packs.insert(0, "other".to_owned()),
            _ => {
                let section = at.index(written.sections.len());
                let mut text = written.sections[section].clone().into_bytes();
                let (a, b) = (at.index(text.len()), *number as usize % text.len());
                text.swap(a, b);
                written.sections[section] = String::from_utf8(text).unwrap();
            }
        }
    }
    if let Ok((got, _)) = receive((digest, written), &base, &mailbox.packs) {
        assert!(got == new);
    }
}

/// How much a change of `length` at `at` moves in a file of `size`: packs and message.
fn moved(size: u64, at: u64, length: u64) -> u64 {
    let base = cut(Noise::new(8, size), |_, _| Ok(())).unwrap();
    let mut new = Noise::new(8, size).changed(at..at + length, 9);
    let outline = cut(new.clone(), |_, _| Ok(())).unwrap();
    assert_ne!(outline.digest(), base.digest());
    let mut mailbox = Mailbox { stock: Stock::of_base(&base), ..Mailbox::default() };
    let message = serde_json::to_vec(&mailbox.send(&mut new, &outline)).unwrap();
    mailbox.bytes() + message.len() as u64
}

#[test]
fn a_change_costs_little_more_than_itself_wherever_it_is() {
    const SIZE: u64 = 16 << 20;
    for (at, length) in [
        (0, 1),
        (1, 100_000),
        (5_555_555, 1),
        (SIZE / 2, 1 << 20),
        (SIZE - 70_000, 70_000),
        (SIZE - 1, 1),
    ] {
        let moved = moved(SIZE, at, length);
        assert!(moved < length + 500_000, "{length} bytes at {at}: {moved}");
    }
}

/// Issue 6, point 6: a change of 1 MiB in a file of 1 GiB moves no more than 4 MiB, of which each way
/// of it (to the inbox, into the log, to a reader) has a share.
#[test]
#[ignore = "reads 10 GiB: cargo test --release --lib a_mebibyte_in_a_gibibyte -- --ignored"]
fn a_mebibyte_in_a_gibibyte() {
    const SIZE: u64 = 1 << 30;
    for at in [0, 123_456_789, SIZE / 2 + 1, 987_654_321, SIZE - (1 << 20)] {
        let moved = moved(SIZE, at, 1 << 20);
        assert!(moved < (1 << 20) * 5 / 4, "at {at}: {moved}");
    }
}

/// A chunk that is named a thousand times makes a file of a thousand times its size, and no more than
/// the message says.
#[test]
fn what_a_message_makes_is_as_large_as_it_says() {
    let zeros = vec![0; 40 << 20];
    let mut mailbox = Mailbox::default();
    let (digest, written) = send(&mut mailbox, &zeros);
    assert!(mailbox.bytes() < 10_000, "{}", mailbox.bytes());
    let mut small = written.clone();
    small.size /= 2;
    let error = receive((digest, small), b"", &mailbox.packs).unwrap_err();
    assert!(matches!(error, Error::Contradiction(_)), "{error:?}");
    assert!(receive((digest, written), b"", &mailbox.packs).unwrap().0 == zeros);
}

/// Nobody can have a file put together of what stands elsewhere on the receiver's disk: what is in no
/// pack is taken from the one file that the caller opens.
#[test]
fn what_is_named_and_neither_sent_nor_in_the_base_is_missing() {
    let (private, base) = (noise(10, 500_000), noise(11, 500_000));
    // The sender knows what the private file consists of, and says that the receiver has it.
    let mut mailbox = Mailbox { stock: Stock::of_base(&outline(&private)), ..Mailbox::default() };
    let message = send(&mut mailbox, &private);
    assert!(mailbox.packs.is_empty());
    assert!(matches!(receive(message, &base, &mailbox.packs), Err(Error::Missing)));
}

#[test]
fn a_file_that_changes_meanwhile_is_noticed_on_both_sides() {
    let (base, mut new) = (noise(12, 900_000), noise(12, 900_000));
    new[450_000] ^= 1;
    let mut mailbox = Mailbox { stock: Stock::of_base(&outline(&base)), ..Mailbox::default() };
    let looked_at = outline(&new);
    let plan = plan(&looked_at, &mailbox.stock);
    let put = |_| Ok::<_, Infallible>("pack".to_owned());
    // What is to be sent is not what was looked at any more.
    let error = ship(&plan, &mut Cursor::new(&base), put).unwrap_err();
    assert!(matches!(error, NotShipped::Changed));
    assert!(matches!(ship(&plan, &mut Cursor::new(&new[..9]), put), Err(NotShipped::Changed)));
    // What has changed elsewhere does not matter: the message describes what was looked at.
    let mut later = new.clone();
    later[0] ^= 1;
    let written = mailbox.send(&mut Cursor::new(&later), &looked_at);
    let message = (Digest::of(&new), written);
    assert!(receive(message.clone(), &base, &mailbox.packs).unwrap().0 == new);
    // The receiver's file changes after it was cut.
    let manifest = message.1.check(message.0).unwrap();
    let own = outline(&base);
    let mut pack = Pack::open(Cursor::new(mailbox.packs.values().next().unwrap())).unwrap();
    let mut read = |_, digest: &Digest| pack.read(digest)?.ok_or(Error::Missing);
    let recipe = recipe(&manifest, Some(&own), &mut read).unwrap();
    assert!(recipe.own_bytes() > 500_000);
    for changed in [&later[..], &base[..800_000]] {
        let done = assemble(&recipe, &mut Cursor::new(changed), &mut read, &mut io::sink());
        assert!(matches!(done, Err(Error::Changed)), "{done:?}");
    }
}

/// Of what was sent before only what is new is sent again, and what lies in packs for nothing stays
/// bounded.
#[test]
fn many_changes_neither_send_all_again_nor_fill_the_drive() {
    let mut content = noise(13, 12 << 20);
    let mut mailbox = Mailbox::default();
    send(&mut mailbox, &content);
    let first = mailbox.bytes();
    let mut last = None;
    for round in 0..30 {
        let before = mailbox.bytes();
        let at = usize::try_from(word(14, round)).unwrap() % (content.len() - 300_000);
        content[at..at + 300_000].copy_from_slice(&noise(100 + round, 300_000));
        last = Some(send(&mut mailbox, &content));
        let sent = mailbox.bytes() - before;
        assert!(sent < (300_000 + 400_000) * 5 / 4, "{sent} in round {round}");
    }
    // What the newest message does not need may go.
    let last = last.unwrap();
    mailbox.packs.retain(|name, _| last.1.packs.contains(name));
    assert!(mailbox.bytes() < first * 5, "{} of {first}", mailbox.bytes());
    assert!(receive(last, b"", &mailbox.packs).unwrap().0 == content);
}
