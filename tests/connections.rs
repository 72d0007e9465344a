//! The connections keep their contract, and the wrappers that tests rely on do what they say.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;

use syft::connections::conformance;
use syft::connections::faulty::{Crash, Fault, unavailable};
use syft::connections::{
    Connection, Content, Error, Faulty, FileId, Folder, GDrive, MemoryDrive, NewEntry, Query,
    Recorded,
};
use syft::model::Email;

fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

fn memory(accounts: &[Email]) -> Vec<Box<dyn Connection>> {
    let drive = MemoryDrive::new();
    accounts
        .iter()
        .map(|account| -> Box<dyn Connection> { Box::new(drive.session(account)) })
        .collect()
}

#[tokio::test]
async fn memory_conforms() {
    conformance::check(async |accounts| memory(&accounts)).await;
}

#[tokio::test]
async fn a_shared_folder_conforms() {
    let place = tempfile::tempdir().unwrap();
    let count = Cell::new(0);
    conformance::check(async |accounts| {
        count.set(count.get() + 1);
        let path = place.path().join(count.get().to_string());
        let open =
            |account| -> Box<dyn Connection> { Box::new(Folder::open(&path, account).unwrap()) };
        accounts.into_iter().map(open).collect()
    })
    .await;
}

/// A session with our own Drive server, as with Google's.
fn drive_session(server: &drive_server::Server, data: &Path, account: Email) -> GDrive {
    let token = drive_server::add_account(data, account.as_str(), None).unwrap().token;
    let endpoint = drive_api::Endpoint::at(server.url()).unwrap();
    let tokens = drive_api::auth::StaticToken::new(token).unwrap();
    GDrive::connect(account, drive_api::Drive::new(endpoint, Arc::new(tokens)))
}

#[tokio::test]
async fn google_drive_conforms_on_our_server() {
    let running = RefCell::new(None);
    conformance::check(async |accounts| {
        let place = tempfile::tempdir().unwrap();
        let server = drive_server::serve(drive_server::Options::new(place.path())).await.unwrap();
        let session = |account| -> Box<dyn Connection> {
            Box::new(drive_session(&server, place.path(), account))
        };
        let sessions = accounts.into_iter().map(session).collect();
        running.replace(Some((server, place)));
        sessions
    })
    .await;
}

#[tokio::test]
async fn wrappers_without_a_script_change_nothing() {
    conformance::check(async |accounts| {
        let wrap = |inner| -> Box<dyn Connection> {
            Box::new(Recorded::new(Box::new(Faulty::new(inner))))
        };
        memory(&accounts).into_iter().map(wrap).collect()
    })
    .await;
}

fn named(parent: &FileId, name: &str) -> NewEntry {
    NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "text/plain",
        tags: std::collections::BTreeMap::default(),
    }
}

async fn names(connection: &dyn Connection) -> Vec<String> {
    let found = connection.find(&Query::in_folder(&connection.root())).await.unwrap();
    found.into_iter().map(|entry| entry.name).collect()
}

async fn make(connection: &dyn Connection, name: &str) -> Result<FileId, Error> {
    let new = named(&connection.root(), name);
    Ok(connection.create_file(&new, Content::Bytes("x".into())).await?.id)
}

#[tokio::test]
async fn memory_lags_for_other_sessions_only() {
    let drive = MemoryDrive::new();
    let (one, two) = (drive.session(&email("do@x.org")), drive.session(&email("DO@x.org")));
    assert_eq!(one.root(), two.root(), "one account, however it is spelled");
    drive.set_lag(2);
    let since = two.change_start().await.unwrap();
    let a = make(&one, "a").await.unwrap();
    make(&one, "b").await.unwrap();
    make(&one, "c").await.unwrap();
    make(&two, "d").await.unwrap();
    assert_eq!(names(&one).await, ["a", "b", "c"], "the third and fourth newest, and its own");
    assert_eq!(names(&two).await, ["a", "b", "d"]);
    let changes = two.changes(&since).await.unwrap();
    assert_eq!(changes.changes.len(), 3);
    one.delete(&[a]).await.unwrap();
    drive.release();
    assert_eq!(names(&two).await, ["b", "c", "d"]);
    let rest = two.changes(&changes.next).await.unwrap();
    assert_eq!(rest.changes.len(), 3, "`c`, `d` once more, and that `a` is gone");
}

#[tokio::test]
async fn memory_is_strict() {
    let drive = MemoryDrive::new();
    let session = drive.session(&email("do@x.org"));
    drive.set_max_file_bytes(3);
    let new = named(&session.root(), "large");
    let answer = session.create_file(&new, Content::Bytes("four".into())).await;
    assert!(matches!(answer, Err(Error::TooLarge { limit_bytes: 3 })), "{answer:?}");
    let invented = NewEntry { id: FileId::parse("invented").ok(), ..new };
    let answer = session.create_file(&invented, Content::Bytes("x".into())).await;
    assert!(matches!(answer, Err(Error::Denied { .. })), "{answer:?}");
    let token = session.change_start().await.unwrap();
    drive.expire_tokens();
    assert!(matches!(session.changes(&token).await, Err(Error::TokenExpired)));
    let token = session.change_start().await.unwrap();
    assert!(session.changes(&token).await.is_ok());
}

#[tokio::test]
async fn faults_come_when_the_script_says() {
    let drive = MemoryDrive::new();
    let faulty = Faulty::new(Box::new(drive.session(&email("do@x.org"))));
    let script = faulty.script();
    script.at(1, Fault::before(unavailable));
    script.at(2, Fault::after(unavailable));
    script.when(1, Fault::before(unavailable), |call| call.subject == "e");
    assert!(make(&faulty, "a").await.is_ok());
    assert!(make(&faulty, "b").await.is_err());
    assert!(make(&faulty, "c").await.is_err());
    assert!(make(&faulty, "d").await.is_ok());
    assert!(make(&faulty, "e").await.is_err());
    assert!(make(&faulty, "e").await.is_ok());
    assert_eq!(script.calls(), 6);
    assert_eq!(names(&faulty).await, ["a", "c", "d", "e"]);
}

#[tokio::test]
async fn of_several_items_half_are_done() {
    let drive = MemoryDrive::new();
    let faulty = Faulty::new(Box::new(drive.session(&email("do@x.org"))));
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        ids.push(make(&faulty, name).await.unwrap());
    }
    faulty.script().next(Fault::half(unavailable));
    assert!(faulty.delete(&ids).await.is_err());
    assert_eq!(names(&faulty).await, ["c", "d", "e"]);
    faulty.script().next(Fault::rest(unavailable));
    let answers = faulty.delete(&ids[1..]).await.unwrap();
    assert_eq!(answers.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false, false]);
    assert_eq!(names(&faulty).await, ["d", "e"]);
}

#[tokio::test]
async fn after_a_crash_nothing_works_until_a_restart() {
    for (crash, left) in [(Crash::Before, vec!["a"]), (Crash::After, vec!["a", "b"])] {
        let drive = MemoryDrive::new();
        let faulty = Faulty::new(Box::new(drive.session(&email("do@x.org"))));
        faulty.script().crash_at(1, crash);
        assert!(make(&faulty, "a").await.is_ok());
        assert!(make(&faulty, "b").await.is_err());
        assert!(make(&faulty, "c").await.is_err());
        assert!(faulty.verify().await.is_err());
        assert!(faulty.script().has_crashed());
        faulty.script().clear();
        assert_eq!(names(&faulty).await, left, "{crash:?}");
    }
}

#[tokio::test]
async fn calls_are_written_down() {
    let drive = MemoryDrive::new();
    let recorded = Recorded::new(Box::new(drive.session(&email("do@x.org"))));
    let log = recorded.log();
    let id = make(&recorded, "a").await.unwrap();
    recorded.delete(&[id.clone(), id]).await.unwrap();
    let calls = log.take();
    assert_eq!((calls[0].method, calls[0].subject.as_str()), ("create_file", "a"));
    assert_eq!((calls[1].method, calls[1].items), ("delete", 2));
    assert_eq!(log.count("delete"), 0);
    assert_eq!(recorded.requests(), 2);
}
