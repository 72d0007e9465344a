//! What outlives a process of a large transfer: the address of an upload's session, and the
//! beginning of a download.
//!
//! Who keeps them, and where, is the caller's business; so is whether they belong to the same
//! content. Here is only what has to be told and known so that no byte that arrived goes over twice.

use std::fmt;
use std::io;

use md5::Md5;
use sha2::{Digest, Sha256};

const PIECE_BYTES: usize = 256 * 1024;

/// Keeps the address of an upload's session beyond the end of a process.
///
/// The address is a secret: who has it needs no token. It belongs into no log and no error.
pub trait KeepSession: fmt::Debug + Send + Sync {
    /// Returns the address that an earlier try at the same upload left.
    fn known(&self) -> Option<String>;

    /// Keeps the address of a new session; the first byte is sent to it after that.
    ///
    /// # Errors
    /// If it cannot be kept; nothing is sent then.
    fn keep(&self, address: &str) -> io::Result<()>;

    /// Hears how many bytes the server has of an earlier try.
    fn resumed(&self, kept_bytes: u64);
}

/// The beginning of a file that is here already.
#[derive(Clone, Default)]
pub struct Begun {
    pub(crate) size: u64,
    pub(crate) sha256: Sha256,
}

/// Returns the MD5 of what is read, lower-case hex; blocks.
///
/// # Errors
/// If it cannot be read.
pub fn md5_of(from: &mut dyn io::Read) -> io::Result<String> {
    let mut md5 = Md5::new();
    in_pieces(from, |piece| md5.update(piece))?;
    Ok(hex::encode(md5.finalize()))
}

fn in_pieces(from: &mut dyn io::Read, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => take(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Begun {
    /// Reads what is here; blocks.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(from: &mut dyn io::Read) -> io::Result<Self> {
        let mut begun = Self::default();
        in_pieces(from, |piece| begun.take(piece))?;
        Ok(begun)
    }

    /// Returns how many bytes it has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Returns the SHA-256 of what is here, lower-case hex.
    pub fn sha256(&self) -> String {
        hex::encode(self.sha256.clone().finalize())
    }

    pub(crate) fn take(&mut self, data: &[u8]) {
        self.sha256.update(data);
        self.size += data.len() as u64;
    }
}

impl fmt::Debug for Begun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begun").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_that_was_read_goes_on_as_if_it_had_just_come() {
        let mut begun = Begun::read(&mut &b"hel"[..]).unwrap();
        begun.take(b"lo");
        assert_eq!(begun.size(), 5);
        assert_eq!(md5_of(&mut &b"hello"[..]).unwrap(), "5d41402abc4b2a76b9719d911017c592");
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(begun.sha256(), sha256);
    }
}
