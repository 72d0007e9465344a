//! What can be wrong with what others wrote: with a whole file, or with one entry of it.

use crate::model::{InvalidDigest, InvalidEmail, InvalidPath, InvalidTimestamp};

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is larger than we take in.
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// The limit, inclusive.
        limit_bytes: usize,
    },

    /// It has more parts than we take in.
    #[error("more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit, inclusive.
        limit: usize,
    },

    /// The bytes are no gzip, no tar, cut short or damaged.
    #[error("not a gzip-compressed tar archive")]
    NotAnArchive {
        /// What the reader stumbled over.
        source: std::io::Error,
    },

    /// The archive lacks the one member that counts.
    #[error("no member `{}` in the archive", super::archive::MEMBER)]
    NoMember,

    /// What was taken out of it could not be kept: the fault of the disk, not of the file.
    #[error("its content could not be kept")]
    NotKept {
        /// Why.
        source: std::io::Error,
    },

    /// The content is not the JSON that it should be.
    #[error("not the JSON of {what}")]
    Json {
        /// What was expected: `a message of proposed changes`.
        what: &'static str,
        /// Where and how it differs.
        source: serde_json::Error,
    },
}

/// Why one entry of a file that could be read is refused: which field, and what is wrong with it.
/// The entry's own words are kept, shortened, for reports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} of `{path}`: {problem}")]
pub struct Invalid {
    /// The entry's `id` as written; empty where entries have none.
    pub id: String,
    /// The entry's path as written.
    pub path: String,
    /// The field, as it is called on the wire.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Invalid {
    pub(super) fn new(id: &str, path: &str, field: &'static str, problem: Problem) -> Self {
        Self { id: shown(id), path: shown(path), field, problem }
    }
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is no path within a datasite.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// It is no digest.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// It is no address.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// It is no moment.
    #[error(transparent)]
    Timestamp(#[from] InvalidTimestamp),
    /// It is no UUID.
    #[error("not a UUID")]
    Id,
    /// It is declared binary, and is not base64.
    #[error("not base64")]
    Base64,
    /// It is declared text, and is not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// It is neither `text` nor `binary`.
    #[error("`{0}` is neither `text` nor `binary`")]
    ContentType(String),
    /// A change that deletes nothing brings no content.
    #[error("missing")]
    Missing,
    /// A deletion brings content, or the digest of some.
    #[error("present, although the change is a deletion")]
    Contradicts,
    /// The claimed digest is not that of the content.
    #[error("not the digest of the content")]
    Mismatch,
    /// The same path was there before.
    #[error("there twice")]
    Twice,
    /// What it says of its chunks cannot be so.
    #[error("no list of chunks: {0}")]
    Chunks(&'static str),
    /// A version of the format that we do not know.
    #[error("unknown version {0}")]
    Version(u64),
}

/// The text in a form that is fit for a report: short, and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(|c| c.escape_debug().collect::<Vec<_>>()).collect()
}
