//! What all files have in common that travel in an [`archive`]: their JSON, and its bounds.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::large::{Body, Encoding};
use super::limits::{PACKED_BYTES_MAX, STREAMED_BYTES_MAX, UNPACKED_BYTES_MAX};
use super::outline::{self, Outliner, Shelf};
use super::{Error, archive, json};

/// A kind of file that is stored as JSON in an archive.
///
/// # Contract
/// Reading what was written gives an equal value, and a file of a Python client that is read and
/// written again keeps its bytes, if the time in the gzip header is kept.
pub trait Packed: Serialize + DeserializeOwned {
    /// What the file is, for errors.
    const WHAT: &'static str;
    /// True if the JSON is indented.
    const INDENTED: bool = false;
    /// Most bytes of JSON that are read piece by piece.
    const STREAMED_BYTES_MAX: u64 = STREAMED_BYTES_MAX;

    /// Returns the contents of files in it, each with what is said of its type.
    fn bodies(&mut self) -> Vec<(&mut Body, Option<&str>)>;

    /// Returns the JSON inside the file, which holds nothing large.
    fn to_json(&self) -> Vec<u8> {
        if Self::INDENTED { json::pretty(self) } else { json::compact(self) }
    }

    /// Reads the JSON inside a file.
    ///
    /// # Errors
    /// [`Error::Json`] if it is not that, or misses a key that has no default.
    fn from_json(bytes: &[u8]) -> Result<Self, Error> {
        json::read(bytes, Self::WHAT)
    }

    /// Returns the file; `mtime` is in seconds since the epoch and goes into the gzip header.
    fn to_file_bytes(&self, mtime: u32) -> Vec<u8> {
        archive::pack(&self.to_json(), mtime)
    }

    /// Reads a file of at most [`UNPACKED_BYTES_MAX`], in memory.
    ///
    /// # Errors
    /// [`Error`], if this is no such file. Its entries are checked one by one, later.
    fn from_file_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_file_within(bytes, UNPACKED_BYTES_MAX)
    }

    /// The same, of at most `limit_bytes`.
    ///
    /// # Errors
    /// As [`from_file_bytes`](Self::from_file_bytes).
    fn from_file_within(bytes: &[u8], limit_bytes: usize) -> Result<Self, Error> {
        if bytes.len() > PACKED_BYTES_MAX {
            return Err(Error::TooLarge { what: "the packed file", limit_bytes: PACKED_BYTES_MAX });
        }
        Self::from_json(&archive::unpack(bytes, limit_bytes)?)
    }

    /// Reads a file piece by piece; what is large in it goes to `shelf`.
    ///
    /// # Errors
    /// [`Error`], as [`from_file_bytes`](Self::from_file_bytes); [`Error::NotKept`] if the shelf takes
    /// no more, which is not the file's fault.
    fn read_from(packed: impl Read, shelf: &mut dyn Shelf) -> Result<Self, Error> {
        let mut file: Self = archive::unpack_from(packed, Self::STREAMED_BYTES_MAX, |member| {
            let mut outliner = Outliner::new(member, shelf);
            let read = json::read_from(&mut outliner, Self::WHAT);
            outliner.failure().map_or(read, |source| Err(Error::NotKept { source }))
        })?;
        for (body, kind) in file.bodies() {
            let Body::Inline(text) = &*body else { continue };
            let Some(number) = outline::named(text, shelf.secret()) else { continue };
            *body = match Encoding::of(kind) {
                Err(problem) => Body::Broken(problem),
                Ok(encoding) => {
                    let kept = shelf.keep(number, encoding);
                    kept.map_err(|source| Error::NotKept { source })?
                        .map_or_else(Body::Broken, Body::Large)
                }
            };
        }
        shelf.settle().map_err(|source| Error::NotKept { source })?;
        Ok(file)
    }
}
