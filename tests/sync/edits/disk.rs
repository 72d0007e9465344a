//! What a disk refuses or hides is never taken for deleted, and holds up nothing else.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use syft::wire::limits::FILE_BYTES_MAX;

use super::super::world::World;
use super::{BOTH, Pair, Who, codes};

/// Somebody whom permissions hold back, while this lives: root may read everything.
struct Nobody {
    was_root: bool,
}

impl Nobody {
    fn be() -> Self {
        let was_root = rustix::process::geteuid().is_root();
        if was_root {
            Self::become_uid(65_534);
        }
        Self { was_root }
    }

    /// For this thread alone, and the way back stays open.
    fn become_uid(uid: u32) {
        let (root, effective) = (rustix::process::Uid::ROOT, rustix::process::Uid::from_raw(uid));
        rustix::thread::set_thread_res_uid(root, effective, root).unwrap();
    }
}

impl Drop for Nobody {
    fn drop(&mut self) {
        if self.was_root {
            Self::become_uid(0);
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

const FILES: &[(&str, &str)] = &[("w/a", "a"), ("w/d/e/y", "y"), ("w/d/x", "x")];

/// Whether `party`'s other side still has all files, after both have synced some more.
async fn nobody_lost_anything(pair: &Pair<'_>, who: Who, what: &str) {
    for _ in 0..2 {
        pair.party(who).try_sync().await.unwrap();
        pair.other(who).try_sync().await.unwrap();
    }
    let other = if who == Who::Owner { Who::Scientist } else { Who::Owner };
    let files = pair.files(other);
    let files: Vec<_> = files.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
    assert_eq!(files, FILES, "{what}: {who:?}");
}

#[tokio::test]
async fn what_may_not_be_read_is_told_and_not_deleted() {
    let nobody = Nobody::be();
    for who in BOTH {
        for (locked, mode) in [("a", 0o000), ("d", 0o000), ("d/e", 0o000), ("d", 0o400)] {
            let what = format!("{locked} {mode:o}");
            let world = World::new();
            let pair = Pair::new(&world, FILES).await;
            let (path, before) = (pair.folder(who).join(locked), pair.folder(who));
            let usual = std::fs::metadata(&path).unwrap().permissions().mode();
            chmod(&path, mode);
            // Its content was read before; only a change makes it read again.
            if locked == "a" {
                let time = std::time::UNIX_EPOCH;
                chmod(&path, 0o200);
                let file = std::fs::File::options().write(true).open(&path).unwrap();
                file.set_modified(time).unwrap();
            }
            // The rest goes on.
            std::fs::write(before.join("new"), "n").unwrap();
            let report = pair.party(who).try_sync().await.unwrap();
            assert!(codes(&report).contains(&"file-not-read"), "{what}: {report:?}");
            assert_eq!(report.pushed, 1, "{what}: {report:?}");
            std::fs::remove_file(before.join("new")).unwrap();
            nobody_lost_anything(&pair, who, &what).await;
            chmod(&path, usual);
            pair.agree_on(FILES, &what).await;
        }
    }
    drop(nobody);
}

#[tokio::test]
async fn a_change_for_what_may_not_be_read_waits_until_it_may() {
    let nobody = Nobody::be();
    for who in BOTH {
        let world = World::new();
        let pair = Pair::new(&world, FILES).await;
        let path = pair.folder(who).join("d");
        chmod(&path, 0o000);
        pair.other(who).write(pair.datasite(), "w/d/x", b"changed");
        pair.other(who).sync().await;
        let report = pair.party(who).try_sync().await.unwrap();
        assert!(codes(&report).contains(&"file-not-read"), "{who:?}: {report:?}");
        assert_eq!(report.pushed, 0, "{who:?}: {report:?}");
        if who == Who::Owner {
            // It is not known whether the proposal is outdated: it is not taken in.
            assert_eq!((report.accepted, report.refused.len()), (0, 1), "{report:?}");
        }
        chmod(&path, 0o755);
        let changed = if who == Who::Owner { "x" } else { "changed" };
        pair.agree_on(&[("w/a", "a"), ("w/d/e/y", "y"), ("w/d/x", changed)], "readable").await;
    }
    drop(nobody);
}

#[tokio::test]
async fn a_folder_that_becomes_a_link_is_not_deleted() {
    for who in BOTH {
        for linked in ["d", "d/e", "a"] {
            let world = World::new();
            let pair = Pair::new(&world, FILES).await;
            let place = pair.folder(who).join(linked);
            // Onto the bigger disk, and a link in its place.
            let elsewhere = pair.party(who).account().folders.state.join("bigger disk");
            std::fs::rename(&place, &elsewhere).unwrap();
            symlink(&elsewhere, &place).unwrap();
            let report = pair.party(who).try_sync().await.unwrap();
            assert_eq!(codes(&report), ["link-not-followed"], "{who:?}: {linked}");
            assert_eq!(report.pushed, 0, "{who:?}: {linked}");
            nobody_lost_anything(&pair, who, linked).await;
            // A dangling link is one as well.
            let away = elsewhere.with_file_name("away");
            std::fs::rename(&elsewhere, &away).unwrap();
            nobody_lost_anything(&pair, who, linked).await;
            std::fs::remove_file(&place).unwrap();
            std::fs::rename(&away, &place).unwrap();
            pair.agree_on(FILES, linked).await;
        }
    }
}

#[tokio::test]
async fn nothing_is_written_through_a_link_and_the_link_stays() {
    for who in BOTH {
        let world = World::new();
        let pair = Pair::new(&world, FILES).await;
        let place = pair.folder(who).join("d");
        let elsewhere = pair.party(who).account().folders.state.join("elsewhere");
        std::fs::rename(&place, &elsewhere).unwrap();
        symlink(&elsewhere, &place).unwrap();
        pair.other(who).write(pair.datasite(), "w/d/x", b"changed");
        pair.other(who).sync().await;
        pair.party(who).try_sync().await.unwrap();
        assert_eq!(std::fs::read(elsewhere.join("x")).unwrap(), b"x", "{who:?}");
        assert!(place.is_symlink(), "{who:?}");
    }
}

#[tokio::test]
async fn what_cannot_travel_is_told_once_and_stops_nothing() {
    use std::os::unix::ffi::OsStrExt as _;
    for who in BOTH {
        let world = World::new();
        let pair = Pair::new(&world, FILES).await;
        let folder = pair.folder(who);
        std::fs::write(folder.join(std::ffi::OsStr::from_bytes(b"caf\xe9")), "x").unwrap();
        std::fs::write(folder.join("back\\slash"), "x").unwrap();
        std::fs::write(folder.join("line\nbreak"), "x").unwrap();
        std::fs::File::create(folder.join("large")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        std::fs::write(folder.join("new"), "n").unwrap();
        let report = pair.party(who).try_sync().await.unwrap();
        assert_eq!(codes(&report), ["file-cannot-travel"; 4], "{who:?}: {report:?}");
        assert!(report.problems.iter().all(|told| !told.message.contains(['\n', '\r'])));
        assert_eq!(report.pushed, 1, "{who:?}: {report:?}");
        for (path, _) in FILES {
            assert!(pair.party(who).read(pair.datasite(), path).is_some());
        }
        // Told, and told again only once it was gone.
        assert!(pair.party(who).sync().await.problems.is_empty());
        std::fs::remove_file(folder.join("back\\slash")).unwrap();
        assert!(pair.party(who).sync().await.problems.is_empty());
        std::fs::write(folder.join("back\\slash"), "x").unwrap();
        let report = pair.party(who).try_sync().await.unwrap();
        assert_eq!(codes(&report), ["file-cannot-travel"], "{who:?}: {report:?}");
    }
}

#[tokio::test]
async fn a_file_that_outgrows_the_limit_is_not_deleted() {
    for who in BOTH {
        let world = World::new();
        let pair = Pair::new(&world, FILES).await;
        let path = pair.folder(who).join("a");
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_len(FILE_BYTES_MAX + 1)
            .unwrap();
        let report = pair.party(who).try_sync().await.unwrap();
        assert_eq!(codes(&report), ["file-cannot-travel"], "{who:?}: {report:?}");
        nobody_lost_anything(&pair, who, "too large").await;
        std::fs::write(&path, "small again").unwrap();
        let wanted = [("w/a", "small again"), ("w/d/e/y", "y"), ("w/d/x", "x")];
        pair.agree_on(&wanted, "small again").await;
    }
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_swept_and_nothing_else() {
    for who in BOTH {
        let world = World::new();
        let pair = Pair::new(&world, FILES).await;
        let folder = pair.folder(who);
        let leftover = format!(".syft-tmp-{}", "0f".repeat(16));
        let kept = [".syft-tmp-notes", ".syft-tmp-AbC123", ".hidden"];
        for name in [leftover.as_str()].iter().chain(&kept) {
            std::fs::write(folder.join("d").join(name), "half").unwrap();
        }
        let report = pair.party(who).sync().await;
        assert_eq!(report.pushed, 1, "{who:?}: `.hidden` travels: {report:?}");
        assert!(!folder.join("d").join(&leftover).exists());
        for name in kept {
            assert!(folder.join("d").join(name).exists(), "{who:?}: {name}");
        }
    }
}

#[tokio::test]
async fn a_folder_that_vanishes_is_deleted_and_its_return_is_new() {
    for who in BOTH {
        let world = World::new();
        let pair = Pair::new(&world, FILES).await;
        let (place, away) = (pair.folder(who).join("d"), pair.folder(who).with_file_name("away"));
        std::fs::rename(&place, &away).unwrap();
        let report = pair.party(who).sync().await;
        assert_eq!(report.pushed, 4, "{who:?}: it was moved: {report:?}");
        std::fs::rename(&away, &place).unwrap();
        pair.settle().await;
        if who == Who::Owner {
            pair.agree_on(FILES, "back").await;
        }
    }
}

#[tokio::test]
async fn a_datasite_that_may_not_be_read_is_told_and_not_deleted() {
    let nobody = Nobody::be();
    for who in BOTH {
        // The second may be entered, and not be listed.
        for mode in [0o000, 0o300] {
            let world = World::new();
            let pair = Pair::new(&world, FILES).await;
            let root = pair.party(who).account().folders.datasite(pair.datasite());
            chmod(&root, mode);
            let report = pair.party(who).try_sync().await.unwrap();
            assert!(codes(&report).contains(&"file-not-read"), "{who:?}: {report:?}");
            assert_eq!(report.pushed, 0, "{who:?}: {report:?}");
            pair.other(who).try_sync().await.unwrap();
            chmod(&root, 0o755);
            pair.agree_on(FILES, "readable").await;
        }
    }
    drop(nobody);
}

#[tokio::test]
async fn where_rules_cannot_be_read_nothing_is_taken_back_and_nothing_is_sent() {
    let nobody = Nobody::be();
    for (locked, mode) in [("", 0o000), ("syft.pub.yaml", 0o200), ("", 0o300)] {
        let world = World::new();
        let pair = Pair::new(&world, FILES).await;
        let place = pair.folder(Who::Owner).join(locked);
        let usual = std::fs::metadata(&place).unwrap().permissions().mode();
        pair.owner.put("w/a", "changed");
        chmod(&place, mode);
        if locked == "syft.pub.yaml" {
            let file = std::fs::File::options().write(true).open(&place).unwrap();
            file.set_modified(std::time::UNIX_EPOCH).unwrap();
        }
        let report = pair.owner.try_sync().await.unwrap();
        assert!(codes(&report).contains(&"file-not-read"), "{locked}: {report:?}");
        pair.scientist.sync().await;
        let files = pair.files(Who::Scientist);
        let files: Vec<_> = files.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
        assert_eq!(files, FILES, "{locked} {mode:o}");
        chmod(&place, usual);
        let wanted = [("w/a", "changed"), ("w/d/e/y", "y"), ("w/d/x", "x")];
        pair.agree_on(&wanted, "known again").await;
    }
    drop(nobody);
}
