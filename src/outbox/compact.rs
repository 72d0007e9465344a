//! Decides which messages of an outbox are brought together into one.
//!
//! Pure. A reader that joins downloads every message of its outbox, so there are not to be many. But
//! bringing together costs sending the content again; so messages are brought together by level,
//! as in a log-structured store: some of those just sent become one of the next level, and only
//! when there are some of those, everything becomes one.

/// How many messages of a higher level there are before everything becomes one.
const HIGHER_LEVELS_MAX: usize = 5;

/// Returns the places of the messages to bring together, and the level of the result; `None` if
/// there is nothing to do. `levels` are those of the messages of one outbox; a threshold below 2
/// counts as 2.
pub fn to_compact(levels: &[u32], threshold: usize) -> Option<(Vec<usize>, u32)> {
    let places = |keep: fn(u32) -> bool| -> Vec<usize> {
        (0..levels.len()).filter(|place| levels.get(*place).copied().is_some_and(keep)).collect()
    };
    let (fresh, higher) = (places(|level| level == 0), places(|level| level > 0));
    if fresh.len() < threshold.max(2) {
        None
    } else if higher.len() + 1 < HIGHER_LEVELS_MAX {
        Some((fresh, 1))
    } else {
        Some(((0..levels.len()).collect(), 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_messages_become_one_and_now_and_then_everything_does() {
        type Case = (&'static str, &'static [u32], Option<(&'static [usize], u32)>);
        #[rustfmt::skip]
        let cases: [Case; 6] = [
            ("nothing",                  &[],                       None),
            ("too few",                  &[0, 0],                   None),
            ("enough",                   &[0, 0, 0],                Some((&[0, 1, 2], 1))),
            ("only the fresh",           &[1, 0, 2, 0, 0],          Some((&[1, 3, 4], 1))),
            ("too few fresh",            &[1, 1, 1, 1, 1, 0, 0],    None),
            ("everything",               &[1, 1, 2, 1, 0, 0, 0],    Some((&[0, 1, 2, 3, 4, 5, 6], 2))),
        ];
        for (what, levels, wanted) in cases {
            let wanted = wanted.map(|(places, level)| (places.to_vec(), level));
            assert_eq!(to_compact(levels, 3), wanted, "{what}");
        }
    }

    #[test]
    fn an_outbox_stays_small() {
        let mut levels: Vec<u32> = Vec::new();
        for _ in 0..5000 {
            levels.push(0);
            if let Some((places, level)) = to_compact(&levels, 10) {
                let mut place = 0;
                levels.retain(|_| {
                    place += 1;
                    !places.contains(&(place - 1))
                });
                levels.push(level);
            }
            assert!(levels.len() < 10 + HIGHER_LEVELS_MAX, "{levels:?}");
        }
    }
}
