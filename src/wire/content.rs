//! What a file holds, as a message carries it: text as it is, anything else in base64.
//!
//! `content_type` alone decides which of the two it is; text that looks like base64 is text.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::Problem;
use crate::model::Digest;

/// The content of a file.
#[derive(Clone, PartialEq, Eq)]
pub enum Content {
    /// Travels as it is; its bytes are its UTF-8.
    Text(String),
    /// Travels in base64.
    Binary(Vec<u8>),
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

    /// Returns the bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the bytes of the file.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the digest of the bytes; that of base64 text would be another.
    pub fn digest(&self) -> Digest {
        Digest::of(self.bytes())
    }

    /// Returns the value of `content_type`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => TEXT,
            Self::Binary(_) => BINARY,
        }
    }

    /// Returns the value of `content`.
    pub(super) fn into_wire(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Binary(bytes) => STANDARD.encode(bytes),
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
        write!(f, "Content({}, {} bytes)", self.kind(), self.bytes().len())
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
        assert_eq!(binary.bytes(), b"\x89PNG\r\n\x1a\n");
        assert_eq!(binary.into_wire(), text());
        assert_eq!(Content::from_wire("?".into(), Some(BINARY)), Err(Problem::Base64));
        assert!(Content::from_wire(text(), Some("zstd")).is_err());
        assert_eq!(Content::from_bytes(vec![0xff]), Content::Binary(vec![0xff]));
        assert_eq!(Content::from_bytes(Vec::new()), Content::Text(String::new()));
    }
}
