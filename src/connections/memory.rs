//! A place in memory: for tests, and for trying things out without a service.
//!
//! It is the strictest that the contract allows, so that what works on it works on Drive: names
//! repeat, ids must come from [`Connection::new_ids`], only owners share and delete, others can
//! be made to see a listing late ([`MemoryDrive::set_lag`]) and out of order
//! ([`MemoryDrive::set_disorder`]), files can be limited in size, and the change feed says no more
//! than it must. Time stands still unless it is wound by hand.

mod trash;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use drive_api::Kind as Price;

pub use trash::Trashed;

use super::late::{Late, put_or_remove};
use super::local::{self, NewFile};
use super::transfer;
use super::tree::{Node, Tree};
use super::{
    Access, Changes, Connection, Content, Entry, Error, Fetching, FileId, Grant, Kind, NewEntry,
    PageToken, Query, Relocation, Result, Sending,
};
use crate::model::{Digest, Email};

const SERVICE: &str = "memory";
const MAX_FILE_BYTES: u64 = 64 << 20;
const EPOCH_MICROS: i64 = 1_780_000_000_000_000; // June 2026; any moment will do
const BATCH_MAX: usize = 100; // so that requests are counted as on Drive
const IDS_MAX: usize = 1000; // as on Drive

/// The place that sessions share. Clones are handles to the same place.
#[derive(Clone, Debug)]
pub struct MemoryDrive {
    world: Arc<Mutex<World>>,
}

/// A session of one account.
#[derive(Debug)]
pub struct Memory {
    world: Arc<Mutex<World>>,
    account: Email,
    root: FileId,
    number: u64,
    requests: AtomicU64,
    units: AtomicU64,
}

#[derive(Debug)]
struct World {
    /// As things are: what is asked for by id is answered from here.
    current: Tree,
    late: Late,
    content: HashMap<FileId, Bytes>,
    issued: HashSet<FileId>,
    used: HashSet<FileId>,
    roots: BTreeMap<String, FileId>,
    sessions: u64,
    ids: u64,
    now_micros: i64,
    max_file_bytes: u64,
}

impl Default for MemoryDrive {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryDrive {
    /// Makes an empty place.
    pub fn new() -> Self {
        let world = World {
            current: Tree::new(SERVICE),
            late: Late::new(SERVICE),
            content: HashMap::new(),
            issued: HashSet::new(),
            used: HashSet::new(),
            roots: BTreeMap::new(),
            sessions: 0,
            ids: 0,
            now_micros: EPOCH_MICROS,
            max_file_bytes: MAX_FILE_BYTES,
        };
        Self { world: Arc::new(Mutex::new(world)) }
    }

    /// Starts a session of `account`. Two sessions of one account are as two machines: each sees
    /// only its own writes at once.
    pub fn session(&self, account: &Email) -> Memory {
        let mut world = self.lock();
        world.sessions += 1;
        Memory {
            root: world.root_of(account),
            number: world.sessions,
            account: account.clone(),
            world: Arc::clone(&self.world),
            requests: AtomicU64::new(0),
            units: AtomicU64::new(0),
        }
    }

    /// Hides the newest `writes` writes from `find` and `changes` of other sessions, until later
    /// ones push them out or [`release`](Self::release) is called. 0 hides nothing.
    pub fn set_lag(&self, writes: usize) {
        self.lock().late.set_lag(writes);
    }

    /// Has `changes` give no more than so many at once.
    pub fn set_changes_at_once(&self, changes: usize) {
        self.lock().late.set_changes_at_once(changes);
    }

    /// Shows hidden writes in a random order that follows from `seed`; with `None` the oldest first.
    pub fn set_disorder(&self, seed: Option<u64>) {
        self.lock().late.set_disorder(seed);
    }

    /// Shows all sessions what was written so far; the lag goes on for what is written next.
    pub fn release(&self) {
        self.lock().late.release();
    }

    /// Sets the size of the largest file, in bytes, for what is written next.
    pub fn set_max_file_bytes(&self, bytes: u64) {
        self.lock().max_file_bytes = bytes;
    }

    /// Winds the clock forward.
    pub fn advance_micros(&self, micros: i64) {
        self.lock().now_micros += micros;
    }

    /// Makes all tokens of the change feed too old that were given out before now, and releases.
    pub fn expire_tokens(&self) {
        self.lock().late.expire_tokens();
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// The same ones in each run, but in no order that anybody could lean on.
    fn fresh_id(&mut self) -> FileId {
        self.ids += 1;
        let digest = Digest::of(&self.ids.to_le_bytes()).to_hex();
        FileId::parse(&format!("m{}", &digest[..32])).expect("hexadecimal digits are an id")
    }

    fn root_of(&mut self, account: &Email) -> FileId {
        let key = account.as_str().to_ascii_lowercase();
        if let Some(id) = self.roots.get(&key) {
            return id.clone();
        }
        let id = self.fresh_id();
        let root = Arc::new(Node {
            name: "My files".to_owned(),
            created_micros: self.now_micros,
            ..Node::root(id.clone(), account.clone())
        });
        self.current.put(Arc::clone(&root));
        self.late.put_root(root);
        self.used.insert(id.clone());
        self.roots.insert(key, id.clone());
        id
    }

    /// Carries out one write of a session. `about` is what the change feed tells of it.
    fn write(&mut self, session: u64, about: &FileId, nodes: Vec<(FileId, Option<Node>)>) {
        let mut viewers = self.current.viewers(about);
        let nodes: Vec<_> = nodes.into_iter().map(|(id, node)| (id, node.map(Arc::new))).collect();
        for (id, node) in &nodes {
            if node.is_none() {
                self.content.remove(id);
            }
            put_or_remove(&mut self.current, id, node.clone());
        }
        viewers.extend(self.current.viewers(about));
        self.late.note(session, about, nodes, viewers);
    }

    /// Replaces one node, if there is a new one.
    fn update(&mut self, session: u64, node: Option<Node>) {
        if let Some(node) = node {
            let id = node.id.clone();
            self.write(session, &id.clone(), vec![(id, Some(node))]);
        }
    }

    fn view(&self, session: u64) -> Cow<'_, Tree> {
        self.late.view(&self.current, session)
    }

    fn create(
        &mut self,
        session: u64,
        account: &Email,
        new: &NewEntry,
        content: Option<Bytes>,
    ) -> Result<Entry> {
        self.current.check_creation(&new.parent, account)?;
        let id = new.id.clone().unwrap_or_else(|| self.fresh_id());
        if self.used.contains(&id) {
            return Err(Error::AlreadyExists { id });
        }
        if new.id.is_some() && !self.issued.contains(&id) {
            let what = "create this".to_owned();
            let source = "the id was not made by the service".into();
            return Err(Error::Denied { service: SERVICE, what, source });
        }
        self.used.insert(id.clone());
        let node = Node {
            id: id.clone(),
            name: new.name.clone(),
            kind: if content.is_some() { Kind::File } else { Kind::Folder },
            owner: account.clone(),
            parent: Some(new.parent.clone()),
            is_root: false,
            size_bytes: content.as_ref().map_or(0, |content| content.len() as u64),
            created_micros: self.now_micros,
            revision: self.late.seq().cast_signed() + 1,
            tags: new.tags.clone(),
            grants: Vec::new(),
        };
        if let Some(content) = content {
            self.content.insert(id.clone(), content);
        }
        self.update(session, Some(node));
        self.current.entry(&id, account).ok_or(Error::NotFound { id })
    }

    fn read(&self, account: &Email, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        self.current.require(id, account, Access::Read, "read this")?;
        let missing = || Error::NotFound { id: id.clone() };
        let content = self.content.get(id).ok_or_else(missing)?;
        if content.len() as u64 > limit_bytes {
            return Err(Error::TooLarge { limit_bytes });
        }
        Ok(content.clone())
    }

    fn changes(&self, session: u64, account: &Email, since: &PageToken) -> Result<Changes> {
        self.late.changes(&self.view(session), session, account, since)
    }
}

impl Memory {
    /// Counts a request and opens the world.
    fn request(&self, kind: Price) -> MutexGuard<'_, World> {
        self.request_for(kind.units())
    }

    fn request_for(&self, units: u64) -> MutexGuard<'_, World> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.units.fetch_add(units, Ordering::Relaxed);
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing for each item, as batches of requests would.
    fn for_each<T>(
        &self,
        items: &[T],
        work: impl Fn(&mut World, &T) -> Result<()>,
    ) -> Vec<Result<()>> {
        items
            .chunks(BATCH_MAX)
            .flat_map(|batch| {
                let mut world = self.request_for(Price::Edit.units() * batch.len() as u64);
                batch.iter().map(|item| work(&mut world, item)).collect::<Vec<_>>()
            })
            .collect()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)] // a default method would not be this place's own
impl Connection for Memory {
    fn account(&self) -> &Email {
        &self.account
    }

    async fn verify(&self) -> Result<Email> {
        drop(self.request(Price::Read));
        Ok(self.account.clone())
    }

    fn root(&self) -> FileId {
        self.root.clone()
    }

    async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        Ok(self.request(Price::List).view(self.number).find(query, &self.account))
    }

    async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        self.request(Price::Download).read(&self.account, id, limit_bytes)
    }

    async fn download(&self, id: &FileId, to: &Path, limit_bytes: u64) -> Result<Digest> {
        let content = self.request(Price::Download).read(&self.account, id, limit_bytes)?;
        let mut file = NewFile::create(to)?;
        file.write(&content)?;
        Ok(file.finish()?)
    }

    fn resumes(&self) -> bool {
        false
    }

    async fn send(&self, new: &NewEntry, from: &Path, sending: &Sending) -> Result<Entry> {
        transfer::send_whole(self, new, from, sending).await
    }

    async fn fetch(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
        fetching: &Fetching,
    ) -> Result<Digest> {
        transfer::fetch_whole(self, id, to, limit_bytes, fetching).await
    }

    async fn create_folder(&self, new: &NewEntry) -> Result<Entry> {
        self.request(Price::Edit).create(self.number, &self.account, new, None)
    }

    async fn create_file(&self, new: &NewEntry, content: Content) -> Result<Entry> {
        let content = local::load(content, self.max_file_bytes()).await?;
        self.request(Price::Edit).create(self.number, &self.account, new, Some(content))
    }

    async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        let content = local::load(content, self.max_file_bytes()).await?;
        let mut world = self.request(Price::Edit);
        let node = world.current.require(id, &self.account, Access::Write, "replace this")?;
        let mut node = Node::clone(node);
        if node.kind == Kind::Folder {
            return Err(Error::NotFound { id: id.clone() });
        }
        node.size_bytes = content.len() as u64;
        node.revision = world.late.seq().cast_signed() + 1;
        world.content.insert(id.clone(), content);
        world.update(self.number, Some(node));
        Ok(())
    }

    async fn relocate(&self, moves: &[Relocation]) -> Result<Vec<Result<()>>> {
        Ok(self.for_each(moves, |world, step| {
            let node = world.current.moved(step, &self.account)?;
            world.update(self.number, node);
            Ok(())
        }))
    }

    async fn delete(&self, ids: &[FileId]) -> Result<Vec<Result<()>>> {
        Ok(self.for_each(ids, |world, id| {
            let deletion = world.current.deletion(id, &self.account)?;
            let orphaned = deletion.orphaned.into_iter().map(|node| (node.id.clone(), Some(node)));
            let nodes: Vec<_> =
                deletion.removed.into_iter().map(|id| (id, None)).chain(orphaned).collect();
            if !nodes.is_empty() {
                world.write(self.number, id, nodes);
            }
            Ok(())
        }))
    }

    async fn share(&self, grants: &[Grant], _notify: bool) -> Result<Vec<Result<()>>> {
        Ok(self.for_each(grants, |world, grant| {
            let node = world.current.shared(grant, &self.account)?;
            world.update(self.number, node);
            Ok(())
        }))
    }

    async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        self.request(Price::Read).current.shares(id, &self.account)
    }

    async fn is_unshared(&self, id: &FileId) -> Result<bool> {
        Ok(self.request(Price::Read).current.shares(id, &self.account)?.is_empty())
    }

    async fn unshare(&self, id: &FileId, from: &Email) -> Result<()> {
        let mut world = self.request(Price::Edit);
        let node = world.current.unshared(id, from, &self.account)?;
        world.update(self.number, node);
        Ok(())
    }

    async fn tag(&self, id: &FileId, key: &str, value: Option<&str>) -> Result<()> {
        let mut world = self.request(Price::Edit);
        let node = world.current.tagged(id, key, value, &self.account)?;
        world.update(self.number, node);
        Ok(())
    }

    async fn new_ids(&self, count: usize) -> Result<Vec<FileId>> {
        if !(1..=IDS_MAX).contains(&count) {
            let what = format!("it makes 1 to {IDS_MAX} ids, not {count}");
            return Err(Error::Invalid { service: SERVICE, what });
        }
        let mut world = self.request(Price::Read);
        let ids: Vec<FileId> = (0..count).map(|_| world.fresh_id()).collect();
        world.issued.extend(ids.iter().cloned());
        Ok(ids)
    }

    async fn change_start(&self) -> Result<PageToken> {
        Ok(self.request(Price::Read).late.change_start())
    }

    async fn changes(&self, since: &PageToken) -> Result<Changes> {
        self.request(Price::List).changes(self.number, &self.account, since)
    }

    fn requires_sealing(&self) -> bool {
        false
    }

    fn max_file_bytes(&self) -> u64 {
        self.world.lock().unwrap_or_else(PoisonError::into_inner).max_file_bytes
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    fn quota_units(&self) -> u64 {
        self.units.load(Ordering::Relaxed)
    }
}
