//! Says how far large files are, how fast they move and how long they will take. Pure: told the time
//! and what has moved.

use std::collections::VecDeque;

use super::text::size;
use crate::connections::{Direction, Moved};

/// The rate is that of the last so many seconds: long enough to be at rest, short enough to be true.
const WINDOW_SECONDS: f64 = 10.0;
/// Where there is no terminal, a line after this many seconds of one load,
const FIRST_LINE_SECONDS: f64 = 10.0;
/// and from then on after so many.
const NEXT_LINE_SECONDS: f64 = 30.0;
/// Below so many seconds nothing is said of a rate.
const SHORTEST_SECONDS: f64 = 0.9;

/// What was seen of one load.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    load: Option<u64>,
    looks: VecDeque<(f64, u64)>,
    next_line: f64,
}

impl Pace {
    /// Looks at what is on its way, `now` in seconds of any clock, and says how things stand.
    pub(crate) fn look(&mut self, now: f64, moved: &Moved) -> String {
        if self.load != Some(moved.number) {
            *self = Self { next_line: now + FIRST_LINE_SECONDS, ..Self::default() };
            self.load = Some(moved.number);
        }
        // What an earlier process had moved took no time of ours.
        let fresh = moved.moved_bytes.saturating_sub(moved.before_bytes);
        self.looks.push_back((now, fresh));
        while self.looks.len() > 2
            && self.looks.get(1).is_some_and(|it| now - it.0 > WINDOW_SECONDS)
        {
            self.looks.pop_front();
        }
        let way = match moved.direction {
            Direction::Up => "sent",
            Direction::Down => "received",
        };
        let mut text = format!("{} of {} {way}", size(moved.moved_bytes), size(moved.total_bytes));
        if let Some(rate) = self.rate() {
            let left = moved.total_bytes.saturating_sub(moved.moved_bytes);
            text.push_str(&format!(", {}/s, {} left", size(whole(rate)), duration(left, rate)));
        }
        text
    }

    /// The same where lines are read one by one: `None` unless it is time for one.
    pub(crate) fn line(&mut self, now: f64, moved: &Moved) -> Option<String> {
        let text = self.look(now, moved);
        if now < self.next_line {
            return None;
        }
        self.next_line = now + NEXT_LINE_SECONDS;
        Some(text)
    }

    /// Bytes in a second; `None` if too little was seen, or nothing moves.
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    fn rate(&self) -> Option<f64> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let (seconds, bytes) = (last.0 - first.0, last.1.saturating_sub(first.1));
        (seconds >= SHORTEST_SECONDS && bytes > 0).then(|| bytes as f64 / seconds)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "positive, and two digits are shown"
)]
const fn whole(number: f64) -> u64 {
    number as u64
}

/// How long so many bytes take: `12 s`, `3 min`, `2 h 10 min`. Never nothing.
#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn duration(bytes: u64, rate: f64) -> String {
    let seconds = whole((bytes as f64 / rate).ceil()).max(1);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1_000_000;

    fn moved(number: u64, moved_mb: u64, before_mb: u64) -> Moved {
        Moved {
            direction: Direction::Up,
            total_bytes: 5_000 * MB,
            moved_bytes: moved_mb * MB,
            before_bytes: before_mb * MB,
            number,
        }
    }

    #[test]
    fn rate_and_time_left_follow_what_moved_lately() {
        let mut pace = Pace::default();
        #[rustfmt::skip]
        let looks = [
            (100.0, moved(1, 0, 0),         "0 B of 5.0 GB sent"),
            (100.5, moved(1, 2_000, 2_000), "2.0 GB of 5.0 GB sent"),
            (101.0, moved(1, 2_025, 2_000), "2.0 GB of 5.0 GB sent"),
            (110.0, moved(1, 2_250, 2_000), "2.2 GB of 5.0 GB sent, 25 MB/s, 2 min left"),
            (130.0, moved(1, 2_250, 2_000), "2.2 GB of 5.0 GB sent"),
            (140.0, moved(1, 2_150, 2_000), "2.1 GB of 5.0 GB sent"),
            (150.0, moved(1, 4_650, 2_000), "4.7 GB of 5.0 GB sent, 120 MB/s, 3 s left"),
            (151.0, moved(2, 4_999, 0),     "5.0 GB of 5.0 GB sent"),
        ];
        for (now, moved, expected) in looks {
            let text = pace.look(now, &moved);
            // Before the first seconds are over the whole of it counts as one step.
            assert!(text.starts_with(expected.split(',').next().unwrap()), "{now}: {text}");
            if expected.contains('/') {
                assert_eq!(text, expected, "{now}");
            }
        }
        let stalled = (0..40).map(|second| pace.look(200.0 + f64::from(second), &moved(2, 10, 0)));
        assert_eq!(stalled.last().unwrap(), "10 MB of 5.0 GB sent");
    }

    #[test]
    fn lines_come_now_and_then() {
        let mut pace = Pace::default();
        let said: Vec<u32> = (0..100)
            .filter(|second| {
                pace.line(f64::from(*second), &moved(1, u64::from(*second), 0)).is_some()
            })
            .collect();
        assert_eq!(said, [10, 40, 70]);
        assert!(pace.line(100.0, &moved(2, 0, 0)).is_none(), "the next load is silent at first");
    }

    #[test]
    fn times_are_short() {
        #[rustfmt::skip]
        let cases = [(0, "1 s"), (59, "59 s"), (61, "2 min"), (3_599, "60 min"), (7_800, "2 h 10 min")];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds, 1.0), text);
        }
    }
}
