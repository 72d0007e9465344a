//! Decides when a checkpoint is made, and which ones a machine that joins reads.
//!
//! Oldest first, so that newer content wins. What a full checkpoint replaces may still lie there
//! after a crash: an increment from before it is never laid over it.

use crate::model::Timestamp;
use crate::wire::names::{CheckpointName, IncrementalName, RollingStateName};

/// What is to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing yet.
    Nothing,
    /// An increment with this number.
    Increment(u64),
    /// A full checkpoint, which replaces the increments.
    Full,
}

/// How many increments there are at most: the next one would be this many, so a full checkpoint is
/// made instead.
pub const INCREMENTS_MAX: usize = 4;

/// Returns what is due when `events` came since the last checkpoint, `threshold` are enough, and
/// `increments` lie on the drive. A threshold of 0 counts as 1.
pub fn due(events: usize, threshold: usize, increments: &[IncrementalName]) -> Due {
    if events < threshold.max(1) {
        Due::Nothing
    } else if increments.len() + 1 < INCREMENTS_MAX {
        Due::Increment(increments.iter().map(|name| name.sequence).max().unwrap_or(0) + 1)
    } else {
        Due::Full
    }
}

/// What to read, in this order. Each entry is an index into the list that was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Full checkpoints, newest first: the first that is usable counts, the others are skipped.
    pub full: Vec<usize>,
    /// Increments, oldest first, of which [`increments_to_lay`] leaves out some.
    pub increments: Vec<usize>,
    /// The newest rolling state; `None` if there is none.
    pub rolling: Option<usize>,
}

/// Returns which of the increments go on from a full checkpoint made at `base`, in order.
///
/// An increment from before it is left out. So is all that follows a missing one, which the listing
/// may not show yet: what comes after it does not hold what it held.
pub fn increments_to_lay(increments: &[IncrementalName], base: Option<Timestamp>) -> Vec<usize> {
    let (mut before, mut to_lay) = (0, Vec::new());
    for (index, name) in increments.iter().enumerate() {
        if name.sequence > before + 1 {
            break;
        }
        before = name.sequence;
        if base.is_none_or(|base| name.timestamp > base) {
            to_lay.push(index);
        }
    }
    to_lay
}

/// True if a rolling state that says that it continues the checkpoint made at `base` (0: none) goes
/// on from what was laid: checkpoints made at `laid`, with a full one or without.
///
/// One that continues what is not there lacks what that held, or is from before a full one.
pub fn continues(base: f64, laid: &[Timestamp]) -> bool {
    if laid.is_empty() {
        base <= 0.0
    } else {
        Timestamp::from_seconds(base).is_ok_and(|base| laid.contains(&base))
    }
}

/// Returns what a machine that joins reads of the files with these names. Other names are passed
/// over.
pub fn reading(names: &[&str]) -> Reading {
    let parse = |index: usize| names.get(index).copied().unwrap_or_default();
    let found = |keep: fn(&str) -> bool| -> Vec<usize> {
        (0..names.len()).filter(|index| keep(parse(*index))).collect()
    };
    let mut full = found(|name| CheckpointName::parse(name).is_some());
    full.sort_by_key(|index| {
        std::cmp::Reverse(CheckpointName::parse(parse(*index)).map(|name| name.timestamp))
    });
    let mut increments = found(|name| IncrementalName::parse(name).is_some());
    increments.sort_by_key(|index| {
        IncrementalName::parse(parse(*index)).map(|name| (name.sequence, name.timestamp))
    });
    let rolling = found(|name| RollingStateName::parse(name).is_some())
        .into_iter()
        .max_by_key(|index| RollingStateName::parse(parse(*index)).map(|name| name.timestamp));
    Reading { full, increments, rolling }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increments(sequences: &[u64]) -> Vec<IncrementalName> {
        let name =
            |sequence: &u64| format!("incremental_checkpoint_{sequence}_1780000000.5.tar.gz");
        sequences.iter().map(|s| IncrementalName::parse(&name(s)).unwrap()).collect()
    }

    #[test]
    fn increments_come_first_and_a_full_checkpoint_replaces_them() {
        #[rustfmt::skip]
        let cases: &[(&str, usize, usize, &[u64], Due)] = &[
            ("nothing happened",            0, 50, &[],        Due::Nothing),
            ("not enough yet",             49, 50, &[],        Due::Nothing),
            ("enough",                     50, 50, &[],        Due::Increment(1)),
            ("a gap from a deletion",      99, 50, &[2, 7],    Due::Increment(8)),
            ("the fourth is a full one",   50, 50, &[1, 2, 3], Due::Full),
            ("a threshold of nothing",      0,  0, &[],        Due::Nothing),
            ("every event",                 1,  0, &[],        Due::Increment(1)),
        ];
        for (what, events, threshold, existing, wanted) in cases {
            assert_eq!(due(*events, *threshold, &increments(existing)), *wanted, "{what}");
        }
    }

    #[test]
    fn the_newest_checkpoint_is_read_first_and_increments_in_order() {
        let names = [
            "checkpoint_1780000001.5.tar.gz",
            "incremental_checkpoint_10_1780000009.5.tar.gz",
            "checkpoint_1780000003.5.tar.gz",
            "incremental_checkpoint_9_1780000008.5.tar.gz",
            "checkpoint_model.pt",
            "rolling_state_1780000001.5.tar.gz",
            "rolling_state_1780000002.5.tar.gz",
        ];
        let wanted = Reading { full: vec![2, 0], increments: vec![3, 1], rolling: Some(6) };
        assert_eq!(reading(&names), wanted);
        assert_eq!(reading(&[]), Reading::default());
    }

    #[test]
    fn increments_are_laid_up_to_the_first_that_is_missing() {
        #[rustfmt::skip]
        let cases = [
            ("none",                            vec![],                          None,    vec![]),
            ("all",                             vec![(1, 5), (2, 6)],            None,    vec![0, 1]),
            ("after a full one",                vec![(1, 5), (2, 6)],            Some(4), vec![0, 1]),
            ("from before it",                  vec![(1, 3), (2, 4), (3, 5)],    Some(4), vec![2]),
            ("two machines at once",            vec![(1, 5), (1, 6), (2, 7)],    None,    vec![0, 1, 2]),
            ("one is missing",                  vec![(1, 5), (3, 7), (4, 8)],    None,    vec![0]),
            ("the first is missing",            vec![(2, 6)],                    None,    vec![]),
        ];
        for (what, increments, base, wanted) in cases {
            let at = |micros: i64| Timestamp::from_micros(1_780_000_000_000_000 + micros);
            let name = |(sequence, micros): &(u64, i64)| IncrementalName {
                sequence: *sequence,
                timestamp: at(*micros),
            };
            let names: Vec<IncrementalName> = increments.iter().map(name).collect();
            assert_eq!(increments_to_lay(&names, base.map(at)), wanted, "{what}");
        }
    }

    #[test]
    fn a_rolling_state_goes_on_from_what_was_laid() {
        let at = |seconds: f64| Timestamp::from_seconds(seconds).unwrap();
        #[rustfmt::skip]
        let cases: &[(&str, f64, &[Timestamp], bool)] = &[
            ("from the beginning",              0.0, &[],                 true),
            ("from one that is not there",      5.5, &[],                 false),
            ("from the newest",                 7.5, &[at(5.5), at(7.5)], true),
            ("beside another's increment",      5.5, &[at(5.5), at(7.5)], true),
            ("from before",                     3.5, &[at(5.5)],          false),
            ("from before all",                 0.0, &[at(5.5)],          false),
        ];
        for (what, base, laid, wanted) in cases {
            assert_eq!(continues(*base, laid), *wanted, "{what}");
        }
    }
}
