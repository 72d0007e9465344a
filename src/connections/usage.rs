//! What was asked of services: requests, and what they cost of a quota.
//!
//! A connection counts its own; here is the sum over all of this process, for who has to say at the
//! end what a command cost, whatever it opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// What was asked of a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests, tries included; a batch is one.
    pub requests: u64,
    /// What they cost in Google's quota units; 0 where the service has no such quota.
    pub quota_units: u64,
}

impl Usage {
    /// Returns what came since `before`.
    #[must_use]
    pub const fn since(self, before: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(before.requests),
            quota_units: self.quota_units.saturating_sub(before.quota_units),
        }
    }
}

/// Requests to folders and buckets; those to a drive are counted where they are sent.
static ELSEWHERE: AtomicU64 = AtomicU64::new(0);

/// Counts a request to a folder or a bucket.
pub(super) fn note_request() {
    ELSEWHERE.fetch_add(1, Ordering::Relaxed);
}

/// Returns what all connections of this process have asked for.
pub fn usage_of_process() -> Usage {
    let drive = drive_api::usage_of_process();
    Usage { requests: drive.requests + ELSEWHERE.load(Ordering::Relaxed), quota_units: drive.units }
}
