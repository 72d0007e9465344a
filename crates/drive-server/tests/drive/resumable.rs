//! Resumable uploads: chunks, gaps, questions, lost answers, restarts.

use std::io;

use bytes::Bytes;
use drive_server::{Options, serve};
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::world::{Answer, Api, World};

/// Opens a session; returns its URL.
async fn open(api: &Api, target: &str, meta: Value) -> String {
    let headers = [("content-type", "application/json"), ("x-upload-content-type", "text/plain")];
    let body = if meta.is_null() { String::new() } else { meta.to_string() };
    let method = if target.contains("files/") { "PATCH" } else { "POST" };
    let answer = api.send(method, target, &headers, body).await;
    assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 0));
    answer.header("location").to_owned()
}

/// Sends a chunk without any token, as Google's clients may.
async fn put(api: &Api, url: &str, range: &str, body: &str) -> Answer {
    let mut api = api.clone();
    api.token = None;
    let headers = [("content-range", range)];
    let headers = if range.is_empty() { &[][..] } else { &headers[..] };
    api.send("PUT", url, headers, body.to_owned()).await
}

fn told(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.header("range"))
}

const NEW: &str = "/upload/drive/v3/files?fields=id,%20parents&alt=json&uploadType=resumable";

#[tokio::test]
async fn a_small_file_takes_two_requests() {
    let world = World::new().await;
    let folder = world.ann.folder("folder", None).await;
    let url = open(&world.ann, NEW, json!({"name": "SYFT_peers.json", "parents": [folder]})).await;
    assert!(url.starts_with(world.server.url()), "{url}");
    let done = put(&world.ann, &url, "bytes 0-4/5", "hello").await.ok();
    assert_eq!(done["parents"], json!([folder]));
    let id = done["id"].as_str().unwrap();
    assert_eq!(world.ann.download(id).await.body, "hello");
    let mime = world.ann.get(&format!("/drive/v3/files/{id}?fields=mimeType")).await.ok();
    assert_eq!(mime["mimeType"], "text/plain");
    // whoever lost the answer gets it again, by asking or by sending again
    for (range, body) in [("bytes */5", ""), ("bytes 0-4/5", "hello")] {
        assert_eq!(put(&world.ann, &url, range, body).await.ok()["id"], *id);
    }
    // an update: empty metadata, no fields
    let target = format!("/upload/drive/v3/files/{id}?alt=json&uploadType=resumable");
    let url = open(&world.ann, &target, Value::Null).await;
    let done = put(&world.ann, &url, "bytes 0-2/3", "new").await.ok();
    assert_eq!((&done["id"], &done["name"]), (&json!(id), &json!("SYFT_peers.json")));
    assert_eq!(world.ann.download(id).await.body, "new");
}

#[tokio::test]
async fn an_empty_file_needs_no_range() {
    let world = World::new().await;
    for range in ["", "bytes */0"] {
        let url = open(&world.ann, NEW, json!({"name": "empty"})).await;
        let id = put(&world.ann, &url, range, "").await.ok()["id"].as_str().unwrap().to_owned();
        assert_eq!(world.ann.download(&id).await.body, "");
    }
}

#[tokio::test]
async fn chunks_add_up_and_gaps_are_refused() {
    let world = World::new().await;
    let url = open(&world.ann, NEW, json!({"name": "chunks"})).await;
    let put = async |range, body| put(&world.ann, &url, range, body).await;
    assert_eq!(told(&put("bytes */9", "").await), (308, ""), "nothing stored");
    assert_eq!(put("bytes 3-5/9", "def").await.outcome(), "400 badRequest", "a gap");
    assert_eq!(told(&put("bytes 0-2/*", "abc").await), (308, "bytes=0-2"));
    assert_eq!(told(&put("bytes */*", "").await), (308, "bytes=0-2"));
    assert_eq!(put("bytes 4-5/9", "ef").await.outcome(), "400 badRequest", "a gap");
    assert_eq!(told(&put("bytes 1-4/9", "bcde").await), (308, "bytes=0-4"), "an overlap");
    assert_eq!(put("bytes 5-8/9", "f").await.outcome(), "400 badRequest", "too few bytes");
    assert_eq!(told(&put("bytes */9", "").await), (308, "bytes=0-5"), "they count all the same");
    assert_eq!(put("bytes 6-7/9", "ghi").await.outcome(), "400 badRequest", "too many bytes");
    for odd in ["bytes 0-9/9", "bytes x-9/9", "0-5", "bytes 5-3/9"] {
        assert_eq!(put(odd, "").await.outcome(), "400 badRequest", "{odd}");
    }
    let done = put("bytes 6-8/9", "ghi").await.ok();
    let content = world.ann.download(done["id"].as_str().unwrap()).await.body;
    assert_eq!(content, "abcdefghi");
}

#[tokio::test]
async fn post_and_whole_bodies_are_taken_too() {
    let world = World::new().await;
    let target = "/resumable/upload/drive/v3/files?uploadType=resumable";
    let url = open(&world.ann, target, json!({"name": "rclone"})).await;
    assert!(url.contains("/resumable/upload/"));
    let headers = [("content-range", "bytes 0-1/4")];
    assert_eq!(told(&world.nobody().send("POST", &url, &headers, "ab").await), (308, "bytes=0-1"));
    let done = put(&world.ann, &url, "", "whole").await.ok();
    assert_eq!(world.ann.download(done["id"].as_str().unwrap()).await.body, "whole");
}

#[tokio::test]
async fn a_chunk_that_breaks_off_counts_up_to_there() {
    let world = World::new().await;
    let url = open(&world.ann, NEW, json!({"name": "broken"})).await;
    let frames = stream::iter([
        Ok(Frame::data(Bytes::from_static(b"abcd"))),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]);
    let body = BodyExt::boxed(StreamBody::new(frames));
    let headers = [("content-range", "bytes 0-9/10"), ("content-length", "10")];
    assert!(world.nobody().try_send("PUT", &url, &headers, body).await.is_err());
    // The server may notice the end of the connection a moment after we do; a newer request takes
    // over, so what it says is what counts.
    let (status, range) = {
        let answer = put(&world.ann, &url, "bytes */10", "").await;
        (answer.status.as_u16(), answer.header("range").to_owned())
    };
    assert_eq!(status, 308);
    let have = range.strip_prefix("bytes=0-").map_or(0, |last| last.parse::<usize>().unwrap() + 1);
    assert!(have == 0 || have == 4, "{range}");
    let rest = &"abcdefghij"[have..];
    let done = put(&world.ann, &url, &format!("bytes {have}-9/10"), rest).await.ok();
    let content = world.ann.download(done["id"].as_str().unwrap()).await.body;
    assert_eq!(content, "abcdefghij");
}

#[tokio::test]
async fn a_session_survives_a_restart() {
    let world = World::new().await;
    let url = open(&world.ann, NEW, json!({"name": "restart"})).await;
    assert_eq!(told(&put(&world.ann, &url, "bytes 0-3/8", "abcd").await), (308, "bytes=0-3"));
    let World { server, data, ann, .. } = world;
    let path = url.strip_prefix(server.url()).unwrap().to_owned();
    server.shutdown().await;
    let server = serve(Options::new(data.path())).await.unwrap();
    let api = Api::new(server.url(), ann.token.as_deref());
    let url = format!("{}{path}", server.url());
    assert_eq!(told(&put(&api, &url, "bytes */8", "").await), (308, "bytes=0-3"));
    let done = put(&api, &url, "bytes 4-7/8", "efgh").await.ok();
    let id = done["id"].as_str().unwrap();
    assert_eq!(api.download(id).await.body, "abcdefgh");
    let sum = api.get(&format!("/drive/v3/files/{id}?fields=md5Checksum")).await.ok();
    assert_eq!(sum["md5Checksum"], "e8dc4081b13434b45189a720b77b6818"); // md5 of abcdefgh
}

#[tokio::test]
async fn a_session_ends_when_it_is_cancelled_or_its_folder_is_gone() {
    let world = World::new().await;
    let url = open(&world.ann, NEW, json!({"name": "cancelled"})).await;
    put(&world.ann, &url, "bytes 0-0/2", "a").await;
    assert_eq!(world.nobody().send("DELETE", &url, &[], "").await.status.as_u16(), 499);
    assert_eq!(put(&world.ann, &url, "bytes 1-1/2", "b").await.outcome(), "404 notFound");
    let folder = world.ann.folder("folder", None).await;
    let url = open(&world.ann, NEW, json!({"name": "late", "parents": [folder]})).await;
    world.ann.delete(&format!("/drive/v3/files/{folder}")).await.ok();
    assert_eq!(put(&world.ann, &url, "bytes 0-0/1", "a").await.outcome(), "404 notFound");
    let made_up = format!("{}/upload/drive/v3/files?upload_id=x", world.server.url());
    assert_eq!(put(&world.ann, &made_up, "bytes 0-0/1", "a").await.outcome(), "404 notFound");
    for place in ["partial", "content"] {
        let left = std::fs::read_dir(world.data.path().join(place)).unwrap().count();
        assert_eq!(left, 0, "{place}");
    }
}

#[tokio::test]
async fn the_location_is_how_the_client_reached_us() {
    let world = World::new().await;
    let headers = [("host", "drive.example.org"), ("x-forwarded-proto", "https")];
    let answer = world.ann.send("POST", NEW, &headers, "{}").await;
    let location = answer.header("location");
    assert!(location.starts_with("https://drive.example.org/upload/drive/v3/files?"), "{location}");
}
