//! Creating: never two files where one was meant.

use bytes::Bytes;
use drive_api::{Content, Error, NewFile};

use crate::wire::{Act, LOST, Wire, drive, file, ok, refuse};

fn new(id: Option<&str>) -> NewFile {
    NewFile {
        id: id.map(str::to_owned),
        name: "n".to_owned(),
        parent: Some("P".to_owned()),
        media_type: "text/plain".to_owned(),
        ..NewFile::default()
    }
}

fn content() -> Content {
    Content::Bytes(Bytes::from_static(b"hello"))
}

#[tokio::test]
async fn metadata_and_content_go_in_one_request() {
    let wire = Wire::play([ok(&file("A", "n", 5))]).await;
    let (drive, _) = drive(&wire);
    drive.upload(new(Some("A")), content()).await.unwrap();
    let seen = &wire.seen()[0];
    let media_type = seen.header("content-type").unwrap();
    let boundary = media_type.strip_prefix("multipart/related; boundary=").unwrap();
    let metadata = r#"{"id":"A","name":"n","mimeType":"text/plain","parents":["P"]}"#;
    let expected = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{metadata}\r\n\
         --{boundary}\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{boundary}--\r\n"
    );
    assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), expected);
    assert!(seen.line.contains("uploadType=multipart"), "{}", seen.line);
}

#[tokio::test]
async fn without_an_id_a_lost_answer_ends_it() {
    for lost in [LOST, refuse(503, "backendError"), refuse(500, ""), refuse(408, "")] {
        let wire = Wire::play([lost.clone(), ok(&file("A", "n", 5))]).await;
        let (drive, _) = drive(&wire);
        let error = drive.upload(new(None), content()).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
        assert_eq!(drive.requests(), 1, "{lost:?}");
    }
    let wire = Wire::play([LOST]).await;
    assert!(drive(&wire).0.create_folder(new(None)).await.is_err());
    assert_eq!(wire.seen().len(), 1);
}

#[tokio::test]
async fn without_an_id_a_refusal_for_rate_is_tried_again() {
    let wire =
        Wire::play([refuse(403, "rateLimitExceeded"), refuse(429, ""), ok(&file("A", "n", 5))])
            .await;
    assert_eq!(drive(&wire).0.upload(new(None), content()).await.unwrap().id, "A");
}

#[tokio::test]
async fn with_an_id_a_conflict_after_a_lost_answer_means_done() {
    let script = [LOST, refuse(409, "fileIdInUse"), ok(&file("A", "n", 5))];
    let wire = Wire::play(script).await;
    let made = drive(&wire).0.upload(new(Some("A")), content()).await.unwrap();
    assert_eq!(made.id, "A");
    assert_eq!(
        wire.lines(),
        ["POST /upload/drive/v3/files", "POST /upload/drive/v3/files", "GET /drive/v3/files/A",]
    );
}

#[tokio::test]
async fn a_conflict_is_done_only_if_the_file_is_ours() {
    let elsewhere = file("A", "n", 5).replace("\"P\"", "\"Q\"");
    let binned = file("A", "n", 5).replace('{', r#"{"trashed":true,"#);
    for other in [file("A", "other", 5), file("A", "n", 6), elsewhere, binned] {
        let wire = Wire::play([LOST, refuse(409, "fileIdInUse"), ok(&other)]).await;
        let error = drive(&wire).0.upload(new(Some("A")), content()).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{other}: {error:?}");
    }
}

#[tokio::test]
async fn a_conflict_at_the_first_try_is_a_conflict() {
    let wire = Wire::play([refuse(409, "fileIdInUse")]).await;
    let error = drive(&wire).0.upload(new(Some("A")), content()).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "{error:?}");
    let wire = Wire::play([refuse(429, ""), refuse(409, "fileIdInUse")]).await;
    let error = drive(&wire).0.upload(new(Some("A")), content()).await.unwrap_err();
    assert!(matches!(error, Error::AlreadyExists { .. }), "nothing was lost: {error:?}");
}

#[tokio::test]
async fn a_missing_parent_is_named() {
    let wire = Wire::play([refuse(404, "notFound")]).await;
    let error = drive(&wire).0.upload(new(Some("A")), content()).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no folder P");
}

#[tokio::test]
async fn a_folder_is_reconciled_like_a_file() {
    let folder =
        r#"{"id":"A","name":"n","mimeType":"application/vnd.google-apps.folder","parents":["P"]}"#;
    let wire = Wire::play([LOST, refuse(409, "fileIdInUse"), ok(folder)]).await;
    assert!(drive(&wire).0.create_folder(new(Some("A"))).await.unwrap().is_folder());
    let wire = Wire::play([LOST, refuse(409, "fileIdInUse"), ok(&file("A", "n", 0))]).await;
    assert!(drive(&wire).0.create_folder(new(Some("A"))).await.is_err());
}

#[tokio::test]
async fn a_name_is_data_and_a_media_type_is_checked() {
    let wire = Wire::play([Act::Send(crate::wire::answer(200, &file("A", "n", 5)))]).await;
    let (drive, _) = drive(&wire);
    let bad = NewFile { media_type: "a/b\r\nX: y".to_owned(), ..new(None) };
    assert!(matches!(drive.upload(bad, content()).await, Err(Error::Invalid { .. })));
    assert_eq!(drive.requests(), 0);
    let odd = NewFile { name: "\"\r\n--x\u{0}".to_owned(), ..new(None) };
    drive.upload(odd, content()).await.unwrap();
    let body = String::from_utf8(wire.seen()[0].body.clone()).unwrap();
    assert!(body.contains(r#""name":"\"\r\n--x\u0000""#), "{body}");
}

#[tokio::test]
async fn a_content_that_cannot_be_read_is_a_local_error() {
    let wire = Wire::play([]).await;
    let (drive, _) = drive(&wire);
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing"), folder.path().to_owned()] {
        let error = drive.upload(new(None), Content::File(path)).await.unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error:?}");
    }
    assert_eq!(drive.requests(), 0);
}
