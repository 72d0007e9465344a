//! The way through the browser, and everything that can come of it.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use url::Url;

use super::browser::get;
use super::world::{ME, PROGRAM_SECRET, World};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Nothing is kept of a sign-in that did not work, and the account's folder holds no secret.
fn nothing_is_kept(world: &World) {
    for name in ["account.toml", "token.json", "token.json.new"] {
        assert!(!world.kept(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn a_person_signs_in_and_the_sign_in_is_kept_secret() {
    let world = World::new().await;
    let ended = world.logged_in().await;
    assert_eq!((&ended.answer["email"], &ended.answer["role"]), (&ME.into(), &"do".into()));
    for name in ["token.json", "account.toml"] {
        assert_eq!(mode(&world.kept(name)), 0o600, "{name}");
    }
    assert!(!world.kept("token.json.new").exists());
    let token = world.token();
    let mut secrets = vec![PROGRAM_SECRET, world.secrets[0].1.as_str()];
    secrets.extend(["token", "refresh_token"].map(|key| token[key].as_str().unwrap()));
    for secret in secrets {
        assert!(!ended.out.contains(secret) && !ended.said.contains(secret), "{ended:?}");
    }
    let synced = world.run(&["sync"]).await;
    assert_eq!((synced.code, &synced.answer["problems"]), (0, &serde_json::json!([])));
    let status = world.run(&["status"]).await;
    assert!(status.out.contains(world.server.url()), "it says which drive: {status:?}");

    assert_eq!(world.run(&["logout"]).await.code, 0);
    nothing_is_kept(&world);
}

#[tokio::test]
async fn who_signs_in_as_somebody_else_is_told_and_nothing_is_kept() {
    let world = World::new().await;
    let mut login = world.login();
    let url = login.page().await;
    let hint = url.query_pairs().find(|(key, _)| key == "login_hint").unwrap().1.into_owned();
    assert_eq!(hint, ME, "the page suggests the right one");
    let (who, secret) = &world.secrets[1];
    let page = get(&url).await;
    page.submit(&url, &[("email", who), ("secret", secret)], "allow").await.follow().await;
    let ended = login.end().await;
    ended.failed_with("wrong-account", "belongs to other@example.org, not to do@example.org");
    nothing_is_kept(&world);
}

#[tokio::test]
async fn who_presses_deny_is_told_on_both_sides() {
    let world = World::new().await;
    let mut login = world.login();
    let url = login.page().await;
    let last = get(&url).await.submit(&url, &[], "deny").await.follow().await;
    assert!(last.text.contains("access was not granted"), "{last:?}");
    login.end().await.failed_with("access-denied", "access was not granted");
    nothing_is_kept(&world);
}

#[tokio::test]
async fn a_forged_answer_is_turned_away_and_the_true_one_counts() {
    let world = World::new().await;
    let mut login = world.login();
    let url = login.page().await;
    let typed = [("email", ME), ("secret", world.secrets[0].1.as_str())];
    let page = get(&url).await;
    let wrong = page.submit(&url, &[("email", ME), ("secret", "guessed")], "allow").await;
    assert_eq!(wrong.status, 403, "a wrong secret gives the page again");
    let consented = wrong.submit(&url, &typed, "allow").await;
    let back = consented.target();
    let asked = back.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    for query in [
        "code=of-the-attacker".to_owned(),
        "state=forged&code=of-the-attacker".to_owned(),
        "state=forged&error=access_denied".to_owned(),
        format!("state={}x&code=of-the-attacker", asked),
        format!("state={}&code=of-the-attacker", asked.to_uppercase()),
    ] {
        let mut forged: Url = back.clone();
        forged.set_query(Some(&query));
        assert_eq!(get(&forged).await.status, 404, "{query}");
    }
    let last = get(&back).await;
    assert!(last.text.contains("You are signed in"), "{last:?}");
    assert_eq!(login.end().await.code, 0);
}

#[tokio::test]
async fn what_makes_no_sense_together_is_wrong_usage_and_nobody_is_sent_to_a_browser() {
    let world = World::new().await;
    let credentials = world.path("credentials.json");
    let file = credentials.to_str().unwrap();
    #[rustfmt::skip]
    let cases: [(&[&str], i32); 5] = [
        (&["login-do", "--drive", "http://h:1"],                                     2),
        (&["login-do", "--token", "t"],                                              2),
        (&["login-do", "--drive", "http://h:1", "--folder", "/tmp"],                 2),
        (&["login-do", "--token-path", file, "--credentials", file],                 2),
        (&["login-do", "--drive", "file:///etc", "--credentials", file],             1),
    ];
    for (arguments, code) in cases {
        let ended = world.run(arguments).await;
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        assert!(!ended.said.contains("Open this address"), "{ended:?}");
    }
    nothing_is_kept(&world);
    assert_eq!(world.server.requests(), 0);
}

#[tokio::test]
async fn a_token_need_not_stand_on_the_command_line() {
    let world = World::new().await;
    let (url, file) = (world.server.url().to_owned(), world.path("typed"));
    let login = ["login-do", "--drive", &url, "--token", "-"];
    std::fs::write(&file, "").unwrap();
    let ended = world.run_fed(&login, &file).await;
    assert_eq!(ended.code, 2, "{ended:?}");
    nothing_is_kept(&world);
    std::fs::write(&file, format!("{}\n", world.secrets[0].1)).unwrap();
    let ended = world.run_fed(&login, &file).await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.out.contains(&world.secrets[0].1) && !ended.said.contains(&world.secrets[0].1));
}
