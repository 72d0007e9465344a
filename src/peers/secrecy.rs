//! Decides what of the way to a peer is sealed: nothing, everything, or that nothing goes at all.
//!
//! The keys that a peer publishes first are taken and kept (trust at first use); after that the
//! edge is encrypted for good. Other keys, from the peer or from whoever runs the drive, stop this
//! peer and no other until a person has compared fingerprints. Pure. Why: `docs/adr/0005-encryption-for-each-edge.md`.

use super::keys::Fingerprint;

/// When an account seals what it sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// For each peer that has published keys, and for ourselves.
    #[default]
    Offered,
    /// Nothing goes to or comes from a peer that has published none.
    Required,
    /// Never.
    Off,
}

impl Mode {
    /// All modes.
    pub const ALL: [Self; 3] = [Self::Offered, Self::Required, Self::Off];

    /// Returns the name in files and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Required => "required",
            Self::Off => "off",
        }
    }

    /// Returns the mode of that name; `None` if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}

/// What a person or the first use has settled about a peer's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// Nothing yet.
    Nothing,
    /// These are its keys.
    Pinned(Fingerprint),
    /// It works without encryption, a person said.
    Unencrypted,
}

/// How messages go to and from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrecy {
    /// As they are; `offered` if the peer has published keys all the same.
    Plain {
        /// The keys that the peer has published.
        offered: Option<Fingerprint>,
    },
    /// Sealed, with the peer's keys that have this fingerprint.
    Sealed(Fingerprint),
    /// Not at all, until a person decides.
    Stopped(Obstacle),
}

/// Why nothing goes to or from a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The peer's keys are others than those that were taken.
    KeyChanged {
        /// Those that were taken.
        pinned: Fingerprint,
        /// Those that are published now.
        offered: Fingerprint,
    },
    /// The peer has published none, and encryption is required.
    NotOffered,
    /// Where anybody can publish keys in the peer's name: nobody has compared them yet.
    NotCompared {
        /// Those that are published.
        offered: Fingerprint,
    },
}

impl Secrecy {
    /// True if nothing goes to or from the peer.
    pub const fn is_stopped(self) -> bool {
        matches!(self, Self::Stopped(_))
    }

    /// Returns the fingerprint of the keys in use.
    pub const fn fingerprint(self) -> Option<Fingerprint> {
        match self {
            Self::Sealed(fingerprint) => Some(fingerprint),
            _ => None,
        }
    }
}

impl Default for Secrecy {
    fn default() -> Self {
        Self::Plain { offered: None }
    }
}

/// Decides how messages go to and from a peer that publishes `offered`. True: its keys are to be
/// taken now, for they are the first. `mode` is `None` where we have no keys ourselves.
pub fn secrecy(
    mode: Option<Mode>,
    settled: Settled,
    offered: Option<Fingerprint>,
) -> (Secrecy, bool) {
    let plain = Secrecy::Plain { offered };
    match (mode, settled, offered) {
        (None | Some(Mode::Off), _, _) | (_, Settled::Unencrypted, _) => (plain, false),
        (_, Settled::Nothing, Some(first)) => (Secrecy::Sealed(first), true),
        (Some(Mode::Required), Settled::Nothing, None) => {
            (Secrecy::Stopped(Obstacle::NotOffered), false)
        }
        (Some(Mode::Offered), Settled::Nothing, None) => (plain, false),
        (_, Settled::Pinned(pinned), Some(offered)) if pinned != offered => {
            (Secrecy::Stopped(Obstacle::KeyChanged { pinned, offered }), false)
        }
        // Also if the keys are published no more: whoever runs the drive can take them away.
        (_, Settled::Pinned(pinned), _) => (Secrecy::Sealed(pinned), false),
    }
}

/// The same where anybody can write in anybody's name: no keys are taken because they came first, a
/// person compares them.
pub const fn compared(decided: (Secrecy, bool)) -> (Secrecy, bool) {
    match decided {
        (Secrecy::Sealed(offered), true) => {
            (Secrecy::Stopped(Obstacle::NotCompared { offered }), false)
        }
        other => other,
    }
}

/// How long after an edge became encrypted a peer may not know of it yet: its catalogue is fresh
/// after six hours at the latest, and clocks differ.
pub const GRACE_MICROS: i64 = 7 * 3600 * 1_000_000;

/// True if what is not sealed, or is signed with keys that were replaced, is still taken at this
/// moment: the change at `since_micros` need not be known everywhere yet. Both are to be moments of
/// this machine's clock wherever the other one is somebody else's to choose.
pub const fn is_in_grace(now_micros: i64, since_micros: i64) -> bool {
    now_micros < since_micros.saturating_add(GRACE_MICROS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_taken_once_and_then_kept() {
        use Obstacle::{KeyChanged, NotOffered};
        let print = |digit: &str| Fingerprint::parse(&digit.repeat(64)).unwrap();
        let (a, b) = (print("a"), print("b"));
        let plain = |offered| Secrecy::Plain { offered };
        let (offer, need, off) = (Some(Mode::Offered), Some(Mode::Required), Some(Mode::Off));
        let (new, pinned, open) = (Settled::Nothing, Settled::Pinned(a), Settled::Unencrypted);
        let changed = Secrecy::Stopped(KeyChanged { pinned: a, offered: b });
        #[rustfmt::skip]
        let cases = [
            // what                                  mode   settled offered  secrecy                       take
            ("we have no keys",                      None,  new,    Some(a), plain(Some(a)),                false),
            ("neither has keys",                     None,  new,    None,    plain(None),                   false),
            ("a Python peer with encryption off",    offer, new,    None,    plain(None),                   false),
            ("first use",                            offer, new,    Some(a), Secrecy::Sealed(a),            true),
            ("as ever",                              offer, pinned, Some(a), Secrecy::Sealed(a),            false),
            ("the keys are hidden",                  offer, pinned, None,    Secrecy::Sealed(a),            false),
            ("W14: other keys",                      offer, pinned, Some(b), changed,                       false),
            ("W14: other keys, required",            need,  pinned, Some(b), changed,                       false),
            ("required, and there are none",         need,  new,    None,    Secrecy::Stopped(NotOffered),  false),
            ("required, first use",                  need,  new,    Some(a), Secrecy::Sealed(a),            true),
            ("switched off",                         off,   pinned, Some(b), plain(Some(b)),                false),
            ("switched off, never used",             off,   new,    Some(a), plain(Some(a)),                false),
            ("a person said: without",               offer, open,   Some(a), plain(Some(a)),                false),
            ("a person said: without, required",     need,  open,   None,    plain(None),                   false),
        ];
        for (what, mode, settled, offered, expected, take) in cases {
            assert_eq!(secrecy(mode, settled, offered), (expected, take), "{what}");
        }
    }

    #[test]
    fn where_anybody_writes_a_person_compares_the_first_keys() {
        let print = |digit: &str| Fingerprint::parse(&digit.repeat(64)).unwrap();
        let (a, b) = (print("a"), print("b"));
        let decide = |settled, offered| compared(secrecy(Some(Mode::Required), settled, offered));
        let stopped = |obstacle| (Secrecy::Stopped(obstacle), false);
        let cases = [
            (Settled::Nothing, Some(a), stopped(Obstacle::NotCompared { offered: a })),
            (Settled::Nothing, None, stopped(Obstacle::NotOffered)),
            (Settled::Pinned(a), Some(a), (Secrecy::Sealed(a), false)),
            (Settled::Pinned(a), None, (Secrecy::Sealed(a), false)),
            (Settled::Pinned(a), Some(b), stopped(Obstacle::KeyChanged { pinned: a, offered: b })),
        ];
        for (settled, offered, wanted) in cases {
            assert_eq!(decide(settled, offered), wanted, "{settled:?} {offered:?}");
        }
    }

    #[test]
    fn good_faith_ends_some_hours_after_a_change() {
        assert!(is_in_grace(5, 6));
        assert!(is_in_grace(6 + GRACE_MICROS - 1, 6));
        assert!(!is_in_grace(6 + GRACE_MICROS, 6));
        assert!(is_in_grace(0, i64::MAX));
    }
}
