//! Where a file is within a datasite.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a file is within a datasite: `app_data/job/inbox/ds@example.org/j/run.sh`. The same on
/// every operating system.
///
/// Invariant: relative, `/`-separated, UTF-8; no empty, `.` or `..` part; no control character, no
/// backslash, no drive letter; at most 1,024 bytes in at most 64 parts of at most 255 bytes. So
/// joining it to a datasite's folder never leaves that folder.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatasitePath(String);

/// A text that is no path within a datasite.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a path within a datasite")]
pub struct InvalidPath(String);

const LENGTH_MAX: usize = 1024;
const DEPTH_MAX: usize = 64;
const PART_MAX: usize = 255; // what common file systems take

impl DatasitePath {
    /// Reads a path.
    ///
    /// # Errors
    /// [`InvalidPath`] if the invariant does not hold.
    pub fn parse(text: &str) -> Result<Self, InvalidPath> {
        let valid = text.len() <= LENGTH_MAX
            && (is_plain_path(text) || {
                text.bytes().filter(|byte| *byte == b'/').count() < DEPTH_MAX
                    && text.split('/').all(is_harmless_part)
            })
            && !has_drive_letter(text);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidPath(shown(text))) }
    }

    /// Reads a relative path of this operating system.
    ///
    /// # Errors
    /// [`InvalidPath`] if it is not UTF-8 or the invariant does not hold.
    pub fn from_local(path: &Path) -> Result<Self, InvalidPath> {
        let refused = || InvalidPath(shown(&path.to_string_lossy()));
        let mut parts = Vec::new();
        for component in path.components() {
            match component {
                std::path::Component::Normal(part) => {
                    parts.push(part.to_str().ok_or_else(refused)?);
                }
                _ => return Err(refused()),
            }
        }
        Self::parse(&parts.join("/"))
    }

    /// Returns the path as text, `/`-separated.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the parts from the first folder to the file's name; never none.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// Returns the last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Returns the folder that the path lies in; `None` at the root of the datasite.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(folder, _)| Self(folder.to_owned()))
    }

    /// Returns the folders that the path lies in, the nearest first; not the root of the datasite.
    pub fn folders(&self) -> impl Iterator<Item = Self> {
        std::iter::successors(self.parent(), Self::parent)
    }

    /// True if the path lies in `folder`, at any depth. A path does not lie in itself.
    pub fn is_below(&self, folder: &str) -> bool {
        self.0.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }

    /// Returns the path of `name`, which may have several parts, below this one.
    ///
    /// # Errors
    /// [`InvalidPath`] if the result is not a path within a datasite.
    pub fn join(&self, name: &str) -> Result<Self, InvalidPath> {
        Self::parse(&format!("{}/{name}", self.0))
    }

    /// Returns the path below `root`, in the form of this operating system.
    pub fn below(&self, root: &Path) -> PathBuf {
        let mut path = root.to_owned();
        path.extend(self.parts());
        path
    }
}

fn is_harmless_part(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
        && part.len() <= PART_MAX
        && (part.bytes().all(is_plain) || !part.chars().any(|c| c == '\\' || c.is_control()))
}

/// True for what is harmless in any name: most have nothing else, and are not looked at letter by letter.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'\\'
}

/// True if all parts are harmless and plain, and not too many. Most paths are, and for those this one
/// look at each letter is all.
fn is_plain_path(text: &str) -> bool {
    let (mut parts, mut letters, mut dots) = (1, 0, 0);
    // No part is empty, `.` or `..`.
    let is_fine = |letters, dots| letters <= PART_MAX && (letters > dots || letters > 2);
    for byte in text.bytes() {
        if byte == b'/' {
            if !is_fine(letters, dots) {
                return false;
            }
            (parts, letters, dots) = (parts + 1, 0, 0);
        } else {
            if !is_plain(byte) {
                return false;
            }
            letters += 1;
            dots += usize::from(byte == b'.');
        }
    }
    parts <= DEPTH_MAX && is_fine(letters, dots)
}

fn has_drive_letter(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic()) && chars.next() == Some(':')
}

/// The text in a form that is fit for an error: short, and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

impl fmt::Display for DatasitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for DatasitePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatasitePath({})", self.0)
    }
}

impl AsRef<str> for DatasitePath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for DatasitePath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_stays_within_its_datasite() {
        #[rustfmt::skip]
        let cases = [
            ("a file",              "a.txt",            true),
            ("in folders",          "a/b/c.txt",        true),
            ("not ASCII",           "uni-é-中.txt",     true),
            ("hidden",              ".env",             true),
            ("a blank within",      "bash job/run.sh",  true),
            ("a colon later on",    "a/b:c",            true),
            ("nothing",             "",                 false),
            ("absolute",            "/etc/passwd",      false),
            ("a way up",            "../x",             false),
            ("a way up, inside",    "a/../../x",        false),
            ("a dot part",          "a/./b",            false),
            ("an empty part",       "a//b",             false),
            ("a trailing slash",    "a/",               false),
            ("a backslash",         "a\\b",             false),
            ("a drive letter",      "C:/x",             false),
            ("a NUL",               "a\0b",             false),
            ("a line break",        "a\nb",             false),
        ];
        for (what, text, valid) in cases {
            assert_eq!(DatasitePath::parse(text).is_ok(), valid, "{what}");
        }
        assert!(DatasitePath::parse("a/".repeat(70).trim_end_matches('/')).is_err());
        assert!(DatasitePath::parse(&"a".repeat(256)).is_err());
    }

    proptest! {
        /// The quick look takes nothing that the slow one would refuse, and all that is plain.
        #[test]
        fn a_plain_path_is_one_whose_parts_are_all_harmless_and_plain(
            text in prop_oneof!["[./a\\\\\u{1}é]{0,8}", "(a/){60,66}a", "a{254,257}(/b{254,257})?"],
        ) {
            let slow = text.split('/').count() <= DEPTH_MAX
                && text.split('/').all(is_harmless_part)
                && text.bytes().all(|byte| byte == b'/' || is_plain(byte));
            prop_assert_eq!(is_plain_path(&text), slow, "{:?}", text);
        }

        #[test]
        fn whatever_parses_joins_below_the_root(text in ".{0,80}") {
            if let Ok(path) = DatasitePath::parse(&text) {
                let joined = path.below(Path::new("/disk/box"));
                prop_assert!(joined.starts_with("/disk/box"));
                prop_assert_eq!(DatasitePath::from_local(joined.strip_prefix("/disk/box").unwrap()), Ok(path));
            }
        }
    }
}
