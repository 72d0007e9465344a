//! What events of our own say: gathered in the order of the log, then committed at once.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::caches::{self, agreed, announcing};
use crate::connections::Entry;
use crate::model::{Code, DatasitePath, Digest, Timestamp, is_syncable};
use crate::wire::{Content, FileChangeEvent, FileChangeEventsMessage};

use super::super::applying::{self, Ground, States};
use super::super::sending::told;
use super::super::{Account, Report, Result};
use super::restating::{self, Said, restates};

/// What a machine learns of events of its own account.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The last state of each path.
    pub states: States,
    /// The last word of the log on each path.
    pub said: Said,
    /// The events, for the rolling state.
    pub rolling: Vec<FileChangeEvent>,
    /// The ids of events that stand in the log before.
    known: BTreeSet<String>,
    /// What the log says a second time, and when: two machines took in the same proposal.
    again: Vec<(DatasitePath, Option<Digest>, Timestamp)>,
}

impl Told {
    /// Begins with what of the events in `messages` is known to stand in the log already.
    pub(super) fn before(
        account: &Account,
        messages: &[(Entry, FileChangeEventsMessage)],
    ) -> Result<Self> {
        let events = messages.iter().flat_map(|(_, message)| &message.events);
        let mut known = BTreeSet::new();
        account.store.read(|db| {
            for event in events {
                if announcing::is_known(db, &event.id)? {
                    known.insert(event.id.clone());
                }
            }
            Ok(())
        })?;
        Ok(Self { known, ..Self::default() })
    }

    /// Follows one message of the log.
    pub(super) fn follow(
        &mut self,
        account: &Account,
        entry: &Entry,
        events: Vec<FileChangeEvent>,
        report: &mut Report,
    ) {
        let moment = Timestamp::from_micros(entry.created_micros);
        for event in events {
            if self.known.insert(event.id.clone()) {
                self.lay_event(account, event, moment, report);
            } else if let Ok(event) = event.check() {
                // For who does not look at ids: if it has given way, that is said once more.
                self.said.insert(event.path.clone(), (event.digest(), true));
                let digest = event.digest();
                self.again.push((event.path, digest, moment));
            }
        }
    }

    /// Notes what stood before all that is there.
    pub(super) fn preceded_by(&mut self, earlier: Self) {
        for (path, before) in earlier.states {
            if !self.states.contains_key(&path) {
                applying::add(&mut self.states, path.clone(), None, Timestamp::ZERO, Uuid::nil());
            }
            if let Some(state) = self.states.get_mut(&path) {
                state.earlier.insert(before.content.map(|content| content.digest()));
                state.earlier.extend(before.earlier);
            }
        }
    }

    /// Lays one event over what is there.
    pub(super) fn lay_event(
        &mut self,
        account: &Account,
        event: FileChangeEvent,
        moment: Timestamp,
        report: &mut Report,
    ) {
        match event.clone().check() {
            Ok(checked) if is_syncable(&checked.path) => {
                let restates = restates(&checked);
                self.said.insert(checked.path.clone(), (checked.digest(), restates));
                let moment = if restates { moment.min(checked.timestamp) } else { moment };
                if restates && self.states.get(&checked.path).is_some_and(|s| moment < s.moment) {
                    return; // What came before it was agreed on later.
                }
                let (path, base) = (checked.path.clone(), checked.base);
                let before = self.states.get(&path);
                // What is told already is only said once more.
                let is_new = before
                    .is_none_or(|s| s.content.as_ref().map(Content::digest) != checked.digest());
                applying::add(&mut self.states, checked.path, checked.content, moment, checked.id);
                if let Some(state) = self.states.get_mut(&path) {
                    if restates {
                        state.is_retold |= is_new;
                    } else {
                        state.bases.insert(base);
                    }
                }
                self.rolling.push(event);
            }
            Ok(_) => {}
            Err(error) => {
                let text = format!("an event in the log of {}: {}", account.email, told(&error));
                report.problem(Code::EventNotUsable, text);
            }
        }
    }

    /// Commits what was learnt, within the caller's transaction.
    pub(super) fn commit(
        &self,
        db: &rusqlite::Connection,
        account: &Account,
        ground: &Ground<'_>,
    ) -> caches::Result<()> {
        // What this machine said again was so from the first time on, and whatever the log says in
        // between came later.
        for (path, digest, moment) in &self.again {
            agreed::since(db, &account.email, path, digest.as_ref(), *moment)?;
        }
        let stale = applying::apply(db, ground, &self.states)?;
        restating::heed(db, account, &self.said)?;
        self.known.iter().try_for_each(|event| announcing::know(db, event))?;
        // What came late must not stand in the rolling state for what is newer. What says again
        // what is so belongs there: the log may be another one than before.
        for event in &self.rolling {
            let Ok(path) = DatasitePath::parse(&event.path_in_datasite) else { continue };
            let new = event.new_hash.as_deref().and_then(|text| Digest::parse(text).ok());
            if !stale.contains(&path) || agreed::digest(db, &account.email, &path)? == new {
                announcing::roll(db, event)?;
            }
        }
        Ok(())
    }
}
