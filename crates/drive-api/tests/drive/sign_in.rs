//! Signing in, with the scripted server as token endpoint and the test as the browser.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use drive_api::auth::{
    Credentials, Keeper as _, Misread, SCOPE, SavedToken, SignIn, SignInError, TokenDocument,
    TokenFile, TokenSource, Unkept, Way, sign_in,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use url::Url;

use crate::wire::{Act, HandClock, Wire, answer, ok};

struct Desk {
    folder: tempfile::TempDir,
    wire: Wire,
}

impl Desk {
    async fn with(script: impl IntoIterator<Item = Act>) -> Self {
        let desk = Self { folder: tempfile::tempdir().unwrap(), wire: Wire::play(script).await };
        let credentials = json!({"installed": {
            "client_id": "id", "client_secret": "SECRET", "redirect_uris": ["http://localhost"],
            "auth_uri": format!("{}/auth?x=1", desk.wire.url),
            "token_uri": format!("{}/token", desk.wire.url),
        }});
        std::fs::write(desk.credentials(), credentials.to_string()).unwrap();
        desk
    }

    fn credentials(&self) -> PathBuf {
        self.folder.path().join("credentials.json")
    }

    fn token(&self) -> PathBuf {
        self.folder.path().join("token.json")
    }

    fn options(&self, way: Way) -> SignIn {
        let clock = HandClock::at("2026-11-21T10:00:00.5Z");
        SignIn { clock, email: Some("a@x".to_owned()), ..SignIn::new(way) }
    }

    /// Signs in while `browser` gets the address of the page.
    async fn sign_in<F: Future<Output = ()>>(
        &self,
        browser: impl FnOnce(Url) -> F,
    ) -> Result<TokenDocument, SignInError> {
        let (show, shown) = oneshot::channel();
        let way = Way::browser(|url| show.send(url.clone()).unwrap());
        let credentials = Credentials::read(&self.credentials())?;
        let signing = sign_in(&credentials, self.options(way));
        let (token, ()) = tokio::join!(signing, async { browser(shown.await.unwrap()).await });
        token
    }

    /// Signs in with a person who pastes once, and is gone then.
    async fn paste(
        &self,
        pasted: impl FnOnce(&Url) -> String + Send + 'static,
    ) -> Result<TokenDocument, SignInError> {
        let mut pasted = Some(pasted);
        let mut first = move |url: &Url| pasted.take().map(|pasted| pasted(url));
        self.pastes(move |url, _| first(url)).await
    }

    /// Signs in with a person who pastes each time they are asked, knowing what was wrong before.
    async fn pastes(
        &self,
        mut pasted: impl FnMut(&Url, Option<&SignInError>) -> Option<String> + Send + 'static,
    ) -> Result<TokenDocument, SignInError> {
        let (show, shown) = std::sync::mpsc::channel();
        let mut page = None;
        let ask = move |problem: Option<&SignInError>| {
            let url = page.get_or_insert_with(|| shown.recv().unwrap());
            let line = pasted(url, problem);
            let later: drive_api::auth::Pasted =
                Box::pin(async move { line.ok_or(io::ErrorKind::UnexpectedEof.into()) });
            later
        };
        let show = Box::new(move |url: &Url| show.send(url.clone()).unwrap());
        let way = Way { show, listen: false, ask: Some(Box::new(ask)) };
        sign_in(&Credentials::read(&self.credentials())?, self.options(way)).await
    }
}

fn pairs(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// The address to which the page sends the browser.
fn back(page: &Url, answer: &str) -> Url {
    let pairs = pairs(page);
    let state = pairs["state"].clone();
    Url::parse(&format!("{}?{}", pairs["redirect_uri"], answer.replace("STATE", &state))).unwrap()
}

async fn visit(url: &Url) -> String {
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    let target = &url[url::Position::BeforePath..];
    let request = format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn granted() -> Act {
    ok(&json!({"access_token": "ya29.A", "expires_in": 3599, "refresh_token": "1//R",
        "scope": format!("openid {SCOPE}"), "token_type": "Bearer"})
    .to_string())
}

#[tokio::test]
async fn signing_in_writes_a_token_file_as_python_does() {
    let desk = Desk::with([granted()]).await;
    let mut page = None;
    let token = desk
        .sign_in(async |url| {
            let text = visit(&back(&url, "state=STATE&code=4/C+D")).await;
            assert!(
                text.starts_with("HTTP/1.1 200") && text.contains("You are signed in"),
                "{text}"
            );
            page = Some(url);
        })
        .await
        .unwrap();
    let file = std::sync::Arc::new(TokenFile::at(desk.token()));
    file.write(&token).await.unwrap();
    let clock = HandClock::at("2026-11-21T10:00:00.5Z");
    let kept = SavedToken::with_clock(file, clock);
    assert_eq!(kept.token().await.unwrap().secret(), "ya29.A");

    let asked = pairs(&page.unwrap());
    for (key, value) in [
        ("x", "1"),
        ("response_type", "code"),
        ("client_id", "id"),
        ("scope", SCOPE),
        ("access_type", "offline"),
        ("prompt", "consent"),
        ("code_challenge_method", "S256"),
        ("login_hint", "a@x"),
    ] {
        assert_eq!(asked[key], value, "{key}");
    }
    let sent: BTreeMap<_, _> =
        url::form_urlencoded::parse(&desk.wire.seen()[0].body).into_owned().collect();
    assert_eq!((sent["code"].as_str(), sent["client_secret"].as_str()), ("4/C D", "SECRET"));
    assert_eq!(sent["redirect_uri"], asked["redirect_uri"]);
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&sent["code_verifier"]));
    assert_eq!(challenge, asked["code_challenge"]);

    let text = std::fs::read_to_string(desk.token()).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        written,
        json!({
            "token": "ya29.A", "refresh_token": "1//R", "token_uri": format!("{}/token", desk.wire.url),
            "client_id": "id", "client_secret": "SECRET", "scopes": [SCOPE],
            "universe_domain": "googleapis.com", "account": "", "expiry": "2026-11-21T10:59:59.500000Z",
        })
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(desk.token()).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn requests_that_are_not_ours_do_not_end_the_sign_in() {
    let desk = Desk::with([granted()]).await;
    let token = desk
        .sign_in(async |url| {
            let silent = back(&url, "").port().unwrap();
            let _silent = TcpStream::connect(("127.0.0.1", silent)).await.unwrap();
            for answer in ["state=forged&code=EVIL", "code=EVIL", "state=STATE", "error=x", ""] {
                let text = visit(&back(&url, answer)).await;
                assert!(text.starts_with("HTTP/1.1 404"), "{answer}: {text}");
            }
            let icon = back(&url, "").join("/favicon.ico?state=x&code=y").unwrap();
            assert!(visit(&icon).await.starts_with("HTTP/1.1 404"));
            visit(&back(&url, "state=STATE&code=good")).await;
        })
        .await;
    assert!(token.is_ok(), "{token:?}");
    assert_eq!(desk.wire.seen().len(), 1);
}

#[tokio::test]
async fn a_no_from_the_person_is_told_on_both_sides() {
    let desk = Desk::with([]).await;
    let error = desk
        .sign_in(async |url| {
            let text = visit(&back(&url, "state=STATE&error=access_denied")).await;
            assert!(text.contains("access was not granted"), "{text}");
        })
        .await
        .unwrap_err();
    assert!(matches!(error, SignInError::AccessDenied), "{error:?}");
}

#[tokio::test]
async fn what_a_server_says_is_not_html() {
    let evil = Act::Send(answer(400, r#"{"error":"<script>alert(1)</script>"}"#));
    let desk = Desk::with([evil]).await;
    let error = desk
        .sign_in(async |url| {
            let text = visit(&back(&url, "state=STATE&code=c")).await;
            assert!(text.contains("&lt;script&gt;") && !text.contains("<script>"), "{text}");
        })
        .await
        .unwrap_err();
    assert!(matches!(error, SignInError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_pasted_address_signs_in_too() {
    let desk = Desk::with([granted()]).await;
    let token = desk.paste(|url| format!("  {} \n", back(url, "state=STATE&code=c"))).await;
    assert!(token.is_ok(), "{token:?}");
    let refused = |url: &Url| back(url, "state=STATE&error=admin_policy_enforced").into();
    let error = desk.paste(refused).await.unwrap_err();
    assert!(matches!(error, SignInError::Policy { .. }), "{error:?}");
    let error = desk.paste(|_| String::new()).await.unwrap_err();
    assert!(matches!(error, SignInError::Misread(Misread::Nothing)), "{error:?}");
}

#[tokio::test]
async fn who_pastes_something_else_is_told_what_it_was_and_asked_again() {
    let desk = Desk::with([granted()]).await;
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&told);
    let token = desk
        .pastes(move |url, problem| {
            let mut noted = noted.lock().unwrap();
            noted.push(problem.map(|problem| format!("{problem:?}")));
            Some(match noted.len() {
                1 => "4/just-the-code".to_owned(),
                2 => url.to_string(),
                3 => back(url, "state=forged&code=c").into(),
                4 => back(url, "state=STATE").into(),
                5 => " ".to_owned(),
                _ => back(url, "state=STATE&code=c").into(),
            })
        })
        .await;
    assert!(token.is_ok(), "{token:?}");
    let told: Vec<_> = told.lock().unwrap().iter().flatten().cloned().collect();
    assert_eq!(
        told,
        [
            "Misread(CodeAlone)",
            "Misread(SignInPage)",
            "Misread(OtherSignIn)",
            "Misread(NoCode)",
            "Misread(Nothing)",
        ]
    );
    assert_eq!(desk.wire.seen().len(), 1, "no wrong paste is sent anywhere");
}

#[tokio::test]
async fn a_browser_here_and_a_person_who_pastes_may_both_be_waited_for() {
    let desk = Desk::with([granted()]).await;
    let credentials = Credentials::read(&desk.credentials()).unwrap();
    let (show, shown) = oneshot::channel();
    let mut way = Way::browser(|url| show.send(url.clone()).unwrap());
    way.ask = Some(Box::new(|_| Box::pin(std::future::pending())));
    let signing = sign_in(&credentials, desk.options(way));
    let browser = async {
        visit(&back(&shown.await.unwrap(), "state=STATE&code=c")).await;
    };
    let (token, ()) = tokio::join!(signing, browser);
    assert!(token.is_ok(), "{token:?}");
}

#[tokio::test]
async fn who_connects_and_says_nothing_keeps_no_browser_out() {
    let desk = Desk::with([granted()]).await;
    let token = desk
        .sign_in(async |url| {
            let back = back(&url, "state=STATE&code=c");
            let address = format!("127.0.0.1:{}", back.port().unwrap());
            let mut silent = Vec::new();
            for _ in 0..100 {
                silent.push(TcpStream::connect(&address).await.unwrap());
            }
            assert!(visit(&back).await.contains("You are signed in"));
        })
        .await;
    assert!(token.is_ok(), "{token:?}");
}

#[tokio::test]
async fn the_end_of_a_sign_in_is_known_from_its_first_day() {
    let granted = json!({"access_token": "a", "expires_in": 3599, "refresh_token": "1//R",
        "scope": SCOPE, "refresh_token_expires_in": 604_799});
    let desk = Desk::with([ok(&granted.to_string())]).await;
    let token = desk.paste(|url| back(url, "state=STATE&code=c").into()).await.unwrap();
    assert_eq!(token.ends().unwrap().to_rfc3339(), "2026-11-28T09:59:59.500+00:00");

    // A week later it is not just refused: it ended.
    desk.wire.then(Act::Send(answer(
        400,
        r#"{"error":"invalid_grant",
        "error_description":"Token has been expired or revoked."}"#,
    )));
    let clock = HandClock::at("2026-11-28T10:00:00Z");
    let kept = SavedToken::with_clock(std::sync::Arc::new(Unkept(token)), clock);
    let error = kept.token().await.unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(source, "the sign-in ended on 28 November 2026, as it was given for a time only");
}

#[tokio::test]
async fn each_refusal_of_the_code_has_its_own_error() {
    let refused = |body: &str| Act::Send(answer(400, body));
    #[rustfmt::skip]
    let cases = [
        (refused(r#"{"error":"invalid_grant"}"#),                                    "Revoked"),
        (refused(r#"{"error":"invalid_client","error_description":"no such"}"#),     "BadClient"),
        (refused(r#"{"error":"x","error_subtype":"admin_policy_enforced"}"#),        "Policy"),
        (ok(r#"{"access_token":"a","scope":"openid email"}"#),                       "ScopeMissing"),
        (Act::Send(answer(500, "")),                                                 "Unavailable"),
    ];
    for (act, expected) in cases {
        let desk = Desk::with([act]).await;
        let error = desk.paste(|url| back(url, "state=STATE&code=c").into()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{expected}: {error:?}");
        assert_eq!(desk.wire.seen().len(), 1, "a code is good for one try");
    }
}

#[tokio::test]
async fn nobody_comes() {
    let desk = Desk::with([]).await;
    let options = SignIn { time_limit: Duration::ZERO, ..desk.options(Way::browser(|_| {})) };
    let credentials = Credentials::read(&desk.credentials()).unwrap();
    let error = sign_in(&credentials, options).await.unwrap_err();
    assert!(matches!(error, SignInError::TimedOut { .. }), "{error:?}");
}

#[tokio::test]
async fn what_is_no_credentials_file_is_refused_without_quoting_it() {
    let desk = Desk::with([]).await;
    for text in [
        r#"{"installed":{"client_secret":"SECRET"}}"#,
        r#"{"installed":{"client_id":"id","auth_uri":"file:///SECRET"}}"#,
        r#"{"token":"SECRET"}"#,
        r#"{"type":"service_account","private_key":"SECRET"}"#,
        r#"{"web":{"client_id":"id","client_secret":"SECRET","redirect_uris":["https://x/y"]}}"#,
        "SECRET",
    ] {
        std::fs::write(desk.credentials(), text).unwrap();
        let error = desk.paste(|_| String::new()).await.unwrap_err();
        assert!(matches!(error, SignInError::Malformed { .. }), "{text}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("SECRET"), "{error:?}");
    }
}
