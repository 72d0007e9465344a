//! Runs seeds, several at a time, and makes a failing one short.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::checks;
use super::operations::{Step, script};
use super::world::{Tally, World};

/// How many seeds are run unless somebody says otherwise, and how many steps each has.
const SEEDS: usize = 80;
const OPERATIONS: usize = 110;
/// How long it may take to make a failing run short.
const SHRINKING: Duration = Duration::from_secs(60);

/// A run that did not end well.
#[derive(Debug)]
struct Failure {
    violations: Vec<String>,
    log: Vec<String>,
}

impl Failure {
    /// True if the first thing that is wrong is of the same kind.
    fn is_like(&self, other: &Self) -> bool {
        let kind = |failure: &Self| -> String {
            let first = failure.violations.first().cloned().unwrap_or_default();
            // What stands in quotes, and numbers, may differ.
            let unquoted = first.split(['"', '`']).step_by(2).collect::<String>();
            unquoted.chars().filter(|letter| !letter.is_ascii_digit()).take(60).collect()
        };
        kind(self) == kind(other)
    }
}

fn run(steps: &[Step]) -> Result<(Tally, Vec<String>), Failure> {
    let mut world = World::new();
    let played = catch_unwind(AssertUnwindSafe(|| {
        for step in steps {
            world.step(step);
            let leaks = world.secrets.leaks();
            if !leaks.is_empty() {
                return leaks;
            }
        }
        checks::violations(&mut world)
    }));
    let violations = played.unwrap_or_else(|reason| {
        let text = reason.downcast_ref::<String>().cloned();
        let text = text.or_else(|| reason.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        vec![format!("panic: {}", text.unwrap_or_default())]
    });
    let log = std::mem::take(&mut world.log);
    if violations.is_empty() {
        world.tally.objects_searched = world.secrets.objects();
        world.tally.logs_shortened = usize::from(checks::is_log_shortened(&world));
        return Ok((world.tally, log));
    }
    Err(Failure { violations, log })
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn whatever_happens_nothing_is_lost_and_nothing_is_shown() {
    let first = number("SYFT_SIM_SEED");
    let seeds = number("SYFT_SIM_SEEDS").unwrap_or(if first.is_some() { 1 } else { SEEDS });
    let operations = number("SYFT_SIM_OPERATIONS").unwrap_or(OPERATIONS);
    let first = first.unwrap_or(1);
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    let total = Mutex::new(Tally::default());
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let began = Instant::now();
    let stop_at = number("SYFT_SIM_FAILURES").unwrap_or(1);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = first + next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || lock(&failed).len() >= stop_at {
                        return;
                    }
                    match run(&script(seed as u64, operations)) {
                        Ok((tally, _)) => lock(&total).add(tally),
                        Err(failure) => {
                            #[expect(clippy::print_stderr, reason = "while the rest goes on")]
                            {
                                eprintln!("seed {seed}: {:#?}", failure.violations);
                            }
                            lock(&failed).push((seed, failure));
                        }
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_by_key(|(seed, _)| *seed);
    let took = began.elapsed();
    let total = *lock(&total);
    #[expect(clippy::print_stderr, reason = "captured, and shown with a failure")]
    {
        eprintln!("{seeds} seeds from {first}: {total:?} in {took:.1?}");
        for (seed, failure) in &failed {
            eprintln!("seed {seed}: {:#?}", failure.violations);
        }
    }
    // What never comes to be done is not tested.
    let is_idle = total.datasets_updated == 0 || total.logs_shortened == 0;
    assert!(seeds < SEEDS || !failed.is_empty() || !is_idle, "{total:?}");
    if std::env::var("SYFT_SIM_SHORT").is_ok() {
        assert!(failed.is_empty());
    }
    if let Some((seed, failure)) = failed.into_iter().next() {
        panic!("{}", story(seed, operations, &failure));
    }
}

/// A run is the same each time: else no seed could be run again.
#[test]
fn a_seed_says_all() {
    let first = number("SYFT_SIM_SEED").unwrap_or(1);
    for seed in first..first + number("SYFT_SIM_SEEDS").unwrap_or(6) {
        let log = || match run(&script(seed as u64, OPERATIONS)) {
            Ok((_, log)) | Err(Failure { log, .. }) => {
                log.iter().map(|line| without_place(line)).collect()
            }
        };
        let (one, two): (Vec<String>, Vec<String>) = (log(), log());
        let differs = one.iter().zip(&two).find(|(one, two)| one != two);
        assert!(one == two, "seed {seed}: {differs:#?} of {one:#?}\n{two:#?}");
    }
}

/// An error may say where the temporary folder of a run is.
fn without_place(line: &str) -> String {
    let mut parts = line.split("/.tmp");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |line, part| line + part.split_once('/').map_or("", |(_, rest)| rest))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn story(seed: usize, operations: usize, failure: &Failure) -> String {
    let (short, failure) = shrink(script(seed as u64, operations), failure);
    format!(
        "seed {seed} fails; {} of {operations} steps are enough:\n{}\n{}\nto run it again:\n\
         SYFT_SIM_SEED={seed} SYFT_SIM_OPERATIONS={operations} cargo test --test simulation\n",
        short.len(),
        failure.log.join("\n"),
        failure.violations.join("\n"),
    )
}

/// Leaves out steps as long as the run fails without them.
fn shrink(mut steps: Vec<Step>, failure: &Failure) -> (Vec<Step>, Failure) {
    let until = Instant::now() + SHRINKING;
    let mut shortest = Failure { violations: failure.violations.clone(), log: failure.log.clone() };
    let mut size = steps.len() / 2;
    while size > 0 && Instant::now() < until {
        let mut at = 0;
        while at < steps.len() && Instant::now() < until {
            let end = (at + size).min(steps.len());
            let fewer: Vec<Step> = steps[..at].iter().chain(&steps[end..]).cloned().collect();
            match run(&fewer) {
                Err(new) if new.is_like(failure) => (steps, shortest) = (fewer, new),
                _ => at = end,
            }
        }
        size /= 2;
    }
    (steps, shortest)
}
