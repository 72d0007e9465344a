//! A service account acts for a person: the real program, with our server as Google, which checks
//! signature, issuer, audience, times, scope and person.

use drive_server::ServiceAccount;
use serde_json::{Value, json};

use super::world::{ME, OTHER, World};

const ROBOT: &str = "robot@syft-tests.iam.gserviceaccount.com";

pub(crate) async fn world(may_act_for: &[&str]) -> World {
    let public_key = include_bytes!("../../fixtures/google/service_account.public.der").to_vec();
    let may_act_for = may_act_for.iter().map(|person| (*person).to_owned()).collect();
    let account = ServiceAccount { email: ROBOT.to_owned(), public_key, may_act_for };
    let world = World::with(|options| options.service_accounts.push(account)).await;
    write_key(&world, json!({}));
    world
}

/// The key file, with some keys replaced.
fn write_key(world: &World, changes: Value) {
    let text = include_str!("../../fixtures/google/service_account.json");
    let mut key: Value = serde_json::from_str(text).unwrap();
    key["token_uri"] = world.token_uri().into();
    key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    std::fs::write(world.path("key.json"), key.to_string()).unwrap();
}

pub(crate) async fn log_in(world: &World, more: &[&str]) -> super::world::Ended {
    let key = world.path("key.json");
    let url = world.server.url().to_owned();
    let login = ["login-do", "--drive", &url, "--service-account", key.to_str().unwrap()];
    world.run(&[&login[..], more].concat()).await
}

#[tokio::test]
async fn what_it_does_belongs_to_the_person() {
    let world = world(&[ME]).await;
    let ended = log_in(&world, &["--impersonate", ME]).await;
    assert_eq!((ended.code, &ended.answer["email"]), (0, &json!(ME)), "{ended:?}");
    assert_eq!(world.run(&["sync"]).await.code, 0);
    // The key stays where it is, and no token is on the disk.
    assert!(!world.kept("token.json").exists());
    let kept = std::fs::read_to_string(world.kept("account.toml")).unwrap();
    assert!(kept.contains("key_path") && !kept.contains("PRIVATE KEY"), "{kept}");
    let status = world.run(&["status"]).await;
    assert_eq!(status.answer["secret"]["path"], json!(world.path("key.json")), "{status:?}");
    // Again, as the last time.
    assert_eq!(world.run(&["login-do"]).await.code, 0);
}

#[tokio::test]
async fn acting_for_itself_is_refused_with_the_reason_and_nothing_is_asked() {
    let world = world(&[ME]).await;
    let ended = log_in(&world, &[]).await;
    ended.failed_with("service-account-alone", "no storage since 2025");
    ended.failed_with("service-account-alone", "no owner");
    assert!(ended.answer["error"]["hint"].as_str().unwrap().contains("--impersonate"));
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn each_refusal_is_told_for_what_it_is() {
    let no_delegation = world(&[]).await;
    let ended = log_in(&no_delegation, &["--impersonate", ME]).await;
    ended.failed_with("no-delegation", ROBOT);
    let hint = ended.answer["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("112233445566778899000") && hint.contains("auth/drive"), "{hint}");

    let another = world(&[OTHER]).await;
    log_in(&another, &["--impersonate", ME]).await.failed_with("nobody-to-act-for", ME);

    write_key(&another, json!({"client_email": "deleted@syft-tests.iam.gserviceaccount.com"}));
    log_in(&another, &["--impersonate", ME]).await.failed_with("bad-key", "deleted");

    let broken = |key: &str| key.replace("MII", "MIX");
    let text = include_str!("../../fixtures/google/service_account.json");
    let key: Value = serde_json::from_str(text).unwrap();
    let secret = key["private_key"].as_str().unwrap();
    write_key(&another, json!({"private_key": broken(secret)}));
    let ended = log_in(&another, &["--impersonate", ME]).await;
    ended.failed_with("sign-in-file", "private_key");
    assert!(!ended.said.contains("MIX"), "{ended:?}");

    let said = log_in(&another, &["--impersonate", OTHER]).await;
    assert_eq!(said.code, 2, "--email names somebody else: {said:?}");
}
