//! `syft setup google`: each way, without a terminal and with one.

use serde_json::{Value, json};

use super::world::{Ended, ME, World};

/// Credentials as Google lets one download them.
fn credentials(world: &World) -> String {
    let path = world.path("client_secret_1.json");
    let mut text: Value =
        serde_json::from_slice(&std::fs::read(world.path("credentials.json")).unwrap()).unwrap();
    text["installed"]["client_id"] = "1234-abc.apps.googleusercontent.com".into();
    text["installed"]["auth_uri"] = "https://accounts.google.com/o/oauth2/auth".into();
    text["installed"]["token_uri"] = "https://oauth2.googleapis.com/token".into();
    text["installed"]["project_id"] = "my-syft-123456".into();
    std::fs::write(&path, text.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn nobody_is_asked_where_there_is_no_terminal() {
    let world = World::new().await;
    let ended = world.run(&["setup", "google"]).await;
    assert_eq!(ended.code, 2, "{ended:?}");
    assert!(ended.answer["error"]["hint"].as_str().unwrap().contains("--way try"));
    for way in ["try", "none", "organisation", "personal"] {
        let ended = world.run(&["setup", "google", "--way", way]).await;
        assert_eq!((ended.code, &ended.answer["way"]), (0, &json!(way)), "{ended:?}");
        assert!(ended.answer["next"].as_str().unwrap().starts_with("syft "), "{ended:?}");
    }
}

#[tokio::test]
async fn a_letter_names_the_client_that_is_known() {
    let world = World::new().await;
    let path = world.path("letter.txt");
    let file = path.to_str().unwrap();
    let ended = world.run(&["setup", "google", "--letter", file]).await;
    assert_eq!((ended.code, &ended.answer["way"]), (0, &json!("organisation")), "{ended:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(ME) && text.contains("of the kind Internal"), "{text}");
    let id = "9-x.apps.googleusercontent.com";
    world.run(&["setup", "google", "--letter", file, "--client-id", id]).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(id) && text.contains("https://www.googleapis.com/auth/drive"), "{text}");
    assert!(text.contains("Configure new app") && text.contains("Trusted"), "{text}");
    let credentials = credentials(&world);
    let import = ["setup", "google", "--way", "organisation", "--credentials", &credentials];
    let ended = world.run(&import).await;
    assert_eq!(ended.answer["next"], "syft login-do --email EMAIL", "{ended:?}");
    world.run(&["setup", "google", "--letter", file]).await;
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("1234-abc.apps.googleusercontent.com"), "{text}");
}

/// Goes on with an app of one's own.
async fn step(world: &World, more: &[&str]) -> Ended {
    world.run(&[&["setup", "google", "--way", "personal"], more].concat()).await
}

#[tokio::test]
async fn what_is_done_is_seen_and_nobody_signs_in_before_publishing() {
    let world = World::new().await;
    let next = |ended: &Ended| ended.answer["next"].as_str().unwrap().to_owned();
    let ended = step(&world, &[]).await;
    assert!(next(&ended).ends_with("--done project"), "{ended:?}");
    let ended =
        step(&world, &["--done", "project", "--project", "my-syft-123456", "--done", "api"]).await;
    assert!(next(&ended).ends_with("--done consent"), "{ended:?}");
    let page = ended.answer["steps"][2]["page"].as_str().unwrap();
    assert_eq!(page, "https://console.cloud.google.com/auth/branding?project=my-syft-123456");
    let ended = step(&world, &["--credentials", &credentials(&world)]).await;
    assert_eq!((ended.code, &ended.answer["credentials"]), (0, &json!(true)), "{ended:?}");
    assert!(next(&ended).ends_with("--done publish"), "{ended:?}");
    let kept = world.path("home/.syft/google/credentials.json");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);

    world.run(&["login-do"]).await.failed_with("not-published", "would end after seven days");
    assert_eq!(world.server.requests(), 0, "nobody was sent to a browser");
    let ended = step(&world, &["--done", "publish"]).await;
    assert_eq!(next(&ended), "syft login-do --email EMAIL", "{ended:?}");
    assert!(step(&world, &["--project", "NO"]).await.code == 2);
}

#[tokio::test]
async fn what_is_no_download_of_googles_is_told() {
    let world = World::new().await;
    let path = world.path("other.json");
    let web =
        r#"{"web":{"client_id":"i","client_secret":"SECRET","redirect_uris":["https://x/"]}}"#;
    std::fs::write(&path, web).unwrap();
    let import = ["setup", "google", "--way", "personal", "--credentials", path.to_str().unwrap()];
    let ended = world.run(&import).await;
    ended.failed_with("sign-in-file", "Desktop app");
    assert!(!ended.said.contains("SECRET") && !ended.out.contains("SECRET"), "{ended:?}");
    assert!(!world.path("home/.syft/google/credentials.json").exists());
}

/// Google's own page would ask the person, and the code would go to who made the file.
#[tokio::test]
async fn credentials_that_would_give_the_sign_in_to_somebody_else_are_refused() {
    let world = World::new().await;
    let path = world.path("client_secret_1.json");
    for (key, other) in [("token_uri", "auth_uri"), ("auth_uri", "token_uri")] {
        let path = credentials(&world);
        let mut text: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        text["installed"][key] = world.token_uri().into();
        assert!(text["installed"][other].as_str().unwrap().starts_with("https://"));
        std::fs::write(&path, text.to_string()).unwrap();
        for arguments in [
            ["setup", "google", "--way=personal", "--credentials", &path].as_slice(),
            ["login-do", "--credentials", &path].as_slice(),
        ] {
            let ended = world.run(arguments).await;
            ended
                .failed_with("sign-in-file", &format!("its `{key}` is not an address of Google's"));
            assert!(!ended.said.contains("Open this address"), "{ended:?}");
        }
    }
    assert!(path.exists() && !world.path("home/.syft/google/credentials.json").exists());
    assert_eq!(world.server.requests(), 0);
}
