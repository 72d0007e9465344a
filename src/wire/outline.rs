//! Takes large strings out of JSON while it is read, so that nobody holds them.
//!
//! An `Outliner` passes JSON on as it comes, but a string that is too long is decoded to a
//! [`Shelf`], and in its place stands a short one that names it. So whatever reads the JSON reads all
//! of it by the same rules as ever, and memory is bounded whatever the strings hold. The names carry a
//! secret of this reading, so that no content can pose as one.
//!
//! What is no JSON is passed on for the reader to refuse, but for strings that are taken out: those
//! are refused here by the rules of `serde_json` (no control characters, no lone surrogates; the latter
//! also in what a reader passes over).
//!
//! What is around the strings has bounds too: a reader holds the digits of a number, and a mark for each
//! list that is open, also in what it passes over.
//!
//! Invariant: memory is bounded by [`LEFT_BYTES`], whatever the JSON is.

use std::io::{self, Read};

use super::error::Problem;
use super::large::{Encoding, Large};

/// A string of more bytes than this is taken out.
pub const STRING_BYTES: usize = 4 * 1024 * 1024;

/// Once the strings of a file have so many bytes together, all that have more than
/// [`SMALL_STRING_BYTES`] are taken out.
pub const TOGETHER_BYTES: usize = 24 * 1024 * 1024;

/// What is always left where it is.
pub const SMALL_STRING_BYTES: usize = 4 * 1024;

/// The strings that are left where they are have at most so many bytes together: as many as a file may have
/// that is read in memory.
pub const LEFT_BYTES: usize = super::limits::UNPACKED_BYTES_MAX;

/// How many lists and objects may be open at once: as many as `serde_json` reads.
const DEPTH_MAX: usize = 128;

/// How many bytes a number or a word may have. A number that a client writes has at most 24.
const WORD_BYTES_MAX: usize = 1024;

/// The beginning of the name of a string that was taken out; a secret follows.
const MARK: &str = "\u{1a}outlined ";

/// Where strings lie that were taken out.
pub trait Shelf {
    /// A text that nobody can guess, always the same.
    fn secret(&self) -> &str;

    /// What is taken out.
    fn bounds(&self) -> Bounds {
        Bounds::ALL
    }

    /// Begins another string, and returns its number.
    ///
    /// # Errors
    /// If the disk refuses, as with all of these.
    fn begin(&mut self) -> io::Result<usize>;

    /// Adds to the string that was begun last.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn write(&mut self, text: &[u8]) -> io::Result<()>;

    /// Returns the bytes that string `number` is the encoding of, or what is wrong with it.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    fn keep(&mut self, number: usize, encoding: Encoding) -> io::Result<Result<Large, Problem>>;

    /// Sees to it that all that was kept stays: the file was read to its end. What is dropped without
    /// this leaves nothing behind.
    ///
    /// # Errors
    /// As [`begin`](Self::begin); then nothing stays.
    fn settle(&mut self) -> io::Result<()>;
}

/// What is left in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// As [`STRING_BYTES`].
    pub string: usize,
    /// As [`TOGETHER_BYTES`].
    pub together: usize,
    /// As [`SMALL_STRING_BYTES`].
    pub small: usize,
    /// As [`LEFT_BYTES`].
    pub left: usize,
}

impl Bounds {
    /// Those of every file that is read.
    pub const ALL: Self = Self {
        string: STRING_BYTES,
        together: TOGETHER_BYTES,
        small: SMALL_STRING_BYTES,
        left: LEFT_BYTES,
    };
}

/// Returns the name that stands in the place of string `number`.
fn name(secret: &str, number: usize) -> String {
    // `\u001a` as it is written in JSON: what is written here is decoded again.
    format!("\\u001a{}{secret} {number}", &MARK[1..])
}

/// Returns the number of the string that `text` names; `None` if it is a string itself.
pub(super) fn named(text: &str, secret: &str) -> Option<usize> {
    text.strip_prefix(MARK)?.strip_prefix(secret)?.strip_prefix(' ')?.parse().ok()
}

/// True if a text looks like such a name, whatever the secret.
pub(super) fn looks_named(text: &str) -> bool {
    text.starts_with(MARK)
}

/// Where the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Between strings.
    Outside,
    /// In a string that may stay.
    Held { escaped: bool },
    /// In a string that is taken out.
    TakenOut,
}

/// Passes JSON on without its large strings.
pub(super) struct Outliner<'a, R> {
    from: R,
    shelf: &'a mut dyn Shelf,
    bounds: Bounds,
    place: Place,
    /// The string that is being held, as it is written.
    held: Vec<u8>,
    /// How many bytes of strings were left in place.
    left: usize,
    /// How many lists and objects are open.
    depth: usize,
    /// How many bytes of a number or a word came.
    word: usize,
    number: usize,
    unescape: Unescape,
    decoded: Vec<u8>,
    /// What is ready to be passed on, from `passed` on.
    ready: Vec<u8>,
    passed: usize,
    /// Where what comes is read to, one piece after the other.
    chunk: Box<[u8]>,
    /// Why the shelf took no more.
    failure: Option<io::Error>,
}

const CHUNK_BYTES: usize = 64 * 1024;

impl<'a, R: Read> Outliner<'a, R> {
    pub(super) fn new(from: R, shelf: &'a mut dyn Shelf) -> Self {
        let bounds = shelf.bounds();
        Self {
            from,
            shelf,
            bounds,
            place: Place::Outside,
            held: Vec::new(),
            left: 0,
            depth: 0,
            word: 0,
            number: 0,
            unescape: Unescape::default(),
            decoded: Vec::new(),
            ready: Vec::new(),
            passed: 0,
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
            failure: None,
        }
    }

    /// Returns why the shelf took no more, if that is why reading ended.
    pub(super) const fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    fn shelve<T>(&mut self, done: io::Result<T>) -> io::Result<T> {
        done.map_err(|error| {
            self.failure = Some(error);
            io::ErrorKind::Other.into()
        })
    }

    fn follow(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Outside => self.outside(rest)?,
                Place::Held { escaped } => self.hold(rest, escaped)?,
                Place::TakenOut => self.take_out(rest)?,
            };
        }
        Ok(())
    }

    fn outside<'b>(&mut self, bytes: &'b [u8]) -> io::Result<&'b [u8]> {
        let end = bytes.iter().position(|byte| *byte == b'"').map_or(bytes.len(), |at| at + 1);
        let (passed, rest) = bytes.split_at(end);
        for byte in passed {
            self.word = match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' => self.word + 1,
                _ => 0,
            };
            match byte {
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth > DEPTH_MAX {
                return Err(refused("more lists and objects in one another than a message has"));
            }
            if self.word > WORD_BYTES_MAX {
                return Err(refused("a number of more digits than a message has"));
            }
        }
        self.ready.extend_from_slice(passed);
        if passed.last() == Some(&b'"') {
            self.place = Place::Held { escaped: false };
        }
        Ok(rest)
    }

    fn bound(&self) -> usize {
        let left = self.bounds.together.saturating_sub(self.left);
        self.bounds.string.min(left).max(self.bounds.small)
    }

    fn hold<'b>(&mut self, bytes: &'b [u8], mut escaped: bool) -> io::Result<&'b [u8]> {
        let room = (self.bound() + 1).saturating_sub(self.held.len());
        let mut end = bytes.len().min(room);
        let mut is_closed = false;
        for (at, byte) in bytes[..end].iter().enumerate() {
            if escaped {
                escaped = false;
            } else if *byte == b'\\' {
                escaped = true;
            } else if *byte == b'"' {
                (end, is_closed) = (at + 1, true);
                break;
            }
        }
        let (held, rest) = bytes.split_at(end);
        self.held.extend_from_slice(held);
        self.place = Place::Held { escaped };
        if is_closed {
            self.left += self.held.len();
            if self.left > self.bounds.left {
                return Err(refused("more in small strings than is held in memory"));
            }
            self.ready.append(&mut self.held);
            self.place = Place::Outside;
        } else if self.held.len() > self.bound() {
            let begun = self.shelf.begin();
            self.number = self.shelve(begun)?;
            self.unescape = Unescape::default();
            let held = std::mem::take(&mut self.held);
            self.place = Place::TakenOut;
            // None of it closes the string.
            self.take_out(&held)?;
        }
        Ok(rest)
    }

    fn take_out<'b>(&mut self, bytes: &'b [u8]) -> io::Result<&'b [u8]> {
        self.decoded.clear();
        let (used, is_closed) = self.unescape.decode(bytes, &mut self.decoded)?;
        let written = self.shelf.write(&self.decoded);
        self.shelve(written)?;
        if is_closed {
            let name = name(self.shelf.secret(), self.number) + "\"";
            self.ready.extend_from_slice(name.as_bytes());
            self.place = Place::Outside;
        }
        Ok(&bytes[used..])
    }
}

impl<R: Read> Outliner<'_, R> {
    /// Follows the next piece of what comes.
    fn follow_next(&mut self, count: usize) -> io::Result<()> {
        let chunk = std::mem::take(&mut self.chunk);
        let followed = self.follow(&chunk[..count]);
        self.chunk = chunk;
        followed
    }
}

impl<R: Read> Read for Outliner<'_, R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        while self.passed == self.ready.len() {
            self.ready.clear();
            self.passed = 0;
            let count = match self.from.read(&mut self.chunk) {
                Ok(0) => {
                    // A string that never ends: the reader is to see that.
                    self.ready.append(&mut self.held);
                    if self.ready.is_empty() {
                        return Ok(0);
                    }
                    break;
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            self.follow_next(count)?;
        }
        let count = to.len().min(self.ready.len() - self.passed);
        to[..count].copy_from_slice(&self.ready[self.passed..self.passed + count]);
        self.passed += count;
        Ok(count)
    }
}

/// Where in an escape the text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Escape {
    #[default]
    None,
    /// After a backslash.
    Begun,
    /// After `\u`: digits so far, their value.
    Digits(u8, u16),
}

/// Decodes the inside of a JSON string, piece by piece.
#[derive(Debug, Default)]
struct Unescape {
    escape: Escape,
    /// The first half of a pair of surrogates, whose second must follow at once.
    high: Option<u16>,
}

impl Unescape {
    /// Decodes up to the end of the string; returns how many bytes that took, and whether it ended.
    fn decode(&mut self, bytes: &[u8], to: &mut Vec<u8>) -> io::Result<(usize, bool)> {
        let mut at = 0;
        while at < bytes.len() {
            if self.escape == Escape::None && self.high.is_none() {
                let is_plain = |byte: &u8| *byte >= 0x20 && !matches!(*byte, b'"' | b'\\');
                let plain = bytes[at..].iter().take_while(|byte| is_plain(byte)).count();
                to.extend_from_slice(&bytes[at..at + plain]);
                at += plain;
            }
            let Some(byte) = bytes.get(at).copied() else { break };
            at += 1;
            match self.escape {
                Escape::None if byte == b'\\' => self.escape = Escape::Begun,
                Escape::None if byte == b'"' && self.high.is_none() => return Ok((at, true)),
                Escape::None => return Err(broken()),
                Escape::Begun if byte == b'u' => self.escape = Escape::Digits(0, 0),
                Escape::Begun if self.high.is_some() => return Err(broken()),
                Escape::Begun => {
                    to.push(match byte {
                        b'"' | b'\\' | b'/' => byte,
                        b'b' => 0x08,
                        b'f' => 0x0c,
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        _ => return Err(broken()),
                    });
                    self.escape = Escape::None;
                }
                Escape::Digits(count, value) => {
                    let digit = char::from(byte).to_digit(16).ok_or_else(broken)?;
                    let value = value << 4 | u16::try_from(digit).map_err(|_| broken())?;
                    self.escape = if count < 3 {
                        Escape::Digits(count + 1, value)
                    } else {
                        self.unit(value, to)?;
                        Escape::None
                    };
                }
            }
        }
        Ok((at, false))
    }

    /// Takes one UTF-16 unit.
    fn unit(&mut self, unit: u16, to: &mut Vec<u8>) -> io::Result<()> {
        let units = match (self.high.take(), unit) {
            (None, 0xd800..=0xdbff) => {
                self.high = Some(unit);
                return Ok(());
            }
            (None, _) => vec![unit],
            (Some(high), _) => vec![high, unit],
        };
        let mut decoded = char::decode_utf16(units);
        let (Some(Ok(char)), None) = (decoded.next(), decoded.next()) else { return Err(broken()) };
        to.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }
}

fn broken() -> io::Error {
    refused("a string that is no JSON")
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
pub(super) mod tests;
