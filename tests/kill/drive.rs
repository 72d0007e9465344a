//! What must hold of everything that lies on the Drive, and of the databases, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use syft::connections::{Connection as _, Entry, Kind, Query};
use syft::model::{DatasitePath, is_syncable};
use syft::wire::names::FolderName;
use syft::wire::{FileChangeEventsMessage, Packed as _};

use super::world::{Account, OWNER, SCIENTIST, World};

/// Checks that nothing is there twice, that nothing waits, and that only files travelled which may.
pub(crate) async fn check(world: &World) {
    for account in [OWNER, SCIENTIST] {
        let all: Vec<Entry> = world.drive(account).find(&Query::default()).await.unwrap();
        let mine: Vec<&Entry> = all.iter().filter(|entry| entry.is_mine).collect();
        let mut names = BTreeSet::new();
        for entry in &mine {
            assert!(!entry.name.contains(".syft-tmp"), "{entry:?}");
            let is_new = names.insert((entry.parents.first(), &entry.name));
            assert!(is_new, "{account} has two `{}` in one folder", entry.name);
        }
        let count = |start: &str| mine.iter().filter(|entry| entry.name.starts_with(start)).count();
        for name in ["SyftBox", "SYFT_peers", "SYFT_version"] {
            assert_eq!(count(name), 1, "{account} has so many `{name}`");
        }
        assert!(count("rolling_state") <= 1, "{account} has several rolling states");
        let inboxes: Vec<&Entry> =
            all.iter().filter(|entry| entry.name.contains("#inbox#")).collect();
        assert!(!inboxes.is_empty());
        for entry in &all {
            let waits = inboxes.iter().any(|inbox| entry.parents.contains(&inbox.id));
            assert!(!waits, "{account} sees `{}` wait in an inbox", entry.name);
        }
    }
    messages(world).await;
}

/// Reads the log and the outboxes of the owner.
async fn messages(world: &World) {
    let drive = world.drive(OWNER);
    let all: Vec<Entry> = drive.find(&Query::default()).await.unwrap();
    for folder in all.iter().filter(|entry| entry.kind == Kind::Folder && entry.is_mine) {
        let is_log = match FolderName::parse(&folder.name) {
            Some(FolderName::Personal(_)) => true,
            Some(FolderName::P2p(_)) => false,
            _ => continue,
        };
        let mut inside: Vec<&Entry> =
            all.iter().filter(|entry| entry.parents.contains(&folder.id)).collect();
        inside.sort_by_key(|entry| (entry.created_micros, &entry.name));
        let mut last: BTreeMap<String, Option<String>> = BTreeMap::new();
        let mut ids = BTreeSet::new();
        for entry in inside {
            let bytes = drive.read(&entry.id, u64::MAX).await.unwrap();
            let message = FileChangeEventsMessage::from_file_bytes(&bytes).unwrap();
            for event in message.events {
                let path = DatasitePath::parse(&event.path_in_datasite).unwrap();
                assert!(is_syncable(&path), "`{path}` travelled");
                let is_temporary = path.parts().any(|part| {
                    [".tmp", ".removed-", ".partial-"].iter().any(|start| part.starts_with(start))
                });
                assert!(!is_temporary, "`{path}` travelled");
                if !is_log {
                    continue;
                }
                assert!(ids.insert(event.id.clone()), "an event is in the log twice: {event:?}");
                let known = last.insert(event.path_in_datasite.clone(), event.new_hash.clone());
                let changes = known != Some(event.new_hash.clone());
                assert!(changes, "the log says the same twice: {event:?}");
            }
        }
    }
}

/// Checks that the state of an account can be read and is whole.
pub(crate) fn databases(account: &Account) {
    let databases = account.databases();
    assert!(!databases.is_empty());
    for path in databases {
        let database = rusqlite::Connection::open(&path).unwrap();
        let check = |sql| database.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(check("PRAGMA integrity_check"), "ok", "{}", path.display());
    }
}
