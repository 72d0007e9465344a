//! The content of a large file as a list of its chunks: what a message between two of ours carries
//! in place of `content`.
//!
//! The struct with the name of the wire holds what is literally there; [`ChunkedContent::check`]
//! turns it into a [`Manifest`] or says what is wrong. Whether the chunks are what they are said to
//! be only their bytes tell: `crate::chunks`. Whose packs may be named is for those to decide who
//! know where they lie. Format: `docs/FORMAT.md`, "Chunks".

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::content::base64;
use super::error::Problem;
use super::json;
use super::limits::{CHANGES_MAX, FILE_BYTES_MAX, PACKS_MAX, SECTIONS_MAX};
use crate::model::Digest;

/// The version of the format that we write, and the only one that we read: how a file is cut, how
/// chunks are listed, and how packs are laid out.
pub(super) const FORMAT: u64 = 1;

const PACK_NAME_BYTES_MAX: usize = 512;

/// The value of `syft_chunks`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkedContent {
    /// Version of the format, 1.
    pub format: u64,
    /// Size of the file, in bytes.
    pub size: u64,
    /// The digests of the lists of its sections, each in base64.
    #[serde(deserialize_with = "json::bounded")]
    pub sections: Vec<String>,
    /// Ids of the files that hold what is named below.
    #[serde(deserialize_with = "json::bounded")]
    pub packs: Vec<String>,
    /// Where the lists of the sections are, in order.
    #[serde(deserialize_with = "json::bounded")]
    pub lists: Vec<Run>,
    /// Where the chunks are, in order.
    #[serde(deserialize_with = "json::bounded")]
    pub chunks: Vec<Run>,
}

/// So many, one after the other, are in the same place. Written as `[count, pack]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "(u32, Option<u32>)", into = "(u32, Option<u32>)")]
pub struct Run {
    /// How many; at least one.
    pub count: u32,
    /// Which of the packs, from 0; `None`: in what the file held before, the base of the change.
    pub pack: Option<u32>,
}

/// What a file consists of, and where that is, as far as it can be judged without a chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of the whole file.
    pub digest: Digest,
    /// Its size; 1 to [`FILE_BYTES_MAX`].
    pub size_bytes: u64,
    /// The digests of the lists of its sections, in order; 1 to [`SECTIONS_MAX`].
    pub sections: Vec<Digest>,
    /// Ids of packs, each once; at most [`PACKS_MAX`].
    pub packs: Vec<String>,
    /// Where the lists are. As many as there are sections.
    pub lists: Vec<Run>,
    /// Where the chunks are. How many there must be the lists say.
    pub chunks: Vec<Run>,
}

impl ChunkedContent {
    /// Returns how many names and places there are in it.
    pub(super) const fn parts(&self) -> usize {
        self.sections.len() + self.packs.len() + self.lists.len() + self.chunks.len()
    }

    /// True if none of its lists is longer than what is read of one.
    pub(super) fn is_bounded(&self) -> bool {
        let lengths = [self.sections.len(), self.packs.len(), self.lists.len(), self.chunks.len()];
        lengths.iter().all(|length| *length <= CHANGES_MAX)
    }

    /// Reads every field; `digest` is what the message says of the whole file.
    ///
    /// # Errors
    /// The first thing that cannot be so.
    pub fn check(self, digest: Digest) -> Result<Manifest, Problem> {
        if self.format != FORMAT {
            return Err(Problem::Version(self.format));
        }
        if !(1..=FILE_BYTES_MAX).contains(&self.size) {
            return Err(Problem::Chunks("a size that no such file has"));
        }
        if self.sections.len() > SECTIONS_MAX || self.sections.len() as u64 > self.size {
            return Err(Problem::Chunks("too many sections"));
        }
        let sections = digests(&self.sections)?;
        if self.packs.len() > PACKS_MAX {
            return Err(Problem::Chunks("too many packs"));
        }
        let is_name = |name: &String| {
            (1..=PACK_NAME_BYTES_MAX).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_graphic())
        };
        if !self.packs.iter().all(is_name) {
            return Err(Problem::Chunks("a pack that cannot be one"));
        }
        let names: std::collections::BTreeSet<&String> = self.packs.iter().collect();
        if names.len() != self.packs.len() {
            return Err(Problem::Chunks("a pack that is named twice"));
        }
        if count(&self.lists, self.packs.len())? != sections.len() as u64 {
            return Err(Problem::Chunks("not one place for each section"));
        }
        let chunks = count(&self.chunks, self.packs.len())?;
        if chunks < sections.len() as u64 || chunks > self.size {
            return Err(Problem::Chunks("more or fewer chunks than there can be"));
        }
        Ok(Manifest {
            digest,
            size_bytes: self.size,
            sections,
            packs: self.packs,
            lists: self.lists,
            chunks: self.chunks,
        })
    }
}

/// Returns how many there are in all; each run is one, and within the packs.
fn count(runs: &[Run], packs: usize) -> Result<u64, Problem> {
    let is_one = |run: &Run| run.count > 0 && run.pack.is_none_or(|pack| (pack as usize) < packs);
    if !runs.iter().all(is_one) {
        return Err(Problem::Chunks("a place that is none"));
    }
    Ok(runs.iter().map(|run| u64::from(run.count)).sum())
}

fn digests(sections: &[String]) -> Result<Vec<Digest>, Problem> {
    let digest = |text: &String| {
        let bytes = base64(text)?.try_into();
        bytes.map(Digest::from_bytes).map_err(|_| Problem::Chunks("a section that is no digest"))
    };
    if sections.is_empty() {
        return Err(Problem::Chunks("no section"));
    }
    sections.iter().map(digest).collect()
}

impl Manifest {
    /// True if nothing of it is to be taken from what the file held before: it can be put together by
    /// whoever has the packs.
    pub fn is_complete(&self) -> bool {
        self.lists.iter().chain(&self.chunks).all(|run| run.pack.is_some())
    }

    /// Returns it as it is written.
    pub fn to_wire(&self) -> ChunkedContent {
        ChunkedContent {
            format: FORMAT,
            size: self.size_bytes,
            sections: self.sections.iter().map(|one| STANDARD.encode(one.as_bytes())).collect(),
            packs: self.packs.clone(),
            lists: self.lists.clone(),
            chunks: self.chunks.clone(),
        }
    }
}

impl From<(u32, Option<u32>)> for Run {
    fn from((count, pack): (u32, Option<u32>)) -> Self {
        Self { count, pack }
    }
}

impl From<Run> for (u32, Option<u32>) {
    fn from(run: Run) -> Self {
        (run.count, run.pack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let run = |count, pack| Run { count, pack };
        Manifest {
            digest: Digest::of(b"whole"),
            size_bytes: 1 << 20,
            sections: vec![Digest::of(b"one"), Digest::of(b"two")],
            packs: vec!["a".to_owned(), "b".to_owned()],
            lists: vec![run(1, None), run(1, Some(1))],
            chunks: vec![run(7, None), run(2, Some(0)), run(9, None)],
        }
    }

    #[test]
    fn what_is_written_is_what_is_documented_and_reads_back() {
        let text = serde_json::to_string(&manifest().to_wire()).unwrap();
        assert_eq!(
            text,
            "{\"format\":1,\"size\":1048576,\
             \"sections\":[\"dpLDrTVAu4A8Ags67mbNiIcSMjTqDG5xQ8Ct1z/0Me0=\",\
             \"P8TM/nRYcOLA2Z9x8w/wZWyN7dQcwdfT03aw2+aF4vM=\"],\
             \"packs\":[\"a\",\"b\"],\"lists\":[[1,null],[1,1]],\
             \"chunks\":[[7,null],[2,0],[9,null]]}"
        );
        let read: ChunkedContent = serde_json::from_str(&text).unwrap();
        assert_eq!(read.check(Digest::of(b"whole")), Ok(manifest()));
        assert!(!manifest().is_complete());
    }

    #[test]
    fn what_cannot_be_so_is_refused() {
        type Change = fn(&mut ChunkedContent);
        #[rustfmt::skip]
        let cases: &[(&str, Change)] = &[
            ("another format",            |m| m.format = 2),
            ("no size",                   |m| m.size = 0),
            ("a huge size",               |m| m.size = FILE_BYTES_MAX + 1),
            ("fewer bytes than chunks",   |m| m.size = 17),
            ("no base64",                 |m| m.sections[0] = "?".to_owned()),
            ("half a digest",             |m| m.sections[1] = STANDARD.encode([0; 16])),
            ("no section",                |m| m.sections = Vec::new()),
            ("too many sections",         |m| m.sections = vec![STANDARD.encode([0; 32]); SECTIONS_MAX + 1]),
            ("a pack without a name",     |m| m.packs[0] = String::new()),
            ("a pack with a blank",       |m| m.packs[0] = "a b".to_owned()),
            ("a pack with a long name",   |m| m.packs[0] = "a".repeat(513)),
            ("a pack twice",              |m| m.packs[0] = "b".to_owned()),
            ("too many packs",            |m| m.packs = (0..=PACKS_MAX).map(|n| n.to_string()).collect()),
            ("a list too few",            |m| m.lists.truncate(1)),
            ("a list too many",           |m| m.lists.push(Run { count: 1, pack: None })),
            ("a list in no pack",         |m| m.lists[1].pack = Some(2)),
            ("a run of none",             |m| m.chunks[1].count = 0),
            ("a chunk in no pack",        |m| m.chunks[1].pack = Some(2)),
            ("fewer chunks than sections",|m| m.chunks = vec![Run { count: 1, pack: None }]),
            ("more chunks than bytes",    |m| m.chunks.push(Run { count: u32::MAX, pack: None })),
        ];
        assert!(manifest().to_wire().check(Digest::of(b"")).is_ok());
        for (what, change) in cases {
            let mut written = manifest().to_wire();
            change(&mut written);
            assert!(written.check(Digest::of(b"")).is_err(), "{what}");
        }
    }
}
