//! Decides when a collection is listed again whose files, as far as this machine knows them, are not
//! what its name says.
//!
//! It may be that its owner is at work, or that it is damaged and stays so. Or not all of it had come
//! to light when it was listed: services show what is new late and in any order, and of files that
//! were there before their folder was shared the change feed tells a reader nothing, so that no change
//! would ever put it right. It is asked for again after as long as it has been wrong, which costs
//! about twice the time that the service took, and little where nothing changes any more.
//!
//! Pure.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;

/// After how long it is asked for again at the latest.
const LONGEST_MICROS: i64 = 3600 * 1_000_000;

/// After how long it is fetched again at the latest, to see what it is now.
const LONGEST_FETCHED_MICROS: i64 = 24 * LONGEST_MICROS;

/// What is noted of a collection that is not what its name says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    /// What differs once anything in the collection does.
    pub state: String,
    /// What is told of it; nothing where its owner is at work, as it seems.
    pub problem: Option<String>,
    since_micros: i64,
    asked_at_micros: i64,
}

impl Doubt {
    /// Notes what was found, after which the service is asked once in any case.
    pub fn new(state: String, problem: Option<String>, now: Timestamp) -> Self {
        let now = now.micros();
        Self { state, problem, since_micros: now, asked_at_micros: now }
    }

    /// Returns what to note if the service is to be asked again, now.
    pub fn ask_again(self, now: Timestamp) -> Option<Self> {
        self.again(now, 1, LONGEST_MICROS)
    }

    /// The same for who has to fetch all of it to see whether it is better now, which costs more: never
    /// twice at one moment, and after three times as long as it was wrong.
    pub fn fetch_again(self, now: Timestamp) -> Option<Self> {
        if self.was_asked_at(now) {
            return None;
        }
        self.again(now, 3, LONGEST_FETCHED_MICROS)
    }

    /// True if this is the moment when it was asked for last.
    pub fn was_asked_at(&self, now: Timestamp) -> bool {
        self.asked_at_micros == now.micros()
    }

    fn again(mut self, now: Timestamp, times: i64, longest_micros: i64) -> Option<Self> {
        let now = now.micros();
        let wrong_for = self.asked_at_micros.saturating_sub(self.since_micros);
        let wait = wrong_for.saturating_mul(times).clamp(0, longest_micros);
        // A clock that went back says nothing of how long it was.
        let is_due = now < self.asked_at_micros || now - self.asked_at_micros >= wait;
        self.since_micros = self.since_micros.min(now);
        self.asked_at_micros = now;
        is_due.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the moments, of those at which one looks, at which the service is asked.
    fn asked(looks: impl IntoIterator<Item = i64>) -> Vec<i64> {
        asked_by(Doubt::ask_again, looks)
    }

    fn asked_by(
        again: impl Fn(Doubt, Timestamp) -> Option<Doubt>,
        looks: impl IntoIterator<Item = i64>,
    ) -> Vec<i64> {
        let at = |seconds: i64| Timestamp::from_micros((1_000_000 + seconds) * 1_000_000);
        let mut doubt = Doubt::new("state".to_owned(), None, at(0));
        let mut asked = Vec::new();
        for seconds in looks {
            if let Some(next) = again(doubt.clone(), at(seconds)) {
                asked.push(seconds);
                doubt = next;
            }
        }
        asked
    }

    #[test]
    fn it_is_asked_for_again_after_as_long_as_it_was_wrong() {
        let hour = 3600;
        #[rustfmt::skip]
        let cases: [(&str, Vec<i64>, Vec<i64>); 5] = [
            ("each second",        (1..100).collect(),                 vec![1, 2, 4, 8, 16, 32, 64]),
            ("each ten minutes",   (1..25).map(|n| n * 600).collect(), vec![600, 1200, 2400, 4800, 8400, 12_000]),
            ("after a long time",  vec![50 * hour, 51 * hour],         vec![50 * hour, 51 * hour]),
            ("the clock goes back", vec![9, 18, 17, 18, 20, 26, 27, 36], vec![9, 18, 17, 36]),
            ("before it was seen", vec![-100, -99, -98, -97, -96],     vec![-100, -99, -98, -96]),
        ];
        for (what, looks, wanted) in cases {
            assert_eq!(asked(looks), wanted, "{what}");
        }
    }
    #[test]
    fn what_has_to_be_fetched_for_that_is_fetched_seldom() {
        let hour = 3600;
        #[rustfmt::skip]
        let cases: [(&str, Vec<i64>, Vec<i64>); 4] = [
            ("at the same moment",   vec![0, 0],                          vec![]),
            ("each ten seconds",     (0..100).map(|n| n * 10).collect(),  vec![10, 40, 160, 640]),
            ("each hour",            (0..100).map(|n| n * hour).collect(), [1, 4, 16, 40, 64, 88].map(|n| n * hour).to_vec()),
            ("the clock goes back",  vec![10, 5, 10, 15, 40],             vec![10, 5, 40]),
        ];
        for (what, looks, wanted) in cases {
            assert_eq!(asked_by(Doubt::fetch_again, looks), wanted, "{what}");
        }
    }
}
