//! Files that are gone as by an accident: nothing is sent, nothing is written, and it goes on by
//! itself once they are back.

use std::path::Path;
use std::sync::Arc;

use syft::caches::MARKER_FILE;
use syft::client::{self, Client, SystemClock};
use syft::connections::faulty::{Fault, unavailable};
use syft::connections::{Call, Content, MemoryDrive, Query};
use syft::model::Role;
use syft::outbox::Alarm;
use syft::permissions::Level;
use syft::syncers::{Error, SyncOptions};

use super::super::world::{Party, World, acquaint, email};
use super::rows::AT_REST_SECONDS;
use super::{BOTH, FORCE, Pair, Who, codes};

fn files(count: usize) -> Vec<(String, String)> {
    (0..count).map(|number| (format!("w/{number:02}"), format!("content {number}"))).collect()
}

async fn pair(world: &World, count: usize) -> Pair<'_> {
    let files = files(count);
    let files: Vec<_> = files.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
    Pair::new(world, &files).await
}

/// Syncs `party`, which must stop because of `wanted`: an owner with an error, a scientist with a
/// problem, unless the SyftBox as a whole is concerned.
async fn stops(party: &Party<'_>, wanted: Alarm, what: &str) {
    let calls = party.script.calls();
    match party.try_sync().await {
        Err(Error::SuddenlyEmpty { alarm, .. }) => {
            assert_eq!(alarm, wanted, "{what}");
            let is_about_all = matches!(alarm, Alarm::NoMarker | Alarm::OtherBox);
            assert!(party.role == Role::Owner || is_about_all, "{what}: {alarm:?}");
            assert_eq!(party.script.calls(), calls, "{what}: nothing is sent or asked");
        }
        Ok(report) => {
            assert_eq!(party.role, Role::Scientist, "{what}");
            assert_eq!(codes(&report), ["suddenly-empty"], "{what}");
            assert_eq!((report.pulled, report.pushed), (0, 0), "{what}");
        }
        Err(error) => panic!("{what}: {error}"),
    }
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Moves a folder away, has the other side change a file and add one, and syncs: nothing may reach
/// the empty place, and nobody may lose anything. Then it comes back.
async fn away_and_back(who: Who, whole_box: bool, leave_mount_point: bool, count: usize) {
    let what = format!("{who:?}, box {whole_box}, mount point {leave_mount_point}, {count} files");
    let world = World::new();
    let pair = pair(&world, count).await;
    let (party, other) = (pair.party(who), pair.other(who));
    let folders = &party.account().folders;
    let place = if whole_box { folders.syftbox.clone() } else { folders.datasite(pair.datasite()) };
    let elsewhere = place.with_file_name("elsewhere");
    std::fs::rename(&place, &elsewhere).unwrap();
    if leave_mount_point {
        std::fs::create_dir(&place).unwrap();
    }
    other.write(pair.datasite(), "w/00", b"changed meanwhile");
    other.write(pair.datasite(), "w/new", b"new meanwhile");
    other.try_sync().await.unwrap();
    let alarm = match (whole_box, leave_mount_point) {
        (true, _) => Alarm::NoMarker,
        (false, true) => Alarm::Empty,
        (false, false) => Alarm::NoFolder,
    };
    for _ in 0..2 {
        stops(party, alarm, &what).await;
        assert_eq!(place.exists(), leave_mount_point, "{what}: it is not made");
        assert_eq!(entries(&place), 0, "{what}: nothing is written into it");
    }
    other.try_sync().await.unwrap();
    // The scientist's copy has no rule file: the other side lost nothing.
    assert!(other.tree(pair.datasite()).len() > count, "{what}");
    if leave_mount_point {
        std::fs::remove_dir(&place).unwrap();
    }
    std::fs::rename(&elsewhere, &place).unwrap();
    let mut wanted = files(count);
    wanted[0].1 = "changed meanwhile".to_owned();
    wanted.push(("w/new".to_owned(), "new meanwhile".to_owned()));
    let wanted: Vec<_> = wanted.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
    pair.agree_on(&wanted, &what).await;
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_stays_empty_and_nobody_loses_anything() {
    for who in BOTH {
        for count in [1, 4] {
            for leave_mount_point in [false, true] {
                away_and_back(who, true, leave_mount_point, count).await;
            }
            away_and_back(who, false, false, count).await;
        }
        away_and_back(who, false, true, 4).await;
    }
}

#[tokio::test]
async fn most_files_gone_at_once_stop_and_few_do_not() {
    for (who, at_rest) in
        [(Who::Owner, 0), (Who::Scientist, 0), (Who::Owner, 1), (Who::Scientist, 1)]
    {
        #[rustfmt::skip]
        let cases = [
            // files, deleted, one of those that stay was changed on the other side, stops
            (30, 16, false, true),
            (30, 16, true,  true),
            (30, 12, false, false),
            (8,  6,  false, false),
        ];
        for (count, deleted, changed_there, stops_here) in cases {
            let what = format!("{who:?}, {at_rest}: {deleted} of {count}, {changed_there}");
            let world = World::new();
            world.wind(at_rest * AT_REST_SECONDS);
            let pair = pair(&world, count).await;
            for number in 0..deleted {
                std::fs::remove_file(pair.folder(who).join(format!("{number:02}"))).unwrap();
            }
            if changed_there {
                let last = format!("w/{:02}", count - 1);
                pair.other(who).write(pair.datasite(), &last, b"changed");
                pair.other(who).sync().await;
            }
            if stops_here {
                let before = pair.files(who);
                stops(pair.party(who), Alarm::MostGone, &what).await;
                assert_eq!(pair.files(who), before, "{what}: nothing is written");
                pair.other(who).sync().await;
                assert_eq!(pair.files(pair_other(who)).len(), count, "{what}");
                pair.party(who).try_sync_with(&FORCE).await.unwrap();
            }
            let mut rest = files(count).split_off(deleted);
            if changed_there {
                rest.last_mut().unwrap().1 = "changed".to_owned();
            }
            let rest: Vec<_> = rest.iter().map(|(p, c)| (p.as_str(), c.as_str())).collect();
            pair.agree_on(&rest, &what).await;
        }
    }
}

const fn pair_other(who: Who) -> Who {
    match who {
        Who::Owner => Who::Scientist,
        Who::Scientist => Who::Owner,
    }
}

#[tokio::test]
async fn what_could_not_be_read_before_is_not_written_where_most_files_are_gone() {
    for at_rest in [0, 1] {
        let world = World::new();
        world.wind(at_rest * AT_REST_SECONDS);
        let pair = pair(&world, 30).await;
        for number in 0..30 {
            let path = format!("w/new/{number}");
            pair.scientist.write(pair.datasite(), &path, b"proposed");
        }
        pair.scientist.sync().await;
        // It is known, and that it could not be read leaves no trace.
        for _ in 0..3 {
            let is_read = |call: &Call| matches!(call.method, "read" | "download" | "fetch");
            pair.owner.script.when(9, Fault::before(unavailable), is_read);
            let report = pair.owner.try_sync().await.unwrap();
            assert_eq!(report.accepted, 0, "{report:?}");
            pair.owner.script.clear();
        }
        for number in 0..16 {
            std::fs::remove_file(pair.folder(Who::Owner).join(format!("{number:02}"))).unwrap();
        }
        let before = pair.files(Who::Owner);
        stops(&pair.owner, Alarm::MostGone, "what waits would hide that they are gone").await;
        assert_eq!(pair.files(Who::Owner), before, "nothing is written");
    }
}

#[tokio::test]
async fn a_folder_with_most_files_may_be_renamed() {
    for who in BOTH {
        let world = World::new();
        let pair = pair(&world, 20).await;
        let folder = pair.folder(who);
        std::fs::create_dir(folder.join("moved")).unwrap();
        for number in 0..18 {
            let name = format!("{number:02}");
            std::fs::rename(folder.join(&name), folder.join("moved").join(&name)).unwrap();
        }
        let report = pair.party(who).sync().await;
        assert_eq!(report.pushed, 36, "{who:?}");
        pair.settle().await;
        assert_eq!(pair.files(Who::Owner), pair.files(Who::Scientist), "{who:?}");
        assert_eq!(pair.files(who).len(), 20, "{who:?}");
    }
}

#[tokio::test]
async fn whoever_forces_deletes_for_everybody() {
    for who in BOTH {
        let world = World::new();
        let pair = pair(&world, 4).await;
        std::fs::remove_dir_all(pair.folder(who)).unwrap();
        if who == Who::Owner {
            // Its rule file is gone as well, and so is everything of the datasite.
            stops(&pair.owner, Alarm::Empty, "owner").await;
        } else {
            stops(&pair.scientist, Alarm::Empty, "scientist").await;
        }
        pair.party(who).try_sync_with(&FORCE).await.unwrap();
        pair.agree_on(&[], &format!("{who:?}")).await;
    }
}

#[tokio::test]
async fn what_others_delete_is_no_accident() {
    for who in BOTH {
        let world = World::new();
        let pair = pair(&world, 20).await;
        for number in 0..20 {
            std::fs::remove_file(pair.folder(who).join(format!("{number:02}"))).unwrap();
        }
        pair.party(who).try_sync_with(&FORCE).await.unwrap();
        // The other side takes twenty deletions in without being asked, and again.
        pair.agree_on(&[], &format!("{who:?}")).await;
    }
}

#[tokio::test]
async fn a_marker_that_is_gone_alone_comes_back_and_that_of_another_box_is_noticed() {
    for who in BOTH {
        let world = World::new();
        let pair = pair(&world, 4).await;
        let marker = pair.party(who).account().folders.syftbox.join(MARKER_FILE);
        let before = std::fs::read_to_string(&marker).unwrap();
        std::fs::remove_file(&marker).unwrap();
        assert!(pair.party(who).sync().await.is_idle());
        assert_eq!(std::fs::read_to_string(&marker).unwrap(), before);
        // With it missing, a single file that is gone is one too many.
        std::fs::remove_file(&marker).unwrap();
        std::fs::remove_file(pair.folder(who).join("00")).unwrap();
        stops(pair.party(who), Alarm::NoMarker, "a copy that was left half done").await;
        std::fs::write(&marker, "another\n").unwrap();
        stops(pair.party(who), Alarm::OtherBox, "another disk").await;
        std::fs::write(&marker, before).unwrap();
        assert_eq!(pair.party(who).sync().await.pushed, 1);
    }
}

#[tokio::test]
async fn an_alarm_about_one_owner_holds_up_no_other_and_the_marker_tells_about_all() {
    let world = World::new();
    let pair = pair(&world, 4).await;
    let other = world.owner("zo@example.org");
    acquaint(&other, &pair.scientist).await;
    other.grant("w/", &pair.scientist.email, Level::Write);
    other.put("w/a", "a");
    other.sync().await;
    pair.scientist.sync().await;
    let folders = &pair.scientist.account().folders;
    std::fs::remove_dir_all(folders.datasite(&other.email)).unwrap();
    pair.owner.put("w/00", "changed");
    pair.owner.sync().await;
    let report = pair.scientist.try_sync().await.unwrap();
    assert_eq!((codes(&report), report.pulled), (vec!["suddenly-empty"], 1));
    assert!(!folders.datasite(&other.email).exists());
    std::fs::remove_file(folders.syftbox.join(MARKER_FILE)).unwrap();
    stops(&pair.scientist, Alarm::NoMarker, "all").await;
}

#[tokio::test]
async fn a_scientist_proposes_nothing_from_an_empty_place() {
    use syft::syncers::DatasiteWatcherSyncer;
    let world = World::new();
    let pair = pair(&world, 4).await;
    std::fs::remove_dir_all(pair.scientist.account().folders.datasite(pair.datasite())).unwrap();
    let syncer = DatasiteWatcherSyncer::new(pair.scientist.account());
    let pushed = syncer.push(pair.datasite(), world.now()).await;
    assert!(matches!(pushed, Err(Error::SuddenlyEmpty { .. })), "{pushed:?}");
    assert!(pair.owner.sync().await.is_idle());
}

#[tokio::test]
async fn a_client_puts_not_even_a_lock_into_an_empty_mount_point() {
    let (drive, home) = (MemoryDrive::new(), tempfile::tempdir().unwrap());
    for (name, role) in [("do@example.org", Role::Owner), ("ds@example.org", Role::Scientist)] {
        let session = Arc::new(drive.session(&email(name)));
        let client = Client::over(session, role, home.path(), Arc::new(SystemClock)).unwrap();
        let sync = async || client.sync(&SyncOptions::default()).await;
        sync().await.unwrap();
        let (syftbox, marker) = (&client.folders().syftbox, MARKER_FILE);
        assert!(syftbox.join(marker).exists());
        if role == Role::Scientist {
            // It has nothing yet: a SyftBox that is gone is made anew.
            std::fs::remove_dir_all(syftbox).unwrap();
            sync().await.unwrap();
            assert!(syftbox.join(marker).exists());
            continue;
        }
        std::fs::create_dir_all(syftbox.join(name)).unwrap();
        std::fs::write(syftbox.join(name).join("a"), "a").unwrap();
        sync().await.unwrap();
        std::fs::remove_dir_all(syftbox).unwrap();
        for has_mount_point in [false, true] {
            if has_mount_point {
                std::fs::create_dir(syftbox).unwrap();
            }
            let refused = [
                sync().await.map(|_| ()),
                client.create_checkpoint().await.map(|_| ()),
                client.approve_peer(&email("ds@example.org")).await.map(|_| ()),
            ];
            for refused in refused {
                let error = refused.unwrap_err();
                assert_eq!(error.code(), "suddenly-empty", "{error}");
                assert!(matches!(error, client::Error::Sync(Error::SuddenlyEmpty { .. })));
            }
            assert_eq!(syftbox.exists(), has_mount_point);
            assert_eq!(entries(syftbox), 0);
        }
        client.sync(&FORCE).await.unwrap();
        assert!(syftbox.join(marker).exists());
        assert!(sync().await.unwrap().is_idle());
    }
}

#[tokio::test]
async fn whoever_forces_is_not_asked_again_where_an_owner_takes_no_deletions() {
    let world = World::new();
    let pair = pair(&world, 4).await;
    // The owner goes on with a program that takes none.
    let session = pair.owner.session();
    for file in session.find(&Query::default()).await.unwrap() {
        if file.is_mine && file.name.starts_with("SYFT_version") {
            let text = session.read(&file.id, 1 << 16).await.unwrap();
            let text = String::from_utf8(text.to_vec()).unwrap();
            assert!(text.contains("proposed-deletions"));
            let text = text.replace("proposed-deletions", "something-else");
            session.replace(&file.id, Content::Bytes(text.into())).await.unwrap();
        }
    }
    for number in 0..4 {
        std::fs::remove_file(pair.folder(Who::Scientist).join(format!("{number:02}"))).unwrap();
    }
    stops(&pair.scientist, Alarm::Empty, "asked once").await;
    let report = pair.scientist.try_sync_with(&FORCE).await.unwrap();
    assert_eq!(codes(&report), ["deletion-not-sent"; 4]);
    pair.owner.put("w/new", "new");
    pair.owner.try_sync().await.unwrap();
    let report = pair.scientist.try_sync().await.unwrap();
    assert_eq!((codes(&report), report.pulled), (vec!["deletion-not-sent"; 4], 1));
    // What the owner writes anew may be gone by accident again.
    for number in 0..4 {
        pair.owner.put(&format!("w/{number:02}"), "changed");
    }
    pair.owner.try_sync().await.unwrap();
    assert_eq!(pair.scientist.try_sync().await.unwrap().pulled, 4);
    std::fs::remove_dir_all(pair.folder(Who::Scientist)).unwrap();
    stops(&pair.scientist, Alarm::Empty, "asked again").await;
}
