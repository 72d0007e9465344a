//! What the commits amount to: the entries of a bucket, whoever looks. Pure.
//!
//! [`Ledger::apply`] does one change as its author, if the rules of [`Tree`] let him; deciding what
//! to commit and reading what others committed are the same function, so that all sessions come to
//! the same entries. [`Ledger::to_json`] is the short form from which a session starts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::SERVICE;
use super::commit::{Change, Piece, as_text, id_of, is_hex, random_part, root_id};
use crate::connections::tree::{Node, Tree};
use crate::connections::{Access, Error, FileId, Grant, Kind, Relocation, Result};
use crate::model::Email;

const FORMAT: u32 = 1;

/// All entries, as of a commit.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    pub(super) tree: Tree,
    /// The number of the last commit.
    pub(super) number: u64,
    /// The moment of the last commit, by the service's clock; strictly later than that before.
    at_micros: i64,
    contents: BTreeMap<FileId, String>,
    /// Ids of entries that were deleted: never to be used again.
    used: BTreeSet<FileId>,
}

/// What a change came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Effect {
    /// The entries that are other than before, or gone.
    pub(super) touched: Vec<FileId>,
    /// Content that no entry names any more.
    pub(super) freed: Vec<(FileId, String)>,
}

impl Ledger {
    /// An empty one.
    pub(super) const fn new() -> Self {
        Self {
            tree: Tree::new(SERVICE),
            number: 0,
            at_micros: 0,
            contents: BTreeMap::new(),
            used: BTreeSet::new(),
        }
    }

    /// Begins the next commit, which the service says was stored at `stored_micros`.
    pub(super) fn advance(&mut self, number: u64, stored_micros: i64) {
        self.number = number;
        self.at_micros = stored_micros.max(self.at_micros.saturating_add(1));
    }

    /// Does a change that `author` asks for; `None` if it changes nothing.
    ///
    /// # Errors
    /// As the calls of a connection; nothing is changed then.
    pub(super) fn apply(&mut self, author: &Email, change: &Change) -> Result<Option<Effect>> {
        self.welcome(author);
        let changed = match change {
            Change::Create { .. } => return self.create(author, change).map(Some),
            Change::Replace { id, content } => return self.replace(author, id, content).map(Some),
            Change::Delete { id } => return self.delete(author, id),
            Change::Move { id, from, to } => {
                let step = Relocation { id: id.clone(), from: from.clone(), to: to.clone() };
                self.tree.moved(&step, author)?
            }
            Change::Share { id, to, access } => {
                let grant = Grant { id: id.clone(), to: to.clone(), access: *access };
                self.tree.shared(&grant, author)?
            }
            Change::Unshare { id, from } => self.tree.unshared(id, from, author)?,
            Change::Tag { id, key, value } => {
                self.tree.tagged(id, key, value.as_deref(), author)?
            }
        };
        Ok(changed.map(|node| {
            let touched = vec![node.id.clone()];
            self.tree.put(Arc::new(node));
            Effect { touched, freed: Vec::new() }
        }))
    }

    /// Returns the content of a file that `account` may read.
    pub(super) fn readable(&self, id: &FileId, account: &Email) -> Result<(&Arc<Node>, &str)> {
        let node = self.tree.require(id, account, Access::Read, "read this")?;
        let name = self.contents.get(id).ok_or_else(|| Error::NotFound { id: id.clone() })?;
        Ok((node, name))
    }

    /// True if an entry names this content.
    pub(super) fn names(&self, id: &FileId, content: &str) -> bool {
        self.contents.get(id).is_some_and(|name| name == content)
    }

    /// Makes the root of an account, which is there for everybody who ever comes.
    pub(super) fn welcome(&mut self, account: &Email) {
        let id = root_id(account);
        if self.tree.get(&id).is_some() {
            return;
        }
        self.tree.put(Arc::new(Node::root(id, account.clone())));
    }

    fn create(&mut self, author: &Email, change: &Change) -> Result<Effect> {
        let Change::Create { id, parent, name, content, tags } = change else {
            return Ok(Effect::default());
        };
        self.tree.check_creation(parent, author)?;
        if random_part(id).is_none() {
            let source = "the id was not made for this bucket".into();
            let what = "create this".to_owned();
            return Err(Error::Denied { service: SERVICE, what, source });
        }
        if self.tree.get(id).is_some() || self.used.contains(id) {
            return Err(Error::AlreadyExists { id: id.clone() });
        }
        self.tree.put(Arc::new(Node {
            id: id.clone(),
            name: name.clone(),
            kind: if content.is_some() { Kind::File } else { Kind::Folder },
            owner: author.clone(),
            parent: Some(parent.clone()),
            is_root: false,
            size_bytes: content.as_ref().map_or(0, |piece| piece.size_bytes),
            created_micros: self.at_micros,
            revision: self.revision(),
            tags: tags.clone(),
            grants: Vec::new(),
        }));
        if let Some(piece) = content {
            self.contents.insert(id.clone(), piece.name.clone());
        }
        Ok(Effect { touched: vec![id.clone()], freed: Vec::new() })
    }

    fn replace(&mut self, author: &Email, id: &FileId, piece: &Piece) -> Result<Effect> {
        let node = self.tree.require(id, author, Access::Write, "replace this")?;
        if node.kind != Kind::File {
            return Err(Error::NotFound { id: id.clone() });
        }
        let mut node = Node::clone(node);
        node.size_bytes = piece.size_bytes;
        node.revision = self.revision().max(node.revision.saturating_add(1));
        self.tree.put(Arc::new(node));
        let before = self.contents.insert(id.clone(), piece.name.clone());
        let freed = before.filter(|before| *before != piece.name).map(|name| (id.clone(), name));
        Ok(Effect { touched: vec![id.clone()], freed: freed.into_iter().collect() })
    }

    fn delete(&mut self, author: &Email, id: &FileId) -> Result<Option<Effect>> {
        let deletion = self.tree.deletion(id, author)?;
        let mut effect = Effect::default();
        for node in deletion.orphaned {
            effect.touched.push(node.id.clone());
            self.tree.put(Arc::new(node));
        }
        for id in deletion.removed {
            self.tree.remove(&id);
            if let Some(name) = self.contents.remove(&id) {
                effect.freed.push((id.clone(), name));
            }
            self.used.insert(id.clone());
            effect.touched.push(id);
        }
        Ok((!effect.touched.is_empty()).then_some(effect))
    }

    fn revision(&self) -> i64 {
        i64::try_from(self.number).unwrap_or(i64::MAX)
    }
}

/// The stored form of a ledger.
#[derive(Serialize, Deserialize)]
struct Snapshot {
    format: u32,
    number: u64,
    at_micros: i64,
    entries: Vec<Stored>,
    /// The random parts of all ids that were used, one after the other.
    used: String,
}

/// The stored form of an entry. Unknown fields are ignored, so that later versions may add some.
#[derive(Serialize, Deserialize)]
struct Stored {
    #[serde(with = "as_text")]
    id: FileId,
    name: String,
    #[serde(with = "as_text")]
    owner: Email,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    parent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content: Option<Piece>,
    created_micros: i64,
    revision: i64,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    readers: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    writers: Vec<String>,
}

impl Ledger {
    /// Writes the short form.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let entries = self.tree.all().filter(|node| !node.is_root);
        let snapshot = Snapshot {
            format: FORMAT,
            number: self.number,
            at_micros: self.at_micros,
            entries: entries.map(|node| self.stored(node)).collect(),
            used: self.used.iter().filter_map(random_part).collect(),
        };
        serde_json::to_vec(&snapshot).expect("text, numbers and lists are JSON")
    }

    /// Reads the short form as of commit `number`; `None` if this is none.
    pub(super) fn parse(text: &[u8], number: u64) -> Option<Self> {
        const DIGITS: usize = 32;
        let snapshot: Snapshot = serde_json::from_slice(text).ok()?;
        if snapshot.format != FORMAT || snapshot.number != number {
            return None;
        }
        let mut ledger = Self { number, at_micros: snapshot.at_micros, ..Self::new() };
        for digits in snapshot.used.as_bytes().chunks(DIGITS) {
            let random = std::str::from_utf8(digits).ok().filter(|text| is_hex(text))?;
            ledger.used.insert(id_of(random));
        }
        for stored in snapshot.entries {
            random_part(&stored.id)?;
            ledger.welcome(&stored.owner);
            if let Some(piece) = &stored.content {
                ledger.contents.insert(stored.id.clone(), piece.name.clone());
            }
            ledger.tree.put(Arc::new(stored.into_node()));
        }
        Some(ledger)
    }

    fn stored(&self, node: &Node) -> Stored {
        let with = |wanted: Access| {
            let granted = node.grants.iter().filter(|(_, access)| *access == wanted);
            granted.map(|(email, _)| email.to_string()).collect()
        };
        let piece = |name: &String| Piece { name: name.clone(), size_bytes: node.size_bytes };
        Stored {
            id: node.id.clone(),
            name: node.name.clone(),
            owner: node.owner.clone(),
            parent: node.parent.as_ref().map(FileId::to_string).unwrap_or_default(),
            content: self.contents.get(&node.id).map(piece),
            created_micros: node.created_micros,
            revision: node.revision,
            tags: node.tags.clone(),
            readers: with(Access::Read),
            writers: with(Access::Write),
        }
    }
}

impl Stored {
    fn into_node(self) -> Node {
        let grants = |list: Vec<String>, access: Access| {
            list.into_iter().filter_map(move |text| Some((Email::parse(&text).ok()?, access)))
        };
        Node {
            id: self.id,
            name: self.name,
            kind: if self.content.is_some() { Kind::File } else { Kind::Folder },
            owner: self.owner,
            parent: FileId::parse(&self.parent).ok(),
            is_root: false,
            size_bytes: self.content.map_or(0, |piece| piece.size_bytes),
            created_micros: self.created_micros,
            revision: self.revision,
            tags: self.tags,
            grants: grants(self.readers, Access::Read)
                .chain(grants(self.writers, Access::Write))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::commit::{new_id, random};
    use super::*;
    use crate::connections::Query;

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn create(id: &FileId, parent: &FileId, content: Option<u64>) -> Change {
        let content = content.map(|size_bytes| Piece { name: random(), size_bytes });
        let (id, parent, name) = (id.clone(), parent.clone(), "x".to_owned());
        Change::Create { id, parent, name, content, tags: BTreeMap::new() }
    }

    #[test]
    fn a_commit_does_what_its_author_may() {
        let (owner, eve) = (email("do@x.org"), email("eve@x.org"));
        let (folder, file) = (new_id(), new_id());
        let mut ledger = Ledger::new();
        ledger.advance(1, 10);
        ledger.apply(&owner, &create(&folder, &root_id(&owner), None)).unwrap();
        ledger.apply(&owner, &create(&file, &folder, Some(3))).unwrap();
        let before = ledger.to_json();
        let piece = Piece { name: random(), size_bytes: 1 };
        let to = root_id(&eve);
        #[rustfmt::skip]
        let forbidden = [
            create(&new_id(), &folder, None),
            create(&new_id(), &root_id(&owner), None),
            Change::Replace { id: file.clone(), content: piece },
            Change::Move { id: file.clone(), from: folder.clone(), to },
            Change::Share { id: file.clone(), to: eve.clone(), access: Access::Read },
            Change::Unshare { id: file.clone(), from: owner.clone() },
            Change::Tag { id: file.clone(), key: "k".to_owned(), value: None },
            create(&file, &root_id(&eve), Some(1)),
            create(&root_id(&owner), &root_id(&eve), None),
        ];
        for change in forbidden {
            assert!(ledger.apply(&eve, &change).is_err(), "{change:?}");
        }
        assert_eq!(ledger.apply(&eve, &Change::Delete { id: folder.clone() }).unwrap(), None);
        assert_eq!(ledger.to_json(), before, "what may not be done changes nothing");

        let effect = ledger.apply(&owner, &Change::Delete { id: folder.clone() }).unwrap().unwrap();
        assert_eq!(effect.touched, [file.clone(), folder]);
        assert_eq!(effect.freed.len(), 1);
        let again = ledger.apply(&owner, &create(&file, &root_id(&owner), None));
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    }

    #[test]
    fn the_short_form_is_the_whole_ledger() {
        let (owner, ds) = (email("do@x.org"), email("ds@x.org"));
        let (folder, file, gone) = (new_id(), new_id(), new_id());
        let mut ledger = Ledger::new();
        ledger.advance(7, 10);
        for change in [
            create(&folder, &root_id(&owner), None),
            create(&file, &folder, Some(3)),
            create(&gone, &folder, Some(4)),
            Change::Share { id: folder.clone(), to: ds.clone(), access: Access::Write },
            Change::Tag { id: file.clone(), key: "k".to_owned(), value: Some("v".to_owned()) },
            Change::Delete { id: gone.clone() },
        ] {
            ledger.apply(&owner, &change).unwrap().unwrap();
        }
        let text = ledger.to_json();
        let mut read = Ledger::parse(&text, 7).unwrap();
        assert_eq!(read.to_json(), text);
        for who in [&owner, &ds] {
            let find = |ledger: &Ledger| ledger.tree.find(&Query::default(), who);
            assert_eq!(find(&read), find(&ledger));
            assert_eq!(find(&read).len(), 2);
        }
        let again = read.apply(&owner, &create(&gone, &root_id(&owner), None));
        assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
        assert!(Ledger::parse(&text, 8).is_none(), "of another commit");
        assert!(Ledger::parse(&text[..text.len() / 2], 7).is_none());
    }

    #[test]
    fn time_never_stands_still() {
        let mut ledger = Ledger::new();
        for (stored, then) in [(10, 10), (10, 11), (5, 12), (20, 20)] {
            ledger.advance(ledger.number + 1, stored);
            assert_eq!(ledger.at_micros, then);
        }
    }
}
