//! Secrets in the system's keyring, and what happens where it gives no answer.

use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::secret_service::SecretService;
use super::world::{ME, World};

/// A bus that accepts and says nothing.
fn silent_bus(world: &World) -> (UnixListener, String) {
    let path = world.path("bus");
    let listener = UnixListener::bind(&path).unwrap();
    (listener, format!("unix:path={}", path.display()))
}

#[tokio::test]
async fn a_keyring_that_says_nothing_holds_nobody_up() {
    let world = World::new().await;
    let (_listener, address) = silent_bus(&world);
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let started = Instant::now();
    let login = world.consent(world.login_with(&[], &bus)).await;
    let took = started.elapsed();
    assert_eq!(login.code, 0, "{login:?}");
    assert!(took >= Duration::from_secs(3), "the keyring was asked: {took:?}");
    assert!(took < Duration::from_secs(30), "and not for long: {took:?}");
    let line = "kept in a file, since the keyring gave no answer within 3 seconds";
    assert_eq!(login.said.matches(line).count(), 1, "{login:?}");
    assert!(world.kept("token.json").exists());
    // From now on it is where it is: nobody waits for the keyring again.
    let status = world.start_with(&["status"], &bus).end().await;
    assert_eq!((status.code, &status.answer["secret"]["in"]), (0, &"file".into()), "{status:?}");
}

#[tokio::test]
async fn who_insists_on_the_keyring_is_told_and_nothing_is_kept() {
    let world = World::new().await;
    let (_listener, address) = silent_bus(&world);
    let silent = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let nowhere = [("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")];
    for (bus, why) in [(silent, "gave no answer"), (nowhere, "is not there")] {
        let login = world.consent(world.login_with(&["--secrets", "keyring"], &bus)).await;
        login.failed_with("keyring", why);
        assert!(!world.kept("token.json").exists() && !world.kept("account.toml").exists());
    }
}

#[tokio::test]
async fn who_wants_a_file_gets_one_and_no_keyring_is_asked() {
    let world = World::new().await;
    let (listener, address) = silent_bus(&world);
    listener.set_nonblocking(true).unwrap();
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str()), ("SYFT_SECRETS", "file")];
    let login = world.consent(world.login_with(&[], &bus)).await;
    assert_eq!(login.code, 0, "{login:?}");
    assert!(listener.accept().is_err(), "nobody came to the bus");
    assert!(world.kept("token.json").exists());
}

#[tokio::test]
async fn a_sign_in_lives_in_the_keyring_and_nowhere_else() {
    let world = World::with_life(Duration::from_secs(60)).await; // so that each command renews
    let (service, address) = SecretService::serve(world.folder());
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let login = world.consent(world.login_with(&[], &bus)).await;
    assert_eq!(login.code, 0, "{login:?}");
    let (attributes, secret) = service.kept().unwrap();
    assert_eq!((attributes["application"].as_str(), attributes["account"].as_str()), ("syft", ME));
    let first: Value = serde_json::from_str(&secret).unwrap();
    assert!(!world.kept("token.json").exists());
    let kept = std::fs::read_to_string(world.kept("account.toml")).unwrap();
    for key in ["token", "refresh_token", "client_secret"] {
        let secret = first[key].as_str().unwrap();
        assert!(!kept.contains(secret) && !login.said.contains(secret), "{key}: {kept} {login:?}");
    }
    let synced = world.start_with(&["sync"], &bus).end().await;
    assert_eq!(synced.code, 0, "{synced:?}");
    let renewed: Value = serde_json::from_str(&service.kept().unwrap().1).unwrap();
    assert_ne!(renewed["token"], first["token"], "a renewed token is kept there too");
    assert_eq!(renewed["refresh_token"], first["refresh_token"]);
    let status = world.start_with(&["status"], &bus).end().await;
    assert_eq!(status.answer["secret"]["in"], "keyring", "{status:?}");

    // Locked, or out of reach as from cron: told for what it is, at once.
    service.lock(true);
    let locked = world.start_with(&["sync"], &bus).end().await;
    locked.failed_with("keyring", "is locked");
    assert!(locked.answer["error"]["hint"].as_str().unwrap().contains("--secrets file"));
    world.run(&["sync"]).await.failed_with("keyring", "is not there");
    service.lock(false);

    assert_eq!(world.start_with(&["logout"], &bus).end().await.code, 0);
    assert!(service.kept().is_none(), "nothing is left of it");
}

#[tokio::test]
async fn who_logs_out_is_told_what_is_left_in_a_keyring_that_is_locked() {
    let world = World::new().await;
    let (service, address) = SecretService::serve(world.folder());
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let login = world.consent(world.login_with(&[], &bus)).await;
    assert_eq!(login.code, 0, "{login:?}");
    service.lock(true);
    let ended = world.start_with(&["logout"], &bus).end().await;
    assert_eq!((ended.code, &ended.answer["problems"][0]["code"]), (3, &"keyring".into()));
    assert!(
        ended.said.contains("the sign-in is left in the keyring, which is locked"),
        "{ended:?}"
    );
    assert!(ended.said.contains(&format!("`syft: sign-in of {ME}`")), "{ended:?}");
    assert!(!world.kept("account.toml").exists());
}

#[tokio::test]
async fn a_locked_keyring_is_not_waited_for() {
    let world = World::new().await;
    let (service, address) = SecretService::serve(world.folder());
    service.lock(true);
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let started = Instant::now();
    let login = world.consent(world.login_with(&[], &bus)).await;
    assert_eq!(login.code, 0, "{login:?}");
    assert!(started.elapsed() < Duration::from_secs(3));
    assert!(login.said.contains("kept in a file, since the keyring is locked"), "{login:?}");
    assert!(world.kept("token.json").exists());
}

#[tokio::test]
async fn a_sign_in_moves_between_the_keyring_and_a_file() {
    let world = World::new().await;
    let (service, address) = SecretService::serve(world.folder());
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    world.logged_in().await; // without a bus
    let run = |arguments: &'static [&'static str]| world.start_with(arguments, &bus).end();
    for _ in 0..2 {
        let moved = run(&["setup", "secrets", "keyring"]).await;
        assert_eq!((moved.code, &moved.answer["in"]), (0, &"keyring".into()), "{moved:?}");
        assert!(service.kept().is_some() && !world.kept("token.json").exists());
        assert_eq!(run(&["sync"]).await.code, 0);
        let moved = run(&["setup", "secrets", "file"]).await;
        assert_eq!((moved.code, &moved.answer["in"]), (0, &"file".into()), "{moved:?}");
        assert!(service.kept().is_none() && world.kept("token.json").exists());
        assert_eq!(run(&["sync"]).await.code, 0);
    }
    // A keyring that does not take it leaves it where it is.
    service.lock(true);
    run(&["setup", "secrets", "keyring"]).await.failed_with("keyring", "is locked");
    assert_eq!(run(&["sync"]).await.code, 0);
    // The same for the token of a server of our own.
    service.lock(false);
    let token = world.secrets[0].1.clone();
    let url = world.server.url().to_owned();
    let login = ["login-do", "--drive", &url, "--token", &token, "--secrets", "keyring"];
    assert_eq!(world.start_with(&login, &bus).end().await.code, 0);
    assert_eq!(service.kept().unwrap().1, token);
    assert!(!std::fs::read_to_string(world.kept("account.toml")).unwrap().contains(&token));
    assert_eq!(run(&["sync"]).await.code, 0);
    assert_eq!(run(&["setup", "secrets", "file"]).await.code, 0);
    assert!(std::fs::read_to_string(world.kept("account.toml")).unwrap().contains(&token));
}

/// The password of a mail server is where the sign-in is, and goes where that goes.
#[tokio::test]
async fn the_password_of_a_mail_server_lies_where_the_sign_in_does() {
    let world = World::new().await;
    let (service, address) = SecretService::serve(world.folder());
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let run = |arguments: &'static [&'static str]| world.start_with(arguments, &bus).end();
    let file = world.path("typed");
    std::fs::write(&file, "PASSWORD-42\n").unwrap();
    let set = ["notify", "set", "email", "--to", ME, "--server", "mail.example.org"];
    let set = [&set[..], &["--user", "me", "--password-file", file.to_str().unwrap()]].concat();
    let has_one = async || {
        let shown = run(&["notify", "show"]).await;
        assert_eq!(shown.answer["email"]["password"], true, "{shown:?}");
    };

    world.logged_in().await; // without a bus
    assert_eq!(world.start_with(&set, &bus).end().await.code, 0);
    assert!(world.kept("smtp-password").exists() && service.kept_for_mail().is_none());
    for _ in 0..2 {
        assert_eq!(run(&["setup", "secrets", "keyring"]).await.code, 0);
        assert!(!world.kept("smtp-password").exists());
        assert_eq!(service.kept_for_mail().unwrap().1, "PASSWORD-42");
        has_one().await;
        assert_eq!(run(&["setup", "secrets", "file"]).await.code, 0);
        assert!(world.kept("smtp-password").exists() && service.kept_for_mail().is_none());
        has_one().await;
    }
    // A new one goes to the keyring at once, and leaves with the sign-in.
    assert_eq!(run(&["setup", "secrets", "keyring"]).await.code, 0);
    std::fs::write(&file, "PASSWORD-43\n").unwrap();
    assert_eq!(world.start_with(&set, &bus).end().await.code, 0);
    assert_eq!(service.kept_for_mail().unwrap().1, "PASSWORD-43");
    assert!(!world.kept("smtp-password").exists() && service.kept().is_some());
    assert_eq!(run(&["logout"]).await.code, 0);
    assert!(service.kept().is_none() && service.kept_for_mail().is_none());
}

/// The access key of a bucket is the secret of that sign-in. No bucket is asked for it.
#[tokio::test]
async fn the_access_key_of_a_bucket_moves_as_well() {
    let world = World::new().await;
    let (service, address) = SecretService::serve(world.folder());
    let bus = [("DBUS_SESSION_BUS_ADDRESS", address.as_str())];
    let run = |arguments: &'static [&'static str]| world.start_with(arguments, &bus).end();
    let (login, key) = (world.kept("account.toml"), world.kept("s3-credentials"));
    std::fs::create_dir_all(login.parent().unwrap()).unwrap();
    let text = format!(
        "email = \"{ME}\"\nrole = \"do\"\nservice = \"object-store\"\ncredentials_path = \"{}\"\n\
         [address]\nbucket = \"b\"\nendpoint = \"http://127.0.0.1:1\"\nregion = \"eu-central-1\"\n",
        key.display()
    );
    std::fs::write(&login, text).unwrap();
    let secret = "[default]\naws_access_key_id = ID\naws_secret_access_key = SECRET-42\n";
    std::fs::write(&key, secret).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    for _ in 0..2 {
        let moved = run(&["setup", "secrets", "keyring"]).await;
        assert_eq!((moved.code, &moved.answer["in"]), (0, &"keyring".into()), "{moved:?}");
        assert!(service.kept().unwrap().1.contains("SECRET-42") && !key.exists());
        assert!(!std::fs::read_to_string(&login).unwrap().contains("credentials_path"));
        let moved = run(&["setup", "secrets", "file"]).await;
        assert_eq!((moved.code, &moved.answer["in"]), (0, &"file".into()), "{moved:?}");
        assert!(std::fs::read_to_string(&key).unwrap().contains("SECRET-42"));
        assert!(service.kept().is_none());
    }
    // Whoever logs in to something else has no access key any more.
    let (url, token) = (world.server.url().to_owned(), world.secrets[0].1.clone());
    let other = ["login-do", "--drive", &url, "--token", &token];
    assert_eq!(world.start_with(&other, &bus).end().await.code, 0);
    assert!(!key.exists());
}
