//! One connection of one account, kept open, without a pool: what it costs is the server's.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Request, StatusCode,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::form_urlencoded;

use super::Failure;

/// A client with its connection.
#[derive(Debug)]
pub(crate) struct Client {
    address: String,
    token: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of `http://HOST:PORT`; it connects when it first asks.
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap_or(url).trim_end_matches('/');
        Self { address: address.to_owned(), token: token.to_owned(), sender: None }
    }

    /// Connects, unless it is connected.
    pub(crate) async fn connect(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, Failure> {
        let open = self.sender.as_ref().is_some_and(|sender| !sender.is_closed());
        if !open {
            let stream = TcpStream::connect(&self.address).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let sender = self.sender.as_mut().ok_or("no connection")?;
        sender.ready().await?;
        Ok(sender)
    }

    /// Sends a request and returns its answer, whose body has yet to come.
    pub(crate) async fn open(
        &mut self,
        method: &str,
        target: &str,
        kind: &str,
        body: impl Into<Bytes>,
    ) -> Result<hyper::Response<Incoming>, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("host", &self.address)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", kind)
            .body(Full::new(body.into()))?;
        Ok(self.connect().await?.send_request(request).await?)
    }

    /// Sends a request and returns the body of its answer; one that is no success is an error.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        target: &str,
        kind: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, Failure> {
        let answer = self.open(method, target, kind, body).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        refused(status, &body).map_or(Ok(body), Err)
    }

    /// Sends JSON and returns JSON.
    pub(crate) async fn json(
        &mut self,
        method: &str,
        target: &str,
        body: &Value,
    ) -> Result<Value, Failure> {
        let body = self.send(method, target, "application/json", body.to_string()).await?;
        Ok(serde_json::from_slice(&body)?)
    }

    /// Asks for a path with these parameters; returns the bytes of the answer.
    pub(crate) async fn get(
        &mut self,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Bytes, Failure> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.send("GET", &format!("{path}?{query}"), "text/plain", Bytes::new()).await
    }

    /// The same, as JSON.
    pub(crate) async fn get_json(
        &mut self,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Result<Value, Failure> {
        Ok(serde_json::from_slice(&self.get(path, pairs).await?)?)
    }
}

/// What is wrong with an answer, if anything.
pub(crate) fn refused(status: StatusCode, body: &[u8]) -> Option<Failure> {
    let text = || String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
    (!status.is_success()).then(|| format!("{status}: {}", text()).into())
}

/// Returns a text field of an answer.
pub(crate) fn text(answer: &Value, key: &str) -> Result<String, Failure> {
    let value = answer[key].as_str();
    Ok(value.ok_or_else(|| format!("no {key} in {answer}"))?.to_owned())
}
