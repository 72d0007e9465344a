//! How fast requests leave: what they cost is counted, no more than eight are open at once, and what
//! a server says to one of them is heeded by all of the account.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use drive_api::auth::StaticToken;
use drive_api::{
    Call, Content, Drive, Endpoint, Kind, NewFile, Patch, Query, Role, Settings, calls_held_back,
};
use drive_server::{Fault, Options, Outcome, Server, When};
use futures::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::world::{Impatient, OWNER, SCIENTIST, token};

/// A server that two accounts use, each answer of which takes a while.
struct Place {
    server: Server,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn new(latency: Duration) -> Self {
        Self::metered(latency, false).await
    }

    /// A server that does not say that quota units are not counted, as Google's.
    async fn metered(latency: Duration, is_metered: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("drive");
        let mut options = Options::new(&data);
        options.latency = latency;
        options.unmetered = !is_metered;
        let server = drive_server::serve(options).await.unwrap();
        for account in [OWNER, SCIENTIST] {
            drive_server::add_account(&data, account, Some(&token(account))).unwrap();
        }
        Self { server, _folder: folder }
    }

    fn drive(&self, account: &str, clock: Arc<dyn drive_api::Clock>) -> Drive {
        self.drive_at(self.server.url(), account, clock)
    }

    fn drive_at(&self, url: &str, account: &str, clock: Arc<dyn drive_api::Clock>) -> Drive {
        let endpoint = Endpoint::at(url).unwrap();
        let secret = Arc::new(StaticToken::new(token(account)).unwrap());
        let settings = Settings { clock, account: Some(account.to_owned()), ..Settings::default() };
        Drive::with_settings(endpoint, secret, settings)
    }

    /// Refuses so many requests since there are too many, and says for how long if it is to.
    fn refuse(&self, times: u64, retry_after: Option<&str>) {
        let body = r#"{"error":{"errors":[{"reason":"userRateLimitExceeded"}]}}"#.to_owned();
        let headers = retry_after.map(|wait| ("Retry-After", wait.to_owned()));
        let headers = headers.into_iter().collect();
        let outcome = Outcome::Answer { status: 403, headers, body };
        self.server.faults().push(Fault::new(When::Before, outcome).times(times));
    }
}

#[tokio::test]
async fn what_requests_cost_is_what_the_server_saw() {
    let place = Place::new(Duration::ZERO).await;
    let drive = place.drive(OWNER, Arc::new(Impatient));
    let new = |name: &str| NewFile {
        name: name.to_owned(),
        media_type: "text/plain".to_owned(),
        ..NewFile::default()
    };
    let folder = drive.create_folder(new("folder")).await.unwrap();
    let small = drive.upload(new("small"), Content::Bytes("x".into())).await.unwrap();
    let large = Content::Bytes(vec![0; 6 << 20].into());
    let large = drive.upload(new("large"), large).await.unwrap(); // a session: two requests
    drive.read(&small.id, 10).await.unwrap();
    drive.list(&Query::all(), None).await.unwrap();
    let start = drive.start_page_token().await.unwrap();
    drive.changes(&start).await.unwrap();
    drive.generate_ids(3).await.unwrap();
    drive.grant(&folder.id, SCIENTIST, Role::Reader, false).await.unwrap();
    let shares = drive.permissions(&folder.id).await.unwrap();
    drive.revoke(&folder.id, &shares[0].id).await.ok();
    let renamed = Patch { name: Some("other".to_owned()), ..Patch::default() };
    drive.patch(&small.id, renamed).await.unwrap();
    drive.get(&small.id).await.unwrap();
    drive.account_email().await.unwrap();
    let delete = |id: &str| Call::Delete { id: id.to_owned() };
    drive.batch(vec![delete(&small.id), delete(&large.id)]).await;
    drive.delete(&folder.id).await.unwrap();

    let (usage, stats) = (drive.usage(), place.server.stats());
    assert_eq!(usage.requests, stats.total);
    let alone = stats.by.iter().filter(|(name, _)| !name.contains("/batch"));
    let price = |name: &String| {
        let (method, target) = name.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Kind::of(method, path, query).units()
    };
    let alone: u64 = alone.map(|(name, count)| price(name) * count).sum();
    assert_eq!(usage.units, alone + stats.batch_inner * Kind::Edit.units(), "{stats:?}");
    // By hand, so that the table is not measured by itself: a list and the feed, a download, 8 edits
    // and 2 in the batch, 5 reads.
    assert_eq!(usage.units, 2 * 100 + 200 + (8 + 2) * 50 + 5 * 5, "{stats:?}");
}

#[tokio::test]
async fn all_sessions_of_an_account_have_eight_requests_open_at_most() {
    let place = Place::new(Duration::from_millis(20)).await;
    let drives = [(); 3].map(|()| place.drive(OWNER, Arc::new(Impatient)));
    let asked = (0..60).map(|number| drives[number % 3].account_email());
    assert!(join_all(asked).await.iter().all(Result::is_ok));
    let stats = place.server.stats();
    assert_eq!((stats.total, stats.at_once), (60, 8));
}

/// Passes everything on to `server`, and counts connections: those that are open, and the most.
async fn counting(server: &str) -> (String, watch::Receiver<(usize, usize)>) {
    let target = server.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (count, counted) = watch::channel((0, 0));
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            count.send_modify(|(open, most)| {
                *open += 1;
                *most = (*most).max(*open);
            });
            let (count, target) = (count.clone(), target.clone());
            tokio::spawn(async move {
                let mut to = TcpStream::connect(target).await.unwrap();
                tokio::io::copy_bidirectional(&mut from, &mut to).await.ok();
                count.send_modify(|(open, _)| *open -= 1);
            });
        }
    });
    (url, counted)
}

#[tokio::test]
async fn a_session_has_eight_connections_at_most_whatever_it_asks_for() {
    let place = Place::new(Duration::from_millis(5)).await;
    let (url, counted) = counting(place.server.url()).await;
    let drive = place.drive_at(&url, OWNER, Arc::new(Impatient));
    let (name, media_type) = ("a file".to_owned(), "text/plain".to_owned());
    let new = NewFile { name, media_type, ..NewFile::default() };
    let file = drive.upload(new, Content::Bytes("content".into())).await.unwrap().id;
    let (file, drive) = (&file, &drive);
    let asked = (0..120).map(|number| async move {
        match number % 4 {
            0 => drive.get(file).await.is_ok(),
            1 => drive.read(file, 10).await.is_ok(),
            2 => drive.list(&Query::all(), None).await.is_ok(),
            _ => drive.account_email().await.is_ok(),
        }
    });
    assert!(join_all(asked).await.into_iter().all(|fine| fine));
    let (open, most) = *counted.borrow();
    assert!(open > 0 && most <= 8, "{open} open, {most} at most");
}

#[tokio::test]
async fn a_refusal_halves_what_is_open_and_nothing_is_asked_twice_but_what_was_refused() {
    let place = Place::new(Duration::from_millis(20)).await;
    let drive = place.drive(OWNER, Arc::new(Impatient));
    place.refuse(1, None);
    drive.account_email().await.unwrap();
    // The tenth that works lets one more be open.
    assert!(join_all((0..9).map(|_| drive.account_email())).await.iter().all(Result::is_ok));
    let stats = place.server.stats();
    assert_eq!((stats.total, stats.at_once), (1 + 1 + 9, 4));

    // All eight of a round trip are refused, and that halves once.
    let place = Place::new(Duration::from_millis(20)).await;
    let drive = place.drive(OWNER, Arc::new(Impatient));
    place.refuse(8, None);
    assert!(join_all((0..40).map(|_| drive.account_email())).await.iter().all(Result::is_ok));
    let stats = place.server.stats();
    assert_eq!((stats.total, stats.at_once), (48, 8));
    assert_eq!(drive.usage().requests, 48);
}

#[tokio::test]
async fn a_part_of_a_batch_that_is_refused_slows_all_down() {
    let place = Place::new(Duration::from_millis(20)).await;
    let drive = place.drive(OWNER, Arc::new(Impatient));
    let status = Outcome::Status { status: 403, reason: "rateLimitExceeded".to_owned() };
    let fault = Fault::new(When::Before, status).on("DELETE", "/drive/v3/files/");
    place.server.faults().push(fault.times(3));
    let calls = (0..5).map(|number| Call::Delete { id: format!("missing-{number}") }).collect();
    assert!(drive.batch(calls).await.iter().all(Result::is_ok));
    assert!(join_all((0..8).map(|_| drive.account_email())).await.iter().all(Result::is_ok));
    let stats = place.server.stats();
    assert_eq!((stats.total, stats.batch_inner, stats.at_once), (2 + 8, 5 + 3, 4));
    assert_eq!(drive.usage().units, (5 + 3) * 50 + 8 * 5);
}

/// A clock that stands still until it is wound, and knows who sleeps.
#[derive(Debug)]
struct Wound {
    now: watch::Sender<DateTime<Utc>>,
    sleepers: watch::Sender<usize>,
}

impl Wound {
    fn new() -> Arc<Self> {
        let now = DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        Arc::new(Self { now: watch::Sender::new(now), sleepers: watch::Sender::new(0) })
    }

    fn wind(&self, by: Duration) {
        self.now.send_modify(|now| *now += by);
    }

    /// Waits until so many sleep.
    async fn sleep_of(&self, count: usize) {
        self.sleepers.subscribe().wait_for(|sleepers| *sleepers == count).await.unwrap();
    }
}

#[async_trait]
impl drive_api::Clock for Wound {
    fn now(&self) -> DateTime<Utc> {
        *self.now.borrow()
    }

    async fn sleep(&self, duration: Duration) {
        let until = self.now() + duration;
        self.sleepers.send_modify(|sleepers| *sleepers += 1);
        self.now.subscribe().wait_for(|now| *now >= until).await.unwrap();
        self.sleepers.send_modify(|sleepers| *sleepers -= 1);
    }
}

#[tokio::test]
async fn a_pause_that_one_request_was_asked_for_holds_back_all_of_the_account() {
    let place = Place::new(Duration::ZERO).await;
    let clock = Wound::new();
    let drive = |account: &str| place.drive(account, clock.clone());
    let (first, second, stranger) = (drive(OWNER), drive(OWNER), drive(SCIENTIST));
    place.refuse(1, Some("30"));
    let ask = |drive: &Drive| {
        let drive = drive.clone();
        tokio::spawn(async move { drive.account_email().await })
    };
    let refused = ask(&first);
    clock.sleep_of(1).await;
    let others = [ask(&second), ask(&first)];
    clock.sleep_of(2).await; // who is next sleeps, the other stands behind
    assert_eq!((place.server.requests(), calls_held_back()), (1, 2));
    stranger.account_email().await.unwrap();
    clock.wind(Duration::from_secs(29));
    stranger.account_email().await.unwrap();
    assert_eq!(place.server.requests(), 1 + 2, "of the account only the one that was refused");
    clock.wind(Duration::from_secs(1));
    for asked in [refused].into_iter().chain(others) {
        assert_eq!(asked.await.unwrap().unwrap(), OWNER);
    }
    assert_eq!((place.server.requests(), calls_held_back()), (3 + 3, 0));
}

/// A clock on which a sleep is over at once, and took as long as it should.
#[derive(Debug)]
struct Sleeping {
    now: Mutex<DateTime<Utc>>,
    slept: Mutex<Vec<Duration>>,
}

#[async_trait]
impl drive_api::Clock for Sleeping {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.now.lock().unwrap() += duration;
        self.slept.lock().unwrap().push(duration);
    }
}

#[tokio::test]
async fn what_a_minutes_quota_does_not_hold_waits_for_the_next() {
    assert_eq!(a_minutes_quota_and_one_request(true).await, [Duration::from_secs(61)]);
}

#[tokio::test]
async fn where_no_quota_is_counted_nothing_waits_for_it() {
    assert!(a_minutes_quota_and_one_request(false).await.is_empty());
}

/// How long requests waited.
async fn a_minutes_quota_and_one_request(is_metered: bool) -> Vec<Duration> {
    let place = Place::metered(Duration::ZERO, is_metered).await;
    let now = Mutex::new(DateTime::from_timestamp(1_780_000_000, 0).unwrap());
    let clock = Arc::new(Sleeping { now, slept: Mutex::default() });
    let drives = [(); 2].map(|()| place.drive(OWNER, clock.clone()));
    let calls: Vec<Call> =
        (0..100).map(|number| Call::Delete { id: format!("missing-{number}") }).collect();
    for number in 0..65 {
        assert!(drives[number % 2].batch(calls.clone()).await.iter().all(Result::is_ok));
    }
    let spent: u64 = drives.iter().map(|drive| drive.usage().units).sum();
    assert_eq!(spent, drive_api::UNITS_A_MINUTE);
    assert!(clock.slept.lock().unwrap().is_empty());
    drives[0].account_email().await.unwrap();
    clock.slept.lock().unwrap().clone()
}
