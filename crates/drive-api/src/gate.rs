//! The gate that every request of an account passes: it waits there until it may leave.
//!
//! How many may be open at once is decided in [`limit`], what the quota allows in [`window`]; here
//! requests queue up, first come first served, and the clock is asked. One gate serves all sessions
//! of this process with one account on one server, since the quota is the account's.
//!
//! Invariant: nobody waits here while holding a [`Slot`] that another needs to go on; a slot is given
//! back when it is dropped, whatever became of its request.

mod limit;
mod window;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use url::Url;

use crate::clock::Clock;
use limit::Limit;
pub(crate) use limit::{OPEN_MAX, Ticket};
use window::Window;

/// Gates of accounts that are kept although no session uses them, for what left a moment ago.
const IDLE_GATES_MAX: usize = 64;

/// How many requests of this process are held back at this moment.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// The gates of accounts, by server and account.
static GATES: Mutex<BTreeMap<(String, String), Arc<Gate>>> = Mutex::new(BTreeMap::new());

/// Returns how many requests of this process are held back at this moment, by the quota or since the
/// server asked for a pause, for who tells a person why nothing happens.
pub fn calls_held_back() -> usize {
    HELD.load(Ordering::Relaxed)
}

/// Where requests wait until they may leave.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    /// Who is next; the others stand behind, in order.
    turn: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    freed: Notify,
}

/// What decides: no clock, no waiting.
#[derive(Debug, Default)]
struct State {
    limit: Limit,
    window: Window,
    /// Whether the server has said that it counts no quota units.
    is_unmetered: bool,
}

/// What becomes of who is next.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Go(Ticket),
    /// Until another request has ended.
    Full,
    Wait(Duration),
}

impl State {
    fn step(&mut self, now: DateTime<Utc>, units: u64) -> Step {
        if let Some(wait) = self.limit.held(now) {
            return Step::Wait(wait);
        }
        if self.limit.is_full() {
            return Step::Full;
        }
        if !self.is_unmetered {
            let wait = self.window.wait(now, units);
            if !wait.is_zero() {
                return Step::Wait(wait);
            }
            self.window.take(now, units);
        }
        Step::Go(self.limit.enter())
    }
}

impl Gate {
    /// The gate of an account on a server; one of its own for who does not say whose account it is.
    pub(crate) fn of(server: &Url, account: Option<&str>) -> Arc<Self> {
        let Some(account) = account else { return Arc::default() };
        let mut gates = GATES.lock().unwrap_or_else(PoisonError::into_inner);
        if gates.len() > IDLE_GATES_MAX {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        Arc::clone(gates.entry((server.to_string(), account.to_lowercase())).or_default())
    }

    /// Waits until a request of this price may leave.
    pub(crate) async fn enter(self: &Arc<Self>, units: u64, clock: &dyn Clock) -> Slot {
        let _turn = self.turn.lock().await;
        let mut slept_until = None;
        loop {
            // Time that was slept is over, also by a clock that stands still or was set back.
            let now = slept_until.map_or_else(|| clock.now(), |until| clock.now().max(until));
            let step = self.lock().step(now, units);
            match step {
                Step::Go(ticket) => return Slot { gate: Arc::clone(self), ticket },
                Step::Full => self.freed.notified().await,
                Step::Wait(wait) => {
                    let _held = Held::begin();
                    tracing::debug!(?wait, "holding requests back");
                    clock.sleep(wait).await;
                    slept_until = Some(now + wait);
                }
            }
        }
    }

    /// Notes that the server refused a request since there were too many.
    pub(crate) fn refused(&self, ticket: Ticket) {
        self.lock().limit.refused(ticket);
    }

    /// Notes that the server asked for a pause.
    pub(crate) fn hold(&self, now: DateTime<Utc>, pause: Duration) {
        self.lock().limit.hold(now, pause);
    }

    /// Notes that the server counts no quota units: what it can take, it says by itself.
    pub(crate) fn is_unmetered(&self) {
        self.lock().is_unmetered = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is open, until this is dropped.
#[derive(Debug)]
#[must_use = "the request counts as ended once this is dropped"]
pub(crate) struct Slot {
    gate: Arc<Gate>,
    ticket: Ticket,
}

impl Slot {
    /// Tells when the request left, for what is heard of it later.
    pub(crate) const fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// Notes that the request worked.
    pub(crate) fn worked(&self) {
        self.gate.lock().limit.worked(self.ticket);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gate.lock().limit.leave();
        self.gate.freed.notify_one();
    }
}

/// Counts as held back until it is dropped.
pub(crate) struct Held(());

impl Held {
    pub(crate) fn begin() -> Self {
        HELD.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::quota::UNITS_A_MINUTE;

    /// What may happen next to a session.
    #[derive(Debug, Clone)]
    enum Event {
        Enter(u64),
        Worked(usize),
        Refused(usize),
        Asked(usize, u64),
        Passed(i64),
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            8 => prop_oneof![Just(5), Just(200), Just(5_000), Just(40_000)].prop_map(Event::Enter),
            6 => (0..8usize).prop_map(Event::Worked),
            1 => (0..8usize).prop_map(Event::Refused),
            1 => (0..8usize, 0..90u64).prop_map(|(which, wait)| Event::Asked(which, wait)),
            4 => prop_oneof![0..200i64, -20_000..20_000i64].prop_map(Event::Passed),
        ];
        proptest::collection::vec(event, 1..600)
    }

    proptest! {
        #[test]
        fn whatever_happens_no_limit_is_passed_and_nobody_waits_for_ever(
            events in events(),
            steady in any::<bool>(),
        ) {
            let mut state = State::default();
            let mut now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
            let (mut open, mut left) = (Vec::<Ticket>::new(), Vec::new());
            let (mut held_until, mut ran_back) = (now, false);
            for event in events {
                match event {
                    Event::Passed(millis) => {
                        let millis = if steady { millis.abs() } else { millis };
                        now += chrono::TimeDelta::milliseconds(millis);
                        ran_back |= millis < 0;
                    }
                    Event::Enter(units) => match state.step(now, units) {
                        Step::Go(ticket) => {
                            prop_assert!(ran_back || now >= held_until);
                            open.push(ticket);
                            left.push((now, units));
                        }
                        Step::Wait(wait) => {
                            prop_assert!(!wait.is_zero() && wait <= Duration::from_secs(64));
                        }
                        Step::Full => prop_assert!(!open.is_empty()),
                    },
                    Event::Worked(which) if which < open.len() => {
                        state.limit.worked(open.swap_remove(which));
                        state.limit.leave();
                    }
                    Event::Refused(which) if which < open.len() => {
                        state.limit.refused(open.swap_remove(which));
                        state.limit.leave();
                    }
                    Event::Asked(which, seconds) if which < open.len() => {
                        let pause = Duration::from_secs(seconds);
                        state.limit.hold(now, pause);
                        held_until = held_until.max(now + pause.min(crate::retry::WAIT_MAX));
                        open.swap_remove(which);
                        state.limit.leave();
                    }
                    _ => {}
                }
                prop_assert!(open.len() <= limit::OPEN_MAX);
            }
            // Any minute, wherever it begins; a clock that is set back has no minutes.
            for (begin, _) in left.iter().filter(|_| !ran_back) {
                let end = *begin + chrono::TimeDelta::minutes(1);
                let within = left.iter().filter(|(when, _)| when >= begin && *when < end);
                prop_assert!(within.map(|(_, units)| units).sum::<u64>() <= UNITS_A_MINUTE);
            }
        }
    }

    #[test]
    fn one_account_has_one_gate_and_others_have_others() {
        let server = |port: u16| Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        let gate = Gate::of(&server(1), Some("a@example.org"));
        assert!(Arc::ptr_eq(&gate, &Gate::of(&server(1), Some("A@example.org"))));
        assert!(!Arc::ptr_eq(&gate, &Gate::of(&server(1), Some("b@example.org"))));
        assert!(!Arc::ptr_eq(&gate, &Gate::of(&server(2), Some("a@example.org"))));
        assert!(!Arc::ptr_eq(&gate, &Gate::of(&server(1), None)));
    }

    #[tokio::test]
    async fn a_slot_that_is_dropped_lets_the_next_one_in_also_if_who_waited_went_away() {
        let (gate, clock) = (Arc::new(Gate::default()), crate::SystemClock);
        let mut slots = Vec::new();
        for _ in 0..limit::OPEN_MAX {
            slots.push(gate.enter(5, &clock).await);
        }
        let mut impatient = Box::pin(gate.enter(5, &clock));
        assert!(futures::poll!(&mut impatient).is_pending());
        let mut patient = Box::pin(gate.enter(5, &clock));
        assert!(futures::poll!(&mut patient).is_pending());
        drop(impatient);
        assert!(futures::poll!(&mut patient).is_pending(), "none is free");
        slots.pop();
        assert!(futures::poll!(&mut patient).is_ready());
    }
}
