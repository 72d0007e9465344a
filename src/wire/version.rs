//! Versions of clients, as numbers and compared: who can work with whom.
//!
//! Total: there is no text that fails. Python raises for `0.10.0rc1` and thereby stops the sync
//! with all peers; here such a version is unknown. Source: PROTOCOL 5.3.

use std::fmt;

/// The version of a client in its plain form, `0.1.117`.
///
/// Folder names carry exactly this form; a version with more or other parts is no `Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number; clients that differ in it cannot see each other's folders.
    pub minor: u32,
    /// Third number.
    pub patch: u32,
}

/// How two clients' versions relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compatibility {
    /// The very same text.
    Same,
    /// Same major and minor number. A Python owner skips such a peer by default, so advertise what
    /// the peer advertises.
    PatchDifference,
    /// Another major or minor number.
    Incompatible,
    /// One of the two cannot be read.
    Unknown,
}

impl Version {
    /// Wraps three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `major.minor.patch`; `None` unless writing the numbers again gives the same text.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let version =
            Self::new(number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
        parts.next().is_none().then_some(version)
    }

    /// True if clients of the two versions look for each other's folders.
    pub const fn is_same_family(self, other: Self) -> bool {
        self.major == other.major && self.minor == other.minor
    }
}

/// Compares what two clients advertise as `syft_client_version`.
pub fn compare(local: &str, peer: &str) -> Compatibility {
    if local == peer {
        return Compatibility::Same;
    }
    match (leading(local), leading(peer)) {
        (Some(local), Some(peer)) if local.is_same_family(peer) => Compatibility::PatchDifference,
        (Some(_), Some(_)) => Compatibility::Incompatible,
        _ => Compatibility::Unknown,
    }
}

/// The first three numbers; Python does not look at what follows the third dot.
fn leading(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(number);
    Some(Version::new(parts.next()??, parts.next()??, parts.next()??))
}

fn number(text: &str) -> Option<u32> {
    let canonical = text == "0" || !text.starts_with('0');
    (canonical && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn n1_any_two_texts_compare() {
        #[rustfmt::skip]
        let cases = [
            ("0.1.117",   "0.1.117",    Compatibility::Same),
            ("0.1.117",   "0.1.118",    Compatibility::PatchDifference),
            ("0.10.0",    "0.10.0.1",   Compatibility::PatchDifference),
            ("0.1.117",   "0.10.0",     Compatibility::Incompatible),
            ("0.1.117",   "1.1.117",    Compatibility::Incompatible),
            ("0.10.0",    "0.10",       Compatibility::Unknown),
            ("0.10.0",    "0.10.0rc1",  Compatibility::Unknown),
            ("0.10.0",    "abc",        Compatibility::Unknown),
            ("0.10.0",    "",           Compatibility::Unknown),
            ("0.10.0",    "0.99999999999999999999.0", Compatibility::Unknown),
            ("abc",       "abc",        Compatibility::Same),
        ];
        for (local, peer, expected) in cases {
            assert_eq!(compare(local, peer), expected, "{local} {peer}");
        }
    }

    #[test]
    fn n5_versions_are_ordered_as_numbers() {
        let versions = ["0.1.9", "0.1.10", "0.1.117", "0.9.0", "0.10.0", "1.0.0", "10.0.0"];
        let versions = versions.map(|text| Version::parse(text).unwrap());
        assert!(versions.is_sorted(), "{versions:?}");
    }

    #[test]
    fn only_the_plain_form_is_a_version() {
        assert_eq!(Version::parse("0.1.117"), Some(Version::new(0, 1, 117)));
        for text in ["0.1", "0.1.1.1", "0.01.1", "+0.1.1", "0.1.", "0.1.x", "", "..", "0.1.-1"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }
}
