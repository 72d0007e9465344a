//! What connections speak of: entries, queries, grants and changes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;

use crate::model::Email;

/// A file's or folder's identity with its service. Never reused.
///
/// Invariant: 1 to 512 bytes of `A–Z a–z 0–9 - _ . @ ~ =`, so it is safe in a URL and a query.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(String);

/// A text that is no file id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the service sent an id that is none")]
pub struct InvalidFileId;

impl FileId {
    /// Reads an id.
    ///
    /// # Errors
    /// [`InvalidFileId`] if the invariant does not hold.
    pub fn parse(text: &str) -> Result<Self, InvalidFileId> {
        let harmless = |b: u8| b.is_ascii_alphanumeric() || b"-_.@~=".contains(&b);
        let valid = (1..=512).contains(&text.len()) && text.bytes().all(harmless);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidFileId) }
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileId({})", self.0)
    }
}

/// Whether an entry has content or holds others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Has content.
    File,
    /// Holds other entries.
    Folder,
}

/// One file or folder, as this account sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its identity.
    pub id: FileId,
    /// Its name: any text, from whoever made it. Never join it to a path before parsing it.
    pub name: String,
    /// File or folder.
    pub kind: Kind,
    /// Length of the content in bytes; 0 for a folder.
    pub size_bytes: u64,
    /// Who made it, as the service says: the only sender we believe. `None` if the service does
    /// not say, or says something that is no address.
    pub owner: Option<Email>,
    /// True if this account owns it.
    pub is_mine: bool,
    /// The folders that it lies in and that this account can see; usually one.
    pub parents: Vec<FileId>,
    /// When it was made, by the service's clock, in microseconds since the epoch.
    pub created_micros: i64,
    /// Grows with each change of the content, by the service's own count or clock.
    pub revision: i64,
    /// Small labels that everybody who sees the entry can read.
    pub tags: BTreeMap<String, String>,
}

/// A condition on a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameIs {
    /// The whole name.
    Exactly(String),
    /// A name that begins with this, or has a word that does. A service may answer with more, so
    /// look at the names again.
    Like(String),
}

/// A condition on the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// This account.
    Mine,
    /// Any other account.
    NotMine,
    /// That account.
    Of(Email),
}

/// What to look for; all the conditions that are given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Lies directly in one of these folders; no condition if empty.
    pub parents: Vec<FileId>,
    /// Has one of these names; no condition if empty.
    pub names: Vec<NameIs>,
    /// Is a file, or is a folder.
    pub kind: Option<Kind>,
    /// Belongs to.
    pub owner: Option<Ownership>,
    /// Something that lies in a folder, by that folder and its name, and is surely there. A service
    /// may answer nothing to a question about several folders: that this one is not found tells such
    /// an answer from empty folders. It is not among what is found, unless its folder is asked about.
    pub witness: Option<(FileId, String)>,
}

impl Query {
    /// Everything directly in `folder`.
    pub fn in_folder(folder: &FileId) -> Self {
        Self { parents: vec![folder.clone()], ..Self::default() }
    }

    /// The same query, for entries with exactly this name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.names.push(NameIs::Exactly(name.to_owned()));
        self
    }

    /// The same query, for names like this, or like those given before.
    #[must_use]
    pub fn named_like(mut self, name: &str) -> Self {
        self.names.push(NameIs::Like(name.to_owned()));
        self
    }

    /// The same query, for this kind only.
    #[must_use]
    pub const fn of_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// The same query, for this ownership only.
    #[must_use]
    pub fn owned(mut self, owner: Ownership) -> Self {
        self.owner = Some(owner);
        self
    }
}

/// A file or folder to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// An id from [`Connection::new_ids`](super::Connection::new_ids); with `None` a creation
    /// whose answer is lost may have to be repeated and make two.
    pub id: Option<FileId>,
    /// The folder to make it in.
    pub parent: FileId,
    /// Its name.
    pub name: String,
    /// The media type of a file's content, for instance `application/octet-stream`.
    pub media_type: &'static str,
    /// Labels to begin with.
    pub tags: BTreeMap<String, String>,
}

/// What a file is to hold.
#[derive(Clone, Debug)]
pub enum Content {
    /// These bytes.
    Bytes(Bytes),
    /// The content of this local file, streamed.
    File(PathBuf),
}

/// What an account may do with an entry, and with everything in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// See and read.
    Read,
    /// Also change, add and move.
    Write,
}

/// Access for one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// To what.
    pub id: FileId,
    /// For whom.
    pub to: Email,
    /// How much.
    pub access: Access,
}

/// A file's way from one folder to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relocation {
    /// What to move.
    pub id: FileId,
    /// Where it lies.
    pub from: FileId,
    /// Where it is to lie.
    pub to: FileId,
}

/// A place in a change feed. Opaque; kept between runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageToken(pub String);

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The entry is new, or differs from what it was.
    Present(Entry),
    /// The entry is deleted, in the trash, or out of this account's sight.
    Gone(FileId),
}

/// Changes in the order in which they came about, as far as the service knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// The changes.
    pub changes: Vec<Change>,
    /// Where to go on.
    pub next: PageToken,
    /// False if there was more when this was asked for: it follows from `next`.
    pub is_all: bool,
}
