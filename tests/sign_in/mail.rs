//! The right to send mail: asked for where somebody wants it, and nowhere else.

use super::browser::get;
use super::world::{ME, Running, World};

const DRIVE: &str = "https://www.googleapis.com/auth/drive";
const MAIL: &str = "https://www.googleapis.com/auth/gmail.send";

/// What a login asks for; then somebody consents, with this in the box about mail.
async fn consented(world: &World, mut login: Running, mail: &str) -> (String, super::world::Ended) {
    let url = login.page().await;
    let scope = url.query_pairs().find(|(key, _)| key == "scope").unwrap().1.into_owned();
    let typed = [("email", ME), ("secret", world.secrets[0].1.as_str()), ("mail", mail)];
    get(&url).await.submit(&url, &typed, "allow").await.follow().await;
    (scope, login.end().await)
}

#[tokio::test]
async fn the_right_to_send_mail_is_asked_for_where_it_is_wanted() {
    let world = World::with_life(std::time::Duration::from_secs(60)).await; // each command renews
    let (scope, ended) = consented(&world, world.login(), "yes").await;
    assert_eq!((scope.as_str(), ended.code), (DRIVE, 0), "{ended:?}");
    assert_eq!(world.token()["scopes"], serde_json::json!([DRIVE]));
    let sends = async || world.run(&["notify", "test", "email"]).await;
    let set = world.run(&["notify", "set", "email", "--to", ME, "--gmail"]).await;
    assert_eq!(set.code, 0, "{set:?}");
    let refused = sends().await;
    let hint = refused.answer["tests"][0]["hint"].as_str().unwrap();
    assert!(hint.contains("`syft login-do --mail`"), "{hint}");

    // Said once; when somebody signs in again, it is as before.
    for is_said in [true, false] {
        let again = match is_said {
            true => world.login_with(&["--mail"], &[]),
            false => world.start(&["login-do"]),
        };
        let (scope, ended) = consented(&world, again, "yes").await;
        assert_eq!((scope, ended.code), (format!("{DRIVE} {MAIL}"), 0), "{ended:?}");
        assert_eq!(world.token()["scopes"], serde_json::json!([DRIVE, MAIL]));
        assert_eq!(world.run(&["sync"]).await.code, 0, "it is renewed with both rights");
        let tried = sends().await;
        let message = tried.answer["tests"][0]["message"].as_str().unwrap();
        assert!(
            !message.contains("does not include sending mail"),
            "our server sends none: {message}"
        );
    }
}

#[tokio::test]
async fn who_leaves_the_box_about_mail_empty_is_told() {
    let world = World::new().await;
    let (_, ended) = consented(&world, world.login_with(&["--mail"], &[]), "").await;
    ended.failed_with("sign-in", "the right to send mail was left out");
    let hint = ended.answer["error"]["hint"].as_str().unwrap();
    assert!(hint.contains("tick the box") && hint.contains("without --mail"), "{hint}");
    assert!(!world.kept("token.json").exists() && !world.kept("account.toml").exists());
}
