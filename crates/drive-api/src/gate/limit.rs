//! Decides how many requests may be open at once, and until when none may leave. Pure.
//!
//! Additive increase, multiplicative decrease: a refusal for too many requests halves what is allowed,
//! and so many requests that worked raise it by one. A refusal of a request that had left before the
//! last halving says nothing new: all that were on their way together are one round trip, and cut
//! once.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::retry::WAIT_MAX;

/// The most requests that are open at once in one session.
pub(crate) const OPEN_MAX: usize = 8;
/// As many have to work before one more may be open.
const WORKED_MIN: usize = 10;

/// Tells when a request left, as seen from the halvings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    cuts: u64,
}

/// What is open, and what may be.
#[derive(Debug)]
pub(super) struct Limit {
    allowed: usize,
    open: usize,
    worked: usize,
    cuts: u64,
    held_until: Option<DateTime<Utc>>,
}

impl Default for Limit {
    fn default() -> Self {
        Self { allowed: OPEN_MAX, open: 0, worked: 0, cuts: 0, held_until: None }
    }
}

impl Limit {
    /// Returns for how long nothing may leave, since the server asked for that.
    pub(super) fn held(&mut self, now: DateTime<Utc>) -> Option<Duration> {
        let wait = (self.held_until? - now).to_std().unwrap_or_default();
        if wait.is_zero() {
            self.held_until = None;
            return None;
        }
        // No server asks for more than this; the clock was set back.
        if wait > WAIT_MAX {
            self.held_until = Some(now + WAIT_MAX);
        }
        Some(wait.min(WAIT_MAX))
    }

    /// True if one has to end before another may leave.
    pub(super) const fn is_full(&self) -> bool {
        self.open >= self.allowed
    }

    /// A request leaves.
    pub(super) const fn enter(&mut self) -> Ticket {
        self.open += 1;
        Ticket { cuts: self.cuts }
    }

    /// A request has ended, however it did.
    pub(super) const fn leave(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// A request has worked.
    pub(super) const fn worked(&mut self, ticket: Ticket) {
        if ticket.cuts != self.cuts || self.allowed >= OPEN_MAX {
            return;
        }
        self.worked += 1;
        if self.worked >= WORKED_MIN {
            self.worked = 0;
            self.allowed += 1;
        }
    }

    /// A request was refused since there were too many.
    pub(super) fn refused(&mut self, ticket: Ticket) {
        if ticket.cuts == self.cuts {
            self.cuts += 1;
            self.worked = 0;
            self.allowed = (self.allowed / 2).max(1);
        }
    }

    /// The server asked for a pause, which holds for all.
    pub(super) fn hold(&mut self, now: DateTime<Utc>, pause: Duration) {
        let until = now + pause.min(WAIT_MAX);
        self.held_until = self.held_until.max(Some(until));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_780_000_000 + seconds, 0).unwrap()
    }

    /// Lets as many leave as may.
    fn fill(limit: &mut Limit) -> Vec<Ticket> {
        std::iter::from_fn(|| (!limit.is_full()).then(|| limit.enter())).collect()
    }

    #[test]
    fn a_round_trip_that_is_refused_halves_once_however_many_were_refused() {
        let mut limit = Limit::default();
        for expected in [8, 4, 2, 1, 1] {
            let tickets = fill(&mut limit);
            assert_eq!(tickets.len(), expected);
            for ticket in tickets {
                limit.refused(ticket);
                limit.leave();
            }
        }
    }

    #[test]
    fn what_works_raises_it_by_one_after_ten_and_never_above_eight() {
        let mut limit = Limit::default();
        let old = limit.enter();
        limit.refused(old);
        let work = |limit: &mut Limit, times: usize| {
            for _ in 0..times {
                let ticket = limit.enter();
                limit.worked(ticket);
                limit.leave();
            }
            limit.allowed
        };
        limit.worked(old); // it had left before the halving
        #[rustfmt::skip]
        let cases = [(9, 4), (1, 5), (10, 6), (10, 7), (10, 8), (500, 8)];
        for (times, allowed) in cases {
            assert_eq!(work(&mut limit, times), allowed, "after {times} more");
        }
    }

    #[test]
    fn a_pause_holds_for_all_until_the_longest_is_over() {
        let mut limit = Limit::default();
        limit.hold(at(0), Duration::from_secs(30));
        limit.hold(at(5), Duration::from_secs(10)); // ends sooner
        #[rustfmt::skip]
        let cases = [(5, Some(25)), (29, Some(1)), (30, None), (0, None)];
        for (now, wait) in cases {
            assert_eq!(limit.held(at(now)), wait.map(Duration::from_secs), "at {now}");
        }
        limit.hold(at(1_000), Duration::from_secs(9_999));
        assert_eq!(limit.held(at(1_000)), Some(WAIT_MAX), "no server may ask for more");
        assert_eq!(limit.held(at(0)), Some(WAIT_MAX), "the clock was set back");
        assert_eq!(limit.held(at(64)), None);
    }
}
