//! A sign-in that will end is announced from the first day, and told for what it is when it ended.

use std::time::Duration;

use super::world::{ME, World};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn an_end_is_told_at_the_login_in_status_and_not_yet_as_a_problem() {
    let world = World::with(|options| options.sign_in_life = Some(7 * DAY)).await;
    let login = world.consent(world.login()).await;
    assert_eq!(login.code, 0, "{login:?}");
    assert!(login.answer["sign_in_ends"].is_string(), "{login:?}");
    assert!(login.said.contains("in 6 days") || login.said.contains("in 7 days"), "{login:?}");
    let status = world.run(&["status"]).await;
    assert_eq!((status.code, &status.answer["sign_in_ends"]), (0, &login.answer["sign_in_ends"]));
    assert_eq!(status.answer["needs_you"], serde_json::json!([]), "{status:?}");
    assert_eq!(world.run(&["sync"]).await.code, 0);
}

#[tokio::test]
async fn two_days_before_it_is_a_problem_of_each_sync() {
    let world = World::with(|options| options.sign_in_life = Some(DAY)).await;
    assert_eq!(world.consent(world.login()).await.code, 0);
    let synced = world.run(&["sync"]).await;
    assert_eq!(synced.code, 3, "{synced:?}");
    let problem = &synced.answer["problems"][0];
    assert_eq!(problem["code"], "app-in-testing");
    assert!(problem["message"].as_str().unwrap().contains("hours"), "{problem}");
    assert!(problem["hint"].as_str().unwrap().contains("a sign-in from before keeps its end"));
    let status = world.run(&["status"]).await;
    assert_eq!(status.answer["needs_you"][0]["command"], "syft doctor", "{status:?}");
}

#[tokio::test]
async fn a_sign_in_that_ended_is_not_merely_signed_out() {
    // Ends while the access token has to be renewed at each use.
    let world = World::with(|options| {
        options.token_life = Duration::from_secs(60);
        options.sign_in_life = Some(DAY);
    })
    .await;
    assert_eq!(world.consent(world.login()).await.code, 0);
    // As if a day had gone by: the server forgets, and the end that is known lies behind us.
    let mut token = world.token();
    let revoke = url::Url::parse(&format!("{}/revoke", world.server.url())).unwrap();
    let refresh = token["refresh_token"].as_str().unwrap();
    super::browser::post(&revoke, &[("token", refresh)]).await;
    token["refresh_token_expiry"] = "2026-01-01T00:00:00Z".into();
    std::fs::write(world.kept("token.json"), token.to_string()).unwrap();
    let synced = world.run(&["sync"]).await;
    synced.failed_with("app-in-testing", "ended on 1 January 2026");
    let hint = synced.answer["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("https://console.cloud.google.com/auth/audience"), "{hint}");
}

#[tokio::test]
async fn a_person_may_know_what_the_server_does_not_say() {
    let world = World::new().await;
    let login = world.consent(world.login_with(&["--testing"], &[])).await;
    assert_eq!(login.code, 0, "{login:?}");
    assert!(login.answer["sign_in_ends"].is_string(), "{login:?}");
    let toml = std::fs::read_to_string(world.kept("account.toml")).unwrap();
    assert!(toml.contains(ME) && toml.contains("ends"), "{toml}");
}
