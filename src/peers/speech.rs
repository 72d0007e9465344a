//! Decides how to speak with a peer: in which dialect, and whether its program and ours fit.
//!
//! Pure. A peer tells its version by its version file and by the folders that it made for us. The
//! file wins; a file that says nothing we understand leaves the folders, and its peer is of unknown
//! compatibility: that stops nobody (N1). Names of folders between two accounts, the version file
//! that is shared, and the layout of jobs follow from the dialect; messages are the same in all.
//! Sources: PROTOCOL 5.3, DIALECT_0_10 D and E.

use crate::wire::{Compatibility, Dialect, Version};

/// What is seen of how a peer speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// What its version file says; empty if the file says nothing that can be read. `None`: it has
    /// never shown us one.
    pub advertised: Option<String>,
    /// True if its version file says that it speaks as it is spoken to
    /// ([`Capability::AnyGeneration`](crate::wire::Capability)).
    pub is_echo: bool,
    /// The versions in the names of the folders that it made for us, oldest first.
    pub theirs: Vec<Version>,
    /// The versions in the names of the folders that we made for it.
    pub ours: Vec<Version>,
    /// The version in which we last agreed to speak with it.
    pub settled: Option<Version>,
}

/// How to speak with a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speech {
    /// Whether its program and ours fit.
    pub compatibility: Compatibility,
    /// In which dialect; `None`: in none, nothing can be said.
    pub dialect: Option<Dialect>,
}

impl Speech {
    /// True if the programs are known to fit.
    pub const fn is_compatible(&self) -> bool {
        matches!(self.compatibility, Compatibility::Same | Compatibility::PatchDifference)
    }
}

/// Returns how to speak with a peer, out of the dialects that are `spoken`.
///
/// A peer that made folders of several generations is a client of ours that knew nothing of us.
/// Whoever answers it chooses the `home` dialect. Where both asked at once, both must come to the
/// same without another word: they take the first of `spoken` that both have.
pub fn speech(signs: &Signs, spoken: &[Dialect], home: &Dialect) -> Speech {
    let advertised = signs.advertised.as_deref().map(Version::parse);
    if let Some(Some(version)) = advertised {
        let said = of_version(version, spoken);
        // Two who repeat what the other says would say it for ever, whatever release comes.
        let own = |dialect: Dialect| {
            let mut spoken = spoken.iter();
            let is_own = |own: &&Dialect| own.client_version.is_same_family(dialect.client_version);
            spoken.find(is_own).cloned().unwrap_or(dialect)
        };
        let dialect = if signs.is_echo { said.dialect.map(own) } else { said.dialect };
        return Speech { dialect, ..said };
    }
    let is_file_odd = advertised.is_some();
    let by_folders = match families(signs, spoken).as_slice() {
        [] => match (signs.theirs.last(), signs.settled) {
            (None, None) => unknown(None),
            // The other's folders are gone, and it has not said that it speaks otherwise now.
            (None, Some(settled)) => of_version(settled, spoken),
            (Some(_), _) => Speech { compatibility: Compatibility::Incompatible, dialect: None },
        },
        [(_, version)] => of_version(*version, spoken),
        // Whatever is chosen, it has shown that it speaks it.
        several => of_version(one_of(several, signs, home), spoken),
    };
    if is_file_odd { unknown(by_folders.dialect) } else { by_folders }
}

const fn unknown(dialect: Option<Dialect>) -> Speech {
    Speech { compatibility: Compatibility::Unknown, dialect }
}

fn of_version(version: Version, spoken: &[Dialect]) -> Speech {
    let dialect = spoken.iter().find_map(|dialect| dialect.at(version));
    let is_known = spoken.iter().any(|dialect| dialect.client_version == version);
    let compatibility = match (&dialect, is_known) {
        (None, _) => Compatibility::Incompatible,
        (Some(_), true) => Compatibility::Same,
        (Some(_), false) => Compatibility::PatchDifference,
    };
    Speech { compatibility, dialect }
}

/// The dialects that the peer made folders in, each with the version of the newest folder.
fn families<'d>(signs: &Signs, spoken: &'d [Dialect]) -> Vec<(&'d Dialect, Version)> {
    let newest = |dialect: &Dialect| {
        signs.theirs.iter().rfind(|version| dialect.client_version.is_same_family(**version))
    };
    spoken.iter().filter_map(|dialect| Some((dialect, *newest(dialect)?))).collect()
}

/// Chooses where a peer has folders of several generations and says nothing else.
fn one_of(several: &[(&Dialect, Version)], signs: &Signs, home: &Dialect) -> Version {
    let of_family = |wanted: Version| {
        several.iter().find(|(dialect, _)| dialect.client_version.is_same_family(wanted))
    };
    let we_asked_in_several = match signs.ours.as_slice() {
        [first, rest @ ..] => rest.iter().any(|version| !version.is_same_family(*first)),
        [] => false,
    };
    let chosen = match signs.settled.and_then(of_family) {
        Some(settled) => Some(settled),
        None if we_asked_in_several => several.first(),
        None => of_family(home.client_version).or_else(|| several.last()),
    };
    chosen.map_or(home.client_version, |(_, version)| *version)
}

/// What is to be done so that we speak with a peer as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: that is how we speak.
    Stay,
    /// We never spoke: the folders and the version file that fit are to be opened, what else was
    /// made on a guess is to go.
    Begin,
    /// The folders stay, another version file is to be shown.
    Restate,
    /// Other folders and another version file. What lies in the old folders counts for nothing any
    /// more, so all that the peer is to know must be sent again.
    Anew,
}

/// Returns what is to be done to speak `wanted` after `settled`. `is_file_right` says whether the
/// version file that the peer sees is the one for its version.
pub const fn turn(settled: Option<Version>, wanted: Version, is_file_right: bool) -> Turn {
    match settled {
        None => Turn::Begin,
        Some(settled) if !settled.is_same_family(wanted) => Turn::Anew,
        Some(settled) if settled.patch == wanted.patch && is_file_right => Turn::Stay,
        Some(_) => Turn::Restate,
    }
}

#[cfg(test)]
mod tests {
    use Compatibility::{Incompatible, PatchDifference, Same, Unknown};

    use super::*;

    fn signs(advertised: Option<&str>, theirs: &str, ours: &str, settled: &str) -> Signs {
        let versions = |texts: &str| -> Vec<Version> {
            texts.split_whitespace().map(|text| Version::parse(text).unwrap()).collect()
        };
        Signs {
            advertised: advertised.map(str::to_owned),
            is_echo: false,
            theirs: versions(theirs),
            ours: versions(ours),
            settled: versions(settled).pop(),
        }
    }

    fn told(speech: &Speech) -> (Compatibility, Option<String>) {
        (speech.compatibility, speech.dialect.as_ref().map(|d| d.client_version.to_string()))
    }

    #[test]
    fn the_version_file_wins_then_the_folders_then_what_was_settled() {
        const BOTH: &str = "0.10.0 0.1.117";
        #[rustfmt::skip]
        let cases = [
            // what                           file               theirs             ours       settled    compatibility    spoken
            ("it says 0.1",                   Some("0.1.117"),   "0.1.117",         "",        "",        Same,            Some("0.1.117")),
            ("it says 0.10",                  Some("0.10.0"),    "0.10.0",          "",        "",        Same,            Some("0.10.0")),
            ("another patch",                 Some("0.1.120"),   "0.1.117",         "",        "",        PatchDifference, Some("0.1.120")),
            ("another patch of 0.10",         Some("0.10.9"),    "",                "",        "",        PatchDifference, Some("0.10.9")),
            ("it went up, old folders stay",  Some("0.10.0"),    "0.1.117",         "0.1.117", "0.1.117", Same,            Some("0.10.0")),
            ("it went back",                  Some("0.1.117"),   BOTH,              BOTH,      "0.10.0",  Same,            Some("0.1.117")),
            ("a third generation",            Some("0.11.0"),    "0.11.0",          "",        "",        Incompatible,    None),
            ("a third, old folders stay",     Some("0.11.0"),    "0.10.0",          "",        "0.10.0",  Incompatible,    None),
            ("another major number",          Some("1.1.117"),   "",                "",        "",        Incompatible,    None),
            ("N1: no version at all",         Some("abc"),       "0.1.117",         "",        "",        Unknown,         Some("0.1.117")),
            ("N1: a release candidate",       Some("0.10.0rc1"), "0.10.0",          "",        "",        Unknown,         Some("0.10.0")),
            ("N1: four numbers",              Some("0.10.0.1"),  "0.10.0",          "",        "",        Unknown,         Some("0.10.0")),
            ("N1: the file is garbage",       Some(""),          "0.1.117",         "",        "",        Unknown,         Some("0.1.117")),
            ("N1: garbage and nothing else",  Some("?"),         "",                "",        "",        Unknown,         None),
            ("N1: garbage after better days", Some("?"),         "",                "",        "0.10.0",  Unknown,         Some("0.10.0")),
            ("nothing",                       None,              "",                "",        "",        Unknown,         None),
            ("its request says it",           None,              "0.10.0",          "",        "",        Same,            Some("0.10.0")),
            ("its request, another patch",    None,              "0.10.3",          "",        "",        PatchDifference, Some("0.10.3")),
            ("the newest of its folders",     None,              "0.1.116 0.1.117", "",        "",        Same,            Some("0.1.117")),
            ("its request is of a third",     None,              "0.11.0",          "",        "",        Incompatible,    None),
            ("of a third and of one of ours", None,              "0.11.0 0.10.0",   "",        "",        Same,            Some("0.10.0")),
            ("all that it made is gone",      None,              "",                "0.1.117", "0.1.117", Same,            Some("0.1.117")),
            ("it asks in both: our home",     None,              BOTH,              "",        "",        Same,            Some("0.1.117")),
            ("both asked in both",            None,              BOTH,              BOTH,      "",        Same,            Some("0.1.117")),
            ("it asked in both, we answered", None,              BOTH,              "0.10.0",  "0.10.0",  Same,            Some("0.10.0")),
        ];
        for (what, file, theirs, ours, settled, compatibility, dialect) in cases {
            let got =
                speech(&signs(file, theirs, ours, settled), &Dialect::all(), &Dialect::v0_1());
            assert_eq!(told(&got), (compatibility, dialect.map(str::to_owned)), "{what}");
        }
    }

    #[test]
    fn whoever_answers_takes_its_home_and_two_who_ask_at_once_take_the_same() {
        let asked_in_both = |ours: &str| signs(None, "0.1.117 0.10.0", ours, "");
        let spoken = |ours: &str, home| {
            let speech = speech(&asked_in_both(ours), &Dialect::all(), &home);
            speech.dialect.unwrap().generation()
        };
        assert_eq!(spoken("", Dialect::v0_1()), "0.1");
        assert_eq!(spoken("", Dialect::v0_10()), "0.10");
        let both = "0.10.0 0.1.117";
        assert_eq!(spoken(both, Dialect::v0_1()), spoken(both, Dialect::v0_10()));
    }

    #[test]
    fn who_speaks_one_dialect_only_does_not_understand_the_other() {
        let only = [Dialect::v0_10()];
        let of = |signs: &Signs| told(&speech(signs, &only, &Dialect::v0_10()));
        assert_eq!(of(&signs(Some("0.1.117"), "", "", "")), (Incompatible, None));
        let both = signs(None, "0.1.117 0.10.0", "", "");
        assert_eq!(of(&both), (Same, Some("0.10.0".to_owned())));
    }

    #[test]
    fn two_who_speak_as_they_are_spoken_to_state_their_own_patch_version() {
        for (stated, dialect) in [("0.1.90", Dialect::v0_1()), ("0.10.9", Dialect::v0_10())] {
            let signs = Signs { is_echo: true, ..signs(Some(stated), "", "", "") };
            let speech = speech(&signs, &Dialect::all(), &Dialect::v0_1());
            assert_eq!(speech.compatibility, PatchDifference);
            assert_eq!(speech.dialect, Some(dialect));
        }
    }

    #[test]
    fn folders_change_with_the_generation_and_the_file_with_the_version() {
        #[rustfmt::skip]
        let cases = [
            // settled          wanted      right  turn
            (None,              "0.1.117",  false, Turn::Begin),
            (None,              "0.1.117",  true,  Turn::Begin),
            (Some("0.1.117"),   "0.1.117",  true,  Turn::Stay),
            (Some("0.1.117"),   "0.1.117",  false, Turn::Restate),
            (Some("0.1.117"),   "0.1.120",  true,  Turn::Restate),
            (Some("0.1.117"),   "0.10.0",   true,  Turn::Anew),
            (Some("0.10.0"),    "0.1.117",  true,  Turn::Anew),
        ];
        for (settled, wanted, is_right, expected) in cases {
            let settled = settled.and_then(Version::parse);
            let wanted = Version::parse(wanted).unwrap();
            assert_eq!(turn(settled, wanted, is_right), expected, "{settled:?} {wanted}");
        }
    }
}
