//! Why a file cannot be put together.

/// Why not. What is wrong with the message stays wrong; the rest may work later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message names a chunk where it is not.
    #[error("a chunk is not where it is said to be")]
    Missing,

    /// What the message says of the file cannot be so.
    #[error("what is said of its chunks cannot be so: {0}")]
    Contradiction(&'static str),

    /// A pack is none, or holds something else than it says.
    #[error("a pack of chunks is damaged: {0}")]
    Damaged(&'static str),

    /// All chunks are what they are said to be, and the file is not.
    #[error("the chunks are not those of the file")]
    OtherFile,

    /// The file that chunks are taken from is another one by now.
    #[error("the file that chunks are taken from has changed meanwhile")]
    Changed,

    /// The disk refuses, or whatever else the bytes come from.
    #[error("chunks cannot be read or written")]
    Io(#[from] std::io::Error),
}

impl Error {
    /// True if the message is wrong, so that trying again helps nobody.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Missing | Self::Contradiction(_) | Self::Damaged(_) | Self::OtherFile => true,
            Self::Changed | Self::Io(_) => false,
        }
    }
}
