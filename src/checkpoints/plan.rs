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
    /// Increments, oldest first. Those that are not later than the full checkpoint that was read
    /// are left out: see [`Reading::is_after`].
    pub increments: Vec<usize>,
    /// The newest rolling state; `None` if there is none.
    pub rolling: Option<usize>,
}

impl Reading {
    /// True if an increment made at `made` goes on from a full checkpoint made at `base`.
    pub fn is_after(made: Timestamp, base: Option<Timestamp>) -> bool {
        base.is_none_or(|base| made > base)
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
        let at = |micros| Timestamp::from_micros(micros);
        assert!(Reading::is_after(at(2), Some(at(1))) && Reading::is_after(at(2), None));
        assert!(!Reading::is_after(at(2), Some(at(2))));
    }
}
