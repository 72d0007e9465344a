//! What is tried again, when, and how often.

use std::sync::Arc;
use std::time::Duration;

use drive_api::{Error, Query, Settings};

use crate::wire::{
    Act, HandClock, LOST, Wire, answer, drive, drive_with, file, ok, refuse, with_headers,
};

#[tokio::test]
async fn a_read_is_tried_again_until_it_works() {
    let script = [
        refuse(503, "backendError"),
        LOST,
        refuse(403, "userRateLimitExceeded"),
        Act::SendAndClose(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"id\"".to_vec()),
        Act::Send(b"HTTP/1.1 500 X\r\nContent-Length: 4\r\n\r\n<br>".to_vec()),
        ok(&file("A", "n", 1)),
    ];
    let wire = Wire::play(script).await;
    let (drive, clock) = drive(&wire);
    assert_eq!(drive.get("A").await.unwrap().name, "n");
    assert_eq!(drive.requests(), 6);
    let slept = clock.slept();
    assert_eq!(slept.len(), 5);
    assert!(slept.windows(2).all(|pair| pair[0] < pair[1] * 2), "{slept:?}");
}

#[tokio::test]
async fn six_tries_are_the_end() {
    let wire = Wire::play((0..9).map(|_| refuse(503, "backendError"))).await;
    let (drive, _) = drive(&wire);
    let error = drive.get("A").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }) && error.is_retryable(), "{error:?}");
    assert_eq!(wire.seen().len(), 6);
}

#[tokio::test]
async fn u2_retry_after_is_honoured_in_seconds_and_as_a_date() {
    let later = |value: &str| {
        Act::Send(with_headers(429, &format!("Retry-After: {value}\r\n"), b"{\"error\":{}}"))
    };
    let script = [later("40"), later("Sat, 21 Nov 2026 10:01:30 GMT"), later("86400"), ok("{}")];
    let wire = Wire::play(script).await;
    let (drive, clock) = drive(&wire);
    drive.list(&Query::all(), None).await.unwrap();
    let slept: Vec<_> = clock.slept().iter().map(Duration::as_secs).collect();
    assert_eq!(slept, [40, 50, 64]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_asked_once() {
    for (status, reason) in
        [(403, "insufficientFilePermissions"), (404, "notFound"), (400, "invalid")]
    {
        let wire = Wire::play([refuse(status, reason)]).await;
        let (drive, _) = drive(&wire);
        assert!(!drive.get("A").await.unwrap_err().is_retryable(), "{reason}");
        assert_eq!(drive.requests(), 1, "{reason}");
    }
}

#[tokio::test]
async fn no_server_at_all_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (drive, clock) = drive(&Wire::elsewhere(url));
    let error = drive.account_email().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(clock.slept().len(), 5);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let clock = HandClock::at("2026-11-21T10:00:00Z");
    let patience = Duration::from_millis(20);
    let settings = Settings { clock: clock.clone(), patience, ..Settings::default() };
    let drive = drive_with(&Wire::elsewhere(url), settings);
    let error = drive.account_email().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(clock.slept().len(), 5);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_and_not_asked_for_again() {
    let body = format!(r#"{{"user":{{"emailAddress":"{}"}}}}"#, "x".repeat(3 * 1024 * 1024));
    let wire = Wire::play([ok(&body), Act::Send(answer(200, &body))]).await;
    let clock = HandClock::at("2026-11-21T10:00:00Z");
    let settings = Settings { clock: clock.clone(), json_bytes_max: 1024, ..Settings::default() };
    let drive = drive_with(&wire, settings);
    let error = drive.account_email().await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 1024, .. }), "{error:?}");
    assert_eq!(drive.requests(), 1);
    let error = drive.patch("A", drive_api::Patch::default()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 1024, .. }), "{error:?}");
}

#[tokio::test]
async fn nonsense_is_an_error_and_never_a_panic() {
    for body in ["", "{", "[]", "null", "{\"files\":[{}]}", "{\"files\":7}", "<html>", "\u{0}"] {
        let wire = Wire::play((0..9).map(|_| ok(body))).await;
        let (drive, _) = drive(&wire);
        let _ = drive.account_email().await.unwrap_err();
        let _ = drive.changes("1").await.unwrap_err();
        let _ = drive.get("A").await.unwrap_err();
        let _ = drive.start_page_token().await.unwrap_err();
        let _ = drive.generate_ids(1).await.unwrap_err();
    }
}

#[tokio::test]
async fn clones_count_together() {
    let wire = Wire::play([ok("{}"), ok("{}")]).await;
    let (drive, _) = drive(&wire);
    let clone = drive.clone();
    drive.list(&Query::all(), None).await.unwrap();
    clone.list(&Query::all(), None).await.unwrap();
    assert_eq!((drive.requests(), clone.requests()), (2, 2));
    assert!(!format!("{drive:?}").contains("a-token"));
    let _: Arc<dyn std::any::Any + Send + Sync> = Arc::new(drive);
}
