//! The container that every message, checkpoint and state file travels in: gzip around a tar
//! archive with one member.
//!
//! Writes the very bytes that Python's `tarfile` and `gzip` write at level 9, and reads any gzip
//! around any tar that has the member. All in memory: nothing is ever unpacked to disk, and no
//! name in the archive becomes a path. Reading a hostile archive takes at most the stated limit of
//! memory plus [`OVERHEAD_BYTES`]. Format: `docs/FORMAT.md`, "Container".

use std::io::{Read as _, Write as _};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

use super::Error;
use super::limits::{MEMBERS_MAX, PACKED_BYTES_MAX};

/// The name of the one member, whatever the file holds.
pub const MEMBER: &str = "proposed_file_changes.json";

/// What the tar form may add to the content: headers, other members, padding to whole records.
pub const OVERHEAD_BYTES: usize = 64 * 1024;

const BLOCK_BYTES: usize = 512;
const RECORD_BYTES: usize = 20 * BLOCK_BYTES; // tar's blocking factor
const OS_UNKNOWN: u8 = 0xff; // RFC 1952, 2.3.1; what Python's gzip writes

/// Returns `json` as the file that is uploaded; `mtime` is in seconds since the epoch and goes
/// into the gzip header. Equal arguments give equal bytes.
pub fn pack(json: &[u8], mtime: u32) -> Vec<u8> {
    let length = (BLOCK_BYTES + json.len()).next_multiple_of(BLOCK_BYTES) + 2 * BLOCK_BYTES;
    let padding = vec![0; length.next_multiple_of(RECORD_BYTES) - BLOCK_BYTES - json.len()];
    let mut encoder = GzBuilder::new()
        .mtime(mtime)
        .operating_system(OS_UNKNOWN)
        .write(Vec::with_capacity(json.len() / 2 + 256), Compression::best());
    encoder
        .write_all(&header(json.len() as u64))
        .and_then(|()| encoder.write_all(json))
        .and_then(|()| encoder.write_all(&padding))
        .and_then(|()| encoder.finish())
        .expect("writing to memory does not fail")
}

/// Returns the content of the member; `limit_bytes` bounds it, and the memory that reading takes.
///
/// Other members are ignored, and any gzip level and time is accepted, as Python does. The whole
/// stream is read, so that its checksum is verified. Two members of the wanted name are refused:
/// readers differ in which of them they take.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::TooMany`] members, [`Error::NoMember`], or
/// [`Error::NotAnArchive`] for whatever else is wrong with the bytes.
pub fn unpack(bytes: &[u8], limit_bytes: usize) -> Result<Vec<u8>, Error> {
    if bytes.len() > PACKED_BYTES_MAX {
        return Err(Error::TooLarge { what: "the packed file", limit_bytes: PACKED_BYTES_MAX });
    }
    let too_large = || Error::TooLarge { what: "the unpacked file", limit_bytes };
    let bound = limit_bytes.saturating_add(OVERHEAD_BYTES);
    let mut archive = Vec::new();
    MultiGzDecoder::new(bytes)
        .take(bound as u64 + 1)
        .read_to_end(&mut archive)
        .map_err(|source| Error::NotAnArchive { source })?;
    if archive.len() > bound {
        return Err(too_large());
    }

    let (start, length) = find_member(&archive)?;
    if length > limit_bytes {
        return Err(too_large());
    }
    archive.truncate(start + length);
    archive.drain(..start);
    Ok(archive)
}

/// Returns where the member's content starts, and its length; both lie within `archive`.
fn find_member(archive: &[u8]) -> Result<(usize, usize), Error> {
    let broken = |source| Error::NotAnArchive { source };
    let mut reader = tar::Archive::new(archive);
    let mut found = None;
    for (index, entry) in reader.entries().map_err(broken)?.enumerate() {
        if index == MEMBERS_MAX {
            return Err(Error::TooMany { what: "members in the archive", limit: MEMBERS_MAX });
        }
        let entry = entry.map_err(broken)?;
        if *entry.path_bytes() != *MEMBER.as_bytes() {
            continue;
        }
        let outside = || broken(std::io::ErrorKind::UnexpectedEof.into());
        let start = usize::try_from(entry.raw_file_position()).map_err(|_| outside())?;
        let length = usize::try_from(entry.size()).map_err(|_| outside())?;
        let end = start.checked_add(length).ok_or_else(outside)?;
        if found.is_some() || !entry.header().entry_type().is_file() {
            return Err(broken(std::io::ErrorKind::InvalidData.into()));
        }
        if end > archive.len() {
            return Err(outside());
        }
        found = Some((start, length));
    }
    found.ok_or(Error::NoMember)
}

/// The ustar header that Python writes for a `TarInfo` of which only name and size are set.
fn header(size_bytes: u64) -> [u8; BLOCK_BYTES] {
    let mut header = [0; BLOCK_BYTES];
    let mut put = |offset: usize, text: &str| {
        header[offset..offset + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, MEMBER);
    put(100, "0000644"); // mode
    put(108, "0000000"); // user
    put(116, "0000000"); // group
    put(124, &format!("{size_bytes:011o}"));
    put(136, "00000000000"); // modification time
    put(148, "        "); // the checksum counts as blanks while it is computed
    put(156, "0"); // a regular file
    put(257, "ustar\u{0}00");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}
