//! What lasts: a problem, a drive that is away, a state database that is another one.

use super::*;

/// A link stands where a file was: nothing can be done about it but by a person.
#[tokio::test]
async fn what_stays_wrong_does_not_keep_it_asking() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.write("a.txt", "text");
    watched.synced().await;
    let file = place(watched.watch.client(), &email(OWNER), "a.txt");
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &file).unwrap();
    watched.hand.hear(secs(1.0), false);
    let (event, _) = watched.next().await;
    let has_problem = |event: &WatchEvent| matches!(event, WatchEvent::Synced { report, .. } if report.problems.len() == 1);
    assert!(has_problem(&event), "{event:?}");
    let before = watched.script.calls();
    let events = watched.during(HOUR).await;
    assert!(events.iter().all(has_problem), "it is in each report: {events:?}");
    let cost = watched.script.calls() - before;
    assert!(cost <= 90, "{cost} requests, as in an hour in which nothing happens");
}

/// Each look at the drive takes long while it is away; commands beside the watch do not wait for it.
#[tokio::test]
async fn a_drive_that_is_away_is_tried_without_the_lock() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.synced().await;
    watched.script.when(usize::MAX, Fault::before(unavailable), |_| true);
    let (event, _) = watched.next().await;
    assert!(matches!(event, WatchEvent::Failed { is_news: true, .. }), "{event:?}");
    let _lock = SyncLock::take(&watched.watch.client().folders().syftbox, false).unwrap();
    for _ in 0..3 {
        let (event, _) = watched.next().await;
        assert!(matches!(event, WatchEvent::Failed { is_news: false, .. }), "no lock: {event:?}");
    }
}

#[tokio::test]
async fn what_fails_in_turns_is_told_once_each() {
    let world = World::new();
    let mut watched = Watched::owner(&world);
    watched.synced().await;
    let mut told = Vec::new();
    for round in 0..6 {
        watched.script.clear();
        if round % 2 == 0 {
            watched.script.when(usize::MAX, Fault::before(unavailable), |_| true);
        } else {
            watched.script.when(usize::MAX, Fault::before(signed_out), |_| true);
        }
        let (event, _) = watched.next().await;
        let WatchEvent::Failed { error, is_news, .. } = event else { panic!("{event:?}") };
        told.extend(is_news.then(|| error.code()));
    }
    assert_eq!(told, [Code::Unavailable, Code::SignedOut]);
}

fn signed_out() -> syft::connections::Error {
    syft::connections::Error::SignedOut { service: "the drive", source: "over".into() }
}

#[tokio::test]
async fn a_database_that_was_set_aside_is_not_worked_with_any_more() {
    let home = tempfile::tempdir().unwrap();
    let configuration = Configuration::at(home.path());
    let owner = email(OWNER);
    let place = SignIn::Folder(home.path().join("shared"));
    Client::login_do(&configuration, &owner, place).await.unwrap();
    let stale = Client::open(&configuration, Some(&owner)).await.unwrap();
    let senses = Box::new(Hand::new());
    let options = WatchOptions::default();
    let mut watch = Watch::open_with(configuration.clone(), None, options, senses).await.unwrap();
    assert!(matches!(watch.next().await, WatchEvent::Synced { .. }));
    Client::set_database_aside(&configuration, Some(&owner)).unwrap().unwrap();
    let error = stale.sync(&SyncOptions::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::DatabaseSetAside);
    let event = watch.next().await;
    assert!(matches!(event, WatchEvent::Renewed), "{event:?}");
    for _ in 0..2 {
        let event = watch.next().await;
        assert!(matches!(event, WatchEvent::Synced { .. }), "{event:?}");
    }
}
