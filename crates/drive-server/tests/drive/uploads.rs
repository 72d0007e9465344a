//! Uploads in one request: simple, multipart in all the forms that clients send, chunked.

use std::io;

use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use md5::Digest as _;
use serde_json::json;

use crate::world::{Body, World, full, multipart, query};

/// A body that is sent with `Transfer-Encoding: chunked`.
fn chunked(body: Vec<u8>, step: usize) -> Body {
    let chunks: Vec<_> =
        body.chunks(step).map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk)))).collect();
    let frames = stream::iter(chunks.into_iter().collect::<Vec<io::Result<_>>>());
    BodyExt::boxed(StreamBody::new(frames))
}

#[tokio::test]
async fn content_comes_back_with_its_digests() {
    let world = World::new().await;
    let id = world.ann.upload("abc", "root", b"abc").await;
    let fields = "fields=size,md5Checksum,sha256Checksum,mimeType,quotaBytesUsed";
    let file = world.ann.get(&format!("/drive/v3/files/{id}?{fields}")).await.ok();
    assert_eq!(
        file,
        json!({ // the test vectors of RFC 1321 and FIPS 180-4
            "mimeType": "application/octet-stream",
            "quotaBytesUsed": "3",
            "size": "3",
            "md5Checksum": "900150983cd24fb0d6963f7d28e17f72",
            "sha256Checksum": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        })
    );
    assert_eq!(world.ann.download(&id).await.body, "abc");
}

#[tokio::test]
async fn multipart_is_taken_in_every_form() {
    let world = World::new().await;
    let plain = "Content-Type: application/json\n\n{\"name\":\"n\"}\n";
    let lf = format!("--b\n{plain}--b\nContent-Type: text/x\n\nhello\n--b--\n");
    #[rustfmt::skip]
    let cases = [
        ("CRLF",              "multipart/related; boundary=b",      lf.replace('\n', "\r\n")),
        ("LF",                "multipart/related; boundary=b",      lf.clone()),
        ("no blank",          "multipart/related;boundary=b",       lf.clone()),
        ("quotes",            "multipart/related; boundary=\"b\"",  lf.clone()),
        ("CRLF before",       "multipart/related; boundary=b",      format!("\r\n{lf}")),
        ("type first",        "multipart/related; type=\"x/y\"; boundary=b", lf.clone()),
        ("resumable prefix",  "multipart/related; boundary=b",      lf.clone()),
    ];
    for (what, kind, body) in cases {
        let prefix = if what == "resumable prefix" { "/resumable" } else { "" };
        let target = format!("{prefix}/upload/drive/v3/files?uploadType=multipart&fields=*&");
        for step in [1, 1000] {
            let body = chunked(body.clone().into_bytes(), step);
            let headers = [("content-type", kind)];
            let file = world.ann.try_send("POST", &target, &headers, body).await.unwrap().ok();
            assert_eq!((&file["name"], &file["mimeType"]), (&json!("n"), &json!("text/x")));
            assert_eq!(file["size"], "5", "{what}, {step} bytes at once");
            let id = file["id"].as_str().unwrap();
            assert_eq!(world.ann.download(id).await.body, "hello", "{what}");
        }
    }
}

#[tokio::test]
async fn a_simple_upload_makes_and_replaces_content() {
    let world = World::new().await;
    let target = "/upload/drive/v3/files?uploadType=media&fields=id,name,mimeType";
    let headers = [("content-type", "text/plain")];
    let file = world.ann.send("POST", target, &headers, "one").await.ok();
    assert_eq!((&file["name"], &file["mimeType"]), (&json!("Untitled"), &json!("text/plain")));
    let id = file["id"].as_str().unwrap();
    let target = format!("/upload/drive/v3/files/{id}?uploadType=media");
    let body = chunked(b"two, and more".to_vec(), 4);
    world.ann.try_send("PATCH", &target, &[], body).await.unwrap().ok();
    assert_eq!(world.ann.download(id).await.body, "two, and more");
    let meta = json!({"name": "three", "appProperties": {"k": "v"}});
    world.ann.multipart("PATCH", &format!("/upload/drive/v3/files/{id}"), &meta, b"").await.ok();
    assert_eq!(world.ann.download(id).await.body, "");
    assert_eq!(world.ann.names("name='three'").await.unwrap(), ["three"]);
    let left = std::fs::read_dir(world.data.path().join("content")).unwrap().count();
    assert_eq!(left, 0, "old versions are removed");
}

#[tokio::test]
async fn an_upload_that_is_refused_leaves_nothing() {
    let world = World::new().await;
    let file = world.ann.upload("f", "root", b"kept").await;
    let folder = world.ann.folder("folder", None).await;
    let (kind, body) = multipart(&json!({"name": "x", "parents": [file]}), b"content");
    let related = [("content-type", kind.as_str())];
    let target = "/upload/drive/v3/files?uploadType=multipart";
    let outcome = async |method: &str, target: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        world.ann.send(method, target, headers, body).await.outcome()
    };
    let text = |text: &str| text.as_bytes().to_vec();
    assert_eq!(outcome("POST", target, &related, body.clone()).await, "403 parentNotAFolder");
    let into_folder = format!("/upload/drive/v3/files/{folder}?uploadType=media");
    assert_eq!(outcome("PATCH", &into_folder, &[], text("x")).await, "400 invalid");
    #[rustfmt::skip]
    let bad = [
        ("no second part",  kind.as_str(),         text("--frontier\n\n{}\n--frontier--")),
        ("no end",          kind.as_str(),         text("--frontier\n\n{}\n--frontier\n\nabc")),
        ("three parts",     kind.as_str(),         text("--frontier\n\n{}\n--frontier\n\na\n--frontier\n\nb\n--frontier--")),
        ("no boundary",     "multipart/related",   text("--frontier\n\n{}\n--frontier\n\na\n--frontier--")),
        ("base64",          kind.as_str(),         text("--frontier\n\n{}\n--frontier\nContent-Transfer-Encoding: base64\n\nYQ==\n--frontier--")),
        ("empty",           kind.as_str(),         text("")),
    ];
    for (what, kind, body) in bad {
        let got = outcome("POST", target, &[("content-type", kind)], body).await;
        assert_eq!(got, "400 badContent", "{what}");
    }
    let not_json = text("--frontier\n\n{\"name\":\n--frontier\n\na\n--frontier--");
    assert_eq!(outcome("POST", target, &related, not_json).await, "400 parseError");
    let huge = format!("--frontier\n\n{}\n--frontier\n\na\n--frontier--", " ".repeat(2 << 20));
    assert_eq!(outcome("POST", target, &related, text(&huge)).await, "413 uploadTooLarge");
    let odd = "/upload/drive/v3/files?uploadType=odd";
    assert_eq!(outcome("POST", odd, &[], text("x")).await, "400 invalid");
    assert_eq!(world.ann.names("").await.unwrap(), ["f", "folder"]);
    assert_eq!(world.ann.download(&file).await.body, "kept");
    for (place, count) in [("partial", 0), ("content", 1)] {
        let left = std::fs::read_dir(world.data.path().join(place)).unwrap().count();
        assert_eq!(left, count, "{place}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let world = World::new().await;
    let id = world.ann.upload("f", "root", b"before").await;
    let target = format!("/upload/drive/v3/files/{id}?uploadType=media");
    let frames = stream::iter([
        Ok(Frame::data(Bytes::from_static(b"half of it"))),
        Err(io::Error::from(io::ErrorKind::ConnectionReset)),
    ]);
    let body = BodyExt::boxed(StreamBody::new(frames));
    assert!(world.ann.try_send("PATCH", &target, &[], body).await.is_err());
    assert_eq!(world.ann.download(&id).await.body, "before");
    world.ann.try_send("PATCH", &target, &[], full("after")).await.unwrap().ok();
    assert_eq!(world.ann.download(&id).await.body, "after");
}

/// Large content has no MD5 until somebody asks, whoever that is and however.
#[tokio::test]
async fn the_md5_of_large_content_is_told_wherever_it_is_asked_for() {
    let world = World::new().await;
    let ann = &world.ann;
    let content: Vec<u8> = (0..300_000_u32).map(|at| (at * 31 % 251) as u8).collect();
    let digest = hex::encode(md5::Md5::digest(&content));
    let start = ann.start_token().await;
    let mut told = Vec::new();
    for what in ["get", "star", "list", "changes", "patch", "copy", "batch"] {
        let id = ann.upload(what, "root", &content).await;
        let file = format!("/drive/v3/files/{id}");
        let q = query(&[("q", &format!("name='{what}'")), ("fields", "files(md5Checksum)")]);
        let answer = match what {
            "get" => ann.get(&format!("{file}?fields=md5Checksum")).await.ok(),
            "star" => ann.get(&format!("{file}?fields=*")).await.ok(),
            "list" => ann.get(&format!("/drive/v3/files?{q}")).await.ok()["files"][0].clone(),
            "changes" => {
                let (changes, _) = ann.changes(&start, 1000).await;
                changes.iter().find(|one| one["fileId"] == json!(id)).unwrap()["file"].clone()
            }
            "patch" => {
                let body = json!({"name": "renamed"});
                let target = format!("{file}?fields=md5Checksum,version,name");
                let file = ann.json("PATCH", &target, body).await.ok();
                assert_eq!((&file["version"], &file["name"]), (&json!("2"), &json!("renamed")));
                file
            }
            "copy" => {
                let target = format!("{file}/copy?fields=md5Checksum");
                let copy = ann.json("POST", &target, json!({"name": "copied"})).await.ok();
                assert_eq!(ann.names("name='copied'").await.unwrap().len(), 1);
                copy
            }
            _ => {
                let part = format!("--b\n\nGET {file}?fields=md5Checksum\n\n--b--");
                let kind = [("content-type", "multipart/mixed; boundary=b")];
                let answer = ann.send("POST", "/batch/drive/v3", &kind, part).await;
                let found = String::from_utf8_lossy(&answer.body).contains(&digest);
                json!({"md5Checksum": found.then_some(&digest)})
            }
        };
        told.push((what, answer["md5Checksum"].clone()));
    }
    for (what, md5) in told {
        assert_eq!(md5, json!(digest), "{what}");
    }
}

/// Who sends content may ask in the same breath, and then it is not read again.
#[tokio::test]
async fn an_upload_that_asks_for_its_md5_is_answered_with_it() {
    let world = World::new().await;
    let content = vec![7; 3_000_000];
    let digest = json!(hex::encode(md5::Md5::digest(&content)));
    for kind in ["media", "multipart"] {
        let target = format!("/upload/drive/v3/files?uploadType={kind}&fields=md5Checksum");
        let (form, body) = match kind {
            "media" => ("text/plain".to_owned(), content.clone()),
            _ => multipart(&json!({"name": "n"}), &content),
        };
        let headers = [("content-type", form.as_str())];
        let file = world.ann.send("POST", &target, &headers, body).await.ok();
        assert_eq!(file["md5Checksum"], digest, "{kind}");
    }
    let target = "/upload/drive/v3/files?uploadType=resumable&fields=md5Checksum";
    let opened = world.ann.json("POST", target, json!({"name": "n"})).await;
    let url = opened.header("location").to_owned();
    let file = world.ann.send("PUT", &url, &[], content).await.ok();
    assert_eq!(file["md5Checksum"], digest, "resumable");
    // Whoever lost the answer gets it again.
    let file = world.ann.send("PUT", &url, &[], "").await.ok();
    assert_eq!(file["md5Checksum"], digest, "told again");
}
