//! Decides when the quota allows another request: no minute sees more than [`UNITS_A_MINUTE`]. Pure.
//!
//! What left in the last minute is remembered, a tenth of a second in one entry, and forgotten when
//! it is over for all of the entry; so any minute is within the limit, not only those that begin on
//! the minute. A full bucket may leave at once, which is what a big sync wants.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::quota::UNITS_A_MINUTE;

/// A minute, and a second in which requests may catch up with one another on their way.
const SPAN: TimeDelta = TimeDelta::seconds(61);
/// Requests within this time are one entry, so that there are 611 entries at most.
const GRAIN: TimeDelta = TimeDelta::milliseconds(100);

/// What left together.
#[derive(Debug, Clone, Copy)]
struct Entry {
    first: DateTime<Utc>,
    last: DateTime<Utc>,
    units: u64,
}

/// What left in the last minute.
#[derive(Debug, Default)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    units: u64,
}

impl Window {
    /// Returns how long a request of this price has to wait; zero if it may leave now. One that is
    /// dearer than a minute's quota leaves when nothing else did.
    pub(super) fn wait(&mut self, now: DateTime<Utc>, units: u64) -> Duration {
        self.forget(now);
        let mut left = self.units;
        let mut until = now;
        for entry in &self.entries {
            if left + units <= UNITS_A_MINUTE {
                break;
            }
            left -= entry.units;
            until = entry.last + SPAN;
        }
        (until - now).to_std().unwrap_or_default()
    }

    /// Notes that a request leaves.
    pub(super) fn take(&mut self, now: DateTime<Utc>, units: u64) {
        self.units += units;
        match self.entries.back_mut() {
            Some(entry) if now - entry.first < GRAIN => {
                entry.last = now;
                entry.units += units;
            }
            _ => self.entries.push_back(Entry { first: now, last: now, units }),
        }
    }

    fn forget(&mut self, now: DateTime<Utc>) {
        while let Some(entry) = self.entries.front()
            && entry.last + SPAN <= now
        {
            self.units -= entry.units;
            self.entries.pop_front();
        }
        // A clock that was set back must not make anybody wait for more than a minute.
        for entry in self.entries.iter_mut().rev() {
            if entry.last <= now {
                break;
            }
            (entry.first, entry.last) = (entry.first.min(now), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_780_000_000_000 + millis).unwrap()
    }

    #[test]
    fn a_full_minute_leaves_at_once_and_the_next_request_waits_for_its_end() {
        let mut window = Window::default();
        for _ in 0..6_500 {
            assert_eq!(window.wait(at(0), 50), Duration::ZERO);
            window.take(at(0), 50);
        }
        assert_eq!(window.entries.len(), 1);
        #[rustfmt::skip]
        let cases = [
            // when    price   wait
            (0,        5,      61_000),
            (60_000,   5,      1_000),
            (60_999,   5,      1),
            (61_000,   5,      0),
            (200_000,  5,      0),
        ];
        for (when, units, wait) in cases {
            assert_eq!(window.wait(at(when), units), Duration::from_millis(wait), "at {when}");
        }
    }

    #[test]
    fn a_request_waits_for_no_more_than_what_it_needs() {
        let mut window = Window::default();
        for second in 0..3 {
            window.take(at(second * 1_000), 100_000);
        }
        #[rustfmt::skip]
        let cases = [
            // price    wait, at 10 s
            (25_000,    0),
            (25_001,    51_000), // for the first
            (125_001,   52_000), // for the second as well
            (225_001,   53_000),
            (400_000,   53_000), // more than there is: for all
        ];
        for (units, wait) in cases {
            assert_eq!(window.wait(at(10_000), units), Duration::from_millis(wait), "{units}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nobody_wait_for_longer_than_a_minute() {
        let mut window = Window::default();
        window.take(at(0), 1_000);
        window.take(at(3_600_000), UNITS_A_MINUTE);
        assert_eq!(window.wait(at(0), 5), Duration::from_secs(61));
        assert_eq!(window.wait(at(61_000), 5), Duration::ZERO);
    }
}
