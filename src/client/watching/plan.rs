//! Decides when a watch syncs next.
//!
//! Pure: the clock and the dice are arguments. [`Plan`] is told what is heard and how syncs end, and
//! [`Plan::next`] says how long to wait. The rules, in the order in which they count:
//!
//! 1. After a sleep of the machine, a new login, or at the start: at once.
//! 2. Another `syft` holds the lock: a second later.
//! 3. Files change here: once they are quiet, so that a file which is being written is not sent by
//!    halves; [`PUT_OFF_MAX`] after the first change at the latest. After a failure no sooner than
//!    the usual interval.
//! 4. After a failure: more and more slowly, up to a minute while the drive is out of reach, so that
//!    it is noticed soon when it is back, and up to five where a person or a quota is in the way.
//! 5. Else the drive is asked, the less often the longer nothing has happened.

use std::time::Duration;

use crate::model::Timestamp;

/// How long files must be quiet before they are synced, so that a copy under way is sent once.
pub(super) const QUIET: Duration = Duration::from_millis(400);

/// The same while a file is open in which something was written: its writer may only be slow.
pub(super) const QUIET_WRITING: Duration = Duration::from_secs(10);

/// The longest that changes which never pause are put off.
pub(super) const PUT_OFF_MAX: Duration = Duration::from_secs(60);

/// How soon a sync is repeated that left files alone which were written just now.
pub(super) const REST_PAUSE: Duration = Duration::from_secs(1);

/// How often the lock of another process is tried.
pub(super) const LOCK_PAUSE: Duration = Duration::from_secs(1);

/// How much the clock on the wall may run ahead of the machine's own before that was a sleep. A
/// correction of the clock by less is none.
pub(super) const SLEEP_MIN: Duration = Duration::from_secs(15);

/// The longest pause while the drive is out of reach.
const UNREACHABLE_MAX: Duration = Duration::from_secs(60);

/// The longest pause after failures that time alone does not cure.
const TROUBLE_MAX: Duration = Duration::from_secs(300);

/// The drive is asked again after this part of the time in which nothing happened.
const IDLE_PART: u32 = 6;

/// The part of a pause that chance may take away, so that many machines do not ask as one.
const JITTER: f64 = 0.2;

/// How often the drive is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// While things happen.
    pub interval: Duration,
    /// After nothing has happened for a while.
    pub slowest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self::of_interval(Duration::from_secs(10))
    }
}

impl Pace {
    /// Asks this often while things happen, and once a minute when nothing does, unless the interval
    /// is longer than that.
    pub fn of_interval(interval: Duration) -> Self {
        let interval = interval.max(Duration::from_secs(1));
        Self { interval, slowest: interval.max(Duration::from_secs(60)) }
    }
}

/// A moment on two clocks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moment {
    /// Time since some start, on a clock that is never set and that stands still in a sleep.
    pub awake: Duration,
    /// What the clock on the wall says.
    pub wall: Timestamp,
}

/// How a sync ended, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There was nothing to do.
    Idle,
    /// Something was exchanged, or could not be.
    Busy,
    /// Another process holds the lock.
    Locked,
    /// The drive is out of reach.
    Unreachable,
    /// It failed for a reason that may need a person, or asked to be left alone for this long.
    Trouble(Option<Duration>),
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Sync.
    Now,
    /// Wait for this long, or until something is heard.
    Wait(Duration),
}

/// Changes that were heard and are not yet in a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Changes {
    first: Duration,
    last: Duration,
    writing: bool,
}

impl Changes {
    fn quiet_at(self) -> Duration {
        self.last + if self.writing { QUIET_WRITING } else { QUIET }
    }
}

/// What a watch knows of the past, and with it of the next sync.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pace: Pace,
    seen: Moment,
    /// When something last happened, here or there.
    active: Duration,
    /// Not before this moment, unless there is a reason.
    due: Duration,
    /// Not before this moment, whatever changes here.
    earliest: Duration,
    failures: u32,
    at_once: bool,
    /// True while changes here are only seen by looking.
    deaf: bool,
    changes: Option<Changes>,
}

impl Plan {
    /// A watch that begins now, with a sync.
    pub(super) fn new(pace: Pace, now: Moment) -> Self {
        Self {
            pace,
            seen: now,
            active: now.awake,
            due: now.awake,
            earliest: now.awake,
            failures: 0,
            at_once: true,
            deaf: false,
            changes: None,
        }
    }

    /// Notes that files changed here. `writing`: at least one of them is still open.
    pub(super) fn heard(&mut self, now: Moment, writing: bool) {
        let first = self.changes.map_or(now.awake, |changes| changes.first);
        self.changes = Some(Changes { first, last: now.awake, writing });
        self.active = now.awake;
    }

    /// Notes whether changes here are only seen by looking: then it looks as often as it may.
    pub(super) const fn set_deaf(&mut self, deaf: bool) {
        self.deaf = deaf;
    }

    /// Notes that there is a reason to sync at once.
    pub(super) const fn hurry(&mut self) {
        self.at_once = true;
    }

    /// Notes that the sync which has just ended left files alone that were written just now: nothing
    /// need be heard of them any more, so another one comes soon.
    pub(super) fn left_restless(&mut self, now: Moment) {
        self.due = self.due.min(now.awake + REST_PAUSE);
    }

    /// Looks at both clocks. Returns for how long the machine slept since the last look, if it did;
    /// then it is time to sync. A clock that was put forward looks the same, which does no harm; one
    /// that was put back is no sleep.
    pub(super) fn look(&mut self, now: Moment) -> Option<Duration> {
        let wall = now.wall.micros().saturating_sub(self.seen.wall.micros());
        let wall = Duration::from_micros(u64::try_from(wall).unwrap_or(0));
        let slept = wall.saturating_sub(now.awake.saturating_sub(self.seen.awake));
        self.seen = now;
        if slept < SLEEP_MIN {
            return None;
        }
        self.at_once = true;
        self.active = now.awake;
        self.failures = 0;
        Some(slept)
    }

    /// Returns what to do next.
    pub(super) fn next(&self, now: Moment) -> Next {
        if self.at_once {
            return Next::Now;
        }
        let due = match self.changes {
            // Whatever else is due waits for the files, too: a sync sends what it finds.
            Some(changes) => changes.quiet_at().min(changes.first + PUT_OFF_MAX).max(self.earliest),
            None => self.due,
        };
        match due.checked_sub(now.awake) {
            None | Some(Duration::ZERO) => Next::Now,
            Some(wait) => Next::Wait(wait),
        }
    }

    /// Notes that a sync begins: what is heard from now on is for the next one. So is what is not
    /// quiet yet, since a sync leaves that alone. All else is found by any sync, also by one after
    /// this one failed.
    pub(super) fn begun(&mut self, now: Moment) {
        self.at_once = false;
        let restless = self.changes.filter(|changes| changes.quiet_at() > now.awake);
        self.changes = restless.map(|changes| Changes { first: now.awake, ..changes });
    }

    /// Notes how the sync ended. `chance`: anything from 0 to 1.
    pub(super) fn ended(&mut self, ended: Ended, now: Moment, chance: f64) {
        let (pause, earliest) = match ended {
            Ended::Idle | Ended::Busy => {
                self.failures = 0;
                if ended == Ended::Busy {
                    self.active = now.awake;
                }
                let idle = now.awake.saturating_sub(self.active) / IDLE_PART;
                let Pace { interval, slowest } = self.pace;
                let pause = idle.clamp(interval, if self.deaf { interval } else { slowest });
                (shorter(pause, chance), Duration::ZERO)
            }
            Ended::Locked => (LOCK_PAUSE, LOCK_PAUSE),
            Ended::Unreachable => {
                (shorter(self.slower(UNREACHABLE_MAX), chance), self.pace.interval)
            }
            Ended::Trouble(asked) => {
                let pause = shorter(self.slower(TROUBLE_MAX), chance);
                let asked = asked.unwrap_or_default().min(TROUBLE_MAX);
                (pause.max(asked), self.pace.interval.max(asked))
            }
        };
        self.due = now.awake + pause;
        self.earliest = now.awake + earliest.min(pause);
    }

    fn slower(&mut self, max: Duration) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = self.pace.interval.saturating_mul(1 << (self.failures - 1).min(16));
        doubled.min(max.max(self.pace.interval))
    }
}

/// Takes a part of a pause away, by chance.
fn shorter(pause: Duration, chance: f64) -> Duration {
    pause.mul_f64(1.0 - JITTER * chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests;
