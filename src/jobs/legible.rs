//! What a submitted file holds, for somebody who has to read it.
//!
//! Pure. A shell runs a script whatever bytes stand in it, so nothing becomes unreadable by one byte
//! that no text has: what is a script is text, and such bytes are written by number.

use super::content::{HEAD_BYTES, content_kind};
use crate::model::DatasitePath;

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text.
    Text {
        /// It, with bytes that are no UTF-8 written as `⟨0xFF⟩`.
        text: String,
        /// How many such bytes there are.
        odd_bytes: usize,
    },
    /// Something that cannot be read.
    Binary {
        /// What it is, as far as its first bytes say it.
        kind: &'static str,
        /// True if it can hold code, so that what it does is not known from reading the rest.
        may_hold_code: bool,
    },
}

/// What programs execute that are in no language of their own.
const SCRIPTS: [&str; 8] = ["sh", "bash", "py", "r", "jl", "pl", "js", "rb"];

/// What programs load as code, or as data that can hold code.
const LOADED: [&str; 21] = [
    "pyc", "pyo", "so", "pyd", "dll", "dylib", "exe", "bin", "whl", "egg", "zip", "jar", "pkl",
    "pickle", "joblib", "pt", "pth", "ckpt", "npy", "npz", "rds",
];

/// What is said of content that is code, or can hold some.
const RUNS: [&str; 3] = ["program", "archive", "pickle"];

/// Tells what the file at `path` holds. `starts`: it is what the job starts, and then it is text
/// whatever it begins like, since a shell does not look at that.
pub fn content_of(path: &DatasitePath, bytes: &[u8], starts: bool) -> Content {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Content::Text { text: text.to_owned(), odd_bytes: 0 };
    }
    let suffix = path.file_name().rsplit_once('.').map(|(_, suffix)| suffix.to_lowercase());
    let is = |list: &[&str]| suffix.as_deref().is_some_and(|suffix| list.contains(&suffix));
    let kind = content_kind(&bytes[..bytes.len().min(HEAD_BYTES)]);
    let is_unknown = matches!(kind, "binary" | "text" | "empty");
    if starts || is(&SCRIPTS) || bytes.starts_with(b"#!") || (is_unknown && is_mostly_text(bytes)) {
        return lossy(bytes);
    }
    let is_program = RUNS.iter().any(|word| kind.contains(word));
    let kind = if is_unknown { "of no known type" } else { kind };
    // Whoever opens it decides what it is: of no known type, it can be all.
    Content::Binary { kind, may_hold_code: is_program || is_unknown || is(&LOADED) }
}

/// True if nearly all bytes are those of a text in some language.
fn is_mostly_text(bytes: &[u8]) -> bool {
    let is_plain = |byte: &&u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    bytes.iter().filter(is_plain).count() * 10 >= bytes.len() * 9
}

fn lossy(bytes: &[u8]) -> Content {
    let (mut text, mut odd_bytes) = (String::with_capacity(bytes.len()), 0);
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("⟨0x{byte:02X}⟩"));
            odd_bytes += 1;
        }
    }
    Content::Text { text, odd_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_stays_readable_whatever_stands_in_it() {
        let binary = |kind, may_hold_code| Content::Binary { kind, may_hold_code };
        let text = |text: &str, odd_bytes| Content::Text { text: text.to_owned(), odd_bytes };
        #[rustfmt::skip]
        let cases: [(&str, &str, &[u8], Content); 10] = [
            ("a text",                    "a.py",     b"x = 1\n",                   text("x = 1\n", 0)),
            ("a zero byte",               "run.sh",   b"curl\0 x",                  text("curl\0 x", 0)),
            ("an odd byte in a script",   "run.sh",   b"curl\xff x",                text("curl⟨0xFF⟩ x", 1)),
            ("many of them",              "code/A.PY", b"\xff\xff\xff\xffx",        text("⟨0xFF⟩⟨0xFF⟩⟨0xFF⟩⟨0xFF⟩x", 4)),
            ("a script by its first line", "start",   b"#!/bin/sh\n\xff\xff\xff",   text("#!/bin/sh\n⟨0xFF⟩⟨0xFF⟩⟨0xFF⟩", 3)),
            ("an old text",               "a.csv",    b"caf\xe9,12345678901234567", text("caf⟨0xE9⟩,12345678901234567", 1)),
            ("a program",                 "tool",     b"\x7fELF\x02\x01\x01\x00\xff\xfe and so on, as long as the head of a program is: it has 64 bytes.......", binary("program", true)),
            ("compiled Python",           "m.pyc",    b"\xcb\x0d\x0d\x0a\xff\xff",  binary("of no known type", true)),
            ("a picture",                 "p.png",    b"\x89PNG\x0d\x0a\x1a\x0a\xff", binary("PNG picture", false)),
            ("noise",                     "x.dat",    b"\xff\xfe\xfd\xfc\xfb\xfa",  binary("of no known type", true)),
        ];
        for (what, path, bytes, expected) in cases {
            let path = DatasitePath::parse(path).unwrap();
            assert_eq!(content_of(&path, bytes, false), expected, "{what}");
        }
        let picture = DatasitePath::parse("code/logo.gif").unwrap();
        let script = b"GIF89a=1 # \xff\necho x\n";
        assert_eq!(content_of(&picture, script, false), binary("GIF picture", false));
        assert_eq!(content_of(&picture, script, true), text("GIF89a=1 # ⟨0xFF⟩\necho x\n", 1));
    }
}
