//! What a file consists of: its sections, and their chunks.
//!
//! A section ends after a chunk whose digest ends with seven zero bits, or at
//! [`SECTION_CHUNKS_MAX`] chunks: where it ends follows from its content, so that a change of a file
//! changes one section or two. A list is the chunks of a section, for each the digest (32 bytes) and
//! the length (4, the lowest first). Format: `docs/FORMAT.md`, "Chunks".

use super::cutting::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN};
use super::error::Error;
use crate::model::Digest;

/// Most chunks of one section.
pub const SECTION_CHUNKS_MAX: usize = 512;

const ENTRY_BYTES: usize = 36;

/// One chunk of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chunk {
    /// Of its bytes.
    pub digest: Digest,
    /// In bytes; 1 to [`CHUNK_BYTES_MAX`].
    pub length: u32,
}

/// Some chunks in a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Of its list.
    pub digest: Digest,
    /// In order.
    pub chunks: Vec<Chunk>,
}

/// What a file consists of.
///
/// Invariant: the sections follow from the chunks, and the size is the sum of their lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    digest: Digest,
    size_bytes: u64,
    sections: Vec<Section>,
}

impl Section {
    fn of(chunks: Vec<Chunk>) -> Self {
        Self { digest: Digest::of(&list(&chunks)), chunks }
    }

    /// Returns the list.
    pub fn list(&self) -> Vec<u8> {
        list(&self.chunks)
    }

    /// Reads a list of which the digest is verified. Only of the last section `is_last` is true: the
    /// last chunk of a file may be a short one.
    ///
    /// # Errors
    /// [`Error::Contradiction`].
    pub(super) fn read(digest: Digest, list: &[u8], is_last: bool) -> Result<Self, Error> {
        let wrong = Error::Contradiction;
        let (entries, rest) = list.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || !(1..=SECTION_CHUNKS_MAX).contains(&entries.len()) {
            return Err(wrong("a list that is none"));
        }
        let chunks: Vec<Chunk> = entries.iter().map(entry).collect();
        for (number, chunk) in chunks.iter().enumerate() {
            let is_end = is_last && number + 1 == chunks.len();
            let least = if is_end { 1 } else { CHUNK_BYTES_MIN };
            if !(least..=CHUNK_BYTES_MAX).contains(&(chunk.length as usize)) {
                return Err(wrong("a chunk of a length that no chunk has"));
            }
        }
        Ok(Self { digest, chunks })
    }
}

fn list(chunks: &[Chunk]) -> Vec<u8> {
    let mut list = Vec::with_capacity(chunks.len() * ENTRY_BYTES);
    for chunk in chunks {
        list.extend_from_slice(chunk.digest.as_bytes());
        list.extend_from_slice(&chunk.length.to_le_bytes());
    }
    list
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> Chunk {
    let (mut digest, mut length) = ([0; 32], [0; 4]);
    digest.copy_from_slice(&bytes[..32]);
    length.copy_from_slice(&bytes[32..]);
    Chunk { digest: Digest::from_bytes(digest), length: u32::from_le_bytes(length) }
}

impl Outline {
    /// Returns the digest of the whole file.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the size of the file.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Returns the sections, in order.
    pub fn sections(&self) -> &[Section] {
        &self.sections
    }

    /// Returns the chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.sections.iter().flat_map(|section| &section.chunks)
    }

    /// Returns all but the digest, to be kept on this machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.sections.iter().flat_map(Section::list).collect()
    }

    /// Reads what [`Self::to_bytes`] gave; `None` if it is something else.
    pub fn from_bytes(digest: Digest, bytes: &[u8]) -> Option<Self> {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        let mut builder = Builder::default();
        entries.iter().map(entry).for_each(|chunk| builder.push(chunk));
        rest.is_empty().then(|| builder.finish(digest))
    }
}

/// Makes an outline of chunks as they come.
#[derive(Debug, Default)]
pub(super) struct Builder {
    sections: Vec<Section>,
    open: Vec<Chunk>,
    size_bytes: u64,
}

impl Builder {
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.size_bytes += u64::from(chunk.length);
        self.open.push(chunk);
        let is_end = chunk.digest.as_bytes()[31] & 0x7f == 0;
        if is_end || self.open.len() == SECTION_CHUNKS_MAX {
            self.sections.push(Section::of(std::mem::take(&mut self.open)));
        }
    }

    pub(super) fn finish(mut self, digest: Digest) -> Outline {
        if !self.open.is_empty() {
            self.sections.push(Section::of(self.open));
        }
        Outline { digest, size_bytes: self.size_bytes, sections: self.sections }
    }
}

#[cfg(test)]
mod tests {
    use super::super::cut;
    use super::super::tests::Noise;
    use super::*;

    fn chunk(number: u32, last_byte: u8, length: u32) -> Chunk {
        let mut digest = [7; 32];
        digest[..4].copy_from_slice(&number.to_le_bytes());
        digest[31] = last_byte;
        Chunk { digest: Digest::from_bytes(digest), length }
    }

    #[test]
    fn sections_end_where_digests_say() {
        let mut builder = Builder::default();
        let many = u32::try_from(SECTION_CHUNKS_MAX).unwrap();
        (0..3).for_each(|n| builder.push(chunk(n, 1, 20_000)));
        builder.push(chunk(3, 0, 20_000));
        builder.push(chunk(4, 0x80, 20_000));
        (5..5 + many + 1).for_each(|n| builder.push(chunk(n, 0x40, 20_000)));
        let outline = builder.finish(Digest::of(b"whole"));
        let lengths: Vec<usize> = outline.sections().iter().map(|s| s.chunks.len()).collect();
        assert_eq!(lengths, [4, 1, SECTION_CHUNKS_MAX, 1]);
        assert_eq!(outline.size_bytes(), 20_000 * outline.chunks().count() as u64);
    }

    #[test]
    fn what_is_kept_reads_back() {
        let outline = cut(Noise::new(4, 3_000_000), |_, _| Ok(())).unwrap();
        let bytes = outline.to_bytes();
        assert_eq!(Outline::from_bytes(outline.digest(), &bytes), Some(outline.clone()));
        assert_eq!(Outline::from_bytes(outline.digest(), &bytes[1..]), None);
        for (number, section) in outline.sections().iter().enumerate() {
            let is_last = number + 1 == outline.sections().len();
            let read = Section::read(section.digest, &section.list(), is_last).unwrap();
            assert_eq!(read, *section);
        }
    }

    #[test]
    fn a_list_that_cannot_be_one_is_refused() {
        let least = u32::try_from(CHUNK_BYTES_MIN).unwrap();
        let most = u32::try_from(CHUNK_BYTES_MAX).unwrap();
        #[rustfmt::skip]
        let cases = [
            // what                         lengths                     last    as it should be
            ("usual",                       vec![least, most],          false,  true),
            ("short at the end of all",     vec![least, 1],             true,   true),
            ("short at the end of some",    vec![least, 1],             false,  false),
            ("short in the middle",         vec![1, least],             true,   false),
            ("of no length",                vec![least, 0],             true,   false),
            ("too long",                    vec![most + 1],             true,   false),
            ("nothing",                     vec![],                     true,   false),
            ("too many",                    vec![least; SECTION_CHUNKS_MAX + 1], true, false),
        ];
        for (what, lengths, is_last, is_right) in cases {
            let list = list(&lengths.iter().map(|l| chunk(0, 1, *l)).collect::<Vec<_>>());
            let read = Section::read(Digest::of(&list), &list, is_last);
            assert_eq!(read.is_ok(), is_right, "{what}");
        }
        assert!(Section::read(Digest::of(b""), &[0; ENTRY_BYTES + 1], true).is_err());
    }
}
