//! What a dataset looks like on the Drive: one flat folder of raw files for each half.
//!
//! Decides a collection's name (`syft_datasetcollection_{tag}_{hash12}`) and which local files go
//! into it under which names. A collection is flat because its Python reader is: files in folders
//! arrive by their base names. So two files of one base name are refused (the Python client would
//! let one overwrite the other), and so is whatever would be taken for a file of the dataset
//! itself. Permission files never go into a public collection.
//!
//! Pure. Source: `docs/FORMAT.md`, "Dataset collections".

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::DatasetName;
use super::metadata::{METADATA_FILE, PERMISSION_FILE, PRIVATE_METADATA_FILE};
use crate::model::DatasitePath;

/// The label of a public collection that every approved peer may read, now or later.
pub const ANY_TAG: &str = "syft_shared_with_any";

/// Which half of a dataset.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// Mock files, description and readme: for readers.
    Public,
    /// The private files: for their owner alone, to restore them on another machine.
    Private,
}

impl Half {
    /// Returns what the names of its collections begin with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Public => "syft_datasetcollection",
            Self::Private => "syft_privatecollection",
        }
    }

    /// Returns the folder within a datasite that holds this half of all datasets.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Public => "public/syft_datasets",
            Self::Private => "private/syft_datasets",
        }
    }
}

/// The first 12 hexadecimal digits of a collection's digest: names and contents of its files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash12([u8; 6]);

/// A text that is no such digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 12 hexadecimal digits")]
pub struct InvalidHash;

impl std::str::FromStr for Hash12 {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let mut bytes = [0; 6];
        let lower = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) if lower => Ok(Self(bytes)),
            _ => Err(InvalidHash),
        }
    }
}

impl fmt::Display for Hash12 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash12 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash12({self})")
    }
}

/// Computes a [`Hash12`], file by file. Names must come in ascending order of their code points,
/// which for UTF-8 is the order of `str`.
#[derive(Clone, Debug, Default)]
pub struct CollectionHasher(Sha256);

impl CollectionHasher {
    /// Begins the next file.
    pub fn file(&mut self, name: &str) {
        self.0.update(name.as_bytes());
    }

    /// Takes in a piece of the current file's content.
    pub fn content(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// Returns the digest of all that was taken in.
    pub fn finish(self) -> Hash12 {
        let digest = self.0.finalize();
        let mut bytes = [0; 6];
        bytes.copy_from_slice(&digest[..6]);
        Hash12(bytes)
    }
}

/// What the name of a collection says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionName {
    /// Public or private.
    pub half: Half,
    /// The dataset.
    pub dataset: DatasetName,
    /// The digest that its files must have.
    pub hash: Hash12,
}

impl CollectionName {
    /// Reads the name of a folder; `None` if it is not that of a collection.
    pub fn parse(text: &str) -> Option<Self> {
        let half = [Half::Public, Half::Private]
            .into_iter()
            .find(|half| text.strip_prefix(half.prefix()).is_some_and(|t| t.starts_with('_')))?;
        let (tag, hash) = split(text)?;
        Some(Self { half, dataset: DatasetName::parse(&tag).ok()?, hash: hash.parse().ok()? })
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}_{}", self.half.prefix(), self.dataset, self.hash)
    }
}

/// A text that is no collection's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a collection")]
pub struct InvalidCollectionName;

impl std::str::FromStr for CollectionName {
    type Err = InvalidCollectionName;

    fn from_str(text: &str) -> Result<Self, InvalidCollectionName> {
        Self::parse(text).ok_or(InvalidCollectionName)
    }
}

/// Splits a name as the Python reader does: at `_`, the last part is the hash, and the tag is what
/// is between that and the first two.
fn split(text: &str) -> Option<(String, &str)> {
    let parts: Vec<&str> = text.split('_').collect();
    let (hash, front) = parts.split_last()?;
    Some((front.get(2..)?.join("_"), hash))
}

/// Why files cannot become a dataset, or a collection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There are none.
    #[error("there are no files")]
    NoFiles,
    /// Two files would arrive under one name.
    #[error(
        "`{first}` and `{second}` would both arrive as `{name}`, since a collection has no folders"
    )]
    SameBaseName {
        /// The base name.
        name: String,
        /// One of them.
        first: DatasitePath,
        /// The other.
        second: DatasitePath,
    },
    /// It would be taken for a file of the dataset itself.
    #[error("`{0}` has a name that datasets use themselves")]
    Reserved(DatasitePath),
    /// A `syft://` address cannot name it, so Python readers would not find it.
    #[error("`{0}` has `?` or `#` in its name, which a `syft://` address cannot hold")]
    NotInUrl(DatasitePath),
    /// It names no file within the dataset.
    #[error("`{0}` names no file of the dataset")]
    Elsewhere(String),
}

/// Checks what is to become the mock files of a dataset.
///
/// # Errors
/// [`Refusal`], saying which file.
pub fn check_mock<'a>(files: impl IntoIterator<Item = &'a DatasitePath>) -> Result<(), Refusal> {
    let mut named: BTreeMap<&str, &DatasitePath> = BTreeMap::new();
    for path in files {
        let name = path.file_name();
        if matches!(name, METADATA_FILE | PERMISSION_FILE) {
            return Err(Refusal::Reserved(path.clone()));
        }
        if path.as_str().contains(['?', '#']) {
            return Err(Refusal::NotInUrl(path.clone()));
        }
        if let Some(first) = named.insert(name, path) {
            let (name, first) = (name.to_owned(), first.clone());
            return Err(Refusal::SameBaseName { name, first, second: path.clone() });
        }
    }
    if named.is_empty() { Err(Refusal::NoFiles) } else { Ok(()) }
}

/// Checks what is to become the private files of a dataset.
///
/// # Errors
/// [`Refusal`], saying which file.
pub fn check_private<'a>(files: impl IntoIterator<Item = &'a DatasitePath>) -> Result<(), Refusal> {
    let mut none = true;
    for path in files {
        none = false;
        if path.file_name() == PERMISSION_FILE || path.as_str() == PRIVATE_METADATA_FILE {
            return Err(Refusal::Reserved(path.clone()));
        }
    }
    if none { Err(Refusal::NoFiles) } else { Ok(()) }
}

/// Returns under which name each file of a half goes into its collection, in the order in which
/// the digest takes them. `files` are relative to the half's folder.
///
/// # Errors
/// [`Refusal`] if two would have the same name.
pub fn members<'a>(
    half: Half,
    files: impl IntoIterator<Item = &'a DatasitePath>,
) -> Result<BTreeMap<String, DatasitePath>, Refusal> {
    let mut members: BTreeMap<String, DatasitePath> = BTreeMap::new();
    for path in files {
        let name = path.file_name();
        if half == Half::Public && name == PERMISSION_FILE {
            continue;
        }
        if let Some(first) = members.insert(name.to_owned(), path.clone())
            && first != *path
        {
            return Err(Refusal::SameBaseName {
                name: name.to_owned(),
                first,
                second: path.clone(),
            });
        }
    }
    if members.is_empty() { Err(Refusal::NoFiles) } else { Ok(members) }
}

#[cfg(test)]
#[path = "collection_tests.rs"]
mod tests;
