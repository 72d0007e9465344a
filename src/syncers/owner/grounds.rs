//! What is judged by: what stands on the disk, what waits to be written there, and the rules that hold.
//!
//! A change is judged by the paths that it touches, and by what lies above and below them: of all else
//! nothing is looked at, so that a change costs the same in a large datasite as in a small one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::caches::intents::Waiting;
use crate::caches::{DatasiteTree, Scan, agreed, glance, intents, scan};
use crate::model::{Code, DatasitePath, RULE_FILE, Snapshot, Timestamp, is_rule_file};
use crate::permissions::{RULE_BYTES_MAX, SyftPerm};

use super::super::{Account, Report, Result};
use super::nanoseconds;

/// What is judged by, as far as it was looked at.
#[derive(Debug)]
pub(super) struct Grounds<'a> {
    account: &'a Account,
    tree: &'a DatasiteTree,
    /// What stands on the disk.
    found: Cow<'a, Scan>,
    agreed: Arc<Snapshot>,
    waiting: BTreeMap<DatasitePath, Waiting>,
}

impl<'a> Grounds<'a> {
    /// Returns those for everything.
    pub(super) fn for_all(
        account: &'a Account,
        tree: &'a DatasiteTree,
        found: &'a Scan,
    ) -> Result<Self> {
        let agreed = account.store.agreed(&account.email)?;
        let waiting = account.store.read(|db| intents::waiting(db, &account.email))?;
        Ok(Self { account, tree, found: Cow::Borrowed(found), agreed, waiting })
    }

    /// Looks at what matters for changes of `paths`.
    pub(super) fn for_changes(
        account: &'a Account,
        tree: &'a DatasiteTree,
        mut paths: BTreeSet<DatasitePath>,
        now: Timestamp,
    ) -> Result<Self> {
        let rule_files = rule_files(&paths);
        paths.extend(rule_files);
        Self::look(account, tree, paths, now)
    }

    /// Looks at what matters for who may do what at `paths`.
    pub(super) fn for_rights<'p>(
        account: &'a Account,
        tree: &'a DatasiteTree,
        paths: impl IntoIterator<Item = &'p DatasitePath>,
        now: Timestamp,
    ) -> Result<Self> {
        Self::look(account, tree, rule_files(paths), now)
    }

    fn look(
        account: &'a Account,
        tree: &'a DatasiteTree,
        mut paths: BTreeSet<DatasitePath>,
        now: Timestamp,
    ) -> Result<Self> {
        let (store, email, now) = (&account.store, &account.email, nanoseconds(now));
        let waiting = store.read(|db| intents::waiting(db, email))?;
        // What is to be written below a path is in its way.
        let is_below = |path: &&DatasitePath| path.folders().any(|above| paths.contains(&above));
        let below: Vec<_> = waiting.keys().filter(is_below).cloned().collect();
        paths.extend(below);
        let found = match glance(store, tree, email, &paths, now)? {
            Some(found) => found,
            None => scan(store, tree, email, now)?,
        };
        let agreed = store.read(|db| agreed::of(db, email, paths.iter().chain(waiting.keys())))?;
        Ok(Self { account, tree, found: Cow::Owned(found), agreed: Arc::new(agreed), waiting })
    }

    /// Returns what stands on the disk.
    pub(super) fn found(&self) -> &Scan {
        &self.found
    }

    /// Returns the files that proposals are judged by. The disk is the truth, also where an edit is not
    /// announced yet: a proposal that was made from what the owner has since changed is outdated. But
    /// where a write waits that the disk refuses, what was agreed counts and not what is to give way.
    pub(super) fn files(&self) -> Snapshot {
        let found = &self.found;
        let mut files = found.files.clone();
        files.extend(found.restless.iter().map(|(path, digest)| (path.clone(), *digest)));
        for (path, write) in &self.waiting {
            if !found.is_unread(path) && !write.may_replace(found.standing(path)) {
                continue;
            }
            match self.agreed.get(path) {
                Some(digest) => files.insert(path.clone(), *digest),
                None => files.remove(path),
            };
        }
        files
    }

    /// Returns the folders whose rules are not known: they are there and cannot be looked at, or wait to
    /// be written. Who may read what lies below is not known then.
    pub(super) fn folders_without_rules(&self) -> BTreeSet<String> {
        let Self { found, waiting, .. } = self;
        let unknown = self.agreed.keys().filter(|path| {
            let is_there = found.files.contains_key(path);
            let is_unknown = || waiting.contains_key(path) || !is_there && found.is_unknown(path);
            is_rule_file(path) && is_unknown()
        });
        let unread = found.unreadable.iter().map(|unreadable| unreadable.path.as_str());
        let unread = unread.filter(|path| path.rsplit('/').next() == Some(RULE_FILE));
        unknown.map(DatasitePath::as_str).chain(unread).map(folder_of).collect()
    }

    /// Compiles the permission rules that stand on disk.
    pub(super) fn rules(&self, report: &mut Report) -> Result<SyftPerm> {
        // What is no rule file closes its folder to all but the owner.
        let closed = |folder: String| (folder, b"\xff".to_vec());
        let unknown = self.folders_without_rules();
        let mut rule_files = Vec::new();
        for path in self.found.files.keys().filter(|path| is_rule_file(path)) {
            let folder = folder_of(path.as_str());
            if !unknown.contains(&folder) {
                // One byte too much shows that it is too large, and that holds nothing up.
                let content = self.tree.read_first(path, RULE_BYTES_MAX + 1)?;
                rule_files.push((folder, content.unwrap_or_default()));
            }
        }
        rule_files.extend(unknown.into_iter().map(closed));
        let (rules, problems) = SyftPerm::compile(&self.account.email, rule_files);
        for problem in problems {
            let text = format!("{problem}: {}", problem.source);
            if !report.problems.iter().any(|known| known.message == text) {
                report.problem(Code::RulesNotUsable, text);
            }
        }
        Ok(rules)
    }
}

/// Returns the folder of a path; the root is the empty text.
fn folder_of(path: &str) -> String {
    path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned()
}

/// Returns the rule files that may say who may do what at `paths`: those in the folders above them.
fn rule_files<'p>(paths: impl IntoIterator<Item = &'p DatasitePath>) -> BTreeSet<DatasitePath> {
    let folders: BTreeSet<_> = paths.into_iter().flat_map(DatasitePath::folders).collect();
    let in_folders = folders.iter().map(|folder| folder.join(RULE_FILE));
    in_folders.chain([DatasitePath::parse(RULE_FILE)]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::account::tests::account;
    use super::*;
    use crate::connections::MemoryDrive;
    use crate::model::{Email, Role};
    use crate::permissions::Level;

    #[test]
    fn a_rule_file_of_any_size_closes_its_folder_and_stops_nothing() {
        let drive = MemoryDrive::new();
        let (account, _home) = account(&drive, "do@example.org", Role::Owner);
        let tree = account.tree(&account.email).unwrap();
        let path = |text: &str| DatasitePath::parse(text).unwrap();
        let rule = b"rules: [{pattern: '**', access: {write: ['*']}}]";
        for folder in ["open", "closed"] {
            tree.write(&path(&format!("{folder}/{RULE_FILE}")), rule).unwrap();
        }
        // More than is ever read into memory.
        let file = tree.root().join("closed").join(RULE_FILE);
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_len(65 * 1024 * 1024).unwrap();
        let paths = ["open/x", "closed/x"].map(path);
        let now = Timestamp::from_micros(1_780_000_000_000_000);
        let grounds = Grounds::for_changes(&account, &tree, paths.clone().into(), now).unwrap();
        let mut report = Report::default();
        let rules = grounds.rules(&mut report).unwrap();
        let peer = Email::parse("ds@example.org").unwrap();
        assert_eq!(paths.map(|path| rules.allows(&peer, &path, Level::Write)), [true, false]);
        let [problem] = report.problems.as_slice() else { panic!("{report:?}") };
        assert_eq!(problem.code, Code::RulesNotUsable);
        assert!(problem.message.contains("`closed/syft.pub.yaml`"), "{problem:?}");
        assert!(problem.message.contains("more than"), "{problem:?}");
    }

    #[test]
    fn the_rule_files_for_a_path_are_those_in_the_folders_above_it() {
        let path = |text: &str| DatasitePath::parse(text).unwrap();
        let [one, two, three] = ["a", "d/e/f", "d/syft.pub.yaml"].map(path);
        let found = rule_files([&one, &two, &three]);
        let names: Vec<&str> = found.iter().map(DatasitePath::as_str).collect();
        assert_eq!(names, ["d/e/syft.pub.yaml", "d/syft.pub.yaml", "syft.pub.yaml"]);
    }
}
