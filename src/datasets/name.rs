//! What a dataset may be called.
//!
//! The name is the dataset's tag: it is a folder's name on two machines and a field of a folder's
//! name on the Drive. The Python client means to allow `[\w-]+` but never checks, and its successor
//! refuses only `v1`, `v2`, … (folders of its next layout). So we create within narrow bounds and
//! read within wide ones: whatever is one harmless folder name on every operating system.
//!
//! Pure. Source: `docs/FORMAT.md`, "Datasets".

use std::fmt;

/// The name of a dataset: one harmless path component.
///
/// Kept exactly as written. Invariant: 1 to 128 bytes; no control character, none of
/// `/ \ : * ? " < > |`; no leading or trailing dot or blank; not `v` and digits only.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasetName(String);

/// A text that is no name for a dataset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It cannot be a folder's name everywhere.
    #[error("`{0}` is not the name of a dataset")]
    NotAFolderName(String),
    /// It can be read, but we do not create it.
    #[error("`{0}` has characters other than letters, digits, `_` and `-`")]
    OddCharacters(String),
    /// It is the name of a layout, not of a dataset.
    #[error("`{0}` is reserved: `v` and a number name a layout")]
    Layout(String),
}

const LENGTH_MAX: usize = 128; // leaves room for prefix and digest in a folder's name

impl DatasetName {
    /// Reads a name that somebody gave.
    ///
    /// # Errors
    /// [`InvalidName`] if the invariant does not hold.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        let harmless = |c: char| {
            !c.is_control() && !matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        };
        let edge = |c: char| c == '.' || c.is_whitespace();
        let valid = (1..=LENGTH_MAX).contains(&text.len())
            && text.chars().all(harmless)
            && !text.starts_with(edge)
            && !text.ends_with(edge);
        if !valid {
            Err(InvalidName::NotAFolderName(shown(text)))
        } else if is_layout(text) {
            Err(InvalidName::Layout(shown(text)))
        } else {
            Ok(Self(text.to_owned()))
        }
    }

    /// Reads a name for a dataset that is to be created: letters and digits of any script, `_`
    /// and `-`, the latter not in front (a command would take it for an option).
    ///
    /// # Errors
    /// [`InvalidName`] for anything else.
    pub fn parse_new(text: &str) -> Result<Self, InvalidName> {
        let name = Self::parse(text)?;
        let usual = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
        if text.chars().all(usual) && !text.starts_with('-') {
            Ok(name)
        } else {
            Err(InvalidName::OddCharacters(shown(text)))
        }
    }

    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_layout(text: &str) -> bool {
    text.strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()))
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatasetName({})", self.0)
    }
}

impl std::str::FromStr for DatasetName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn we_read_more_names_than_we_create() {
        #[rustfmt::skip]
        let cases = [
            // what                    name          read   create
            ("plain",                  "census",     true,  true),
            ("all that is usual",      "My_set-2",   true,  true),
            ("another script",         "données",    true,  true),
            ("a layout's start",       "v1x",        true,  true),
            ("one letter",             "v",          true,  true),
            ("a blank within",         "my data",    true,  false),
            ("a dot within",           "data.2024",  true,  false),
            ("a number sign",          "a#b",        true,  false),
            ("looks like an option",   "-rf",        true,  false),
            ("a layout",               "v2",         false, false),
            ("nothing",                "",           false, false),
            ("a way up",               "..",         false, false),
            ("a way up and down",      "../x",       false, false),
            ("in a folder",            "a/b",        false, false),
            ("a backslash",            "a\\b",       false, false),
            ("hidden",                 ".x",         false, false),
            ("a blank at the end",     "x ",         false, false),
            ("a NUL",                  "a\0b",       false, false),
            ("a drive",                "C:",         false, false),
        ];
        for (what, text, read, create) in cases {
            assert_eq!(DatasetName::parse(text).is_ok(), read, "{what}");
            assert_eq!(DatasetName::parse_new(text).is_ok(), create, "{what}");
        }
        assert!(DatasetName::parse(&"a".repeat(129)).is_err());
    }

    proptest! {
        #[test]
        fn a_name_is_one_path_component(text in ".{0,40}") {
            if let Ok(name) = DatasetName::parse(&text) {
                let mut parts = std::path::Path::new(name.as_str()).components();
                prop_assert!(matches!(parts.next(), Some(std::path::Component::Normal(_))));
                prop_assert_eq!(parts.next(), None);
            }
        }
    }
}
