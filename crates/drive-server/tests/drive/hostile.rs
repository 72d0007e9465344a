//! Hostile input: too long, too deep, not UTF-8, pretending to be a path.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{World, full, query};

#[tokio::test]
async fn long_and_deep_requests_are_refused_in_time() {
    let world = World::new().await;
    let list = async |q: &str| {
        let form = query(&[("q", q)]);
        let headers = [
            ("x-http-method-override", "GET"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        world.ann.send("POST", "/drive/v3/files", &headers, form).await.outcome()
    };
    let many = |term: &str, count| vec![term; count].join(" or ");
    assert_eq!(list(&"(".repeat(30_000)).await, "400 invalid");
    assert_eq!(list(&"not ".repeat(7_000)).await, "400 invalid");
    assert_eq!(list(&format!("name='{}'", "x".repeat(40_000))).await, "400 invalid");
    assert_eq!(list(&"x".repeat(500_000)).await, "413 uploadTooLarge");
    assert_eq!(list(&many("name='x'", 400)).await, "200", "the most terms that may be");
    assert_eq!(list(&many("not (trashed and name contains 'x')", 200)).await, "200");
    assert_eq!(list(&many("'a@b.c' in writers", 400)).await, "200");
    let deep = format!("{}name='x'{}", "not (".repeat(16), ")".repeat(16));
    assert_eq!(list(&many(&deep, 50)).await, "200");
    let nested = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let body = format!("{{\"name\": {nested}}}");
    let answer = world.ann.send("POST", "/drive/v3/files", &[], body).await;
    assert_eq!(answer.outcome(), "400 parseError");
    let answer = world.ann.send("POST", "/drive/v3/files", &[], vec![b' '; 2 << 20]).await;
    assert_eq!(answer.outcome(), "413 uploadTooLarge");
    let fields = format!("fields={}", "a(".repeat(5_000));
    let answer = world.ann.get(&format!("/drive/v3/files?{fields}")).await;
    assert_eq!(answer.outcome(), "400 invalidParameter");
    let pairs = "a=b&".repeat(200);
    let answer = world.ann.get(&format!("/drive/v3/files?{pairs}")).await;
    assert_eq!(answer.outcome(), "400 badRequest");
    let long = "x".repeat(300_000);
    let answer = world.ann.try_send("GET", "/drive/v3/files", &[("x-long", &long)], full("")).await;
    let outcome = answer.map_or("dropped".to_owned(), |answer| answer.outcome());
    assert!(["dropped", "431 ?"].contains(&outcome.as_str()), "{outcome}");
    world.ann.get("/drive/v3/files").await.ok();
}

#[tokio::test]
async fn names_and_ids_are_never_paths() {
    let world = World::new().await;
    let before = std::fs::read_dir(world.data.path()).unwrap().count();
    for name in [
        "../../etc/passwd",
        "/etc/passwd",
        "a/b\\c",
        "..",
        "",
        "\0",
        "\u{202e}gpj.exe",
        "'; DROP TABLE file; --",
    ] {
        let id = world.ann.upload(name, "root", name.as_bytes()).await;
        let file = world.ann.get(&format!("/drive/v3/files/{id}?fields=name")).await.ok();
        assert_eq!(file["name"], name);
        assert_eq!(world.ann.download(&id).await.body, name.as_bytes());
        let q = format!("name = '{}'", name.replace('\\', "\\\\").replace('\'', "\\'"));
        assert_eq!(world.ann.names(&q).await.unwrap(), [name]);
    }
    for id in ["..%2F..%2Fdrive.sqlite", "a%2Fb", "%2e%2e", "%00", "'", "x".repeat(5_000).as_str()]
    {
        for target in [
            format!("/drive/v3/files/{id}"),
            format!("/drive/v3/files/{id}?alt=media"),
            format!("/drive/v3/files/{id}/permissions"),
        ] {
            assert_eq!(world.ann.get(&target).await.outcome(), "404 notFound", "{target}");
        }
    }
    for target in ["/drive/v3/files/%ff", "/drive/v3/files//", "/../drive.sqlite", "/", "/drive"] {
        assert_eq!(world.ann.get(target).await.outcome(), "404 notFound", "{target}");
    }
    let answer = world.ann.send("PUT", "/drive/v3/files", &[], "").await;
    assert_eq!(answer.outcome(), "405 httpMethodNotAllowed");
    assert_eq!(std::fs::read_dir(world.data.path()).unwrap().count(), before);
}

#[tokio::test]
async fn a_mime_type_cannot_split_headers() {
    let world = World::new().await;
    let answer =
        world.ann.json("POST", "/drive/v3/files", json!({"mimeType": "a/b\r\nX: y"})).await;
    assert_eq!(answer.outcome(), "400 invalid");
    let body = "--b\n\n{}\n--b\nContent-Type: té/xt\n\nx\n--b--";
    let headers = [("content-type", "multipart/related; boundary=b")];
    let target = "/upload/drive/v3/files?uploadType=multipart";
    let made = world.ann.send("POST", target, &headers, body).await.ok();
    let answer = world.ann.download(made["id"].as_str().unwrap()).await;
    assert_eq!(answer.body, "x");
}

#[tokio::test]
async fn garbage_on_the_wire_ends_its_connection_only() {
    let world = World::new().await;
    let address = world.server.url().strip_prefix("http://").unwrap().to_owned();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /drive/v3/files HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n",
        b"POST /drive/v3/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /drive/v3/files HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\xfe\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    world.ann.get("/drive/v3/files").await.ok();
}
