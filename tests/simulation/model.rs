//! What people did to their files, and what must have become of it in the end.
//!
//! Independent of the program: it knows edits, and what stood on a disk when it looked. No two edits
//! write the same, so a content tells which edit it is (but for empty files, of which only their one
//! writer is asked).

use std::collections::{BTreeMap, BTreeSet};

use super::disk::{Disk, Files};
use super::operations::{Edit, MACHINES, is_own, name};

type Content = Option<Vec<u8>>;

/// An edit, and what its maker saw there before.
#[derive(Clone, Debug)]
struct Written {
    machine: usize,
    path: String,
    base: Content,
    content: Content,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    written: Vec<Written>,
    /// What the one writer of a file did last.
    last: BTreeMap<String, (usize, Content)>,
    /// What stood on a disk of the owner at any time.
    accepted: BTreeSet<Vec<u8>>,
}

impl Model {
    /// Carries out an edit. Returns whether it could be done.
    pub(crate) fn edit(&mut self, machine: usize, edit: &Edit, disk: &Disk) -> bool {
        match edit {
            Edit::Write { path, content } => {
                let base = disk.read(path);
                disk.write(path, content) && self.note(machine, path, base, Some(content.clone()))
            }
            Edit::Delete { path } => {
                let base = disk.read(path);
                disk.delete(path) && self.note(machine, path, base, None)
            }
            Edit::Rename { from, to } => {
                let (moved, base) = (disk.read(from), disk.read(to));
                if from == to || moved.is_none() || !disk.rename(from, to) {
                    return false;
                }
                self.note(machine, to, base, moved);
                self.last.insert(from.clone(), (machine, None));
                true
            }
        }
    }

    fn note(&mut self, machine: usize, path: &str, base: Content, content: Content) -> bool {
        if is_own(machine, path) {
            self.last.insert(path.to_owned(), (machine, content.clone()));
        }
        self.written.push(Written { machine, path: path.to_owned(), base, content });
        true
    }

    /// Looks at a disk of the owner.
    pub(crate) fn observe(&mut self, files: &Files) {
        self.accepted.extend(files.values().filter(|content| !content.is_empty()).cloned());
    }

    /// Returns what is wrong with the disks in the end. `is_peer` says of each machine whether it
    /// takes part.
    pub(crate) fn violations(&self, disks: &[Disk], is_peer: &[bool; MACHINES]) -> Vec<String> {
        let owner = disks[0].files();
        let mut found = Vec::new();
        for (path, (machine, content)) in &self.last {
            if is_peer[*machine] && owner.get(path) != content.as_ref() {
                let (who, there) = (name(*machine), told(owner.get(path)));
                let wanted = told(content.as_ref());
                found.push(format!("`{path}` of {who} is {there} at the owner, not {wanted}"));
            }
        }
        let everywhere: BTreeSet<Vec<u8>> =
            disks.iter().flat_map(|disk| disk.everything().into_values()).collect();
        for edit in &self.written {
            let Some(content) = edit.content.as_ref().filter(|content| !content.is_empty()) else {
                continue;
            };
            let here: BTreeSet<Vec<u8>> = disks[edit.machine].everything().into_values().collect();
            let is_safe = here.contains(content)
                || self.accepted.contains(content)
                || self.is_replaced_by_its_maker(edit.machine, content);
            if !is_safe {
                let (who, text) = (name(edit.machine), told(Some(content)));
                found.push(format!("{text} of {who} in `{}` is lost", edit.path));
            }
        }
        for content in &self.accepted {
            if !self.is_edit(content) {
                continue; // Rules, states of jobs and the like.
            }
            let is_safe = everywhere.contains(content) || self.is_replaced_knowingly(content);
            if !is_safe {
                let text = told(Some(content));
                found.push(format!("{text} was accepted, and gave way to what was not made of it"));
            }
        }
        found
    }

    fn is_edit(&self, content: &[u8]) -> bool {
        self.written.iter().any(|edit| edit.content.as_deref() == Some(content))
    }

    fn is_replaced_by_its_maker(&self, machine: usize, content: &[u8]) -> bool {
        let replaces =
            |edit: &&Written| edit.machine == machine && edit.base.as_deref() == Some(content);
        self.written.iter().any(|edit| replaces(&edit))
    }

    /// True if somebody wrote over it who saw it, and that, or what came of it, was accepted, too.
    fn is_replaced_knowingly(&self, content: &[u8]) -> bool {
        let (mut known, mut waiting) = (BTreeSet::new(), vec![content]);
        while let Some(content) = waiting.pop() {
            let above = |edit: &&Written| edit.base.as_deref() == Some(content);
            for edit in self.written.iter().filter(above) {
                match &edit.content {
                    Some(new) if !new.is_empty() && !self.accepted.contains(new) => {
                        if known.insert(new) {
                            waiting.push(new);
                        }
                    }
                    _ => return true,
                }
            }
        }
        false
    }
}

/// A content, short enough to be read.
pub(crate) fn told(content: Option<&Vec<u8>>) -> String {
    content.map_or_else(
        || "nothing".to_owned(),
        |bytes| format!("{:?}", String::from_utf8_lossy(bytes).trim_end()),
    )
}
