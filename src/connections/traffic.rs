//! How much is on its way at this moment, for who tells a person. Only counts; knows neither a clock
//! nor a terminal.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::transfer::{Far, Heard};

/// How much is on its way. Clones are handles to the same counters.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    is_up: AtomicBool,
    total: AtomicU64,
    moved: AtomicU64,
    before: AtomicU64,
    loads: AtomicU64,
}

/// Which way it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the drive.
    Up,
    /// From the drive.
    Down,
}

/// How far what is on its way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which way it goes.
    pub direction: Direction,
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What has gone over, what an earlier process had moved included.
    pub moved_bytes: u64,
    /// What an earlier process had moved.
    pub before_bytes: u64,
    /// Tells one load from the next.
    pub number: u64,
}

/// Files that go over together. Once it is dropped there is nothing on its way.
#[derive(Debug)]
pub struct Load {
    counters: Arc<Counters>,
}

impl Traffic {
    /// Begins with files of so many bytes together. One load is under way at a time: what is under way
    /// already is not shown any longer.
    #[must_use]
    pub fn begin(&self, direction: Direction, total_bytes: u64) -> Load {
        let counters = &self.counters;
        counters.is_up.store(direction == Direction::Up, Ordering::SeqCst);
        counters.moved.store(0, Ordering::SeqCst);
        counters.before.store(0, Ordering::SeqCst);
        counters.loads.fetch_add(1, Ordering::SeqCst);
        counters.total.store(total_bytes, Ordering::SeqCst);
        Load { counters: Arc::clone(counters) }
    }

    /// Returns what is on its way at this moment, if anything is.
    pub fn now(&self) -> Option<Moved> {
        let counters = &self.counters;
        let total_bytes = counters.total.load(Ordering::SeqCst);
        let is_up = counters.is_up.load(Ordering::SeqCst);
        (total_bytes > 0).then(|| Moved {
            direction: if is_up { Direction::Up } else { Direction::Down },
            total_bytes,
            moved_bytes: counters.moved.load(Ordering::SeqCst).min(total_bytes),
            before_bytes: counters.before.load(Ordering::SeqCst).min(total_bytes),
            number: counters.loads.load(Ordering::SeqCst),
        })
    }
}

impl Load {
    /// Returns who hears how far one of the files is, of which no more than `size_bytes` count.
    pub fn file(&self, size_bytes: u64) -> Heard {
        let counters = Arc::clone(&self.counters);
        let last = Mutex::new(0_u64);
        Heard::by(move |far| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let at = match far {
                Far::Before(bytes) => {
                    counters.before.fetch_add(bytes.min(size_bytes), Ordering::SeqCst);
                    bytes
                }
                Far::At(bytes) => bytes,
            };
            let at = at.min(size_bytes);
            // Two's complement: what goes back is added as well.
            counters.moved.fetch_add(at.wrapping_sub(*last), Ordering::SeqCst);
            *last = at;
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.counters.total.store(0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_add_up_and_may_go_back() {
        let traffic = Traffic::default();
        assert_eq!(traffic.now(), None);
        let load = traffic.begin(Direction::Up, 100);
        let (first, second) = (load.file(60), load.file(40));
        first.tell(Far::Before(20));
        first.tell(Far::At(50));
        second.tell(Far::At(40));
        first.tell(Far::At(30));
        let now = traffic.now().unwrap();
        assert_eq!((now.moved_bytes, now.before_bytes, now.total_bytes), (70, 20, 100));
        first.tell(Far::At(1_000));
        assert_eq!(traffic.now().unwrap().moved_bytes, 100, "a seal is larger than its content");
        drop(load);
        assert_eq!(traffic.now(), None);
        let _load = traffic.begin(Direction::Down, 5);
        let next = traffic.now().unwrap();
        assert_eq!((next.moved_bytes, next.direction), (0, Direction::Down));
        assert_ne!(next.number, now.number);
    }
}
