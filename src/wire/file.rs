//! What all files have in common that travel in an [`archive`]: their JSON, and its bounds.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::limits::UNPACKED_BYTES_MAX;
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

    /// Returns the JSON inside the file.
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

    /// Reads a file of at most [`UNPACKED_BYTES_MAX`].
    ///
    /// # Errors
    /// [`Error`], if this is no such file. Its entries are checked one by one, later.
    fn from_file_bytes(bytes: &[u8]) -> Result<Self, Error> {
        Self::from_json(&archive::unpack(bytes, UNPACKED_BYTES_MAX)?)
    }
}
