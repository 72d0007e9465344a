//! E-mail: over a server that wants a password, or TLS that it does not have; and over Google's.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::sinks::{HttpSink, Mood, SmtpSink};
use crate::world::{OWNER, World};

#[test]
fn a_password_is_kept_apart_and_said_to_the_server_alone() {
    let world = World::logged_in();
    let mail = SmtpSink::new(Mood::Take);
    let (port, file) = (mail.port.to_string(), world.file("pw", "PASSWORD-42\nmore\n"));
    let set = ["notify", "set", "email", "--to", "a@lab.org,b@lab.org", "--server", "localhost"];
    let set = [&set[..], &["--security", "none", "--port", &port, "--user", "olga"]].concat();
    let asked = world.owner(&set);
    assert_eq!(
        (asked.exit, &asked.json()["error"]["code"]),
        (2, &"no-password".into()),
        "nobody is there"
    );
    let with_file = [&set[..], &["--password-file", file.to_str().unwrap()]].concat();
    let path = world.owner(&with_file).done()["path"].as_str().unwrap().to_owned();
    world.owner(&set).done(); // the same user: the password stays
    assert!(!std::fs::read_to_string(&path).unwrap().contains("PASSWORD"));
    let kept = std::path::Path::new(&path).with_file_name("smtp-password");
    for file in [&kept, std::path::Path::new(&path)] {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(file).unwrap().permissions(),
        );
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
    world.owner(&["notify", "test", "email"]).done();
    let got = mail.next();
    let said = got.auth.unwrap();
    let said = STANDARD.decode(said.rsplit(' ').next().unwrap()).unwrap();
    assert_eq!(said, b"\0olga\0PASSWORD-42");
    assert_eq!(got.to.len(), 2);
    let shown = world.owner(&["notify", "show"]);
    assert!(!shown.stdout.contains("PASSWORD") && shown.done()["email"]["password"] == true);
    assert_eq!(shown.done()["notices"], serde_json::json!([]), "nothing is kept of a test");

    std::fs::remove_file(&kept).unwrap();
    let failed = world.owner(&["notify", "test"]);
    assert_eq!(failed.exit, 3, "{failed:?}");
    let hint = failed.json()["tests"][0]["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("syft notify set email"), "{hint}");
    world.owner(&with_file).done();
    world.owner(&["notify", "remove", "email"]).done();
    assert!(!kept.exists());
    world.owner(&with_file).done();
    world.owner(&["logout"]).done();
    assert!(!kept.exists(), "a password is a secret of the login");
}

#[test]
fn a_server_without_tls_gets_nothing_unless_that_was_said() {
    let world = World::logged_in();
    let mail = SmtpSink::new(Mood::Take);
    let (port, file) = (mail.port.to_string(), world.file("pw", "PASSWORD-42"));
    let set = ["notify", "set", "email", "--to", "a@lab.org", "--server", "127.0.0.1"];
    let user = ["--user", "olga", "--password-file", file.to_str().unwrap()];
    world.owner(&[&set[..], &["--port", &port], &user].concat()).done();
    let failed = world.owner(&["notify", "test"]);
    assert_eq!(failed.exit, 3, "STARTTLS is not offered: {failed:?}");
    mail.visits.recv_timeout(crate::PATIENCE).unwrap();
    assert!(mail.rest().is_empty());
    let clear = ["notify", "set", "email", "--to", "a@lab.org", "--server", "mail.lab.org"];
    let clear = [&clear[..], &["--security", "none"], &user].concat();
    let refused = world.owner(&clear);
    assert_eq!((refused.exit, &refused.json()["error"]["code"]), (2, &"bad-setting".into()));
}

/// Our server plays Google's mail: the account is signed in with a token file for its address.
#[test]
fn google_s_mail_sends_with_the_right_to_and_says_how_without() {
    let world = World::logged_in();
    let google = HttpSink::new();
    let token = |scope: &str| {
        let text = format!(
            r#"{{"token":"TOKEN-42","scopes":["https://www.googleapis.com/auth/drive"{scope}]}}"#
        );
        world.file("token.json", &text)
    };
    let path = token("");
    let folder = world.home("owner").join(format!(".syft/accounts/{OWNER}"));
    let login = format!(
        "email = \"{OWNER}\"\nrole = \"do\"\nservice = \"google\"\ntoken_path = \"{}\"\ndrive = \"{}\"\n",
        path.display(),
        google.url("/")
    );
    world.owner(&["notify", "set", "email", "--to", "a@lab.org", "--gmail"]).done();
    let failed = world.owner(&["notify", "test"]).json();
    let message = failed["tests"][0]["message"].as_str().unwrap();
    assert!(message.contains("not signed in to Google"), "{message}");

    std::fs::write(folder.join("account.toml"), login).unwrap();
    let failed = world.owner(&["notify", "test"]).json();
    let hint = failed["tests"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("gmail.send"), "{hint}");
    assert!(google.rest().is_empty(), "nothing is tried that cannot work");

    token(r#","https://www.googleapis.com/auth/gmail.send""#);
    world.owner(&["notify", "test"]).done();
    let request = google.next();
    assert!(request.head.starts_with("POST /gmail/v1/users/me/messages/send "), "{}", request.head);
    assert_eq!(request.header("Authorization").as_deref(), Some("Bearer TOKEN-42"));
    let raw = request.json()["raw"].as_str().unwrap().to_owned();
    let mail = String::from_utf8(URL_SAFE_NO_PAD.decode(raw).unwrap()).unwrap();
    assert!(mail.contains(&format!("From: {OWNER}\r\n")) && mail.contains("To: a@lab.org\r\n"));
    google.answer("403 Forbidden");
    let failed = world.owner(&["notify", "test"]);
    assert_eq!(failed.exit, 3);
    let message = failed.json()["tests"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("does not include sending mail"), "{message}");
}
