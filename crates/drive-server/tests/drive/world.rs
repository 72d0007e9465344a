//! A server with three accounts, and a small client.

use bytes::Bytes;
use drive_server::{Options, Server, add_account, serve};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use url::form_urlencoded;

pub(crate) const FOLDER: &str = "application/vnd.google-apps.folder";

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// One account's client, or nobody's.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) url: String,
    pub(crate) token: Option<String>,
    client: Client<HttpConnector, Body>,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}: {:?}", self.status, self.body))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and reason, such as `404 notFound`; the status alone if it is no error.
    pub(crate) fn outcome(&self) -> String {
        let code = self.status.as_u16();
        if code < 400 {
            return code.to_string();
        }
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        format!("{code} {}", json["error"]["errors"][0]["reason"].as_str().unwrap_or("?"))
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert!(self.status.is_success(), "{}: {:?}", self.status, self.body);
        if self.body.is_empty() { Value::Null } else { self.json() }
    }
}

pub(crate) fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).map_err(|never| match never {}).boxed()
}

/// Writes a query string.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

impl Api {
    pub(crate) fn new(url: &str, token: Option<&str>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { url: url.to_owned(), token: token.map(str::to_owned), client }
    }

    /// Sends a request to a path or a whole URL; an error is a broken connection.
    pub(crate) async fn try_send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Result<Answer, String> {
        let whole = target.starts_with("http");
        let uri = if whole { target.to_owned() } else { format!("{}{target}", self.url) };
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let (Some(token), false) = (&self.token, whole) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let answer = self.client.request(request.body(body).unwrap()).await;
        let (head, body) = answer.map_err(|error| error.to_string())?.into_parts();
        let body = body.collect().await.map_err(|error| error.to_string())?.to_bytes();
        Ok(Answer { status: head.status, headers: head.headers, body })
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, target, headers, full(body)).await.unwrap()
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send("GET", target, &[], "").await
    }

    pub(crate) async fn delete(&self, target: &str) -> Answer {
        self.send("DELETE", target, &[], "").await
    }

    pub(crate) async fn json(&self, method: &str, target: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send(method, target, &headers, body.to_string()).await
    }

    /// Creates a file without content; returns its id.
    #[track_caller]
    pub(crate) fn create(&self, body: Value) -> impl Future<Output = String> {
        let answer = self.clone();
        async move {
            let file = answer.json("POST", "/drive/v3/files?fields=id", body).await.ok();
            file["id"].as_str().unwrap().to_owned()
        }
    }

    /// Creates a folder in one's own root or another folder; returns its id.
    pub(crate) async fn folder(&self, name: &str, parent: Option<&str>) -> String {
        let parent = parent.unwrap_or("root");
        self.create(json!({"name": name, "mimeType": FOLDER, "parents": [parent]})).await
    }

    /// Uploads a file with content into a folder; returns its id.
    pub(crate) async fn upload(&self, name: &str, parent: &str, content: &[u8]) -> String {
        let meta = json!({"name": name, "parents": [parent]});
        let answer = self.multipart("POST", "/upload/drive/v3/files", &meta, content).await;
        answer.ok()["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn multipart(
        &self,
        method: &str,
        path: &str,
        meta: &Value,
        content: &[u8],
    ) -> Answer {
        let (kind, body) = multipart(meta, content);
        let target = format!("{path}?uploadType=multipart");
        self.send(method, &target, &[("content-type", &kind)], body).await
    }

    pub(crate) async fn download(&self, id: &str) -> Answer {
        self.get(&format!("/drive/v3/files/{id}?alt=media")).await
    }

    pub(crate) async fn share(&self, id: &str, email: &str, role: &str) -> Answer {
        let body = json!({"type": "user", "role": role, "emailAddress": email});
        self.json("POST", &format!("/drive/v3/files/{id}/permissions"), body).await
    }

    /// Returns the names that a query finds, sorted, or the error.
    pub(crate) async fn names(&self, q: &str) -> Result<Vec<String>, String> {
        let query = query(&[("q", q), ("fields", "files(name)"), ("pageSize", "1000")]);
        let answer = self.get(&format!("/drive/v3/files?{query}")).await;
        if answer.status != StatusCode::OK {
            return Err(answer.outcome());
        }
        let json = answer.json();
        let files = json["files"].as_array().unwrap();
        let mut names: Vec<String> =
            files.iter().map(|file| file["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        Ok(names)
    }

    /// Returns everything that changed since a token, in all pages, and the next token.
    pub(crate) async fn changes(&self, token: &str, size: usize) -> (Vec<Value>, String) {
        let (mut all, mut token) = (Vec::new(), token.to_owned());
        loop {
            let target = format!("/drive/v3/changes?pageToken={token}&pageSize={size}&fields=*");
            let page = self.get(&target).await.ok();
            let changes = page["changes"].as_array().unwrap();
            assert!(changes.len() <= size);
            all.extend(changes.iter().cloned());
            if let Some(start) = page["newStartPageToken"].as_str() {
                return (all, start.to_owned());
            }
            token = page["nextPageToken"].as_str().unwrap().to_owned();
        }
    }

    pub(crate) async fn start_token(&self) -> String {
        let answer = self.get("/drive/v3/changes/startPageToken").await.ok();
        answer["startPageToken"].as_str().unwrap().to_owned()
    }
}

/// Returns content type and body of a multipart upload.
pub(crate) fn multipart(meta: &Value, content: &[u8]) -> (String, Vec<u8>) {
    let head = format!(
        "--frontier\r\nContent-Type: application/json\r\n\r\n{meta}\r\n--frontier\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    );
    let body = [head.as_bytes(), content, b"\r\n--frontier--"].concat();
    ("multipart/related;boundary=frontier".to_owned(), body)
}

/// A server that lives as long as this, and clients of its accounts.
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) ann: Api,
    pub(crate) bob: Api,
    pub(crate) eve: Api,
    pub(crate) data: TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut options = Options::new(data.path());
        change(&mut options);
        let server = serve(options).await.unwrap();
        let api = |name: &str| {
            let email = format!("{name}@example.org");
            let account = add_account(data.path(), &email, None).unwrap();
            Api::new(server.url(), Some(&account.token))
        };
        let (ann, bob, eve) = (api("ann"), api("bob"), api("eve"));
        Self { ann, bob, eve, server, data }
    }

    pub(crate) fn nobody(&self) -> Api {
        Api::new(self.server.url(), None)
    }
}
