//! Edits the text of a crontab: one line is ours, known by the comment at its end.
//!
//! Pure. Invariant: every other line stays as it is, byte for byte.

/// What stands before the id at the end of a line of ours.
const MARK: &str = " # syft-service ";

/// Returns the line for a command: a shell takes the mark for a comment.
pub(super) fn line(schedule: &str, command: &str, id: &str) -> String {
    format!("{schedule} {command}{MARK}{id}")
}

/// Returns our line, if it is there.
pub(super) fn find<'a>(crontab: &'a str, id: &str) -> Option<&'a str> {
    crontab.lines().find(|line| is_ours(line, id))
}

/// Returns the crontab with `line` in the place of ours, or at its end.
pub(super) fn with(crontab: &str, line: &str, id: &str) -> String {
    let mut text = String::with_capacity(crontab.len() + line.len() + 2);
    let mut written = false;
    for old in crontab.split_inclusive('\n') {
        if !is_ours(old, id) {
            text.push_str(old);
        } else if !written {
            text.push_str(line);
            text.push('\n');
            written = true;
        }
    }
    if !written {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// Returns the crontab without our line.
pub(super) fn without(crontab: &str, id: &str) -> String {
    crontab.split_inclusive('\n').filter(|line| !is_ours(line, id)).collect()
}

/// True for a line of ours that cron does not run: somebody made it a comment.
pub(super) fn is_off(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn is_ours(line: &str, id: &str) -> bool {
    line.trim_end_matches(['\n', '\r']).strip_suffix(id).is_some_and(|line| line.ends_with(MARK))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_ours_and_the_others_stay_as_they_are() {
        let ours = line("*/5 * * * *", "syft sync", "syft-a-1");
        let other = line("*/5 * * * *", "syft sync", "syft-a-12");
        let like = "0 * * * * echo syft-service syft-a-1";
        #[rustfmt::skip]
        let cases = [
            ("none yet",            String::new(),                      format!("{ours}\n")),
            ("beside others",       format!("MAILTO=me\n{like}\n"),     format!("MAILTO=me\n{like}\n{ours}\n")),
            ("no end of line",      "MAILTO=me".to_owned(),             format!("MAILTO=me\n{ours}\n")),
            ("of another account",  format!("{other}\n"),               format!("{other}\n{ours}\n")),
            ("again",               format!("{like}\n{ours}\n{other}"), format!("{like}\n{ours}\n{other}")),
            ("an older one",        format!("1 2 3 4 5 x # syft-service syft-a-1\n{like}\n"), format!("{ours}\n{like}\n")),
            ("twice",               format!("{ours}\n{like}\n#{ours}\n"), format!("{ours}\n{like}\n")),
        ];
        for (what, before, after) in cases {
            let with = with(&before, &ours, "syft-a-1");
            assert_eq!(with, after, "{what}");
            assert_eq!(find(&with, "syft-a-1"), Some(ours.as_str()), "{what}");
            let without = without(&with, "syft-a-1");
            assert_eq!(find(&without, "syft-a-1"), None, "{what}");
            for line in before.lines().filter(|line| !is_ours(line, "syft-a-1")) {
                assert!(without.lines().any(|kept| kept == line), "{what}: {line}");
            }
        }
        assert!(is_off(&format!("# {ours}")) && !is_off(&ours));
    }
}
