use super::super::agreed;
use super::super::stats::tests::pretend;
use super::*;

struct World {
    _folder: tempfile::TempDir,
    tree: DatasiteTree,
    store: Store,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = DatasiteTree::open(&folder.path().join("box")).unwrap();
        for (path, content) in files {
            let path = tree.root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Self { _folder: folder, tree, store: Store::in_memory().unwrap() }
    }

    /// Scans as if it were `seconds` after now, so that the files are at rest or not.
    fn scan_after(&self, seconds: i64) -> Scan {
        self.scan_and(seconds, |_| {})
    }

    fn scan_and(&self, seconds: i64, after_reading: impl Fn(&str) + Sync) -> Scan {
        let now = std::fs::metadata(self.tree.root()).unwrap().modified().unwrap();
        let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
        let now = i64::try_from(now).unwrap() + seconds * 1_000_000_000;
        scan_and(&self.store, &self.tree, (&owner(), &Same::Unknown), now, &after_reading).unwrap()
    }

    /// Agrees on files, as if they had been synced.
    fn agree(&self, paths: &[&str]) {
        let (digest, moment) = (Digest::of(b"agreed"), crate::model::Timestamp::from_micros(1));
        let put =
            |db: &_, text: &&str| agreed::put(db, &owner(), &path(text), Some(&digest), moment);
        self.store.write(|db| paths.iter().try_for_each(|text| put(db, text))).unwrap();
    }
}

fn owner() -> Email {
    Email::parse("do@example.org").unwrap()
}

fn path(text: &str) -> DatasitePath {
    DatasitePath::parse(text).unwrap()
}

fn kinds(scan: &Scan) -> Vec<(&str, Kind)> {
    scan.unreadable.iter().map(|it| (it.path.as_str(), it.kind)).collect()
}

fn paths(scan: &Scan) -> Vec<&str> {
    scan.files.keys().map(DatasitePath::as_str).collect()
}

#[test]
fn only_what_travels_is_found() {
    let world = World::new(&[
        ("a.txt", "a"),
        ("d/b.txt", "b"),
        ("d/.venv/x", "x"),
        ("private/p.txt", "p"),
        ("public/syft_datasets/n/d.csv", "d"),
        ("public/c.txt", "c"),
        ("back\\slash", "x"),
    ]);
    let scan = world.scan_after(0);
    assert_eq!(paths(&scan), ["a.txt", "d/b.txt", "public/c.txt"]);
    assert_eq!(scan.unreadable.len(), 1, "{:?}", scan.unreadable);
    assert_eq!(scan.files.values().next(), Some(&Digest::of(b"a")));
}

#[test]
fn a_change_of_the_same_size_at_the_same_time_is_seen_while_a_file_is_fresh() {
    let world = World::new(&[("a.txt", "one")]);
    let file = world.tree.root().join("a.txt");
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    world.scan_after(0);
    std::fs::write(&file, "two").unwrap();
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    let scan = world.scan_after(1);
    assert_eq!(scan.files.values().next(), Some(&Digest::of(b"two")));
}

#[test]
fn a_file_at_rest_is_not_read_again() {
    let world = World::new(&[("a.txt", "one"), ("b.txt", "one")]);
    world.scan_after(60);
    let other = Digest::of(b"from the database");
    pretend(&world.store, &owner(), "a.txt", other);
    let scan = world.scan_after(120);
    let found: Vec<&Digest> = scan.files.values().collect();
    assert_eq!(found, [&other, &Digest::of(b"one")]);
}

#[cfg(unix)]
#[test]
fn links_and_pipes_do_not_travel_and_do_not_hang() {
    let world = World::new(&[("a.txt", "a")]);
    std::os::unix::fs::symlink("/etc/passwd", world.tree.root().join("link")).unwrap();
    std::os::unix::fs::symlink("/etc", world.tree.root().join("folder")).unwrap();
    let pipe = world.tree.root().join("pipe");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    assert_eq!(paths(&world.scan_after(0)), ["a.txt"]);
}

#[test]
fn what_is_below_something_unreadable_is_unknown() {
    let scan = Scan {
        files: Snapshot::new(),
        unreadable: vec![Unreadable {
            path: "d/e".to_owned(),
            reason: "no".to_owned(),
            kind: Kind::Refused,
        }],
        ..Scan::default()
    };
    let unknown = |text: &str| scan.is_unknown(&DatasitePath::parse(text).unwrap());
    assert!(unknown("d/e") && unknown("d/e/f/g") && !unknown("d/ef") && !unknown("d"));
}

#[test]
fn a_file_that_changes_while_it_is_read_is_left_to_the_next_scan() {
    use std::io::Write as _;
    type Change = fn(&std::path::Path);
    #[rustfmt::skip]
    let changes: [(&str, Change); 4] = [
        ("it grows", |file| {
            std::fs::File::options().append(true).open(file).unwrap().write_all(b"more").unwrap();
        }),
        ("it is cut", |file| std::fs::File::options().write(true).open(file).unwrap().set_len(1).unwrap()),
        ("it is written anew, of the same size", |file| {
            std::fs::write(file, "two").unwrap();
            let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
            std::fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
        }),
        ("it is touched", |file| {
            let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1);
            std::fs::File::options().write(true).open(file).unwrap().set_modified(then).unwrap();
        }),
    ];
    for (what, change) in changes {
        let world = World::new(&[("a.txt", "one")]);
        let file = world.tree.root().join("a.txt");
        let scan = world.scan_and(60, |_| change(&file));
        assert_eq!(paths(&scan), [""; 0], "{what}");
        assert_eq!(kinds(&scan), [("a.txt", Kind::Changing)], "{what}");
        assert!(scan.is_unknown(&path("a.txt")), "{what}");
        let now = std::fs::read(&file).unwrap();
        let scan = world.scan_after(60);
        assert_eq!(scan.files.values().next(), Some(&Digest::of(&now)), "{what}");
    }
}

#[test]
fn an_editor_that_saves_by_renaming_is_seen_at_once() {
    let world = World::new(&[("a.txt", "one")]);
    let file = world.tree.root().join("a.txt");
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    world.scan_after(60);
    // The same size and the same time, under another inode.
    let beside = world.tree.root().join("a.txt~");
    std::fs::write(&beside, "two").unwrap();
    std::fs::File::options().write(true).open(&beside).unwrap().set_modified(modified).unwrap();
    std::fs::rename(&beside, &file).unwrap();
    let scan = world.scan_after(120);
    assert_eq!(scan.files.values().next(), Some(&Digest::of(b"two")));
}

#[test]
fn after_a_clock_went_back_everything_is_read_again() {
    let world = World::new(&[("a.txt", "one")]);
    world.scan_after(3600);
    let other = Digest::of(b"from the database");
    pretend(&world.store, &owner(), "a.txt", other);
    assert_eq!(world.scan_after(3601).files.values().next(), Some(&other));
    assert_eq!(world.scan_after(60).files.values().next(), Some(&Digest::of(b"one")));
}

#[test]
fn what_cannot_travel_is_named_and_is_never_taken_for_deleted() {
    let deep = "d/".repeat(70);
    let world = World::new(&[("a.txt", "a"), ("bad\\folder/x", "x"), ("bad\\folder/y", "y")]);
    std::fs::create_dir_all(world.tree.root().join(&deep)).unwrap();
    std::fs::write(world.tree.root().join(&deep).join("x"), "x").unwrap();
    let large = std::fs::File::create(world.tree.root().join("large")).unwrap();
    large.set_len(FILE_BYTES_MAX + 1).unwrap();
    world.agree(&["a.txt", "large"]);
    let scan = world.scan_after(0);
    assert_eq!(paths(&scan), ["a.txt"]);
    assert!(scan.is_unknown(&path("large")));
    assert!(scan.unreadable.iter().all(|it| it.kind == Kind::CannotTravel), "{scan:?}");
    assert_eq!(scan.unreadable.len(), 3, "one for a folder and all below it: {scan:?}");
}

#[cfg(unix)]
#[test]
fn files_behind_a_link_are_not_gone() {
    let world = World::new(&[("a.txt", "a")]);
    std::os::unix::fs::symlink("/somewhere", world.tree.root().join("data")).unwrap();
    world.agree(&["a.txt", "data/one", "data/deep/two", "gone", "gone/deep"]);
    let scan = world.scan_after(0);
    assert_eq!(kinds(&scan), [("data", Kind::Special)]);
    assert!(scan.is_unknown(&path("data/one")) && scan.is_unknown(&path("data/deep/two")));
    assert!(!scan.is_unknown(&path("gone")) && !scan.is_unknown(&path("gone/deep")));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_stops_nothing() {
    use std::os::unix::ffi::OsStrExt as _;
    let world = World::new(&[("a.txt", "a")]);
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9");
    std::fs::write(world.tree.root().join(name), "x").unwrap();
    std::fs::create_dir(world.tree.root().join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
    let scan = world.scan_after(0);
    assert_eq!(paths(&scan), ["a.txt"]);
    assert_eq!(scan.unreadable.len(), 2);
}

#[test]
fn only_leftovers_of_our_own_making_are_named() {
    let name = format!(".syft-tmp-{}", "0f".repeat(16));
    let world = World::new(&[
        (&format!("d/{name}"), "half"),
        (&format!("{name}.txt"), "a user's"),
        (&format!("{}/inside", name.replace('0', "1")), "a folder is none"),
        (".syft-tmp-notes", "a user's"),
        (".syft-tmp-AbC123", "of a job that may be running"),
        (&format!(".syft-tmp-{}", "0F".repeat(16)), "ours are lower case"),
    ]);
    let scan = world.scan_after(0);
    assert_eq!(scan.leftovers, [path(&format!("d/{name}"))]);
    world.tree.sweep(&scan.leftovers[0]).unwrap();
    world.tree.sweep(&scan.leftovers[0]).unwrap();
    assert!(
        world.tree.root().join("d").exists() && !world.tree.root().join("d").join(name).exists()
    );
    assert!(world.tree.sweep(&path(".syft-tmp-notes")).is_err());
    assert_eq!(world.scan_after(0).leftovers, []);
}

#[test]
fn what_was_written_before_anybody_listened_is_left_alone_for_longer() {
    let world = World::new(&[("before", "hal"), ("after", "whole")]);
    let written = std::fs::metadata(world.tree.root()).unwrap().modified().unwrap();
    let since = written.duration_since(std::time::UNIX_EPOCH).unwrap();
    for (name, seconds) in [("before", 0), ("after", 3)] {
        let file = std::fs::File::options().write(true).open(world.tree.root().join(name));
        let time = written + std::time::Duration::from_secs(seconds);
        file.unwrap().set_modified(time).unwrap();
    }
    world.store.set_rest(std::time::Duration::from_secs(1));
    let until = i64::try_from(since.as_micros()).unwrap() + 2_000_000;
    world.store.set_unheard(
        crate::model::Timestamp::from_micros(until),
        std::time::Duration::from_secs(10),
    );
    #[rustfmt::skip]
    let cases: [(i64, &[&str]); 4] =
        [(5, &["after"]), (6, &["after"]), (9, &["after"]), (10, &["after", "before"])];
    for (seconds, taken) in cases {
        let scan = world.scan_after(seconds);
        let names: Vec<&str> = scan.files.keys().map(DatasitePath::as_str).collect();
        assert_eq!(names, taken, "after {seconds} s, read before or not");
        assert_eq!(world.store.take_restless(), taken.len() == 1, "it wants another look");
    }
}

#[test]
fn where_that_is_asked_for_a_file_is_taken_once_it_is_at_rest() {
    let world = World::new(&[
        ("new", "new"),
        ("ours", "agreed"),
        ("edited", "edit"),
        ("syft.pub.yaml", "rules: []"),
    ]);
    world.agree(&["ours", "edited"]);
    let written = std::fs::metadata(world.tree.root()).unwrap().modified().unwrap();
    for name in ["new", "ours", "edited", "syft.pub.yaml"] {
        let file = std::fs::File::options().write(true).open(world.tree.root().join(name));
        file.unwrap().set_modified(written).unwrap();
    }
    world.store.set_rest(std::time::Duration::from_secs(2));
    #[rustfmt::skip]
    let cases: [(&str, i64, &[&str]); 5] = [
        ("during the sync",                     -1,         &["ours"]),
        ("right before it",                     0,          &["ours"]),
        ("long before",                         5,          &["edited", "new", "ours"]),
        ("by a clock that is a little ahead",   -200,       &["ours"]),
        ("by one that is wrong",                -100_000,   &["edited", "new", "ours"]),
    ];
    for (what, seconds, taken) in cases {
        let scan = world.scan_after(seconds);
        let names: Vec<&str> = scan.files.keys().map(DatasitePath::as_str).collect();
        let rules = ["syft.pub.yaml"];
        assert_eq!(names, [taken, &rules].concat(), "{what}: rules hold at once");
        let is_left = taken.len() == 1;
        assert_eq!(scan.is_unknown(&path("edited")), is_left, "{what}: it is not gone");
        assert!(!scan.is_unread(&path("edited")), "{what}: what stands there is known");
        assert_eq!(scan.standing(&path("edited")), Some(Digest::of(b"edit")), "{what}");
        assert_eq!(world.store.take_restless(), is_left, "{what}: it wants another look");
    }
    world.store.set_rest(std::time::Duration::ZERO);
    for seconds in [-1, 0, 1] {
        let scan = world.scan_after(seconds);
        assert_eq!(scan.files.len(), 4, "a sync that a person starts takes what it finds");
    }
}
