//! A sign-in lasts: tokens are renewed unasked, in the program's own file and in a Python client's.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::browser::{get, post};
use super::world::{ME, PROGRAM_SECRET, World};

async fn revoke(world: &World, token: &Value) {
    let url = Url::parse(&format!("{}/revoke", world.server.url())).unwrap();
    let answer = post(&url, &[("token", token.as_str().unwrap())]).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn an_access_token_that_is_about_to_end_is_renewed_by_itself() {
    let world = World::with_life(Duration::from_secs(60)).await;
    world.logged_in().await;
    let before = world.token();
    assert_eq!(world.run(&["sync"]).await.code, 0);
    let after = world.token();
    assert_ne!(before["token"], after["token"]);
    assert_eq!(before["refresh_token"], after["refresh_token"]);
    let mode = std::fs::metadata(world.kept("token.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn an_access_token_that_the_server_no_longer_takes_is_renewed_by_itself() {
    let world = World::new().await;
    world.logged_in().await;
    let before = world.token();
    assert_eq!(world.run(&["sync"]).await.code, 0);
    assert_eq!(world.token(), before, "a good token stays");
    // As if the server had forgotten it before its time. (Revoking it would end the sign-in.)
    let mut forgotten = before.clone();
    forgotten["token"] = json!("forgotten-by-the-server");
    std::fs::write(world.kept("token.json"), forgotten.to_string()).unwrap();
    let synced = world.run(&["sync"]).await;
    assert_eq!(synced.code, 0, "{synced:?}");
    assert_ne!(world.token()["token"], forgotten["token"]);
}

#[tokio::test]
async fn who_withdrew_the_sign_in_is_told_to_sign_in_again() {
    let world = World::new().await;
    world.logged_in().await;
    revoke(&world, &world.token()["refresh_token"]).await;
    let synced = world.run(&["sync"]).await;
    synced.failed_with("signed-out", "");
    let hint = synced.answer["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("login-d"), "{hint}");
    // Signing in again is all it takes.
    world.logged_in().await;
    assert_eq!(world.run(&["sync"]).await.code, 0);
}

/// Gets tokens as another program would, and writes them as google-auth does.
async fn python_token(world: &World, expiry: &str) -> Value {
    token_of(world, 0, expiry).await
}

/// The same for one of the two accounts.
async fn token_of(world: &World, whose: usize, expiry: &str) -> Value {
    let mut ask = Url::parse(&format!("{}/o/oauth2/auth", world.server.url())).unwrap();
    let back = "http://127.0.0.1:9/";
    ask.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", "syft"),
        ("redirect_uri", back),
        ("state", "s"),
    ]);
    let (email, secret) = &world.secrets[whose];
    let typed = [("email", *email), ("secret", secret.as_str())];
    let target = get(&ask).await.submit(&ask, &typed, "allow").await.target();
    let code = target.query_pairs().find(|(key, _)| key == "code").unwrap().1.into_owned();
    let exchanged = post(
        &Url::parse(&world.token_uri()).unwrap(),
        &[
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("client_id", "syft"),
            ("redirect_uri", back),
        ],
    )
    .await;
    let (_, body) = exchanged.text.split_once("\r\n\r\n").unwrap();
    let granted: Value = serde_json::from_str(body).unwrap();
    json!({
        "token": "ya29.long-ago", "refresh_token": granted["refresh_token"],
        "token_uri": world.token_uri(), "client_id": "syft", "client_secret": PROGRAM_SECRET,
        "scopes": ["https://www.googleapis.com/auth/drive"],
        "universe_domain": "googleapis.com", "account": "", "expiry": expiry,
        "rapt_token": "kept",
    })
}

#[tokio::test]
async fn a_token_file_of_the_python_client_works_and_is_kept_fresh_where_it_is() {
    for expiry in ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00Z"] {
        let world = World::new().await;
        let old = python_token(&world, expiry).await;
        let path = world.path("token.json");
        std::fs::write(&path, old.to_string()).unwrap();
        let (url, file) = (world.server.url().to_owned(), path.to_str().unwrap());
        let ended = world.run(&["login-do", "--drive", &url, "--token-path", file]).await;
        assert_eq!(ended.code, 0, "{expiry}: {ended:?}");
        assert!(!world.kept("token.json").exists(), "there is one copy of the secret");
        let new: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_ne!(new["token"], old["token"]);
        for key in ["refresh_token", "token_uri", "client_secret", "rapt_token", "scopes"] {
            assert_eq!(new[key], old[key], "{key}");
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(world.run(&["sync"]).await.code, 0);
        // The file is its owner's: logging out forgets where it is, no more.
        assert_eq!(world.run(&["logout"]).await.code, 0);
        assert!(path.exists() && !world.kept("account.toml").exists());
    }
}

/// As `syft serve` does, for which the file is the only news of a sign-in elsewhere.
#[tokio::test]
async fn a_named_file_that_becomes_somebody_elses_is_not_used_by_who_is_running() {
    let world = World::with_life(Duration::from_secs(60)).await; // so that each call renews
    let path = world.path("token.json");
    let put = |token: &Value| std::fs::write(&path, token.to_string()).unwrap();
    put(&python_token(&world, "2020-01-01T00:00:00Z").await);
    let here = syft::client::Configuration::at(&world.path("home"));
    let sign_in = syft::client::SignIn::TokenFile {
        path: path.clone(),
        drive: Some(world.server.url().to_owned()),
    };
    let me = syft::model::Email::parse(ME).unwrap();
    let client = syft::client::Client::login_do(&here, &me, sign_in).await.unwrap();
    let sync = async || client.sync(&syft::syncers::SyncOptions::default()).await;
    sync().await.unwrap();
    let others = token_of(&world, 1, "2020-01-01T00:00:00Z").await;
    put(&others);
    sync().await.unwrap();
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept, others, "it goes on with its own sign-in, and leaves theirs alone");
    let error = syft::client::Client::open(&here, None).await.unwrap_err();
    assert_eq!(error.code(), "wrong-account");
    // Another sign-in of the same account is taken up by itself.
    let own = python_token(&world, "2020-01-01T00:00:00Z").await;
    put(&own);
    sync().await.unwrap();
    let kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(kept["refresh_token"], own["refresh_token"]);
    assert_ne!(kept["token"], own["token"]);
}
