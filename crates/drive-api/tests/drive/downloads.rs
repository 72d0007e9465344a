//! Downloads: whole, exact, bounded, and resumed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use drive_api::{Begun, Drive, Endpoint, Error, Settings};
use tokio::io::AsyncWrite;

use crate::wire::{Act, Counting, HandClock, Wire, answer, drive, refuse, with_headers};

const CONTENT: &[u8] = b"0123456789";

fn broken(length: usize, body: &[u8]) -> Act {
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
    bytes.extend_from_slice(body);
    Act::SendAndClose(bytes)
}

fn part(range: &str, body: &[u8]) -> Act {
    Act::Send(with_headers(206, &format!("Content-Range: {range}\r\n"), body))
}

#[tokio::test]
async fn a_download_tells_size_and_digests() {
    let wire = Wire::play([Act::Send(answer(200, "hello"))]).await;
    let mut bytes = Vec::new();
    let got = drive(&wire).0.download("A", &mut bytes, 5).await.unwrap();
    assert_eq!((bytes.as_slice(), got.size), (&b"hello"[..], 5));
    assert_eq!(got.sha256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
}

#[tokio::test]
async fn a_broken_download_goes_on_where_it_broke() {
    let script = [
        broken(10, &CONTENT[..4]),
        refuse(503, "backendError"),
        part("bytes 4-9/10", &CONTENT[4..]),
    ];
    let wire = Wire::play(script).await;
    assert_eq!(drive(&wire).0.read("A", 10).await.unwrap(), CONTENT);
    let ranges: Vec<_> = wire.seen().iter().map(|s| s.header("range").map(str::to_owned)).collect();
    assert_eq!(ranges, [None, Some("bytes=4-".to_owned()), Some("bytes=4-".to_owned())]);
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_past_what_we_have() {
    let wire = Wire::play([broken(10, &CONTENT[..4]), Act::Send(answer(200, "0123456789"))]).await;
    assert_eq!(drive(&wire).0.read("A", 10).await.unwrap(), CONTENT);
}

#[tokio::test]
async fn a_file_that_changes_its_size_meanwhile_is_an_error() {
    for second in [part("bytes 4-10/11", b"456789X"), Act::Send(answer(200, "01234567890"))] {
        let wire = Wire::play([broken(10, &CONTENT[..4]), second]).await;
        let error = drive(&wire).0.read("A", 99).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_refused() {
    for range in ["bytes 3-9/10", "bytes 4-9/*", "nonsense"] {
        let wire = Wire::play([broken(10, &CONTENT[..4]), part(range, &CONTENT[4..])]).await;
        let error = drive(&wire).0.read("A", 10).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{range}: {error:?}");
    }
}

#[tokio::test]
async fn nothing_beyond_the_limit_is_read() {
    let wire = Wire::play([Act::Send(answer(200, "0123456789"))]).await;
    let error = drive(&wire).0.read("A", 9).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 9, .. }), "{error:?}");

    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                    5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n";
    let wire = Wire::play([Act::Send(chunked.to_vec()), Act::Send(chunked.to_vec())]).await;
    let (drive, _) = drive(&wire);
    let mut bytes = Vec::new();
    let error = drive.download("A", &mut bytes, 9).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. }) && bytes.len() <= 9, "{error:?}");
    assert_eq!(drive.read("A", 10).await.unwrap(), CONTENT);
}

#[tokio::test]
async fn an_empty_file_is_empty_in_both_ways_of_saying_so() {
    let unsatisfiable = with_headers(416, "Content-Range: bytes */0\r\n", b"");
    for act in [Act::Send(answer(200, "")), Act::Send(unsatisfiable)] {
        let wire = Wire::play([act]).await;
        assert!(drive(&wire).0.read("A", 0).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_content_of_unknown_length_is_refused() {
    let wire = Wire::play([Act::SendAndClose(b"HTTP/1.1 200 OK\r\n\r\n0123".to_vec())]).await;
    let error = drive(&wire).0.read("A", 10).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
}

#[tokio::test]
async fn a_download_that_never_gets_on_is_given_up() {
    let wire = Wire::play((0..50).map(|_| broken(10, b""))).await;
    let error = drive(&wire).0.read("A", 10).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(wire.seen().len(), 6);
}

#[tokio::test]
async fn a_token_that_ends_on_the_way_is_renewed() {
    let rest = with_headers(206, "Content-Range: bytes 4-9/10\r\n", &CONTENT[4..]);
    let wire = Wire::play([broken(10, &CONTENT[..4]), Act::SendTo("token-1", rest.clone())]).await;
    wire.then(Act::SendTo("token-1", rest));
    let drive = Drive::with_settings(
        Endpoint::at(&wire.url).unwrap(),
        Arc::new(Counting::default()),
        Settings { clock: HandClock::at("2026-11-21T10:00:00Z"), ..Settings::default() },
    );
    assert_eq!(drive.read("A", 10).await.unwrap(), CONTENT);
    assert_eq!(drive.requests(), 3);
}

#[tokio::test]
async fn a_missing_file_is_not_found() {
    let wire = Wire::play([refuse(404, "notFound")]).await;
    let error = drive(&wire).0.read("A", 10).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
}

/// A disk that is full.
struct Full;

impl AsyncWrite for Full {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::StorageFull.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_full_disk_is_a_local_error_and_no_reason_to_try_again() {
    let wire = Wire::play([Act::Send(answer(200, "hello")), Act::Send(answer(200, "hello"))]).await;
    let error = drive(&wire).0.download("A", &mut Full, 10).await.unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error:?}");
    assert_eq!(wire.seen().len(), 1);
}

#[tokio::test]
async fn a_download_goes_on_behind_what_an_earlier_process_left() {
    let wire = Wire::play([part("bytes 4-9/10", &CONTENT[4..])]).await;
    let begun = || Begun::read(&mut &CONTENT[..4]).unwrap();
    let mut rest = Vec::new();
    let got = drive(&wire).0.download_rest("A", begun(), 10, &mut rest).await.unwrap();
    assert_eq!((rest.as_slice(), got.size), (&CONTENT[4..], 10));
    let whole = "84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882";
    assert_eq!(got.sha256, whole);
    assert_eq!(wire.seen()[0].header("range"), Some("bytes=4-"));
    // With all of it here nothing is asked.
    let all = Begun::read(&mut &CONTENT[..]).unwrap();
    assert_eq!(drive(&wire).0.download_rest("A", all, 10, &mut rest).await.unwrap(), got);
    assert_eq!(wire.seen().len(), 1);
    let wire = Wire::play([part("bytes 4-10/11", b"456789X")]).await;
    let error = drive(&wire).0.download_rest("A", begun(), 10, &mut rest).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { .. } | Error::Invalid { .. }), "{error:?}");
}
