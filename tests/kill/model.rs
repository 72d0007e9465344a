//! What people did to their files, and what must have become of it in the end.
//!
//! Four kinds of files. `open/` and `closed/` are the owner's: it alone decides what they hold, and
//! edits of the scientist in `open/` are refused. `shared/own-…` is edited by the scientist alone, so
//! its last edit must be everybody's. `shared/both-…` is edited by both: whoever comes second is
//! refused, so the owner's edit is replaced only by an edit that was made on top of it.
//!
//! No two edits write the same, so a content tells which edit it is.

use std::collections::{BTreeMap, BTreeSet};

use super::chance::Chance;
use super::world::Account;

const FILES_OF_A_KIND: u64 = 4;

type Content = Option<String>;

/// An edit of a scientist.
#[derive(Clone, Debug)]
struct Edit {
    path: String,
    base: Content,
    content: Content,
}

/// What was done so far.
#[derive(Debug, Default)]
pub(crate) struct Model {
    edits: u64,
    /// What the owner's own files hold.
    owners: BTreeMap<String, Content>,
    /// What the scientist's own files hold.
    scientists: BTreeMap<String, Content>,
    /// What both edit, as it stood on the owner's disk when somebody looked last.
    seen: BTreeMap<String, Content>,
    /// All that the scientist did to files that are not its own.
    contested: Vec<Edit>,
    /// Edits that their maker wrote over, or that the owner is known to have taken in.
    settled: BTreeSet<String>,
}

impl Model {
    /// Edits some files on both sides. Nobody syncs meanwhile.
    pub(crate) fn edit(&mut self, chance: &mut Chance, owner: &Account, scientist: &Account) {
        self.look(owner);
        for _ in 0..chance.below(4) {
            let folder = ["open", "closed"][usize::from(chance.is(1, 3))];
            let path = format!("{folder}/{}.txt", chance.below(FILES_OF_A_KIND));
            let content = self.content(chance, "owner");
            owner.put(&path, content.as_deref());
            self.owners.insert(path, content);
        }
        if chance.is(1, 3) {
            let path = format!("shared/both-{}.txt", chance.below(FILES_OF_A_KIND));
            let content = self.content(chance, "owner");
            owner.put(&path, content.as_deref());
            self.seen.insert(path, content);
        }
        self.edit_own(chance, scientist);
        if chance.is(1, 2) {
            let folder = ["shared/both-", "open/"][usize::from(chance.is(1, 3))];
            let path = format!("{folder}{}.txt", chance.below(FILES_OF_A_KIND));
            let base = scientist.read(&path);
            self.settled.extend(base.clone());
            let content = self.content(chance, "scientist");
            scientist.put(&path, content.as_deref());
            self.contested.push(Edit { path, base, content });
        }
    }

    /// Edits files that nobody else edits: also while a sync runs.
    pub(crate) fn edit_own(&mut self, chance: &mut Chance, scientist: &Account) {
        for _ in 0..chance.below(3) {
            let path = format!("shared/own-{}.txt", chance.below(FILES_OF_A_KIND));
            let content = self.content(chance, "scientist");
            scientist.put(&path, content.as_deref());
            self.scientists.insert(path, content);
        }
    }

    fn content(&mut self, chance: &mut Chance, who: &str) -> Content {
        self.edits += 1;
        (!chance.is(1, 5)).then(|| format!("edit {} of the {who}", self.edits))
    }

    /// Looks at what the owner holds: an edit of its own may only be gone for one on top of it.
    pub(crate) fn look(&mut self, owner: &Account) {
        for number in 0..FILES_OF_A_KIND {
            let path = format!("shared/both-{number}.txt");
            let now = owner.read(&path);
            let before = self.seen.insert(path.clone(), now.clone()).flatten();
            if now != before {
                assert!(
                    self.leads(&path, &before, &now),
                    "`{path}` went from {before:?} to {now:?}, which nobody made of it"
                );
                self.settled.extend(now);
            }
        }
    }

    /// True if edits of the scientist lead from one content to the other, one on top of the other.
    fn leads(&self, path: &str, from: &Content, to: &Content) -> bool {
        let mut reached: BTreeSet<&Content> = [from].into();
        for edit in self.contested.iter().filter(|edit| edit.path == path) {
            if reached.contains(&edit.base) {
                reached.insert(&edit.content);
            }
        }
        reached.contains(to)
    }

    /// Checks both disks, after everything has settled.
    pub(crate) fn check(&mut self, owner: &Account, scientist: &Account) {
        self.look(owner);
        for (path, content) in self.owners.iter().chain(&self.scientists) {
            assert_eq!(
                owner.read(path),
                *content,
                "`{path}` at the owner; the scientist has {:#?}",
                scientist.tree()
            );
        }
        let readable = |account: &Account| -> BTreeMap<String, String> {
            let ends = |path: &String| path.starts_with("open/") || path.starts_with("shared/");
            let is_kept = |path: &String| path.contains(".refused-") || path.ends_with(".yaml");
            account.tree().into_iter().filter(|(path, _)| ends(path) && !is_kept(path)).collect()
        };
        assert_eq!(readable(scientist), readable(owner), "what the scientist holds, and the owner");
        let there = scientist.tree();
        assert!(!there.keys().any(|path| path.starts_with("closed/")), "{:?}", there.keys());
        let contents: BTreeSet<&String> = there.values().collect();
        for edit in &self.contested {
            let Some(content) = &edit.content else { continue };
            let is_safe = contents.contains(content) || self.settled.contains(content);
            assert!(is_safe, "{edit:?} is lost; the scientist has {:#?}", there);
        }
        // Each was kept once.
        let kept: Vec<&String> = there
            .iter()
            .filter(|(path, _)| path.contains(".refused-"))
            .map(|(_, text)| text)
            .collect();
        let distinct: BTreeSet<&&String> = kept.iter().collect();
        assert_eq!(distinct.len(), kept.len(), "kept aside twice: {kept:#?}");
    }
}
