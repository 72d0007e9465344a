//! How much of what others wrote we are willing to take in.
//!
//! Generous beyond anything that a client sends, and small enough that a peer cannot exhaust the
//! memory of whoever reads its messages. JSON nesting needs no limit here: `serde_json` stops at
//! 128 levels, and where it passes over what it does not know, [`outline`](super::outline) does.

/// Largest file that is downloaded and unpacked, in bytes. Content is base64 or text inside, which
/// gzip brings back to about its own size, so this equals the largest content.
pub const PACKED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Largest JSON that a file may hold, in bytes. A client holds a message in memory at least three
/// times (archive, JSON, content), so this bounds it to about a gigabyte.
pub const UNPACKED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Largest JSON that a file may hold which is read piece by piece, in bytes: the largest file that
/// travels ([`FILE_BYTES_MAX`]) in base64, and half as much again.
pub const STREAMED_BYTES_MAX: u64 = 2 * FILE_BYTES_MAX;

/// Largest file that is downloaded to be read piece by piece, in bytes.
pub const DOWNLOADED_BYTES_MAX: u64 = STREAMED_BYTES_MAX;

/// The largest file of a datasite that travels in a message, in bytes. Ours never holds one in memory;
/// a Python client does, three or four times.
pub const FILE_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Most changes, events or files in one message. The first scan of a data owner puts its whole
/// datasite into one message, so this is also the largest datasite of a Python peer that we read.
pub const CHANGES_MAX: usize = 100_000;

/// Most members of an archive. Every client writes one; the rest is room for the unforeseen.
pub const MEMBERS_MAX: usize = 16;

/// Largest version file or encryption bundle of a peer, in bytes. Both are one or two kilobytes;
/// parsed into a tree they may take thirty times their size.
pub const PEER_FILE_BYTES_MAX: usize = 64 * 1024;

/// Largest peers or key file of one's own, in bytes: ten thousand peers with their keys.
pub const OWN_FILE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Most sections of a file that a message brings as chunks. At a size of [`FILE_BYTES_MAX`] there are
/// about 500; more are there if chunks were chosen so that sections are short.
pub const SECTIONS_MAX: usize = 64 * 1024;

/// Most packs that the chunks of one file may lie in: far more than a file of that size fills.
pub const PACKS_MAX: usize = 4096;
