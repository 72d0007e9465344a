//! A watch, hour after hour: the clocks, the notifications and the drive are wound by hand.

mod lasting;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use syft::caches::SyncLock;
use syft::client::{
    Client, Configuration, Error, Heard, Listening, Moment, Pace, Senses, SignIn, SystemClock,
    Watch, WatchEvent, WatchOptions,
};
use syft::connections::faulty::{Fault, Script, unavailable};
use syft::model::{Code, Role, Timestamp};
use syft::syncers::SyncOptions;

use super::world::{World, acquaint, email, place, read, status, sync, write};

const OWNER: &str = "do@example.org";
const START: i64 = 1_780_000_000_000_000;
const HOUR: Duration = Duration::from_secs(3600);

/// What the watch perceives, and the hand that winds it.
#[derive(Clone, Debug)]
struct Hand(Arc<Mutex<Perceived>>);

#[derive(Debug)]
struct Perceived {
    awake: Duration,
    slept: Duration,
    /// What will be heard, and when, in order.
    ahead: VecDeque<(Duration, Heard)>,
    listening: Listening,
    is_restless: bool,
}

impl Hand {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Perceived {
            awake: Duration::ZERO,
            slept: Duration::ZERO,
            ahead: VecDeque::new(),
            listening: Listening::Yes,
            is_restless: false,
        })))
    }

    fn awake(&self) -> Duration {
        self.0.lock().unwrap().awake
    }

    /// Somebody writes; it is heard after this time.
    fn hear(&self, after: Duration, writing: bool) {
        let mut perceived = self.0.lock().unwrap();
        let at = perceived.awake + after;
        perceived.ahead.push_back((at, Heard::Changed { writing }));
    }
}

#[async_trait]
impl Senses for Hand {
    fn now(&mut self) -> Moment {
        let perceived = self.0.lock().unwrap();
        let since = i64::try_from((perceived.awake + perceived.slept).as_micros()).unwrap();
        Moment { awake: perceived.awake, wall: Timestamp::from_micros(START + since) }
    }

    fn chance(&mut self) -> f64 {
        0.0
    }

    fn listen(&mut self, _: &Path) -> Listening {
        self.0.lock().unwrap().listening.clone()
    }

    async fn wait(&mut self, limit: Duration) -> Option<Heard> {
        // Whatever else runs gets its turn, as in a real wait.
        tokio::task::yield_now().await;
        let mut perceived = self.0.lock().unwrap();
        let end = perceived.awake + limit;
        match perceived.ahead.front() {
            Some((at, _)) if *at <= end => {
                perceived.awake = perceived.awake.max(*at);
                perceived.ahead.pop_front().map(|(_, heard)| heard)
            }
            _ => {
                perceived.awake = end;
                None
            }
        }
    }

    fn is_restless(&mut self, _: &Path) -> bool {
        self.0.lock().unwrap().is_restless
    }
}

struct Watched {
    watch: Watch,
    hand: Hand,
    script: Script,
}

impl Watched {
    fn owner(world: &World) -> Self {
        let (client, script) = world.scripted(OWNER, Role::Owner, "home");
        let hand = Hand::new();
        let watch = Watch::new(client, WatchOptions::default(), Box::new(hand.clone()));
        Self { watch, hand, script }
    }

    /// The next event, and when it came.
    async fn next(&mut self) -> (WatchEvent, Duration) {
        (self.watch.next().await, self.hand.awake())
    }

    /// All events of the time that comes.
    async fn during(&mut self, time: Duration) -> Vec<WatchEvent> {
        let end = self.hand.awake() + time;
        let mut events = Vec::new();
        while self.hand.awake() < end {
            events.push(self.watch.next().await);
        }
        events
    }

    async fn synced(&mut self) -> Duration {
        let (event, at) = self.next().await;
        assert!(matches!(event, WatchEvent::Synced { .. }), "{event:?}");
        at
    }

    fn write(&self, path: &str, text: &str) {
        write(&place(self.watch.client(), &email(OWNER), path), text);
    }
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[tokio::test]
async fn an_hour_in_which_nothing_happens_costs_a_request_a_minute() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.synced().await;
    let before = watched.script.calls();
    let events = watched.during(HOUR).await;
    let cost = watched.script.calls() - before;
    assert_eq!(cost, events.len(), "each look is one request: {events:?}");
    assert!((60..=90).contains(&cost), "{cost}");
    let is_idle =
        |event: &WatchEvent| matches!(event, WatchEvent::Synced { report, .. } if report.is_idle());
    assert!(events.iter().all(is_idle), "{events:?}");
}

#[tokio::test]
async fn a_file_is_sent_when_it_is_whole() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.synced().await;
    watched.during(HOUR).await;
    watched.write("a.txt", "hal");
    let begun = watched.hand.awake();
    // It is written for twelve seconds, which is longer than the time to the next look.
    for second in 0..12 {
        watched.hand.hear(Duration::from_secs(second), true);
    }
    watched.hand.hear(secs(12.0), false);
    let quiet = watched.synced().await;
    assert!(quiet - begun >= secs(12.4) && quiet - begun < secs(13.0), "{:?}", quiet - begun);
    watched.write("b.txt", "one");
    watched.hand.hear(secs(1.0), false);
    let (event, _) = watched.next().await;
    let WatchEvent::Synced { report, requests, .. } = event else { panic!("{event:?}") };
    assert!(report.pushed > 0 && requests > 1, "{report:?}");
}

/// Somebody has been writing it since before there was a watch, as after a restart.
#[tokio::test]
async fn a_file_that_was_begun_before_the_watch_is_not_sent_by_halves() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.write("a.txt", "hal");
    let file = place(watched.watch.client(), &email(OWNER), "a.txt");
    let begun = std::time::UNIX_EPOCH + Duration::from_micros(START.unsigned_abs()) - secs(2.0);
    std::fs::File::options().write(true).open(file).unwrap().set_modified(begun).unwrap();
    let (event, _) = watched.next().await;
    let first_pushed = |event: &WatchEvent| matches!(event, WatchEvent::Synced { report, .. } if report.pushed > 0);
    let is_sent = |client: &Client| {
        let store = &client.account().store;
        let agreed = store.read(|db| syft::caches::agreed::snapshot(db, client.email())).unwrap();
        agreed.keys().any(|path| path.as_str() == "a.txt")
    };
    assert!(matches!(event, WatchEvent::Synced { .. }) && !is_sent(watched.watch.client()));
    let later = watched.during(secs(30.0)).await;
    assert!(later.iter().any(first_pushed) && is_sent(watched.watch.client()), "{later:?}");
}

#[tokio::test]
async fn a_lost_network_is_told_once_and_its_return_once() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.synced().await;
    watched.script.when(usize::MAX, Fault::before(unavailable), |_| true);
    watched.write("a.txt", "written on the train");
    watched.hand.hear(secs(1.0), false);
    let before = watched.script.calls();
    let events = watched.during(HOUR * 5).await;
    let told =
        events.iter().filter(|event| matches!(event, WatchEvent::Failed { is_news: true, .. }));
    assert_eq!(told.count(), 1);
    assert!(events.iter().all(|event| matches!(event, WatchEvent::Failed { .. })), "{events:?}");
    let calls = watched.script.calls() - before;
    assert!(calls <= 5 * 60 + 10, "no pile of tries: {calls}");
    watched.script.clear();
    let left = watched.hand.awake();
    let (event, at) = watched.next().await;
    let WatchEvent::Recovered { after } = event else { panic!("{event:?}") };
    assert!(after >= HOUR * 5 - secs(10.0), "{after:?}");
    assert!(at - left <= secs(60.0), "noticed within a minute: {:?}", at - left);
    let (event, _) = watched.next().await;
    let WatchEvent::Synced { report, .. } = event else { panic!("{event:?}") };
    assert!(report.pushed > 0 && report.problems.is_empty(), "nothing was lost: {report:?}");
}

#[tokio::test]
async fn after_a_sleep_of_the_machine_it_syncs_at_once() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.during(HOUR).await;
    watched.hand.0.lock().unwrap().slept = HOUR * 8;
    let before = watched.hand.awake();
    let (event, at) = watched.next().await;
    assert!(matches!(event, WatchEvent::Woke { slept } if slept == HOUR * 8), "{event:?}");
    assert!(at - before <= secs(5.0));
    let soon = watched.synced().await;
    assert_eq!(soon, at);
    assert!(watched.synced().await - soon <= secs(10.0), "and is quick for a while");
}

#[tokio::test]
async fn a_lock_that_another_holds_is_waited_for() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.synced().await;
    let lock = SyncLock::take(&watched.watch.client().folders().syftbox, false).unwrap();
    watched.write("a.txt", "text");
    watched.hand.hear(secs(0.0), false);
    let before = watched.script.calls();
    let (event, at) = watched.next().await;
    assert!(matches!(event, WatchEvent::Locked), "{event:?}");
    assert!(at >= secs(30.0) && watched.script.calls() == before, "the drive is left alone");
    drop(lock);
    let (event, _) = watched.next().await;
    let WatchEvent::Synced { report, .. } = event else { panic!("told once: {event:?}") };
    assert!(report.pushed > 0);
}

#[tokio::test]
async fn where_the_system_tells_nothing_files_are_looked_for() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.hand.0.lock().unwrap().listening = Listening::No("no more watches".to_owned());
    let (event, _) = watched.next().await;
    assert!(matches!(&event, WatchEvent::Deaf { reason } if reason == "no more watches"));
    let events = watched.during(HOUR).await;
    assert!(events.len() >= 350, "as often as it may: {}", events.len());
    assert!(events.iter().all(|event| matches!(event, WatchEvent::Synced { .. })), "told once");
    watched.write("a.txt", "hal");
    watched.hand.0.lock().unwrap().is_restless = true;
    let begun = watched.hand.awake();
    let (event, at) = watched.next().await;
    assert!(matches!(event, WatchEvent::Synced { report, .. } if report.pushed > 0));
    assert!(at - begun >= secs(55.0), "it is waited for, but not for ever: {:?}", at - begun);
    watched.hand.0.lock().unwrap().listening = Listening::Yes;
    watched.hand.0.lock().unwrap().is_restless = false;
    let events = watched.during(HOUR * 2).await;
    assert!(events.len() <= 250, "told again, it asks less often: {}", events.len());
}

#[tokio::test]
async fn a_syftbox_that_is_deleted_stops_the_sync_and_not_the_watch() {
    let world = World::new();
    let (watcher, _) = world.scripted("ds@example.org", Role::Scientist, "home");
    let mut watched = Watched::owner(&world);
    for number in 0..4 {
        watched.write(&format!("{number}.txt"), "text");
    }
    watched.synced().await;
    sync(&watcher).await;
    let folder = watched.watch.client().folders().syftbox.clone();
    let away = world.folder.path().join("away");
    std::fs::rename(&folder, &away).unwrap();
    watched.hand.hear(secs(1.0), false);
    let events = watched.during(HOUR).await;
    let codes: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            WatchEvent::Failed { error, is_news: true, .. } => Some(error.code().as_str()),
            WatchEvent::Failed { .. } => None,
            event => panic!("{event:?}"),
        })
        .collect();
    assert_eq!(codes, ["suddenly-empty"]);
    assert!(!folder.exists(), "nothing is made where it was");
    std::fs::rename(&away, &folder).unwrap();
    watched.hand.hear(secs(1.0), false);
    let (event, _) = watched.next().await;
    assert!(matches!(event, WatchEvent::Recovered { .. }), "{event:?}");
    watched.synced().await;
    assert_eq!(read(watched.watch.client(), &email(OWNER), "0.txt").as_deref(), Some("text"));
}

#[tokio::test]
async fn what_was_forced_once_is_not_forced_again() {
    let world = World::new();
    let (client, _) = world.scripted(OWNER, Role::Owner, "home");
    let datasite = email(OWNER);
    let fill = |client: &Client, text: &str| {
        for number in 0..4 {
            write(&place(client, &datasite, &format!("{number}.txt")), text);
        }
    };
    let clear = |client: &Client| {
        for number in 0..4 {
            std::fs::remove_file(place(client, &datasite, &format!("{number}.txt"))).unwrap();
        }
    };
    fill(&client, "one");
    sync(&client).await;
    clear(&client);
    let hand = Hand::new();
    let sync = SyncOptions { force: true, ..SyncOptions::default() };
    let options = WatchOptions { sync, pace: Pace::default() };
    let mut watch = Watch::new(client, options, Box::new(hand.clone()));
    assert!(matches!(watch.next().await, WatchEvent::Synced { report, .. } if report.pushed > 0));
    fill(watch.client(), "two");
    hand.hear(secs(1.0), false);
    assert!(matches!(watch.next().await, WatchEvent::Synced { .. }));
    clear(watch.client());
    hand.hear(secs(1.0), false);
    let event = watch.next().await;
    assert!(
        matches!(&event, WatchEvent::Failed { error, .. } if error.code() == Code::SuddenlyEmpty)
    );
}

#[tokio::test]
async fn a_login_that_goes_or_changes_is_followed() {
    let home = tempfile::tempdir().unwrap();
    let configuration = Configuration::at(home.path());
    let place = || SignIn::Folder(home.path().join("shared"));
    let (first, second) = (email(OWNER), email("other@example.org"));
    Client::login_do(&configuration, &first, place()).await.unwrap();
    let hand = Hand::new();
    let options = WatchOptions::default();
    let senses = Box::new(hand.clone());
    let mut watch = Watch::open_with(configuration.clone(), None, options, senses).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Synced { .. }));
    Client::logout(&configuration, &first).await.unwrap();
    for is_first in [true, false] {
        match watch.next().await {
            WatchEvent::Failed { error: Error::NotLoggedIn { .. }, is_news, .. } => {
                assert_eq!(is_news, is_first);
            }
            event => panic!("nothing is done for who logged out: {event:?}"),
        }
    }
    Client::login_ds(&configuration, &second, place()).await.unwrap();
    let event = watch.next().await;
    assert!(matches!(&event, WatchEvent::Reopened { email } if *email == second), "{event:?}");
    assert!(matches!(watch.next().await, WatchEvent::Recovered { .. }));
    assert!(matches!(watch.next().await, WatchEvent::Synced { .. }));
    Client::login_do(&configuration, &first, place()).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Synced { .. }), "it stays with its account");
    assert_eq!(watch.client().email(), &second);
    Client::login_ds(&configuration, &second, place()).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Reopened { .. }), "keys or token may be new");
}

/// With real clocks, so that what a sync writes itself is younger than the sync.
#[tokio::test]
async fn what_a_sync_writes_itself_is_not_taken_for_unfinished() {
    let world = World::new();
    let client = |name: &str, role| {
        let session = Arc::new(world.drive.session(&email(name)));
        let home = world.folder.path().join(name);
        let client = Client::over(session, role, &home, Arc::new(SystemClock)).unwrap();
        client.set_rest(HOUR);
        client
    };
    let owner = client(OWNER, Role::Owner);
    let scientist = client("ds@example.org", Role::Scientist);
    acquaint(&owner, &scientist).await;
    scientist.set_rest(Duration::ZERO);
    scientist.submit_job(&world.bash(&owner, "count", "echo 1")).await.unwrap();
    scientist.set_rest(HOUR);
    for _ in 0..2 {
        sync(&owner).await;
        sync(&scientist).await;
    }
    assert_eq!(status(&owner, "count"), "pending");
    write(&place(&owner, &email(OWNER), "half.txt"), "hal");
    let report = sync(&owner).await;
    assert_eq!(report.pushed, 0, "what somebody writes is left alone");
}

#[tokio::test]
async fn a_watch_may_be_dropped_at_any_point_of_a_sync() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.synced().await;
    watched.write("a.txt", "text");
    watched.hand.hear(secs(1.0), false);
    // Each poll goes on for one step of the sync, then the watch is asked anew.
    for steps in 0..40 {
        let mut next = Box::pin(watched.watch.next());
        for _ in 0..steps {
            if futures::poll!(&mut next).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let later = watched.during(HOUR).await;
    let is_idle =
        |event: &WatchEvent| matches!(event, WatchEvent::Synced { report, .. } if report.is_idle());
    assert!(later.iter().skip(3).all(is_idle), "{later:?}");
    let (scientist, _) = world.scripted("ds@example.org", Role::Scientist, "home");
    sync(&scientist).await;
}
