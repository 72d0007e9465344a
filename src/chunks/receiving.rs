//! Decides where each chunk of a file is taken from that a message describes: from the file that the
//! receiver has, or from which pack.
//!
//! What it has itself is never fetched. Lists are needed first, then chunks: [`packs_for_lists`] says
//! which packs hold lists that do not follow from the receiver's own file, [`recipe`] reads them.
//!
//! Invariant: a recipe takes no more memory than a file of its size can need, and names the bytes of
//! exactly that size, however often one chunk is named.

use std::collections::{BTreeSet, HashMap};

use super::error::Error;
use super::outline::{Builder, Chunk, Outline, Section};
use crate::model::Digest;
use crate::wire::{Manifest, Run};

/// Where a chunk is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From the receiver's own file, at this offset.
    Own(u64),
    /// From a pack, by its place in [`Manifest::packs`].
    Pack(u32),
}

/// How a file is put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    pub(super) digest: Digest,
    pub(super) steps: Vec<(Chunk, Source)>,
}

impl Recipe {
    /// Returns the packs that are needed, by their places in [`Manifest::packs`].
    pub fn packs(&self) -> BTreeSet<u32> {
        let pack = |source: &Source| match source {
            Source::Own(_) => None,
            Source::Pack(pack) => Some(*pack),
        };
        self.steps.iter().filter_map(|(_, source)| pack(source)).collect()
    }

    /// Returns what the file consists of.
    pub fn outline(&self) -> Outline {
        let mut builder = Builder::default();
        self.steps.iter().for_each(|(chunk, _)| builder.push(*chunk));
        builder.finish(self.digest)
    }

    /// Returns how many bytes are taken from the receiver's own file.
    pub fn own_bytes(&self) -> u64 {
        let own = self.steps.iter().filter(|(_, source)| matches!(source, Source::Own(_)));
        own.map(|(chunk, _)| u64::from(chunk.length)).sum()
    }
}

/// Returns the packs that must be read before a [`recipe`] can be made, by their places in
/// [`Manifest::packs`], by who has the file that `own` describes.
///
/// # Errors
/// [`Error::Missing`] if a list is said to be in that file, and is not.
pub fn packs_for_lists(manifest: &Manifest, own: Option<&Outline>) -> Result<BTreeSet<u32>, Error> {
    let own = sections(own);
    let mut packs = BTreeSet::new();
    for (digest, pack) in manifest.sections.iter().zip(places(&manifest.lists)) {
        if !own.contains_key(digest) {
            packs.insert(pack.ok_or(Error::Missing)?);
        }
    }
    Ok(packs)
}

/// Works out how the file is put together by who has the file that `own` describes. `read` gives the
/// list of a digest out of a pack, verified.
///
/// # Errors
/// As `read`; [`Error::Missing`] and [`Error::Contradiction`] if the message is wrong.
pub fn recipe(
    manifest: &Manifest,
    own: Option<&Outline>,
    mut read: impl FnMut(u32, &Digest) -> Result<Vec<u8>, Error>,
) -> Result<Recipe, Error> {
    let (own_sections, own_chunks) = (sections(own), chunks(own));
    let mut lists = places(&manifest.lists);
    let mut places = places(&manifest.chunks);
    let (mut steps, mut size_bytes) = (Vec::new(), 0);
    for (number, digest) in manifest.sections.iter().enumerate() {
        let list = lists.next().flatten();
        let read_section;
        let section = match own_sections.get(digest) {
            Some(section) => section,
            None => {
                let is_last = number + 1 == manifest.sections.len();
                let list = read(list.ok_or(Error::Missing)?, digest)?;
                read_section = Section::read(*digest, &list, is_last)?;
                &read_section
            }
        };
        for chunk in &section.chunks {
            size_bytes += u64::from(chunk.length);
            if size_bytes > manifest.size_bytes {
                return Err(Error::Contradiction("it is longer than it says"));
            }
            let place = places.next().ok_or(Error::Contradiction("a chunk without a place"))?;
            let source = match own_chunks.get(&chunk.digest) {
                Some((_, length)) if *length != chunk.length => {
                    return Err(Error::Contradiction("a chunk of another length"));
                }
                Some((at, _)) => Source::Own(*at),
                None => Source::Pack(place.ok_or(Error::Missing)?),
            };
            steps.push((*chunk, source));
        }
    }
    if size_bytes != manifest.size_bytes {
        return Err(Error::Contradiction("it is shorter than it says"));
    }
    if places.next().is_some() {
        return Err(Error::Contradiction("a place without a chunk"));
    }
    Ok(Recipe { digest: manifest.digest, steps })
}

/// Returns the place of each, in order.
fn places(runs: &[Run]) -> impl Iterator<Item = Option<u32>> {
    runs.iter().flat_map(|run| (0..run.count).map(|_| run.pack))
}

fn sections(own: Option<&Outline>) -> HashMap<Digest, &Section> {
    let all = own.into_iter().flat_map(Outline::sections);
    all.map(|section| (section.digest, section)).collect()
}

/// Returns where each chunk of a file first is, and how long it is.
fn chunks(own: Option<&Outline>) -> HashMap<Digest, (u64, u32)> {
    let (mut chunks, mut at) = (HashMap::new(), 0);
    for chunk in own.into_iter().flat_map(Outline::chunks) {
        chunks.entry(chunk.digest).or_insert((at, chunk.length));
        at += u64::from(chunk.length);
    }
    chunks
}
