//! What is different between two versions of a submission.
//!
//! Pure: [`changes`] compares lists of files, [`of_texts`] the contents of one. Both versions are a
//! stranger's, so whatever is compared line by line is bounded, in size and in time; what is beyond
//! that is told by size and digest.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::snapshot::Snapshot;
use crate::model::{DatasitePath, Digest, shown};

/// One file that is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path below the job's directory.
    pub path: DatasitePath,
    /// What it was; `None` if it was not there.
    pub before: Option<Version>,
    /// What it is; `None` if it is gone.
    pub after: Option<Version>,
    /// How its text differs, in the unified form; `None` if it is no text, or too much of it.
    pub diff: Option<String>,
}

/// One content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It was not there before.
    Added,
    /// It is gone.
    Removed,
    /// It has another content.
    Changed,
}

/// Several changes in a few words: "`run.sh` changed, `code/x.py` added".
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary(String);

/// The longest text that is compared line by line.
pub(crate) const COMPARED_MAX: usize = 256 << 10; // as much as a review shows of a file

/// How long the comparison of one file may take before it settles for a longer diff.
const TIME_MAX: Duration = Duration::from_millis(300);

/// How many changes a summary names.
const NAMED_MAX: usize = 3;

impl Change {
    /// Returns what became of the file.
    pub const fn kind(&self) -> ChangeKind {
        match (self.before, self.after) {
            (None, _) => ChangeKind::Added,
            (Some(_), None) => ChangeKind::Removed,
            (Some(_), Some(_)) => ChangeKind::Changed,
        }
    }
}

impl ChangeKind {
    /// Returns the word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
        }
    }
}

impl Summary {
    /// Puts `changes` into a few words, fit for a terminal.
    pub fn of(changes: &[Change]) -> Self {
        let words = |change: &Change| {
            let path = shown::safe_line(change.path.as_str());
            format!("`{path}` {}", change.kind().as_str())
        };
        let mut named: Vec<String> = changes.iter().take(NAMED_MAX).map(words).collect();
        match changes.len().checked_sub(NAMED_MAX) {
            None | Some(0) => {}
            Some(more) => named.push(format!("and {more} more")),
        }
        Self(named.join(", "))
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("its files differ") } else { f.write_str(&self.0) }
    }
}

/// Returns which files differ, sorted by path, without their texts.
pub fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    let find = |files: &Snapshot, path: &DatasitePath| {
        let found = files.files.binary_search_by(|(other, ..)| other.cmp(path)).ok()?;
        let (_, digest, size) = &files.files[found];
        Some(Version { digest: *digest, size: *size })
    };
    let all = before.files.iter().chain(&after.files);
    let mut paths: Vec<&DatasitePath> = all.map(|(path, ..)| path).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| (path, find(before, path), find(after, path)))
        .filter(|(_, before, after)| before != after)
        .map(|(path, before, after)| Change { path: path.clone(), before, after, diff: None })
        .collect()
}

/// Returns how one text became another, in the unified form; a file that was not there is empty.
/// `None` if one of them is no text or too long.
pub fn of_texts(path: &DatasitePath, before: &[u8], after: &[u8]) -> Option<String> {
    let [before, after] = [as_text(before)?, as_text(after)?];
    let diff = similar::TextDiff::configure().timeout(TIME_MAX).diff_lines(before, after);
    let name = path.as_str();
    Some(diff.unified_diff().context_radius(3).header(name, name).to_string())
}

/// Returns `content` if it is a text of bounded length.
pub(crate) fn as_text(content: &[u8]) -> Option<&str> {
    let is_short = content.len() <= COMPARED_MAX && !content.contains(&0);
    is_short.then(|| std::str::from_utf8(content).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(files: &[(&str, &str)]) -> Snapshot {
        let file = |(path, text): &(&str, &str)| {
            let path = DatasitePath::parse(path).unwrap();
            (path, Digest::of(text.as_bytes()), text.len() as u64)
        };
        Snapshot::of(files.iter().map(file).collect())
    }

    #[test]
    fn what_was_added_removed_and_changed_is_named() {
        let before = files(&[("code/a.py", "1"), ("code/b.py", "2"), ("run.sh", "x")]);
        let after = files(&[("code/a.py", "1"), ("code/c.py", "2"), ("run.sh", "y")]);
        let found = changes(&before, &after);
        let kinds: Vec<_> = found.iter().map(|c| (c.path.as_str(), c.kind().as_str())).collect();
        let expected = [("code/b.py", "removed"), ("code/c.py", "added"), ("run.sh", "changed")];
        assert_eq!(kinds, expected);
        assert_eq!(
            Summary::of(&found).to_string(),
            "`code/b.py` removed, `code/c.py` added, `run.sh` changed"
        );
        assert!(changes(&before, &before).is_empty());
        let many = files(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("e", "1")]);
        let many = Summary::of(&changes(&files(&[]), &many)).to_string();
        assert!(many.ends_with("`c` added, and 2 more"), "{many}");
    }

    #[test]
    fn texts_are_compared_line_by_line() {
        let path = DatasitePath::parse("code/main.py").unwrap();
        let diff = of_texts(&path, b"a\nb\nc\n", b"a\nX\nc\n").unwrap();
        let expected = "--- code/main.py\n+++ code/main.py\n@@ -1,3 +1,3 @@\n a\n-b\n+X\n c\n";
        assert_eq!(diff, expected);
        assert!(of_texts(&path, b"", b"new\n").unwrap().contains("+new"));
        let ending = of_texts(&path, b"a", b"a\n").unwrap();
        assert!(
            ending.contains("No newline at end of file"),
            "an end of line is a change: {ending}"
        );
        let returns = of_texts(&path, b"a\n", b"a\r\n").unwrap();
        assert!(returns.contains("-a\n+a\r\n"), "{returns:?}");
    }

    #[test]
    fn what_is_no_text_or_without_bound_is_not_compared() {
        let path = DatasitePath::parse("x").unwrap();
        assert_eq!(of_texts(&path, b"a", b"\xff\xfe"), None);
        assert_eq!(of_texts(&path, b"a\0b", b"a"), None);
        assert_eq!(of_texts(&path, b"", &vec![b'a'; COMPARED_MAX + 1]), None);
    }

    #[test]
    fn two_texts_with_nothing_in_common_end_in_time() {
        let path = DatasitePath::parse("x").unwrap();
        let lines = |c: char| {
            let line = |n: usize| format!("{c}{}\n", n % 7919);
            (0..40_000).map(line).collect::<String>()
        };
        let (before, after) = (lines('a'), lines('b'));
        assert!(before.len() < COMPARED_MAX);
        let diff = of_texts(&path, before.as_bytes(), after.as_bytes()).unwrap();
        assert!(diff.lines().filter(|line| line.starts_with('+')).count() >= 40_000);
    }
}
