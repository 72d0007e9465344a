//! Reads the time: the one place above the connections that does.
//!
//! Everything below gets the time as an argument. A test, or a program that replays something,
//! brings a clock of its own.

use crate::model::Timestamp;

/// Says what time it is.
pub trait Clock: std::fmt::Debug + Send + Sync {
    /// Returns the time since the epoch.
    fn now(&self) -> Timestamp;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the clock is read here, and here alone")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let micros = since.map_or(0, |since| since.as_micros());
        Timestamp::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}
