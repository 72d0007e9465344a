//! Approves whom a rule of the owner names, and keeps a record of it.
//!
//! What is decided is noted before it is done. If the process ends in between, the next one finds the
//! note, looks whether it was done, and goes on; so each approval has its record and its notice.

use std::collections::BTreeMap;

use super::super::{Client, Error, Result};
use crate::caches::carrying::TURNED_DOWN;
use crate::caches::{admitted, meta, notices as kept};
use crate::model::{Email, Timestamp};
use crate::notices::{self, Kind, News, Settings};
use crate::peers::{self, Peer, PeerState};
use crate::syncers::{self, peering};

pub use crate::caches::admitted::Admitted;

/// How many are approved after one sync: each costs a few requests. The others follow after the next.
const AT_ONCE_MAX: usize = 25;

/// Who could not be approved: how often that was tried, and before when it is not tried again. So
/// nobody who cannot be approved is in the way of those behind.
#[derive(Debug, Default)]
pub(super) struct Tried(BTreeMap<Email, (u32, Timestamp)>);

impl Tried {
    fn is_due(&self, peer: &Email, now: Timestamp) -> bool {
        self.0.get(peer).is_none_or(|(_, due)| !notices::waits(*due, now))
    }

    /// Notes a failure, and returns how many there were.
    fn note(&mut self, peer: &Email, now: Timestamp) -> u32 {
        let times = self.0.get(peer).map_or(0, |(times, _)| *times).saturating_add(1);
        let wait = i64::try_from(notices::retry_after(times).as_micros()).unwrap_or(i64::MAX);
        let due = Timestamp::from_micros(now.micros().saturating_add(wait));
        self.0.insert(peer.clone(), (times, due));
        times
    }
}

/// Who was approved, and what went wrong.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) approved: Vec<Admitted>,
    pub(super) failed: Vec<(Email, Error)>,
}

/// Approves whom `settings` name.
pub(super) async fn admit(
    client: &Client,
    settings: &Settings,
    tried: &mut Tried,
    now: Timestamp,
) -> Result<Outcome> {
    let known: Vec<Peer> =
        peering::remembered(&client.account)?.into_iter().map(|known| known.peer).collect();
    let turned_down = remember_turned_down(client, &known)?;
    let mut outcome = Outcome::default();
    resume(client, settings, &known, &mut outcome)?;
    let chosen = peers::admitted(&settings.auto_approve, &known, &turned_down);
    let chosen: Vec<(Email, String)> = chosen
        .into_iter()
        .filter(|(peer, _)| tried.is_due(&peer.email, now))
        .take(AT_ONCE_MAX)
        .map(|(peer, rule)| (peer.email.clone(), rule.to_string()))
        .collect();
    if chosen.is_empty() {
        return Ok(outcome);
    }
    client.account.store.write(|db| {
        chosen.iter().try_for_each(|(peer, rule)| admitted::decide(db, peer, rule, now))
    })?;
    let peers: Vec<Email> = chosen.iter().map(|(peer, _)| peer.clone()).collect();
    // What goes wrong with the sync is found by the next one as well.
    let (outcomes, _) = client.admit_peers(&peers).await?;
    for ((peer, rule), (_, came)) in chosen.into_iter().zip(outcomes) {
        match came {
            Ok(()) => {
                let done = Admitted { peer, rule, moment: now, done: true };
                note_done(client, settings, &done)?;
                tried.0.remove(&done.peer);
                outcome.approved.push(done);
            }
            Err(error) => {
                if let Error::Sync(syncers::Error::NoRequest { .. }) = error {
                    client.account.store.write(|db| admitted::undecide(db, &peer))?;
                }
                // Told when it fails first, and not each time.
                if tried.note(&peer, now) == 1 {
                    outcome.failed.push((peer, error));
                }
            }
        }
    }
    Ok(outcome)
}

/// Returns everybody whom rules have approved, the oldest first.
pub(super) fn record(client: &Client) -> Result<Vec<Admitted>> {
    let all = client.account.store.read(admitted::all)?;
    Ok(all.into_iter().filter(|admission| admission.done).collect())
}

/// Finishes what was decided before the process ended: it was done, or it is decided anew.
fn resume(
    client: &Client,
    settings: &Settings,
    known: &[Peer],
    outcome: &mut Outcome,
) -> Result<()> {
    let open = client.account.store.read(admitted::all)?;
    for mut admission in open.into_iter().filter(|admission| !admission.done) {
        let state = known
            .iter()
            .find(|peer| peer.email.is_same_account(admission.peer.as_str()))
            .map(|peer| peer.state);
        if state == Some(PeerState::Accepted) {
            admission.done = true;
            note_done(client, settings, &admission)?;
            outcome.approved.push(admission);
        } else {
            client.account.store.write(|db| admitted::undecide(db, &admission.peer))?;
        }
    }
    Ok(())
}

/// The record and the news of it are one transaction.
fn note_done(client: &Client, settings: &Settings, admission: &Admitted) -> Result<()> {
    let news = News::new(Kind::PeerApproved, admission.moment)
        .about(&admission.peer)
        .detail(admission.rule.clone());
    let text = news.to_json().to_string();
    Ok(client.account.store.write(|db| {
        for way in settings.ways(news.kind) {
            kept::add_news(db, way.as_str(), &text, news.kind.is_urgent())?;
        }
        admitted::done(db, &admission.peer)
    })?)
}

/// Returns who was turned down by a person, on any machine, and not let in since. It is remembered
/// here as well, so that a peers file that is lost on the drive lets nobody in.
fn remember_turned_down(client: &Client, known: &[Peer]) -> Result<Vec<Email>> {
    let store = &client.account.store;
    let before = store.read(|db| meta::with_prefix(db, TURNED_DOWN))?;
    let before = before
        .into_iter()
        .filter_map(|(key, _)| Email::parse(key.trim_start_matches(TURNED_DOWN)).ok());
    let before: Vec<Email> = before.collect();
    let state = |email: &Email| {
        let same = known.iter().find(|peer| peer.email.is_same_account(email.as_str()));
        same.map(|peer| peer.state)
    };
    let let_in = |email: &Email| {
        matches!(state(email), Some(PeerState::Accepted | PeerState::RequestedByMe))
    };
    let is_known = |peer: &Peer| before.iter().any(|e| e.is_same_account(peer.email.as_str()));
    let new: Vec<Email> = known
        .iter()
        .filter(|peer| peer.state == PeerState::Rejected && !is_known(peer))
        .map(|peer| peer.email.clone())
        .collect();
    let (over, stay): (Vec<Email>, Vec<Email>) = before.iter().cloned().partition(let_in);
    if !new.is_empty() || !over.is_empty() {
        let key = |email: &Email| format!("{TURNED_DOWN}{email}");
        store.write(|db| {
            new.iter().try_for_each(|email| meta::set(db, &key(email), ""))?;
            over.iter().try_for_each(|email| meta::remove(db, &key(email)))
        })?;
    }
    Ok(stay.into_iter().chain(new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_approved_is_tried_later_and_later() {
        let (ann, bob) = (Email::parse("ann@x.org").unwrap(), Email::parse("bob@x.org").unwrap());
        let at = |seconds: i64| Timestamp::from_micros(1_780_000_000_000_000 + seconds * 1_000_000);
        let mut tried = Tried::default();
        assert_eq!(tried.note(&ann, at(0)), 1);
        assert!(!tried.is_due(&ann, at(29)) && tried.is_due(&ann, at(30)));
        assert!(tried.is_due(&bob, at(1)), "others do not wait");
        assert_eq!(tried.note(&ann, at(30)), 2);
        assert!(!tried.is_due(&ann, at(89)) && tried.is_due(&ann, at(90)));
    }
}
