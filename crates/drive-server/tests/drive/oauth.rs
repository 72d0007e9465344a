//! Sign-in: the page, the code, the tokens.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::world::{Api, World, query};

const FORM: [(&str, &str); 1] = [("content-type", "application/x-www-form-urlencoded")];
const BACK: &str = "http://127.0.0.1:9/callback";
const VERIFIER: &str = "a-verifier-of-at-least-forty-three-characters-in-length";

fn ask<'a>(challenge: &'a str, extra: &[(&'a str, &'a str)]) -> String {
    let mut pairs = vec![
        ("client_id", "syft"),
        ("redirect_uri", BACK),
        ("response_type", "code"),
        ("scope", "https://www.googleapis.com/auth/drive"),
        ("state", "s t&te"),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        ("access_type", "offline"),
    ];
    pairs.extend_from_slice(extra);
    query(&pairs)
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// Consents in an account's name; returns the parameters that come back to the program.
async fn consent(world: &World, email: &str, secret: &str) -> Result<Vec<(String, String)>, u16> {
    let form = ask(&challenge(), &[("email", email), ("secret", secret), ("choice", "allow")]);
    let answer = world.nobody().send("POST", "/o/oauth2/v2/auth", &FORM, form).await;
    if answer.status.as_u16() != 303 {
        return Err(answer.status.as_u16());
    }
    let url = Url::parse(answer.header("location")).unwrap();
    assert!(url.as_str().starts_with(BACK));
    Ok(url.query_pairs().into_owned().collect())
}

async fn code(world: &World) -> String {
    let secret = world.ann.token.clone().unwrap();
    let back = consent(world, "ann@example.org", &secret).await.unwrap();
    assert_eq!(back[1], ("state".to_owned(), "s t&te".to_owned()));
    assert_eq!(back[0].0, "code");
    back[0].1.clone()
}

async fn token(world: &World, pairs: &[(&str, &str)]) -> (u16, Value) {
    let answer = world.nobody().send("POST", "/token", &FORM, query(pairs)).await;
    (answer.status.as_u16(), answer.json())
}

async fn exchange(world: &World, code: &str, verifier: &str, back: &str) -> (u16, Value) {
    let pairs = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("client_id", "syft"),
        ("client_secret", "not one"),
        ("redirect_uri", back),
        ("code_verifier", verifier),
    ];
    token(world, &pairs).await
}

fn bearer(world: &World, token: &Value) -> Api {
    Api::new(world.server.url(), token["access_token"].as_str())
}

#[tokio::test]
async fn the_page_asks_for_the_accounts_secret() {
    let world = World::new().await;
    let challenge = challenge();
    let asked = ask(&challenge, &[("login_hint", "ann@example.org")]);
    let page = world.nobody().get(&format!("/o/oauth2/auth?{asked}")).await;
    assert_eq!(page.status.as_u16(), 200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    for part in ["value=\"ann@example.org\"", "s t&amp;te", &challenge, "type=\"password\""] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("bob@"), "strangers do not learn who has an account");
    let bobs = world.bob.token.clone().unwrap();
    for (email, secret) in [
        ("ann@example.org", "wrong"),
        ("ann@example.org", ""),
        ("ann@example.org", bobs.as_str()),
        ("nobody@example.org", "x"),
        ("", ""),
    ] {
        assert_eq!(consent(&world, email, secret).await, Err(403), "{email}");
    }
    let deny = ask(&challenge, &[("choice", "deny")]);
    let answer = world.nobody().send("POST", "/o/oauth2/auth", &FORM, deny).await;
    assert!(answer.header("location").contains("error=access_denied"));
    for (what, bad) in [
        ("elsewhere", asked.replace("127.0.0.1", "evil.example")),
        ("plain", asked.replace("S256", "plain")),
        ("no client", asked.replace("client_id", "x")),
        ("token", asked.replace("=code", "=token")),
    ] {
        let answer = world.nobody().get(&format!("/o/oauth2/auth?{bad}")).await;
        assert_eq!(answer.status.as_u16(), 400, "{what}");
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_only_for_who_asked() {
    let world = World::new().await;
    let denied = (400, json!("invalid_grant"));
    let refused = |(status, body): (u16, Value)| (status, body["error"].clone());
    let first = code(&world).await;
    let (status, tokens) = exchange(&world, &first, VERIFIER, BACK).await;
    assert_eq!((status, &tokens["expires_in"]), (200, &json!(3600)), "{tokens}");
    let about = bearer(&world, &tokens).get("/drive/v3/about?fields=user").await.ok();
    assert_eq!(about["user"]["emailAddress"], "ann@example.org");
    assert_eq!(refused(exchange(&world, &first, VERIFIER, BACK).await), denied, "again");
    let second = code(&world).await;
    assert_eq!(refused(exchange(&world, &second, "guessed", BACK).await), denied);
    assert_eq!(refused(exchange(&world, &second, VERIFIER, BACK).await), denied, "spoilt");
    let third = code(&world).await;
    assert_eq!(refused(exchange(&world, &third, VERIFIER, "http://127.0.0.1:8/").await), denied);
    assert_eq!(refused(exchange(&world, "made-up", VERIFIER, BACK).await), denied);
    let (status, body) = token(&world, &[("grant_type", "password")]).await;
    assert_eq!((status, body["error"].as_str()), (400, Some("unsupported_grant_type")));
}

#[tokio::test]
async fn a_refresh_token_gives_access_until_it_is_revoked() {
    let world = World::new().await;
    let (_, first) = exchange(&world, &code(&world).await, VERIFIER, BACK).await;
    let refresh = first["refresh_token"].as_str().unwrap();
    let again = async |client: &str| {
        let pairs =
            [("grant_type", "refresh_token"), ("refresh_token", refresh), ("client_id", client)];
        token(&world, &pairs).await
    };
    let (status, second) = again("syft").await;
    assert_eq!((status, second.get("refresh_token")), (200, None));
    assert_eq!(again("other").await.0, 400, "another program's");
    bearer(&world, &second).get("/drive/v3/files").await.ok();
    let as_bearer = Api::new(world.server.url(), Some(refresh));
    assert_eq!(as_bearer.get("/drive/v3/files").await.outcome(), "401 authError");
    let revoked = world.nobody().send("POST", "/revoke", &FORM, query(&[("token", refresh)])).await;
    assert_eq!(revoked.status.as_u16(), 200);
    assert_eq!(again("syft").await.0, 400);
    for tokens in [&first, &second] {
        let answer = bearer(&world, tokens).get("/drive/v3/files").await;
        assert_eq!(answer.outcome(), "401 authError", "what stems from it is revoked too");
    }
    let own = world.ann.token.clone().unwrap();
    let answer = world.nobody().send("POST", "/revoke", &FORM, query(&[("token", &own)])).await;
    assert_eq!(answer.status.as_u16(), 400, "an account's own secret stays");
    world.ann.get("/drive/v3/files").await.ok();
}

#[tokio::test]
async fn an_access_token_expires() {
    let world = World::with(|options| options.token_life = Duration::ZERO).await;
    let (status, tokens) = exchange(&world, &code(&world).await, VERIFIER, BACK).await;
    assert_eq!((status, &tokens["expires_in"]), (200, &json!(0)));
    let answer = bearer(&world, &tokens).get("/drive/v3/files").await;
    assert_eq!(answer.outcome(), "401 authError");
}

#[tokio::test]
async fn no_secret_lies_on_disk() {
    let world = World::new().await;
    let code = code(&world).await;
    let (_, tokens) = exchange(&world, &code, VERIFIER, BACK).await;
    let location =
        world.ann.send("POST", "/upload/drive/v3/files?uploadType=resumable", &[], "{}").await;
    let upload = location.header("x-guploader-uploadid").to_owned();
    let mut secrets = vec![code, upload, world.ann.token.clone().unwrap()];
    for name in ["access_token", "refresh_token"] {
        secrets.push(tokens[name].as_str().unwrap().to_owned());
    }
    for entry in std::fs::read_dir(world.data.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            for secret in &secrets {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "{} holds a secret", path.display());
            }
        }
    }
}
