//! Names of the folders that datasets are shared in, and the hash in them.
//!
//! `syft_datasetcollection_{tag}_{hash12}`: the tag is the dataset's name, the hash is that of its
//! files, so that a changed dataset is another folder. Peers' tags are read as they are and checked
//! by [`Tag::parse`] before they become a folder here; Python checks nothing.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// What a collection holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CollectionKind {
    /// The mock files and the description, for peers.
    Public,
    /// The private files, for the owner's other machines; never shared.
    Private,
}

/// The folder of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CollectionFolder {
    /// What it holds.
    pub kind: CollectionKind,
    /// Name of the dataset, as written: not empty, otherwise anything. See [`Tag::parse`].
    pub tag: String,
    /// Hash of the files as written: not empty, no `_`.
    pub hash: String,
}

/// The name of a dataset.
///
/// Invariant: 1 to 128 bytes of letters and digits of any script, `_` and `-`; not `v` and digits,
/// which newer clients take for a layout. So it is one harmless path component.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

/// A text that is no name for a dataset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a dataset name: it takes letters, digits, `_` and `-`")]
pub struct InvalidTag(String);

/// Computes the hash in a folder's name while files are read, one after another.
///
/// Files must come in ascending order of their names, by code point.
#[derive(Clone, Debug, Default)]
pub struct CollectionHash(Sha256);

const TAG_BYTES_MAX: usize = 128;

impl CollectionKind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Public => "syft_datasetcollection_",
            Self::Private => "syft_privatecollection_",
        }
    }
}

impl CollectionFolder {
    /// Names the folder of a dataset of ours.
    pub fn new(kind: CollectionKind, tag: &Tag, hash: &str) -> Self {
        Self { kind, tag: tag.as_str().to_owned(), hash: hash.to_owned() }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let (kind, rest) = [CollectionKind::Public, CollectionKind::Private]
            .into_iter()
            .find_map(|kind| Some((kind, name.strip_prefix(kind.prefix())?)))?;
        let (tag, hash) = rest.rsplit_once('_')?;
        (!tag.is_empty() && !hash.is_empty()).then(|| Self {
            kind,
            tag: tag.to_owned(),
            hash: hash.to_owned(),
        })
    }
}

impl Tag {
    /// Reads a name.
    ///
    /// # Errors
    /// [`InvalidTag`] if the invariant does not hold.
    pub fn parse(text: &str) -> Result<Self, InvalidTag> {
        let is_layout = text
            .strip_prefix('v')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
        let valid = (1..=TAG_BYTES_MAX).contains(&text.len())
            && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'))
            && !is_layout;
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidTag(super::super::shown(text))) }
    }

    /// Returns the name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CollectionHash {
    /// Starts without any file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the file of that base name.
    pub fn file(&mut self, name: &str) {
        self.0.update(name.as_bytes());
    }

    /// Adds a piece of the content of the file.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Returns the hash: 12 hexadecimal digits.
    pub fn finish(self) -> String {
        let mut text = hex::encode(self.0.finalize());
        text.truncate(12);
        text
    }

    /// Returns the hash of files that are all in memory, in whatever order.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
        let mut files: Vec<_> = files.into_iter().collect();
        files.sort_unstable();
        let mut hash = Self::new();
        for (name, content) in files {
            hash.file(name);
            hash.update(content);
        }
        hash.finish()
    }
}

impl fmt::Display for CollectionFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}_{}", self.kind.prefix(), self.tag, self.hash)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_one_harmless_path_component() {
        for text in ["census", "my_set-2", "Größe", "v1a", "v", "数据"] {
            assert_eq!(Tag::parse(text).map(|tag| tag.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "..", "a/b", "a b", "a.b", "v1", "v0042", "a#b", "a\0", "a\\b"] {
            assert!(Tag::parse(text).is_err(), "{text}");
        }
        assert!(Tag::parse(&"a".repeat(129)).is_err());
    }
}
