use notify::event::{CreateKind, DataChange, Flag, RemoveKind};

use super::*;

const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
const OPENED: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));
const MADE: EventKind = EventKind::Create(CreateKind::File);
const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
const GONE: EventKind = EventKind::Remove(RemoveKind::Any);

fn heard(events: Notified<'_>) -> Option<Heard> {
    let mut sounds = Sounds::default();
    for (kind, path) in events {
        sounds.notice(Path::new("/box"), Ok(Event::new(*kind).add_path(PathBuf::from(path))));
    }
    sounds.take()
}

/// What is notified, and of which path.
type Notified<'a> = &'a [(EventKind, &'a str)];

#[test]
fn what_matters_is_heard_and_files_of_ours_wake_nobody() {
    let changed = |writing| Some(Heard::Changed { writing });
    #[rustfmt::skip]
    let cases: [(&str, Notified<'_>, Option<Heard>); 9] = [
        ("a new file",          &[(MADE, "/box/do@x.org/a")],                              changed(false)),
        ("one being written",   &[(MADE, "/box/do@x.org/a"), (WRITTEN, "/box/do@x.org/a")], changed(cfg!(target_os = "linux"))),
        ("one that was read",   &[(OPENED, "/box/do@x.org/a"), (CLOSED, "/box/do@x.org/a")], None),
        ("written and closed",  &[(WRITTEN, "/box/do@x.org/a"), (CLOSED, "/box/do@x.org/a")], changed(false)),
        ("written and gone",    &[(WRITTEN, "/box/do@x.org/d/a"), (GONE, "/box/do@x.org/d")], changed(false)),
        ("the lock",            &[(MADE, "/box/.sync.lock")],                              None),
        ("ours being written",  &[(WRITTEN, "/box/do@x.org/.syft-tmp-1")],                 None),
        ("private data",        &[(WRITTEN, "/box/do@x.org/private/data.csv")],            None),
        ("the SyftBox itself",  &[(GONE, "/box")],                                         changed(false)),
    ];
    for (what, events, expected) in cases {
        assert_eq!(heard(events), expected, "{what}");
    }
}

#[test]
fn a_full_queue_means_that_anything_may_have_changed() {
    let mut sounds = Sounds::default();
    let event = Event::new(EventKind::Other).set_flag(Flag::Rescan);
    assert!(sounds.notice(Path::new("/box"), Ok(event)));
    assert_eq!(sounds.take(), Some(Heard::Changed { writing: false }));
    assert_eq!(sounds.take(), None);
}

#[test]
fn a_limit_of_the_system_is_told_and_then_looked_for() {
    let mut sounds = Sounds::default();
    let error = notify::Error::new(ErrorKind::MaxFilesWatch);
    assert!(sounds.notice(Path::new("/box"), Err(error)));
    let Some(Heard::Deaf(reason)) = sounds.take() else { panic!("not told") };
    assert!(reason.contains("fs.inotify.max_user_watches"), "{reason}");
    assert_eq!(sounds.take(), Some(Heard::Changed { writing: false }));
}

#[test]
fn what_is_remembered_of_open_files_is_bounded() {
    let mut sounds = Sounds::default();
    for number in 0..OPEN_MAX + 10 {
        let event = Event::new(WRITTEN).add_path(PathBuf::from(format!("/box/d/{number}")));
        sounds.notice(Path::new("/box"), Ok(event));
    }
    assert!(sounds.open.len() <= OPEN_MAX);
}

#[tokio::test]
async fn real_files_are_heard_also_in_a_folder_that_took_the_place_of_another() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("box");
    let mut machine = Machine::default();
    assert_eq!(machine.listen(&folder), Listening::NoFolder);
    for old in ["old1", "old2"] {
        std::fs::create_dir(&folder).unwrap();
        assert_eq!(machine.listen(&folder), Listening::Yes);
        std::fs::write(folder.join("a"), "text").unwrap();
        let heard = machine.wait(Duration::from_secs(60)).await;
        assert!(matches!(heard, Some(Heard::Changed { .. })), "{heard:?}");
        assert!(machine.is_restless(&folder), "it was written a moment ago");
        // So that the number of the folder cannot be given to the next one.
        std::fs::rename(&folder, home.path().join(old)).unwrap();
    }
}
