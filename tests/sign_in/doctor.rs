//! The failures of signing in to Google that people meet, each played by our server with the words
//! that Google documents: the doctor and ordinary commands name each by one code, in a sentence and
//! with a next step, and nobody sees a raw answer.

use drive_server::{Fault, Outcome, When};
use serde_json::{Value, json};

use super::browser::get;
use super::world::{Ended, ME, World};

/// As Google answers where the API is off: the older and the newer form in one.
const API_OFF: &str = r#"{"error":{"code":403,"message":"Google Drive API has not been used in project 274881616448 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/drive.googleapis.com/overview?project=274881616448 then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.","errors":[{"message":"Google Drive API has not been used in project 274881616448 before or it is disabled.","domain":"usageLimits","reason":"accessNotConfigured","extendedHelp":"https://console.developers.google.com"}],"status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"SERVICE_DISABLED","domain":"googleapis.com","metadata":{"consumer":"projects/274881616448","service":"drive.googleapis.com"}}]}}"#;
/// As Google answers where the box for the drive was not ticked.
const NO_SCOPE: &str = r#"{"error":{"code":403,"message":"Request had insufficient authentication scopes.","errors":[{"message":"Insufficient Permission","domain":"global","reason":"insufficientPermissions"}],"status":"PERMISSION_DENIED","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT","domain":"googleapis.com"}]}}"#;
/// As the token endpoint answers once a sign-in is over.
const OVER: &str =
    r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
/// As it answers where an administrator allows only some programs.
const POLICY: &str = r#"{"error":"access_denied","error_description":"Access to a Google API is blocked by the policy of your organization.","error_subtype":"admin_policy_enforced"}"#;
/// As it answers where Google does not let a program in.
const BLOCKED: &str = r#"{"error":"policy_enforced","error_description":"Advanced Protection prevented your Google Account from signing in."}"#;

fn answers(status: u16, body: &str) -> Outcome {
    Outcome::Answer { status, headers: Vec::new(), body: body.to_owned() }
}

/// Answers all requests for this path from now on.
fn play(world: &World, method: &str, path: &str, outcome: Outcome) {
    let fault = Fault::new(When::Before, outcome).on(method, path).times(u64::MAX);
    world.server.faults().push(fault);
}

/// Lets the access token end, so that the next command renews it.
fn end_access(world: &World, changes: &Value) {
    let mut token = world.token();
    token["expiry"] = "2020-01-01T00:00:00.000000Z".into();
    token.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    std::fs::write(world.kept("token.json"), token.to_string()).unwrap();
}

/// What the doctor found with this code.
async fn found(world: &World, code: &str) -> Value {
    let ended = world.run(&["doctor"]).await;
    let checks = ended.answer["checks"].as_array().unwrap_or_else(|| panic!("{ended:?}"));
    let check = checks.iter().find(|check| check["code"] == code);
    let check = check.unwrap_or_else(|| panic!("no {code}: {ended:?}")).clone();
    no_raw_answer(&ended);
    assert!(check["next"].as_str().unwrap().contains("syft "), "{check}");
    assert_eq!(ended.code, if check["state"] == "stopped" { 3 } else { 0 }, "{ended:?}");
    check
}

/// No command shows what a server sent as it was sent, nor a secret.
fn no_raw_answer(ended: &Ended) {
    for raw in ["error_description", "invalid_grant", "error_subtype", "PERMISSION_DENIED", "ya29"]
    {
        assert!(!ended.out.contains(raw) && !ended.said.contains(raw), "{raw}: {ended:?}");
    }
}

/// The doctor and a sync tell of the same failure by the same code.
async fn both_tell(world: &World, code: &str, words: &str) {
    let check = found(world, code).await;
    assert!(check["message"].as_str().unwrap().contains(words), "{check}");
    let synced = world.run(&["sync"]).await;
    synced.failed_with(code, words);
    assert_eq!(synced.answer["error"]["hint"], check["next"], "one next step");
    no_raw_answer(&synced);
}

#[tokio::test]
async fn the_api_is_off() {
    let world = World::new().await;
    world.logged_in().await;
    play(&world, "*", "/drive/v3", answers(403, API_OFF));
    both_tell(&world, "api-off", "the Drive API is off in the Google Cloud project 274881616448")
        .await;
    let next = found(&world, "api-off").await["next"].as_str().unwrap().to_owned();
    assert!(next.contains("drive.googleapis.com?project=274881616448"), "{next}");
    let login = world.consent(world.login()).await;
    login.failed_with("api-off", "274881616448");
}

#[tokio::test]
async fn the_app_is_in_testing() {
    let world = World::new().await;
    world.logged_in().await;
    end_access(&world, &json!({"refresh_token_expiry": "2026-11-20T08:00:00Z"}));
    play(&world, "POST", "/token", answers(400, OVER));
    both_tell(&world, "app-in-testing", "the sign-in ended on 20 November 2026").await;
}

#[tokio::test]
async fn the_app_is_in_testing_and_the_sign_in_still_good() {
    let world = World::with(|options| {
        options.sign_in_life = Some(std::time::Duration::from_secs(7 * 86_400));
    })
    .await;
    world.consent(world.login()).await;
    let check = found(&world, "app-in-testing").await;
    assert_eq!((&check["check"], &check["state"]), (&json!("sign-in"), &json!("look")));
    let message = check["message"].as_str().unwrap();
    assert!(
        message.contains("publishing the app does not change the end of this one"),
        "{message}"
    );
    assert!(check["next"].as_str().unwrap().contains("keeps its end"), "{check}");
}

#[tokio::test]
async fn somebody_else_signed_in() {
    let world = World::new().await;
    world.logged_in().await;
    // A Python client that shares the file was signed in as somebody else meanwhile.
    play(
        &world,
        "GET",
        "/drive/v3/about",
        answers(200, r#"{"user":{"emailAddress":"other@example.org"}}"#),
    );
    end_access(
        &world,
        &json!({"refresh_token": "another-sign-in", "expiry": "2999-01-01T00:00:00Z"}),
    );
    both_tell(&world, "wrong-account", "the sign-in belongs to other@example.org").await;
}

#[tokio::test]
async fn the_box_was_not_ticked() {
    let world = World::new().await;
    world.logged_in().await;
    play(&world, "*", "/drive/v3", answers(403, NO_SCOPE));
    both_tell(&world, "missing-scope", "does not include the files of the drive").await;
    let granted = json!({"access_token": "a", "expires_in": 3599, "refresh_token": "r",
        "scope": "openid email"});
    play(&world, "POST", "/token", answers(200, &granted.to_string()));
    world.consent(world.login()).await.failed_with("missing-scope", "was left out when signing in");
}

#[tokio::test]
async fn an_administrator_allows_only_some_programs() {
    let world = World::new().await;
    world.logged_in().await;
    end_access(&world, &json!({}));
    play(&world, "POST", "/token", answers(400, POLICY));
    both_tell(&world, "admin-policy", "the organization of this account does not allow it").await;
    let next = found(&world, "admin-policy").await["next"].as_str().unwrap().to_owned();
    assert!(next.contains("--letter"), "{next}");
    // Mostly Google tells it on its page, and sends the browser nowhere.
    let said = world.run(&["doctor", "--said", "Error 400: admin_policy_enforced"]).await;
    said.failed_with("admin-policy", "the organization of this account does not allow it");
}

#[tokio::test]
async fn google_blocks_the_app() {
    let world = World::new().await;
    world.logged_in().await;
    end_access(&world, &json!({}));
    play(&world, "POST", "/token", answers(400, BLOCKED));
    both_tell(&world, "app-blocked", "Google blocks this program for this account").await;
    for said in ["This app is blocked", "Error 403: access_denied"] {
        world.run(&["doctor", "--said", said]).await.failed_with("app-blocked", "");
    }
    // Or it sends the browser back with it.
    let mut login = world.login();
    let url = login.page().await;
    let pair = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let mut back = url::Url::parse(&pair("redirect_uri")).unwrap();
    back.query_pairs_mut()
        .append_pair("error", "access_denied")
        .append_pair("error_subtype", "policy_enforced")
        .append_pair("state", &pair("state"));
    let page = get(&back).await;
    assert!(page.text.contains("Google blocks this program"), "{page:?}");
    login.end().await.failed_with("app-blocked", "Google blocks this program");
}

#[tokio::test]
async fn the_clock_is_off() {
    let world = World::new().await;
    world.logged_in().await;
    let date = "Sat, 21 Nov 2020 10:00:00 GMT".to_owned();
    let about = json!({"user": {"emailAddress": ME}}).to_string();
    let outcome = Outcome::Answer { status: 200, headers: vec![("date", date)], body: about };
    play(&world, "GET", "/drive/v3/about", outcome);
    let check = found(&world, "clock-off").await;
    assert_eq!((&check["check"], &check["state"]), (&json!("clock"), &json!("stopped")));
    assert!(check["message"].as_str().unwrap().contains("ahead of that of the drive"), "{check}");
}

#[tokio::test]
async fn a_statement_of_another_time_is_the_clocks_fault() {
    const JWT: &str = r#"{"error":"invalid_grant","error_description":"Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim."}"#;
    let world = super::delegation::world(&[ME]).await;
    let login = super::delegation::log_in(&world, &["--impersonate", ME]).await;
    assert_eq!(login.code, 0, "{login:?}");
    let date = "Sat, 21 Nov 2020 10:00:00 GMT".to_owned();
    let body = JWT.to_owned();
    play(
        &world,
        "POST",
        "/token",
        Outcome::Answer { status: 400, headers: vec![("date", date)], body },
    );
    let synced = world.run(&["sync"]).await;
    synced.failed_with("clock-off", "the clock of this machine is");
    synced.failed_with("clock-off", "days ahead");
    assert!(synced.answer["error"]["hint"].as_str().unwrap().contains("syft doctor"));
    no_raw_answer(&synced);
}

#[tokio::test]
async fn a_browser_cannot_come_back() {
    let world = World::new().await;
    let said = world.run(&["doctor", "--said", "Error 400: redirect_uri_mismatch"]).await;
    said.failed_with("no-loopback", "a browser cannot come back to this program");
    // Where whoever runs the tests said that there are no namespaces.
    if std::env::var_os("SYFT_TEST_NO_SANDBOX").is_some_and(|value| value == "1") {
        return;
    }
    // A network of its own, whose loopback is down: nothing can listen on 127.0.0.1.
    let inside = |arguments: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--map-root-user", "--net", env!("CARGO_BIN_EXE_syft")]).args(arguments);
        command.args(["--json", "--email", ME, "--home"]).arg(world.path("home")).env_clear();
        let ended = command.env("HOME", world.path("nobody")).output().unwrap();
        let answer: Value = serde_json::from_slice(&ended.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&ended.stderr)));
        (ended.status.code(), answer)
    };
    let (_, answer) = inside(&["doctor"]);
    let checks = answer["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["check"] == "loopback").unwrap();
    assert_eq!(check["code"], "no-loopback", "{check}");
    assert!(check["next"].as_str().unwrap().contains("--no-browser"), "{check}");
}

#[tokio::test]
async fn all_is_well_or_not_yet_begun() {
    let world = World::new().await;
    let before = world.run(&["doctor"]).await;
    assert_eq!(before.code, 3, "this account is not logged in: {before:?}");
    world.logged_in().await;
    let ended = world.run(&["doctor"]).await;
    assert_eq!((ended.code, &ended.answer["well"]), (0, &json!(true)), "{ended:?}");
    let checks = ended.answer["checks"].as_array().unwrap();
    for check in [
        "versions",
        "configuration",
        "home",
        "disk",
        "database",
        "lock",
        "keys",
        "secret",
        "sign-in",
        "drive",
        "clock",
        "account",
        "loopback",
        "sandbox",
        "uv",
    ] {
        assert!(checks.iter().any(|found| found["check"] == check), "{check}: {checks:?}");
    }
    for check in ["database", "lock", "keys", "secret", "drive", "clock", "account"] {
        let found = checks.iter().find(|found| found["check"] == check).unwrap();
        assert_eq!(found["state"], "ok", "{found}");
    }
}
