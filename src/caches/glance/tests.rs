use proptest::prelude::*;

use super::super::scan;
use super::super::stats::tests::pretend;
use super::*;
use crate::model::{Digest, Timestamp};

const S: i64 = 1_000_000_000;

/// A datasite's tree, and what is known of it.
pub(in super::super) struct World {
    _folder: tempfile::TempDir,
    pub(in super::super) tree: DatasiteTree,
    pub(in super::super) store: Store,
}

impl World {
    pub(in super::super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(&folder.path().join("box")).unwrap();
        Self { _folder: folder, tree, store: Store::in_memory().unwrap() }
    }

    /// The time `seconds` after the tree was touched last.
    fn now(&self, seconds: i64) -> i64 {
        let now = std::fs::metadata(self.tree.root()).unwrap().modified().unwrap();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        i64::try_from(now).unwrap() + seconds * S
    }

    fn scan(&self, now_ns: i64) -> Scan {
        scan(&self.store, &self.tree, &owner(), now_ns).unwrap()
    }

    fn glance(&self, paths: &[&str], now_ns: i64) -> Option<Scan> {
        let paths = paths.iter().map(|text| path(text)).collect();
        glance(&self.store, &self.tree, &owner(), &paths, now_ns).unwrap()
    }

    pub(in super::super) fn agree(&self, text: &str, content: &str) {
        let (digest, moment) = (Digest::of(content.as_bytes()), Timestamp::from_micros(1));
        let put = |db: &_| agreed::put(db, &owner(), &path(text), Some(&digest), moment);
        self.store.write(put).unwrap();
    }

    /// Puts something into the tree, if there is a place for it.
    fn put(&self, text: &str, what: What) {
        let place = self.tree.root().join(text);
        let folder = place.parent().unwrap();
        if std::fs::create_dir_all(folder).is_err() || place.symlink_metadata().is_ok() {
            return;
        }
        match what {
            What::File(content) => std::fs::write(place, content).unwrap(),
            What::Folder => std::fs::create_dir(place).unwrap(),
            #[cfg(unix)]
            What::Link => std::os::unix::fs::symlink("/etc", place).unwrap(),
            #[cfg(not(unix))]
            What::Link => {}
            What::Nothing => {}
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum What {
    File(&'static str),
    Folder,
    Link,
    Nothing,
}

pub(in super::super) fn owner() -> Email {
    Email::parse("do@example.org").unwrap()
}

pub(in super::super) fn path(text: &str) -> DatasitePath {
    DatasitePath::parse(text).unwrap()
}

/// Says all that a scan says of a path.
fn told(scan: &Scan, path: &DatasitePath) -> (Option<Digest>, Option<Digest>, bool, bool) {
    let files = scan.files.get(path).copied();
    (files, scan.standing(path), scan.is_unread(path), scan.is_unknown(path))
}

const PLACES: [&str; 10] = [
    "a",
    "a/b",
    "a/b/c",
    "a-b",
    "a/syft.pub.yaml",
    "d",
    "d/.venv/x",
    "private/p",
    "public/syft_datasets/n",
    "public/c",
];

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        3 => Just(What::File("1")),
        2 => Just(What::File("2")),
        1 => Just(What::Folder),
        1 => Just(What::Link),
        3 => Just(What::Nothing),
    ]
}

proptest! {
    #[test]
    fn it_says_of_a_path_and_of_the_folders_above_it_what_a_scan_says(
        stands in prop::collection::vec((0..PLACES.len(), what()), 0..8),
        agreed in prop::collection::vec((0..PLACES.len(), prop_oneof![Just("1"), Just("2")]), 0..4),
        asked in prop::collection::vec(0..PLACES.len(), 1..4),
        scanned_before in any::<bool>(),
        is_at_rest in any::<bool>(),
        seconds in prop_oneof![Just(0_i64), Just(60)],
    ) {
        let world = World::new();
        stands.iter().for_each(|(place, what)| world.put(PLACES[*place], *what));
        agreed.iter().for_each(|(place, content)| world.agree(PLACES[*place], content));
        if !is_at_rest {
            world.store.set_rest(std::time::Duration::from_secs(30));
        }
        let now = world.now(seconds);
        if scanned_before {
            world.scan(now);
        }
        let asked: Vec<&str> = asked.iter().map(|place| PLACES[*place]).collect();
        let Some(glanced) = world.glance(&asked, now) else {
            // Only where a folder stands at a path that was asked for.
            prop_assert!(asked.iter().any(|text| world.tree.root().join(text).is_dir()));
            return Ok(());
        };
        let whole = world.scan(now);
        for text in asked {
            let path = path(text);
            if is_syncable(&path) {
                prop_assert_eq!(told(&glanced, &path), told(&whole, &path), "{}", path);
                for above in path.folders() {
                    prop_assert_eq!(told(&glanced, &above), told(&whole, &above), "{}", above);
                }
            } else {
                prop_assert!(!glanced.files.contains_key(&path));
            }
        }
    }
}

#[test]
fn nothing_is_said_of_what_was_not_asked_for_and_it_is_not_read() {
    let world = World::new();
    world.put("a/b", What::File("1"));
    world.put("a/c", What::File("2"));
    world.put("d", What::File("1"));
    let found = world.glance(&["a/b", "a/new"], world.now(60)).unwrap();
    assert_eq!(found.files.keys().map(DatasitePath::as_str).collect::<Vec<_>>(), ["a/b"]);
    let known = |db: &Database| {
        let mut known = db.prepare("SELECT path FROM known")?;
        let known = known.query_map([], |row| row.get::<_, String>(0))?;
        Ok(known.collect::<rusqlite::Result<Vec<_>>>()?)
    };
    assert_eq!(world.store.read(known).unwrap(), ["a/b"]);
}

#[test]
fn a_file_at_rest_is_not_read_again() {
    let world = World::new();
    world.put("a", What::File("1"));
    world.scan(world.now(60));
    let other = Digest::of(b"from the database");
    pretend(&world.store, &owner(), "a", other);
    let found = world.glance(&["a"], world.now(120)).unwrap();
    assert_eq!(found.files.get(&path("a")), Some(&other));
}

#[test]
fn where_a_folder_stands_only_a_scan_can_tell() {
    let world = World::new();
    world.put("a/b", What::File("1"));
    assert!(world.glance(&["a"], world.now(0)).is_none());
    assert!(world.glance(&["a", "a/b"], world.now(0)).is_none());
    assert!(world.glance(&["a/b"], world.now(0)).is_some());
}

#[test]
fn a_name_counts_as_it_is_spelled() {
    let world = World::new();
    world.put("d/a", What::File("1"));
    let listed = OnceCell::new();
    let place = Place { dir: world.tree.dir().try_clone().unwrap(), above: None, listed };
    let dir = place.dir.open_dir("d").unwrap();
    let below = Place { dir, above: Some((&place, "d")), listed: OnceCell::new() };
    assert!(below.lists("a") && !below.lists("A"));
    // As if the folder had been opened by another name than its own.
    let dir = place.dir.open_dir("d").unwrap();
    let below = Place { dir, above: Some((&place, "D")), listed: OnceCell::new() };
    assert!(!below.lists("a"));
}
