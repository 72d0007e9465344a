//! Decides where the secret of a sign-in is kept: in the system's keyring, or in a file that its
//! user alone can read.
//!
//! Pure. A keyring that gives no answer holds nobody up: unless a person insists on it, the file is
//! taken and the reason is told once.

use super::Unusable;

/// Where a person wants secrets to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretsIn {
    /// In the keyring where it answers, else in a file; at later logins where it was before.
    Auto,
    /// In a file with mode 0600.
    #[default]
    File,
    /// In the keyring, or nowhere.
    Keyring,
}

/// Where the secret of a sign-in is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file with mode 0600.
    File,
    /// In the system's keyring.
    Keyring,
}

/// What is done before anything is known of the keyring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The file is taken.
    File,
    /// The keyring is tried.
    TryKeyring,
}

/// What follows from how the keyring answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is kept there.
    Keyring,
    /// The file is taken; the reason is told if there is one.
    File { told: Option<Unusable> },
    /// A person insisted.
    Refuse(Unusable),
}

/// Whether the keyring is tried. `before` is where the account's secret was so far.
pub(super) fn first(wish: SecretsIn, before: Option<Place>) -> First {
    match (wish, before) {
        (SecretsIn::File, _) | (SecretsIn::Auto, Some(Place::File)) => First::File,
        (SecretsIn::Keyring, _) | (SecretsIn::Auto, _) => First::TryKeyring,
    }
}

/// What is done once the keyring was tried.
pub(super) fn then(wish: SecretsIn, tried: Result<(), Unusable>) -> Verdict {
    match (tried, wish) {
        (Ok(()), _) => Verdict::Keyring,
        (Err(why), SecretsIn::Keyring) => Verdict::Refuse(why),
        // Most servers have none, which is no news.
        (Err(Unusable::Absent), _) => Verdict::File { told: None },
        (Err(why), _) => Verdict::File { told: Some(why) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_way_out_unless_a_person_insists() {
        use SecretsIn::{Auto, File, Keyring};
        #[rustfmt::skip]
        let firsts = [
            (Auto,    None,                 First::TryKeyring),
            (Auto,    Some(Place::Keyring), First::TryKeyring),
            (Auto,    Some(Place::File),    First::File),
            (File,    Some(Place::Keyring), First::File),
            (Keyring, Some(Place::File),    First::TryKeyring),
        ];
        for (wish, before, expected) in firsts {
            assert_eq!(first(wish, before), expected, "{wish:?} {before:?}");
        }
        #[rustfmt::skip]
        let thens = [
            (Auto,    Ok(()),                  Verdict::Keyring),
            (Auto,    Err(Unusable::Absent),   Verdict::File { told: None }),
            (Auto,    Err(Unusable::Silent),   Verdict::File { told: Some(Unusable::Silent) }),
            (Auto,    Err(Unusable::Locked),   Verdict::File { told: Some(Unusable::Locked) }),
            (Keyring, Err(Unusable::Locked),   Verdict::Refuse(Unusable::Locked)),
            (Keyring, Err(Unusable::Absent),   Verdict::Refuse(Unusable::Absent)),
        ];
        for (wish, tried, expected) in thens {
            assert_eq!(then(wish, tried.clone()), expected, "{wish:?} {tried:?}");
        }
    }
}
