//! Content that is too large to be held in memory, and the value of `content` as it is written.
//!
//! A [`Large`] says what the bytes are and not where they lie: they are found by their digest, and
//! whoever reads them compares. In a file that arrives, a large string is taken out while the JSON is
//! read ([`outline`](super::outline)); in one that leaves, it is put in while the file is written
//! ([`Recipe`](super::Recipe)). In between nothing holds it.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::content::{self, Content};
use super::error::Problem;
use crate::model::Digest;

/// The content of a file that lies somewhere on this disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Large {
    /// What it is, and how it is found.
    pub digest: Digest,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// True if it is UTF-8, and so travels as it is; else it travels in base64.
    pub is_text: bool,
}

/// How the bytes of a file are put into a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As they are: they are UTF-8.
    Text,
    /// In base64, of the standard alphabet, padded.
    Base64,
}

/// The value of `content`.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// The string itself.
    Inline(String),
    /// A string that is written and read piece by piece.
    Large(Large),
    /// A large string that is not what its type says. Never written.
    Broken(Problem),
}

impl Large {
    /// Returns how its bytes are put into a string.
    pub const fn encoding(&self) -> Encoding {
        if self.is_text { Encoding::Text } else { Encoding::Base64 }
    }

    /// Returns it as a line of text, for the state database.
    pub fn to_line(&self) -> String {
        let kind = if self.is_text { content::TEXT } else { content::BINARY };
        format!("{} {} {kind}", self.digest, self.size_bytes)
    }

    /// Reads what [`to_line`](Self::to_line) wrote; `None` if this is no such line.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let digest = Digest::parse(words.next()?).ok()?;
        let size_bytes = words.next()?.parse().ok()?;
        let is_text = match words.next()? {
            content::TEXT => true,
            content::BINARY => false,
            _ => return None,
        };
        words.next().is_none().then_some(Self { digest, size_bytes, is_text })
    }
}

impl Encoding {
    /// Reads `content_type`; without one it is text, as in messages of old clients.
    pub(super) fn of(kind: Option<&str>) -> Result<Self, Problem> {
        match kind {
            None | Some(content::TEXT) => Ok(Self::Text),
            Some(content::BINARY) => Ok(Self::Base64),
            Some(other) => Err(Problem::ContentType(super::error::shown(other))),
        }
    }
}

impl Body {
    /// About how many bytes the content has: what bounds how much goes into one message.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Inline(text) => text.len() as u64,
            Self::Large(large) => large.size_bytes,
            Self::Broken(_) => 0,
        }
    }

    /// Reads the content by `content_type`.
    pub(super) fn check(self, kind: Option<&str>) -> Result<Content, Problem> {
        match self {
            Self::Inline(text) => Content::from_wire(text, kind),
            // It was read by the type that its entry has.
            Self::Large(large) => Ok(Content::Large(large)),
            Self::Broken(problem) => Err(problem),
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Inline(text)
    }
}

/// Only what is held can be written by `serde`; the rest is put in by a [`Recipe`](super::Recipe).
impl Serialize for Body {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Inline(text) => serializer.serialize_str(text),
            Self::Large(_) | Self::Broken(_) => {
                Err(serde::ser::Error::custom("large content is not held in memory"))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::Inline)
    }
}

/// Content may be private or large: only its size is shown.
impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline(text) => write!(f, "Body({} bytes)", text.len()),
            Self::Large(large) => large.fmt(f),
            Self::Broken(problem) => problem.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_back_and_nothing_else_is_one() {
        for is_text in [true, false] {
            let large = Large { digest: Digest::of(b"x"), size_bytes: 1 << 33, is_text };
            let line = large.to_line();
            assert_eq!(Large::from_line(&line), Some(large));
            for wrong in [format!("{line} "), line.replace("85899", "x"), line[1..].to_owned()] {
                assert_eq!(Large::from_line(&wrong), None, "{wrong}");
            }
        }
        assert_eq!(Large::from_line(""), None);
    }

    #[test]
    fn a_peer_cannot_write_what_is_not_held() {
        let object = format!("{{\"Large\":\"{}\"}}", Digest::of(b"x"));
        assert!(serde_json::from_str::<Body>(&object).is_err());
        let large = Large { digest: Digest::of(b"x"), size_bytes: 1, is_text: true };
        assert!(serde_json::to_string(&Body::Large(large)).is_err());
    }
}
