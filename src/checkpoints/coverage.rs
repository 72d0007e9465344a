//! Decides which messages of the event log a checkpoint includes, and which a machine must read.
//!
//! Moments are those of the service, in microseconds. Its change feed may lag: a message can be
//! seen later than one that was made after it. So what a file includes of the last while is said by
//! ids, and only what is older by a moment. Whatever is in doubt is read again, which costs a
//! request and changes nothing: the last word on each path is the last in the log.

use std::collections::BTreeSet;

use crate::model::Timestamp;
use crate::wire::LogCoverage;

/// How long a message may have been made before somebody who looks sees it: the feed lags by
/// minutes, and a large message takes as long to send.
pub const OVERLAP_MICROS: i64 = 3600 * 1_000_000;

/// How many ids a file names at most. Of those that it does not name the messages are read again.
const RECENT_MAX: usize = 10_000;

/// What is known of a message in the event log without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogMessage {
    /// Its id.
    pub id: String,
    /// When the service made it.
    pub made_micros: i64,
    /// The time in its name, by the clock of the machine that wrote it.
    pub named: Timestamp,
    /// True if this machine has taken it in, or wrote it.
    pub is_seen: bool,
}

/// Returns what a file includes that this machine makes now.
pub fn coverage(log: &[LogMessage]) -> LogCoverage {
    let newest = log.iter().map(|message| message.made_micros).max().unwrap_or(0);
    let unseen = log.iter().filter(|message| !message.is_seen);
    let missed = unseen.map(|message| message.made_micros - 1).min();
    let through = (newest - 2 * OVERLAP_MICROS).min(missed.unwrap_or(i64::MAX)).max(0);
    let is_recent = |message: &&LogMessage| message.is_seen && message.made_micros > through;
    let mut recent: Vec<&LogMessage> = log.iter().filter(is_recent).collect();
    recent.sort_by_key(|message| message.made_micros);
    let unnamed = recent.len().saturating_sub(RECENT_MAX);
    LogCoverage {
        through: Timestamp::from_micros(through).seconds(),
        recent: recent.into_iter().skip(unnamed).map(|message| message.id.clone()).collect(),
    }
}

/// Returns until when a file of this coverage includes everything, of all that lies in the log.
pub fn reach(coverage: &LogCoverage, log: &[LogMessage]) -> i64 {
    let recent: BTreeSet<&str> = coverage.recent.iter().map(String::as_str).collect();
    let (included, missing): (Vec<_>, Vec<_>) =
        log.iter().partition(|message| includes(coverage, &recent, message));
    let newest = included.iter().map(|message| message.made_micros).max().unwrap_or(0);
    let missed = missing.iter().map(|message| message.made_micros - 1).min();
    newest.min(missed.unwrap_or(i64::MAX)).max(coverage.through_micros())
}

/// True if a file of this coverage includes a message.
pub fn includes(coverage: &LogCoverage, recent: &BTreeSet<&str>, message: &LogMessage) -> bool {
    message.made_micros <= coverage.through_micros() || recent.contains(message.id.as_str())
}

/// Returns what a rolling state goes on from that begins empty now. Its events will say whatever is
/// taken in from now on, so this names all that is seen, and `sent`, which may not be listed yet. Too
/// much is named where it is too much to name: then less counts as said.
pub fn beginning(log: &[LogMessage], sent: impl IntoIterator<Item = String>) -> LogCoverage {
    let mut named = coverage(log);
    let is_left_out = |message: &LogMessage| {
        message.is_seen
            && message.made_micros > named.through_micros()
            && !named.recent.contains(&message.id)
    };
    if named.recent.len() >= RECENT_MAX && log.iter().any(is_left_out) {
        named.through = Timestamp::from_micros(i64::MAX).seconds();
        named.recent.clear();
    }
    named.recent.extend(sent);
    named
}

/// What a file of ours says of the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// What it includes with all that its maker thought it to lie upon.
    pub log: LogCoverage,
    /// What of that its own events do not say; `None`: none of it do they say for certain.
    pub since: Option<LogCoverage>,
}

impl Layer {
    /// A full checkpoint lies on nothing. One that says nothing of the log includes nothing for
    /// certain: a Python client may never have had the binary files that our own one held.
    pub fn full(log: Option<LogCoverage>) -> Self {
        Self { log: log.unwrap_or(LogCoverage::NOTHING), since: Some(LogCoverage::NOTHING) }
    }
}

/// What the checkpoints that were read say of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    /// What our files say, and what a full checkpoint does, oldest first.
    pub layers: Vec<Layer>,
    /// Without any: the newest event that a file names, by the clock of the machine that made it.
    pub since: Option<Timestamp>,
    /// Without any: when the service made the newest file.
    pub made_micros: Option<i64>,
}

impl Known {
    /// Returns which of these messages are included in what was laid, by their places.
    ///
    /// A file includes what it says if that is in its own events, or in what it was truly laid on:
    /// its maker may have known another checkpoint than the one that lies below. And what the maker
    /// had not seen is not included any more, though a file below has it: older content may lie over
    /// it now.
    pub fn included(&self, log: &[LogMessage]) -> Vec<bool> {
        let mut included = vec![false; log.len()];
        for Layer { log: said, since } in &self.layers {
            let (recent, before) = (ids(said), since.as_ref().map(ids));
            for (message, is_included) in log.iter().zip(&mut included) {
                let is_own = match (since, &before) {
                    (Some(since), Some(before)) => !includes(since, before, message),
                    _ => false,
                };
                *is_included = includes(said, &recent, message) && (*is_included || is_own);
            }
        }
        included
    }

    /// Returns until when all is included, also what is gone from the log.
    pub fn through_micros(&self) -> i64 {
        self.layers.iter().fold(0, |below, Layer { log, since }| match since {
            Some(since) if since.is_nothing() => log.through_micros(),
            _ => below.min(log.through_micros()),
        })
    }
}

fn ids(coverage: &LogCoverage) -> BTreeSet<&str> {
    coverage.recent.iter().map(String::as_str).collect()
}

/// Returns the place of the first message that the checkpoints may not include; all that follow are
/// read as well. `log` is in the order in which the service made it.
///
/// Other clients say nothing of the log but the time of the newest event, by their clock: where they
/// made all that was laid, all is read whose name is later than that, or that was made shortly before
/// the file or later.
pub fn first_missing(log: &[LogMessage], known: &Known) -> usize {
    let missing = if known.layers.is_empty() {
        log.iter().position(|message| {
            let is_new =
                known.made_micros.is_none_or(|at| message.made_micros > at - OVERLAP_MICROS);
            is_new || known.since.is_none_or(|since| message.named > since)
        })
    } else {
        known.included(log).iter().position(|is_included| !is_included)
    };
    missing.unwrap_or(log.len())
}

/// Whether this machine has all of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has, or can read what it lacks.
    Whole,
    /// Messages are gone that it has not taken in. A full checkpoint that includes all until then
    /// must take their place.
    Behind {
        /// Until when messages are missing.
        through_micros: i64,
    },
}

/// Returns whether this machine has all of the log, of which all until `pruned` may be gone.
///
/// `heeded` is the last such moment that it knows to lie behind it, `followed` when the newest
/// message was made that it had taken in at its last sync: all that is older than that by more than
/// the lag of the feed it has taken in as well. `gap` is a message that vanished before its eyes.
pub fn standing(
    pruned: Option<i64>,
    heeded: Option<i64>,
    followed: Option<i64>,
    gap: Option<i64>,
) -> Standing {
    if let Some(gap) = gap {
        return Standing::Behind { through_micros: pruned.map_or(gap, |pruned| pruned.max(gap)) };
    }
    match pruned {
        Some(pruned)
            if heeded.is_none_or(|heeded| heeded < pruned)
                && followed.is_none_or(|followed| followed < pruned + OVERLAP_MICROS) =>
        {
            Standing::Behind { through_micros: pruned }
        }
        _ => Standing::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = OVERLAP_MICROS;

    /// Messages by their hour; an exclamation mark: not taken in.
    fn log(hours: &[&str]) -> Vec<LogMessage> {
        let message = |text: &&str| {
            let hour: i64 = text.trim_end_matches('!').parse().unwrap();
            LogMessage {
                id: format!("m{hour}"),
                made_micros: hour * HOUR,
                named: Timestamp::from_micros(hour * HOUR),
                is_seen: !text.ends_with('!'),
            }
        };
        hours.iter().map(message).collect()
    }

    #[test]
    fn the_last_while_is_said_by_ids_and_what_is_older_by_a_moment() {
        #[rustfmt::skip]
        let cases: &[(&str, &[&str], i64, &[&str])] = &[
            ("no log",                         &[],                       0, &[]),
            ("a young log",                    &["1", "2"],               0, &["m1", "m2"]),
            ("a long one",                     &["1", "5", "8", "9"],     7, &["m8", "m9"]),
            ("a message of today is missed",   &["1", "5", "8!", "9"],    7, &["m9"]),
            ("an old one is missed",           &["1", "5!", "8", "9"],    5, &["m8", "m9"]),
            ("the first is missed",            &["1!", "5", "9"],         1, &["m5", "m9"]),
        ];
        for (what, hours, hour, recent) in cases {
            let got = coverage(&log(hours));
            let through = got.through_micros();
            assert!(through <= hour * HOUR && through >= hour * HOUR - 1, "{what}: {through}");
            assert_eq!(got.recent, *recent, "{what}");
        }
    }

    #[test]
    fn a_file_reaches_as_far_as_nothing_is_missing() {
        #[rustfmt::skip]
        let cases: &[(&str, &[&str], &[&str], i64)] = &[
            ("all",                       &["1", "5", "9"],   &["1", "5", "9"],       9),
            ("what came later",           &["1", "5", "9"],   &["1", "5", "9", "10"], 9),
            ("one between is missing",    &["1", "5", "9"],   &["1", "5", "8", "9"],  8),
            ("one that its maker missed", &["1", "5!", "9"],  &["1", "5", "9"],       5),
            ("an old one turns up",       &["1", "5", "9"],   &["1", "2", "5", "9"],  9),
            ("no log",                    &["1", "5", "9"],   &[],                    7),
        ];
        for (what, made_of, lies, wanted) in cases {
            let got = reach(&coverage(&log(made_of)), &log(lies));
            assert!((wanted * HOUR - 1..=wanted * HOUR).contains(&got), "{what}: {got}");
        }
    }

    #[test]
    fn w14_a_planted_old_message_makes_no_file_too_large_to_be_read() {
        let mut long: Vec<LogMessage> = (0..2 * RECENT_MAX)
            .map(|place| LogMessage { id: format!("m{place}"), ..log(&["9"]).remove(0) })
            .collect();
        long.extend(log(&["1!"]));
        let got = coverage(&long);
        assert_eq!(got.recent.len(), RECENT_MAX);
        assert_eq!(got.recent.last(), Some(&format!("m{}", 2 * RECENT_MAX - 1)));
    }

    #[test]
    fn what_is_read_is_all_from_the_first_that_may_be_missing() {
        let of = |hours: &[&str]| Known {
            layers: vec![Layer::full(Some(coverage(&log(hours))))],
            ..Known::default()
        };
        let python = |since: i64, made: i64| Known {
            layers: Vec::new(),
            since: Some(Timestamp::from_micros(since * HOUR)),
            made_micros: Some(made * HOUR),
        };
        #[rustfmt::skip]
        let cases: &[(&str, Known, &[&str], usize)] = &[
            ("nothing was restored",               Known::default(),              &["1", "2"],           0),
            ("all is included",                    of(&["1", "5", "9"]),          &["1", "5", "9"],      3),
            ("what came later",                    of(&["1", "5", "9"]),          &["1", "5", "9", "10"], 3),
            ("a late one among the recent",        of(&["1", "5", "9"]),          &["1", "5", "8", "9"], 2),
            ("what its maker had not taken in",    of(&["1", "5!", "9"]),         &["1", "5", "9"],      1),
            ("the log is shorter than it was",     of(&["1", "5", "9"]),          &["9"],                1),
            ("python: names that are later",       python(5, 9),                  &["1", "5", "6", "7"], 2),
            ("python: made shortly before",        python(9, 9),                  &["1", "5", "9"],      2),
            ("python: a clock that was ahead",     python(50, 9),                 &["1", "5", "9", "10"], 2),
        ];
        for (what, known, hours, wanted) in cases {
            assert_eq!(first_missing(&log(hours), known), *wanted, "{what}");
        }
    }

    #[test]
    fn a_file_counts_for_its_own_events_and_for_what_it_was_laid_on() {
        let full = |hours: &[&str]| Layer::full(Some(coverage(&log(hours))));
        let later = |hours: &[&str], since: &[&str]| Layer {
            log: coverage(&log(hours)),
            since: Some(beginning(&log(since), None)),
        };
        let unknown = |hours: &[&str]| Layer { since: None, ..full(hours) };
        let (all, lies) = (["8", "9", "10", "11"], log(&["8", "9", "10", "11"]));
        #[rustfmt::skip]
        let cases: &[(&str, Vec<Layer>, &[&str])] = &[
            ("nothing",                            vec![],                                               &[]),
            ("python's full one",                  vec![Layer::full(None)],                              &[]),
            ("its own one below",                  vec![full(&["8", "9"]), later(&all, &["8", "9"])],    &["8", "9", "10", "11"]),
            ("another's below that lacks one",     vec![full(&["8"]), later(&all, &["8", "9", "10"])],   &["8", "11"]),
            ("another's below that has more",      vec![full(&all), later(&["8", "9"], &["8"])],         &["8", "9"]),
            ("python's below",                     vec![Layer::full(None), later(&all, &["8", "9"])],    &["10", "11"]),
            ("none below",                         vec![later(&all, &["8", "9"])],                       &["10", "11"]),
            ("from the beginning",                 vec![later(&all, &[])],                               &["8", "9", "10", "11"]),
            ("one that does not say since when",   vec![full(&["8"]), unknown(&all)],                    &["8"]),
            ("a second increment without a first", vec![full(&["8"]), later(&all, &["8", "9", "10"])],   &["8", "11"]),
        ];
        for (what, layers, wanted) in cases {
            let known = Known { layers: layers.clone(), ..Known::default() };
            let included = known.included(&lies);
            let got: Vec<&str> =
                all.iter().zip(included).filter(|(_, is)| *is).map(|(hour, _)| *hour).collect();
            assert_eq!(got, *wanted, "{what}");
        }
    }

    #[test]
    fn what_is_gone_is_included_if_each_file_says_so() {
        let full = |hours: &[&str]| Layer::full(Some(coverage(&log(hours))));
        let later = |hours: &[&str], since: &[&str]| Layer {
            log: coverage(&log(hours)),
            since: Some(coverage(&log(since))),
        };
        #[rustfmt::skip]
        let cases = [
            ("nothing",                        vec![],                                          0),
            ("a full one",                     vec![full(&["9"])],                              7),
            ("with what came since",           vec![full(&["9"]), later(&["9", "20"], &["9"])], 7),
            ("whose maker was behind",         vec![full(&["20"]), later(&["9"], &["8"])],      7),
            ("a full one that is missing",     vec![later(&["9", "20"], &["9"])],               0),
            ("python's",                       vec![Layer::full(None)],                         0),
        ];
        for (what, layers, hour) in cases {
            let known = Known { layers, ..Known::default() };
            assert_eq!(known.through_micros(), hour * HOUR, "{what}");
        }
    }

    #[test]
    fn what_begins_now_goes_on_from_all_that_was_seen() {
        let got = beginning(&log(&["1", "5!", "9"]), ["sent".to_owned()]);
        assert_eq!(got.recent, ["m9", "sent"]);
        let long: Vec<LogMessage> = (0..=RECENT_MAX)
            .map(|place| LogMessage { id: format!("m{place}"), ..log(&["9"]).remove(0) })
            .collect();
        let got = beginning(&long, None);
        assert!(long.iter().all(|message| includes(&got, &BTreeSet::new(), message)));
    }

    #[test]
    fn a_machine_that_missed_what_is_gone_knows_it() {
        let behind = |hour: i64| Standing::Behind { through_micros: hour * HOUR };
        #[rustfmt::skip]
        let cases = [
            ("nothing was ever pruned",           None,    None,    Some(3),  None,    Standing::Whole),
            ("it was there all the time",         Some(3), None,    Some(9),  None,    Standing::Whole),
            ("it was away",                       Some(3), None,    Some(1),  None,    behind(3)),
            ("it may have missed what lagged",    Some(3), None,    Some(3),  None,    behind(3)),
            ("it has never looked",               Some(3), None,    None,     None,    behind(3)),
            ("it has restored",                   Some(3), Some(3), Some(1),  None,    Standing::Whole),
            ("it was away since",                 Some(6), Some(3), Some(4),  None,    behind(6)),
            ("one vanished before its eyes",      Some(3), Some(3), Some(9),  Some(2), behind(3)),
            ("one vanished, nobody said so yet",  None,    None,    Some(9),  Some(2), behind(2)),
        ];
        for (what, pruned, heeded, followed, gap, wanted) in cases {
            let hours = |at: Option<i64>| at.map(|hour| hour * HOUR);
            let got = standing(hours(pruned), hours(heeded), hours(followed), hours(gap));
            assert_eq!(got, wanted, "{what}");
        }
    }
}
