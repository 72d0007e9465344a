//! How much memory a stream of bytes takes: a lot while there are few, little when there are many.
//!
//! Clients may be slow, and whoever is slow keeps what was read for him. So only some streams have
//! large blocks with the next one ahead; hundreds of slow ones do not take the memory of hundreds of
//! fast ones.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::store::content::BLOCK_BYTES;

/// Streams that may be wide at once: 32 MiB of blocks, with the ones ahead.
const WIDE: usize = 16;

/// The block of a stream that is not wide, in bytes.
const NARROW_BYTES: usize = 32 * 1024;

/// All streams of a server.
#[derive(Debug, Clone)]
pub(crate) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WIDE)))
    }
}

impl Streams {
    /// Begins a stream.
    pub(crate) fn begin(&self) -> Width {
        Width { permit: Arc::clone(&self.0).try_acquire_owned().ok() }
    }
}

/// How wide a stream is, until it ends.
#[derive(Debug)]
pub(crate) struct Width {
    permit: Option<OwnedSemaphorePermit>,
}

impl Width {
    /// True if there may be more than one block of it in memory.
    pub(crate) fn is_wide(&self) -> bool {
        self.permit.is_some()
    }

    /// The bytes of one block.
    pub(crate) fn block_bytes(&self) -> usize {
        if self.is_wide() { BLOCK_BYTES } else { NARROW_BYTES }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_streams_are_wide_and_make_room_when_they_end() {
        let streams = Streams::default();
        let mut wide: Vec<Width> = (0..WIDE).map(|_| streams.begin()).collect();
        assert!(wide.iter().all(Width::is_wide));
        let narrow = streams.begin();
        assert_eq!((narrow.is_wide(), narrow.block_bytes()), (false, NARROW_BYTES));
        wide.pop();
        assert!(streams.begin().is_wide());
    }
}
