//! What kind of content a file seems to have, by its first bytes.
//!
//! Pure. For a person who decides about a file: a picture or an archive shows nothing in a preview,
//! and a pickle runs code where it is opened. The name says nothing, since the job chose it.

/// How many bytes are enough to tell.
pub const HEAD_BYTES: usize = 4096;

/// Returns a word for what begins with `head`; `text` for what is readable as such.
pub fn content_kind(head: &[u8]) -> &'static str {
    #[rustfmt::skip]
    const STARTS: &[(&[u8], &str)] = &[
        (b"\x89PNG\r\n\x1a\n",  "PNG picture"),
        (b"\xff\xd8\xff",        "JPEG picture"),
        (b"GIF8",                "GIF picture"),
        (b"%PDF-",               "PDF"),
        (b"PK\x03\x04",          "ZIP archive or Office file"),
        (b"\x1f\x8b",            "gzip archive"),
        (b"BZh",                 "bzip2 archive"),
        (b"\xfd7zXZ\0",          "xz archive"),
        (b"\x28\xb5\x2f\xfd",    "zstd archive"),
        (b"PAR1",                "Parquet table"),
        (b"ARROW1",              "Arrow table"),
        (b"\x89HDF\r\n\x1a\n",  "HDF5 file"),
        (b"\x93NUMPY",           "NumPy array"),
        (b"SQLite format 3\0",   "SQLite database"),
        (b"\x7fELF",             "program"),
        (b"\x80\x02",            "pickle: runs code when opened"),
        (b"\x80\x03",            "pickle: runs code when opened"),
        (b"\x80\x04",            "pickle: runs code when opened"),
        (b"\x80\x05",            "pickle: runs code when opened"),
    ];
    if head.is_empty() {
        return "empty";
    }
    if let Some((_, kind)) = STARTS.iter().find(|(start, _)| head.starts_with(start)) {
        return kind;
    }
    if is_text(head) { "text" } else { "binary" }
}

/// True if `head` is the beginning of UTF-8 text; its last character may be cut.
fn is_text(head: &[u8]) -> bool {
    let whole = match std::str::from_utf8(head) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && head.len() - error.valid_up_to() < 4,
    };
    whole && !head.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_called_what_it_begins_like() {
        #[rustfmt::skip]
        let cases: &[(&[u8], &str)] = &[
            (b"",                      "empty"),
            (b"a,b\n1,2\n",            "text"),
            ("größe".as_bytes(),       "text"),
            (&"ö".as_bytes()[..1],     "text"),
            (b"a\0b",                  "binary"),
            (b"\xff\xfe\xfd\xfc\xfb",  "binary"),
            (b"\x89PNG\r\n\x1a\nrest", "PNG picture"),
            (b"PK\x03\x04",            "ZIP archive or Office file"),
            (b"\x80\x04\x95",          "pickle: runs code when opened"),
            (b"PAR1",                  "Parquet table"),
        ];
        for (head, kind) in cases {
            assert_eq!(content_kind(head), *kind, "{head:?}");
        }
    }
}
