//! Packs: files that hold chunks and lists, each compressed where that helps.
//!
//! `syftpack`, the format (1) and the number of entries as 4 bytes each, the lowest first; for each
//! entry its digest (32 bytes), its length, its length as it is stored (4 each), and how it is stored
//! (1: 0 as it is, 1 as a zstd frame); then what is stored, in the same order, and nothing else.
//!
//! What a pack says of itself is not believed: the sizes must come out exactly, an entry takes no more
//! memory than the longest chunk, whatever it unpacks to, and what it is read as has the digest that
//! was asked for. Format: `docs/FORMAT.md`, "Chunks".

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::cutting::CHUNK_BYTES_MAX;
use super::error::Error;
use crate::model::Digest;

/// Most bytes that entries of a pack take as they are stored, whoever made it: so much is in memory while it is
/// opened.
pub const PACK_BYTES_MAX: usize = 8 * 1024 * 1024;
/// With how many a pack of ours is full: so much is lost if an upload is, and so much is in memory while a pack
/// is made, sealed or sent.
const FULL_BYTES: usize = PACK_BYTES_MAX / 2;
/// Most entries of a pack.
pub const PACK_ENTRIES_MAX: usize = 4096;

/// What a pack takes that is full, with its table: so it never moves while it is made.
const ROOM_BYTES: usize = FULL_BYTES + HEAD_BYTES + 1024 * ENTRY_BYTES;

const MAGIC: &[u8; 8] = b"syftpack";
const FORMAT: u32 = 1;
const HEAD_BYTES: usize = 16;
const ENTRY_BYTES: usize = 41;
const STORED: u8 = 0;
const ZSTD: u8 = 1;
/// Twice as fast as the next level, and within a few percent of it on chunks of this size.
const LEVEL: i32 = 3;

/// A pack that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it holds, in order.
    pub digests: Vec<Digest>,
    /// How much that is before it is compressed, in bytes.
    pub content_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    digest: Digest,
    length: u32,
    stored: u32,
    form: u8,
}

/// Makes packs.
#[derive(Default)]
pub struct PackWriter {
    entries: Vec<Entry>,
    stored: Vec<u8>,
    compressor: Option<zstd::bulk::Compressor<'static>>,
}

impl PackWriter {
    /// Puts a chunk or a list into the pack. Only while the pack is not full.
    ///
    /// # Errors
    /// If there is no memory to compress with.
    pub fn add(&mut self, digest: Digest, content: &[u8]) -> io::Result<()> {
        let compressor = match &mut self.compressor {
            Some(compressor) => compressor,
            none => none.insert(zstd::bulk::Compressor::new(LEVEL)?),
        };
        let compressed = compressor.compress(content)?;
        // What saves less than a 32nd is not worth the reader's time.
        let helps = compressed.len() + content.len() / 32 < content.len();
        let (stored, form) = if helps { (compressed.as_slice(), ZSTD) } else { (content, STORED) };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).map_err(io::Error::other);
        if self.stored.capacity() == 0 {
            self.stored.reserve_exact(stored.len().max(ROOM_BYTES));
        }
        self.entries.push(Entry {
            digest,
            length: length(content)?,
            stored: length(stored)?,
            form,
        });
        self.stored.extend_from_slice(stored);
        Ok(())
    }

    /// True if another chunk may be too much.
    pub fn is_full(&self) -> bool {
        self.entries.len() == PACK_ENTRIES_MAX || self.stored.len() + CHUNK_BYTES_MAX > FULL_BYTES
    }

    /// Returns the pack, and begins another; `None` if there is nothing in it.
    pub fn finish(&mut self) -> Option<Packed> {
        let (entries, mut bytes) =
            (std::mem::take(&mut self.entries), std::mem::take(&mut self.stored));
        if entries.is_empty() {
            return None;
        }
        let mut head = Vec::with_capacity(HEAD_BYTES + entries.len() * ENTRY_BYTES);
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&FORMAT.to_le_bytes());
        // At most PACK_ENTRIES_MAX.
        head.extend_from_slice(&u32::try_from(entries.len()).unwrap_or(u32::MAX).to_le_bytes());
        for entry in &entries {
            head.extend_from_slice(entry.digest.as_bytes());
            head.extend_from_slice(&entry.length.to_le_bytes());
            head.extend_from_slice(&entry.stored.to_le_bytes());
            head.push(entry.form);
        }
        bytes.splice(0..0, head); // There is room for it.
        Some(Packed {
            bytes,
            digests: entries.iter().map(|entry| entry.digest).collect(),
            content_bytes: entries.iter().map(|entry| u64::from(entry.length)).sum(),
        })
    }
}

impl std::fmt::Debug for PackWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PackWriter({} entries, {} bytes)", self.entries.len(), self.stored.len())
    }
}

/// A pack to read from, its table in memory.
#[derive(Debug)]
pub struct Pack<R> {
    source: R,
    entries: HashMap<Digest, (u64, Entry)>,
}

impl<R: Read + Seek> Pack<R> {
    /// Reads what the pack says of itself.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it is no pack; if `source` cannot be read.
    pub fn open(mut source: R) -> Result<Self, Error> {
        let size = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let mut head = [0; HEAD_BYTES];
        read_exact(&mut source, &mut head)?;
        let (magic, numbers) = head.split_at(MAGIC.len());
        if magic != MAGIC || number(numbers, 0) != FORMAT {
            return Err(Error::Damaged("it is no pack that this program knows"));
        }
        let count = number(numbers, 4) as usize;
        if !(1..=PACK_ENTRIES_MAX).contains(&count) {
            return Err(Error::Damaged("it holds nothing, or too much"));
        }
        let mut table = vec![0; count * ENTRY_BYTES];
        read_exact(&mut source, &mut table)?;
        let mut at = (HEAD_BYTES + table.len()) as u64;
        let mut entries = HashMap::with_capacity(count);
        for bytes in table.as_chunks::<ENTRY_BYTES>().0 {
            let entry = entry(bytes)?;
            if entries.insert(entry.digest, (at, entry)).is_some() {
                return Err(Error::Damaged("it holds something twice"));
            }
            at += u64::from(entry.stored);
        }
        if at != size {
            return Err(Error::Damaged("it is longer or shorter than it says"));
        }
        Ok(Self { source, entries })
    }

    /// Returns what has the digest `wanted`; `None` if the pack does not hold it.
    ///
    /// # Errors
    /// [`Error::Damaged`] if it holds something else in its place; if the source cannot be read.
    pub fn read(&mut self, wanted: &Digest) -> Result<Option<Vec<u8>>, Error> {
        let Some((at, entry)) = self.entries.get(wanted) else { return Ok(None) };
        self.source.seek(SeekFrom::Start(*at))?;
        let mut content = vec![0; entry.stored as usize];
        read_exact(&mut self.source, &mut content)?;
        if entry.form == ZSTD {
            content = zstd::bulk::decompress(&content, entry.length as usize)
                .map_err(|_| Error::Damaged("something in it cannot be unpacked"))?;
        }
        if Digest::of(&content) != *wanted {
            return Err(Error::Damaged("something in it is not what it says"));
        }
        Ok(Some(content))
    }
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> Result<Entry, Error> {
    let (digest, rest) = bytes.split_at(32);
    let mut of = [0; 32];
    of.copy_from_slice(digest);
    let entry = Entry {
        digest: Digest::from_bytes(of),
        length: number(rest, 0),
        stored: number(rest, 4),
        form: rest[8],
    };
    let is_bounded = (1..=CHUNK_BYTES_MAX).contains(&(entry.length as usize));
    let is_right = match entry.form {
        STORED => entry.stored == entry.length,
        ZSTD => entry.stored > 0 && entry.stored < entry.length,
        _ => false,
    };
    if is_bounded && is_right { Ok(entry) } else { Err(Error::Damaged("an entry cannot be so")) }
}

/// `bytes` has four more at `at`.
fn number(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn read_exact(source: &mut impl Read, buffer: &mut [u8]) -> Result<(), Error> {
    source.read_exact(buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::Damaged("it is cut off"),
        _ => Error::Io(error),
    })
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::tests::Noise;
    use super::*;

    fn noise(seed: u64, size: u64) -> Vec<u8> {
        let mut content = Vec::new();
        Noise::new(seed, size).read_to_end(&mut content).unwrap();
        content
    }

    fn three() -> (Packed, Vec<Vec<u8>>) {
        let contents = vec![noise(1, 70_000), b"text ".repeat(5_000), b"x".to_vec()];
        let mut writer = PackWriter::default();
        contents.iter().for_each(|one| writer.add(Digest::of(one), one).unwrap());
        (writer.finish().unwrap(), contents)
    }

    #[test]
    fn what_is_packed_is_what_is_read_and_smaller_where_that_helps() {
        let (packed, contents) = three();
        assert_eq!(packed.digests, contents.iter().map(|c| Digest::of(c)).collect::<Vec<_>>());
        assert_eq!(packed.content_bytes, 95_001);
        assert!(packed.bytes.len() < 70_000 + 1_000, "{}", packed.bytes.len());
        let mut pack = Pack::open(Cursor::new(&packed.bytes)).unwrap();
        for content in contents.iter().rev() {
            assert_eq!(pack.read(&Digest::of(content)).unwrap().as_ref(), Some(content));
        }
        assert_eq!(pack.read(&Digest::of(b"else")).unwrap(), None);
        assert_eq!(PackWriter::default().finish(), None);
    }

    #[test]
    fn a_pack_is_full_before_it_is_too_large() {
        let mut writer = PackWriter::default();
        let mut count = 0;
        while !writer.is_full() {
            let content = noise(count, CHUNK_BYTES_MAX as u64);
            writer.add(Digest::of(&content), &content).unwrap();
            count += 1;
        }
        let packed = writer.finish().unwrap();
        assert_eq!(count, 32);
        assert!(packed.bytes.len() <= FULL_BYTES + HEAD_BYTES + 64 * ENTRY_BYTES);
        assert!(!writer.is_full());
        (0..PACK_ENTRIES_MAX as u64)
            .for_each(|n| writer.add(Digest::of(&n.to_le_bytes()), &n.to_le_bytes()).unwrap());
        assert!(writer.is_full());
    }

    /// What a peer could send that unpacks to far more than it says.
    #[test]
    fn a_bomb_takes_no_more_memory_than_a_chunk() {
        let bomb = zstd::bulk::compress(&vec![0; 64 << 20], LEVEL).unwrap();
        let honest = vec![0; CHUNK_BYTES_MAX];
        let mut bytes = Vec::new();
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&1_u32.to_le_bytes());
        bytes.extend_from_slice(Digest::of(&honest).as_bytes());
        bytes.extend_from_slice(&u32::try_from(honest.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(bomb.len()).unwrap().to_le_bytes());
        bytes.push(ZSTD);
        bytes.extend_from_slice(&bomb);
        let mut pack = Pack::open(Cursor::new(&bytes)).unwrap();
        assert!(matches!(pack.read(&Digest::of(&honest)), Err(Error::Damaged(_))));
    }

    #[test]
    fn an_entry_that_cannot_be_so_is_refused() {
        let (packed, _) = three();
        let number = |number: usize| u32::try_from(number).unwrap().to_le_bytes();
        let first = HEAD_BYTES;
        #[rustfmt::skip]
        let cases: &[(&str, usize, &[u8])] = &[
            ("another magic",       0,              b"S"),
            ("a newer format",      8,              &number(2)),
            ("no entries",          12,             &number(0)),
            ("too many entries",    12,             &number(PACK_ENTRIES_MAX + 1)),
            ("more entries",        12,             &number(4)),
            ("fewer entries",       12,             &number(2)),
            ("a longer chunk",      first + 32,     &number(CHUNK_BYTES_MAX + 1)),
            ("no length",           first + 32,     &number(0)),
            ("another length",      first + 32,     &number(70_001)),
            ("more stored",         first + 36,     &number(70_001)),
            ("huge stored",         first + 36,     &[0xff; 4]),
            ("an unknown form",     first + 40,     &[2]),
            ("zstd that is longer", first + 40,     &[ZSTD]),
        ];
        for (what, at, bytes) in cases {
            let mut changed = packed.bytes.clone();
            changed[*at..at + bytes.len()].copy_from_slice(bytes);
            assert!(matches!(Pack::open(Cursor::new(changed)), Err(Error::Damaged(_))), "{what}");
        }
        let mut twice = packed.bytes.clone();
        let (one, two) = (first..first + 32, first + ENTRY_BYTES..first + ENTRY_BYTES + 32);
        twice.copy_within(one, two.start);
        assert!(Pack::open(Cursor::new(twice)).is_err());
    }

    proptest! {
        /// Whatever comes is refused or is what was asked for, and never more than that.
        #[test]
        fn a_garbled_pack_gives_nothing_else(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            length in any::<prop::sample::Index>(),
            cuts in any::<bool>(),
        ) {
            let (packed, contents) = three();
            let mut bytes = packed.bytes;
            for (at, byte) in changes {
                // Mostly where numbers stand.
                let within = at.index(HEAD_BYTES + 4 * ENTRY_BYTES);
                bytes[within] = byte;
            }
            if cuts {
                bytes.truncate(length.index(bytes.len()));
            }
            let Ok(mut pack) = Pack::open(Cursor::new(&bytes)) else { return Ok(()) };
            for content in &contents {
                if let Ok(Some(read)) = pack.read(&Digest::of(content)) {
                    prop_assert_eq!(&read, content);
                }
            }
        }
    }
}
