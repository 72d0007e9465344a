//! Puts what is to be sent of a file into packs, and says where each part of it is then.
//!
//! The file is read again, only where something is to be sent, and what is read is verified: it may
//! have changed since it was looked at. What is not read may change; the manifest then still describes
//! the file as it was.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::outline::Chunk;
use super::pack::{PackWriter, Packed};
use super::planning::{Held, Plan};
use crate::model::Digest;
use crate::wire::{Manifest, Run};

/// Why nothing is sent.
#[derive(Debug, thiserror::Error)]
pub enum NotShipped<E> {
    /// It is left to the next look.
    #[error("the file has changed since it was looked at")]
    Changed,
    /// The file cannot be read.
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
    /// A pack was not taken.
    #[error(transparent)]
    Put(E),
}

/// Puts what `plan` sends into packs, out of `source`; `put` takes each and returns its name.
///
/// # Errors
/// [`NotShipped`]; packs that were put by then are named by nobody.
pub fn ship<E>(
    plan: &Plan<'_>,
    source: &mut (impl Read + Seek),
    put: impl FnMut(Packed) -> Result<String, E>,
) -> Result<Manifest, NotShipped<E>> {
    let mut shipping =
        Shipping { put, writer: PackWriter::default(), placed: HashMap::new(), packs: Vec::new() };
    let mut at = 0;
    for section in plan.outline.sections() {
        for chunk in &section.chunks {
            if shipping.is_due(plan, &chunk.digest) {
                shipping.add(chunk.digest, &read(source, at, chunk)?)?;
            }
            at += u64::from(chunk.length);
        }
        if shipping.is_due(plan, &section.digest) {
            shipping.add(section.digest, &section.list())?;
        }
    }
    shipping.close()?;
    shipping.manifest(plan)
}

struct Shipping<P> {
    put: P,
    writer: PackWriter,
    /// In which of `packs` what was added is.
    placed: HashMap<Digest, u32>,
    /// The name of the last one is empty as long as it is open.
    packs: Vec<String>,
}

impl<E, P: FnMut(Packed) -> Result<String, E>> Shipping<P> {
    fn is_due(&self, plan: &Plan<'_>, digest: &Digest) -> bool {
        plan.sends(digest) && !self.placed.contains_key(digest)
    }

    fn add(&mut self, digest: Digest, content: &[u8]) -> Result<(), NotShipped<E>> {
        if self.packs.last().is_none_or(|open| !open.is_empty()) {
            self.packs.push(String::new());
        }
        self.placed.insert(digest, index(self.packs.len() - 1));
        self.writer.add(digest, content).map_err(NotShipped::Read)?;
        if self.writer.is_full() { self.close() } else { Ok(()) }
    }

    fn close(&mut self) -> Result<(), NotShipped<E>> {
        if let Some(packed) = self.writer.finish() {
            let name = (self.put)(packed).map_err(NotShipped::Put)?;
            if let Some(open) = self.packs.last_mut() {
                *open = name;
            }
        }
        Ok(())
    }

    fn manifest(mut self, plan: &Plan<'_>) -> Result<Manifest, NotShipped<E>> {
        let mut stocked = HashMap::new();
        let mut place = |digest: &Digest| {
            if let Some(pack) = self.placed.get(digest) {
                return Some(Some(*pack));
            }
            let Held::Pack(pack) = *plan.stock.held.get(digest)? else { return Some(None) };
            let name = &plan.stock.packs.get(pack as usize)?.name;
            Some(Some(*stocked.entry(pack).or_insert_with(|| {
                self.packs.push(name.clone());
                index(self.packs.len() - 1)
            })))
        };
        let (mut sections, mut lists, mut chunks) = (Vec::new(), Vec::new(), Vec::new());
        for section in plan.outline.sections() {
            sections.push(section.digest);
            add_to(&mut lists, place(&section.digest).ok_or(NotShipped::Changed)?);
            for chunk in &section.chunks {
                add_to(&mut chunks, place(&chunk.digest).ok_or(NotShipped::Changed)?);
            }
        }
        let (digest, size_bytes) = (plan.outline.digest(), plan.outline.size_bytes());
        Ok(Manifest { digest, size_bytes, sections, packs: self.packs, lists, chunks })
    }
}

fn index(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX) // There are never so many.
}

fn add_to(runs: &mut Vec<Run>, pack: Option<u32>) {
    match runs.last_mut() {
        Some(run) if run.pack == pack && run.count < u32::MAX => run.count += 1,
        _ => runs.push(Run { count: 1, pack }),
    }
}

fn read<E>(
    source: &mut (impl Read + Seek),
    at: u64,
    chunk: &Chunk,
) -> Result<Vec<u8>, NotShipped<E>> {
    let mut content = vec![0; chunk.length as usize];
    let read = source.seek(SeekFrom::Start(at)).and_then(|_| source.read_exact(&mut content));
    match read {
        Ok(()) if Digest::of(&content) == chunk.digest => Ok(content),
        Ok(()) => Err(NotShipped::Changed),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(NotShipped::Changed),
        Err(error) => Err(NotShipped::Read(error)),
    }
}
