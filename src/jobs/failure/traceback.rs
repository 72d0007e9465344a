//! Finds the exception and the place of a Python traceback in what a job printed.
//!
//! Pure. What is read is hostile, so what is returned is never a part of it: an exception is one of
//! the list in `exceptions`, a file one of the submission, a line one that this file has. The last
//! traceback counts, as the last is what ended the program; of its frames that nearest to the error
//! which is submitted code. Source: how CPython prints tracebacks, exception groups and syntax
//! errors (3.8 to 3.14), and what it printed in the tests.

use super::CodeFile;
use super::exceptions::known;
use crate::model::DatasitePath;

/// What a traceback says, in words that were there before.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found<'a> {
    pub(super) exception: Option<&'static str>,
    pub(super) place: Option<(&'a DatasitePath, u32)>,
}

/// How much of the end is read: a log is cut before, and a message may be very long.
const TAIL_BYTES: usize = 16 << 20;

const BEGIN: &str = "Traceback (most recent call last):";

/// Where submitted code lies in a run, below the folder of inboxes.
const INBOX: &str = "/app_data/job/inbox/";
const CODE: &str = "/code/";

/// Reads the last traceback of `stderr`; `files` are the Python files of the submission.
pub(super) fn read<'a>(stderr: &[u8], files: &[&'a CodeFile]) -> Found<'a> {
    let tail = stderr.get(stderr.len().saturating_sub(TAIL_BYTES)..).unwrap_or(stderr);
    let text = String::from_utf8_lossy(tail);
    let lines: Vec<&str> = text.lines().map(|line| line.trim_end_matches('\r')).collect();
    let begins = lines.iter().enumerate().rev();
    let begin = begins.filter_map(|(place, line)| Some((place, margin(line)?))).next();
    match begin.and_then(|(place, margin)| Some((margin, lines.get(place + 1..)?))) {
        Some((margin, rest)) => after(margin, rest, files),
        None => syntax_error(&lines, files),
    }
}

/// Returns what the lines of a traceback begin with, if this is the first line of one that is no
/// member of a group. Words that were printed without an end may stand before it.
fn margin(line: &str) -> Option<&'static str> {
    let before = line.strip_suffix(BEGIN)?;
    if before.ends_with("+ Exception Group ") {
        Some("  | ")
    } else {
        (!before.ends_with("| ")).then_some("")
    }
}

/// Reads what follows the first line of a traceback: frames, then the exception.
fn after<'a>(margin: &str, rest: &[&str], files: &[&'a CodeFile]) -> Found<'a> {
    let mut found = Found::default();
    for line in rest {
        // A line of a group that has no margin is not of its traceback.
        let Some(line) = line.strip_prefix(margin) else { break };
        if let Some(place) = frame(line, files) {
            found.place = place.or(found.place);
        } else if !line.starts_with(' ') && !line.is_empty() {
            found.exception = Some(known(name(line)));
            break;
        }
    }
    found
}

/// Reads what a program that could not be compiled prints: a place, then the exception.
fn syntax_error<'a>(lines: &[&str], files: &[&'a CodeFile]) -> Found<'a> {
    const NAMES: [&str; 3] = ["SyntaxError", "IndentationError", "TabError"];
    let Some(end) = lines.iter().rposition(|line| NAMES.contains(&name(line))) else {
        return Found::default();
    };
    let mut found = Found { exception: lines.get(end).map(|line| known(name(line))), place: None };
    for line in lines.get(..end).unwrap_or_default().iter().rev() {
        if let Some(place) = frame(line, files) {
            found.place = place;
            break;
        }
        if !line.starts_with(' ') {
            break; // it belongs to something else
        }
    }
    found
}

/// The name of an exception at the beginning of its line: what stands before the first colon.
fn name(line: &str) -> &str {
    line.split(':').next().unwrap_or_default().trim_end()
}

/// Reads `  File "…", line N`, which other words may follow. `None` if the line is no frame; within,
/// `None` if it is none of submitted code.
fn frame<'a>(line: &str, files: &[&'a CodeFile]) -> Option<Option<(&'a DatasitePath, u32)>> {
    let (path, rest) = line.strip_prefix("  File \"")?.split_once("\", line ")?;
    let digits = rest.split(',').next().unwrap_or_default().trim_end();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        return None;
    }
    let number: u32 = digits.parse().unwrap_or(0);
    let at = files.iter().filter(|file| is_at(path, file.path.as_str()));
    // The longest: a submission may have folders called `code` itself.
    let file = at.max_by_key(|file| file.path.as_str().len());
    Some(file.filter(|file| (1..=file.lines).contains(&number)).map(|file| (&file.path, number)))
}

/// True if `path`, as a process in the job's folder names it, is the submitted file `file`.
fn is_at(path: &str, file: &str) -> bool {
    let relative = path.strip_prefix("./").unwrap_or(path);
    if relative == file || relative.strip_prefix("code/") == Some(file) {
        return true;
    }
    let Some((_, below)) = path.split_once(INBOX) else { return false };
    below.strip_suffix(file).is_some_and(|folder| folder.ends_with(CODE))
}
