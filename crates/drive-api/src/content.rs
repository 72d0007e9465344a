//! Content on its way up: bytes in memory or a file, and who is told how far it is.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

const PIECE_BYTES: usize = 128 * 1024;

/// What is to be stored.
#[derive(Debug, Clone)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A file on this machine, streamed. Its length is looked up first and must not change.
    File(PathBuf),
}

impl Content {
    /// Returns the length in bytes.
    pub(crate) async fn size(&self) -> io::Result<u64> {
        match self {
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
            Self::File(path) => {
                let metadata = tokio::fs::metadata(path).await?;
                if metadata.is_file() {
                    Ok(metadata.len())
                } else {
                    Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
                }
            }
        }
    }

    /// Reads everything, which must be `size` bytes.
    pub(crate) async fn whole(&self, size: u64) -> io::Result<Bytes> {
        let bytes = match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::File(path) => {
                let file = tokio::fs::File::open(path).await?;
                let mut bytes = Vec::new();
                file.take(size.saturating_add(1)).read_to_end(&mut bytes).await?;
                bytes.into()
            }
        };
        if bytes.len() as u64 == size { Ok(bytes) } else { Err(changed()) }
    }

    /// Streams the bytes from `from` to `size`; fails if there are fewer.
    pub(crate) async fn stream(
        &self,
        from: u64,
        size: u64,
    ) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
        match self {
            Self::Bytes(bytes) => {
                let start = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                let mut rest = bytes.slice(start..);
                let pieces = std::iter::from_fn(move || {
                    let piece = rest.split_to(rest.len().min(PIECE_BYTES));
                    (!piece.is_empty()).then_some(Ok(piece))
                });
                Ok(stream::iter(pieces).boxed())
            }
            Self::File(path) => {
                let mut file = tokio::fs::File::open(path).await?;
                file.seek(io::SeekFrom::Start(from)).await?;
                let left = size.saturating_sub(from);
                let pieces = stream::try_unfold((file, left), |(mut file, left)| async move {
                    if left == 0 {
                        return Ok(None);
                    }
                    let mut piece = Vec::with_capacity(PIECE_BYTES);
                    let room = left.min(PIECE_BYTES as u64);
                    (&mut file).take(room).read_to_end(&mut piece).await?;
                    if piece.is_empty() {
                        return Err(changed());
                    }
                    let left = left - piece.len() as u64;
                    Ok(Some((Bytes::from(piece), (file, left))))
                });
                Ok(pieces.boxed())
            }
        }
    }
}

fn changed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the file changed while it was being read")
}

/// Hears how far a transfer is: the number of its bytes that have gone over so far.
///
/// The number can go back, when a connection breaks and a part has to be sent again.
#[derive(Clone, Default)]
pub struct Progress(Option<Arc<dyn Fn(u64) + Send + Sync>>);

impl Progress {
    /// Reports to `hear`, which should return at once.
    pub fn new(hear: Arc<dyn Fn(u64) + Send + Sync>) -> Self {
        Self(Some(hear))
    }

    pub(crate) fn report(&self, bytes: u64) {
        if let Some(hear) = &self.0 {
            hear(bytes);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(heard)" } else { "Progress(unheard)" })
    }
}
