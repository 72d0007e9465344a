//! The way to a mail server: a password goes only to who is vouched for, under that very name.
//!
//! The authority is made by `openssl` for this test; the server speaks TLS in earnest.

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::PATIENCE;
use crate::world::{Ended, World};

/// What a server heard on one connection, and the error that ended it early.
type Heard = (Vec<String>, Option<String>);

fn openssl(folder: &Path, line: &str) {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An authority, and a certificate of it for the name `localhost`.
fn certify(folder: &Path) {
    let new = "req -x509 -newkey rsa:2048 -nodes -days 2";
    openssl(folder, &format!("{new} -keyout ca.key -out ca.pem -subj /CN=authority"));
    let server = "-keyout server.key -out server.pem -subj /CN=server";
    let about = "-addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE";
    openssl(folder, &format!("{new} {server} {about} -CA ca.pem -CAkey ca.key"));
}

struct Server {
    port: u16,
    heard: Receiver<Heard>,
}

impl Server {
    fn start(folder: &Path, starts_in_clear: bool) -> Self {
        let pem = std::fs::read(folder.join("server.pem")).unwrap();
        let chain = CertificateDer::pem_slice_iter(&pem).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_file(folder.join("server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, heard) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serve(stream, starts_in_clear, &config, &sender);
            }
        });
        Self { port, heard }
    }
}

fn serve(stream: TcpStream, starts_in_clear: bool, config: &Arc<ServerConfig>, to: &Sender<Heard>) {
    let mut heard = Vec::new();
    let mut ended = || {
        if starts_in_clear {
            converse(stream.try_clone()?, &mut heard, true, true)?;
        }
        let session = ServerConnection::new(Arc::clone(config)).map_err(std::io::Error::other)?;
        converse(
            StreamOwned::new(session, stream.try_clone()?),
            &mut heard,
            !starts_in_clear,
            false,
        )
    };
    let ended: std::io::Result<()> = ended();
    to.send((heard, ended.err().map(|error| error.to_string()))).ok();
}

/// Takes one mail, or what comes before TLS.
fn converse(
    stream: impl Read + Write,
    heard: &mut Vec<String>,
    greets: bool,
    until_tls: bool,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.get_mut().write_all(b"220 server ESMTP\r\n")?;
    }
    let (mut line, mut in_mail) = (String::new(), false);
    while {
        line.clear();
        stream.read_line(&mut line)?
    } > 0
    {
        let said = line.trim_end().to_owned();
        heard.push(said.clone());
        let answer = match said.split([' ', ':']).next().unwrap_or_default() {
            _ if in_mail && said != "." => continue,
            "." => "250 taken",
            "EHLO" if until_tls => "250-server\r\n250 STARTTLS",
            "EHLO" => "250-server\r\n250 AUTH PLAIN",
            "STARTTLS" => "220 go on",
            "AUTH" => "235 ok",
            "DATA" => "354 go on",
            "QUIT" => "221 bye",
            _ => "250 ok",
        };
        in_mail = answer.starts_with("354");
        stream.get_mut().write_all(format!("{answer}\r\n").as_bytes())?;
        stream.get_mut().flush()?;
        if said == "QUIT" || said == "STARTTLS" {
            return Ok(());
        }
    }
    Ok(())
}

/// Sends a mail to try it.
fn try_it(world: &World, security: &str, server: &Server, name: &str, ca: Option<&str>) -> Ended {
    let (port, password) = (server.port.to_string(), world.file("pw", "PASSWORD-42"));
    let set = ["notify", "set", "email", "--to", "a@lab.org", "--server", name, "--port", &port];
    let user = ["--security", security, "--user", "olga", "--password-file"];
    let ca = ca.map(|path| ["--ca", path]);
    let ca = ca.as_ref().map_or(&[][..], |ca| &ca[..]);
    world.owner(&[&set[..], &user, &[password.to_str().unwrap()], ca].concat()).done();
    world.owner(&["notify", "test", "email"])
}

#[test]
fn a_password_goes_only_to_a_server_that_is_vouched_for_under_its_name() {
    let world = World::logged_in();
    let folder = world.folder.path();
    certify(folder);
    let ca = folder.join("ca.pem");
    let ca = ca.to_str().unwrap();
    for (security, starts_in_clear) in [("tls", false), ("starttls", true)] {
        let server = Server::start(folder, starts_in_clear);
        let heard = || server.heard.recv_timeout(PATIENCE).unwrap();
        #[rustfmt::skip]
        let refused = [
            ("an authority that nobody knows", "localhost", None,     "UnknownIssuer"),
            ("another name",                   "127.0.0.1", Some(ca), "not valid for name"),
        ];
        for (what, name, ca, why) in refused {
            let failed = try_it(&world, security, &server, name, ca);
            assert_eq!(failed.exit, 3, "{security}, {what}: {failed:?}");
            let message = failed.json()["tests"][0]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(why), "{security}, {what}: {message}");
            let (said, broken) = heard();
            assert!(broken.is_some(), "{security}, {what}: {said:?}");
            assert!(
                !said.iter().any(|line| line.starts_with("AUTH")),
                "{security}, {what}: {said:?}"
            );
            assert!(
                !said.iter().any(|line| line.starts_with("MAIL")),
                "{security}, {what}: {said:?}"
            );
        }
        let sent = try_it(&world, security, &server, "localhost", Some(ca));
        assert_eq!(sent.exit, 0, "{security}: {sent:?}");
        let (said, _) = heard();
        let at = |word: &str| said.iter().position(|line| line.starts_with(word));
        assert!(at("AUTH PLAIN").is_some() && at("DATA").is_some(), "{security}: {said:?}");
        assert_eq!(at("STARTTLS").is_some(), starts_in_clear, "{said:?}");
        assert!(at("STARTTLS") < at("AUTH"), "{said:?}");
    }
}

#[test]
fn what_is_no_certificate_vouches_for_nobody() {
    let world = World::logged_in();
    certify(world.folder.path());
    let server = Server::start(world.folder.path(), false);
    let empty = world.file("empty.pem", "nothing\n");
    let failed = try_it(&world, "tls", &server, "localhost", empty.to_str());
    let message = failed.json()["tests"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("are none in PEM"), "{message}");
    let nowhere = try_it(&world, "tls", &server, "localhost", Some("/nonexistent/ca.pem"));
    assert!(nowhere.json()["tests"][0]["message"].as_str().unwrap().contains("cannot be read"));
}
