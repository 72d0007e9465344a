//! Takes the state that others sent into what is agreed, and decides what follows for the disk.
//!
//! Several messages may speak of one path. Only the last state counts, and which states it replaced
//! on the way is remembered: a local edit that was accepted and replaced before we looked was not
//! refused.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use crate::caches::intents::Waiting;
use crate::caches::proposed::Proposed;
use crate::caches::{self, Scan, agreed, catalogue, intents, journal, proposed};
use crate::model::{DatasitePath, Digest, Email, Timestamp};
use crate::outbox::{Known, Local, Received, Step, edits_in_the_way, receive};
use crate::wire::Content;

use super::writing::name_aside;

/// The newest state of a path that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    /// What the file is to hold; `None`: nothing.
    pub content: Option<Content>,
    /// States that it replaced before anybody here looked.
    pub earlier: BTreeSet<Option<Digest>>,
    /// When it was sent, by the service's clock.
    pub moment: Timestamp,
    /// The ids of the events that said so.
    pub events: BTreeSet<Uuid>,
    /// What it and the earlier states were made of, as far as that is told: where none is, it is
    /// not asked whether anything gives way to what was not made of it.
    pub bases: BTreeSet<Option<Digest>>,
    /// True if the log only says what was so at some time, and not what that was made of.
    pub is_retold: bool,
}

/// States by path.
pub(super) type States = BTreeMap<DatasitePath, Incoming>;

/// Adds a state that was sent after all that are there.
pub(super) fn add(
    states: &mut States,
    path: DatasitePath,
    content: Option<Content>,
    moment: Timestamp,
    event: Uuid,
) {
    match states.entry(path) {
        std::collections::btree_map::Entry::Vacant(entry) => {
            let events = BTreeSet::from([event]);
            let (earlier, bases) = (BTreeSet::new(), BTreeSet::new());
            entry.insert(Incoming { content, earlier, moment, events, bases, is_retold: false });
        }
        std::collections::btree_map::Entry::Occupied(mut entry) => {
            let incoming = entry.get_mut();
            incoming.earlier.insert(incoming.content.as_ref().map(Content::digest));
            incoming.content = content;
            incoming.moment = moment;
            incoming.events.insert(event);
        }
    }
}

impl Incoming {
    /// True if what is agreed gives way to something that was not made of it: two machines of the
    /// owner went on from one state. Where it is not told what it was made of, it may be so if what
    /// is agreed `is_own`, of this machine alone; what another machine said, that one looks after.
    fn crosses(&self, agreed: Option<Digest>, is_own: bool) -> bool {
        let was_seen = self.bases.contains(&agreed) || self.earlier.contains(&agreed);
        let may_be = if self.is_retold { is_own } else { !self.bases.is_empty() };
        agreed.is_some() && may_be && !was_seen
    }
}

/// What becomes of a local edit that is in the way of what arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edits {
    /// It stays where it is, and the next scan announces it: the disk is an owner's truth.
    Stay,
    /// It is moved aside: the owner's word counts, and nothing is lost.
    KeepAside,
}

/// Whose states these are, and what stands here.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    pub datasite: &'a Email,
    pub scan: &'a Scan,
    pub edits: Edits,
    pub now: Timestamp,
}

/// Commits states, and the writes that follow from them, within the caller's transaction. Returns
/// the paths of which something newer was known.
pub(super) fn apply(
    db: &rusqlite::Connection,
    ground: &Ground<'_>,
    states: &States,
) -> caches::Result<BTreeSet<DatasitePath>> {
    let mut stale = BTreeSet::new();
    let datasite = ground.datasite;
    let known = agreed::snapshot(db, datasite)?;
    let moments = agreed::moments(db, datasite)?;
    let asked = proposed::all(db, datasite)?;
    let waiting = intents::waiting(db, datasite)?;
    let mut settled: BTreeSet<DatasitePath> = known.keys().chain(waiting.keys()).cloned().collect();
    // Deletions first: a file may have become a folder, and the reverse.
    let (gone, rest): (Vec<_>, Vec<_>) =
        states.iter().partition(|(_, incoming)| incoming.content.is_none());
    for (path, incoming) in gone.into_iter().chain(rest) {
        let local = local(ground.scan, path);
        let is_own = agreed::is_own(db, datasite, path)?;
        // Where a write could not be done yet, what stands on disk is no edit.
        let undone = waiting.get(path).filter(|write| is_undone(ground, local, write));
        let agreed = match undone {
            Some(write) => standing(local, write),
            None => known.get(path).copied(),
        };
        let before = Known {
            agreed,
            moment: moments.get(path).copied(),
            local,
            asked: asked.get(path).map(|Proposed { digest, .. }| *digest),
        };
        let new = incoming.content.as_ref().map(Content::digest);
        let received = Received {
            new,
            earlier: incoming.earlier.clone(),
            moment: incoming.moment,
            is_answer: match asked.get(path) {
                Some(asked) if incoming.events.contains(&asked.event) => true,
                Some(asked) => !is_under_way(db, asked)?,
                None => false,
            },
        };
        let step = receive(&before, &received);
        if step == Step::Stale {
            stale.insert(path.clone());
            continue;
        }
        agreed::put(db, datasite, path, new.as_ref(), incoming.moment)?;
        // The state that was agreed already, and not as an answer: the proposal is under way still.
        if received.is_answer || new != before.agreed {
            proposed::answered(db, datasite, path)?;
        }
        let is_known = before.moment > Some(Timestamp::ZERO);
        if undone.is_some() && is_known && incoming.crosses(known.get(path).copied(), is_own) {
            keep_undone(db, ground, path)?;
        }
        intents::forget(db, datasite, path)?;
        if new.is_some() {
            settled.insert(path.clone())
        } else {
            settled.remove(path)
        };
        let is_write = match step {
            Step::Write | Step::KeepOldAndWrite => true,
            Step::KeepAsideAndWrite => ground.edits == Edits::KeepAside,
            Step::Agree | Step::Stale => false,
        };
        let content = incoming.content.as_ref();
        if is_write && (content.is_none() || make_way(db, ground, path, &mut settled)?) {
            let crosses = is_known && incoming.crosses(before.agreed, is_own);
            let (base, aside) = to_find(ground, path, crosses, &before, step);
            intents::add(db, datasite, path, base.as_ref(), content, aside.as_deref())?;
            settled.insert(path.clone());
        } else if step == Step::KeepAsideAndWrite && !is_write {
            keep_incoming(db, ground, path, incoming)?;
        }
    }
    Ok(stale)
}

/// Returns what is to stand there when the write is done, and the name under which anything else is
/// kept: that is an edit. One that is in the way now is not what the write may replace.
fn to_find(
    ground: &Ground<'_>,
    path: &DatasitePath,
    crosses: bool,
    before: &Known,
    step: Step,
) -> (Option<Digest>, Option<String>) {
    let base = match (step, before.local) {
        (Step::Write, Local::Holds(digest)) => Some(digest),
        (Step::Write, Local::Absent) => None,
        _ => before.agreed,
    };
    match ground.edits {
        Edits::KeepAside => (base, Some(name_aside(path, ground.now))),
        // What another machine went on from is not what stands here: that is kept first.
        Edits::Stay if crosses || step == Step::KeepOldAndWrite => {
            (None, Some(name_aside(path, ground.now)))
        }
        Edits::Stay => (base, None),
    }
}

/// True if what stands on disk at the place of a write that could not be done is no edit.
fn is_undone(ground: &Ground<'_>, local: Local, write: &Waiting) -> bool {
    match local {
        Local::Unknown => true,
        Local::Absent => {
            write.base.is_none() || ground.edits == Edits::Stay && write.aside.is_some()
        }
        Local::Holds(digest) => {
            write.base == Some(digest) || ground.edits == Edits::Stay && write.aside.is_some()
        }
    }
}

/// Returns what stands on disk at the place of such a write, as far as that can be looked at.
fn standing(local: Local, write: &Waiting) -> Option<Digest> {
    match local {
        Local::Unknown => write.base,
        Local::Holds(digest) => Some(digest),
        Local::Absent => None,
    }
}

/// An owner's edit stays where it is; what another machine announced meanwhile is kept beside it.
fn keep_incoming(
    db: &rusqlite::Connection,
    ground: &Ground<'_>,
    path: &DatasitePath,
    incoming: &Incoming,
) -> caches::Result<()> {
    let content = incoming.content.as_ref();
    content.map_or(Ok(()), |content| keep_beside(db, ground, path, content))
}

/// What was taken in and could not be written yet gives way to what was not made of it: it is kept as
/// if it stood there.
fn keep_undone(
    db: &rusqlite::Connection,
    ground: &Ground<'_>,
    path: &DatasitePath,
) -> caches::Result<()> {
    let content = intents::at(db, ground.datasite, path)?.and_then(|write| write.content);
    content.map_or(Ok(()), |content| keep_beside(db, ground, path, &content))
}

fn keep_beside(
    db: &rusqlite::Connection,
    ground: &Ground<'_>,
    path: &DatasitePath,
    content: &Content,
) -> caches::Result<()> {
    let name = name_aside(path, ground.now);
    let beside = match path.parent() {
        Some(folder) => folder.join(&name),
        None => DatasitePath::parse(&name),
    };
    // A path that has become too long by this holds nothing up: the log has the content.
    let Ok(beside) = beside else { return Ok(()) };
    intents::add(db, ground.datasite, &beside, None, Some(content), None)
}

/// Decides what becomes of edits that stand where a folder is needed, or in a folder where a file
/// is. False if they stay: then there is no place for the file. A folder that is in the way is kept
/// aside as a whole when the file is written.
fn make_way(
    db: &rusqlite::Connection,
    ground: &Ground<'_>,
    path: &DatasitePath,
    settled: &mut BTreeSet<DatasitePath>,
) -> caches::Result<bool> {
    let edits = [&ground.scan.files, &ground.scan.restless]
        .map(|files| edits_in_the_way(path, files, |path| settled.contains(path)))
        .concat();
    if ground.edits == Edits::Stay {
        return Ok(edits.is_empty());
    }
    for edit in edits.into_iter().filter(|edit| path.is_below(edit.as_str())) {
        let aside = name_aside(&edit, ground.now);
        intents::add(db, ground.datasite, &edit, None, None, Some(&aside))?;
        settled.insert(edit);
    }
    Ok(true)
}

/// True if the owner has not looked at a proposal: it is not sent, or lies in the inbox. An owner
/// answers before it takes a message out of there, so what is known afterwards is the answer, also
/// if it was brought together with other news.
fn is_under_way(db: &rusqlite::Connection, asked: &Proposed) -> caches::Result<bool> {
    let is_waiting = journal::pending_files(db)?.contains(&asked.message);
    Ok(is_waiting || catalogue::get(db, &asked.message)?.is_some())
}

fn local(scan: &Scan, path: &DatasitePath) -> Local {
    match scan.standing(path) {
        Some(digest) => Local::Holds(digest),
        None if scan.is_unknown(path) => Local::Unknown,
        None => Local::Absent,
    }
}
