//! A session's work in a bucket: look at what is there, decide by the rules of the ledger, make the
//! next commit; if somebody else was first, look again.
//!
//! What is known is always what was read: an own commit counts once the listing shows it. So nothing
//! has to be undone when an answer is lost, and all sessions take each entry's moment from the store.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::Instant;

use super::SERVICE;
use super::commit::{self, Change, Commit, Piece};
use super::ledger::{Effect, Ledger};
use super::sight::{Past, Sight};
use super::store::{Logged, Pieces, Store, next_piece};
use crate::connections::local::NewFile;
use crate::connections::{
    self, Access, Changes, Content, Entry, Error, FileId, NewEntry, PageToken, Query, Result,
};
use crate::model::{Digest, Email};

const TRIES_MAX: u32 = 100; // each failure means that somebody else got on
const READ_TRIES_MAX: u32 = 10; // as above, for one file
const CHANGES_MAX: usize = 500; // of one commit
const SNAPSHOT_EVERY: u64 = 100;
const READS_AT_ONCE: usize = 8;
/// A commit so far above the last is none: nobody else could make one any more.
const LEAP_MAX: u64 = 1_000_000;
/// For how long what was seen is enough to read by.
const FRESH: Duration = Duration::from_secs(1);

/// A session: its account, its bucket and what it last saw there.
#[derive(Debug)]
pub(super) struct Session {
    account: Email,
    store: Store,
    sight: Mutex<Option<Sight>>,
}

impl Session {
    pub(super) fn new(account: Email, store: Store) -> Self {
        Self { account, store, sight: Mutex::new(None) }
    }

    pub(super) const fn store(&self) -> &Store {
        &self.store
    }

    pub(super) async fn find(&self, query: &Query) -> Result<Vec<Entry>> {
        let (mut held, _) = self.hold().await?;
        let sight = self.look(&mut held).await?;
        Ok(sight.ledger.tree.find(query, &self.account))
    }

    pub(super) async fn shares(&self, id: &FileId) -> Result<Vec<(Email, Access)>> {
        let (mut held, _) = self.hold().await?;
        self.look(&mut held).await?.ledger.tree.shares(id, &self.account)
    }

    pub(super) async fn read(&self, id: &FileId, limit_bytes: u64) -> Result<Bytes> {
        let mut pieces = self.open_content(id, limit_bytes).await?;
        let mut content = BytesMut::new();
        while let Some(piece) = next_piece(&mut pieces).await? {
            content.extend_from_slice(&piece);
            if content.len() as u64 > limit_bytes {
                return Err(Error::TooLarge { limit_bytes });
            }
        }
        Ok(content.freeze())
    }

    pub(super) async fn download(
        &self,
        id: &FileId,
        to: &Path,
        limit_bytes: u64,
    ) -> Result<Digest> {
        let mut pieces = self.open_content(id, limit_bytes).await?;
        let mut file = NewFile::create(to)?;
        let mut left = limit_bytes;
        while let Some(piece) = next_piece(&mut pieces).await? {
            left = left.checked_sub(piece.len() as u64).ok_or(Error::TooLarge { limit_bytes })?;
            file.write(&piece)?;
        }
        Ok(file.finish()?)
    }

    pub(super) async fn create(&self, new: &NewEntry, content: Option<Content>) -> Result<Entry> {
        let id = new.id.clone().unwrap_or_else(commit::new_id);
        let change = Change::Create {
            id: id.clone(),
            parent: new.parent.clone(),
            name: new.name.clone(),
            content: content.as_ref().map(|_| Piece::to_come()),
            tags: new.tags.clone(),
        };
        match content {
            None => self.change_one(change).await?,
            Some(content) => self.change_with(&id, content, change).await?,
        }
        let (held, _) = self.hold().await?;
        let entry = held.as_ref().and_then(|sight| sight.ledger.tree.entry(&id, &self.account));
        entry.ok_or(Error::NotFound { id })
    }

    pub(super) async fn replace(&self, id: &FileId, content: Content) -> Result<()> {
        let change = Change::Replace { id: id.clone(), content: Piece::to_come() };
        self.change_with(id, content, change).await
    }

    /// Stores content, then makes the change that names it. What may not be done is found out
    /// before anything is sent.
    async fn change_with(&self, id: &FileId, content: Content, change: Change) -> Result<()> {
        for _ in 0..READ_TRIES_MAX {
            let since = self.try_out(&change).await?;
            let piece = self.store.store_content(id, content.clone()).await?;
            let stored = Stored { id, name: piece.name.clone(), since };
            match self.commit(&[change.clone().naming(piece)], Some(&stored)).await {
                Ok(Some(answers)) => {
                    let answer: Result<()> = answers.into_iter().collect();
                    if answer.is_err() {
                        self.store.remove_content(vec![(id.clone(), stored.name)]).await;
                    }
                    return answer;
                }
                // It was swept while we slept.
                Ok(None) => {}
                // It may be done all the same: then the content is in use.
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    self.store.remove_content(vec![(id.clone(), stored.name)]).await;
                    return Err(error);
                }
            }
        }
        Err(too_busy())
    }

    /// Fails as the change would; else returns the number of the last commit that is known.
    async fn try_out(&self, change: &Change) -> Result<u64> {
        let (mut held, is_fresh) = self.hold().await?;
        let known = held.as_mut().map(|sight| sight.ledger.clone());
        if let Some(mut ledger) = known
            && ledger.apply(&self.account, change).is_ok()
        {
            return Ok(ledger.number);
        }
        if !is_fresh {
            self.look(&mut held).await?;
        }
        let Some(mut ledger) = held.as_ref().map(|sight| sight.ledger.clone()) else {
            return Ok(0);
        };
        ledger.apply(&self.account, change).map(|_| ledger.number)
    }

    async fn change_one(&self, change: Change) -> Result<()> {
        self.change(vec![change]).await?.into_iter().collect()
    }

    /// True if content may be swept that was stored before it is named: a process may sleep for days
    /// between the two. Not asked unless a sweep can have been since.
    async fn is_swept(&self, stored: &Stored<'_>, number: u64) -> Result<bool> {
        let is_since = number / SNAPSHOT_EVERY != stored.since / SNAPSHOT_EVERY;
        Ok(is_since && !self.store.has_content(stored.id, &stored.name).await?)
    }

    /// Makes changes, in order, and answers for each.
    pub(super) async fn change(&self, changes: Vec<Change>) -> Result<Vec<Result<()>>> {
        let mut answers = Vec::with_capacity(changes.len());
        for part in changes.chunks(CHANGES_MAX) {
            answers.extend(self.commit(part, None).await?.unwrap_or_default());
        }
        Ok(answers)
    }

    /// Makes a commit; `None` if the content that it names is not there any more.
    async fn commit(
        &self,
        changes: &[Change],
        stored: Option<&Stored<'_>>,
    ) -> Result<Option<Vec<Result<()>>>> {
        let (mut held, mut is_fresh) = self.hold().await?;
        for _ in 0..TRIES_MAX {
            let Some(sight) = held.as_mut() else { break };
            // Who is first at the number after the last that was known did not sleep through any.
            if let Some(stored) = stored
                && self.is_swept(stored, sight.ledger.number).await?
            {
                return Ok(None);
            }
            let (answers, commit, freed) = decide(&sight.ledger, &self.account, changes);
            if answers.iter().any(Result::is_err) || commit.changes.is_empty() {
                // What is known may be old: only what would be done now proves by itself that it is not.
                if !is_fresh {
                    self.look(&mut held).await?;
                    is_fresh = true;
                    continue;
                }
                if commit.changes.is_empty() {
                    return Ok(Some(answers));
                }
            }
            let number = next_number(sight)?;
            let made = self.store.commit(number, &commit).await;
            let sight = self.look(&mut held).await?;
            is_fresh = true;
            if matches!(made, Ok(true)) && sight.is_in_a_hole(number, &commit) {
                // We looked so long ago that the commit of that number was cleared away meanwhile.
                self.store.remove_commit(number).await;
                *held = Some(self.load(None).await?);
                continue;
            }
            // Also if the answer was lost.
            if sight.has(number, &commit) {
                if number.is_multiple_of(SNAPSHOT_EVERY) {
                    // Housekeeping; whoever makes the next such commit tries again.
                    drop(self.store.tidy(&sight.ledger).await);
                }
                drop(held);
                self.store.remove_content(freed).await;
                return Ok(Some(answers));
            }
            made?;
        }
        Err(too_busy())
    }

    pub(super) async fn change_start(&self) -> Result<PageToken> {
        let (mut held, _) = self.hold().await?;
        let number = self.look(&mut held).await?.ledger.number;
        let known = held.as_ref().and_then(|sight| sight.history.get(&number));
        if let Some(past) = known {
            return Ok(token(&past.logged));
        }
        let Some(before) = number.checked_sub(1) else { return Ok(PageToken("0".to_owned())) };
        let found = self.store.commits_after(before).await?;
        let found = found.iter().find(|logged| logged.number == number);
        Ok(found.map_or_else(|| PageToken("0".to_owned()), token))
    }

    /// Follows the feed: one request if nothing happened, whatever this session knows.
    pub(super) async fn changes(&self, since: &PageToken) -> Result<Changes> {
        let (number, seal) = place(since).ok_or(Error::TokenExpired)?;
        let mut later = self.store.commits_after(number.saturating_sub(1)).await?;
        if number > 0 {
            // Another commit of that number is another bucket, or one that was tampered with.
            let is_there = later
                .first()
                .is_some_and(|first| first.number == number && Some(first.seal.as_str()) == seal);
            if !is_there {
                return Err(Error::TokenExpired);
            }
            later.remove(0);
        }
        if later.is_empty() {
            return Ok(Changes { changes: Vec::new(), next: since.clone(), is_all: true });
        }
        let mut held = self.sight.lock().await;
        if held.as_ref().is_none_or(|sight| sight.base > number) {
            *held = Some(self.load(Some(number)).await?);
        }
        let sight = self.look(&mut held).await?;
        if sight.base > number {
            return Err(Error::TokenExpired);
        }
        let mut told = BTreeSet::new();
        let mut changes = Vec::new();
        let past: Vec<&Past> = sight.history.range(number + 1..).map(|(_, past)| past).collect();
        for id in past.iter().rev().flat_map(|past| past.touched.iter().rev()) {
            if told.insert(id) {
                let entry = sight.ledger.tree.entry(id, &self.account);
                changes.push(entry.map_or_else(
                    || connections::Change::Gone(id.clone()),
                    connections::Change::Present,
                ));
            }
        }
        changes.reverse();
        let next = past.last().map_or_else(|| since.clone(), |past| token(&past.logged));
        Ok(Changes { changes, next, is_all: true })
    }

    /// Takes what is known, which is never nothing. True: it was read just now.
    async fn hold(&self) -> Result<(MutexGuard<'_, Option<Sight>>, bool)> {
        let mut held = self.sight.lock().await;
        let is_new = held.is_none();
        if is_new {
            *held = Some(self.load(None).await?);
        }
        Ok((held, is_new))
    }

    /// Starts from the newest snapshot that can be read, or from the newest at or before `number`.
    async fn load(&self, number: Option<u64>) -> Result<Sight> {
        let mut ledger = Ledger::new();
        for found in self.store.snapshots().await? {
            if number.is_some_and(|number| found > number) {
                continue;
            }
            if let Some(read) = self.store.load_snapshot(found).await? {
                ledger = read;
                break;
            }
        }
        ledger.welcome(&self.account);
        let (base, seen) = (ledger.number, Instant::now());
        let mut sight = Sight { ledger, base, history: BTreeMap::new(), seen };
        // From the newest there is nowhere else to go: what is missing then is missing.
        if !self.follow(&mut sight, number.is_none()).await? {
            return Box::pin(self.load(None)).await;
        }
        Ok(sight)
    }

    /// Brings all that is known up to date with what is there.
    async fn look<'s>(&self, held: &'s mut Option<Sight>) -> Result<&'s mut Sight> {
        let is_whole = match held.as_mut() {
            Some(sight) => self.follow(sight, false).await?,
            None => false,
        };
        if !is_whole {
            *held = Some(self.load(None).await?);
        }
        held.as_mut().ok_or(Error::TokenExpired)
    }

    /// Follows the log. False if a part of it was cleared away, so that one must start anew; never
    /// `at_any_rate`.
    async fn follow(&self, sight: &mut Sight, at_any_rate: bool) -> Result<bool> {
        let from = sight.ledger.number;
        let mut listed = self.store.commits_after(from).await?;
        let mut last = from;
        listed.retain(|logged| {
            let is_near = logged.number - last <= LEAP_MAX;
            last = if is_near { logged.number } else { last };
            is_near
        });
        let is_cut = listed.iter().zip(from + 1..).any(|(logged, next)| logged.number != next);
        // Without a snapshot that is newer, somebody has deleted commits: what is left counts.
        if is_cut && !at_any_rate {
            let newest = self.store.snapshots().await?.first().copied();
            if newest.is_some_and(|newest| newest > from) {
                return Ok(false);
            }
        }
        let loaded = listed.into_iter().map(|logged| async move {
            let commit = self.store.load(&logged).await?;
            Ok::<_, Error>((logged, commit))
        });
        let commits: Vec<_> = stream::iter(loaded).buffered(READS_AT_ONCE).try_collect().await?;
        for (logged, commit) in commits {
            sight.take(logged, commit);
        }
        sight.seen = Instant::now();
        Ok(true)
    }

    /// Opens the content that counts now, whatever is replaced meanwhile.
    async fn open_content(&self, id: &FileId, limit_bytes: u64) -> Result<Pieces> {
        let too_large = Error::TooLarge { limit_bytes };
        let mut missing = None;
        for turn in 0..READ_TRIES_MAX {
            let (known, is_sure) = self.content_of(id, turn > 0).await?;
            let (size_bytes, name) = match known {
                // What was seen some time ago grants, but does not refuse.
                Err(error) if is_sure => return Err(error),
                Ok((size_bytes, _)) if is_sure && size_bytes > limit_bytes => {
                    return Err(too_large);
                }
                Err(_) => continue,
                Ok(known) => known,
            };
            match self.store.open_content(id, &name).await? {
                Some((found, _)) if found.max(size_bytes) > limit_bytes && is_sure => {
                    return Err(too_large);
                }
                Some((found, pieces)) if found <= limit_bytes => return Ok(pieces),
                // Somebody has taken it away: what is named now is what was named before.
                None if is_sure && missing.as_ref() == Some(&name) => break,
                // It was replaced.
                None => missing = Some(name),
                Some(_) => {}
            }
        }
        Err(Error::NotFound { id: id.clone() })
    }

    /// Returns the length and the name of a file's content. True: as it is now, as far as one can say.
    async fn content_of(&self, id: &FileId, look: bool) -> Result<(Result<(u64, String)>, bool)> {
        let (mut held, is_new) = self.hold().await?;
        let is_stale = held.as_ref().is_some_and(|sight| sight.seen.elapsed() >= FRESH);
        let is_sure = is_new || look || is_stale;
        if is_sure && !is_new {
            self.look(&mut held).await?;
        }
        let known = held.as_ref().map(|sight| {
            let (node, name) = sight.ledger.readable(id, &self.account)?;
            Ok((node.size_bytes, name.to_owned()))
        });
        Ok((known.unwrap_or_else(|| Err(Error::NotFound { id: id.clone() })), is_sure))
    }
}

/// Content that is there and that no commit names yet.
#[derive(Debug)]
struct Stored<'a> {
    id: &'a FileId,
    name: String,
    /// The last commit that was known before it was stored.
    since: u64,
}

fn too_busy() -> Error {
    let source = "others keep writing at the same moment".into();
    Error::Unavailable { service: SERVICE, source }
}

/// Tries changes out and returns what comes of each, what is to be committed, and which content
/// nobody needs once it is.
fn decide(
    ledger: &Ledger,
    account: &Email,
    changes: &[Change],
) -> (Vec<Result<()>>, Commit, Vec<(FileId, String)>) {
    let mut trial = ledger.clone();
    let (mut answers, mut effective, mut freed) = (Vec::new(), Vec::new(), Vec::new());
    for change in changes {
        answers.push(trial.apply(account, change).map(|effect| {
            if let Some(Effect { freed: more, .. }) = effect {
                effective.push(change.clone());
                freed.extend(more);
            }
        }));
    }
    (answers, Commit::new(account, effective), freed)
}

fn next_number(sight: &Sight) -> Result<u64> {
    const NUMBER_MAX: u64 = 9_999_999_999_999_999;
    let next = sight.ledger.number + 1;
    if next <= NUMBER_MAX {
        return Ok(next);
    }
    let what = "a log without room for a further commit".to_owned();
    Err(Error::Invalid { service: SERVICE, what })
}

fn token(logged: &Logged) -> PageToken {
    PageToken(format!("{}.{}", logged.number, logged.seal))
}

/// Returns the commit that a token names, and how it looks.
fn place(token: &PageToken) -> Option<(u64, Option<&str>)> {
    if token.0 == "0" {
        return Some((0, None));
    }
    let (number, seal) = token.0.split_once('.')?;
    let is_number = !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
    Some((number.parse().ok().filter(|_| is_number)?, Some(seal)))
}
