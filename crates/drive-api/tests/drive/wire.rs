//! A server that answers by script, a clock that is wound by hand, and a drive that uses both.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use drive_api::auth::{AccessToken, StaticToken, TokenSource};
use drive_api::{Clock, Drive, Endpoint, Error, Settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What happens to one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// These bytes are sent once the request was read whole; then the connection stays open.
    Send(Vec<u8>),
    /// These bytes are sent, then the connection is closed.
    SendAndClose(Vec<u8>),
    /// If the request carries this token, as [`Self::Send`]; else a 401.
    SendTo(&'static str, Vec<u8>),
    /// The connection is closed after this many bytes of the request's body.
    CloseAfterBody(usize),
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// A scripted server on a port of its own.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) url: String,
    script: Arc<Mutex<VecDeque<Act>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Wire {
    /// Answers requests in the order in which they come; a request beyond the script gets a 599.
    pub(crate) async fn play(script: impl IntoIterator<Item = Act>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script = Arc::new(Mutex::new(script.into_iter().collect()));
        let wire = Self { url, script, seen: Arc::default() };
        let server = wire.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = server.clone();
                tokio::spawn(async move { server.serve(stream).await });
            }
        });
        wire
    }

    /// An address at which something else is, or nothing.
    pub(crate) fn elsewhere(url: String) -> Self {
        Self { url, script: Arc::default(), seen: Arc::default() }
    }

    /// Adds to the script, for answers that need the server's address.
    pub(crate) fn then(&self, act: Act) {
        self.script.lock().unwrap().push_back(act);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The first lines of the requests, without query and version.
    pub(crate) fn lines(&self) -> Vec<String> {
        let path = |line: &str| line.split(['?', ' ']).take(2).collect::<Vec<_>>().join(" ");
        self.seen().iter().map(|seen| path(&seen.line)).collect()
    }

    async fn serve(&self, mut stream: TcpStream) {
        let mut buffer = Vec::new();
        while let Some(head) = read_head(&mut stream, &mut buffer).await {
            let act = self.script.lock().unwrap().pop_front();
            let act = act.unwrap_or_else(|| Act::Send(answer(599, "the script is at its end")));
            let length = content_length(&head);
            let cut = if let Act::CloseAfterBody(bytes) = act { Some(bytes) } else { None };
            let wanted = cut.map_or(length, |bytes| bytes.min(length));
            while buffer.len() < wanted {
                match stream.read_buf(&mut buffer).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
            let body = buffer.drain(..wanted).collect();
            let line = head.lines().next().unwrap_or_default().to_owned();
            let seen = Seen { line, head, body };
            let act = match act {
                Act::SendTo(token, bytes) => {
                    let is_known = seen.header("authorization") == Some(&format!("Bearer {token}"));
                    if is_known { Act::Send(bytes) } else { refuse(401, "authError") }
                }
                act => act,
            };
            self.seen.lock().unwrap().push(seen);
            match act {
                Act::Send(bytes) | Act::SendTo(_, bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Act::SendAndClose(bytes) => {
                    let _ = stream.write_all(&bytes).await;
                    let _ = stream.shutdown().await;
                    return;
                }
                Act::CloseAfterBody(_) => return,
            }
        }
    }
}

async fn read_head(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = buffer.drain(..at + 4).collect::<Vec<u8>>();
            return Some(String::from_utf8(head).unwrap());
        }
        match stream.read_buf(buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

fn content_length(head: &str) -> usize {
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lines.filter(|(key, _)| key.eq_ignore_ascii_case("content-length"));
    lengths.next().map_or(0, |(_, value)| value.trim().parse().unwrap())
}

/// An answer with a JSON body.
pub(crate) fn answer(status: u16, body: &str) -> Vec<u8> {
    with_headers(status, "Content-Type: application/json\r\n", body.as_bytes())
}

/// An answer with more headers, each ending in CRLF.
pub(crate) fn with_headers(status: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes =
        format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

pub(crate) fn ok(body: &str) -> Act {
    Act::Send(answer(200, body))
}

pub(crate) fn refuse(status: u16, reason: &str) -> Act {
    let body = format!(r#"{{"error":{{"errors":[{{"reason":"{reason}"}}],"message":"m"}}}}"#);
    Act::Send(answer(status, &body))
}

/// The connection breaks after the request was read.
pub(crate) const LOST: Act = Act::CloseAfterBody(usize::MAX);

pub(crate) fn file(id: &str, name: &str, size: usize) -> String {
    format!(
        r#"{{"id":"{id}","name":"{name}","mimeType":"text/plain","size":"{size}","parents":["P"]}}"#
    )
}

/// A clock that moves only when somebody sleeps, and remembers how long.
#[derive(Debug)]
pub(crate) struct HandClock {
    now: Mutex<DateTime<Utc>>,
    slept: Mutex<Vec<Duration>>,
}

impl HandClock {
    pub(crate) fn at(now: &str) -> Arc<Self> {
        let now = Mutex::new(now.parse().unwrap());
        Arc::new(Self { now, slept: Mutex::default() })
    }

    pub(crate) fn slept(&self) -> Vec<Duration> {
        self.slept.lock().unwrap().clone()
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock().unwrap()
    }

    async fn sleep(&self, duration: Duration) {
        *self.now.lock().unwrap() += duration;
        self.slept.lock().unwrap().push(duration);
    }
}

/// A drive on this wire, and its clock.
pub(crate) fn drive(wire: &Wire) -> (Drive, Arc<HandClock>) {
    let clock = HandClock::at("2026-11-21T10:00:00Z");
    let settings = Settings { clock: Arc::clone(&clock) as _, ..Settings::default() };
    (drive_with(wire, settings), clock)
}

pub(crate) fn drive_with(wire: &Wire, settings: Settings) -> Drive {
    let token = StaticToken::new("a-token").unwrap();
    Drive::with_settings(Endpoint::at(&wire.url).unwrap(), Arc::new(token), settings)
}

/// Gives another token after each refusal: `token-0`, `token-1`, ...
#[derive(Debug, Default)]
pub(crate) struct Counting(AtomicU32);

#[async_trait]
impl TokenSource for Counting {
    async fn token(&self) -> Result<AccessToken, Error> {
        let count = self.0.load(Ordering::SeqCst);
        Ok(AccessToken::new(format!("token-{count}"))?)
    }

    async fn refresh(&self, _: &AccessToken) -> Result<AccessToken, Error> {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.token().await
    }
}
