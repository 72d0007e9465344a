//! JSON as the Python client writes it, in three forms, and fields that may be absent.
//!
//! Messages come from pydantic: UTF-8, compact or with two blanks of indentation; `serde_json`
//! writes the same bytes, numbers included. Bundles and the peers file come from Python's own
//! `json` module, which escapes whatever is not ASCII: [`python`].

use std::fmt;
use std::io;

use serde::de::{DeserializeOwned, Deserializer, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::Error;
use super::limits::CHANGES_MAX;

const PLAIN: &str = "plain data always has a JSON form";

/// No spaces, no final newline.
pub(super) fn compact(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect(PLAIN)
}

/// Two blanks of indentation, no final newline.
pub(super) fn pretty(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect(PLAIN)
}

/// As `json.dumps(value)` writes it, or `json.dumps(value, indent=2)`: ASCII only.
pub(super) fn python(value: &impl Serialize, indented: bool) -> Vec<u8> {
    let mut out = Vec::new();
    if indented {
        let formatter = Ascii(PrettyFormatter::with_indent(b"  "));
        value.serialize(&mut Serializer::with_formatter(&mut out, formatter)).expect(PLAIN);
    } else {
        let formatter = Ascii(Spaced(CompactFormatter));
        value.serialize(&mut Serializer::with_formatter(&mut out, formatter)).expect(PLAIN);
    }
    out
}

/// Reads `bytes` as `what`.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json { what, source })
}

/// Reads `what` piece by piece.
pub(super) fn read_from<T: DeserializeOwned>(
    from: impl io::Read,
    what: &'static str,
) -> Result<T, Error> {
    // It asks for one byte at a time.
    serde_json::from_reader(io::BufReader::new(from)).map_err(|source| Error::Json { what, source })
}

/// Reads `bytes` as `what`, of at most `limit_bytes`: a file that is parsed into a tree.
pub(super) fn read_small<T: DeserializeOwned>(
    bytes: &[u8],
    what: &'static str,
    limit_bytes: usize,
) -> Result<T, Error> {
    if bytes.len() > limit_bytes {
        return Err(Error::TooLarge { what, limit_bytes });
    }
    read(bytes, what)
}

/// For a field where `null` and absence differ: `None` if absent, `Some(None)` if null.
pub(super) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// As [`present`] for text; whatever is no text counts as null.
pub(super) fn present_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<String>>, D::Error> {
    if_readable(deserializer).map(Some)
}

/// For a text whose loss does no harm; whatever is no text counts as empty.
pub(super) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    if_readable(deserializer).map(Option::unwrap_or_default)
}

/// For a field whose loss does no harm: anything but the expected shape counts as absent.
pub(super) fn if_readable<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    Value::deserialize(deserializer).map(|value| serde_json::from_value(value).ok())
}

/// For a list of others' making: stops at [`CHANGES_MAX`] entries instead of filling the memory.
pub(super) fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct Bounded<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {CHANGES_MAX} entries")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = sequence.next_element()? {
                if entries.len() == CHANGES_MAX {
                    return Err(A::Error::invalid_length(CHANGES_MAX + 1, &self));
                }
                entries.push(entry);
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_seq(Bounded(std::marker::PhantomData))
}

/// A formatter that also escapes what Python's `ensure_ascii` escapes: all but blank to `~`.
struct Ascii<F>(F);

impl<F: Formatter> Formatter for Ascii<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if matches!(c, ' '..='~') {
                writer.write_all(&[c as u8])?;
            } else {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(writer, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

/// A formatter that puts one blank after each comma and colon.
struct Spaced<F>(F);

impl<F: Formatter> Formatter for Spaced<F> {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        writer.write_all(if first { b"" } else { b", " })
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn python_escapes_all_but_printable_ascii() {
        let value = json!({"é": ["😀\u{7f}\n\"\\/", 1, null], "": {}, "l": []});
        assert_eq!(
            String::from_utf8(python(&value, false)).unwrap(),
            r#"{"\u00e9": ["\ud83d\ude00\u007f\n\"\\/", 1, null], "": {}, "l": []}"#
        );
        assert_eq!(
            String::from_utf8(python(&json!({"a": {"b": [1, {}]}}), true)).unwrap(),
            "{\n  \"a\": {\n    \"b\": [\n      1,\n      {}\n    ]\n  }\n}"
        );
    }
}
