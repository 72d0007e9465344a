//! The shelf of one file that is read: large strings lie one after the other in a file without a name,
//! and what they are the encoding of becomes contents.
//!
//! What is kept has its name only once all of it is on the disk, and that is asked for once: a message
//! of a hundred thousand files costs as many writes, not as many times waiting for the disk.
//!
//! Invariant: a message that is not read to its end leaves nothing behind that was not there before.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use base64::engine::general_purpose::STANDARD;
use base64::read::DecoderReader;
use tempfile::TempPath;

use super::super::staged::sync_file_system;
use super::{CHUNK_BYTES, Contents, LOOK_EVERY_BYTES, expect_room};
use crate::model::Digest;
use crate::wire::{Bounds, Encoding, Large, Problem, Shelf};

/// From this many contents on, the disk is told once to keep everything, instead of for each.
const WORTH_ONE_SYNC: usize = 8;

/// Large strings of one file that is read.
#[derive(Debug)]
pub struct Spool<'a> {
    contents: &'a Contents,
    secret: String,
    file: Option<File>,
    /// Where each begins and ends.
    strings: Vec<(u64, u64)>,
    end: u64,
    look_at: u64,
    /// What was made of them and has no name yet; it is removed when it is dropped.
    kept: BTreeMap<Digest, TempPath>,
}

impl<'a> Spool<'a> {
    /// An empty one.
    pub(super) fn new(contents: &'a Contents) -> Self {
        Self {
            contents,
            secret: uuid::Uuid::new_v4().simple().to_string(),
            file: None,
            strings: Vec::new(),
            end: 0,
            look_at: 0,
            kept: BTreeMap::new(),
        }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            crate::connections::make_private(&self.contents.folder)?;
            self.file = Some(tempfile::tempfile_in(&self.contents.folder)?);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Brings all that was made to the disk; none of it is open meanwhile.
    fn sync(&self) -> io::Result<()> {
        if self.kept.len() >= WORTH_ONE_SYNC
            && sync_file_system(&File::open(&self.contents.folder)?)?
        {
            return Ok(());
        }
        self.kept.values().try_for_each(|part| File::open(part)?.sync_all())
    }
}

impl Shelf for Spool<'_> {
    fn secret(&self) -> &str {
        &self.secret
    }

    fn bounds(&self) -> Bounds {
        // Never so little that names of fields are taken out.
        let string = usize::try_from(self.contents.large_bytes_min).unwrap_or(usize::MAX).max(64);
        let small = Bounds::ALL.small.min(string);
        Bounds { string: string.min(Bounds::ALL.string), small, ..Bounds::ALL }
    }

    fn begin(&mut self) -> io::Result<usize> {
        self.strings.push((self.end, self.end));
        Ok(self.strings.len() - 1)
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.file()?;
        if self.end >= self.look_at {
            expect_room(&self.contents.folder, LOOK_EVERY_BYTES)?;
            self.look_at = self.end + LOOK_EVERY_BYTES;
        }
        self.file()?.write_all(text)?;
        self.end += text.len() as u64;
        if let Some((_, end)) = self.strings.last_mut() {
            *end = self.end;
        }
        Ok(())
    }

    fn keep(&mut self, number: usize, encoding: Encoding) -> io::Result<Result<Large, Problem>> {
        let contents = self.contents;
        let (start, end) = self.strings.get(number).copied().ok_or(io::ErrorKind::NotFound)?;
        let file = self.file()?;
        file.seek(SeekFrom::Start(start))?;
        let mut string = io::BufReader::with_capacity(CHUNK_BYTES, file).take(end - start);
        let written = match encoding {
            Encoding::Text => contents.receive(&mut string),
            Encoding::Base64 => contents.receive(&mut DecoderReader::new(string, &STANDARD)),
        };
        let (large, part) = match written {
            Ok(written) => written,
            // Nothing but the decoder gives these.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                return Ok(Err(Problem::Base64));
            }
            Err(error) => return Err(error),
        };
        if encoding == Encoding::Text && !large.is_text {
            return Ok(Err(Problem::Utf8));
        }
        if !contents.has(&large.digest) {
            // Nothing stays open: there may be more of them than a process may have files.
            self.kept.entry(large.digest).or_insert_with(|| part.into_temp_path());
        }
        Ok(Ok(large))
    }

    fn settle(&mut self) -> io::Result<()> {
        if self.kept.is_empty() {
            return Ok(());
        }
        self.sync()?;
        let mut named: Vec<PathBuf> = Vec::with_capacity(self.kept.len());
        let placed = std::mem::take(&mut self.kept).into_iter().try_for_each(|(digest, part)| {
            let place = self.contents.place(&digest);
            part.persist(&place).map_err(|error| error.error)?;
            named.push(place);
            Ok(())
        });
        let placed = placed.and_then(|()| File::open(&self.contents.folder)?.sync_all());
        placed.inspect_err(|_| named.iter().for_each(|place| drop(fs::remove_file(place))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents() -> (Contents, tempfile::TempDir) {
        let home = tempfile::tempdir().unwrap();
        (Contents::at(home.path().join("contents")).from(10), home)
    }

    fn listed(contents: &Contents) -> usize {
        fs::read_dir(&contents.folder).map_or(0, Iterator::count)
    }

    #[test]
    fn base64_and_text_are_what_they_say_or_broken() {
        let (contents, _home) = contents();
        #[rustfmt::skip]
        let cases = [
            (&b"aGVsbG8="[..],  Encoding::Base64,   Ok(&b"hello"[..])),
            (b"aGVsbG8",        Encoding::Base64,   Err(Problem::Base64)),
            (b"aGVsbG9=",       Encoding::Base64,   Err(Problem::Base64)),
            (b"a\nGVsbG8=",     Encoding::Base64,   Err(Problem::Base64)),
            (b"",               Encoding::Base64,   Ok(b"")),
            (b"aGVsbG8=",       Encoding::Text,     Ok(b"aGVsbG8=")),
            (b"\xff",           Encoding::Text,     Err(Problem::Utf8)),
        ];
        let mut shelf = contents.shelf();
        for (text, encoding, expected) in cases {
            let number = shelf.begin().unwrap();
            shelf.write(&text[..text.len() / 2]).unwrap();
            shelf.write(&text[text.len() / 2..]).unwrap();
            let kept = shelf.keep(number, encoding).unwrap();
            assert_eq!(kept.map(|large| large.digest), expected.map(Digest::of));
        }
    }

    #[test]
    fn what_is_kept_has_its_name_once_all_of_it_is_there() {
        let (contents, _home) = contents();
        let lying = contents.keep(&mut &b"was here before"[..]).unwrap();
        let texts: Vec<String> = (0..2 * WORTH_ONE_SYNC).map(|n| format!("text {n}")).collect();
        for (count, is_read_to_its_end) in
            [(1, false), (1, true), (texts.len(), false), (texts.len(), true)]
        {
            let mut shelf = contents.shelf();
            let mut larges = Vec::new();
            for text in
                texts[..count].iter().map(String::as_str).chain(["was here before", "text 0"])
            {
                let number = shelf.begin().unwrap();
                shelf.write(text.as_bytes()).unwrap();
                larges.push(shelf.keep(number, Encoding::Text).unwrap().unwrap());
                let is_named = contents.has(&Digest::of(text.as_bytes()));
                assert_eq!(is_named, text == "was here before", "{text}");
            }
            assert_eq!(listed(&contents), count + 1, "each is there once");
            if is_read_to_its_end {
                shelf.settle().unwrap();
                shelf.settle().unwrap();
            }
            drop(shelf);
            assert!(contents.has(&lying.digest));
            let found = larges.iter().filter(|large| contents.has(&large.digest)).count();
            assert_eq!(found, if is_read_to_its_end { larges.len() } else { 1 });
            assert_eq!(listed(&contents), if is_read_to_its_end { count + 1 } else { 1 });
            contents.sweep(&[lying.digest].into()).unwrap();
        }
    }

    #[test]
    fn where_a_name_is_taken_nothing_of_the_message_stays() {
        let (contents, _home) = contents();
        let texts = ["one", "two", "three"];
        let digests = texts.map(|text| Digest::of(text.as_bytes()));
        // A folder, where the last of them is to be.
        let last = digests.iter().max().unwrap();
        fs::create_dir_all(contents.place(last)).unwrap();
        let mut shelf = contents.shelf();
        for text in texts {
            let number = shelf.begin().unwrap();
            shelf.write(text.as_bytes()).unwrap();
            shelf.keep(number, Encoding::Text).unwrap().unwrap();
        }
        shelf.settle().unwrap_err();
        drop(shelf);
        assert!(digests.iter().all(|digest| !contents.has(digest)));
        assert_eq!(listed(&contents), 1, "the folder");
        contents.sweep(&std::collections::BTreeSet::new()).unwrap();
        assert_eq!(listed(&contents), 1, "which is not ours, and stops no sweep");
    }
}
