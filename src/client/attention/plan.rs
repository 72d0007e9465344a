//! Decides what of a sync a person has to be told who has been told things before.
//!
//! Pure: the time is an argument. A sync that nobody watches runs every few minutes, and what is
//! wrong stays wrong for hours: it is told once. Rules:
//!
//! - A refusal is told to who proposed, each time: it is an event. To who refused it is the rules at
//!   work.
//! - A problem is told when it is new. One that mostly passes by itself is told when the next sync
//!   has it as well.
//! - A failure is told when it is new; one that passes by itself, such as a lost network, once it
//!   has lasted for a day.
//! - What was not there for a day is new when it comes again.
//! - Of many problems of one kind with one person the first are told, and that there are more.
//!
//! Which problems pass by themselves is said in `notices`, where it is decided what is told elsewhere.
//!
//! Invariant: what is remembered is bounded, and holds no name, address or path: digests only.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Code, Email, Role};
use crate::notices::{Care, care};
use crate::syncers::{Problem, Refused, Report};

/// After how long something that is gone is forgotten, and a lost network is told: a day.
const DAY_SECONDS: i64 = 86_400;

/// How many problems of one kind are told one by one.
const ALIKE_MAX: usize = 20;

/// How many things are remembered, beside those of the last sync.
const TOLD_MAX: usize = 1000;

/// What earlier syncs have told, and how the last one ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// How the last sync ended.
    pub last: Option<LastSync>,
    /// Since when every sync has failed, in seconds since the epoch.
    failing_since: Option<i64>,
    told: BTreeMap<String, Seen>,
}

/// How a sync ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSync {
    /// When, in seconds since the epoch.
    pub at: i64,
    /// With which exit code `syft sync` ends then: 0, 1 or 3.
    pub exit: u8,
    /// What it did, or why it could not; for a person.
    pub summary: String,
}

/// A thing that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// When last, in seconds since the epoch.
    at: i64,
    /// True if a person was told.
    told: bool,
}

/// What a person has to be told of a sync that was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Proposals of this account that were turned down.
    pub refused: Vec<Refused>,
    /// What could not be done.
    pub problems: Vec<Problem>,
}

impl News {
    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.problems.is_empty()
    }
}

impl Memory {
    /// Notes what a sync did. Returns what a person has to be told of it.
    pub fn synced(&mut self, report: &Report, role: Role, now: i64) -> News {
        self.failing_since = None;
        self.told.retain(|key, seen| !key.starts_with(FAILURE) && is_recent(*seen, now));
        let refused = match role {
            Role::Owner => Vec::new(),
            Role::Scientist => report.refused.clone(),
        };
        let mut problems = Vec::new();
        for problem in &shortened(&report.problems) {
            let peer = problem.peer.as_ref().map_or("", |peer| peer.as_str());
            let key = key("problem-", &[problem.code.as_str(), peer, &problem.message]);
            let before = self.told.get(&key).copied();
            let is_passing = care(problem.code) == Care::Passing;
            let told = before.is_some_and(|seen| seen.told);
            let tells = !told && (!is_passing || before.is_some());
            self.remember(key, Seen { at: now, told: told || tells });
            if tells {
                problems.push(problem.clone());
            }
        }
        self.prune(now);
        News { refused, problems }
    }

    /// Notes that a sync could not be done, with the code of the reason and whether it may work
    /// later by itself. True if a person has to be told.
    pub fn failed(&mut self, code: Code, message: &str, is_passing: bool, now: i64) -> bool {
        let since = *self.failing_since.get_or_insert(now);
        // One that lies ahead was noted by a clock that was wrong.
        let since = if since > now { *self.failing_since.insert(now) } else { since };
        if is_passing && now.saturating_sub(since) < DAY_SECONDS {
            return false;
        }
        // A network that is lost in several ways is lost once.
        let key =
            if is_passing { key(FAILURE, &[]) } else { key(FAILURE, &[code.as_str(), message]) };
        let told = self.told.contains_key(&key);
        self.remember(key, Seen { at: now, told: true });
        self.prune(now);
        !told
    }

    fn remember(&mut self, key: String, seen: Seen) {
        self.told.insert(key, seen);
    }

    /// Forgets the oldest of too many, but nothing that is so now: it would be told with each sync.
    fn prune(&mut self, now: i64) {
        while self.told.len() > TOLD_MAX {
            let past = self.told.iter().filter(|(_, seen)| seen.at != now);
            let oldest = past.min_by_key(|(_, seen)| seen.at);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            self.told.remove(&oldest);
        }
    }
}

/// The problems of a sync, in which many of one kind are the first of them and one that says so.
fn shortened(problems: &[Problem]) -> Vec<Problem> {
    let mut kinds: BTreeMap<(Code, Option<&Email>), Vec<&Problem>> = BTreeMap::new();
    for problem in problems {
        kinds.entry((problem.code, problem.peer.as_ref())).or_default().push(problem);
    }
    for alike in kinds.values_mut().filter(|alike| alike.len() > ALIKE_MAX) {
        alike.sort_by(|a, b| a.message.cmp(&b.message));
    }
    let is_listed = |problem: &Problem| {
        let alike = &kinds[&(problem.code, problem.peer.as_ref())];
        alike.iter().take(ALIKE_MAX).any(|listed| listed.message == problem.message)
    };
    let mut listed: Vec<Problem> =
        problems.iter().filter(|problem| is_listed(problem)).cloned().collect();
    for ((code, peer), alike) in &kinds {
        if alike.len() > ALIKE_MAX {
            let (peer, message) = (peer.cloned(), MORE.to_owned());
            listed.push(Problem { code: *code, message, peer });
        }
    }
    listed
}

/// Without a number: one more of them is no news.
const MORE: &str = "and more of this kind; `syft sync` lists all";

const FAILURE: &str = "failure-";

/// A clock that went back makes nothing old.
const fn is_recent(seen: Seen, now: i64) -> bool {
    now.saturating_sub(seen.at) < DAY_SECONDS
}

fn key(kind: &str, parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_le_bytes());
        hasher.update(part);
    }
    let digest = hasher.finalize();
    format!("{kind}{}", hex::encode(digest.get(..16).unwrap_or(&digest)))
}

#[cfg(test)]
mod tests;
