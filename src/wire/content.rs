//! What a file holds, as a message carries it: text as it is, anything else in base64.
//!
//! `content_type` alone decides which of the two it is; text that looks like base64 is text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Problem;
use super::large::{Body, Large};
use crate::model::Digest;

/// The content of a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Travels as it is; its bytes are its UTF-8.
    Text(String),
    /// Travels in base64.
    Binary(Vec<u8>),
    /// Is not held in memory, and travels as either.
    Large(Large),
}

pub(super) const TEXT: &str = "text";
pub(super) const BINARY: &str = "binary";

impl Content {
    /// Wraps the bytes of a file: text if they are UTF-8, as a Python owner decides too.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::Text(text),
            Err(error) => Self::Binary(error.into_bytes()),
        }
    }

    /// Returns the bytes of the file; `None` if they are not held.
    pub fn inline(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Binary(bytes) => Some(bytes),
            Self::Large(_) => None,
        }
    }

    /// Returns what it is if it is not held.
    pub const fn large(&self) -> Option<&Large> {
        match self {
            Self::Large(large) => Some(large),
            Self::Text(_) | Self::Binary(_) => None,
        }
    }

    /// Returns how many bytes the file has.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Binary(bytes) => bytes.len() as u64,
            Self::Large(large) => large.size_bytes,
        }
    }

    /// Returns how many of them are held in memory.
    pub fn held_bytes(&self) -> u64 {
        self.inline().map_or(0, |bytes| bytes.len() as u64)
    }

    /// Returns the digest of the bytes; that of base64 text would be another.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Text(text) => Digest::of(text.as_bytes()),
            Self::Binary(bytes) => Digest::of(bytes),
            Self::Large(large) => large.digest,
        }
    }

    /// Returns the same, as text if its bytes are UTF-8.
    #[must_use]
    pub fn as_text_if_it_is(self) -> Self {
        match self {
            Self::Binary(bytes) => Self::from_bytes(bytes),
            other => other,
        }
    }

    /// True if it travels as it is.
    pub const fn is_text(&self) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Binary(_) => false,
            Self::Large(large) => large.is_text,
        }
    }

    /// Returns the value of `content_type`.
    pub const fn kind(&self) -> &'static str {
        if self.is_text() { TEXT } else { BINARY }
    }

    /// Returns the value of `content`.
    pub(super) fn into_wire(self) -> Body {
        match self {
            Self::Text(text) => Body::Inline(text),
            Self::Binary(bytes) => Body::Inline(STANDARD.encode(bytes)),
            Self::Large(large) => Body::Large(large),
        }
    }

    /// Reads `content` by `content_type`; without a type it is text, as in messages of old clients.
    pub(super) fn from_wire(content: String, kind: Option<&str>) -> Result<Self, Problem> {
        match kind {
            None | Some(TEXT) => Ok(Self::Text(content)),
            Some(BINARY) => base64(&content).map(Self::Binary),
            Some(other) => Err(Problem::ContentType(super::error::shown(other))),
        }
    }
}

/// Standard alphabet, padded: what every client writes.
pub(super) fn base64(text: &str) -> Result<Vec<u8>, Problem> {
    STANDARD.decode(text).map_err(|_| Problem::Base64)
}

/// Content may be private or large: only its kind and size are shown.
impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({}, {} bytes)", self.kind(), self.size_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_type_decides_not_the_look() {
        let text = || "iVBORw0KGgo=".to_owned();
        assert_eq!(Content::from_wire(text(), None), Ok(Content::Text(text())));
        assert_eq!(Content::from_wire(text(), Some(TEXT)), Ok(Content::Text(text())));
        let binary = Content::from_wire(text(), Some(BINARY)).unwrap();
        assert_eq!(binary.inline(), Some(&b"\x89PNG\r\n\x1a\n"[..]));
        assert_eq!(binary.into_wire(), Body::Inline(text()));
        assert_eq!(Content::from_wire("?".into(), Some(BINARY)), Err(Problem::Base64));
        assert!(Content::from_wire(text(), Some("zstd")).is_err());
        assert_eq!(Content::from_bytes(vec![0xff]), Content::Binary(vec![0xff]));
        assert_eq!(Content::from_bytes(Vec::new()), Content::Text(String::new()));
    }
}
