//! The rules of sharing: who sees what, and who may change it.
//!
//! Pure: [`Tree`] holds what is known of each entry and says what a call comes to; memory and
//! shared folders carry it out. So both behave alike, and as Drive does: access is inherited,
//! whoever makes a file owns it, and what an account may not read does not exist for it.
//!
//! A tree may come from a folder that anybody can write to, so nothing here trusts its shape:
//! walks are bounded and a cycle is an entry without a way up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Access, Entry, Error, FileId, Grant, Kind, Query, Relocation, Result, matching};
use crate::model::Email;

const DEPTH_MAX: usize = 100; // as deep as Drive lets folders be

/// What is known of one entry, whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) id: FileId,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) owner: Email,
    /// `None` for a root, and for what its folder was deleted from under.
    pub(super) parent: Option<FileId>,
    /// A root is never listed, moved, shared or deleted.
    pub(super) is_root: bool,
    pub(super) size_bytes: u64,
    pub(super) created_micros: i64,
    pub(super) revision: i64,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) grants: Vec<(Email, Access)>,
}

impl Node {
    /// The root of an account, which nobody makes.
    pub(super) const fn root(id: FileId, account: Email) -> Self {
        Self {
            id,
            name: String::new(),
            kind: Kind::Folder,
            owner: account,
            parent: None,
            is_root: true,
            size_bytes: 0,
            created_micros: 0,
            revision: 0,
            tags: BTreeMap::new(),
            grants: Vec::new(),
        }
    }
}

/// What a deletion comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Deletion {
    /// Goes away: the entry and all below it that the account owns; what lies deepest is first.
    pub(super) removed: Vec<FileId>,
    /// Stays, but lies nowhere any more: what others own.
    pub(super) orphaned: Vec<Node>,
}

/// All entries of a place.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    service: &'static str,
    nodes: BTreeMap<FileId, Arc<Node>>,
}

impl Tree {
    pub(super) const fn new(service: &'static str) -> Self {
        Self { service, nodes: BTreeMap::new() }
    }

    pub(super) fn get(&self, id: &FileId) -> Option<&Arc<Node>> {
        self.nodes.get(id)
    }

    /// Returns all entries, roots included, sorted by id.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    pub(super) fn put(&mut self, node: Arc<Node>) {
        self.nodes.insert(node.id.clone(), node);
    }

    pub(super) fn remove(&mut self, id: &FileId) {
        self.nodes.remove(id);
    }

    /// The entry and the folders above it, nearest first; stops at a cycle.
    fn chain(&self, id: &FileId) -> impl Iterator<Item = &Arc<Node>> {
        let first = self.nodes.get(id);
        let up = |node: &&Arc<Node>| node.parent.as_ref().and_then(|parent| self.nodes.get(parent));
        std::iter::successors(first, up).take(DEPTH_MAX)
    }

    /// Returns an entry with all that lies in it, whoever owns it.
    pub(super) fn with_all_in_it(&self, id: &FileId) -> Vec<Arc<Node>> {
        self.nodes.get(id).into_iter().chain(self.below(id)).cloned().collect()
    }

    /// Returns what `account` may do with an entry; `None` if it does not exist for it.
    pub(super) fn access(&self, id: &FileId, account: &Email) -> Option<Access> {
        self.chain(id).filter_map(|node| own_access(node, account)).max()
    }

    /// Returns who sees an entry, in lower case.
    pub(super) fn viewers(&self, id: &FileId) -> BTreeSet<String> {
        let everybody = self.chain(id).flat_map(|node| {
            std::iter::once(&node.owner).chain(node.grants.iter().map(|(email, _)| email))
        });
        everybody.map(|email| email.as_str().to_ascii_lowercase()).collect()
    }

    /// Returns an entry as `account` sees it.
    pub(super) fn entry(&self, id: &FileId, account: &Email) -> Option<Entry> {
        let node = self.nodes.get(id)?;
        self.access(id, account)?;
        let parent = node.parent.as_ref().filter(|parent| self.access(parent, account).is_some());
        Some(Entry {
            id: node.id.clone(),
            name: node.name.clone(),
            kind: node.kind,
            size_bytes: node.size_bytes,
            owner: Some(node.owner.clone()),
            is_mine: account.is_same_account(node.owner.as_str()),
            parents: parent.into_iter().cloned().collect(),
            created_micros: node.created_micros,
            revision: node.revision,
            tags: node.tags.clone(),
        })
    }

    /// Returns what `account` sees and `query` describes, sorted by name, then id.
    pub(super) fn find(&self, query: &Query, account: &Email) -> Vec<Entry> {
        let mut found: Vec<Entry> = self
            .nodes
            .values()
            .filter(|node| !node.is_root && matching::names_match(query, &node.name))
            .filter_map(|node| self.entry(&node.id, account))
            .filter(|entry| matching::accepts(query, entry))
            .collect();
        matching::sort(&mut found);
        found
    }

    /// Returns the entry if `account` may do this much with it; `what` is for the error.
    pub(super) fn require(
        &self,
        id: &FileId,
        account: &Email,
        access: Access,
        what: &str,
    ) -> Result<&Arc<Node>> {
        match (self.nodes.get(id), self.access(id, account)) {
            (Some(node), Some(held)) if held >= access => Ok(node),
            (Some(_), Some(_)) => Err(self.denied(what, "it may only read it")),
            _ => Err(Error::NotFound { id: id.clone() }),
        }
    }

    /// Returns the entry if `account` owns it and may dispose of it.
    fn require_owner(&self, id: &FileId, account: &Email, what: &str) -> Result<&Arc<Node>> {
        let node = self.require(id, account, Access::Read, what)?;
        if node.is_root {
            Err(self.denied(what, "it is the root"))
        } else if account.is_same_account(node.owner.as_str()) {
            Ok(node)
        } else {
            Err(self.denied(what, "it belongs to somebody else"))
        }
    }

    /// Asks whether `account` may make something in `parent`.
    pub(super) fn check_creation(&self, parent: &FileId, account: &Email) -> Result<()> {
        let node = self.require(parent, account, Access::Write, "create something here")?;
        match node.kind {
            Kind::Folder => Ok(()),
            Kind::File => Err(self.denied("create something here", "it is no folder")),
        }
    }

    /// Returns the entry as it is after a move; `None` if it is there already.
    pub(super) fn moved(&self, step: &Relocation, account: &Email) -> Result<Option<Node>> {
        let what = "move this";
        let node = self.require(&step.id, account, Access::Read, what)?;
        if node.parent.as_ref() == Some(&step.to) {
            return Ok(None);
        }
        self.require(&step.from, account, Access::Write, what)?;
        let to = self.require(&step.to, account, Access::Write, what)?;
        if node.parent.as_ref() != Some(&step.from) {
            return Err(Error::NotFound { id: step.id.clone() });
        }
        if to.kind == Kind::File || self.chain(&step.to).any(|above| above.id == step.id) {
            return Err(self.denied(what, "it cannot lie there"));
        }
        Ok(Some(Node { parent: Some(step.to.clone()), ..Node::clone(node) }))
    }

    /// Returns what deleting `id` comes to; nothing if it does not exist for `account`.
    pub(super) fn deletion(&self, id: &FileId, account: &Email) -> Result<Deletion> {
        let node = match self.require_owner(id, account, "delete this") {
            Err(Error::NotFound { .. }) => return Ok(Deletion::default()),
            other => other?,
        };
        if node.kind == Kind::File {
            return Ok(Deletion { removed: vec![id.clone()], orphaned: Vec::new() });
        }
        let (mine, others): (Vec<&Arc<Node>>, Vec<&Arc<Node>>) = self
            .below(id)
            .into_iter()
            .partition(|node| account.is_same_account(node.owner.as_str()));
        let mut removed: Vec<FileId> = mine.into_iter().map(|node| node.id.clone()).collect();
        removed.sort_by_cached_key(|id| std::cmp::Reverse(self.chain(id).count()));
        removed.push(id.clone());
        let gone: BTreeSet<&FileId> = removed.iter().collect();
        let orphaned = others
            .into_iter()
            .filter(|node| node.parent.as_ref().is_some_and(|parent| gone.contains(parent)))
            .map(|node| Node { parent: None, ..Node::clone(node) })
            .collect();
        Ok(Deletion { removed, orphaned })
    }

    /// Everything below a folder.
    fn below(&self, folder: &FileId) -> Vec<&Arc<Node>> {
        let under = |node: &&Arc<Node>| {
            node.id != *folder && self.chain(&node.id).any(|above| above.id == *folder)
        };
        self.nodes.values().filter(under).collect()
    }

    /// Returns the entry with more access given; `None` if that changes nothing.
    pub(super) fn shared(&self, grant: &Grant, account: &Email) -> Result<Option<Node>> {
        let node = self.require_owner(&grant.id, account, "share this")?;
        if own_access(node, &grant.to) >= Some(grant.access) {
            return Ok(None);
        }
        let mut node = Node::clone(node);
        node.grants.retain(|(email, _)| !grant.to.is_same_account(email.as_str()));
        node.grants.push((grant.to.clone(), grant.access));
        Ok(Some(node))
    }

    /// Returns the entry without `from`'s access; `None` if it had none.
    pub(super) fn unshared(
        &self,
        id: &FileId,
        from: &Email,
        account: &Email,
    ) -> Result<Option<Node>> {
        let node = self.require_owner(id, account, "take access to this away")?;
        let mut rest = Node::clone(node);
        rest.grants.retain(|(email, _)| !from.is_same_account(email.as_str()));
        Ok((rest.grants.len() < node.grants.len()).then_some(rest))
    }

    /// Returns who has access to an entry, its owner left out, sorted by address.
    pub(super) fn shares(&self, id: &FileId, account: &Email) -> Result<Vec<(Email, Access)>> {
        let node = self.require(id, account, Access::Write, "see who has access to this")?;
        let mut shares: BTreeMap<String, (Email, Access)> = BTreeMap::new();
        let owners = self.chain(id).map(|above| (above.owner.clone(), Access::Write));
        let granted = self.chain(id).flat_map(|above| above.grants.iter().cloned());
        for (email, access) in owners.chain(granted) {
            let held = shares
                .entry(email.as_str().to_ascii_lowercase())
                .or_insert_with(|| (email.clone(), access));
            held.1 = held.1.max(access);
        }
        shares.remove(&node.owner.as_str().to_ascii_lowercase());
        Ok(shares.into_values().collect())
    }

    /// Returns the entry with a tag set or removed; `None` if that changes nothing.
    pub(super) fn tagged(
        &self,
        id: &FileId,
        key: &str,
        value: Option<&str>,
        account: &Email,
    ) -> Result<Option<Node>> {
        let node = self.require(id, account, Access::Write, "tag this")?;
        if node.tags.get(key).map(String::as_str) == value {
            return Ok(None);
        }
        let mut node = Node::clone(node);
        match value {
            Some(value) => node.tags.insert(key.to_owned(), value.to_owned()),
            None => node.tags.remove(key),
        };
        Ok(Some(node))
    }

    fn denied(&self, what: &str, why: &'static str) -> Error {
        Error::Denied { service: self.service, what: what.to_owned(), source: why.into() }
    }
}

/// What `node` itself gives `account`, the folders above it left out.
fn own_access(node: &Node, account: &Email) -> Option<Access> {
    if account.is_same_account(node.owner.as_str()) {
        return Some(Access::Write);
    }
    let mine = |(email, _): &&(Email, Access)| account.is_same_account(email.as_str());
    node.grants.iter().filter(mine).map(|(_, access)| *access).max()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn node(id: &str, parent: Option<&str>, owner: &str, kind: Kind) -> Arc<Node> {
        Arc::new(Node {
            id: FileId::parse(id).unwrap(),
            name: id.to_owned(),
            kind,
            owner: email(owner),
            parent: parent.map(|parent| FileId::parse(parent).unwrap()),
            is_root: false,
            size_bytes: 0,
            created_micros: 0,
            revision: 0,
            tags: BTreeMap::new(),
            grants: Vec::new(),
        })
    }

    #[test]
    fn a_cycle_neither_hangs_nor_gives_access() {
        let mut tree = Tree::new("test");
        tree.put(node("a", Some("b"), "x@x.org", Kind::Folder));
        tree.put(node("b", Some("a"), "x@x.org", Kind::Folder));
        let a = FileId::parse("a").unwrap();
        assert_eq!(tree.access(&a, &email("X@x.org")), Some(Access::Write));
        assert_eq!(tree.access(&a, &email("y@x.org")), None);
        assert_eq!(tree.find(&Query::default(), &email("x@x.org")).len(), 2);
        assert_eq!(tree.deletion(&a, &email("x@x.org")).unwrap().removed.len(), 2);
    }

    #[test]
    fn what_others_own_outlives_the_folder_it_lay_in() {
        let mut tree = Tree::new("test");
        tree.put(node("top", None, "x@x.org", Kind::Folder));
        tree.put(node("theirs", Some("top"), "y@x.org", Kind::Folder));
        tree.put(node("mine", Some("theirs"), "x@x.org", Kind::File));
        let top = FileId::parse("top").unwrap();
        let deletion = tree.deletion(&top, &email("x@x.org")).unwrap();
        let removed: Vec<_> = deletion.removed.iter().map(FileId::as_str).collect();
        assert_eq!(removed, ["mine", "top"]);
        let orphans: Vec<_> = deletion.orphaned.iter().map(|node| node.id.as_str()).collect();
        assert_eq!(orphans, ["theirs"]);
        assert!(matches!(tree.deletion(&top, &email("y@x.org")), Ok(d) if d.removed.is_empty()));
    }
}
