//! Brings the disk to what was agreed: carries out the writes that are decided.
//!
//! Each write knows what stood there when it was decided. If something else stands there now,
//! somebody edited the file meanwhile: the edit stays, and the next scan finds it.

use crate::caches::intents::Intent;
use crate::caches::{DatasiteTree, intents};
use crate::model::{DatasitePath, Digest, KEPT_ASIDE_MARK, Timestamp};

use super::{Account, Report, Result};

/// Carries out all writes that are decided. Returns how many files were written or removed.
///
/// A write that the disk refuses stays for the next sync and is told in the report.
///
/// # Errors
/// If the database fails or a tree cannot be opened.
pub(super) fn carry_out(account: &Account, report: &mut Report) -> Result<usize> {
    let (mut count, mut number) = (0, 0);
    while let Some(intent) = account.store.read(|db| intents::next(db, number))? {
        number = intent.number;
        let tree = account.tree(&intent.datasite)?;
        match carry_out_one(&tree, &intent) {
            Ok(changed) => {
                count += usize::from(changed);
                account.store.write(|db| intents::done(db, number))?;
            }
            Err(error) => {
                report.problem("not-written", super::sending::told(&error));
            }
        }
    }
    Ok(count)
}

fn carry_out_one(tree: &DatasiteTree, intent: &Intent) -> crate::caches::Result<bool> {
    let wanted = intent.content.as_deref().map(Digest::of);
    let found = tree.digest(&intent.path)?;
    if found == wanted {
        return Ok(false);
    }
    if found == intent.base {
        if let (Some(_), Some(name)) = (found, &intent.aside) {
            keep_aside(tree, &intent.path, name)?;
        }
    } else if intent.aside.is_none() || found.is_some() {
        return Ok(false); // An edit that came after the decision.
    }
    match &intent.content {
        Some(content) => tree.write(&intent.path, content)?,
        None => tree.remove(&intent.path)?,
    }
    Ok(true)
}

/// Renames a file; under a name close to `name` if that is taken.
fn keep_aside(tree: &DatasiteTree, path: &DatasitePath, name: &str) -> crate::caches::Result<()> {
    let mut outcome = tree.rename(path, name);
    for number in 2..NAMES_ASIDE_MAX {
        match &outcome {
            Err(crate::caches::Error::File { source, .. })
                if source.kind() == std::io::ErrorKind::AlreadyExists =>
            {
                let mark = format!("-{number}{KEPT_ASIDE_MARK}");
                outcome = tree.rename(path, &name.replacen(KEPT_ASIDE_MARK, &mark, 1));
            }
            _ => break,
        }
    }
    outcome
}

/// How many files of names that begin alike are kept aside at one moment in one folder.
const NAMES_ASIDE_MAX: usize = 10_000;

/// The longest extension that a name aside keeps, in bytes; what is longer is none.
const EXTENSION_MAX: usize = 16;

/// Returns the name under which a file is kept aside: `notes.refused-20261121-103000.txt`.
pub(super) fn name_aside(path: &DatasitePath, now: Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp_micros(now.micros())
        .map(|time| time.format("%Y%m%d-%H%M%S").to_string())
        .unwrap_or_default();
    let (stem, extension) = match path.file_name().rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && extension.len() <= EXTENSION_MAX => {
            (stem, format!(".{extension}"))
        }
        _ => (path.file_name(), String::new()),
    };
    // A long name must not grow too long for the file system: 40 characters are 160 bytes at most.
    let stem: String = stem.chars().take(40).collect();
    let part = now.micros().rem_euclid(1_000_000);
    format!("{stem}{KEPT_ASIDE_MARK}{time}-{part:06}{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::is_ignored_name;

    #[test]
    fn a_write_respects_what_came_after_its_decision() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        #[rustfmt::skip]
        let cases = [
            // what                       base        content     aside           found       then        kept
            ("a new file",                None,       Some("n"),  None,           None,       Some("n"),  None),
            ("an update",                 Some("b"),  Some("n"),  None,           Some("b"),  Some("n"),  None),
            ("a removal",                 Some("b"),  None,       None,           Some("b"),  None,       None),
            ("done before a crash",       Some("b"),  Some("n"),  None,           Some("n"),  Some("n"),  None),
            ("edited since",              Some("b"),  Some("n"),  None,           Some("e"),  Some("e"),  None),
            ("deleted since",             Some("b"),  Some("n"),  None,           None,       None,       None),
            ("a new file in the way",     None,       Some("n"),  None,           Some("e"),  Some("e"),  None),
            ("kept aside",                Some("e"),  Some("n"),  Some("k"),      Some("e"),  Some("n"),  Some("e")),
            ("kept aside, then a crash",  Some("e"),  Some("n"),  Some("k"),      None,       Some("n"),  None),
            ("kept aside, edited since",  Some("e"),  Some("n"),  Some("k"),      Some("f"),  Some("f"),  None),
            ("kept aside, to be gone",    Some("e"),  None,       Some("k"),      Some("e"),  None,       Some("e")),
        ];
        for (what, base, content, aside, found, then, kept) in cases {
            let folder = tempfile::tempdir().unwrap();
            let tree = DatasiteTree::open(folder.path()).unwrap();
            let path = DatasitePath::parse("d/f").unwrap();
            if let Some(found) = found {
                tree.write(&path, found.as_bytes()).unwrap();
            }
            let intent = Intent {
                number: 1,
                datasite: crate::model::Email::parse("do@example.org").unwrap(),
                path: path.clone(),
                base: base.map(digest),
                content: content.map(|text: &str| text.as_bytes().to_vec()),
                aside: aside.map(str::to_owned),
            };
            carry_out_one(&tree, &intent).unwrap();
            assert_eq!(tree.digest(&path).unwrap(), then.map(digest), "{what}");
            let aside = DatasitePath::parse("d/k").unwrap();
            assert_eq!(tree.digest(&aside).unwrap(), kept.map(digest), "{what}");
        }
    }

    #[test]
    fn a_name_aside_never_travels() {
        let now = Timestamp::from_micros(1_780_000_000_123_456);
        for path in
            ["d/notes.txt", "d/.env", "README", &"x".repeat(250), &format!("a.{}", "é".repeat(120))]
        {
            let name = name_aside(&DatasitePath::parse(path).unwrap(), now);
            assert!(is_ignored_name(&name) && name.len() < 255, "{name}");
        }
    }
}
