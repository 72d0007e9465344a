//! Token files: read as Python writes them, renewed once, written back whole.

use std::path::PathBuf;
use std::sync::Arc;

use drive_api::auth::{
    AccessToken, Keeper, SavedToken, SignInError, TokenDocument, TokenFile, TokenSource,
};
use drive_api::{Drive, Endpoint, Error, Settings};
use futures::future::join_all;
use serde_json::{Value, json};

use crate::wire::{Act, HandClock, LOST, Wire, answer, file, ok, refuse};

/// As google-auth 2.x writes it.
const PYTHON: &str = include_str!("fixtures/token.json");

struct Home {
    folder: tempfile::TempDir,
    clock: Arc<HandClock>,
}

impl Home {
    fn at(now: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: HandClock::at(now) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("token.json")
    }

    /// Python's file with some keys replaced.
    fn write(&self, changes: Value) {
        let mut document: Value = serde_json::from_str(PYTHON).unwrap();
        let changes = changes.as_object().unwrap().clone();
        document.as_object_mut().unwrap().extend(changes);
        std::fs::write(self.path(), document.to_string()).unwrap();
    }

    fn open(&self) -> SavedToken {
        SavedToken::with_clock(Arc::new(TokenFile::at(self.path())), self.clock.clone())
    }

    fn read(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.path()).unwrap()).unwrap()
    }
}

fn granted(token: &str) -> Act {
    ok(&format!(r#"{{"access_token":"{token}","expires_in":3600,"token_type":"Bearer"}}"#))
}

fn refused(error: &str) -> Act {
    Act::Send(answer(400, &format!(r#"{{"error":"{error}","error_description":"in words"}}"#)))
}

#[tokio::test]
async fn a_fresh_token_is_used_as_it_is() {
    let home = Home::at("2026-06-11T10:00:00Z");
    home.write(json!({}));
    let token = home.open().token().await.unwrap();
    assert_eq!(token.secret(), "ya29.ACCESS");
}

#[tokio::test]
async fn a_token_is_renewed_shortly_before_its_end_and_the_file_keeps_the_rest() {
    let wire = Wire::play([granted("ya29.NEW")]).await;
    let home = Home::at("2026-06-11T10:17:00Z"); // three and a half minutes before
    home.write(json!({"token_uri": wire.url, "rapt_token": null, "ours": {"x": 1}}));
    let file = home.open();
    assert_eq!(file.token().await.unwrap().secret(), "ya29.NEW");
    assert_eq!(file.token().await.unwrap().secret(), "ya29.NEW");

    let form: Vec<_> = url::form_urlencoded::parse(&wire.seen()[0].body).into_owned().collect();
    let form: Vec<_> = form.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        form,
        [
            ("grant_type", "refresh_token"),
            ("refresh_token", "1//REFRESH"),
            ("client_id", "id.apps.googleusercontent.com"),
            ("client_secret", "SECRET"),
            ("scope", "https://www.googleapis.com/auth/drive"),
        ]
    );
    let document = home.read();
    let keys: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "token",
            "refresh_token",
            "token_uri",
            "client_id",
            "client_secret",
            "scopes",
            "universe_domain",
            "account",
            "expiry",
            "rapt_token",
            "ours",
        ]
    );
    assert_eq!(document["token"], "ya29.NEW");
    assert_eq!(document["refresh_token"], "1//REFRESH");
    assert_eq!(document["expiry"], "2026-06-11T11:17:00.000000Z");
    assert_eq!(document["ours"], json!({"x": 1}));
}

#[cfg(unix)]
#[tokio::test]
async fn a_renewed_file_is_readable_by_its_owner_only_and_a_link_stays_a_link() {
    use std::os::unix::fs::PermissionsExt;
    let wire = Wire::play([granted("ya29.NEW")]).await;
    let home = Home::at("2026-06-11T12:00:00Z");
    home.write(json!({"token_uri": wire.url}));
    let real = home.folder.path().join("real.json");
    std::fs::rename(home.path(), &real).unwrap();
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&real, home.path()).unwrap();
    home.open().token().await.unwrap();
    assert_eq!(std::fs::metadata(&real).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::symlink_metadata(home.path()).unwrap().is_symlink());
    assert_eq!(home.read()["token"], "ya29.NEW");
    assert_eq!(std::fs::read_dir(home.folder.path()).unwrap().count(), 2, "no rest of a write");
}

#[tokio::test]
async fn many_callers_renew_once() {
    let wire = Wire::play([granted("ya29.NEW")]).await;
    let home = Home::at("2026-06-11T12:00:00Z");
    home.write(json!({"token_uri": wire.url}));
    let file = home.open();
    let tokens = join_all((0..20).map(|_| file.token())).await;
    assert!(tokens.iter().all(|token| token.as_ref().unwrap().secret() == "ya29.NEW"));
    assert_eq!(wire.seen().len(), 1);
}

/// The Python client asks for a new token for each connection, and keeps none.
#[tokio::test]
async fn p1_a_token_that_has_ended_costs_one_request_for_all_calls_and_all_later_processes() {
    let tokens = Wire::play([granted("ya29.NEW")]).await;
    let known = Act::SendTo("ya29.NEW", answer(200, &file("A", "n", 1)));
    let wire = Wire::play((0..300).map(|_| known.clone())).await;
    let home = Home::at("2026-06-11T12:00:00Z");
    home.write(json!({"token_uri": tokens.url}));
    for _process in 0..3 {
        let settings = Settings { clock: home.clock.clone(), ..Settings::default() };
        let endpoint = Endpoint::at(&wire.url).unwrap();
        let drive = Drive::with_settings(endpoint, Arc::new(home.open()), settings);
        let files = join_all((0..100).map(|_| drive.get("A"))).await;
        assert!(files.iter().all(Result::is_ok), "{files:?}");
    }
    assert_eq!((wire.seen().len(), tokens.seen().len()), (300, 1));
}

#[tokio::test]
async fn p1_many_calls_that_are_turned_down_renew_once() {
    let tokens = Wire::play([granted("ya29.NEW")]).await;
    let known = Act::SendTo("ya29.NEW", answer(200, &file("A", "n", 1)));
    let wire = Wire::play((0..16).map(|_| known.clone())).await;
    let home = Home::at("2026-06-11T10:00:00Z");
    home.write(json!({"token_uri": tokens.url}));
    let settings = Settings { clock: home.clock.clone(), ..Settings::default() };
    let endpoint = Endpoint::at(&wire.url).unwrap();
    let drive = Drive::with_settings(endpoint, Arc::new(home.open()), settings);
    let files = join_all((0..8).map(|_| drive.get("A"))).await;
    assert!(files.iter().all(Result::is_ok), "{files:?}");
    assert_eq!(tokens.seen().len(), 1);
    assert!(!format!("{drive:?}").contains("ya29"), "{drive:?}");
}

#[tokio::test]
async fn a_second_refusal_of_a_fresh_token_is_the_end() {
    let tokens = Wire::play([granted("ya29.NEW")]).await;
    let wire = Wire::play([refuse(401, "authError"), refuse(401, "authError")]).await;
    let home = Home::at("2026-06-11T10:00:00Z");
    home.write(json!({"token_uri": tokens.url}));
    let drive = Drive::new(Endpoint::at(&wire.url).unwrap(), Arc::new(home.open()));
    let error = drive.get("A").await.unwrap_err();
    assert!(matches!(error, Error::Unauthorized { .. }), "{error:?}");
    assert_eq!(wire.seen()[1].header("authorization"), Some("Bearer ya29.NEW"));
}

#[tokio::test]
async fn what_another_program_wrote_meanwhile_is_used() {
    let home = Home::at("2026-06-11T10:00:00Z");
    home.write(json!({}));
    let file = home.open();
    home.write(json!({"token": "ya29.THEIRS"}));
    let refused = AccessToken::new("ya29.ACCESS").unwrap();
    assert_eq!(file.refresh(&refused).await.unwrap().secret(), "ya29.THEIRS");
}

/// Somebody else comes right after the sign-in was read, while a token is asked for.
#[derive(Debug)]
struct Meanwhile {
    file: TokenFile,
    then: std::sync::Mutex<Option<fn(&std::path::Path)>>,
}

#[async_trait::async_trait]
impl Keeper for Meanwhile {
    async fn read(&self) -> Result<TokenDocument, SignInError> {
        let read = self.file.read().await;
        if let Some(then) = self.then.lock().unwrap().take() {
            then(self.file.path());
        }
        read
    }

    async fn write(&self, document: &TokenDocument) -> Result<(), SignInError> {
        self.file.write(document).await
    }
}

#[tokio::test]
async fn a_renewal_undoes_neither_a_new_sign_in_nor_a_logout() {
    const SIGNED_IN_ANEW: &str = r#"{"token":"ya29.OTHER","refresh_token":"1//OTHER",
        "expiry":"2026-06-11T13:00:00Z"}"#;
    let cases: [(fn(&std::path::Path), _); 2] = [
        (|path| std::fs::write(path, SIGNED_IN_ANEW).unwrap(), "ya29.OTHER"),
        (|path| std::fs::remove_file(path).unwrap(), "ya29.NEW"),
    ];
    for (then, goes_on_with) in cases {
        let wire = Wire::play([granted("ya29.NEW")]).await;
        let home = Home::at("2026-06-11T12:00:00Z");
        home.write(json!({"token_uri": wire.url}));
        let file = TokenFile::at(home.path());
        let keeper = Meanwhile { file, then: std::sync::Mutex::new(Some(then)) };
        let tokens = SavedToken::with_clock(Arc::new(keeper), home.clock.clone());
        assert_eq!(tokens.token().await.unwrap().secret(), "ya29.NEW");
        match std::fs::read_to_string(home.path()) {
            Ok(kept) => assert_eq!(kept, SIGNED_IN_ANEW),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
        }
        assert_eq!(tokens.token().await.unwrap().secret(), goes_on_with);
        assert_eq!(wire.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_is_explained_and_a_dead_token_is_not_asked_for_again() {
    let wire = Wire::play([refused("invalid_grant")]).await;
    let home = Home::at("2026-06-11T12:00:00Z");
    home.write(json!({"token_uri": wire.url}));
    let file = home.open();
    for _ in 0..3 {
        let error = file.token().await.unwrap_err();
        let is_revoked = matches!(error, Error::SignedOut { source: SignInError::Revoked });
        assert!(is_revoked, "{error:?}");
    }
    assert_eq!(wire.seen().len(), 1);
    wire.then(granted("ya29.NEW"));
    home.write(json!({"token_uri": wire.url, "refresh_token": "1//AGAIN"}));
    assert_eq!(file.token().await.unwrap().secret(), "ya29.NEW");

    wire.then(refused("invalid_client"));
    let refused = AccessToken::new("ya29.NEW").unwrap();
    let error = file.refresh(&refused).await.unwrap_err();
    let is_client = matches!(error, Error::SignedOut { source: SignInError::BadClient { .. } });
    assert!(is_client && !error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_token_server_that_stumbles_is_asked_again() {
    let stumble = Act::Send(answer(503, "<html>"));
    let wire = Wire::play([LOST, stumble.clone(), granted("ya29.NEW")]).await;
    let home = Home::at("2026-06-11T12:00:00Z");
    home.write(json!({"token_uri": wire.url}));
    assert_eq!(home.open().token().await.unwrap().secret(), "ya29.NEW");

    let wire = Wire::play((0..9).map(|_| stumble.clone())).await;
    home.write(json!({"token_uri": wire.url}));
    let error = home.open().token().await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
    assert_eq!(wire.seen().len(), 4);
}

#[tokio::test]
async fn a_token_that_cannot_stand_in_a_header_is_refused() {
    for body in [r#"{"access_token":"a\r\nX: y"}"#, "{}", "[]", "x"] {
        let wire = Wire::play([ok(body)]).await;
        let home = Home::at("2026-06-11T12:00:00Z");
        home.write(json!({"token_uri": wire.url}));
        let error = home.open().token().await.unwrap_err();
        assert!(matches!(error, Error::SignedOut { .. }), "{body}: {error:?}");
    }
}

#[tokio::test]
async fn no_secret_is_in_any_message() {
    let wire = Wire::play([refused("invalid_grant")]).await;
    let home = Home::at("2026-06-11T12:00:00Z");
    home.write(json!({"token_uri": wire.url}));
    let file = home.open();
    let error = file.token().await.unwrap_err();
    let text = format!("{file:?} {error:?} {error}");
    for secret in ["ya29", "1//", "SECRET"] {
        assert!(!text.contains(secret), "{text}");
    }
}
