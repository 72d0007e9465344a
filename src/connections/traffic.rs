//! How much is on its way at this moment, for who tells a person. Only counts; knows neither a clock
//! nor a terminal.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::transfer::{Far, Heard};

/// How much is on its way. Clones are handles to the same counters.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    book: Arc<Mutex<Book>>,
}

/// All loads since nothing was on its way, by number: what is over counts until all is.
#[derive(Debug, Default)]
struct Book {
    next: u64,
    parts: BTreeMap<u64, Part>,
}

/// How far one load is.
#[derive(Debug)]
struct Part {
    direction: Direction,
    is_over: bool,
    total: u64,
    moved: u64,
    before: u64,
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

/// Files that go over together. Once all that are on their way are dropped there is nothing on its way.
#[derive(Debug)]
pub struct Load {
    book: Arc<Mutex<Book>>,
    number: u64,
}

impl Traffic {
    /// Begins with files of so many bytes together. Loads that are under way at once are shown as one.
    #[must_use]
    pub fn begin(&self, direction: Direction, total_bytes: u64) -> Load {
        let mut book = lock(&self.book);
        book.next += 1;
        let number = book.next;
        let part = Part { direction, is_over: false, total: total_bytes, moved: 0, before: 0 };
        book.parts.insert(number, part);
        Load { book: Arc::clone(&self.book), number }
    }

    /// Returns what is on its way at this moment, if anything is: the way that was taken last, if it is
    /// both.
    pub fn now(&self) -> Option<Moved> {
        let book = lock(&self.book);
        let last = book.parts.values().rev().find(|part| !part.is_over)?;
        let direction = last.direction;
        let parts = || book.parts.iter().filter(|(_, part)| part.direction == direction);
        let sum =
            |of: fn(&Part) -> u64| parts().fold(0_u64, |sum, it| sum.saturating_add(of(it.1)));
        let total_bytes = sum(|part| part.total);
        (total_bytes > 0).then(|| Moved {
            direction,
            total_bytes,
            moved_bytes: sum(|part| part.moved.min(part.total)),
            before_bytes: sum(|part| part.before.min(part.total)),
            number: parts().next().map_or(0, |(number, _)| *number),
        })
    }
}

impl Load {
    /// Returns who hears how far one of the files is, of which no more than `size_bytes` count.
    pub fn file(&self, size_bytes: u64) -> Heard {
        let (book, number) = (Arc::clone(&self.book), self.number);
        let last = Mutex::new(0_u64);
        Heard::by(move |far| {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            let mut book = lock(&book);
            let Some(part) = book.parts.get_mut(&number).filter(|part| !part.is_over) else {
                return;
            };
            let at = match far {
                Far::Before(bytes) => {
                    part.before = part.before.saturating_add(bytes.min(size_bytes));
                    bytes
                }
                Far::At(bytes) => bytes,
            };
            let at = at.min(size_bytes);
            // It may go back.
            part.moved = part.moved.saturating_add(at).saturating_sub(*last);
            *last = at;
        })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let mut book = lock(&self.book);
        if let Some(part) = book.parts.get_mut(&self.number) {
            // What did not come is not on its way any more.
            (part.is_over, part.total) = (true, part.moved.min(part.total));
        }
        if book.parts.values().all(|part| part.is_over) {
            book.parts.clear();
        }
    }
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn loads_at_once_are_one_until_all_are_over() {
        let traffic = Traffic::default();
        let shown =
            || traffic.now().map(|now| (now.moved_bytes, now.total_bytes, now.before_bytes));
        let large = traffic.begin(Direction::Down, 1_000);
        let of_large = large.file(1_000);
        of_large.tell(Far::Before(100));
        let number = traffic.now().unwrap().number;
        let small = traffic.begin(Direction::Down, 10);
        small.file(10).tell(Far::At(10));
        assert_eq!(shown(), Some((110, 1_010, 100)));
        drop(small);
        of_large.tell(Far::At(500));
        assert_eq!(shown(), Some((510, 1_010, 100)), "the end of one is not the end of the other");
        // One that fails takes with it what did not come.
        let failing = traffic.begin(Direction::Down, 400);
        let of_failing = failing.file(400);
        of_failing.tell(Far::At(90));
        drop(failing);
        of_failing.tell(Far::At(200));
        assert_eq!(shown(), Some((600, 1_100, 100)));
        assert_eq!(traffic.now().unwrap().number, number, "the rate is not begun anew");
        // The other way counts for itself.
        let up = traffic.begin(Direction::Up, 7);
        assert_eq!((shown(), traffic.now().unwrap().direction), (Some((0, 7, 0)), Direction::Up));
        drop(up);
        assert_eq!(traffic.now().unwrap().direction, Direction::Down);
        drop(large);
        assert_eq!(shown(), None);
    }
}
