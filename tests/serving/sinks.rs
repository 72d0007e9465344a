//! A mail server and a web server of the test: they take what comes, or behave as they are told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::PATIENCE;

/// How a mail server behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// It takes mail.
    Take,
    /// It takes mail and never says so.
    TakeAndHang,
    /// It says nothing at all.
    Hang,
    /// It turns mail down for now.
    Later,
}

/// A mail as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mail {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    /// What was said to sign in.
    pub(crate) auth: Option<String>,
    pub(crate) text: String,
}

impl Mail {
    pub(crate) fn header(&self, name: &str) -> String {
        let (headers, _) = self.text.split_once("\r\n\r\n").unwrap();
        let line = headers.split("\r\n").find(|line| line.starts_with(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name} in {headers}")).to_owned()
    }
}

/// A mail server.
pub(crate) struct SmtpSink {
    pub(crate) port: u16,
    mails: Receiver<Mail>,
    mood: Arc<Mutex<Mood>>,
    /// One for each connection.
    pub(crate) visits: Receiver<()>,
}

impl SmtpSink {
    pub(crate) fn new(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, mails) = channel();
        let (visitor, visits) = channel();
        let mood = Arc::new(Mutex::new(mood));
        let shared = Arc::clone(&mood);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (sender, shared) = (sender.clone(), Arc::clone(&shared));
                visitor.send(()).ok();
                std::thread::spawn(move || {
                    converse(&stream, &shared, &sender).ok();
                });
            }
        });
        Self { port, mails, mood, visits }
    }

    pub(crate) fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Waits for the next mail.
    pub(crate) fn next(&self) -> Mail {
        self.mails.recv_timeout(PATIENCE).expect("no mail came")
    }

    /// What came and was not looked at.
    pub(crate) fn rest(&self) -> Vec<Mail> {
        self.mails.try_iter().collect()
    }
}

fn converse(stream: &TcpStream, mood: &Mutex<Mood>, mails: &Sender<Mail>) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut lines = BufReader::new(stream);
    let now = || *mood.lock().unwrap();
    if now() == Mood::Hang {
        lines.read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    out.write_all(b"220 sink ESMTP\r\n")?;
    let mut mail = Mail::default();
    let mut line = String::new();
    while {
        line.clear();
        lines.read_line(&mut line)?
    } > 0
    {
        let said = line.trim_end().to_owned();
        let verb = said.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        match verb.as_str() {
            "EHLO" => out.write_all(b"250-sink\r\n250-8BITMIME\r\n250 AUTH PLAIN\r\n")?,
            "AUTH" => {
                mail.auth = Some(said);
                out.write_all(b"235 ok\r\n")?;
            }
            "MAIL" => {
                mail.from = said;
                out.write_all(b"250 ok\r\n")?;
            }
            "RCPT" => {
                mail.to.push(said);
                out.write_all(b"250 ok\r\n")?;
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let mut text = String::new();
                while !text.ends_with("\r\n.\r\n") && lines.read_line(&mut text)? > 0 {}
                mail.text = text;
                let mood = now();
                if mood == Mood::Later {
                    out.write_all(b"451 later\r\n")?;
                    continue;
                }
                mails.send(std::mem::take(&mut mail)).ok();
                if mood == Mood::TakeAndHang {
                    lines.read_to_end(&mut Vec::new())?;
                    return Ok(());
                }
                out.write_all(b"250 taken\r\n")?;
            }
            "QUIT" => {
                out.write_all(b"221 bye\r\n")?;
                return Ok(());
            }
            _ => out.write_all(b"250 ok\r\n")?,
        }
    }
    Ok(())
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(known, _)| known.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.to_owned())
    }
}

/// A web server.
pub(crate) struct HttpSink {
    port: u16,
    requests: Receiver<Request>,
    answer: Arc<Mutex<String>>,
}

impl HttpSink {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = channel();
        let answer = Arc::new(Mutex::new("204 No Content".to_owned()));
        let shared = Arc::clone(&answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = shared.lock().unwrap().clone();
                receive(&stream, &answer, &sender).ok();
            }
        });
        Self { port, requests, answer }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// From now on it answers with this status, and with these headers behind it.
    pub(crate) fn answer(&self, status_and_headers: &str) {
        *self.answer.lock().unwrap() = status_and_headers.to_owned();
    }

    /// Waits for the next request.
    pub(crate) fn next(&self) -> Request {
        self.requests.recv_timeout(PATIENCE).expect("no request came")
    }

    /// What came and was not looked at.
    pub(crate) fn rest(&self) -> Vec<Request> {
        self.requests.try_iter().collect()
    }
}

fn receive(stream: &TcpStream, answer: &str, requests: &Sender<Request>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && lines.read_line(&mut head)? > 0 {}
    let mut request = Request { head, body: String::new() };
    let length = request.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    lines.read_exact(&mut body)?;
    request.body = String::from_utf8(body).unwrap();
    requests.send(request).ok();
    let mut out = stream.try_clone()?;
    write!(out, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
