use std::path::PathBuf;

use proptest::prelude::*;

use super::super::glance::tests::{World, owner, path};
use super::super::stats::tests::pretend;
use super::super::tree::temporary_name;
use super::super::{Scan, scan, scan_beyond};
use super::*;
use crate::model::Digest;

const S: i64 = 1_000_000_000;

impl World {
    /// A tree with these files, all agreed.
    fn of(files: &[&str]) -> Self {
        let world = Self::new();
        for file in files {
            world.write(file, "1");
            world.agree(file, "1");
        }
        world
    }

    fn place(&self, text: &str) -> PathBuf {
        self.tree.root().join(text)
    }

    fn write(&self, text: &str, content: &str) {
        let place = self.place(text);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(place, content).unwrap();
    }

    /// True if a scan finds that all is as it was agreed, and nothing to tell of.
    fn is_quiet(&self, now_ns: i64) -> bool {
        let found = scan(&self.store, &self.tree, &owner(), now_ns).unwrap();
        let agreed = self.store.agreed(&owner()).unwrap();
        found.files == *agreed && found.unreadable.is_empty() && found.leftovers.is_empty()
    }

    /// Returns what a scan finds that does not look at what is the same, and what one finds that does.
    fn scans(&self, same: &Same, now_ns: i64) -> (Scan, Scan) {
        let (store, tree) = (&self.store, &self.tree);
        let short = scan_beyond(same, store, tree, &owner(), now_ns).unwrap();
        (short, scan(store, tree, &owner(), now_ns).unwrap())
    }

    /// Returns how many files there are, if all are as they were.
    fn unchanged(&self, now_ns: i64) -> Option<usize> {
        let (same, files) = unchanged(&self.store, &self.tree, &owner(), now_ns).unwrap();
        (same == Same::Everywhere).then_some(files)
    }
}

/// A time so many seconds from now, at which what stands there now is at rest.
fn in_seconds(seconds: i64) -> i64 {
    // What the file system takes for now.
    let now = tempfile::tempfile().unwrap().metadata().unwrap().modified().unwrap();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_nanos()).unwrap() + seconds * S
}

const FILES: [&str; 6] = ["a", "a-b", "d/b", "d/e/c", "d/e/syft.pub.yaml", "z"];

/// What somebody may do with a tree.
#[derive(Clone, Debug)]
enum Act {
    Write(&'static str, &'static str),
    Remove(&'static str),
    Rename(&'static str, &'static str),
    Folder(&'static str),
    Link(&'static str),
    /// Ours, or of another program.
    Leftover(bool),
}

fn act() -> impl Strategy<Value = Act> {
    let place =
        || prop::sample::select(&["a", "a-b", "d/b", "d/e/c", "z", "new", "d/new", "0"][..]);
    let aside =
        || prop::sample::select(&["private/p", "public/syft_datasets/n", "d/.venv", ".git/x"][..]);
    prop_oneof![
        2 => (place(), prop::sample::select(&["1", "2"][..])).prop_map(|(at, it)| Act::Write(at, it)),
        2 => place().prop_map(Act::Remove),
        2 => (place(), place()).prop_map(|(from, to)| Act::Rename(from, to)),
        2 => aside().prop_map(|at| Act::Write(at, "2")),
        1 => prop::sample::select(&["empty", "d/empty", "bad\\name"][..]).prop_map(Act::Folder),
        1 => place().prop_map(Act::Link),
        1 => any::<bool>().prop_map(Act::Leftover),
    ]
}

fn carry_out(world: &World, act: &Act) {
    // What cannot be done leaves all as it is.
    match act {
        Act::Write(at, content) => {
            let place = world.place(at);
            std::fs::create_dir_all(place.parent().unwrap()).ok();
            std::fs::write(place, content).ok();
        }
        Act::Remove(at) => {
            std::fs::remove_file(world.place(at)).ok();
        }
        Act::Rename(from, to) => {
            std::fs::rename(world.place(from), world.place(to)).ok();
        }
        Act::Folder(at) => {
            std::fs::create_dir_all(world.place(at)).ok();
        }
        #[cfg(unix)]
        Act::Link(at) => {
            std::os::unix::fs::symlink("/etc/hostname", world.place(at)).ok();
        }
        #[cfg(not(unix))]
        Act::Link(_) => {}
        Act::Leftover(is_ours) => {
            let name = if *is_ours { temporary_name() } else { ".other~".to_owned() };
            std::fs::write(world.place(&name), "half").unwrap();
        }
    }
}

proptest! {
    /// Whatever was done: who says that nothing has changed of as many files as there were is right.
    #[test]
    fn a_tree_of_which_nothing_changed_is_one_in_which_a_scan_finds_nothing(
        acts in prop::collection::vec(act(), 0..4),
        was_at_rest in prop_oneof![4 => Just(true), 1 => Just(false)],
    ) {
        let world = World::of(&FILES);
        let first_ns = in_seconds(if was_at_rest { 10 } else { 0 });
        prop_assert!(world.is_quiet(first_ns));
        acts.iter().for_each(|act| carry_out(&world, act));
        let now_ns = in_seconds(20);
        let says_unchanged = world.unchanged(now_ns) == Some(FILES.len());
        // What was looked at need not be looked at again.
        let (same, _) = unchanged(&world.store, &world.tree, &owner(), now_ns).unwrap();
        let (short, whole) = world.scans(&same, now_ns);
        prop_assert_eq!((short.files, short.leftovers), (whole.files, whole.leftovers), "{:?}", acts);
        prop_assert_eq!((short.unreadable, short.restless), (whole.unreadable, whole.restless), "{:?}", acts);
        let is_quiet = world.is_quiet(now_ns);
        prop_assert!(is_quiet || !says_unchanged, "{acts:?}");
        if acts.is_empty() {
            prop_assert_eq!(says_unchanged, was_at_rest);
        }
        // Where a scan finds nothing, it says so from then on.
        if is_quiet {
            prop_assert_eq!(world.unchanged(in_seconds(30)), Some(FILES.len()), "{:?}", acts);
        }
    }
}

#[test]
fn no_file_is_read() {
    let world = World::of(&FILES);
    assert!(world.is_quiet(in_seconds(10)));
    pretend(&world.store, &owner(), "a", Digest::of(b"never read"));
    assert_eq!(world.unchanged(in_seconds(20)), Some(FILES.len()));
}

#[test]
fn what_was_never_read_or_is_not_remembered_is_not_counted() {
    let world = World::of(&FILES);
    assert_eq!(world.unchanged(in_seconds(10)), None, "nothing was read");
    assert!(world.is_quiet(in_seconds(10)));
    world.store.write(|db| Ok(db.execute("DELETE FROM known WHERE path = 'z'", [])?)).unwrap();
    assert_eq!(world.unchanged(in_seconds(20)), None);
    std::fs::remove_file(world.place("z")).unwrap();
    assert_eq!(world.unchanged(in_seconds(20)), Some(FILES.len() - 1), "it counts what is there");
    assert_eq!(world.unchanged(in_seconds(5)), None, "the clock went back behind the reading");
    let none = World::of(&[]);
    assert_eq!(none.unchanged(in_seconds(10)), Some(0));
}

#[test]
fn it_looks_in_the_order_of_paths_until_something_changed() {
    let world = World::of(&FILES);
    assert!(world.is_quiet(in_seconds(10)));
    world.write("d/e/c", "another");
    let same = unchanged(&world.store, &world.tree, &owner(), in_seconds(20)).unwrap();
    assert_eq!(same, (Same::Before("d/e/c".to_owned()), 3));
    world.write("a", "another");
    let (short, whole) = world.scans(&same.0, in_seconds(20));
    assert_eq!(short.files.get(&path("a")), Some(&Digest::of(b"1")), "it was not looked at again");
    assert_eq!(whole.files.get(&path("a")), Some(&Digest::of(b"another")));
    assert_eq!(short.files.get(&path("d/e/c")), Some(&Digest::of(b"another")));
}
