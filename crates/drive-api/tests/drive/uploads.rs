//! Resumable uploads: broken connections, partial answers, forgotten sessions.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use drive_api::{Content, Drive, Endpoint, Error, KeepSession, NewFile, Progress, Settings};

use crate::wire::{
    Act, Counting, HandClock, LOST, Wire, drive_with, file, ok, refuse, with_headers,
};

const SIZE: usize = 1024 * 1024;

fn bytes() -> Bytes {
    (0..SIZE).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

fn new(id: Option<&str>) -> NewFile {
    NewFile {
        id: id.map(str::to_owned),
        name: "n".to_owned(),
        parent: Some("P".to_owned()),
        media_type: "text/plain".to_owned(),
        ..NewFile::default()
    }
}

/// A wire that first opens a session, and a drive on it that resumes everything.
async fn session(script: Vec<Act>) -> (Wire, Drive) {
    let wire = Wire::play([]).await;
    wire.then(opened(&wire, "s1"));
    script.into_iter().for_each(|act| wire.then(act));
    let clock = HandClock::at("2026-11-21T10:00:00Z");
    let settings = Settings { clock, multipart_bytes_max: 0, ..Settings::default() };
    (wire.clone(), drive_with(&wire, settings))
}

fn opened(wire: &Wire, name: &str) -> Act {
    let location = format!("Location: {}/upload/{name}\r\n", wire.url);
    Act::Send(with_headers(200, &location, b""))
}

fn kept(bytes: usize) -> Act {
    let range = format!("Range: bytes=0-{}\r\n", bytes - 1);
    Act::Send(with_headers(308, &range, b""))
}

fn done() -> Act {
    ok(&file("A", "n", SIZE))
}

#[tokio::test]
async fn a_large_content_takes_two_requests() {
    let (wire, drive) = session(vec![done()]).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let drive =
        drive.with_progress(Progress::new(Arc::new(move |n| hears.lock().unwrap().push(n))));
    drive.upload(new(None), Content::Bytes(bytes())).await.unwrap();
    let seen = wire.seen();
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0].header("x-upload-content-length"), Some("1048576"));
    assert_eq!(seen[1].header("content-range"), Some("bytes 0-1048575/1048576"));
    assert_eq!(seen[1].body, bytes());
    let heard = heard.lock().unwrap();
    assert!(heard.is_sorted() && heard.last() == Some(&(SIZE as u64)), "{heard:?}");
}

#[tokio::test]
async fn a_file_is_streamed_and_resumed_where_the_server_stands() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content");
    std::fs::write(&path, bytes()).unwrap();
    let (wire, drive) = session(vec![Act::CloseAfterBody(300_000), kept(262_144), done()]).await;
    drive.upload(new(None), Content::File(path)).await.unwrap();
    let seen = wire.seen();
    assert_eq!(seen[2].header("content-range"), Some("bytes */1048576"));
    assert_eq!(seen[3].header("content-range"), Some("bytes 262144-1048575/1048576"));
    assert_eq!(seen[3].body, bytes()[262_144..]);
}

#[tokio::test]
async fn a_file_that_shrinks_on_the_way_is_a_local_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("content");
    std::fs::write(&path, bytes()).unwrap();
    let (_, drive) = session(vec![done()]).await;
    let shrinks = path.clone();
    let drive = drive.with_progress(Progress::new(Arc::new(move |_| {
        std::fs::OpenOptions::new().write(true).open(&shrinks).unwrap().set_len(1000).unwrap();
    })));
    let error = drive.upload(new(Some("A")), Content::File(path)).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_token_that_ends_on_the_way_is_renewed_and_the_session_goes_on() {
    let wire = Wire::play([]).await;
    wire.then(opened(&wire, "s1"));
    let Act::Send(made) = done() else { panic!("an answer") };
    (0..2).for_each(|_| wire.then(Act::SendTo("token-1", made.clone())));
    let settings = Settings { multipart_bytes_max: 0, ..Settings::default() };
    let endpoint = Endpoint::at(&wire.url).unwrap();
    let drive = Drive::with_settings(endpoint, Arc::new(Counting::default()), settings);
    assert_eq!(drive.upload(new(None), Content::Bytes(bytes())).await.unwrap().id, "A");
    assert_eq!(wire.lines().last().unwrap(), "PUT /upload/s1");
}

#[tokio::test]
async fn b5_a_server_that_keeps_only_a_part_gets_the_rest() {
    let (wire, drive) = session(vec![kept(524_288), kept(786_432), done()]).await;
    drive.upload(new(None), Content::Bytes(bytes())).await.unwrap();
    assert_eq!(wire.seen()[3].body, bytes()[786_432..]);
}

#[tokio::test]
async fn a_server_that_keeps_nothing_is_given_up() {
    let nothing = || Act::Send(with_headers(308, "", b""));
    let (wire, drive) = session((0..50).map(|_| nothing()).collect()).await;
    let error = drive.upload(new(None), Content::Bytes(bytes())).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(wire.seen().len(), 7);
}

#[tokio::test]
async fn a_lost_last_answer_is_asked_for() {
    let (wire, drive) = session(vec![LOST, done()]).await;
    assert_eq!(drive.upload(new(None), Content::Bytes(bytes())).await.unwrap().id, "A");
    assert_eq!(wire.lines()[2], "PUT /upload/s1");
}

#[tokio::test]
async fn an_error_in_the_middle_is_asked_about_before_anything_is_sent() {
    let script =
        vec![refuse(503, "backendError"), refuse(503, "backendError"), kept(524_288), done()];
    let (wire, drive) = session(script).await;
    drive.upload(new(None), Content::Bytes(bytes())).await.unwrap();
    let ranges: Vec<_> =
        wire.seen()[1..].iter().map(|s| s.header("content-range").unwrap().to_owned()).collect();
    assert_eq!(
        ranges,
        [
            "bytes 0-1048575/1048576",
            "bytes */1048576",
            "bytes */1048576",
            "bytes 524288-1048575/1048576",
        ]
    );
}

#[tokio::test]
async fn a_forgotten_session_is_opened_again_if_nothing_can_have_been_made() {
    let (wire, drive) =
        session(vec![kept(262_144), Act::CloseAfterBody(10), refuse(404, "notFound")]).await;
    wire.then(opened(&wire, "s2"));
    wire.then(done());
    let made = drive.upload(new(Some("A")), Content::Bytes(bytes())).await.unwrap();
    assert_eq!(made.id, "A");
    assert_eq!(wire.lines().last().unwrap(), "PUT /upload/s2");
}

#[tokio::test]
async fn a_forgotten_session_without_an_id_is_the_end_if_all_was_sent() {
    let (wire, drive) = session(vec![LOST, refuse(404, "notFound")]).await;
    assert!(drive.upload(new(None), Content::Bytes(bytes())).await.is_err());
    assert_eq!(wire.seen().len(), 3);
}

#[tokio::test]
async fn with_an_id_a_forgotten_session_and_a_conflict_mean_done() {
    let script = vec![LOST, refuse(404, "notFound"), refuse(409, "fileIdInUse"), done()];
    let (wire, drive) = session(script).await;
    assert_eq!(drive.upload(new(Some("A")), Content::Bytes(bytes())).await.unwrap().id, "A");
    assert_eq!(wire.lines().last().unwrap(), "GET /drive/v3/files/A");
}

#[tokio::test]
async fn a_session_elsewhere_gets_neither_token_nor_content() {
    let evil = Wire::play([]).await;
    for location in [format!("{}/x", evil.url), "https://evil.example/x".to_owned(), String::new()]
    {
        let wire =
            Wire::play([Act::Send(with_headers(200, &format!("Location: {location}\r\n"), b""))])
                .await;
        let settings = Settings { multipart_bytes_max: 0, ..Settings::default() };
        let drive = drive_with(&wire, settings);
        let sent = drive.upload(new(None), Content::Bytes(bytes())).await;
        if location.is_empty() {
            assert!(sent.is_err(), "{sent:?}");
        } else {
            assert!(matches!(sent, Err(Error::Invalid { .. })), "{sent:?}");
        }
    }
    assert!(evil.seen().is_empty());
}

#[tokio::test]
async fn a_range_that_lies_is_refused() {
    for range in ["bytes=0-99999999", "bytes=7-9", "lots"] {
        let act = Act::Send(with_headers(308, &format!("Range: {range}\r\n"), b""));
        let (_, drive) = session(vec![act]).await;
        let error = drive.upload(new(None), Content::Bytes(bytes())).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{range}: {error:?}");
    }
}

#[tokio::test]
async fn replacing_content_may_always_start_again() {
    let (wire, drive) = session(vec![LOST, refuse(410, "gone")]).await;
    wire.then(opened(&wire, "s2"));
    wire.then(done());
    drive.replace_content("A", "text/plain", Content::Bytes(bytes())).await.unwrap();
    assert_eq!(
        wire.lines(),
        [
            "PATCH /upload/drive/v3/files/A",
            "PUT /upload/s1",
            "PUT /upload/s1",
            "PATCH /upload/drive/v3/files/A",
            "PUT /upload/s2",
        ]
    );
}

/// Keeps a session in memory.
#[derive(Debug, Default)]
struct Kept {
    known: Option<String>,
    kept: Mutex<Vec<String>>,
    resumed: Mutex<Vec<u64>>,
    fails: bool,
}

impl KeepSession for Kept {
    fn known(&self) -> Option<String> {
        self.known.clone()
    }

    fn keep(&self, address: &str) -> std::io::Result<()> {
        if self.fails {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.kept.lock().unwrap().push(address.to_owned());
        Ok(())
    }

    fn resumed(&self, kept_bytes: u64) {
        self.resumed.lock().unwrap().push(kept_bytes);
    }
}

/// A wire that plays a script, and what an earlier process left of a session on it.
async fn left(script: Vec<Act>) -> (Wire, Drive, Kept) {
    let wire = Wire::play(script).await;
    let clock = HandClock::at("2026-11-21T10:00:00Z");
    let drive = drive_with(&wire, Settings { clock, ..Settings::default() });
    let kept = Kept { known: Some(format!("{}/upload/s0", wire.url)), ..Kept::default() };
    (wire, drive, kept)
}

#[tokio::test]
async fn a_session_is_kept_before_the_first_byte() {
    let wire = Wire::play([]).await;
    wire.then(opened(&wire, "s1"));
    let (drive, content) = (drive_with(&wire, Settings::default()), Content::Bytes(bytes()));
    let keeper = Arc::new(Kept { fails: true, ..Kept::default() });
    let error = drive.upload_kept(new(Some("A")), content.clone(), keeper).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert_eq!(wire.lines(), ["POST /upload/drive/v3/files"], "nothing is sent");
    wire.then(opened(&wire, "s2"));
    wire.then(done());
    let keeper = Arc::new(Kept::default());
    drive.upload_kept(new(Some("A")), content, keeper.clone()).await.unwrap();
    assert_eq!(*keeper.kept.lock().unwrap(), [format!("{}/upload/s2", wire.url)]);
    assert!(keeper.resumed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_session_that_was_left_is_asked_before_anything_is_sent() {
    let (wire, drive, keeper) = left(vec![kept(524_288), done()]).await;
    let keeper = Arc::new(keeper);
    drive.upload_kept(new(Some("A")), Content::Bytes(bytes()), keeper.clone()).await.unwrap();
    let seen = wire.seen();
    assert_eq!(wire.lines(), ["PUT /upload/s0", "PUT /upload/s0"]);
    assert_eq!(seen[0].header("content-range"), Some("bytes */1048576"));
    assert_eq!(seen[1].body, bytes()[524_288..]);
    assert_eq!(*keeper.resumed.lock().unwrap(), [524_288]);
    assert!(keeper.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_session_that_was_left_and_is_done_sends_nothing() {
    let (wire, drive, keeper) = left(vec![done()]).await;
    drive.upload_kept(new(Some("A")), Content::Bytes(bytes()), Arc::new(keeper)).await.unwrap();
    assert_eq!(wire.seen().len(), 1);
}

#[tokio::test]
async fn a_session_that_was_left_and_is_of_no_use_is_replaced() {
    for refusal in [400, 404, 410, 416] {
        let (wire, drive, keeper) = left(vec![refuse(refusal, "gone")]).await;
        wire.then(opened(&wire, "s1"));
        // An earlier process may have got all of it through.
        wire.then(refuse(409, "fileIdInUse"));
        wire.then(ok(&file("A", "n", SIZE)));
        let keeper = Arc::new(keeper);
        let made = drive.upload_kept(new(Some("A")), Content::Bytes(bytes()), keeper.clone()).await;
        assert_eq!(made.unwrap().id, "A", "{refusal}");
        assert_eq!(*keeper.kept.lock().unwrap(), [format!("{}/upload/s1", wire.url)]);
        assert_eq!(wire.lines().last().unwrap(), "GET /drive/v3/files/A");
    }
}

#[tokio::test]
async fn a_session_that_was_left_elsewhere_gets_nothing() {
    let evil = Wire::play([]).await;
    let (wire, drive, keeper) = left(vec![]).await;
    wire.then(opened(&wire, "s1"));
    wire.then(done());
    let keeper = Kept { known: Some(format!("{}/upload/s0", evil.url)), ..keeper };
    drive.upload_kept(new(Some("A")), Content::Bytes(bytes()), Arc::new(keeper)).await.unwrap();
    assert!(evil.seen().is_empty());
}
