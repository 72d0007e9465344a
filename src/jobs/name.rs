//! What a job may be called.
//!
//! Pure. The directory's name is the only identity of a job. What `config.yaml` says is ignored,
//! since a submitter chooses it freely and could steer paths with it.

use std::fmt;

/// The name of a job: the name of its directory.
///
/// Invariant: one path component of at most 128 bytes; no control or direction-changing
/// character; no blank at either end; no leading dot; not `v1`, `v2`, … (those are layouts) and
/// not the name of a permission file; none of `* ? [ ] { } ! | \ /`, because names become part of
/// patterns in permission rules, where a job called `*` would speak for all others.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobName(String);

/// A text that cannot name a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` cannot be the name of a job: {reason}")]
pub struct InvalidName {
    shown: String,
    reason: &'static str,
}

const LENGTH_MAX: usize = 128;

impl JobName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`InvalidName`] with the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        match fault(text) {
            None => Ok(Self(text.to_owned())),
            Some(reason) => {
                let shown = text.chars().take(80).flat_map(char::escape_debug).collect();
                Err(InvalidName { shown, reason })
            }
        }
    }

    /// Reads a name that somebody chooses for a job of ours: one that every command takes as it is.
    ///
    /// # Errors
    /// As [`JobName::parse`], and if it begins as options do.
    pub fn choose(text: &str) -> Result<Self, InvalidName> {
        let name = Self::parse(text)?;
        match name.0.starts_with('-') {
            true => {
                Err(InvalidName { shown: name.0, reason: "it starts with a dash, as options do" })
            }
            false => Ok(name),
        }
    }

    /// Returns the name that a job gets when nobody named it: `Job - 1a2b3c4d`, as the Python
    /// client does. `random` supplies the digits.
    pub fn unnamed(random: u32) -> Self {
        Self(format!("Job - {random:08x}"))
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn fault(text: &str) -> Option<&'static str> {
    const PATTERN: [char; 10] = ['*', '?', '[', ']', '{', '}', '!', '|', '\\', '/'];
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > LENGTH_MAX {
        Some("it is longer than 128 bytes")
    } else if text.contains(PATTERN) {
        Some("it contains one of `* ? [ ] { } ! | \\ /`")
    } else if text.chars().any(is_deceptive) {
        Some("it contains a control character or one that changes the direction of text")
    } else if text.trim() != text {
        Some("it starts or ends with a blank")
    } else if text.starts_with('.') {
        Some("it starts with a dot")
    } else if is_layout(text) {
        Some("`v` and digits name a layout")
    } else if text.eq_ignore_ascii_case("syft.pub.yaml") {
        Some("that is the name of permission files")
    } else {
        None
    }
}

/// True if a listing that shows `c` could be made to show something else.
pub(crate) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// True if `directory` is the segment of a job layout (`v1`, …) and therefore not a job.
pub(crate) fn is_layout(directory: &str) -> bool {
    directory
        .strip_prefix('v')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobName({})", self.0)
    }
}

impl AsRef<str> for JobName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::DatasitePath;

    #[test]
    fn w7_a_job_is_named_by_one_harmless_path_component() {
        for good in ["census-count", "bash job", "Job - 1a2b3c4d", "v1x", "über", "a.b", "v"] {
            assert_eq!(JobName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            "../../x",
            "a/b",
            "a\\b",
            "v1",
            "v22",
            "*",
            "a[b]",
            "{a,b}",
            "!a",
            "?",
            " a",
            "a ",
            "a\nb",
            "a\u{202e}b",
            "a\0",
            ".hidden",
            "syft.pub.yaml",
            "Syft.Pub.Yaml",
        ] {
            assert!(JobName::parse(bad).is_err(), "{bad:?}");
        }
        assert!(JobName::parse(&"x".repeat(129)).is_err());
        assert!(JobName::parse("-x").is_ok(), "others may call theirs so");
        assert!(JobName::choose("-x").is_err() && JobName::choose("x-").is_ok());
    }

    #[test]
    fn an_unnamed_job_is_named_as_the_python_client_does() {
        assert_eq!(JobName::unnamed(0x1a).as_str(), "Job - 0000001a");
        assert!(JobName::parse(JobName::unnamed(u32::MAX).as_str()).is_ok());
    }

    proptest! {
        #[test]
        fn a_name_is_always_one_part_of_a_path(text in "\\PC{0,20}") {
            if let Ok(name) = JobName::parse(&text) {
                let path = DatasitePath::parse(&format!("inbox/{name}")).unwrap();
                prop_assert_eq!(path.parts().count(), 2);
            }
        }
    }
}
