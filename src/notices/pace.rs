//! Decides when what is to be told goes out: many things at once in one message, few messages in an
//! hour, and what could not be sent later and later.
//!
//! Whoever may ask us something can have us send: without this, a peer with a thousand jobs could
//! fill its owner's mailbox. With it, news wait for one another while messages are many.

use std::time::Duration;

use crate::model::Timestamp;

/// How many messages may go one way within [`WINDOW`].
pub const BURST: usize = 6;

/// See [`BURST`].
pub const WINDOW: Duration = Duration::from_secs(3600);

const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_secs(3600);

/// When the next message may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Now, with all that waits.
    Now,
    /// Not before this moment.
    Later(Timestamp),
}

/// Returns when the next message may go, after those that went at `sent`, in any order.
pub fn pace(sent: &[Timestamp], now: Timestamp) -> Pace {
    let window = i64::try_from(WINDOW.as_micros()).unwrap_or(i64::MAX);
    // One that was sent in the future was sent before the clock was set back: it does not count.
    let counts = |then: &&Timestamp| then.micros() > now.micros() - window && **then <= now;
    let mut recent: Vec<Timestamp> = sent.iter().filter(counts).copied().collect();
    recent.sort_unstable();
    match recent.len().checked_sub(BURST) {
        None => Pace::Now,
        // Once this one is old, fewer than the limit are recent.
        Some(place) => Pace::Later(Timestamp::from_micros(recent[place].micros() + window)),
    }
}

/// True if a message that was put off until `due` is not to be tried yet. One that is put off for
/// longer than anything is, was put off by a clock that was ahead.
pub fn waits(due: Timestamp, now: Timestamp) -> bool {
    let longest = i64::try_from(RETRY_MAX.as_micros()).unwrap_or(i64::MAX);
    (1..=longest).contains(&due.micros().saturating_sub(now.micros()))
}

/// Returns how long to wait after a message could not be sent for the `attempts`th time.
pub fn retry_after(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(10);
    (RETRY_FIRST * 2_u32.pow(doublings)).min(RETRY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_micros(1_780_000_000_000_000 + minutes * 60_000_000)
    }

    #[test]
    fn few_go_at_once_and_many_wait_for_the_window() {
        #[rustfmt::skip]
        let cases: &[(&str, &[i64], Pace)] = &[
            ("nothing was sent",              &[],                        Pace::Now),
            ("one fewer than the limit",      &[0, 1, 2, 3, 4],           Pace::Now),
            ("as many as the limit",          &[0, 1, 2, 3, 4, 5],        Pace::Later(at(60))),
            ("in any order",                  &[5, 4, 3, 2, 1, 0],        Pace::Later(at(60))),
            ("more than the limit",           &[0, 1, 2, 3, 4, 5, 6],     Pace::Later(at(61))),
            ("old ones do not count",         &[-60, -70, 1, 2, 3, 4, 5], Pace::Now),
            ("nor those of a clock set back", &[90, 91, 92, 93, 94, 95],  Pace::Now),
        ];
        for (what, sent, pace_) in cases {
            let sent: Vec<Timestamp> = sent.iter().map(|minutes| at(*minutes)).collect();
            assert_eq!(pace(&sent, at(10)), *pace_, "{what}");
        }
    }

    #[test]
    fn what_was_put_off_by_a_clock_that_was_ahead_is_tried() {
        let cases =
            [(9, false), (10, false), (11, true), (70, true), (71, false), (525_600, false)];
        for (due, is_waiting) in cases {
            assert_eq!(waits(at(due), at(10)), is_waiting, "{due}");
        }
    }

    #[test]
    fn no_day_has_more_messages_than_the_limit_times_its_hours() {
        let (mut sent, mut count) = (Vec::new(), 0);
        for minute in 0..24 * 60 {
            if pace(&sent, at(minute)) == Pace::Now {
                sent.push(at(minute));
                count += 1;
            }
        }
        assert_eq!(count, BURST * 24);
    }

    #[test]
    fn what_fails_is_tried_later_and_later_and_never_given_up() {
        let waits: Vec<u64> = (1..=9).map(|attempts| retry_after(attempts).as_secs()).collect();
        assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(retry_after(u32::MAX), RETRY_MAX);
        assert_eq!(retry_after(0), RETRY_FIRST);
    }
}
