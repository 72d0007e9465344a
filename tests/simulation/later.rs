//! What some runs have besides: a dataset gets new content, and a long log is shortened.
//!
//! Drawn from numbers of its own, and put between the other steps, so that a seed without it is the
//! run that it was before there was any of this.

use super::chance::Chance;
use super::operations::{Action, FIRST, Manner, PLAIN_SYNC, Readers, SECOND, Step, Sync, process};

/// Marks of what is written here; those of the other steps are small.
const MARKS: usize = 100_000;
/// As many messages as a log has at least before it is shortened, and some.
const MESSAGES: usize = 55;

/// Puts the steps between those of a run.
pub(crate) fn add(steps: &mut Vec<Step>, seed: u64, manner: Manner) {
    let mut chance = Chance::new(!seed);
    if manner.datasets {
        for (number, dataset) in ["ages", "blood"].into_iter().enumerate() {
            let (number, upload_private) = (MARKS / 2 + number, chance.is(1, 2));
            let readers = chance.pick(&[Readers::Any, Readers::Only(2), Readers::Only(3)]);
            let action = Action::CreateDataset { dataset, number, readers, upload_private };
            let at = place(&mut chance, steps);
            steps.insert(at, process(&mut chance, manner, FIRST, action));
        }
        for number in 0..8 {
            let dataset = chance.pick(&["ages", "blood"]);
            let (number, is_private_new) = (MARKS + number, chance.is(1, 2));
            let action = Action::UpdateDataset { dataset, number, is_private_new };
            let step = process(&mut chance, manner, FIRST, action);
            let at = place(&mut chance, steps);
            steps.insert(at, step);
        }
    }
    if chance.is(1, 5) {
        shorten(steps, &mut chance, manner);
    }
}

/// A place after the first steps, which make peers of all.
fn place(chance: &mut Chance, steps: &[Step]) -> usize {
    let first = steps.len() / 4;
    first + chance.below(steps.len() - first)
}

/// A log grows long and old, and is shortened, again and again.
fn shorten(steps: &mut Vec<Step>, chance: &mut Chance, manner: Manner) {
    let sync = |prune_log| Action::Sync(Sync { prune_log, ..PLAIN_SYNC });
    for turn in 0..2 {
        let mark = MARKS + (turn + 1) * 1_000;
        let mut new = vec![
            Step::Busy { machine: FIRST, times: MESSAGES, mark },
            Step::Pass { days: 8 },
            Step::Busy { machine: FIRST, times: 1, mark: mark + MESSAGES },
            process(chance, manner, FIRST, Action::Checkpoint),
        ];
        for _ in 0..3 {
            new.push(process(chance, manner, FIRST, sync(true)));
        }
        if manner.second {
            let action = sync(chance.is(1, 2));
            new.push(process(chance, manner, SECOND, action));
        }
        let mut at = place(chance, steps);
        for step in new {
            steps.insert(at, step);
            at = (at + 1 + chance.below(3)).min(steps.len());
        }
    }
}
