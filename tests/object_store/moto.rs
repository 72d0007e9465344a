//! An S3 server as a process of its own, on a port that it chooses itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use syft::connections::Bucket;
use syft::connections::object_store::{Address, Credentials};
use syft::model::Email;

/// A running server; it ends with the test.
pub(crate) struct Moto {
    process: Child,
    authority: String,
    buckets: AtomicU32,
}

impl Moto {
    /// Starts a server; `None`, loudly, if there is none to start.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = std::env::var_os("SYFT_MOTO").filter(|path| !path.is_empty()) else {
            let mut loud = std::io::stderr();
            writeln!(loud, "!!!!!!!!!! NOT TESTED: no S3 server; see tests/object_store/setup.sh")
                .unwrap();
            return None;
        };
        let mut process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let authority = loop {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the server ended");
            if let Some((_, url)) = line.split_once("Running on http://") {
                break url.trim().to_owned();
            }
        };
        // It writes a line for each request, and would wait for somebody to read them.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        Some(Self { process, authority, buckets: AtomicU32::new(0) })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// Makes a new bucket and returns its address.
    pub(crate) fn bucket(&self) -> String {
        let name = format!("team-{}", self.buckets.fetch_add(1, Ordering::Relaxed));
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        let host = &self.authority;
        let request = format!(
            "PUT /{name} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.lines().next().unwrap().contains("200"), "{answer}");
        format!("s3://{name}/shared/by-two")
    }

    /// A session with a bucket.
    pub(crate) fn session(&self, bucket: &str, account: Email) -> Bucket {
        let address = Address::parse(bucket, Some(&self.url()), None).unwrap();
        Bucket::open(&address, &credentials(), account).unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What the server takes, as it takes everything.
pub(crate) fn credentials() -> Credentials {
    let (key_id, secret) = ("AKIDEXAMPLE".to_owned(), "wJalrXUtnFEMI".to_owned());
    Credentials { key_id, secret, session_token: None }
}
