//! A bucket among processes that die, sessions that race, time that passes, and strangers who leave
//! garbage.

use std::collections::BTreeMap;

use syft::connections::{
    Bucket, Change, Connection, Content, Entry, Error, FileId, NewEntry, PageToken, Query,
};

use crate::shelf::{Crash, Shelf};

const LIMIT_BYTES: u64 = 1 << 20;
const OWNER: &str = "do@example.org";

fn named(parent: &FileId, name: &str) -> NewEntry {
    NewEntry {
        id: None,
        parent: parent.clone(),
        name: name.to_owned(),
        media_type: "application/octet-stream",
        tags: BTreeMap::new(),
    }
}

async fn make(bucket: &Bucket, name: &str) -> Result<Entry, Error> {
    let content = Content::Bytes(name.to_owned().into());
    bucket.create_file(&named(&bucket.root(), name), content).await
}

async fn names(bucket: &Bucket) -> Vec<String> {
    let found = bucket.find(&Query::in_folder(&bucket.root())).await.unwrap();
    found.into_iter().map(|entry| entry.name).collect()
}

fn number(key: &str) -> u64 {
    key.rsplit('/').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_creation_that_a_crash_cut_off_is_there_whole_or_not_at_all() {
    let mut was_cut_off = 0;
    for crash in [Crash::Before, Crash::After] {
        for call in 0.. {
            let shelf = Shelf::default();
            let bucket = shelf.session(OWNER);
            let id = bucket.new_ids(1).await.unwrap().remove(0);
            let new = NewEntry { id: Some(id.clone()), ..named(&bucket.root(), "a") };
            shelf.crash_at(call, crash);
            let answer = bucket.create_file(&new, Content::Bytes("whole".into())).await;
            if !shelf.restart() {
                assert_eq!(answer.unwrap().name, "a");
                break;
            }
            was_cut_off += 1;
            assert!(answer.unwrap_err().is_retryable(), "{crash:?} {call}");
            let after = shelf.session(OWNER);
            let there = names(&after).await;
            if !there.is_empty() {
                assert_eq!(after.read(&id, LIMIT_BYTES).await.unwrap(), "whole");
            }
            // The journal repeats it under the same id.
            match after.create_file(&new, Content::Bytes("whole".into())).await {
                Ok(_) => assert!(there.is_empty(), "{crash:?} {call}"),
                Err(Error::AlreadyExists { .. }) => assert_eq!(there, ["a"]),
                Err(error) => panic!("{crash:?} {call}: {error:?}"),
            }
            assert_eq!(names(&after).await, ["a"]);
            assert_eq!(names(&bucket).await, ["a"], "the session that was cut off sees it too");
            assert_eq!(after.read(&id, LIMIT_BYTES).await.unwrap(), "whole");
        }
    }
    assert!(was_cut_off >= 8, "{was_cut_off}");
}

#[tokio::test]
async fn a_replacement_that_a_crash_cut_off_leaves_one_content_or_the_other() {
    for crash in [Crash::Before, Crash::After] {
        for call in 0.. {
            let shelf = Shelf::default();
            let bucket = shelf.session(OWNER);
            let id = make(&bucket, "old").await.unwrap().id;
            shelf.crash_at(call, crash);
            let answer = bucket.replace(&id, Content::Bytes("new content".into())).await;
            let is_over = !shelf.restart();
            let after = shelf.session(OWNER);
            let content = after.read(&id, LIMIT_BYTES).await.unwrap();
            assert!(content == "old" || content == "new content", "{crash:?} {call}: {content:?}");
            let entry = after.find(&Query::default()).await.unwrap().remove(0);
            assert_eq!(entry.size_bytes, content.len() as u64);
            assert!(answer.is_err() || content == "new content");
            after.replace(&id, Content::Bytes("newest".into())).await.unwrap();
            bucket.find(&Query::default()).await.unwrap();
            assert_eq!(bucket.read(&id, LIMIT_BYTES).await.unwrap(), "newest");
            if is_over {
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_out() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    bucket.create_folder(&named(&bucket.root(), "before")).await.unwrap();
    shelf.lose_next_put();
    let made = bucket.create_folder(&named(&bucket.root(), "once")).await.unwrap();
    assert_eq!(made.name, "once");
    shelf.lose_next_put();
    let answers = bucket.delete(&[made.id]).await.unwrap();
    assert!(answers[0].is_ok());
    assert_eq!(names(&bucket).await, ["before"]);
    assert_eq!(shelf.keys("log").await.len(), 3, "nothing was done twice");
}

#[tokio::test]
async fn of_many_who_change_an_entry_at_once_nobody_loses() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    let id = make(&bucket, "common").await.unwrap().id;
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..6 {
        let (session, id) = (shelf.session(OWNER), id.clone());
        tasks.spawn(async move {
            for turn in 0..5 {
                session.tag(&id, &format!("{writer}-{turn}"), Some("x")).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    tasks.join_all().await;
    let found = bucket.find(&Query::default()).await.unwrap();
    assert_eq!(found[0].tags.len(), 30, "each change was made on top of the one before");
    assert_eq!(shelf.keys("log").await.len(), 31);
}

#[tokio::test]
async fn of_several_changes_each_is_decided_on_what_others_did_meanwhile() {
    let shelf = Shelf::default();
    let (one, two) = (shelf.session(OWNER), shelf.session(OWNER));
    let id = make(&one, "a").await.unwrap().id;
    assert_eq!(names(&two).await, ["a"]);
    one.delete(std::slice::from_ref(&id)).await.unwrap().remove(0).unwrap();
    // What the second knows is old; it finds that out before it answers.
    let answer = two.replace(&id, Content::Bytes("x".into())).await;
    assert!(matches!(answer, Err(Error::NotFound { .. })), "{answer:?}");
    assert!(matches!(two.tag(&id, "k", Some("v")).await, Err(Error::NotFound { .. })));
    assert_eq!(shelf.keys("content").await, [""; 0], "and leaves nothing behind");
}

#[tokio::test]
async fn a_look_at_nothing_new_costs_one_request() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    make(&bucket, "a").await.unwrap();
    let token = bucket.change_start().await.unwrap();
    for session in [&bucket, &shelf.session(OWNER)] {
        let before = session.requests();
        let changes = session.changes(&token).await.unwrap();
        assert!(changes.changes.is_empty() && changes.next == token);
        assert_eq!(session.requests() - before, 1, "also in a process that has just begun");
    }
}

/// Makes so many commits that there are snapshots, lets days go by, and makes some more.
async fn long_ago(shelf: &Shelf, bucket: &Bucket) -> FileId {
    let id = make(bucket, "long ago").await.unwrap().id;
    for turn in 0..620 {
        bucket.tag(&id, "turn", Some(&turn.to_string())).await.unwrap();
    }
    shelf.wait_days(3);
    for turn in 0..100 {
        bucket.tag(&id, "later", Some(&turn.to_string())).await.unwrap();
    }
    id
}

#[tokio::test]
async fn a_long_log_is_cleared_away_and_nothing_with_it() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    // What a process that died left.
    shelf.plant(&format!("content/o{}/{}", "0".repeat(32), "1".repeat(32)), "orphan").await;
    let gone = make(&bucket, "gone").await.unwrap().id;
    bucket.delete(std::slice::from_ref(&gone)).await.unwrap().remove(0).unwrap();
    let early = bucket.change_start().await.unwrap();
    let id = long_ago(&shelf, &bucket).await;
    let log = shelf.keys("log").await;
    assert_eq!((number(&log[0]), log.len()), (201, 523), "500 behind the snapshot at 700, and 23");
    let snapshots = shelf.keys("snapshot").await;
    assert_eq!(number(&snapshots[0]), 200, "from which what is left of the log goes on");
    let content = shelf.keys("content").await;
    assert_eq!(content.len(), 1, "{content:?}");

    let fresh = shelf.session(OWNER);
    let before = fresh.requests();
    assert_eq!(
        fresh.find(&Query::default()).await.unwrap(),
        bucket.find(&Query::default()).await.unwrap()
    );
    assert!(fresh.requests() - before <= 30, "{}", fresh.requests());
    assert_eq!(fresh.read(&id, LIMIT_BYTES).await.unwrap(), "long ago");
    let again = NewEntry { id: Some(gone), ..named(&fresh.root(), "again") };
    let again = fresh.create_folder(&again).await;
    assert!(matches!(again, Err(Error::AlreadyExists { .. })), "{again:?}");
    let answer = fresh.changes(&early).await;
    assert!(matches!(answer, Err(Error::TokenExpired)), "{answer:?}");
}

#[tokio::test]
async fn a_place_in_the_feed_outlives_a_snapshot() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    let id = make(&bucket, "a").await.unwrap().id;
    let mut place = PageToken(String::new());
    for turn in 0..250 {
        bucket.tag(&id, "turn", Some(&turn.to_string())).await.unwrap();
        if turn == 150 {
            place = bucket.change_start().await.unwrap();
        }
    }
    for session in [&bucket, &shelf.session(OWNER)] {
        let changes = session.changes(&place).await.unwrap().changes;
        let [Change::Present(entry)] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!(entry.tags["turn"], "249");
    }
}

#[tokio::test]
async fn who_slept_through_the_clearing_loses_nothing() {
    let shelf = Shelf::default();
    let (bucket, sleeper) = (shelf.session(OWNER), shelf.session(OWNER));
    let reader = shelf.session(OWNER);
    make(&bucket, "first").await.unwrap();
    for session in [&sleeper, &reader] {
        assert_eq!(names(session).await, ["first"]);
    }
    long_ago(&shelf, &bucket).await;
    assert_eq!(names(&reader).await, ["first", "long ago"]);
    // For all that it knows the next commit is the second, and there is none of that number.
    assert!(!shelf.keys("log").await.contains(&"log/0000000000000002".to_owned()));
    make(&sleeper, "late").await.unwrap();
    for session in [&sleeper, &bucket, &reader, &shelf.session(OWNER)] {
        assert_eq!(names(session).await, ["first", "late", "long ago"]);
    }
    assert!(!shelf.keys("log").await.contains(&"log/0000000000000002".to_owned()));
    // The last that was cleared away: to its right nothing is missing.
    let edge = shelf.session(OWNER);
    assert_eq!(names(&edge).await.len(), 3);
    let first = number(&shelf.keys("log").await[0]);
    shelf.take_away(&format!("log/{first:016}")).await;
    let known = first - 1;
    let stale = stale_session(&shelf, known).await;
    make(&stale, "last").await.unwrap();
    assert_eq!(names(&shelf.session(OWNER)).await, ["first", "last", "late", "long ago"]);
    assert!(!shelf.keys("log").await.contains(&format!("log/{first:016}")));
}

/// A session that has seen so many commits and no more.
async fn stale_session(shelf: &Shelf, known: u64) -> Bucket {
    let part = Shelf::default();
    for top in ["snapshot", "log"] {
        for key in shelf.keys(top).await.into_iter().filter(|key| number(key) <= known) {
            part.plant(&key, shelf.content(&key).await).await;
        }
    }
    let session = part.session(OWNER);
    names(&session).await;
    part.become_like(shelf);
    session
}

#[tokio::test]
async fn content_that_was_swept_while_its_process_slept_is_stored_again() {
    let shelf = Shelf::default();
    let (sleeper, other) = (shelf.session(OWNER), shelf.session(OWNER));
    make(&sleeper, "before").await.unwrap();
    let id = sleeper.new_ids(1).await.unwrap().remove(0);
    let new = NewEntry { id: Some(id.clone()), ..named(&sleeper.root(), "kept") };
    let sleep = shelf.sleep_before_commit();
    let made =
        tokio::spawn(
            async move { sleeper.create_file(&new, Content::Bytes("whole".into())).await },
        );
    sleep.begun.notified().await;
    shelf.wait_days(3);
    // So many that the store is tidied.
    for number in 0..100 {
        other.create_folder(&named(&other.root(), &number.to_string())).await.unwrap();
    }
    let content = format!("content/{id}");
    assert_eq!(shelf.keys(&content).await, [""; 0], "swept, since nothing named it");
    sleep.over.notify_one();
    made.await.unwrap().unwrap();
    assert_eq!(other.read(&id, LIMIT_BYTES).await.unwrap(), "whole");
}

#[tokio::test]
async fn content_that_somebody_took_away_is_not_asked_for_again_and_again() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    let id = make(&bucket, "a").await.unwrap().id;
    let keys = shelf.keys(&format!("content/{id}")).await;
    shelf.take_away(&keys[0]).await;
    let before = bucket.requests();
    let error = bucket.read(&id, LIMIT_BYTES).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    assert!(bucket.requests() - before <= 4, "{}", bucket.requests() - before);
}

#[tokio::test]
async fn garbage_of_strangers_is_passed_over() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    make(&bucket, "good").await.unwrap();
    shelf.plant("log/0000000000000002", "garbage").await;
    shelf.plant("log/0000000000000003", "[".repeat(100_000)).await;
    shelf.plant("log/0000000000000004", vec![b' '; 5 << 20]).await;
    shelf.plant("log/0000000000000005", b"\xff\xfe".to_vec()).await;
    for key in ["log/x", "log/-1", "log/6", "log/+000000000000006", "log/00000000000000006", "a/b"]
    {
        shelf.plant(key, "garbage").await;
    }
    shelf.plant("log/9999999999999999", "so that nobody could ever write again").await;
    shelf.plant("snapshot/0000000000000004", "garbage").await;
    shelf.plant("snapshot/9999999999999999", "garbage").await;
    for session in [&bucket, &shelf.session(OWNER)] {
        assert_eq!(names(session).await, ["good"]);
    }
    make(&bucket, "next").await.unwrap();
    assert_eq!(names(&shelf.session(OWNER)).await, ["good", "next"]);
    let place = bucket.change_start().await.unwrap();
    assert!(place.0.starts_with("6."), "{place:?}");
    // Somebody deletes a commit, too; what is left counts.
    shelf.take_away("log/0000000000000003").await;
    make(&shelf.session(OWNER), "last").await.unwrap();
    for session in [&bucket, &shelf.session(OWNER)] {
        assert_eq!(names(session).await, ["good", "last", "next"]);
    }
}

#[tokio::test]
async fn a_commit_that_was_changed_or_taken_away_is_noticed_by_the_feed() {
    let shelf = Shelf::default();
    let bucket = shelf.session(OWNER);
    make(&bucket, "a").await.unwrap();
    let place = bucket.change_start().await.unwrap();
    let text = shelf.content("log/0000000000000001").await;
    shelf.plant("log/0000000000000001", [&text[..], b" "].concat()).await;
    let answer = shelf.session(OWNER).changes(&place).await;
    assert!(matches!(answer, Err(Error::TokenExpired)), "{answer:?}");
    shelf.take_away("log/0000000000000001").await;
    let answer = shelf.session(OWNER).changes(&place).await;
    assert!(matches!(answer, Err(Error::TokenExpired)), "{answer:?}");
    assert_eq!(names(&shelf.session(OWNER)).await, [""; 0]);
    assert_eq!(names(&bucket).await, ["a"], "who has seen it keeps it");
}

#[tokio::test]
async fn a_store_of_a_later_format_is_left_alone() {
    let shelf = Shelf::default();
    shelf.session(OWNER).verify().await.unwrap();
    shelf.session("ds@example.org").verify().await.unwrap();
    shelf.plant("syft-store.json", r#"{"format": 2}"#).await;
    let answer = shelf.session(OWNER).verify().await;
    assert!(matches!(answer, Err(Error::Invalid { .. })), "{answer:?}");
}
