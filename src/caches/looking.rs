//! What a file is, found out by reading it once, piece by piece: its digest, its size, whether it is text.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::model::Digest;
use crate::wire::Large;

const CHUNK_BYTES: usize = 128 * 1024;

/// Gives the pieces of `from` to `follow`.
fn pieces(
    from: &mut (impl Read + ?Sized),
    mut follow: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(count) => follow(&chunk[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns the digest of what a file gives.
pub(super) fn digest_of(from: &mut impl Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    pieces(from, |piece| {
        hasher.update(piece);
        Ok(())
    })?;
    Ok(Digest::from_bytes(hasher.finalize().into()))
}

/// Returns the digest of the file at `path`, and its size in bytes.
///
/// # Errors
/// If it cannot be read.
pub(crate) fn digest_of_file(path: &Path) -> io::Result<(Digest, u64)> {
    let large = look(&mut File::open(path)?)?;
    Ok((large.digest, large.size_bytes))
}

/// Returns what a file gives.
pub(super) fn look(from: &mut impl Read) -> io::Result<Large> {
    look_on(from, |_, _| Ok(()))
}

/// The same, and gives each piece to `follow`, with how many bytes came before it.
pub(super) fn look_on(
    from: &mut (impl Read + ?Sized),
    mut follow: impl FnMut(&[u8], u64) -> io::Result<()>,
) -> io::Result<Large> {
    let (mut hasher, mut text, mut size_bytes) = (Sha256::new(), Utf8::default(), 0);
    pieces(from, |piece| {
        hasher.update(piece);
        text.follow(piece);
        follow(piece, size_bytes)?;
        size_bytes += piece.len() as u64;
        Ok(())
    })?;
    let digest = Digest::from_bytes(hasher.finalize().into());
    Ok(Large { digest, size_bytes, is_text: text.is_whole() })
}

/// Tells whether what goes by is UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character that goes on.
    begun: Vec<u8>,
    is_broken: bool,
}

impl Utf8 {
    pub(super) fn follow(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !self.is_broken && !self.begun.is_empty() && !rest.is_empty() {
            self.begun.push(rest[0]);
            rest = &rest[1..];
            match std::str::from_utf8(&self.begun) {
                Ok(_) => self.begun.clear(),
                Err(error) => self.is_broken = error.error_len().is_some(),
            }
        }
        if self.is_broken || rest.is_empty() {
            return;
        }
        if let Err(error) = std::str::from_utf8(rest) {
            self.is_broken = error.error_len().is_some();
            self.begun = rest[error.valid_up_to()..].to_vec();
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        !self.is_broken && self.begun.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_by_in_pieces_is_text_or_not(
            bytes in prop_oneof![
                "(?s).{0,12}".prop_map(String::into_bytes),
                prop::collection::vec(prop_oneof![any::<u8>(), Just(0xe2), Just(0x82), Just(0xac)], 0..9),
            ],
            step in 1_usize..5,
        ) {
            let mut text = Utf8::default();
            bytes.chunks(step).for_each(|piece| text.follow(piece));
            prop_assert_eq!(text.is_whole(), std::str::from_utf8(&bytes).is_ok());
        }
    }
}
