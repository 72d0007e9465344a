//! What a store refuses is told with its own code and what helps; nothing is kept of such a login.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::moto::{Moto, credentials};

const OWNER: &str = "olga@example.org";

/// A store that answers everything in one way, and says which requests came.
fn answering(status: &'static str, code: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(&stream, status, code);
        }
    });
    url
}

fn answer(stream: &TcpStream, status: &str, code: &str) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) <= 2 {
            break;
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    std::io::copy(&mut reader.take(length), &mut std::io::sink()).ok();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>\u{1b}[2J\
         </Message></Error>"
    );
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: \"0\"\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let mut stream = stream;
    stream.write_all(format!("{head}{body}").as_bytes()).ok();
}

/// Logs in and returns what went wrong: code, message with hint.
fn refused(home: &Path, address: &str, endpoint: &str) -> (String, String) {
    let key = credentials();
    let mut command = Command::new(env!("CARGO_BIN_EXE_syft"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("SYFT_HOME", home);
    command.env("AWS_ACCESS_KEY_ID", key.key_id).env("AWS_SECRET_ACCESS_KEY", &key.secret);
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "eu-central-1");
    command.args(["--json", "login-do", "--email", OWNER, "--s3", address]).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let all = String::from_utf8([output.stdout.clone(), output.stderr].concat()).unwrap();
    assert!(!all.contains(&key.secret) && !all.contains('\u{1b}'), "{all}");
    let folder = home.join(".syft/accounts").join(OWNER);
    for name in ["account.toml", "s3-credentials"] {
        assert!(!folder.join(name).exists(), "{name} is kept");
    }
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let error = &answer["error"];
    (error["code"].as_str().unwrap().to_owned(), error.to_string())
}

#[test]
fn each_refusal_has_its_code_and_what_helps() {
    #[rustfmt::skip]
    let cases = [
        // the store says                                   code                helps
        ("403 Forbidden", "InvalidAccessKeyId",             "signed-out",       "AWS_ACCESS_KEY_ID"),
        ("403 Forbidden", "SignatureDoesNotMatch",          "signed-out",       "AWS_SECRET_ACCESS_KEY"),
        ("400 Bad Request", "ExpiredToken",                 "signed-out",       "new access key"),
        ("403 Forbidden", "AccessDenied",                   "denied",           "put and delete"),
        ("403 Forbidden", "RequestTimeTooSkewed",           "clock-off",        "timedatectl"),
        ("404 Not Found", "NoSuchBucket",                   "no-bucket",        "s3://bucket/prefix"),
        ("301 Moved Permanently", "PermanentRedirect",      "wrong-region",     "--region"),
        ("400 Bad Request", "AuthorizationHeaderMalformed", "wrong-region",     "--region"),
        ("501 Not Implemented", "NotImplemented",           "store-unsuitable", "Update it"),
        // What only says yes keeps to no condition.
        ("200 OK", "Whatever",                              "store-unsuitable", "Update it"),
    ];
    for (status, said, code, helps) in cases {
        let home = tempfile::tempdir().unwrap();
        let url = answering(status, said);
        let (found, text) = refused(home.path(), "s3://team/a", &url);
        assert_eq!(found, code, "{said}: {text}");
        assert!(text.contains(helps), "{said}: {text}");
    }
}

#[test]
fn a_store_that_is_not_there_is_unavailable() {
    let home = tempfile::tempdir().unwrap();
    // The port was free a moment ago, and a store that is not there is one that does not listen.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (code, _) = refused(home.path(), "s3://team", &url);
    assert_eq!(code, "unavailable");
}

#[test]
fn a_bucket_that_is_not_there_is_told_by_a_real_server() {
    let Some(moto) = Moto::start() else { return };
    let home = tempfile::tempdir().unwrap();
    let (code, text) = refused(home.path(), "s3://nobody-made-it", &moto.url());
    assert_eq!(code, "no-bucket", "{text}");
}
