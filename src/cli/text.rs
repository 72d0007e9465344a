//! Turns values into text that is fit for a terminal. Pure.

use crate::connections::Usage;
use crate::model::Timestamp;

pub(crate) use crate::model::shown::{is_treacherous, safe, safe_line};

/// Returns text in lines of at most `width` characters, broken between words, each behind `indent`.
pub(crate) fn wrapped(text: &str, width: usize, indent: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{indent}{word}")),
        }
    }
    lines.join("\n")
}

/// Breaks a line so that none is wider than `columns`, each but the first behind `indent` blanks: what
/// somebody else wrote would otherwise go on at the edge of the terminal, where our own words begin.
pub(crate) fn broken(line: &str, columns: usize, indent: usize) -> String {
    const WIDE: char = '\u{1100}'; // from here on, some take two columns
    let mut text = String::with_capacity(line.len());
    let mut column = 0;
    for c in line.chars() {
        let wide = if c < WIDE { 1 } else { 2 };
        if column + wide > columns && column > indent {
            text.push('\n');
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        }
        text.push(c);
        column += wide;
    }
    text
}

/// Returns "1 file", "2 files".
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Returns what was asked of a service: `12 requests, 740 quota units`.
pub(crate) fn cost(usage: Usage) -> String {
    let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let requests = count(number(usage.requests), "request", "requests");
    match usage.quota_units {
        0 => requests,
        units => format!("{requests}, {}", count(number(units), "quota unit", "quota units")),
    }
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
    fn lines_break_between_words() {
        assert_eq!(wrapped("a bb ccc", 6, "  "), "  a bb\n  ccc");
        assert_eq!(wrapped("longer than all", 4, ""), "longer\nthan\nall");
        assert_eq!(wrapped("", 4, "  "), "");
    }

    #[test]
    fn no_line_of_somebody_else_begins_at_the_edge() {
        #[rustfmt::skip]
        let cases = [
            ("short",            "    1  ab",      10, "    1  ab"),
            ("exact",            "    1  abc",     10, "    1  abc"),
            ("long",             "    1  abcdefg", 10, "    1  abc\n       def\n       g"),
            ("wide letters",     "    1  中中",    10, "    1  中\n       中"),
            ("a narrow terminal", "    1  abc",     5, "    1  a\n       b\n       c"),
        ];
        for (what, line, columns, expected) in cases {
            assert_eq!(broken(line, columns, 7), expected, "{what}");
        }
        // What imitates the next line does not stand where that would.
        let imitation = format!("    1  #{}    2  check()", " ".repeat(72));
        let shown = broken(&imitation, 80, 7);
        assert!(shown.lines().skip(1).all(|line| line.starts_with("       ")), "{shown}");
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
        #[rustfmt::skip]
        let costs = [(0, 0, "0 requests"), (3, 0, "3 requests"), (1, 5, "1 request, 5 quota units"), (12, 740, "12 requests, 740 quota units")];
        for (requests, quota_units, text) in costs {
            assert_eq!(cost(Usage { requests, quota_units }), text);
        }
    }
}
