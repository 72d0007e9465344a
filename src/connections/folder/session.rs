//! A session's work in a shared folder: look at what is there, decide by the rules of
//! [`Tree`], make the next version; if somebody else was first, look again.
//!
//! What was read once is kept, since a version never changes: a look costs one listing and the
//! records that are new.

use std::collections::{HashMap, HashSet};
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use uuid::Uuid;

use super::record::Record;
use super::store::{self, Store};
use super::{MAX_FILE_BYTES, SERVICE};
use crate::connections::local::NewFile;
use crate::connections::tree::{Node, Tree};
use crate::connections::{Access, Content, Entry, Error, FileId, Kind, NewEntry, Query, Result};
use crate::model::{Digest, Email};

const TRIES_MAX: u32 = 100; // each failure means that somebody else got on
const PIECE_BYTES: usize = 1 << 16;

/// A session: its account, its folder and what it last saw there.
#[derive(Debug)]
pub(super) struct Session {
    account: Email,
    store: Store,
    sight: Mutex<Sight>,
}

#[derive(Debug)]
struct Sight {
    tree: Tree,
    heads: HashMap<FileId, Head>,
}

/// The version of an entry that counts.
#[derive(Clone, Debug)]
struct Head {
    /// What was read.
    number: u64,
    /// The highest that is there; above `number` if that is garbage.
    highest: u64,
    content: Option<String>,
}

impl Session {
    pub(super) fn open(path: &Path, account: Email) -> Result<Self> {
        let store = Store::open(path).map_err(failed)?;
        let mut tree = Tree::new(SERVICE);
        tree.put(Arc::new(Node::root(store::root_id(&account), account.clone())));
        Ok(Self { account, store, sight: Mutex::new(Sight { tree, heads: HashMap::new() }) })
    }

    pub(super) fn check(&self) -> Result<()> {
        self.store.check().map_err(failed)
    }

    pub(super) fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        Ok(self.look()?.tree.find(query, &self.account))
    }

    pub(super) fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        self.look_at(&[id])?.tree.shares(id, &self.account)
    }

    pub(super) fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        let mut content = Vec::new();
        let limit = limit_bytes.saturating_add(1);
        self.open_content(id)?.take(limit).read_to_end(&mut content).map_err(failed)?;
        if content.len() as u64 > limit_bytes {
            return Err(Error::TooLarge { limit_bytes });
        }
        Ok(content.into())
    }

    pub(super) fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let mut content = self.open_content(id)?;
        let mut file = NewFile::create(to)?;
        let mut piece = vec![0; PIECE_BYTES];
        let mut left = limit_bytes;
        loop {
            let count = content.read(&mut piece).map_err(failed)?;
            if count == 0 {
                return Ok(file.finish()?);
            }
            left = left.checked_sub(count as u64).ok_or(Error::TooLarge { limit_bytes })?;
            file.write(&piece[..count])?;
        }
    }

    pub(super) fn create(&self, new: &NewEntry, content: Option<Content>) -> Result<Entry> {
        let id = new.id.clone().unwrap_or_else(store::new_id);
        {
            let sight = self.look_at(&[&id, &new.parent])?;
            sight.tree.check_creation(&new.parent, &self.account)?;
            if !store::is_ours(&id) {
                let source = "the id was not made for this folder".into();
                let what = "create this".to_owned();
                return Err(Error::Denied { service: SERVICE, what, source });
            }
            if sight.heads.contains_key(&id) || self.store.was_deleted(&id).map_err(failed)? {
                return Err(Error::AlreadyExists { id });
            }
        }
        let kind = if content.is_some() { Kind::File } else { Kind::Folder };
        let stored = content.map(|content| self.store_content(&id, content)).transpose()?;
        let node = Node {
            id: id.clone(),
            name: new.name.clone(),
            kind,
            owner: self.account.clone(),
            parent: Some(new.parent.clone()),
            is_root: false,
            size_bytes: stored.as_ref().map_or(0, |(_, size_bytes)| *size_bytes),
            created_micros: self.store.now_micros().map_err(failed)?,
            revision: 1,
            tags: new.tags.clone(),
            grants: Vec::new(),
        };
        let content = stored.map(|(name, _)| name);
        let first = new_record(node, content.clone());
        if !self.store.commit(1, &first).map_err(failed)? {
            self.remove_content(&id, content.as_deref());
            return Err(Error::AlreadyExists { id });
        }
        let sight = self.look_at(&[&id])?;
        sight.tree.entry(&id, &self.account).ok_or(Error::NotFound { id })
    }

    pub(super) fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        let require = |tree: &Tree| -> Result<Node> {
            let node = tree.require(id, &self.account, Access::Write, "replace this")?;
            let is_file = node.kind == Kind::File;
            if is_file { Ok(Node::clone(node)) } else { Err(Error::NotFound { id: id.clone() }) }
        };
        require(&self.look_at(&[id])?.tree)?;
        let (name, size_bytes) = self.store_content(id, content)?;
        let replaced = self.retry(&[id], |sight| {
            let mut node = require(&sight.tree)?;
            let head = sight.head(id)?;
            node.size_bytes = size_bytes;
            node.revision = head.highest.cast_signed().saturating_add(1).max(node.revision + 1);
            let next = new_record(node, Some(name.clone()));
            Ok(self.commit(&head, next)?.then_some(head))
        });
        let unused = match &replaced {
            Ok(before) => before.content.as_deref(),
            Err(_) => Some(name.as_str()),
        };
        self.remove_content(id, unused);
        replaced.map(drop)
    }

    /// Makes the version that `decide` asks for, if any, looking at `ids` only.
    pub(super) fn update(
        &self,
        ids: &[&FileId],
        decide: impl Fn(&Tree, &Email) -> Result<Option<Node>>,
    ) -> Result<()> {
        self.retry(ids, |sight| {
            let Some(node) = decide(&sight.tree, &self.account)? else { return Ok(Some(())) };
            let head = sight.head(&node.id)?;
            let next = new_record(node, head.content.clone());
            Ok(self.commit(&head, next)?.then_some(()))
        })
    }

    /// Deletes an entry; what lies deepest goes first, so that a retry finds what is left.
    pub(super) fn delete(&self, id: &FileId) -> Result<()> {
        let is_folder =
            self.look_at(&[id])?.tree.get(id).is_some_and(|node| node.kind == Kind::Folder);
        let sight = if is_folder { self.look()? } else { self.look_at(&[id])? };
        let deletion = sight.tree.deletion(id, &self.account)?;
        drop(sight);
        for id in deletion.removed {
            self.retry(&[&id], |sight| {
                let Some(node) = sight.tree.get(&id) else { return Ok(Some(())) };
                let last = Record { is_deleted: true, ..new_record(Node::clone(node), None) };
                Ok(self.commit(&sight.head(&id)?, last)?.then_some(()))
            })?;
            self.store.remove(&id).map_err(failed)?;
        }
        Ok(())
    }

    /// Looks and tries until `attempt` was not overtaken by somebody else.
    fn retry<T>(
        &self,
        ids: &[&FileId],
        attempt: impl Fn(&Sight) -> Result<Option<T>>,
    ) -> Result<T> {
        for _ in 0..TRIES_MAX {
            if let Some(done) = attempt(&*self.look_at(ids)?)? {
                return Ok(done);
            }
        }
        let source = "others keep changing the same entry".into();
        Err(Error::Unavailable { service: SERVICE, source })
    }

    /// Brings what we know of some entries and of the folders above them up to date.
    fn look_at(&self, ids: &[&FileId]) -> Result<MutexGuard<'_, Sight>> {
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        for &id in ids {
            let mut seen = HashSet::new();
            let mut next = Some(id.clone());
            // Roots are not stored, and a cycle ends where it began.
            while let Some(id) = next.filter(|id| store::is_ours(id) && seen.insert(id.clone())) {
                let numbers = self.store.versions_of(&id).map_err(failed)?;
                self.renew(&mut sight, &id, numbers).map_err(failed)?;
                next = sight.tree.get(&id).and_then(|node| node.parent.clone());
            }
        }
        Ok(sight)
    }

    /// Brings all that we know up to date with what is there.
    fn look(&self) -> Result<MutexGuard<'_, Sight>> {
        let mut sight = self.sight.lock().unwrap_or_else(PoisonError::into_inner);
        self.bring_up_to_date(&mut sight).map_err(failed)?;
        Ok(sight)
    }

    fn bring_up_to_date(&self, sight: &mut Sight) -> io::Result<()> {
        let there = self.store.versions()?;
        let missing = sight.heads.keys().filter(|id| !there.contains_key(id));
        for id in missing.cloned().collect::<Vec<_>>() {
            // A listing may miss what changes meanwhile: ask again.
            self.renew(sight, &id, self.store.versions_of(&id)?)?;
        }
        there.into_iter().try_for_each(|(id, numbers)| self.renew(sight, &id, numbers))
    }

    /// Brings one entry up to date, of which there are these versions.
    fn renew(&self, sight: &mut Sight, id: &FileId, numbers: Vec<u64>) -> io::Result<()> {
        let highest = numbers.last().copied();
        if highest.is_some() && sight.heads.get(id).map(|head| head.number) == highest {
            return Ok(());
        }
        match self.load(id, numbers)? {
            Some((head, record)) => {
                sight.tree.put(Arc::new(record.node));
                sight.heads.insert(id.clone(), head);
            }
            None => {
                sight.tree.remove(id);
                sight.heads.remove(id);
            }
        }
        Ok(())
    }

    /// Reads the highest version that is a record. It may be cleared away before we come to it:
    /// then there is a higher one.
    fn load(&self, id: &FileId, mut numbers: Vec<u64>) -> io::Result<Option<(Head, Record)>> {
        if self.store.was_deleted(id)? {
            return Ok(None);
        }
        for _ in 0..TRIES_MAX {
            let highest = numbers.last().copied().unwrap_or(0);
            for &number in numbers.iter().rev() {
                if let Some(record) = self.store.load(id, number)? {
                    if record.is_deleted {
                        return Ok(None);
                    }
                    let content = record.content.clone();
                    return Ok(Some((Head { number, highest, content }, record)));
                }
            }
            numbers = self.store.versions_of(id)?;
            if numbers.last().is_none_or(|&now| now <= highest) {
                break;
            }
        }
        Ok(None)
    }

    /// Opens the content that counts now, whatever is replaced meanwhile.
    fn open_content(&self, id: &FileId) -> Result<cap_std::fs::File> {
        self.retry(&[id], |sight| {
            sight.tree.require(id, &self.account, Access::Read, "read this")?;
            let name = sight.heads.get(id).and_then(|head| head.content.as_deref());
            let name = name.ok_or_else(|| Error::NotFound { id: id.clone() })?;
            match self.store.open_content(id, name) {
                Ok(file) => Ok(Some(file)),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })
    }

    fn store_content(&self, id: &FileId, content: Content) -> Result<(String, u64)> {
        let mut from: Box<dyn Read> = match content {
            Content::Bytes(bytes) => Box::new(io::Cursor::new(bytes)),
            Content::File(path) => Box::new(std::fs::File::open(path)?),
        };
        let limit_bytes = MAX_FILE_BYTES;
        let (name, size) = self.store.store_content(id, &mut *from, limit_bytes).map_err(failed)?;
        if size > limit_bytes {
            self.remove_content(id, Some(&name));
            return Err(Error::TooLarge { limit_bytes });
        }
        Ok((name, size))
    }

    fn remove_content(&self, id: &FileId, name: Option<&str>) {
        if let Some(name) = name {
            self.store.remove_content(id, name);
        }
    }

    /// Makes the version after `head`; false if somebody else did.
    fn commit(&self, head: &Head, next: Record) -> Result<bool> {
        let number = head.highest.checked_add(1).ok_or_else(|| Error::Invalid {
            service: SERVICE,
            what: "an entry without room for a further version".to_owned(),
        })?;
        self.store.commit(number, &next).map_err(failed)
    }
}

fn new_record(node: Node, content: Option<String>) -> Record {
    Record { node, content, nonce: Uuid::new_v4().simple().to_string(), is_deleted: false }
}

impl Sight {
    fn head(&self, id: &FileId) -> Result<Head> {
        self.heads.get(id).cloned().ok_or_else(|| Error::NotFound { id: id.clone() })
    }
}

/// What the file server's error means to a caller.
fn failed(error: io::Error) -> Error {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Error::Full { service: SERVICE },
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::Denied {
            service: SERVICE,
            what: "use this part of it".to_owned(),
            source: error.into(),
        },
        ErrorKind::InvalidData => Error::Invalid { service: SERVICE, what: error.to_string() },
        _ => Error::Unavailable { service: SERVICE, source: error.into() },
    }
}
