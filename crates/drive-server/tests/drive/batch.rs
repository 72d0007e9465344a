//! Batches, as Google's Python library writes and reads them.

use serde_json::json;

use crate::world::{Api, World};

const KIND: &str = "multipart/mixed; boundary=\"===============5141==\"";

/// Writes requests as the Python library does: bare LF, an id that ends in ` + n`.
fn parts(requests: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (at, (request, body)) in requests.iter().enumerate() {
        out.push_str(&format!(
            "--===============5141==\nContent-Type: application/http\nMIME-Version: 1.0\n\
             Content-Transfer-Encoding: binary\nContent-ID: <c5bd + {}>\n\n{request} HTTP/1.1\n\
             Content-Type: application/json\nMIME-Version: 1.0\naccept: */*\nHost: x\n\n{body}\n",
            at + 1
        ));
    }
    out + "--===============5141==--"
}

/// Returns id, status and body of each part, after checking that all lines end in CRLF.
async fn batch(api: &Api, body: String) -> Vec<(String, String, String)> {
    let answer = api.send("POST", "/batch/drive/v3", &[("content-type", KIND)], body).await;
    let kind = answer.header("content-type").to_owned();
    let boundary = kind.strip_prefix("multipart/mixed; boundary=").unwrap();
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
    let delimiter = format!("--{boundary}");
    let parts = text.split(&delimiter).skip(1).filter(|part| *part != "--\r\n");
    parts
        .map(|part| {
            let (outer, inner) = part.split_once("\r\n\r\n").unwrap();
            let (status, rest) = inner.split_once("\r\n").unwrap();
            // the library takes what follows the first blank line, so there must be one
            let body = rest.split("\r\n\r\n").nth(1).unwrap();
            let id = outer.lines().find_map(|line| line.strip_prefix("Content-ID: ")).unwrap();
            (id.to_owned(), status.to_owned(), body.trim().to_owned())
        })
        .collect()
}

#[tokio::test]
async fn each_part_is_answered_in_order() {
    let world = World::new().await;
    let (a, b) = (world.ann.create(json!({"name": "a"})).await, world.bob.create(json!({})).await);
    let share = format!("POST /drive/v3/files/{a}/permissions?sendNotificationEmail=true&alt=json");
    let reader = r#"{"type":"user","role":"reader","emailAddress":"bob@example.org"}"#;
    let get = format!("GET http://x/drive/v3/files/{a}?fields=name");
    let delete = format!("DELETE /drive/v3/files/{a}");
    let other = format!("DELETE /drive/v3/files/{b}");
    let media = format!("GET /drive/v3/files/{a}?alt=media");
    let all = [
        (share.as_str(), reader),
        (&get, ""),
        (&media, ""),
        (&delete, ""),
        (&other, ""),
        ("POST /batch/drive/v3", ""),
        ("GET /o/oauth2/auth", ""),
        ("nonsense", ""),
    ];
    let got = batch(&world.ann, parts(&all)).await;
    let status: Vec<&str> = got.iter().map(|(_, status, _)| status.as_str()).collect();
    let wanted = [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 200 OK",
        "HTTP/1.1 403 Forbidden",
        "HTTP/1.1 204 No Content",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 400 Bad Request",
    ];
    assert_eq!(status, wanted[..7].iter().copied().chain([wanted[6]]).collect::<Vec<_>>());
    assert_eq!(got[0].0, "<response-c5bd + 1>");
    assert_eq!((got[1].2.as_str(), got[3].2.as_str()), (r#"{"name":"a"}"#, ""));
    assert!(got[4].2.contains("notFound"));
    assert_eq!(world.server.stats().batch_inner, 4);
}

#[tokio::test]
async fn a_part_may_bring_a_token_of_its_own() {
    let world = World::new().await;
    let about = "GET /drive/v3/about?fields=user(emailAddress)";
    let body = parts(&[(about, ""), (about, "")]);
    let token = world.bob.token.clone().unwrap();
    let with = body.replacen("accept: */*", &format!("authorization: Bearer {token}"), 1);
    let got = batch(&world.ann, with).await;
    assert!(got[0].2.contains("bob@") && got[1].2.contains("ann@"), "{got:?}");
    let wrong = body.replacen("accept: */*", "authorization: Bearer wrong", 1);
    let got = batch(&world.ann, wrong).await;
    assert!(got[0].1.contains("401") && got[1].1.contains("200"), "{got:?}");
    assert!(batch(&world.nobody(), body).await.iter().all(|part| part.1.contains("401")));
}

#[tokio::test]
async fn a_hundred_parts_are_the_most() {
    let world = World::new().await;
    let one = ("GET /drive/v3/files/root", "");
    assert_eq!(batch(&world.ann, parts(&[one; 100])).await.len(), 100);
    let headers = [("content-type", KIND)];
    for (body, outcome) in [
        (parts(&[one; 101]), "400 badRequest"),
        ("no parts".to_owned(), "400 badContent"),
        ("x".repeat(9 << 20), "413 uploadTooLarge"),
    ] {
        let answer = world.ann.send("POST", "/batch/drive/v3", &headers, body).await;
        assert_eq!(answer.outcome(), outcome);
    }
}
