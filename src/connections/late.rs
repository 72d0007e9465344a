//! What the sessions of a drive in memory see, and when: late, if a test wants it so, and out of
//! order.
//!
//! A write is hidden from other sessions until later ones push it out. When it comes to light it gets
//! its place in the change feed, so that a feed which is followed from any place misses nothing,
//! however late and in whatever order things are shown.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::tree::{Node, Tree};
use super::{Change, Changes, Error, FileId, PageToken, Result};
use crate::model::Email;

/// What is shown, and what is not yet.
#[derive(Debug)]
pub(super) struct Late {
    /// As all sessions see things: behind what is by `pending`.
    settled: Tree,
    /// By which write each entry is as it is shown.
    shown: BTreeMap<FileId, u64>,
    pending: VecDeque<Write>,
    lag: usize,
    disorder: Option<u64>,
    events: Vec<Event>,
    /// How many changes are told at once.
    at_once: usize,
    seq: u64,
    /// How many writes have a place in the feed.
    places: u64,
    oldest_place: u64,
}

/// What one call changed.
#[derive(Debug)]
struct Write {
    seq: u64,
    session: u64,
    nodes: Vec<(FileId, Option<Arc<Node>>)>,
}

/// An entry of the change feed, for those who saw the file before or after.
#[derive(Debug)]
struct Event {
    seq: u64,
    /// `None` as long as only its own session sees it.
    place: Option<u64>,
    session: u64,
    id: FileId,
    viewers: BTreeSet<String>,
}

impl Late {
    pub(super) const fn new(service: &'static str) -> Self {
        Self {
            settled: Tree::new(service),
            shown: BTreeMap::new(),
            pending: VecDeque::new(),
            lag: 0,
            disorder: None,
            events: Vec::new(),
            at_once: usize::MAX,
            seq: 0,
            places: 0,
            oldest_place: 0,
        }
    }

    /// The number of the latest write.
    pub(super) const fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn put_root(&mut self, root: Arc<Node>) {
        self.settled.put(root);
    }

    pub(super) fn set_lag(&mut self, writes: usize) {
        self.lag = writes;
        self.settle();
    }

    pub(super) const fn set_changes_at_once(&mut self, changes: usize) {
        self.at_once = changes;
    }

    pub(super) const fn set_disorder(&mut self, seed: Option<u64>) {
        self.disorder = seed;
    }

    pub(super) fn release(&mut self) {
        let lag = std::mem::take(&mut self.lag);
        self.settle();
        self.lag = lag;
    }

    pub(super) fn expire_tokens(&mut self) {
        self.release();
        self.places += 1;
        self.oldest_place = self.places;
    }

    /// Notes a write of a session. `about` is what the change feed tells of it, to `viewers`.
    pub(super) fn note(
        &mut self,
        session: u64,
        about: &FileId,
        nodes: Vec<(FileId, Option<Arc<Node>>)>,
        viewers: BTreeSet<String>,
    ) {
        self.seq += 1;
        let (seq, id) = (self.seq, about.clone());
        self.events.push(Event { seq, place: None, session, id, viewers });
        self.pending.push_back(Write { seq, session, nodes });
        self.settle();
    }

    /// Lets all sessions see what is older than the lag; of what is hidden any, if there is
    /// disorder.
    fn settle(&mut self) {
        while self.pending.len() > self.lag {
            let next = self.next_to_show();
            let Some(write) = self.pending.remove(next) else { break };
            for (id, node) in write.nodes {
                if self.shown.get(&id).is_none_or(|seq| *seq < write.seq) {
                    put_or_remove(&mut self.settled, &id, node);
                    self.shown.insert(id, write.seq);
                }
            }
            self.places += 1;
            let at = self.events.partition_point(|event| event.seq < write.seq);
            if let Some(event) = self.events.get_mut(at) {
                event.place = Some(self.places);
            }
        }
    }

    fn next_to_show(&mut self) -> usize {
        // A linear congruential generator, by D. E. Knuth: any would do.
        const FACTOR: u64 = 6_364_136_223_846_793_005;
        const SUMMAND: u64 = 1_442_695_040_888_963_407;
        let Some(state) = &mut self.disorder else { return 0 };
        *state = state.wrapping_mul(FACTOR).wrapping_add(SUMMAND);
        usize::try_from(*state >> 33).unwrap_or(0) % self.pending.len()
    }

    /// Things as a session may see them now: what all see, and its own writes.
    pub(super) fn view<'t>(&self, current: &'t Tree, session: u64) -> Cow<'t, Tree> {
        if self.pending.is_empty() {
            return Cow::Borrowed(current);
        }
        let mut tree = self.settled.clone();
        for write in self.pending.iter().filter(|write| write.session == session) {
            for (id, node) in &write.nodes {
                if self.shown.get(id).is_none_or(|seq| *seq < write.seq) {
                    put_or_remove(&mut tree, id, node.clone());
                }
            }
        }
        Cow::Owned(tree)
    }

    pub(super) fn change_start(&self) -> PageToken {
        PageToken(self.places.to_string())
    }

    pub(super) fn changes(
        &self,
        view: &Tree,
        session: u64,
        account: &Email,
        since: &PageToken,
    ) -> Result<Changes> {
        let since: u64 = since.0.parse().map_err(|_| Error::TokenExpired)?;
        if since < self.oldest_place || since > self.places {
            return Err(Error::TokenExpired);
        }
        let viewer = account.as_str().to_ascii_lowercase();
        let mut events: Vec<&Event> = self
            .events
            .iter()
            .filter(|event| event.viewers.contains(&viewer))
            .filter(|event| event.place.map_or(event.session == session, |place| place > since))
            .collect();
        events.sort_by_key(|event| event.place.unwrap_or(u64::MAX));
        let mut next = None;
        if events.len() > self.at_once {
            // What has no place yet stays with what comes last.
            next = self.at_once.checked_sub(1).and_then(|last| events.get(last)?.place);
            events.truncate(if next.is_some() { self.at_once } else { events.len() });
        }
        let changes = events
            .into_iter()
            .map(|event| match view.entry(&event.id, account) {
                Some(entry) => Change::Present(entry),
                None => Change::Gone(event.id.clone()),
            })
            .collect();
        let is_all = next.is_none();
        let next = next.map_or_else(|| self.change_start(), |place| PageToken(place.to_string()));
        Ok(Changes { changes, next, is_all })
    }
}

pub(super) fn put_or_remove(tree: &mut Tree, id: &FileId, node: Option<Arc<Node>>) {
    match node {
        Some(node) => tree.put(node),
        None => tree.remove(id),
    }
}
