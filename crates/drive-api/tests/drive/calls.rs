//! Listings, changes, permissions, ids and batches, as they look on the wire.

use std::sync::Arc;

use drive_api::{Call, Drive, Endpoint, Error, Order, Patch, Query, Role, Settings};

use crate::wire::{
    Act, Counting, HandClock, LOST, Seen, Wire, answer, drive, drive_with, file, ok, refuse,
    with_headers,
};

fn parameter(seen: &Seen, key: &str) -> Option<String> {
    let target = seen.line.split(' ').nth(1).unwrap();
    let url = url::Url::parse(&format!("http://h{target}")).unwrap();
    url.query_pairs().find(|(k, _)| k == key).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn w31_b9_a_listing_reads_all_pages_and_no_file_twice() {
    let (a, b, c) = (file("A", "a", 1), file("B", "b", 1), file("C", "c", 1));
    let script = [
        ok(&format!(r#"{{"files":[{a},{b}],"nextPageToken":"p2"}}"#)),
        ok(r#"{"files":[],"nextPageToken":"p3"}"#),
        ok(&format!(r#"{{"files":[{b},{c}]}}"#)),
    ];
    let wire = Wire::play(script).await;
    let (drive, _) = drive(&wire);
    let query = Query::all().named("it's").in_folder("P");
    let files = drive.list(&query, Some(Order::NameDescending)).await.unwrap();
    let ids: Vec<_> = files.iter().map(|file| file.id.as_str()).collect();
    assert_eq!(ids, ["A", "B", "C"]);
    let seen = wire.seen();
    assert_eq!(parameter(&seen[0], "q").unwrap(), r"name = 'it\'s' and 'P' in parents");
    assert_eq!(parameter(&seen[0], "orderBy").unwrap(), "name desc");
    assert_eq!(parameter(&seen[0], "pageSize").unwrap(), "1000");
    assert_eq!(parameter(&seen[2], "pageToken").unwrap(), "p3");
    assert_eq!(seen[0].header("authorization"), Some("Bearer a-token"));
}

/// A service may have to read all of the content to tell its MD5.
#[tokio::test]
async fn an_md5_is_asked_for_by_itself_and_never_with_all_the_rest() {
    let md5 = "5d41402abc4b2a76b9719d911017c592";
    let script = [
        ok(&file("A", "a", 1)),
        ok(&format!(r#"{{"md5Checksum":"{}"}}"#, md5.to_uppercase())),
        ok("{}"),
        ok(r#"{"md5Checksum":"zz"}"#),
    ];
    let wire = Wire::play(script).await;
    let (drive, _) = drive(&wire);
    drive.get("A").await.unwrap();
    assert_eq!(drive.md5("A").await.unwrap().as_deref(), Some(md5));
    assert_eq!(drive.md5("A").await.unwrap(), None, "a folder, say");
    assert!(matches!(drive.md5("A").await.unwrap_err(), Error::Invalid { .. }));
    let seen = wire.seen();
    let asked = parameter(&seen[0], "fields").unwrap();
    assert!(asked.contains("sha256Checksum") && !asked.contains("md5Checksum"), "{asked}");
    assert_eq!(parameter(&seen[1], "fields").as_deref(), Some("md5Checksum"));
}

#[tokio::test]
async fn a_listing_without_end_is_refused() {
    let page = |token: &str| ok(&format!(r#"{{"files":[],"nextPageToken":"{token}"}}"#));
    for pages in
        [vec![page("p"), page("p")], vec![page("white space")], vec![page(&"x".repeat(9000))]]
    {
        let wire = Wire::play(pages).await;
        let error = drive(&wire).0.list(&Query::all(), None).await.unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    }
    let full = |n: usize| {
        ok(&format!(r#"{{"files":[{}],"nextPageToken":"p{n}"}}"#, file(&format!("A{n}"), "a", 1)))
    };
    let wire = Wire::play((0..9).map(full)).await;
    let clock = HandClock::at("2026-11-21T10:00:00Z");
    let drive = drive_with(&wire, Settings { clock, items_max: 3, ..Settings::default() });
    let error = drive.list(&Query::all(), None).await.unwrap_err();
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    assert_eq!(wire.seen().len(), 4);
}

#[tokio::test]
async fn several_folders_that_give_nothing_are_asked_one_by_one() {
    let script = [ok(&format!(r#"{{"files":[{}]}}"#, file("X", "x", 1))), refuse(404, "notFound")];
    for first in [ok(r#"{"files":[]}"#), refuse(404, "notFound")] {
        let wire = Wire::play([first].into_iter().chain(script.clone())).await;
        let folders = vec![Query::all().in_folder("A"), Query::all().in_folder("B")];
        let files = drive(&wire).0.list(&Query::all().any_of(folders), None).await.unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!(parameter(&wire.seen()[2], "q").unwrap(), "'B' in parents");
    }
}

#[tokio::test]
async fn w31_b9_changes_come_from_all_pages_with_the_next_token() {
    let page = format!(
        r#"{{"changes":[{{"fileId":"A","removed":false,"file":{}}},{{"changeType":"drive"}}],"nextPageToken":"8"}}"#,
        file("A", "a", 1)
    );
    let last = r#"{"changes":[{"fileId":"B","removed":true}],"newStartPageToken":"9"}"#;
    let wire = Wire::play([ok(r#"{"startPageToken":"7"}"#), ok(&page), ok(last)]).await;
    let (drive, _) = drive(&wire);
    let token = drive.start_page_token().await.unwrap();
    let changes = drive.changes(&token).await.unwrap();
    assert!(changes.is_all);
    assert_eq!(changes.next, "9");
    let found: Vec<_> = changes.changes.iter().map(|c| (c.id.as_str(), c.removed)).collect();
    assert_eq!(found, [("A", false), ("B", true)]);
    assert_eq!(changes.changes[0].file.as_ref().unwrap().name, "a");
    assert_eq!(parameter(&wire.seen()[2], "pageToken").unwrap(), "8");
}

#[tokio::test]
async fn of_many_changes_some_come_at_once_and_the_rest_follows() {
    let page = |id: &str, next: &str| {
        ok(&format!(
            r#"{{"changes":[{{"fileId":"{id}","removed":true}}],"nextPageToken":"{next}"}}"#
        ))
    };
    let last = ok(r#"{"changes":[{"fileId":"D","removed":true}],"newStartPageToken":"9"}"#);
    let wire = Wire::play([page("A", "2"), page("B", "3"), page("C", "4"), last]).await;
    let clock = HandClock::at("2026-11-21T10:00:00Z");
    let drive = drive_with(&wire, Settings { clock, changes_at_once: 2, ..Settings::default() });
    let (mut token, mut found) = ("1".to_owned(), Vec::new());
    loop {
        let changes = drive.changes(&token).await.unwrap();
        found.push(changes.changes.iter().map(|change| change.id.to_string()).collect::<Vec<_>>());
        token = changes.next;
        if changes.is_all {
            break;
        }
    }
    assert_eq!(found, [["A", "B"], ["C", "D"]]);
    let asked: Vec<_> = wire.seen().iter().map(|it| parameter(it, "pageToken")).collect();
    assert_eq!(asked, ["1", "2", "3", "4"].map(|token| Some(token.to_owned())));
}

#[tokio::test]
async fn ids_are_made_in_thousands_and_checked() {
    let ids = |n: usize| {
        let all: Vec<_> = (0..n).map(|i| format!("\"id{i}\"")).collect();
        ok(&format!(r#"{{"ids":[{}]}}"#, all.join(",")))
    };
    let wire = Wire::play([ids(1000), ids(5)]).await;
    let drive = drive(&wire).0;
    assert_eq!(drive.generate_ids(1005).await.unwrap().len(), 1005);
    assert_eq!(parameter(&wire.seen()[1], "count").unwrap(), "5");
    for bad in [r#"{"ids":["a/b"]}"#, r#"{"ids":[]}"#, r#"{"ids":["a","b"]}"#] {
        wire.then(ok(bad));
        assert!(drive.generate_ids(1).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn sharing_asks_for_what_it_says() {
    let page = r#"{"permissions":[{"id":"1","type":"user","role":"writer","emailAddress":"b@x"}],"nextPageToken":"2"}"#;
    let last = r#"{"permissions":[{"id":"anyoneWithLink","type":"anyone","role":"odd"}]}"#;
    let script = [
        ok(page),
        ok(last),
        ok(r#"{"id":"1"}"#),
        Act::Send(answer(204, "")),
        refuse(404, "notFound"),
    ];
    let wire = Wire::play(script).await;
    let (drive, _) = drive(&wire);
    let permissions = drive.permissions("A").await.unwrap();
    assert_eq!(permissions[0].email.as_deref(), Some("b@x"));
    assert_eq!((permissions[0].role, permissions[1].role), (Role::Writer, Role::Other));
    drive.grant("A", "b@x", Role::Reader, true).await.unwrap();
    drive.revoke("A", "1").await.unwrap();
    drive.delete("A").await.unwrap();
    let seen = wire.seen();
    assert_eq!(parameter(&seen[2], "sendNotificationEmail").unwrap(), "true");
    let body: serde_json::Value = serde_json::from_slice(&seen[2].body).unwrap();
    assert_eq!(body, serde_json::json!({"type": "user", "role": "reader", "emailAddress": "b@x"}));
    assert_eq!(wire.lines()[3], "DELETE /drive/v3/files/A/permissions/1");
}

#[tokio::test]
async fn a_patch_can_delete_a_property_and_move() {
    let wire = Wire::play([ok(&file("A", "new", 1))]).await;
    let patch = Patch {
        name: Some("new".to_owned()),
        app_properties: [("gone".to_owned(), None), ("kept".to_owned(), Some("1".to_owned()))]
            .into(),
        add_parents: vec!["B".to_owned()],
        remove_parents: vec!["C".to_owned(), "D".to_owned()],
        trashed: None,
    };
    assert_eq!(drive(&wire).0.patch("A", patch).await.unwrap().name, "new");
    let seen = &wire.seen()[0];
    let body = String::from_utf8(seen.body.clone()).unwrap();
    assert_eq!(body, r#"{"name":"new","appProperties":{"gone":null,"kept":"1"}}"#);
    assert_eq!(parameter(seen, "addParents").unwrap(), "B");
    assert_eq!(parameter(seen, "removeParents").unwrap(), "C,D");
}

#[tokio::test]
async fn a_patch_that_is_refused_after_a_lost_answer_is_done_if_the_file_says_so() {
    let moved = |parent: &str| file("A", "n", 1).replace("\"P\"", &format!("\"{parent}\""));
    let patch = Patch {
        add_parents: vec!["B".to_owned()],
        remove_parents: vec!["P".to_owned()],
        ..Patch::default()
    };
    for (parent, is_done) in [("B", true), ("P", false)] {
        let wire = Wire::play([LOST, refuse(400, "invalid"), ok(&moved(parent))]).await;
        assert_eq!(drive(&wire).0.patch("A", patch.clone()).await.is_ok(), is_done, "{parent}");
    }
    let wire = Wire::play([refuse(400, "invalid")]).await;
    assert!(drive(&wire).0.patch("A", patch).await.is_err());
}

#[tokio::test]
async fn a_bad_id_never_leaves_this_machine() {
    let wire = Wire::play([]).await;
    let (drive, _) = drive(&wire);
    let bad = "../../evil?x=";
    assert!(drive.get(bad).await.is_err());
    assert!(drive.delete(bad).await.is_err());
    assert!(drive.read(bad, 9).await.is_err());
    assert!(drive.revoke("A", bad).await.is_err());
    assert!(drive.patch(bad, Patch::default()).await.is_err());
    assert!(drive.changes("a b").await.is_err());
    assert!(drive.list(&Query::all().in_folder(bad), None).await.is_err());
    let results = drive.batch(vec![Call::Delete { id: bad.to_owned() }]).await;
    assert!(results[0].is_err());
    assert_eq!(drive.requests(), 0);
}

fn batch_answer(parts: &[(&str, u16, &str)]) -> Act {
    let mut body = String::new();
    for (id, status, rest) in parts {
        let head = "Content-Type: application/http\r\nContent-ID: <response-item-";
        body += &format!("--X\r\n{head}{id}>\r\n\r\nHTTP/1.1 {status} S\r\n{rest}\r\n");
    }
    body += "--X--\r\n";
    let headers = "Content-Type: multipart/mixed; boundary=X\r\n";
    Act::Send(with_headers(200, headers, body.as_bytes()))
}

fn delete(id: &str) -> Call {
    Call::Delete { id: id.to_owned() }
}

const SLOW_DOWN: &str =
    "Retry-After: 9\r\n\r\n{\"error\":{\"errors\":[{\"reason\":\"userRateLimitExceeded\"}]}}";
const NO_RIGHT: &str =
    "\r\n{\"error\":{\"errors\":[{\"reason\":\"insufficientFilePermissions\"}]}}";

#[tokio::test]
async fn a_batch_sends_only_what_was_rate_limited_again_and_keeps_the_order() {
    let script = [
        batch_answer(&[
            ("2", 403, SLOW_DOWN),
            ("0", 204, ""),
            ("1", 403, NO_RIGHT),
            ("3", 404, ""),
        ]),
        batch_answer(&[("0", 204, "")]),
    ];
    let wire = Wire::play(script).await;
    let (drive, clock) = drive(&wire);
    let results = drive.batch(vec![delete("A"), delete("B"), delete("C"), delete("D")]).await;
    assert!(
        matches!(results[..], [Ok(()), Err(Error::Denied { .. }), Ok(()), Ok(())]),
        "{results:?}"
    );
    assert_eq!(clock.slept().iter().map(std::time::Duration::as_secs).collect::<Vec<_>>(), [9]);
    let again = String::from_utf8(wire.seen()[1].body.clone()).unwrap();
    assert!(again.contains("files/C?") && !again.contains("files/A?"), "{again}");
}

#[tokio::test]
async fn a_batch_goes_in_hundreds() {
    let all = |n: usize| {
        let ids: Vec<_> = (0..n).map(|i| i.to_string()).collect();
        batch_answer(&ids.iter().map(|id| (id.as_str(), 204, "")).collect::<Vec<_>>())
    };
    let wire = Wire::play([all(100), all(100), all(50)]).await;
    let (drive, _) = drive(&wire);
    let results = drive.batch((0..250).map(|n| delete(&format!("F{n}"))).collect()).await;
    assert!(results.len() == 250 && results.iter().all(Result::is_ok));
    assert_eq!(drive.requests(), 3);
    assert!(drive.batch(Vec::new()).await.is_empty());
    assert_eq!(drive.requests(), 3);
}

#[tokio::test]
async fn a_batch_that_is_not_answered_fails_part_by_part() {
    let wire = Wire::play([ok("{}")]).await;
    let (drive, _) = drive(&wire);
    let results = drive.batch(vec![delete("A"), delete("B")]).await;
    assert!(results.iter().all(Result::is_err), "{results:?}");
    let script = [batch_answer(&[("0", 204, "")])].into_iter();
    let wire = Wire::play(script.chain((0..5).map(|_| batch_answer(&[("7", 204, "")])))).await;
    let results = self::drive(&wire).0.batch(vec![delete("A"), delete("B")]).await;
    assert!(matches!(results[..], [Ok(()), Err(Error::Unavailable { .. })]), "{results:?}");
}

#[tokio::test]
async fn parts_that_are_turned_down_go_out_once_more_with_a_fresh_token() {
    let script = [
        batch_answer(&[("0", 204, ""), ("1", 401, ""), ("2", 401, "")]),
        batch_answer(&[("0", 204, ""), ("1", 401, "")]),
    ];
    let wire = Wire::play(script).await;
    let drive = Drive::new(Endpoint::at(&wire.url).unwrap(), Arc::new(Counting::default()));
    let results = drive.batch(vec![delete("A"), delete("B"), delete("C")]).await;
    assert!(
        matches!(results[..], [Ok(()), Ok(()), Err(Error::Unauthorized { .. })]),
        "{results:?}"
    );
    let tokens: Vec<_> =
        wire.seen().iter().map(|s| s.header("authorization").unwrap().to_owned()).collect();
    assert_eq!(tokens, ["Bearer token-0", "Bearer token-1"]);
}

#[tokio::test]
async fn a_batch_of_a_signed_out_account_says_so_for_each_part() {
    let wire = Wire::play([refuse(401, "authError")]).await;
    let results = drive(&wire).0.batch(vec![delete("A"), delete("B")]).await;
    assert!(
        matches!(results[..], [Err(Error::Unauthorized { .. }), Err(Error::Unauthorized { .. })]),
        "{results:?}"
    );
}

#[tokio::test]
async fn every_call_can_run_on_any_thread() {
    fn sendable<T: Send>(_: &T) {}
    let wire = Wire::play([]).await;
    let drive: Drive = drive(&wire).0;
    sendable(&drive.account_email());
    sendable(&drive.list(&Query::all(), None));
    sendable(&drive.get("A"));
    sendable(&drive.create_folder(drive_api::NewFile::default()));
    let content = drive_api::Content::Bytes(bytes::Bytes::new());
    sendable(&drive.upload(drive_api::NewFile::default(), content.clone()));
    sendable(&drive.replace_content("A", "a/b", content));
    sendable(&drive.patch("A", Patch::default()));
    sendable(&drive.read("A", 1));
    sendable(&drive.download("A", &mut Vec::new(), 1));
    sendable(&drive.delete("A"));
    sendable(&drive.permissions("A"));
    sendable(&drive.grant("A", "b", Role::Reader, false));
    sendable(&drive.revoke("A", "b"));
    sendable(&drive.generate_ids(1));
    sendable(&drive.start_page_token());
    sendable(&drive.changes("1"));
    sendable(&drive.batch(Vec::new()));
    let way = drive_api::auth::Way::browser(|_| {});
    if let Ok(credentials) = drive_api::auth::Credentials::read(std::path::Path::new("c")) {
        sendable(&drive_api::auth::sign_in(&credentials, drive_api::auth::SignIn::new(way)));
    }
}
