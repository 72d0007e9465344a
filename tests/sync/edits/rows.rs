//! What people do to their files between two syncs, at both sides. Each row of the table is done
//! offline by one side; then both must hold what was meant, and no third thing.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::super::world::World;
use super::{BOTH, Pair, Who, codes};

/// What stands in `w/` before each row.
const BEFORE: &[(&str, &str)] =
    &[("w/a", "one"), ("w/b", "bbb"), ("w/d/x", "x"), ("w/d/y", "y"), ("w/f", "a file")];

/// What is done to the folder `w`, and what it holds afterwards instead of which files of before.
struct Row {
    what: &'static str,
    act: fn(&Path),
    gone: &'static [&'static str],
    new: &'static [(&'static str, &'static str)],
}

const ROWS: &[Row] = &[
    Row {
        what: "an edit",
        act: |w| write(w, "a", "edited"),
        gone: &["w/a"],
        new: &[("w/a", "edited")],
    },
    Row {
        what: "an edit of the same size, its time put back as `cp -p` and `rsync` do",
        act: |w| keeping_time(w, "a", || write(w, "a", "two")),
        gone: &["w/a"],
        new: &[("w/a", "two")],
    },
    Row {
        what: "an older file of the same size put back over it, as `tar` does",
        act: |w| {
            write(w, "restored", "old");
            set_time(&w.join("restored"), SystemTime::UNIX_EPOCH + Duration::from_secs(1));
            std::fs::rename(w.join("restored"), w.join("a")).unwrap();
        },
        gone: &["w/a"],
        new: &[("w/a", "old")],
    },
    Row {
        what: "an editor that saves beside the file and renames, with the old time",
        act: |w| {
            keeping_time(w, "a", || {
                write(w, "a.swp", "new");
                std::fs::rename(w.join("a.swp"), w.join("a")).unwrap();
            });
        },
        gone: &["w/a"],
        new: &[("w/a", "new")],
    },
    Row {
        what: "two files that change places",
        act: |w| {
            std::fs::rename(w.join("a"), w.join("t")).unwrap();
            std::fs::rename(w.join("b"), w.join("a")).unwrap();
            std::fs::rename(w.join("t"), w.join("b")).unwrap();
        },
        gone: &["w/a", "w/b"],
        new: &[("w/a", "bbb"), ("w/b", "one")],
    },
    Row {
        what: "a deletion and a new file that may get its inode",
        act: |w| {
            std::fs::remove_file(w.join("a")).unwrap();
            write(w, "a", "two");
        },
        gone: &["w/a"],
        new: &[("w/a", "two")],
    },
    Row {
        what: "a file whose time lies in the future",
        act: |w| {
            write(w, "a", "two");
            set_time(&w.join("a"), in_the_future());
        },
        gone: &["w/a"],
        new: &[("w/a", "two")],
    },
    Row {
        what: "a deletion",
        act: |w| std::fs::remove_file(w.join("a")).unwrap(),
        gone: &["w/a"],
        new: &[],
    },
    Row {
        what: "a folder is deleted",
        act: |w| std::fs::remove_dir_all(w.join("d")).unwrap(),
        gone: &["w/d/x", "w/d/y"],
        new: &[],
    },
    Row {
        what: "a rename",
        act: |w| std::fs::rename(w.join("a"), w.join("renamed")).unwrap(),
        gone: &["w/a"],
        new: &[("w/renamed", "one")],
    },
    Row {
        what: "a folder is renamed",
        act: |w| std::fs::rename(w.join("d"), w.join("e")).unwrap(),
        gone: &["w/d/x", "w/d/y"],
        new: &[("w/e/x", "x"), ("w/e/y", "y")],
    },
    Row {
        what: "a rename of the case only",
        act: |w| std::fs::rename(w.join("a"), w.join("A")).unwrap(),
        gone: &["w/a"],
        new: &[("w/A", "one")],
    },
    Row {
        what: "a folder is renamed in its case only",
        act: |w| std::fs::rename(w.join("d"), w.join("D")).unwrap(),
        gone: &["w/d/x", "w/d/y"],
        new: &[("w/D/x", "x"), ("w/D/y", "y")],
    },
    Row {
        what: "a file becomes a folder",
        act: |w| {
            std::fs::remove_file(w.join("f")).unwrap();
            write(w, "f/in", "a folder");
        },
        gone: &["w/f"],
        new: &[("w/f/in", "a folder")],
    },
    Row {
        what: "a folder becomes a file",
        act: |w| {
            std::fs::remove_dir_all(w.join("d")).unwrap();
            write(w, "d", "a file");
        },
        gone: &["w/d/x", "w/d/y"],
        new: &[("w/d", "a file")],
    },
    Row {
        what: "a file moves into a folder that takes its name",
        act: |w| {
            std::fs::rename(w.join("f"), w.join("t")).unwrap();
            std::fs::create_dir(w.join("f")).unwrap();
            std::fs::rename(w.join("t"), w.join("f/f")).unwrap();
        },
        gone: &["w/f"],
        new: &[("w/f/f", "a file")],
    },
    Row {
        what: "an empty file, and a file that becomes empty",
        act: |w| {
            write(w, "empty", "");
            write(w, "a", "");
        },
        gone: &["w/a"],
        new: &[("w/a", ""), ("w/empty", "")],
    },
    Row {
        what: "names with the same accent, put together and taken apart",
        act: |w| {
            write(w, "\u{e9}", "together");
            write(w, "e\u{301}", "apart");
        },
        gone: &[],
        new: &[("w/e\u{301}", "apart"), ("w/\u{e9}", "together")],
    },
    Row {
        what: "the longest name there is",
        act: |w| write(w, LONGEST, "long"),
        gone: &[],
        new: &[(LONGEST_PATH, "long")],
    },
    Row {
        what: "touched and put back: nothing",
        act: |w| {
            write(w, "a", "two");
            write(w, "a", "one");
            set_time(&w.join("b"), SystemTime::UNIX_EPOCH);
        },
        gone: &[],
        new: &[],
    },
];

const LONGEST_PATH: &str = concat!(
    "w/",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
);
const LONGEST: &str = LONGEST_PATH.split_at(2).1;

fn in_the_future() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(90 * 365 * 24 * 3600)
}

fn write(w: &Path, name: &str, content: &str) {
    let path = w.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn set_time(path: &Path, time: SystemTime) {
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

fn keeping_time(w: &Path, name: &str, act: impl FnOnce()) {
    let before = std::fs::metadata(w.join(name)).unwrap().modified().unwrap();
    act();
    set_time(&w.join(name), before);
}

/// Longer than from the world's clock to the machine's: files are at rest then, and their digests
/// are believed.
pub(super) const AT_REST_SECONDS: i64 = 40 * 365 * 24 * 3600;

async fn every_row(who: Who, wind_before: i64, wind_after: i64) {
    for Row { what, act, gone, new } in ROWS {
        let what = format!("{who:?}: {what}");
        let world = World::new();
        world.wind(wind_before);
        let pair = Pair::new(&world, BEFORE).await;
        act(&pair.folder(who));
        world.wind(wind_after);
        let mut wanted: Vec<_> =
            BEFORE.iter().filter(|(path, _)| !gone.contains(path)).chain(*new).copied().collect();
        wanted.sort_unstable();
        let changes = gone.iter().chain(new.iter().map(|(path, _)| path));
        let changes: std::collections::BTreeSet<_> = changes.collect();
        let report = pair.party(who).sync().await;
        assert_eq!((report.pushed, report.refused.len()), (changes.len(), 0), "{what}");
        pair.agree_on(&wanted, &what).await;
        assert_eq!(pair.kept_aside(Who::Owner).len() + pair.kept_aside(Who::Scientist).len(), 0);
    }
}

#[tokio::test]
async fn whatever_an_owner_does_offline_reaches_the_scientist() {
    every_row(Who::Owner, 0, 0).await;
}

#[tokio::test]
async fn whatever_a_scientist_does_offline_reaches_the_owner() {
    every_row(Who::Scientist, 0, 0).await;
}

#[tokio::test]
async fn whatever_is_done_to_files_at_rest_is_seen_though_their_digests_are_kept() {
    for who in BOTH {
        every_row(who, AT_REST_SECONDS, 0).await;
    }
}

#[tokio::test]
async fn whatever_is_done_is_seen_after_the_clock_went_back() {
    for who in BOTH {
        every_row(who, AT_REST_SECONDS, -AT_REST_SECONDS).await;
    }
}

#[tokio::test]
async fn what_is_done_offline_survives_a_new_process() {
    for who in BOTH {
        let world = World::new();
        let mut pair = Pair::new(&world, BEFORE).await;
        write(&pair.folder(who), "a", "edited");
        std::fs::remove_file(pair.folder(who).join("b")).unwrap();
        match who {
            Who::Owner => pair.owner.restart(),
            Who::Scientist => pair.scientist.restart(),
        }
        let wanted = [("w/a", "edited"), ("w/d/x", "x"), ("w/d/y", "y"), ("w/f", "a file")];
        pair.agree_on(&wanted, &format!("{who:?}")).await;
    }
}

#[test]
fn a_file_that_is_written_all_the_time_is_never_sent_torn() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for who in BOTH {
        let world = World::new();
        let pair = runtime.block_on(Pair::new(&world, BEFORE));
        let (file, is_over) = (pair.folder(who).join("a"), AtomicBool::new(false));
        let line = |number: usize| format!("{}\n", (number % 10).to_string().repeat(999));
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                use std::io::Write as _;
                let mut file = std::fs::File::create(&file).unwrap();
                for number in 0..3000 {
                    file.write_all(line(number).as_bytes()).unwrap();
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            runtime.block_on(async {
                for _ in 0..5 {
                    let report = pair.party(who).try_sync().await.unwrap();
                    assert!(codes(&report).iter().all(|code| *code == "file-changing"));
                    pair.other(who).sync().await;
                    let seen = pair.other(who).read(pair.datasite(), "w/a").unwrap();
                    for (number, found) in seen.split_inclusive('\n').enumerate() {
                        assert!(seen == "one" || line(number).starts_with(found), "{who:?}");
                    }
                }
            });
            is_over.store(true, Ordering::Relaxed);
            writer.join().unwrap();
        });
        runtime.block_on(pair.settle());
        assert_eq!(pair.files(Who::Owner), pair.files(Who::Scientist));
        assert_eq!(pair.kept_aside(Who::Scientist), [""; 0]);
    }
}
