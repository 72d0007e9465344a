//! Writes words so that systemd, or cron and then a shell, read them back as they are.
//!
//! Pure. Sources: systemd.syntax(7), systemd.service(5) "Command lines", systemd.unit(5)
//! "Specifiers"; crontab(5), of which some versions take a backslash before anything but `%` away and
//! others do not, so that a word with one cannot be written.

use std::fmt::Write as _;

/// The longest command that every cron takes.
const CRON_BYTES_MAX: usize = 990;

/// A word of a command line in a unit. `$` is read as a variable there, but not in the program.
pub(super) fn systemd_argument(text: &str) -> String {
    systemd_word(text).replace('$', "$$")
}

/// A word of a unit where variables are not read: the program, or an assignment.
pub(super) fn systemd_word(text: &str) -> String {
    let mut word = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => word.push_str("\\\""),
            '\\' => word.push_str("\\\\"),
            '%' => word.push_str("%%"),
            '\n' => word.push_str("\\n"),
            c if c.is_ascii_control() => {
                let _ = write!(word, "\\x{:02x}", u32::from(c));
            }
            c => word.push(c),
        }
    }
    word.push('"');
    word
}

/// A word of a crontab's command, which a shell reads; `None` if that cannot be written.
pub(super) fn cron_word(text: &str) -> Option<String> {
    if text.chars().any(|c| c == '\\' || c.is_control()) {
        return None;
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./@:,+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Some(text.to_owned());
    }
    Some(format!("'{}'", text.replace('\'', "'\"'\"'").replace('%', "\\%")))
}

/// True if every cron takes a command of this length.
pub(super) const fn fits_cron(command: &str) -> bool {
    command.len() <= CRON_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_units_are_quoted_as_systemd_reads_them() {
        #[rustfmt::skip]
        let cases = [
            ("plain",       "/usr/bin/syft",    r#""/usr/bin/syft""#,       r#""/usr/bin/syft""#),
            ("blanks",      "/my home/syft",    r#""/my home/syft""#,       r#""/my home/syft""#),
            ("specifiers",  "/100%/%h",         r#""/100%%/%%h""#,          r#""/100%%/%%h""#),
            ("variables",   "/$HOME/x",         r#""/$HOME/x""#,            r#""/$$HOME/x""#),
            ("quotes",      "a\"b'c",           r#""a\"b'c""#,              r#""a\"b'c""#),
            ("a backslash", "a\\",              r#""a\\""#,                 r#""a\\""#),
            ("a new line",  "a\nb\u{7}",        r#""a\nb\x07""#,            r#""a\nb\x07""#),
            ("nothing",     "",                 r#""""#,                    r#""""#),
        ];
        for (what, text, word, argument) in cases {
            assert_eq!(
                (systemd_word(text), systemd_argument(text)),
                (word.into(), argument.into()),
                "{what}"
            );
        }
    }

    #[test]
    fn words_of_a_crontab_are_quoted_or_refused() {
        #[rustfmt::skip]
        let cases = [
            ("plain",       "/usr/bin/syft",    Some("/usr/bin/syft")),
            ("blanks",      "/my home/syft",    Some("'/my home/syft'")),
            ("percent",     "/100%",            Some(r"'/100\%'")),
            ("a quote",     "it's",             Some(r#"'it'"'"'s'"#)),
            ("variables",   "$HOME;rm",         Some("'$HOME;rm'")),
            ("nothing",     "",                 Some("''")),
            ("a backslash", "a\\b",             None),
            ("a new line",  "a\nb",             None),
        ];
        for (what, text, word) in cases {
            assert_eq!(cron_word(text).as_deref(), word, "{what}");
        }
    }
}
