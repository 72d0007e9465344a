//! Text that is fit to be shown, whoever wrote it.
//!
//! Pure. What peers wrote may hold anything: escape sequences that move the cursor, characters that
//! turn the direction of a line, characters that cannot be seen. [`safe`] shows those by number.
//!
//! Invariant: the result of [`safe`] holds no control character but the line feed, that of
//! [`safe_line`] none at all.

use std::fmt::Write as _;

/// Returns `text` with everything that a terminal would obey, or that would deceive a reader, shown
/// by its number: `⟨U+202E⟩`. Line feeds stay, tabs become blanks.
pub(crate) fn safe(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('\n'),
            '\t' => shown.push_str("    "),
            _ if is_treacherous(c) => {
                let _ = write!(shown, "⟨U+{:04X}⟩", u32::from(c));
            }
            _ => shown.push(c),
        }
    }
    shown
}

/// The same on one line: line feeds are shown as well.
pub(crate) fn safe_line(text: &str) -> String {
    safe(text).replace('\n', "⟨U+000A⟩")
}

/// True for what a terminal obeys or a reader cannot see: control characters, marks that turn the
/// direction of writing, invisible and tag characters.
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180E}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
            | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_is_left() {
        #[rustfmt::skip]
        let cases = [
            ("plain\nnaïve 中 ✓",       "plain\nnaïve 中 ✓"),
            ("\u{1b}[31mred",            "⟨U+001B⟩[31mred"),
            ("csi \u{9b}2J",             "csi ⟨U+009B⟩2J"),
            ("bell\u{7}\r\u{8}",         "bell⟨U+0007⟩⟨U+000D⟩⟨U+0008⟩"),
            ("nimda\u{202e}",            "nimda⟨U+202E⟩"),
            ("zero\u{200b}width",        "zero⟨U+200B⟩width"),
            ("a\tb",                     "a    b"),
        ];
        for (text, shown) in cases {
            assert_eq!(safe(text), shown);
        }
        assert_eq!(safe_line("two\nlines"), "two⟨U+000A⟩lines");
        let all: String = (0..=0x10_FFFFu32).filter_map(char::from_u32).collect();
        assert!(safe(&all).chars().all(|c| c == '\n' || !is_treacherous(c)));
    }
}
