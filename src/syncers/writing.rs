//! Brings the disk to what was agreed: carries out the writes that are decided.
//!
//! Each write knows what stood there when it was decided. If something else stands there now,
//! somebody edited the file meanwhile: the edit stays, and the next scan finds it. Content is on the
//! disk before it is in its place, and in its place before the write counts as done, so that a power
//! cut leaves no empty file that would look like an edit.

use std::collections::BTreeMap;

use crate::caches::intents::Intent;
use crate::caches::{DatasiteTree, Placed, Staged, intents};
use crate::model::{DatasitePath, Digest, Email, KEPT_ASIDE_MARK, Timestamp};

use super::{Account, Report, Result};

/// How many writes are brought to the disk at once, and how many bytes of content at most.
const WRITES_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 64 * 1024 * 1024;

/// From this many writes on, the disk is told once to keep everything, instead of for each file.
const WRITES_WORTH_ONE_SYNC: usize = 8;

/// Carries out all writes that are decided. Returns how many files were written or removed.
///
/// A write that the disk refuses stays for the next sync and is told in the report.
///
/// # Errors
/// If the database fails or a tree cannot be opened.
pub(super) fn carry_out(account: &Account, report: &mut Report) -> Result<usize> {
    let (mut count, mut after) = (0, 0);
    let mut trees: BTreeMap<Email, DatasiteTree> = BTreeMap::new();
    loop {
        let group = next_group(account, &mut after)?;
        if group.is_empty() {
            return Ok(count);
        }
        for intent in &group {
            if !trees.contains_key(&intent.datasite) {
                trees.insert(intent.datasite.clone(), account.tree(&intent.datasite)?);
            }
        }
        count += carry_out_group(account, &trees, &group, report)?;
    }
}

fn next_group(account: &Account, after: &mut i64) -> Result<Vec<Intent>> {
    let (mut group, mut bytes) = (Vec::new(), 0);
    while group.len() < WRITES_AT_ONCE && bytes < BYTES_AT_ONCE {
        let Some(intent) = account.store.read(|db| intents::next(db, *after))? else { break };
        *after = intent.number;
        bytes += intent.content.as_ref().map_or(0, Vec::len);
        group.push(intent);
    }
    Ok(group)
}

fn carry_out_group(
    account: &Account,
    trees: &BTreeMap<Email, DatasiteTree>,
    group: &[Intent],
    report: &mut Report,
) -> Result<usize> {
    let (mut done, mut staged, mut count) = (Vec::new(), Vec::new(), 0);
    let mut tell = |error| report.problem("not-written", super::sending::told(&error));
    for intent in group {
        let Some(tree) = trees.get(&intent.datasite) else { continue };
        match begin(tree, intent) {
            Ok(Begun::Done { changed }) => {
                count += usize::from(changed);
                done.push(intent.number);
            }
            Ok(Begun::Staged { content, found }) => staged.push((tree, intent, content, found)),
            Err(error) => tell(error),
        }
    }
    let at_once = staged.len() >= WRITES_WORTH_ONE_SYNC && sync_all(trees)?;
    let mut placed = Vec::new();
    for (tree, intent, content, found) in staged {
        let synced = if at_once { Ok(()) } else { content.sync() };
        match synced.and_then(|()| finish(tree, intent, content, found)) {
            Ok(Some(file)) => placed.push((intent.number, file)),
            Ok(None) => done.push(intent.number),
            Err(error) => tell(error),
        }
    }
    let at_once = placed.len() >= WRITES_WORTH_ONE_SYNC && sync_all(trees)?;
    for (number, file) in placed {
        match if at_once { Ok(()) } else { file.sync() } {
            Ok(()) => {
                count += 1;
                done.push(number);
            }
            Err(error) => tell(error),
        }
    }
    account.store.write(|db| done.iter().try_for_each(|number| intents::done(db, *number)))?;
    Ok(count)
}

fn sync_all(trees: &BTreeMap<Email, DatasiteTree>) -> Result<bool> {
    for tree in trees.values() {
        if !tree.sync_all()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How far a write has come.
enum Begun {
    /// There is nothing more to do.
    Done { changed: bool },
    /// The content lies beside its place, where `found` stands.
    Staged { content: Staged, found: Option<Digest> },
}

fn begin(tree: &DatasiteTree, intent: &Intent) -> crate::caches::Result<Begun> {
    let wanted = intent.content.as_deref().map(Digest::of);
    let found = tree.digest(&intent.path)?;
    let is_edited = found != intent.base && (intent.aside.is_none() || found.is_some());
    if found == wanted || is_edited {
        return Ok(Begun::Done { changed: false }); // An edit came after the decision.
    }
    if let Some(content) = &intent.content {
        return Ok(Begun::Staged { content: tree.stage(&intent.path, content)?, found });
    }
    if let (Some(_), Some(name)) = (found, &intent.aside) {
        keep_aside(tree, &intent.path, name)?;
    }
    tree.remove(&intent.path)?;
    Ok(Begun::Done { changed: true })
}

/// Puts what was staged into its place, unless the file was edited meanwhile.
fn finish(
    tree: &DatasiteTree,
    intent: &Intent,
    content: Staged,
    found: Option<Digest>,
) -> crate::caches::Result<Option<Placed>> {
    if tree.digest(&intent.path)? != found {
        return Ok(None);
    }
    if let (Some(_), Some(name)) = (found, &intent.aside) {
        keep_aside(tree, &intent.path, name)?;
    }
    content.place().map(Some)
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
            if let Begun::Staged { content, found } = begin(&tree, &intent).unwrap() {
                finish(&tree, &intent, content, found).unwrap();
            }
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
