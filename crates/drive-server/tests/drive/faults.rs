//! Faults on cue, latency, counters, and their steering over HTTP.

use drive_server::{Fault, Outcome, When};
use serde_json::json;

use crate::world::{World, full};

fn status(status: u16, reason: &str) -> Outcome {
    Outcome::Status { status, reason: reason.to_owned() }
}

#[tokio::test]
async fn a_request_fails_before_or_after_its_work() {
    let world = World::new().await;
    #[rustfmt::skip]
    let cases = [
        // when         what happens                      outcome                done
        (When::Before, status(503, "backendError"),       "503 backendError",    false),
        (When::After,  status(403, "rateLimitExceeded"),  "403 rateLimitExceeded", true),
        (When::Before, Outcome::Drop,                     "dropped",             false),
        (When::After,  Outcome::Drop,                     "dropped",             true),
        (When::After,  Outcome::Cut { bytes: 5 },         "dropped",             true),
    ];
    for (at, (when, outcome, wanted, done)) in cases.into_iter().enumerate() {
        let name = format!("file{at}");
        let fault = Fault::new(when, outcome).on("POST", "/drive/v3/files$").skip(1);
        world.server.faults().push(fault);
        world.ann.create(json!({"name": "passes"})).await;
        let body = full(json!({"name": name}).to_string());
        let answer = world.ann.try_send("POST", "/drive/v3/files", &[], body).await;
        let got = answer.map_or("dropped".to_owned(), |answer| answer.outcome());
        assert_eq!(got, wanted, "{at}");
        let found = world.ann.names(&format!("name='{name}'")).await.unwrap();
        assert_eq!(!found.is_empty(), done, "{at}");
        assert_eq!(world.server.faults().pending(), 0);
    }
}

#[tokio::test]
async fn a_download_breaks_off_where_it_is_told() {
    let world = World::new().await;
    let id = world.ann.upload("f", "root", &[7; 1_000_000]).await;
    let fault = Fault::new(When::After, Outcome::Cut { bytes: 300_000 });
    world.server.faults().push(fault.on("GET", "/drive/v3/files/*").with_query("alt=media"));
    let target = format!("/drive/v3/files/{id}");
    world.ann.get(&target).await.ok();
    let media = format!("{target}?alt=media");
    assert!(world.ann.try_send("GET", &media, &[], full("")).await.is_err());
    assert_eq!(world.ann.download(&id).await.body.len(), 1_000_000);
}

#[tokio::test]
async fn the_admin_pages_steer_only_if_they_are_on() {
    let world = World::new().await;
    let answer = world.nobody().json("POST", "/__admin/latency", json!({"ms": 0})).await;
    assert_eq!(answer.outcome(), "404 notFound");

    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_owned();
    let world = World::with(|options| {
        options.admin = true;
        options.log = Some(path);
    })
    .await;
    let admin = async |what: &str, body| {
        world.nobody().json("POST", &format!("/__admin/{what}"), body).await.ok()
    };
    admin("mark", json!({"label": "one"})).await;
    let fault = json!({"match": "GET /drive/v3/files", "status": 503, "reason": "x", "count": 2});
    admin("fault", fault).await;
    for wanted in ["503 x", "503 x", "200"] {
        assert_eq!(world.ann.get("/drive/v3/files").await.outcome(), wanted);
    }
    admin("mark", json!({"label": "two"})).await;
    admin("latency", json!({"ms": 0.5})).await;
    let id = world.bob.upload("f", "root", b"12345").await;
    world.bob.download(&id).await;
    let stats = world.nobody().get("/__admin/stats").await.ok();
    let one = &stats["labels"]["one"];
    assert_eq!((&one["total"], &one["by"]), (&json!(3), &json!({"GET /drive/v3/files": 3})));
    assert_eq!(one["accounts"], json!({"ann@example.org": 3}));
    let two = &stats["labels"]["two"];
    assert_eq!(two["by"]["GET /drive/v3/files/{id}?alt=media"], 1);
    assert_eq!(two["by"]["POST /upload/drive/v3/files?uploadType=multipart"], 1);
    assert!(two["req_bytes"].as_u64() > Some(100) && two["resp_bytes"].as_u64() > Some(5));
    assert_eq!(world.server.requests(), 5, "the admin pages do not count");
    assert_eq!(world.server.stats().accounts["bob@example.org"], 2);

    let log = std::fs::read_to_string(log.path()).unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 5);
    let last = &lines[4];
    assert_eq!(last["path"], "/drive/v3/files/{id}?alt=media");
    assert_eq!((&last["status"], &last["response_bytes"]), (&json!(200), &json!(5)));
    assert_eq!((&last["account"], &last["method"]), (&json!("bob@example.org"), &json!("GET")));
    for bad in [json!({"status": 7}), json!({}), json!({"status": "x"})] {
        let answer = world.nobody().json("POST", "/__admin/fault", bad).await;
        assert_eq!(answer.status.as_u16(), 400);
    }
}
