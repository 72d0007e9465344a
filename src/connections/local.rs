//! Local files at both ends of a transfer: what is uploaded, what a download becomes.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use super::{Content, Error, Result};
use crate::model::Digest;

/// Returns all bytes of `content`.
///
/// # Errors
/// [`Error::TooLarge`] if there are more than `limit_bytes`; [`Error::Io`].
pub(super) async fn load(content: Content, limit_bytes: u64) -> Result<Bytes> {
    let bytes = match content {
        Content::Bytes(bytes) => bytes,
        Content::File(path) => {
            if tokio::fs::metadata(&path).await?.len() > limit_bytes {
                return Err(Error::TooLarge { limit_bytes });
            }
            tokio::fs::read(&path).await?.into()
        }
    };
    if bytes.len() as u64 > limit_bytes { Err(Error::TooLarge { limit_bytes }) } else { Ok(bytes) }
}

/// A new local file that a download is written to, and that goes away unless it is finished.
///
/// What is at the path already is never touched: then there is no download.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    file: Option<File>,
    digest: Sha256,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self { path: path.to_owned(), file: Some(file), digest: Sha256::new() })
    }

    /// Adds a piece.
    pub(super) fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.digest.update(piece);
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(piece))
    }

    /// Returns a second handle, for whoever streams to it and digests by himself.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.as_ref().map_or_else(|| Err(io::ErrorKind::NotFound.into()), File::try_clone)
    }

    /// Keeps the file as it is.
    pub(super) fn keep(mut self) {
        self.file = None;
    }

    /// Keeps the file and returns the digest of what it holds.
    pub(super) fn finish(mut self) -> io::Result<Digest> {
        if let Some(mut file) = self.file.take() {
            // On an error `self.file` is empty, so the file would stay: remove it here.
            file.flush().inspect_err(|_| drop(std::fs::remove_file(&self.path)))?;
        }
        Ok(Digest::from_bytes(std::mem::take(&mut self.digest).finalize().into()))
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // Nobody is left to tell: a rest that cannot be removed is not worth a panic.
            drop(std::fs::remove_file(&self.path));
        }
    }
}
