//! Decides whether what is gone from a disk looks like an accident.
//!
//! Pure. A disk that is not mounted, a folder that was moved away and a tree that somebody cleared
//! look all the same: the files are not there. If that were taken for deletions, everybody would
//! lose them; and what others sent would be written into the empty place. So an alarm stops the
//! sync of that datasite before anything is written or sent, until the files are back or a person
//! says that it is meant.
//!
//! The rules, from the surest sign to the least sure:
//!
//! 1. The SyftBox is not the one that was synced before, as its marker tells, and a file is gone.
//!    A marker that is gone alone, while all files are there, is no sign of anything.
//! 2. The folder of the datasite is not there at all, and with it a file.
//! 3. All files are gone, and that are at least [`FILES_WORTH_ASKING`].
//! 4. More than half are gone at once, and that are at least [`FILES_MANY`]. (`rclone bisync` stops
//!    at half of the files, too.)
//!
//! A file that was moved is not gone: its content stands somewhere else. What could not be looked
//! at is not gone either.

use std::collections::BTreeMap;

use crate::model::{DatasitePath, Digest, Snapshot};

/// A datasite with fewer files than this may be emptied without being asked.
const FILES_WORTH_ASKING: usize = 3;

/// Fewer files than this may be deleted at once without being asked, unless they are all.
const FILES_MANY: usize = 10;

/// What the marker in a SyftBox says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It is the SyftBox that was synced before, or there was none before.
    Known,
    /// There is no marker where there was one.
    Missing,
    /// It is the marker of another SyftBox.
    Other,
}

/// What is seen of a datasite before anything is written or sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What the marker of the SyftBox says.
    pub marker: Marker,
    /// True if the folder of the datasite is there.
    pub has_folder: bool,
    /// How many files were agreed.
    pub agreed: usize,
    /// How many of them are gone ([`gone`]).
    pub gone: usize,
}

/// What looks like an accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alarm {
    /// The marker of the SyftBox is not there, and neither are files.
    NoMarker,
    /// The marker is that of another SyftBox, and files are gone.
    OtherBox,
    /// The folder of the datasite is not there.
    NoFolder,
    /// All files of the datasite are gone.
    Empty,
    /// Most files of the datasite are gone.
    MostGone,
}

/// Returns what looks like an accident; `None` if nothing does.
pub const fn alarm(sight: &Sight) -> Option<Alarm> {
    if sight.gone == 0 {
        return None;
    }
    match sight.marker {
        Marker::Missing => return Some(Alarm::NoMarker),
        Marker::Other => return Some(Alarm::OtherBox),
        Marker::Known => {}
    }
    if !sight.has_folder {
        Some(Alarm::NoFolder)
    } else if sight.gone == sight.agreed && sight.gone >= FILES_WORTH_ASKING {
        Some(Alarm::Empty)
    } else if sight.gone > sight.agreed / 2 && sight.gone >= FILES_MANY {
        Some(Alarm::MostGone)
    } else {
        None
    }
}

/// Returns how many of so many files that were agreed have to be where they were, in a folder that is
/// there, so that there is no alarm whatever has become of the others.
pub const fn enough(marker: Marker, agreed: usize) -> usize {
    match marker {
        Marker::Known => agreed.div_ceil(2),
        Marker::Missing | Marker::Other => agreed,
    }
}

/// Counts the files that were agreed and are not there any more, under no name.
pub fn gone(
    agreed: &Snapshot,
    local: &Snapshot,
    is_unknown: impl Fn(&DatasitePath) -> bool,
) -> usize {
    let differ = agreed.differences(local);
    let mut moved: BTreeMap<Digest, usize> = BTreeMap::new();
    for digest in differ.iter().filter_map(|it| it.after) {
        *moved.entry(digest).or_default() += 1;
    }
    let missing = differ.iter().filter(|it| it.after.is_none() && !is_unknown(it.path));
    missing
        .filter(|it| match it.before.and_then(|digest| moved.get_mut(&digest)) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        })
        .count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_an_accident_stops_and_what_does_not_goes_on() {
        use Marker::{Known, Missing, Other};
        #[rustfmt::skip]
        let cases = [
            // what                                         marker   folder  agreed  gone  alarm
            ("nothing is gone",                             Known,   true,   100,    0,    None),
            ("nothing was agreed",                          Missing, false,  0,      0,    None),
            ("a few are deleted",                           Known,   true,   100,    9,    None),
            ("half are deleted",                            Known,   true,   100,    50,   None),
            ("more than half",                              Known,   true,   100,    51,   Some(Alarm::MostGone)),
            ("more than half of few",                       Known,   true,   12,     9,    None),
            ("as many as that, and many",                   Known,   true,   12,     10,   Some(Alarm::MostGone)),
            ("all of very few",                             Known,   true,   2,      2,    None),
            ("all of few",                                  Known,   true,   3,      3,    Some(Alarm::Empty)),
            ("all of many",                                 Known,   true,   100,    100,  Some(Alarm::Empty)),
            ("the folder itself, with a single file",       Known,   false,  1,      1,    Some(Alarm::NoFolder)),
            ("the folder, whose files wait to be written",  Known,   false,  5,      0,    None),
            ("an empty mount point, with a single file",    Missing, true,   1,      1,    Some(Alarm::NoMarker)),
            ("all hidden files were left out of a copy",    Missing, true,   100,    0,    None),
            ("another disk is mounted there",               Other,   true,   100,    100,  Some(Alarm::OtherBox)),
            ("an older copy of the same box was put back",  Known,   true,   100,    3,    None),
            ("the copy of another box, with all files",     Other,   true,   100,    0,    None),
        ];
        for (what, marker, has_folder, agreed, gone, wanted) in cases {
            assert_eq!(alarm(&Sight { marker, has_folder, agreed, gone }), wanted, "{what}");
        }
    }

    #[test]
    fn where_enough_is_there_no_alarm_is_possible_and_with_less_one_may_be() {
        for marker in [Marker::Known, Marker::Missing, Marker::Other] {
            for agreed in 0..50 {
                let alarm = |gone| alarm(&Sight { marker, has_folder: true, agreed, gone });
                let enough = enough(marker, agreed);
                assert!((0..=agreed - enough).all(|gone| alarm(gone).is_none()), "{agreed}");
                if agreed >= FILES_MANY * 2 {
                    assert!(alarm(agreed - enough + 1).is_some(), "{agreed}");
                }
            }
        }
    }

    fn files(list: &[(&str, &str)]) -> Snapshot {
        list.iter()
            .map(|(p, c)| (DatasitePath::parse(p).unwrap(), Digest::of(c.as_bytes())))
            .collect()
    }

    #[test]
    fn what_was_moved_or_cannot_be_seen_is_not_gone() {
        type Files<'a> = &'a [(&'a str, &'a str)];
        #[rustfmt::skip]
        let cases: [(&str, Files<'_>, Files<'_>, usize); 7] = [
            ("the same",                        &[("a", "1"), ("b", "2")],  &[("a", "1"), ("b", "2")],      0),
            ("edited",                          &[("a", "1")],              &[("a", "2")],                  0),
            ("deleted",                         &[("a", "1"), ("b", "2")],  &[("b", "2")],                  1),
            ("renamed",                         &[("a", "1")],              &[("b", "1")],                  0),
            ("two of one content, one renamed", &[("a", "1"), ("b", "1")],  &[("c", "1")],                  1),
            ("of the content of one that stays", &[("a", "1"), ("b", "1")], &[("b", "1")],                  1),
            ("not to be seen",                  &[("secret/a", "1")],       &[],                            0),
        ];
        for (what, agreed, local, wanted) in cases {
            let unknown = |path: &DatasitePath| path.is_below("secret");
            assert_eq!(gone(&files(agreed), &files(local), unknown), wanted, "{what}");
        }
    }

    proptest! {
        #[test]
        fn no_more_is_gone_than_is_missing(
            agreed in prop::collection::btree_map(0..9_u8, 0..4_u8, 0..9),
            local in prop::collection::btree_map(0..9_u8, 0..4_u8, 0..9),
        ) {
            let snapshot = |files: &BTreeMap<u8, u8>| -> Snapshot {
                let file = |(p, c): (&u8, &u8)| {
                    (DatasitePath::parse(&p.to_string()).unwrap(), Digest::of(&[*c]))
                };
                files.iter().map(file).collect()
            };
            let missing = agreed.keys().filter(|path| !local.contains_key(path)).count();
            let counted = gone(&snapshot(&agreed), &snapshot(&local), |_| false);
            prop_assert!(counted <= missing);
            prop_assert!(counted + local.len() >= missing);
        }
    }
}
