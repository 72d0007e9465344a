//! A file that is to be written, with the places of what is too large to be held.
//!
//! A recipe is the JSON of the file in pieces, and what comes between them. It is small, so it can wait
//! in the journal; the file is made of it when it is sent, the same bytes each time. What is put in is
//! compared with its digest as it goes by: a file that changed on the disk makes no message.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::large::{Body, Encoding, Large};
use super::{Error, Packed, archive};
use crate::model::Digest;

/// What a file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Its JSON, and between two pieces of that, what belongs there.
    pub parts: Vec<Part>,
}

/// A part of a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Part {
    /// JSON as it is written.
    Json(Vec<u8>),
    /// The inside of a string.
    Large(Large),
}

/// JSON may hold private content: only its size is shown.
impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Json(json) => write!(f, "Json({} bytes)", json.len()),
            Self::Large(large) => large.fmt(f),
        }
    }
}

/// Gives what a file is made of, from its start.
pub trait Larder {
    /// Opens the bytes of `large`.
    ///
    /// # Errors
    /// If they are not there, or cannot be read.
    fn open(&self, large: &Large) -> io::Result<Box<dyn Read + '_>>;
}

impl Recipe {
    /// Returns the recipe of a file. `secret` is a text that occurs in none of its strings, because
    /// nobody knew it when they were written.
    pub fn of<T: Packed>(mut file: T, secret: &str) -> Self {
        let mut larges = Vec::new();
        for (body, _) in file.bodies() {
            if let Body::Large(large) = body {
                let name = format!("{secret} {} ", larges.len());
                larges.push((name.clone(), *large));
                *body = Body::Inline(name);
            }
        }
        let json = file.to_json();
        if larges.is_empty() {
            return Self { parts: vec![Part::Json(json)] };
        }
        let text = String::from_utf8(json).expect("JSON is UTF-8");
        let (mut parts, mut rest) = (Vec::with_capacity(2 * larges.len() + 1), text.as_str());
        // They stand in the order of the entries, but for checkpoints, which have two lists.
        let mut places: Vec<(usize, usize, Large)> = Vec::new();
        let mut from = 0;
        for (name, large) in &larges {
            let found = text[from..].find(name.as_str()).map(|at| at + from);
            let Some(at) = found.or_else(|| text.find(name.as_str())) else { continue };
            places.push((at, name.len(), *large));
            from = at;
        }
        places.sort_unstable_by_key(|(at, ..)| *at);
        let mut cut = 0;
        for (at, length, large) in places {
            let (before, after) = rest.split_at(at - cut);
            parts.push(Part::Json(before.as_bytes().to_vec()));
            parts.push(Part::Large(large));
            rest = &after[length..];
            cut = at + length;
        }
        parts.push(Part::Json(rest.as_bytes().to_vec()));
        Self { parts }
    }

    /// Returns what is large in it.
    pub fn larges(&self) -> impl Iterator<Item = &Large> {
        self.parts.iter().filter_map(|part| match part {
            Part::Large(large) => Some(large),
            Part::Json(_) => None,
        })
    }

    /// Returns the whole JSON if nothing of it is large.
    pub fn json(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [Part::Json(json)] => Some(json),
            _ => None,
        }
    }

    /// About how many bytes of JSON it makes. Exact but for what text needs in escapes.
    pub fn size_bytes(&self) -> u64 {
        let size = |part: &Part| match part {
            Part::Json(json) => json.len() as u64,
            Part::Large(large) if large.is_text => large.size_bytes,
            Part::Large(large) => base64_bytes(large.size_bytes),
        };
        self.parts.iter().map(size).sum()
    }

    /// Returns the file that this is the recipe of. `secret` is as in [`of`](Self::of).
    ///
    /// # Errors
    /// [`Error::Json`] if it is no recipe of such a file.
    pub fn file<T: Packed>(&self, secret: &str) -> Result<T, Error> {
        let (mut json, mut larges) = (Vec::new(), BTreeMap::new());
        for part in &self.parts {
            match part {
                Part::Json(piece) => json.extend_from_slice(piece),
                Part::Large(large) => {
                    let name = format!("{secret} {} ", larges.len());
                    json.extend_from_slice(name.as_bytes());
                    larges.insert(name, *large);
                }
            }
        }
        let mut file = T::from_json(&json)?;
        for (body, _) in file.bodies() {
            let Body::Inline(text) = &*body else { continue };
            if let Some(large) = larges.get(text) {
                *body = Body::Large(*large);
            }
        }
        Ok(file)
    }

    /// Writes the file; `mtime` is in seconds since the epoch and goes into the gzip header.
    ///
    /// # Errors
    /// If something large is not there or not what its digest says, or cannot be written.
    pub fn write(&self, mtime: u32, larder: &dyn Larder, to: &mut dyn Write) -> io::Result<()> {
        let mut length = Counter(0);
        self.write_json(larder, &mut length)?;
        // It is compressed only lightly: base64 gains nothing by more, and this would take minutes.
        let is_light = self.json().is_none();
        archive::pack_to(length.0, mtime, is_light, to, &mut |to| self.write_json(larder, to))
    }

    fn write_json(&self, larder: &dyn Larder, to: &mut dyn Write) -> io::Result<()> {
        for part in &self.parts {
            match part {
                Part::Json(json) => to.write_all(json)?,
                Part::Large(large) => {
                    let mut from = Proven::new(larder.open(large)?, *large);
                    match large.encoding() {
                        Encoding::Text => write_text(&mut from, to)?,
                        Encoding::Base64 => write_base64(&mut from, to)?,
                    }
                }
            }
        }
        Ok(())
    }
}

const fn base64_bytes(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}

/// Takes count of what is written.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes that are compared with what they should be: where they end and are something else, reading
/// fails.
#[derive(Debug)]
pub struct Proven<R> {
    from: R,
    large: Large,
    hasher: Sha256,
    count: u64,
}

impl<R: Read> Proven<R> {
    /// Expects `large` of `from`.
    pub fn new(from: R, large: Large) -> Self {
        Self { from, large, hasher: Sha256::new(), count: 0 }
    }

    fn expect_whole(&self) -> io::Result<()> {
        let digest = Digest::from_bytes(self.hasher.clone().finalize().into());
        if digest == self.large.digest && self.count == self.large.size_bytes {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidData, "it has changed"))
        }
    }
}

impl<R: Read> Read for Proven<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(to)?;
        if count == 0 && !to.is_empty() {
            self.expect_whole()?;
        }
        self.hasher.update(&to[..count]);
        self.count += count as u64;
        Ok(count)
    }
}

const CHUNK_BYTES: usize = 96 * 1024; // A multiple of 3: no padding within.

/// Fills `chunk` as far as there is something.
fn fill(from: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < chunk.len() {
        match from.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn write_base64(from: &mut impl Read, to: &mut dyn Write) -> io::Result<()> {
    let (mut chunk, mut text) = (vec![0; CHUNK_BYTES], String::new());
    loop {
        let count = fill(from, &mut chunk)?;
        text.clear();
        STANDARD.encode_string(&chunk[..count], &mut text);
        to.write_all(text.as_bytes())?;
        if count < chunk.len() {
            return Ok(());
        }
    }
}

fn write_text(from: &mut impl Read, to: &mut dyn Write) -> io::Result<()> {
    let (mut chunk, mut begun) = (vec![0; CHUNK_BYTES], 0);
    loop {
        let count = begun + fill(from, &mut chunk[begun..])?;
        let is_last = count < chunk.len();
        let whole = match std::str::from_utf8(&chunk[..count]) {
            Ok(text) => text.len(),
            // A character that goes on in the next piece.
            Err(error) if error.error_len().is_none() && !is_last => error.valid_up_to(),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let text = std::str::from_utf8(&chunk[..whole]).unwrap_or_default();
        let quoted = serde_json::to_vec(text)?;
        to.write_all(&quoted[1..quoted.len() - 1])?;
        if is_last {
            return Ok(());
        }
        chunk.copy_within(whole..count, 0);
        begun = count - whole;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::outline::tests::Strings;
    use super::super::{Content, Event, FileChangeEventsMessage, FullState, names::EventsName};
    use super::*;
    use crate::model::{DatasitePath, Email, Timestamp};

    struct Pantry(BTreeMap<Digest, Vec<u8>>);

    impl Larder for Pantry {
        fn open(&self, large: &Large) -> io::Result<Box<dyn Read + '_>> {
            Ok(Box::new(self.0[&large.digest].as_slice()))
        }
    }

    fn large(bytes: &[u8]) -> Content {
        Content::Large(Large {
            digest: Digest::of(bytes),
            size_bytes: bytes.len() as u64,
            is_text: std::str::from_utf8(bytes).is_ok(),
        })
    }

    fn message(contents: impl Iterator<Item = Content>) -> FileChangeEventsMessage {
        let timestamp = Timestamp::from_micros(1_780_000_000_123_456);
        let events = contents.enumerate().map(|(n, content)| Event {
            id: uuid::Uuid::from_u128(n as u128),
            path: DatasitePath::parse(&format!("f{n}")).unwrap(),
            datasite: Email::parse("do@example.org").unwrap(),
            base: None,
            content: Some(content),
            submitted: timestamp,
            timestamp,
        });
        let name = EventsName { timestamp, id: uuid::Uuid::nil() };
        FileChangeEventsMessage::new(&name, events.collect())
    }

    fn written(recipe: &Recipe, pantry: &Pantry) -> io::Result<Vec<u8>> {
        let mut file = Vec::new();
        recipe.write(7, pantry, &mut file).map(|()| file)
    }

    proptest! {
        #[test]
        fn a_file_in_pieces_is_the_file(
            contents in prop::collection::vec((any::<bool>(), prop_oneof![
                prop::collection::vec(any::<u8>(), 0..300), "(?s).{0,200}".prop_map(String::into_bytes),
                prop::collection::vec(Just(0xe2_u8), 0..3),
            ]), 0..5)
        ) {
            let whole = message(contents.iter().map(|(_, bytes)| Content::from_bytes(bytes.clone())));
            let cut = message(contents.iter().map(|(is_large, bytes)| {
                if *is_large { large(bytes) } else { Content::from_bytes(bytes.clone()) }
            }));
            let pantry = Pantry(contents.iter().map(|(_, b)| (Digest::of(b), b.clone())).collect());
            let recipe = Recipe::of(cut.clone(), "s3cret");
            let file = written(&recipe, &pantry).unwrap();
            let json = archive::unpack(&file, 1 << 20).unwrap();
            prop_assert_eq!(String::from_utf8(json).unwrap(), String::from_utf8(whole.to_json()).unwrap());
            prop_assert_eq!(recipe.file::<FileChangeEventsMessage>("other").unwrap(), cut);
            // And what was written in pieces is read so.
            let read = FileChangeEventsMessage::read_from(file.as_slice(), &mut Strings::default());
            prop_assert_eq!(read.unwrap(), whole);
        }
    }

    #[test]
    fn pieces_larger_than_a_chunk_are_whole_characters() {
        for shift in 0..4 {
            let text = format!("{}{}", "x".repeat(shift), "\u{1f600}é\"\n".repeat(CHUNK_BYTES / 5));
            let bytes = [text.as_bytes(), &[0xff, 0, 1].repeat(CHUNK_BYTES)];
            let contents = bytes.map(large);
            let pantry = Pantry(bytes.iter().map(|b| (Digest::of(b), b.to_vec())).collect());
            let file =
                written(&Recipe::of(message(contents.into_iter()), "s3cret"), &pantry).unwrap();
            let whole = message(bytes.iter().map(|b| Content::from_bytes(b.to_vec())));
            assert_eq!(archive::unpack(&file, 1 << 24).unwrap(), whole.to_json(), "{shift}");
        }
    }

    #[test]
    fn what_has_changed_makes_no_file() {
        for (what, now) in
            [("changed", &b"other"[..]), ("shorter", b"cont"), ("longer", b"content!")]
        {
            let content = large(b"content");
            let pantry = Pantry(BTreeMap::from([(Digest::of(b"content"), now.to_vec())]));
            let recipe = Recipe::of(message([content].into_iter()), "s3cret");
            assert_eq!(
                written(&recipe, &pantry).unwrap_err().kind(),
                io::ErrorKind::InvalidData,
                "{what}"
            );
        }
    }

    #[test]
    fn a_checkpoint_has_two_lists_in_one_order() {
        let texts: [&[u8]; 4] = [b"\xff one", b"two", b"\xff three", b"four"];
        let state = |large_ones: bool| FullState {
            timestamp: Timestamp::from_micros(1_780_000_000_123_456),
            email: Email::parse("do@example.org").unwrap(),
            last_event: None,
            files: texts
                .iter()
                .enumerate()
                .map(|(n, bytes)| {
                    let path = DatasitePath::parse(&format!("f{n}")).unwrap();
                    (
                        path,
                        if large_ones { large(bytes) } else { Content::from_bytes(bytes.to_vec()) },
                    )
                })
                .collect(),
        };
        let pantry = Pantry(texts.iter().map(|b| (Digest::of(b), b.to_vec())).collect());
        let file = written(&Recipe::of(state(true).into_wire(), "s3cret"), &pantry).unwrap();
        assert_eq!(archive::unpack(&file, 1 << 20).unwrap(), state(false).into_wire().to_json());
    }
}
