//! Brings the disk to what was agreed: carries out the writes that are decided.
//!
//! Each write knows what is to stand there before. If something else stands there, somebody edited
//! the file, perhaps after a crash and without having seen what was agreed: an owner's edit stays, and
//! the next scan finds it; a scientist's is kept under another name, for as a proposal it would seem
//! to be made of what was agreed. Content is on the
//! disk before it is in its place, and in its place before the write counts as done, so that a power
//! cut leaves no empty file that would look like an edit.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use crate::caches::intents::Intent;
use crate::caches::{Contents, DatasiteTree, Placed, Staged, Store, agreed, expect_room, intents};
use crate::model::{DatasitePath, Digest, Email, KEPT_ASIDE_MARK, Timestamp};
use crate::wire::{Content, Larder, Proven};

use super::{Account, Refused, Report, Result};

/// How many writes are brought to the disk at once, and how many bytes of content at most.
const WRITES_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: u64 = 64 * 1024 * 1024;

/// From this many writes on, the disk is told once to keep everything, instead of for each file.
const WRITES_WORTH_ONE_SYNC: usize = 8;

/// Carries out all writes that are decided. Returns how many files were written or removed.
///
/// A write that the disk refuses stays for the next sync and is told in the report.
///
/// # Errors
/// If the database fails or a tree cannot be opened.
pub(super) fn carry_out(account: &Account, report: &mut Report) -> Result<usize> {
    carry_out_but(account, &BTreeSet::new(), report)
}

/// As [`carry_out`], but leaves the trees of `held` alone.
///
/// # Errors
/// As [`carry_out`].
pub(super) fn carry_out_but(
    account: &Account,
    held: &BTreeSet<Email>,
    report: &mut Report,
) -> Result<usize> {
    let (mut count, mut after) = (0, 0);
    let mut trees: BTreeMap<Email, DatasiteTree> = BTreeMap::new();
    loop {
        let mut group = next_group(account, &mut after)?;
        if group.is_empty() {
            return Ok(count);
        }
        group.retain(|intent| !held.contains(&intent.datasite));
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
        bytes += intent.content.as_ref().map_or(0, Content::size_bytes);
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
    let contents = account.contents();
    for intent in group {
        let Some(tree) = trees.get(&intent.datasite) else { continue };
        match begin((&account.store, &contents), tree, intent) {
            Ok(Begun::Done { changed, kept }) => {
                count += usize::from(changed);
                done.push(intent.number);
                if kept {
                    tell_kept(account, report, intent);
                }
            }
            Ok(Begun::Staged { content, kept }) => {
                if kept {
                    tell_kept(account, report, intent);
                }
                staged.push((tree, intent, content));
            }
            Err(error) => tell(report, intent.number, &error),
        }
    }
    let at_once = staged.len() >= WRITES_WORTH_ONE_SYNC && sync_all(trees)?;
    let mut placed = Vec::new();
    for (tree, intent, content) in staged {
        let synced = if at_once { Ok(()) } else { content.sync() };
        match synced.and_then(|()| finish(tree, intent, content)) {
            Ok(finished) => {
                if finished.kept || is_kept_version(intent) {
                    tell_kept(account, report, intent);
                }
                match finished.placed {
                    Some(file) => placed.push((intent.number, file)),
                    None => done.push(intent.number),
                }
            }
            Err(error) => tell(report, intent.number, &error),
        }
    }
    let at_once = placed.len() >= WRITES_WORTH_ONE_SYNC && sync_all(trees)?;
    for (number, file) in placed {
        match if at_once { Ok(()) } else { file.sync() } {
            Ok(()) => {
                count += 1;
                done.push(number);
            }
            Err(error) => tell(report, number, &error),
        }
    }
    done.iter().for_each(|number| report.written(*number));
    account.store.write(|db| done.iter().try_for_each(|number| intents::done(db, *number)))?;
    Ok(count)
}

fn tell(report: &mut Report, number: i64, error: &crate::caches::Error) {
    report.not_written(number, super::sending::told(error));
}

/// True if what is written is itself a version that gave way.
fn is_kept_version(intent: &Intent) -> bool {
    intent.path.file_name().contains(KEPT_ASIDE_MARK)
}

/// Tells of a version that is kept beside its file.
fn tell_kept(account: &Account, report: &mut Report, intent: &Intent) {
    let reason = if account.email.is_same_account(intent.datasite.as_str()) {
        "it was changed on two machines; the version that gave way is kept beside it"
    } else {
        "the owner's file counts; your version is kept beside it"
    };
    report.refused.push(Refused {
        path: intent.path.to_string(),
        peer: intent.datasite.clone(),
        reason: reason.to_owned(),
    });
}

fn sync_all(trees: &BTreeMap<Email, DatasiteTree>) -> Result<bool> {
    for tree in trees.values() {
        if !tree.sync_all()? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is to be done about a write, by what stands in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Nothing: it is done, or an edit stays where it is.
    Nothing,
    /// What stands there is replaced.
    Replace,
    /// What stands there is an edit: it is kept under another name first.
    KeepAndReplace,
}

fn next(intent: &Intent, found: Option<Digest>) -> Next {
    let wanted = intent.content.as_ref().map(Content::digest);
    if found == wanted {
        return Next::Nothing;
    }
    match (&intent.aside, found) {
        _ if found == intent.base => Next::Replace,
        // A deletion that nobody was asked about does not count against what the owner says.
        (Some(_), None) => Next::Replace,
        // It was made on something older than what was agreed since, so it may not replace that.
        (Some(_), Some(_)) => Next::KeepAndReplace,
        (None, _) => Next::Nothing,
    }
}

/// How far a write has come.
enum Begun {
    /// There is nothing more to do.
    Done { changed: bool, kept: bool },
    /// The content lies beside its place. `kept`: a folder that stood there does not any more.
    Staged { content: Staged, kept: bool },
}

fn begin(
    (store, contents): (&Store, &Contents),
    tree: &DatasiteTree,
    intent: &Intent,
) -> crate::caches::Result<Begun> {
    let found = tree.digest(&intent.path)?;
    if intent.base.is_none() && found.is_some() && !tree.is_listed(&intent.path)? {
        return Err(in_the_way(tree, intent, "a file stands there whose name is the same here"));
    }
    let next = next(intent, found);
    if next == Next::Nothing {
        return Ok(Begun::Done { changed: false, kept: false });
    }
    if let Some(content) = &intent.content {
        let kept = make_room(store, tree, intent)?;
        return Ok(Begun::Staged { content: stage(contents, tree, &intent.path, content)?, kept });
    }
    let kept = next == Next::KeepAndReplace && keep_aside(tree, intent)?;
    tree.remove(&intent.path)?;
    Ok(Begun::Done { changed: true, kept })
}

/// Writes a content beside its place.
fn stage(
    contents: &Contents,
    tree: &DatasiteTree,
    path: &DatasitePath,
    content: &Content,
) -> crate::caches::Result<Staged> {
    let mut held;
    let mut lying;
    let from: &mut dyn Read = match content {
        Content::Large(large) => {
            let opened = Larder::open(contents, large);
            // What others sent leaves some of the disk free.
            let opened =
                opened.and_then(|file| expect_room(tree.root(), large.size_bytes).map(|()| file));
            let failed = crate::caches::Error::at(path.below(tree.root()), "written");
            lying = Proven::new(opened.map_err(failed)?, *large);
            &mut lying
        }
        Content::Text(_) | Content::Binary(_) => {
            held = content.inline().unwrap_or_default();
            &mut held
        }
    };
    tree.stage_from(path, from)
}

/// Sees to a folder that stands where a file is to be. One in which nothing is agreed is kept aside
/// as a whole; then the answer is true.
fn make_room(store: &Store, tree: &DatasiteTree, intent: &Intent) -> crate::caches::Result<bool> {
    let (datasite, path) = (&intent.datasite, &intent.path);
    if !tree.is_occupied_folder(path)? {
        return Ok(false);
    }
    if intent.aside.is_none() || store.read(|db| agreed::any_below(db, datasite, path))? {
        return Err(in_the_way(tree, intent, "a folder stands there that is not empty"));
    }
    keep_aside(tree, intent)
}

fn in_the_way(tree: &DatasiteTree, intent: &Intent, what: &'static str) -> crate::caches::Error {
    let source = std::io::Error::new(std::io::ErrorKind::AlreadyExists, what);
    crate::caches::Error::at(intent.path.below(tree.root()), "written")(source)
}

/// How a write with content ended.
struct Finished {
    /// What is in its place, if it is.
    placed: Option<Placed>,
    /// True if an edit was kept under another name.
    kept: bool,
}

/// Puts what was staged into its place; what stands there is looked at again.
fn finish(
    tree: &DatasiteTree,
    intent: &Intent,
    content: Staged,
) -> crate::caches::Result<Finished> {
    let next = next(intent, tree.digest(&intent.path)?);
    if next == Next::Nothing {
        return Ok(Finished { placed: None, kept: false });
    }
    let kept = next == Next::KeepAndReplace && keep_aside(tree, intent)?;
    Ok(Finished { placed: Some(content.place()?), kept })
}

/// Renames the file at the place of a write; under a name close to the one for it if that is taken.
/// True if there is a name for it.
fn keep_aside(tree: &DatasiteTree, intent: &Intent) -> crate::caches::Result<bool> {
    let (path, Some(name)) = (&intent.path, &intent.aside) else { return Ok(false) };
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
    outcome.map(|()| true)
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
            // what                         base        content     aside           found       then        kept
            ("a new file",                  None,       Some("n"),  None,           None,       Some("n"),  None),
            ("an update",                   Some("b"),  Some("n"),  None,           Some("b"),  Some("n"),  None),
            ("a removal",                   Some("b"),  None,       None,           Some("b"),  None,       None),
            ("done before a crash",         Some("b"),  Some("n"),  None,           Some("n"),  Some("n"),  None),
            ("an owner's edit",             Some("b"),  Some("n"),  None,           Some("e"),  Some("e"),  None),
            ("an owner's deletion",         Some("b"),  Some("n"),  None,           None,       None,       None),
            ("an owner's new file",         None,       Some("n"),  None,           Some("e"),  Some("e"),  None),
            ("a scientist's update",        Some("b"),  Some("n"),  Some("k"),      Some("b"),  Some("n"),  None),
            ("a scientist's removal",       Some("b"),  None,       Some("k"),      Some("b"),  None,       None),
            ("a scientist's edit",          Some("b"),  Some("n"),  Some("k"),      Some("e"),  Some("n"),  Some("e")),
            ("a scientist's new file",      None,       Some("n"),  Some("k"),      Some("e"),  Some("n"),  Some("e")),
            ("a scientist's deletion",      Some("b"),  Some("n"),  Some("k"),      None,       Some("n"),  None),
            ("a crash after keeping aside", Some("b"),  Some("n"),  Some("k"),      None,       Some("n"),  None),
            ("an edit of what is to go",    Some("b"),  None,       Some("k"),      Some("e"),  None,       Some("e")),
            ("an edit that is the same",    Some("b"),  Some("n"),  Some("k"),      Some("n"),  Some("n"),  None),
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
                content: content.map(|text: &str| Content::Text(text.to_owned())),
                aside: aside.map(str::to_owned),
            };
            let store = Store::in_memory().unwrap();
            let contents = Contents::at(folder.path().join("contents"));
            if let Begun::Staged { content, .. } =
                begin((&store, &contents), &tree, &intent).unwrap()
            {
                finish(&tree, &intent, content).unwrap();
            }
            assert_eq!(tree.digest(&path).unwrap(), then.map(digest), "{what}");
            let aside = DatasitePath::parse("d/k").unwrap();
            assert_eq!(tree.digest(&aside).unwrap(), kept.map(digest), "{what}");
        }
    }

    #[test]
    fn an_edit_that_comes_while_content_is_brought_to_the_disk_is_seen() {
        let digest = |text: &str| Digest::of(text.as_bytes());
        #[rustfmt::skip]
        let cases = [
            // what                       aside       meanwhile   then        kept
            ("an owner's edit stays",     None,       Some("e"),  Some("e"),  None),
            ("an owner's deletion, too",  None,       None,       None,       None),
            ("a scientist's is kept",     Some("k"),  Some("e"),  Some("n"),  Some("e")),
            ("its deletion is not",       Some("k"),  None,       Some("n"),  None),
        ];
        for (what, aside, meanwhile, then, kept) in cases {
            let folder = tempfile::tempdir().unwrap();
            let tree = DatasiteTree::open(folder.path()).unwrap();
            let path = DatasitePath::parse("d/f").unwrap();
            tree.write(&path, b"b").unwrap();
            let intent = Intent {
                number: 1,
                datasite: crate::model::Email::parse("do@example.org").unwrap(),
                path: path.clone(),
                base: Some(digest("b")),
                content: Some(Content::Text("n".to_owned())),
                aside: aside.map(str::to_owned),
            };
            let contents = Contents::at(folder.path().join("contents"));
            let begun = begin((&Store::in_memory().unwrap(), &contents), &tree, &intent).unwrap();
            let Begun::Staged { content, .. } = begun else { panic!("{what}") };
            match meanwhile {
                Some(edit) => std::fs::write(path.below(tree.root()), edit).unwrap(),
                None => std::fs::remove_file(path.below(tree.root())).unwrap(),
            }
            finish(&tree, &intent, content).unwrap();
            assert_eq!(tree.digest(&path).unwrap(), then.map(digest), "{what}");
            let aside = DatasitePath::parse("d/k").unwrap();
            assert_eq!(tree.digest(&aside).unwrap(), kept.map(digest), "{what}");
            let left = std::fs::read_dir(tree.root().join("d")).unwrap().count();
            assert_eq!(left, then.iter().chain(&kept).count(), "{what}: nothing of ours is left");
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
