//! Puts a file together, and verifies it as it goes.
//!
//! What was written before an error is worth nothing: the caller throws it away. Nothing may take the
//! place of a file before this has said that it is the one that was promised.

use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use super::error::Error;
use super::outline::Chunk;
use super::receiving::{Recipe, Source};
use crate::model::Digest;

/// Writes the file that `recipe` describes to `out`. `own` is the file that the recipe was made with;
/// `read` gives the chunk of a digest out of a pack, verified. Holds one chunk in memory.
///
/// # Errors
/// [`Error::Changed`] if `own` is another file by now, [`Error::OtherFile`] if the whole is not what
/// the message says; as `read`; if `own` or `out` fails.
pub fn assemble(
    recipe: &Recipe,
    own: &mut (impl Read + Seek),
    mut read: impl FnMut(u32, &Digest) -> Result<Vec<u8>, Error>,
    out: &mut impl Write,
) -> Result<(), Error> {
    let mut whole = Sha256::new();
    for (chunk, source) in &recipe.steps {
        let content = match source {
            Source::Own(at) => read_own(own, *at, chunk)?,
            Source::Pack(pack) => read(*pack, &chunk.digest)?,
        };
        if content.len() != chunk.length as usize {
            return Err(Error::Contradiction("a chunk of another length"));
        }
        whole.update(&content);
        out.write_all(&content)?;
    }
    if Digest::from_bytes(whole.finalize().into()) == recipe.digest {
        Ok(())
    } else {
        Err(Error::OtherFile)
    }
}

fn read_own(own: &mut (impl Read + Seek), at: u64, chunk: &Chunk) -> Result<Vec<u8>, Error> {
    let mut content = vec![0; chunk.length as usize];
    own.seek(SeekFrom::Start(at))?;
    match own.read_exact(&mut content) {
        Ok(()) if Digest::of(&content) == chunk.digest => Ok(content),
        Ok(()) => Err(Error::Changed),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Changed),
        Err(error) => Err(error.into()),
    }
}
