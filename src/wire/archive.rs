//! The container that every message, checkpoint and state file travels in: gzip around a tar
//! archive with one member.
//!
//! Writes the very bytes that Python's `tarfile` and `gzip` write at level 9, and reads any gzip
//! around any tar that has the member. Nothing is unpacked to disk under a name of the archive.
//! [`unpack`] takes at most the stated limit of memory plus [`OVERHEAD_BYTES`], whatever the archive;
//! `unpack_from` a bounded amount, and gives the member piece by piece. Format: `docs/FORMAT.md`, "Container".

use std::io::{self, Read, Write};

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
    let mut packed = Vec::with_capacity(json.len() / 2 + 256);
    pack_to(json.len() as u64, mtime, false, &mut packed, &mut |to| to.write_all(json))
        .expect("writing to memory does not fail");
    packed
}

/// Writes the file whose content, of `length` bytes, `json` writes. `is_light` compresses less.
///
/// # Errors
/// If writing fails, or `json` writes another number of bytes.
pub(super) fn pack_to(
    length: u64,
    mtime: u32,
    is_light: bool,
    to: &mut dyn Write,
    json: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let (block, record) = (BLOCK_BYTES as u64, RECORD_BYTES as u64);
    let whole = (block + length).next_multiple_of(block) + 2 * block;
    let padding = vec![0; (whole.next_multiple_of(record) - block - length) as usize];
    let level = if is_light { Compression::fast() } else { Compression::best() };
    let encoder = GzBuilder::new().mtime(mtime).operating_system(OS_UNKNOWN).write(to, level);
    let mut encoder = Exactly { to: encoder, left: block + length + padding.len() as u64 };
    encoder.write_all(&header(length))?;
    json(&mut encoder)?;
    encoder.write_all(&padding)?;
    if encoder.left != 0 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has changed"));
    }
    encoder.to.finish().map(drop)
}

/// Takes so many bytes and no more.
struct Exactly<W> {
    to: W,
    left: u64,
}

impl<W: Write> Write for Exactly<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() as u64 > self.left {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it has changed"));
        }
        let count = self.to.write(bytes)?;
        self.left -= count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
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

/// Has `read` read the content of the member, of at most `limit_bytes`, and returns what it gives once
/// the rest was read as well: the checksum holds, and no other member has the name.
///
/// Extensions of the tar form, which no client writes here, are refused: a reader would hold them in
/// memory, or take the member for another.
///
/// # Errors
/// As [`unpack`], or what `read` gives.
pub(super) fn unpack_from<T>(
    packed: impl Read,
    limit_bytes: u64,
    read: impl FnOnce(&mut dyn Read) -> Result<T, Error>,
) -> Result<T, Error> {
    let limit = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
    let too_large = || Error::TooLarge { what: "the unpacked file", limit_bytes: limit };
    let broken = |source| Error::NotAnArchive { source };
    let bound = limit_bytes.saturating_add(OVERHEAD_BYTES as u64);
    let mut unpacked = MultiGzDecoder::new(io::BufReader::new(packed)).take(bound + 1);
    let (mut found, mut read) = (None, Some(read));
    {
        let mut archive = tar::Archive::new(&mut unpacked);
        for (index, entry) in archive.entries().map_err(broken)?.raw(true).enumerate() {
            if index == MEMBERS_MAX {
                return Err(Error::TooMany { what: "members in the archive", limit: MEMBERS_MAX });
            }
            let mut entry = entry.map_err(broken)?;
            let is_wanted = *entry.path_bytes() == *MEMBER.as_bytes();
            let kind = entry.header().entry_type();
            let largest = if is_wanted { limit_bytes } else { OVERHEAD_BYTES as u64 };
            if entry.size() > largest {
                return Err(too_large());
            }
            if is_extension(kind) || is_wanted && !kind.is_file() {
                return Err(broken(io::ErrorKind::InvalidData.into()));
            }
            if !is_wanted {
                continue;
            }
            let Some(read) = read.take() else {
                return Err(broken(io::ErrorKind::InvalidData.into()));
            };
            let mut member = Whole { left: entry.size(), from: &mut entry };
            found = Some(read(&mut member)?);
            io::copy(&mut member, &mut io::sink()).map_err(broken)?;
        }
    }
    let rest = (&mut unpacked).take(OVERHEAD_BYTES as u64 + 1);
    let rest = io::copy(&mut { rest }, &mut io::sink()).map_err(broken)?;
    if rest > OVERHEAD_BYTES as u64 || unpacked.limit() == 0 {
        return Err(too_large());
    }
    found.ok_or(Error::NoMember)
}

fn is_extension(kind: tar::EntryType) -> bool {
    kind.is_gnu_longname()
        || kind.is_gnu_longlink()
        || kind.is_gnu_sparse()
        || kind.is_pax_local_extensions()
        || kind.is_pax_global_extensions()
}

/// Fails where there is less than was promised, which `tar` takes for the end.
struct Whole<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(to)?;
        if count == 0 && self.left > 0 && !to.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= (count as u64).min(self.left);
        Ok(count)
    }
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
