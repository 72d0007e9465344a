//! Turns values into text that is fit for a terminal.
//!
//! Pure. What peers wrote may hold anything: escape sequences that move the cursor, characters that
//! turn the direction of a line, characters that cannot be seen. [`safe`] shows those by number.
//!
//! Invariant: the result of [`safe`] holds no control character but the line feed.

use std::fmt::Write as _;

use crate::model::Timestamp;

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

/// Returns "1 file", "2 files".
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Returns a size for people: `640 B`, `1.2 kB`, `34 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

/// Returns how long ago `then` was, both in seconds: `just now`, `5 min ago`, `3 days ago`.
pub(crate) fn age(then: f64, now: f64) -> String {
    const STEPS: [(f64, &str, &str); 4] =
        [(60.0, "min", "min"), (3600.0, "hour", "hours"), (86_400.0, "day", "days"), (0.0, "", "")];
    let seconds = now - then;
    if seconds < 60.0 {
        return if seconds < -60.0 { "in the future" } else { "just now" }.to_owned();
    }
    let step = usize::from(seconds >= 3600.0) + usize::from(seconds >= 86_400.0);
    let (length, one, many) = STEPS[step];
    let number = (seconds / length).floor();
    format!("{number} {} ago", if number < 1.5 { one } else { many })
}

/// Returns a moment as `2026-11-21T12:00:00.000Z`, for programs.
pub(crate) fn moment(timestamp: Timestamp) -> Option<String> {
    let moment = chrono::DateTime::from_timestamp_micros(timestamp.micros())?;
    Some(moment.to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
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

    #[test]
    fn sizes_and_ages_are_short() {
        #[rustfmt::skip]
        let sizes = [(0, "0 B"), (999, "999 B"), (1240, "1.2 kB"), (34_000_000, "34 MB"), (999_999, "1.0 MB")];
        for (bytes, text) in sizes {
            assert_eq!(size(bytes), text);
        }
        #[rustfmt::skip]
        let ages = [(5.0, "just now"), (61.0, "1 min ago"), (7300.0, "2 hours ago"), (90_000.0, "1 day ago"), (-500.0, "in the future")];
        for (seconds, text) in ages {
            assert_eq!(age(1000.0, 1000.0 + seconds), text);
        }
        assert_eq!(count(1, "file", "files"), "1 file");
    }
}
