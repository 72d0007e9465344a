//! Decides what is news: what is so now, compared with what was seen before.
//!
//! It does not matter who made it so, or when: another command, another machine, or this process
//! before it was killed. A fact has a key, and its key is told once. What passes and comes back is
//! news again after a while, so that a connection that flickers does not fill a mailbox.

use std::collections::BTreeMap;
use std::time::Duration;

use super::News;
use crate::model::Timestamp;

/// Something that is so now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Says which one: the same as long as it is the same thing.
    pub key: String,
    /// What there is to tell.
    pub news: News,
    /// When it is told.
    pub stage: Stage,
}

/// When a fact is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// At once, also if it was there before anybody looked: it waits for somebody.
    Waits,
    /// At once, but not if it was there before anybody looked.
    Happened,
    /// Once it has lasted this long: it may pass by itself.
    Lasts(Duration),
}

/// What is remembered of a fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// When it was seen first.
    pub first: Timestamp,
    /// When it was last seen, to half an hour.
    pub last: Timestamp,
    /// True if it needs no telling any more.
    pub told: bool,
}

/// What follows from a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What is to be told, in the order of the facts.
    pub tell: Vec<News>,
    /// What is to be remembered.
    pub remember: Vec<(String, Seen)>,
    /// What may be forgotten.
    pub forget: Vec<String>,
}

/// How old `last` may get before it is written again: a service that looks each few seconds must not
/// write each few seconds.
const REFRESH: Duration = Duration::from_secs(30 * 60);

/// How the keys of what may pass and come back begin.
pub(super) const PASSING: &str = "problem/";

/// How long a fact that is gone is remembered: if it comes back before, it is no news. A job is
/// gone for as long as a disk is not mounted.
const MEMORY: Duration = Duration::from_secs(90 * 24 * 3600);

/// The same for what may pass and come back.
const MEMORY_PASSING: Duration = Duration::from_secs(6 * 3600);

/// What is so now.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// All facts that could be found out.
    pub all: &'a [Fact],
    /// False if problems could not be found out, since a sync failed as a whole.
    pub knows_problems: bool,
    /// True if nobody has looked before.
    pub is_first: bool,
}

/// Returns what is news. `seen`: what is remembered, by key.
pub fn look(seen: &BTreeMap<String, Seen>, facts: Facts<'_>, now: Timestamp) -> Look {
    let mut look = Look::default();
    let mut present = BTreeMap::new();
    for fact in facts.all {
        if present.insert(fact.key.as_str(), ()).is_some() {
            continue; // two of one key are one
        }
        let before = seen.get(&fact.key).copied();
        let mut known = before.unwrap_or(Seen { first: now, last: now, told: false });
        // Seen first by a clock that was ahead: from now on it is waited for.
        known.first = known.first.min(now);
        let is_due = match fact.stage {
            Stage::Waits => true,
            Stage::Happened => !(facts.is_first && before.is_none()),
            Stage::Lasts(patience) => since(known.first, now) >= patience,
        };
        let is_silent = fact.stage == Stage::Happened && !is_due;
        if is_due && !known.told {
            look.tell.push(fact.news.clone());
        }
        let after = Seen { told: known.told || is_due || is_silent, last: now, ..known };
        let is_old = since(known.last, now) >= REFRESH || now < known.last;
        let is_moved = before.is_some_and(|before| before.first != after.first);
        if before.is_none() || after.told != known.told || is_old || is_moved {
            look.remember.push((fact.key.clone(), after));
        }
    }
    let gone = seen.iter().filter(|(key, _)| !present.contains_key(key.as_str()));
    let over = gone.filter(|(key, seen)| {
        let may_pass = key.starts_with(PASSING);
        let memory = if may_pass { MEMORY_PASSING } else { MEMORY };
        let is_known = !may_pass || facts.knows_problems;
        // One that was seen in the future was seen by a clock that was ahead.
        is_known
            && (!seen.told || since(seen.last, now) >= memory || since(now, seen.last) > memory)
    });
    look.forget = over.map(|(key, _)| key.clone()).collect();
    look
}

/// Zero if the clock went back.
fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(now.micros() - then.micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;

    const HOUR: i64 = 3_600_000_000;
    const START: i64 = 1_780_000_000_000_000;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_micros(START + hours * HOUR)
    }

    /// What it is about, its stage, at which hours it is there, at which of them it is told.
    type Case = (&'static str, Stage, &'static [(i64, bool)], &'static [i64]);

    fn facts(all: &[Fact], is_first: bool) -> Facts<'_> {
        Facts { all, knows_problems: true, is_first }
    }

    fn fact(stage: Stage) -> Fact {
        Fact { key: format!("{PASSING}k"), news: News::new(Kind::Problem, at(0)), stage }
    }

    /// Looks at each of these hours, and returns at which of them something was told. `true`: the
    /// fact is there at that hour.
    fn told_at(stage: Stage, hours: &[(i64, bool)]) -> Vec<i64> {
        let (mut seen, mut told, mut is_first) = (BTreeMap::new(), Vec::new(), true);
        for (hour, is_there) in hours {
            let all: Vec<Fact> = is_there.then(|| fact(stage)).into_iter().collect();
            let look = look(&seen, facts(&all, is_first), at(*hour));
            is_first = false;
            told.extend(look.tell.iter().map(|_| *hour));
            seen.extend(look.remember);
            seen.retain(|key, _| !look.forget.contains(key));
        }
        told
    }

    #[test]
    fn each_fact_is_told_once_and_in_its_time() {
        use Stage::{Happened, Lasts, Waits};
        let six = Lasts(Duration::from_secs(6 * 3600));
        #[rustfmt::skip]
        let cases: &[Case] = &[
            ("what waits is told once",         Waits,    &[(0, true), (1, true), (200, true)],                  &[0]),
            ("what was so before is not told",  Happened, &[(0, true), (1, true)],                               &[]),
            ("what happens is told",            Happened, &[(0, false), (1, true), (2, true)],                   &[1]),
            ("what flickers is told once",      Waits,    &[(0, true), (1, false), (2, true), (3, false), (4, true)], &[0]),
            ("what comes back later is news",   Waits,    &[(0, true), (1, false), (7, false), (8, true)],       &[0, 8]),
            ("what happened before stays old",  Happened, &[(0, true), (1, false), (2, true)],                   &[]),
            ("what may pass has to last",       six,      &[(0, true), (5, true), (6, true), (7, true)],         &[6]),
            ("what passes is not told",         six,      &[(0, true), (5, false), (6, true), (11, true)],       &[]),
            ("a clock that goes back",          Waits,    &[(5, true), (0, true), (5, true)],                    &[5]),
            ("a clock that goes back, lasting", six,      &[(9, true), (0, true), (15, true)],                   &[15]),
            ("a clock that was a year ahead",   six,      &[(8760, true), (0, true), (5, true), (6, true)],      &[6]),
            ("and what was told by it",         Waits,    &[(8760, true), (0, false), (1, true)],                &[8760, 1]),
        ];
        for (what, stage, hours, told) in cases {
            assert_eq!(told_at(*stage, hours), *told, "{what}");
        }
    }

    #[test]
    fn a_job_that_was_away_for_a_week_is_no_news() {
        let waiting = || Fact { key: "job-waits/x".to_owned(), ..fact(Stage::Waits) };
        let first = look(&BTreeMap::new(), facts(&[waiting()], false), at(0));
        let seen: BTreeMap<_, _> = first.remember.into_iter().collect();
        assert!(look(&seen, facts(&[], false), at(7 * 24)).forget.is_empty());
        assert!(look(&seen, facts(&[waiting()], false), at(7 * 24)).tell.is_empty());
        assert_eq!(look(&seen, facts(&[], false), at(90 * 24)).forget.len(), 1);
    }

    #[test]
    fn a_sync_that_fails_says_nothing_of_the_problems_before() {
        let lasting = [fact(Stage::Lasts(Duration::from_secs(6 * 3600)))];
        let first = look(&BTreeMap::new(), facts(&lasting, false), at(0));
        let seen: BTreeMap<_, _> = first.remember.into_iter().collect();
        let failed = Facts { all: &[], knows_problems: false, is_first: false };
        assert!(look(&seen, failed, at(3)).forget.is_empty());
        assert_eq!(look(&seen, facts(&lasting, false), at(6)).tell.len(), 1);
        assert_eq!(look(&seen, facts(&[], false), at(3)).forget.len(), 1);
    }

    #[test]
    fn an_idle_look_writes_nothing() {
        let first = look(&BTreeMap::new(), facts(&[fact(Stage::Waits)], true), at(0));
        let seen: BTreeMap<_, _> = first.remember.into_iter().collect();
        let soon = Timestamp::from_micros(START + 10_000_000);
        assert_eq!(look(&seen, facts(&[fact(Stage::Waits)], false), soon), Look::default());
        assert_eq!(look(&seen, facts(&[fact(Stage::Waits)], false), at(1)).remember.len(), 1);
        let twice = [fact(Stage::Waits), fact(Stage::Waits)];
        assert_eq!(look(&BTreeMap::new(), facts(&twice, false), at(0)).tell.len(), 1);
    }
}
