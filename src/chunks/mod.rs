//! Large files as content-defined chunks, so that between two of ours a change costs what has
//! changed and not the file.
//!
//! A file is cut where its content says ([`cut`]), so that bytes that are put in or taken out move
//! no other cut than those beside them. Each chunk is known by its SHA-256; up to some hundred
//! chunks in a row are a section, known by the SHA-256 of the list of its chunks, so that naming a
//! file of a gigabyte takes a few kilobytes ([`Outline`]). Who sends works out what the other side
//! lacks ([`plan`]) and puts it into packs ([`ship`]); who receives works out what it has itself and
//! which packs it needs for the rest ([`recipe`]), and puts the file together ([`assemble`]).
//!
//! Pure: bytes come from `Read` and `Seek` and go to `Write`; where packs lie, who may be sent what,
//! and whose word counts is decided elsewhere. What a peer says is not believed: each chunk, each
//! list and the whole file are verified by their digests, sizes before a byte is written. What is not
//! in a pack is taken from nowhere but from the one file that the caller opens for it, so that nobody
//! can have a file put together of content that it may not read.
//!
//! Memory: one chunk, one pack while packs are made, and 40 to 80 bytes for each chunk of the file.
//! Format: `docs/FORMAT.md`, "Chunks"; why so: `docs/adr/0010-chunks-between-two-of-ours.md`.

mod assembly;
mod believing;
mod cutting;
mod error;
mod outline;
mod pack;
mod planning;
mod receiving;
mod shelf;
mod shipping;

#[cfg(test)]
mod tests;

pub use assembly::assemble;
pub use believing::{NotFetched, PACK_FILE_BYTES_MAX, Seen, packs_to_fetch};
pub use cutting::{CHUNK_BYTES_MAX, CHUNK_BYTES_MIN, CHUNK_BYTES_USUAL, cut};
pub use error::Error;
pub use outline::{Chunk, Outline, SECTION_CHUNKS_MAX, Section};
pub use pack::{PACK_BYTES_MAX, PACK_ENTRIES_MAX, Pack, PackWriter, Packed};
pub use planning::{Held, Plan, Stock, StockedPack, plan};
pub use receiving::{Recipe, Source, packs_for_lists, recipe};
pub use shelf::Shelf;
pub use shipping::{NotShipped, ship};
