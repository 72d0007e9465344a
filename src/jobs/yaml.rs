//! YAML as the Python client writes and reads it.
//!
//! Pure. What we write reads back in `PyYAML` as the same strings, and looks like its block style:
//! single quotes where quotes are needed. What we read is hostile: bounded in size and nesting.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest job file that is read: far more than any honest manifest needs.
pub(crate) const BYTES_MAX: usize = 1 << 20;

const DEPTH_MAX: usize = 16;

/// Returns `value` in block style, its keys in the order of the struct's fields.
///
/// # Errors
/// Only if a value cannot be written at all, which the types of this module do not allow.
pub(crate) fn write(value: &impl Serialize) -> Result<String, serde_saphyr::ser::Error> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, value, options)?;
    Ok(text.lines().map(|line| single_quoted(line) + "\n").collect())
}

/// Reads `text`, within bounds.
///
/// # Errors
/// One line that says what is wrong.
pub(crate) fn read<T: DeserializeOwned>(text: &[u8]) -> Result<T, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("it has {} bytes, more than {BYTES_MAX}", text.len()));
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
        with_snippet: false,
    };
    serde_saphyr::from_slice_with_options(text, options)
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

/// Turns the quotes of a quoted scalar into single ones where both forms mean the same.
fn single_quoted(line: &str) -> String {
    let Some((before, scalar)) = line.split_once('"') else { return line.to_owned() };
    let after_dashes = before.trim_start_matches(' ').replace("- ", "");
    let starts_a_scalar = after_dashes.is_empty()
        || after_dashes.strip_suffix(": ").is_some_and(|key| {
            !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        });
    match scalar.strip_suffix('"') {
        Some(content) if starts_a_scalar && !content.contains(['"', '\\', '\'']) => {
            format!("{before}'{content}'")
        }
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_whole_quoted_scalars_change_their_quotes() {
        #[rustfmt::skip]
        let cases = [
            // what                        line                    expected
            ("a value",                    r#"at: "2026-01-01""#,  "at: '2026-01-01'"),
            ("an item",                    r#"- "yes""#,           "- 'yes'"),
            ("an escape",                  r#"- "a\tb""#,          r#"- "a\tb""#),
            ("an apostrophe",              r#"- "it's ""#,         r#"- "it's ""#),
            ("quotes within a plain item", r#"- say "hi""#,        r#"- say "hi""#),
            ("a dash within a plain item", r#"- a - "hi""#,        r#"- a - "hi""#),
            ("no quotes",                  "name: x",              "name: x"),
        ];
        for (what, line, expected) in cases {
            assert_eq!(single_quoted(line), expected, "{what}");
        }
    }

    #[test]
    fn a_document_that_is_too_large_or_too_deep_is_an_error() {
        assert!(read::<serde_json::Value>(&vec![b'#'; BYTES_MAX + 1]).is_err());
        assert!(read::<serde_json::Value>("[".repeat(100).as_bytes()).is_err());
        let nested = format!("{}{}", "[".repeat(40), "]".repeat(40));
        assert!(read::<serde_json::Value>(nested.as_bytes()).is_err());
    }

    #[test]
    fn a_billion_laughs_are_not_laughed() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for i in 1..12 {
            let row = vec![format!("*a{}", i - 1); 9].join(",");
            text += &format!("a{i}: &a{i} [{row}]\n");
        }
        assert!(read::<serde_json::Value>(text.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_reads_back(
            text in any::<String>(),
            key in any::<String>(),
            items in proptest::collection::vec("[ -~]*", 0..5),
        ) {
            let value = serde_json::json!({"text": text, "items": items, "map": {key: text}});
            let back: serde_json::Value = read(write(&value).unwrap().as_bytes()).unwrap();
            prop_assert_eq!(back, value);
        }
    }
}
