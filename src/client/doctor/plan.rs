//! Judges what the doctor measured.
//!
//! Pure. Limits are those at which something known goes wrong: Google takes statements that are off
//! by five minutes at most, and a sync of an idle account is one request.

use super::State;

/// Seconds that a clock may be off before sign-ins of service accounts fail.
const CLOCK_STOPS: i64 = 300;
/// Seconds at which somebody should look: dates of files and of sign-ins go wrong.
const CLOCK_LOOKS: i64 = 60;
/// Milliseconds for one request above which a sync feels slow.
const SLOW_MS: u128 = 2_000;
/// Bytes without which a sync or a job may fail in the middle.
const DISK_STOPS: u64 = 100 * 1000 * 1000;
/// Bytes below which somebody should look.
const DISK_LOOKS: u64 = 1000 * 1000 * 1000;

/// Judges how far our clock is ahead of the drive's.
pub(super) const fn clock(ahead_seconds: i64) -> State {
    match ahead_seconds.abs() {
        off if off > CLOCK_STOPS => State::Stopped,
        off if off > CLOCK_LOOKS => State::Look,
        _ => State::Well,
    }
}

/// Judges how long one request took.
pub(super) const fn latency(milliseconds: u128) -> State {
    if milliseconds > SLOW_MS { State::Look } else { State::Well }
}

/// Judges how much space is free.
pub(super) const fn disk(free_bytes: u64) -> State {
    match free_bytes {
        free if free < DISK_STOPS => State::Stopped,
        free if free < DISK_LOOKS => State::Look,
        _ => State::Well,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_where_something_goes_wrong() {
        #[rustfmt::skip]
        let clocks = [(0, State::Well), (-60, State::Well), (61, State::Look), (-300, State::Look), (301, State::Stopped), (-90_000, State::Stopped)];
        for (ahead, expected) in clocks {
            assert_eq!(clock(ahead), expected, "{ahead}");
        }
        assert_eq!((latency(2_000), latency(2_001)), (State::Well, State::Look));
        #[rustfmt::skip]
        let disks = [(0, State::Stopped), (100_000_000, State::Look), (1_000_000_000, State::Well)];
        for (free, expected) in disks {
            assert_eq!(disk(free), expected, "{free}");
        }
    }
}
