//! Looks at what a confined job uses while it runs.
//!
//! What a process may hold is kept by the kernel, what all of them hold together is not where there
//! are no control groups; nor does the kernel's limit on processes bind jobs that root runs, nor is
//! there one on files. So this looks [`PERIOD`] by [`PERIOD`], and `limits::judge` decides. Between two looks a
//! job can go beyond by what it manages in that time. Memory that a job hides from its own processes
//! (a shared mapping that is written and then given back, descriptors under way in a socket) is not
//! seen as its own; it ends when the machine has hardly any left.
//!
//! Invariants: looks of one kind wait for none of another, since a job can make some of them take
//! long; a job that cannot be looked at ends.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::extent::{Extent, extent};
use super::launch::About;
use super::limits::{Exceeded, Limits, Usage, judge};
use super::sandbox::Room;
use super::usage::{Process, Processes, machine};

/// How long nobody looks.
const PERIOD: Duration = Duration::from_millis(100);

/// The same for open files without a name: to find them takes long.
const SELDOM: Duration = Duration::from_secs(1);

/// How long looks may fail in a row.
const BLIND: Duration = Duration::from_secs(10);

/// Watches until a limit is broken, and says which. `left` is the folder on the disk that it may write
/// to. `peak` becomes what was used at most. Without a room to look into it never returns.
pub(crate) async fn watch(
    about: Option<&About>,
    room: &Room,
    left: &Path,
    limits: &Limits,
    peak: &Mutex<Usage>,
) -> Exceeded {
    let Some(about) = about else { return std::future::pending().await };
    let Some(processes) = found(about, room).await else { return Exceeded::Unseen };
    let judged = |usage: Usage| {
        if let Ok(mut peak) = peak.lock() {
            *peak = peak.or(usage);
        }
        judge(limits, &usage, None)
    };
    let of_folder = |(extent, nameless): (Extent, u64)| {
        let usage = Usage {
            output_files: extent.entries,
            output_bytes: extent.bytes + nameless,
            ..Usage::default()
        };
        judged(usage).or(extent.is_partial.then_some(Exceeded::Hidden))
    };
    let (memory_max, entries_max) = (limits.memory_bytes, limits.outputs.entries_at_once());
    let (place, others) = (left.to_owned(), processes.clone());
    let folder = move || Ok((extent(&place, entries_max)?, 0));
    let place = left.to_owned();
    let nameless = move || Ok((extent(&place, entries_max)?, others.nameless(&place)?));
    let place = left.to_owned();
    tokio::select! {
        exceeded = again(QUICK, move || Ok(machine(&place)), |machine| {
            judge(limits, &Usage::default(), machine.as_ref())
        }) => exceeded,
        exceeded = again(QUICK, move || processes.usage(memory_max), judged) => exceeded,
        exceeded = again(Pace { rest: 3, ..QUICK }, folder, of_folder) => exceeded,
        exceeded = again(Pace { period: SELDOM, rest: 3, ..QUICK }, nameless, of_folder) => exceeded,
    }
}

/// How often is looked.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The pause after a look.
    period: Duration,
    /// How many times as long as the look itself it is at least.
    rest: u32,
    /// How long looks may fail in a row.
    blind: Duration,
}

const QUICK: Pace = Pace { period: PERIOD, rest: 0, blind: BLIND };

/// Looks again and again until what is seen is too much, or nothing is seen for too long.
async fn again<T: Send + 'static>(
    pace: Pace,
    look: impl Fn() -> io::Result<T> + Clone + Send + 'static,
    judge: impl Fn(T) -> Option<Exceeded>,
) -> Exceeded {
    let mut seen = Instant::now();
    let mut pause = pace.period;
    loop {
        tokio::time::sleep(pause).await;
        let start = Instant::now();
        match tokio::task::spawn_blocking(look.clone()).await {
            Ok(Ok(found)) => {
                seen = Instant::now();
                if let Some(exceeded) = judge(found) {
                    return exceeded;
                }
            }
            _ if seen.elapsed() > pace.blind => return Exceeded::Unseen,
            _ => {}
        }
        pause = pace.period.max(start.elapsed() * pace.rest);
    }
}

/// Waits until there are processes to look at; `None` if that takes too long.
async fn found(about: &About, room: &Room) -> Option<Processes> {
    let mut known: Option<Instant> = None;
    loop {
        if let Some(first) = about.first_process() {
            if let Some(processes) = Processes::of(first, room.scratch()) {
                return Some(processes);
            }
            if known.get_or_insert_with(Instant::now).elapsed() > BLIND {
                return None;
            }
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// Waits until nothing of a room is left: its first process is the last to go.
pub(crate) async fn emptied(about: Option<&About>) {
    let Some(first) = about.and_then(About::first_process) else { return };
    let status = PathBuf::from(format!("/proc/{first}/stat"));
    for _ in 0..1_000 {
        match std::fs::read_to_string(&status).ok().as_deref().and_then(Process::parse) {
            // Where nobody fetches the dead, they stay listed.
            None | Some(Process { state: 'Z' | 'X', .. }) => return,
            Some(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn a_job_that_cannot_be_looked_at_ends() {
        let pace = Pace { period: Duration::from_millis(1), rest: 0, blind: Duration::ZERO };
        let closed = || Err::<(), _>(io::Error::other("closed"));
        assert_eq!(again(pace, closed, |()| None).await, Exceeded::Unseen);
        let looks = AtomicU32::new(0);
        let open = |()| {
            let count = looks.fetch_add(1, Ordering::Relaxed);
            (count == 20).then_some(Exceeded::Hidden)
        };
        assert_eq!(again(pace, || Ok(()), open).await, Exceeded::Hidden, "it can be looked at");
    }
}
