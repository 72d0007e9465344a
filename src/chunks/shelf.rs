//! Packs that were fetched, opened as they are needed and a few at a time: a file of gigabytes has more
//! of them than a process may have files open.

use std::collections::VecDeque;
use std::io::{self, Read, Seek};

use super::error::Error;
use super::pack::Pack;
use crate::model::Digest;

/// How many are open at once. A file that was changed often takes its chunks from some packs in turn.
const OPEN_MAX: usize = 8;

/// Packs to read from, each by its place in [`Manifest::packs`](crate::wire::Manifest::packs).
#[derive(Debug)]
pub struct Shelf<R, F> {
    open: F,
    /// The one that was used last is the last.
    packs: VecDeque<(u32, Pack<R>)>,
}

impl<R: Read + Seek, F: FnMut(u32) -> io::Result<R>> Shelf<R, F> {
    /// Returns a shelf of packs that `open` opens, again if need be.
    pub const fn new(open: F) -> Self {
        Self { open, packs: VecDeque::new() }
    }

    /// Returns what has the digest `wanted` out of a pack, verified.
    ///
    /// # Errors
    /// [`Error::Missing`] if the pack does not hold it, or was not fetched; [`Error::Damaged`] if it is
    /// no pack, or holds something else; if it cannot be read.
    pub fn read(&mut self, pack: u32, wanted: &Digest) -> Result<Vec<u8>, Error> {
        let place = self.packs.iter().position(|(number, _)| *number == pack);
        let mut used = match place.and_then(|place| self.packs.remove(place)) {
            Some(used) => used,
            None => (pack, Pack::open((self.open)(pack).map_err(not_found_is_missing)?)?),
        };
        let read = used.1.read(wanted);
        if self.packs.len() == OPEN_MAX {
            self.packs.pop_front();
        }
        self.packs.push_back(used);
        read?.ok_or(Error::Missing)
    }
}

fn not_found_is_missing(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound { Error::Missing } else { error.into() }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::io::Cursor;

    use super::super::PackWriter;
    use super::*;

    #[test]
    fn packs_are_opened_when_they_are_needed_and_a_few_stay_open() {
        let content = |number: u32| number.to_le_bytes();
        let pack = |number| {
            let mut writer = PackWriter::default();
            writer.add(Digest::of(&content(number)), &content(number)).unwrap();
            writer.finish().unwrap().bytes
        };
        let opened = RefCell::new(Vec::new());
        let mut shelf = Shelf::new(|number| {
            opened.borrow_mut().push(number);
            match number {
                99 => Err(io::ErrorKind::NotFound.into()),
                98 => Err(io::ErrorKind::PermissionDenied.into()),
                97 => Ok(Cursor::new(b"no pack".to_vec())),
                number => Ok(Cursor::new(pack(number))),
            }
        });
        let mut read = |number| shelf.read(number, &Digest::of(&content(number)));
        for number in [0, 1, 0, 1, 2, 3, 4, 5, 6, 7, 0, 8, 0, 2, 1] {
            assert_eq!(read(number).unwrap(), content(number));
        }
        assert_eq!(*opened.borrow(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 1]);
        assert!(matches!(read(99), Err(Error::Missing)));
        assert!(matches!(read(98), Err(Error::Io(_))));
        assert!(matches!(read(97), Err(Error::Damaged(_))));
        assert!(matches!(shelf.read(1, &Digest::of(b"else")), Err(Error::Missing)));
    }
}
