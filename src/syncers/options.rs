//! What a caller may choose of a sync.

/// What a caller may choose of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncOptions {
    /// Make a checkpoint when there is enough to put into one.
    pub auto_checkpoint: bool,
    /// How many events are enough.
    pub checkpoint_threshold: usize,
    /// Shorten the event log behind a full checkpoint. Off unless asked for: a Python client that
    /// works with the account as well would make checkpoints of its own, with less in them.
    pub prune_log: bool,
    /// How many messages in a peer's outbox are brought together into one.
    pub compact_threshold: usize,
    /// Carry out what looks like an accident: all or most files of a datasite are gone at once, or
    /// the whole SyftBox is.
    pub force: bool,
    /// List everything instead of trusting the change feed.
    pub full: bool,
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            auto_checkpoint: true,
            checkpoint_threshold: 50,
            prune_log: false,
            compact_threshold: 10,
            force: false,
            full: false,
        }
    }
}
