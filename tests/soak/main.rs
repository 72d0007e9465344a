//! `sync --watch` for as long as one likes: three accounts as real processes over a real server that
//! fails, dies for a while, and is slow, beside people who write.
//!
//! The one test that needs real time: [`SECONDS`] of it, or as `SYFT_SOAK_SECS` says
//! (`SYFT_SOAK_SECS=3600 cargo test --test soak -- --nocapture`). `SYFT_SOAK_SEED` decides what people
//! do; when it happens is up to the machine. It fails if a file is lost or seen by halves, if a watch
//! ends, if its memory grows, or if it asks the drive more often than it may.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has to stop")]

mod people;
mod watchers;

use std::time::{Duration, Instant};

use drive_server::{Fault, Options, Outcome, When};

use people::People;
use watchers::{Account, Watcher};

/// How long people work where nothing else is said.
const SECONDS: u64 = 20;

/// How long it may take until everybody has everything, once nothing fails any more: a watch that
/// has lost the drive looks for it once a minute at least.
const CONVERGE: Duration = Duration::from_secs(90);

/// How long nobody does anything, to see what that costs.
const IDLE: Duration = Duration::from_secs(15);

/// What the memory of a process may grow by, whatever the length of the run: less than one
/// message's worth for each sync of an hour.
const GROWTH_MAX_KB: u64 = 12 * 1024;

const OWNER: &str = "do@example.org";
const SCIENTISTS: [&str; 2] = ["ann@example.org", "bob@example.org"];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_watches_lose_nothing_and_stay_as_they_are() {
    let seconds = number("SYFT_SOAK_SECS", SECONDS);
    let seed = number("SYFT_SOAK_SEED", 1);
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let data = folder.path().join("drive");
    let server = drive_server::serve(Options::new(&data)).await.unwrap();
    let accounts = tokio::task::block_in_place(|| {
        watchers::acquaint(folder.path(), &data, server.url(), OWNER, &SCIENTISTS)
    });
    let mut watchers: Vec<Watcher> = accounts.iter().map(Watcher::start).collect();
    let mut people = People::new(seed, &accounts);

    let (before, began) = (server.requests(), Instant::now());
    let length = Duration::from_secs(seconds);
    let mut halves = [Vec::new(), Vec::new()];
    let mut is_away_until = None;
    while began.elapsed() < length {
        let at = began.elapsed().as_secs_f64() / length.as_secs_f64();
        people.act();
        people.check_whole();
        if is_away_until.is_none_or(|until| Instant::now() > until) {
            if is_away_until.take().is_some() {
                server.faults().clear();
            }
            is_away_until = trouble(&mut people, &server, &mut watchers, at);
        }
        for watcher in &mut watchers {
            watcher.must_run();
        }
        // The first third is for caches to fill.
        if (0.33..0.5).contains(&at) || at > 0.83 {
            halves[usize::from(at > 0.5)].push(watchers.iter().map(Watcher::resident_kb).collect());
        }
        tokio::time::sleep(Duration::from_millis(people.pause_ms())).await;
    }
    server.faults().clear();
    let busy = server.requests() - before;

    let settled = settle(&people, &mut watchers).await;
    let before = server.requests();
    tokio::time::sleep(IDLE).await;
    let idle = server.requests() - before;
    let growth = growth_kb(&halves);
    report(&[
        ("seconds", seconds),
        ("edits", people.edits()),
        ("outages and failures", people.troubles()),
        ("kills", people.kills()),
        ("requests while people worked", busy),
        ("requests in 15 idle seconds", idle),
        ("seconds until all was in step", settled.as_secs()),
        ("resident at the end, kB", watchers.iter().map(Watcher::resident_kb).max().unwrap()),
        ("most growth of one process, kB", growth),
    ]);
    // Each watch asks once a second at the most where nothing happens, a fifth of it by chance.
    let polls = |time: Duration| 3 * (time.as_secs() * 5 / 4 + 2);
    assert!(idle <= polls(IDLE), "{idle} requests in {IDLE:?} with nothing to do");
    let budget = polls(length) * 2 + people.edits() * 30;
    assert!(busy <= budget, "{busy} requests, of {budget} at the most");
    assert!(growth <= GROWTH_MAX_KB, "the memory of a watch grew by {growth} kB");
    for watcher in watchers {
        watcher.end();
    }
    for account in &accounts {
        account.has_nothing_to_send();
    }
}

/// Lets something fail, and returns until when.
fn trouble(
    people: &mut People,
    server: &drive_server::Server,
    watchers: &mut [Watcher],
    at: f64,
) -> Option<Instant> {
    let status = |status, reason: &str| Outcome::Status { status, reason: reason.to_owned() };
    let (when, outcome, times) = match people.chance(24) {
        0 => (When::Before, Outcome::Drop, 3),
        1 => (When::After, Outcome::Drop, 2),
        2 => (When::After, Outcome::Cut { bytes: 40 }, 2),
        3 => (When::Before, status(503, "backendError"), 4),
        4 => (When::After, status(500, "backendError"), 2),
        5 => (When::Before, status(403, "userRateLimitExceeded"), 3),
        // Longer than a call is tried again by itself.
        6 if at < 0.7 => {
            server.faults().push(Fault::new(When::Before, Outcome::Drop).times(u64::MAX));
            people.note_trouble();
            return Some(Instant::now() + Duration::from_secs(8));
        }
        // The power fails; only in the first half, since the memory is measured in the second.
        7 if at < 0.3 => {
            let victim = people.chance(3);
            watchers[usize::try_from(victim).unwrap()].die_and_rise();
            people.note_kill();
            return None;
        }
        _ => return None,
    };
    server.faults().push(Fault::new(when, outcome).times(times));
    people.note_trouble();
    None
}

/// Waits until everybody has what was written.
async fn settle(people: &People, watchers: &mut [Watcher]) -> Duration {
    let began = Instant::now();
    loop {
        let missing = people.missing();
        if missing.is_empty() {
            return began.elapsed();
        }
        for watcher in &mut *watchers {
            watcher.must_run();
        }
        if began.elapsed() > CONVERGE {
            for watcher in watchers {
                report(&[("last words", 0)]);
                watcher.print_words();
            }
            panic!("not in step after {CONVERGE:?}: {missing:#?}");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How much the median of one process grew at the most from one stretch to the other.
fn growth_kb(stretches: &[Vec<Vec<u64>>; 2]) -> u64 {
    let median = |samples: &[Vec<u64>], process: usize| {
        let mut all: Vec<u64> = samples.iter().map(|sample| sample[process]).collect();
        all.sort_unstable();
        all[all.len() / 2]
    };
    let [early, late] = stretches;
    let growths = (0..early[0].len())
        .map(|process| median(late, process).saturating_sub(median(early, process)));
    growths.max().unwrap()
}

#[expect(clippy::print_stderr, reason = "figures are for docs/RELIABILITY.md")]
fn report(figures: &[(&str, u64)]) {
    for (what, figure) in figures {
        eprintln!("{what}: {figure}");
    }
}

/// What grows is seen: the check is itself checked.
#[test]
fn growth_is_that_of_the_process_that_grew_most() {
    let early = vec![vec![100, 100], vec![300, 100], vec![110, 100]];
    let late = vec![vec![100, 150], vec![100, 170], vec![900, 160]];
    assert_eq!(growth_kb(&[early, late]), 60);
}

impl Account {
    /// Nothing waits on this machine any more.
    fn has_nothing_to_send(&self) {
        let answer = self.done(&["sync", "--dry-run"]);
        assert_eq!(answer["would_push"], serde_json::json!([]), "{}", self.email);
    }
}
