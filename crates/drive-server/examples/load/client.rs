//! One connection of one account.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::{
    client::legacy::{Client as Http, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use url::form_urlencoded;

use super::Failure;

/// A client that keeps its connection.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    url: String,
    token: String,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http = Http::builder(TokioExecutor::new()).build(connector);
        Self { url: url.to_owned(), token: token.to_owned(), http }
    }

    /// Sends a request and returns the body of its answer; an answer that is no success is an error.
    pub(crate) async fn send(
        &self,
        method: &str,
        target: &str,
        kind: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{target}", self.url))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", kind)
            .body(Full::new(body.into()))?;
        let answer = self.http.request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)).into());
        }
        Ok(body)
    }

    pub(crate) async fn json(
        &self,
        method: &str,
        target: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let body = self.send(method, target, "application/json", body.to_string()).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    pub(crate) async fn get(&self, path: &str, pairs: &[(&str, &str)]) -> Result<Value, Failure> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let body = self.send("GET", &format!("{path}?{query}"), "text/plain", Bytes::new()).await?;
        Ok(serde_json::from_slice(&body)?)
    }
}

/// Returns a text field of an answer.
pub(crate) fn text(answer: &Value, key: &str) -> Result<String, Failure> {
    let value = answer[key].as_str();
    Ok(value.ok_or_else(|| format!("no {key} in {answer}"))?.to_owned())
}
